"""Input, Dense, Embedding, Activation, and torch modules as layers."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import nn
from torch.utils import _pytree as pytree

from kerastorch import activations, constraints, initializers, regularizers
from kerastorch.config import standardize_dtype
from kerastorch.graph import KerasTensor, Node, tensors_in
from kerastorch.graph.names import unique_name
from kerastorch.layers.arguments import number
from kerastorch.layers.base import Layer
from kerastorch.layers.handing_on import HandsOnInKeras3
from kerastorch.layers.input_spec import InputSpec
from kerastorch.nn.uninitialized import uninitialized
from kerastorch.variables import IDENTITY, TRANSPOSED

__all__ = [
    "Activation",
    "Dense",
    "Embedding",
    "Identity",
    "Input",
    "InputLayer",
    "Masking",
    "TorchModuleWrapper",
]


class InputLayer(Layer):
    """Where a graph begins; `Input` makes it. Keras: tf.keras.layers.InputLayer."""

    supports_masking = True

    def __init__(
        self,
        input_shape: Any = None,
        batch_size: int | None = None,
        dtype: Any = None,
        input_tensor: Any = None,
        sparse: bool = False,
        name: str | None = None,
        ragged: bool = False,
        type_spec: Any = None,
        *,
        batch_input_shape: Any = None,
        batch_shape: Any = None,
        shape: Any = None,
        optional: bool = False,
        **kwargs: Any,
    ) -> None:
        input_shape = input_shape if input_shape is not None else shape
        batch_input_shape = batch_input_shape if batch_input_shape is not None else batch_shape
        if input_tensor is not None:
            batch_input_shape, dtype = tuple(input_tensor.shape), dtype or input_tensor.dtype
        if batch_input_shape is None:
            batch_input_shape = (batch_size, *_shape(input_shape if input_shape is not None else ()))
        super().__init__(name=name if name is not None else unique_name("input", from_one=True), **kwargs)
        self._named_by_user = name is not None
        self._variable_dtype = self._compute_dtype = self._policy = standardize_dtype(dtype)
        self.batch_input_shape = self._batch_input_shape = _shape(batch_input_shape)
        self.sparse, self.ragged, self.optional = bool(sparse), bool(ragged), optional
        self.built = True
        self.is_placeholder = True
        tensor = KerasTensor(self.batch_input_shape, self._variable_dtype, self.name, self.sparse)
        Node(self, (), {}, tensor)

    @property
    def input(self) -> Any:
        """The KerasTensor that it stands for, as `output`."""
        return self.output

    @property
    def input_shape(self) -> Any:
        """A list with the shape, as tf.keras has it."""
        return [self.batch_input_shape]

    def get_config(self) -> dict[str, Any]:
        """Shape, dtype, sparse, ragged and name, as tf.keras 2 has them."""
        return {
            "batch_input_shape": self.batch_input_shape,
            "dtype": self.dtype,
            "sparse": self.sparse,
            "ragged": self.ragged,
            "name": self.name,
        }


def _shape(shape: Any) -> tuple[int | None, ...]:
    if isinstance(shape, int):
        raise ValueError(f"The shape of an Input must be a tuple, got {shape!r}; write Input(({shape},)).")
    sizes = tuple(shape)
    if not all(n is None or (hasattr(n, "__index__") and int(n) >= 0) for n in sizes):
        raise ValueError(f"The shape of an Input must be a tuple of sizes and Nones, got {shape!r}.")
    return tuple(None if n is None else int(n) for n in sizes)


def Input(  # noqa: N802
    shape: Any = None,
    batch_size: int | None = None,
    name: str | None = None,
    dtype: Any = None,
    sparse: bool | None = None,
    tensor: Any = None,
    ragged: bool | None = None,
    type_spec: Any = None,
    **kwargs: Any,
) -> KerasTensor:
    """A symbolic tensor where a model's graph begins, of shape `(batch_size, *shape)`.

    shape: a tuple without the batch axis; or give batch_shape / batch_input_shape with it. dtype: default floatx.
    Raises ValueError where no shape is given, and for a shape that is no tuple. Keras: tf.keras.Input.
    """
    batch_shape = kwargs.pop("batch_shape", kwargs.pop("batch_input_shape", None))
    if shape is None and batch_shape is None and tensor is None:
        raise ValueError("Input needs a shape: Input((2,)) takes batches of vectors of length 2.")
    if shape is not None and batch_shape is not None:
        raise ValueError(f"Give Input either shape or batch_shape, not both: got {shape} and {batch_shape}.")
    layer = InputLayer(
        shape, batch_size, dtype, tensor, bool(sparse), name, bool(ragged), batch_input_shape=batch_shape, **kwargs
    )
    return layer.inbound_nodes[0].outputs


class Dense(Layer):
    """`activation(inputs @ kernel + bias)`, over the last axis.

    Shapes: (batch, ..., in) -> (batch, ..., units). kernel: (in, units); bias: (units,).
    Raises ValueError where units is no positive int, or the last axis is unknown.
    Keras: tf.keras.layers.Dense; torch: nn.Linear (weight is kernel transposed).
    """

    supports_masking = True
    casts_integers = True

    def __init__(
        self,
        units: int,
        activation: Any = None,
        use_bias: bool = True,
        kernel_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        kernel_regularizer: Any = None,
        bias_regularizer: Any = None,
        activity_regularizer: Any = None,
        kernel_constraint: Any = None,
        bias_constraint: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(activity_regularizer=activity_regularizer, **kwargs)
        if isinstance(units, bool) or int(units) != units or units <= 0:
            raise ValueError(f"Dense '{self.name}': units must be a positive integer, got units={units!r}.")
        self.units, self.use_bias = int(units), use_bias
        self.activation = activations.get(activation)
        self.kernel_initializer, self.bias_initializer = (
            initializers.get(kernel_initializer),
            initializers.get(bias_initializer),
        )
        self.kernel_regularizer, self.bias_regularizer = (
            regularizers.get(kernel_regularizer),
            regularizers.get(bias_regularizer),
        )
        self.kernel_constraint, self.bias_constraint = (
            constraints.get(kernel_constraint),
            constraints.get(bias_constraint),
        )
        self.input_spec = InputSpec(min_ndim=2)

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Makes kernel and bias for inputs whose last axis is known."""
        size = input_shape[-1]
        if size is None:
            raise ValueError(
                f"Dense '{self.name}': the last axis of the input must be known to make the kernel, got shape "
                f"{input_shape}. Give Input a shape, e.g. Input((2,))."
            )
        self.linear = uninitialized(nn.Linear, size, self.units, bias=self.use_bias)
        self.kernel = self.add_variable(
            "kernel",
            self.linear,
            "weight",
            TRANSPOSED,
            self.kernel_initializer,
            self.kernel_regularizer,
            self.kernel_constraint,
        )
        self.bias = None
        if self.use_bias:
            self.bias = self.add_variable(
                "bias",
                self.linear,
                "bias",
                IDENTITY,
                self.bias_initializer,
                self.bias_regularizer,
                self.bias_constraint,
            )
        self.input_spec = InputSpec(min_ndim=2, axes={-1: size})
        self.built = True

    def call(self, inputs: torch.Tensor) -> torch.Tensor:
        """(batch, ..., in) -> (batch, ..., units)."""
        return self.activation(self.linear(inputs))

    def compute_output_shape(self, input_shape: Any) -> Any:
        """(batch, ..., in) -> (batch, ..., units)."""
        return (*input_shape[:-1], self.units)


