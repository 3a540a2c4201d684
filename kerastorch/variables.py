"""A `Variable`: a Keras-shaped handle on a torch parameter or buffer, and the layouts that it reads and writes through."""

from __future__ import annotations

import contextlib
import math
import operator
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import nn
from torch.utils import _pytree as pytree

from kerastorch.arrays import tensor_of
from kerastorch.config import get_device

__all__ = [
    "CONVOLUTION",
    "IDENTITY",
    "TRANSPOSED",
    "Layout",
    "Scratch",
    "Variable",
    "deferred_initialization",
    "immediate_initialization",
    "initializes_now",
]

_deferred: list[bool] = []


@contextlib.contextmanager
def deferred_initialization() -> Iterator[None]:
    """Weights made within the block stay on the meta device, for a file's values (or `initialize`) to fill them."""
    _deferred.append(True)
    try:
        yield
    finally:
        _deferred.pop()


@contextlib.contextmanager
def immediate_initialization() -> Iterator[None]:
    """Weights made within the block get their initial values at once, also inside `deferred_initialization`."""
    _deferred.append(False)
    try:
        yield
    finally:
        _deferred.pop()


def initializes_now() -> bool:
    """Whether a new weight gets its initial values at once: false within `deferred_initialization`."""
    return not (_deferred and _deferred[-1])


class Layout(NamedTuple):
    """Two inverse functions between torch's layout of a weight and Keras's; `to_keras` is a view wherever strides allow."""

    name: str
    to_keras: Callable[[torch.Tensor], torch.Tensor]
    to_torch: Callable[[torch.Tensor], torch.Tensor]


def _same(x: torch.Tensor) -> torch.Tensor:
    return x


def _transpose(x: torch.Tensor) -> torch.Tensor:
    return x.transpose(0, 1)


def _convolution_to_keras(x: torch.Tensor) -> torch.Tensor:
    return x.movedim((1, 0), (-2, -1))


def _convolution_to_torch(x: torch.Tensor) -> torch.Tensor:
    return x.movedim((-2, -1), (1, 0))


_PIECE = 2**22
"""Elements of a weight that are read, and laid out, at a time."""
_LARGE = 2**18
"""Elements from which on a matrix read from a file stays in the file's order in memory, in which torch multiplies by it equally
fast. Smaller ones are quickly turned, and then lie as torch itself makes them."""
IDENTITY = Layout("identity", _same, _same)
TRANSPOSED = Layout("transposed", _transpose, _transpose)
CONVOLUTION = Layout(
    "convolution: (out, in, *window) in torch, (*window, in, out) in Keras",
    _convolution_to_keras,
    _convolution_to_torch,
)


class Scratch:
    """Two arrays that many weights are read by way of, one after the other, so that little memory is taken and left."""

    def __init__(self) -> None:
        self._bytes = [np.empty(0, np.uint8), np.empty(0, np.uint8)]

    def array(self, which: int, shape: Sequence[int], dtype: Any) -> np.ndarray:
        """The first or the second (0 or 1) as an array of any shape and dtype, its values undefined."""
        size = math.prod(shape) * np.dtype(dtype).itemsize
        if self._bytes[which].nbytes < size:
            self._bytes[which] = np.empty(size, np.uint8)
        return self._bytes[which][:size].view(dtype).reshape(shape)


