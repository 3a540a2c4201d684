"""`Layer`: a Keras layer that is a torch module.

Called on a symbolic tensor it records a node; called on a real tensor it computes; called while a model is lowered, on
torch.fx proxies, the library's own layers are traced through and others stand as one module call.
"""

from __future__ import annotations

import contextlib
import copy
import inspect
import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.utils import _pytree as pytree
from torch.utils._python_dispatch import _disable_current_modes

from kerastorch import constraints, initializers, regularizers
from kerastorch.arrays import tensor_of
from kerastorch.config import torch_dtype
from kerastorch.graph import Node, is_symbolic, name_scope, scoped, snake_case
from kerastorch.graph.names import unique_name
from kerastorch.layers.dtypes import DTypeMixin, structure_version
from kerastorch.layers.history import NODE_PARTS, HistoryMixin
from kerastorch.layers.input_spec import check_inputs
from kerastorch.layers.phase import PhaseMixin, phase
from kerastorch.layers.stored import StoredMixin
from kerastorch.layers.structures import on_device, real_tensors, shape_of, tracer_in
from kerastorch.layers.symbolic_calls import ACTIVATIONS, SymbolicCallsMixin
from kerastorch.layers.tracking import NO_PARTS, named_parts, settle, to_default_device, tracked
from kerastorch.layers.weights import WeightsMixin, losses_were_added
from kerastorch.registry import Configurable
from kerastorch.variables import IDENTITY, Layout, Variable, initializes_now

__all__ = ["Layer"]

_FOREIGN_KEYWORDS = (
    "input_dim",
    "input_shape",
    "batch_input_shape",
    "batch_size",
    "weights",
    "autocast",
    "implementation",
)
"""Keywords that Keras 2 takes on every layer beside name, trainable and dtype."""


_PARTS = (nn.Module, torch.Tensor, list, tuple, dict)
"""What torch's own `__setattr__`, a slow one, and the search for layers have to do with."""


class _Calls(threading.local):
    """How many layers' calls are running, one within the other, in this thread."""

    depth = 0


_calls = _Calls()


