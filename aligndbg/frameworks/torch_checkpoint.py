"""torch's own checkpoints. Imported in a child process only."""

from __future__ import annotations

import re
import traceback
from collections.abc import Mapping
from pathlib import Path

import torch

from aligndbg.errors import InputError


def read_state(path: Path) -> Mapping[str, torch.Tensor]:
    """The tensors of a torch checkpoint, wrappers such as `state_dict` and `module.` taken off. InputError if it is none.

    `weights_only=True`: nothing in the file is executed (torch documentation, "torch.load").
    """
    if not path.is_file():
        raise InputError(f"{path} does not exist", "check `weights: source:` in pair.yaml, or --weights")
    try:
        loaded = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        traceback.print_exc()
        why, hint = damage(path, error)
        raise InputError(f"{path} is not a torch checkpoint, or is cut short: {why}", hint) from error
    for key in ("state_dict", "model", "model_state_dict", "net"):
        if isinstance(loaded, Mapping) and isinstance(loaded.get(key), Mapping):
            loaded = loaded[key]
    tensors = {str(name): value for name, value in loaded.items() if torch.is_tensor(value)} if isinstance(loaded, Mapping) else {}
    if not tensors:
        raise InputError(
            f"{path} holds no tensors by name, expected a state dict", "save it with torch.save(model.state_dict(), FILE)"
        )
    if all(name.startswith("module.") for name in tensors):
        tensors = {name.removeprefix("module."): value for name, value in tensors.items()}
    return tensors


def damage(path: Path, error: Exception) -> tuple[str, str]:
    """Why torch could not read a checkpoint, in words, and what to try. torch's own speak of its unpickler, in paragraphs."""
    if refused := re.search(r"GLOBAL ([\w.]+)", str(error)):
        hint = "loading it could run code; save it again with torch.save(model.state_dict(), FILE)"
        return f"it wants {refused[1]}, and a checkpoint needs tensors only", hint
    with path.open("rb") as file:
        start = file.read(24)
    if start.startswith(b"PK"):
        return "its end is missing or damaged", "fetch it again"
    if start.startswith(b"\x80"):
        return "its contents end early or are damaged", "fetch it again"
    return f"it begins with {start!r}" if start else "it is empty", "fetch it again"
