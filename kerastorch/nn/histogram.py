"""Equalization of histograms that torch lacks."""

from __future__ import annotations

import torch
from torch import nn

__all__ = ["AdaptiveEqualize"]


class AdaptiveEqualize(nn.Module):
    """Contrast-limited adaptive equalization of images (..., height, width) with values in value_range.

    Each tile has a histogram of its own, cut off at clip_limit times its mean height (not where that is 0); between the
    middles of tiles, their results are blended.
    tiles: how many, along the height and the width.
    """

    def __init__(
        self, value_range: tuple[float, float] = (0, 255), clip_limit: float = 4.0, tiles: tuple[int, int] = (8, 8)
    ) -> None:
        super().__init__()
        self.value_range, self.clip_limit, self.tiles = value_range, clip_limit, tiles

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """(..., height, width) -> the same, equalized."""
        low, high = self.value_range
        height, width = images.shape[-2:]
        down, across = -(-height // self.tiles[0]), -(-width // self.tiles[1])
        rows = self.mirrored(down * self.tiles[0], height, images.device)
        columns = self.mirrored(across * self.tiles[1], width, images.device)
        values = (images.reshape(-1, height, width).float() - low) / (high - low) * 255
        values = values.clamp(0, 255).long()
        tables = self.tables(values[:, rows][:, :, columns], down, across)
        result = self.blended(values, tables, down, across).reshape(images.shape)
        return (result / 255 * (high - low) + low).to(images.dtype)

    def mirrored(self, size: int, known: int, device: torch.device) -> torch.Tensor:
        """Indices below `known` that go on beyond it as in a mirror."""
        index = torch.arange(size, device=device) % (2 * known)
        return torch.where(index >= known, 2 * known - 1 - index, index)

    def tables(self, values: torch.Tensor, down: int, across: int) -> torch.Tensor:
        """What each tile of so many pixels makes of each value: (images, tiles * 256)."""
        area = down * across
        tiled = values.reshape(-1, self.tiles[0], down, self.tiles[1], across).transpose(2, 3)
        tiled = tiled.reshape(-1, self.tiles[0] * self.tiles[1], area)
        counts = torch.zeros(tiled.shape[0], tiled.shape[1], 256, device=values.device)
        counts = counts.scatter_add(-1, tiled, torch.ones_like(tiled, dtype=counts.dtype))
        if self.clip_limit > 0:
            kept = counts.clamp(max=self.clip_limit * area / 256)
            counts = kept + (counts - kept).sum(-1, keepdim=True) / 256
        below = counts.cumsum(-1)
        first = below[..., :1]
        span = torch.where(area - first == 0, torch.ones_like(first), area - first)
        return ((below - first) * 255 / span).clamp(0, 255).flatten(1)

    def blended(self, values: torch.Tensor, tables: torch.Tensor, down: int, across: int) -> torch.Tensor:
        """Each pixel by the tables of the four tiles around it."""
        row, column = self.places(values.shape[-2], down, values), self.places(values.shape[-1], across, values)

        def by(end: int, side: int) -> torch.Tensor:
            tile = row[end].clamp(0, self.tiles[0] - 1)[:, None] * self.tiles[1]
            tile = tile + column[side].clamp(0, self.tiles[1] - 1)
            return tables.gather(1, (tile * 256 + values).flatten(1)).view(values.shape)

        upper = by(0, 0) * (1 - column[2]) + by(0, 1) * column[2]
        lower = by(1, 0) * (1 - column[2]) + by(1, 1) * column[2]
        return upper * (1 - row[2][:, None]) + lower * row[2][:, None]

    def places(self, size: int, side: int, like: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """For each pixel along an axis the tiles with the middles before and after it, and how far it is between."""
        at = (torch.arange(size, device=like.device) - side / 2) / side
        before = at.floor()
        return before.long(), before.long() + 1, at - before

    def extra_repr(self) -> str:
        """The constructor's arguments."""
        return f"value_range={self.value_range}, clip_limit={self.clip_limit}, tiles={self.tiles}"
