"""The tutorial, step by step, with what tf.keras 2 gives at each."""

from __future__ import annotations

import json
import runpy
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch
import yaml

import kerastorch as keras
from kerastorch.layers import Dense, Dropout, Input
from kerastorch.models import Model, clone_model, load_model, model_from_json, model_from_yaml


@pytest.fixture(autouse=True)
def fresh_names():
    keras.backend.clear_session()


@pytest.fixture
def parts():
    hidden = Dense(3, activation="relu", name="hidden")
    output = Dense(1, activation="sigmoid", name="output")
    inputs = Input((2,))
    return inputs, hidden, output, output(hidden(inputs))


@pytest.fixture
def model(parts):
    inputs, _, _, y = parts
    return Model(inputs, y)


X = np.array([[0.5, -1.0], [2.0, 3.0], [0.0, 0.25]], dtype="float32")


def by_hand(model, x):
    kernel, bias, kernel_2, bias_2 = model.get_weights()
    return 1 / (1 + np.exp(-(np.maximum(x @ kernel + bias, 0) @ kernel_2 + bias_2)))


def test_the_example_runs(capsys):
    runpy.run_path(str(Path(__file__).parents[1] / "examples" / "tutorial.py"), run_name="__main__")
    printed = capsys.readouterr().out
    assert 'Model: "model"' in printed
    assert "class Model(nn.Module)" in printed


def test_an_input_is_a_symbolic_tensor(parts):
    inputs, hidden, _, y = parts
    assert isinstance(inputs, keras.KerasTensor)
    assert not isinstance(inputs, keras.Layer)
    assert inputs.shape == (None, 2)
    assert inputs.dtype == "float32"
    assert inputs.name == "input_1"
    for part in ("(None, 2)", "float32", "input_1"):
        assert part in repr(inputs)
    assert hidden.output.shape == (None, 3)
    assert y.shape == (None, 1)


def test_summary_is_tf_keras_2s_table(model):
    lines = []
    model.summary(print_fn=lines.append)
    # Recorded from tf_keras 2.21, but for the model's number.
    assert lines == [
        'Model: "model"',
        "_________________________________________________________________",
        " Layer (type)                Output Shape              Param #   ",
        "=================================================================",
        " input_1 (InputLayer)        [(None, 2)]               0         ",
        "                                                                 ",
        " hidden (Dense)              (None, 3)                 9         ",
        "                                                                 ",
        " output (Dense)              (None, 1)                 4         ",
        "                                                                 ",
        "=================================================================",
        "Total params: 13 (52.00 Byte)",
        "Trainable params: 13 (52.00 Byte)",
        "Non-trainable params: 0 (0.00 Byte)",
        "_________________________________________________________________",
    ]


def test_models_of_the_same_tensors_share_weights(parts):
    inputs, _, _, y = parts
    model_1, model_2 = Model(inputs, y), Model(inputs, y)
    assert model_1.weights[0] is model_2.weights[0]
    assert [w.name for w in model_1.weights] == ["hidden/kernel:0", "hidden/bias:0", "output/kernel:0", "output/bias:0"]
    weight = model_1.weights[0]
    assert weight.shape == (2, 3)
    before = weight.numpy()
    weight.assign_add(np.ones((2, 3)))
    np.testing.assert_array_equal(model_2.weights[0].numpy(), before + 1)
    weight.assign_sub(np.ones((2, 3)))
    np.testing.assert_allclose(weight.numpy(), before, atol=1e-6)
    weight.assign(np.arange(6).reshape(2, 3))
    np.testing.assert_allclose(model_2(X).detach().numpy(), by_hand(model_2, X), atol=1e-6)
    assert "hidden/kernel:0" in repr(weight)
    assert "shape=(2, 3)" in repr(weight)


def test_gradients_have_keras_shape(model):
    model(X).sum().backward()
    kernel = model.weights[0]
    assert kernel.grad.shape == (2, 3)
    np.testing.assert_array_equal(kernel.grad.numpy(), kernel.tensor.grad.numpy().T)


@pytest.mark.parametrize("given", [False, True])
def test_clone(model, given):
    tensors = Input((2,), name="other") if given else None
    clone = clone_model(model, input_tensors=tensors)
    assert [layer.name for layer in clone.layers][1:] == ["hidden", "output"]
    assert clone.layers[0].name == ("other" if given else "input_1")
    assert clone.name == model.name
    assert not np.array_equal(clone.get_weights()[0], model.get_weights()[0])
    clone.set_weights(model.get_weights())
    np.testing.assert_array_equal(clone.predict(X, verbose=0), model.predict(X, verbose=0))


def test_clone_function_makes_the_layers(model):
    def wider(layer):
        config = layer.get_config()
        return Dense.from_config({**config, "units": config["units"] * 2})

    assert [w.shape for w in clone_model(model, clone_function=wider).weights] == [(2, 6), (6,), (6, 2), (2,)]


def test_layers_are_found_and_models_end_anywhere(model):
    assert model.get_layer("hidden") is model.get_layer(index=1) is model.layers[1]
    hidden = model.get_layer("hidden")
    assert hidden.input.shape == hidden.input_shape == (None, 2)
    assert hidden.output.shape == hidden.output_shape == (None, 3)
    assert (model.input_shape, model.output_shape) == ((None, 2), (None, 1))
    part = Model(model.input, model.get_layer("hidden").output)
    kernel, bias = part.get_weights()
    np.testing.assert_allclose(part.predict(X, verbose=0), np.maximum(X @ kernel + bias, 0), atol=1e-6)
    end = Model(hidden.output, model.output)
    np.testing.assert_allclose(end(part(X)).detach(), model(X).detach(), atol=1e-6)
    assert end.weights[0] is model.weights[2]


