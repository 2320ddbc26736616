"""The layer table as a foldable tree: flat rows in preorder, each knowing where its subtree ends."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from aligndbg.core.layers import LayerPair
from aligndbg.core.verdict import LayerResult, Verdict

NO_ROW = -1

SEVERITY = (
    Verdict.OK,
    Verdict.NOISE,
    Verdict.INHERITED,
    Verdict.UNPAIRED,
    Verdict.SHAPE,
    Verdict.NAN,
    Verdict.BORN,
    Verdict.ERROR,
)
"""From harmless to worst, among rows that are equally a mismatch or not."""

_RANK = {verdict: rank for rank, verdict in enumerate(SEVERITY)}


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the tree.

    `layer` is the position in the run's layers, NO_ROW for a group of modules. The rows from this one up to `end`, which is
    excluded, are its subtree. `label` is what `path` adds to the row above it; groups with a single row are merged into it.
    """

    label: str
    path: str
    depth: int
    end: int
    parent: int
    layer: int


@dataclass(frozen=True, slots=True)
class Summary:
    """What a row shows: its own figures, or the worst of each below it. `layer` is where the worst verdict stands.

    `local` is the local diff's largest |d|, `onnx` Paddle's largest gap to ONNX Runtime; `blame` goes with the verdict.
    """

    verdict: Verdict | None = None
    mismatch: bool = False
    max_abs: float | None = None
    max_rel: float | None = None
    layer: int = NO_ROW
    local: float | None = None
    onnx: float | None = None
    blame: str | None = None


PENDING = Summary()


def build_rows(layers: Sequence[LayerPair]) -> list[Row]:
    """The tree of the layers' dotted paths, in the order of execution.

    A module that runs again after others have run gets a second group, `name#2`. A Paddle call without a partner stands in
    its own module where that is open at its place, else beside its neighbours under its whole path.
    """
    return _merged(_nested(layers))


def _nested(layers: Sequence[LayerPair]) -> list[Row]:
    rows: list[Row] = []
    ends: dict[int, int] = {}
    open_groups: list[tuple[str, int]] = []
    visits: dict[str, int] = {}
    for position, (modules, label, path) in enumerate(_places(layers)):
        kept = 0
        while kept < min(len(modules), len(open_groups)) and open_groups[kept][0] == modules[kept]:
            kept += 1
        for _, index in open_groups[kept:]:
            ends[index] = len(rows)
        del open_groups[kept:]
        for depth in range(kept, len(modules)):
            parent = open_groups[-1][1] if open_groups else NO_ROW
            name = modules[depth]
            prefix = f"{rows[parent].path}.{name}" if parent != NO_ROW else name
            visits[prefix] = visits.get(prefix, 0) + 1
            again = f"#{visits[prefix]}" if visits[prefix] > 1 else ""
            open_groups.append((name, len(rows)))
            rows.append(Row(name + again, prefix + again, depth, 0, parent, NO_ROW))
        parent = open_groups[-1][1] if open_groups else NO_ROW
        ends[len(rows)] = len(rows) + 1
        rows.append(Row(label, path, len(modules), 0, parent, position))
    for _, index in open_groups:
        ends[index] = len(rows)
    return [Row(row.label, row.path, row.depth, ends[index], row.parent, row.layer) for index, row in enumerate(rows)]


def _places(layers: Sequence[LayerPair]) -> list[tuple[list[str], str, str]]:
    """Of each layer: the modules it is shown in, its label, its path."""
    modules = [(layer.path or layer.kind or "model").split(".") for layer in layers]
    before, after = _neighbours(layers, modules)
    places = []
    for position, layer in enumerate(layers):
        path = ".".join(modules[position])
        *own, label = modules[position]
        if layer.torch is None:
            shared = _common(before[position], after[position])
            if own[: len(shared)] != shared:
                own, label = shared, path
        places.append((own, label, path))
    return places


def _neighbours(layers: Sequence[LayerPair], modules: list[list[str]]) -> tuple[list[list[str]], list[list[str]]]:
    """The modules open before and after each layer, from torch's calls alone."""
    before: list[list[str]] = []
    after: list[list[str]] = []
    last: list[str] = []
    for position, layer in enumerate(layers):
        before.append(last)
        if layer.torch is not None:
            last = modules[position][:-1]
    last = []
    for position in reversed(range(len(layers))):
        after.append(last)
        if layers[position].torch is not None:
            last = modules[position][:-1]
    return before, after[::-1]


