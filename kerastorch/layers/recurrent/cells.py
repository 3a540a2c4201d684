"""What recurrent cells share: their weights, their states; stacks of cells; the base for cells that users write."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import nn
from torch.utils import _pytree as pytree

from kerastorch import activations, constraints, initializers, regularizers
from kerastorch.config import get_device, torch_dtype
from kerastorch.graph import KerasTensor, name_scope, tensors_in
from kerastorch.layers.arguments import number
from kerastorch.layers.base import Layer
from kerastorch.nn.uninitialized import uninitialized
from kerastorch.registry import custom_object_scope, deserialize
from kerastorch.variables import IDENTITY, TRANSPOSED, Layout

__all__ = ["AbstractRNNCell", "StackedRNNCells"]


def state_shapes(state_size: Any) -> list[tuple[int, ...]]:
    """The shape of each state, without the batch axis, in order; a torch.Size is one shape, other sequences many."""
    return [tuple(n) if isinstance(n, torch.Size) else (int(n),) for n in pytree.tree_leaves(state_size)]


def output_shape_of(cell: Any) -> tuple[int, ...]:
    """The shape of a cell's output, without the batch axis: its `output_size`, else the first of its states."""
    size = getattr(cell, "output_size", None)
    return state_shapes(size if size is not None else cell.state_size)[0]


def zero_states(cell: Any, batch_size: Any, dtype: Any) -> Any:
    """Zeros in the structure of a cell's `state_size`."""
    dtype = torch_dtype(dtype if dtype is not None else getattr(cell, "compute_dtype", None))
    leaves, structure = pytree.tree_flatten(cell.state_size)
    shapes = [tuple(n) if isinstance(n, torch.Size) else (int(n),) for n in leaves]
    zeros = [torch.zeros((batch_size, *shape), dtype=dtype, device=get_device()) for shape in shapes]
    return pytree.tree_unflatten(zeros, structure)


def check_cell(cell: Any) -> None:
    """Raises ValueError for what is no cell."""
    for needed in ("call", "state_size"):
        if needed not in dir(cell):
            raise ValueError(
                f"The cell of an RNN must have `call` and `state_size`, got {cell!r} without `{needed}`. Give an "
                "LSTMCell, a GRUCell, a SimpleRNNCell, or a Layer of your own with both."
            )


class AbstractRNNCell(Layer):
    """The base of a user's own cell: write `call(inputs, states)`, which returns the output and the new states,
    and the properties `state_size` and `output_size`.

    Eras: 2.
    Keras: tf.keras.layers.AbstractRNNCell.
    """

    def call(self, inputs: Any, states: Any) -> Any:
        """The output of a step and the new states."""
        raise NotImplementedError(f"{type(self).__name__} '{self.name}' must define call(inputs, states).")

    @property
    def state_size(self) -> Any:
        """The size of the state, or a list of sizes."""
        raise NotImplementedError(f"{type(self).__name__} '{self.name}' must define the property state_size.")

    @property
    def output_size(self) -> Any:
        """The size of the output."""
        raise NotImplementedError(f"{type(self).__name__} '{self.name}' must define the property output_size.")

    def get_initial_state(self, inputs: Any = None, batch_size: Any = None, dtype: Any = None) -> Any:
        """Zeros for the states; the batch size from `inputs` where given."""
        if inputs is not None:
            batch_size, dtype = inputs.shape[0], inputs.dtype
        return zero_states(self, batch_size, dtype)


