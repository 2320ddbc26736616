"""Kept tensors: one safetensors file per name."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from aligndbg.errors import EnvironmentFault
from aligndbg.store.layout import TENSORS

if TYPE_CHECKING:
    from numpy.typing import NDArray

SUFFIX = ".safetensors"

LONGEST_STEM = 200
"""File systems take 255 bytes a name; a longer name is cut and told apart by its hash."""


def write_tensors(folder: Path, name: str, arrays: Mapping[str, NDArray[Any]]) -> Path:
    """Write `arrays` under `name`, replacing what was there; readers see the old file or the whole new one."""
    import numpy as np
    from safetensors.numpy import save_file

    path = tensor_file(folder, name)
    path.parent.mkdir(exist_ok=True)
    temporary = path.with_name(f".{path.name}.tmp")
    save_file({key: np.ascontiguousarray(array) for key, array in arrays.items()}, temporary, metadata={"name": name})
    temporary.replace(path)
    return path


def read_tensors(folder: Path, name: str) -> dict[str, NDArray[Any]]:
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    path = tensor_file(folder, name)
    try:
        return load_file(path)
    except FileNotFoundError:
        kept = ", ".join(tensor_names(folder)) or "none"
        raise EnvironmentFault(f"{folder.name} keeps no tensors named {name!r}", f"kept: {kept}") from None
    except (OSError, SafetensorError) as error:
        raise EnvironmentFault(f"{path} cannot be read: {error}") from None


def tensor_names(folder: Path) -> Iterator[str]:
    from safetensors import SafetensorError, safe_open

    for path in sorted((folder / TENSORS).glob(f"[!.]*{SUFFIX}")):
        try:
            with safe_open(path, "numpy") as file:
                yield file.metadata()["name"]
        except (OSError, SafetensorError) as error:
            raise EnvironmentFault(f"{path} cannot be read: {error}") from None


def tensor_file(folder: Path, name: str) -> Path:
    # A leading dot would hide the file.
    stem = re.sub(r"^\.", "%2E", quote(name, safe=""))
    if len(stem) > LONGEST_STEM:
        stem = f"{stem[:LONGEST_STEM]}~{hashlib.sha256(name.encode()).hexdigest()[:12]}"
    return folder / TENSORS / f"{stem}{SUFFIX}"
