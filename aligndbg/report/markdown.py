"""The report as a comment on a pull request."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from aligndbg.core.findings import Status
from aligndbg.report.findings import MARKS, UNKNOWN, Group, change, counts_text, grouped, place_text
from aligndbg.report.text import class_text, environment_text, output_text, row_note, rows_to_show, some_of, weights_text
from aligndbg.report.visible import visible
from aligndbg.workflows.headline import notices_by_weight
from aligndbg.workflows.report_model import LayerReport, OutputReport, Report
from aligndbg.workflows.wording import figure, shape_text, share, verdict_text

MOST_ROWS = 20

MOST_FINDINGS = 8
"""Open in the comment; what is beyond is folded away."""

MOST_LAYERS = 4
"""Named of those that share a finding."""


def markdown(reports: Sequence[Report]) -> str:
    """GitHub's dialect. Several pairs begin with a table of all of them."""
    blocks = [_summary(reports)] if len(reports) > 1 else []
    blocks += ["\n".join(_report(report)) for report in reports]
    return "\n\n".join(blocks) + "\n"


def code(text: str) -> str:
    """A name as an inline code span that it cannot break out of, in a table or out of one."""
    text = visible(text)
    if not text:
        return ""
    fence = "`" * (max((len(run) for run in re.findall("`+", text)), default=0) + 1)
    padding = " " if text.startswith("`") or text.endswith("`") else ""
    return f"{fence}{padding}{text.replace('|', chr(92) + '|')}{padding}{fence}"


def prose(text: str) -> str:
    """A sentence whose contents stay text: no markup, no HTML, no mention of a person, no link to an issue."""
    escaped = re.sub(r"([\\`*_\[\]|~$])", r"\\\1", visible(text)).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return escaped.replace("@", "@<!-- -->").replace("#", "#<!-- -->").replace("://", ":<!-- -->//")


def _summary(reports: Sequence[Report]) -> str:
    rows = [[code(report.pair), verdict_text(report.verdict), prose(report.headline.partition(" — ")[2])] for report in reports]
    return _table(["pair", "verdict", ""], rows)


def _report(report: Report) -> Iterator[str]:
    yield f"### {'✓' if report.verdict == 'aligned' else '✗'} {prose(report.headline)}"
    if report.error and report.error.get("hint"):
        yield f"\n{prose(report.error['hint'])}"
    first, notices = notices_by_weight(report)
    yield from (f"\n**▲ {prose(notice)}**" for notice in first)
    yield from _findings(report)
    facts = [
        ("output", output_text(report.output) if report.output else ""),
        ("weights", weights_text(report.weights) if report.weights else ""),
        ("input", report.input),
        ("environment", environment_text(report.environment)),
        ("unpaired in torch", some_of(report.unpaired.torch)),
        ("unpaired in paddle", some_of(report.unpaired.paddle)),
        *(("notice", notice) for notice in notices),
    ]
    yield ""
    yield from (f"- **{label}**: {prose(text)}" for label, text in facts if text)
    shown, left = rows_to_show(report.layers, MOST_ROWS)
    if shown:
        first = report.first_born or report.first_mismatch
        yield ""
        yield _table(["layer", "kind", "shape", "max\\|d\\|", "rel", "verdict", ""], [_row(layer, first) for layer in shown])
        if left:
            yield f"\n… and {left}"
    if report.output and (report.output.torch_top5 or report.output.paddle_top5):
        yield "\n<details><summary>top-5</summary>\n"
        yield _top5(report.output)
        yield "\n</details>"


def _findings(report: Report) -> Iterator[str]:
    """A list of the causes; the warnings, and a long rest, folded away."""
    groups = grouped(report.findings)
    if not groups:
        return
    yield f"\n#### Findings: {counts_text(groups)}\n"
    causes = [group for group in groups if group.first.status is not Status.WARNING]
    shown = [_finding(group) for group in causes[:MOST_FINDINGS]]
    if shown:
        yield "\n".join(shown)
    rest = groups[len(shown) :]
    if rest:
        yield f"\n<details><summary>{counts_text(rest)}{' more' if len(causes) > len(shown) else ''}</summary>\n"
        yield "\n".join(map(_finding, rest))
        yield "\n</details>"


def _finding(group: Group) -> str:
    finding = group.first
    others = [code(layer) for layer in group.layers[1:MOST_LAYERS]]
    left = len(group.layers) - 1 - len(others)
    also = ", ".join(others) + (f" and {left} more" if left else "")
    named = f" ({prose(finding.id)})" if finding.id != UNKNOWN else ""
    lines = [
        f"- **{MARKS[finding.status]}: {code(finding.layer)}**{named}: {prose(finding.message)}",
        f"  fix: {' '.join(code(part) for part in (place_text(finding.source), change(finding)) if part)}"
        if change(finding)
        else "",
        f"  {prose(group.proof)}" if group.proof else "",
        *(f"  hint: {prose(hint)}" for hint in finding.hints),
        f"  also at {also}" if also else "",
    ]
    return "  \n".join(line for line in lines if line)


def _row(layer: LayerReport, first: str | None) -> list[str]:
    path = layer.torch or layer.paddle or ""
    name = code(path) + (f" / {code(layer.paddle)}" if layer.torch and layer.paddle and layer.torch != layer.paddle else "")
    stats = layer.propagated
    return [
        f"**{name}** ◀ first" if first in (layer.torch, layer.paddle) else name,
        code(layer.kind),
        shape_text(layer.torch_shape or layer.paddle_shape),
        figure(stats.max_abs if stats else None),
        figure(stats.max_rel if stats else None),
        verdict_text(layer.verdict),
        prose(row_note(layer)),
    ]


def _top5(output: OutputReport) -> str:
    rows = []
    for place in range(max(len(output.torch_top5), len(output.paddle_top5))):
        cells = [str(place + 1)]
        for scores in (output.torch_top5, output.paddle_top5):
            cells += [prose(class_text(scores[place])), share(scores[place].probability)] if place < len(scores) else ["-", "-"]
        rows.append(cells)
    return _table(["", "torch", "p", "paddle", "p"], rows)


def _table(titles: list[str], rows: list[list[str]]) -> str:
    lines = [titles, ["---"] * len(titles), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)