class Embedding(Layer):
    """Rows of a table, picked by integers.

    Shapes: (batch, ...) of integers -> (batch, ..., output_dim). embeddings: (input_dim, output_dim).
    mask_zero: 0 is padding, masked in what follows.
    Raises ValueError where a dim is not positive, or input_length does not fit the input.
    Keras: tf.keras.layers.Embedding; torch: nn.Embedding.
    """

    def __init__(
        self,
        input_dim: int,
        output_dim: int,
        embeddings_initializer: Any = "uniform",
        embeddings_regularizer: Any = None,
        activity_regularizer: Any = None,
        embeddings_constraint: Any = None,
        mask_zero: bool = False,
        input_length: Any = None,
        sparse: bool = False,
        **kwargs: Any,
    ) -> None:
        if not any(kwargs.get(key) for key in ("input_shape", "batch_input_shape", "input_dim")):
            lengths = input_length if isinstance(input_length, (list, tuple)) else (input_length,)
            kwargs["input_shape"] = tuple(lengths)
        super().__init__(activity_regularizer=activity_regularizer, **kwargs)
        if number(self, "input_dim", input_dim) <= 0 or number(self, "output_dim", output_dim) <= 0:
            raise ValueError(
                f"Embedding '{self.name}': input_dim and output_dim must be positive, got {input_dim} and {output_dim}."
            )
        self.input_dim, self.output_dim = input_dim, output_dim
        self.embeddings_initializer = initializers.get(embeddings_initializer)
        self.embeddings_regularizer = regularizers.get(embeddings_regularizer)
        self.embeddings_constraint = constraints.get(embeddings_constraint)
        self.mask_zero, self.supports_masking = mask_zero, mask_zero
        self.input_length, self.sparse = input_length, sparse

    def build(self, input_shape: Any = None) -> None:
        """Makes the table; the input's shape does not matter."""
        self.embedding = uninitialized(nn.Embedding, self.input_dim, self.output_dim, sparse=self.sparse)
        self.embeddings = self.add_variable(
            "embeddings",
            self.embedding,
            "weight",
            IDENTITY,
            self.embeddings_initializer,
            self.embeddings_regularizer,
            self.embeddings_constraint,
        )
        self.built = True

    def call(self, inputs: torch.Tensor) -> torch.Tensor:
        """(batch, ...) -> (batch, ..., output_dim); floats are truncated to integers, as Keras does."""
        return self.embedding(inputs.int())

    def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
        """True where the input is not 0, if `mask_zero`."""
        return torch.ne(inputs, 0) if self.mask_zero else None

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments; `sparse` only where it is set, as tf.keras knows no such key."""
        config = super().get_config()
        return config if self.sparse else {key: value for key, value in config.items() if key != "sparse"}

    def compute_output_dtype(self, input_dtype: str) -> str:
        """The table's dtype."""
        return self.compute_dtype

    def compute_output_shape(self, input_shape: Any) -> Any:
        """(batch, ...) -> (batch, ..., output_dim), with `input_length` filled in."""
        if self.input_length is None:
            return (*input_shape, self.output_dim)
        lengths = self.input_length if isinstance(self.input_length, (list, tuple)) else [self.input_length]
        given = tuple(input_shape[1:])
        if len(lengths) != len(given) or any(
            a is not None and b is not None and a != b for a, b in zip(lengths, given, strict=True)
        ):
            raise ValueError(
                f"Embedding '{self.name}': input_length is {self.input_length}, but the input has shape {input_shape}."
            )
        return (
            input_shape[0],
            *(b if a is None else a for a, b in zip(lengths, given, strict=True)),
            self.output_dim,
        )


