"""An evaluation in words: the verdict, both accuracies, the paired counts, what was left out; while it runs, how far it is."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import PurePath

from aligndbg.datasets.classes import class_names
from aligndbg.report.document import BLANK, Block, Column, Document, Row, Span, Style, Table, field, line
from aligndbg.report.markdown import code, prose
from aligndbg.report.text import environment_text
from aligndbg.workflows.evaluate_model import (
    CauseReport,
    DifferenceReport,
    EvalReport,
    PairedReport,
    PictureReport,
    PreprocessReport,
    SpeedReport,
    StageReport,
)
from aligndbg.workflows.events import BatchDone
from aligndbg.workflows.wording import GUIDE_TOLERANCE, counted, figure

MOST_PICTURES = 10
"""Of a list of pictures; the JSON holds more, the session all."""

MOST_EXCLUDED = 100
"""Of those that were left out, in Markdown: a comment on GitHub takes 65,536 characters."""

NAMES = {"torch": "torch", "paddle": "Paddle"}
STYLES: dict[str | None, Style] = {"within": "good", "beyond": "bad", None: ""}


def evaluation_document(report: EvalReport) -> Document:
    return tuple(_blocks(report))


def evaluation_markdown(report: EvalReport) -> str:
    """GitHub's dialect."""
    return "\n".join(_markdown(report)) + "\n"


def progress_text(event: BatchDone) -> str:
    """`128 of 250, 34.1 images/s, 4 s left, top-1 torch 82.81 % Paddle 82.81 %, no flip`."""
    tops = " ".join(f"{NAMES[side]} {value:.2f} %" for side, value in event.top1.items())
    pieces = [
        f"{event.done} of {event.total}",
        f"{event.rate:.1f} images/s" if event.rate else "",
        f"{duration(event.eta_s)} left" if event.eta_s is not None and event.done < event.total else "",
        f"top-1 {tops}" if tops else "",
        flips_text(event.flips) if len(event.top1) == 2 else "",
        f"{event.excluded} excluded" if event.excluded else "",
    ]
    return ", ".join(piece for piece in pieces if piece)


def flips_text(count: int) -> str:
    return counted(count, "flip") if count else "no flip"


