"""The report of one pair as a person reads it: the headline, what is wrong and why, then what stands behind it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from aligndbg.core.verdict import Verdict
from aligndbg.errors import AligndbgError, ChildDied
from aligndbg.report.document import BLANK, Block, Column, Document, Row, Span, Style, Table, field, line
from aligndbg.report.findings import findings_blocks
from aligndbg.workflows.headline import COUNTED, agreement, notices_by_weight
from aligndbg.workflows.report_model import ClassScore, LayerReport, OutputReport, Report, WeightsReport
from aligndbg.workflows.wording import GUIDE_TOLERANCE, figure, shape_text, share, tolerance_text, verdict_text

MOST_ROWS = 20
"""Rows of the table of mismatches; the report is read in a terminal and in a log, and the session holds the rest."""

MOST_NAMES = 8
"""Of a list within a line."""

LAST_WORDS = 20
"""Lines of a dead child's log; the whole is in the session."""

STYLES: dict[str, Style] = {
    Verdict.OK: "good",
    Verdict.NOISE: "dim",
    Verdict.BORN: "bad",
    Verdict.INHERITED: "warn",
    Verdict.SHAPE: "bad",
    Verdict.NAN: "bad",
    Verdict.UNPAIRED: "bad",
    Verdict.ERROR: "bad",
    "aligned": "good",
    "mismatch": "bad",
    "cannot-pair": "bad",
    "within": "good",
    "beyond": "bad",
}


def report_document(report: Report, most_rows: int = MOST_ROWS) -> Document:
    return tuple(_blocks(report, most_rows))


def error_document(error: AligndbgError) -> Document:
    """`error: ...`, what to try, and what a child said last."""
    blocks: list[Block] = [line(Span("error: ", "bad"), error.message)]
    if error.hint:
        blocks.append(line(Span("try: ", "dim"), error.hint))
    if isinstance(error, ChildDied) and error.last_words.strip():
        blocks.append(line(Span("its last words:", "dim")))
        blocks += [line("  ", said) for said in error.last_words.rstrip().splitlines()[-LAST_WORDS:]]
    return tuple(blocks)


def verdict_span(verdict: str) -> Span:
    return Span(verdict_text(verdict), STYLES.get(verdict, ""))


def rows_to_show(layers: tuple[LayerReport, ...], most: int) -> tuple[list[LayerReport], str]:
    """The mismatching rows in order, what is not merely inherited before all else, and what was left out in words.

    Where faults were located, what is inherited from them is only counted.
    """
    wrong = [layer for layer in layers if layer.mismatch]
    by_weight = sorted(wrong, key=lambda layer: (layer.verdict == Verdict.INHERITED, layer.index))
    located = any(layer.local for layer in wrong) and any(layer.verdict != Verdict.INHERITED for layer in wrong)
    room = min(most, sum(layer.verdict != Verdict.INHERITED for layer in wrong)) if located else most
    shown = sorted(by_weight[:room], key=lambda layer: layer.index)
    left = Counter(layer.verdict for layer in by_weight[room:])
    return shown, ", ".join(f"{left[verdict]} {verdict}" for verdict in COUNTED if left[verdict])


def environment_text(environment: Mapping[str, Any]) -> str:
    """`torch 2.13.0+cpu · paddle 3.3.1 · threads 2`; a side's own table, where there is one, in parentheses."""
    return " · ".join(
        f"{name} ({environment_text(value)})" if isinstance(value, Mapping) else f"{name} {_setting(value)}"
        for name, value in environment.items()
        if value is not None
    )


def weights_text(weights: WeightsReport) -> str:
    pieces = [weights.source, f"sha256 {weights.sha256[:12]}" if weights.sha256 else "", f"{weights.mapped} tensors mapped"]
    return " · ".join(piece for piece in pieces if piece)


