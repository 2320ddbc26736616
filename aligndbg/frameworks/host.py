"""The child process: one framework, one model, a loop of requests. Everything it prints goes to its log."""

from __future__ import annotations

import faulthandler
import os
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable, Sequence
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np

from aligndbg.core.layers import Call
from aligndbg.core.program import Patch, Program
from aligndbg.errors import AligndbgError
from aligndbg.frameworks import wire
from aligndbg.frameworks.arena import SharedMemory
from aligndbg.frameworks.base import Framework
from aligndbg.frameworks.channel import Channel, Lease
from aligndbg.frameworks.loading import describe, where
from aligndbg.frameworks.recorder import Experiments, Recorder


def make_torch() -> Framework:
    from aligndbg.frameworks.pytorch import TorchFramework

    return TorchFramework()


def make_golden() -> Framework:
    from aligndbg.frameworks.golden import GoldenFramework

    return GoldenFramework()


def make_onnx() -> Framework:
    from aligndbg.frameworks.onnx_runtime import OnnxFramework

    return OnnxFramework()


def make_paddle() -> Framework:
    from aligndbg.frameworks.paddlepaddle import PaddleFramework

    return PaddleFramework()


FRAMEWORKS: dict[str, tuple[Callable[[], Framework], str]] = {
    "torch": (make_torch, "pip install torch"),
    "paddle": (make_paddle, "pip install paddlepaddle"),
    "golden": (make_golden, "pip install torch"),
    "onnx": (make_onnx, "pip install onnx onnxruntime"),
}
"""Side -> how to make it, and what to install where it is missing."""


class Host:
    """Answers requests in order until the line closes."""

    def __init__(self, framework: Framework, channel: Channel) -> None:
        self._framework = framework
        self._channel = channel
        self._place = "start"

    def serve(self) -> None:
        while True:
            request, leases = self._next()
            try:
                self._answer(request, leases)
            except (Exception, SystemExit, KeyboardInterrupt) as error:
                # Whatever it is, the model's code may have raised it; where it was the line, sending fails and ends the child.
                traceback.print_exc()
                for lease in leases:
                    lease.release()
                self._channel.send(failure(error, self._place))

    def _next(self) -> tuple[wire.Message, list[Lease]]:
        """The next message that asks for something. That the app waits for memory needs no answer: each request gives it back."""
        while True:
            message, leases = self._channel.receive()
            if not isinstance(message, wire.Full):
                return message, leases

    def _answer(self, request: wire.Message, leases: Sequence[Lease]) -> None:
        framework, channel = self._framework, self._channel
        match request:
            case wire.Build():
                self._place = f"building {request.target}"
                channel.send(wire.Stage("building", request.target))
                framework.build(request.target, request.kwargs, Path(request.root), request.device)
                channel.send(wire.Done(environment=framework.environment()))
            case wire.Initialise():
                self._place = "initialising the weights"
                framework.initialise(request.scheme, request.seed)
                channel.send(wire.Done())
            case wire.LoadFile():
                self._place = f"loading {request.path}"
                channel.send(wire.Done(tuple(framework.load_file(Path(request.path)))))
            case wire.GetState():
                framework.state(lambda name, value: channel.send(wire.StateEntry(name), [value]), frozenset(request.names))
                channel.send(wire.Done())
            case wire.SetState():
                self._place = f"setting {request.name}"
                framework.set_state(request.name, leases[0].array)
                leases[0].release()
            case wire.Save():
                self._place = f"writing {request.path}"
                framework.save(Path(request.path))
                channel.send(wire.Done())
            case wire.Run():
                self._run(request, leases)
            case wire.Forward():
                self._forward(leases)
            case wire.Record():
                self._recorder.want(request.calls)
            case wire.Attempt():
                self._attempt(Program(request.steps, _taken(leases)))
            case wire.PatchCall():
                self._recorder.patch(Patch(request.call, Program(request.steps, _taken(leases))))
            case wire.Export():
                self._place = "exporting to ONNX"
                framework.export(Path(request.path), _taken(leases))
                channel.send(wire.Done())
            case wire.Sync():
                channel.send(wire.Done())
            case _:
                raise ValueError(f"not a request: {request!r}")

    def _run(self, request: wire.Run, leases: Sequence[Lease]) -> None:
        inputs = _taken(leases)
        shapes = ", ".join("x".join(map(str, value.shape)) for value in inputs)
        wanted = frozenset(request.wanted)
        waited = 0.0

        def on_call(call: Call, outputs: Sequence[Any]) -> Sequence[Any] | None:
            nonlocal waited
            self._place = f"the forward on input {shapes}, after {call.path} ({call.type})"
            if call.index not in wanted:
                return None
            arrays = [self._framework.to_numpy(tensor) for tensor in outputs]
            start = time.perf_counter()
            self._channel.send(wire.Captured(call.index), arrays)
            given = self._given() if request.forced else ()
            waited += time.perf_counter() - start
            if not given:
                return None
            return [self._framework.to_tensor(value, like) for value, like in zip(given, outputs, strict=True)]

        self._place = f"the forward on input {shapes}"
        start = time.perf_counter()
        trace, outputs = self._framework.run(inputs, on_call)
        seconds = time.perf_counter() - start - waited
        self._channel.send(wire.Traced(trace, seconds), [self._framework.to_numpy(tensor) for tensor in outputs])

    def _forward(self, leases: Sequence[Lease]) -> None:
        inputs = _taken(leases)
        self._place = f"the forward on input {', '.join('x'.join(map(str, value.shape)) for value in inputs)}"
        start = time.perf_counter()
        output = self._framework.to_numpy(self._framework.forward(inputs))
        self._channel.send(wire.Outputs(time.perf_counter() - start), [output])

    @property
    def _recorder(self) -> Recorder:
        if not isinstance(self._framework, Experiments):
            raise ValueError(f"{self._framework.name} keeps no calls")
        return self._framework.recorder

    def _attempt(self, program: Program) -> None:
        """Any failure is an answer: the cause that was tried does not fit this call."""
        try:
            outputs = [self._framework.to_numpy(tensor) for tensor in self._recorder.attempt(program)]
        except Exception as error:
            self._channel.send(wire.Outcome(describe(error)))
            return
        self._channel.send(wire.Outcome(), outputs)

    def _given(self) -> tuple[np.ndarray[Any, Any], ...]:
        """What the app gives in place of the outputs just captured."""
        message, leases = self._next()
        if not isinstance(message, wire.Forced):
            raise ValueError(f"expected Forced, not {message!r}")
        return _taken(leases)


