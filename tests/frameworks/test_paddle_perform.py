"""Every kind performed in Paddle gives what torch's own layer or function gives, with what the tracer reads off the latter."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import paddle
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional as F

from aligndbg.core import kinds
from aligndbg.core.attributes import normal, normal_of
from aligndbg.core.layers import Attribute, Call
from aligndbg.frameworks.catalogue import LayerClass, entry_for, layout_of, read_attributes
from aligndbg.frameworks.paddle_layers import PADDLE_LAYERS
from aligndbg.frameworks.paddle_perform import KINDS, perform
from aligndbg.frameworks.pytorch import TorchFramework
from aligndbg.frameworks.torch_layers import TORCH_LAYERS

pytestmark = pytest.mark.frameworks

NOT_PERFORMED = {
    "lstm": "a recurrent layer is compared as a whole",
    "gru": "a recurrent layer is compared as a whole",
    "rnn": "a recurrent layer is compared as a whole",
}


def noise(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def same(found: Any, expected: np.ndarray, what: object) -> None:
    value = found.numpy()
    assert value.shape == expected.shape, what
    scale = max(float(np.abs(expected).max(initial=0.0)), 1e-3)
    worst = float(np.abs(value - expected).max(initial=0.0))
    assert worst <= 1e-5 * scale, f"{what}: off by {worst:.2e} at a scale of {scale:.2e}"


def randomised(layer: nn.Module) -> nn.Module:
    """No parameter neutral, no statistic trivial."""
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for name, tensor in layer.state_dict().items():
            if tensor.is_floating_point():
                tensor.copy_(torch.rand(tensor.shape, generator=generator) + (0.5 if "var" in name else -0.3))
    return layer.eval()


def torch_params(layer: nn.Module, entry: LayerClass) -> dict[str, tuple[str, paddle.Tensor]]:
    return {
        entry.params[name][0]: (layout_of(entry.params[name][1], tensor.dim()), paddle.to_tensor(tensor.numpy()))
        for name, tensor in layer.state_dict().items()
        if name in entry.params
    }


def shuffled(layout: str, tensor: paddle.Tensor) -> tuple[str, paddle.Tensor]:
    """The same parameter with its axes the other way round."""
    return (layout[::-1], tensor.transpose(list(range(len(layout)))[::-1])) if layout else (layout, tensor)


def agrees(layer: nn.Module, *inputs: np.ndarray, **more: Attribute) -> None:
    layer = randomised(layer)
    entry, _ = entry_for(type(layer), ("torch.nn",), TORCH_LAYERS)
    with torch.no_grad():
        result = layer(*map(torch.from_numpy, inputs))
    expected = (result[0] if isinstance(result, tuple) else result).numpy()
    attributes = {**read_attributes(layer, entry), **more}
    params = torch_params(layer, entry)
    tensors = [paddle.to_tensor(value) for value in inputs]
    same(perform(entry.kind, tensors, attributes, params), expected, layer)
    others = {role: shuffled(*value) for role, value in params.items()}
    brought = normal(entry.kind, attributes, inputs[0].ndim)
    same(perform(entry.kind, tensors, brought, params), expected, f"{layer} with its attributes in normal form")
    same(perform(entry.kind, tensors, brought, others), expected, f"{layer} with its parameters' axes turned")


CONVOLUTIONS = [
    {},
    {"stride": 2, "padding": 1},
    {"padding": 2, "dilation": 2, "groups": 2},
    {"padding": "same", "dilation": 2},
    {"padding": "valid", "bias": False},
    {"padding": 1, "padding_mode": "reflect"},
    {"padding": 2, "padding_mode": "replicate", "stride": 2},
    {"padding": 1, "padding_mode": "circular", "groups": 4},
    {"padding": "same", "padding_mode": "reflect", "kernel_size": 4},
]


@pytest.mark.parametrize("options", CONVOLUTIONS)
@pytest.mark.parametrize("axes", [1, 2, 3])
def test_convolutions(axes: int, options: dict[str, Any]) -> None:
    build = [nn.Conv1d, nn.Conv2d, nn.Conv3d][axes - 1]
    agrees(build(4, 8, **{"kernel_size": 3, **options}), noise(2, 4, *(9, 8, 7)[:axes]))


def test_a_convolution_of_one_sample_and_uneven_windows() -> None:
    agrees(nn.Conv2d(4, 6, 3), noise(4, 8, 9))
    agrees(nn.Conv2d(4, 6, (3, 5), stride=(2, 1), padding=(0, 2), dilation=(2, 1)), noise(2, 4, 11, 12))


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"stride": 2, "padding": 1, "output_padding": 1},
        {"stride": 3, "padding": 2, "dilation": 2, "groups": 2},
        {"stride": 2, "output_padding": 1, "bias": False},
        {"stride": 1, "padding": 2, "dilation": 2, "output_padding": 1},
    ],
)
@pytest.mark.parametrize("axes", [1, 2, 3])
def test_transposed_convolutions(axes: int, options: dict[str, Any]) -> None:
    build = [nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d][axes - 1]
    agrees(build(4, 6, 3, **options), noise(2, 4, *(5, 6, 4)[:axes]))


def test_padding_on_one_side_only_is_a_pad_before_the_layer() -> None:
    x, weight = noise(2, 3, 6, 7), noise(5, 3, 3, 3, seed=1)
    expected = F.conv2d(F.pad(torch.from_numpy(x), (2, 0, 0, 1)), torch.from_numpy(weight)).numpy()
    params = {"weight": ("oihw", paddle.to_tensor(weight))}
    same(perform("conv2d", [paddle.to_tensor(x)], {"padding": [0, 1, 2, 0]}, params), expected, "conv2d")
    expected = F.max_pool2d(F.pad(torch.from_numpy(x), (1, 0, 0, 1), value=-torch.inf), 2, 2).numpy()
    pool = {"kernel_size": [2, 2], "padding": [0, 1, 1, 0]}
    same(perform("max_pool2d", [paddle.to_tensor(x)], pool, {}), expected, "max_pool2d")


POOLS = [
    {"kernel_size": 3},
    {"kernel_size": 2, "stride": 2, "ceil_mode": True},
    {"kernel_size": 3, "stride": 2, "padding": 1, "ceil_mode": True},
    {"kernel_size": 2, "stride": 3, "padding": 1, "ceil_mode": True},
    {"kernel_size": 3, "stride": 1, "padding": 1},
    {"kernel_size": 4, "stride": 3, "padding": 2, "ceil_mode": True},
]


@pytest.mark.parametrize("size", [5, 6, 7, 8])
@pytest.mark.parametrize("options", POOLS)
@pytest.mark.parametrize("axes", [1, 2, 3])
def test_pools(axes: int, options: dict[str, Any], size: int) -> None:
    x = noise(2, 3, *(size, 9, 8)[:axes]) - 3
    largest = [nn.MaxPool1d, nn.MaxPool2d, nn.MaxPool3d][axes - 1]
    agrees(largest(**options), x)
    if (options["kernel_size"] - 1) * 2 < size:
        agrees(largest(**options, dilation=2), x)
    mean = [nn.AvgPool1d, nn.AvgPool2d, nn.AvgPool3d][axes - 1]
    agrees(mean(**options), x)
    agrees(mean(**options, count_include_pad=False), x)
    if axes > 1:
        agrees(mean(**options, divisor_override=5), x)


@settings(max_examples=40, deadline=None)
@given(
    kernel=st.tuples(st.integers(1, 4), st.integers(1, 4)),
    stride=st.tuples(st.integers(1, 5), st.integers(1, 5)),
    dilation=st.tuples(st.integers(1, 2), st.integers(1, 2)),
    share=st.integers(0, 2),
    ceil_mode=st.booleans(),
    include=st.booleans(),
    sizes=st.tuples(st.integers(8, 13), st.integers(8, 13)),
)
def test_any_pool(
    kernel: tuple[int, int],
    stride: tuple[int, int],
    dilation: tuple[int, int],
    share: int,
    ceil_mode: bool,
    include: bool,
    sizes: tuple[int, int],
) -> None:
    padding = tuple(min(share, length // 2) for length in kernel)
    x = noise(1, 2, *sizes) - 3
    agrees(nn.MaxPool2d(kernel, stride, padding, dilation, ceil_mode=ceil_mode), x)
    agrees(nn.AvgPool2d(kernel, stride, padding, ceil_mode, include), x)


@settings(max_examples=40, deadline=None)
@given(
    kernel=st.tuples(st.integers(1, 4), st.integers(1, 4)),
    stride=st.tuples(st.integers(1, 3), st.integers(1, 3)),
    dilation=st.tuples(st.integers(1, 3), st.integers(1, 3)),
    padding=st.tuples(st.integers(0, 3), st.integers(0, 3)),
    groups=st.sampled_from([1, 2, 4]),
    mode=st.sampled_from(["zeros", "reflect", "replicate", "circular"]),
    extra=st.tuples(st.integers(0, 2), st.integers(0, 2)),
)
def test_any_convolution(
    kernel: tuple[int, int],
    stride: tuple[int, int],
    dilation: tuple[int, int],
    padding: tuple[int, int],
    groups: int,
    mode: str,
    extra: tuple[int, int],
) -> None:
    x = noise(1, 4, 10, 11)
    agrees(nn.Conv2d(4, 8, kernel, stride, padding, dilation, groups, padding_mode=mode), x)
    more = tuple(min(one, max(step, apart) - 1) for one, step, apart in zip(extra, stride, dilation, strict=True))
    agrees(nn.ConvTranspose2d(4, 8, kernel, stride, padding, more, groups, dilation=dilation), x)


@pytest.mark.parametrize("size", [1, 3, 7, 9])
def test_adaptive_pools(size: int) -> None:
    for axes in (1, 2, 3):
        x = noise(2, 3, *(7, 8, 5)[:axes])
        agrees([nn.AdaptiveAvgPool1d, nn.AdaptiveAvgPool2d, nn.AdaptiveAvgPool3d][axes - 1](size), x)
        agrees([nn.AdaptiveMaxPool1d, nn.AdaptiveMaxPool2d, nn.AdaptiveMaxPool3d][axes - 1](size), x)


@pytest.mark.parametrize(
    ("layer", "shape"),
    [
        (nn.BatchNorm1d(4, eps=1e-3), (3, 4)),
        (nn.BatchNorm1d(4), (3, 4, 5)),
        (nn.BatchNorm2d(4, eps=0.1), (3, 4, 5, 6)),
        (nn.BatchNorm3d(4, affine=False), (3, 4, 5, 6, 2)),
        (nn.BatchNorm2d(4, track_running_stats=False), (3, 4, 5, 6)),
        (nn.InstanceNorm1d(4), (3, 4, 9)),
        (nn.InstanceNorm2d(4, affine=True, eps=1e-2), (3, 4, 5, 6)),
        (nn.InstanceNorm3d(4, affine=True, track_running_stats=True), (3, 4, 5, 6, 2)),
        (nn.LayerNorm(6), (3, 4, 6)),
        (nn.LayerNorm((4, 6), eps=1e-2), (3, 4, 6)),
        (nn.LayerNorm((4, 6), elementwise_affine=False), (3, 4, 6)),
        (nn.RMSNorm(6), (3, 4, 6)),
        (nn.RMSNorm((4, 6), eps=0.1), (3, 4, 6)),
        (nn.GroupNorm(2, 4), (3, 4, 6)),
        (nn.GroupNorm(4, 4, eps=0.1), (3, 4, 6, 5)),
        (nn.GroupNorm(1, 4, affine=False), (3, 4)),
        (nn.LocalResponseNorm(3, alpha=0.5), (3, 8, 6, 5)),
        (nn.LocalResponseNorm(4, alpha=0.7, beta=0.5, k=2.0), (3, 8, 6)),
        (nn.LocalResponseNorm(5), (3, 8, 6, 5, 2)),
        (nn.Linear(6, 5), (2, 3, 6)),
        (nn.Linear(6, 5, bias=False), (2, 6)),
        (nn.PReLU(), (2, 6)),
        (nn.PReLU(4), (2, 4, 3, 3)),
        (nn.PixelShuffle(2), (2, 12, 3, 4)),
        (nn.PixelUnshuffle(2), (2, 3, 4, 6)),
        (nn.ChannelShuffle(3), (2, 12, 3, 4)),
        (nn.Flatten(), (2, 3, 4, 5)),
        (nn.Flatten(2, 3), (2, 3, 4, 5)),
        (nn.Unflatten(1, (2, -1)), (3, 6, 2)),
        (nn.Dropout(0.4), (3, 4)),
        (nn.Identity(), (3, 4)),
        (nn.ZeroPad2d((1, 2, 0, 3)), (2, 3, 4, 5)),
        (nn.ZeroPad2d((-1, 2, 0, -2)), (2, 3, 4, 5)),
        (nn.ConstantPad1d((2, 1), 3.5), (2, 3, 4)),
        (nn.ConstantPad3d((2, 1, 0, 1, 1, 0), -1.0), (2, 3, 4, 3, 2)),
        (nn.ReflectionPad2d((1, 2, 3, 0)), (2, 3, 4, 5)),
        (nn.ReplicationPad3d(2), (2, 3, 4, 5, 2)),
        (nn.CircularPad2d((1, 2, 3, 0)), (2, 3, 4, 5)),
        (nn.Softmax(dim=1), (2, 3, 4)),
        (nn.Softmax(dim=None), (2, 3, 4)),
        (nn.Softmax2d(), (2, 3, 4, 5)),
        (nn.LogSoftmax(dim=-1), (2, 3, 4)),
    ],
    ids=str,
)
def test_layers(layer: nn.Module, shape: tuple[int, ...]) -> None:
    agrees(layer, noise(*shape))


def test_layers_of_several_inputs_or_of_integers() -> None:
    agrees(nn.Bilinear(4, 5, 3), noise(2, 6, 4), noise(2, 6, 5, seed=1))
    agrees(nn.Embedding(9, 4, padding_idx=2), np.array([[1, 2, 8], [0, 2, 3]]))


@pytest.mark.parametrize(
    "layer",
    [
        nn.ReLU(),
        nn.ReLU6(),
        nn.GELU(),
        nn.GELU("tanh"),
        nn.SiLU(),
        nn.Hardswish(),
        nn.Hardsigmoid(),
        nn.Sigmoid(),
        nn.Tanh(),
        nn.LeakyReLU(),
        nn.LeakyReLU(0.3),
        nn.ELU(),
        nn.ELU(0.4),
        nn.CELU(0.6),
        nn.SELU(),
        nn.Mish(),
        nn.Softplus(),
        nn.Softplus(2.0, 1.5),
        nn.Softsign(),
        nn.Hardtanh(),
        nn.Hardtanh(-0.3, 2.0),
        nn.LogSigmoid(),
        nn.GLU(),
        nn.GLU(1),
        nn.Tanhshrink(),
        nn.Hardshrink(),
        nn.Softshrink(),
        nn.Hardshrink(0.2),
        nn.Softshrink(1.5),
        nn.Threshold(0.3, -2.0),
        nn.RReLU(0.1, 0.5),
    ],
    ids=str,
)
def test_activations(layer: nn.Module) -> None:
    agrees_traced(layer, noise(3, 4, 10) * 4)
    if type(layer).__name__ in TORCH_LAYERS:
        agrees(layer, noise(3, 4, 10) * 12)


def traced(model: nn.Module, *inputs: np.ndarray) -> tuple[TorchFramework, Call, list[list[np.ndarray]]]:
    """The only call of `model`, and what it gave."""
    framework = TorchFramework()
    framework.model = randomised(model)
    framework._survey()
    outputs: list[list[np.ndarray]] = []

    def keep(call: Call, tensors: Any) -> None:
        outputs.append([np.array(framework.to_numpy(tensor)) for tensor in tensors])

    trace, _ = framework.run(inputs, keep)
    assert len(trace.calls) == 1, [call.kind for call in trace.calls]
    return framework, trace.calls[0], outputs


def agrees_traced(model: nn.Module, *inputs: np.ndarray, first_only: bool = False) -> str:
    framework, call, outputs = traced(model, *inputs)
    state = framework.model.state_dict()
    params = {spec.role: (spec.layout, paddle.to_tensor(state[spec.name].numpy())) for spec in call.params}
    expected = outputs[0][:1] if first_only else outputs[0]
    for attributes in (call.attributes, normal_of(call)):
        result = perform(call.kind, [paddle.to_tensor(value) for value in inputs], attributes, params)
        found = list(result) if isinstance(result, (list, tuple)) else [result]
        assert len(found) == len(expected)
        for one, other in zip(found, expected, strict=True):
            same(one, other, (call.kind, dict(attributes)))
    return call.kind


@pytest.mark.parametrize(
    "layer", [nn.ReLU(), nn.ReLU6(), nn.Hardtanh(), nn.LeakyReLU(), nn.ELU(), nn.Softplus(), nn.MaxPool2d(1)], ids=str
)
def test_what_is_not_a_number_or_infinite_stays_so(layer: nn.Module) -> None:
    x = np.array([[[[np.nan, np.inf, -np.inf, 1e30]]]], np.float32)
    entry = TORCH_LAYERS[type(layer).__name__]
    found = perform(entry.kind, [paddle.to_tensor(x)], read_attributes(layer, entry), {}).numpy()
    np.testing.assert_allclose(found, layer(torch.from_numpy(x)).numpy(), rtol=1e-6)


class Lambda(nn.Module):
    """One function of the inputs and a parameter."""

    def __init__(self, function: Callable[..., Any], *shape: int) -> None:
        super().__init__()
        self.function = function
        self.own = nn.Parameter(torch.ones(shape)) if shape else None

    def forward(self, *inputs: torch.Tensor) -> Any:
        return self.function(*inputs) if self.own is None else self.function(*inputs, self.own)


@pytest.mark.parametrize(
    ("kind", "function"),
    [
        ("add", lambda x: x + 2),
        ("add", lambda x: torch.add(x, 2, alpha=3)),
        ("subtract", lambda x: x - 2.5),
        ("rsubtract", lambda x: 2.5 - x),
        ("multiply", lambda x: x * 0.3),
        ("multiply", lambda x: 3 * x),
        ("divide", lambda x: x / 7),
        ("rdivide", lambda x: 2 / x),
        ("power", lambda x: x**2),
        ("power", lambda x: x.pow(3)),
        ("negative", lambda x: -x),
        ("exp", torch.exp),
        ("sqrt", torch.sqrt),
        ("rsqrt", torch.rsqrt),
        ("log", torch.log),
        ("abs", torch.abs),
        ("mean", lambda x: x.mean((1, 2))),
        ("mean", lambda x: x.mean(0, keepdim=True)),
        ("mean", lambda x: x.mean()),
        ("sum", lambda x: x.sum(dim=[-1, 0], keepdim=True)),
        ("sum", lambda x: x.sum(-1)),
        ("amax", lambda x: torch.amax(x, dim=1)),
        ("max", lambda x: torch.max(x, dim=0).values),
        ("min", lambda x: torch.min(x, dim=2, keepdim=True).values),
        ("flatten", lambda x: torch.flatten(x, 1)),
        ("flatten", torch.flatten),
        ("squeeze", lambda x: x.squeeze(1)),
        ("squeeze", lambda x: x.squeeze(2)),
        ("squeeze", lambda x: x.squeeze()),
        ("unsqueeze", lambda x: x.unsqueeze(-1)),
        ("split", lambda x: x.split(2, dim=2)),
        ("split", lambda x: x.split([1, 3, 1], dim=-1)),
        ("split", lambda x: x.chunk(3, dim=2)),
        ("clamp", lambda x: x.clamp(0.3, 0.9)),
        ("clamp", lambda x: x.clamp(max=0.9)),
        ("clamp", lambda x: x.clamp_min(0.5)),
        ("softmax", lambda x: x.softmax(1)),
        ("softmax", lambda x: F.softmax(x, dim=-1)),
        ("log_softmax", lambda x: F.log_softmax(x, dim=0)),
        ("pad", lambda x: F.pad(x, (1, 2))),
        ("pad", lambda x: F.pad(x, (0, 0, 0, 0, 1, 2), value=4.0)),
        ("pad", lambda x: F.pad(x, (2, 1), mode="reflect")),
        ("dropout", lambda x: F.dropout(x, 0.3, training=False)),
        ("layer_norm", lambda x: F.layer_norm(x, (5,), eps=0.1)),
        ("hardtanh", F.hardtanh),
        ("leaky_relu", lambda x: F.leaky_relu(x, 0.2)),
        ("transpose", lambda x: x.permute(2, 0, 1)),
        ("transpose", lambda x: x.transpose(0, -1)),
        ("transpose", lambda x: torch.swapaxes(x, 1, 2)),
        ("var", lambda x: x.var(dim=(0, 2))),
        ("std", lambda x: x.std(unbiased=False)),
        ("std", lambda x: x.std(0, keepdim=True)),
        ("logsumexp", lambda x: x.logsumexp(2)),
        ("flip", lambda x: x.flip(0, 2)),
        ("cumsum", lambda x: x.cumsum(0)),
        ("amax", lambda x: x.amax((0, 2), keepdim=True)),
        ("interpolate", lambda x: F.interpolate(x, scale_factor=2.0)),
        ("interpolate", lambda x: F.interpolate(x, 7, mode="linear", align_corners=True)),
        ("avg_pool1d", lambda x: F.avg_pool1d(x, 2, 1, 1, True, False)),
        ("max_pool1d", lambda x: F.max_pool1d(x, 3, 2, 1, ceil_mode=True)),
        ("adaptive_avg_pool1d", lambda x: F.adaptive_avg_pool1d(x, 3)),
    ],
)
def test_ops_of_one_tensor(kind: str, function: Callable[..., Any]) -> None:
    x = np.abs(noise(4, 1, 5)) + 0.1
    assert agrees_traced(Lambda(function), x, first_only=kind in ("max", "min")) == kind


@pytest.mark.parametrize(
    ("kind", "function"),
    [
        ("add", lambda a, b: a + b),
        ("subtract", lambda a, b: torch.sub(a, b)),
        ("multiply", lambda a, b: a * b),
        ("divide", lambda a, b: a / b),
        ("maximum", torch.maximum),
        ("minimum", torch.minimum),
        ("max", torch.max),
        ("concat", lambda a, b: torch.cat([a, b], dim=1)),
        ("concat", lambda a, b: torch.cat([a, b])),
        ("stack", lambda a, b: torch.stack([a, b], dim=-1)),
        ("matmul", lambda a, b: a @ b),
        ("attention", lambda a, b: F.scaled_dot_product_attention(a, b, b)),
        ("attention", lambda a, b: F.scaled_dot_product_attention(a, b, a, is_causal=True)),
    ],
)
def test_ops_of_two_tensors_and_of_a_tensor_and_a_parameter(kind: str, function: Callable[..., Any]) -> None:
    first, second = noise(2, 3, 4, 4), noise(2, 3, 4, 4, seed=1)
    if kind == "attention":
        causal = "True" in str(function.__code__.co_consts)
        expected = function(torch.from_numpy(first), torch.from_numpy(second)).numpy()
        inputs = [paddle.to_tensor(value) for value in (first, second, first if causal else second)]
        same(perform(kind, inputs, {"is_causal": causal}, {}), expected, kind)
        swapped = [tensor.transpose([0, 2, 1, 3]) for tensor in inputs]
        turned = perform("flash_attention", swapped, {"is_causal": causal}, {})
        same(turned, expected.transpose(0, 2, 1, 3), "flash_attention")
        return
    assert agrees_traced(Lambda(function), first, second) == kind
    assert agrees_traced(Lambda(function, 2, 3, 4, 4), first) == kind
    assert agrees_traced(Lambda(lambda a, own: function(own, a), 2, 3, 4, 4), first) == kind


def test_functions_whose_parameters_have_no_names() -> None:
    x = noise(2, 3, 6, 6)
    assert agrees_traced(Lambda(lambda x, w: F.conv2d(x, w, padding=1, stride=2), 4, 3, 3, 3), x) == "conv2d"
    assert agrees_traced(Lambda(F.prelu, 3), x) == "prelu"
    assert agrees_traced(Lambda(lambda x, w: F.linear(x, w), 5, 6), x) == "linear"
    assert agrees_traced(Lambda(lambda x, w: F.conv_transpose3d(x, w, None, 2, 1, 1), 2, 4, 3, 3, 3), x[None]) == "conv_transpose3d"


def test_a_weight_that_the_model_lays_out_is_turned_to_fit() -> None:
    x, weight = noise(2, 6), noise(5, 6, seed=1)
    for kind, role in (("matmul", "operand1"), ("linear", "weight")):
        for laid_out in (weight, weight.T.copy()):
            params = {role: ("", paddle.to_tensor(laid_out))}
            same(perform(kind, [paddle.to_tensor(x)], {}, params), x @ weight.T, kind)
    with pytest.raises(NotImplementedError, match="layout is not known"):
        perform("matmul", [paddle.to_tensor(x)], {}, {"operand1": ("", paddle.to_tensor(noise(6, 6)))})


@pytest.mark.parametrize("heads", [4, 2])
@pytest.mark.parametrize("masked", ["not", "by booleans", "by numbers"])
@pytest.mark.parametrize("scale", [None, 0.2])
def test_attention_with_masks_scales_and_shared_heads(heads: int, masked: str, scale: float | None) -> None:
    query, key, value = noise(2, 4, 5, 6), noise(2, heads, 7, 6, seed=1), noise(2, heads, 7, 6, seed=2)
    mask = None if masked == "not" else noise(5, 7, seed=3) if masked == "by numbers" else noise(5, 7, seed=3) > -0.5
    tensors = [torch.from_numpy(array) for array in (query, key, value)]
    own = None if mask is None else torch.from_numpy(mask)
    expected = F.scaled_dot_product_attention(*tensors, own, scale=scale, enable_gqa=heads != 4).numpy()
    inputs = [paddle.to_tensor(array) for array in (query, key, value, mask) if array is not None]
    same(perform("attention", inputs, {"scale": scale}, {}), expected, masked)
    with pytest.raises(NotImplementedError, match="random numbers"):
        perform("attention", inputs, {"p": 0.1}, {})


@pytest.mark.parametrize("self_attention", [True, False])
@pytest.mark.parametrize("batch_first", [True, False])
def test_multihead_attention(batch_first: bool, self_attention: bool) -> None:
    layer = nn.MultiheadAttention(8, 2, batch_first=batch_first)
    x = noise(3, 5, 8)
    other = x if self_attention else noise(*((3, 7, 8) if batch_first else (7, 5, 8)), seed=1)
    agrees(layer, x, other, other, num_heads=2, batch_first=batch_first)
    split = nn.MultiheadAttention(8, 4, batch_first=batch_first, kdim=8, vdim=8, bias=False)
    agrees(split, x, other, other, batch_first=batch_first)


@pytest.mark.parametrize(
    "options",
    [
        {"scale_factor": 2},
        {"scale_factor": 1.7},
        {"size": (3, 11)},
        {"size": 7, "mode": "nearest-exact"},
        {"scale_factor": 0.6, "mode": "nearest-exact"},
        {"scale_factor": 2, "mode": "bilinear"},
        {"scale_factor": 1.3, "mode": "bilinear"},
        {"scale_factor": (0.5, 1.3), "mode": "bilinear", "recompute_scale_factor": True},
        {"scale_factor": 2, "mode": "bilinear", "align_corners": True},
        {"size": (1, 9), "mode": "bilinear", "align_corners": True},
        {"size": (10, 9), "mode": "bicubic"},
        {"scale_factor": 1.4, "mode": "bicubic", "align_corners": True},
        {"size": (3, 2), "mode": "area"},
    ],
)
def test_interpolation(options: dict[str, Any]) -> None:
    more = {"recompute_scale_factor": True} if "recompute_scale_factor" in options else {}
    agrees(nn.Upsample(**options), noise(2, 3, 5, 6), **more)


def test_interpolation_of_one_axis_and_of_three() -> None:
    agrees(nn.Upsample(scale_factor=2.5, mode="linear"), noise(2, 3, 9))
    agrees(nn.Upsample(size=(3, 9, 4), mode="trilinear"), noise(2, 3, 5, 4, 4))
    agrees(nn.Upsample(scale_factor=2), noise(2, 3, 5, 4, 4))


@pytest.mark.parametrize("mode", ["nearest", "bilinear", "bicubic"])
@pytest.mark.parametrize("size", [(257, 511), (33, 47)])
def test_interpolation_of_large_images_puts_pixels_where_torch_does(mode: str, size: tuple[int, int]) -> None:
    agrees(nn.Upsample(size=size, mode=mode), noise(1, 2, 64, 64))


def test_batch_statistics_take_the_place_of_the_running_ones() -> None:
    x, layer = noise(3, 4, 5, 6) * 2 + 1, randomised(nn.BatchNorm2d(4))
    params = torch_params(layer, TORCH_LAYERS["BatchNorm2d"])
    expected = layer.train()(torch.from_numpy(x)).detach().numpy()
    same(perform("batch_norm", [paddle.to_tensor(x)], {"epsilon": 1e-5, "batch_stats": True}, params), expected, "batch_norm")


def paddle_params(layer: paddle.nn.Layer, entry: LayerClass) -> dict[str, tuple[str, paddle.Tensor]]:
    return {
        entry.params[name][0]: (layout_of(entry.params[name][1], len(tensor.shape)), tensor)
        for name, tensor in layer.state_dict().items()
        if name in entry.params
    }


PADDLE: Mapping[str, tuple[Callable[[], paddle.nn.Layer], tuple[int, ...], dict[str, Attribute]]] = {
    "conv2d": (lambda: paddle.nn.Conv2D(4, 6, 3, padding=1, stride=2, groups=2), (2, 4, 7, 8), {}),
    "conv2d with padding of each side": (lambda: paddle.nn.Conv2D(4, 6, 3, padding=[0, 1, 2, 1]), (2, 4, 7, 8), {}),
    "conv2d SAME": (lambda: paddle.nn.Conv2D(4, 6, 4, stride=2, padding="SAME"), (2, 4, 7, 8), {}),
    "conv2d NHWC": (lambda: paddle.nn.Conv2D(4, 6, 3, data_format="NHWC"), (2, 7, 8, 4), {}),
    "conv2d reflect": (lambda: paddle.nn.Conv2D(4, 6, 3, padding=1, padding_mode="reflect"), (2, 4, 7, 8), {}),
    "conv transpose": (lambda: paddle.nn.Conv2DTranspose(4, 6, 3, stride=2, padding=1, output_padding=1), (2, 4, 5, 6), {}),
    "linear": (lambda: paddle.nn.Linear(6, 5), (2, 3, 6), {}),
    "batch_norm": (lambda: paddle.nn.BatchNorm2D(4, epsilon=0.1), (2, 4, 5, 6), {}),
    "batch_norm NHWC": (lambda: paddle.nn.BatchNorm2D(4, data_format="NHWC"), (2, 5, 6, 4), {}),
    "legacy batch_norm": (lambda: paddle.nn.BatchNorm(4, act="relu"), (2, 4, 5, 6), {}),
    "instance_norm": (lambda: paddle.nn.InstanceNorm2D(4), (2, 4, 5, 6), {}),
    "layer_norm": (lambda: paddle.nn.LayerNorm([4, 6]), (3, 4, 6), {}),
    "group_norm": (lambda: paddle.nn.GroupNorm(2, 4), (3, 4, 6, 5), {}),
    "dropout": (lambda: paddle.nn.Dropout(0.3, mode="downscale_in_infer"), (3, 4), {}),
    "max_pool": (lambda: paddle.nn.MaxPool2D(3, 2, 1), (2, 3, 8, 9), {}),
    "max_pool SAME": (lambda: paddle.nn.MaxPool2D(3, 2, "SAME"), (2, 3, 8, 9), {}),
    "avg_pool": (lambda: paddle.nn.AvgPool2D(3, 2, 1), (2, 3, 8, 9), {}),
    "avg_pool NHWC": (lambda: paddle.nn.AvgPool2D(3, 2, 1, data_format="NHWC"), (2, 8, 9, 3), {}),
    "avg_pool SAME": (lambda: paddle.nn.AvgPool2D(3, 2, "SAME"), (2, 3, 8, 9), {}),
    "conv2d SAME without dilation": (lambda: paddle.nn.Conv2D(4, 6, 3, padding="SAME", dilation=2), (2, 4, 7, 8), {}),
    "adaptive pool": (lambda: paddle.nn.AdaptiveAvgPool2D((None, 3)), (2, 4, 7, 8), {}),
    "pad": (lambda: paddle.nn.Pad2D([1, 2, 0, 3], mode="reflect"), (2, 4, 7, 8), {}),
    "pad NHWC": (lambda: paddle.nn.Pad2D([1, 2, 0, 3], value=2.0, data_format="NHWC"), (2, 7, 8, 4), {}),
    "batch statistics": (lambda: paddle.nn.BatchNorm2D(4, use_global_stats=False), (2, 4, 5, 6), {}),
    "hardsigmoid": (lambda: paddle.nn.Hardsigmoid(), (2, 4, 7), {}),
    "asymmetric up": (lambda: paddle.nn.Upsample(scale_factor=2, mode="bilinear", align_mode=1), (2, 4, 3, 5), {}),
    "avg_pool inclusive": (lambda: paddle.nn.AvgPool2D(3, 2, 1, exclusive=False), (2, 3, 8, 9), {}),
    "prelu": (lambda: paddle.nn.PReLU(4), (2, 4, 3), {}),
    "gelu": (lambda: paddle.nn.GELU(True), (2, 4, 3), {}),
    "bilinear up": (lambda: paddle.nn.Upsample(scale_factor=2, mode="bilinear"), (2, 4, 3, 5), {}),
    "attention": (lambda: paddle.nn.MultiHeadAttention(8, 2), (2, 5, 8), {"batch_first": True}),
}


@pytest.mark.parametrize("case", PADDLE)
def test_the_layers_of_paddle_give_their_own_result(case: str) -> None:
    build, shape, more = PADDLE[case]
    layer, x = build(), paddle.to_tensor(noise(*shape))
    for name, tensor in layer.state_dict().items():
        tensor.set_value(np.abs(noise(*tensor.shape, seed=2)) + 0.5 if "variance" in name else noise(*tensor.shape, seed=1))
    layer.eval()
    entry = PADDLE_LAYERS[type(layer).__name__]
    attributes = {**read_attributes(layer, entry), **more}
    expected = layer(x).numpy()
    same(perform(entry.kind, [x], attributes, paddle_params(layer, entry)), expected, case)
    brought = normal(entry.kind, attributes, len(shape))
    same(perform(entry.kind, [x], brought, paddle_params(layer, entry)), expected, f"{case} in normal form")


def test_a_bias_of_two_axes_is_one() -> None:
    layer = paddle.nn.Bilinear(4, 5, 3)
    first, second = (paddle.to_tensor(noise(6, width)) for width in (4, 5))
    entry = PADDLE_LAYERS["Bilinear"]
    same(perform("bilinear", [first, second], {}, paddle_params(layer, entry)), layer(first, second).numpy(), layer)


def test_every_kind_is_performed_or_named_as_one_that_is_not() -> None:
    known = kinds.WEIGHTED.union(*kinds.FAMILIES, *kinds.EQUIVALENT)
    assert known - KINDS.keys() == NOT_PERFORMED.keys()


@pytest.mark.parametrize(
    ("kind", "attributes"),
    [("lstm", {}), ("max_pool2d", {}), ("slice", {}), ("add", {}), ("reshape", {}), ("max", {}), ("dropout", {"training": True})],
)
def test_what_cannot_be_known_is_refused_with_a_sentence(kind: str, attributes: dict[str, Attribute]) -> None:
    with pytest.raises(NotImplementedError, match=rf"^{kind} \w+"):
        perform(kind, [paddle.to_tensor(noise(2, 3, 4, 4))], attributes, {})


def test_parameters_take_the_dtype_of_the_inputs() -> None:
    x, layer = noise(2, 4, 5), randomised(nn.Linear(5, 3)).double()
    params = torch_params(layer, TORCH_LAYERS["Linear"])
    assert perform("linear", [paddle.to_tensor(x)], {}, params).dtype == paddle.float32
    assert perform("linear", [paddle.to_tensor(x, dtype="float64")], {}, params).dtype == paddle.float64


@pytest.mark.parametrize(
    ("kind", "attributes", "shape"),
    [
        ("conv2d", {"kernel_size": [5, 5], "padding": [2, 2, 2, 2], "dilation": [2, 2], "groups": 3}, (3, 1, 5, 5)),
        ("conv2d", {"groups": 1}, (3, 2, 1, 1)),
        ("max_pool2d", {"kernel_size": [3, 3], "stride": [1, 1], "padding": [0, 0, 0, 0]}, None),
        ("avg_pool2d", {"kernel_size": [5, 5], "stride": [1, 1], "padding": [1, 1, 1, 1]}, None),
    ],
)
def test_a_window_that_does_not_fit_is_refused(kind: str, attributes: dict[str, Attribute], shape: tuple[int, ...] | None) -> None:
    params = {} if shape is None else {"weight": ("oihw", paddle.to_tensor(noise(*shape)))}
    with pytest.raises(ValueError, match="fit"):
        perform(kind, [paddle.to_tensor(noise(1, 3, 2, 2))], attributes, params)
