"""What is known of one layer pair, as text: sides, attributes, statistics. Every name in it is a stranger's and is shown inert."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rich.cells import cell_len
from textual.content import Content

from aligndbg.core.layers import Attribute, Call, LayerPair
from aligndbg.core.rows import Outline
from aligndbg.core.stats import Diff, DiffStats, TensorStats, WorstElement
from aligndbg.core.verdict import LayerResult, Verdict
from aligndbg.tui.cells import clean, fit
from aligndbg.tui.theme import MUTED, verdict_style
from aligndbg.workflows.wording import figure, shape_text, share, verdict_text

LABEL = 9
"""Cells of a field's name."""

DIFFERS = "bold $text-error"
WAITING = ("· waiting", MUTED)


def title(layer: LayerPair, result: LayerResult | None, width: int) -> Content:
    """Path, verdict and, in one sentence, what the verdict does not say by itself."""
    verdict = (verdict_text(result.verdict), verdict_style(result.verdict, result.mismatch)) if result else WAITING
    lines = [_named(layer.path, verdict, width)]
    if result is not None:
        if result.blame:
            lines.append(field("blame", clean(result.blame)))
        if result.note:
            lines.append(Content.styled(clean(result.note), "italic"))
    return Content("\n").join(lines)


def _named(path: str, verdict: tuple[str, str], width: int) -> Content:
    """On one line where both fit."""
    apart = "  " if cell_len(clean(path)) + 2 + cell_len(verdict[0]) <= width else "\n"
    return Content.assemble((clean(path), "bold"), apart, verdict)


def heading(text: str, note: str = "", width: int = 0) -> Content:
    rest = width - cell_len(text) - 1 - (cell_len(note) + 1 if note else 0)
    rule = "─" * max(0, rest)
    return Content.assemble((f"{text} ", "bold $accent"), (rule, "$foreground 20%"), (f" {note}" if note else "", MUTED))


def field(label: str, value: str, style: str = "") -> Content:
    return Content.assemble((label.ljust(LABEL), MUTED), (value, style))


def sides(layer: LayerPair, width: int) -> Content:
    """Both calls side by side: path, class, shapes, source."""
    rows: list[tuple[str, str, str, bool]] = []
    for label, read in _FACTS:
        torch, paddle = (read(call) if call else "—" for call in (layer.torch, layer.paddle))
        if torch.strip("—") or paddle.strip("—"):
            compare = label in ("output", "input", "dtype", "params") and layer.torch is not None and layer.paddle is not None
            rows.append((label, torch, paddle, compare and torch != paddle))
    return side_by_side(rows, width)


def _input_text(call: Call) -> str:
    return ", ".join(shape_text(ref.spec.shape) for ref in call.inputs)


def _source_text(call: Call) -> str:
    """The end of the path says which file it is."""
    return "/".join(clean(call.source or "").split("/")[-2:])


_FACTS = (
    ("path", lambda call: clean(call.path)),
    ("type", lambda call: clean(call.type)),
    ("input", _input_text),
    ("output", lambda call: ", ".join(shape_text(spec.shape) for spec in call.outputs)),
    ("dtype", lambda call: clean(call.output.dtype)),
    ("params", lambda call: " ".join(f"{clean(spec.role)} {shape_text(spec.spec.shape)}" for spec in call.params)),
    ("source", _source_text),
)


def attributes(layer: LayerPair, width: int) -> Content:
    """Attributes of both sides in their common names; a difference is marked by ≠."""
    if layer.torch is None and layer.paddle is None:
        return Content("")
    torch: Mapping[str, Attribute] = layer.torch.attributes if layer.torch else {}
    paddle: Mapping[str, Attribute] = layer.paddle.attributes if layer.paddle else {}
    rows = []
    for name in dict.fromkeys((*torch, *paddle)):
        one = attribute_text(torch[name]) if name in torch else "—"
        other = attribute_text(paddle[name]) if name in paddle else "—"
        both = name in torch and name in paddle
        rows.append((clean(name), one, other, both and torch[name] != paddle[name]))
    if not rows:
        return Content.styled("none", MUTED)
    return side_by_side(rows, width)


def differing_attributes(layer: LayerPair) -> int:
    if layer.torch is None or layer.paddle is None:
        return 0
    one, other = layer.torch.attributes, layer.paddle.attributes
    return sum(name in other and one[name] != other[name] for name in one)


def attribute_text(value: Attribute) -> str:
    if isinstance(value, list):
        if len(value) > 1 and all(item == value[0] for item in value):
            return f"{_scalar(value[0])} ×{len(value)}"
        return "(" + ", ".join(map(_scalar, value)) + ")"
    return _scalar(value)


def _scalar(value: Attribute) -> str:
    if isinstance(value, bool) or value is None:
        return {True: "yes", False: "no", None: "none"}[value]
    return f"{value:g}" if isinstance(value, float) else clean(str(value))


def side_by_side(rows: Sequence[tuple[str, str, str, bool]], width: int) -> Content:
    """Label, torch, Paddle; a row that differs is marked. Equal long values share a line, unequal ones get one each."""
    label = min(16, max(LABEL, *(cell_len(row[0]) + 1 for row in rows)))
    half = (width - label - 3) // 2
    lines = [Content.styled(" " * (label + 2) + fit("torch", half) + " " + "paddle", MUTED)]
    for name, torch, paddle, differs in rows:
        mark = Content.assemble((fit(name, label), MUTED), ("≠ " if differs else "  ", DIFFERS))
        style = DIFFERS if differs else ""
        if max(cell_len(torch), cell_len(paddle)) <= half:
            lines.append(Content.assemble(mark, (fit(torch, half), style), " ", (paddle, style)))
        elif torch == paddle:
            both = fit(torch, width - label - 2, cut="start").rstrip()
            lines.append(Content.assemble(mark, both, ("  both" if cell_len(both) + 6 <= width - label - 2 else "", MUTED)))
        else:
            rest = width - label - 2
            lines.append(Content.assemble(mark, (fit(torch, rest, cut="start").rstrip(), style)))
            lines.append(Content.assemble(" " * (label + 2), (fit(paddle, rest, cut="start").rstrip(), style)))
    return Content("\n").join(lines)


