"""Attention as torch modules: many heads over any axes, and the step from scores to outputs."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional as F

__all__ = ["AttendByScores", "MultiHeadDotProduct", "ScoresMask"]


class AttendByScores(nn.Module):
    """`softmax(scores + mask) @ value`; returns the outputs and the softmax.

    scores: (..., queries, keys); value: (..., keys, features); mask: broadcastable to the scores, true where attended
    to.
    causal: position i attends to positions up to i. dropout: of the softmax, while training.
    """

    def __init__(self, dropout: float = 0.0) -> None:
        super().__init__()
        self.dropout = dropout

    def forward(
        self,
        scores: torch.Tensor,
        value: torch.Tensor,
        mask: torch.Tensor | None = None,
        causal: bool = False,
        training: bool | None = None,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Outputs (..., queries, features) and weights (..., queries, keys)."""
        if causal:
            lower = torch.ones(scores.shape[-2:], dtype=torch.bool, device=scores.device).tril()
            mask = lower if mask is None else mask.bool() & lower
        if mask is not None:
            low = -65504.0 if scores.dtype == torch.float16 else -1e9
            scores = scores + (1.0 - mask.to(scores.dtype)) * low
        weights = torch.softmax(scores, dim=-1)
        dropped = F.dropout(weights, self.dropout, self.training if training is None else training)
        return torch.matmul(dropped, value), weights

    def extra_repr(self) -> str:
        """The constructor's arguments."""
        return f"dropout={self.dropout}"


