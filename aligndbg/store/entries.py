"""The rows of a session that no other room has a type for, and the binary form of all of them.

Rows are msgpack, which keeps NaN and infinities exactly; JSON would not.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import msgspec

from aligndbg.core.findings import Finding
from aligndbg.core.layers import LayerPair
from aligndbg.core.verdict import LayerResult
from aligndbg.store.text import encode_with
from aligndbg.weights.plan import WeightPlan


@dataclass(frozen=True, slots=True)
class SideEnvironment:
    """Versions, threads and switches of one side's process."""

    side: str
    values: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class StoredNotice:
    level: Literal["info", "warning"]
    message: str
    hint: str


@dataclass(frozen=True, slots=True)
class WeightsSource:
    source: str
    sha256: str


@dataclass(frozen=True, slots=True)
class PairedLayers:
    layers: tuple[LayerPair, ...]


Entry = SideEnvironment | StoredNotice | WeightsSource | WeightPlan | PairedLayers | LayerResult | Finding

_encode = msgspec.msgpack.Encoder(enc_hook=str).encode


def encode(value: Entry | LayerPair) -> bytes:
    return encode_with(_encode, value)


decode_pair = msgspec.msgpack.Decoder(LayerPair).decode
decode_result = msgspec.msgpack.Decoder(LayerResult).decode
decode_finding = msgspec.msgpack.Decoder(Finding).decode
decode_plan = msgspec.msgpack.Decoder(WeightPlan).decode
decode_side = msgspec.msgpack.Decoder(SideEnvironment).decode
decode_notice = msgspec.msgpack.Decoder(StoredNotice).decode
decode_weights = msgspec.msgpack.Decoder(WeightsSource).decode
