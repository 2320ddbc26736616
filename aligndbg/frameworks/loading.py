"""From `FILE.py:CALLABLE` or `module:CALLABLE` to a model, inside a child."""

from __future__ import annotations

import difflib
import importlib
import importlib.util
import sys
import traceback
from collections.abc import Callable, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any, TypeVar

from aligndbg.errors import AligndbgError, EnvironmentFault, PairError

T = TypeVar("T")
Mend = Callable[[BaseException], bool]
"""Whether the cause of an exception was removed, so that a second attempt may succeed."""


def no_remedy(error: BaseException) -> bool:
    return False


def load_target(target: str, root: Path, mend: Mend = no_remedy) -> Callable[..., Any]:
    """The callable that `target` names; a file is relative to `root`. PairError or EnvironmentFault says what is wrong with it."""
    source, _, name = target.rpartition(":")
    module = _load_file(root / source, mend) if source.endswith(".py") else _load_module(source, root, mend)
    found: Any = module
    for part in name.split("."):
        if not hasattr(found, part):
            public = [other for other in vars(found) if not other.startswith("_")]
            near = difflib.get_close_matches(part, public, 3, 0.5)
            raise PairError(f"{source} has no {part!r}", f"did you mean {', '.join(near)}?" if near else "")
        found = getattr(found, part)
    if not callable(found):
        raise PairError(
            f"{target} is {type(found).__name__}, not a callable that returns the model", "name the model's class or a function"
        )
    return found  # type: ignore[no-any-return]


def build_model(target: str, kwargs: Mapping[str, Any], root: Path, kind: type, mend: Mend = no_remedy) -> Any:
    """Call `target` with `kwargs`; the result must be an instance of `kind`."""
    make = load_target(target, root, mend)
    try:
        model = _attempt(lambda: make(**kwargs), mend)
    except AligndbgError:
        raise
    except Exception as error:
        traceback.print_exc()
        raise PairError(f"{target} failed: {describe(error)}", where(error)) from error
    if not isinstance(model, kind):
        raise PairError(f"{target} returned {type(model).__name__}, expected {kind.__module__.split('.')[0]}.{kind.__name__}", "")
    return model


def describe(error: BaseException) -> str:
    """An exception in one line: its class, and the first line of its text."""
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text[:400]}" if text else type(error).__name__


def where(error: BaseException) -> str:
    """`see FILE:LINE`, the innermost frame of the exception outside installed packages, for a hint."""
    if isinstance(error, SyntaxError) and error.filename:
        return f"see {error.filename}:{error.lineno}"
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if _is_users(frame.filename)]
    return f"see {frames[-1].filename}:{frames[-1].lineno}" if frames else ""


_OWN = str(Path(__file__).parent)
_PACKAGES = (f"{Path(sys.prefix)}/", f"{Path(sys.base_prefix)}/lib/python", "<")


def _is_users(filename: str) -> bool:
    return not filename.startswith((_OWN, *_PACKAGES)) and "site-packages" not in filename


def _load_file(path: Path, mend: Mend) -> ModuleType:
    if not path.is_file():
        raise PairError(f"{path} does not exist", "check `model:` in pair.yaml")
    folder = str(path.parent.resolve())
    if folder not in sys.path:
        # A model file imports its neighbours, as it does when it is run by itself.
        sys.path.insert(0, folder)
    spec = importlib.util.spec_from_file_location(path.stem, path.resolve())
    if spec is None or spec.loader is None:
        raise PairError(f"{path} is not a Python file", "")
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module
    loader = spec.loader
    _explain_import(str(path), lambda: loader.exec_module(module), mend)
    return module


def _load_module(name: str, root: Path, mend: Mend) -> ModuleType:
    for folder in (str(root.resolve()), str(Path.cwd())):
        if folder not in sys.path:
            sys.path.append(folder)
    return _explain_import(name, lambda: importlib.import_module(name), mend)


def _attempt(run: Callable[[], T], mend: Mend) -> T:
    while True:
        try:
            return run()
        except Exception as error:
            if not mend(error):
                raise


def _explain_import(name: str, run: Callable[[], T], mend: Mend) -> T:
    try:
        return _attempt(run, mend)
    except AligndbgError:
        raise
    except ModuleNotFoundError as error:
        traceback.print_exc()
        if name == error.name or name.startswith(f"{error.name}."):
            raise PairError(
                f"no module named {error.name!r} for {name}", f"install it into {sys.executable}, or correct `model:`"
            ) from error
        raise EnvironmentFault(
            f"{name} needs {error.name!r}, which is not installed", f"install it into {sys.executable}"
        ) from error
    except SyntaxError as error:
        traceback.print_exc()
        line = (error.text or "").strip()
        raise PairError(f"{name}:{error.lineno}: {error.msg}", f"mend this line: {line}" if line else "") from error
    except Exception as error:
        traceback.print_exc()
        raise PairError(f"{name} cannot be imported: {describe(error)}", where(error)) from error
