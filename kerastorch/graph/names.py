"""Names as tf.keras 2 gives them: `dense`, `dense_1`, ..., counted for the process until `clear_session()`."""

from __future__ import annotations

import contextlib
import re
from collections import Counter
from collections.abc import Iterator

__all__ = ["clear_names", "name_scope", "scoped", "snake_case", "unique_name"]

_counts: Counter[str] = Counter()
_scopes: list[str] = []


def snake_case(name: str) -> str:
    """`ConvLSTM1D` -> `conv_lstm1d`, `MaxPooling2D` -> `max_pooling2d`; a leading underscore becomes `private_`."""
    name = re.sub(r"\W+", "", name)
    name = re.sub("(.)([A-Z][a-z]+)", r"\1_\2", name)
    name = re.sub("([a-z])([A-Z])", r"\1_\2", name).lower()
    return "private" + name if name.startswith("_") else name


def unique_name(base: str, from_one: bool = False) -> str:
    """`base`, then `base_1`, `base_2`, ...; with `from_one` (inputs) the first is `base_1`."""
    _counts[base] += 1
    count = _counts[base] - (0 if from_one else 1)
    return f"{base}_{count}" if count else base


def clear_names() -> None:
    """Starts all counts anew."""
    _counts.clear()


@contextlib.contextmanager
def name_scope(name: str) -> Iterator[None]:
    """Weights made within the block have `name/` before their names."""
    _scopes.append(name)
    try:
        yield
    finally:
        _scopes.pop()


def scoped(name: str) -> str:
    """The name with the open scopes before it: `outer/inner/name`."""
    return "/".join((*_scopes, name))
