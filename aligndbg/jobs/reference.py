"""The curves of an earlier run, to hold a run against: from its job's folder, from its log, or from a CSV."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path

from aligndbg.errors import AligndbgError, InputError, named
from aligndbg.jobs.folder import LAUNCHER_LOG, log_files
from aligndbg.jobs.formats.detection import detect, parser_for
from aligndbg.jobs.formats.own import METRICS
from aligndbg.jobs.formats.parser import LogParser
from aligndbg.jobs.formats.table import read_table
from aligndbg.jobs.masking import is_environment_dump
from aligndbg.jobs.metrics import Sample
from aligndbg.jobs.series import Curves
from aligndbg.jobs.spec import SPEC, read_spec

LONGEST = 1 << 16
"""Bytes of a line that are read; the rest of a longer one is passed over."""
LOOKED_AT = 20_000
"""Lines among which a log's format is looked for."""

_KINDS = "a reference is a job's folder, a log (PaddleClas, torchvision, timm, PyTorch's examples), a metrics.jsonl or a CSV"


def read_reference(path: Path) -> Curves:
    """The curves of a job's folder (its `metrics.jsonl`, else its logs), of a log in a known format, or of a CSV.

    A folder of a launcher's `workerlog.N` counts as one. Files are read line by line and `Curves` are bounded, so that a log may
    have any size. Raises InputError where `path` cannot be read, or holds no metric.
    """
    shown = named(path)
    try:
        if path.is_dir():
            curves = _of_folder(path)
        elif path.is_file() or not path.exists():
            curves = _of_file(path)
        else:
            raise InputError(f"{shown} is neither a file nor a folder", _KINDS)
    except OSError as error:
        raise InputError(f"{shown} cannot be read: {error.strerror or error}", _KINDS) from None
    if not curves.metrics():
        raise InputError(f"{shown} holds no metric in a format that is known", _KINDS)
    return curves


def _of_folder(path: Path) -> Curves:
    own, spec = path / METRICS, None
    if own.is_file() and (curves := _curves(_samples(own, parser_for("aligndbg")))).metrics():
        return curves
    if (path / SPEC).is_file():
        try:
            spec = read_spec(path)
            parser_for(spec.log_format)
        except AligndbgError as error:
            raise InputError(f"{named(path)} is a job that cannot be read: {error.message}", error.hint) from None
    logs = log_files(path, spec.rank_logs if spec else None) or [
        log for log in sorted(path.glob("workerlog.*")) if log.is_file() and not is_environment_dump(log)
    ]
    log_format = spec.log_format if spec else None
    launcher = [log for log in logs if log.name == LAUNCHER_LOG]
    ranks = [log for log in logs if log not in launcher]
    curves = _curves(sample for rank, log in enumerate(ranks) for sample in _samples(log, parser_for(log_format, rank)))
    return curves if curves.metrics() else _curves(sample for log in launcher for sample in _samples(log, parser_for(log_format)))


def _of_file(path: Path) -> Curves:
    if path.suffix.lower() == ".csv":
        try:
            return _curves(read_table(_lines(path)))
        except InputError as error:
            raise InputError(f"{named(path)}: {error.message}", error.hint) from None
    # Most of the lines decide; where the first ones say nothing, the first line that is understood.
    return _curves(_samples(path, detect(islice(_lines(path), LOOKED_AT)) or parser_for(None)))


def _curves(samples: Iterable[Sample]) -> Curves:
    curves = Curves()
    for sample in samples:
        curves.add(sample)
    return curves


def _samples(path: Path, parser: LogParser) -> Iterator[Sample]:
    return (sample for line in _lines(path) if (sample := parser.feed(line)) is not None)


def _lines(path: Path) -> Iterator[str]:
    """The lines without their ends, whatever bytes they are made of."""
    with path.open("rb") as file:
        if file.read(3) != b"\xef\xbb\xbf":  # What spreadsheets put in front.
            file.seek(0)
        begins = True
        while line := file.readline(LONGEST):
            if begins:
                yield line.decode("utf-8", "replace").rstrip("\r\n")
            begins = line.endswith(b"\n")
