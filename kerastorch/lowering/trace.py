"""A drawn graph becomes one flat torch.fx graph of torch modules and functions.

The library's own layers are traced through: what is left of a Dense is one `nn.Linear` call and its activation. A
user's layer stands as one module call. Masks become ordinary nodes; what nobody uses goes.
"""

from __future__ import annotations

import copy
import keyword
import re
import threading
from collections.abc import Callable, Iterable
from typing import Any
from unittest import mock

import numpy as np
import torch
from torch import fx, nn
from torch.utils import _pytree as pytree

from kerastorch.config import torch_dtype
from kerastorch.layers.base import Layer
from kerastorch.lowering.batch_norm import InferredBatchNorm, is_batch_norm, on_last_axis
from kerastorch.lowering.convolution import ConvolutionOfFewPixels, has_large_kernel
from kerastorch.lowering.parallel import join_parallel
from kerastorch.variables import Variable

__all__ = ["ModelTracer", "Traced", "trace"]


class Traced:
    """A traced model: the fx graph, and what its targets mean.

    modules: target -> module, for `call_module` nodes and the owners in `get_attr` targets ('owner.weight').
    has_extras: the output is then a triple: outputs, list of losses, list of the outputs' masks (None for one without).
    """

    def __init__(self, graph: fx.Graph, modules: dict[str, nn.Module], has_extras: bool) -> None:
        self.graph, self.modules, self.has_extras = graph, modules, has_extras

    def compile(self) -> Callable[..., Any]:
        """The graph as one Python function of the input tensors.

        It reads its modules from a plain object: cheaper than nn.Module's attribute look-up, and always the model's own
        modules and parameters, whatever `.to()` did to them.
        """
        namespace = _Namespace()
        lenders = {str(node.target).partition(".")[0] for node in self.graph.nodes if node.op == "get_attr"}
        for name, module in self.modules.items():
            stand_in = None if name in lenders else _stand_in(module)
            setattr(namespace, name, stand_in or self.owner(name, module))
        graph = copy.deepcopy(self.graph)
        for name, made in {**join_parallel(graph, self.modules), **on_last_axis(graph, self.modules)}.items():
            setattr(namespace, name, made)
        code = graph.python_code("self")
        scope = dict(code.globals)
        exec(compile(code.src, "<kerastorch model>", "exec"), scope)
        return scope["forward"].__get__(namespace)

    def owner(self, name: str, module: nn.Module) -> nn.Module:
        """The module under a target: a layer that only lends its own weights is replaced by a plain module that shares
        them, so that its Keras-shaped handles of the same names do not stand before them."""
        if not isinstance(module, Layer) or any(n.op == "call_module" and n.target == name for n in self.graph.nodes):
            return module
        plain = nn.Module()
        plain._parameters, plain._buffers = module._parameters, module._buffers
        return plain


def _stand_in(module: nn.Module) -> Callable[..., torch.Tensor] | None:
    """What computes the same faster, at times."""
    if is_batch_norm(module):
        return InferredBatchNorm(module)
    return ConvolutionOfFewPixels(module) if has_large_kernel(module) else None


class _Namespace:
    """What the generated function calls `self`."""