class Activation(Layer):
    """An activation function as a layer; any shape. Keras: tf.keras.layers.Activation."""

    supports_masking = True

    def __init__(self, activation: Any, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.activation = activations.get(activation)

    def call(self, inputs: torch.Tensor) -> torch.Tensor:
        """The function of the inputs."""
        return self.activation(inputs)

    def compute_output_shape(self, input_shape: Any) -> Any:
        """The input's shape."""
        return input_shape


class Identity(HandsOnInKeras3):
    """What goes in comes out, without its mask, as in tf.keras 2.

    keras3_masking: with its mask, as in models from Keras 3.
    Shapes: any, kept. Keras: tf.keras.layers.Identity; torch: nn.Identity.
    """

    _text = False  # whether it was drawn on strings, which are no tensors

    def call(self, inputs: Any) -> Any:
        """The inputs, as tensors of their own: a mask belongs to the tensor that carries it."""
        if self._text:
            return inputs
        return pytree.tree_map(lambda x: x if isinstance(x, (np.ndarray, str, bytes)) else x.view_as(x), inputs)

    def compute_output_spec(self, *args: Any, **kwargs: Any) -> Any:
        """KerasTensors like the inputs."""
        self._text = any(x.dtype == "string" for x in tensors_in((args, kwargs)))
        return super().compute_output_spec(*args, **kwargs)

    def compute_output_shape(self, input_shape: Any) -> Any:
        """The input's shape."""
        return input_shape


class Masking(Layer):
    """Masks the time steps whose features all equal `mask_value`, and sets them to zero.

    Shapes: (batch, time, ..., features), kept. Keras: tf.keras.layers.Masking.
    """

    supports_masking = True

    def __init__(self, mask_value: float = 0.0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.mask_value = mask_value

    def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
        """True at the steps to be used: (batch, time, ...)."""
        return torch.any(torch.ne(inputs, self.mask_value), dim=-1)

    def call(self, inputs: torch.Tensor) -> torch.Tensor:
        """The inputs, zero at masked steps."""
        used = torch.any(torch.ne(inputs, self.mask_value), dim=-1, keepdim=True)
        return torch.mul(inputs, used)

    def compute_output_shape(self, input_shape: Any) -> Any:
        """The input's shape."""
        return input_shape


class TorchModuleWrapper(Layer):
    """Any torch module as a layer: its parameters and buffers are the layer's weights, its phase follows the layer's.

    Keras: keras.layers.TorchModuleWrapper (Keras 3).
    """

    _wraps_modules = True

    def __init__(self, module: nn.Module, name: str | None = None, output_shape: Any = None, **kwargs: Any) -> None:
        super().__init__(name=name, **kwargs)
        if not isinstance(module, nn.Module):
            raise TypeError(f"TorchModuleWrapper '{self.name}' wraps a torch.nn.Module, got {type(module).__name__}.")
        self.module, self._output_shape = module, output_shape
        self.built = True
        module.train(False)

    def call(self, *args: Any, **kwargs: Any) -> Any:
        """The module's own call."""
        return self.module(*args, **kwargs)

    def get_config(self) -> dict[str, Any]:
        """Raises TypeError: the code of a torch module cannot be written into a config."""
        raise TypeError(
            f"TorchModuleWrapper '{self.name}' holds a {type(self.module).__name__}, whose code cannot be written into a "
            "config. Write a Layer with get_config around it, or save weights only."
        )

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> TorchModuleWrapper:
        """Raises ValueError: Keras 3 pickles the module into the config, and what a file pickles could do anything."""
        raise ValueError(
            f"TorchModuleWrapper '{config.get('name')}': a torch module is not unpickled from a file. Make the model in "
            "your own code, and load its weights."
        )
