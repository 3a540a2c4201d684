"""MultiHeadAttention, and GroupQueryAttention of Keras 3."""

from __future__ import annotations

import functools
import inspect
from typing import Any

import torch
from torch import nn

from kerastorch import activations, constraints, initializers, regularizers
from kerastorch.graph import KerasTensor, name_scope
from kerastorch.layers.arguments import number, sizes, whole
from kerastorch.layers.base import Layer
from kerastorch.nn.attention import MultiHeadDotProduct, ScoresMask
from kerastorch.nn.uninitialized import uninitialized
from kerastorch.variables import Layout

__all__ = ["GroupQueryAttention", "GroupedQueryAttention", "MultiHeadAttention"]


def _kernel_to_keras(x: torch.Tensor, inner: tuple[int, ...], outer: tuple[int, ...]) -> torch.Tensor:
    return x.t().unflatten(1, outer).unflatten(0, inner)


def _kernel_to_torch(x: torch.Tensor, inner: tuple[int, ...], outer: tuple[int, ...]) -> torch.Tensor:
    return x.flatten(0, len(inner) - 1).flatten(1).t()


def _bias_to_keras(x: torch.Tensor, outer: tuple[int, ...]) -> torch.Tensor:
    return x.unflatten(0, outer)


class _Projection(Layer):
    """A linear map between flat axes that Keras shows split: kernel (*inner, *outer), bias (*outer)."""

    def __init__(
        self, inner: tuple[int, ...], outer: tuple[int, ...], use_bias: bool, activation: Any = None, **kwargs: Any
    ) -> None:
        self._options = {key: kwargs.pop(key) for key in list(kwargs) if key.startswith(("kernel_", "bias_"))}
        super().__init__(**kwargs)
        self.inner, self.outer, self.use_bias = tuple(inner), tuple(outer), use_bias
        self.activation = activations.get(activation)

    def build(self, input_shape: Any = None) -> None:
        """Makes kernel and bias."""
        sizes = {"inner": self.inner, "outer": self.outer}
        into, out = (torch.Size(x).numel() for x in (self.inner, self.outer))
        self.linear = uninitialized(nn.Linear, into, out, bias=self.use_bias)
        for name, attribute in (("kernel", "weight"), ("bias", "bias"))[: 1 + self.use_bias]:
            if name == "kernel":
                to_keras, to_torch = (functools.partial(f, **sizes) for f in (_kernel_to_keras, _kernel_to_torch))
            else:
                to_keras, to_torch = functools.partial(_bias_to_keras, outer=self.outer), torch.flatten  # type: ignore[assignment]
            made = self.add_variable(
                name,
                self.linear,
                attribute,
                Layout(f"heads: {sizes}", to_keras, to_torch),
                **{key: self._options[f"{name}_{key}"] for key in ("initializer", "regularizer", "constraint")},
            )
            setattr(self, name, made)
        self.built = True

    def call(self, inputs: torch.Tensor) -> torch.Tensor:
        """(batch, ..., in) -> (batch, ..., out), flat."""
        return self.activation(self.linear(inputs))


def _fresh(kind: Any, obj: Any) -> Any:
    """Another object of the same config, as two weights must not share an initializer's seed."""
    return kind.get(kind.serialize(obj)) if obj is not None and hasattr(obj, "get_config") else obj


