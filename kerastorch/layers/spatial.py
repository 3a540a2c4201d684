"""Layers that change spatial sizes without weights: zero padding, cropping, upsampling."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from kerastorch.config import standardize_dtype
from kerastorch.layers.input_spec import InputSpec
from kerastorch.layers.windows import Shape, SpatialLayer, with_defaults
from kerastorch.nn.resize import KernelResize2d, Repeat

__all__ = [
    "Cropping1D",
    "Cropping2D",
    "Cropping3D",
    "UpSampling1D",
    "UpSampling2D",
    "UpSampling3D",
    "ZeroPadding1D",
    "ZeroPadding2D",
    "ZeroPadding3D",
]


class ZeroPadding(SpatialLayer):
    """The base of zero padding: rows of zeros before and after on each spatial axis.

    Shapes: (batch, *sizes, channels) -> (batch, *new sizes, channels), channels second where `channels_first`.
    padding: an int for all sides, an int per axis, or a pair (before, after) per axis.
    Raises ValueError for a padding of another form, or a negative one.
    """

    _live = ("padding",)

    def __init__(self, padding: Any = 1, data_format: str | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.padding: Any = self._pairs("padding", padding)
        self.data_format = self._format(data_format)
        self.input_spec = InputSpec(ndim=self.rank + 2)

    @property
    def _amounts(self) -> tuple[tuple[int, int], ...]:
        return self.padding

    def build(self, input_shape: Any = None) -> None:
        """Makes the torch module."""
        amounts = tuple(n for pair in reversed(self._amounts) for n in pair)
        modules: tuple[Any, ...] = (nn.ZeroPad1d, nn.ZeroPad2d, nn.ZeroPad3d)
        self.edges = modules[self.rank - 1](amounts)
        self.built = True

    def call(self, inputs: torch.Tensor) -> torch.Tensor:
        """(batch, *sizes, channels) -> (batch, *new sizes, channels)."""
        return self._to_keras(self.edges(self._to_torch(inputs)))

    def compute_output_shape(self, input_shape: Any) -> Shape:
        """(batch, *sizes, channels) -> (batch, *new sizes, channels)."""
        sizes = self._sizes(input_shape)
        return self._shape(
            input_shape, [None if n is None else n + a + b for n, (a, b) in zip(sizes, self._amounts, strict=True)]
        )


class ZeroPadding1D(ZeroPadding):
    """Zeros before and after the steps: see `ZeroPadding`; here `padding` is an int or a pair (before, after).

    data_format: Keras 3's; 'channels_last' unless given. Keras: tf.keras.layers.ZeroPadding1D; torch: nn.ZeroPad1d.
    """

    rank = 1

    def __init__(self, padding: Any = 1, *, data_format: str | None = None, **kwargs: Any) -> None:
        super().__init__(padding=0, data_format=data_format or "channels_last", **kwargs)
        self.padding = self._ints("padding", padding, 0, 2)

    @property
    def _amounts(self) -> tuple[tuple[int, int], ...]:
        return (self.padding,)

    def get_config(self) -> dict[str, Any]:
        """`padding`, and `data_format` only where it is 'channels_first': tf.keras 2 has none."""
        config = super().get_config()
        if self.data_format == "channels_last":
            config.pop("data_format", None)
        return config


class ZeroPadding2D(ZeroPadding):
    """Zeros around images: see `ZeroPadding`. Keras: tf.keras.layers.ZeroPadding2D; torch: nn.ZeroPad2d."""

    rank = 2
    __init__ = with_defaults(ZeroPadding.__init__, padding=(1, 1))


class ZeroPadding3D(ZeroPadding):
    """Zeros around volumes: see `ZeroPadding`. Keras: tf.keras.layers.ZeroPadding3D; torch: nn.ZeroPad3d."""

    rank = 3
    __init__ = with_defaults(ZeroPadding.__init__, padding=(1, 1, 1))


class Cropping(SpatialLayer):
    """The base of cropping: rows cut off before and after on each spatial axis.

    Shapes: (batch, *sizes, channels) -> (batch, *new sizes, channels), channels second where `channels_first`.
    cropping: an int for all sides, an int per axis, or a pair (before, after) per axis.
    Raises ValueError for a cropping of another form, a negative one, and one that leaves nothing.
    """

    def __init__(self, cropping: Any = 1, data_format: str | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.cropping: Any = self._pairs("cropping", cropping)
        self.data_format = self._format(data_format)
        self.input_spec = InputSpec(ndim=self.rank + 2)

    @property
    def _amounts(self) -> tuple[tuple[int, int], ...]:
        return self.cropping

    def _settle(self, shape: Any) -> None:
        self.compute_output_shape(shape)

    def call(self, inputs: torch.Tensor) -> torch.Tensor:
        """(batch, *sizes, channels) -> (batch, *new sizes, channels)."""
        self._settle_eagerly(inputs)
        kept = [slice(before or None, -after if after else None) for before, after in self._amounts]
        return self._to_keras(self._to_torch(inputs)[(slice(None), slice(None), *kept)])

    def compute_output_shape(self, input_shape: Any) -> Shape:
        """(batch, *sizes, channels) -> (batch, *new sizes, channels)."""
        sizes = self._sizes(input_shape)
        return self._shape(
            input_shape, [None if n is None else n - a - b for n, (a, b) in zip(sizes, self._amounts, strict=True)]
        )


class Cropping1D(Cropping):
    """Cuts off steps before and after: see `Cropping`; here `cropping` is an int or a pair (before, after).

    Keras: tf.keras.layers.Cropping1D.
    """

    rank = 1

    def __init__(self, cropping: Any = (1, 1), **kwargs: Any) -> None:
        super().__init__(cropping=0, data_format="channels_last", **kwargs)
        self.cropping = self._ints("cropping", cropping, 0, 2)

    @property
    def _amounts(self) -> tuple[tuple[int, int], ...]:
        return (self.cropping,)


class Cropping2D(Cropping):
    """Cuts off the edges of images: see `Cropping`. Keras: tf.keras.layers.Cropping2D."""

    rank = 2
    __init__ = with_defaults(Cropping.__init__, cropping=((0, 0), (0, 0)))


class Cropping3D(Cropping):
    """Cuts off the edges of volumes: see `Cropping`. Keras: tf.keras.layers.Cropping3D."""

    rank = 3
    __init__ = with_defaults(Cropping.__init__, cropping=((1, 1), (1, 1), (1, 1)))


class UpSampling(SpatialLayer):
    """The base of upsampling: every spatial size times an integer.

    Shapes: (batch, *sizes, channels) -> (batch, *new sizes, channels), channels second where `channels_first`.
    Raises ValueError where a size is no positive int.
    """

    _live = ("size", "interpolation")
    _whole = False  # whether the layer was called on integers or bools, which torch does not upsample

    def __init__(self, size: Any = 2, data_format: str | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.size: Any = self._ints("size", size)
        self.data_format = self._format(data_format)
        self.input_spec = InputSpec(ndim=self.rank + 2)

    @property
    def _factors(self) -> tuple[int, ...]:
        return self.size

    def build(self, input_shape: Any = None) -> None:
        """Makes the torch module."""
        self.resize = self._module()
        self.built = True

    def _module(self) -> nn.Module:
        if self._whole:
            return Repeat(self._factors)
        # torch's 'nearest' multiplies by the rounded 1 / factor, which is exact for powers of two only.
        exact = all(n & (n - 1) == 0 for n in self._factors)
        factors = tuple(map(float, self._factors))
        return nn.Upsample(scale_factor=factors, mode="nearest" if exact else "nearest-exact")

    def _heed(self, dtype: Any) -> None:
        if not self._whole and "float" not in standardize_dtype(dtype):
            self._whole = True
            if self.built:
                self.resize = self._module()

    def compute_output_spec(self, *args: Any, **kwargs: Any) -> Any:
        """A KerasTensor of the output's shape and dtype."""
        self._heed((args[0] if args else kwargs["inputs"]).dtype)
        return super().compute_output_spec(*args, **kwargs)

    def call(self, inputs: torch.Tensor) -> torch.Tensor:
        """(batch, *sizes, channels) -> (batch, *new sizes, channels)."""
        if isinstance(inputs, torch.Tensor):
            self._heed(inputs.dtype)
        return self._to_keras(self.resize(self._to_torch(inputs)))

    def compute_output_shape(self, input_shape: Any) -> Shape:
        """(batch, *sizes, channels) -> (batch, *new sizes, channels)."""
        sizes = self._sizes(input_shape)
        return self._shape(
            input_shape, [None if n is None else n * f for n, f in zip(sizes, self._factors, strict=True)]
        )


