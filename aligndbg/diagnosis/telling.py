"""Findings in words: what is wrong, and what to type."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from aligndbg.core.findings import Finding, Proof, Status
from aligndbg.core.judgement import matters
from aligndbg.core.layers import Call, LayerPair
from aligndbg.core.likeness import does_nothing
from aligndbg.diagnosis.case import Case
from aligndbg.diagnosis.catalogue import AttributeDifference
from aligndbg.diagnosis.items import Item, extra_cause, missing_cause
from aligndbg.diagnosis.patterns import Hidden
from aligndbg.diagnosis.search import Explanation

_FIXES: Mapping[str, str] = {
    "weight-transposed": "transpose the weight that it computes with",
    "weight-permuted": "bring the weight that it computes with into torch's order",
    "weight-value": "compute with the weight as it was loaded",
    "weight-missing": "give it the parameter under a name that pairs with torch's, or map it by `weights: map:` in pair.yaml",
    "weight-shared": "give it a parameter of its own",
    "running-stats": "normalise by the running mean and variance in eval: call eval(), leave use_global_stats at None",
    "affine": "weight_attr=None, bias_attr=None where torch has affine=True; False where it has not",
    "bias-missing": "bias_attr=None",
    "bias-extra": "bias_attr=False",
    "input-order": "hand the inputs over in torch's order",
    "op-order": "run the two in torch's order",
    "residual": "add what torch adds",
    "dropout-active": "training=self.training, and eval() before evaluation",
    "dtype": "compute in float32",
    "channels": "give it torch's number of channels",
}


def findings_of(case: Case, explanation: Explanation) -> tuple[Finding, ...]:
    """What to tell of one fault: a finding for each item that matters, in most cases one."""
    proof = Proof(case.before, explanation.after, "experiment")
    if explanation.hidden is not None:
        return (_hidden(case, explanation.hidden, proof),)
    if explanation.items:
        how = Proof(proof.before, proof.after, "attribute")
        return tuple(_item(case, item, how if item.attributes else proof) for item in _grouped(explanation.items))
    call = case.born.paddle or case.born.torch
    assert call is not None
    message = f"{call.path} ({call.type}) computes something else than torch does, and no cause that was tried explains it"
    fix = f"compare {_name(case.born.torch)} in torch with {_name(case.born.paddle)} in Paddle"
    return (_finding(case, "unknown", message, fix, proof, status=Status.UNKNOWN, hints=explanation.hints, source=_place(call)),)


def warning_of(row: LayerPair, difference: AttributeDifference) -> Finding:
    """Two layers that are set differently, before any number is known."""
    assert row.paddle is not None
    call = row.paddle
    message = f"{call.path} ({call.type}) {difference.told}"
    if not difference.shows:
        message += ": no forward in eval shows it"
    source = _place(call)
    fix = _fix(difference.old, difference.new, f"set {difference.name} as in torch")
    return Finding(
        difference.cause,
        row.path,
        call.path,
        "paddle",
        message,
        fix,
        Proof(None, None, "attribute"),
        Status.WARNING,
        source,
        difference.old,
        difference.new,
    )


def dropout_warning(row: LayerPair) -> Finding | None:
    """A Dropout that drops in training, of one side alone: no forward in eval shows it."""
    if row.torch and row.paddle and row.torch.kind == row.paddle.kind:
        return None
    torch, paddle = (call if call is not None and _drops(call) else None for call in (row.torch, row.paddle))
    if torch is paddle:
        return None
    call = row.paddle or torch
    assert call is not None
    if torch is not None:
        what = f"is {row.paddle.type}" if row.paddle else "is missing"
        message = f"{row.path}: torch's {torch.type} drops {torch.attributes.get('p')} in training, Paddle's {what}"
        fix = f"nn.Dropout({torch.attributes.get('p')})"
    else:
        message = f"{call.path} ({call.type}) drops {call.attributes.get('p')} in training, torch has no Dropout there"
        fix = f"remove {call.type}"
    cause = "missing-layer" if torch is not None else "extra-layer"
    other = row.paddle.path if row.paddle else None
    return Finding(
        cause,
        row.path,
        other,
        "paddle",
        message,
        fix,
        Proof(None, None, "attribute"),
        Status.WARNING,
        _place(row.paddle) if row.paddle else None,
    )


def idle_warning(row: LayerPair) -> Finding | None:
    """A call that computes, of one side alone, although what reads it agrees: this input, or these weights, do not show it."""
    call = row.torch or row.paddle
    if call is None or (row.torch and row.paddle) or row.match != "unpaired" or not matters(call):
        return None
    cause = missing_cause(call) if row.torch else extra_cause(call)
    message = f"{'Paddle lacks' if row.torch else 'Paddle computes'} {call.path} ({call.type})"
    message += f"{', which torch computes' if row.torch else ', which torch does not'}: what reads it agrees all the same"
    fix = f"apply {call.type} as torch does" if row.torch else f"remove {call.type}"
    source = None if row.torch else _place(call)
    other = row.paddle.path if row.paddle else None
    return Finding(cause, row.path, other, "paddle", message, fix, Proof(None, None, "attribute"), Status.WARNING, source)


def _drops(call: Call) -> bool:
    share = call.attributes.get("p")
    return call.kind == "dropout" and does_nothing(call) and isinstance(share, (int, float)) and share > 0


def swapped(first: Case, calls: Sequence[Call], proof: Proof) -> Finding:
    """Two faults that are one: what Paddle runs in another order than torch. `calls` are Paddle's, in its order."""
    names = " before ".join(f"{call.path} ({call.type})" for call in calls)
    source = _place(calls[-1])
    return _finding(
        first,
        "op-order",
        f"Paddle runs {names}; torch runs them the other way round",
        _fix("", "", _FIXES["op-order"]),
        proof,
        source=source,
    )


