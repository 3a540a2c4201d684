"""Bidirectional: a recurrent layer in both directions."""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch.utils import _pytree as pytree

from kerastorch.graph import KerasTensor, is_symbolic, name_scope, tensors_in
from kerastorch.layers.base import Layer
from kerastorch.layers.recurrent.base import RNN, _listed
from kerastorch.layers.recurrent.cells import _plain
from kerastorch.layers.structures import shape_map
from kerastorch.layers.wrapper import Wrapper
from kerastorch.registry import custom_object_scope, deserialize, serialize

__all__ = ["Bidirectional"]

_MODES = ("sum", "mul", "ave", "concat", None)


class Bidirectional(Wrapper):
    """A recurrent layer taken over a sequence forwards and, with weights of its own, backwards.

    layer: an RNN layer; it serves as a pattern for the two. merge_mode: how the two outputs become one: 'concat' (last
    axis), 'sum', 'mul', 'ave', or None for a list of both. backward_layer: the second, where it is to differ.
    With return_state, a list: the output(s), the forward layer's states, the backward's. `initial_state` likewise.
    keras3_masking (keyword): as of `RNN`.
    Shapes: as the layer's, its last axis doubled by 'concat'. Masked steps give 0 where sequences are returned.
    Raises ValueError for what is no layer, an unknown merge_mode, and two layers that do not go together.
    Keras: tf.keras.layers.Bidirectional; torch: two modules of kerastorch.nn.recurrent.
    """

    supports_masking = True

    def __init__(
        self,
        layer: Any,
        merge_mode: str | None = "concat",
        weights: Any = None,
        backward_layer: Any = None,
        **kwargs: Any,
    ) -> None:
        _check(layer, merge_mode, backward_layer)
        keras3_masking = bool(kwargs.pop("keras3_masking", False))
        kwargs.setdefault("trainable", layer.trainable)
        # Past Wrapper's, and past nn.Module's registration: the layer is a pattern, its weights are none of this one's.
        Layer.__init__(self, weights=weights, **kwargs)
        object.__setattr__(self, "layer", layer)
        self.merge_mode, self.keras3_masking = merge_mode, keras3_masking
        self._backward_config = None if backward_layer is None else serialize(backward_layer)
        self.forward_layer = _copy_of(layer)
        self.backward_layer = _copy_of(layer, turned=True) if backward_layer is None else backward_layer
        self.forward_layer._name = f"forward_{self.forward_layer.name}"
        self.backward_layer._name = f"backward_{self.backward_layer.name}"
        for name in ("stateful", "return_sequences", "return_state"):
            ours, theirs = getattr(self.forward_layer, name), getattr(self.backward_layer, name)
            if ours != theirs:
                raise ValueError(
                    f"Bidirectional '{self.name}': forward and backward layer must have the same {name}, got "
                    f"{ours!r} and "
                    f"{theirs!r}."
                )
        if self.forward_layer.go_backwards == self.backward_layer.go_backwards:
            raise ValueError(
                f"Bidirectional '{self.name}': forward and backward layer must have different values of "
                "go_backwards, got "
                f"{self.forward_layer.go_backwards!r} for both."
            )
        for inner in (self.forward_layer, self.backward_layer):
            if hasattr(inner, "zero_output_for_mask"):
                inner.zero_output_for_mask = inner.return_sequences
            if keras3_masking:
                inner.keras3_masking = True
        self.stateful, self.return_sequences, self.return_state = (
            layer.stateful,
            layer.return_sequences,
            layer.return_state,
        )
        self._num_constants = 0
        self.input_spec = getattr(layer, "input_spec", None)

    # Calling

    def __call__(self, inputs: Any, initial_state: Any = None, constants: Any = None, **kwargs: Any) -> Any:
        states = _listed(initial_state)
        more = list(states)
        if constants is not None:
            self._num_constants = len(_listed(constants))
            for inner in (self.forward_layer, self.backward_layer):
                inner._num_constants = self._num_constants
            more += _listed(constants)
        if more:
            inputs = [*(inputs if isinstance(inputs, list) else [inputs]), *more]
        if not isinstance(inputs, list):
            return super().__call__(inputs, **kwargs)
        if (len(inputs) - 1 - self._num_constants) % 2:
            raise ValueError(
                f"Bidirectional '{self.name}': `initial_state` must be a list of the forward layer's states and "
                "then as many "
                f"of the backward layer's, got {len(inputs) - 1 - self._num_constants}."
            )
        if is_symbolic(inputs):
            kwargs = {**kwargs, "initial_state": None, "constants": None}  # as tf.keras writes it
        specs = self.input_spec
        if specs is not None:
            self.input_spec = [*specs, *[None] * len(pytree.tree_leaves(inputs[1:]))]
        try:
            return super().__call__(inputs, **kwargs)
        finally:
            self.input_spec = specs

    def _halves(self, inputs: Any, initial_state: Any = None, constants: Any = None) -> tuple[Any, Any]:
        """What the forward and the backward layer are called on."""
        x, more, shared = inputs, _listed(initial_state), _listed(constants)
        if isinstance(inputs, list):
            end = len(inputs) - self._num_constants
            x, more, shared = inputs[0], inputs[1:end] or more, inputs[end:] or shared
        if not more and not shared:
            return x, x
        half = len(more) // 2
        return [x, *more[:half], *shared], [x, *more[half:], *shared]

    def call(
        self, inputs: Any, training: Any = None, mask: Any = None, initial_state: Any = None, constants: Any = None
    ) -> Any:
        """The merged output, or, with return_state, the list of it and the states of both layers."""
        if isinstance(mask, (list, tuple)):  # those that the inputs carry, the states among them
            mask = None if self.keras3_masking else mask[0]
        forward, backward = self._halves(inputs, initial_state, constants)
        y = self._run(self.forward_layer, forward, mask, training)
        z = self._run(self.backward_layer, backward, mask, training)
        states: list[Any] = []
        if self.return_state:
            states = [*y[1:], *z[1:]]
            y, z = y[0], z[0]
        if self.return_sequences:
            z = torch.flip(z, (0 if getattr(self.forward_layer, "time_major", False) else 1,))
        merged = self._merge(y, z)
        if self.return_state:
            return [*merged, *states] if self.merge_mode is None else [merged, *states]
        return merged

    @staticmethod
    def _run(layer: Any, inputs: Any, mask: Any, training: Any) -> Any:
        parameters = layer._call_parameters()
        given = {"mask": mask, "training": training}
        return layer(inputs, **{k: v for k, v in given.items() if v is not None and k in parameters})

    def _merge(self, y: Any, z: Any) -> Any:
        if self.merge_mode == "concat":
            return torch.cat([y, z], -1)
        if self.merge_mode == "sum":
            return torch.add(y, z)
        if self.merge_mode == "mul":
            return torch.mul(y, z)
        if self.merge_mode == "ave":
            return torch.div(torch.add(y, z), 2)
        return [y, z]

    # Building, shapes and masks

    def build(self, input_shape: Any) -> None:
        """Builds both layers."""
        nested = isinstance(input_shape, list)
        shape = input_shape[0] if nested else input_shape
        for inner in (self.forward_layer, self.backward_layer):
            with name_scope(inner.name):
                inner.build(shape)
            inner.built = True
        self.built = True

    def compute_output_shape(self, input_shape: Any) -> Any:
        """The layer's shape, its last axis doubled by 'concat'; with return_state a list."""
        shape = (
            input_shape[0]
            if isinstance(input_shape, list) and isinstance(input_shape[0], (list, tuple))
            else input_shape
        )
        found = self.forward_layer.compute_output_shape(tuple(shape))
        other = self.backward_layer.compute_output_shape(tuple(shape))
        states = []
        if self.return_state:
            states = [*found[1:], *other[1:]]
            found, other = found[0], other[0]
        outputs = [tuple(found)]
        if self.merge_mode == "concat":
            outputs = [(*found[:-1], found[-1] + other[-1])]
        elif self.merge_mode is None:
            outputs = [tuple(found), tuple(other)]
        return [*outputs, *states] if len(outputs) > 1 or self.return_state else outputs[0]

    def compute_output_spec(self, *args: Any, **kwargs: Any) -> Any:
        """KerasTensors of the outputs' shapes."""
        inputs = args[0] if args else kwargs["inputs"]
        for inner, own in zip((self.forward_layer, self.backward_layer), self._halves(inputs), strict=True):
            if isinstance(inner, RNN):
                inner._check_states(inner._split(own)[1])
        shapes = self.compute_output_shape(tensors_in(inputs)[0].shape)
        return shape_map(lambda shape: KerasTensor(shape, self.compute_dtype), shapes)

    def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
        """The input's mask for each output where sequences are returned; None for the states."""
        mask = mask[0] if isinstance(mask, (list, tuple)) else mask
        mask = mask if self.return_sequences else None
        masks = [mask, mask] if self.merge_mode is None else [mask]
        if self.return_state:
            return masks + [None] * (2 * len(self.forward_layer.states))
        return masks if len(masks) > 1 else mask

    def reset_states(self, states: Any = None) -> None:
        """Sets the states of both layers: to the given arrays, forward's first, or to what they began with.

        Raises AttributeError where the layers are not stateful, ValueError for other numbers or shapes of states.
        """
        if not self.stateful:
            raise AttributeError(
                f"Bidirectional '{self.name}': Layer must be stateful. Give it a layer with stateful=True."
            )
        values = None if states is None else _listed(states)
        half = 0 if values is None else len(values) // 2
        self.forward_layer.reset_states(None if values is None else values[:half])
        self.backward_layer.reset_states(None if values is None else values[half:])

    reset_state = reset_states

    @property
    def states(self) -> list[Any]:
        """The states of both layers, forward's first."""
        return [*self.forward_layer.states, *self.backward_layer.states]

    # Config

    def get_config(self) -> dict[str, Any]:
        """The pattern layer, the merge mode, and the backward layer if one was given."""
        config = super().get_config()
        if self._num_constants:
            config["num_constants"] = self._num_constants
        if self._backward_config is not None:
            config["backward_layer"] = self._backward_config
        if self.keras3_masking:
            config["keras3_masking"] = True
        return config

    def _constructor_config(self, owner: type | None = None) -> dict[str, Any]:
        return {"layer": serialize(self.layer), "merge_mode": self.merge_mode}

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Any = None) -> Any:
        """The layer that `get_config` described."""
        config = copy.copy(config)
        constants = config.pop("num_constants", 0)
        with custom_object_scope(custom_objects or {}):
            for name in ("layer", "backward_layer"):
                if isinstance(config.get(name), dict):
                    config[name] = deserialize("layer", _plain(config[name]))
        layer = cls(**config)
        layer._num_constants = constants or 0
        for inner in (layer.forward_layer, layer.backward_layer):
            inner._num_constants = layer._num_constants
        return layer


