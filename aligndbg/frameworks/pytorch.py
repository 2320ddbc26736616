"""torch behind the Framework protocol. Runs in a child process only."""

from __future__ import annotations

import ast
import contextlib
import inspect
import math
import os
import platform
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.overrides import TorchFunctionMode, resolve_name

from aligndbg.core.layers import ParamSpec, TensorSpec, Trace
from aligndbg.errors import InputError
from aligndbg.frameworks.base import Array, OnCall, require_device
from aligndbg.frameworks.catalogue import LayerClass, entry_for, layout_of, read_attributes
from aligndbg.frameworks.loading import build_model
from aligndbg.frameworks.ops import NOT_A_CALL, PARAMETER_ROLES, canonical_attributes, canonical_kind, is_in_place
from aligndbg.frameworks.torch_checkpoint import read_state
from aligndbg.frameworks.torch_layers import COMPOSITES, CONTAINERS, TORCH_LAYERS
from aligndbg.frameworks.torchvision_import import mend
from aligndbg.frameworks.tracing import Tracer, first_tensor

_INTERNAL = (str(Path(torch.__file__).parent) + os.sep, str(Path(__file__).parent) + os.sep)

_SIGNATURES: Mapping[str, str] = {
    **{f"conv{n}d": "input weight bias=None stride=1 padding=0 dilation=1 groups=1" for n in (1, 2, 3)},
    **{f"conv_transpose{n}d": "input weight bias=None stride=1 padding=0 output_padding=0 groups=1 dilation=1" for n in (1, 2, 3)},
    "linear": "input weight bias=None",
    **{f"max_pool{n}d": "input kernel_size stride=None padding=0 dilation=1 ceil_mode=False" for n in (1, 2, 3)},
    "avg_pool1d": "input kernel_size stride=None padding=0 ceil_mode=False count_include_pad=True",
    **{
        f"avg_pool{n}d": "input kernel_size stride=None padding=0 ceil_mode=False count_include_pad=True divisor_override=None"
        for n in (2, 3)
    },
    "adaptive_avg_pool1d": "input output_size",
    **{f"adaptive_max_pool{n}d": "input output_size" for n in (1, 2, 3)},
    "cat": "tensors dim=0",
    "concat": "tensors dim=0",
    "stack": "tensors dim=0",
    "flatten": "input start_dim=0 end_dim=-1",
    **dict.fromkeys("mean sum max min amax amin prod argmax logsumexp".split(), "input dim=None keepdim=False"),
    "std": "input dim=None unbiased=None keepdim=False",
    "var": "input dim=None unbiased=None keepdim=False",
    "softmax": "input dim",
    "log_softmax": "input dim",
    "squeeze": "input dim=None",
    "unsqueeze": "input dim",
    "permute": "input *dims",
    **dict.fromkeys(("view", "reshape", "expand"), "input *shape"),
    "transpose": "input dim0 dim1",
    "swapaxes": "input axis0 axis1",
    "flip": "input *dims",
    "roll": "input shifts dims=None",
    "cumsum": "input dim",
    "unbind": "input dim=0",
    "chunk": "input chunks dim=0",
    "split": "input split_size dim=0",
    "clamp": "input min=None max=None",
    "clamp_min": "input min",
    "clamp_max": "input max",
    "gelu": "input approximate='none'",
    "softplus": "input beta=1 threshold=20",
    "hardshrink": "input lambd=0.5",
    "softshrink": "input lambd=0.5",
    "pixel_shuffle": "input upscale_factor",
    "pixel_unshuffle": "input downscale_factor",
    "channel_shuffle": "input groups",
    "scaled_dot_product_attention": "query key value attn_mask=None dropout_p=0.0 is_causal=False scale=None",
    "add": "input other",
    "mul": "input other",
    "sub": "input other",
    "div": "input other",
    "pow": "input exponent",
}
"""Arguments of functions written in C++, which `inspect` cannot see; `*` takes all that follow. Source: torch's documentation."""


