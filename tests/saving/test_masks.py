"""Masks go into a file only where the Keras whose form it has treats them as the model does."""

from __future__ import annotations

import json
import warnings
import zipfile

import h5py
import numpy as np
import pytest

import kerastorch as keras
from kerastorch import layers
from kerastorch.models import load_model

STEPS, FEATURES = 6, 4
WAYS = {"m.keras": {}, "m.h5": {"dialect": "keras3"}}


@pytest.fixture(autouse=True)
def fresh_names():
    keras.backend.clear_session()


@pytest.fixture(params=WAYS)
def as_keras3(request, tmp_path):
    """Saves a model in Keras 3's form; returns what it is when it is read again."""

    def save(model):
        model.save(tmp_path / request.param, **WAYS[request.param])
        return load_model(tmp_path / request.param, device="cpu")

    return save


def padded(seed=0):
    data = np.random.default_rng(seed).normal(size=(3, STEPS, FEATURES)).astype("float32")
    data[0, 4:], data[1, :2], data[2, 3] = 0, 0, 0
    return data


def drawn(middle, after=None):
    """`middle` of an input with a mask and of one without; `after` it, what heeds masks."""
    x, y = keras.Input((STEPS, FEATURES)), keras.Input((STEPS, FEATURES))
    made = middle(layers.Masking()(x), layers.Dense(FEATURES)(y))
    return keras.Model([x, y], (after or layers.LSTM(3))(made))


def same(model, again):
    data = [padded(), padded(1)]
    np.testing.assert_allclose(again(data).detach(), model(data).detach(), rtol=0, atol=1e-6)


def both(x, y):
    """States for an LSTM of as many units as there are features."""
    return [layers.GlobalMaxPooling1D()(y), layers.GlobalAveragePooling1D()(y)]


DIFFER = {
    "Identity": lambda x, y: layers.Dense(3)(layers.Identity()(x)),
    "Rescaling": lambda x, y: layers.Concatenate(1)([layers.Rescaling(2.0)(x), y]),
    "Normalization": lambda x, y: layers.Normalization(mean=0.5, variance=2.0)(x),
    "Add": lambda x, y: layers.Add()([x, y]),
    "Average": lambda x, y: layers.Average()([y, x]),
    "Subtract": lambda x, y: layers.Subtract()([x, layers.Masking()(y)]),
    "Multiply": lambda x, y: layers.Multiply()([x, layers.Dense(FEATURES)(x)]),
    "Maximum": lambda x, y: layers.Maximum()([x, y]),
    "Minimum": lambda x, y: layers.Minimum()([x, y]),
    "Concatenate": lambda x, y: layers.Concatenate()([x, y]),
    "GroupNormalization": lambda x, y: layers.GroupNormalization(2)(x),
    "TimeDistributed": lambda x, y: layers.TimeDistributed(layers.Masking())(layers.Reshape((STEPS, 2, 2))(x)),
    "LSTM": lambda x, y: layers.LSTM(4)(layers.Concatenate(1)([x, x]), initial_state=both(x, y)),
    "Bidirectional": lambda x, y: layers.Bidirectional(layers.LSTM(4))(
        layers.TimeDistributed(layers.Dense(3))(x), initial_state=both(x, y) + both(x, y)
    ),
}
AFTER = {
    "TimeDistributed": lambda _: lambda z: layers.LSTM(3)(layers.TimeDistributed(layers.LSTM(3))(z)),
    "LSTM": lambda _: layers.Dense(3),
    "Bidirectional": lambda _: layers.Dense(3),
}


@pytest.mark.parametrize("name", DIFFER)
def test_what_keras3_would_compute_otherwise_is_refused(name, as_keras3, tmp_path):
    model = drawn(DIFFER[name], AFTER.get(name, layers.LSTM)(3))
    with pytest.raises(ValueError, match=f"(?s)other numbers .* Keras 3.*{name} '.*dialect='keras2'"):
        as_keras3(model)
    assert not [*tmp_path.iterdir()]
    model.save(tmp_path / "m.h5")
    same(model, load_model(tmp_path / "m.h5", device="cpu"))