def duration(seconds: float) -> str:
    """`8 s`, `3 min 20 s`, `2 h 05 min`."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    return f"{whole // 60} min {whole % 60:02} s" if whole < 3600 else f"{whole // 3600} h {whole % 3600 // 60:02} min"


def _blocks(report: EvalReport) -> Iterator[Block]:
    yield line(Span(report.headline, STYLES[report.verdict]))
    yield BLANK
    yield accuracy_table(report)
    yield BLANK
    for label, counts in (("top-1", report.top1), ("top-5", report.top5)):
        if counts:
            yield field(label, paired_text(counts))
    if report.top1:
        yield field("gap", Span(gap_text(report.top1, report.max_gap), STYLES[report.verdict]))
        if report.images and (remark := resolution_text(report)):
            yield field("", Span(remark, "dim"))
    if report.difference:
        yield field("logits", difference_text(report.difference))
    if report.preprocess_gap:
        yield field("preprocess", preprocess_text(report.preprocess_gap))
        for cause in report.preprocess_gap.causes:
            yield field("", cause_text(cause))
        if report.preprocess_gap.stages:
            yield field("pixels", stages_text(report.preprocess_gap.stages))
    if remark := target_text(report):
        yield field("target", Span(remark, "dim"))
    yield from _fields(report)
    if report.differing:
        yield BLANK
        yield _differing(report.differing, report.classes)
    if report.excluded:
        yield BLANK
        yield field("excluded", Span(f"{excluded_text(report)}:", "warn"))
        for one in report.excluded[:MOST_PICTURES]:
            yield field("", one.problem if one.name in one.problem else f"{one.name}: {one.problem}")
        if len(report.excluded) > MOST_PICTURES:
            yield field("", f"… and {len(report.excluded) - MOST_PICTURES} more")


def _fields(report: EvalReport) -> Iterator[Block]:
    yield field("tensors", tensors_text(report))
    if report.weights:
        yield field("weights", report.weights, f" · sha256 {report.weights_sha256[:12]}" if report.weights_sha256 else "")
    if report.environment:
        yield field("environment", environment_text(report.environment))
    if report.speed:
        yield field("speed", speed_text(report.speed))
    for notice in report.notices:
        yield field("notice", Span(notice, "warn"))
    if report.session:
        yield field("session", report.session)
    if remark := triage_text(report):
        yield field("triage", remark)


def excluded_text(report: EvalReport) -> str:
    return counted(len(report.excluded), "picture") + (", on both sides" if len(report.sides) == 2 else "")


def accuracy_table(report: EvalReport) -> Table:
    columns = (Column(""), *(Column(title, align="right") for title in ("top-1", "top-5", "loss")))
    rows = [
        Row((Span(NAMES[side], "strong"), Span(f"{one.top1:.3f} %"), Span(f"{one.top5:.3f} %"), Span(_loss(one.loss))))
        for side, one in report.sides.items()
    ]
    return Table(columns, tuple(rows))


def paired_text(counts: PairedReport) -> str:
    return (
        f"both right {counts.both} · only torch {counts.only_torch} · only Paddle {counts.only_paddle} · "
        f"both wrong {counts.neither}"
    )


def gap_text(counts: PairedReport, max_gap: float) -> str:
    rule = "met" if abs(counts.gap) <= max_gap else "NOT met"
    how = "exact" if counts.mcnemar == "exact" else f"chi² {counts.statistic:.2f}"
    interval = f"95 % {counts.gap_low:+.3f} to {counts.gap_high:+.3f}"
    gap = f"{counts.gap:+.3f} ± {counts.gap_error:.3f} points ({interval})"
    return f"{gap} · |gap| ≤ {max_gap:g} {rule} · McNemar p {counts.p:.3g} ({how})"


def resolution_text(report: EvalReport) -> str:
    """What a sample cannot tell; `""` where it is large enough, or where even so it tells that the sides differ."""
    one = 100 / report.images
    told = report.top1 is not None and not report.top1.gap_low <= 0 <= report.top1.gap_high
    if one > report.max_gap and not (told and report.verdict == "beyond"):
        return f"one of {report.images} pictures is {one:.2g} points: too few to tell a gap of {report.max_gap:g}"
    if report.top1 and report.verdict == "within" and max(abs(report.top1.gap_low), abs(report.top1.gap_high)) > report.max_gap:
        return f"chance alone reaches {report.max_gap:g} points at this size: more pictures would tell"
    return ""


def difference_text(difference: DifferenceReport) -> str:
    return (
        f"{flips_text(difference.flips)} of the best class · max|d| {_figure(difference.max_abs)} · "
        f"KL mean {_figure(difference.divergence_mean)}, max {_figure(difference.divergence_max)} nats"
    )


def preprocess_text(found: PreprocessReport) -> str:
    return (
        f"on {counted(found.images, 'picture')} the models make {found.model_gap:+.3f} points of the gap, the preprocessing "
        f"{found.preprocess_gap:+.3f} ({flips_text(found.flips)})"
    )


def cause_text(cause: CauseReport) -> str:
    mended = f"{counted(cause.mended, 'flip')} {'is' if cause.mended == 1 else 'are'} mended"
    return f"{cause.id}: {cause.message}; with torch's, {mended} and Paddle has {cause.top1:.3f} %"


def stages_text(stages: Sequence[StageReport]) -> str:
    """`on 50 pictures, after decode 1 differs, mean|d| 0.1, max 255 · after resize ...`; `""` where nothing was compared."""
    if not stages:
        return ""
    pieces = []
    for one in stages:
        how = [f"{one.resized} in size"] if one.resized else []
        how += [f"mean|d| {figure(one.mean_abs)}, max {figure(one.max_abs)}"] if one.differing > one.resized else []
        told = f"{one.differing} differ{'s' if one.differing == 1 else ''} ({', '.join(how)})" if one.differing else "alike"
        pieces.append(f"{one.stage} {told}")
    return f"on {counted(stages[0].pictures, 'picture')}, after " + " · ".join(pieces)


def target_text(report: EvalReport) -> str:
    if report.target_top1 is None:
        return ""
    gaps = ", ".join(f"{NAMES[side]} {one.top1 - report.target_top1:+.3f}" for side, one in report.sides.items())
    return f"published top-1 {report.target_top1:g} % (on all of ImageNet's validation set): {gaps} points here"


def triage_text(report: EvalReport) -> str:
    """Where to look next; `""` where the sides agree on every picture, within the tolerance of the guide."""
    found = report.difference
    if report.session is None or found is None:
        return ""
    if not found.flips and found.max_abs is not None and found.max_abs <= GUIDE_TOLERANCE:
        return ""
    name = PurePath(report.session).name
    return f"`aligndbg triage {name}` shows the pictures that differ most, and leads from each to its layers"


def tensors_text(report: EvalReport) -> str:
    if report.same_tensors:
        steps = next(iter(report.preprocess.values()), "")
        return f"the same on both sides: {steps}" if len(report.sides) == 2 else steps
    return "each side's own: " + "; ".join(f"{NAMES[side]}: {steps}" for side, steps in report.preprocess.items())


def speed_text(speed: SpeedReport) -> str:
    forwards = ", ".join(f"{NAMES[side]} {seconds:.1f} s" for side, seconds in speed.forward_s.items())
    return (
        f"{speed.ips:.1f} images/s over {duration(speed.seconds)} · {share_of_bound(speed):.0%} of the slowest stage's "
        f"{speed.bound_ips:.1f} · decoding {speed.decode_s:.1f} s in {speed.workers} processes, forwards {forwards}"
    )


def share_of_bound(speed: SpeedReport) -> float:
    return speed.ips / speed.bound_ips if speed.bound_ips else 0.0


def _differing(pictures: tuple[PictureReport, ...], classes: int) -> Table:
    columns = (
        Column("differs", cut="start"),
        Column("label", 2, cut="end"),
        Column("torch", cut="end"),
        Column("p", 1, "right"),
        Column("paddle", cut="end"),
        Column("p", 1, "right"),
        Column("max|d|", 3, "right"),
        Column("KL", 4, "right"),
    )
    rows = []
    for one in pictures[:MOST_PICTURES]:
        cells = [Span(one.name, "strong"), Span(_class(one.label, classes))]
        for index, probability in ((one.torch_class, one.torch_probability), (one.paddle_class, one.paddle_probability)):
            cells += [Span(_class(index, classes), "good" if index == one.label else ""), Span(f"{probability:.3f}")]
        rows.append(Row((*cells, Span(_figure(one.max_abs)), Span(_figure(one.divergence)))))
    return Table(columns, tuple(rows))


def _markdown(report: EvalReport) -> Iterator[str]:
    mark = {"within": "✓ ", "beyond": "✗ ", None: ""}[report.verdict]
    yield f"### {mark}{prose(report.headline)}"
    yield ""
    yield "| | top-1 | top-5 | loss |"
    yield "| --- | --- | --- | --- |"
    for side, one in report.sides.items():
        yield f"| {NAMES[side]} | {one.top1:.3f} % | {one.top5:.3f} % | {_loss(one.loss)} |"
    yield ""
    facts = [
        ("top-1", paired_text(report.top1) if report.top1 else ""),
        ("top-5", paired_text(report.top5) if report.top5 else ""),
        ("gap", gap_text(report.top1, report.max_gap) if report.top1 else ""),
        ("logits", difference_text(report.difference) if report.difference else ""),
        ("preprocessing", preprocess_text(report.preprocess_gap) if report.preprocess_gap else ""),
        *((cause.id, cause_text(cause)) for cause in (report.preprocess_gap.causes if report.preprocess_gap else ())),
        ("pixels", stages_text(report.preprocess_gap.stages) if report.preprocess_gap else ""),
        ("target", target_text(report)),
        ("tensors", tensors_text(report)),
        ("weights", report.weights),
        ("environment", environment_text(report.environment)),
        ("speed", speed_text(report.speed) if report.speed else ""),
        *(("notice", notice) for notice in report.notices),
    ]
    yield from (f"- **{label}**: {prose(text)}" for label, text in facts if text)
    if report.differing:
        yield f"\n<details><summary>{counted(len(report.differing), 'picture')} judged differently</summary>\n"
        yield "| picture | label | torch | p | Paddle | p |"
        yield "| --- | --- | --- | --- | --- | --- |"
        for one in report.differing:
            label, torch, paddle = (prose(_class(k, report.classes)) for k in (one.label, one.torch_class, one.paddle_class))
            cells = (code(one.name), label, torch, f"{one.torch_probability:.3f}", paddle, f"{one.paddle_probability:.3f}")
            yield f"| {' | '.join(cells)} |"
        yield "\n</details>"
    if report.excluded:
        yield f"\n<details><summary>excluded: {excluded_text(report)}</summary>\n"
        yield from (f"- {code(one.name)}: {prose(one.problem)}" for one in report.excluded[:MOST_EXCLUDED])
        if len(report.excluded) > MOST_EXCLUDED:
            yield f"- … and {len(report.excluded) - MOST_EXCLUDED} more"
        yield "\n</details>"


def _class(index: int, classes: int) -> str:
    names = class_names(classes)
    return f"{index} {names[index]}" if names and index < len(names) else str(index)


def _loss(value: float | None) -> str:
    return "not finite" if value is None else f"{value:.5f}"


def _figure(value: float | None) -> str:
    return "not finite" if value is None else figure(value)
