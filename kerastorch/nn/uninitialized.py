"""Torch modules without the initial values that torch would give them."""

from __future__ import annotations

import functools
from typing import Any

from torch import nn

__all__ = ["uninitialized"]


def uninitialized(cls: type[nn.Module], *args: Any, **kwargs: Any) -> Any:
    """A module of the class on the meta device, its `reset_parameters` left out, which there takes long and does nothing."""
    module = _bare(cls)(*args, **kwargs, device="meta")
    module.__class__ = cls
    return module


@functools.cache
def _bare(cls: type[nn.Module]) -> type[nn.Module]:
    return type(cls.__name__, (cls,), {"reset_parameters": lambda self: None})
