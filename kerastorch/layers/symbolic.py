"""The shape and dtype that a layer's `call` returns, found by running it on fake tensors."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import nn
from torch.utils import _pytree as pytree

from kerastorch.config import get_device, standardize_dtype, torch_dtype
from kerastorch.graph import KerasTensor, map_tensors
from kerastorch.variables import immediate_initialization

__all__ = ["infer_outputs"]

# What stands for an unknown size: two runs, and an output's axis that differs between them is unknown. Both divide by
# many numbers, so that reshapes go through, and are large enough for any window.
_SIZES = (240, 480)


def infer_outputs(function: Callable[..., Any], args: Any, kwargs: Any, name: str, module: nn.Module) -> Any:
    """What `function(*args, **kwargs)` returns, KerasTensors in it, found without computing it.

    Runs it twice on torch's fake tensors, with two sizes in the place of each unknown one. Weights of `module` that wait
    for a file's values are faked too.
    Raises ValueError, with the cause, where the function cannot be run so.
    """
    from torch._subclasses.fake_tensor import FakeTensorMode

    results = []
    unknown = any(None in x.shape for x in pytree.tree_leaves((args, kwargs)) if isinstance(x, KerasTensor))
    for size in _SIZES if unknown else _SIZES[:1]:
        with FakeTensorMode(allow_non_fake_inputs=True), torch.no_grad(), _empty_weights_faked(module):
            fake_args, fake_kwargs = map_tensors(lambda x, size=size: _fake(x, size), (args, kwargs))
            try:
                results.append(function(*fake_args, **fake_kwargs))
            except (RuntimeError, TypeError, IndexError, NotImplementedError) as error:
                raise ValueError(
                    f'Layer "{name}": its output\'s shape could not be found by running its call() on tensors without '
                    f"values, of shapes {[x.shape for x in pytree.tree_leaves((args, kwargs)) if isinstance(x, KerasTensor)]}: "
                    f"{type(error).__name__}: {error}. Check the shapes; or define compute_output_shape(input_shape)."
                ) from error
    leaves, spec = pytree.tree_flatten(results[0])
    others = pytree.tree_leaves(results[-1])
    return pytree.tree_unflatten([_symbol(a, b) for a, b in zip(leaves, others, strict=True)], spec)


@contextlib.contextmanager
def _empty_weights_faked(module: nn.Module) -> Iterator[None]:
    before = [(tensors, dict(tensors)) for m in module.modules() for tensors in (m._parameters, m._buffers)]
    try:
        with immediate_initialization():
            for tensors, values in before:
                tensors.update({key: _like(x) for key, x in values.items() if x is not None and x.is_meta})  # type: ignore[misc]
            yield
    finally:
        for tensors, values in before:
            tensors.update(values)  # type: ignore[arg-type]


def _like(tensor: torch.Tensor) -> torch.Tensor:
    empty = torch.empty(tensor.shape, dtype=tensor.dtype, device=get_device())
    return nn.Parameter(empty, requires_grad=False) if isinstance(tensor, nn.Parameter) else empty


def _fake(tensor: KerasTensor, size: int) -> torch.Tensor:
    shape = tuple(size if n is None else n for n in tensor.shape)
    return torch.empty(shape, dtype=torch_dtype(tensor.dtype), device=get_device())


def _symbol(first: Any, second: Any) -> Any:
    if not isinstance(first, torch.Tensor):
        return first
    shape = tuple(a if a == b else None for a, b in zip(first.shape, second.shape, strict=True))
    return KerasTensor(shape, standardize_dtype(first.dtype))
