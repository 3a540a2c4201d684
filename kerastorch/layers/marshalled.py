"""Python functions that Keras marshalled into a file, for `load_model(..., safe_mode=False)`."""

from __future__ import annotations

import base64
import binascii
import builtins
import dis
import marshal
import opcode
import sys
import types
from collections.abc import Callable, Mapping
from typing import Any

__all__ = ["function_from", "in_parts", "is_marshalled"]


def is_marshalled(described: Any) -> bool:
    """Whether a config's value is a function's code: tf.keras's `[code, defaults, closure]`, or Keras 3's `__lambda__`."""
    if isinstance(described, Mapping):
        return described.get("class_name") == "__lambda__"
    return isinstance(described, (list, tuple)) and len(described) == 3 and isinstance(described[0], str)


def in_parts(described: Any) -> list[Any]:
    """What `is_marshalled` recognised, as tf.keras has it: [code, defaults, closure]."""
    if not isinstance(described, Mapping):
        return list(described)
    inner = described.get("config")
    return [inner.get(part) if isinstance(inner, Mapping) else None for part in _PARTS]


def function_from(described: Any, names: Mapping[str, Any]) -> Callable[..., Any]:
    """The function that `is_marshalled` recognised. names: what its code finds as global names.

    The code is that of one version of Python, which the file does not tell. Raises ValueError for code that is damaged, or
    not this Python's as far as that can be seen.
    """
    text, defaults, closure = in_parts(described)
    try:
        data = _bytes(text)
        code = marshal.loads(data)
    except (ValueError, EOFError, TypeError, KeyError, IndexError, MemoryError) as error:
        raise ValueError(f"its code cannot be read, it may be another Python's than {_version()}: {error}") from error
    if not isinstance(code, types.CodeType):
        raise ValueError(f"there is no code but a {type(code).__name__}")
    if not _is_of_this_python(code, data):
        raise ValueError(f"its code is another Python's than {_version()}")
    cells = tuple(types.CellType(value) for value in closure or ())
    if len(cells) != len(code.co_freevars):
        raise ValueError(f"its code has {len(code.co_freevars)} enclosed values, the file {len(cells)}")
    given = None if defaults is None else tuple(_plain(value) for value in defaults)
    return types.FunctionType(code, {"__builtins__": builtins, **names}, code.co_name, given, cells)


_PARTS = ("code", "defaults", "closure")


def _bytes(text: Any) -> bytes:
    if not isinstance(text, str):
        raise TypeError(f"expected base64 text, got {type(text).__name__}")
    try:
        return base64.b64decode("".join(text.split()), validate=True)
    except (binascii.Error, ValueError):
        return text.encode("raw_unicode_escape")  # as Keras before 2.1.3 wrote it


def _plain(value: Any) -> Any:
    """A default, of which Keras 3 writes lists and tuples as dicts."""
    if isinstance(value, Mapping) and value.get("class_name") == "__tuple__":
        return tuple(_plain(x) for x in value["config"].get("value", value.get("items", ())))
    return value


def _version() -> str:
    return f"{sys.version_info.major}.{sys.version_info.minor}"


def _is_of_this_python(code: types.CodeType, data: bytes) -> bool:
    """Whether every instruction exists here and has as many cache entries after it as here: no two versions of Python
    agree in that for code that calls anything or looks anything up.

    Python empties what it takes for cache entries; so the code that it shows differs from the data where they were none.
    """
    if code.co_code not in data:
        return False
    caches = _cache_entries()
    raw = code.co_code
    at, first = 0, True
    while at < len(raw):
        operation = raw[at]
        name = opcode.opname[operation]
        if name.startswith("<") or (first and name not in _FIRST):
            return False
        if name in _NAMES and not _argument_fits(code, name, raw, at):
            return False
        at += 2 * (1 + caches.get(name, 0))
        if at > len(raw) or (at < len(raw) and opcode.opname[raw[at]] == "CACHE"):
            return False
        first = first and name != "RESUME"
    inner = (x for x in code.co_consts if isinstance(x, types.CodeType))
    return not first and all(_is_of_this_python(x, data) for x in inner)


_FIRST = ("RESUME", "COPY_FREE_VARS", "MAKE_CELL", "RETURN_GENERATOR", "POP_TOP", "EXTENDED_ARG")
"""What the code of Python since 3.11 begins with."""
_NAMES = ("LOAD_CONST", "LOAD_FAST", "STORE_FAST")


def _argument_fits(code: types.CodeType, name: str, raw: bytes, at: int) -> bool:
    sizes = (
        len(code.co_consts)
        if name == "LOAD_CONST"
        else len(code.co_varnames) + len(code.co_cellvars + code.co_freevars)
    )
    return raw[at + 1] < max(sizes, 1)


def _cache_entries() -> dict[str, int]:
    """How many cache entries follow each instruction; the table has had two forms."""
    table: Any = getattr(opcode, "_inline_cache_entries", {})
    if isinstance(table, dict):
        return dict(table)
    return {dis.opname[i]: count for i, count in enumerate(table)}
