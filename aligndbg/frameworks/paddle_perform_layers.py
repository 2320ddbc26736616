"""Layers with weights or statistics, and attention, as torch computes them. Windows over spatial axes are elsewhere."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import paddle
from paddle.nn import functional as F

from aligndbg.frameworks.paddle_perform_operation import Operation, along, product
from aligndbg.frameworks.paddle_perform_ops import POINTWISE
from aligndbg.frameworks.paddle_perform_window import padded


def linear(operation: Operation) -> paddle.Tensor:
    weight, bias = operation.matrix("weight", "oi"), operation.vector("bias")
    if weight is None:
        raise operation.refuse("cannot be performed without its weight")
    result = paddle.matmul(operation.x, weight, transpose_y=True)
    return result if bias is None else result + bias


def bilinear(operation: Operation) -> paddle.Tensor:
    first, second = operation.inputs[:2]
    named = operation.params.get("weight")
    if named is None:
        raise operation.refuse("cannot be performed without its weight")
    weight, bias = operation.weight("oij"), operation.vector("bias")
    rows = [tensor.reshape([-1, tensor.shape[-1]]) for tensor in (first, second)]
    result = paddle.einsum("bi,oij,bj->bo", rows[0], weight, rows[1]).reshape([*first.shape[:-1], weight.shape[0]])
    return result if bias is None else result + bias


def embedding(operation: Operation) -> paddle.Tensor:
    """The row that `padding_idx` names counts as it is; Paddle's own function would give zeros for it."""
    return F.embedding(operation.x, operation.weight("ve"))


def normalised(x: paddle.Tensor, axes: Sequence[int], epsilon: float) -> paddle.Tensor:
    centred = x - x.mean(axes, keepdim=True)
    return centred * paddle.rsqrt((centred * centred).mean(axes, keepdim=True) + epsilon)


def affine(operation: Operation, x: paddle.Tensor) -> paddle.Tensor:
    """`x` times the weight plus the bias of each channel."""
    weight, bias = operation.vector("weight"), operation.vector("bias")
    x = x if weight is None else x * along(weight, len(x.shape))
    return x if bias is None else x + along(bias, len(x.shape))


def _epsilon(operation: Operation) -> float:
    return float(operation.get("epsilon", default=1e-5))


def _by_statistics(operation: Operation, own_axes: Sequence[int]) -> paddle.Tensor:
    """With the running statistics where the layer has them, otherwise with those of the input over `own_axes`."""
    x, mean, variance = operation.x, operation.params.get("mean"), operation.params.get("variance")
    if mean is None or variance is None or operation.get("batch_stats", "training", default=False):
        return affine(operation, normalised(x, own_axes, _epsilon(operation)))
    centre, spread = (along(tensor.astype(x.dtype), len(x.shape)) for _, tensor in (mean, variance))
    return affine(operation, (x - centre) * paddle.rsqrt(spread + _epsilon(operation)))


def batch_norm(operation: Operation) -> paddle.Tensor:
    """Paddle's older class applies an activation itself, which the attribute `activation` names."""
    result = _by_statistics(operation, [axis for axis in range(len(operation.x.shape)) if axis != 1])
    name = operation.get("activation")
    if name is None:
        return result
    if name not in POINTWISE:
        raise operation.refuse(f"has an activation {name!r} that is not known")
    return POINTWISE[name](Operation(name, [result], {}, {}))


def instance_norm(operation: Operation) -> paddle.Tensor:
    return _by_statistics(operation, list(range(2, len(operation.x.shape))))


def _normalized_shape(operation: Operation) -> list[int]:
    shape = operation.get("normalized_shape")
    if shape is None:
        weight = operation.param("weight", "c")
        shape = operation.need("normalized_shape") if weight is None else weight.shape
    return [shape] if isinstance(shape, int) else list(shape)


def _affine_of_shape(operation: Operation, x: paddle.Tensor, shape: list[int]) -> paddle.Tensor:
    weight, bias = operation.vector("weight"), operation.vector("bias")
    x = x if weight is None else x * weight.reshape(shape)
    return x if bias is None else x + bias.reshape(shape)


def layer_norm(operation: Operation) -> paddle.Tensor:
    shape = _normalized_shape(operation)
    return _affine_of_shape(operation, normalised(operation.x, list(range(-len(shape), 0)), _epsilon(operation)), shape)


