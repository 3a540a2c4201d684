"""Layers by the names that they had before they were settled. Keras: tf.keras.layers.experimental."""

from __future__ import annotations

from kerastorch.layers.batch_normalization import SyncBatchNormalization
from kerastorch.layers.einsum_dense import EinsumDense
from kerastorch.layers.experimental import preprocessing
from kerastorch.layers.kernelized import RandomFourierFeatures
from kerastorch.layers.preprocessing.pipeline import DynamicEmbedding, DynamicLookup

__all__ = [
    "DynamicEmbedding",
    "DynamicLookup",
    "EinsumDense",
    "RandomFourierFeatures",
    "SyncBatchNormalization",
    "preprocessing",
]
