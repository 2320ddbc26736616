"""Where pairs are found: the folders of models, and what they hold."""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import aligndbg
from aligndbg.errors import PairError, UsageError
from aligndbg.pairs.decode import LARGEST
from aligndbg.pairs.load import FILE_NAME, load_pair
from aligndbg.pairs.schema import PairSpec

DEPTH = 2
"""A pair's name has at most so many parts: `NAME`, `GROUP/NAME`."""

_LOOKS_LIKE_PAIR = re.compile(rb"^(torch|paddle)[ \t]*:", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class PairEntry:
    """A pair that was found. `error` is one line where its file cannot be used, else `""`."""

    name: str
    path: Path
    description: str
    error: str = ""


def model_folders() -> tuple[Path, ...]:
    """Existing folders of models, the nearest to the user first.

    $ALIGNDBG_MODELS (several, separated as in PATH), `models/` of the working folder and of its parents, and the one that
    aligndbg came with.
    """
    named = [Path(part).expanduser() for part in os.environ.get("ALIGNDBG_MODELS", "").split(os.pathsep) if part]
    package = Path(aligndbg.__file__).parent
    here = Path.cwd()
    checkout = [package.parent / "models"] if (package.parent / "pyproject.toml").is_file() else []
    candidates = (*named, *(folder / "models" for folder in (here, *here.parents)), package / "_models", *checkout)
    found: dict[Path, None] = {}
    for candidate in candidates:
        if candidate.is_dir():
            found.setdefault(candidate.resolve())
    return tuple(found)


def pair_files() -> dict[str, Path]:
    """Every pair's name and file, sorted by name; of two with one name, the nearer."""
    found: dict[str, Path] = {}
    for folder in model_folders():
        for name, path in _scan(folder, "", DEPTH):
            found.setdefault(name, path)
    return dict(sorted(found.items()))


def nearest_pairs() -> tuple[str, ...]:
    """Names of the pairs in the nearest folder of models that has any, sorted."""
    for folder in model_folders():
        if found := sorted(name for name, _ in _scan(folder, "", DEPTH)):
            return tuple(found)
    return ()


def find_pair(name: str) -> PairSpec:
    """The pair that `name` means: its name, the last part of it where only one ends so, its folder, or its file.

    UsageError names the nearest pairs where there is none; PairError says what is wrong with its file.
    """
    files = pair_files()
    path = files.get(name) or _by_path(name)
    if path is None:
        ends = [other for other in files if other.rpartition("/")[2] == name]
        if len(ends) > 1:
            raise UsageError(f"{name!r} may mean {' or '.join(ends)}", "give the whole name")
        if not ends:
            raise _unknown(name, files)
        path = files[ends[0]]
    return load_pair(path)


def list_pairs() -> tuple[PairEntry, ...]:
    """Every pair there is, sorted by name; one that cannot be used says why."""
    return tuple(_entry(name, path) for name, path in pair_files().items())


def _entry(name: str, path: Path) -> PairEntry:
    try:
        return PairEntry(name, path, load_pair(path).description)
    except PairError as error:
        return PairEntry(name, path, "", error.message)


def _scan(folder: Path, prefix: str, depth: int) -> Iterator[tuple[str, Path]]:
    try:
        children = sorted(folder.iterdir())
    except OSError:
        # A folder that may not be read has no pairs for this user.
        return
    for child in children:
        if child.name.startswith((".", "_")):
            continue
        if child.suffix == ".yaml":
            if _is_single_file_pair(child):
                yield f"{prefix}{child.stem}", child
        elif (child / FILE_NAME).is_file():
            yield f"{prefix}{child.name}", child / FILE_NAME
        elif depth > 1 and child.is_dir():
            yield from _scan(child, f"{prefix}{child.name}/", depth - 1)


def _is_single_file_pair(path: Path) -> bool:
    """Other tools keep YAML beside models too: a pair is known by naming a side."""
    try:
        return path.is_file() and path.stat().st_size <= LARGEST and _LOOKS_LIKE_PAIR.search(path.read_bytes()) is not None
    except OSError:
        return False


def _by_path(name: str) -> Path | None:
    if not name or "\0" in name:
        return None
    path = Path(name).expanduser()
    if (path / FILE_NAME).is_file():
        return path / FILE_NAME
    return path if path.suffix in (".yaml", ".yml") and path.is_file() else None


def _unknown(name: str, files: dict[str, Path]) -> UsageError:
    message = f"there is no pair {name!r}"
    if not files:
        return UsageError(message, "no models/ folder with pairs was found here; name one in ALIGNDBG_MODELS")
    near = difflib.get_close_matches(name, files, 3, 0.65)
    ends = difflib.get_close_matches(name, [other.rpartition("/")[2] for other in files], 3, 0.65)
    near += [other for other in files if other.rpartition("/")[2] in ends and other not in near]
    if near:
        return UsageError(message, f"did you mean {', '.join(near[:3])}?")
    shown = ", ".join(list(files)[:8])
    return UsageError(message, f"there are {shown}{', ...' if len(files) > 8 else ''}")