class BuiltInCell(Layer):
    """A cell around one torch module: what SimpleRNNCell, LSTMCell and GRUCell share.

    Shapes: (batch, in), states (batch, units) -> (batch, units) and the new states. Within an RNN the torch module is
    the one that goes over time (`sequence`), alone the one that takes a step (`step`).
    """

    step: type[nn.Module]
    sequence: type[nn.Module]

    def __init__(self, units: int, options: dict[str, Any], **kwargs: Any) -> None:
        kwargs.pop("enable_caching_device", None)
        seed = kwargs.pop("seed", None)
        super().__init__(**kwargs)
        if units is None or isinstance(units, bool) or int(number(self, "units", units)) != units or units <= 0:
            raise ValueError(
                f"{type(self).__name__} '{self.name}': units must be a positive integer, got units={units!r}."
            )
        self.units, self.seed = int(units), seed
        self.use_bias = options["use_bias"]
        self.activation = activations.get(options["activation"])
        if "recurrent_activation" in options:
            self.recurrent_activation = activations.get(options["recurrent_activation"])
        for weight in ("kernel", "recurrent", "bias"):
            setattr(self, f"{weight}_initializer", initializers.get(options[f"{weight}_initializer"]))
            setattr(self, f"{weight}_regularizer", regularizers.get(options[f"{weight}_regularizer"]))
            setattr(self, f"{weight}_constraint", constraints.get(options[f"{weight}_constraint"]))
        self.dropout, self.recurrent_dropout = (
            min(1.0, max(0.0, options[k])) for k in ("dropout", "recurrent_dropout")
        )
        self.over_time: dict[str, Any] | None = None

    @property
    def state_size(self) -> Any:
        """The size of the state."""
        return self.units

    @property
    def output_size(self) -> int:
        """The size of the output: units."""
        return self.units

    def torch_options(self) -> dict[str, Any]:
        """What the torch module is told beside the sizes."""
        options = {"bias": self.use_bias, "activation": _function(self.activation)}
        if hasattr(self, "recurrent_activation"):
            options["recurrent_activation"] = _function(self.recurrent_activation)
        options["dropout"], options["recurrent_dropout"] = self.dropout, self.recurrent_dropout
        options["gate_dropout"] = getattr(self, "implementation", 2) == 1
        return options

    def layouts(self) -> tuple[Layout, Layout, Layout]:
        """How kernel, recurrent kernel and bias lie in torch."""
        return TRANSPOSED, TRANSPOSED, IDENTITY

    def bias_init(self) -> Callable[..., torch.Tensor]:
        """The initializer of the bias."""
        return self.bias_initializer

    def build(self, input_shape: Any) -> None:
        """Makes kernel, recurrent kernel and bias for inputs whose last axis is known."""
        size = input_shape[-1]
        if size is None:
            raise ValueError(
                f"{type(self).__name__} '{self.name}': the last axis of the input must be known to make the "
                "kernel, got "
                f"shape {tuple(input_shape)}. Give Input a shape, e.g. Input((None, 8))."
            )
        made = self.step if self.over_time is None else self.sequence
        self.rnn = uninitialized(made, size, self.units, **self.torch_options(), **(self.over_time or {}))
        names = (("kernel", "weight_ih"), ("recurrent_kernel", "weight_hh"), ("bias", "bias"))
        for (name, attribute), layout in zip(names, self.layouts(), strict=True):
            kind = name.removesuffix("_kernel")
            if name == "bias" and not self.use_bias:
                self.bias = None
                continue
            initializer = self.bias_init() if name == "bias" else getattr(self, f"{kind}_initializer")
            ruled = getattr(self, f"{kind}_regularizer"), getattr(self, f"{kind}_constraint")
            setattr(self, name, self.add_variable(name, self.rnn, attribute, layout, initializer, *ruled))
        self.built = True

    def call(self, inputs: Any, states: Any, training: Any = None) -> Any:
        """The output of a step and the list of new states."""
        states = list(states) if isinstance(states, (list, tuple)) else [states]
        forward = self.rnn if self.over_time is None else _one_step(self.rnn, self.step)
        new = forward(inputs, *states, **({} if training is None else {"training": training}))
        new = [new[i] for i in range(len(states))] if len(states) > 1 else [new]
        return new[0], new

    def compute_output_spec(self, *args: Any, **kwargs: Any) -> Any:
        """(batch, units), and as many states."""
        inputs = tensors_in(args[0] if args else kwargs["inputs"])[0]
        one = lambda: KerasTensor((inputs.shape[0], self.units), self.compute_dtype)  # noqa: E731
        return one(), [one() for _ in pytree.tree_leaves(self.state_size)]

    def get_initial_state(self, inputs: Any = None, batch_size: Any = None, dtype: Any = None) -> list[torch.Tensor]:
        """Zeros for the states; the batch size from `inputs` where given."""
        if inputs is not None:
            batch_size, dtype = inputs.shape[0], inputs.dtype
        return pytree.tree_leaves(zero_states(self, batch_size, dtype))

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments, and a seed where one was given."""
        config = super().get_config()
        if hasattr(self, "implementation"):
            config["implementation"] = self.implementation
        if self.seed is not None:
            config["seed"] = self.seed
        return config


def _one_step(module: nn.Module, step: type[nn.Module]) -> Callable[..., Any]:
    return step.forward.__get__(module)


_NAMES = {
    getattr(activations, name): name
    for name in (
        "linear tanh sigmoid relu hard_sigmoid hard_sigmoid_keras3 elu selu gelu swish softplus softsign softmax "
        "exponential mish"
    ).split()
}


def _function(activation: Callable[..., Any]) -> Any:
    """An activation's name, where the torch modules know it; else the function itself."""
    try:
        return _NAMES.get(activation, activation)
    except TypeError:  # not hashable
        return activation


def of_cell(*names: str) -> Callable[[type], type]:
    """Class decorator: the layer's attributes of these names are its cell's."""

    def decorate(cls: type) -> type:
        for name in names:
            setattr(cls, name, property(lambda self, name=name: getattr(self.cell, name)))
        return cls

    return decorate


