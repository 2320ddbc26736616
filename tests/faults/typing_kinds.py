"""Faults of a block's own forward: the line as its author typed it, and as another did."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from edits import WAYS, Edits, retyped
from kinds import Kind, Mark, Where, pick
from paddle import nn


@dataclass(frozen=True, slots=True)
class Slip:
    """In `method` of a class, `new` stands for `old`. `layer` are the calls of the block that are wrong by it."""

    id: str
    old: str
    new: str
    layer: str
    where: Where = "layer"
    method: str = "forward"


_RESIDUAL = (
    Slip("residual", "out += identity\n", "pass\n", "add", "missing"),
    Slip("activation-missing", "out += identity\n        out = self.relu(out)", "out += identity", "relu#last", "missing"),
    Slip("activation-missing", "self.bn1(out)\n        out = self.relu(out)", "self.bn1(out)", "relu", "missing"),
    Slip(
        "op-order",
        "out = self.bn1(out)\n        out = self.relu(out)",
        "out = self.relu(out)\n        out = self.bn1(out)",
        "bn1 relu",
    ),
    Slip(
        "op-order",
        "out += identity\n        out = self.relu(out)",
        "out = self.relu(out)\n        out += identity",
        "add relu#last",
    ),
    Slip("missing-layer", "out = self.bn2(out)\n", "pass\n", "bn2", "missing"),
    Slip("missing-layer", "out = self.bn1(out)\n", "pass\n", "bn1", "missing"),
    Slip("activation-extra", "out += identity", "out = self.relu(out)\n        out += identity", "bn2 bn3", "after"),
    Slip("weight-shared", "self.bn2(out)", "self.bn1(out)", "bn2"),
    Slip("scale", "out += identity", "out = 0.5 * out + identity", "add"),
)
_SQUEEZE = (
    Slip("activation-missing", "scale = self.activation(scale)", "pass", "activation", "missing", "_scale"),
    Slip("activation-missing", "self.scale_activation(scale)", "scale", "scale_activation", "missing", "_scale"),
    Slip("missing-layer", "return scale * input", "return input", "mul", "missing"),
)
_SHUFFLE = "reshape transpose reshape#2"

SLIPS: Mapping[str, tuple[Slip, ...]] = {
    "resnet.BasicBlock": _RESIDUAL,
    "resnet.BottleneckBlock": _RESIDUAL,
    "mobilenetv2.InvertedResidual": (
        Slip("residual", "x + self.conv(x)", "self.conv(x)", "add", "missing"),
        Slip("scale", "x + self.conv(x)", "x + 0.5 * self.conv(x)", "add"),
        Slip("activation-extra", "x + self.conv(x)", "nn.functional.relu6(x + self.conv(x))", "add", "after"),
    ),
    "mobilenetv3.InvertedResidual": (
        Slip("residual", "x = paddle.add(identity, x)", "pass", "add", "missing"),
        Slip("missing-layer", "x = self.mid_se(x)", "pass", "mid_se", "missing"),
        Slip("activation-extra", "paddle.add(identity, x)", "nn.functional.relu(paddle.add(identity, x))", "add", "after"),
        Slip(
            "op-order",
            "x = self.bottleneck_conv(x)\n        if self.use_se:\n            x = self.mid_se(x)",
            "if self.use_se:\n            x = self.mid_se(x)\n        x = self.bottleneck_conv(x)",
            "bottleneck_conv mid_se",
        ),
    ),
    "mobilenetv3.SqueezeExcitation": _SQUEEZE,
    "shufflenetv2.InvertedResidual": (
        Slip("input-order", "paddle.concat([x1, x2], axis=1)", "paddle.concat([x2, x1], axis=1)", "concat"),
        Slip("input-order", "x1, x2 = paddle.split(", "x2, x1 = paddle.split(", "split _conv_pw concat"),
        Slip("missing-layer", "channel_shuffle(out, 2)", "out", _SHUFFLE, "missing"),
        Slip("groups", "channel_shuffle(out, 2)", "channel_shuffle(out, out.shape[1] // 2)", _SHUFFLE),
    ),
    "shufflenetv2.InvertedResidualDS": (
        Slip("input-order", "paddle.concat([x1, x2], axis=1)", "paddle.concat([x2, x1], axis=1)", "concat"),
        Slip("missing-layer", "channel_shuffle(out, 2)", "out", _SHUFFLE, "missing"),
        Slip("groups", "channel_shuffle(out, 2)", "channel_shuffle(out, out.shape[1] // 2)", _SHUFFLE),
    ),
    "densenet.DenseLayer": (
        Slip("input-order", "paddle.concat([input, conv], axis=1)", "paddle.concat([conv, input], axis=1)", "concat"),
    ),
    "squeezenet.Fire": (
        Slip("input-order", "paddle.concat([narrow, wide], axis=1)", "paddle.concat([wide, narrow], axis=1)", "concat"),
        Slip(
            "activation-missing",
            "self.expand3x3_activation(self.expand3x3(x))",
            "self.expand3x3(x)",
            "expand3x3_activation",
            "missing",
        ),
        Slip(
            "activation-missing",
            "self.expand1x1_activation(self.expand1x1(x))",
            "self.expand1x1(x)",
            "expand1x1_activation",
            "missing",
        ),
        Slip("activation-missing", "self.squeeze_activation(self.squeeze(x))", "self.squeeze(x)", "squeeze_activation", "missing"),
    ),
    "vgg.VGG": (
        Slip(
            "flatten", "self.avgpool(self.features(x)), 1", "self.avgpool(self.features(x)).transpose([0, 2, 3, 1]), 1", "flatten"
        ),
        Slip(
            "flatten", "self.avgpool(self.features(x)), 1", "self.avgpool(self.features(x)).transpose([0, 1, 3, 2]), 1", "flatten"
        ),
    ),
    "transformer.Block": (
        Slip("residual", "x = x + self.attention(", "x = self.attention(", "add", "missing"),
        Slip("residual", "return x + self.fc2(", "return self.fc2(", "add#2", "missing"),
        Slip("op-order", "x + self.attention(self.norm1(x))", "self.norm1(x + self.attention(x))", "norm1 add"),
        Slip("op-order", "self.gelu(self.fc1(self.norm2(x)))", "self.fc1(self.gelu(self.norm2(x)))", "fc1 gelu"),
        Slip("activation-missing", "self.gelu(self.fc1(self.norm2(x)))", "self.fc1(self.norm2(x))", "gelu", "missing"),
        Slip("missing-layer", "self.fc1(self.norm2(x))", "self.fc1(x)", "norm2", "missing"),
        Slip("missing-layer", "self.attention(self.norm1(x))", "self.attention(x)", "norm1", "missing"),
        Slip("weight-shared", "self.norm2(x)", "self.norm1(x)", "norm2"),
    ),
    "transformer.Attention": (
        Slip("scale", " * self.scale", "", "mul", "missing"),
        Slip("scale", " * self.scale", " * x.shape[-1] ** -0.5", "mul"),
        Slip("scale", " * self.scale", " / self.scale", "mul"),
        Slip("input-order", "paddle.matmul(query, key.transpose", "paddle.matmul(key, query.transpose", "matmul transpose#4"),
        Slip("weight-shared", "self.split(self.key(x))", "self.split(self.query(x))", "key"),
        Slip("missing-layer", "value).transpose([0, 2, 1, 3])", "value)", "transpose#5", "missing"),
        Slip(
            "heads",
            "self.heads, x.shape[2] // self.heads",
            "x.shape[2] // self.heads, self.heads",
            "reshape reshape#2 reshape#3",
            method="split",
        ),
    ),
    "transformer.Transformer": (
        Slip("flatten", ".flatten(2).transpose([0, 2, 1])", ".transpose([0, 3, 2, 1]).flatten(1, 2)", "flatten transpose"),
        Slip(
            "input-order", "[self.token.expand([x.shape[0], -1, -1]), x]", "[x, self.token.expand([x.shape[0], -1, -1])]", "concat"
        ),
        Slip("missing-layer", " + self.position", "", "add", "missing"),
        Slip("missing-layer", "self.norm(self.blocks(x))", "self.blocks(x)", "norm", "missing"),
    ),
    "mixed.Mixed": (
        Slip("residual", "x = x + self.prelu(", "x = self.prelu(", "add", "missing"),
        Slip("residual", " * 0.5 + x", " * 0.5", "add#2", "missing"),
        Slip("scale", " * 0.5 + x", " + x", "mul#2", "missing"),
        Slip("scale", " * 0.5 + x", " * 0.25 + x", "mul#2"),
        Slip("input-order", "self.up(x) - self.transposed(x)", "self.transposed(x) - self.up(x)", "sub"),
        Slip("input-order", "x / (1.5 + F.relu(x))", "(1.5 + F.relu(x)) / x", "truediv"),
        Slip("input-order", "[self.wide(x), self.narrow(x)]", "[self.narrow(x), self.wide(x)]", "concat"),
        Slip("input-order", "paddle.concat([left, right]", "paddle.concat([right, left]", "concat#2"),
        Slip("concat-axis", "paddle.concat([left, right], axis=1)", "paddle.concat([left, right], axis=2)", "concat#2"),
        Slip("concat-axis", "paddle.concat([left, right], axis=1)", "paddle.concat([left, right], axis=-1)", "concat#2"),
        Slip(
            "flatten",
            "self.flatten(paddle.concat([left, right], axis=1))",
            "self.flatten(paddle.concat([left, right], axis=1).transpose([0, 2, 1]))",
            "flatten#3",
        ),
        Slip("flatten", "self.softmax(x).flatten(2)", "self.softmax(x).transpose([0, 1, 3, 2]).flatten(2)", "flatten#2"),
        Slip("align-corners", "align_corners=False", "align_corners=True", "interpolate"),
        Slip("interpolation", 'mode="bilinear"', 'mode="bicubic"', "interpolate"),
        Slip("interpolation", 'mode="bilinear", align_corners=False', 'mode="nearest"', "interpolate"),
        Slip("activation", "F.sigmoid(", "F.hardsigmoid(", "sigmoid"),
        Slip("activation", "F.relu(self.mix(", "F.gelu(self.mix(", "relu#2"),
        Slip("activation", "F.relu(self.dropout(", "F.silu(self.dropout(", "relu#3"),
        Slip("activation-missing", "F.sigmoid(self.gate(x))", "self.gate(x)", "sigmoid", "missing"),
        Slip(
            "activation-missing",
            "F.relu(self.mix(self.pool(self.plain_norm(x))))",
            "self.mix(self.pool(self.plain_norm(x)))",
            "relu#2",
            "missing",
        ),
        Slip("activation-missing", "F.relu(self.dropout(self.hidden(x)))", "self.dropout(self.hidden(x))", "relu#3", "missing"),
        Slip("op-order", "self.leaky(self.norm(", "self.norm(self.leaky(", "norm leaky"),
        Slip("op-order", "self.hardswish(self.bn(", "self.bn(self.hardswish(", "bn hardswish"),
        Slip("dropout-active", "self.dropout(self.hidden(x))", "F.dropout(self.hidden(x), 0.3)", "dropout"),
        Slip("activation-extra", "x = self.square(x)", "x = F.relu(self.square(x))", "square", "after"),
        Slip("axis", "self.softmax(x)", "F.softmax(x)", "softmax"),
        Slip(
            "dtype",
            "paddle.concat([left, right], axis=1)",
            'paddle.concat([left, right], axis=1).astype("float16").astype("float32")',
            "concat#2",
            "after",
        ),
    ),
}
"""By the class of the block: file and name. Paths are relative to the block; `#last` is the last of several executions."""


def _name(layer: nn.Layer) -> str:
    module = type(layer).__module__.rpartition(".")[2].removesuffix("_paddle")
    return f"{'squeezenet' if type(layer).__name__ == 'Fire' else module}.{type(layer).__name__}"


def _fitting(layer: nn.Layer, id_: str) -> list[Slip]:
    return [slip for slip in SLIPS.get(_name(layer), ()) if slip.id == id_]


def _kind(id_: str) -> Kind:
    def applicable(model: nn.Layer) -> list[str]:
        return [path for path, layer in model.named_sublayers(include_self=True) if _fitting(layer, id_)]

    def plant(edits: Edits, place: str, rng: np.random.Generator) -> Mark | None:
        block: Any = edits.at(place)
        slip = pick(rng, _fitting(block, id_))
        wrong = retyped(getattr(type(block), slip.method), slip.old, slip.new)
        if wrong is None:
            return None
        if slip.method == "forward":
            edits.forward(place, wrong, pick(rng, list(WAYS)))
        else:
            edits.method(place, slip.method, wrong)
        note = f"{_line(slip.new)} for {_line(slip.old)}"
        return Mark(tuple(_paths(block, place, slip)), place, note, slip.where, _beside(place, slip), _also(slip))

    return Kind(id_, applicable, plant)


def _paths(block: nn.Layer, place: str, slip: Slip) -> list[str]:
    """The paths of the slip's calls in the whole model."""
    prefix = f"{place}." if place else ""
    last = "relu#3" if "bn3" in block._sub_layers else "relu#2"
    names = [last if name == "relu#last" else name for name in slip.layer.split()]
    if slip.where == "after" and len(names) > 1:
        # The last of those that this block has.
        names = [name for name in names if name in block._sub_layers][-1:]
    return [prefix + name for name in names]


