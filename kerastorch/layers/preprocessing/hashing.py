"""Hashing and HashedCrossing: strings and integers into a fixed number of bins."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import fx

from kerastorch.layers.arguments import number
from kerastorch.layers.preprocessing.base import CategoricalLayer, PreprocessingLayer, as_array, as_values
from kerastorch.layers.preprocessing.fingerprints import concatenate, fingerprint64, siphash
from kerastorch.nn.lookup import HashedCross

__all__ = ["HashedCrossing", "Hashing"]

_CROSS_KEY = 0xDECAFCAFFE


def text_bytes(values: Any) -> list[bytes]:
    """Each value, flat, as the bytes that are hashed: strings in UTF-8, integers in decimal."""
    flat = values.detach().cpu().ravel().tolist() if isinstance(values, torch.Tensor) else values.ravel().tolist()
    return [x.encode("utf-8", "surrogateescape") if isinstance(x, str) else str(int(x)).encode() for x in flat]


class Hashing(CategoricalLayer):
    """The bin of each string or integer, by its hash: any shape, kept; with another output_mode, as CategoryEncoding.

    num_bins: how many. mask_value: what stays in bin 0, kept free for it. salt: an integer or two, for SipHash; without
    it, FarmHash. Bins are TensorFlow's own.
    Raises ValueError for a num_bins that is not positive, another output_mode or salt.
    Keras: tf.keras.layers.Hashing.
    """

    def __init__(
        self,
        num_bins: int,
        mask_value: Any = None,
        salt: Any = None,
        output_mode: str = "int",
        sparse: bool = False,
        **kwargs: Any,
    ) -> None:
        kwargs["dtype"] = self._dtype_for(output_mode, kwargs.get("dtype"))
        super().__init__(**kwargs)
        if num_bins is None or number(self, "num_bins", num_bins) <= 0:
            raise ValueError(f"Hashing '{self.name}': num_bins must be a positive integer, got {num_bins!r}.")
        self._set_output_mode(output_mode, sparse, ("int", "one_hot", "multi_hot", "count"))
        pair = (
            isinstance(salt, (list, tuple))
            and len(salt) == 2
            and all(isinstance(x, (int, float, np.number)) for x in salt)
        )
        if salt is not None and not isinstance(salt, int) and not pair:
            raise ValueError(f"Hashing '{self.name}': salt must be an integer or two of them, got {salt!r}.")
        self.num_bins, self.mask_value = num_bins, mask_value
        self._salt = None if salt is None else [salt, salt] if isinstance(salt, int) else [int(x) for x in salt]

    @property
    def salt(self) -> list[int] | None:
        """The two integers of the key, or None."""
        return self._salt

    def _depth(self) -> int:
        return self.num_bins

    def call(self, inputs: Any) -> torch.Tensor:
        """The bins, on the layer's device."""
        inputs = as_array(self, inputs)
        bins, masked = self.num_bins, self.mask_value is not None and self.num_bins > 1
        if masked:
            bins -= 1
        if self._salt is None:
            found = [fingerprint64(x) % bins for x in text_bytes(inputs)]
        else:
            key = (self._salt[0], self._salt[1])
            found = [siphash(x, key) % bins for x in text_bytes(inputs)]
        indices = np.array(found, dtype=np.int64).reshape(inputs.shape)
        if masked:
            indices = np.where(inputs == self.mask_value, 0, indices + 1)
        return self._encode(torch.as_tensor(indices, device=self._device()))


class HashedCrossing(CategoricalLayer):
    """The bin of each combination of two or more features, by their hashes.

    Called on a list of strings or integers of shape (batch,) or (batch, 1) -> the same shape; with output_mode
    'one_hot' (batch, num_bins).
    Raises ValueError for fewer than two inputs, for shapes that differ or do not fit, another output_mode, and no
    num_bins.
    Keras: tf.keras.layers.HashedCrossing.
    """

    def __init__(self, num_bins: int, output_mode: str = "int", sparse: bool = False, **kwargs: Any) -> None:
        kwargs["dtype"] = self._dtype_for(output_mode, kwargs.get("dtype"))
        super().__init__(**kwargs)
        if num_bins is None or number(self, "num_bins", num_bins) <= 0:
            raise ValueError(f"HashedCrossing '{self.name}': num_bins must be a positive integer, got {num_bins!r}.")
        self._set_output_mode(output_mode, sparse, ("int", "one_hot"))
        self.num_bins = num_bins

    def _depth(self) -> int:
        return self.num_bins

    def _check(self, inputs: Any) -> None:
        if not isinstance(inputs, (list, tuple)) or len(inputs) < 2:
            raise ValueError(
                f"HashedCrossing '{self.name}' must be called on a list of at least two inputs, got {inputs!r}."
            )

    def _call_eagerly(self, args: tuple, kwargs: dict[str, Any]) -> Any:
        self._check(args[0])
        return super(PreprocessingLayer, self)._call_eagerly(([as_values(x) for x in args[0]], *args[1:]), kwargs)

    def call(self, inputs: Any) -> torch.Tensor:
        """The bins, on the layer's device."""
        self._check(inputs)
        inputs = [as_values(x) for x in inputs]
        if any(isinstance(x, fx.Proxy) for x in inputs):
            return self._encode(HashedCross(self.num_bins)(*inputs))
        shapes = [tuple(x.shape) for x in inputs]
        if len(set(shapes)) > 1 or len(shapes[0]) > 2 or (len(shapes[0]) == 2 and shapes[0][1] != 1):
            raise ValueError(
                f"HashedCrossing '{self.name}': all inputs must have the same shape, (batch,) or (batch, 1), got "
                f"{shapes}."
            )
        if all(isinstance(x, torch.Tensor) for x in inputs):
            return self._encode(HashedCross(self.num_bins)(*inputs))
        rows = []
        for row in zip(*(self._features(x) for x in inputs), strict=True):
            mixed = _CROSS_KEY
            for feature in row:
                mixed = concatenate(mixed, feature)
            rows.append(mixed % self.num_bins)
        indices = np.array(rows, dtype=np.int64).reshape(shapes[0])
        return self._encode(torch.as_tensor(indices, device=self._device()))

    @staticmethod
    def _features(values: Any) -> list[int]:
        flat = values.detach().cpu().ravel().tolist() if isinstance(values, torch.Tensor) else values.ravel().tolist()
        if any(isinstance(x, str) for x in flat):
            return [fingerprint64(x) for x in text_bytes(values)]
        return [int(x) & 0xFFFFFFFFFFFFFFFF for x in flat]

    def compute_output_shape(self, input_shape: Any) -> Any:
        """That of one input, or with the vector's size."""
        shapes = input_shape if all(isinstance(shape, (list, tuple)) for shape in input_shape) else [input_shape]
        self._check(shapes)
        return super().compute_output_shape(shapes[0])
