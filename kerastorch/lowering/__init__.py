"""From a drawn graph to the torch function that runs, and to plain torch modules and source."""

from __future__ import annotations

from typing import Any

from kerastorch.lowering.layout import sink_permutes
from kerastorch.lowering.trace import Traced, trace

__all__ = ["Traced", "lower", "trace"]


def lower(model: Any, opaque: bool = True, with_losses: bool = True) -> Traced:
    """The model as one flat graph of torch modules and functions, its layout permutes sunk and cancelled.

    opaque: whether layers that users wrote stand as one module call, or are traced through as well.
    with_losses: whether activity regularizers' losses are a second output.
    """
    traced = trace(model, opaque, with_losses)
    sink_permutes(traced)
    return traced
