"""Whether a pair's two models can be built, without a comparison."""

from __future__ import annotations

import time
from collections.abc import Iterator

from aligndbg.datasets.pair_pipelines import pipelines_of
from aligndbg.pairs.schema import PairSpec
from aligndbg.settings import Settings
from aligndbg.workflows.events import Event, RunStarted
from aligndbg.workflows.launching import check_logs
from aligndbg.workflows.sides import open_sides
from aligndbg.workflows.stop import Stop
from aligndbg.workflows.stream import Tell, stream


def check_pair(pair: PairSpec, settings: Settings) -> Iterator[Event]:
    """Build both models, after a look at how logs are read and pictures prepared; a RunFailed at the end says what is wrong."""
    stop = Stop()

    def work(tell: Tell) -> None:
        tell(RunStarted(pair.name, pair.description, ""))
        check_logs(pair)
        pipelines_of(pair)
        logs = settings.logs / f"check-{time.time_ns():x}"
        with open_sides(pair, logs, settings.arena_bytes, tell, stop) as sides:
            sides.wait_ready()
            sides.build("cpu")

    return stream(work, stop)
