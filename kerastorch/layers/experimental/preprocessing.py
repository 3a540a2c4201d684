"""Preprocessing layers by their old names. Keras: tf.keras.layers.experimental.preprocessing."""

from __future__ import annotations

from kerastorch.layers.preprocessing.base import PreprocessingLayer
from kerastorch.layers.preprocessing.hashing import HashedCrossing, Hashing
from kerastorch.layers.preprocessing.image import CenterCrop, Rescaling, Resizing
from kerastorch.layers.preprocessing.image_random import (
    RandomContrast,
    RandomCrop,
    RandomFlip,
    RandomHeight,
    RandomRotation,
    RandomTranslation,
    RandomWidth,
    RandomZoom,
)
from kerastorch.layers.preprocessing.lookup import IntegerLookup, StringLookup
from kerastorch.layers.preprocessing.numeric import CategoryEncoding, Discretization, Normalization
from kerastorch.layers.preprocessing.text import TextVectorization

__all__ = [
    "CategoryEncoding",
    "CenterCrop",
    "Discretization",
    "HashedCrossing",
    "Hashing",
    "IntegerLookup",
    "Normalization",
    "PreprocessingLayer",
    "RandomContrast",
    "RandomCrop",
    "RandomFlip",
    "RandomHeight",
    "RandomRotation",
    "RandomTranslation",
    "RandomWidth",
    "RandomZoom",
    "Rescaling",
    "Resizing",
    "StringLookup",
    "TextVectorization",
]
