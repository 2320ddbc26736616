"""In what Paddle's side of a fault differs from torch's, one by one: each item is a cause that can be tried by itself."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

from aligndbg.core.kinds import FAMILIES, VIEW_LIKE
from aligndbg.core.layers import Call, ParamSpec
from aligndbg.core.likeness import does_nothing
from aligndbg.core.program import Program, Ref
from aligndbg.diagnosis.case import Case, Flow
from aligndbg.diagnosis.catalogue import AttributeDifference, attribute_differences
from aligndbg.diagnosis.programs import Draft, Inexpressible, Spec, paddle_spec, right_spec, torch_spec
from aligndbg.diagnosis.weights import weight_cause

ACTIVATIONS = FAMILIES[0]
_POOLS = FAMILIES[1] | FAMILIES[2] | FAMILIES[3] | {"mean", "max", "amax"}
_SOFT = frozenset({"softmax", "log_softmax"})
_COMMUTE = frozenset({"add", "multiply", "maximum", "minimum"})
_STATISTICS = frozenset({"mean", "variance"})
_SHAPES = frozenset({"kernel-size", "groups"})
"""Causes that give a weight another shape."""


@dataclass(frozen=True, slots=True)
class Item:
    """One difference. What taking torch's side of it means: `attributes` and `roles` of parameters are torch's, `inserted` torch
    calls run, `bypassed` Paddle calls hand their input on, `rewired` operands come from where torch's come from, `whole` computes
    torch's kind of call. `call` is the call that the item is about."""

    cause: str
    call: Call
    old: str = ""
    new: str = ""
    attributes: frozenset[str] = frozenset()
    roles: frozenset[str] = frozenset()
    inserted: int = -1
    bypassed: int = -1
    rewired: bool = False
    whole: bool = False
    told: str = ""
    """What differs, in words that follow the layer's name."""
    others: tuple[Call, ...] = ()
    """Calls before `call` that go with it."""
    crossed: int = -1
    """The Paddle call of which `call` reads another output than torch's does."""
    laid: bool = False
    """Whether the elements that it reads were moved in another way."""


def items_of(case: Case, flow: Flow) -> tuple[Item, ...]:
    """Everything that differs. The order is that in which items are left out to find those that matter: the likeliest last."""
    return tuple(_items(case, flow))


def program_of(case: Case, flow: Flow, items: Collection[Item], own: bool = True) -> Program:
    """What Paddle's side would compute at the end of the region with torch's side of these items. Where only weights are exchanged,
    Paddle's `own` call computes with them, if it is wanted: what else it does with its weights stays as it is.

    Inexpressible where what torch reads was not recorded.
    """
    draft = Draft(case, flow)
    operands = _operands(case, draft, items)
    if any(item.whole for item in items) or (operands is not None and len(operands) != len(case.other.inputs)):
        return draft.program(operands, right_spec(case))
    attributes = frozenset[str]().union(*(item.attributes for item in items))
    roles = frozenset[str]().union(*(item.roles for item in items))
    theirs = {param.role: param for param in case.other.params}
    wanted = {param.role: param for param in case.like.params}
    if not attributes and (own or not roles) and all(_planned(case, theirs.get(role), wanted.get(role)) for role in roles):
        return draft.program(operands, own={role: case.state.planned[theirs[role].name] for role in roles})
    one, other = torch_spec(case, case.like), paddle_spec(case, case.other)
    params = {role: value for role, value in other.params.items() if role not in roles}
    params |= {role: value for role, value in one.params.items() if role in roles}
    mixed = {**other.attributes, **{name: one.attributes[name] for name in attributes if name in one.attributes}}
    return draft.program(operands, Spec(case.other.kind, mixed, params))


def _planned(case: Case, param: ParamSpec | None, torch: ParamSpec | None) -> bool:
    """Whether Paddle's parameter of a role is filled from torch's parameter of that role."""
    return param is not None and torch is not None and case.state.sources.get(param.name) == torch.name


def _operands(case: Case, draft: Draft, items: Collection[Item]) -> list[Ref] | None:
    inserted = {item.inserted for item in items if item.inserted >= 0}
    bypassed = {item.bypassed for item in items if item.bypassed >= 0}
    if inserted or any(item.rewired for item in items):
        return draft.torch_operands({call.index for call in case.torch_alone} - inserted)
    if bypassed:
        return draft.paddle_operands(bypassed)
    return None


def _items(case: Case, flow: Flow) -> Iterator[Item]:
    wiring = None if case.torch_alone or case.paddle_alone else _wiring(case, flow)
    regrouped = wiring is not None and len(case.like.inputs) != len(case.other.inputs)
    if case.one.kind != case.other.kind or case.fused:
        yield _kind(case)
    if wiring and regrouped:
        yield wiring
    differences = attribute_differences(case.like, case.other)
    yield from _weights(case, {difference.cause for difference in differences})
    if not case.fused or case.like is not case.one:
        for difference in differences:
            if case.like is not case.one and difference.name == "activation":
                continue
            if difference.shows and difference.cause not in ("bias-missing", "bias-extra", "affine"):
                yield _attribute(case, difference)
    if case.like.kind == case.other.kind == "reshape" and (shape := _shape(case)) is not None:
        yield shape
    yield from _alone(case)
    if wiring and not regrouped:
        yield wiring


