"""Small JSON files that a reader finds whole: written beside their place, then moved there."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from aligndbg.errors import EnvironmentFault


def write_json(path: Path, document: dict[str, Any]) -> None:
    """Replace `path` in one step. Text that is not Unicode (file names may hold any bytes) keeps its surrogates. Raises OSError."""
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    text = json.dumps(document, indent=1) + "\n"
    try:
        with beside.open("w", encoding="ascii") as file:
            file.write(text)
            file.flush()
            # Else a power cut may leave the new name on an empty file.
            os.fsync(file.fileno())
        beside.replace(path)
    except OSError:
        # A full disk needs the room.
        beside.unlink(missing_ok=True)
        raise


def read_json(path: Path) -> dict[str, Any]:
    """Raises EnvironmentFault, with the file's name, where it is missing or damaged."""
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise EnvironmentFault(f"{path} cannot be read: {error.strerror}") from None
    except ValueError:
        raise EnvironmentFault(f"{path} is damaged: it holds no JSON") from None
    if not isinstance(document, dict):
        raise EnvironmentFault(f"{path} is damaged: it holds no JSON object")
    return document
