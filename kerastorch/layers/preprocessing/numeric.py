"""Normalization, Discretization, CategoryEncoding."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from kerastorch.arrays import tensor_of
from kerastorch.config import epsilon, torch_dtype
from kerastorch.layers.arguments import number
from kerastorch.layers.base import structure_version
from kerastorch.layers.handing_on import HandsOnInKeras3
from kerastorch.layers.preprocessing.base import PreprocessingLayer, encoded_shape
from kerastorch.nn.encoding import CategoryEncode

__all__ = ["CategoryEncoding", "Discretization", "Normalization"]


class Normalization(HandsOnInKeras3, PreprocessingLayer):
    """`(inputs - mean) / sqrt(variance)`, mean and variance learned by `adapt` or given; with invert, the way back.

    Any shape, kept. axis: those with a mean of their own each; None for one mean of all. Weights, unless mean and
    variance are given: mean, variance (sizes of the axes), count ().
    keras3_masking (keyword): hands masks on, as in models from Keras 3.
    Raises ValueError where only one of mean and variance is given, or an axis does not exist or has no known size.
    Keras: tf.keras.layers.Normalization.
    """

    def __init__(
        self, axis: Any = -1, mean: Any = None, variance: Any = None, invert: bool = False, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.axis = () if axis is None else (axis,) if isinstance(axis, int) else tuple(axis)
        if (mean is None) != (variance is None):
            raise ValueError(
                f"Normalization '{self.name}': give both mean and variance or neither, got mean={mean}, "
                f"variance={variance}."
            )
        self._input_mean, self._input_variance = _plain(mean), _plain(variance)
        self.invert = invert

    def build(self, input_shape: Any) -> None:
        """Makes the weights for inputs whose kept axes have known sizes."""
        if isinstance(input_shape, list) and input_shape and isinstance(input_shape[0], (tuple, list)):
            raise ValueError(
                f"Normalization '{self.name}' takes one input, got {len(input_shape)}. Convert it to an array."
            )
        ndim = len(input_shape)
        if any(not -ndim <= a < ndim for a in self.axis):
            raise ValueError(
                f"Normalization '{self.name}': axis must lie in [-{ndim}, {ndim}) for an input of shape "
                f"{input_shape}, got "
                f"{self.axis}."
            )
        kept = sorted(a % ndim for a in self.axis)
        sizes = tuple(input_shape[a] for a in kept)
        if None in sizes:
            raise ValueError(
                f"Normalization '{self.name}': the axes {self.axis} must have known sizes, got shape "
                f"{tuple(input_shape)}."
            )
        self._reduced = tuple(a for a in range(ndim) if a not in kept)
        self._broadcast = tuple(input_shape[a] if a in kept else 1 for a in range(ndim))
        if self._input_mean is None:
            self.adapt_mean = self.add_weight("mean", sizes, initializer="zeros", trainable=False)
            self.adapt_variance = self.add_weight("variance", sizes, initializer="ones", trainable=False)
            self.count = self.add_weight("count", (), "int64", initializer="zeros", trainable=False)
        else:
            for name, value in (("given_mean", self._input_mean), ("given_variance", self._input_variance)):
                tensor = torch.tensor(value, dtype=torch_dtype(self._variable_dtype), device=self._device())
                if tensor.dim() > len(sizes):
                    tensor = tensor.reshape([n for n in tensor.shape if n != 1])
                try:
                    given = tensor.broadcast_to(sizes).clone()
                except RuntimeError as error:
                    raise ValueError(
                        f"Normalization '{self.name}': mean and variance must fit the sizes {sizes} of the axes "
                        f"{self.axis}, got {name} of shape {tuple(tensor.shape)}."
                    ) from error
                self.register_buffer(name, given, persistent=False)
        self.built = True

    def _moments(self) -> tuple[torch.Tensor, torch.Tensor]:
        if self._input_mean is None:
            mean, variance = self.adapt_mean.value, self.adapt_variance.value
        else:
            mean, variance = self.given_mean, self.given_variance
        return mean.reshape(self._broadcast), variance.reshape(self._broadcast)

    @property
    def mean(self) -> torch.Tensor:
        """The mean, shaped to go with the inputs."""
        return self._moments()[0]

    @property
    def variance(self) -> torch.Tensor:
        """The variance, shaped to go with the inputs."""
        return self._moments()[1]

    def _prepare_batch(self, batch: Any) -> torch.Tensor:
        tensor = tensor_of(batch)
        return tensor.unsqueeze(-1) if tensor.ndim == 1 and self.axis else tensor

    def reset_state(self) -> None:
        """Forgets what `adapt` has learned."""
        if self._input_mean is None and self.built:
            self.adapt_mean.assign(np.zeros(self.adapt_mean.shape))
            self.adapt_variance.assign(np.ones(self.adapt_variance.shape))
            self.count.assign(0)
            self._sums = (0, 0.0, 0.0)

    def update_state(self, data: torch.Tensor) -> None:
        """Takes one more batch into account, in float64."""
        if self._input_mean is not None:
            raise ValueError(
                f"Normalization '{self.name}' has a given mean ({self._input_mean}) and variance, so it cannot adapt. "
                "Leave them out to learn them."
            )
        data = data.detach().to("cpu", torch.float64)
        number = int(np.prod([data.shape[a] for a in self._reduced])) if self._reduced else 1
        mean = data.mean(self._reduced) if self._reduced else data
        variance = data.var(self._reduced, correction=0) if self._reduced else torch.zeros_like(data)
        count, old_mean, old_variance = self._sums
        share = number / (count + number)
        total = old_mean * (1 - share) + mean * share
        spread = (old_variance + (old_mean - total) ** 2) * (1 - share) + (variance + (mean - total) ** 2) * share
        self._sums = (count + number, total, spread)  # type: ignore[assignment]

    def finalize_state(self) -> None:
        """Stores the moments of all batches."""
        count, mean, variance = self.__dict__.pop("_sums")
        self.adapt_mean.assign(mean)
        self.adapt_variance.assign(variance)
        self.count.assign(count)

    def call(self, inputs: torch.Tensor) -> torch.Tensor:
        """The inputs, normalised."""
        inputs = inputs.to(torch_dtype(self._compute_dtype))
        mean, variance = self._moments()
        scale = torch.sqrt(variance).clamp_min(epsilon())
        return mean + inputs * scale if self.invert else (inputs - mean) / scale

    def compute_output_dtype(self, input_dtype: str) -> str:
        """The layer's own."""
        return self.compute_dtype

    def compute_output_shape(self, input_shape: Any) -> Any:
        """The input's."""
        return input_shape

    def _constructor_config(self, owner: type | None = None) -> dict[str, Any]:
        # Not through the attributes `mean` and `variance`, which are tensors.
        return {
            "axis": self.axis,
            "invert": self.invert,
            "mean": self._input_mean,
            "variance": self._input_variance,
        }