def _taken(leases: Sequence[Lease]) -> tuple[np.ndarray[Any, Any], ...]:
    """Copies of what was sent, and its place in shared memory given back."""
    arrays = tuple(lease.array.copy() for lease in leases)
    for lease in leases:
        lease.release()
    return arrays


def failure(error: BaseException, place: str) -> wire.Failed:
    """What the app is told of an exception: the user's own, or one of the model's code."""
    if isinstance(error, AligndbgError):
        return wire.Failed(type(error).__name__, error.message, error.hint)
    kind = "EnvironmentFault" if isinstance(error, (MemoryError, OSError)) else "InputError"
    return wire.Failed(kind, f"failed in {place}: {describe(error)}", where(error))


def end_with(parent: int) -> None:
    """End this process once `parent` is gone: killed, it cannot say so, and a long forward does not look at the line."""
    while os.getppid() == parent:
        time.sleep(1)
    os._exit(1)


def main(argv: Sequence[str]) -> None:
    side, connection, outbound, inbound = argv[0], *(int(value) for value in argv[1:4])
    faulthandler.enable(file=sys.stderr)
    # ctrl+c in the terminal goes to the whole group; the app decides what becomes of its children.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=end_with, args=(os.getppid(),), name="parent", daemon=True).start()
    channel = Channel(Connection(connection), SharedMemory(outbound), SharedMemory(inbound))
    channel.send(wire.Stage("importing", f"{side} in {sys.executable}"))
    make, install = FRAMEWORKS[side]
    try:
        framework = make()
    except ImportError as error:
        traceback.print_exc()
        words = f"{side} cannot be imported in {sys.executable}: {describe(error)}"
        channel.send(wire.Failed("EnvironmentFault", words, f"{sys.executable} -m {install}"))
        return
    channel.send(wire.Done(environment={**framework.environment(), "pid": os.getpid()}))
    try:
        Host(framework, channel).serve()
    except (EOFError, ConnectionError):
        # The app is gone, or closed the line: the work is over.
        return
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        # Framework destructors take long and have nothing left to save.
        os._exit(0)
