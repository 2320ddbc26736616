"""From an evaluation to one picture of it, and from that picture to the layer where the two sides part."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from aligndbg.core.images import ImageColumns
from aligndbg.datasets.classes import class_names
from aligndbg.datasets.pair_pipelines import pipelines_of
from aligndbg.errors import InputError, UsageError, named
from aligndbg.pairs.adhoc import with_overrides
from aligndbg.pairs.discovery import find_pair
from aligndbg.pairs.schema import PairSpec
from aligndbg.settings import Settings
from aligndbg.store.image_columns import read_columns
from aligndbg.store.images import CLASSES
from aligndbg.store.listing import LATEST, list_sessions, resolve_session
from aligndbg.store.session import Status, open_session
from aligndbg.store.snapshot import Source, sources_of
from aligndbg.workflows.inspect import Depth, Inspection

LIST, DATA = "list", "data"
"""What an evaluation's options call its list file and its folder of pictures."""

_SURROGATE = re.compile(r"\\u(dc[89a-f][0-9a-f])")


@dataclass(frozen=True, eq=False)
class Triage:
    """An evaluation, read once. `folder` is where its pictures' names start, None where the session does not say. `pair` is as the
    evaluation used it; `sources` are the files that it was made of then. `same_tensors`: both sides got torch's."""

    session: Path
    status: Status
    pair: PairSpec
    options: Mapping[str, Any]
    device: str
    same_tensors: bool
    sources: tuple[Source, ...]
    images: ImageColumns
    class_names: Sequence[str]
    folder: Path | None

    def path(self, place: int) -> Path:
        """The picture's file. InputError where it is not known, or not there."""
        if self.folder is None:
            raise InputError("the session does not say where its pictures are", "`aligndbg triage --data DIR` says it")
        name = self.images.names[place]
        path = self.folder / name
        try:
            if path.is_file():
                return path
            # A name that is no UTF-8 is stored with its odd bytes escaped.
            raw = self.folder / _SURROGATE.sub(lambda found: chr(int(found[1], 16)), name)
            if raw.is_file():
                return raw
        except (OSError, ValueError) as error:
            raise InputError(f"{named(path)} cannot be read: {getattr(error, 'strerror', None) or error}") from None
        raise InputError(f"{named(path)} does not exist", "`aligndbg triage --data DIR` says where the pictures are now")

    def class_name(self, number: int) -> str:
        """`""` where the class has no name."""
        return self.class_names[number] if 0 <= number < len(self.class_names) else ""

    def class_text(self, number: int) -> str:
        """`281 tabby`"""
        return f"{number} {self.class_name(number)}".rstrip()


@dataclass(frozen=True, slots=True)
class PreprocessingDifference:
    """Between the tensors that the two sides' own preprocessing makes of one picture. `alike`: both take the same steps. `stage` is
    the first after which they differ, `""` where none does; differences are None where the shapes differ."""

    alike: bool
    max_abs: float | None = 0.0
    mean_abs: float | None = 0.0
    stage: str = ""
    causes: tuple[str, ...] = ()


def open_triage(session: Path, data: Path | None = None) -> Triage:
    """Read an evaluation's session, finished or not. `data` is where its pictures are, in place of what the session says.

    UsageError where it is another kind of session; EnvironmentFault where it is damaged.
    """
    with open_session(session) as opened:
        snapshot, status = opened.snapshot, opened.status
        if snapshot.kind != "eval":
            raise UsageError(
                f"{session.name} is a comparison of layers, not an evaluation", f"`aligndbg sessions show {session.name}` opens it"
            )
        facts = opened.facts()
    classes = facts.get(CLASSES, "")
    names = class_names(int(classes)) if classes.isdecimal() else None
    folder = data or pictures_folder(
        snapshot.pair, {**snapshot.options, **{key: facts[key] for key in (LIST, DATA) if key in facts}}
    )
    images = read_columns(session)
    return Triage(
        session,
        status,
        snapshot.pair,
        snapshot.options,
        facts.get("device", "cpu"),
        not snapshot.options.get("own_preprocess"),
        snapshot.sources,
        images,
        names or (),
        folder,
    )


def find_evaluation(root: Path, name: str | None = None) -> Path:
    """The session called `name`, or the newest evaluation of the pair of that name; the newest of all where there is no name.
    UsageError where there is none."""
    known = [one for one in list_sessions(root) if one.kind == "eval" and not one.error]
    # A comparison that was made from an evaluation may be newer.
    wanted = [one.path for one in known if name in (None, LATEST, one.pair)]
    if wanted:
        return wanted[0]
    if name in (None, LATEST):
        raise UsageError(f"there is no evaluation in {root} yet", "`aligndbg eval PAIR --list FILE --data DIR` makes one")
    return resolve_session(root, name)


def pictures_folder(pair: PairSpec, options: Mapping[str, Any]) -> Path | None:
    """Where names of pictures start: what was asked for before what the pair says, a folder before that of the list."""
    file, data = options.get(LIST), options.get(DATA)
    if data:
        return Path(str(data)).expanduser().absolute()
    if file:
        return Path(str(file)).expanduser().absolute().parent
    if pair.eval.data:
        return pair.root / Path(pair.eval.data).expanduser()
    return (pair.root / Path(pair.eval.list).expanduser()).parent if pair.eval.list else None


def changed_sources(triage: Triage) -> tuple[str, ...]:
    """Which of the pair's files are not what they were when it was evaluated: `pair.yaml`, `paddle_model.py`."""
    now = {(one.role, one.path): one.sha256 for one in sources_of(triage.pair)}
    return tuple(Path(one.path).name for one in triage.sources if now.get((one.role, one.path)) != one.sha256)


def live_pair(triage: Triage) -> PairSpec:
    """The pair as it was evaluated, from where its file is now: its own path, else by its name. UsageError where it is neither."""
    pair = triage.pair
    if pair.path is None or pair.path.is_file():
        return pair
    found = find_pair(pair.name)
    return replace(pair, root=found.root, path=found.path)


def image_inspection(
    triage: Triage, place: int, settings: Settings, what_if: Sequence[str] = (), depth: Depth | None = None
) -> Inspection:
    """The comparison of layers on one picture, which torch's preprocessing makes the input of both sides.

    Weights, device and interpreters are the evaluation's; the models' files are read as they are now. InputError where the picture
    is not there.
    """
    path = str(triage.path(place))
    pair = with_overrides(live_pair(triage), input=path)
    kept = {name: value for name, value in triage.options.items() if name in ("weights", "seed", "shape", "device")}
    options = {"input": [path], **kept, **({"what_if": list(what_if)} if what_if else {})}
    return Inspection(pair, settings, options, triage.device, depth=depth, what_if=what_if)


def preprocessing_difference(triage: Triage, place: int) -> PreprocessingDifference:
    """What each side's own preprocessing makes of the picture. InputError where one of them cannot read it."""
    pipelines = pipelines_of(triage.pair)
    if pipelines.are_equal:
        return PreprocessingDifference(True)
    from aligndbg.datasets.compare import compare_pipelines

    path = triage.path(place)
    found = compare_pipelines(pipelines.torch, pipelines.paddle, [path], ("torch", "Paddle"))
    if found.problems:
        raise InputError(found.problems[0].reason)
    stage = next((one.stage for one in found.stages if one.differing), "")
    return PreprocessingDifference(False, found.max_abs, found.mean_abs, stage, tuple(one.message for one in found.causes))