class Layer(
    DTypeMixin, PhaseMixin, WeightsMixin, StoredMixin, HistoryMixin, SymbolicCallsMixin, Configurable, nn.Module
):
    """The base of all layers: write `build(input_shape)` to make weights and `call(inputs)` to use them.

    trainable: whether the weights are trained. name: by default the class's name in snake case, made unique.
    dtype: of the weights and the computation; or a policy such as 'mixed_bfloat16' (float32 weights).
    activity_regularizer: of the output, added to `losses`. input_shape / batch_input_shape / input_dim: what a
    Sequential model takes in, on its first layer.
    Raises TypeError for a keyword that it does not know.
    Keras: tf.keras.layers.Layer.
    """

    supports_masking = False
    casts_integers = False
    """Whether inputs of whole numbers are cast to the layer's dtype as well, as some layers of tf.keras do."""

    def __init__(
        self, trainable: bool = True, name: str | None = None, dtype: Any = None, dynamic: bool = False, **kwargs: Any
    ) -> None:
        set_before = self.__dict__.get("_modules", {})
        nn.Module.__init__(self)
        self._modules.update(set_before)
        if name is not None and not isinstance(name, str):
            raise TypeError(f"The name of a layer must be a string, got name={name!r}.")
        unknown = [key for key in kwargs if key not in (*_FOREIGN_KEYWORDS, "activity_regularizer")]
        if unknown:
            raise TypeError(f"{type(self).__name__}: keyword argument not understood: {', '.join(map(repr, unknown))}.")
        self.training = self._begins_in_training()
        self._name = name if name is not None else unique_name(self._default_name())
        self._named_by_user = name is not None
        self._trainable = bool(trainable)
        self._set_dtype_policy(dtype)
        self.built = False
        self.input_spec: Any = None
        self.stateful = False
        self.inbound_nodes: list[Node] = []
        self._variables: list[Variable] = []
        self._losses: list[Any] = []
        if not hasattr(self, "activity_regularizer"):
            self.activity_regularizer = regularizers.get(kwargs.get("activity_regularizer"))
        self._batch_input_shape = _batch_input_shape(kwargs)
        self._initial_weights = kwargs.get("weights")

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        own = cls.__dict__
        if "forward" in own and getattr(cls.call, "is_default", False) and not cls.__module__.startswith("kerastorch."):
            # As who comes from torch writes it.
            setattr(cls, "call", own["forward"])  # noqa: B010
            del cls.forward

    @classmethod
    def _default_name(cls) -> str:
        return snake_case(cls.__name__)

    # What a subclass writes

    def build(self, input_shape: Any) -> None:
        """Makes the weights, given the shape(s) of the first argument of `call`, None where open."""
        self.built = True

    def call(self, inputs: Any) -> Any:
        """Computes the outputs. May also take `training` and `mask`."""
        return inputs

    call.is_default = True  # type: ignore[attr-defined]

    # Names

    @property
    def name(self) -> str:
        """The layer's name, unique within a model."""
        return self._name

    # Building

    def add_weight(
        self,
        name: str | None = None,
        shape: Any = (),
        dtype: Any = None,
        initializer: Any = None,
        regularizer: Any = None,
        trainable: bool | None = None,
        constraint: Any = None,
        **kwargs: Any,
    ) -> Variable:
        """Makes a weight of the given shape; a trainable one is a parameter of this module, another a buffer.

        initializer: a name, config or callable; by default 'glorot_uniform' for floats and zeros for the rest.
        Returns the `Variable`. Keras: Layer.add_weight.
        """
        if name is not None and not isinstance(name, str):
            name, shape = None, name  # Keras 3 has the shape first
        size = (shape,) if isinstance(shape, int) else tuple(shape)
        if None in size:
            raise ValueError(f"Layer '{self.name}': a weight needs a known shape, got {size}. Give the Input a shape.")
        dtype = torch_dtype(dtype or self._variable_dtype)
        if initializer is None:
            initializer = "glorot_uniform" if dtype.is_floating_point else "zeros"
        key = _free_key(self, (name or "variable").replace(".", "_"))
        empty = torch.empty(size, dtype=dtype, device="meta")
        if trainable is not False and dtype.is_floating_point:
            self.register_parameter(key, nn.Parameter(empty))
        else:
            self.register_buffer(key, empty)
        return self.add_variable(
            name or "variable",
            self,
            key,
            initializer=initializer,
            regularizer=regularizer,
            constraint=constraint,
            trainable=trainable is not False and dtype.is_floating_point,
        )

    def add_variable(
        self,
        name: str,
        module: nn.Module,
        attribute: str,
        layout: Layout = IDENTITY,
        initializer: Any = "zeros",
        regularizer: Any = None,
        constraint: Any = None,
        trainable: bool = True,
    ) -> Variable:
        """Makes the Keras-shaped handle on the parameter or buffer `attribute` of a torch module made on the meta
        device, and gives it its initial values (unless a file is about to).

        Returns the `Variable`, named `layer/name:0`.
        """
        variable = Variable(
            module,
            attribute,
            scoped(f"{name}:0"),
            layout,
            trainable,
            initializers.get(initializer) or initializers.get("glorot_uniform"),
            regularizers.get(regularizer),
            constraints.get(constraint),
        )
        tensor = variable.tensor
        wanted = torch_dtype(self._variable_dtype)
        if tensor.is_meta and tensor.is_floating_point() and module is not self and tensor.dtype != wanted:
            module.to(wanted)
            tensor = variable.tensor
        if initializes_now():
            variable.initialize()
        if isinstance(tensor, nn.Parameter):
            variable.tensor.requires_grad_(trainable and self._trainable)
        if self.built:  # the module of the same weight, of an earlier build, has another one in its place
            held = set(self.modules())
            self._variables = [v for v in self._variables if v.name != variable.name or v._module in held]
        self._variables.append(variable)
        return variable

    def _build_for(self, args: tuple, kwargs: dict[str, Any]) -> None:
        """Builds the layer for its first argument, once."""
        if self.built:
            return
        shape = self._built_for = shape_of(args[0] if args else next(iter(kwargs.values()), None))
        self._build_with(lambda: self.build(shape))

    def _build_with(self, build: Callable[[], None]) -> None:
        settle(self)
        with torch.inference_mode(False), _disable_current_modes(), name_scope(self.name):
            build()
        settle(self)
        for child in self.children():
            self._adopt(child)
        if not self._trainable:
            self.trainable = False  # for the layers made in build, too
        self.built = True
        structure_version[0] += 1
        if self._initial_weights is not None:
            self.set_weights(self._initial_weights)
            self._initial_weights = None

    # Calling

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if not args and (first := self._call_parameters()[:1]) and first[0] in kwargs:
            args = (kwargs.pop(first[0]),)
        if is_symbolic(args) or (kwargs and is_symbolic(kwargs)):
            return self._call_symbolically(args, kwargs)
        tracer = tracer_in((args, kwargs))
        if tracer is not None:
            return tracer.call_layer(self, args, kwargs)
        if torch.compiler.is_compiling():
            return self._call_eagerly(args, kwargs)
        if not _calls.depth and losses_were_added[0]:
            self._clear_losses()
        _calls.depth += 1
        try:
            return self._call_eagerly(args, kwargs)
        finally:
            _calls.depth -= 1

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """What torch runs: `call`."""
        return self.call(*args, **kwargs)

    def _is_ours(self) -> bool:
        return type(self).call.__module__.startswith("kerastorch.")

    def _has_own_forward(self) -> bool:
        """Whether a user's class says what torch runs, around `call`."""
        return not type(self).forward.__module__.startswith("kerastorch.")

    def _call_eagerly(self, args: tuple, kwargs: dict[str, Any]) -> Any:
        device = None if torch.compiler.is_compiling() else self._own_device()
        if device is not None and (kwargs or [getattr(x, "device", None) for x in args] != [device]):
            args, kwargs = on_device(args, device), on_device(kwargs, device)
        args, kwargs = self._cast(args), self._cast(kwargs)
        if not self.built:
            return self._first_call(args, kwargs)
        first = args[0] if args else next(iter(kwargs.values()), None)
        if self.input_spec is not None:
            check_inputs(self, self.input_spec, [tuple(x.shape) for x in real_tensors(first)])
        parameters = self._call_parameters()
        training = kwargs.pop("training", None)
        training = None if training is None else bool(training)
        if "training" in parameters:
            kwargs["training"] = self.training if training is None else training
        masks = None
        hands_on_masks = self._hands_on_masks()
        if hands_on_masks or "mask" in parameters:
            masks = kwargs.get("mask")
            if masks is None:
                masks = pytree.tree_map(lambda x: getattr(x, "_keras_mask", None), first)
                if any(m is not None for m in pytree.tree_leaves(masks)):
                    if "mask" in parameters:
                        kwargs["mask"] = masks
                else:
                    masks = None
        if self.is_mixed:
            outputs = self._call_in_mixed_precision(args, kwargs, training)
        elif training is None or training == self.training:
            outputs = nn.Module.__call__(self, *args, **kwargs)
        else:
            with phase(self, training):
                outputs = nn.Module.__call__(self, *args, **kwargs)
        if hands_on_masks:
            self._set_mask(outputs, self.compute_mask(first, masks))
        if self.activity_regularizer is not None:
            for x in real_tensors(outputs):
                self.add_loss(self.activity_regularizer(x) / x.shape[0])
        return outputs

    def _call_in_mixed_precision(self, args: tuple, kwargs: dict[str, Any], training: bool | None) -> Any:
        """The call under torch's autocast: the weights stay as they are, the outputs get the compute dtype."""
        low = torch_dtype(self._compute_dtype)
        told = contextlib.nullcontext() if training is None else phase(self, training)
        with told, torch.autocast(self._device().type, low):
            outputs = nn.Module.__call__(self, *args, **kwargs)
        return pytree.tree_map(
            lambda x: x.to(low) if isinstance(x, torch.Tensor) and x.is_floating_point() else x, outputs
        )

    def _first_call(self, args: tuple, kwargs: dict[str, Any]) -> Any:
        first = args[0] if args else next(iter(kwargs.values()), None)
        if self.input_spec is not None:
            check_inputs(self, self.input_spec, [tuple(x.shape) for x in real_tensors(first)])
        self._build_for(args, kwargs)
        with name_scope(self.name):  # sublayers may be built by the call
            return self._call_eagerly(args, kwargs)

    @staticmethod
    def _set_mask(outputs: Any, masks: Any) -> None:
        if masks is None:
            return
        for x, mask in zip(real_tensors(outputs), masks if isinstance(masks, (list, tuple)) else [masks], strict=False):
            if mask is not None:
                x._keras_mask = mask

    def _cast(self, structure: Any) -> Any:
        """NumPy arrays become tensors; floating ones get the layer's compute dtype."""
        if isinstance(structure, torch.Tensor):
            if "float" not in self._compute_dtype or not (structure.is_floating_point() or self.casts_integers):
                return structure
            dtype = torch_dtype(self._compute_dtype)
            if structure.dtype == dtype:
                return structure
            cast = structure.to(dtype)
            if hasattr(structure, "_keras_mask"):
                cast._keras_mask = structure._keras_mask
            return cast
        if isinstance(structure, (list, tuple)) and not hasattr(structure, "_fields"):
            return type(structure)(self._cast(x) for x in structure)
        if isinstance(structure, dict):
            return {key: self._cast(x) for key, x in structure.items()}
        if isinstance(structure, Variable):
            return structure.value
        if isinstance(structure, (np.ndarray, np.generic)) and structure.dtype.kind in "fiub":
            return self._cast(tensor_of(structure, self._device()))
        return structure

    # Attributes

    def __setattr__(self, name: str, value: Any) -> None:
        if (isinstance(value, _PARTS) or _is_registered(self, name)) and not isinstance(value, Variable):
            self._set_part(name, value)
        else:
            object.__setattr__(self, name, value)
        if (name in self._live or name in ACTIVATIONS) and self.__dict__.get("built"):
            structure_version[0] += 1
            if name in self._live:
                self._renew()

    _live: tuple[str, ...] = ()
    """Attributes that `build` goes by and that may be set later all the same."""

    def _renew(self) -> None:
        """Has an attribute of `_live` that was set act on what `build` made."""
        self._build_anew()

    def _set_part(self, name: str, value: Any) -> None:
        """Sets what may hold modules or tensors, or stands in the place of one."""
        if type(value) in (list, dict) and name not in NO_PARTS:
            value = tracked(value)
            if not isinstance(value, nn.Module):  # in the place of an empty list, say
                self.__dict__.get("_modules", {}).pop(name, None)
        if isinstance(value, nn.Module):
            if "_modules" not in self.__dict__:  # before super().__init__()
                nn.Module.__init__(self)
                self._modules[name] = value
                return
            if isinstance(getattr(type(self), name, None), property):
                object.__setattr__(self, name, value)
                return
            if "training" in self.__dict__:
                if not isinstance(value, Layer):
                    to_default_device(value)
                self._adopt(value)
        elif isinstance(value, (tuple, list, dict)):
            if isinstance(value, (tuple, dict)) and name not in NO_PARTS:
                for key, layer in named_parts(name, value):
                    self.add_module(key, layer)
            if not _is_registered(self, name):
                object.__setattr__(self, name, value)
                return
        super().__setattr__(name, value)

    def __getattr__(self, name: str) -> Any:
        if name in NODE_PARTS:
            # torch asks here after a property has raised, and would tell less.
            return self._node_property(name, None)
        return nn.Module.__getattr__(self, name)

    def register_forward_hook(self, *args: Any, **kwargs: Any) -> Any:
        """As torch's; a model that holds this layer calls it as a module from then on, so that the hook runs."""
        structure_version[0] += 1
        return super().register_forward_hook(*args, **kwargs)

    def register_forward_pre_hook(self, *args: Any, **kwargs: Any) -> Any:
        """As torch's; a model that holds this layer calls it as a module from then on, so that the hook runs."""
        structure_version[0] += 1
        return super().register_forward_pre_hook(*args, **kwargs)

    @property
    def is_traceable(self) -> bool:
        """Whether lowering looks through `call`: the library wrote it, nothing stands around it, no hook wants to see the call,
        and it needs no autocast of its own."""
        own = self._is_ours() and not self._has_own_forward()
        return own and not self._forward_hooks and not self._forward_pre_hooks and not self.is_mixed

    # Config and state

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments as JSON-able values, after name, trainable and dtype."""
        config: dict[str, Any] = {"name": self.name, "trainable": self.trainable}
        if self._batch_input_shape is not None:
            config["batch_input_shape"] = self._batch_input_shape
        config["dtype"] = self._policy_config()
        automatic = type(self).get_config is Layer.get_config
        owner = type(self) if automatic else _library_class(type(self))
        if owner is not None and owner.__init__ is not Layer.__init__:
            config.update({k: v for k, v in self._constructor_config(owner).items() if k not in config})
        if automatic:  # of a class whose constructor passes nothing on, only what that takes
            parameters = inspect.signature(type(self).__init__).parameters  # type: ignore[misc]
            if not any(p.kind is p.VAR_KEYWORD for p in parameters.values()):
                config = {key: value for key, value in config.items() if key in parameters}
        return config

    def __getstate__(self) -> dict[str, Any]:
        # The calls belong to the models that made them; a copy of a layer starts with none.
        return {**self.__dict__, "inbound_nodes": [], "_losses": [], "_first_tensor": None}

    def __deepcopy__(self, memo: dict) -> Any:
        new = type(self).__new__(type(self))
        memo[id(self)] = new
        new.__setstate__(copy.deepcopy(self.__getstate__(), memo))
        return new

    def extra_repr(self) -> str:
        """The name, in `print(layer)`."""
        return f"name={self.name!r}"

    __str__ = nn.Module.__repr__

    def __repr__(self) -> str:
        return f"<kerastorch.{type(self).__name__} name={self.name}, built={self.built}>"


def _library_class(cls: type) -> type | None:
    """The first class of the library among a class's bases, itself included."""
    return next((c for c in cls.__mro__ if c.__module__.startswith("kerastorch.") and "__init__" in c.__dict__), None)


def _batch_input_shape(kwargs: dict[str, Any]) -> tuple | None:
    if kwargs.get("batch_input_shape") is not None:
        return tuple(kwargs["batch_input_shape"])
    shape = kwargs.get("input_shape")
    if shape is None and kwargs.get("input_dim") is not None:
        shape = (kwargs["input_dim"],)
    return None if shape is None else (kwargs.get("batch_size"), *shape)


def _is_registered(module: nn.Module, name: str) -> bool:
    own = module.__dict__
    return "_buffers" in own and (name in own["_parameters"] or name in own["_modules"] or name in own["_buffers"])


def _free_key(module: nn.Module, key: str) -> str:
    taken, base, n = {*module._parameters, *module._buffers, *module._modules}, key, 1
    while key in taken:
        key, n = f"{base}_{n}", n + 1
    return key
