"""`.keras` archives and `.weights.h5` between kerastorch and the real Kerases, both ways, with the same numbers."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import kerastorch
from compat_tests.conftest import random_inputs, randomize
from compat_tests.models import MODELS
from compat_tests.test_both_ways import as_list, assert_same
from kerastorch.saving.dialects.keras3 import MERGING
from tests.fixture_files import Fixture, close, outputs_of
from tests.saving.test_archive import SUFFIX, names

ONLY_IN_KERAS2 = (
    "LocallyConnected", "RandomHeight", "RandomWidth", "ThresholdedReLU", "SyncBatchNormalization",
    "RandomFourierFeatures",
)  # fmt: skip
"""Layers that Keras 3 does not have."""
OTHERWISE_IN_KERAS2 = ("RandomCrop",)
"""At inference tf_keras's resizes where Keras 3's crops."""


@pytest.mark.parametrize("build", MODELS.values(), ids=MODELS)
def test_what_kerastorch_writes_keras3_reads(build, keras3, tmp_path):
    model = randomize(build(kerastorch))
    x = random_inputs(model)
    model.save(tmp_path / "m.keras")
    loaded = keras3.models.load_model(tmp_path / "m.keras")
    assert_same(model.predict(x, verbose=0), loaded.predict(x, verbose=0))
    model.save(tmp_path / "m.h5", dialect="keras3")
    loaded = keras3.models.load_model(tmp_path / "m.h5")
    assert_same(model.predict(x, verbose=0), loaded.predict(x, verbose=0))


@pytest.mark.parametrize("build", MODELS.values(), ids=MODELS)
def test_what_the_real_keras_writes_kerastorch_reads(build, real, tmp_path):
    original = randomize(build(real))
    x = random_inputs(original)
    original.save(tmp_path / "m.keras")
    model = kerastorch.models.load_model(tmp_path / "m.keras", device="cpu")
    assert_same(model.predict(x, verbose=0), original.predict(x, verbose=0))
    assert {rule for _, _, rule in model.load_report.loaded} == {"path"}
    assert not model.load_report.unused


@pytest.mark.parametrize("build", MODELS.values(), ids=MODELS)
def test_weights_by_path(build, real, tmp_path):
    model = randomize(build(kerastorch))
    x = random_inputs(model)
    other = randomize(build(real), seed=1)
    other.save_weights(tmp_path / "w.weights.h5")
    model.load_weights(tmp_path / "w.weights.h5")
    assert_same(model.predict(x, verbose=0), other.predict(x, verbose=0))
    dialect = "keras3" if real.__name__ == "keras" else "keras2"
    randomize(model, seed=2).save_weights(tmp_path / "w.weights.h5", dialect=dialect)
    other.load_weights(tmp_path / "w.weights.h5")
    assert_same(model.predict(x, verbose=0), other.predict(x, verbose=0))


@pytest.mark.parametrize(
    "make",
    [
        lambda layers: layers.Dense(4, activation="hard_sigmoid"),
        lambda layers: layers.LSTM(3, activation="hard_sigmoid", recurrent_activation="hard_sigmoid"),
        lambda layers: layers.GRU(3, recurrent_activation="hard_sigmoid", dtype="mixed_float16"),
        lambda layers: layers.Bidirectional(layers.LSTM(3, recurrent_activation="hard_sigmoid")),
        lambda layers: layers.TimeDistributed(layers.Dense(3, activation="hard_sigmoid")),
    ],
)
@pytest.mark.parametrize("file", ["m.keras", "m.h5"])
def test_keras_2s_hard_sigmoid_goes_through_keras3_and_back(make, file, tf_keras, keras3, tmp_path):
    x = tf_keras.Input((5, 3))
    original = tf_keras.Model(x, make(tf_keras.layers)(x))
    original.save(tmp_path / "theirs.h5")
    data = random_inputs(original)
    want = np.asarray(original(data))
    tolerance = 1e-5 if want.dtype == "float32" else 5 * np.finfo(want.dtype).eps  # five steps, each rounded
    want = want.astype("float32")
    kerastorch.models.load_model(tmp_path / "theirs.h5", device="cpu").save(tmp_path / file, dialect="keras3")
    loaded = keras3.models.load_model(tmp_path / file, compile=False)
    close(np.asarray(loaded(data)).astype("float32"), want, tolerance)
    loaded.save(tmp_path / "back.keras")
    again = kerastorch.models.load_model(tmp_path / "back.keras", device="cpu")
    close(again(data).float(), want, tolerance)


def fixtures():
    """Every archive that tf_keras or Keras 3 wrote, of layers that Keras 3 has."""
    for generation, suffix in SUFFIX.items():
        left_out = () if generation == "k3" else (*ONLY_IN_KERAS2, *OTHERWISE_IN_KERAS2)
        for name in names(generation, suffix):
            if not isinstance(name, str):
                yield name
            elif not name.startswith(left_out):
                yield pytest.param(generation, name, id=f"{generation}-{name}")


@pytest.mark.parametrize(("generation", "name"), fixtures())
def test_a_fixture_written_back_opens_in_keras3(generation, name, keras3, tmp_path):
    if name.startswith("STFTSpectrogram"):
        pytest.importorskip("scipy", reason="Keras 3's STFTSpectrogram needs scipy")
    fixture = Fixture(generation, name)
    kerastorch.models.load_model(fixture.file(SUFFIX[generation]), device="cpu").save(tmp_path / "m.keras")
    keras3.backend.clear_session()
    model = keras3.models.load_model(tmp_path / "m.keras", compile=False)
    for got, want in zip(
        outputs_of(model(inputs_for(fixture, keras3), training=False)), fixture.numbered("y"), strict=True
    ):
        close(np.asarray(got), want, fixture.meta.get("tol") or 1e-5)


def inputs_for(fixture, keras3):
    """The recorded inputs as Keras 3 on TensorFlow takes them: texts as tensors."""
    import tensorflow as tf

    def tensor(array):
        return tf.constant(array.tolist()) if array.dtype.kind in "USO" else array

    inputs = fixture.inputs()
    if isinstance(inputs, dict):
        return {key: tensor(value) for key, value in inputs.items()}
    return [tensor(x) for x in inputs] if isinstance(inputs, list) else tensor(inputs)


@pytest.mark.parametrize("saved", ["a.keras", "a.h5"])
def test_optimizer_state_goes_back_to_keras3(saved, keras3, tmp_path):
    """A model trained by Keras 3, through kerastorch and back, goes on training as it would have."""
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(16, 4)).astype("float32"), rng.normal(size=(16, 2)).astype("float32")
    keras3.utils.set_random_seed(0)
    model = keras3.Sequential([keras3.Input((4,)), keras3.layers.Dense(3, "tanh"), keras3.layers.Dense(2)])
    model.compile(keras3.optimizers.Adam(0.01), "mean_squared_error", metrics=["mae"])
    model.fit(x, y, epochs=3, verbose=0, shuffle=False)
    model.save(tmp_path / saved)
    kerastorch.models.load_model(tmp_path / saved).save(tmp_path / "b.keras")
    again = keras3.models.load_model(tmp_path / "b.keras")
    for m in (model, again):
        m.fit(x, y, epochs=2, verbose=0, shuffle=False)
    for a, b in zip(as_list(model.get_weights()), as_list(again.get_weights()), strict=True):
        np.testing.assert_allclose(a, b, rtol=0, atol=1e-6)


@pytest.mark.parametrize("both", [True, False])
@pytest.mark.parametrize("name", [*MERGING, "Concatenate over time"])
def test_masks_of_merged_inputs_are_keras3s(name, both, keras3, tmp_path):
    """Where Keras 3 wrote the file: numbers and masks, and what is written back."""
    name, _, over_time = name.partition(" ")
    x, y = keras3.Input((6, 3)), keras3.Input((6, 3))
    a, b = keras3.layers.Masking()(x), keras3.layers.Masking()(y) if both else y
    merged = getattr(keras3.layers, name)(**({"axis": 1} if over_time else {}))([a, b])
    theirs = keras3.Model([x, y], [merged, keras3.layers.LSTM(2)(merged)])
    data = [np.random.default_rng(i).normal(size=(4, 6, 3)).astype("float32") for i in range(2)]
    for i, array in enumerate(data):
        for row in range(4):
            array[row, row + 1 + i :] = 0
    want = [np.asarray(z) for z in theirs(data)]

    def check(outputs):
        for got, expected in zip(outputs, want, strict=True):
            close(np.asarray(got), expected)

    tensors = [torch.from_numpy(array) for array in data]
    for file in ("m.keras", "m.h5"):
        theirs.save(tmp_path / file)
        ours = kerastorch.models.load_model(tmp_path / file, device="cpu")
        check(y.detach() for y in ours(tensors))
        check(y.detach() for y in ours.to_torch()(*tensors))
        for again in ("again.keras", "again.h5"):
            ours.save(tmp_path / again)
            check(keras3.models.load_model(tmp_path / again, compile=False)(data))


def adapted(layer):
    """The layer, adapted to numbers from -1 to 1."""
    layer.adapt(np.linspace(-1, 1, 50))
    return layer


def drawn(k):
    """A drawn model."""
    x = k.Input((4, 6))
    return k.Model(x, k.layers.Dense(3)(x))


def attended(k, x):
    return k.layers.MultiHeadAttention(2, 3)(x, x, return_attention_scores=True, use_causal_mask=True)


def with_lora(layer):
    """The layer as a function, in which LoRA has learned something."""

    def called(x):
        layer.build(x.shape)
        layer.enable_lora(2)
        layer.lora_kernel_b.assign(np.ones(layer.lora_kernel_b.shape))
        return layer(x)

    return called


KERAS3_WAYS = {
    "a drawn model in a stack": lambda k, x: k.Sequential([drawn(k), k.layers.Dense(2)])(x),
    "attention by name": lambda k, x: k.layers.MultiHeadAttention(2, 3)(query=x, value=x),
    "masked softmax": lambda k, x: k.layers.Softmax(axis=1)(x, mask=k.ops.greater(x, 0.5)),
    "softmax of a mask": lambda k, x: k.layers.Softmax(axis=-1)(k.layers.Masking()(x)[:, :, 0], mask=x[:, :, 1]),
    "masked identity": lambda k, x: k.layers.LSTM(2)(k.layers.Identity()(k.layers.Masking()(x))),
    "masked groups": lambda k, x: k.layers.GroupNormalization(2)(k.layers.Masking()(x)),
    "gated attention": lambda k, x: k.layers.MultiHeadAttention(2, 3, use_gate=True)(x, x),
    "bins that were found": lambda k, x: adapted(k.layers.Discretization(num_bins=4))(x),
    "padded pictures": lambda k, x: k.layers.Resizing(5, 5, pad_to_aspect_ratio=True)(k.layers.Reshape((4, 6, 1))(x)),
    "sounds of several channels": lambda k, x: k.layers.MelSpectrogram(4, 2, sampling_rate=8000, num_mel_bins=2)(x),
    "initial state": lambda k, x: k.layers.GRU(6)(x, initial_state=k.layers.GlobalMaxPooling1D()(x)),
    "initial states": lambda k, x: k.layers.Bidirectional(k.layers.GRU(6))(
        x, initial_state=[k.layers.GlobalMaxPooling1D()(x), k.layers.GlobalAveragePooling1D()(x)]
    ),
    "masks and initial states": lambda k, x: k.layers.LSTM(6, return_sequences=True)(
        k.layers.Masking()(x), initial_state=[k.layers.GlobalMaxPooling1D()(x), k.layers.GlobalAveragePooling1D()(x)]
    ),
    "masks and initial states both ways": lambda k, x: k.layers.Bidirectional(k.layers.GRU(6))(
        k.layers.Masking()(x), initial_state=[k.layers.GlobalMaxPooling1D()(x), k.layers.GlobalAveragePooling1D()(x)]
    ),
    "shape with None": lambda k, x: k.layers.Reshape((None, 2))(x),
    "steps in their turn": lambda k, x: k.layers.TimeDistributed(k.layers.BatchNormalization(momentum=0.5))(x),
    "steps of a model": lambda k, x: k.layers.TimeDistributed(
        k.Sequential([k.Input((6,)), k.layers.BatchNormalization(momentum=0.5), k.layers.Dense(2)])
    )(x),
    "steps of a power iteration": lambda k, x: k.layers.TimeDistributed(
        k.layers.SpectralNormalization(k.layers.Dense(3))
    )(x),
    "a mask beside steps": lambda k, x: k.layers.LSTM(2)(
        k.layers.TimeDistributed(k.layers.Flatten())(
            k.layers.TimeDistributed(k.layers.Embedding(3, 2, mask_zero=True))(k.ops.cast(k.ops.greater(x, 0), "int32"))
        )
    ),
    "scores and their mask": lambda k, x: k.layers.Softmax()(attended(k, k.layers.Masking()(x))[1]),
    "low-rank kernels": lambda k, x: with_lora(k.layers.Dense(3))(with_lora(k.layers.Conv1D(4, 2))(x)),
    "bins": lambda k, x: k.layers.Discretization([-0.5, 0.5])(x),
    "negative shared axis": lambda k, x: k.layers.PReLU(shared_axes=[-1], alpha_initializer="ones")(x),
}


@pytest.mark.parametrize("make", KERAS3_WAYS.values(), ids=KERAS3_WAYS)
@pytest.mark.parametrize("file", ["m.keras", "m.h5"])
def test_ways_of_keras3(make, file, keras3, tmp_path):
    x = keras3.Input((4, 6))
    theirs = keras3.Model(x, make(keras3, x))
    data = np.random.default_rng(0).normal(size=(3, 4, 6)).astype("float32")
    data[0] = 0
    theirs.save(tmp_path / file)
    ours = kerastorch.models.load_model(tmp_path / file, device="cpu")
    close(ours(data).detach(), np.asarray(theirs(data)))
    ours.save(tmp_path / f"again_{file}")
    again = keras3.models.load_model(tmp_path / f"again_{file}", compile=False)
    close(np.asarray(again(data)), np.asarray(theirs(data)))
    close(ours(data, training=True).detach(), np.asarray(theirs(data, training=True)))
    close(ours(data).detach(), np.asarray(theirs(data)))


@pytest.mark.parametrize(
    "make",
    [
        lambda layers, x: layers.Bidirectional(layers.LSTM(3, go_backwards=True))(x),
        lambda layers, x: layers.Bidirectional(layers.GRU(3, go_backwards=True, return_sequences=True), "sum")(x),
        lambda layers, x: layers.Attention(causal=True)([x, x]),
        lambda layers, x: layers.Softmax(robust_masking=True)(x),
    ],
)
@pytest.mark.parametrize("file", ["m.keras", "m.h5"])
def test_what_keras3_has_under_another_name(make, file, keras3, tmp_path):
    x = kerastorch.Input((4, 6))
    model = randomize(kerastorch.Model(x, make(kerastorch.layers, x)))
    model.save(tmp_path / file, **({"dialect": "keras3"} if file == "m.h5" else {}))
    data = random_inputs(model)
    assert_same(keras3.models.load_model(tmp_path / file).predict(data, verbose=0), model.predict(data, verbose=0))
