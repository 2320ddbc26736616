"""The rooms and their arrows (DESIGN 3): read from the sources, and seen in fresh interpreters."""

from __future__ import annotations

import ast
import graphlib
import json
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

import aligndbg

PACKAGE = Path(aligndbg.__file__).parent
MODULES = {".".join(("aligndbg", *path.relative_to(PACKAGE).with_suffix("").parts)): path for path in sorted(PACKAGE.rglob("*.py"))}

FLOORS = (
    {"core"},
    {"pairs", "frameworks", "weights", "diagnosis", "datasets", "jobs", "store"},
    {"workflows"},
    {"report", "tui", "commands", "cli", "__main__"},
)
FOUNDATION = {"__init__", "errors", "settings"}
"""Modules of no room, which every room may import."""

FRAMEWORKS = {"torch", "torchvision", "paddle", "onnxruntime", "onnx"}
ENTRY = "aligndbg.jobs.entry"
"""Programs that a job's ranks run, each in an interpreter of its own."""
INPUT_OUTPUT = {
    *("asyncio", "ftplib", "glob", "http", "io", "logging", "mmap", "multiprocessing", "pathlib", "pickle", "select", "shelve"),
    *("shutil", "socket", "sqlite3", "ssl", "subprocess", "sys", "tempfile", "urllib", "zipfile"),
}


def room_of(module: str) -> str:
    return (*module.split("."), "__init__")[1]


@cache
def imports_of(module: str, lazy: bool = True) -> tuple[str, ...]:
    """Every module that `module` imports; without `lazy`, only those that its own import brings in."""
    return tuple(_imports(ast.parse(MODULES[module].read_text(encoding="utf-8")), lazy))


def _imports(node: ast.AST, lazy: bool) -> Iterator[str]:
    for child in ast.iter_child_nodes(node):
        match child:
            case ast.Import(names):
                yield from (alias.name for alias in names)
            case ast.ImportFrom(origin, names, level):
                assert level == 0, "relative import"
                # `from aligndbg.core import kernel` names a module, `from aligndbg.core.diff import diff` does not.
                yield from (full if (full := f"{origin}.{alias.name}") in MODULES else origin or "" for alias in names)
            case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.Lambda() if not lazy:
                continue
            case ast.If(test=ast.Name("TYPE_CHECKING")) if not lazy:
                continue
            case _:
                yield from _imports(child, lazy)


def packages_of(module: str) -> set[str]:
    return {name.partition(".")[0] for name in imports_of(module)}


def loaded_by(program: str) -> set[str]:
    """sys.modules of a fresh interpreter after `program`."""
    code = f"{program}\nimport json, sys\nsys.stderr.write(json.dumps(list(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=PACKAGE.parent, check=False)
    assert done.returncode == 0, done.stderr
    return set(json.loads(done.stderr.splitlines()[-1]))


def imported(names: list[str]) -> str:
    return f"import importlib\nfor name in {names!r}: importlib.import_module(name)"


def test_arrows_point_from_front_ends_to_core() -> None:
    floor = {room: level for level, rooms in enumerate(FLOORS) for room in rooms}
    wrong = []
    for module in MODULES:
        for name in imports_of(module):
            one, other = room_of(module), room_of(name)
            if not name.startswith("aligndbg") or one == other or other in FOUNDATION or one in FOUNDATION:
                continue
            if other not in floor or one not in floor or floor[other] > floor[one]:
                wrong.append(f"{module} -> {name}")
    assert wrong == []


def test_rooms_form_no_circle() -> None:
    graph: dict[str, set[str]] = {}
    for module in MODULES:
        graph.setdefault(room_of(module), set()).update(
            room_of(name) for name in imports_of(module) if name.startswith("aligndbg.") and room_of(module) not in FOUNDATION
        )
    order = graphlib.TopologicalSorter({room: targets - {room} for room, targets in graph.items()})
    assert list(order.static_order())


def test_the_foundation_stands_on_nothing() -> None:
    assert [name for name in imports_of("aligndbg.errors") if name.startswith("aligndbg")] == []
    eager = [name for name in imports_of("aligndbg.settings", lazy=False) if name.startswith("aligndbg")]
    late = [name for name in imports_of("aligndbg.settings") if name.startswith("aligndbg")]
    assert (eager, late) == (["aligndbg.errors"], ["aligndbg.errors", "aligndbg.pairs.decode"])


