"""The catalogue against the installed frameworks: its names exist, and layers and ops that are set differently are told apart."""

from __future__ import annotations

import json
import os
import pickle
import subprocess
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest

import aligndbg
from aligndbg.core.layers import Call, TensorSpec
from aligndbg.diagnosis.catalogue import CATALOGUE, argument, attribute_differences
from aligndbg.diagnosis.catalogue_row import Argument, Row

sys.path.insert(0, str(Path(__file__).parent))
from catalogue_cases import BASES, OPS, OWN_VALUES, VALUES

pytestmark = pytest.mark.frameworks
CHILD = Path(__file__).parent / "catalogue_child.py"
Request = tuple[Any, ...]


def ask(side: str, requests: Iterable[Request], folder: Path) -> list[Any]:
    asked, answered = folder / f"{side}.json", folder / f"{side}.pickle"
    asked.write_text(json.dumps(list(requests)))
    done = subprocess.run(
        [sys.executable, str(CHILD), side, str(asked), str(answered)],
        env={**os.environ, "PYTHONPATH": str(Path(aligndbg.__file__).parents[1])},
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    found: list[Any] = pickle.loads(answered.read_bytes())
    return found


@pytest.mark.parametrize("side", ["torch", "paddle"])
def test_every_argument_of_the_catalogue_exists_where_it_says(side: str, tmp_path: Path) -> None:
    arguments: set[Argument] = {found for row in CATALOGUE if (found := getattr(row, side))}
    requests = [("argument", owner, each.name, each.file) for each in arguments for owner in each.of]
    assert len(requests) > 100
    assert [answer for answer in ask(side, requests, tmp_path) if answer] == []


def cases() -> Iterator[tuple[Row, str, str]]:
    """(row, torch's class, Paddle's) for each class that the row's argument is of."""
    for row in CATALOGUE:
        torch, paddle = of_classes(row.torch), of_classes(row.paddle)
        if row.paddle and not paddle:
            continue
        if torch and paddle and len(torch) != len(paddle):
            paddle = [partner(owner) for owner in torch]
        for place in range(max(len(torch), len(paddle))):
            yield row, torch[place] if torch else partner(paddle[place]), paddle[place] if paddle else partner(torch[place])


def test_layers_set_alike_are_alike_and_layers_set_differently_are_told_apart(tmp_path: Path) -> None:
    every = list(cases())
    assert len(every) > 200
    # Each layer with either value of the argument, in either framework.
    torch = ask("torch", (torch_layer(row, owner, place) for row, owner, _ in every for place in (0, 1)), tmp_path)
    paddle = ask("paddle", (paddle_layer(row, owner, place) for row, _, owner in every for place in (0, 1)), tmp_path)
    for number, (row, torch_owner, paddle_owner) in enumerate(every):
        where = f"{row.name} of {torch_owner}, {paddle_owner}"
        mine, others = torch[2 * number : 2 * number + 2], paddle[2 * number : 2 * number + 2]
        assert mine[0].kind == others[0].kind and mine[0].kind in row.kinds, where
        assert attribute_differences(mine[0], others[0]) == (), where
        if of_classes(row.torch) and of_classes(row.paddle):
            assert attribute_differences(mine[1], others[1]) == (), where
        if of_classes(row.paddle):
            found = {each.name: each for each in attribute_differences(mine[0], others[1])}
            assert row.name in found, where
            assert found[row.name].old == spelled(row, paddle_owner, 1), where
            assert found[row.name].new == spelled(row, paddle_owner, 0), where
        if of_classes(row.torch):
            found = {each.name: each for each in attribute_differences(mine[1], others[0])}
            assert row.name in found, where
            assert bool(found[row.name].new) == bool(of_classes(row.paddle)), where


def test_ops_called_alike_are_alike_and_ops_called_differently_are_told_apart(tmp_path: Path) -> None:
    torch = ask("torch", (("op", text) for _, texts, _ in OPS for text in texts if text), tmp_path)
    paddle = ask("paddle", (("op", text) for _, _, texts in OPS for text in texts), tmp_path)
    for name, torch_texts, paddle_texts in OPS:
        mine, others = [torch.pop(0) for text in torch_texts if text], [paddle.pop(0) for _ in paddle_texts]
        for one, other, text in zip(mine, others, paddle_texts, strict=False):
            assert attribute_differences(one, other) == (), f"{name}: {text}"
        if mine[0].kind == others[1].kind:
            assert name in [each.name for each in attribute_differences(mine[0], others[1])], f"{name}: {paddle_texts[1]}"


def of_classes(argument: Argument | None) -> list[str]:
    """The layer classes that take the argument; functions are left out."""
    return [owner for owner in (argument.of if argument else ()) if owner.rpartition(".")[2][0].isupper()]


def partner(owner: str) -> str:
    """The other framework's class of the same name, or the nearest."""
    package, _, name = owner.rpartition(".")
    if package == "torch.nn":
        return f"paddle.nn.{name[:-1]}D" if name[-2].isdigit() else f"paddle.nn.{name}"
    if "Transpose" in name:
        return f"torch.nn.ConvTranspose{name[4]}d"
    name = {"BatchNorm": "BatchNorm2D"}.get(name, name.replace("Pad", "ConstantPad"))
    return f"torch.nn.{name[:-1]}d" if name[-2].isdigit() else f"torch.nn.{name}"


def base(owner: str) -> dict[str, Any]:
    package, _, name = owner.rpartition(".")
    plain = "ConvTranspose" if "Transpose" in name else name[:-2] if name[-2].isdigit() else name
    return dict((BASES.get(owner) or BASES.get(plain, ({}, {})))[package == "paddle.nn"])


def value(row: Row, place: int) -> Any:
    own = [OWN_VALUES[row.name, kind] for kind in row.kinds if (row.name, kind) in OWN_VALUES]
    return (own[0] if own else VALUES[row.name])[place]


def torch_layer(row: Row, owner: str, place: int) -> Request:
    arguments = base(owner)
    if row.torch and of_classes(row.torch):
        given = value(row, place)
        arguments[row.torch.name] = not given if row.torch.name == "track_running_stats" else given
    return "layer", owner, arguments


def paddle_layer(row: Row, owner: str, place: int) -> Request:
    return "layer", owner, base(owner) | (eval(f"dict({spelled(row, owner, place)})") if of_classes(row.paddle) else {})


def spelled(row: Row, owner: str, place: int) -> str:
    """Paddle's argument, as the catalogue writes it."""
    name = owner.rpartition(".")[2]
    rank = next((int(digit) + 2 for digit in name if digit.isdigit()), 4)
    return argument(row, value(row, place), Call(0, name, "", name, (TensorSpec((1,) * rank),)))
