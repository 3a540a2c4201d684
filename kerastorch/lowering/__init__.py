"""From a drawn graph to the torch function that runs, and to plain torch modules and source."""

from __future__ import annotations

from typing import Any

from kerastorch.lowering.layout import sink_permutes
from kerastorch.lowering.trace import Traced, trace

__all__ = ["Traced", "lower", "trace"]


def lower(model: Any, opaque: bool = True, with_extras: bool = True) -> Traced:
    """The model as one flat graph of torch modules and functions, its layout permutes sunk and cancelled.

    opaque: whether layers that users wrote stand as one module call, or are traced through as well.
    with_extras: whether activity regularizers' losses and the outputs' masks follow the outputs, where there are any.
    """
    traced = trace(model, opaque, with_extras)
    sink_permutes(traced)
    return traced
