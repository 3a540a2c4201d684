"""ReversibleEmbedding of Keras 3."""

from __future__ import annotations

from typing import Any

import torch
from torch.nn import functional as F

from kerastorch.config import torch_dtype
from kerastorch.graph import KerasTensor
from kerastorch.layers.core import Embedding

__all__ = ["ReversibleEmbedding"]


class ReversibleEmbedding(Embedding):
    """An Embedding that also goes back: `layer(x, reverse=True)` is x times the table transposed.

    Shapes: (batch, ...) of integers -> (batch, ..., output_dim); reversed (batch, ..., output_dim) -> (batch, ...,
    input_dim). embeddings: (input_dim, output_dim); reverse_embeddings: (output_dim, input_dim), unless tie_weights.
    reverse_dtype: of the way back. logit_soft_cap: its results are kept within it, by tanh.
    Raises ValueError where a dim is not positive.
    Keras: keras.layers.ReversibleEmbedding (Keras 3); torch: nn.Embedding and F.linear.
    """

    def __init__(
        self,
        input_dim: int,
        output_dim: int,
        tie_weights: bool = True,
        embeddings_initializer: Any = "uniform",
        embeddings_regularizer: Any = None,
        embeddings_constraint: Any = None,
        mask_zero: bool = False,
        reverse_dtype: Any = None,
        logit_soft_cap: float | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            input_dim,
            output_dim,
            embeddings_initializer=embeddings_initializer,
            embeddings_regularizer=embeddings_regularizer,
            embeddings_constraint=embeddings_constraint,
            mask_zero=mask_zero,
            **kwargs,
        )
        self.tie_weights, self.reverse_dtype, self.logit_soft_cap = tie_weights, reverse_dtype, logit_soft_cap
        # The mask goes one way only, so `call` sets it.
        self.supports_masking = False

    def build(self, input_shape: Any = None) -> None:
        """Makes the table, and that of the way back where it has its own."""
        super().build(input_shape)
        if not self.tie_weights:
            self.reverse_embeddings = self.add_weight(
                "reverse_embeddings", (self.output_dim, self.input_dim), initializer=self.embeddings_initializer
            )

    def call(self, inputs: torch.Tensor, reverse: bool = False) -> torch.Tensor:
        """Rows of the table, or, reversed, a score for each row."""
        if not reverse:
            rows = super().call(inputs)
            if self.mask_zero:
                rows.__dict__["_keras_mask"] = torch.ne(inputs, 0)
            return rows
        table = self.embeddings.value if self.tie_weights else self.reverse_embeddings.value.t()
        if self.reverse_dtype is not None:
            dtype = torch_dtype(self.reverse_dtype)
            inputs, table = inputs.to(dtype), table.to(dtype)
        scores = F.linear(inputs, table)
        cap = self.logit_soft_cap
        return scores if cap is None else torch.tanh(scores / cap) * cap

    def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
        """None: `call` sets the mask itself."""
        return None

    def compute_output_spec(self, inputs: Any, reverse: bool = False) -> Any:
        """(batch, ..., output_dim), or reversed (batch, ..., input_dim)."""
        shape = tuple(inputs.shape)
        if not reverse:
            return KerasTensor((*shape, self.output_dim), self.compute_dtype)
        return KerasTensor((*shape[:-1], self.input_dim), self.reverse_dtype or self.compute_dtype)
