"""The app, by what it opens on."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from textual.screen import Screen

from aligndbg.pairs.schema import PairSpec
from aligndbg.tui.app import AligndbgApp
from aligndbg.tui.run import Run, Surroundings, Target

if TYPE_CHECKING:
    from aligndbg.workflows.triage import Triage


class InspectApp(AligndbgApp):
    """One pair or one stored session. `start` makes a fresh run, `what_if` one with fixes applied; `read_only` says why there is
    none but the first."""

    def __init__(
        self,
        pair_name: str,
        start: Callable[[], Run],
        *,
        watch_paths: Callable[[], Iterable[Path]] | None = None,
        watching: bool = False,
        read_only: str = "",
        what_if: Callable[[Sequence[str]], Run] | None = None,
        pair: Callable[[], PairSpec] | None = None,
        around: Surroundings | None = None,
    ) -> None:
        target = Target(pair_name, start, read_only, watch_paths, what_if, pair)

        def first() -> Screen[None]:
            from aligndbg.tui.screens.compare import CompareScreen

            return CompareScreen(target, watching)

        super().__init__(first, around)


class HomeApp(AligndbgApp):
    """The pairs, the sessions and the jobs, to choose from."""

    def __init__(self, around: Surroundings) -> None:
        def first() -> Screen[None]:
            from aligndbg.tui.screens.home import HomeScreen

            return HomeScreen(around)

        super().__init__(first, around)


class JobApp(AligndbgApp):
    """One job."""

    def __init__(self, folder: Path, around: Surroundings) -> None:
        def first() -> Screen[None]:
            from aligndbg.tui.screens.job import JobScreen

            return JobScreen(folder)

        super().__init__(first, around)


class TriageApp(AligndbgApp):
    """The pictures of one evaluation; `options` are TriageScreen's."""

    def __init__(self, session: Path, compare: Callable[[Triage, int], Target], around: Surroundings, **options: Any) -> None:
        def first() -> Screen[None]:
            from aligndbg.tui.screens.triage import TriageScreen

            return TriageScreen(session, compare, **options)

        super().__init__(first, around)