def test_only_frameworks_import_a_framework() -> None:
    wrong = [name for name in MODULES if packages_of(name) & FRAMEWORKS and room_of(name) != "frameworks" and not is_entry(name)]
    assert wrong == []
    rest = [name for name in MODULES if not packages_of(name) & FRAMEWORKS and not name.endswith("__main__") and not is_entry(name)]
    assert loaded_by(imported(rest)) & FRAMEWORKS == set()


def is_entry(module: str) -> bool:
    return module == ENTRY or module.startswith(f"{ENTRY}.")


def test_entry_points_are_started_and_never_imported() -> None:
    assert [name for name in MODULES if not is_entry(name) and any(is_entry(other) for other in imports_of(name))] == []


def test_only_the_tui_imports_textual() -> None:
    assert [name for name in MODULES if packages_of(name) & {"textual"} and room_of(name) != "tui"] == []
    reach_the_tui = {room_of(name) for name in MODULES if any(room_of(other) == "tui" for other in imports_of(name))}
    assert reach_the_tui == {"tui", "commands"}
    rest = [name for name in MODULES if room_of(name) not in ("tui", "commands", "__main__")]
    assert "textual" not in loaded_by(imported(rest))


def test_core_needs_numpy_and_its_kernel_only_and_does_no_io() -> None:
    core = {name for name in MODULES if room_of(name) == "core"}
    outside = {other for name in core for other in packages_of(name)} - sys.stdlib_module_names
    assert outside <= {"aligndbg", "numpy", "numba"}
    assert {room_of(other) for name in core for other in imports_of(name) if other.startswith("aligndbg")} <= {"core", "errors"}
    assert [(name, found) for name in core if (found := packages_of(name) & INPUT_OUTPUT)] == []
    # The number of cores, and nothing else of the system.
    assert {name for name in core if "os" in packages_of(name)} <= {"aligndbg.core.kernel"}
    assert [(name, called) for name in core for called in _calls(name) if called in ("open", "print", "input", "exec")] == []


def _calls(module: str) -> Iterator[str]:
    for node in ast.walk(ast.parse(MODULES[module].read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            yield node.func.id


def test_a_child_needs_numpy_and_its_framework_only() -> None:
    frameworks = {name for name in MODULES if room_of(name) == "frameworks"}
    assert {other for name in frameworks for other in packages_of(name)} - sys.stdlib_module_names <= {
        *FRAMEWORKS,
        *("aligndbg", "numpy"),
    }
    assert {room_of(other) for name in frameworks for other in imports_of(name) if other.startswith("aligndbg")} <= {
        *("core", "errors", "frameworks", "__init__")
    }
    loaded = {name.partition(".")[0] for name in loaded_by("import aligndbg.frameworks.host")}
    assert loaded & {"msgspec", "textual", "rich", "yaml", "safetensors", "PIL", "numba", *FRAMEWORKS} == set()


@pytest.mark.parametrize(
    "program",
    [
        "import aligndbg.cli",
        "from aligndbg.cli import main\ntry: main(['--version'])\nexcept SystemExit: pass",
        "from aligndbg.cli import main\ntry: main(['--help'])\nexcept SystemExit: pass",
    ],
    ids=["import", "version", "help"],
)
def test_startup_loads_nothing_slow(program: str) -> None:
    slow = {"numpy", "textual", "rich", "yaml", "safetensors", "sqlite3", "PIL", "numba", *FRAMEWORKS}
    assert loaded_by(program) & slow == set()


def test_names_say_what_a_module_or_class_is() -> None:
    empty = ("util", "helper", "manager", "mixin", "misc", "common")
    found = [name for name in MODULES if any(word in name.rpartition(".")[2] for word in empty)]
    for name, path in MODULES.items():
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ClassDef) and any(word in node.name.lower() for word in empty):
                found.append(f"{name}.{node.name}")
    assert found == []


def test_modules_stay_short() -> None:
    lines = {name: path.read_text(encoding="utf-8").count("\n") for name, path in MODULES.items()}
    assert {name: count for name, count in lines.items() if count > 400} == {}
    assert lines["aligndbg.tui.app"] <= 300
