"""How a user names one of many folders: sessions, jobs."""

from __future__ import annotations

from collections.abc import Sequence
from difflib import get_close_matches
from pathlib import Path

from aligndbg.errors import UsageError


def folder_named(folders: Sequence[Path], name: str, kind: str, root: Path) -> Path:
    """The one of the `folders` in `root` that is named in full, or by an unambiguous beginning or end.

    `kind` is what each of them is, in one word. Raises UsageError with the nearest names.
    """
    matching = [folder for folder in folders if name and (folder.name.startswith(name) or folder.name.endswith(name))]
    exact = [folder for folder in matching if folder.name == name]
    if len(exact or matching) == 1:
        return (exact or matching)[0]
    if matching:
        few = ", ".join(folder.name for folder in matching[:4])
        raise UsageError(f"{name!r} names {len(matching)} {kind}s", f"{few}{', ...' if len(matching) > 4 else ''}")
    near = get_close_matches(name, [folder.name for folder in folders], 3, 0.4)
    hint = f"did you mean {', '.join(near)}?" if near else f"`aligndbg {kind}s list` shows what there is"
    raise UsageError(f"there is no {kind} {name!r} in {root}", hint)
