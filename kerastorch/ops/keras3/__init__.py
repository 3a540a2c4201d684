"""Keras 3's operations over torch's functions, by the module and class that its files name: 'numpy.Add', 'nn.Relu'.

A function takes what Keras 3's operation is called with, and by name what the operation was made with.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from kerastorch.ops.table import Table

__all__ = ["find_operation", "operation_of_class", "operations"]


@functools.cache
def operations() -> Table:
    """The operations by module and class. (Most programs meet none: what makes them is imported when one is asked for.)"""
    from kerastorch.ops.keras3 import array, elementwise, image, linalg, nn, reduction

    table = Table()
    for part in (elementwise, reduction, array, nn, linalg, image):
        for name, function in part.TABLE.items():
            table.named(name)(function)
    return table


@functools.cache
def _by_class() -> dict[str, str]:
    return {name.rpartition(".")[2]: name for name in operations()}


def find_operation(name: str) -> Callable[..., Any] | None:
    """The function of an operation such as 'numpy.Add'; None if there is none."""
    return operations().get(name)


def operation_of_class(class_name: str) -> str | None:
    """'numpy.Add' for 'Add': no two modules of Keras 3 have an operation of one name. None for an unknown one."""
    return _by_class().get(class_name)
