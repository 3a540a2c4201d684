"""`RNN`: a cell over time."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import torch
from torch.utils import _pytree as pytree

from kerastorch.arrays import tensor_of
from kerastorch.config import get_device, torch_dtype
from kerastorch.graph import KerasTensor, is_symbolic, name_scope, tensors_in
from kerastorch.layers.base import Layer
from kerastorch.layers.input_spec import InputSpec
from kerastorch.layers.recurrent.cells import (
    BuiltInCell,
    StackedRNNCells,
    _plain,
    build_cell,
    check_cell,
    output_shape_of,
    state_shapes,
)
from kerastorch.layers.structures import real_tensors, shape_map, shape_of
from kerastorch.layers.symbolic import infer_outputs, shapes_alone
from kerastorch.nn.cell_loop import CellLoop
from kerastorch.registry import custom_object_scope, deserialize

__all__ = ["RNN"]


class RNN(Layer):
    """A cell taken over the steps of a sequence.

    cell: a layer with `state_size` and `call(inputs_at_t, states) -> (output, new states)`, or a list of such, stacked.
    return_sequences: all steps' outputs, not only the last. return_state: a list, the output and the final states.
    go_backwards: from the last step to the first, outputs in that order. stateful: begin where the last batch ended.
    time_major: (time, batch, ...) in and out. unroll: taken, and without effect on the numbers; needs a known length.
    zero_output_for_mask (keyword): masked steps give 0; else they repeat the output before.
    keras3_masking (keyword): given its first states, the layer heeds no mask but one that it is given too, as in Keras 3.
    Called with `initial_state`, a list, or with inputs `[x, *states]`; `constants` go to the cell's call.
    Shapes: (batch, time, ...) -> (batch, units) or (batch, time, units). Masks: (batch, time).
    Raises ValueError for what is no cell, states that do not fit, and a stateful layer without a known batch size.
    Keras: tf.keras.layers.RNN; torch: the fused kernels of nn.RNN, nn.LSTM and nn.GRU where cell and options fit.
    """

    supports_masking = True
    _scopes_cell = True

    _live: tuple[str, ...] = ("return_sequences", "return_state", "go_backwards")

    def __init__(
        self,
        cell: Any,
        return_sequences: bool = False,
        return_state: bool = False,
        go_backwards: bool = False,
        stateful: bool = False,
        unroll: bool = False,
        time_major: bool = False,
        **kwargs: Any,
    ) -> None:
        zero_output_for_mask = bool(kwargs.pop("zero_output_for_mask", False))
        keras3_masking = bool(kwargs.pop("keras3_masking", False))
        super().__init__(**kwargs)
        cell = StackedRNNCells(cell) if isinstance(cell, (list, tuple)) else cell
        check_cell(cell)
        self.cell = cell
        self.return_sequences, self.return_state, self.go_backwards = return_sequences, return_state, go_backwards
        self.stateful, self.unroll, self.time_major = stateful, unroll, time_major
        self.zero_output_for_mask, self.keras3_masking = zero_output_for_mask, keras3_masking
        self.input_spec: Any = [InputSpec(ndim=3)] if isinstance(cell, BuiltInCell) else None
        self._num_constants = 0
        self._chained = False
        self._batch_size: int | None = None
        self._nested_inputs = False
        self._more_inputs = 0

    # Calling

    def __call__(self, inputs: Any, initial_state: Any = None, constants: Any = None, **kwargs: Any) -> Any:
        more = list(_listed(initial_state))
        if constants is not None:
            constants = _listed(constants)
            self._num_constants = len(constants)
            more += constants
        if isinstance(inputs, list) and len(inputs) > 1 and initial_state is not None:
            raise ValueError(
                f"{type(self).__name__} '{self.name}': the initial state stands in the list of inputs and in "
                "initial_state. "
                "Give it once."
            )
        if more:
            inputs = [*(inputs if isinstance(inputs, list) else [inputs]), *more]
        if isinstance(inputs, list) and len(inputs) == 1:
            inputs = inputs[0]
        self._nested_inputs = isinstance(inputs[0] if isinstance(inputs, list) else inputs, tuple)
        if not isinstance(inputs, list):
            return super().__call__(inputs, **kwargs)
        # The states and constants count as inputs, for this call.
        more = inputs[1:]  # where the layer is drawn, those that are no constants
        self._more_inputs = len(tensors_in(more) if is_symbolic(inputs) else pytree.tree_leaves(more))
        if self.input_spec is not None:
            self.input_spec = [*self.input_spec, *[None] * self._more_inputs]
        try:
            return super().__call__(inputs, **kwargs)
        finally:
            if self.input_spec is not None:
                self.input_spec = self.input_spec[:1]
            self._more_inputs = 0

    def _split(self, inputs: Any) -> tuple[Any, list[Any], list[Any]]:
        """Inputs, initial states and constants, from what the layer was called on."""
        if not isinstance(inputs, list):
            return inputs, [], []
        end = len(inputs) - self._num_constants
        return inputs[0], pytree.tree_leaves(inputs[1:end]), inputs[end:]

    def forward(self, inputs: Any, *args: Any, **kwargs: Any) -> Any:
        """What torch runs: `call`."""
        if shapes_alone():  # fake tensors are slow, step by step, and cuDNN's kernels want to see real weights
            return shape_map(real_tensors(inputs)[0].new_empty, self.compute_output_shape(shape_of(inputs)))
        return super().forward(inputs, *args, **kwargs)

    def call(
        self, inputs: Any, mask: Any = None, training: Any = None, initial_state: Any = None, constants: Any = None
    ) -> Any:
        """The output, or, with return_state, the list of the output and the final states."""
        x, states, given = self._split(inputs)
        states += pytree.tree_leaves(_listed(initial_state))
        given = given or _listed(constants)
        if isinstance(mask, (list, tuple)):  # those that the inputs carry, the states among them
            mask = None if self.keras3_masking else mask[0]
        options: dict[str, Any] = {}
        if mask is not None:
            options["mask"] = mask
        if training is not None:
            options["training"] = training
        if self._chained:
            return self._call_chain(x, states, **options)
        outputs = self._over_time()(x, *states, *given, **options)
        if not self.return_state:
            return self._zeroed(outputs, mask)
        flat = [outputs[i] for i in range(1 + len(self._state_shapes()))]
        return [self._zeroed(flat[0], mask), *self._packed(flat[1:])]

    @property
    def _zeroes_afterwards(self) -> bool:
        backwards = self.go_backwards and self.return_sequences
        return self.unroll and backwards and self.zero_output_for_mask

    def _zeroed(self, output: Any, mask: Any) -> Any:
        """The output where the layer is unrolled and goes backwards: both Kerases then set steps to 0 by the mask in the
        order of the inputs, though the outputs stand in the other."""
        if mask is None or not self._zeroes_afterwards:
            return output

        mask = mask.to(torch.bool)
        for _ in output_shape_of(self.cell):
            mask = mask.unsqueeze(-1)
        return pytree.tree_map(lambda x: torch.where(mask, x, 0.0), output)

    def _call_chain(self, x: torch.Tensor, states: list[Any], mask: Any = None, training: Any = None) -> Any:
        """As `call`: each cell of a stack goes over all steps of what the one below it has put out."""
        options = {} if training is None else {"training": training}
        given = mask
        if self.go_backwards:
            time = 0 if self.time_major else 1
            x, mask = x.flip(time), None if mask is None else mask.flip(time)
        ends: list[Any] = []
        for cell in self.cell.cells:
            count = len(state_shapes(cell.state_size))
            own, states = states[:count], states[count:]
            made = cell.rnn(x, *own, **options, **({} if mask is None else {"mask": mask}))
            x = made[0]
            ends += [made[i] for i in range(1, 1 + count)]
        x = self._zeroed(x, given)
        return [x, *self._packed(ends)] if self.return_state else x

    def _over_time(self) -> Any:
        """The torch module that goes over time."""
        return self.loop if "loop" in self._modules else self.cell.rnn

    def _packed(self, states: list[Any]) -> list[Any]:
        """The states in the structure of the cell's `state_size`, as a list."""
        size = self.cell.state_size
        if not isinstance(size, (list, tuple)) or isinstance(size, torch.Size):
            return states
        return list(pytree.tree_unflatten(states, pytree.tree_structure(list(size))))

    # Building

    def build(self, input_shape: Any) -> None:
        """Builds the cell for the input of one step."""
        shape = input_shape[0] if isinstance(input_shape, list) and not self._only_nested(input_shape) else input_shape
        first = shape[0] if self._nested_inputs else shape
        time = first[0 if self.time_major else 1]
        if self.unroll and time is None:
            raise ValueError(
                f"{type(self).__name__} '{self.name}': cannot unroll over a time axis of unknown length, got "
                f"shape {first}. "
                "Give Input a shape with the length, or set unroll=False."
            )
        batch = first[1 if self.time_major else 0]
        if self.stateful and batch is None:
            raise ValueError(
                f"{type(self).__name__} '{self.name}': If a RNN is stateful, it needs to know its batch size, "
                "got shape "
                f"{first}. Give Input a batch_size, or batch_input_shape to the first layer of a Sequential model."
            )
        self._batch_size = batch if self.stateful else None
        self._build_cell(self._step_shape(shape))
        if not self._nested_inputs:
            self._set_spec(first)
        self.built = True

    def _only_nested(self, input_shape: list) -> bool:
        return self._nested_inputs and not isinstance(input_shape[0], list)

    def _step_shape(self, shape: Any) -> Any:
        if self._nested_inputs:
            return [self._one_step_shape(s) for s in shape]
        return self._one_step_shape(shape)

    def _one_step_shape(self, shape: Any) -> tuple:
        return tuple(shape[1:]) if self.time_major else (shape[0], *shape[2:])

    def _set_spec(self, shape: Any) -> None:
        spec = list(shape)
        axes = (1, 0) if self.time_major else (0, 1)
        spec[axes[0]], spec[axes[1]] = self._batch_size, None
        self.input_spec = [InputSpec(shape=tuple(spec)), *[None] * self._more_inputs]

    def _build_cell(self, step_shape: Any) -> None:
        options = {
            "return_sequences": self.return_sequences,
            "return_state": self.return_state,
            "go_backwards": self.go_backwards,
            "batch_size": self._batch_size,
            **self._loop_options(),
        }
        self._chained = self._can_chain()
        if self._chained:
            for cell in self.cell.cells:
                every = self.return_sequences or cell is not self.cell.cells[-1]
                loop = self._loop_options()
                cell.over_time = {"return_sequences": every, "return_state": True, **loop}
            build_cell(self.cell, step_shape)
            return
        if _goes_over_time(self.cell) and not self._num_constants:
            self.cell.over_time = options
            if self._scopes_cell:
                build_cell(self.cell, step_shape)
            else:
                self.cell.build(step_shape)
            return
        build_cell(self.cell, step_shape)
        self._build_inside(step_shape)
        if self._num_constants and "constants" not in self._cell_parameters():
            raise ValueError(
                f"RNN '{self.name}': its cell {type(self.cell).__name__} does not take constants, got "
                f"{self._num_constants}. "
                "Give the cell's call() a parameter `constants`."
            )
        self.loop = CellLoop(self.cell, **options, constants=self._num_constants)

    def _can_chain(self) -> bool:
        """Whether the cell is a stack of cells that each have a torch module which goes over time."""
        if type(self.cell) is not StackedRNNCells or self.cell.built or self.cell.reverse_state_order:
            return False
        cells = self.cell.cells
        fit = all(map(_goes_over_time, cells)) and len(set(map(id, cells))) == len(cells)
        return fit and not (self.stateful or self._num_constants or self._nested_inputs)

    def _loop_options(self) -> dict[str, Any]:
        zeroes = self.zero_output_for_mask and not self._zeroes_afterwards
        return {"time_major": self.time_major, "zero_output_for_mask": zeroes}

    def _cell_parameters(self) -> tuple[str, ...]:
        import inspect

        return tuple(inspect.signature(self.cell.call).parameters)

    def _build_inside(self, step_shape: Any) -> None:
        """Builds the layers within a user's cell that its own `build` leaves to the first call."""
        if not isinstance(self.cell, Layer) or self._num_constants:
            return
        if all(layer.built for layer in self.cell._flatten_layers()):
            return
        x = pytree.tree_map(
            lambda shape: KerasTensor(tuple(shape), self.compute_dtype),
            step_shape,
            is_leaf=lambda s: isinstance(s, tuple),
        )
        states = [KerasTensor((None, *shape), self.compute_dtype) for shape in self._state_shapes()]
        with name_scope(self.cell.name):
            infer_outputs(self.cell._infer, (x, self._packed(states)), {}, self.cell.name, self.cell)

    # Shapes and masks

    def _state_shapes(self) -> list[tuple[int, ...]]:
        return state_shapes(self.cell.state_size)

    def _output_shapes(self, shape: tuple) -> tuple[tuple, list[tuple]]:
        """The shapes of the output and of the states for an input's shape."""
        batch, time = (shape[1], shape[0]) if self.time_major else (shape[0], shape[1])
        one = output_shape_of(self.cell)
        if not self.return_sequences:
            output: tuple = (batch, *one)
        else:
            output = (time, batch, *one) if self.time_major else (batch, time, *one)
        return output, [(batch, *state) for state in self._state_shapes()]

    def compute_output_shape(self, input_shape: Any) -> Any:
        """(batch, units) or (batch, time, units); with return_state a list, the states' shapes after it."""
        shape = input_shape
        while isinstance(shape, list) and isinstance(shape[0], (list, tuple)):
            shape = shape[0]
        output, states = self._output_shapes(tuple(shape))
        return [output, *self._packed(states)] if self.return_state else output

    def compute_output_spec(self, *args: Any, **kwargs: Any) -> Any:
        """KerasTensors of the outputs' shapes."""
        inputs = args[0] if args else kwargs["inputs"]
        x, states, _ = self._split(inputs)
        self._check_states(states)
        output, ends = self._output_shapes(tensors_in(x)[0].shape)
        made = KerasTensor(output, self.compute_dtype)
        if not self.return_state:
            return made
        return [made, *self._packed([KerasTensor(shape, self.compute_dtype) for shape in ends])]

    def _check_states(self, states: list[Any]) -> None:
        """Raises ValueError where initial states do not fit the cell."""
        if not states:
            return
        wanted = self._state_shapes()
        if len(states) != len(wanted):
            raise ValueError(
                f"{type(self).__name__} '{self.name}': Layer has {len(wanted)} states but was passed "
                f"{len(states)} initial "
                f"states, of shapes {[tuple(s.shape) for s in states]}."
            )
        for state, shape in zip(states, wanted, strict=True):
            given = tuple(state.shape)[1:]
            if len(given) != len(shape) or any(
                a not in (None, b) for a, b in zip(given, shape, strict=True) if b is not None
            ):
                raise ValueError(
                    f"{type(self).__name__} '{self.name}': An `initial_state` was passed that is not compatible with "
                    f"`cell.state_size`: got shapes {[tuple(s.shape) for s in states]}, expected "
                    f"{[(None, *w) for w in wanted]}."
                )

    def _call_eagerly(self, args: tuple, kwargs: dict[str, Any]) -> Any:
        if args and isinstance(args[0], list):
            self._check_states([s for s in self._split(args[0])[1] if hasattr(s, "shape")])
        return super()._call_eagerly(args, kwargs)

    def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
        """The input's mask where sequences are returned; None for the states."""
        mask = mask[0] if isinstance(mask, (list, tuple)) else mask
        mask = mask if self.return_sequences else None
        return [mask, *[None] * len(self._state_shapes())] if self.return_state else mask

    # States

    def get_initial_state(self, inputs: Any) -> list[Any]:
        """Zeros, or what the cell's `get_initial_state` says, for a batch as large as that of the inputs."""
        first = pytree.tree_leaves(inputs)[0]
        batch = first.shape[1 if self.time_major else 0]
        states = CellLoop(self.cell).fresh_states(batch, torch_dtype(self.compute_dtype), get_device())
        return self._packed(states)

    @property
    def states(self) -> list[Any]:
        """What a stateful layer will begin with; Nones where the layer is not stateful or not built."""
        if not self.stateful or not self.built:
            return [None for _ in self._packed([None] * len(self._state_shapes()))]
        module = self._over_time()
        return self._packed(module.states if module.states is not None else self._fresh_states())

    def _fresh_states(self) -> list[torch.Tensor]:
        assert self._batch_size is not None
        return CellLoop(self.cell).fresh_states(self._batch_size, torch_dtype(self.compute_dtype), self._device())

    def reset_states(self, states: Any = None) -> None:
        """Sets the states of a stateful layer: to the given arrays, or to what it began with.

        Raises AttributeError where the layer is not stateful, ValueError for other numbers or shapes of states.
        """
        if not self.stateful:
            raise AttributeError(
                f"{type(self).__name__} '{self.name}': Layer must be stateful. Make it with stateful=True."
            )
        if not self.built:
            return
        own = self._fresh_states()
        if states is None:
            self._over_time().states = None
            return
        values = [
            np.asarray(s.detach().cpu() if isinstance(s, torch.Tensor) else s)
            for s in pytree.tree_leaves(_listed(states))
        ]
        if len(values) != len(own):
            raise ValueError(
                f"Layer {self.name} expects {len(own)} states, but it received {len(values)} state values. "
                f"States received: {states}"
            )
        for i, (value, state) in enumerate(zip(values, own, strict=True)):
            if value.shape != tuple(state.shape):
                raise ValueError(
                    f"State {i} is incompatible with layer {self.name}: expected shape={tuple(state.shape)} but found "
                    f"shape={value.shape}"
                )
        self._over_time().states = [tensor_of(v).to(s) for v, s in zip(values, own, strict=True)]

    reset_state = reset_states

    # Config

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments, and those that tf.keras writes beside them."""
        config = super().get_config()
        for name in ("unroll", "time_major"):
            config.setdefault(name, getattr(self, name))
        if "cell" not in config:
            for name in ("implementation", "seed"):
                if getattr(self.cell, name, None) is not None:
                    config[name] = getattr(self.cell, name)
        if self._num_constants:
            config["num_constants"] = self._num_constants
        for name in ("zero_output_for_mask", "keras3_masking"):
            if getattr(self, name):
                config[name] = True
        return config

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Any = None) -> Any:
        """The layer that `get_config` described."""
        config = copy.copy(config)
        if isinstance(config.get("cell"), dict):
            with custom_object_scope(custom_objects or {}):
                config["cell"] = deserialize("layer", _plain(config["cell"]))
        constants = config.pop("num_constants", 0)
        if config.get("implementation") == 0:
            config["implementation"] = 1
        layer = cls(**config)
        layer._num_constants = constants or 0
        return layer


def _goes_over_time(cell: Any) -> bool:
    """Whether a cell that is not built yet can be built as the torch module over time: unless a user's class has changed
    what a step does."""
    return isinstance(cell, BuiltInCell) and type(cell).call is BuiltInCell.call and not cell.built


def _listed(x: Any) -> list[Any]:
    if x is None:
        return []
    return list(x) if isinstance(x, (list, tuple)) else [x]
