"""Initializers: how the first values of a weight are drawn, in Keras's shape of the weight."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import nn

from . import registry
from .config import torch_dtype

__all__ = [
    "STFT",
    "Constant",
    "GlorotNormal",
    "GlorotUniform",
    "HeNormal",
    "HeUniform",
    "Identity",
    "IdentityInitializer",
    "Initializer",
    "LecunNormal",
    "LecunUniform",
    "Ones",
    "Orthogonal",
    "OrthogonalInitializer",
    "RandomNormal",
    "RandomUniform",
    "STFTInitializer",
    "TruncatedNormal",
    "VarianceScaling",
    "Zeros",
    "constant",
    "deserialize",
    "get",
    "glorot_normal",
    "glorot_uniform",
    "he_normal",
    "he_uniform",
    "identity",
    "lecun_normal",
    "lecun_uniform",
    "normal",
    "one",
    "ones",
    "orthogonal",
    "random_normal",
    "random_uniform",
    "serialize",
    "stft",
    "truncated_normal",
    "uniform",
    "variance_scaling",
    "zero",
    "zeros",
]

Shape = int | Sequence[int]
Fill = Callable[[torch.Tensor, torch.Generator | None], torch.Tensor]

# The standard deviation of a standard normal cut off at two standard deviations.
_TRUNCATED_STDDEV = 0.87962566103423978


class Initializer(registry.Configurable):
    """The base of all initializers. A subclass writes `__call__(shape, dtype=None, **kwargs)`, which returns a tensor.

    Keras: tf.keras.initializers.Initializer.
    """

    def __call__(self, shape: Shape, dtype: Any = None, **kwargs: Any) -> torch.Tensor:
        """A tensor of `shape`, of `dtype` (default: floatx), on torch's default device.

        `partition_shape` is the shape of the part to make where `shape` is that of the whole weight.
        """
        raise NotImplementedError(f"{type(self).__name__}: an initializer must implement __call__(shape, dtype=None).")

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Any:
        """An initializer made from what `get_config` returned; the 'dtype' that TensorFlow 1 wrote is passed over."""
        return cls(**{key: value for key, value in config.items() if key != "dtype"})


def _shapes(owner: Initializer, shape: Shape, kwargs: Mapping[str, Any]) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """The whole weight's shape, and the shape of the tensor to make."""
    unknown = set(kwargs) - {"partition_shape", "partition_offset", "layout"}
    if unknown:
        raise TypeError(f"{type(owner).__name__}: unknown keyword arguments {sorted(unknown)}.")
    part = kwargs.get("partition_shape")
    whole = _as_shape(owner, shape)
    return whole, whole if part is None else _as_shape(owner, part)


def _as_shape(owner: Initializer, shape: Shape) -> tuple[int, ...]:
    try:
        return tuple(operator.index(n) for n in (shape if hasattr(shape, "__iter__") else (shape,)))
    except TypeError:
        raise ValueError(f"{type(owner).__name__}: the shape must be known and made of ints, got {shape!r}.") from None


def _float_dtype(owner: Initializer, dtype: Any) -> torch.dtype:
    found = torch_dtype(dtype)
    if not found.is_floating_point:
        raise ValueError(f"{type(owner).__name__}: expected a floating point dtype, got {dtype!r}.")
    return found


def _as_seed(owner: Initializer, seed: Any) -> int | None:
    if seed is None or (isinstance(seed, (int, float)) and seed == int(seed)):
        return None if seed is None else int(seed)
    try:
        return operator.index(seed)
    except TypeError:
        raise ValueError(f"{type(owner).__name__}: the seed must be an int or None, got {seed!r}.") from None


def _default_device() -> torch.device:
    return torch.empty(0).device