class ModelTracer(fx.Tracer):
    """Runs a model's layers on proxies. `opaque`: whether layers that users wrote stand as one module call."""

    proxy_buffer_attributes = True

    def __init__(self, root: nn.Module, opaque: bool = True) -> None:
        super().__init__()
        self.root, self.opaque = root, opaque
        self.graph = fx.Graph(tracer_cls=type(self))
        self.modules: dict[str, nn.Module] = {}
        self.losses: list[fx.Proxy] = []
        self._targets: dict[int, str] = {}
        self._paths = {id(m): path for path, m in root.named_modules(remove_duplicate=False)}
        self._weights: dict[tuple[int, str], fx.Proxy] = {}
        self._phases: list[bool | None] = [None]
        self._layers: list[Layer] = []

    def target_of(self, module: nn.Module) -> str:
        """The flat name of a module: its path in the model, without the last part where that says nothing new."""
        if id(module) not in self._targets:
            path = self._paths.get(id(module))
            if path is None:
                path, outer = type(module).__name__.lower(), None
            else:
                outer = self.root.get_submodule(path.rpartition(".")[0]) if "." in path else None
            if isinstance(outer, Layer) and len(outer._modules) == 1:
                path = path.rpartition(".")[0]
            base = name = re.sub(r"\W", "_", path, flags=re.ASCII) or "model"
            if name[0].isdigit() or keyword.iskeyword(name):
                base = name = f"_{name}"
            n = 1
            while name in self.modules:
                name, n = f"{base}_{n}", n + 1
            self._targets[id(module)], self.modules[name] = name, module
        return self._targets[id(module)]

    # What torch.fx asks of a tracer

    def create_node(self, *args: Any, **kwargs: Any) -> fx.Node:
        """Notes at each node the layer that it comes from, for readable source."""
        node = super().create_node(*args, **kwargs)
        if self._layers:
            node.meta["layer"] = self._layers[-1]
        return node

    def create_arg(self, a: Any) -> Any:
        """A parameter, buffer or other tensor met as an argument becomes a `get_attr` node."""
        if isinstance(a, Variable):
            a = a.value
        if isinstance(a, torch.Tensor) and not isinstance(a, fx.Proxy):
            for module in self.root.modules():
                for name, tensor in (*module._parameters.items(), *module._buffers.items()):
                    if tensor is a:
                        return self._weight(module, name).node
            return self._weight(_constant(self, a), "value").node
        return super().create_arg(a)

    def call_module(self, m: nn.Module, forward: Callable, args: tuple, kwargs: dict[str, Any]) -> Any:
        """A torch module met within a layer's `call` is one node."""
        return self.create_proxy("call_module", self.target_of(m), args, kwargs)

    def _weight(self, module: nn.Module, name: str) -> fx.Proxy:
        key = (id(module), name)
        if key not in self._weights:
            self._weights[key] = self.create_proxy("get_attr", f"{self.target_of(module)}.{name}", (), {})
        return self._weights[key]

    # What Layer.__call__ asks when it meets proxies

    def call_layer(self, layer: Layer, args: tuple, kwargs: dict[str, Any]) -> Any:
        """Traces through a layer of the library; makes one module call of another."""
        if any(isinstance(x, np.ndarray) for x in pytree.tree_leaves((args, kwargs))):  # constants
            args, kwargs = layer._cast(args), layer._cast(kwargs)
        first = args[0] if args else next(iter(kwargs.values()), None)
        parameters = layer._call_parameters()
        kwargs = dict(kwargs)
        training = kwargs.pop("training", None)
        training = self._phases[-1] if training is None else training
        mask = kwargs.get("mask")
        if mask is None:
            masks = pytree.tree_map(_mask_of, first, is_leaf=lambda x: isinstance(x, fx.Proxy))
            mask = masks if any(m is not None for m in pytree.tree_leaves(masks)) else None
            if "mask" in parameters and mask is not None:
                kwargs["mask"] = mask
        if layer.is_traceable or not self.opaque:
            if "training" in parameters:
                kwargs["training"] = training
            self._phases.append(training)
            self._layers.append(layer)
            run = layer.forward if layer._has_own_forward() else layer.call
            outputs = _like_recorded(layer, run(*args, **kwargs))
            self._layers.pop()
            self._phases.pop()
        else:
            if training is not None:
                kwargs["training"] = training
            outputs = self.call_module(layer, layer.forward, args, kwargs)
            outputs.node.meta["layer"] = layer
            outputs = _like_recorded(layer, outputs)
        if layer._hands_on_masks():
            self._set_masks(outputs, layer.compute_mask(first, mask))
        if layer.activity_regularizer is not None and layer.is_traceable:
            for x in _proxies(outputs):
                self.losses.append(layer.activity_regularizer(x) / x.shape[0])
        return outputs

    @staticmethod
    def _set_masks(outputs: Any, masks: Any) -> None:
        if masks is None:
            return
        for x, mask in zip(_proxies(outputs), masks if isinstance(masks, (list, tuple)) else [masks], strict=False):
            if mask is not None and isinstance(x, fx.Proxy):
                x.__dict__["_keras_mask"] = mask

    def cast(self, proxy: fx.Proxy, layer: Layer, dtype: str) -> fx.Proxy:
        """The proxy in the layer's dtype, where one that it casts has another."""
        wanted = "float" in dtype or (layer.casts_integers and dtype != "string")
        if not wanted or "float" not in layer.compute_dtype or dtype == layer.compute_dtype:
            return proxy
        cast = proxy.to(torch_dtype(layer.compute_dtype))
        if "_keras_mask" in proxy.__dict__:
            cast.__dict__["_keras_mask"] = proxy.__dict__["_keras_mask"]
        return cast

    def patches(self) -> Any:
        """Within this context, modules called on proxies and weights read in this thread become nodes."""
        here = threading.get_ident()
        call, get = nn.Module.__call__, nn.Module.__getattr__

        def traced_call(module: nn.Module, *args: Any, **kwargs: Any) -> Any:
            if threading.get_ident() != here or not _proxies((args, kwargs)):
                return call(module, *args, **kwargs)
            return self.call_module(module, module.forward, args, kwargs)

        def traced_get(module: nn.Module, name: str) -> Any:
            value = get(module, name)
            if threading.get_ident() == here and isinstance(value, torch.Tensor) and id(module) in self._paths:
                return self._weight(module, name)
            return value

        return mock.patch.multiple(nn.Module, __call__=traced_call, __getattr__=traced_get)


