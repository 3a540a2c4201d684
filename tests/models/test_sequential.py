"""Stacks of layers."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch

import kerastorch as keras
from kerastorch import layers
from kerastorch.layers import Dense

X = np.ones((2, 4), "float32")


@pytest.fixture(autouse=True)
def fresh_names():
    keras.backend.clear_session()


WAYS = {
    "an Input": lambda: [keras.Input((4,)), Dense(3), Dense(2)],
    "an InputLayer": lambda: [layers.InputLayer((4,)), Dense(3), Dense(2)],
    "input_shape": lambda: [Dense(3, input_shape=(4,)), Dense(2)],
    "input_dim": lambda: [Dense(3, input_dim=4), Dense(2)],
    "batch_input_shape": lambda: [Dense(3, batch_input_shape=(None, 4)), Dense(2)],
}


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
def test_ways_to_say_the_input_shape(way):
    model = keras.Sequential(way())
    assert model.built
    assert model.output_shape == (None, 2)
    assert [layer.name for layer in model.layers] == ["dense", "dense_1"]
    config = model.get_config()
    assert [layer["class_name"] for layer in config["layers"]] == ["InputLayer", "Dense", "Dense"]
    again = keras.Sequential.from_config(config)
    assert again.get_config() == config
    again.set_weights(model.get_weights())
    assert torch.equal(again(X), model(X))


def test_deferred_build():
    model = keras.Sequential([Dense(3), Dense(2)])
    assert not model.built
    assert model.weights == []
    assert model(X).shape == (2, 2)
    assert model.built
    assert model.input_shape == (None, 4)
    assert model(np.ones((5, 4))).shape == (5, 2)
    other = keras.Sequential([Dense(3)])
    other.build((None, 4))
    assert other.output_shape == (None, 3)


def test_add_and_pop():
    model = keras.Sequential()
    model.add(keras.Input((4,)))
    model.add(Dense(3, name="a"))
    model.add(Dense(2, name="b"))
    kernel = model.weights[0]
    assert model(X).shape == (2, 2)
    model.pop()
    assert model(X).shape == (2, 3)
    assert model.output_shape == (None, 3)
    assert model.weights[0] is kernel
    assert list(model.state_dict()) == ["a.linear.weight", "a.linear.bias"]
    model.add(Dense(1, name="c"))
    assert [w.name for w in model.weights] == ["a/kernel:0", "a/bias:0", "c/kernel:0", "c/bias:0"]


def test_stacks_in_stacks_and_copies():
    inner = keras.Sequential([Dense(3, input_shape=(4,))], name="inner")
    model = keras.Sequential([inner, Dense(2)])
    assert model.output_shape == (None, 2)
    assert torch.equal(copy.deepcopy(model)(X), model(X))
    unbuilt = copy.deepcopy(keras.Sequential([Dense(3)]))
    assert unbuilt(X).shape == (2, 3)
    clone = keras.models.clone_model(model)
    clone.set_weights(model.get_weights())
    assert torch.equal(clone(X), model(X))


def test_a_stack_that_is_called_on_a_symbol():
    model = keras.Sequential([Dense(3)])
    x = keras.Input((4,))
    whole = keras.Model(x, model(x))
    assert whole.output_shape == (None, 3)
    assert whole(X).shape == (2, 3)


def test_torch_modules_may_be_added():
    model = keras.Sequential([keras.Input((4,)), torch.nn.Linear(4, 3), torch.nn.ReLU(), Dense(2)])
    assert model(X).shape == (2, 2)
    assert len(model.weights) == 4