def output_text(output: OutputReport) -> str:
    if output.max_abs is None:
        return "the shapes of the two results differ"
    met = "met" if output.met else f"NOT met, {output.note}" if output.note else "NOT met"
    pieces = [f"max|d| {figure(output.max_abs)}", f"{tolerance_text(GUIDE_TOLERANCE)} {met}"]
    if output.max_rel is not None:
        pieces.append(f"rel {figure(output.max_rel)}")
    if output.cosine is not None:
        pieces.append(f"cosine {output.cosine:.6f}")
    for name, equal in (("top-1", output.top1_equal), ("top-5", output.top5_equal)):
        if equal is not None:
            pieces.append(f"{name} {'equal' if equal else 'DIFFERS'}")
    if output.golden_max_abs is not None:
        pieces.append(f"torch against float64 {figure(output.golden_max_abs)}")
    return " · ".join(pieces)


def some_of(names: Sequence[str]) -> str:
    """The first few of them; how many more there are."""
    more = f", … and {len(names) - MOST_NAMES} more" if len(names) > MOST_NAMES else ""
    return ", ".join(names[:MOST_NAMES]) + more


def class_text(score: ClassScore) -> str:
    return f"{score.index} {score.name}".rstrip()


def _blocks(report: Report, most_rows: int) -> Iterator[Block]:
    yield line(Span(report.headline, STYLES.get(report.verdict, "bad")))
    first, notices = notices_by_weight(report)
    yield from (line(Span(f"▲ {notice}", "warn")) for notice in first)
    for name, text in (report.error or {}).items():
        # The message is in the headline already.
        if name != "message" and text.strip():
            yield from _error_field(name, text)
    yield BLANK
    if report.findings:
        yield from findings_blocks(report.findings)
        yield BLANK
    if report.environment:
        yield field("environment", environment_text(report.environment))
    if report.weights:
        yield field("weights", weights_text(report.weights))
        yield from _gaps(report.weights)
    if report.input:
        yield field("input", report.input)
    if report.tolerance:
        yield field("tolerance", " · ".join(f"{name} {tolerance_text(value)}" for name, value in report.tolerance.items()))
    if report.output:
        yield field("output", Span(output_text(report.output), "" if report.output.met else "bad"))
    if report.layers:
        yield from _agreement(report.layers)
    for side, paths in (("torch", report.unpaired.torch), ("paddle", report.unpaired.paddle)):
        if paths:
            yield field("unpaired", f"{side}: {some_of(paths)}")
    for notice in notices:
        yield field("notice", Span(notice, "warn"))
    if report.output and (report.output.torch_top5 or report.output.paddle_top5):
        yield BLANK
        yield top5_table(report.output)
    if any(layer.mismatch for layer in report.layers):
        yield BLANK
        yield from _mismatches(report, most_rows)
    if report.timing or report.session:
        yield BLANK
    if report.timing:
        yield field("time", " · ".join(f"{name} {seconds:.2f} s" for name, seconds in _times(report)))
    if report.session:
        yield field("session", report.session)


def _error_field(name: str, text: str) -> Iterator[Block]:
    label = {"hint": "try", "last_words": "last words", "kind": "error"}.get(name, name)
    for position, said in enumerate(text.rstrip().splitlines()[-LAST_WORDS:]):
        yield field(label if position == 0 else "", said)


def _gaps(weights: WeightsReport) -> Iterator[Block]:
    for label, keys in (("unfilled", weights.unfilled), ("unused", weights.unused)):
        if keys:
            yield field(label, Span(f"{len(keys)}: {some_of(keys)}", "warn" if label == "unfilled" else "dim"))


def _agreement(layers: tuple[LayerReport, ...]) -> Iterator[Block]:
    """Where an aligned pair is closest to not being so; how much of a broken one agrees."""
    compared = [layer for layer in layers if layer.propagated is not None]
    if any(layer.mismatch for layer in layers):
        yield field("layers", agreement(layers))
    elif compared:
        worst = max(compared, key=lambda layer: layer.propagated.max_abs if layer.propagated else 0.0)
        assert worst.propagated is not None
        yield field("worst layer", f"{worst.torch} · max|d| {figure(worst.propagated.max_abs)}")