class TorchFramework:
    """See `Framework`; the model is `torch.nn.Module`."""

    name = "torch"

    def __init__(self) -> None:
        torch.backends.cuda.matmul.allow_tf32 = False
        torch.backends.cudnn.allow_tf32 = False
        # The fused encoder kernel would hide every layer inside a TransformerEncoderLayer.
        torch.backends.mha.set_fastpath_enabled(False)
        self.model: nn.Module = nn.Identity()
        self._device = torch.device("cpu")
        self._entries: dict[nn.Module, tuple[str, LayerClass, bool]] = {}
        self._tensors: Mapping[str, Any] = {}
        self._params: dict[int, ParamSpec] = {}
        self._state: list[ParamSpec] = []
        self._unsettled: int | None = None

    def environment(self) -> Mapping[str, str | int | bool]:
        return {
            "torch": torch.__version__,
            "numpy": np.__version__,
            "python": platform.python_version(),
            "threads": torch.get_num_threads(),
            "tf32": torch.backends.cuda.matmul.allow_tf32,
            "device": str(self._device),
        }

    def build(self, target: str, kwargs: Mapping[str, Any], root: Path, device: str) -> None:
        require_device(device, torch.cuda.device_count(), "torch")
        self._device = torch.device(device.replace("gpu", "cuda"))
        torch.manual_seed(0)
        self.model = build_model(target, kwargs, root, nn.Module, mend).eval().to(self._device)
        self._survey()
        self._unsettled = None

    def initialise(self, scheme: str, seed: int) -> None:
        torch.manual_seed(seed)
        # What a normalisation expects is known once something reaches it: the next forward completes the weights.
        self._unsettled = seed if scheme == "kaiming" else None
        if scheme == "kaiming":
            kaiming(self.model, torch.Generator().manual_seed(seed))
            return
        for module in self.model.modules():
            if callable(reset := getattr(module, "reset_parameters", None)):
                reset()

    def load_file(self, path: Path) -> Sequence[str]:
        state = read_state(path)
        own = self.model.state_dict()
        shared = own.keys() & state.keys()
        if not shared:
            raise InputError(
                f"{path}: none of its {len(state)} tensors has a name of this model (first: {next(iter(state), '')!r})",
                f"expected names such as {next(iter(own), '')!r}",
            )
        for name in shared:
            if own[name].shape != state[name].shape:
                raise InputError(
                    f"{path}: {name!r} has shape {list(state[name].shape)}, the model's has {list(own[name].shape)}",
                    "the checkpoint belongs to another architecture or number of classes",
                )
        self.model.load_state_dict(state, strict=False)
        notes = [f"the checkpoint has no {name!r}" for name in own.keys() - shared if not name.endswith("num_batches_tracked")]
        return sorted(notes) + sorted(f"the model has no {name!r}, which the checkpoint holds" for name in state.keys() - shared)

    def state(self, emit: Callable[[str, Array], None], names: Collection[str] = ()) -> None:
        for name, tensor in self.model.state_dict().items():
            if not names or name in names:
                emit(name, self.to_numpy(tensor))

    def set_state(self, name: str, value: Array) -> None:
        with torch.no_grad():
            self._tensors[name].copy_(torch.from_numpy(value))

    def save(self, path: Path) -> None:
        torch.save(self.model.state_dict(), path)

    def export(self, path: Path, inputs: Sequence[Array]) -> None:
        """Not optimised: every node still belongs to the layer that it came from (torch documentation, "torch.onnx")."""
        tensors = tuple(torch.from_numpy(np.array(value)).to(self._device) for value in inputs)
        with torch.no_grad():
            torch.onnx.export(self.model, tensors, path, dynamo=True, optimize=False, external_data=False, verify=False)

    def run(self, inputs: Sequence[Array], on_call: OnCall) -> tuple[Trace, Sequence[Any]]:
        tensors = [torch.from_numpy(np.array(value)).to(self._device) for value in inputs]
        tracer = Tracer(torch.is_tensor, spec_of, self._params, on_call, _INTERNAL)
        unsettled = contextlib.nullcontext() if self._unsettled is None else settling(self.model, self._unsettled, tracer)
        with torch.no_grad(), unsettled, self._hooks(tracer), _FunctionalOps(tracer):
            result = self.model(*tensors)
        self._unsettled = None
        return tracer.finish(result, self._state)

    def forward(self, inputs: Sequence[Array]) -> Any:
        tensors = [torch.from_numpy(value).to(self._device) for value in inputs]
        with torch.no_grad():
            return first_tensor(self.model(*tensors), torch.is_tensor)

    def to_tensor(self, value: Array, like: Any) -> Any:
        return torch.from_numpy(value).to(device=like.device, dtype=like.dtype)

    def to_numpy(self, tensor: Any) -> Array:
        plain = tensor.detach()
        if plain.layout is not torch.strided:
            plain = plain.to_dense()
        if plain.dtype == torch.bfloat16:
            plain = plain.float()
        return plain.resolve_conj().resolve_neg().cpu().numpy()  # type: ignore[no-any-return]

    def _survey(self) -> None:
        """Classify every module and every entry of the state, once."""
        self._entries, self._params, self._state = {}, {}, []
        self._tensors = self.model.state_dict(keep_vars=True)
        owned: dict[str, tuple[str, str]] = {}
        inside: str | None = None
        for path, module in self.model.named_modules():
            entry, own_forward = entry_for(type(module), ("torch.nn", "torch.ao.nn"), TORCH_LAYERS)
            name = type(module).__name__
            # A forward put on the instance is the model's own code, as a subclass's is.
            own_forward = own_forward and "forward" not in vars(module)
            leaf = own_forward and name not in CONTAINERS and (not any(module.children()) or name in COMPOSITES)
            if inside is not None and path.startswith(inside):
                continue
            inside = (f"{path}." if path else "") if leaf else None
            self._entries[module] = (path, entry, leaf)
            if own_forward:
                owned |= {f"{path}.{key}" if path else key: value for key, value in entry.params.items()}
        names: dict[int, list[str]] = {}
        for key, tensor in self._tensors.items():
            names.setdefault(id(tensor), []).append(key)
        for key, tensor in self._tensors.items():
            role, layout = owned.get(key, (key.rpartition(".")[2], ""))
            if key not in owned and id(tensor) in self._params:
                # A second name of a tensor that a layer has already; it is filled with the first.
                continue
            others = tuple(other for other in names[id(tensor)] if other != key)
            spec = ParamSpec(key, role, layout_of(layout, tensor.dim()) if layout else "", spec_of(tensor), others)
            self._state.append(spec)
            self._params.setdefault(id(tensor), spec)

    @contextlib.contextmanager
    def _hooks(self, tracer: Tracer) -> Iterator[None]:
        by_prefix = {
            module: [spec for spec in self._state if leaf and spec.name.startswith(f"{path}." if path else "")]
            for module, (path, _, leaf) in self._entries.items()
        }

        def before(module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
            path, _, leaf = self._entries[module]
            tracer.enter(path)
            tracer.quiet += leaf

        def after(module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any], result: Any) -> Any:
            path, entry, leaf = self._entries[module]
            tracer.leave()
            if not leaf:
                return None
            tracer.quiet -= 1
            if tracer.quiet:
                return None
            attributes = read_attributes(module, entry)
            inputs = tracer.tensors((args, kwargs))
            return tracer.record(path or "model", entry.kind, type(module).__name__, inputs, result, attributes, by_prefix[module])

        handles = []
        try:
            for module in self._entries:
                handles.append(module.register_forward_pre_hook(before, with_kwargs=True))
                handles.append(module.register_forward_hook(after, with_kwargs=True))
            yield
        finally:
            for handle in handles:
                handle.remove()


