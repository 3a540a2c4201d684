"""Masks in files: read by the Keras whose form the file has, a model gives the numbers that it gave before, or is not written."""

from __future__ import annotations

import numpy as np
import pytest

import kerastorch
from compat_tests.conftest import random_inputs, randomize

STEPS, FEATURES = 6, 4


def states(k, x):
    """First states for an LSTM of as many units as there are features."""
    return [k.layers.GlobalMaxPooling1D()(x), k.layers.GlobalAveragePooling1D()(x)]


def within(k, layer):
    """A model of one layer."""
    x = k.Input((STEPS, FEATURES))
    return k.Model(x, layer(x))


ALIKE = {
    "dense": lambda k, x, y: k.layers.Dense(4)(x),
    "sum of one mask": lambda k, x, y: k.layers.Add()([x, k.layers.Dense(FEATURES)(x)]),
    "join of one mask": lambda k, x, y: k.layers.Concatenate(name="c")([x, k.layers.Dense(FEATURES)(x)]),
    "join of steps": lambda k, x, y: k.layers.Concatenate(axis=1, name="c")([x, k.layers.Masking()(y)]),
    "steps": lambda k, x, y: k.layers.TimeDistributed(k.layers.Dense(4))(x),
    "convolution": lambda k, x, y: k.layers.Conv1D(4, 3, padding="same")(x),
    "operator": lambda k, x, y: x + y,
    "attention": lambda k, x, y: k.layers.Attention()([x, k.layers.Masking()(y)]),
    "attention of heads": lambda k, x, y: k.layers.MultiHeadAttention(2, 3)(x, k.layers.Masking()(y)),
    "attention with dropout": lambda k, x, y: k.layers.MultiHeadAttention(2, 3, dropout=0.1)(x, k.layers.Masking()(y)),
    "model": lambda k, x, y: within(k, k.layers.Dense(4))(x),
    "network": lambda k, x, y: k.layers.Bidirectional(k.layers.GRU(4, return_sequences=True))(x),
    "mean": lambda k, x, y: k.layers.RepeatVector(3)(k.layers.GlobalAveragePooling1D()(x)),
    "states": lambda k, x, y: k.layers.LSTM(4, return_sequences=True)(x, initial_state=states(k, y)),
    "states both ways": lambda k, x, y: k.layers.Bidirectional(k.layers.LSTM(4, return_sequences=True))(
        k.layers.LSTM(4, return_sequences=True)(x), initial_state=[*states(k, y), *states(k, y)]
    ),
}
"""What both Kerases compute from a masked and an unmasked input, in a form that both are given."""

DIFFERENT = {
    "Identity": lambda k, x, y: k.layers.Identity()(x),
    "Rescaling": lambda k, x, y: k.layers.Rescaling(2.0)(x),
    "Normalization": lambda k, x, y: k.layers.Normalization(mean=0.5, variance=2.0)(x),
    "Add": lambda k, x, y: k.layers.Add()([x, y]),
    "Subtract": lambda k, x, y: k.layers.Subtract()([y, x]),
    "Average": lambda k, x, y: k.layers.Average()([x, k.layers.Masking()(y)]),
    "Multiply": lambda k, x, y: k.layers.Multiply()([x, y]),
    "Maximum": lambda k, x, y: k.layers.Maximum()([y, x]),
    "Minimum": lambda k, x, y: k.layers.Minimum()([x, k.layers.Masking()(y)]),
    "Concatenate": lambda k, x, y: k.layers.Concatenate(name="c")([x, y]),
    "TimeDistributed": lambda k, x, y: k.layers.TimeDistributed(k.layers.LSTM(4))(
        k.layers.TimeDistributed(k.layers.Masking())(k.layers.Reshape((STEPS, 2, 2))(y))
    ),
    "Identity within a model": lambda k, x, y: within(k, k.layers.Identity())(x),
}
"""What they compute otherwise."""


NOT_FOR_TF_KERAS = ("Add", "Subtract", "Multiply", "Maximum", "Minimum", "TimeDistributed", "Identity within a model",
                    "states", "states both ways")  # fmt: skip
"""Models of Keras 3 that tf.keras would compute otherwise. Others of them it would not, as Keras 3 gives masks as tensors."""
OPERATIONS = ("Concatenate", "attention", "join of one mask", "join of steps", "operator")
"""Those with operations of Keras 3 for which tf.keras's form has no words here."""