def _random(shape: tuple[int, ...], dtype: torch.dtype, seed: int | None, fill: Fill) -> torch.Tensor:
    """What `fill` makes of an empty tensor and a generator: torch's own, or with a seed a fresh one.

    A seed gives the same values on every device, so it draws on the CPU.
    """
    device = _default_device()
    if device.type == "meta":
        return torch.empty(shape, dtype=dtype, device=device)
    generator = None if seed is None else torch.Generator("cpu").manual_seed(seed % 2**64)
    values = torch.empty(
        shape,
        dtype=torch.float32 if dtype.is_floating_point and dtype != torch.float64 else torch.float64,
        device=device if generator is None else "cpu",
    )
    return fill(values, generator).to(device, dtype)


def _truncated(values: torch.Tensor, generator: torch.Generator | None) -> torch.Tensor:
    return nn.init.trunc_normal_(values, 0.0, 1.0, -2.0, 2.0, generator=generator)


class Zeros(Initializer):
    """All zeros. Keras: tf.keras.initializers.Zeros."""

    def __call__(self, shape: Shape, dtype: Any = None, **kwargs: Any) -> torch.Tensor:
        """A tensor of zeros, of any dtype; see `Initializer.__call__`."""
        return torch.zeros(_shapes(self, shape, kwargs)[1], dtype=torch_dtype(dtype))


class Ones(Initializer):
    """All ones. Keras: tf.keras.initializers.Ones."""

    def __call__(self, shape: Shape, dtype: Any = None, **kwargs: Any) -> torch.Tensor:
        """A tensor of ones, of any dtype; see `Initializer.__call__`."""
        return torch.ones(_shapes(self, shape, kwargs)[1], dtype=torch_dtype(dtype))


class Constant(Initializer):
    """`value` everywhere; an array is reshaped where it has as many elements as the weight, else broadcast.

    Keras: tf.keras.initializers.Constant.
    """

    def __init__(self, value: Any = 0) -> None:
        self.value = value

    def __call__(self, shape: Shape, dtype: Any = None, **kwargs: Any) -> torch.Tensor:
        """A tensor of the value, of any dtype; ValueError where the value doesn't fit the shape."""
        shape = _shapes(self, shape, kwargs)[1]
        value = torch.as_tensor(self.value, dtype=torch_dtype(dtype), device=_default_device())
        if value.numel() == math.prod(shape):
            return value.reshape(shape).clone()
        try:
            return value.expand(shape).clone()
        except RuntimeError:
            raise ValueError(
                f"Constant: a value of shape {tuple(value.shape)} does not fit a weight of shape {shape}."
            ) from None


class RandomUniform(Initializer):
    """Uniform in [minval, maxval); whole numbers where the dtype is integer.

    An int seed gives the same values at every call. Keras: tf.keras.initializers.RandomUniform.
    """

    def __init__(self, minval: float = -0.05, maxval: float = 0.05, seed: int | None = None) -> None:
        self.minval, self.maxval = minval, maxval
        self.seed = _as_seed(self, seed)

    def __call__(self, shape: Shape, dtype: Any = None, **kwargs: Any) -> torch.Tensor:
        """A tensor of draws; ValueError for a bool or complex dtype. See `Initializer.__call__`."""
        found = torch_dtype(dtype)
        if found == torch.bool or found.is_complex:
            raise ValueError(f"RandomUniform: expected a float or integer dtype, got {dtype!r}.")

        def fill(values: torch.Tensor, generator: torch.Generator | None) -> torch.Tensor:
            values = values.uniform_(generator=generator) * (self.maxval - self.minval) + self.minval
            return values if found.is_floating_point else values.floor()

        return _random(_shapes(self, shape, kwargs)[1], found, self.seed, fill)


class RandomNormal(Initializer):
    """Normal, of the given mean and standard deviation.

    An int seed gives the same values at every call. Keras: tf.keras.initializers.RandomNormal.
    """

    def __init__(self, mean: float = 0.0, stddev: float = 0.05, seed: int | None = None) -> None:
        self.mean, self.stddev = mean, stddev
        self.seed = _as_seed(self, seed)

    def __call__(self, shape: Shape, dtype: Any = None, **kwargs: Any) -> torch.Tensor:
        """A tensor of draws; ValueError where the dtype is no float. See `Initializer.__call__`."""

        def fill(values: torch.Tensor, generator: torch.Generator | None) -> torch.Tensor:
            return values.normal_(generator=generator) * self.stddev + self.mean

        return _random(_shapes(self, shape, kwargs)[1], _float_dtype(self, dtype), self.seed, fill)