def _plain(value: Any) -> Any:
    if isinstance(value, dict) and "config" in value:  # Keras 3 writes arrays so
        value = value["config"]["value"]
    value = value.detach().cpu().numpy() if isinstance(value, torch.Tensor) else value
    return value.tolist() if hasattr(value, "tolist") else value


class CategoryEncoding(PreprocessingLayer):
    """Integers below num_tokens as vectors: 'one_hot', 'multi_hot' (of the last axis) or 'count'.

    Shapes: (batch, n) -> (batch, num_tokens); with 'one_hot' (batch, n) -> (batch, n, num_tokens) unless n is 1.
    Raises ValueError for another output_mode, without num_tokens, and for integers outside [0, num_tokens).
    Keras: tf.keras.layers.CategoryEncoding.
    """

    def __init__(
        self, num_tokens: int | None = None, output_mode: str = "multi_hot", sparse: bool = False, **kwargs: Any
    ) -> None:
        num_tokens = kwargs.pop("max_tokens", num_tokens)
        super().__init__(**kwargs)
        output_mode = "multi_hot" if output_mode == "binary" else output_mode
        if output_mode not in ("one_hot", "multi_hot", "count"):
            raise ValueError(
                f"CategoryEncoding '{self.name}': output_mode must be 'one_hot', 'multi_hot' or 'count', got "
                f"{output_mode!r}."
            )
        if num_tokens is None or number(self, "num_tokens", num_tokens) < 1:
            raise ValueError(
                f"CategoryEncoding '{self.name}': num_tokens must be a positive integer, got {num_tokens!r}. Where "
                "it is not "
                "known, use IntegerLookup."
            )
        self.num_tokens, self.output_mode, self.sparse = num_tokens, output_mode, sparse
        self.encode = CategoryEncode(num_tokens, output_mode, torch_dtype(self._compute_dtype), sparse, checked=True)

    def call(self, inputs: torch.Tensor, count_weights: torch.Tensor | None = None) -> torch.Tensor:
        """The vectors; count_weights, shaped as the inputs, are what each counts."""
        if count_weights is not None and self.output_mode != "count":
            raise ValueError(
                f"CategoryEncoding '{self.name}': count_weights go with output_mode='count', not {self.output_mode!r}."
            )
        return self.encode(inputs, count_weights) if count_weights is not None else self.encode(inputs)

    def compute_output_dtype(self, input_dtype: str) -> str:
        """The layer's own."""
        return self.compute_dtype

    def compute_output_shape(self, input_shape: Any) -> Any:
        """(batch, n) -> (batch, num_tokens), or (batch, n, num_tokens)."""
        return encoded_shape(tuple(input_shape), self.output_mode, self.num_tokens)


