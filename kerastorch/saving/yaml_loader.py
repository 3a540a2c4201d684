"""YAML as Keras 1 and 2 wrote it: plain values, and what PyYAML makes of Python's tuples and NumPy's numbers, read as data."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from typing import Any

import numpy as np
import yaml

__all__ = ["Loader"]

_NUMBERS = re.compile("[fiub][1248]")


class Loader(yaml.SafeLoader):
    """No tag makes anything but lists, dicts, texts and numbers; yaml.YAMLError for any other."""

    def construct_array(self, node: yaml.Node) -> Any:
        """What NumPy pickles of an array: how to make an empty one, and its state."""
        parts = self._parts(node).get("state")
        if not isinstance(parts, list) or len(parts) != 5:
            raise self._unknown(node, "no state of an array")
        _, shape, dtype, is_fortran, data = parts
        return self._values(node, dtype, shape, data, "F" if is_fortran else "C")

    def construct_number(self, node: yaml.Node) -> Any:
        """What NumPy pickles of a number: a dtype, and its bytes."""
        args = self._parts(node).get("args")
        if not isinstance(args, list) or len(args) != 2:
            raise self._unknown(node, "no dtype and bytes of a number")
        return self._values(node, args[0], [], args[1], "C")

    def construct_dtype(self, node: yaml.Node) -> str:
        """What NumPy pickles of a dtype: its kind and size, and, in the state, the order of its bytes."""
        parts = self._parts(node)
        args, state = parts.get("args"), parts.get("state")
        name = args[0] if isinstance(args, list) and args else args
        if not isinstance(name, str) or not _NUMBERS.fullmatch(name):
            raise self._unknown(node, f"the dtype {name!r:.40}")
        return (">" if isinstance(state, list) and ">" in state[1:2] else "<") + name

    def _parts(self, node: yaml.Node) -> dict[Any, Any]:
        """What a function is called with: 'args', and, where an object has one, its 'state'."""
        if isinstance(node, yaml.MappingNode):
            return self.construct_mapping(node, deep=True)
        if isinstance(node, yaml.SequenceNode):
            return {"args": self.construct_sequence(node, deep=True)}
        raise self._unknown(node, "no arguments")

    def _values(self, node: yaml.Node, dtype: Any, shape: Any, data: Any, order: Any) -> Any:
        sizes = shape if isinstance(shape, list) and all(type(size) is int and size >= 0 for size in shape) else [-1]
        if not isinstance(dtype, str) or not isinstance(data, bytes) or not _NUMBERS.fullmatch(dtype[1:]):
            raise self._unknown(node, "no dtype and bytes")
        if len(data) != math.prod(sizes) * np.dtype(dtype).itemsize:
            raise self._unknown(node, f"{len(data)} bytes for {dtype} of the shape {shape!r:.40}")
        return np.frombuffer(data, dtype).reshape(sizes, order=order).tolist()

    def _unknown(self, node: yaml.Node, what: str) -> yaml.YAMLError:
        return yaml.constructor.ConstructorError(None, None, f"expected NumPy's numbers, got {what}", node.start_mark)


_CONSTRUCT: dict[str, Callable[[Loader, Any], Any]] = {
    "tuple": Loader.construct_sequence,
    "str": Loader.construct_scalar,
    "unicode": Loader.construct_scalar,
    "name:numpy.ndarray": lambda loader, node: None,
    "object/apply:numpy.dtype": Loader.construct_dtype,
    **{
        f"object/apply:numpy.{module}.multiarray.{name}": construct
        for module in ("core", "_core")
        for name, construct in (("_reconstruct", Loader.construct_array), ("scalar", Loader.construct_number))
    },
}
for _tag, _construct in _CONSTRUCT.items():
    Loader.add_constructor(f"tag:yaml.org,2002:python/{_tag}", _construct)
