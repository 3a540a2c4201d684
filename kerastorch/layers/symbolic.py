"""The shape and dtype that a layer's `call` returns, found by running it on fake tensors."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import nn
from torch.utils import _pytree as pytree

from kerastorch.config import standardize_dtype, torch_dtype
from kerastorch.graph import KerasTensor, map_tensors
from kerastorch.variables import immediate_initialization

__all__ = ["Numbers", "infer_outputs", "shapes_alone"]

# What stands for an unknown size: two runs, and an output's axis that differs between them is unknown. Both divide by
# many numbers, so that reshapes go through, and are large enough for any window.
_SIZES = (240, 480)

_shapes_alone: list[bool] = []


class Numbers:
    """Sizes that a function returned: a number or a tuple of numbers. They become a KerasTensor that remembers them."""

    def __init__(self, value: Any) -> None:
        self.value = value


def infer_outputs(
    function: Callable[..., Any], args: Any, kwargs: Any, name: str, module: nn.Module, numbers: bool = False
) -> Any:
    """What `function(*args, **kwargs)` returns, KerasTensors in it, found without computing it.

    Runs it twice on torch's fake tensors, with two sizes in the place of each unknown one. Weights of `module` that wait
    for a file's values are faked too. numbers: whether the function takes sizes as numbers.
    Raises ValueError, with the cause, where the function cannot be run so.
    """
    device = module._device()
    given = [x for x in pytree.tree_leaves((args, kwargs)) if isinstance(x, KerasTensor)]
    unknown = any(None in x.shape or x.numbers is not None for x in given)

    def run(number: int) -> Any:
        def stand_in(x: KerasTensor) -> Any:
            return x.numbers[number] if numbers and x.numbers is not None else _fake(x, _SIZES[number], device)

        with torch.no_grad(), _empty_weights_faked(module, device):
            fake_args, fake_kwargs = map_tensors(stand_in, (args, kwargs))
            return function(*fake_args, **fake_kwargs)

    try:
        results = [_on_fakes(run, number) for number in range(2 if unknown else 1)]
    except (RuntimeError, TypeError, IndexError, NotImplementedError) as error:
        raise ValueError(
            f'Layer "{name}": its output\'s shape could not be found by running its call() on tensors without values, of '
            f"shapes {[x.shape for x in given]}: {type(error).__name__}: {error}. Check the shapes; or define "
            "compute_output_shape(input_shape)."
        ) from error
    leaves, spec = pytree.tree_flatten(results[0])
    others = pytree.tree_leaves(results[-1])
    return pytree.tree_unflatten([_symbol(a, b) for a, b in zip(leaves, others, strict=True)], spec)


def _on_fakes(run: Callable[[int], Any], number: int) -> Any:
    """`run(number)` where the tensors are fake. Shapes that depend on values (`x[mask]`) hold symbols, and take longer."""
    from torch._subclasses.fake_tensor import DataDependentOutputException, DynamicOutputShapeException, FakeTensorMode

    try:
        with FakeTensorMode(allow_non_fake_inputs=True), _on_shapes_alone():
            return run(number)
    except (DataDependentOutputException, DynamicOutputShapeException):
        from torch.fx.experimental.symbolic_shapes import ShapeEnv

        with FakeTensorMode(allow_non_fake_inputs=True, shape_env=ShapeEnv()), _on_shapes_alone():
            return run(number)


@contextlib.contextmanager
def _on_shapes_alone() -> Iterator[None]:
    _shapes_alone.append(True)
    try:
        yield
    finally:
        _shapes_alone.pop()


def shapes_alone() -> bool:
    """Whether `infer_outputs` is running, so that a layer may return any tensors of the right shapes and dtypes."""
    return bool(_shapes_alone)


@contextlib.contextmanager
def _empty_weights_faked(module: nn.Module, device: torch.device) -> Iterator[None]:
    before = [(tensors, dict(tensors)) for m in module.modules() for tensors in (m._parameters, m._buffers)]
    try:
        with immediate_initialization():
            for tensors, values in before:
                tensors.update({key: _like(x, device) for key, x in values.items() if x is not None and x.is_meta})  # type: ignore[misc]
            yield
    finally:
        for tensors, values in before:
            tensors.update(values)  # type: ignore[arg-type]


def _like(tensor: torch.Tensor, device: torch.device) -> torch.Tensor:
    empty = torch.empty(tensor.shape, dtype=tensor.dtype, device=device)
    return nn.Parameter(empty, requires_grad=False) if isinstance(tensor, nn.Parameter) else empty


def _fake(tensor: KerasTensor, size: int, device: torch.device) -> torch.Tensor:
    shape = tuple(size if n is None else n for n in tensor.shape)
    return torch.empty(shape, dtype=torch_dtype(tensor.dtype), device=device)


def _symbol(first: Any, second: Any) -> Any:
    if isinstance(first, Numbers):
        many = isinstance(first.value, (list, tuple))
        leaves = first.value if many else [first.value]
        symbol = KerasTensor((len(leaves),) if many else (), "float32" if float in map(type, leaves) else "int32")
        symbol.numbers = (first.value, second.value)
        return symbol
    if not isinstance(first, torch.Tensor):
        return first
    shape = tuple(a if isinstance(a, int) and a == b else None for a, b in zip(first.shape, second.shape, strict=True))
    return KerasTensor(shape, standardize_dtype(first.dtype))
