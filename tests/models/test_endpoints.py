"""Losses and metrics that are drawn: `model.add_loss(tensor)`."""

import copy
import pickle

import numpy as np
import pytest
import torch

import kerastorch as keras

layers = keras.layers
X = np.random.default_rng(0).normal(size=(4, 6)).astype("float32")


def _drawn():
    x = keras.Input((6,), name="x")
    hidden = layers.Dense(3, name="hidden")(x)
    model = keras.Model(x, layers.Dense(2, name="out")(hidden))
    side = layers.Dense(1, use_bias=False, name="side")(hidden)
    model.add_loss((side * side).mean())
    model.add_metric(hidden, name="size", aggregation="mean")
    return model


def _expected(model):
    weights = {w.name: w.numpy() for w in model.weights}
    side = (X @ weights["hidden/kernel:0"] + weights["hidden/bias:0"]) @ weights["side/kernel:0"]
    return float((side**2).mean())


def _again(model):
    return keras.models.model_from_json(model.to_json())


WAYS = {
    "drawn": lambda model: model,
    "deepcopy": copy.deepcopy,
    "pickle": lambda model: pickle.loads(pickle.dumps(model)),
    "clone": keras.models.clone_model,
    "json": _again,
}


@pytest.mark.parametrize("way", WAYS)
def test_losses_of_each_call(way):
    model = WAYS[way](_drawn())
    assert [layer.name for layer in model.layers][:3] == ["x", "hidden", "out"]
    assert [type(layer).__name__ for layer in model.layers][-2:] == ["AddLoss", "AddMetric"]
    for _ in range(2):
        assert tuple(model(X).shape) == (4, 2)
        assert [loss.item() for loss in model.losses] == [pytest.approx(_expected(model), rel=1e-5)]
    assert list(model.state_dict()) == [
        f"{name}.linear.{weight}"
        for name in ("hidden", "out", "side")
        for weight in ("weight", "bias")[: 1 + (name != "side")]
    ]
    model.losses[0].backward()
    assert model.get_layer("side").kernel.grad is not None
    assert model.get_layer("out").kernel.grad is None


def test_a_loss_within_a_model_within_a_model():
    inner = _drawn()
    x = keras.Input((6,))
    model = keras.Model(x, layers.Dense(1)(inner(x)))
    model(X)
    assert [loss.item() for loss in model.losses] == [pytest.approx(_expected(inner), rel=1e-5)]


@pytest.mark.filterwarnings("ignore")  # torch.compile looks at the gradients of losses of the call before
def test_what_torch_is_given_has_no_losses():
    model = _drawn()
    module = model.to_torch()
    np.testing.assert_allclose(module(torch.tensor(X)).detach(), model(X).detach(), atol=1e-6)
    assert not any("add_loss" in name for name, _ in module.named_modules())
    compiled = torch.compile(model, backend="eager", fullgraph=True)
    assert tuple(compiled(torch.tensor(X)).shape) == (4, 2)
    assert [loss.item() for loss in model.losses] == [pytest.approx(_expected(model), rel=1e-5)]


def test_what_the_inputs_do_not_reach_is_refused():
    model = _drawn()
    with pytest.raises(ValueError, match="Graph disconnected"):
        model.add_loss(layers.Dense(1)(keras.Input((3,))))
    with pytest.raises(TypeError, match="expected a KerasTensor"):
        model.add_metric(3.0, name="three")


def test_a_clone_keeps_functions_that_a_file_has_as_code(tmp_path):
    x = keras.Input((6,))
    model = keras.Model(x, layers.Lambda(lambda x: x * 2, name="twice")(x))
    loaded = keras.models.model_from_json(model.to_json(), custom_objects={"twice": lambda x: x * 2})
    np.testing.assert_array_equal(keras.models.clone_model(loaded)(X), X * 2)
    compiled = torch.compile(loaded, backend="eager", fullgraph=True)
    np.testing.assert_array_equal(compiled(torch.tensor(X)), X * 2)