def misread(first: Case, calls: Sequence[Call], proof: Proof) -> Finding:
    """One slip in what is handed over, which several calls show."""
    names = " and ".join(f"{call.path} ({call.type})" for call in calls)
    source = _place(calls[-1])
    message = f"{names} read each other's inputs: they are handed over in another order than in torch"
    return _finding(first, "input-order", message, _fix("", "", _FIXES["input-order"]), proof, source=source)


def exchanged(case: Case, extra: Item, missing: Item, proof: Proof) -> Finding:
    """A layer that applies another activation than the one that follows its like in torch."""
    call, source = extra.call, _place(extra.call)
    name, _, value = extra.old.partition("=")
    new = f"{name}={missing.call.kind!r}" if value else ""
    follows = f"torch's is followed by {missing.call.path} ({missing.call.type})"
    message = f"{call.path} ({call.type}) applies {value or 'an activation'}, {follows}"
    return _finding(
        case,
        "activation",
        message,
        _fix(extra.old, new, f"apply {missing.call.type}"),
        proof,
        source=source,
        old=extra.old,
        new=new,
    )


def _grouped(items: Sequence[Item]) -> list[Item]:
    """Several calls that one side lacks together are one item, which the last stands for."""
    found: list[Item] = []
    for inserted in (True, False):
        group = [item for item in items if (item.inserted >= 0, item.bypassed >= 0) == (inserted, not inserted)]
        if len(group) > 1:
            causes = {item.cause for item in group}
            cause = causes.pop() if len(causes) == 1 else "missing-layer" if group[0].inserted >= 0 else "extra-layer"
            found.append(replace(group[-1], cause=cause, others=tuple(item.call for item in group[:-1])))
        else:
            found += group
    return [*found, *(item for item in items if (item.inserted >= 0) == (item.bypassed >= 0))]


def _names(item: Item) -> str:
    calls = [*item.others, item.call]
    words = [f"{call.path} ({call.type})" for call in calls]
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"


def _item(case: Case, item: Item, proof: Proof) -> Finding:
    call = item.call
    if item.inserted >= 0 and item.bypassed < 0:
        reader = case.other
        source = reader.source or _place(reader)
        message = f"Paddle lacks {_names(item)}, which torch computes before {reader.path}"
        return _finding(case, item.cause, message, _fix("", "", f"apply {call.type} before {reader.path}"), proof, source=source)
    source = _place(call)
    if item.bypassed >= 0 and item.inserted < 0:
        if item.cause == "dropout-mode":
            old, new = (f"mode={mode!r}" for mode in ("downscale_in_infer", "upscale_in_train"))
            message = f"{call.path} ({call.type}) has {old}: it scales by 1 - p in eval"
            return _finding(case, item.cause, message, _fix(old, new, ""), proof, source=source, old=old, new=new)
        message = f"Paddle computes {_names(item)}, which torch does not"
        words = _FIXES["dropout-active"] if item.cause == "dropout-active" else f"remove {call.type}"
        return _finding(case, item.cause, message, _fix("", "", words), proof, source=source)
    message = f"{call.path} ({call.type}) {item.told}"
    words = _FIXES.get(item.cause, "as in torch")
    # A Dropout that never drops would be right in eval and wrong in training.
    new = "training=self.training" if item.new == "training=False" else item.new
    return _finding(case, item.cause, message, _fix(item.old, new, words), proof, source=source, old=item.old, new=new)


def _hidden(case: Case, hidden: Hidden, proof: Proof) -> Finding:
    call = case.other
    source = _place(call)
    words = _FIXES.get(hidden.cause, "compute what torch computes")
    message = f"{call.path} ({call.type}) {hidden.told}"
    return _finding(
        case,
        hidden.cause,
        message,
        _fix(hidden.old, hidden.new, words),
        proof,
        source=source,
        old=hidden.old,
        new=hidden.new,
    )


def _finding(
    case: Case,
    cause: str,
    message: str,
    fix: str,
    proof: Proof,
    *,
    status: Status = Status.FOUND,
    source: str | None = None,
    old: str = "",
    new: str = "",
    hints: tuple[str, ...] = (),
) -> Finding:
    other = case.born.paddle.path if case.born.paddle else None
    return Finding(cause, case.born.path, other, case.side, message, fix, proof, status, source, old, new, hints)


def _fix(old: str, new: str, words: str) -> str:
    return f"{old} -> {new}" if old and new else words


def _place(call: Call) -> str | None:
    """Where the layer is made, or the op is called."""
    return call.constructed or call.source


def _name(call: Call | None) -> str:
    return f"{call.path} ({call.type})" if call else "nothing"
