"""Attention and AdditiveAttention: one head, over [query, value] or [query, value, key]."""

from __future__ import annotations

from typing import Any

import torch
from torch.nn import functional as F

from kerastorch.graph import KerasTensor
from kerastorch.layers.base import Layer
from kerastorch.layers.structures import shape_of
from kerastorch.nn.attention import AttendByScores

__all__ = ["AdditiveAttention", "Attention"]


class _ScoreAttention(Layer):
    """What Attention and AdditiveAttention share: masks, softmax, dropout. They differ in the scores."""

    supports_masking = True

    def __init__(self, dropout: float = 0.0, *, seed: int | None = None, causal: bool = False, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if not 0 <= dropout < 1:
            raise ValueError(f"{type(self).__name__} '{self.name}': dropout must be in [0, 1), got {dropout}.")
        self.dropout, self.seed, self.causal = dropout, seed, causal
        self.attend = AttendByScores(dropout)

    def _call_symbolically(self, args: tuple, kwargs: dict[str, Any]) -> Any:
        if self.causal:  # which a config, as tf.keras's, does not tell, but a call does
            kwargs = {**kwargs, "use_causal_mask": True}
        return super()._call_symbolically(args, kwargs)

    def _scores(self, query: torch.Tensor, key: torch.Tensor) -> torch.Tensor:
        raise NotImplementedError

    def _attended(self, query: Any, key: Any, value: Any, mask: Any, causal: bool, training: Any, weights: bool) -> Any:
        """The outputs, and the weights where they are wanted."""
        both = self.attend(self._scores(query, key), value, mask, causal=causal, training=training)
        return both[0], both[1]

    def _check(self, inputs: Any, mask: Any) -> None:
        kind = type(self).__name__
        if not isinstance(inputs, (list, tuple)) or len(inputs) not in (2, 3):
            got = f"a list of {len(inputs)}" if isinstance(inputs, (list, tuple)) else type(inputs).__name__
            raise ValueError(
                f"{kind} '{self.name}' must be called on a list of inputs, [query, value] or [query, value, key], "
                f"got {got}."
            )
        if mask is not None and (not isinstance(mask, (list, tuple)) or not 2 <= len(mask) <= len(inputs)):
            raise ValueError(
                f"{kind} '{self.name}': mask must be a list [query_mask, value_mask], with None for no mask, got "
                f"{mask!r}."
            )

    def call(
        self,
        inputs: Any,
        mask: Any = None,
        training: bool | None = None,
        return_attention_scores: bool = False,
        use_causal_mask: bool = False,
    ) -> Any:
        """The outputs, (batch, queries, features); with return_attention_scores also the softmax of the scores."""
        self._check(inputs, mask)
        query, value, key = inputs[0], inputs[1], inputs[2] if len(inputs) > 2 else inputs[1]
        query_mask, value_mask = mask[:2] if mask is not None else (None, None)
        if value_mask is not None:
            value_mask = value_mask.unsqueeze(-2)
        causal = bool(use_causal_mask or self.causal)
        result, weights = self._attended(query, key, value, value_mask, causal, training, return_attention_scores)
        if query_mask is not None:
            result = torch.mul(result, query_mask.unsqueeze(-1))
        return (result, weights) if return_attention_scores else result

    def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
        """The query's mask."""
        return mask[0] if isinstance(mask, (list, tuple)) and mask else None

    def compute_output_shape(self, input_shape: Any) -> Any:
        """(batch, queries, the value's features)."""
        return (*input_shape[0][:-1], input_shape[1][-1])

    def compute_output_spec(self, inputs: Any, *args: Any, **kwargs: Any) -> Any:
        """The outputs, and the scores where they are asked for."""
        self._check(inputs, None)
        shapes = [tuple(shape_of(x)) for x in inputs]
        output = KerasTensor(self.compute_output_shape(shapes), self.compute_dtype)
        if kwargs.get("return_attention_scores") or (len(args) > 2 and args[2]):
            return output, KerasTensor((*shapes[0][:-1], shapes[-1][-2]), self.compute_dtype)
        return output

    def get_config(self) -> dict[str, Any]:
        """name, trainable, dtype, dropout and the class's own arguments."""
        config = super().get_config()
        config["dropout"] = self.dropout
        if self.seed is not None:
            config["seed"] = self.seed
        return config


class Attention(_ScoreAttention):
    """Dot-product attention: `softmax(query @ key.T) @ value`.

    Called on [query, value] or [query, value, key]; query: (batch, queries, features), value: (batch, keys, size), key:
    (batch, keys, features) -> (batch, queries, size). The value's mask hides keys, the query's makes outputs zero.
    score_mode: 'dot', or 'concat' for sum(tanh(query + key)). Weights: scale (), with use_scale; concat_score_weight
    (), with 'concat'. dropout: of the softmax.
    Raises ValueError for another score_mode, and where it is not called on a list of two or three.
    Keras: tf.keras.layers.Attention.
    """

    def __init__(self, use_scale: bool = False, score_mode: str = "dot", **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if score_mode not in ("dot", "concat"):
            raise ValueError(f"Attention '{self.name}': score_mode must be 'dot' or 'concat', got {score_mode!r}.")
        self.use_scale, self.score_mode = use_scale, score_mode

    def build(self, input_shape: Any) -> None:
        """Makes the scalars, if any."""
        self._check(input_shape, None)
        if self.use_scale:
            self.scale = self.add_weight("scale", (), initializer="ones")
        if self.score_mode == "concat":
            self.concat_score_weight = self.add_weight("concat_score_weight", (), initializer="ones")
        self.built = True

    def _scaled(self, x: torch.Tensor) -> torch.Tensor:
        return x * self.scale.value if self.use_scale else x

    def _scores(self, query: torch.Tensor, key: torch.Tensor) -> torch.Tensor:
        if self.score_mode == "dot":
            return torch.matmul(self._scaled(query), key.transpose(-2, -1))
        both = self._scaled(query.unsqueeze(-2) + key.unsqueeze(-3))
        return torch.tanh(both).sum(-1) * self.concat_score_weight.value

    def _attended(self, query: Any, key: Any, value: Any, mask: Any, causal: bool, training: Any, weights: bool) -> Any:
        if self.score_mode == "concat" or mask is not None or self.dropout or weights:
            return super()._attended(query, key, value, mask, causal, training, weights)
        return F.scaled_dot_product_attention(self._scaled(query), key, value, is_causal=causal, scale=1.0), None


class AdditiveAttention(_ScoreAttention):
    """Bahdanau's attention: the scores are `sum(scale * tanh(query + key))`.

    Called as Attention is; query, value and key have the same features. Weight: scale (features,), with use_scale.
    Keras: tf.keras.layers.AdditiveAttention.
    """

    def __init__(self, use_scale: bool = True, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.use_scale = use_scale

    def build(self, input_shape: Any) -> None:
        """Makes scale for inputs whose last axis is known."""
        self._check(input_shape if _are_shapes(input_shape) else [input_shape], None)
        size = input_shape[-1][-1]
        if self.use_scale:
            if size is None:
                raise ValueError(
                    f"AdditiveAttention '{self.name}': the last axis of the key must be known to make scale, got "
                    "shapes "
                    f"{input_shape}."
                )
            self.scale = self.add_weight("scale", (size,), initializer="glorot_uniform")
        self.built = True

    def _scores(self, query: torch.Tensor, key: torch.Tensor) -> torch.Tensor:
        both = torch.tanh(query.unsqueeze(-2) + key.unsqueeze(-3))
        return (both * self.scale.value if self.use_scale else both).sum(-1)


def _are_shapes(x: Any) -> bool:
    return isinstance(x, (list, tuple)) and all(isinstance(shape, (list, tuple)) for shape in x)