def drawn(k, middle):
    x, y = k.Input((STEPS, FEATURES)), k.Input((STEPS, FEATURES))
    made = middle(k, k.layers.Masking()(x), y)
    ends = [k.layers.LSTM(3)(made), k.layers.GlobalAveragePooling1D()(made), k.layers.Flatten()(y)]
    return randomize(k.Model([x, y], ends))


def padded(model):
    data = random_inputs(model)
    for i, array in enumerate(data):
        array[0, 4 - i :], array[1, : 1 + i], array[2, 3 - i] = 0, 0, 0
    return data


def numbers(model, data):
    outputs = model(data, training=False)
    return [x.detach().numpy() if isinstance(model, kerastorch.Model) else np.asarray(x) for x in outputs]


def same(got, want):
    for a, b in zip(got, want, strict=True):
        np.testing.assert_allclose(a, b, rtol=0, atol=1e-5 * max(np.abs(b).max(), 1e-3))


def read(model, folder):
    """The model of another Keras, as it is here."""
    name = folder / ("theirs.h5" if "tf_keras" in type(model).__module__ else "theirs.keras")
    model.save(name)
    return kerastorch.models.load_model(name, device="cpu")


def from_the_real(keras, name, folder):
    """A model that was drawn there, here; padded inputs, and what both make of them."""
    keras.backend.clear_session()
    theirs = drawn(keras, {**ALIKE, **DIFFERENT}[name])
    data = padded(theirs)
    want = numbers(theirs, data)
    ours = read(theirs, folder)
    same(numbers(ours, data), want)
    return ours, data, want


FORMS = {"m.keras": {}, "m.h5": {"dialect": "keras3"}}


@pytest.mark.parametrize("name", [*ALIKE, *DIFFERENT])
def test_models_of_tf_keras_for_keras3(name, tf_keras, keras3, tmp_path):
    ours, data, want = from_the_real(tf_keras, name, tmp_path)
    ours.save(tmp_path / "back.h5")
    same(numbers(tf_keras.models.load_model(tmp_path / "back.h5", compile=False), data), want)
    for file, options in FORMS.items():
        if name in DIFFERENT:
            with pytest.raises(ValueError, match=f"(?s)other numbers.*{name.partition(' ')[0]}"):
                ours.save(tmp_path / file, **options)
            continue
        ours.save(tmp_path / file, **options)
        same(numbers(kerastorch.models.load_model(tmp_path / file, device="cpu"), data), want)
        same(numbers(keras3.models.load_model(tmp_path / file, compile=False), data), want)


@pytest.mark.parametrize("name", [*ALIKE, *DIFFERENT])
def test_models_of_keras3_for_tf_keras(name, tf_keras, keras3, tmp_path):
    ours, data, want = from_the_real(keras3, name, tmp_path)
    for back in ("back.keras", "back.h5"):
        ours.save(tmp_path / back)
        same(numbers(kerastorch.models.load_model(tmp_path / back, device="cpu"), data), want)
        same(numbers(keras3.models.load_model(tmp_path / back, compile=False), data), want)
    if name in NOT_FOR_TF_KERAS:
        with pytest.raises(ValueError, match=r"(?s)other numbers.*dialect='keras3'"):
            ours.save(tmp_path / "tf.h5", dialect="keras2")
    elif name not in OPERATIONS:
        ours.save(tmp_path / "tf.h5", dialect="keras2")
        same(numbers(kerastorch.models.load_model(tmp_path / "tf.h5", device="cpu"), data), want)
        same(numbers(tf_keras.models.load_model(tmp_path / "tf.h5", compile=False), data), want)


def test_keras3_loses_the_mask_of_what_was_another_attentions(tf_keras, keras3, tmp_path):
    """Why such a model is refused, and one from Keras 3 warned of."""

    def encoder(k, x, y):
        for _ in range(2):
            x = k.layers.LayerNormalization()(k.layers.Add()([x, k.layers.MultiHeadAttention(2, 3)(x, x)]))
        return x

    models = [drawn(k, encoder) for k in (tf_keras, keras3)]
    data = padded(models[0])
    of_tf_keras, of_keras3 = (numbers(model, data) for model in models)
    assert np.abs(of_tf_keras[1] - of_keras3[1]).max() > 1e-3
    ours = read(models[0], tmp_path)
    same(numbers(ours, data), of_tf_keras)
    with pytest.raises(ValueError, match=r"(?s)other numbers.*MultiHeadAttention"):
        ours.save(tmp_path / "m.keras")
    with pytest.warns(UserWarning, match="other numbers"):
        read(models[1], tmp_path)