class TruncatedNormal(Initializer):
    """Normal, without what lies more than two standard deviations from the mean; `stddev` is the uncut normal's.

    An int seed gives the same values at every call. Keras: tf.keras.initializers.TruncatedNormal.
    """

    def __init__(self, mean: float = 0.0, stddev: float = 0.05, seed: int | None = None) -> None:
        self.mean, self.stddev = mean, stddev
        self.seed = _as_seed(self, seed)

    def __call__(self, shape: Shape, dtype: Any = None, **kwargs: Any) -> torch.Tensor:
        """A tensor of draws; ValueError where the dtype is no float. See `Initializer.__call__`."""

        def fill(values: torch.Tensor, generator: torch.Generator | None) -> torch.Tensor:
            return _truncated(values, generator) * self.stddev + self.mean

        return _random(_shapes(self, shape, kwargs)[1], _float_dtype(self, dtype), self.seed, fill)


class VarianceScaling(Initializer):
    """Draws whose variance is `scale / n`, n being the number of inputs, of outputs, or their mean.

    mode: 'fan_in', 'fan_out' or 'fan_avg'. distribution: 'truncated_normal' ('normal' is the same),
    'untruncated_normal' or 'uniform'. input_axes, output_axes (Keras 3): the axes of the weight that count as inputs
    and outputs; without them, the last axis of two or more is the outputs, the last but one the inputs, and the others
    a window.
    Raises ValueError for a scale that isn't positive, and an unknown mode or distribution.
    Keras: tf.keras.initializers.VarianceScaling.
    """

    def __init__(
        self,
        scale: float = 1.0,
        mode: str = "fan_in",
        distribution: str = "truncated_normal",
        seed: int | None = None,
        input_axes: Sequence[int] | None = None,
        output_axes: Sequence[int] | None = None,
    ) -> None:
        if not scale > 0:
            raise ValueError(f"{type(self).__name__}: scale must be positive, got {scale!r}.")
        if mode not in ("fan_in", "fan_out", "fan_avg"):
            raise ValueError(
                f"{type(self).__name__}: unknown mode {mode!r}; expected 'fan_in', 'fan_out' or 'fan_avg'."
            )
        known = ("normal", "truncated_normal", "untruncated_normal", "uniform")
        if str(distribution).lower() not in known:
            raise ValueError(f"{type(self).__name__}: unknown distribution {distribution!r}; expected one of {known}.")
        if (input_axes is None) != (output_axes is None):
            raise ValueError(
                f"{type(self).__name__}: give both input_axes and output_axes or neither, "
                f"got input_axes={input_axes!r}, output_axes={output_axes!r}."
            )
        self.scale, self.mode = scale, mode
        self.distribution = distribution.lower() if distribution.lower() != "normal" else "truncated_normal"
        self.seed = _as_seed(self, seed)
        self.input_axes, self.output_axes = input_axes, output_axes

    def __call__(self, shape: Shape, dtype: Any = None, **kwargs: Any) -> torch.Tensor:
        """A tensor of draws; ValueError where the dtype is no float. See `Initializer.__call__`."""
        whole, part = _shapes(self, shape, kwargs)
        fan_in, fan_out = self._fans(whole)
        variance = self.scale / max(1.0, {"fan_in": fan_in, "fan_out": fan_out}.get(self.mode, (fan_in + fan_out) / 2))

        def fill(values: torch.Tensor, generator: torch.Generator | None) -> torch.Tensor:
            if self.distribution == "uniform":
                limit = math.sqrt(3 * variance)
                return values.uniform_(-limit, limit, generator=generator)
            if self.distribution == "untruncated_normal":
                return values.normal_(0.0, math.sqrt(variance), generator=generator)
            return _truncated(values, generator) * (math.sqrt(variance) / _TRUNCATED_STDDEV)

        return _random(part, _float_dtype(self, dtype), self.seed, fill)

    def _fans(self, shape: tuple[int, ...]) -> tuple[int, int]:
        if self.input_axes is not None and self.output_axes is not None:
            return math.prod(shape[i] for i in self.input_axes), math.prod(shape[i] for i in self.output_axes)
        if len(shape) < 2:
            return math.prod(shape), math.prod(shape)
        window = math.prod(shape[:-2])
        return shape[-2] * window, shape[-1] * window

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments; the axes, which tf.keras 2 doesn't know, only where they are given."""
        config = super().get_config()
        return {k: v for k, v in config.items() if v is not None or k not in ("input_axes", "output_axes")}


