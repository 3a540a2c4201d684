"""Files between kerastorch and the real Kerases, both ways, with the same numbers."""

from __future__ import annotations

import json

import h5py
import numpy as np
import pytest
import torch

import kerastorch
from compat_tests.conftest import random_inputs, randomize
from compat_tests.models import MODELS, attention

TOLERANCE = 1e-5


def as_list(outputs):
    outputs = outputs if isinstance(outputs, (list, tuple)) else [outputs]
    return [np.asarray(x) for x in outputs]


def assert_same(got, want):
    got, want = as_list(got), as_list(want)
    assert len(got) == len(want)
    for a, b in zip(got, want, strict=True):
        np.testing.assert_allclose(a, b, rtol=0, atol=TOLERANCE * max(np.abs(b).max(), 1e-3))


@pytest.mark.parametrize("build", MODELS.values(), ids=MODELS)
def test_what_kerastorch_writes_the_real_keras_reads(build, real, tmp_path):
    model = randomize(build(kerastorch))
    x = random_inputs(model)
    model.save(tmp_path / "model.h5")
    loaded = real.models.load_model(tmp_path / "model.h5", compile=False)
    assert_same(model.predict(x, verbose=0), loaded.predict(x, verbose=0))


@pytest.mark.parametrize("build", MODELS.values(), ids=MODELS)
def test_what_the_real_keras_writes_kerastorch_reads(build, real, tmp_path):
    original = randomize(build(real))
    x = random_inputs(original)
    original.save(tmp_path / "model.h5")
    model = kerastorch.models.load_model(tmp_path / "model.h5", device="cpu")
    assert_same(model.predict(x, verbose=0), original.predict(x, verbose=0))
    assert [tuple(w.shape) for w in model.weights] == [tuple(w.shape) for w in original.weights]
    for a, b in zip(model.get_weights(), original.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    model.save(tmp_path / "again.h5")
    again = real.models.load_model(tmp_path / "again.h5", compile=False)
    for a, b in zip(as_list(again.predict(x, verbose=0)), as_list(original.predict(x, verbose=0)), strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("build", MODELS.values(), ids=MODELS)
def test_weights_files(build, real, tmp_path):
    model = randomize(build(kerastorch))
    x = random_inputs(model)
    model.save_weights(tmp_path / "w.h5")
    other = build(real)
    other.load_weights(tmp_path / "w.h5")
    assert_same(model.predict(x, verbose=0), other.predict(x, verbose=0))
    if real.__name__ == "tf_keras":  # Keras 3 writes only its own form
        randomize(other, seed=1).save_weights(tmp_path / "w.h5")
        model.load_weights(tmp_path / "w.h5")
        assert_same(model.predict(x, verbose=0), other.predict(x, verbose=0))


def without(config, *keys):
    """The config without the keys that tf.keras 2.13 began to write beside it."""
    if isinstance(config, dict):
        return {k: without(v, *keys) for k, v in config.items() if k not in keys}
    return [without(x, *keys) for x in config] if isinstance(config, (list, tuple)) else config


@pytest.mark.parametrize("build", MODELS.values(), ids=MODELS)
def test_config_is_tf_keras_2s(build, tf_keras):
    tf_keras.backend.clear_session()
    ours = json.loads(build(kerastorch).to_json())
    theirs = json.loads(build(tf_keras).to_json())
    added = ("module", "registered_name", "build_config", "keras_version", "optional")
    assert without(ours, *added) == without(theirs, *added)


@pytest.mark.parametrize("build", MODELS.values(), ids=MODELS)
def test_summary_is_tf_keras_2s(build, tf_keras):
    tf_keras.backend.clear_session()
    ours, theirs = build(kerastorch), build(tf_keras)
    for options in (
        {},
        {"show_trainable": True},
        {"expand_nested": True},
        {"line_length": 120, "expand_nested": True, "show_trainable": True},
    ):
        a, b = [], []
        ours.summary(print_fn=a.append, **options)
        theirs.summary(print_fn=lambda line, b=b, **_: b.append(line), **options)
        assert a == "\n".join(b).split("\n")


@pytest.mark.parametrize("build", MODELS.values(), ids=MODELS)
def test_file_layout_is_tf_keras_2s(build, tf_keras, tmp_path):
    tf_keras.backend.clear_session()
    build(kerastorch).save(tmp_path / "ours.h5")
    build(tf_keras).save(tmp_path / "theirs.h5")
    found = []
    for name in ("ours.h5", "theirs.h5"):
        with h5py.File(tmp_path / name) as file:
            names = {}
            file.visititems(lambda n, x, names=names: names.update({n: getattr(x, "shape", None)}))
            weights = file["model_weights"]
            listed = {
                g: [str(n) if isinstance(n, str) else n.decode() for n in weights[g].attrs["weight_names"]]
                for g in weights
            }
            found.append((names, listed, set(file.attrs) | {"training_config"}))
    assert found[0] == found[1]


def test_a_layer_of_tf_keras_applications(tf_keras, tmp_path):
    """tf.keras knows the one of InceptionResNetV2 by a longer name than Keras 3."""
    from tf_keras.src.applications.inception_resnet_v2 import CustomScaleLayer

    tf_keras.backend.clear_session()
    a, b = tf_keras.Input((3,)), tf_keras.Input((3,))
    original = tf_keras.Model([a, b], CustomScaleLayer(0.2)([a, b]))
    original.save(tmp_path / "m.h5")
    model = kerastorch.models.load_model(tmp_path / "m.h5", device="cpu")
    x = random_inputs(model)
    assert_same(model.predict(x, verbose=0), original.predict(x, verbose=0))
    model.save(tmp_path / "back.h5")
    assert_same(tf_keras.models.load_model(tmp_path / "back.h5").predict(x, verbose=0), original.predict(x, verbose=0))


@pytest.mark.parametrize("build", MODELS.values(), ids=MODELS)
def test_gradients(build, tf_keras):
    import tensorflow as tf

    tf_keras.backend.clear_session()
    ours = randomize(build(kerastorch))
    theirs = randomize(build(tf_keras))
    x = random_inputs(theirs)
    with tf.GradientTape() as tape:
        y = theirs(x, training=False)
        total = tf.add_n([tf.reduce_sum(part**2) for part in (y if isinstance(y, list) else [y])])
    wanted = tape.gradient(total, theirs.trainable_weights)
    y = ours(x)
    sum((part**2).sum() for part in (y if isinstance(y, list) else [y])).backward()
    for variable, want in zip(ours.trainable_weights, wanted, strict=True):
        want = tf.convert_to_tensor(want).numpy()
        np.testing.assert_allclose(variable.grad.numpy(), want, rtol=0, atol=1e-4 * max(np.abs(want).max(), 1e-3))
    assert all(isinstance(p, torch.nn.Parameter) for p in ours.parameters())


@pytest.mark.parametrize("suffix", [".h5", ".keras"])
def test_keywords_order_layers(suffix, real, tmp_path):
    """Both ways; an h5 file of tf.keras with tensors as keywords is not for Keras 3, which orders layers otherwise."""
    if suffix == ".h5" and real.__name__ != "tf_keras":
        pytest.skip("Keras 3 takes the layers of tf.keras's h5 file for each other")
    if suffix == ".keras" and real.__name__ == "tf_keras":
        pytest.skip("kerastorch writes the archives of Keras 3")
    original, model = randomize(attention(real)), randomize(attention(kerastorch), seed=1)
    x = random_inputs(model)
    original.save(tmp_path / f"theirs{suffix}")
    loaded = kerastorch.models.load_model(tmp_path / f"theirs{suffix}", device="cpu")
    assert_same(loaded.predict(x, verbose=0), original.predict(x, verbose=0))
    model.save(tmp_path / f"ours{suffix}")
    again = real.models.load_model(tmp_path / f"ours{suffix}", compile=False)
    assert_same(model.predict(x, verbose=0), again.predict(x, verbose=0))
