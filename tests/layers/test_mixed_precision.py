"""Layers of a mixed policy: float32 weights, computation in the lower precision, as in tf.keras."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import kerastorch as keras
from kerastorch import layers


def build(dtype):
    keras.backend.clear_session()
    x = keras.Input((8, 8, 3))
    h = layers.Conv2D(4, 3, strides=2, padding="same", activation="relu", dtype=dtype)(x)
    h = layers.BatchNormalization(dtype=dtype)(h)
    h = layers.Dropout(0.5, dtype=dtype)(layers.Flatten(dtype=dtype)(h))
    return keras.Model(x, layers.Dense(3, activation="softmax", dtype="float32")(h))


@pytest.mark.parametrize("low", ["bfloat16", "float16"])
def test_a_model_of_a_mixed_policy(low, tmp_path):
    model, exact = build(f"mixed_{low}"), build("float32")
    exact.set_weights(model.get_weights())
    x = np.random.default_rng(0).normal(size=(4, 8, 8, 3)).astype("float32")
    assert {w.dtype for w in model.weights} == {"float32"}
    assert model.layers[1].compute_dtype == low
    assert model.layers[1].output.dtype == low
    hidden = keras.Model(model.input, model.layers[3].output)
    assert str(hidden(x).dtype) == f"torch.{low}"
    y = model(x)
    assert y.dtype == torch.float32
    np.testing.assert_allclose(y.detach(), exact(x).detach(), atol=0.02)
    assert not torch.equal(y, exact(x))
    model.train()
    model(x).square().sum().backward()
    assert all(p.grad is not None and p.grad.dtype == torch.float32 for p in model.parameters())
    model.eval()
    assert model.get_config()["layers"][1]["config"]["dtype"] == {
        "class_name": "Policy",
        "config": {"name": f"mixed_{low}"},
    }
    model.save(tmp_path / "m.h5")
    assert torch.equal(keras.models.load_model(tmp_path / "m.h5")(x), model(x))
    with pytest.raises(ValueError, match="mixed precision"):
        model.to_torch()
    exact.set_weights(model.get_weights())  # training moved the averages
    plain = keras.models.load_model(tmp_path / "m.h5", dtype="float32")
    np.testing.assert_allclose(plain(x).detach(), exact(x).detach(), atol=1e-6)
    assert torch.allclose(plain.to_torch()(torch.tensor(x)), plain(x), atol=1e-6)


def test_eager_calls():
    dense = layers.Dense(3, dtype="mixed_bfloat16")
    y = dense(np.ones((2, 4)))
    assert y.dtype == torch.bfloat16
    assert dense.kernel.dtype == "float32"
