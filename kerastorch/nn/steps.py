"""A step taken over time."""

from __future__ import annotations

from collections.abc import Callable

import torch

__all__ = ["take_steps"]

Tensors = tuple[torch.Tensor, ...]


def take_steps(
    step: Callable[[torch.Tensor, Tensors], Tensors],
    parts: torch.Tensor,
    states: Tensors,
    mask: torch.Tensor | None = None,
    every: bool = False,
    zero_output_for_mask: bool = False,
) -> tuple[torch.Tensor, Tensors]:
    """`step(part, states)` gives the new states, the first of which is the output -> (output, final states).

    parts: (batch, time, ...). every: the outputs of all steps, (batch, time, ...), not of the last.
    A step that the mask (batch, time) leaves out keeps output and states, or gives 0 with zero_output_for_mask.
    """
    output = nothing = torch.zeros_like(states[0])

    def one(held: Tensors, now: Tensors) -> tuple[Tensors, torch.Tensor]:
        new = step(now[0], held[1:])
        if mask is None:
            return (new[0], *new), new[0]
        used = now[1].view(-1, *[1] * (nothing.dim() - 1))
        shown = torch.where(used, new[0], nothing if zero_output_for_mask else held[0])
        return (shown, *(torch.where(used, a, b) for a, b in zip(new, held[1:], strict=True))), shown

    over = (parts,) if mask is None else (parts, mask.to(torch.bool))
    time = parts.shape[1]
    if torch.compiler.is_exporting() and (
        not isinstance(time, int) or time > 32
    ):  # a loop, and not each step by itself
        from torch._higher_order_ops.scan import scan

        def apart(held: Tensors, now: Tensors) -> tuple[Tensors, torch.Tensor]:
            held, shown = one(held, now)
            return tuple(x.clone() for x in held), shown.clone()

        held, outputs = scan(apart, tuple(x.clone() for x in (output, *states)), tuple(x.transpose(0, 1) for x in over))
        return (outputs.transpose(0, 1) if every else held[0]), held[1:]
    held, kept = (output, *states), []
    for now in zip(*(x.unbind(1) for x in over), strict=True):
        held, shown = one(held, now)
        kept.append(shown)
    return (torch.stack(kept, 1) if every else held[0]), held[1:]