class MultiHeadDotProduct(nn.Module):
    """`softmax(query @ key / sqrt(head size)) @ value` for each head, over given axes.

    query: (batch, ..., heads * size), key and value the same with their own lengths along the attended axes.
    heads: of the query. kv_heads: of key and value, where fewer: each serves `heads / kv_heads` of the query's.
    attention_axes: the axes attended over; the one behind the positions' is that of the heads.
    dropout: of the weights, while training. window: how far a position sees.
    robust_masking: masked scores are replaced, rather than lowered by a large number.
    """

    def __init__(
        self,
        heads: int,
        kv_heads: int | None = None,
        attention_axes: tuple[int, ...] = (1,),
        dropout: float = 0.0,
        window: int | None = None,
        robust_masking: bool = False,
        keras3_masking: bool = False,
    ) -> None:
        super().__init__()
        self.heads, self.kv_heads = heads, kv_heads or heads
        self.attention_axes = tuple(attention_axes)
        self.dropout, self.window, self.robust_masking = dropout, window, robust_masking
        self.keras3_masking = keras3_masking

    def forward(
        self,
        query: torch.Tensor,
        key: torch.Tensor,
        value: torch.Tensor,
        mask: torch.Tensor | None = None,
        causal: bool = False,
        return_weights: bool = False,
        training: bool | None = None,
    ) -> torch.Tensor | tuple[torch.Tensor, torch.Tensor]:
        """(batch, ..., heads * value size); with return_weights also (batch, ..., heads, queries..., keys...)."""
        q, k, v = self._split(query, self.heads), self._split(key, self.kv_heads), self._split(value, self.kv_heads)
        training = self.training if training is None else training
        rate, unmasked = self.dropout if training else 0.0, mask is None and self.window is None
        if unmasked and not (return_weights or (causal and self.robust_masking)):
            out = F.scaled_dot_product_attention(q, k, v, None, rate, causal, enable_gqa=self.kv_heads != self.heads)
            return self._join(out, query)
        sizes = [(*x.shape[:-1], self.heads)[a] for x in (query, key) for a in self.attention_axes]
        bias = None
        if causal or not unmasked:
            mask = self._full_mask(mask, causal, sizes, q, k)
            low = -65504.0 if q.dtype == torch.float16 else -1e9
            bias = (1.0 - mask.to(q.dtype)) * low
        # The fused kernels' gradient is wrong for a query that sees no key: its softmax is computed anew from scores so
        # large that their sum is rounded away.
        zeroes = self.keras3_masking and (return_weights or self.dropout > 0 or query.ndim > 3)
        exact = bias is not None and (
            self.robust_masking or zeroes or (torch.is_grad_enabled() and any(x.requires_grad for x in (q, k, v)))
        )
        if return_weights or exact:
            out, weights = self._attend(q, k, v, bias, training, zeroes)
        else:
            out = F.scaled_dot_product_attention(q, k, v, bias, rate, enable_gqa=self.kv_heads != self.heads)
        out = self._join(out, query)
        return (out, weights.reshape(*weights.shape[:-2], *sizes)) if return_weights else out

    def _split(self, x: torch.Tensor, heads: int) -> torch.Tensor:
        """(batch, ..., heads * size) -> (batch, rest..., heads, attended positions, size)."""
        if x.ndim == 3 and self.attention_axes == (1,):
            batch, length, features = x.shape
            return x.view(batch, length, heads, features // heads).transpose(1, 2)
        x = x.unflatten(-1, (heads, -1))
        rest = [a for a in range(x.ndim - 1) if a not in self.attention_axes]
        return x.permute(*rest, *self.attention_axes, x.ndim - 1).flatten(len(rest), -2)

    def _join(self, out: torch.Tensor, query: torch.Tensor) -> torch.Tensor:
        """The inverse of `_split`, for a query of the given shape."""
        if query.ndim == 3 and self.attention_axes == (1,):
            return out.transpose(1, 2).flatten(2)
        rest = [a for a in range(query.ndim) if a not in self.attention_axes]
        out = out.unflatten(-2, [(*query.shape[:-1], self.heads)[a] for a in self.attention_axes])
        order = [*rest, *self.attention_axes, query.ndim]
        return out.permute(*[order.index(a) for a in range(query.ndim + 1)]).flatten(-2)

    def _full_mask(
        self, mask: torch.Tensor | None, causal: bool, sizes: list[int], q: torch.Tensor, k: torch.Tensor
    ) -> torch.Tensor:
        """All masks in one, broadcastable to (batch, rest..., heads, queries, keys)."""
        queries, keys, axes = q.shape[-2], k.shape[-2], len(self.attention_axes)
        if mask is not None:
            while mask.ndim < q.ndim - 2 + 2 * axes:
                mask = mask.unsqueeze(-2 * axes - 1)
            if axes > 1:
                lead = mask.shape[: -2 * axes]
                mask = mask.expand(*lead, *sizes).reshape(*lead, queries, keys)
        if causal:
            lower = torch.ones(queries, keys, dtype=torch.bool, device=q.device).tril()
            mask = lower if mask is None else mask.bool() & lower
        if self.window is not None:
            rows, columns = torch.arange(queries, device=q.device), torch.arange(keys, device=q.device)
            near = (rows[:, None] - columns).abs() < self.window
            mask = near if mask is None else mask.bool() & near
        assert mask is not None
        return mask

    def _attend(
        self,
        q: torch.Tensor,
        k: torch.Tensor,
        v: torch.Tensor,
        bias: torch.Tensor | None,
        training: bool,
        zeroes: bool,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        groups = self.heads // self.kv_heads
        if groups > 1:
            k, v = k.repeat_interleave(groups, -3), v.repeat_interleave(groups, -3)
        scores = torch.matmul(q * q.shape[-1] ** -0.5, k.transpose(-2, -1))
        if bias is not None:
            replaces = self.robust_masking or self.keras3_masking
            scores = torch.where(bias == 0, scores, bias) if replaces else scores + bias
        weights = torch.softmax(scores, dim=-1)
        if bias is not None and zeroes:
            weights = torch.where(bias == 0, weights, 0.0)
        return torch.matmul(F.dropout(weights, self.dropout, training), v), weights

    def extra_repr(self) -> str:
        """The constructor's arguments."""
        return (
            f"heads={self.heads}, kv_heads={self.kv_heads}, attention_axes={self.attention_axes}, "
            f"dropout={self.dropout}, "
            f"window={self.window}, robust_masking={self.robust_masking}, keras3_masking={self.keras3_masking}"
        )


class ScoresMask(nn.Module):
    """All masks of the scores of `MultiHeadDotProduct` in one: (batch or 1, ..., 1, queries..., keys...).

    axes: the number of attention axes. mask: (batch, queries..., keys...), or with more axes as the scores have them.
    """

    def __init__(self, axes: int = 1) -> None:
        super().__init__()
        self.axes = axes

    def forward(
        self, query: torch.Tensor, value: torch.Tensor, mask: torch.Tensor | None = None, causal: bool = False
    ) -> torch.Tensor:
        """The mask for a query and value (batch, ..., features)."""
        if causal:
            lower = torch.ones((1, query.shape[1], value.shape[1]), dtype=torch.bool, device=query.device).tril()
            mask = lower if mask is None else mask.bool() & lower
        assert mask is not None
        while mask.ndim < query.ndim + self.axes:
            mask = mask.unsqueeze(-2 * self.axes - 1)
        return mask

    def extra_repr(self) -> str:
        """The number of attention axes."""
        return f"axes={self.axes}"
