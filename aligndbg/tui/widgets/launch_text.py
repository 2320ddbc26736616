"""The command that a form makes, and what speaks against it, as text."""

from __future__ import annotations

import shlex
from collections.abc import Sequence

from textual.content import Content

from aligndbg.jobs.masking import mask_env
from aligndbg.tui.cells import clean
from aligndbg.tui.theme import MUTED
from aligndbg.workflows.launching import LaunchPlan


def command_text(plan: LaunchPlan) -> Content:
    if plan.spec is None:
        return Content.styled("no command before the marked fields are mended", MUTED)
    lines = [Content.assemble(("in    ", MUTED), clean(plan.spec.cwd))]
    for name, value in mask_env(plan.spec.env).items():
        lines.append(Content.assemble(("with  ", MUTED), clean(f"{name}={shlex.quote(value)}")))
    lines.append(Content.assemble(("$ ", MUTED), (clean(plan.text), "bold")))
    return Content("\n").join(lines)


def problems_text(plan: LaunchPlan, wrong: Sequence[str]) -> Content:
    """`wrong` is what no field tells."""
    lines = [Content.styled(f"✗ {clean(words)}", "bold $text-error") for words in wrong]
    for problem in plan.problems:
        mark = ("✗ ", "bold $text-error") if problem.level == "error" else ("▲ ", "$text-warning")
        lines.append(Content.assemble(mark, (clean(problem.key), "bold"), f": {clean(problem.message)}"))
        if problem.fix:
            lines.append(Content.assemble(("  try: ", MUTED), clean(problem.fix)))
    if plan.spec and plan.ready and not plan.problems and not wrong:
        checked = "nothing speaks against it" if plan.request.kind.startswith("paddleclas") else "ready"
        lines.append(Content.styled(f"✓ {checked}", "$text-success"))
    return Content("\n").join([Content(""), *lines]) if lines else Content("")
