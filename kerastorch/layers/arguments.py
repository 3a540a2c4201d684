"""Arguments of layers that must be whole numbers, numbers or tokens: what else is given is refused in clear words."""

from __future__ import annotations

import math
import operator
from collections.abc import Iterable
from typing import Any

import numpy as np

__all__ = ["check_tokens", "number", "sizes", "whole"]


def _complaint(layer: Any, name: str, value: Any, expected: str) -> str:
    return f"{type(layer).__name__} '{layer.name}': {name} must be {expected}, got {name}={repr(value)[:200]}."


def whole(layer: Any, name: str, value: Any, least: float = 1) -> int:
    """An argument as an int: TypeError where it is none, ValueError where it is less than `least`."""
    expected = (
        "a positive integer" if least == 1 else "an integer" + (f" of at least {least}" if least > -math.inf else "")
    )
    try:
        found = operator.index(value)
    except TypeError:
        raise TypeError(_complaint(layer, name, value, expected)) from None
    if found < least:
        raise ValueError(_complaint(layer, name, value, expected))
    return found


def sizes(layer: Any, name: str, value: Any) -> tuple[int | None, ...]:
    """A shape, given as one size or several: Nones, and integers that are not negative."""
    several = tuple(value) if isinstance(value, Iterable) and not isinstance(value, (str, bytes)) else (value,)
    try:
        return tuple(None if n is None else whole(layer, name, n, 0) for n in several)
    except (TypeError, ValueError) as error:
        raise type(error)(_complaint(layer, name, value, "an integer or several, none of them negative")) from None


def number(layer: Any, name: str, value: Any, error: type[Exception] = TypeError) -> Any:
    """An argument that is a number, as it is; `error` for another."""
    if not hasattr(value, "__float__"):
        raise error(_complaint(layer, name, value, "a number"))
    return value


def check_tokens(layer: Any, vocabulary: Any, integers: bool) -> None:
    """Raises TypeError where a vocabulary is no list or array of tokens, ValueError where these are of a wrong type."""
    words = "a list or array of integers" if integers else "a list or array of strings"
    words += ", or the path of a text file with one on each line"
    flat = not isinstance(vocabulary, (bytes, dict)) and isinstance(vocabulary, Iterable)
    tokens = list(vocabulary) if flat else []
    if not flat or any(isinstance(t, (list, tuple, dict, np.ndarray)) and np.ndim(t) for t in tokens):
        raise TypeError(_complaint(layer, "vocabulary", vocabulary, words))
    if integers:
        fits = all(map(_is_whole, tokens))
    else:  # numbers among strings become strings in NumPy's arrays, and so in Keras
        strings = {isinstance(t, (str, bytes)) for t in tokens if not isinstance(t, (int, float, np.number))}
        fits = strings == {True} or not tokens
    if not fits:
        raise ValueError(_complaint(layer, "vocabulary", vocabulary, words))


def _is_whole(token: Any) -> bool:
    try:
        int(token)
    except (TypeError, ValueError):
        return False
    return True
