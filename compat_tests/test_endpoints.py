"""A variational autoencoder as the guides draw it, its loss by `add_loss`: read from tf_keras's files, and written back."""

import numpy as np
import pytest
import tf_keras

import kerastorch

X = np.random.default_rng(0).random((8, 6)).astype("float32")
FUNCTIONS = {"z": lambda x: x[0] + 0.5 * x[1]}


def _model():
    layers, backend = tf_keras.layers, tf_keras.backend
    x = tf_keras.Input((6,))
    hidden = layers.Dense(5, activation="relu")(x)
    mean, log_variance = layers.Dense(2, name="mean")(hidden), layers.Dense(2, name="log_variance")(hidden)
    decoded = layers.Dense(6, activation="sigmoid")(layers.Lambda(FUNCTIONS["z"], name="z")([mean, log_variance]))
    model = tf_keras.Model(x, decoded)
    reconstruction = tf_keras.losses.binary_crossentropy(x, decoded) * 6
    divergence = -0.5 * backend.sum(1 + log_variance - backend.square(mean) - backend.exp(log_variance), axis=-1)
    model.add_loss(backend.mean(reconstruction + divergence))
    model.add_metric(divergence, name="divergence", aggregation="mean")
    model.compile("adam")
    model.fit(X, epochs=1, verbose=0)
    return model


def _loss(model):
    model.compile("sgd")
    return model.evaluate(X, verbose=0, return_dict=True)["loss"]


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("suffix", [".h5", ".keras"])
def test_a_variational_autoencoder(suffix, tmp_path):
    real = _model()
    real.save(tmp_path / f"m{suffix}")
    model = kerastorch.models.load_model(tmp_path / f"m{suffix}", custom_objects=FUNCTIONS)
    np.testing.assert_allclose(model.predict(X, verbose=0), real.predict(X, verbose=0), atol=1e-6)
    model(X)
    assert [float(x.detach()) for x in model.losses] == [pytest.approx(_loss(real), rel=1e-5)]
    model.save(tmp_path / "back.h5")
    back = tf_keras.models.load_model(tmp_path / "back.h5", custom_objects=FUNCTIONS, safe_mode=False)
    np.testing.assert_allclose(back.predict(X, verbose=0), real.predict(X, verbose=0), atol=1e-6)
    assert _loss(back) == pytest.approx(_loss(real), rel=1e-5)
    assert [type(layer).__name__ for layer in back.layers] == [type(layer).__name__ for layer in real.layers]