def _common(one: list[str], other: list[str]) -> list[str]:
    length = 0
    while length < min(len(one), len(other)) and one[length] == other[length]:
        length += 1
    return one[:length]


def _merged(rows: list[Row]) -> list[Row]:
    """A group that holds one row becomes part of that row's label."""
    merged: list[Row] = []
    ends: list[int] = []
    open_groups: list[tuple[int, int]] = []
    prefix: list[str] = []
    for index, row in enumerate(rows):
        while open_groups and open_groups[-1][0] <= index:
            ends[open_groups.pop()[1]] = len(merged)
        if row.layer == NO_ROW and rows[index + 1].end == row.end:
            prefix.append(row.label)
            continue
        parent = open_groups[-1][1] if open_groups else NO_ROW
        label = ".".join((*prefix, row.label))
        prefix = []
        if row.layer == NO_ROW:
            open_groups.append((row.end, len(merged)))
        ends.append(len(merged) + 1)
        merged.append(Row(label, row.path, len(open_groups) - (row.layer == NO_ROW), 0, parent, row.layer))
    for _, index in open_groups:
        ends[index] = len(merged)
    return [Row(row.label, row.path, row.depth, end, row.parent, row.layer) for row, end in zip(merged, ends, strict=True)]


def severity(result: LayerResult) -> tuple[bool, int, float]:
    """A key by which the worst of several results is the largest: whether it is a mismatch, how bad, how far apart."""
    stats = result.propagated.stats if result.propagated else None
    return result.mismatch, _RANK[result.verdict], stats.max_abs if stats else 0.0


def summarise(result: LayerResult, layer: int) -> Summary:
    stats = result.propagated.stats if result.propagated else None
    max_abs, max_rel = (stats.max_abs, stats.max_rel) if stats else (None, None)
    local = result.local.max_abs if result.local else None
    onnx = result.onnx.paddle_max_abs if result.onnx else None
    return Summary(result.verdict, result.mismatch, max_abs, max_rel, layer, local, onnx, result.blame)


def worse(one: Summary, other: Summary) -> Summary:
    """The worse verdict, and the larger of each figure; `one` where they are equally bad."""
    worst = one if _weight(one) >= _weight(other) else other
    return Summary(
        worst.verdict,
        worst.mismatch,
        _larger(one.max_abs, other.max_abs),
        _larger(one.max_rel, other.max_rel),
        worst.layer,
        _larger(one.local, other.local),
        _larger(one.onnx, other.onnx),
        worst.blame,
    )


def _weight(summary: Summary) -> tuple[bool, int]:
    if summary.verdict is None:
        return False, -2
    # A missing partner that does no harm says nothing about its group.
    harmless = summary.verdict is Verdict.UNPAIRED and not summary.mismatch
    return summary.mismatch, -1 if harmless else _RANK[summary.verdict]


def _larger(one: float | None, other: float | None) -> float | None:
    if one is None or other is None:
        return other if one is None else one
    return other if other > one or one != one else one


