"""PaddlePaddle behind the Framework protocol. Runs in a child process only."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import os
import platform
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import paddle
from paddle import nn

from aligndbg.core.layers import ParamSpec, TensorSpec, Trace
from aligndbg.frameworks.base import Array, OnCall, require_device
from aligndbg.frameworks.catalogue import LayerClass, entry_for, layout_of, native_base, read_attributes
from aligndbg.frameworks.loading import build_model
from aligndbg.frameworks.ops import NOT_A_CALL, PARAMETER_ROLES, canonical_attributes, canonical_kind, is_in_place
from aligndbg.frameworks.paddle_engine import PaddleEngine
from aligndbg.frameworks.paddle_forwards import FORWARDS
from aligndbg.frameworks.paddle_layers import COMPAT_LAYERS, COMPOSITES, CONTAINERS, PADDLE_LAYERS
from aligndbg.frameworks.paddle_ops import OWN_KINDS, signature_of, watch_ops
from aligndbg.frameworks.recorder import Recorder
from aligndbg.frameworks.tracing import Tracer, first_tensor, user_line

_PACKAGE = Path(paddle.__file__).parent
_INTERNAL = (
    *(str(_PACKAGE / part) + os.sep for part in ("amp", "autograd", "base", "framework", "incubate", "nn", "tensor", "utils")),
    str(Path(__file__).parent) + os.sep,
)
"""Paddle's machinery; paddle.vision, a zoo of models, is not part of it."""


_NAMESPACES = ("paddle.nn", "paddle.compat.nn", "paddle.incubate.nn")