class _HeadedAttention(Layer):
    """What the layers with many heads share: projections in and out, masks, shapes."""

    supports_masking = True
    _own_keys: tuple[str, ...] = ()
    _heeds_query_mask = True

    def _settings(
        self,
        dropout: float,
        use_bias: bool,
        weights: dict[str, Any],
        sliding_window: int | None,
        flash_attention: bool | None,
        use_gate: bool,
        seed: int | None,
    ) -> None:
        if not 0 <= number(self, "dropout", dropout) < 1:
            raise ValueError(f"{type(self).__name__} '{self.name}': dropout must be in [0, 1), got {dropout}.")
        if sliding_window is not None and (not isinstance(sliding_window, int) or sliding_window <= 0):
            raise ValueError(
                f"{type(self).__name__} '{self.name}': sliding_window must be None or a positive integer, got "
                f"{sliding_window!r}."
            )
        for key, value in weights.items():
            kind = {"initializer": initializers, "regularizer": regularizers, "constraint": constraints}[
                key.rpartition("_")[2]
            ]
            setattr(self, key, kind.get(value))
        self.dropout, self.use_bias, self.seed = dropout, use_bias, seed
        self.sliding_window, self.flash_attention, self.use_gate = sliding_window, flash_attention, use_gate
        self._given_shapes: tuple[Any, Any] = (None, None)

    def _projection(self, name: str, inner: tuple[int, ...], outer: tuple[int, ...], **kwargs: Any) -> _Projection:
        options = {}
        for part in ("kernel", "bias"):
            for key, kind in (
                ("initializer", initializers),
                ("regularizer", regularizers),
                ("constraint", constraints),
            ):
                options[f"{part}_{key}"] = _fresh(kind, getattr(self, f"{part}_{key}"))
        made = _Projection(inner, outer, self.use_bias, name=name, dtype=self._policy, **kwargs, **options)
        with name_scope(name):
            made.build()
        return made

    def _features(self, shape: Any, what: str) -> int:
        if shape is None or len(shape) < 3 or shape[-1] is None:
            raise ValueError(
                f"{type(self).__name__} '{self.name}': the {what} must have three axes or more, (batch, length, "
                "features), "
                f"with the last one known, got shape {shape}."
            )
        return shape[-1]

    def _build_for(self, args: tuple, kwargs: dict[str, Any]) -> None:
        if not self.built:
            bound = inspect.signature(self.call).bind(*args, **kwargs).arguments
            shapes = [tuple(bound[key].shape) if bound.get(key) is not None else None for key in ("value", "key")]
            self._given_shapes = (shapes[0], shapes[1])
            args = (bound["query"],)
        super()._build_for(args, kwargs)

    def _all_shapes(self, query: Any, value: Any, key: Any) -> tuple[Any, Any, Any]:
        value = value if value is not None else self._given_shapes[0] or query
        key = key if key is not None else self._given_shapes[1] or value
        self._check_lengths(key, value)
        return tuple(query), tuple(value), tuple(key)

    def _check_lengths(self, key: Any, value: Any) -> None:
        if any(m != n and m is not None and n is not None for m, n in zip(key[1:-1], value[1:-1], strict=False)):
            raise ValueError(
                f"{type(self).__name__} '{self.name}': key and value must agree but for their last axes, got shapes "
                f"{tuple(key)} and {tuple(value)}."
            )

    def call(
        self,
        query: torch.Tensor,
        value: torch.Tensor,
        key: torch.Tensor | None = None,
        attention_mask: torch.Tensor | None = None,
        return_attention_scores: bool = False,
        training: bool | None = None,
        use_causal_mask: bool = False,
        *,
        query_mask: torch.Tensor | None = None,
        value_mask: torch.Tensor | None = None,
        key_mask: torch.Tensor | None = None,
    ) -> Any:
        """The outputs, shaped as the query but for the last axis; with return_attention_scores also the softmax.

        attention_mask: (batch, queries, keys), true where attended to; the inputs' own masks are added to it.
        """
        if key is None:
            key = value
        elif isinstance(key, torch.Tensor) and isinstance(value, torch.Tensor):
            self._check_lengths(key.shape, value.shape)
        hidden = (query_mask, query, -1), (value_mask, value, -2), (key_mask, key, -2)
        mask = None
        for given, tensor, axis in hidden:
            found = (
                given
                if given is not None and (self._heeds_query_mask or axis == -2)
                else tensor.__dict__.get("_keras_mask")
            )
            if found is not None:
                found = found.bool().unsqueeze(axis)
                mask = found if mask is None else mask & found
        if attention_mask is not None:
            mask = attention_mask if mask is None else attention_mask.bool() & mask
        q, k, v = self._query_dense(query), self._key_dense(key), self._value_dense(value)
        attended = self.attend(
            q, k, v, mask=mask, causal=use_causal_mask, return_weights=return_attention_scores, training=training
        )
        weights = None
        if return_attention_scores:
            attended, weights = attended[0], attended[1]
            if mask is not None or use_causal_mask:  # Keras's softmax of the scores is a layer, which hands its mask on
                weights.__dict__["_keras_mask"] = self._scores_mask(query, value, mask, use_causal_mask)
        if self.use_gate:
            attended = attended * self._gate_dense(query)
        output = self._shaped(self._output_dense(attended))
        return (output, weights) if return_attention_scores else output

    def _shaped(self, output: torch.Tensor) -> torch.Tensor:
        return output

    def _output_sizes(self, features: int) -> tuple[int, ...]:
        return (features,)

    def compute_output_shape(self, query_shape: Any, value_shape: Any = None, key_shape: Any = None) -> Any:
        """The query's, with the output's size in the place of the last axis."""
        return (*query_shape[:-1], *self._output_sizes(query_shape[-1]))

    def compute_output_spec(self, query: Any, value: Any, key: Any = None, *args: Any, **kwargs: Any) -> Any:
        """The outputs, and the scores where they are asked for."""
        output = KerasTensor(self.compute_output_shape(tuple(query.shape)), self.compute_dtype)
        if not (kwargs.get("return_attention_scores") or (len(args) > 1 and args[1])):
            return output
        axes, other = self.attend.attention_axes, key if key is not None else value
        split = [(*x.shape[:-1], self.attend.heads) for x in (query, other)]
        batch = [n for a, n in enumerate(split[0]) if a not in axes]
        return output, KerasTensor((*batch, *(x[a] for x in split for a in axes)), self.compute_dtype)

    def get_config(self) -> dict[str, Any]:
        """As tf.keras has it; what only Keras 3 knows stands where it is not at its default."""
        config = super().get_config()
        for key, neutral in (("sliding_window", None), ("flash_attention", None), ("use_gate", False), ("seed", None)):
            value = getattr(self, key)
            config.pop(key, None)
            if value != neutral and key != "flash_attention":
                config[key] = value
        return config


