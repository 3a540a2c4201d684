"""ContrastLimitedAdaptiveHistogramEqualization of Keras 3."""

from __future__ import annotations

from typing import Any

import torch

from kerastorch.layers.preprocessing.image_base import ImageLayer
from kerastorch.nn.histogram import AdaptiveEqualize

__all__ = ["ContrastLimitedAdaptiveHistogramEqualization"]


class ContrastLimitedAdaptiveHistogramEqualization(ImageLayer):
    """Images with histograms evened out tile by tile, always.

    clip_limit: where histograms are cut off, as a multiple of their mean height; 0 for not. tile_grid_size: tiles down
    and across. Keras: keras.layers.ContrastLimitedAdaptiveHistogramEqualization (Keras 3).
    """

    def __init__(
        self,
        value_range: Any = (0, 255),
        clip_limit: float = 4.0,
        tile_grid_size: Any = (8, 8),
        data_format: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(data_format=data_format, **kwargs)
        for key, value in (("value_range", value_range), ("tile_grid_size", tile_grid_size)):
            if not isinstance(value, (list, tuple)) or len(value) != 2:
                raise self._error(f"{key} must be a list of two numbers, got {value!r}.")
        self.value_range, self.clip_limit, self.tile_grid_size = list(value_range), clip_limit, list(tile_grid_size)
        self.equalize = AdaptiveEqualize(tuple(value_range), clip_limit, tuple(tile_grid_size))

    def call(self, inputs: Any) -> Any:
        """The images, or the dict, evened out."""
        if isinstance(inputs, dict):
            return self._augment_dict(inputs, False)
        return self._back(self.equalize(self._channels_first(inputs)))

    def augment(self, images: torch.Tensor, drawn: Any) -> torch.Tensor:
        """The images, evened out."""
        return self.equalize(images.permute(0, 3, 1, 2)).permute(0, 2, 3, 1)
