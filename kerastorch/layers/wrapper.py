"""Wrapper, the base of layers around a layer, and TimeDistributed."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch.utils import _pytree as pytree

from kerastorch import registry
from kerastorch.graph import KerasTensor, map_tensors
from kerastorch.layers.base import Layer
from kerastorch.layers.input_spec import InputSpec
from kerastorch.layers.structures import shape_map, shape_of

__all__ = ["TimeDistributed", "Wrapper"]


class Wrapper(Layer):
    """A layer around another: the base of TimeDistributed, Bidirectional and SpectralNormalization.

    Raises ValueError where `layer` is no Layer. Keras: tf.keras.layers.Wrapper.
    """

    def __init__(self, layer: Any, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if not isinstance(layer, Layer):
            raise ValueError(
                f"{type(self).__name__} '{self.name}' wraps a layer, got {type(layer).__name__}: {layer!r}. "
                "Give it a kerastorch Layer (TorchModuleWrapper makes one of a torch module)."
            )
        self.layer = layer

    def build(self, input_shape: Any = None) -> None:
        """Builds the wrapped layer for the given shape(s), its weights named after the wrapper, as Keras does."""
        if not self.layer.built:
            self.layer.build(input_shape)
            self.layer.built = True
            if self.layer._initial_weights is not None:
                self.layer.set_weights(self.layer._initial_weights)
                self.layer._initial_weights = None
        self.built = True

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Any = None) -> Any:
        """A wrapper of the layer that `config['layer']` describes."""
        config = dict(config)
        layer = registry.deserialize("layer", config.pop("layer"), custom_objects)
        return cls(layer, **config)


class TimeDistributed(Wrapper):
    """Applies a layer to every time step: time is folded into the batch.

    Shapes: (batch, time, ...) -> (batch, time, ...), the layer's own from the third axis on; also nested structures.
    A mask (batch, time, ...) goes to the layer where it takes one, and on to what follows.
    Raises ValueError where `layer` is no Layer, and for inputs of less than three axes.
    Models from Keras 3 hold, as there, keras3_masking: the input's mask goes on, whatever the layer makes of it; and by_step:
    while training, the layer sees one step after another, not all at once (for a BatchNormalization that is another result).
    Departs: tf.keras, told the batch size, goes step by step too.
    Masks do not reach the layers of a model inside.
    Keras: tf.keras.layers.TimeDistributed.
    """

    supports_masking = True

    def __init__(self, layer: Any, *, keras3_masking: bool = False, by_step: bool = False, **kwargs: Any) -> None:
        super().__init__(layer, **kwargs)
        self.keras3_masking, self.by_step = keras3_masking, by_step

    def build(self, input_shape: Any) -> None:
        """Builds the layer for one time step."""
        shapes = _shapes_in(input_shape)
        if any(len(shape) < 3 for shape in shapes):
            raise ValueError(
                f"TimeDistributed '{self.name}' takes inputs (batch, time, ...) of at least 3 axes, got {input_shape}. "
                "Call the layer itself on a batch without time."
            )
        specs = [InputSpec(shape=(None, None, *shape[2:])) for shape in shapes]
        self.input_spec = specs if len(specs) > 1 else specs[0]
        self._is_flat = all(len(shape) == 3 for shape in shapes)
        self._steps = next((shape[1] for shape in shapes if shape[1] is not None), None)
        super().build(shape_map(_without_time, input_shape))

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """As any layer's call; once it is called for another number of steps, each call's inputs tell how many they are."""
        if self.built and self._steps is not None:
            given = pytree.tree_leaves((args[:1], kwargs.get("inputs")))
            if any(x.shape[1] != self._steps for x in given if _length_is_known(x)):
                self._steps = None
        return super().__call__(*args, **kwargs)

    @property
    def is_traceable(self) -> bool:
        """Steps in their turn are for training only."""
        return super().is_traceable and not self.by_step

    def call(self, inputs: Any, training: Any = None, mask: Any = None) -> Any:
        """The layer's outputs at every time step."""
        kwargs: dict[str, Any] = {} if training is None else {"training": training}
        if "mask" not in self.layer._call_parameters():
            mask = None
        if self.by_step and training is not False:  # where torch's source is written, it is None
            steps = pytree.tree_leaves(inputs)[0].shape[1] if self._steps is None else self._steps
            return self._step_by_step(steps, inputs, kwargs, mask)
        if mask is not None:
            kwargs["mask"] = pytree.tree_map(lambda m: m if m is None else m.flatten(0, 1), mask)
        outputs = self.layer(_map(_fold, inputs), **kwargs)
        return _map(lambda y: self._unfold(y, inputs), outputs)

    def _step_by_step(self, steps: int, inputs: Any, kwargs: dict[str, Any], mask: Any) -> Any:
        outputs = []
        for i in range(steps):
            if mask is not None:
                kwargs["mask"] = pytree.tree_map(lambda m, i=i: m if m is None else m[:, i], mask)
            outputs.append(self.layer(_map(lambda x, i=i: x[:, i], inputs), **kwargs))
        return pytree.tree_map(lambda *steps: torch.stack(steps, dim=1), *outputs)

    def _unfold(self, y: Any, inputs: Any) -> Any:
        steps = self._steps if self._steps is not None else pytree.tree_leaves(inputs)[0].size(1)
        return y.unflatten(0, (-1, steps))

    def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
        """The layer's mask at every time step; where it makes none, the input's, without axes beyond time. With
        keras3_masking the input's."""
        hands_on = type(self.layer).compute_mask is Layer.compute_mask
        if self.keras3_masking or (hands_on and (mask is None or self.layer.supports_masking or self._is_flat)):
            return mask
        inner = pytree.tree_map(lambda m: m if m is None else m.flatten(0, 1), mask)
        found = self.layer.compute_mask(_map(_fold, inputs), inner)
        if found is not None:
            return _map(lambda m: self._unfold(m, inputs), found)
        return None if mask is None else torch.any(mask.unsqueeze(-1).flatten(2), dim=-1)

    def get_config(self) -> dict[str, Any]:
        """The arguments; `keras3_masking` and `by_step` where they are set."""
        config = super().get_config()
        for name in ("keras3_masking", "by_step"):
            if not config[name]:
                del config[name]
        return config

    def compute_output_spec(self, inputs: Any, *args: Any, **kwargs: Any) -> Any:
        """The layer's outputs for one time step, with time put in."""
        step = map_tensors(lambda x: KerasTensor(_without_time(x.shape), x.dtype), inputs)
        mine = pytree.tree_leaves(inputs)[0]
        outputs = self.layer.compute_output_spec(step)
        steps = self._steps if self._steps is not None else mine.shape[1]
        return map_tensors(lambda y: KerasTensor((mine.shape[0], steps, *y.shape[1:]), y.dtype), outputs)

    def compute_output_shape(self, input_shape: Any) -> Any:
        """(batch, time, ...), the rest as the layer says."""
        inputs = shape_map(lambda shape: KerasTensor(shape, self.compute_dtype), input_shape)
        self._build_for((inputs,), {})
        return shape_of(self.compute_output_spec(inputs))


def _length_is_known(x: Any) -> bool:
    return isinstance(x, (torch.Tensor, np.ndarray, KerasTensor)) and len(x.shape) > 2


def _fold(x: Any) -> Any:
    return x.flatten(0, 1)


def _map(function: Any, structure: Any) -> Any:
    if isinstance(structure, (list, tuple)):
        return type(structure)(_map(function, x) for x in structure)
    if isinstance(structure, dict):
        return {key: _map(function, x) for key, x in structure.items()}
    return function(structure)


def _without_time(shape: tuple) -> tuple:
    return (shape[0], *shape[2:])


def _shapes_in(shapes: Any) -> list[tuple]:
    found: list[tuple] = []
    shape_map(lambda shape: found.append(shape) or shape, shapes)  # type: ignore[func-returns-value]
    return found
