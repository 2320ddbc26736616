"""The pictures of an evaluation in the order in which to look at them: as text, JSON, CSV and a list file."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from aligndbg.core.images import ImageColumns, Order, Right, Side
from aligndbg.report.document import BLANK, Block, Column, Document, Row, Span, Style, Table, line
from aligndbg.report.listings import to_json
from aligndbg.workflows.triage import Triage
from aligndbg.workflows.wording import counted, figure

ORDER_TEXTS: dict[Order, str] = {
    "max": "largest max|d| first",
    "kl": "largest KL first",
    "flips": "flips first, by KL",
    "position": "in the order of the list",
}

RIGHT_TEXTS: dict[Right, str] = {"both": "both", "torch": "torch", "paddle": "Paddle", "neither": "neither"}

SIDES: tuple[tuple[Side, str], ...] = (("torch", "torch"), ("paddle", "Paddle"))


def counts_text(images: ImageColumns) -> str:
    """`250 pictures, 3 flips, 2 right by torch alone, 1 by Paddle alone, 1 unread`"""
    flips = int(images.flips.sum())
    parts = [
        counted(len(images), "picture"),
        counted(flips, "flip") if flips else "no flip",
    ]
    torch, paddle = int(images.only_torch.sum()), int(images.only_paddle.sum())
    if torch or paddle:
        parts += [f"{torch} right by torch alone", f"{paddle} by Paddle alone"]
    if unread := int((~images.judged).sum()):
        parts.append(f"{unread} unread")
    return ", ".join(parts)


def right_text(images: ImageColumns, place: int) -> str:
    """Whose best class is the label, with ≠ where the best classes differ: `≠ torch`, `  both`; `◆ unread`."""
    if not images.judged[place]:
        return "◆ unread"
    if images.compared[place]:
        return f"{'≠' if images.flips[place] else ' '} {RIGHT_TEXTS[images.right(place)]}"
    side = images.torch if images.torch.judged[place] else images.paddle
    return "  right" if side.rank[place] == 0 else "  wrong"


def best_text(triage: Triage, place: int, side: Side) -> str:
    """`281 tabby 0.812`, `-` where the side did not judge it."""
    top = triage.images.of(side).top(place)
    return f"{triage.class_text(top[0][0])} {top[0][1]:.3f}" if top else "-"


def difference_text(value: float, compared: bool) -> str:
    return figure(value) if compared else "-"


def triage_document(triage: Triage, places: Sequence[int], order: Order, most: int | None = None) -> Document:
    """The first `most` of the ranked `places`."""
    return tuple(_blocks(triage, places, order, most))


def triage_json(triage: Triage, places: Sequence[int], order: Order) -> bytes:
    """Schema 1, which only grows; figures that are not finite are null."""
    images = triage.images
    told = {
        "schema": 1,
        "kind": "triage",
        "session": triage.session.name,
        "pair": triage.pair.name,
        "order": order,
        "counts": {
            "pictures": len(images),
            "flips": int(images.flips.sum()),
            "only_torch": int(images.only_torch.sum()),
            "only_paddle": int(images.only_paddle.sum()),
            "unread": int((~images.judged).sum()),
        },
        "pictures": [_picture(triage, place) for place in places],
    }
    return to_json(told)


CSV_COLUMNS = (
    *("position", "name", "label", "label_name", "right", "flip", "max_abs", "kl"),
    *(f"{side}_{name}" for side, _ in SIDES for name in ("class", "name", "p", "rank", "loss")),
    "problem",
)


def triage_csv(triage: Triage, places: Sequence[int]) -> bytes:
    """One line a picture under a heading, RFC 4180; a figure that there is none of is empty."""
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(CSV_COLUMNS)
    images = triage.images
    for place in places:
        label = int(images.labels[place])
        cells: list[Any] = [int(images.positions[place]), images.names[place], label, triage.class_name(label)]
        cells += [images.right(place) if images.judged[place] else "", int(images.flips[place])]
        cells += [_cell(images.max_abs[place]), _cell(images.divergence[place])]
        for side, _ in SIDES:
            of = images.of(side)
            best = of.top(place)[:1]
            cells += [best[0][0], triage.class_name(best[0][0]), _cell(best[0][1])] if best else ["", "", ""]
            cells += [int(of.rank[place]), _cell(of.loss[place])] if of.judged[place] else ["", ""]
        writer.writerow([*cells, images.problems[place]])
    return text.getvalue().encode("utf-8", "backslashreplace")


def list_file(triage: Triage, places: Sequence[int]) -> tuple[bytes, int]:
    """`NAME LABEL` lines, which `aligndbg eval --list` reads, and how many pictures were left out: a name with a line break has
    no place in such a file."""
    names, labels = triage.images.names, triage.images.labels
    lines = [f"{names[place]} {labels[place]}\n" for place in places if not set(names[place]) & {"\n", "\r"}]
    return "".join(lines).encode("utf-8", "surrogateescape"), len(places) - len(lines)


def _blocks(triage: Triage, places: Sequence[int], order: Order, most: int | None) -> Iterator[Block]:
    images = triage.images
    yield line(Span(triage.pair.name, "strong"), f": {counts_text(images)}")
    if triage.status != "finished":
        yield line(Span(f"▲ this evaluation is {triage.status}: these are the pictures that were judged", "warn"))
    yield BLANK
    shown = places if most is None else places[:most]
    if not len(shown):
        yield line("no picture passes the filter" if len(images) else "no picture was judged")
        return
    columns = (
        Column("picture", cut="start"),
        Column("label", 3, cut="end"),
        Column("torch", 1, cut="end"),
        Column("Paddle", 1, cut="end"),
        Column("right"),
        Column("max|d|", align="right"),
        Column("KL", 2, "right"),
    )
    yield Table(columns, tuple(_row(triage, place) for place in shown))
    yield BLANK
    yield line(Span(f"{len(shown)} of {len(places)}, {ORDER_TEXTS[order]} · session {triage.session.name}", "dim"))


def _row(triage: Triage, place: int) -> Row:
    images = triage.images
    style: Style = "bad" if images.only_torch[place] else "warn" if images.flips[place] or not images.judged[place] else ""
    compared = bool(images.compared[place])
    cells = (
        Span(images.names[place], "strong"),
        Span(triage.class_text(int(images.labels[place])), "dim"),
        *(Span(best_text(triage, place, side)) for side, _ in SIDES),
        Span(right_text(images, place), style),
        Span(difference_text(float(images.max_abs[place]), compared)),
        Span(difference_text(float(images.divergence[place]), compared)),
    )
    return Row(cells, images.problems[place])


def _picture(triage: Triage, place: int) -> dict[str, Any]:
    images = triage.images
    label = int(images.labels[place])
    return {
        "position": int(images.positions[place]),
        "name": images.names[place],
        "label": label,
        "label_name": triage.class_name(label),
        "right": images.right(place) if images.judged[place] else None,
        "flip": bool(images.flips[place]),
        "max_abs": _finite(images.max_abs[place]),
        "kl": _finite(images.divergence[place]),
        **{side: _side(triage, place, side) for side, _ in SIDES},
        "problem": images.problems[place],
    }


def _side(triage: Triage, place: int, side: Side) -> dict[str, Any] | None:
    of = triage.images.of(side)
    if not of.judged[place]:
        return None
    top = [{"class": number, "name": triage.class_name(number), "p": _finite(p)} for number, p in of.top(place)]
    return {"rank": int(of.rank[place]), "loss": _finite(of.loss[place]), "top": top}


def _finite(value: float | np.floating[Any]) -> float | None:
    return float(value) if math.isfinite(value) else None


def _cell(value: float | np.floating[Any]) -> str:
    """Read back, it is the same number; a NaN is empty."""
    return "" if math.isnan(value) else repr(float(value))