class GlorotUniform(VarianceScaling):
    """Uniform in +-sqrt(6 / (fan_in + fan_out)).

    Keras: tf.keras.initializers.GlorotUniform (Glorot and Bengio, 2010).
    """

    def __init__(
        self,
        seed: int | None = None,
        input_axes: Sequence[int] | None = None,
        output_axes: Sequence[int] | None = None,
    ) -> None:
        super().__init__(1.0, "fan_avg", "uniform", seed, input_axes, output_axes)


class GlorotNormal(VarianceScaling):
    """Truncated normal of variance 2 / (fan_in + fan_out).

    Keras: tf.keras.initializers.GlorotNormal (Glorot and Bengio, 2010).
    """

    def __init__(
        self,
        seed: int | None = None,
        input_axes: Sequence[int] | None = None,
        output_axes: Sequence[int] | None = None,
    ) -> None:
        super().__init__(1.0, "fan_avg", "truncated_normal", seed, input_axes, output_axes)


class HeUniform(VarianceScaling):
    """Uniform in +-sqrt(6 / fan_in). Keras: tf.keras.initializers.HeUniform (He et al., 2015)."""

    def __init__(
        self,
        seed: int | None = None,
        input_axes: Sequence[int] | None = None,
        output_axes: Sequence[int] | None = None,
    ) -> None:
        super().__init__(2.0, "fan_in", "uniform", seed, input_axes, output_axes)


class HeNormal(VarianceScaling):
    """Truncated normal of variance 2 / fan_in. Keras: tf.keras.initializers.HeNormal (He et al., 2015)."""

    def __init__(
        self,
        seed: int | None = None,
        input_axes: Sequence[int] | None = None,
        output_axes: Sequence[int] | None = None,
    ) -> None:
        super().__init__(2.0, "fan_in", "truncated_normal", seed, input_axes, output_axes)


class LecunUniform(VarianceScaling):
    """Uniform in +-sqrt(3 / fan_in). Keras: tf.keras.initializers.LecunUniform (LeCun et al., 1998)."""

    def __init__(
        self,
        seed: int | None = None,
        input_axes: Sequence[int] | None = None,
        output_axes: Sequence[int] | None = None,
    ) -> None:
        super().__init__(1.0, "fan_in", "uniform", seed, input_axes, output_axes)


class LecunNormal(VarianceScaling):
    """Truncated normal of variance 1 / fan_in. Keras: tf.keras.initializers.LecunNormal (Klambauer et al., 2017)."""

    def __init__(
        self,
        seed: int | None = None,
        input_axes: Sequence[int] | None = None,
        output_axes: Sequence[int] | None = None,
    ) -> None:
        super().__init__(1.0, "fan_in", "truncated_normal", seed, input_axes, output_axes)


