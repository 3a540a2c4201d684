"""predict, on whatever holds data."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader, TensorDataset

import kerastorch as keras
from kerastorch import layers

X = np.random.default_rng(0).normal(size=(70, 3)).astype("float32")


@pytest.fixture
def model():
    keras.backend.clear_session()
    x = keras.Input((3,))
    return keras.Model(x, layers.Dense(2)(x))


def chunks(of=10):
    return (X[i : i + of] for i in range(0, 70, of))


SOURCES = {
    "array": lambda: X,
    "tensor": lambda: torch.tensor(X),
    "list of rows": lambda: X.tolist(),
    "list of one array": lambda: [X],
    "dict": lambda: {"input_1": X},
    "generator": chunks,
    "generator of pairs": lambda: ((x, x[:, 0]) for x in chunks()),
    "loader": lambda: DataLoader(TensorDataset(torch.tensor(X)), batch_size=16),
    "loader of pairs": lambda: DataLoader(TensorDataset(torch.tensor(X), torch.tensor(X[:, 0])), batch_size=16),
    "data set": lambda: TensorDataset(torch.tensor(X)),
    "data set of pairs": lambda: TensorDataset(torch.tensor(X), torch.tensor(X[:, 0])),
    "loader of tensors": lambda: DataLoader(torch.tensor(X), batch_size=16),
}


@pytest.mark.parametrize("source", SOURCES.values(), ids=SOURCES)
def test_source(model, source):
    kernel, bias = model.get_weights()
    y = model.predict(source(), verbose=0)
    assert isinstance(y, np.ndarray)
    np.testing.assert_allclose(y, X @ kernel + bias, atol=1e-5)


@pytest.mark.parametrize("batch_size", [None, 1, 7, 1000])
def test_batches(model, batch_size):
    kernel, bias = model.get_weights()
    sizes = []
    model.register_forward_pre_hook(lambda module, args: sizes.append(len(args[0])))
    np.testing.assert_allclose(model.predict(X, batch_size=batch_size, verbose=0), X @ kernel + bias, atol=1e-5)
    assert sum(sizes) == 70
    assert max(sizes) == min(batch_size or 32, 70)


def test_steps_end_an_endless_generator(model):
    def forever():
        while True:
            yield X[:5]

    assert model.predict(forever(), steps=3, verbose=0).shape == (15, 2)


def test_the_bar(model, capsys):
    model.predict(X)
    printed = capsys.readouterr().out
    assert printed.splitlines()[-1].split("\r")[-1].startswith("3/3 [==============================] - ")
    model.predict(chunks())
    assert "7/Unknown" in capsys.readouterr().out
    model.predict(X, verbose=0)
    assert capsys.readouterr().out == ""


def test_inference_without_gradients_whatever_the_phase(model):
    x = keras.Input((3,))
    noisy = keras.Model(x, layers.Dropout(0.5)(x))
    noisy.train()
    np.testing.assert_array_equal(noisy.predict(X, verbose=0), X)
    assert noisy.training
    seen = []
    noisy.register_forward_hook(lambda module, args, y: seen.append(torch.is_inference_mode_enabled()))
    noisy.predict(X, verbose=0)
    assert all(seen)


def test_several_outputs():
    a, b = keras.Input((3,), name="a"), keras.Input((3,), name="b")
    model = keras.Model([a, b], {"sum": a + b, "difference": a - b})
    for data in ([X, X], {"a": X, "b": X}, ([X, X] for _ in range(1))):
        y = model.predict(data, verbose=0)
        np.testing.assert_allclose(y["sum"], 2 * X, atol=1e-6)
        np.testing.assert_allclose(y["difference"], 0 * X, atol=1e-6)


def test_one_batch(model):
    assert model.predict_on_batch(X[:4]).shape == (4, 2)


def test_a_model_whose_first_call_is_predict_can_be_trained():
    class Own(keras.Model):
        def __init__(self):
            super().__init__()
            self.dense, self.norm, self.recurrent = layers.Dense(3), layers.BatchNormalization(), layers.LSTM(2)

        def call(self, inputs):
            return self.recurrent(self.norm(self.dense(inputs)))

    for model in (Own(), keras.Sequential([layers.GRU(3, seed=1, dropout=0.5), layers.Dense(1)])):
        model.predict(np.ones((2, 5, 3), "float32"), verbose=0)
        model(torch.ones(2, 5, 3), training=True).sum().backward()
        assert all(v.grad is not None for v in model.trainable_weights)
