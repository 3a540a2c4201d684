"""Arrays that a layer of a drawn model is called on beside its inputs: in files of both Kerases, and written for both."""

import numpy as np
import pytest
import torch

import kerastorch

RNG = np.random.default_rng(0)
X = RNG.normal(size=(1, 5, 4)).astype("float32")
OTHER = RNG.normal(size=(1, 5, 4)).astype("float32")
STATES = [np.full((1, 3), 0.5, "float32"), np.full((1, 3), -0.5, "float32")]
KEEP = np.tril(np.ones((5, 5), bool))
CASES = {
    "in a list": lambda layers, x: layers.Add()([x, OTHER]),
    "as the second of two": lambda layers, x: layers.Attention()([x, OTHER]),
    "as a mask": lambda layers, x: layers.MultiHeadAttention(2, 3)(x, x, attention_mask=KEEP),
    "as states": lambda layers, x: layers.LSTM(3)(x, initial_state=STATES),
    "in an operation": lambda layers, x: x * OTHER + 2,
    "as slices": lambda layers, x: x[:, 1:3, None],
    "as an index": lambda layers, x: x[:, :, 0],
}


def _model(keras, case):
    x = keras.Input((5, 4))
    model = keras.Model(x, CASES[case](keras.layers, x))
    rng = np.random.default_rng(1)
    model.set_weights([rng.normal(size=w.shape).astype("float32") for w in model.get_weights()])
    return model


def _close(a, b):
    a, b = (y.detach().cpu().numpy() if isinstance(y, torch.Tensor) else np.asarray(y) for y in (a, b))
    np.testing.assert_allclose(a, b, atol=1e-5)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("case", CASES)
def test_of_keras_3(case, keras3, tmp_path):
    real = _model(keras3, case)
    for name in ("m.keras", "m.h5"):
        real.save(tmp_path / name)
        model = kerastorch.models.load_model(tmp_path / name)
        _close(model(X), real(X))
        model.save(tmp_path / f"back_{name}", dialect="keras3")
        _close(keras3.models.load_model(tmp_path / f"back_{name}")(X), real(X))


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("case", CASES)
def test_drawn_here(case, keras3, tf_keras, tmp_path):
    model = _model(kerastorch, case)
    model.save(tmp_path / "m.keras")
    _close(keras3.models.load_model(tmp_path / "m.keras")(X), model(X))
    model.save(tmp_path / "m.h5")
    _close(kerastorch.models.load_model(tmp_path / "m.h5")(X), model(X))
    if case not in ("in a list", "as a mask", "as states"):  # of others tf_keras does not read its own files either
        _close(tf_keras.models.load_model(tmp_path / "m.h5")(X), model(X))
