"""An operation of TensorFlow's graph (protobuf's NodeDef), read from a dict, from JSON, or from protobuf's bytes.

Only data comes out: a name, the names of inputs, and attributes as numbers, strings and lists.
"""

from __future__ import annotations

import base64
import binascii
import json
import struct
from collections.abc import Iterator, Mapping
from typing import Any

__all__ = ["NodeDef"]

_DTYPES = {
    1: "float32", 2: "float64", 3: "int32", 4: "uint8", 5: "int16", 6: "int8", 7: "string", 8: "complex64", 9: "int64",
    10: "bool", 14: "bfloat16", 17: "uint16", 18: "complex128", 19: "float16", 22: "uint32", 23: "uint64",
}  # fmt: skip
_DTYPE_NAMES = {
    "DT_FLOAT": "float32", "DT_DOUBLE": "float64", "DT_HALF": "float16", "DT_BFLOAT16": "bfloat16", "DT_BOOL": "bool",
    "DT_STRING": "string", **{f"DT_{x.upper()}": x for x in ("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32")},
}  # fmt: skip
_WRITTEN = {name: key for key, name in _DTYPE_NAMES.items()}


class NodeDef:
    """op: the operation's name. name, inputs: as the graph had them. attributes: Python values; dtypes by name."""

    def __init__(self, op: str, name: str, inputs: list[str], attributes: dict[str, Any]) -> None:
        self.op, self.name, self.inputs, self.attributes = op, name, inputs, attributes

    @classmethod
    def parse(cls, written: Any) -> NodeDef:
        """The operation that a config describes; ValueError where it cannot be read."""
        try:
            if isinstance(written, Mapping):
                return cls._from_dict(written)
            if isinstance(written, str):
                if written.lstrip().startswith("{"):
                    return cls._from_dict(json.loads(written))
                written = written.encode("utf-8", "surrogateescape")
            if isinstance(written, bytes):
                return cls._from_bytes(written)
        except (KeyError, IndexError, TypeError, struct.error, json.JSONDecodeError, binascii.Error) as error:
            raise ValueError(
                f"TensorFlowOpLayer: its node_def cannot be read: {type(error).__name__}: {error}."
            ) from error
        raise ValueError(
            f"TensorFlowOpLayer: its node_def must be a dict, text or bytes, got {type(written).__name__}."
        )

    @classmethod
    def _from_dict(cls, written: Mapping[str, Any]) -> NodeDef:
        attributes = {key: _from_json(value) for key, value in written.get("attr", {}).items()}
        return cls(str(written["op"]), str(written.get("name", "")), list(written.get("input", ())), attributes)

    @classmethod
    def _from_bytes(cls, data: bytes) -> NodeDef:
        op, name, inputs, attributes = "", "", [], {}
        for number, value in _fields(data):
            if number == 1:
                name = value.decode()
            elif number == 2:
                op = value.decode()
            elif number == 3:
                inputs.append(value.decode())
            elif number == 5:
                entry = dict(_fields(value))
                attributes[entry[1].decode()] = _attribute(entry.get(2, b""))
        if not op:
            raise ValueError("TensorFlowOpLayer: its node_def names no operation.")
        return cls(op, name, inputs, attributes)

    def to_dict(self) -> dict[str, Any]:
        """The operation in protobuf's JSON form."""
        attributes = {key: _to_json(key, value) for key, value in self.attributes.items()}
        return {"name": self.name, "op": self.op, "input": list(self.inputs), "attr": attributes}


def _from_json(value: Mapping[str, Any]) -> Any:
    """An attribute in protobuf's JSON form: {'i': '3'}, {'type': 'DT_FLOAT'}, {'list': {'i': ['1', '2']}}."""
    if not value:
        return None
    kind, inner = next(iter(value.items()))
    if kind == "list":
        return [] if not inner else [_from_json({k: x}) for k, many in inner.items() for x in many]
    if kind == "type":
        return _DType(_DTYPES.get(inner, "") if isinstance(inner, int) else _DTYPE_NAMES.get(inner, str(inner)))
    if kind == "i":
        return int(inner)
    if kind == "f":
        return float(inner)
    if kind == "s":
        return base64.b64decode(inner).decode("utf-8", "replace")
    if kind == "shape":
        return _Shape(int(d.get("size", 0)) for d in inner.get("dim", ())) if not inner.get("unknownRank") else None
    return inner


def _to_json(key: str, value: Any) -> dict[str, Any]:
    if value is None:
        return {}
    if isinstance(value, _DType):
        return {"type": _WRITTEN.get(str(value), str(value))}
    if isinstance(value, bool):
        return {"b": value}
    if isinstance(value, int):
        return {"i": str(value)}
    if isinstance(value, float):
        return {"f": value}
    if isinstance(value, str):
        return {"s": base64.b64encode(value.encode()).decode()}
    if isinstance(value, _Shape):
        return {"shape": {"dim": [{"size": str(n)} for n in value]}}
    if isinstance(value, list):
        parts = [_to_json(key, x) for x in value]
        return {"list": {kind: [part[kind] for part in parts] for kind in parts[0]} if parts else {}}
    return {}


class _DType(str):
    """A dtype's name, apart from other strings."""


class _Shape(list):
    """Sizes of axes, apart from other lists."""


# protobuf's bytes


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[at]
        value |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if byte < 0x80:
            return value, at
        if shift > 63:
            raise ValueError("TensorFlowOpLayer: its node_def cannot be read: a number is too long.")


def _fields(data: bytes) -> Iterator[tuple[int, Any]]:
    at = 0
    value: Any
    while at < len(data):
        key, at = _varint(data, at)
        kind = key & 7
        if kind == 0:
            value, at = _varint(data, at)
        elif kind == 2:
            length, at = _varint(data, at)
            value, at = data[at : at + length], at + length
            if len(value) != length:
                raise ValueError("TensorFlowOpLayer: its node_def cannot be read: it is cut off.")
        elif kind in (1, 5):
            size = 8 if kind == 1 else 4
            value, at = struct.unpack("<d" if kind == 1 else "<f", data[at : at + size])[0], at + size
        else:
            raise ValueError(f"TensorFlowOpLayer: its node_def cannot be read: wire type {kind}.")
        yield key >> 3, value


def _signed(value: int) -> int:
    return value - (1 << 64) if value >> 63 else value


def _attribute(data: bytes) -> Any:
    """AttrValue: list=1, s=2, i=3, f=4, b=5, type=6, shape=7."""
    for number, value in _fields(data):
        return _attribute_value(number, value)
    return None


def _attribute_value(number: int, value: Any) -> Any:
    if number == 1:
        return [x for n, part in _fields(value) for x in _list_part(n, part)]
    if number == 2:
        return value.decode("utf-8", "replace")
    if number == 3:
        return _signed(value)
    if number == 5:
        return bool(value)
    if number == 6:
        return _DType(_DTYPES.get(value, str(value)))
    if number == 7:
        return _Shape(_signed(dict(_fields(dim)).get(1, 0)) for n, dim in _fields(value) if n == 2)
    return value if number == 4 else None


def _list_part(number: int, part: Any) -> list[Any]:
    if number in (3, 5, 6) and isinstance(part, bytes):  # packed
        found, at = [], 0
        while at < len(part):
            n, at = _varint(part, at)
            found.append(_attribute_value(number, n))
        return found
    if number == 4 and isinstance(part, bytes):
        return list(struct.unpack(f"<{len(part) // 4}f", part))
    return [_attribute_value(number, part)]