class UpSampling1D(UpSampling):
    """Each step `size` times: (batch, steps, channels) -> (batch, steps * size, channels).

    Keras: tf.keras.layers.UpSampling1D; torch: nn.Upsample.
    """

    rank = 1

    def __init__(self, size: int = 2, **kwargs: Any) -> None:
        super().__init__(size=1, data_format="channels_last", **kwargs)
        if size is None or isinstance(size, (list, tuple)):
            raise TypeError(str(self._complain("size", size, "a positive integer")))
        self.size = self._ints("size", size)[0]

    @property
    def _factors(self) -> tuple[int, ...]:
        return (self.size,)


class UpSampling2D(UpSampling):
    """Images `size` times as large: see `UpSampling`.

    interpolation: 'nearest', 'bilinear', 'bicubic', 'area', 'lanczos3', 'lanczos5', 'gaussian' or 'mitchellcubic', as
    `tf.image.resize` computes them.
    Raises NotImplementedError for another, as tf.keras does.
    Keras: tf.keras.layers.UpSampling2D; torch: nn.Upsample for the first two and 'area'.
    """

    rank = 2
    _interpolations = (
        "nearest",
        "bilinear",
        "bicubic",
        "area",
        "lanczos3",
        "lanczos5",
        "gaussian",
        "mitchellcubic",
    )

    def __init__(
        self, size: Any = (2, 2), data_format: str | None = None, interpolation: str = "nearest", **kwargs: Any
    ) -> None:
        super().__init__(size=size, data_format=data_format, **kwargs)
        if str(interpolation).lower() not in self._interpolations:
            raise NotImplementedError(
                f"UpSampling2D '{self.name}': interpolation must be one of {self._interpolations}, got {interpolation!r}."
            )
        self.interpolation = interpolation.lower()

    def _module(self) -> nn.Module:
        if self.interpolation in ("nearest", "area"):
            return super()._module()
        if self.interpolation == "bilinear":
            return nn.Upsample(scale_factor=tuple(map(float, self.size)), mode="bilinear", align_corners=False)
        return KernelResize2d(scale_factor=self.size, mode=self.interpolation)


class UpSampling3D(UpSampling):
    """Volumes `size` times as large, by repetition: see `UpSampling`.

    Keras: tf.keras.layers.UpSampling3D; torch: nn.Upsample.
    """

    rank = 3
    __init__ = with_defaults(UpSampling.__init__, size=(2, 2, 2))