def top5_table(output: OutputReport) -> Table:
    columns = (
        Column("top-5"),
        Column("torch", cut="end"),
        Column("p", align="right"),
        Column("logit", 1, "right"),
        Column("paddle", cut="end"),
        Column("p", align="right"),
        Column("logit", 1, "right"),
    )
    rows = []
    for place in range(max(len(output.torch_top5), len(output.paddle_top5))):
        cells = [Span(f"{place + 1}")]
        for scores in (output.torch_top5, output.paddle_top5):
            if place < len(scores):
                score = scores[place]
                cells += [Span(class_text(score)), Span(share(score.probability)), Span(figure(score.logit))]
            else:
                cells += [Span("-")] * 3
        rows.append(Row(tuple(cells)))
    return Table(columns, tuple(rows))


def _mismatches(report: Report, most_rows: int) -> Iterator[Block]:
    shown, left = rows_to_show(report.layers, most_rows)
    first = report.first_born or report.first_mismatch
    local = any(layer.local for layer in shown)
    blame = any(layer.blame for layer in shown)
    renamed = any(layer.torch and layer.paddle and layer.torch != layer.paddle for layer in shown)
    columns = [Column(""), Column("layer", cut="start")]
    columns += [Column("paddle", 5, cut="start")] if renamed else []
    columns += [Column("kind", 4), Column("shape", 2), Column("max|d|", align="right"), Column("rel", 6, "right")]
    columns += [Column("local", 1, "right")] if local else []
    columns += [Column("over", 7, "right"), Column("verdict")]
    columns += [Column("blame", 3)] if blame else []
    rows = []
    marked = False
    for layer in shown:
        is_first = not marked and first in (layer.torch, layer.paddle)
        marked = marked or is_first
        stats = layer.propagated
        cells = [Span("▶" if is_first else "", "bad"), Span(layer.torch or layer.paddle or "")]
        cells += [Span("=" if layer.paddle == layer.torch else layer.paddle or "-")] if renamed else []
        cells += [Span(layer.kind), Span(shape_text(layer.torch_shape or layer.paddle_shape))]
        cells += [Span(figure(stats.max_abs if stats else None)), Span(figure(stats.max_rel if stats else None))]
        cells += [Span(figure(layer.local.max_abs if layer.local else None))] if local else []
        cells += [Span(share(stats.over_tolerance) if stats else "-"), verdict_span(layer.verdict)]
        cells += [Span(layer.blame or "")] if blame else []
        notes = ("the first", row_note(layer)) if is_first else (row_note(layer),)
        rows.append(Row(tuple(cells), ": ".join(note for note in notes if note)))
    yield Table(tuple(columns), tuple(rows))
    if left:
        yield line(f"… and {left}")


def row_note(layer: LayerReport) -> str:
    """What the columns do not say."""
    pieces = [] if layer.verdict == Verdict.INHERITED else [layer.note]
    if layer.torch is None:
        pieces.insert(0, "extra in Paddle")
    elif layer.paddle is None:
        pieces.insert(0, "missing in Paddle")
    elif layer.torch_shape != layer.paddle_shape:
        pieces.insert(0, f"{shape_text(layer.torch_shape)} in torch, {shape_text(layer.paddle_shape)} in Paddle")
    stats = layer.propagated
    if stats and (stats.nan or stats.inf):
        pieces.append(f"{stats.nan} NaN and {stats.inf} Inf on one side only")
    return ": ".join(piece for piece in pieces if piece)


def _times(report: Report) -> list[tuple[str, float]]:
    assert report.timing is not None
    return [("torch", report.timing.torch_s), ("paddle", report.timing.paddle_s), ("total", report.timing.total_s)]


def _setting(value: Any) -> str:
    return {True: "on", False: "off"}[value] if isinstance(value, bool) else str(value)