def rms_norm(operation: Operation) -> paddle.Tensor:
    """Without an epsilon torch takes the step of the dtype at 1 (torch documentation, `torch.nn.RMSNorm`)."""
    shape, x = _normalized_shape(operation), operation.x
    epsilon = operation.get("epsilon", default=float(paddle.finfo(x.dtype).eps))
    scale = paddle.rsqrt((x * x).mean(list(range(-len(shape), 0)), keepdim=True) + epsilon)
    return _affine_of_shape(operation, x * scale, shape)


def group_norm(operation: Operation) -> paddle.Tensor:
    x, groups = operation.x, operation.need("groups", "num_groups")
    if x.shape[1] % groups:
        raise operation.refuse(f"cannot divide {x.shape[1]} channels among {groups} groups")
    grouped = normalised(x.reshape([x.shape[0], groups, -1]), [2], _epsilon(operation))
    return affine(operation, grouped.reshape(x.shape))


def local_response_norm(operation: Operation) -> paddle.Tensor:
    """`alpha` times the mean over the window, the missing channels at both ends counted as zeros."""
    x, size = operation.x, operation.need("size")
    alpha, beta, k = (operation.get(name, default=value) for name, value in (("alpha", 1e-4), ("beta", 0.75), ("k", 1.0)))
    squares = padded(x * x, {1: (size // 2, (size - 1) // 2)})
    total = sum(squares.slice([1], [start], [start + x.shape[1]]) for start in range(size))
    return x / (total * (alpha / size) + k) ** beta


def prelu(operation: Operation) -> paddle.Tensor:
    x, slope = operation.x, operation.vector("weight")
    if slope is None:
        raise operation.refuse("cannot be performed without its weight")
    return paddle.where(x > 0, x, x * (along(slope, len(x.shape)) if slope.shape[0] > 1 else slope))


def attention(operation: Operation) -> paddle.Tensor:
    """Inputs [..., heads, sequence, features]; a fourth is the mask, added, or of booleans that say what is seen."""
    tensors = operation.operands()
    if not 3 <= len(tensors) <= 4:
        raise operation.refuse(f"takes query, key, value and a mask, not {len(tensors)} tensors")
    query, key, value = tensors[:3]
    if operation.get("p", default=0.0) and operation.get("training", default=True):
        raise operation.refuse("draws random numbers with a dropout that is not 0")
    mask = tensors[3] if len(tensors) == 4 else None
    return attended(query, key, value, mask, bool(operation.get("is_causal", default=False)), operation.get("scale"))


def attended(
    query: paddle.Tensor,
    key: paddle.Tensor,
    value: paddle.Tensor,
    mask: paddle.Tensor | None = None,
    is_causal: bool = False,
    scale: float | None = None,
) -> paddle.Tensor:
    """softmax(query key^T scale + mask) value; the causal mask leaves row i the columns up to i."""
    if len(query.shape) > 3 and query.shape[-3] != key.shape[-3]:
        times = query.shape[-3] // key.shape[-3]
        key, value = (paddle.repeat_interleave(tensor, times, axis=-3) for tensor in (key, value))
    scores = paddle.matmul(query, key, transpose_y=True) * (query.shape[-1] ** -0.5 if scale is None else scale)
    if is_causal:
        seen = paddle.tril(paddle.ones(scores.shape[-2:], "int32")).astype("bool")
        scores = paddle.where(seen, scores, paddle.full_like(scores, float("-inf")))
    if mask is not None and mask.dtype == paddle.bool:
        scores = paddle.where(mask, scores, paddle.full_like(scores, float("-inf")))
    elif mask is not None:
        scores = scores + mask.astype(scores.dtype)
    return paddle.matmul(F.softmax(scores, -1), value)


def flash_attention(operation: Operation) -> paddle.Tensor:
    """Inputs and result are [batch, sequence, heads, features] (Paddle documentation, `scaled_dot_product_attention`)."""
    first, rest = operation.operands()[:3], operation.operands()[3:]
    swapped = [tensor.transpose([0, 2, 1, 3]) for tensor in first]
    inner = Operation(operation.kind, [*swapped, *rest], operation.attributes, {})
    return attention(inner).transpose([0, 2, 1, 3])


def _projection(operation: Operation, name: str, width: int) -> tuple[paddle.Tensor, paddle.Tensor | None]:
    """Weight [out, in] and bias of one of the projections `q`, `k`, `v`: its own, or its third of `qkv`."""
    place = "qkv".index(name)
    own = operation.param(f"{name}.weight", "oi")
    whole, bias = operation.param("qkv.weight", "oi"), operation.param("qkv.bias", "c")
    weight = own if own is not None else None if whole is None else whole[place * width : (place + 1) * width]
    if weight is None:
        raise operation.refuse(f"cannot be performed without the weight of the projection {name!r}")
    own_bias = operation.param(f"{name}.bias", "c")
    return weight, own_bias if own_bias is not None else None if bias is None else bias[place * width : (place + 1) * width]


def _projected(x: paddle.Tensor, weight: paddle.Tensor, bias: paddle.Tensor | None) -> paddle.Tensor:
    result = paddle.matmul(x, weight, transpose_y=True)
    return result if bias is None else result + bias


def multihead_attention(operation: Operation) -> paddle.Tensor:
    """The first result of the layer: [sequence, batch, features], or [batch, sequence, features] with `batch_first`."""
    unknown = {role for role in operation.params if role.partition(".")[0] not in ("qkv", "q", "k", "v", "out")}
    if unknown or len(operation.inputs) not in (1, 3):
        raise operation.refuse(f"is performed from query, key and value only, without masks or {sorted(unknown) or 'more inputs'}")
    heads, leads = operation.need("num_heads"), bool(operation.get("batch_first", default=False))
    width = operation.inputs[0].shape[-1]
    single = len(operation.inputs[0].shape) == 2
    split = []
    for place, name in enumerate("qkv"):
        x = operation.inputs[place if len(operation.inputs) == 3 else 0]
        x = x.unsqueeze(0) if single else x if leads else x.transpose([1, 0, 2])
        y = _projected(x, *_projection(operation, name, width))
        split.append(y.reshape([y.shape[0], y.shape[1], heads, -1]).transpose([0, 2, 1, 3]))
    joined = attended(*split).transpose([0, 2, 1, 3]).flatten(2)
    out = operation.param("out.weight", "oi")
    if out is None:
        raise operation.refuse("cannot be performed without the weight of the projection 'out'")
    result = _projected(joined, out, operation.param("out.bias", "c"))
    return result.squeeze(0) if single else result if leads else result.transpose([1, 0, 2])


def pixel_shuffle(operation: Operation) -> paddle.Tensor:
    x, factor = operation.x, operation.need("upscale_factor")
    *lead, channels, height, width = x.shape
    kept = channels // (factor * factor)
    parts = x.reshape([-1, kept, factor, factor, height, width]).transpose([0, 1, 4, 2, 5, 3])
    return parts.reshape([*lead, kept, height * factor, width * factor])


def pixel_unshuffle(operation: Operation) -> paddle.Tensor:
    x, factor = operation.x, operation.need("downscale_factor")
    *lead, channels, height, width = x.shape
    parts = x.reshape([-1, channels, height // factor, factor, width // factor, factor]).transpose([0, 1, 3, 5, 2, 4])
    return parts.reshape([*lead, channels * factor * factor, height // factor, width // factor])


def channel_shuffle(operation: Operation) -> paddle.Tensor:
    x, groups = operation.x, operation.need("groups")
    return x.reshape([x.shape[0], groups, -1, product(x.shape[2:])]).transpose([0, 2, 1, 3]).reshape(x.shape)


LAYERS: Mapping[str, Callable[[Operation], paddle.Tensor]] = {
    "linear": linear,
    "bilinear": bilinear,
    "embedding": embedding,
    "batch_norm": batch_norm,
    "sync_batch_norm": batch_norm,
    "instance_norm": instance_norm,
    "layer_norm": layer_norm,
    "rms_norm": rms_norm,
    "group_norm": group_norm,
    "local_response_norm": local_response_norm,
    "prelu": prelu,
    "attention": attention,
    "flash_attention": flash_attention,
    "multihead_attention": multihead_attention,
    "pixel_shuffle": pixel_shuffle,
    "pixel_unshuffle": pixel_unshuffle,
    "channel_shuffle": channel_shuffle,
}
