"""A layer without weights that is called on inputs of several ranks does for each what a new layer does."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import kerastorch as keras
from kerastorch import layers

RANDOM = np.random.default_rng(0)
X2, X3, X4 = (RANDOM.normal(size=size).astype("float32") for size in ((2, 4), (2, 3, 4), (2, 2, 3, 4)))
IMAGES = RANDOM.random((2, 6, 8, 3)).astype("float32")


@pytest.mark.parametrize(
    ("make", "calls"),
    [
        (layers.Softmax, [X3, X4]),
        (lambda: layers.Softmax([-2, -1]), [X4, X3]),
        (layers.UnitNormalization, [X3, X4]),
        (layers.Concatenate, [[X3, X3], [X4, X4]]),
        (lambda: layers.Dot(-1), [[X2, X2], [X3, X3]]),
        (layers.Add, [[X2, X3], [X3, X3], [X4, X3]]),
        (layers.Maximum, [[X3, X3], [X3, X2]]),
    ],
)
def test_one_layer_for_several_ranks(make, calls):
    layer, symbols = make(), []
    for x in calls * 2:
        torch.testing.assert_close(layer(x), make()(x))
    for x in calls:
        symbols.append([keras.Input(y.shape[1:]) for y in x] if isinstance(x, list) else keras.Input(x.shape[1:]))
    flat = [y for x in symbols for y in (x if isinstance(x, list) else [x])]
    model = keras.Model(flat, [layer(x) for x in symbols])
    got = model([y for x in calls for y in (x if isinstance(x, list) else [x])])
    for y, x in zip(got, calls, strict=True):
        torch.testing.assert_close(y, make()(x))


@pytest.mark.parametrize("make", [lambda: layers.CenterCrop(4, 4), lambda: layers.Resizing(3, 3)])
def test_one_image_and_many(make):
    layer = make()
    for x in (IMAGES, IMAGES[0]) * 2:
        torch.testing.assert_close(layer(x), make()(x))


@pytest.mark.parametrize(
    ("name", "args"),
    [
        ("RandomFlip", ()), ("RandomRotation", (0.2,)), ("RandomZoom", (0.2,)), ("RandomTranslation", (0.1, 0.1)),
        ("RandomBrightness", (0.3,)), ("RandomContrast", (0.3,)),
    ],
)  # fmt: skip
def test_one_random_image_and_many(name, args):
    layer = getattr(layers, name)(*args)
    layer(keras.Input((6, 8, 3)))
    for x in (IMAGES, IMAGES[0]) * 2:
        assert layer(x, training=True).shape == x.shape
        torch.testing.assert_close(layer(x, training=False), torch.as_tensor(x))
    crop = layers.RandomCrop(4, 5)
    assert crop(IMAGES, training=True).shape == (2, 4, 5, 3) and crop(IMAGES[0], training=True).shape == (4, 5, 3)
