"""`Functional`: a model drawn from inputs to outputs, which runs as one lowered torch function."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import fx, nn
from torch.utils import _pytree as pytree

from kerastorch.arrays import tensor_of
from kerastorch.config import torch_dtype
from kerastorch.graph import (
    KerasTensor,
    Node,
    by_key,
    extended,
    is_symbolic,
    map_tensors,
    nodes_before,
    snake_case,
    sort_graph,
    tensors_in,
)
from kerastorch.layers.base import Layer, structure_version
from kerastorch.layers.core import Input, InputLayer
from kerastorch.layers.dtypes import placement_version
from kerastorch.layers.endpoints import AddLoss, AddMetric
from kerastorch.layers.function import FunctionLayer
from kerastorch.layers.phase import phase
from kerastorch.layers.structures import leaves_by_key, on_device, parts_like
from kerastorch.layers.symbolic import infer_outputs
from kerastorch.lowering import lower
from kerastorch.models.calls import as_calls, from_calls
from kerastorch.models.graph_config import graph_config, graph_from_config
from kerastorch.models.model import Model
from kerastorch.ops.values import anchored, as_tensor, describe, mark_sizes

__all__ = ["Functional"]


class Functional(Model):
    """A model made from symbolic tensors: `Model(inputs, outputs)`.

    inputs, outputs: a KerasTensor, or lists, tuples or dicts of them.
    Raises ValueError where an output does not follow from the inputs, or two layers have one name.
    Keras: tf.keras.Model in its functional form.
    """

    def __init__(
        self, inputs: Any = None, outputs: Any = None, name: str | None = None, trainable: bool = True, **kwargs: Any
    ) -> None:
        Model.__init__(self, name=name, **kwargs)
        self._init_graph(inputs, outputs)
        if not trainable:
            self.trainable = False

    def _init_graph(self, inputs: Any, outputs: Any) -> None:
        for tensor in pytree.tree_leaves((inputs, outputs)):
            if not isinstance(tensor, KerasTensor):
                raise ValueError(
                    f"Model '{self.name}': inputs and outputs must be KerasTensors (from Input and from layers called on "
                    f"them), got {type(tensor).__name__}: {tensor!r}."
                )
        inputs, outputs = (
            x[0] if isinstance(x, list) and len(x) == len(tensors_in(x)) == 1 else x for x in (inputs, outputs)
        )
        flat = tensors_in(inputs)
        if len({id(x) for x in flat}) != len(flat):
            raise ValueError(f"Model '{self.name}': an input is given twice: {[x.name for x in flat]}.")
        # A model may begin at a tensor inside another graph; tf.keras then puts an input in its place.
        replaced = {id(x): x for x in flat if x.node is None or not isinstance(x.node.layer, InputLayer)}
        if replaced:
            inputs, outputs = _begin_at(inputs, outputs, replaced)
        self._structure_in, self._structure_out = inputs, outputs
        self._graph = sort_graph(tensors_in(inputs), tensors_in(outputs))
        self._endpoints: list[KerasTensor] = []
        self._run: Callable[..., Any] | None = None
        self._run_version, self._placed, self._plain_is_cpu = -1, -1, True
        self._modules.clear()
        for layer in self._graph.layers:
            self.add_module(self._module_key(layer), layer)
        self.built = True

    def add_loss(self, losses: Any) -> None:
        """As any layer's; a KerasTensor that follows from the model's inputs is computed in each call of the model."""
        if not is_symbolic(losses):
            super().add_loss(losses)
            return
        self._end_at([AddLoss(dtype=x.dtype)(x) for x in tensors_in(losses)])

    def add_metric(self, value: KerasTensor, name: str | None = None, aggregation: str | None = None) -> None:
        """Draws a value that tf.keras shows while it trains, for its files. TypeError for what is no KerasTensor."""
        if not isinstance(value, KerasTensor):
            raise TypeError(f"add_metric of '{self.name}': expected a KerasTensor, got {type(value).__name__}.")
        self._end_at([AddMetric(aggregation, name, dtype=value.dtype)(value)])

    def _end_at(self, tensors: list[KerasTensor]) -> None:
        """Has tensors computed that are no outputs: losses."""
        self._graph = extended(self._graph, tensors)
        self._endpoints.extend(tensors)
        for layer in self._graph.layers:
            if all(layer is not own for own in self._modules.values()):
                self.add_module(self._module_key(layer), layer)
        structure_version[0] += 1

    # Calling

    def __call__(self, inputs: Any = None, training: bool | None = None, mask: Any = None, **kwargs: Any) -> Any:
        if torch.compiler.is_compiling() and self._is_ours():
            self._prepare()  # before anything that it changes is read, and so guarded
        if (
            training is None
            and type(inputs) is torch.Tensor
            and self._run_version == structure_version[0]
            and inputs.dtype is self._plain_dtype
            and inputs.shape[1:] == self._plain_shape
            and inputs.is_cpu is self._plain_is_cpu
            and self._placed == placement_version[0]
            and not self._forward_hooks
            and not self._forward_pre_hooks
        ):
            return self._run(inputs)  # type: ignore[misc]
        if training is not None:
            kwargs["training"] = training
        if mask is not None:
            kwargs["mask"] = mask
        return super().__call__(inputs, **kwargs)

    def _call_eagerly(self, args: tuple, kwargs: dict[str, Any]) -> Any:
        if not self._is_ours():
            return Layer._call_eagerly(self, args, kwargs)
        training = kwargs.pop("training", None)
        training = None if training is None else bool(training)
        if training is None or all(m.training == training for m in self.modules()):
            return nn.Module.__call__(self, *args, **kwargs)
        with phase(self, training):
            return nn.Module.__call__(self, *args, **kwargs)

    def forward(self, inputs: Any, *more: Any, mask: Any = None, **kwargs: Any) -> Any:
        """Runs the lowered model on tensors or arrays, in the structure of the model's inputs."""
        if not self._is_ours():
            return self.call(inputs, *more, **({} if mask is None else {"mask": mask}), **kwargs)
        tensors = self._standardize((inputs, *more) if more else inputs)
        if mask is not None or any(hasattr(x, "_keras_mask") for x in tensors):
            return self._run_layers(tensors, mask)
        self._prepare()
        if self._plain_dtype is not None and tensors[0].is_cpu is not self._plain_is_cpu:
            self._plain_is_cpu = tensors[0].is_cpu  # the weights have gone elsewhere since
        if not self._lowered.has_extras and not self._adds_losses:
            return self._run(*tensors)  # type: ignore[misc]
        self._clear_losses()
        result = self._run(*tensors)  # type: ignore[misc]
        if self._lowered.has_extras:
            result, losses, masks = result
            self._losses.extend(losses)
            if not torch.compiler.is_compiling():
                self._set_mask(result, masks)
        return result

    def _run_layers(self, tensors: list[torch.Tensor], mask: Any) -> Any:
        """Layer by layer: for inputs that come with masks."""
        for x, m in zip(tensors, mask if isinstance(mask, (list, tuple)) else [mask], strict=False):
            if m is not None:
                x._keras_mask = m  # type: ignore[attr-defined]
        return self.run_nodes(tensors)

    def _prepare(self) -> None:
        """Lowers the model, unless it is and nothing has changed since."""
        if self._placed != placement_version[0]:
            self._plain_is_cpu, self._placed = self._device().type == "cpu", placement_version[0]
        if self._run_version == structure_version[0]:
            return
        self._lowered = lower(self)
        self._run = self._lowered.compile()
        self._adds_losses = any(
            not layer.is_traceable for layer in self._flatten_layers() if not isinstance(layer, Functional)
        )
        first = self._graph.inputs[0] if len(self._graph.inputs) == 1 else None
        plain = isinstance(self._structure_in, KerasTensor) and first is not None and None not in first.shape[1:]
        plain = plain and not self._has_own_forward()
        plain = (
            plain
            and not self._lowered.has_extras
            and not self._adds_losses
            and first is not None
            and first.dtype != "string"
        )
        self._plain_dtype = torch_dtype(self._input_dtype(first)) if plain and first is not None else None
        self._plain_shape = torch.Size(first.shape[1:]) if plain and first is not None else None  # type: ignore[arg-type]
        if plain and first is not None and first.shape[:1] != (None,):
            self._plain_dtype = None
        self._run_version = structure_version[0]

    # torch.compile runs the lowering instead of tracing it. torch.compiler.assume_constant_result sets this mark, but
    # imports all of torch._dynamo for it.
    _prepare._dynamo_marked_constant = True  # type: ignore[attr-defined]

    def call(self, inputs: Any, training: Any = None, mask: Any = None) -> Any:
        """The layers one after the other: on the symbolic values that lowering sends through, or on tensors."""
        tensors = self._match_inputs(inputs)
        for x, m in zip(tensors, mask if isinstance(mask, (list, tuple)) else [mask], strict=False):
            if m is not None and "_keras_mask" not in x.__dict__:
                x.__dict__["_keras_mask"] = m
        return self.run_nodes(tensors)

    def run_nodes(self, tensors: list[Any]) -> Any:
        """Calls the graph's layers in order on the given values of its inputs; returns the outputs' structure."""
        with anchored(tensors[0] if tensors else None):
            return self._run_nodes(tensors)

    def _run_nodes(self, tensors: list[Any]) -> Any:
        values = {id(x): _described(x, value) for x, value in zip(self._graph.inputs, tensors, strict=True)}
        for node in self._graph.nodes:
            if node.is_input:
                continue

            def value_of(x: KerasTensor, layer: Layer = node.layer) -> Any:
                value = values[id(x)]
                if _takes_any_dtype(layer):
                    return value
                value = _as_tensor(x, value)
                return value.tracer.cast(value, layer, _current_dtype(x)) if isinstance(value, fx.Proxy) else value

            args, kwargs = map_tensors(value_of, (node.args, node.kwargs))
            outputs = node.layer(*args, **kwargs)
            for symbol, value in zip(tensors_in(node.outputs), parts_like(node.outputs, outputs), strict=True):
                values[id(symbol)] = _described(symbol, value)
        return map_tensors(lambda x: _as_tensor(x, values[id(x)]), self._structure_out)

    def compute_output_spec(self, *args: Any, **kwargs: Any) -> Any:
        """The outputs' shapes; for other input shapes than the model's own, found by going through the layers."""
        if not self._is_ours():
            return infer_outputs(self._infer, args, kwargs, self.name, self)
        tensors = self._match_inputs(args[0] if args else kwargs["inputs"])
        for x, own in zip(tensors, self._graph.inputs, strict=True):
            self._check_shape(own, x.shape)
        if all(x.shape == own.shape for x, own in zip(tensors, self._graph.inputs, strict=True)):
            return map_tensors(lambda x: KerasTensor(x.shape, x.dtype), self._structure_out)
        values = {id(own): KerasTensor(x.shape, own.dtype) for own, x in zip(self._graph.inputs, tensors, strict=True)}
        for node in self._graph.nodes:
            if node.is_input:
                continue
            node_args, node_kwargs = map_tensors(lambda x: values[id(x)], (node.args, node.kwargs))
            outputs = node.layer.compute_output_spec(*node_args, **node_kwargs)
            for symbol, value in zip(tensors_in(node.outputs), tensors_in(outputs), strict=True):
                values[id(symbol)] = value
        return map_tensors(lambda x: KerasTensor(values[id(x)].shape, values[id(x)].dtype), self._structure_out)

    # Inputs

    def _match_inputs(self, inputs: Any) -> list[Any]:
        """The values for the model's inputs, in order, from a value, a list, or a dict by input name."""
        own = self._structure_in
        if isinstance(inputs, dict):
            names = by_key(own) if isinstance(own, dict) else [x.name for x in self._graph.inputs]
            missing = [name for name in names if name not in inputs]
            if missing:
                raise ValueError(
                    f"Model '{self.name}': missing data for input(s) {missing}. You passed a data dictionary with keys "
                    f"{list(inputs)}; expected {names}."
                )
            if not isinstance(own, dict):
                return [inputs[name] for name in names]
            flat = [isinstance(own[name], KerasTensor) for name in names]
            parts = (
                [inputs[name]] if one else leaves_by_key(inputs[name]) for name, one in zip(names, flat, strict=True)
            )
            return [x for part in parts for x in part]
        if isinstance(own, dict) and isinstance(inputs, (list, tuple)):
            values = list(inputs)
        else:
            values = leaves_by_key(inputs)
        if (
            len(values) != len(self._graph.inputs)
            and len(self._graph.inputs) == 1
            and isinstance(inputs, (list, tuple))
            and not tensors_in(inputs)
        ):
            values = [np.asarray(inputs)]
        if len(values) != len(self._graph.inputs):
            raise ValueError(
                f'Layer "{self.name}" expects {len(self._graph.inputs)} input(s), but it received {len(values)} input '
                f"tensors. Expected {[(x.name, x.shape) for x in self._graph.inputs]}."
            )
        return values

    def _input_dtype(self, x: KerasTensor) -> str:
        return _current_dtype(x)

    def _standardize(self, inputs: Any) -> list[torch.Tensor]:
        """The inputs as tensors of the expected dtypes; ValueError where a shape does not fit."""
        tensors = []
        device = None if torch.compiler.is_compiling() else self._own_device()
        for own, value in zip(self._graph.inputs, self._match_inputs(inputs), strict=True):
            if own.dtype == "string":
                tensors.append(self._strings(own, value))
                continue
            dtype = torch_dtype(self._input_dtype(own))
            if not isinstance(value, torch.Tensor):
                array = np.asarray(value)
                if array.dtype.kind not in ("fiubc" if dtype.is_complex else "fiub"):
                    raise ValueError(
                        f"Model \"{self.name}\": input '{own.name}' must hold numbers, got an array of dtype {array.dtype}."
                    )
                value = tensor_of(array, self._device())
            elif device is not None:
                value = on_device(value, device)
            if value.dtype is not dtype:
                mask = getattr(value, "_keras_mask", None)
                value = value.to(dtype)
                if mask is not None:
                    value._keras_mask = mask  # type: ignore[attr-defined]
            shape = tuple(value.shape)
            if len(shape) == len(own.shape) - 1 and own.shape[-1] == 1:
                value = value.unsqueeze(-1)  # as Keras does for a column given flat
            elif len(shape) == len(own.shape) + 1 and shape[-1] == 1:
                value = value.squeeze(-1)
            shape = tuple(value.shape)
            self._check_shape(own, shape)
            tensors.append(value)
        return tensors

    def _strings(self, own: KerasTensor, value: Any) -> Any:
        """Strings as a NumPy array, which goes as it is into the layer that takes them: torch has no tensors of strings."""
        array = np.atleast_1d(np.asarray(value))
        if array.dtype.kind not in "USO":
            raise ValueError(
                f"Model \"{self.name}\": input '{own.name}' must hold strings, got an array of dtype {array.dtype}."
            )
        if array.ndim == len(own.shape) - 1 and own.shape[-1] == 1:
            array = array[..., None]
        self._check_shape(own, array.shape)
        return array

    def _check_shape(self, own: KerasTensor, shape: tuple) -> None:
        fits = len(shape) == len(own.shape) and all(
            want is None or got is None or want == got for want, got in zip(own.shape, shape, strict=True)
        )
        if not fits:
            raise ValueError(
                f"Input {self._graph.inputs.index(own)} ('{own.name}') of layer \"{self.name}\" is incompatible with the "
                f"layer: expected shape={own.shape}, found shape={shape}"
            )

    # What the graph says

    @property
    def layers(self) -> list[Layer]:
        """The layers, in tf.keras 2's order."""
        return list(self._graph.layers)

    @property
    def inputs(self) -> list[KerasTensor]:
        """The input tensors, in a list."""
        return list(self._graph.inputs)

    @property
    def outputs(self) -> list[KerasTensor]:
        """The output tensors, in a list."""
        return list(self._graph.outputs)

    @property
    def input(self) -> Any:
        """The inputs, in the structure in which they were given."""
        return self._structure_in

    @property
    def output(self) -> Any:
        """The outputs, in the structure in which they were given."""
        return self._structure_out

    @property
    def input_shape(self) -> Any:
        """The inputs' shapes."""
        return map_tensors(lambda x: x.shape, self._structure_in)

    @property
    def output_shape(self) -> Any:
        """The outputs' shapes."""
        return map_tensors(lambda x: x.shape, self._structure_out)

    @property
    def input_names(self) -> list[str]:
        """The names of the input layers."""
        return [x.node.layer.name for x in self._graph.inputs if x.node]

    @property
    def output_names(self) -> list[str]:
        """The names of the layers that the outputs come from, made unique."""
        names: list[str] = []
        for x in self._graph.outputs:
            assert x.node is not None
            base = x.node.layer.name
            names.append(base if base not in names else f"{base}_{sum(n.split('_')[0] == base for n in names)}")
        return names

    def _sublayers(self) -> list[Any]:
        return self._graph.layers

    def _module_key(self, layer: Layer) -> str:
        """The name of a layer in the module tree: its own if the user gave it, else its class's, numbered in this model,
        so that two builds of the same code have the same `state_dict` keys."""
        base = layer.name if layer._named_by_user else snake_case(type(layer).__name__)
        base = key = base.replace(".", "_") or "layer"
        n = 1
        while hasattr(self, key):
            key, n = (f"{base}_" if hasattr(type(self), base) and n == 1 else f"{base}_{n}"), n + 1
        return key

    def compute_output_shape(self, input_shape: Any) -> Any:
        """The shape(s) of the outputs for the given shape(s) of the inputs."""
        shapes = [input_shape] if isinstance(self._structure_in, KerasTensor) else input_shape
        if isinstance(shapes, dict):
            shapes = self._match_inputs(shapes)
        inputs = [KerasTensor(tuple(s), x.dtype) for s, x in zip(shapes, self._graph.inputs, strict=True)]
        return map_tensors(lambda x: x.shape, self.compute_output_spec(inputs))

    # Config

    def get_config(self) -> dict[str, Any]:
        """The architecture in tf.keras 2's form: layers with their inbound nodes, input and output layers."""
        return {"name": self.name, "trainable": self.trainable, **graph_config(self)}

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: dict[str, Any] | None = None) -> Any:
        """A model with the given architecture and new weights."""
        inputs, outputs, endpoints = graph_from_config(config, custom_objects)
        made_as = {"name": config.get("name"), "trainable": config.get("trainable", True)}
        model = cls(inputs=inputs, outputs=outputs, **made_as)
        if endpoints:
            model._end_at(endpoints)
        # Files of Keras 0.3 number weights in this order.
        model._order_in_config = tuple(layer.get("name") for layer in config["layers"])
        return model

    # Copies

    def __getstate__(self) -> dict[str, Any]:
        state = super().__getstate__()
        for key in ("_structure_in", "_structure_out", "_endpoints", "_graph", "_run", "_lowered", "_constructed_with"):
            state.pop(key, None)
        calls, ends = as_calls(self._graph.nodes, [self._structure_in, self._structure_out, self._endpoints])
        return {**state, "_calls": calls, "_ends": ends, "_run_version": -1}

    def __setstate__(self, state: dict[str, Any]) -> None:
        state = dict(state)
        calls, ends = state.pop("_calls"), state.pop("_ends")
        super().__setstate__(state)
        self._structure_in, self._structure_out, self._endpoints = from_calls(calls, ends)
        graph = sort_graph(tensors_in(self._structure_in), tensors_in(self._structure_out))
        self._graph = extended(graph, self._endpoints)
        self._run = None


