"""Integers by tables and by hashes."""

from __future__ import annotations

import torch
from torch import nn

__all__ = ["HashedCross", "IntegerIndex"]


class IntegerIndex(nn.Module):
    """The index of each integer: `first` and on for those in `keys`; the others `value % oov` further on from `first_oov`.

    mask: the integer whose index is `masked`, if any. With oov=0, an integer that is not in keys is an error.
    """

    def __init__(
        self, keys: list[int], first: int, first_oov: int = 0, oov: int = 1, mask: int | None = None, masked: int = 0
    ) -> None:
        super().__init__()
        self.keys, self.first, self.first_oov, self.oov = list(keys), first, first_oov, oov
        self.mask, self.masked = mask, masked
        order = sorted(range(len(self.keys)), key=self.keys.__getitem__)
        self.register_buffer(
            "sorted_keys", torch.tensor([self.keys[i] for i in order], dtype=torch.long), persistent=False
        )
        self.register_buffer("places", torch.tensor(order, dtype=torch.long), persistent=False)

    def forward(self, values: torch.Tensor) -> torch.Tensor:
        """Integers of any shape -> their indices."""
        values = values.long()
        found = self.first_oov + values.remainder(self.oov) if self.oov else torch.zeros_like(values)
        known = torch.zeros_like(values, dtype=torch.bool)
        if self.keys:
            keys, places = self.sorted_keys.to(values.device), self.places.to(values.device)
            at = torch.searchsorted(keys, values.contiguous()).clamp(max=len(self.keys) - 1)
            known = keys[at] == values
            found = torch.where(known, places[at] + self.first, found)
        if self.mask is not None:
            found = torch.where(values == self.mask, self.masked, found)
            known = known | (values == self.mask)
        if not self.oov:
            torch._assert_async(known.all(), "an integer is not in the vocabulary")
        return found

    def extra_repr(self) -> str:
        """The constructor's arguments."""
        return (
            f"keys={self.keys}, first={self.first}, first_oov={self.first_oov}, oov={self.oov}, mask={self.mask}, "
            f"masked={self.masked}"
        )


class HashedCross(nn.Module):
    """The bin of each combination of integers, by the hash of TensorFlow's crossed columns."""

    def __init__(self, bins: int) -> None:
        super().__init__()
        self.bins = bins

    def forward(self, *features: torch.Tensor) -> torch.Tensor:
        """Integers of one shape each -> integers in [0, bins)."""
        mixed = torch.full_like(features[0], 0xDECAFCAFFE, dtype=torch.long)
        factor = 0xC6A4A7935BD1E995 - (1 << 64)  # torch's integers have a sign, and wrap around
        for feature in features:
            mixed = mixed ^ factor ^ (self.shifted(feature.long() * factor) * factor)
            mixed = self.shifted(self.shifted(mixed * factor) * factor)
        # As without a sign: half of it, times two, and the last bit.
        half = (mixed >> 1) & 0x7FFFFFFFFFFFFFFF
        return (half % self.bins * 2 + (mixed & 1)) % self.bins

    def shifted(self, x: torch.Tensor) -> torch.Tensor:
        """The number, its upper bits mixed into the lower ones."""
        return x ^ ((x >> 47) & 0x1FFFF)

    def extra_repr(self) -> str:
        """The constructor's arguments."""
        return f"bins={self.bins}"