class Orthogonal(Initializer):
    """`gain` times an orthogonal matrix: of the weight seen as (all but the last axis, last axis), the rows are
    orthonormal where they are fewer than the columns, else the columns are.

    An int seed gives the same values at every call. Keras: tf.keras.initializers.Orthogonal (Saxe et al., 2014).
    """

    def __init__(self, gain: float = 1.0, seed: int | None = None) -> None:
        self.gain = gain
        self.seed = _as_seed(self, seed)

    def __call__(self, shape: Shape, dtype: Any = None, **kwargs: Any) -> torch.Tensor:
        """A tensor of draws; ValueError for fewer than two axes, a part of a weight, and a dtype that is no float."""
        shape, _ = _whole_shape(self, shape, kwargs)
        if len(shape) < 2:
            raise ValueError(f"Orthogonal: the weight must have at least two axes, got shape {shape}.")
        rows, columns = math.prod(shape[:-1]), shape[-1]

        def fill(values: torch.Tensor, generator: torch.Generator | None) -> torch.Tensor:
            q, r = torch.linalg.qr(values.normal_(generator=generator))
            # QR leaves the columns' signs to the algorithm; r's make the draw uniform over the orthogonal matrices.
            q = q * torch.sign(torch.diagonal(r))
            return self.gain * (q.T if rows < columns else q)

        flat = (max(rows, columns), min(rows, columns))
        return _random(flat, _float_dtype(self, dtype), self.seed, fill).reshape(shape)


class Identity(Initializer):
    """`gain` times the identity matrix, cut or filled with zeros to the shape.

    Keras: tf.keras.initializers.Identity.
    """

    def __init__(self, gain: float = 1.0) -> None:
        self.gain = gain

    def __call__(self, shape: Shape, dtype: Any = None, **kwargs: Any) -> torch.Tensor:
        """A matrix; ValueError for other than two axes, a part of a weight, and a dtype that is no float."""
        shape, _ = _whole_shape(self, shape, kwargs)
        if len(shape) != 2:
            raise ValueError(f"Identity: the weight must have two axes, got shape {shape}.")
        return self.gain * torch.eye(*shape, dtype=_float_dtype(self, dtype))


def _whole_shape(
    owner: Initializer, shape: Shape, kwargs: Mapping[str, Any]
) -> tuple[tuple[int, ...], tuple[int, ...]]:
    if "partition_shape" in kwargs or "partition_offset" in kwargs:
        raise ValueError(f"{type(owner).__name__}: makes whole weights only, got {sorted(kwargs)}.")
    return _shapes(owner, shape, kwargs)


class STFT(Initializer):
    """The kernel of a convolution that computes a short-time Fourier transform: its real or its imaginary side.

    window: the name of one of `torch.signal.windows`, an array of frame_length numbers, or None. scaling: 'density'
    (the window has L2 norm 1), 'spectrum' (it has L1 norm 1), or None. periodic: whether a named window is periodic.
    Raises ValueError for an unknown side, window or scaling.
    Keras 3: keras.initializers.STFT, which takes scipy's windows.
    """

    def __init__(
        self,
        side: str = "real",
        window: Any = "hann",
        scaling: str | None = "density",
        periodic: bool = False,
    ) -> None:
        if side not in ("real", "imag"):
            raise ValueError(f"STFT: unknown side {side!r}; expected 'real' or 'imag'.")
        if isinstance(window, str) and window not in _WINDOWS:
            raise ValueError(f"STFT: unknown window {window!r}; expected one of {sorted(_WINDOWS)}, an array, or None.")
        if scaling not in ("density", "spectrum", None):
            raise ValueError(f"STFT: unknown scaling {scaling!r}; expected 'density', 'spectrum' or None.")
        self.side, self.window, self.scaling, self.periodic = side, window, scaling, periodic

    def __call__(self, shape: Shape, dtype: Any = None, **kwargs: Any) -> torch.Tensor:
        """A kernel of shape (frame_length, 1, fft_length // 2 + 1); ValueError for a window of another length."""
        shape, _ = _whole_shape(self, shape, kwargs)
        if len(shape) != 3:
            raise ValueError(f"STFT: the shape must be (frame_length, 1, fft_length // 2 + 1), got {shape}.")
        dtype = _float_dtype(self, dtype)
        frame_length, _, bins = shape
        time = torch.arange(frame_length, dtype=torch.float64).reshape(-1, 1, 1)
        frequency = torch.arange(bins, dtype=torch.float64) / max(1, 2 * (bins - 1))
        angle = -2 * math.pi * time * frequency
        kernel = torch.cos(angle) if self.side == "real" else torch.sin(angle)
        if self.window is None:
            return kernel.to(dtype)
        if isinstance(self.window, str):
            window = _WINDOWS[self.window](frame_length, sym=not self.periodic, dtype=torch.float64)
        else:
            window = torch.as_tensor(self.window, dtype=torch.float64, device=_default_device())
        if tuple(window.shape) != (frame_length,):
            raise ValueError(
                f"STFT: the window must have shape ({frame_length},), the frame's, got {tuple(window.shape)}."
            )
        norm = {"density": 2, "spectrum": 1}.get(self.scaling or "")
        if norm is not None:
            window = window / torch.linalg.vector_norm(window, norm)
        return (kernel * window.reshape(-1, 1, 1)).to(dtype)


