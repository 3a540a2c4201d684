"""`Sequential`: layers one after the other."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import torch
from torch import nn

from kerastorch.graph import KerasTensor
from kerastorch.layers.base import Layer
from kerastorch.layers.core import Input, InputLayer, TorchModuleWrapper
from kerastorch.models.functional import Functional
from kerastorch.models.model import Model
from kerastorch.registry import DESCRIPTION, custom_object_scope, deserialize, serialize

__all__ = ["Sequential"]


class Sequential(Functional):
    """A stack of layers, each with one input and one output.

    It is drawn once the input's shape is known: from an Input, from `input_shape` on the first layer, from
    `build(input_shape)` or from the first call. Raises TypeError for what is no layer, ValueError for a repeated name.
    Keras: tf.keras.Sequential.
    """

    def __init__(self, layers: Any = None, name: str | None = None, trainable: bool = True, **kwargs: Any) -> None:
        Model.__init__(self, name=name, **kwargs)
        self._stack: list[Layer] = []
        self._drawn_input: KerasTensor | None = None
        self._drawn_by_call = False
        for layer in layers if isinstance(layers, (list, tuple)) else [layers] if layers is not None else []:
            self.add(layer)
        if not trainable:
            self.trainable = False

    def add(self, layer: Any) -> None:
        """Puts a layer (or a torch module, or an Input) on top."""
        if isinstance(layer, KerasTensor) and layer.node is not None:
            layer = layer.node.layer
        if isinstance(layer, nn.Module) and not isinstance(layer, Layer):
            layer = TorchModuleWrapper(layer)
        if not isinstance(layer, Layer):
            raise TypeError(f"The added layer must be a Layer, got {type(layer).__name__}: {layer!r}.")
        if any(layer.name == other.name and layer is not other for other in self._every_layer()):
            raise ValueError(
                f"All layers added to a Sequential model should have unique names. Name {layer.name!r} is already the name "
                "of a layer in this model. Pass another name= to the layer."
            )
        if isinstance(layer, InputLayer):
            if self._stack or self._drawn_input is not None:
                raise ValueError(
                    f"Sequential '{self.name}': an Input can only stand first, got '{layer.name}' after others."
                )
            self._drawn_input = layer.inbound_nodes[0].outputs
            return
        if not self._stack and self._drawn_input is None:
            self._drawn_input = _input_for(layer)
        self._stack.append(layer)
        self._redraw()

    def pop(self) -> None:
        """Takes the top layer off; TypeError where there is none."""
        if not self._stack:
            raise TypeError("There are no layers in the model.")
        self._stack.pop()
        self._redraw()

    def build(self, input_shape: Any = None) -> None:
        """Draws the model for inputs of this shape, batch axis included."""
        if self._drawn_input is None and input_shape is not None:
            self._draw_for(KerasTensor(tuple(input_shape), self.compute_dtype))

    def _every_layer(self) -> list[Layer]:
        first = [self._drawn_input.node.layer] if self._drawn_input is not None and self._drawn_input.node else []
        return first + self._stack

    def _redraw(self) -> None:
        """Draws the graph through the stack, or, without a known input, only registers the layers."""
        self.built = False
        self._run_version = -1
        if self._drawn_input is None or not self._stack:
            self._modules.clear()
            for layer in self._stack:
                self._modules[self._module_key(layer)] = layer
            return
        x: Any = self._drawn_input
        for i, layer in enumerate(self._stack):
            known = [n for n in layer.inbound_nodes if n.first_argument is x]
            x = known[0].outputs if known else layer(x)
            if not isinstance(x, KerasTensor):
                raise ValueError(
                    f"All layers in a Sequential model should have a single output tensor, but '{layer.name}' (number {i}) "
                    "returns several. For those, use the functional API."
                )
        self._init_graph(self._drawn_input, x)

    def _draw_for(self, x: Any) -> None:
        self._drawn_input = Input(batch_shape=x.shape, dtype=x.dtype, name=f"{self._stack[0].name}_input")
        self._drawn_input.node.layer._named_by_user = False  # type: ignore[union-attr]
        self._redraw()

    def _open_axes(self, shape: Any) -> None:
        """Draws a model that its first call drew again, for any size on the axes on which another call has another."""
        own = self._drawn_input.shape  # type: ignore[union-attr]
        if shape[1:] == own[1:]:
            return
        opened = tuple(n if n == m else None for n, m in zip(own, shape, strict=False))
        if len(shape) == len(own) and opened != own:
            self._draw_for(KerasTensor(opened, self._drawn_input.dtype))  # type: ignore[union-attr]

    def _require_drawn(self) -> None:
        if "_graph" not in self.__dict__ or not self.built:
            raise ValueError(
                f"Sequential model '{self.name}' has not been built: it has no input shape yet. Call it on data, "
                "build(input_shape), or put an Input first."
            )

    def __call__(self, inputs: Any = None, training: bool | None = None, mask: Any = None, **kwargs: Any) -> Any:
        if not self.built:
            if not self._stack:
                raise ValueError(f"Sequential model '{self.name}' has no layers: add one before calling it.")
            if isinstance(inputs, (list, tuple)) and any(hasattr(x, "shape") and x.shape for x in inputs):
                if len(inputs) > 1:
                    raise ValueError(f"Sequential model '{self.name}' takes one input, got a list of {len(inputs)}.")
                inputs = inputs[0]
            value = inputs if hasattr(inputs, "shape") else np.asarray(inputs)
            shape = tuple(value.shape)
            named = getattr(value.dtype, "name", str(value.dtype))  # an array may name its order of bytes too
            dtype = value.dtype if isinstance(value, KerasTensor) else named.removeprefix("torch.")
            if getattr(value.dtype, "kind", "") in ("U", "S", "O"):
                dtype = "string"
            # Other batches may come in other sizes.
            self._draw_for(KerasTensor((None, *shape[1:]), self.compute_dtype if "float" in dtype else dtype))
            self._drawn_by_call = True
        elif self._drawn_by_call and isinstance(inputs, (torch.Tensor, np.ndarray, KerasTensor)):
            self._open_axes(inputs.shape)
        return super().__call__(inputs, training, mask, **kwargs)

    @property
    def layers(self) -> list[Layer]:
        """The layers, without the input's."""
        return list(self._stack)

    def _sublayers(self) -> list[Any]:
        return self._stack

    def summary(self, *args: Any, **kwargs: Any) -> None:
        """As Model.summary; ValueError before the input's shape is known."""
        self._require_drawn()
        super().summary(*args, **kwargs)

    def get_config(self) -> dict[str, Any]:
        """Name and layers, the input's first where it is known."""
        layers = [serialize(layer) for layer in self._every_layer()]
        return {"name": self.name, "layers": copy.deepcopy(layers)}

    @classmethod
    def from_config(cls, config: Any, custom_objects: Any = None) -> Any:
        """A model with the layers that a config lists (a dict, or the bare list of old files)."""
        name, described = (config.get("name"), config["layers"]) if isinstance(config, dict) else (None, config)
        model = cls(name=name)
        with custom_object_scope(custom_objects or {}):
            for layer in described:
                model.add(deserialize("layer", {key: layer[key] for key in DESCRIPTION if key in layer}))
        build_shape = config.get("build_input_shape") if isinstance(config, dict) else None
        if not model.built and build_shape and model._stack:
            model.build(build_shape)
        return model

    def __getstate__(self) -> dict[str, Any]:
        if "_graph" in self.__dict__:
            return super().__getstate__()
        return {**Layer.__getstate__(self), "_calls": None}

    def __setstate__(self, state: dict[str, Any]) -> None:
        if state.get("_calls") is None:
            state = {key: value for key, value in state.items() if key not in ("_calls", "_ends")}
            nn.Module.__setstate__(self, state)
            return
        super().__setstate__({**state, "_drawn_input": None})
        self._drawn_input = self._structure_in


def _input_for(layer: Layer) -> KerasTensor | None:
    """The Input that a first layer asks for, by its own input_shape or, for a model, by its own input."""
    if isinstance(layer, Functional) and "_graph" in layer.__dict__ and layer.built:
        own = layer.inputs[0]
        return Input(batch_shape=own.shape, dtype=own.dtype, name=f"{layer.name}_input")
    shape = layer._batch_input_shape
    if shape is None:
        return None
    tensor = Input(batch_shape=shape, dtype=layer.dtype, name=f"{layer.name}_input")
    tensor.node.layer._named_by_user = False  # type: ignore[union-attr]
    return tensor