WEIGHT_OPTIONS = tuple(
    f"{w}_{k}" for k in ("initializer", "regularizer", "constraint") for w in ("kernel", "recurrent", "bias")
)


def options_for(cell: type, arguments: dict[str, Any], kwargs: dict[str, Any]) -> dict[str, Any]:
    """The arguments of a recurrent layer that its cell takes, and those keywords that are the cell's only."""
    taken = set(inspect.signature(cell.__init__).parameters) - {"self", "kwargs"}
    found = {name: value for name, value in arguments.items() if name in taken}
    for name in ("seed", "implementation", "enable_caching_device"):
        if name in kwargs:
            found[name] = kwargs.pop(name)
    for name in ("use_cudnn", "return_runtime"):
        kwargs.pop(name, None)
    for name in ("dtype", "trainable"):
        if name in kwargs:
            found[name] = kwargs[name]
    return found


class StackedRNNCells(Layer):
    """Cells one above the other, as one cell: the output of one is the input of the next.

    cells: a list of cells. Its states are the cells' states, in their order. Keras: tf.keras.layers.StackedRNNCells.
    Raises ValueError for what is no cell.
    """

    def __init__(self, cells: Any, **kwargs: Any) -> None:
        for cell in cells:
            check_cell(cell)
        self_reverse = bool(kwargs.pop("reverse_state_order", False))
        super().__init__(**kwargs)
        self.cells = list(cells)
        self.reverse_state_order = self_reverse

    def _in_state_order(self) -> list[Any]:
        return list(self.cells)[::-1] if self.reverse_state_order else list(self.cells)

    @property
    def state_size(self) -> tuple[Any, ...]:
        """The cells' state sizes."""
        return tuple(cell.state_size for cell in self._in_state_order())

    @property
    def output_size(self) -> Any:
        """The last cell's output size."""
        shape = output_shape_of(self.cells[-1])
        return shape[0] if len(shape) == 1 else torch.Size(shape)

    def get_initial_state(self, inputs: Any = None, batch_size: Any = None, dtype: Any = None) -> tuple[Any, ...]:
        """The cells' initial states."""
        if inputs is not None:
            batch_size, dtype = inputs.shape[0], inputs.dtype
        return tuple(_initial_state(cell, batch_size, dtype) for cell in self._in_state_order())

    def build(self, input_shape: Any) -> None:
        """Builds the cells, each for the output of the one below."""
        for cell in self.cells:
            build_cell(cell, input_shape)
            input_shape = (input_shape[0] if not isinstance(input_shape, list) else None, *output_shape_of(cell))
        self.built = True

    def call(self, inputs: Any, states: Any, constants: Any = None, training: Any = None, **kwargs: Any) -> Any:
        """The output of the last cell and the new states, in the structure of `state_size`."""
        leaves: Iterator[Any] = iter(_flat(states))
        own = [[next(leaves) for _ in state_shapes(cell.state_size)] for cell in self._in_state_order()]
        own = own[::-1] if self.reverse_state_order else own
        new_states = []
        for cell, values in zip(self.cells, own, strict=True):
            takes = inspect.signature(cell.call).parameters
            more = {**kwargs, **({"training": training} if "training" in takes else {})}
            if "constants" in takes:
                more["constants"] = constants
            call = cell if isinstance(cell, nn.Module) else cell.call
            inputs, new = call(inputs, values, **more)
            new_states.append(new)
        return inputs, tuple(new_states[::-1] if self.reverse_state_order else new_states)

    def get_config(self) -> dict[str, Any]:
        """Name and cells."""
        config = super().get_config()
        if self.reverse_state_order:
            config["reverse_state_order"] = True
        return config

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Any = None) -> Any:
        """The stack that `get_config` described."""
        with custom_object_scope(custom_objects or {}):
            cells = [deserialize("layer", _plain(cell)) for cell in config["cells"]]
        return cls(cells, **{key: value for key, value in config.items() if key != "cells"})


def build_cell(cell: Any, step_shape: Any) -> None:
    """Builds a cell for the input of one step, unless it is built."""
    if isinstance(cell, Layer) and not cell.built:
        with name_scope(cell.name):
            cell.build(step_shape)
        cell.built = True


def _plain(described: Any) -> Any:
    """A class name and config, without what else newer files write beside them."""
    return {key: described[key] for key in ("class_name", "config")} if isinstance(described, dict) else described


def _flat(states: Any) -> list[Any]:
    return [x for part in states for x in _flat(part)] if isinstance(states, (list, tuple)) else [states]


def _initial_state(cell: Any, batch_size: Any, dtype: Any) -> Any:
    ask = getattr(cell, "get_initial_state", None)
    if ask is None:
        return zero_states(cell, batch_size, dtype)
    known = {"inputs": None, "batch_size": batch_size, "dtype": dtype}
    return ask(**{name: value for name, value in known.items() if name in inspect.signature(ask).parameters})