class Discretization(PreprocessingLayer):
    """The number of the bin, between boundaries, that each number falls into; or a vector of the bins.

    Any shape, kept with output_mode 'int' (int64); otherwise as CategoryEncoding. bin_boundaries: in order; or
    num_bins, for `adapt` to find quantiles, to within epsilon.
    Raises ValueError where both are given, and for another output_mode.
    Keras: tf.keras.layers.Discretization; torch: torch.bucketize.
    """

    def __init__(
        self,
        bin_boundaries: Any = None,
        num_bins: int | None = None,
        epsilon: float = 0.01,
        output_mode: str = "int",
        sparse: bool = False,
        **kwargs: Any,
    ) -> None:
        bins = kwargs.pop("bins", None)
        if bins is not None:
            num_bins, bin_boundaries = (bins, bin_boundaries) if isinstance(bins, int) else (num_bins, bins)
        if output_mode == "int" and "int" not in str(kwargs.get("dtype")):
            kwargs["dtype"] = "int64"
        super().__init__(**kwargs)
        if output_mode not in ("int", "one_hot", "multi_hot", "count"):
            raise ValueError(
                f"Discretization '{self.name}': output_mode must be 'int', 'one_hot', 'multi_hot' or 'count', got "
                f"{output_mode!r}."
            )
        if sparse and output_mode == "int":
            raise ValueError(f"Discretization '{self.name}': sparse=True does not go with output_mode='int'.")
        if num_bins is not None and (number(self, "num_bins", num_bins) < 0 or bin_boundaries is not None):
            raise ValueError(
                f"Discretization '{self.name}': give either num_bins >= 0 or bin_boundaries, got {num_bins} and "
                f"{bin_boundaries}."
            )
        self.num_bins, self.epsilon, self.output_mode, self.sparse = num_bins, epsilon, output_mode, sparse
        self._given = _plain(bin_boundaries)
        self._set_boundaries(list(self._given) if self._given is not None else [])

    def build(self, input_shape: Any) -> None:
        """Makes the weight summary (2, n), of which the boundaries are computed, unless they were given."""
        if self._given is None:
            self.summary = self._add_growing("summary", (2, 0), self.finalize_state)
        self.built = True

    def _set_boundaries(self, boundaries: list[float]) -> None:
        self._boundaries = boundaries
        tensor = torch.tensor(boundaries, dtype=torch.float32, device=self._device())
        if "boundaries" in self._buffers:
            self._buffers["boundaries"] = tensor
        else:
            self.register_buffer("boundaries", tensor, persistent=False)
        structure_version[0] += 1
        if self.output_mode != "int":
            self.encode = CategoryEncode(
                len(boundaries) + 1, self.output_mode, torch_dtype(self._compute_dtype), self.sparse
            )

    @property
    def bin_boundaries(self) -> list[float]:
        """The boundaries, given or learned."""
        return self._boundaries

    def _prepare_batch(self, batch: Any) -> Any:
        return batch if isinstance(batch, torch.Tensor) else np.asarray(batch)

    def reset_state(self) -> None:
        """Forgets what `adapt` has learned."""
        if self._given is None and self.built:
            self.summary.assign(np.zeros((2, 0), np.float32))

    def update_state(self, data: Any) -> None:
        """Takes one more batch into account."""
        if self._given is not None:
            raise ValueError(
                f"Discretization '{self.name}' has given bin_boundaries, so it cannot adapt. Give num_bins in "
                "their place."
            )
        values = data.detach().cpu().numpy() if isinstance(data, torch.Tensor) else data
        merged = np.concatenate(
            [_summarize(np.asarray(values, np.float32), self.epsilon), self.summary.numpy()], axis=1
        )
        self.summary.assign(_compress(merged[:, np.argsort(merged[0], kind="stable")], self.epsilon))

    def finalize_state(self) -> None:
        """Takes the boundaries from the quantiles."""
        if self._given is not None or not self.built or self.summary.is_empty:
            return
        if not self.num_bins:
            raise ValueError(f"Discretization '{self.name}' needs num_bins to adapt, got num_bins={self.num_bins}.")
        summary = self.summary.numpy()
        self._set_boundaries(_compress(summary, 1.0 / self.num_bins)[0, :-1].tolist() if summary.size else [])

    def call(self, inputs: torch.Tensor) -> torch.Tensor:
        """The bins."""
        bins = torch.bucketize(inputs.float(), self.boundaries, right=True)
        return bins.to(torch_dtype(self._compute_dtype)) if self.output_mode == "int" else self.encode(bins)

    def compute_output_dtype(self, input_dtype: str) -> str:
        """The layer's own."""
        return self.compute_dtype

    def compute_output_shape(self, input_shape: Any) -> Any:
        """The input's, or with the vector's size."""
        bins = len(self._boundaries) + 1 if self._boundaries else self.num_bins or 1  # a file's come after the layer
        return encoded_shape(tuple(input_shape), self.output_mode, bins)

    def get_config(self) -> dict[str, Any]:
        """The arguments; boundaries that were learned stand in the weight."""
        return {**super().get_config(), "bin_boundaries": self._given}


def _summarize(values: np.ndarray, epsilon: float) -> np.ndarray:
    """Sorted values at equal steps, and how many each stands for."""
    ordered = np.sort(values.ravel())
    increment = int(np.float32(ordered.size) / np.float32(1.0 / epsilon))
    step = max(increment, 1)
    chosen = ordered[increment::step]
    return np.stack([chosen, np.full_like(chosen, step)])


def _compress(summary: np.ndarray, epsilon: float) -> np.ndarray:
    """A summary with about 1 / epsilon values, interpolated at equal shares of the total weight."""
    if summary.shape[1] * epsilon < 1:
        return summary
    shares = epsilon + np.arange(0.0, 1.0, epsilon)
    weights = summary[1].cumsum()
    own = weights / weights[-1]
    cumulated = np.interp(shares, own, weights)
    return np.stack([np.interp(shares, own, summary[0]), np.diff(cumulated, prepend=0)]).astype(np.float32)