class _Constant(nn.Module):
    def __init__(self, value: torch.Tensor) -> None:
        super().__init__()
        self.register_buffer("value", value)


def _constant(tracer: ModelTracer, value: torch.Tensor) -> nn.Module:
    module = _Constant(value)
    tracer._paths[id(module)] = f"constant{len(tracer._paths)}"
    tracer.modules[tracer._paths[id(module)]] = module
    tracer._targets[id(module)] = tracer._paths[id(module)]
    return module


def _mask_of(x: Any) -> Any:
    return x.__dict__.get("_keras_mask") if isinstance(x, fx.Proxy) else None


def _proxies(structure: Any) -> list[fx.Proxy]:
    if isinstance(structure, fx.Proxy):
        return [structure]
    if isinstance(structure, (list, tuple)):
        return [p for x in structure for p in _proxies(x)]
    if isinstance(structure, dict):
        return [p for x in structure.values() for p in _proxies(x)]
    return []


def _like_recorded(layer: Layer, proxy: Any) -> Any:
    """A module or torch function returns one proxy; where the layer is known to return a list or dict, its parts."""
    if not isinstance(proxy, fx.Proxy) or not layer.inbound_nodes:
        return proxy
    return _parts(layer.inbound_nodes[0].outputs, proxy)


def _parts(outputs: Any, proxy: fx.Proxy) -> Any:
    if isinstance(outputs, dict):
        return {key: _parts(x, proxy[key]) for key, x in outputs.items()}
    if isinstance(outputs, (list, tuple)):
        return type(outputs)([_parts(x, proxy[i]) for i, x in enumerate(outputs)])
    return proxy


def trace(model: Any, opaque: bool = True, with_extras: bool = True) -> Traced:
    """The fx graph of a Functional model: placeholders for its inputs in order, named as they are."""
    tracer = ModelTracer(model, opaque)
    with tracer.patches():
        inputs = [
            tracer.create_proxy("placeholder", name, (), {}) for name in _identifiers(x.name for x in model.inputs)
        ]
        outputs = model.run_nodes(inputs)
        masks = [_mask_of(x) for x in _proxies(outputs)]
        has_extras = with_extras and (bool(tracer.losses) or any(mask is not None for mask in masks))
        result = (outputs, list(tracer.losses), masks) if has_extras else outputs
        tracer.create_node("output", "output", (tracer.create_arg(result),), {})
    remove_unused(tracer.graph)
    tracer.graph.lint()
    return Traced(tracer.graph, tracer.modules, has_extras)


def _identifiers(names: Iterable[str]) -> list[str]:
    found: list[str] = []
    for name in map(_identifier, names):
        while name in found:
            name += "_"
        found.append(name)
    return found


def _identifier(name: str) -> str:
    cleaned = re.sub(r"\W", "_", name, flags=re.ASCII)
    unfit = not cleaned[:1].isalpha() or keyword.iskeyword(cleaned) or cleaned == "self"
    return f"x_{cleaned}" if unfit else cleaned


def remove_unused(graph: fx.Graph) -> None:
    """Erases the nodes whose values nobody uses: unasked masks, mostly."""
    for node in reversed(graph.nodes):
        if not node.users and node.op not in ("placeholder", "output"):
            graph.erase_node(node)