class MultiHeadAttention(_HeadedAttention):
    """Attention with several heads: `output(softmax(query(q) @ key(k).T / sqrt(key_dim)) @ value(v))`.

    Called as layer(query, value, key=value). query: (batch, queries, features), value and key: (batch, keys, ...) ->
    (batch, queries, features). attention_axes: the axes attended over, by default all between batch and features; as in
    tf.keras negative ones count the heads, which stand before the last axis, so that -3 is the last of positions; with
    keras3_masking, as in Keras 3, it is -2.
    Weights: query, key: kernel (features, num_heads, key_dim), bias (num_heads, key_dim); value: the same with
    value_dim; attention_output: kernel (num_heads, value_dim, *output_shape), bias (*output_shape).
    keras3_masking: a query that sees no key gets, as in Keras 3, 0 wherever its weights are asked for or dropped out.
    Keras: tf.keras.layers.MultiHeadAttention; torch: four nn.Linear around scaled_dot_product_attention.
    """

    _heeds_query_mask = False
    """Keras 3 takes a query_mask here, and looks at the query's own alone."""

    def __init__(
        self,
        num_heads: int,
        key_dim: int,
        value_dim: int | None = None,
        dropout: float = 0.0,
        use_bias: bool = True,
        output_shape: Any = None,
        attention_axes: Any = None,
        kernel_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        kernel_regularizer: Any = None,
        bias_regularizer: Any = None,
        activity_regularizer: Any = None,
        kernel_constraint: Any = None,
        bias_constraint: Any = None,
        softmax_robust_masking: bool = False,
        *,
        sliding_window: int | None = None,
        flash_attention: bool | None = None,
        use_gate: bool = False,
        seed: int | None = None,
        keras3_masking: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(activity_regularizer=activity_regularizer, **kwargs)
        for key, size in (("num_heads", num_heads), ("key_dim", key_dim), ("value_dim", value_dim or key_dim)):
            if not isinstance(size, int) or size <= 0:
                raise ValueError(
                    f"MultiHeadAttention '{self.name}': {key} must be a positive integer, got {key}={size!r}."
                )
        self.num_heads, self.key_dim, self.value_dim = num_heads, key_dim, value_dim or key_dim
        weights = {
            "kernel_initializer": kernel_initializer, "bias_initializer": bias_initializer,
            "kernel_regularizer": kernel_regularizer, "bias_regularizer": bias_regularizer,
            "kernel_constraint": kernel_constraint, "bias_constraint": bias_constraint,
        }  # fmt: skip
        self._settings(dropout, use_bias, weights, sliding_window, flash_attention, use_gate, seed)
        self.softmax_robust_masking, self.keras3_masking = softmax_robust_masking, keras3_masking
        if output_shape:
            sizes(self, "output_shape", output_shape)
        if attention_axes is not None and not isinstance(attention_axes, (int, list, tuple)):
            raise ValueError(
                f"MultiHeadAttention '{self.name}': attention_axes must be an integer or several, got {attention_axes!r}."
            )
        self._sizes_out = output_shape
        self.attention_axes = (attention_axes,) if isinstance(attention_axes, int) else attention_axes
        self.query_shape = self.value_shape = self.key_shape = None

    def build(self, query_shape: Any, value_shape: Any = None, key_shape: Any = None) -> None:
        """Makes the projections for inputs whose last axes are known."""
        shapes = self._all_shapes(query_shape, value_shape, key_shape)
        self.query_shape, self.value_shape, self.key_shape = shapes
        sizes = [self._features(shape, what) for shape, what in zip(shapes, ("query", "value", "key"), strict=True)]
        rank, heads = len(shapes[0]), self.num_heads
        axes = self.attention_axes if self.attention_axes is not None else range(1, rank - 1)
        end = rank if self.keras3_masking else rank + 1
        found = self.attention_axes = tuple(a if a >= 0 else a + end for a in axes)
        if not found or any(not 0 < a < rank for a in found) or len(set(found)) < len(found):
            raise ValueError(
                f"MultiHeadAttention '{self.name}': attention_axes must differ and lie behind axis 0, up to the heads' axis "
                f"{rank - 1}, got {tuple(axes)} for a query of shape {shapes[0]}."
            )
        self.attend = MultiHeadDotProduct(
            heads,
            None,
            self.attention_axes,
            self.dropout,
            self.sliding_window,
            self.softmax_robust_masking,
            self.keras3_masking,
        )
        self._scores_mask = ScoresMask(len(self.attention_axes))
        self._query_dense = self._projection("query", (sizes[0],), (heads, self.key_dim))
        self._key_dense = self._projection("key", (sizes[2],), (heads, self.key_dim))
        if self.use_gate:
            self._gate_dense = self._projection("gate", (sizes[0],), (heads, self.value_dim), activation="sigmoid")
        self._value_dense = self._projection("value", (sizes[1],), (heads, self.value_dim))
        self._output_dense = self._projection("attention_output", (heads, self.value_dim), self._output_sizes(sizes[0]))
        self.built = True

    def _output_sizes(self, features: int) -> tuple[int, ...]:
        if not self._sizes_out:
            return (features,)
        return tuple(self._sizes_out) if isinstance(self._sizes_out, (list, tuple)) else (self._sizes_out,)

    def _shaped(self, output: torch.Tensor) -> torch.Tensor:
        sizes = self._output_sizes(0)
        return output.unflatten(-1, sizes) if len(sizes) > 1 else output

    def get_config(self) -> dict[str, Any]:
        """The arguments and, once built, the shapes of query, key and value."""
        config = super().get_config()
        robust = config.pop("softmax_robust_masking")
        if not self.keras3_masking:
            del config["keras3_masking"]
        config["output_shape"] = self._sizes_out
        for key in ("query_shape", "key_shape", "value_shape"):
            config[key] = getattr(self, key)
        return {**config, "softmax_robust_masking": robust}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> MultiHeadAttention:
        """A layer, built where the config tells the inputs' shapes."""
        config = dict(config)
        shapes = [config.pop(key, None) for key in ("query_shape", "value_shape", "key_shape")]
        layer = cls(**config)
        if None not in shapes:
            with name_scope(layer.name):
                layer.build(*shapes)
        return layer


class GroupedQueryAttention(_HeadedAttention):
    """Attention where each head of key and value serves a group of the query's heads.

    Called as MultiHeadAttention is, on inputs (batch, length, features). Weights: query: kernel (features,
    num_query_heads, head_dim); key, value: (features, num_key_value_heads, head_dim); attention_output:
    (num_query_heads, head_dim, features); and their biases.
    Raises ValueError where the query's heads are no multiple of those of key and value.
    Keras: keras.layers.GroupQueryAttention (Keras 3).
    """

    def __init__(
        self,
        head_dim: int,
        num_query_heads: int,
        num_key_value_heads: int,
        dropout: float = 0.0,
        use_bias: bool = True,
        sliding_window: int | None = None,
        flash_attention: bool | None = None,
        kernel_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        kernel_regularizer: Any = None,
        bias_regularizer: Any = None,
        activity_regularizer: Any = None,
        kernel_constraint: Any = None,
        bias_constraint: Any = None,
        use_gate: bool = False,
        seed: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(activity_regularizer=activity_regularizer, **kwargs)
        heads = {"num_query_heads": num_query_heads, "num_key_value_heads": num_key_value_heads}
        for key, count in {"head_dim": head_dim, **heads}.items():
            whole(self, key, count)
        if num_query_heads % num_key_value_heads:
            raise ValueError(
                f"GroupQueryAttention '{self.name}': num_query_heads must be a multiple of num_key_value_heads, got "
                f"{num_query_heads} and {num_key_value_heads}."
            )
        self.head_dim, self.num_query_heads, self.num_key_value_heads = head_dim, num_query_heads, num_key_value_heads
        weights = {
            "kernel_initializer": kernel_initializer, "bias_initializer": bias_initializer,
            "kernel_regularizer": kernel_regularizer, "bias_regularizer": bias_regularizer,
            "kernel_constraint": kernel_constraint, "bias_constraint": bias_constraint,
        }  # fmt: skip
        self._settings(dropout, use_bias, weights, sliding_window, flash_attention, use_gate, seed)

    def build(self, query_shape: Any, value_shape: Any = None, key_shape: Any = None) -> None:
        """Makes the projections for inputs whose last axes are known."""
        shapes = self._all_shapes(query_shape, value_shape, key_shape)
        sizes = [self._features(shape, what) for shape, what in zip(shapes, ("query", "value", "key"), strict=True)]
        heads, few, size = self.num_query_heads, self.num_key_value_heads, self.head_dim
        self.attend = MultiHeadDotProduct(heads, few, (1,), self.dropout, self.sliding_window, keras3_masking=True)
        self._scores_mask = ScoresMask()
        self._query_dense = self._projection("query", (sizes[0],), (heads, size))
        self._key_dense = self._projection("key", (sizes[2],), (few, size))
        if self.use_gate:
            self._gate_dense = self._projection("gate", (sizes[0],), (heads, size), activation="sigmoid")
        self._value_dense = self._projection("value", (sizes[1],), (few, size))
        self._output_dense = self._projection("attention_output", (heads, size), (sizes[0],))
        self.built = True


GroupQueryAttention = GroupedQueryAttention
