"""`KerasTensor`, a symbolic tensor, and `Node`, the call of a layer that made it."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import torch
from torch.utils import _pytree as pytree

__all__ = [
    "KerasTensor",
    "Node",
    "Shape",
    "by_key",
    "is_symbolic",
    "map_tensors",
    "record_functions_with",
    "tensors_in",
]

Shape = tuple[int | None, ...]

_record_function: Callable[..., Any] | None = None


def record_functions_with(recorder: Callable[..., Any]) -> None:
    """Sets what is called, as `recorder(function, args, kwargs)`, when a torch function meets a KerasTensor."""
    global _record_function
    _record_function = recorder


class KerasTensor:
    """What a layer returns when a graph is drawn: a shape with None where it is open, a dtype's name, a name.

    It takes part in any torch function and operator (`torch.relu(x)`, `x[:, 0] + 1`), which records a node.
    Keras: KerasTensor.
    """

    __array_priority__ = 100
    __array_ufunc__ = None  # so that `array * tensor` asks the tensor

    def __init__(self, shape: Shape, dtype: str = "float32", name: str | None = None, sparse: bool = False) -> None:
        self.shape: Shape = tuple(shape)
        self.dtype, self.name, self.sparse = dtype, name, sparse
        self.node: Node | None = None
        self.index = 0
        self.numbers: tuple[Any, Any] | None = None
        """Of what is computed from shapes: its value for two choices of the open sizes. See layers/symbolic.py."""

    def like(self) -> KerasTensor:
        """Another of the same shape, dtype and name, made by no layer yet."""
        made = KerasTensor(self.shape, self.dtype, self.name, self.sparse)
        made.numbers = self.numbers
        return made

    @property
    def _keras_history(self) -> tuple[Any, int, int]:
        """(layer, node index, tensor index), as Keras has it."""
        if self.node is None:
            raise AttributeError("This KerasTensor was made by no layer.")
        return self.node.layer, self.node.layer.inbound_nodes.index(self.node), self.index

    @property
    def ndim(self) -> int:
        """The number of axes."""
        return len(self.shape)

    def dim(self) -> int:
        """The number of axes, as torch spells it."""
        return len(self.shape)

    def size(self, dim: int | None = None) -> Any:
        """The shape, or one axis of it, as torch spells it."""
        return self.shape if dim is None else self.shape[dim]

    @property
    def rank(self) -> int:
        """The number of axes."""
        return len(self.shape)

    @classmethod
    def __torch_function__(cls, func: Callable, types: Any, args: tuple = (), kwargs: dict | None = None) -> Any:
        assert _record_function is not None
        return _record_function(func, args, kwargs or {})

    def __getitem__(self, index: Any) -> Any:
        return self.__torch_function__(operator.getitem, (), (self, index))

    def __getattr__(self, name: str) -> Any:
        method = None if name.startswith("_") else getattr(torch.Tensor, name, None)
        if not callable(method):
            raise AttributeError(f"A KerasTensor is symbolic: it has no value, and no attribute {name!r}.")
        return lambda *args, **kwargs: self.__torch_function__(method, (), (self, *args), kwargs)

    def __iter__(self) -> Any:
        if not self.shape or self.shape[0] is None:
            raise TypeError(f"Cannot iterate over a KerasTensor of shape {self.shape}: its first axis is not known.")
        return (self[i] for i in range(self.shape[0]))

    def __len__(self) -> int:
        raise TypeError(f"A KerasTensor has no len(); its shape is {self.shape}.")

    def __bool__(self) -> bool:
        raise TypeError(
            "A KerasTensor is symbolic: it has no truth value while the graph is drawn. Use torch.where, or put the "
            "decision into a layer's call()."
        )

    def __array__(self, *args: Any, **kwargs: Any) -> Any:
        raise TypeError(
            "A KerasTensor is symbolic: it has no value for NumPy while the graph is drawn. Use a torch function, or a "
            "Lambda layer."
        )

    def __repr__(self) -> str:
        made_by = f" (created by layer '{self.node.layer.name}')" if self.node else ""
        return f"<KerasTensor: shape={self.shape} dtype={self.dtype} name='{self.name}'{made_by}>"


def _operator(name: str, reflected: bool) -> Callable:
    function = getattr(operator, f"__{name}__")
    if reflected:
        return lambda self, other: self.__torch_function__(function, (), (other, self))
    return lambda self, *other: self.__torch_function__(function, (), (self, *other))


for _name in ("add", "sub", "mul", "truediv", "floordiv", "mod", "pow", "matmul", "and", "or", "xor"):
    setattr(KerasTensor, f"__{_name}__", _operator(_name, False))
    setattr(KerasTensor, f"__r{_name}__", _operator(_name, True))
for _name in ("neg", "abs", "invert", "lt", "le", "gt", "ge"):
    setattr(KerasTensor, f"__{_name}__", _operator(_name, False))


class Node:
    """One call of a layer: its arguments, in which KerasTensors stand, and the KerasTensors that came out."""

    def __init__(self, layer: Any, args: tuple, kwargs: dict[str, Any], outputs: Any) -> None:
        self.layer, self.args, self.kwargs, self.outputs = layer, args, kwargs, outputs
        # Keywords count as they are given, unlike the parts of a dict: tf.keras orders layers, hence weights, so.
        self.inputs: list[KerasTensor] = tensors_in((args, list(kwargs.values())))
        for index, tensor in enumerate(tensors_in(outputs)):
            tensor.node, tensor.index = self, index
        layer.inbound_nodes.append(self)

    @property
    def is_input(self) -> bool:
        """Whether this is an InputLayer's node, which takes nothing in."""
        return not self.inputs

    @property
    def first_argument(self) -> Any:
        """What the layer was called on: its first argument, a structure of KerasTensors."""
        return self.args[0] if self.args else next(iter(self.kwargs.values()), None)


def tensors_in(structure: Any) -> list[KerasTensor]:
    """The KerasTensors in nested lists, tuples and dicts, in order; the values of a dict by its keys, as both Kerases count."""
    if isinstance(structure, KerasTensor):
        return [structure]
    if isinstance(structure, (list, tuple)):
        return [x for part in structure for x in tensors_in(part)]
    if isinstance(structure, dict):
        return [x for key in by_key(structure) for x in tensors_in(structure[key])]
    return [x for x in pytree.tree_leaves(structure) if isinstance(x, KerasTensor)]


def by_key(structure: dict[Any, Any]) -> list[Any]:
    """The keys of a dict in the order in which its values count: sorted, where they can be."""
    try:
        return sorted(structure)
    except TypeError:
        return list(structure)


def is_symbolic(structure: Any) -> bool:
    """Whether a KerasTensor stands anywhere in nested lists, tuples and dicts."""
    if isinstance(structure, KerasTensor):
        return True
    if isinstance(structure, (list, tuple)):
        return any(map(is_symbolic, structure))
    return isinstance(structure, dict) and any(map(is_symbolic, structure.values()))


def map_tensors(function: Callable[[KerasTensor], Any], structure: Any) -> Any:
    """The structure with `function(x)` in the place of each KerasTensor x."""
    return pytree.tree_map(lambda x: function(x) if isinstance(x, KerasTensor) else x, structure)
