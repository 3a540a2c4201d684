"""Input, Dense, Embedding, Activation, Masking, Lambda."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

import kerastorch as keras
from kerastorch import layers


@pytest.fixture(autouse=True)
def fresh_names():
    keras.backend.clear_session()


@pytest.mark.parametrize("shape", [(2, 4), (2, 3, 4), (2, 1, 3, 4)])
def test_dense_is_a_linear_module(shape):
    dense = layers.Dense(5, activation="tanh")
    x = np.random.default_rng(0).normal(size=shape).astype("float32")
    y = dense(x)
    kernel, bias = dense.get_weights()
    np.testing.assert_allclose(y.detach(), np.tanh(x @ kernel + bias), atol=1e-6)
    assert type(dense.linear) is nn.Linear
    assert dense.linear.weight.shape == (5, 4)
    assert dense.kernel.shape == (4, 5)
    assert dense.compute_output_shape(shape) == y.shape
    np.testing.assert_array_equal(dense.kernel.numpy().T, dense.linear.weight.detach().numpy())


def test_a_variable_is_a_view_and_an_operand():
    dense = layers.Dense(3, use_bias=False)
    dense.build((None, 2))
    kernel = dense.kernel
    with torch.no_grad():
        dense.linear.weight.fill_(2)
    assert (kernel.numpy() == 2).all()
    x = torch.ones(4, 2)
    for product in (x @ kernel, torch.matmul(x, kernel), (kernel.value.T @ x.T).T, x @ (kernel * 1.0)):
        assert torch.equal(product, torch.full((4, 3), 4.0))
    assert torch.equal(1 + kernel - 1, kernel.value)
    assert (np.asarray(kernel) == 2).all()
    assert kernel[0].shape == (3,)
    assert len(kernel) == 2
    assert (kernel > 1).all()
    assert torch.nn.functional.linear(x, kernel.value.T).shape == (4, 3)


def test_a_variable_follows_its_module():
    dense = layers.Dense(3)
    dense.build((None, 2))
    handle = dense.kernel
    before = handle.numpy()
    dense.to(torch.float64)
    assert handle is dense.kernel
    assert handle.dtype == "float64"
    dense.load_state_dict({"linear.weight": torch.ones(3, 2), "linear.bias": torch.zeros(3)})
    assert (handle.numpy() == 1).all()
    assert not (before == 1).any()


def test_embedding_masks_and_picks():
    embedding = layers.Embedding(5, 3, mask_zero=True)
    x = torch.tensor([[1, 0, 4]])
    y = embedding(x)
    np.testing.assert_array_equal(y[0].detach(), embedding.get_weights()[0][[1, 0, 4]])
    assert y._keras_mask.tolist() == [[True, False, True]]
    # The mask goes on through layers that support it, and ends at one that does not.
    assert layers.Activation("relu")(y)._keras_mask.tolist() == [[True, False, True]]
    assert not hasattr(layers.Flatten()(y), "_keras_mask")
    pooled = layers.GlobalAveragePooling1D()(y)
    np.testing.assert_allclose(pooled.detach(), y[:, [0, 2]].mean(1).detach(), atol=1e-6)


def test_masking():
    x = torch.tensor([[[1.0, 2.0], [7.0, 7.0], [7.0, 0.0]]])
    y = layers.Masking(7.0)(x)
    assert y.tolist() == [[[1.0, 2.0], [0.0, 0.0], [7.0, 0.0]]]
    assert y._keras_mask.tolist() == [[True, False, True]]


@pytest.mark.parametrize("length", [3, (3,), [None]])
def test_embedding_length(length):
    embedding = layers.Embedding(5, 2, input_length=length)
    assert embedding.compute_output_shape((None, None)) == (None, 3 if length != [None] else None, 2)
    if length != [None]:
        with pytest.raises(ValueError, match="input_length is"):
            embedding(keras.Input((4,)))


LAMBDAS = {
    "plain": (lambda x: x * 2, {}, 6.0),
    "arguments": (lambda x, by: x * by, {"arguments": {"by": 3}}, 9.0),
    "training": (lambda x, training: x * (10 if training else 1), {}, 3.0),
    "a stated shape": (lambda x: x.detach() * 2, {"output_shape": (2,)}, 6.0),
    "a shape by function": (lambda x: x * 2, {"output_shape": lambda shape: shape}, 6.0),
    "a branch on values": (lambda x: x * 2 if bool((x > 0).all()) else x, {"output_shape": (2,)}, 6.0),
}


@pytest.mark.parametrize(("function", "options", "want"), LAMBDAS.values(), ids=LAMBDAS)
def test_lambda(function, options, want):
    x = keras.Input((2,))
    model = keras.Model(x, layers.Lambda(function, **options)(x))
    assert model.output_shape == (None, 2)
    assert model(np.full((1, 2), 3.0)).tolist() == [[want, want]]


def test_lambda_takes_what_can_be_called():
    with pytest.raises(TypeError, match="callable"):
        layers.Lambda(3)


def test_integers_stay_integers():
    x = keras.Input((3,), dtype="int32")
    for layer, dtype in (
        (layers.Identity(), "int32"),
        (layers.Embedding(4, 2), "float32"),
        (layers.Flatten(), "int32"),
    ):
        assert layer(x).dtype == dtype
        assert str(keras.Model(x, layer(x))(np.ones((2, 3))).dtype) == f"torch.{dtype}"


@pytest.mark.parametrize("where", ["constructor", "argument"])
def test_weights_may_be_given(where):
    kernel = np.arange(6.0).reshape(2, 3)
    layer = (
        layers.Dense(3, use_bias=False, weights=[kernel]) if where == "constructor" else layers.Dense(3, use_bias=False)
    )
    layer(np.ones((1, 2)))
    if where == "argument":
        layer.set_weights([kernel])
    np.testing.assert_array_equal(layer.get_weights()[0], kernel)


def test_names_are_counted_as_in_tf_keras():
    assert [layers.Dense(1).name, layers.Dense(1).name, layers.Conv2D(1, 1).name] == ["dense", "dense_1", "conv2d"]
    assert [keras.Input((1,)).name, keras.Input((1,)).name] == ["input_1", "input_2"]
    keras.backend.clear_session()
    assert layers.Dense(1).name == "dense"
    assert layers.LSTM(1).name == "lstm"
    assert layers.ReLU().name == "re_lu"
    assert layers.MaxPooling2D().name == "max_pooling2d"


def test_set_device_decides_where_weights_are_made():
    keras.set_device("meta")
    try:
        dense = layers.Dense(2)
        dense.build((None, 2))
        assert dense.kernel.device.type == "meta"
    finally:
        keras.set_device(None)
    assert keras.get_device().type in ("cpu", "cuda")


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device")
def test_a_device_that_is_not_there(tmp_path):
    model = keras.Sequential([keras.Input((2,)), layers.Dense(1)])
    model.save(tmp_path / "m.h5")
    with pytest.raises(RuntimeError, match="'cuda' was asked for, and torch .* finds no CUDA device here. Give 'cpu'"):
        keras.models.load_model(tmp_path / "m.h5", device="cuda")
    assert keras.get_device().type == "cpu"


def test_a_lambda_comes_back_by_the_users_own_function(tmp_path):
    def twice(x, by):
        return x * by

    x = keras.Input((2,))
    model = keras.Model(x, layers.Lambda(twice, arguments={"by": 3.0}, name="scale")(x))
    model.save(tmp_path / "m.h5")
    with pytest.raises(ValueError, match="Lambda 'scale'.*custom_objects={'scale': function}"):
        keras.models.load_model(tmp_path / "m.h5")
    for custom_objects in ({"scale": twice}, {"twice": twice}):
        loaded = keras.models.load_model(tmp_path / "m.h5", custom_objects=custom_objects)
        assert loaded(np.ones((1, 2))).tolist() == [[3.0, 3.0]]


def test_code_in_a_config_never_runs():
    import base64
    import marshal

    code = marshal.dumps((lambda x: __import__("os").abort()).__code__)
    for function in (
        ["lambda", None, None],
        [base64.b64encode(code).decode(), None, None],
        {"class_name": "__lambda__"},
    ):
        config = {"name": "bad", "function": function, "function_type": "lambda", "module": "os"}
        with pytest.raises(ValueError, match="not taken from a config"):
            layers.Lambda.from_config(config)


@pytest.mark.parametrize("dtype", ["int32", "int64", "uint8", "bool"])
@pytest.mark.parametrize(
    "make",
    [
        lambda: layers.Dense(2),
        lambda: layers.BatchNormalization(),
        lambda: layers.LayerNormalization(),
        lambda: layers.UnitNormalization(),
        lambda: layers.LeakyReLU(),
    ],
)
def test_who_casts_integers(make, dtype):
    layer, data = make(), np.array([[0, 1, 1]], dtype)
    x = keras.Input((3,), dtype=dtype)
    model = keras.Model(x, layer(x))
    assert model.outputs[0].dtype == "float32"
    for got in (model(data), layer(data)):
        torch.testing.assert_close(got, layer(torch.tensor([[0.0, 1.0, 1.0]])))


@pytest.mark.parametrize(
    ("make", "masked"),
    [
        (lambda: keras.layers.Identity(), False),
        (lambda: keras.layers.Identity(keras3_masking=True), True),
        (lambda: keras.layers.SpectralNormalization(keras.layers.Dense(3)), True),
        (lambda: keras.layers.SpectralNormalization(keras.layers.Conv1D(3, 1)), False),
    ],
)
def test_who_hands_a_mask_on(make, masked):
    """As tf_keras 2.21: a masked step repeats the output before it."""
    x = keras.Input((2, 3))
    y = keras.layers.LSTM(2, return_sequences=True)(make()(keras.layers.Masking()(x)))
    z = keras.Model(x, y)(torch.tensor([[[1.0, 2.0, 3.0], [0.0, 0.0, 0.0]]]))
    assert torch.equal(z[:, 0], z[:, 1]) is masked