def _check(layer: Any, merge_mode: Any, backward_layer: Any) -> None:
    for name, value in (("layer", layer), ("backward_layer", backward_layer)):
        if (value is not None and not isinstance(value, Layer)) or layer is None:
            raise ValueError(f"Bidirectional: {name} must be a Layer, got {value!r}.")
        missing = [
            a
            for a in ("go_backwards", "return_sequences", "return_state", "stateful")
            if value is not None and not hasattr(value, a)
        ]
        if missing:
            raise ValueError(
                f"Bidirectional: {name} must be a recurrent layer, got {type(value).__name__} '{value.name}', "
                "which has no "
                f"{', '.join(missing)}. Give an RNN, LSTM, GRU, or a layer with these attributes."
            )
    if merge_mode not in _MODES:
        raise ValueError(f"Bidirectional: merge_mode must be one of {_MODES}, got {merge_mode!r}.")


def _copy_of(layer: Any, turned: bool = False) -> Any:
    """A fresh layer like the given one; with `turned`, in the other direction."""
    config = layer.get_config()
    if turned:
        config["go_backwards"] = not config["go_backwards"]
    cell = getattr(layer, "cell", None)
    cells = [] if cell is None else [cell, *getattr(cell, "cells", [])]
    with custom_object_scope({type(c).__name__: type(c) for c in cells}):
        return type(layer).from_config(config)
