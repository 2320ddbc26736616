"""A contact sheet: an evaluation's pictures with both sides' best classes, in one HTML file that needs nothing beside it."""

from __future__ import annotations

import io
import math
from base64 import b64encode
from collections.abc import Iterator, Sequence
from html import escape
from string import Template

from aligndbg.core.images import Order
from aligndbg.datasets.thumbnail import thumbnail
from aligndbg.errors import InputError
from aligndbg.report.triage import ORDER_TEXTS, SIDES, counts_text, difference_text, right_text
from aligndbg.report.visible import visible
from aligndbg.workflows.triage import Triage

MOST = 500
"""Pictures of a sheet: a browser takes some 6 MB of them without delay."""

SIDE = 256
"""Pixels of a thumbnail: the sheet's columns on a screen of two pixels to the point."""

QUALITY = 80

_PAGE = Template("""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; img-src data:; style-src 'unsafe-inline'">
<meta name="color-scheme" content="light dark"><title>$title</title>
<style>
:root { --ink: #1d2733; --dim: #5a6b7f; --paper: #f4f6f8; --card: #fff; --rule: #d5dde6; --bar: #9cc3e6; --bad: #c02a2f;
        --warn: #945c00; --good: #23783f; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #d3dae3; --dim: #8b9eb7; --paper: #0f1318; --card: #171d25; --rule: #2b3643; --bar: #2d5f8f; --bad: #f2777a;
          --warn: #e3b35a; --good: #7cc58a; }
}
* { box-sizing: border-box; }
body { margin: 1.5rem; background: var(--paper); color: var(--ink); font: 14px/1.4 system-ui, sans-serif; }
h1 { font-size: 1.25rem; margin: 0 0 .25rem; } p { margin: 0 0 1rem; color: var(--dim); }
main { display: grid; gap: 1rem; grid-template-columns: repeat(auto-fill, minmax(20rem, 1fr)); }
article { background: var(--card); border: 1px solid var(--rule); border-radius: 6px; padding: .75rem; min-width: 0; }
figure { margin: 0 0 .5rem; height: 12rem; display: grid; place-items: center; background: var(--paper); border-radius: 4px; }
figure img { max-width: 100%; max-height: 12rem; display: block; } figure span { color: var(--bad); padding: 1rem; }
h2 { font-size: .875rem; margin: 0; overflow-wrap: anywhere; }
.sides { display: grid; grid-template-columns: 1fr 1fr; gap: .75rem; margin-top: .5rem; }
h3 { font-size: .75rem; margin: 0 0 .25rem; color: var(--dim); font-weight: 600; }
ol { list-style: none; margin: 0; padding: 0; font-size: .75rem; }
li { display: flex; justify-content: space-between; gap: .5rem; padding: 0 .25rem; margin-bottom: 2px; border-radius: 2px; }
li span { overflow: hidden; text-overflow: ellipsis; white-space: nowrap; } li.label span { font-weight: 700; }
li b { font-variant-numeric: tabular-nums; font-weight: 400; }
dl { display: flex; flex-wrap: wrap; gap: 0 1rem; margin: .5rem 0 0; font-size: .75rem; }
dt { color: var(--dim); } dd { margin: 0 0 0 .35rem; font-variant-numeric: tabular-nums; } dl div { display: flex; }
.bad { color: var(--bad); } .warn { color: var(--warn); } .good { color: var(--good); }
@media print { article { break-inside: avoid; } }
</style></head>
<body><h1>$title</h1><p>$counts<br>$order</p><main>
$cards
</main></body></html>
""")


def contact_sheet(triage: Triage, places: Sequence[int], order: Order) -> bytes:
    """The first MOST of `places`. A picture that cannot be read says why in its place."""
    shown = places[:MOST]
    left_out = f", the first {MOST}" if len(places) > MOST else ""
    page = _PAGE.substitute(
        title=_text(f"{triage.pair.name}: triage"),
        counts=_text(counts_text(triage.images)),
        order=_text(f"{len(places)} here{left_out}, {ORDER_TEXTS[order]} · session {triage.session.name}"),
        cards="\n".join("".join(_card(triage, place)) for place in shown),
    )
    return page.encode("utf-8")


def _card(triage: Triage, place: int) -> Iterator[str]:
    images = triage.images
    name, label = images.names[place], int(images.labels[place])
    compared = bool(images.compared[place])
    yield f"<article><figure>{_image(triage, place)}</figure><h2>{_text(name)}</h2>"
    tone = "bad" if images.only_torch[place] else "warn" if images.flips[place] or not images.judged[place] else "good"
    yield "<dl>"
    yield from (
        f"<div><dt>{title}</dt><dd{style}>{_text(value)}</dd></div>"
        for title, value, style in (
            ("label", triage.class_text(label), ""),
            ("right", right_text(images, place).strip(), f' class="{tone}"'),
            ("max|d|", difference_text(float(images.max_abs[place]), compared), ""),
            ("KL", difference_text(float(images.divergence[place]), compared), ""),
        )
    )
    yield "</dl>"
    if images.problems[place]:
        yield f'<p class="bad">{_text(images.problems[place])}</p>'
    yield '<div class="sides">'
    for side, title in SIDES:
        yield f"<section><h3>{title}</h3><ol>"
        yield from (_bar(triage.class_text(number), share, number == label) for number, share in images.of(side).top(place))
        yield "</ol></section>"
    yield "</div></article>"


def _bar(text: str, share: float, is_label: bool) -> str:
    width = 100 * min(1.0, max(0.0, share)) if math.isfinite(share) else 0.0
    fill = f"background:linear-gradient(to right,var(--bar) {width:.1f}%,transparent {width:.1f}%)"
    mark = ' class="label"' if is_label else ""
    return f'<li{mark} style="{fill}"><span title="{_text(text)}">{_text(text)}</span><b>{share:.3f}</b></li>'


def _image(triage: Triage, place: int) -> str:
    try:
        small, _ = thumbnail(triage.path(place), SIDE)
    except InputError as error:
        return f"<span>{_text(error.message)}</span>"
    content = io.BytesIO()
    small.save(content, "JPEG", quality=QUALITY)
    return f'<img alt="" loading="lazy" src="data:image/jpeg;base64,{b64encode(content.getvalue()).decode("ascii")}">'


def _text(text: str) -> str:
    return escape(visible(text))