def _boxcar(length: int, *, sym: bool, dtype: torch.dtype) -> torch.Tensor:
    return torch.ones(length, dtype=dtype)


_WINDOWS: dict[str, Callable[..., torch.Tensor]] = {
    name: getattr(torch.signal.windows, name)
    for name in ("bartlett", "blackman", "cosine", "hamming", "hann", "nuttall")
}
_WINDOWS["boxcar"] = _boxcar

constant = Constant
glorot_normal = GlorotNormal
glorot_uniform = GlorotUniform
he_normal = HeNormal
he_uniform = HeUniform
identity = IdentityInitializer = Identity
lecun_normal = LecunNormal
lecun_uniform = LecunUniform
one = ones = Ones
orthogonal = OrthogonalInitializer = Orthogonal
normal = random_normal = RandomNormal
uniform = random_uniform = RandomUniform
stft = STFTInitializer = STFT
truncated_normal = TruncatedNormal
variance_scaling = VarianceScaling
zero = zeros = Zeros

for _class, *_names in (
    (Constant, "constant", "ConstantV2"),
    (GlorotNormal, "glorot_normal", "GlorotNormalV2", "glorot_normalV2"),
    (GlorotUniform, "glorot_uniform", "GlorotUniformV2", "glorot_uniformV2"),
    (HeNormal, "he_normal", "HeNormalV2", "he_normalV2"),
    (HeUniform, "he_uniform", "HeUniformV2", "he_uniformV2"),
    (Identity, "identity", "IdentityV2", "IdentityInitializer"),
    (LecunNormal, "lecun_normal", "LecunNormalV2", "lecun_normalV2"),
    (LecunUniform, "lecun_uniform", "LecunUniformV2", "lecun_uniformV2"),
    (Ones, "ones", "one", "OnesV2"),
    (Orthogonal, "orthogonal", "OrthogonalV2", "OrthogonalInitializer"),
    (RandomNormal, "random_normal", "normal", "RandomNormalV2"),
    (RandomUniform, "random_uniform", "uniform", "RandomUniformV2"),
    (STFT, "stft", "STFTInitializer"),
    (TruncatedNormal, "truncated_normal", "TruncatedNormalV2"),
    (VarianceScaling, "variance_scaling", "VarianceScalingV2"),
    (Zeros, "zeros", "zero", "ZerosV2"),
):
    registry.register("initializer", _class, *_names)


def serialize(initializer: Any, use_legacy_format: bool = False) -> Any:
    """`{'class_name', 'config'}` of an initializer, the name of a function, None of None.

    `use_legacy_format` is taken because tf.keras has it; there is one form. Keras: tf.keras.initializers.serialize.
    """
    return registry.serialize(initializer)


def deserialize(config: Any, custom_objects: Mapping[str, Any] | None = None, use_legacy_format: bool = False) -> Any:
    """The initializer that a name or config means; ValueError for an unknown one.

    Keras: tf.keras.initializers.deserialize.
    """
    return registry.deserialize("initializer", config, custom_objects)


def get(identifier: Any) -> Any:
    """The initializer that a name, config, class or callable means; None stays None.

    Raises ValueError for an unknown name, and for anything else. Keras: tf.keras.initializers.get.
    """
    return registry.identify("initializer", identifier)
