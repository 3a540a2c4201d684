"""A loop over time around any cell."""

from __future__ import annotations

import inspect
from typing import Any

import torch
from torch import nn
from torch.utils import _pytree as pytree

__all__ = ["CellLoop"]


class CellLoop(nn.Module):
    """Takes a cell's step over time: `cell(x_t, states) -> (output, new states)`.

    cell: a module with `state_size` (a size, or nested lists of sizes), and maybe `get_initial_state(batch_size=...)`;
    its call may take `constants` and `training`. The loop does not own it: its weights stay the owner's.
    return_sequences, return_state, go_backwards, time_major, zero_output_for_mask: as for `Sequence`.
    constants: how many of the tensors after the states are constants. batch_size: with it the loop is stateful.
    """

    def __init__(
        self,
        cell: Any,
        return_sequences: bool = False,
        return_state: bool = False,
        go_backwards: bool = False,
        time_major: bool = False,
        zero_output_for_mask: bool = False,
        constants: int = 0,
        batch_size: int | None = None,
    ) -> None:
        super().__init__()
        self._cell = (cell,)  # in a tuple, past nn.Module's registration
        self.return_sequences, self.return_state, self.go_backwards = return_sequences, return_state, go_backwards
        self.time_major, self.zero_output_for_mask = time_major, zero_output_for_mask
        self.constants, self.batch_size = constants, batch_size
        self.states: list[torch.Tensor] | None = None
        self.takes = tuple(inspect.signature(cell.call).parameters)

    def structure(self) -> tuple[list[Any], Any]:
        """The sizes of the states, in order, and the structure that the cell wants them in."""
        size = self._cell[0].state_size
        many = isinstance(size, (list, tuple)) and not isinstance(size, torch.Size)
        return pytree.tree_flatten(list(size) if many else [size])

    def initial_states(self, x: torch.Tensor, given: list[torch.Tensor]) -> list[torch.Tensor]:
        """The states to begin with: given ones, else those of the last call if stateful, else what the cell says."""
        if self.batch_size is not None and self.states is not None:
            own = [(s.clone() if s.is_inference() else s).to(x.device) for s in self.states]
            if not given:
                return own
            started = torch.stack([s.any() for s in own]).any()
            return [torch.where(started, a, b) for a, b in zip(own, given, strict=True)]
        return given or self.fresh_states(x.shape[1 if self.time_major else 0], x.dtype, x.device)

    def fresh_states(self, batch_size: int, dtype: torch.dtype, device: Any) -> list[torch.Tensor]:
        """What the cell's `get_initial_state` says, or zeros."""
        ask = getattr(self._cell[0], "get_initial_state", None)
        if ask is not None:
            known = {"inputs": None, "batch_size": batch_size, "dtype": dtype}
            takes = inspect.signature(ask).parameters
            states = ask(**{name: value for name, value in known.items() if name in takes})
            return [s.to(device) for s in pytree.tree_leaves(states)]
        sizes = self.structure()[0]
        shapes = [tuple(n) if isinstance(n, torch.Size) else (n,) for n in sizes]
        return [torch.zeros((batch_size, *shape), dtype=dtype, device=device) for shape in shapes]

    def hold_masks(self, hold: bool) -> None:
        """Cells within keep one dropout mask for the whole sequence, or forget it."""
        if isinstance(self._cell[0], nn.Module):
            for module in self._cell[0].modules():
                if hasattr(module, "held_masks"):  # a RecurrentCell
                    module.held_masks = {} if hold else None  # type: ignore[assignment]

    def forward(self, x: Any, *more: torch.Tensor, mask: Any = None, training: bool | None = None) -> Any:
        """Inputs with time as the second axis, initial states, constants -> output, or (output, *final states)."""
        axis = 0 if self.time_major else 1
        leaves, inputs = pytree.tree_flatten(x)
        given = list(more[: len(more) - self.constants])
        states = self.initial_states(leaves[0], given)
        kwargs: dict[str, Any] = {}
        if self.constants:
            kwargs["constants"] = list(more[len(more) - self.constants :])
        if "training" in self.takes:
            kwargs["training"] = getattr(self._cell[0], "training", self.training) if training is None else training
        steps = [leaf.unbind(axis) for leaf in leaves]
        times = range(len(steps[0]) - 1, -1, -1) if self.go_backwards else range(len(steps[0]))
        masks = None if mask is None else self.masks_of(mask, axis)
        self.hold_masks(True)
        outputs, states = self.run(steps, inputs, times, masks, states, kwargs)
        self.hold_masks(False)
        if self.batch_size is not None:
            self.states = [s.detach() for s in states]
        output = pytree.tree_map(lambda *y: torch.stack(y, axis), *outputs) if self.return_sequences else outputs[-1]
        return (output, *states) if self.return_state else output

    @staticmethod
    def masks_of(mask: torch.Tensor, axis: int) -> tuple[torch.Tensor, ...]:
        """A mask for each step."""
        return (mask.squeeze(-1) if mask.dim() == 3 else mask).to(torch.bool).unbind(axis)

    def run(self, steps: list, inputs: Any, times: range, masks: Any, states: list, kwargs: dict) -> tuple[list, list]:
        """The outputs of the steps that are asked for, and the final states."""
        cell = self._cell[0]
        call = cell if isinstance(cell, nn.Module) else cell.call
        structure = self.structure()[1]
        outputs: list[Any] = []
        last = None
        for t in times:
            x = pytree.tree_unflatten([s[t] for s in steps], inputs)
            output, new = call(x, pytree.tree_unflatten(states, structure), **kwargs)
            new = pytree.tree_leaves(new)
            if masks is None:
                states = new
            else:
                nothing = (
                    pytree.tree_map(torch.zeros_like, output) if last is None or self.zero_output_for_mask else last
                )
                output = pytree.tree_map(lambda a, b, m=masks[t]: self.choose(m, a, b), output, nothing)
                states = [self.choose(masks[t], a, b) for a, b in zip(new, states, strict=True)]
            last = output
            outputs = [*outputs, output] if self.return_sequences else [output]
        return outputs, states

    @staticmethod
    def choose(mask: torch.Tensor, a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
        """`a` for the samples that the mask keeps, else `b`."""
        return torch.where(mask.view(-1, *[1] * (a.dim() - 1)), a, b)