def _begin_at(inputs: Any, outputs: Any, inner: dict[int, KerasTensor]) -> tuple[Any, Any]:
    """The same graph, with new Inputs in the place of the given tensors inside it: the layers are called anew."""
    values: dict[int, KerasTensor] = {}
    for x in inner.values():
        name = x.node.layer.name if x.node else (x.name or "input")
        values[id(x)] = Input(batch_shape=x.shape, dtype=x.dtype, name=f"{name}_input")
    nodes, _ = nodes_before(tensors_in(outputs), tensors_in(inputs))
    for node in nodes:
        new = [id(x) in values for x in tensors_in(node.outputs)]
        if all(new) or not any(id(x) in values for x in node.inputs):
            continue
        args, kwargs = map_tensors(lambda x: values.get(id(x), x), (node.args, node.kwargs))
        copied = map_tensors(lambda x: x.like(), node.outputs)
        Node(node.layer, args, kwargs, copied)
        values.update({id(a): b for a, b in zip(tensors_in(node.outputs), tensors_in(copied), strict=True)})
    return tuple(map_tensors(lambda x: values.get(id(x), x), structure) for structure in (inputs, outputs))  # type: ignore[return-value]


def _described(symbol: KerasTensor, value: Any) -> Any:
    """The value; a proxy knows from then on what it stands for."""
    if symbol.numbers is not None:
        return mark_sizes(value)
    if isinstance(value, fx.Proxy) and symbol.dtype != "string":
        describe(value, symbol.shape, torch_dtype(_current_dtype(symbol)))
    return value


def _as_tensor(symbol: KerasTensor, value: Any) -> Any:
    """Sizes, which functions pass on as numbers, as a tensor."""
    return value if symbol.numbers is None else as_tensor(value, dtype=torch_dtype(symbol.dtype))


def _takes_any_dtype(layer: Layer) -> bool:
    return isinstance(layer, FunctionLayer)


def _current_dtype(x: KerasTensor) -> str:
    """The dtype of a value now: floats follow their layer, which `.half()` and the like may have changed."""
    if "float" not in x.dtype or x.node is None or _takes_any_dtype(x.node.layer):
        return x.dtype
    return x.node.layer.compute_dtype
