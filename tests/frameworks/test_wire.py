"""Every message comes out of the wire as it went in."""

from __future__ import annotations

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aligndbg.core.layers import Attribute
from aligndbg.core.program import OWN, Param, Ref, Step
from aligndbg.frameworks import wire

names = st.text(max_size=8)
numbers = st.integers(-(2**40), 2**40) | st.floats(allow_nan=False)
attributes: st.SearchStrategy[Attribute] = (
    st.none() | st.booleans() | numbers | names | st.lists(st.one_of(numbers, names), max_size=4)
)
refs = st.builds(Ref, st.sampled_from(["operand", "output", "step", "array"]), st.integers(0, 99), st.integers(0, 9))
params = st.builds(Param, names, st.sampled_from(["oihw", "io", "c", ""]), st.integers(0, 9))
steps = st.builds(
    Step,
    st.sampled_from([OWN, "conv2d", "add"]),
    st.lists(refs, max_size=3).map(tuple),
    st.dictionaries(names, attributes, max_size=3),
    st.lists(params, max_size=3).map(tuple),
    st.integers(-1, 99),
)
programs = st.lists(steps, max_size=4).map(tuple)
slots = st.lists(
    st.builds(
        wire.Slot, st.integers(0, 2**40), st.lists(st.integers(0, 9), max_size=4).map(tuple), st.sampled_from(["float32", "int64"])
    ),
    max_size=3,
).map(tuple)

MESSAGES: list[wire.Message] = [
    wire.Forward(),
    wire.Outputs(0.25),
    wire.Free((64, 128)),
    wire.Full(),
    wire.Build("m.py:Net", {"width": 3, "names": ["a"]}, "/models", "cpu"),
    wire.Initialise("kaiming", 7),
    wire.LoadFile("/weights.pth"),
    wire.GetState(),
    wire.GetState(("a.weight", "b.bias")),
    wire.SetState("a.weight"),
    wire.Save("/weights.pth"),
    wire.Run((0, 4), True),
    wire.Forced(),
    wire.Record((3, 1)),
    wire.Export("/m.onnx"),
    wire.Sync(),
    wire.Stage("building", "m.py"),
    wire.Done(("a note",), {"threads": 2}),
    wire.StateEntry("a.weight"),
    wire.Captured(5),
    wire.Outcome("ValueError: no"),
    wire.Failed("InputError", "failed", "mend it"),
]


@pytest.mark.parametrize("message", MESSAGES, ids=lambda message: type(message).__name__)
def test_a_message_survives_the_wire(message: wire.Message) -> None:
    assert wire.decode(wire.encode(message)) == (message, ())


@given(programs, slots)
def test_steps_survive_the_wire_with_all_that_they_name(program: tuple[Step, ...], places: tuple[wire.Slot, ...]) -> None:
    for message in (wire.Attempt(program), wire.PatchCall(3, program)):
        assert wire.decode(wire.encode(message, places)) == (message, places)


def test_every_message_with_steps_is_tried_above() -> None:
    messages = wire.Message.__args__
    with_steps = {kind for kind in messages if "steps" in {entry.name for entry in dataclasses.fields(kind)}}
    assert with_steps == {wire.Attempt, wire.PatchCall}
    assert {type(message) for message in MESSAGES} | with_steps | {wire.Traced} == set(messages)


def test_numbers_without_end_survive() -> None:
    step = Step("clamp", (), {"min": float("-inf"), "max": float("inf")})
    assert wire.decode(wire.encode(wire.Attempt((step,))))[0] == wire.Attempt((step,))
