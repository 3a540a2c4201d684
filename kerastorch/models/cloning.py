"""Copies of a model's architecture. Keras: tf.keras.models.clone_model."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch.utils import _pytree as pytree

from kerastorch.graph import KerasTensor, map_tensors, tensors_in
from kerastorch.layers.base import Layer
from kerastorch.layers.core import Input, InputLayer
from kerastorch.layers.lambda_layer import Lambda
from kerastorch.models.functional import Functional
from kerastorch.models.model import Model
from kerastorch.models.sequential import Sequential
from kerastorch.registry import custom_object_scope

__all__ = ["clone_model"]


def _same_config(layer: Layer) -> Layer:
    # The function of a Lambda that came from a file may stand in its config as code, which is not taken.
    functions = {x.name: x.function for x in layer._flatten_layers() if isinstance(x, Lambda)}
    with custom_object_scope(functions):
        return type(layer).from_config(layer.get_config())


def clone_model(model: Any, input_tensors: Any = None, clone_function: Callable[[Layer], Layer] | None = None) -> Any:
    """A model of the same architecture and names with new weights.

    input_tensors: KerasTensors to begin at instead of new Inputs. clone_function: makes the new layer for each layer
    (not for Inputs); by default from its config.
    Raises ValueError for what is no model drawn between Inputs, or where the number of input tensors is wrong.
    """
    if clone_function is not None and not callable(clone_function):
        raise ValueError(f"clone_model: clone_function must be callable, got {clone_function!r}.")
    copy_layer = clone_function or _same_config
    if isinstance(model, Sequential):
        return _clone_sequential(model, input_tensors, copy_layer)
    if isinstance(model, Functional):
        return _clone_functional(model, input_tensors, copy_layer)
    if isinstance(model, Model) and clone_function is None and input_tensors is None:
        return _same_config(model)
    raise ValueError(
        f"clone_model expects a model drawn between Inputs or a Sequential one, got {type(model).__name__}."
    )


def _copied(layer: Layer, copy_layer: Callable[[Layer], Layer]) -> Layer:
    nested = isinstance(layer, Functional) and copy_layer is not _same_config
    return clone_model(layer, clone_function=copy_layer) if nested else copy_layer(layer)


def _clone_sequential(model: Sequential, input_tensors: Any, copy_layer: Callable[[Layer], Layer]) -> Sequential:
    layers: list[Any] = [_copied(layer, copy_layer) for layer in model.layers]
    if input_tensors is not None:
        given = pytree.tree_leaves(input_tensors)
        if len(given) != 1 or not isinstance(given[0], KerasTensor):
            raise ValueError(f"clone_model: a Sequential model takes one input tensor, got {input_tensors!r}.")
        layers.insert(0, given[0])
    elif model._drawn_input is not None:
        x = model._drawn_input
        layers.insert(0, Input(batch_shape=x.shape, dtype=x.dtype, name=x.name))
    return type(model)(layers, name=model.name)


def _clone_functional(model: Functional, input_tensors: Any, copy_layer: Callable[[Layer], Layer]) -> Functional:
    if input_tensors is None:
        new = [
            Input(batch_shape=x.shape, dtype=x.dtype, name=x.node.layer.name if x.node else x.name)
            for x in model.inputs
        ]
    else:
        new = [x for x in pytree.tree_leaves(input_tensors) if isinstance(x, KerasTensor)]
        if len(new) != len(model.inputs):
            raise ValueError(
                f"clone_model: model '{model.name}' has {len(model.inputs)} inputs, got {len(new)} input_tensors."
            )
    values = {id(x): y for x, y in zip(model.inputs, new, strict=True)}
    copies = {layer: _copied(layer, copy_layer) for layer in model.layers if not isinstance(layer, InputLayer)}
    for node in model._graph.nodes:
        if node.is_input:
            continue
        args, kwargs = map_tensors(lambda x: values[id(x)], (node.args, node.kwargs))
        outputs = copies[node.layer](*args, **kwargs)
        values.update({id(a): b for a, b in zip(tensors_in(node.outputs), tensors_in(outputs), strict=True)})
    inputs, outputs, endpoints = map_tensors(lambda x: values[id(x)], [model.input, model.output, model._endpoints])
    made = Functional(inputs, outputs, name=model.name)
    if endpoints:
        made._end_at(endpoints)
    return made