def _read_turned(data: Any, target: torch.Tensor, scratch: Scratch) -> None:
    """Reads a data set into a view of its shape whose last axis is, in memory, the first."""
    step = max(1, _PIECE * data.shape[0] // max(1, math.prod(data.shape)))
    for start in range(0, data.shape[0], step):
        piece = target[start : start + step]
        values = scratch.array(0, piece.shape, data.dtype)
        data.read_into(values, start)
        _turn(values, piece, scratch)


def _turn(values: np.ndarray, target: torch.Tensor, scratch: Scratch) -> None:
    """Copies an array into a view of its shape whose last axis is, in memory, the first."""
    # First the transposition of a matrix, at which torch is good, then what is left of the order, at which NumPy is.
    turned, matrix = target.movedim(-1, 0), torch.from_numpy(values).view(-1, values.shape[-1]).t()
    if turned.is_contiguous():
        turned.view(matrix.shape).copy_(matrix)
    else:
        rows = scratch.array(1, matrix.shape, values.dtype)
        torch.from_numpy(rows).copy_(matrix)
        np.copyto(turned.numpy(), rows.reshape(turned.shape))


def _memory_for(tensor: torch.Tensor, memory: np.ndarray) -> torch.Tensor:
    """An array as a tensor on the CPU in the place of one on the meta device, its axes in the same order in memory."""
    order = sorted(range(tensor.dim()), key=tensor.stride, reverse=True)
    return torch.from_numpy(memory.reshape([tensor.shape[axis] for axis in order])).permute(
        [order.index(axis) for axis in range(tensor.dim())]
    )


def _operand(x: Any) -> Any:
    return x.value if isinstance(x, Variable) else x


class Variable:
    """A weight as Keras shows it: Keras's shape, order and name, on torch's storage.

    It holds no data: it reads and writes the parameter or buffer `attribute` of the torch `module`, so that `.to()`,
    `load_state_dict` and optimizers act on what it shows. It is an operand of any torch function.

    name: such as 'hidden/kernel:0'. shape: a tuple of ints. dtype: a string.
    Keras: tf.Variable as Keras uses it.
    """

    __slots__ = ("_attribute", "_module", "_trainable", "constraint", "initializer", "layout", "name", "regularizer")
    __array_priority__ = 100

    def __init__(
        self,
        module: nn.Module,
        attribute: str,
        name: str,
        layout: Layout = IDENTITY,
        trainable: bool = True,
        initializer: Callable[..., torch.Tensor] | None = None,
        regularizer: Any = None,
        constraint: Any = None,
    ) -> None:
        self._module, self._attribute = module, attribute
        self.name, self.layout = name, layout
        self._trainable = trainable
        self.initializer, self.regularizer, self.constraint = initializer, regularizer, constraint

    @property
    def tensor(self) -> torch.Tensor:
        """The torch parameter or buffer itself, in torch's layout."""
        # Through nn.Module, past an attribute of the same name that holds this handle, and so that torch.fx sees it.
        try:
            return nn.Module.__getattr__(self._module, self._attribute)  # type: ignore[return-value]
        except AttributeError:  # computed by torch's parametrizations or pruning
            return getattr(self._module, self._attribute)

    @property
    def value(self) -> torch.Tensor:
        """The weight in Keras's shape: a view of `tensor` where strides allow; gradients flow through it."""
        return self.layout.to_keras(self.tensor)

    def read_value(self) -> torch.Tensor:
        """As `value`. Keras: tf.Variable.read_value."""
        return self.value

    @property
    def trainable(self) -> bool:
        """Whether the weight was made to be trained (its layer may be frozen all the same)."""
        return self._trainable

    @property
    def grad(self) -> torch.Tensor | None:
        """The gradient in Keras's shape, or None."""
        grad = self.tensor.grad
        return None if grad is None else self.layout.to_keras(grad)

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape as Keras has it."""
        return tuple(self.value.shape)

    @property
    def ndim(self) -> int:
        """The number of axes."""
        return len(self.shape)

    @property
    def dtype(self) -> str:
        """The dtype's name, such as 'float32'."""
        return str(self.tensor.dtype).removeprefix("torch.")

    @property
    def device(self) -> torch.device:
        """The device of the weight."""
        return self.tensor.device

    @property
    def path(self) -> str:
        """The name without ':0'. Keras 3: Variable.path."""
        return self.name.removesuffix(":0")

    def numpy(self) -> np.ndarray:
        """A NumPy copy, in Keras's shape."""
        value = self.value.detach().cpu()
        if value.dtype == torch.bfloat16:
            value = value.float()
        return value.contiguous().numpy().copy()

    @property
    def is_empty(self) -> bool:
        """Whether the weight still lies on the meta device, without values."""
        return self.tensor.is_meta

    def initialize(self) -> None:
        """Gives the weight the values of its initializer."""
        assert self.initializer is not None
        value = tensor_of(self.initializer(self.shape, dtype=self.tensor.dtype))
        if tuple(value.shape) != self.shape:
            raise ValueError(
                f"The initializer of {self.name!r} returned the shape {tuple(value.shape)}, expected {self.shape}."
            )
        self._store(value)

    # Here and wherever else weights and buffers get their memory: a first call may be predict's, and what is made in
    # inference mode could never be trained.
    @torch.inference_mode(False)
    def _store(self, value: torch.Tensor) -> None:
        tensor = self.tensor
        value = self.layout.to_torch(value.detach())
        if not tensor.is_meta:
            with torch.no_grad():
                tensor.copy_(value)
            return
        value = value.to(get_device(), tensor.dtype)  # as it lies: a GPU lays it out anew much faster
        self._replace(torch.empty_like(tensor, device=value.device).copy_(value))

    def _replace(self, new: torch.Tensor) -> None:
        tensor = self.tensor
        if isinstance(tensor, nn.Parameter):
            self._module._parameters[self._attribute] = nn.Parameter(new, requires_grad=tensor.requires_grad)
        else:
            self._module._buffers[self._attribute] = new

    @torch.inference_mode(False)
    def read(self, data: Any, scratch: Scratch) -> None:
        """Takes the values of an array or a stored data set, as `assign`; those of a data set (which has `read_into`) by way of
        little memory, where the weight is still empty."""
        tensor, dtype = self.tensor, data.dtype
        reads = hasattr(data, "read_into") and tensor.is_meta and dtype == self.dtype and data.shape == self.shape
        if not reads or torch.device(get_device()).type != "cpu":
            self.assign(np.asarray(data[()]))
            return
        values = data.take()
        # NumPy asks for large pages: they are had several times faster than torch's small ones.
        memory = values if values is not None else np.empty(math.prod(data.shape), dtype)
        if self.layout is TRANSPOSED and math.prod(data.shape) >= _LARGE:
            new = self.layout.to_torch(torch.from_numpy(memory.reshape(data.shape)))
        else:
            new = _memory_for(tensor, memory)
        target = self.layout.to_keras(new)
        if target.untyped_storage().data_ptr() != new.untyped_storage().data_ptr():
            new = torch.empty_like(tensor, device="cpu").copy_(
                self.layout.to_torch(torch.from_numpy(values if values is not None else data[()]))
            )
        elif values is None and target.is_contiguous():
            data.read_into(target.numpy())
        elif values is None:
            _read_turned(data, target, scratch)
        elif not target.is_contiguous():
            copied = scratch.array(0, values.shape, values.dtype)
            np.copyto(copied, values)
            _turn(copied, target, scratch)
        self._replace(new)

    def share(self, other: Variable) -> None:
        """Takes another's parameter or buffer for its own."""
        if isinstance(other.tensor, nn.Parameter):
            self._module._parameters[self._attribute] = other.tensor
        else:
            self._module._buffers[self._attribute] = other.tensor

    def fits(self, shape: Any) -> bool:
        """Whether a value of this shape can be assigned."""
        return tuple(shape) == self.shape

    def __getstate__(self) -> dict[str, Any]:
        # An initializer may be any function; once it has run, a copy or pickle does without it.
        return {name: getattr(self, name) for name in self.__slots__ if name != "initializer" or self.is_empty}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.initializer = None
        for name, value in state.items():
            setattr(self, name, value)

    def assign(self, value: Any) -> Variable:
        """Writes a value of the same shape, as Keras has it; ValueError for another shape."""
        new = _operand(value) if isinstance(value, (torch.Tensor, Variable)) else tensor_of(value)
        if not self.fits(new.shape):
            raise ValueError(
                f"Variable {self.name!r} has shape {self.shape}, cannot be assigned a value of shape {tuple(new.shape)}."
            )
        self._store(new)
        return self

    def assign_add(self, value: Any) -> Variable:
        """Adds a value of the same shape in place."""
        return self._assign_sum(value, 1)

    def assign_sub(self, value: Any) -> Variable:
        """Subtracts a value of the same shape in place."""
        return self._assign_sum(value, -1)

    def _assign_sum(self, value: Any, sign: int) -> Variable:
        delta = tensor_of(_operand(value)).to(self.tensor.device, self.tensor.dtype)
        if tuple(delta.shape) != self.shape:
            raise ValueError(
                f"Variable {self.name!r} has shape {self.shape}, cannot be changed by a value of shape {tuple(delta.shape)}."
            )
        return self.assign(self.value.detach() + sign * delta)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        array = self.numpy()
        return array if dtype is None else array.astype(dtype)

    @classmethod
    def __torch_function__(cls, func: Callable, types: Any, args: tuple = (), kwargs: dict | None = None) -> Any:
        args = pytree.tree_map(_operand, args)
        return func(*args, **pytree.tree_map(_operand, kwargs or {}))

    def __getitem__(self, index: Any) -> torch.Tensor:
        return self.value[index]

    def __len__(self) -> int:
        return self.shape[0]

    def __repr__(self) -> str:
        return f"<Variable {self.name!r} shape={self.shape} dtype={self.dtype}, numpy=\n{self.numpy()!r}>"


def _beside(variable: Variable, x: Any) -> Any:
    return tensor_of(x, variable.device) if isinstance(x, np.ndarray) else _operand(x)


def _binary(name: str) -> Callable:
    function = getattr(operator, name)
    return lambda self, other: function(self.value, _beside(self, other))


def _reflected(name: str) -> Callable:
    function = getattr(operator, name)
    return lambda self, other: function(_beside(self, other), self.value)


for _name in ("add", "sub", "mul", "truediv", "floordiv", "mod", "pow", "matmul"):
    setattr(Variable, f"__{_name}__", _binary(f"__{_name}__"))
    setattr(Variable, f"__r{_name}__", _reflected(f"__{_name}__"))
for _name in ("lt", "le", "gt", "ge", "eq", "ne"):
    setattr(Variable, f"__{_name}__", _binary(f"__{_name}__"))
Variable.__hash__ = object.__hash__  # type: ignore[assignment]
Variable.__neg__ = lambda self: -self.value  # type: ignore[attr-defined, operator]
Variable.__abs__ = lambda self: abs(self.value)  # type: ignore[attr-defined, operator]