class _FunctionalOps(TorchFunctionMode):
    """Sees every functional op of a forward, and records those outside layers."""

    def __init__(self, tracer: Tracer) -> None:
        super().__init__()
        self._tracer = tracer

    def __torch_function__(self, func: Any, types: Any, args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None) -> Any:
        kwargs = kwargs or {}
        if self._tracer.quiet:
            return func(*args, **kwargs)
        self._tracer.quiet += 1
        try:
            result = func(*args, **kwargs)
        finally:
            self._tracer.quiet -= 1
        name = op_name(func)
        if name and name not in NOT_A_CALL:
            kind = canonical_kind(name)
            arguments = bind(func, name, args, kwargs)
            roles = parameter_roles(kind, arguments)
            changed = args[0] if result is None and args else result
            attributes = canonical_attributes(kind, arguments)
            given = self._tracer.record_op(name.strip("_"), kind, (args, kwargs), changed, attributes, roles)
            if given is not changed and args and changed is args[0] and is_in_place(name):
                # Whoever holds the tensor sees the op's effect, not its return value.
                with self._tracer.silence():
                    args[0].copy_(given)
                self._tracer.rewritten(args[0], given)
            elif given is not changed:
                return given
        return result


def op_name(function: Any) -> str:
    """The last name of a function's path; a property's own name; `""` for a property that asks about a tensor."""
    path = resolve_name(function) or getattr(function, "__name__", "")
    parts = path.split(".")
    if parts[-1] in ("__get__", "__set__"):
        return parts[-2] if parts[-2] in ("T", "mT", "H", "real", "imag", "data") else ""
    last = str(parts[-1])
    return last if last.startswith("__") else last.removeprefix("_")