class Outline:
    """The rows with their results, and which of them show: folded groups hide their own, a filter hides what it does not match.

    Rows are named by their position in `rows`.
    """

    def __init__(self, layers: Sequence[LayerPair] = ()) -> None:
        self.layers = tuple(layers)
        self.rows = build_rows(self.layers)
        self.folded: set[int] = set()
        self.results: list[LayerResult | None] = [None] * len(self.layers)
        self.summaries: list[Summary] = [PENDING] * len(self.rows)
        self._rows_of_layers = [0] * len(self.layers)
        for index, row in enumerate(self.rows):
            if row.layer != NO_ROW:
                self._rows_of_layers[row.layer] = index
        self._positions = {layer.index: position for position, layer in enumerate(self.layers)}
        self.keep: Callable[[LayerPair, LayerResult | None], bool] | None = None
        self._kept: list[bool] = []
        self._kept_before: list[int] = []
        self._unfiltered_folds: set[int] = set()

    def update(self, results: Iterable[LayerResult]) -> None:
        """Take new or revised results; one of a layer that is not in the table is passed over."""
        for result in results:
            position = self._positions.get(result.index)
            if position is None:
                continue
            self.results[position] = result
            row = self._rows_of_layers[position]
            self.summaries[row] = summarise(result, position)
            if self.keep is not None:
                self._kept[row] = self.keep(self.layers[position], result)
        for index in reversed(range(len(self.rows))):
            if self.rows[index].layer == NO_ROW:
                self.summaries[index] = PENDING
        # Children come after their group, so a backward pass meets each group complete. Ties go to the earlier row.
        for index in reversed(range(len(self.rows))):
            parent = self.rows[index].parent
            if parent != NO_ROW:
                self.summaries[parent] = worse(self.summaries[index], self.summaries[parent])
        self._count_kept()

    def filter(self, keep: Callable[[LayerPair, LayerResult | None], bool] | None) -> None:
        """Show the layers that `keep` takes, with the groups around them; None shows all, folded as before."""
        if keep is not None:
            if self.keep is None:
                self._unfiltered_folds = self.folded
            self.folded = set()
        elif self.keep is not None:
            self.folded = self._unfiltered_folds
        self.keep = keep
        if keep is not None:
            self._kept = [row.layer != NO_ROW and keep(self.layers[row.layer], self.results[row.layer]) for row in self.rows]
        self._count_kept()

    def take_over(self, old: Outline) -> None:
        """The folds and the filter of an earlier run, by path."""
        if old.keep is None:
            self.folded = self._same_groups(old, old.folded)
        else:
            self.folded = self._same_groups(old, old._unfiltered_folds)
            self.filter(old.keep)
            self.folded = self._same_groups(old, old.folded)

    def _same_groups(self, old: Outline, groups: set[int]) -> set[int]:
        paths = {old.rows[index].path for index in groups}
        return {index for index, row in enumerate(self.rows) if self.is_group(index) and row.path in paths}

    @property
    def filtered(self) -> bool:
        return self.keep is not None

    @property
    def matches(self) -> int:
        """How many layers the filter takes; all where there is none."""
        return self._kept_before[-1] if self.keep is not None else len(self.layers)

    def visible(self) -> list[int]:
        shown = []
        index = 0
        while index < len(self.rows):
            end = self.rows[index].end
            if self.keep is not None and self._kept_before[end] == self._kept_before[index]:
                index = end
                continue
            shown.append(index)
            index = end if index in self.folded else index + 1
        return shown

    def by_difference(self) -> list[int]:
        """The layers alone, largest max|d| first; those without a figure last, in order of execution."""
        found = [index for index, row in enumerate(self.rows) if row.layer != NO_ROW and self.takes(index)]
        return sorted(found, key=lambda index: -_figure(self.summaries[index].max_abs))

    def toggle(self, index: int) -> None:
        if self.is_group(index):
            self.folded ^= {index}

    def fold_all(self) -> None:
        self.folded = {index for index in range(len(self.rows)) if self.is_group(index)}

    def unfold_all(self) -> None:
        self.folded = set()

    def reveal(self, index: int) -> None:
        """Unfold every group around a row."""
        parent = self.rows[index].parent
        while parent != NO_ROW:
            self.folded.discard(parent)
            parent = self.rows[parent].parent

    def is_group(self, index: int) -> bool:
        return self.rows[index].layer == NO_ROW

    def row_of(self, layer: int) -> int:
        """The row of the layer at this position."""
        return self._rows_of_layers[layer]

    def find(self, path: str) -> int | None:
        """The row of this path; the group where a group and a layer share it."""
        return next((index for index, row in enumerate(self.rows) if row.path == path), None)

    def layers_below(self, index: int) -> list[int]:
        """Positions of the layers in a row's subtree, its own included."""
        return [row.layer for row in self.rows[index : self.rows[index].end] if row.layer != NO_ROW]

    def mismatch(self, start: int, step: int) -> tuple[int | None, bool]:
        """The next mismatching layer after `start` (before it where `step` is -1), and whether the search went round the end."""
        count = len(self.rows)
        for offset in range(1, count + 1):
            index = start + step * offset
            found = index % count
            if not self.is_group(found) and self.summaries[found].mismatch and self.takes(found):
                return found, not 0 <= index < count
        return None, False

    def first(self) -> int | None:
        """The first layer where a fault is born; the first mismatch where none is known to be."""
        wrong = [index for index, row in enumerate(self.rows) if row.layer != NO_ROW and self.summaries[index].mismatch]
        born = [index for index in wrong if self.summaries[index].verdict is Verdict.BORN]
        return next(iter(born or wrong), None)

    def takes(self, index: int) -> bool:
        """Whether the filter lets this row's layer, or one below it, through."""
        return self.keep is None or self._kept_before[self.rows[index].end] > self._kept_before[index]

    def _count_kept(self) -> None:
        if self.keep is None:
            return
        total = 0
        self._kept_before = [0]
        for kept in self._kept:
            total += kept
            self._kept_before.append(total)


def _figure(value: float | None) -> float:
    return float("-inf") if value is None or value != value else value
