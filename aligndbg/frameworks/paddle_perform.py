"""A layer or op computed in Paddle from its kind, attributes and parameters: what torch's call of that kind would compute.

Diagnosis tries causes with it on recorded inputs: torch's attributes with Paddle's weights, say. Runs in the Paddle child only.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import paddle

from aligndbg.core.layers import Attribute
from aligndbg.frameworks.paddle_perform_layers import LAYERS
from aligndbg.frameworks.paddle_perform_operation import Operation
from aligndbg.frameworks.paddle_perform_ops import OPS
from aligndbg.frameworks.paddle_perform_resize import interpolate
from aligndbg.frameworks.paddle_perform_window import WINDOWED

Result = paddle.Tensor | list[paddle.Tensor]

KINDS: Mapping[str, Callable[[Operation], Result]] = {**WINDOWED, **LAYERS, **OPS, "interpolate": interpolate}
"""How each canonical kind is computed."""

_LAST_CHANNELS = frozenset({"NLC", "NHWC", "NDHWC", "channels-last"})
_HAS_CHANNELS = frozenset(WINDOWED) | frozenset(
    "batch_norm sync_batch_norm instance_norm group_norm local_response_norm prelu interpolate pixel_shuffle pixel_unshuffle "
    "channel_shuffle".split()
)


def perform(
    kind: str,
    inputs: Sequence[paddle.Tensor],
    attributes: Mapping[str, Attribute],
    params: Mapping[str, tuple[str, paddle.Tensor]],
) -> Result:
    """What torch's layer or op of `kind` makes of `inputs`, in their dtype; a list where it makes several tensors.

    `attributes` are in normal form (core.attributes): a list with one number for each spatial axis, `padding` with (before, after)
    of each. Those that a call records are taken as they are too: Paddle's `data_format` `NHWC` and `padding` `SAME`, for instance.
    A missing attribute has torch's documented default.

    `params` maps roles to (layout, tensor) as core.layers.ParamSpec has them; the axes may be in any order that the layout spells
    out. A parameter that is given is used, whatever `bias` or `affine` say.

    Raises NotImplementedError, with a sentence, for a kind that is not known, or attributes that do not say enough.
    """
    if kind not in KINDS:
        raise NotImplementedError(f"{kind} is not a kind that can be performed apart from its call")
    with paddle.no_grad():
        if not _has_channels_last(kind, attributes, inputs):
            return KINDS[kind](Operation(kind, inputs, attributes, params))
        turned = [channels_first(inputs[0]), *inputs[1:]]
        return channels_last(KINDS[kind](Operation(kind, turned, attributes, params)))


def _has_channels_last(kind: str, attributes: Mapping[str, Attribute], inputs: Sequence[paddle.Tensor]) -> bool:
    if kind not in _HAS_CHANNELS or attributes.get("data_format") not in _LAST_CHANNELS or not inputs:
        return False
    amounts = attributes.get("pad")
    # A `pad` of more than the spatial axes counts from the last axis, whatever that is.
    return kind != "pad" or not isinstance(amounts, list) or len(amounts) <= 2 * (len(inputs[0].shape) - 2)


def channels_first(x: paddle.Tensor) -> paddle.Tensor:
    axes = len(x.shape)
    return x.transpose([0, axes - 1, *range(1, axes - 1)]) if axes > 2 else x


def channels_last(x: paddle.Tensor) -> paddle.Tensor:
    axes = len(x.shape)
    return x.transpose([0, *range(2, axes), 1]) if axes > 2 else x
