"""Layers called on KerasTensors: what a drawn call returns, which runs later."""

from __future__ import annotations

import inspect
from typing import Any

from torch import nn
from torch.utils import _pytree as pytree

from kerastorch.graph import KerasTensor, Node, map_tensors, name_scope, tensors_in
from kerastorch.layers.input_spec import check_inputs
from kerastorch.layers.structures import shape_map, shape_of
from kerastorch.layers.symbolic import infer_outputs
from kerastorch.variables import Variable

__all__ = ["ACTIVATIONS", "SymbolicCallsMixin"]

ACTIVATIONS = ("activation", "recurrent_activation")
"""Attributes in which a layer may serve another one as activation."""


class SymbolicCallsMixin:
    """The part of `Layer` that is called when a model is drawn. Keras: tf.keras.layers.Layer."""

    name: str
    built: bool
    input_spec: Any
    supports_masking: bool
    casts_integers: bool
    compute_dtype: str
    inbound_nodes: list[Node]
    _losses: list[Any]
    _modules: dict[str, nn.Module | None]

    # What a subclass may write

    def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
        """The mask of the outputs: the inputs' own where the layer supports masking, else None."""
        return mask if self.supports_masking else None

    def compute_output_shape(self, input_shape: Any) -> Any:
        """The shape(s) of the outputs for the shape(s) of the inputs, found by running `call` on fake tensors."""
        inputs = shape_map(lambda shape: KerasTensor(shape, self.compute_dtype), input_shape)
        self._build_for((inputs,), {})
        outputs = infer_outputs(self._infer, (inputs,), {}, self.name, self)
        return map_tensors(lambda x: x.shape, outputs)

    def compute_output_dtype(self, input_dtype: str) -> str:
        """The dtype of the outputs for that of the (first) input: floats are cast to the layer's own."""
        return self.compute_dtype if "float" in input_dtype or self.casts_integers else input_dtype

    # Calling

    def _call_symbolically(self, args: tuple, kwargs: dict[str, Any]) -> Any:
        named = {key: value for key, value in kwargs.items() if key not in ("training", "mask")}
        if named:  # TypeError for unknown ones
            inspect.signature(type(self).call).bind_partial(self, **named)
        first = args[0] if args else next(iter(kwargs.values()))
        if self.input_spec is not None:
            check_inputs(self, self.input_spec, [x.shape for x in tensors_in(first)])
        self._build_for(args, kwargs)
        if self.input_spec is not None:
            check_inputs(self, self.input_spec, [x.shape for x in tensors_in(first)])
        outputs = self.compute_output_spec(*args, **kwargs)
        for i, tensor in enumerate(tensors_in(outputs)):
            tensor.name = f"{self.name}/output{f'_{i}' if i else ''}"
        Node(self, args, kwargs, outputs)
        return outputs

    def compute_output_spec(self, *args: Any, **kwargs: Any) -> Any:
        """KerasTensors of the shape and dtype that the call would return."""
        first = args[0] if args else next(iter(kwargs.values()))
        says_shape = type(self).compute_output_shape is not SymbolicCallsMixin.compute_output_shape
        if says_shape and not self._waits_for_call():
            return self._spec_it_says(first)
        if "mask" in self._call_parameters() and kwargs.get("mask") is None:
            masks = _symbolic_masks(first)
            if tensors_in(masks):
                kwargs = {**kwargs, "mask": masks}
        try:
            with name_scope(self.name):
                return infer_outputs(self._infer, args, kwargs, self.name, self)
        except ValueError:
            if not says_shape:
                raise
            return self._spec_it_says(first)  # such a call is what a class says its shape for

    def _spec_it_says(self, first: Any) -> Any:
        dtype = self.compute_output_dtype(tensors_in(first)[0].dtype)
        shapes = self.compute_output_shape(shape_of(first))
        return shape_map(lambda shape: KerasTensor(tuple(shape), dtype), shapes)

    def _hands_on_masks(self) -> bool:
        """Whether the outputs have masks: where the layer supports them, or a user's class says what becomes of them."""
        return self.supports_masking or not type(self).compute_mask.__module__.startswith("kerastorch.")

    def _waits_for_call(self) -> bool:
        """Whether in here are layers that only a run of `call` builds: activations, and those in a user's class."""
        for layer in self._flatten_layers():
            parts = [layer._modules.get(key) for key in ACTIVATIONS] if layer._is_ours() else layer._sublayers()
            if any(isinstance(part, SymbolicCallsMixin) and not part.built for part in parts):
                return True
        return False

    def _infer(self, *args: Any, **kwargs: Any) -> Any:
        args, kwargs = self._cast(args), self._cast(kwargs)
        losses = list(self._losses)
        if "training" in self._call_parameters() and kwargs.get("training") is None:
            kwargs["training"] = False
        outputs = self.call(*args, **kwargs)
        self._losses[:] = losses
        return pytree.tree_map(lambda x: x.value if isinstance(x, Variable) else x, outputs)


def _symbolic_masks(structure: Any) -> Any:
    """The masks that the tensors in a structure will have when the graph runs, as KerasTensors, None for those without."""
    if isinstance(structure, (list, tuple)):
        return [_symbolic_masks(x) for x in structure]
    if not isinstance(structure, KerasTensor) or structure.node is None or not structure.node.layer._hands_on_masks():
        return None
    node = structure.node
    before = node.kwargs.get("mask", _symbolic_masks(node.first_argument))
    if type(node.layer).compute_mask is SymbolicCallsMixin.compute_mask:
        after = before
    else:
        after = infer_outputs(node.layer.compute_mask, (node.first_argument, before), {}, node.layer.name, node.layer)
    return (
        after[structure.index]
        if isinstance(after, (list, tuple)) and isinstance(node.outputs, (list, tuple))
        else after
    )