def bind(function: Any, name: str, args: Sequence[Any], kwargs: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments of a call by name, as far as their names are known."""
    signature = _SIGNATURES.get(name.strip("_"))
    if signature is None:
        try:
            bound = inspect.signature(function).bind(*args, **kwargs)
        except (ValueError, TypeError):
            return dict(kwargs)
        bound.apply_defaults()
        return dict(bound.arguments)
    names = [argument.partition("=")[0] for argument in signature.split()]
    defaults = {name: ast.literal_eval(text) for name, _, text in (word.partition("=") for word in signature.split()) if text}
    given = list(args)
    if names[-1].startswith("*"):
        names[-1], place = names[-1][1:], len(names) - 1
        rest = given[place:]
        given[place:] = rest if len(rest) == 1 and isinstance(rest[0], Sequence) else [rest] if rest else []
    return {**defaults, **dict(zip(names, given, strict=False)), **kwargs}


def parameter_roles(kind: str, arguments: Mapping[str, Any]) -> dict[int, tuple[str, str]]:
    """Role and layout of the tensors that an op gets under a parameter's name, by `id`."""
    layouts = {entry.kind: dict(entry.params.values()) for entry in TORCH_LAYERS.values()}.get(kind, {})
    return {
        id(value): (role, layouts.get(role, ""))
        for name, value in arguments.items()
        if (role := PARAMETER_ROLES.get(name)) and torch.is_tensor(value)
    }


def spec_of(tensor: torch.Tensor) -> TensorSpec:
    return TensorSpec(tuple(tensor.shape), str(tensor.dtype).removeprefix("torch."))


def kaiming(model: nn.Module, generator: torch.Generator) -> None:
    """Fill `model` so that every layer's signal keeps its size and every parameter matters.

    Weights: normal, fan-in, gain of ReLU (He et al. 2015, eq. 10). Biases and BatchNorm statistics: random around their neutral
    values, because an all-zero bias or a unit variance hides its own mistakes; `settling` fits the statistics to a signal.
    """

    def normal(tensor: torch.Tensor, mean: float, std: float) -> None:
        tensor.copy_(torch.empty(tensor.shape).normal_(mean, std, generator=generator))

    with torch.no_grad():
        for name, tensor in model.state_dict().items():
            if not tensor.is_floating_point():
                continue
            last = name.rpartition(".")[2]
            if tensor.dim() >= 2:
                normal(tensor, 0.0, math.sqrt(2.0 / tensor[0].numel()))
            elif last == "running_var":
                tensor.copy_(torch.empty(tensor.shape).uniform_(0.5, 1.5, generator=generator))
            elif last.endswith("weight"):
                normal(tensor, 1.0, 0.1)
            else:
                normal(tensor, 0.0, 0.1)


@contextlib.contextmanager
def settling(model: nn.Module, seed: int, tracer: Tracer) -> Iterator[None]:
    """For one forward: each BatchNorm gets, before it runs, running statistics that suit its input.

    In eval it divides by its running variance. With one that does not belong to the weights, every residual block doubles the
    signal, to 1e7 in resnet152 (the remedy: Mishkin and Matas 2016). The running variance is halfway between the channel's own
    mean square and the layer's: the own one alone, and a running mean near the input's, let deep networks amplify rounding a
    hundredfold and blow up on any other input; the layer's alone lets them forget their input.
    """
    generator = torch.Generator().manual_seed(seed)
    settled: set[nn.Module] = set()

    def settle(norm: nn.modules.batchnorm._NormBase, args: tuple[Any, ...]) -> None:
        if norm in settled or norm.running_mean is None or norm.running_var is None or not args or args[0].dim() < 2:
            return
        settled.add(norm)
        tracer.quiet += 1
        square = args[0].double().square().cpu()
        own = square.mean([axis for axis in range(square.dim()) if axis != 1])
        expected = (own + square.mean()) / 2
        if expected.isfinite().all() and expected.any():
            mean = 0.1 * expected.sqrt() * torch.randn(expected.shape, generator=generator)
            norm.running_mean.copy_(mean)
            norm.running_var.copy_(expected * (0.5 + torch.rand(expected.shape, generator=generator)))
        tracer.quiet -= 1

    norms = [module for module in model.modules() if isinstance(module, nn.modules.batchnorm._NormBase)]
    handles = [norm.register_forward_pre_hook(settle) for norm in norms]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()
