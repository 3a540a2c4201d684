"""Keras 3's operations over torch's functions, by the module and class that its files name: 'numpy.Add', 'nn.Relu'.

A function takes what Keras 3's operation is called with, and by name what the operation was made with.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from kerastorch.ops.keras3 import array, elementwise, image, linalg, nn, reduction
from kerastorch.ops.table import Table

__all__ = ["TABLE", "find_operation", "operation_of_class"]

TABLE = Table()
"""The operations by module and class."""

for _part in (elementwise, reduction, array, nn, linalg, image):
    for _name, _function in _part.TABLE.items():
        TABLE.named(_name)(_function)

_BY_CLASS = {name.rpartition(".")[2]: name for name in TABLE}


def find_operation(name: str) -> Callable[..., Any] | None:
    """The function of an operation such as 'numpy.Add'; None if there is none."""
    return TABLE.get(name)


def operation_of_class(class_name: str) -> str | None:
    """'numpy.Add' for 'Add': no two modules of Keras 3 have an operation of one name. None for an unknown one."""
    return _BY_CLASS.get(class_name)
