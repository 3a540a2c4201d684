"""Which layers begin in training, and what changes that. What is called with no phase does as tf_keras 2.21 and Keras
3.15 do: both were asked."""

import numpy as np
import pytest
import torch
from torch import nn

import kerastorch as keras

L = keras.layers
IMAGES = torch.arange(64 * 4 * 4 * 3.0).reshape(64, 4, 4, 3)


def changes(result):
    return not torch.equal(torch.as_tensor(np.asarray(result)), IMAGES)


def nested():
    x = keras.Input((4, 4, 3))
    return keras.Model(x, keras.Sequential([keras.Input((4, 4, 3)), L.RandomFlip()])(x))


def functional():
    x = keras.Input((4, 4, 3))
    return keras.Model(x, L.RandomFlip()(x))


class Plain(keras.Model):
    def __init__(self):
        super().__init__()
        self.flip = L.RandomFlip()

    def call(self, x):
        return self.flip(x)


class Asking(Plain):
    def call(self, x, training=None):
        return self.flip(x)


class Late(keras.Model):
    def build(self, input_shape):
        self.flip, self.drop = L.RandomFlip(), nn.Dropout(0.5)
        self.built = True

    def call(self, x):
        return self.drop(self.flip(x))


class Inferring(Plain):
    def call(self, x, training=False):
        return self.flip(x)


MODELS = {
    "sequential": lambda: keras.Sequential([keras.Input((4, 4, 3)), L.RandomFlip(), L.Dropout(0.5)]),
    "sequential, not built": lambda: keras.Sequential([L.RandomFlip(), L.Dropout(0.5)]),
    "functional": functional,
    "nested": nested,
    "subclass": Plain,
    "subclass that takes training": Asking,
    "subclass that builds late": Late,
    "pipeline": lambda: keras.Sequential([L.Pipeline([L.RandomFlip()])]),
    "mixed precision": lambda: keras.Sequential(
        [L.RandomFlip(dtype="mixed_bfloat16"), L.Rescaling(1.0, dtype="float32")]
    ),
}


@pytest.mark.parametrize("name", MODELS)
def test_models_augment_when_called_and_not_in_predict(name):
    model, whole = MODELS[name](), IMAGES
    if name == "mixed precision":
        whole = IMAGES.bfloat16().float()
    assert not torch.equal(model(IMAGES), whole)
    assert not (model(IMAGES) == 0).float().mean() > 0.1, "Dropout, which Keras leaves out here"
    assert np.array_equal(model.predict(IMAGES, verbose=0), whole)
    assert torch.equal(
        model(IMAGES, training=False) if name in ("functional", "nested") else model.eval()(IMAGES), whole
    )
    model.train()
    assert not torch.equal(model(IMAGES), whole)


def test_predict_leaves_layers_that_it_builds_as_they_would_have_begun():
    model = Late()
    assert np.array_equal(model.predict(IMAGES, verbose=0), IMAGES)
    assert model.flip.training and not model.drop.training
    assert changes(model(IMAGES))


def test_a_call_that_names_inference_infers():
    assert not changes(Inferring()(IMAGES))
    assert not Inferring().flip.training


def test_what_is_put_into_a_model_follows_once_it_was_told_its_phase():
    model = Plain().eval()
    model.other = L.RandomFlip()
    assert not model.other.training
    model.train()
    model.more, model.raw = L.Dropout(0.5), nn.Dropout(0.5)
    assert model.more.training and model.raw.training
    fresh = Plain()
    fresh.more, fresh.raw = L.Dropout(0.5), nn.Sequential(nn.Dropout(0.5), L.RandomFlip())
    assert fresh.flip.training and not fresh.more.training
    assert not fresh.raw[0].training and fresh.raw[1].training


@pytest.mark.parametrize(
    ("layer", "begins"),
    [
        (lambda: L.RandomFlip(), True),
        (lambda: L.RandAugment(), True),
        (lambda: L.Pipeline([]), True),
        (lambda: L.Dropout(0.5), False),
        (lambda: L.Dense(2), False),
        (lambda: L.BatchNormalization(), False),
    ],
)
def test_where_layers_begin(layer, begins):
    assert layer().training is begins