DENSE = {
    "name": "hidden",
    "trainable": True,
    "dtype": "float32",
    "units": 3,
    "activation": "relu",
    "use_bias": True,
    "kernel_initializer": {"class_name": "GlorotUniform", "config": {"seed": None}},
    "bias_initializer": {"class_name": "Zeros", "config": {}},
    "kernel_regularizer": None,
    "bias_regularizer": None,
    "activity_regularizer": None,
    "kernel_constraint": None,
    "bias_constraint": None,
}


def test_config_has_tf_keras_2s_form(model):
    config = model.get_config()
    assert config["name"] == "model"
    assert config["input_layers"] == [["input_1", 0, 0]]
    assert config["output_layers"] == [["output", 0, 0]]
    first, hidden, output = config["layers"]
    assert first["class_name"] == "InputLayer"
    assert first["config"] == {
        "batch_input_shape": (None, 2),
        "dtype": "float32",
        "sparse": False,
        "ragged": False,
        "name": "input_1",
    }
    assert first["inbound_nodes"] == []
    assert hidden == {
        "class_name": "Dense",
        "config": DENSE,
        "name": "hidden",
        "inbound_nodes": [[["input_1", 0, 0, {}]]],
    }
    assert list(hidden["config"]) == list(DENSE)
    assert output["inbound_nodes"] == [[["hidden", 0, 0, {}]]]
    again = Model.from_config(config)
    assert again.get_config() == config


def test_freezing_reaches_requires_grad(model):
    hidden, inner = model.get_layer("hidden"), Model(model.input, model.output)
    outer_in = Input((2,))
    outer = Model(outer_in, inner(outer_in))
    hidden.trainable = False
    assert [w.name for w in model.trainable_variables] == ["output/kernel:0", "output/bias:0"]
    assert [w.name for w in model.non_trainable_variables] == ["hidden/kernel:0", "hidden/bias:0"]
    assert [p.requires_grad for p in model.parameters()] == [False, False, True, True]
    outer.trainable = False
    assert outer.trainable_variables == []
    assert not any(p.requires_grad for p in model.parameters())
    outer.trainable = True
    assert all(p.requires_grad for p in model.parameters())
    assert len(outer.trainable_variables) == 4


@pytest.mark.parametrize("convert", [np.asarray, torch.as_tensor, lambda x: x.astype("float64"), lambda x: x.tolist()])
def test_a_model_takes_arrays_and_tensors(model, convert):
    y = model(convert(X))
    assert isinstance(y, torch.Tensor)
    assert y.dtype == torch.float32
    np.testing.assert_allclose(y.detach().numpy(), by_hand(model, X), atol=1e-6)


def test_phase():
    inputs = Input((100,))
    model = Model(inputs, Dropout(0.5)(inputs))
    x = torch.ones(10, 100)
    assert not model.training
    assert torch.equal(model(x), x)
    dropped = model(x, training=True)
    assert 0.3 < (dropped == 0).float().mean() < 0.7
    assert set(dropped.unique().tolist()) == {0.0, 2.0}
    assert not model.training
    assert torch.equal(model(x), x)
    model.train()
    assert (model(x) == 0).any()
    assert torch.equal(model(x, training=False), x)
    assert model.training
    model.eval()
    assert torch.equal(model(x), x)


def test_a_baked_phase_stays():
    inputs = Input((100,))
    inner = Model(inputs, Dropout(0.5)(inputs))
    always, never = Input((100,)), Input((100,))
    model = Model([always, never], [inner(always, training=True), inner(never, training=False)])
    x = torch.ones(10, 100)
    for training in (True, False):
        a, b = model([x, x], training=training)
        assert (a == 0).any()
        assert torch.equal(b, x)


def test_text(model):
    config = model.get_config()
    described = json.loads(model.to_json())
    assert set(described) == {"class_name", "config", "keras_version", "backend"}
    assert described["class_name"] == "Functional"
    assert yaml.safe_load(model.to_yaml()) == described
    for again in (model_from_json(model.to_json()), model_from_yaml(model.to_yaml())):
        assert again.get_config() == config
        assert again.output_shape == (None, 1)


def test_files(model, tmp_path):
    model.save_weights(tmp_path / "weights.h5")
    found = []
    with h5py.File(tmp_path / "weights.h5") as file:
        file.visit(found.append)
        assert [n.decode() for n in file.attrs["layer_names"]] == ["input_1", "hidden", "output"]
        assert [n.decode() for n in file["hidden"].attrs["weight_names"]] == ["hidden/kernel:0", "hidden/bias:0"]
        np.testing.assert_array_equal(file["hidden/hidden/kernel:0"], model.get_weights()[0])
    assert {"hidden", "hidden/hidden", "hidden/hidden/kernel:0", "hidden/hidden/bias:0"} <= set(found)
    other = clone_model(model)
    other.load_weights(tmp_path / "weights.h5")
    for a, b in zip(model.get_weights(), other.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    model.save(tmp_path / "model.h5")
    with h5py.File(tmp_path / "model.h5") as file:
        assert json.loads(file.attrs["model_config"])["class_name"] == "Functional"
        assert "hidden/hidden/kernel:0" in file["model_weights"]
        assert {"backend", "keras_version"} <= set(file.attrs)
    again = load_model(tmp_path / "model.h5")
    assert again.get_config() == model.get_config()
    np.testing.assert_array_equal(again.predict(X, verbose=0), model.predict(X, verbose=0))