def _shape(case: Case) -> Item | None:
    """That a reshape makes another shape than torch's: heads of attention, groups of channels, or what it is."""
    one, other = (list(call.output.shape) for call in (case.like, case.other))
    if one == other or "shape" not in case.like.attributes:
        return None
    cause = {4: "heads", 5: "groups"}.get(len(one), "flatten") if len(one) > len(case.like.inputs[0].spec.shape) else "flatten"
    told = f"makes {other}, torch's makes {one}"
    return Item(cause, case.other, f"shape={other}", f"shape={one}", frozenset({"shape"}), told=told)


def _attribute(case: Case, difference: AttributeDifference) -> Item:
    roles = frozenset(_unlike_roles(case)) if difference.cause in _SHAPES else frozenset[str]()
    if difference.cause == "running-stats":
        # A norm at work on the batch's own statistics has moved its running ones meanwhile.
        roles = _STATISTICS & {param.role for param in case.like.params}
    return Item(
        difference.cause,
        case.other,
        difference.old,
        difference.new,
        frozenset({difference.name}),
        roles,
        told=difference.told,
    )


def _weights(case: Case, causes: Collection[str]) -> Iterator[Item]:
    """What is wrong with the parameters. `causes` are those that the attributes tell, which may account for some of it."""
    mine = {param.role: param for param in case.like.params if param.role != "count"}
    others = {param.role: param for param in case.other.params}
    unlike = _unlike_roles(case)
    norm = "norm" in case.other.kind
    lacking = [role for role in mine if role not in others]
    extra = [role for role in others if role not in mine and not role.startswith("operand")]
    roles = frozenset({"weight", "bias"} & {*lacking, *extra})
    if norm and len(roles) == 2:
        what = "has no" if lacking else "has a"
        yield Item("affine", case.other, roles=roles, told=f"{what} {' and '.join(sorted(roles))} of its own")
        lacking, extra = ([role for role in each if role not in roles] for each in (lacking, extra))
    for role in lacking:
        if role.endswith("bias"):
            yield Item(
                "bias-missing", case.other, "bias_attr=False", "", roles=frozenset({role}), told="has no bias, torch's has one"
            )
        elif not role.startswith("operand"):
            told = f"has no {role} among its parameters, torch's has one"
            yield Item("weight-missing", case.other, roles=frozenset({role}), told=told)
    for role in extra:
        cause = "bias-extra" if role.endswith("bias") else "weight-missing"
        new = "bias_attr=False" if role.endswith("bias") else ""
        yield Item(cause, case.other, "", new, roles=frozenset({role}), told=f"has a {role} that torch's lacks")
    for role, param in others.items():
        told_already = role in unlike and not _SHAPES.isdisjoint(causes)
        if role not in mine or told_already or (role in _STATISTICS and "running-stats" in causes):
            continue
        if role in unlike:
            shapes = f"{list(param.spec.shape)}, torch's is {list(mine[role].spec.shape)}"
            yield Item("channels", case.other, roles=frozenset({role}), told=f"has a {role} of {shapes}")
        elif found := weight_cause(case.state, mine[role], param):
            yield Item(found.cause, case.other, roles=frozenset({role}), told=found.told)


def _unlike_roles(case: Case) -> list[str]:
    """Roles of parameters whose shapes differ, each read in its own order of axes."""
    mine = {param.role: param for param in case.like.params}
    found = []
    for param in case.other.params:
        partner = mine.get(param.role)
        if partner is not None and _by_letter(partner) != _by_letter(param):
            found.append(param.role)
    return found


def _by_letter(param: ParamSpec) -> object:
    if len(param.layout) == len(param.spec.shape):
        return tuple(sorted(zip(param.layout, param.spec.shape, strict=True)))
    return tuple(sorted(param.spec.shape))


def _alone(case: Case) -> Iterator[Item]:
    if len(case.torch_alone) == len(case.paddle_alone) == 1:
        (one,), (other,) = case.torch_alone, case.paddle_alone
        told = f"is {other.type}, torch's is {one.type}"
        yield Item(_exchange_cause(one, other), other, other.type, one.type, inserted=one.index, bypassed=other.index, told=told)
        return
    kinds = [call.kind for call in case.torch_alone], [call.kind for call in case.paddle_alone]
    for call in case.torch_alone:
        if not does_nothing(call):
            moved = call.kind in kinds[1]
            yield Item(missing_cause(call, moved), call, inserted=call.index, told=f"torch computes {call.type}, Paddle does not")
    for call in case.paddle_alone:
        moved = call.kind in kinds[0]
        cause = "flatten" if call.kind == "transpose" and case.other.kind in ("flatten", "reshape") else extra_cause(call, moved)
        yield Item(cause, call, bypassed=call.index, told=f"Paddle computes {call.type}, torch does not")


