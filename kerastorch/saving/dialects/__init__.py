"""The forms in which the generations of Keras write a config, read into tf.keras 2's, and the one that is written."""

from kerastorch.saving.dialects.keras2 import portable
from kerastorch.saving.dialects.keras3 import canonical

__all__ = ["canonical", "portable"]