class PaddleFramework:
    """See `Framework`; the model is `paddle.nn.Layer`."""

    name = "paddle"

    def __init__(self) -> None:
        self.model: nn.Layer = nn.Identity()
        self._device = "cpu"
        self._entries: dict[int, tuple[nn.Layer, str, LayerClass, bool]] = {}
        self._extended: dict[int, type] = {}
        """Layers whose forward is the model's own -> the class whose forward it may call."""
        self._tensors: Mapping[str, Any] = {}
        self._params: dict[int, ParamSpec] = {}
        self._state: list[ParamSpec] = []
        self._constructed: dict[int, str] = {}
        self.recorder = Recorder(PaddleEngine(self._tensor_called), lambda tensor: id(tensor) in self._params)

    def environment(self) -> Mapping[str, str | int | bool]:
        return {
            "paddle": paddle.__version__,
            "numpy": np.__version__,
            "python": platform.python_version(),
            "threads": int(os.environ.get("OMP_NUM_THREADS", os.cpu_count() or 1)),
            "tf32": os.environ.get("NVIDIA_TF32_OVERRIDE") != "0" and self._device != "cpu",
            "device": self._device,
        }

    def build(self, target: str, kwargs: Mapping[str, Any], root: Path, device: str) -> None:
        require_device(device, paddle.device.cuda.device_count(), "Paddle")
        self._device = device
        paddle.set_device(device)
        paddle.seed(0)
        FORWARDS.stand_before(PADDLE_LAYERS)
        with paddle.utils.unique_name.guard(), _construction_lines() as lines:
            self.model = build_model(target, kwargs, root, nn.Layer)
        self._constructed = {id(layer): line for layer, line in lines}
        self.model.eval()
        self._survey()

    def initialise(self, scheme: str, seed: int) -> None:
        raise NotImplementedError("the weights of a pair start on the torch side")

    def load_file(self, path: Path) -> Sequence[str]:
        raise NotImplementedError("Paddle checkpoints are read without executing them, by the app")

    def state(self, emit: Callable[[str, Array], None], names: Collection[str] = ()) -> None:
        for name, tensor in self.model.state_dict().items():
            if not names or name in names:
                emit(name, self.to_numpy(tensor))

    def set_state(self, name: str, value: Array) -> None:
        self._tensors[name].set_value(value)

    def save(self, path: Path) -> None:
        paddle.save(self.model.state_dict(), str(path))

    def export(self, path: Path, inputs: Sequence[Array]) -> None:
        raise NotImplementedError("the torch model is the one that is exported")

    def run(self, inputs: Sequence[Array], on_call: OnCall) -> tuple[Trace, Sequence[Any]]:
        tensors = [paddle.to_tensor(np.array(value)) for value in inputs]
        tracer = Tracer(paddle.is_tensor, spec_of, self._params, on_call, _INTERNAL)

        def prepare(name: str, function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
            if not self.recorder.keeps(tracer.upcoming):
                return
            with tracer.silence():
                kind = OWN_KINDS.get(name) or canonical_kind(name)
                streams, params = tracer.operands(kind, (args, kwargs), parameter_roles(kind, bind(function, args, kwargs)))
                self.recorder.begin(tracer.upcoming, function, args, kwargs, streams, params)

        def observe(name: str, function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any], result: Any) -> Any:
            if name in NOT_A_CALL or not tracer.tensors((args, kwargs)):
                return result
            kind = OWN_KINDS.get(name) or canonical_kind(name)
            arguments = bind(function, args, kwargs)
            own = args[0] if result is None and args else result
            attributes = canonical_attributes(kind, arguments)
            roles = parameter_roles(kind, arguments)

            def record(changed: Any) -> Any:
                return tracer.record_op(name.strip("_"), kind, (args, kwargs), changed, attributes, roles)

            given = self._recorded(tracer, own, record)
            if given is own:
                return result
            if args and own is args[0] and is_in_place(name):
                # Whoever holds the tensor sees the op's effect, not its return value.
                with tracer.silence():
                    args[0].set_value(given)
                tracer.rewritten(args[0], given)
                return result
            return given

        with paddle.no_grad(), self._hooks(tracer), self._native_forwards(tracer), watch_ops(tracer, prepare, observe):
            result = self.model(*tensors)
        return tracer.finish(result, self._state)

    def forward(self, inputs: Sequence[Array]) -> Any:
        tensors = [paddle.to_tensor(value) for value in inputs]
        with paddle.no_grad():
            return first_tensor(self.model(*tensors), paddle.is_tensor)

    def to_tensor(self, value: Array, like: Any) -> Any:
        return paddle.to_tensor(value, dtype=like.dtype, place=like.place)

    def to_numpy(self, tensor: Any) -> Array:
        plain = tensor.detach()
        if plain.dtype == paddle.bfloat16:
            plain = plain.astype("float32")
        return np.asarray(plain.numpy())

    def _tensor_called(self, name: str) -> Any:
        return self._tensors[name]

    def _survey(self) -> None:
        """Classify every layer and every entry of the state, once."""
        self._entries, self._extended, self._params, self._state = {}, {}, {}, []
        self._tensors = self.model.state_dict()
        owned: dict[str, tuple[str, str]] = {}
        inside: str | None = None
        for path, layer in self.model.named_sublayers(include_self=True):
            if inside is not None and path.startswith(inside):
                continue
            compat = type(layer).__module__.startswith("paddle.compat")
            table = COMPAT_LAYERS if compat else PADDLE_LAYERS
            entry, own_forward = entry_for(type(layer), _NAMESPACES, table)
            name = type(layer).__name__
            # A forward put on the instance is the model's own code, as a subclass's is.
            own_forward = own_forward and "forward" not in vars(layer)
            leaf = own_forward and name not in CONTAINERS and (not any(True for _ in layer.children()) or name in COMPOSITES)
            inside = (f"{path}." if path else "") if leaf else None
            self._entries[id(layer)] = (layer, path, entry, leaf)
            if not own_forward and (base := native_base(type(layer), _NAMESPACES, table)) is not None:
                self._extended[id(layer)] = base
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
            spec = ParamSpec(key, role, layout_of(layout, len(tensor.shape)) if layout else "", spec_of(tensor), others)
            self._state.append(spec)
            self._params.setdefault(id(tensor), spec)

    def _recorded(self, tracer: Tracer, result: Any, record: Callable[[Any], Any]) -> Any:
        """What the model goes on with after a call that gave `result`, which `record` tells the tracer of."""
        index = tracer.upcoming
        with tracer.silence():
            result = self.recorder.patched(index, result)
        given = record(result)
        if tracer.upcoming > index:
            with tracer.silence():
                self.recorder.end(tracer.latest, given)
        return given

    @contextlib.contextmanager
    def _hooks(self, tracer: Tracer) -> Iterator[None]:
        handles = []
        try:
            for layer, path, entry, leaf in self._entries.values():
                params = [spec for spec in self._state if leaf and spec.name.startswith(f"{path}." if path else "")]
                before, after = self._layer_hooks(tracer, path, entry, leaf, params)
                handles.append(layer.register_forward_pre_hook(before, with_kwargs=True))
                # What the model's own hooks do to a layer's input is part of the layer.
                layer._forward_pre_hooks.move_to_end(handles[-1]._hook_id, last=False)
                handles.append(layer.register_forward_post_hook(after, with_kwargs=True))
            yield
        finally:
            for handle in handles:
                handle.remove()

    def _layer_hooks(
        self, tracer: Tracer, path: str, entry: LayerClass, leaf: bool, params: list[ParamSpec]
    ) -> tuple[Callable[..., None], Callable[..., Any]]:
        given: list[Any] = []

        def before(layer: nn.Layer, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
            if leaf and not tracer.quiet:
                given[:] = tracer.tensors((args, kwargs))
                with tracer.silence():
                    self.recorder.begin(tracer.upcoming, layer, args, kwargs, given, params)
            tracer.enter(path)
            tracer.quiet += leaf

        def after(layer: nn.Layer, args: tuple[Any, ...], kwargs: dict[str, Any], result: Any) -> Any:
            tracer.leave()
            if not leaf:
                return None
            tracer.quiet -= 1
            if tracer.quiet:
                return None
            attributes = read_attributes(layer, entry)
            line = self._constructed.get(id(layer))

            def record(changed: Any) -> Any:
                return tracer.record(path or "model", entry.kind, type(layer).__name__, given, changed, attributes, params, line)

            return self._recorded(tracer, result, record)

        return before, after

    @contextlib.contextmanager
    def _native_forwards(self, tracer: Tracer) -> Iterator[None]:
        """A layer inside a forward of the model's own is a call like any other."""

        def observe(layer: nn.Layer, original: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
            if tracer.quiet or id(layer) not in self._extended:
                return original(layer, *args, **kwargs)
            _, path, entry, _ = self._entries[id(layer)]
            given = tracer.tensors((args, kwargs))
            params, line = self._params_of(path, entry), self._constructed.get(id(layer))
            with tracer.silence():
                self.recorder.begin(tracer.upcoming, functools.partial(original, layer), args, kwargs, given, params)
                result = original(layer, *args, **kwargs)
                attributes = read_attributes(layer, entry)
            name = self._extended[id(layer)].__name__

            def record(changed: Any) -> Any:
                return tracer.record(path or "model", entry.kind, name, given, changed, attributes, params, line)

            return self._recorded(tracer, result, record)

        FORWARDS.observe = observe
        try:
            yield
        finally:
            FORWARDS.observe = None

    def _params_of(self, path: str, entry: LayerClass) -> list[ParamSpec]:
        """The parameters of a layer as the class of its entry uses them."""
        found = []
        for spec in self._state:
            prefix, _, key = spec.name.rpartition(".")
            if prefix == path and key in entry.params:
                role, layout = entry.params[key]
                found.append(dataclasses.replace(spec, role=role, layout=layout_of(layout, len(spec.spec.shape))))
        return found


@contextlib.contextmanager
def _construction_lines() -> Iterator[list[tuple[nn.Layer, str]]]:
    """Every layer that is made in the block, with the line of the model's code that makes it."""
    found: list[tuple[nn.Layer, str]] = []
    original = nn.Layer.__init__

    def noted(layer: nn.Layer, *args: Any, **kwargs: Any) -> None:
        original(layer, *args, **kwargs)
        if line := user_line(_INTERNAL):
            found.append((layer, line))

    nn.Layer.__init__ = noted
    try:
        yield found
    finally:
        nn.Layer.__init__ = original


def bind(function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[str, Any]:
    """The arguments of a call by name, as far as their names are known."""
    signature = signature_of(function)
    if signature is None:
        # Written in C++. Of those only the operators' arguments have names that everyone knows.
        return {**dict(zip(("self", "other"), args, strict=False)), **kwargs} if len(args) == 2 else dict(kwargs)
    try:
        bound = signature.bind(*args, **kwargs)
    except TypeError:
        # An alias of an argument's name (`input` for `x`), which Paddle's own decorator takes.
        return dict(kwargs)
    bound.apply_defaults()
    return dict(bound.arguments)


def parameter_roles(kind: str, arguments: Mapping[str, Any]) -> dict[int, tuple[str, str]]:
    """Role and layout of the tensors that an op gets under a parameter's name, by `id`."""
    layouts = {entry.kind: dict(entry.params.values()) for entry in PADDLE_LAYERS.values()}.get(kind, {})
    return {
        id(value): (role, layouts.get(role, ""))
        for name, value in arguments.items()
        if (role := PARAMETER_ROLES.get(name)) and paddle.is_tensor(value)
    }


def spec_of(tensor: Any) -> TensorSpec:
    return TensorSpec(tuple(tensor.shape), str(tensor.dtype).rpartition(".")[2])