def missing_cause(call: Call, moved: bool = False) -> str:
    """The id for a torch call that Paddle lacks; `moved` where Paddle has its like elsewhere."""
    if moved:
        return "op-order"
    if call.kind in ACTIVATIONS | _SOFT:
        return "activation-missing"
    if call.kind in ("add", "subtract") and len(call.inputs) == 2:
        return "residual"
    if call.kind in ("add", "subtract") and call.params:
        return "bias-missing"
    if call.kind in ("multiply", "divide") and len(call.inputs) == 1:
        return "scale"
    return "missing-layer"


def extra_cause(call: Call, moved: bool = False) -> str:
    """The id for a Paddle call that torch lacks."""
    if moved:
        return "op-order"
    if call.kind in ACTIVATIONS and call.kind != "clamp":
        return "activation-extra"
    if call.kind in ("add", "subtract") and len(call.inputs) == 2:
        return "residual"
    if call.kind in ("add", "subtract") and call.params:
        return "bias-extra"
    if call.kind in ("multiply", "divide") and len(call.inputs) == 1:
        return "scale"
    if call.kind == "dropout":
        return "dropout-active" if call.attributes.get("training") is True else "dropout-mode"
    return "dtype" if call.kind == "cast" else "extra-layer"


def _exchange_cause(one: Call, other: Call) -> str:
    """The id for a Paddle call that computes another kind of thing than torch's."""
    both = {one.kind, other.kind}
    if both == {"add", "concat"}:
        return "residual"
    if both <= VIEW_LIKE:
        return "flatten"
    return "activation" if both <= ACTIVATIONS | _SOFT else "pool-kind" if both <= _POOLS else "layer-kind"


def _kind(case: Case) -> Item:
    one, other = case.one, case.other
    return Item(
        _exchange_cause(one, other),
        other,
        other.type,
        one.type,
        rewired=True,
        whole=True,
        told=f"is {other.type}, torch's is {one.type}",
    )


def _wiring(case: Case, flow: Flow) -> Item | None:
    """That Paddle's call reads other tensors than torch's, or the same in another order."""
    draft = Draft(case, flow)
    try:
        wanted = draft.torch_operands()
    except Inexpressible:
        return None
    one, other = case.like, case.other
    if draft.finish().steps:
        told = "reads elements that were moved in another way than torch's"
        return Item(_moved_cause(one, flow), other, rewired=True, told=told, laid=True)
    own = draft.recorded()
    if wanted == own or (sorted(map(str, wanted)) == sorted(map(str, own)) and other.kind in _COMMUTE):
        return None
    if sorted(map(str, wanted)) == sorted(map(str, own)):
        told = f"reads {_sources(other, flow.paddle)}, torch's reads {_sources(one, flow.torch)}"
        return Item("input-order", other, rewired=True, told=told)
    makers = [(ref.producer, ref.output) for ref in other.inputs]
    for ref in wanted:
        if ref.of == "output" and any(ref.index == maker and ref.place != output for maker, output in makers):
            told = f"reads another output of {flow.paddle[ref.index].path} than torch's"
            return Item("input-order", other, rewired=True, told=told, crossed=ref.index)
    if other.kind in ("add", "subtract"):
        told = f"adds {_sources(other, flow.paddle)}, torch's adds {_sources(one, flow.torch)}"
        return Item("residual", other, rewired=True, told=told)
    told = f"reads {_sources(other, flow.paddle)}, torch's reads {_sources(one, flow.torch)}"
    return Item("op-order" if len(other.inputs) == 1 else "input-order", other, rewired=True, told=told)


def _moved_cause(call: Call, flow: Flow) -> str:
    """The id where elements are in another order: by what moves them in torch."""
    moving: list[Call] = []
    todo = [call] if call.kind in VIEW_LIKE else _makers(call, flow)
    while todo:
        moving.append(todo.pop())
        todo += _makers(moving[-1], flow)
    if any(each.kind == "flatten" for each in moving):
        return "flatten"
    if call.kind == "matmul":
        return "heads"
    # A reshape to one axis more, a transposition and a reshape back: a shuffle of channels in groups.
    return "groups" if any(len(each.output.shape) == 5 for each in moving) else "flatten"


def _makers(call: Call, flow: Flow) -> list[Call]:
    """The torch calls that move elements for what `call` reads."""
    makers = [flow.torch[ref.producer] for ref in call.inputs if ref.producer in flow.torch]
    return [maker for maker in makers if maker.kind in VIEW_LIKE]


def _sources(call: Call, calls: Mapping[int, Call]) -> str:
    names: Sequence[str] = [calls[ref.producer].path if ref.producer in calls else "the input" for ref in call.inputs]
    return " and ".join(names)