def _also(slip: Slip) -> tuple[str, ...]:
    """Other ids that tell a slip as well: it leaves a call out, or types one that is not there."""
    if slip.id not in ("flatten", "scale", "dtype"):
        return ()
    return ("missing-layer",) if slip.where == "missing" else ("extra-layer",)


_NEIGHBOURS: Mapping[str, str] = {
    "truediv": "gate wide",
    "concat": "wide narrow gelu patches",
    "concat#2": "softmax flatten hidden",
    "interpolate": "gelu plain_norm",
    "flatten#2": "mix softmax flatten",
    "flatten#3": "softmax flatten hidden",
    "mul#2": "square head",
    "add#2": "square head",
    "add": "patches dilated prelu blur",
}
"""The layers of a model next to an op in its own forward."""


def _beside(place: str, slip: Slip) -> tuple[str, ...]:
    """Of a slip in the model's own forward, the layers that must stay as they are; a block must as a whole."""
    if place:
        return (place,)
    named = re.findall(r"self\.(\w+)", slip.old + slip.new)
    return (*named, *(near for op in slip.layer.split() for near in _NEIGHBOURS.get(op, "").split()))


def _line(text: str) -> str:
    return "`" + "; ".join(part.strip() for part in text.split("\n") if part.strip()) + "`"


def _fewer_heads(edits: Edits, place: str, rng: np.random.Generator) -> Mark:
    now = edits.at(place).heads
    other = pick(rng, [now // 2, now * 2, 1])
    edits.assign(place, "heads", other)
    names = ("reshape", "reshape#2", "reshape#3")
    return Mark(tuple(f"{place}.{name}" for name in names), place, f"heads={other} for {now}")


def _attentions(model: nn.Layer) -> list[str]:
    return [path for path, layer in model.named_sublayers() if isinstance(getattr(layer, "heads", None), int)]


TYPING_KINDS = (
    *(_kind(id_) for id_ in sorted({slip.id for slips in SLIPS.values() for slip in slips})),
    Kind("heads", _attentions, _fewer_heads),
)