@pytest.mark.parametrize("name", DIFFER)
def test_what_tf_keras_would_compute_otherwise_is_refused(name, as_keras3, tmp_path):
    model = drawn(DIFFER[name], AFTER.get(name, layers.LSTM)(3))
    for layer in model._flatten_layers():
        if hasattr(layer, "keras3_masking"):
            layer.keras3_masking = True
    same(model, as_keras3(model))
    with pytest.raises(ValueError, match=rf"(?s)other numbers .* tf\.keras.*{name} '.*dialect='keras3'"):
        model.save(tmp_path / "tf.h5", dialect="keras2")


@pytest.mark.parametrize(
    "middle",
    [
        lambda x, y: layers.Identity()(y),
        lambda x, y: layers.Dense(2)(x),
        lambda x, y: layers.Add()([x, layers.Dense(FEATURES)(x)]),
        lambda x, y: layers.Concatenate()([x, layers.Dense(FEATURES)(x)]),
        lambda x, y: layers.Concatenate(1)([x, layers.Masking()(y)]),
        lambda x, y: layers.TimeDistributed(layers.Dense(3))(x),
    ],
    ids=["no mask", "no such layer", "sum of one mask", "join of one mask", "join of steps", "steps that keep a mask"],
)
def test_where_both_compute_the_same_nothing_is_said(middle, as_keras3):
    model = drawn(middle)
    same(model, as_keras3(model))


def test_a_mask_that_nobody_heeds_is_none(as_keras3):
    model = drawn(lambda x, y: layers.Add()([layers.Identity()(x), y]), layers.Flatten())
    same(model, as_keras3(model))


def test_all_layers_that_differ_are_named_and_none_is_left_changed(as_keras3):
    inner = drawn(lambda x, y: layers.Identity(name="inside")(x), layers.Dense(4))
    a, b = keras.Input((STEPS, FEATURES)), keras.Input((STEPS, FEATURES))
    model = keras.Model([a, b], layers.LSTM(3)(layers.Add(name="outside")([inner([a, b]), layers.Masking()(b)])))
    with pytest.raises(ValueError, match="(?s)Identity 'inside'.*Add 'outside'|Add 'outside'.*Identity 'inside'"):
        as_keras3(model)
    assert not any(getattr(layer, "keras3_masking", False) for layer in model._flatten_layers())


def test_steps_in_their_turn_heed_one_mask(tmp_path):
    model = drawn(
        lambda x, y: layers.TimeDistributed(layers.BatchNormalization(), keras3_masking=True, by_step=True)(x)
    )
    model.save(tmp_path / "tf.h5", dialect="keras2")
    same(model, load_model(tmp_path / "tf.h5", device="cpu"))


def test_layers_in_mixed_precision_are_asked_too(as_keras3):
    model = drawn(lambda x, y: layers.GroupNormalization(2, dtype="mixed_bfloat16")(x))
    with pytest.raises(ValueError, match="GroupNormalization"):
        as_keras3(model)


def test_a_softmax_whose_mask_hides_all_is_warned_of(as_keras3):
    x, mask = keras.Input((STEPS,)), keras.Input((STEPS,), dtype="bool")
    model = keras.Model([x, mask], layers.Softmax()(x, mask=mask))
    with pytest.warns(UserWarning, match="(?s)for some inputs.*Softmax 'softmax'"):
        as_keras3(model)


RECURRENT = {
    "LSTM": lambda x, states: layers.LSTM(4)(x, initial_state=states),
    "GRU": lambda x, states: layers.GRU(4, name="gru")(x, initial_state=states[0]),
    "RNN": lambda x, states: layers.RNN(layers.LSTMCell(4))(x, initial_state=states),
    "Bidirectional": lambda x, states: layers.Bidirectional(layers.SimpleRNN(4))(x, initial_state=states),
}


@pytest.mark.parametrize("decoder", RECURRENT.values(), ids=RECURRENT)
def test_decoders_are_given_their_masks(decoder, as_keras3, tmp_path):
    def middle(x, y):
        sequences = layers.LSTM(4, return_sequences=True)(layers.Dropout(0.5)(layers.Dense(4)(x)))
        return decoder(sequences, both(x, y))

    model = drawn(middle, layers.Dense(3))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        again = as_keras3(model)
    same(model, again)
    same(model, as_keras3(again))
    again.save(tmp_path / "tf.h5", dialect="keras2")
    with h5py.File(tmp_path / "tf.h5") as file:
        classes = [layer["class_name"] for layer in json.loads(file.attrs["model_config"])["config"]["layers"]]
    assert classes.count("TFOpLambda") == 2 and "KerasOp" not in classes
    same(model, load_model(tmp_path / "tf.h5", device="cpu"))


