"""The first step of a port: torch's weights in Paddle's format."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from aligndbg.datasets.inputs import make_inputs
from aligndbg.errors import EnvironmentFault
from aligndbg.frameworks import wire
from aligndbg.frameworks.client import listen
from aligndbg.pairs.schema import PairSpec
from aligndbg.settings import Settings
from aligndbg.workflows.events import Event, RunStarted, SideProgress
from aligndbg.workflows.preparation import prepare
from aligndbg.workflows.sides import is_done, open_sides
from aligndbg.workflows.stop import Stop
from aligndbg.workflows.stream import Tell, stream


class Conversion:
    """Writes `target`, a .pdparams file that appears whole or not at all. `events` is read once."""

    def __init__(self, pair: PairSpec, settings: Settings, target: Path, device: str = "cpu") -> None:
        self._pair = pair
        self._settings = settings
        self._target = target
        self._device = device
        self._stop = Stop()

    def events(self) -> Iterator[Event]:
        return stream(self._work, self._stop)

    def cancel(self) -> None:
        self._stop.request()

    def _work(self, tell: Tell) -> None:
        tell(RunStarted(self._pair.name, self._pair.description, ""))
        inputs, _ = make_inputs(self._pair)
        logs = self._settings.logs / f"convert-{time.time_ns():x}"
        with open_sides(self._pair, logs, self._settings.arena_bytes, tell, self._stop) as sides:
            prepare(self._pair, sides, inputs, self._device, tell, self._stop)
            tell(SideProgress("paddle", "writing", str(self._target)))
            try:
                with tempfile.TemporaryDirectory(prefix=f".{self._target.name}.", dir=self._target.parent) as folder:
                    written = Path(folder) / self._target.name
                    sides.paddle.send(wire.Save(str(written)))
                    listen((sides.paddle,), is_done)
                    written.replace(self._target)
            except OSError as error:
                raise EnvironmentFault(f"{self._target} cannot be written: {error.strerror}") from None
            tell(SideProgress("paddle", "done"))