def difference(stats: DiffStats, diff: Diff | None, width: int, label: str = "max|d|") -> Content:
    """The figures of one diff, two to a line."""
    at = f" at {index_text(stats.argmax)}" if stats.argmax else ""
    lines = [field(label, f"{figure(stats.max_abs)}{at}", "bold")]
    pairs = [("mean", figure(stats.mean_abs)), ("rms", figure(stats.rms)), ("max rel", figure(stats.max_rel))]
    if diff is not None:
        pairs.append(("of range", figure(diff.relative)))
    pairs.append(("1 − cos", "-" if stats.cosine is None else figure(max(0.0, 1.0 - stats.cosine))))
    pairs.append(("over tol", share(stats.over_tolerance)))
    half = width // 2
    for place in range(0, len(pairs), 2):
        pieces = [
            part
            for name, value in pairs[place : place + 2]
            for part in ((name.ljust(LABEL), MUTED), (fit(value, half - LABEL), ""))
        ]
        lines.append(Content.assemble(*pieces).rstrip())
    if stats.nan or stats.inf:
        lines.append(field("not equal", f"{stats.nan} NaN, {stats.inf} Inf on one side only", DIFFERS))
    return Content("\n").join(lines)


def index_text(index: Sequence[int]) -> str:
    return "[" + ", ".join(map(str, index)) + "]"


def statistics(torch: TensorStats, paddle: TensorStats) -> Content:
    """Both outputs in numbers; a count that differs is marked."""
    columns = (("min", "min"), ("max", "max"), ("mean", "mean"), ("std", "std"))
    lines = [Content.styled(" " * LABEL + "torch".rjust(10) + "paddle".rjust(12), MUTED)]
    for name, label in columns:
        one, other = figure(getattr(torch, name)), figure(getattr(paddle, name))
        lines.append(_numbers(label, one, other, False))
    lines.append(_numbers("zeros", _zeros(torch), _zeros(paddle), False))
    for name, label in (("nan", "NaN"), ("inf", "Inf")):
        one, other = getattr(torch, name), getattr(paddle, name)
        if one or other:
            lines.append(_numbers(label, str(one), str(other), one != other))
    return Content("\n").join(lines)


def _zeros(stats: TensorStats) -> str:
    return share(stats.zeros / stats.count) if stats.count else "-"


def _numbers(label: str, one: str, other: str, differs: bool) -> Content:
    style = DIFFERS if differs else ""
    return Content.assemble(
        (label.ljust(LABEL), MUTED), (one.rjust(10), style), ("≠ " if differs else "  ", DIFFERS), (other.rjust(10), style)
    )


def worst_elements(worst: Sequence[WorstElement]) -> Content:
    width = max(5, *(len(index_text(element.index)) for element in worst))
    lines = [Content.styled("index".ljust(width) + "torch".rjust(10) + "paddle".rjust(10) + "d".rjust(9), MUTED)]
    for element in worst:
        text = f"{index_text(element.index):<{width}}{figure(element.torch):>10}{figure(element.paddle):>10}"
        lines.append(Content.assemble(text, (f"{figure(element.torch - element.paddle):>9}", "bold")))
    return Content("\n").join(lines)


def group_text(outline: Outline, index: int, width: int) -> Content:
    """A group of modules: how many layers of each verdict, and the worst of them."""
    row, summary = outline.rows[index], outline.summaries[index]
    below = outline.layers_below(index)
    known = summary.verdict
    verdict = (verdict_text(known), verdict_style(known, summary.mismatch)) if known else WAITING
    lines = [_named(row.path, verdict, width), field("layers", str(len(below)))]
    results = [outline.results[position] for position in below]
    for one in Verdict:
        count = sum(result is not None and result.verdict is one for result in results)
        if count:
            lines.append(Content.assemble(" " * LABEL, (f"{count:>4} ", ""), (verdict_text(one), verdict_style(one))))
    waiting = sum(result is None for result in results)
    if waiting:
        lines.append(Content.assemble(" " * LABEL, f"{waiting:>4} ", WAITING))
    if summary.verdict is not None:
        lines.append(field("max|d|", figure(summary.max_abs), "bold"))
        lines.append(field("rel", figure(summary.max_rel)))
    wrong = [position for position, result in zip(below, results, strict=True) if result is not None and result.mismatch]
    if wrong:
        lines += [Content(""), heading("Mismatches", str(len(wrong)), width)]
        wrong.sort(key=lambda position: (_inherited(outline, position), position))
        for position in wrong[:MOST_LISTED]:
            result = outline.results[position]
            assert result is not None
            value = figure(result.propagated.stats.max_abs) if result.propagated else "-"
            name = fit(clean(outline.layers[position].path.removeprefix(f"{row.path}.")), max(8, width - 21), cut="start")
            lines.append(Content.assemble(name, f" {value:>7} ", (verdict_text(result.verdict), verdict_style(result.verdict))))
        if len(wrong) > MOST_LISTED:
            lines.append(Content.styled(f"… and {len(wrong) - MOST_LISTED} more", MUTED))
    return Content("\n").join(lines)


def _inherited(outline: Outline, position: int) -> bool:
    result = outline.results[position]
    return result is not None and result.verdict is Verdict.INHERITED


MOST_LISTED = 12
"""Mismatches listed of a group; `n` goes through all."""
