"""Layers that hand masks on in Keras 3 and not in tf.keras."""

from __future__ import annotations

from typing import Any

from kerastorch.layers.base import Layer

__all__ = ["HandsOnInKeras3"]


class HandsOnInKeras3(Layer):
    """The base of a layer whose input's mask ends there in tf.keras and goes on in Keras 3.

    keras3_masking: it goes on, as in models from Keras 3.
    """

    def __init__(self, *, keras3_masking: bool = False, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.keras3_masking = keras3_masking

    def _hands_on_masks(self) -> bool:
        return self.keras3_masking or super()._hands_on_masks()

    def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
        """The inputs' mask, with keras3_masking."""
        return mask if self.keras3_masking else super().compute_mask(inputs, mask)

    def get_config(self) -> dict[str, Any]:
        """The arguments; `keras3_masking` where it is set."""
        config = super().get_config()
        config.pop("keras3_masking", None)
        return {**config, "keras3_masking": True} if self.keras3_masking else config