def test_masks_of_words_are_given_by_one_operation(tmp_path):
    words = keras.Input((STEPS,), dtype="int32")
    taken = layers.Activation("linear", name="embedding_differs")
    x = layers.Embedding(9, 4, mask_zero=True)(words)
    states = both(x, taken(x))
    decoder = layers.LSTM(4, return_sequences=True, name="decoder")
    model = keras.Model(words, layers.LSTM(4)(decoder(x, initial_state=states), initial_state=states))
    model.save(tmp_path / "m.keras")
    with zipfile.ZipFile(tmp_path / "m.keras") as archive:
        config = json.loads(archive.read("config.json"))["config"]
    operations = [layer for layer in config["layers"] if layer["module"].startswith("keras.src.ops")]
    assert [(x["class_name"], x["name"]) for x in operations] == [("NotEqual", "embedding_differs_")]
    data = np.array([[1, 2, 3, 0, 0, 0], [0, 4, 0, 5, 6, 8]], dtype="int32")
    np.testing.assert_allclose(
        load_model(tmp_path / "m.keras", device="cpu")(data).detach(), model(data).detach(), rtol=0, atol=1e-6
    )


@pytest.mark.parametrize("options", [{"dropout": 0.1}, {}], ids=["dropout", "plain"])
def test_attention_that_sees_nothing_is_warned_of(options, as_keras3):
    def attention(x, y):
        return layers.MultiHeadAttention(2, 3, **options)(x, x)

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        as_keras3(drawn(attention))
    assert len(caught) == bool(options)
    assert all("MultiHeadAttention 'multi_head_attention'" in str(warning.message) for warning in caught)


def blocks(attend):
    """Two blocks of attention behind words, each as `attend` makes it."""
    words = keras.Input((STEPS,), dtype="int32")
    x = layers.Embedding(9, 4, mask_zero=True)(words)
    for i in range(2):
        x = attend(x, layers.MultiHeadAttention(2, 3, name=f"attention_{i}"))
    return keras.Model(words, layers.GlobalAveragePooling1D()(x))


def normalized_after(x, attention):
    return layers.LayerNormalization()(layers.Add()([x, attention(x, x)]))


def normalized_before(x, attention):
    y = layers.LayerNormalization()(x)
    return layers.Add()([x, attention(y, y)])


def test_attention_whose_mask_keras3_loses_is_refused(as_keras3):
    with pytest.raises(
        ValueError, match=r"(?s)Keras 3.*MultiHeadAttention 'attention_1': what it is called on.*dialect"
    ):
        as_keras3(blocks(normalized_after))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        as_keras3(blocks(normalized_before))


def test_attention_whose_mask_keras3_loses_is_warned_of_when_it_wrote_the_file(tmp_path, monkeypatch):
    model = blocks(normalized_after)
    for layer in model.layers:
        if hasattr(layer, "keras3_masking"):
            layer.keras3_masking = True
    with pytest.raises(ValueError, match="MultiHeadAttention 'attention_1'"):
        model.save(tmp_path / "m.keras")
    with monkeypatch.context() as patched:
        patched.setattr("kerastorch.saving.archive.check_masks", lambda *_: None)
        model.save(tmp_path / "m.keras")
    with pytest.warns(UserWarning, match="Keras 3 loses the mask of 'attention_1'"):
        again = load_model(tmp_path / "m.keras", device="cpu")
    again.save(tmp_path / "back.keras")


def test_a_users_class_of_a_known_name_is_let_be(as_keras3):
    @keras.utils.register_keras_serializable("masks")
    class Softmax(layers.Layer):
        supports_masking = True

        def call(self, inputs):
            return inputs * 2

    model = drawn(lambda x, y: Softmax()(x))
    same(model, as_keras3(model))
