"""`.safetensors`: weights under torch's names, shared ones once, and the architecture beside them."""

from __future__ import annotations

import json
import subprocess
import sys

import numpy as np
import pytest
import torch

import kerastorch as keras
from kerastorch import layers

safetensors = pytest.importorskip("safetensors")
from safetensors import safe_open  # noqa: E402
from safetensors.torch import save_file  # noqa: E402


def drawn():
    """A shared layer, a nested model, a batch normalization, a recurrent layer."""
    inner = keras.Sequential([keras.Input((4, 3)), layers.BatchNormalization(), layers.LSTM(5)])
    shared = layers.Dense(3, name="shared")
    a, b = keras.Input((4, 2)), keras.Input((4, 2))
    x = layers.Concatenate()([inner(shared(a)), inner(shared(b))])
    return keras.Model([a, b], layers.Dense(2)(x))


def stored(path):
    """Keys, and metadata."""
    with safe_open(path, framework="pt") as file:
        return set(file.keys()), file.metadata()


def test_there_and_back(tmp_path):
    model = drawn()
    model.save_weights(tmp_path / "m.safetensors")
    assert stored(tmp_path / "m.safetensors")[0] == set(model.state_dict())
    other = keras.models.load_model(tmp_path / "m.safetensors")
    again = drawn()
    report = again.load_weights(tmp_path / "m.safetensors")
    assert len(report.loaded) == len(model.state_dict()) and not report.unused
    x = [np.ones((2, 4, 2), "float32"), np.full((2, 4, 2), -0.5, "float32")]
    for loaded in (other, again):
        for a, b in zip(model.get_weights(), loaded.get_weights(), strict=True):
            np.testing.assert_array_equal(a, b)
        np.testing.assert_array_equal(model.predict(x, verbose=0), loaded.predict(x, verbose=0))


def test_keys_are_those_of_every_build_of_the_code(tmp_path):
    first, second = drawn(), drawn()
    assert list(first.state_dict()) == list(second.state_dict())
    first.save_weights(tmp_path / "m.safetensors")
    keras.backend.clear_session()
    layers.Dense(1)(keras.Input((1,)))  # names are counted on, keys are not
    third = drawn()
    third.load_weights(tmp_path / "m.safetensors")
    np.testing.assert_array_equal(first.get_weights()[0], third.get_weights()[0])


def test_what_stands_under_two_names_is_stored_once(tmp_path):
    dense = layers.Dense(2, name="dense")
    x = keras.Input((2,))
    model = keras.Model(x, keras.Sequential([keras.Input((2,)), dense], name="inner")(dense(x)))
    model.save_weights(tmp_path / "m.safetensors")
    keys, metadata = stored(tmp_path / "m.safetensors")
    assert keys == {"dense.linear.weight", "dense.linear.bias"}
    assert json.loads(metadata["keras_aliases"])["inner.dense.linear.weight"] == "dense.linear.weight"
    x = np.float32([[1, 2]])
    loaded = keras.models.load_model(tmp_path / "m.safetensors")
    np.testing.assert_array_equal(model.predict(x, verbose=0), loaded.predict(x, verbose=0))


def test_a_model_with_code_of_its_own(tmp_path):
    class Twice(keras.Model):
        def __init__(self):
            super().__init__()
            self.dense = layers.Dense(2)

        def call(self, x):
            return self.dense(self.dense(x))

    models = Twice(), Twice()
    for model in models:
        model.build((None, 2))
    models[0].save_weights(tmp_path / "m.safetensors")
    models[1].load_weights(tmp_path / "m.safetensors")
    np.testing.assert_array_equal(models[0].get_weights()[0], models[1].get_weights()[0])


def test_weights_that_do_not_fit(tmp_path):
    model = keras.Sequential([keras.Input((2,)), layers.Dense(3), layers.Dense(1)])
    before = model.get_weights()
    save_file(
        {"dense.linear.weight": torch.ones(4, 2), "dense.linear.bias": torch.ones(3), "else": torch.ones(1)},
        tmp_path / "m.safetensors",
    )
    with pytest.raises(
        ValueError, match=r"(?s)dense.linear.weight.*\(3, 2\).*\(4, 2\).*no 'dense_1.linear.weight'.*else"
    ):
        model.load_weights(tmp_path / "m.safetensors")
    for a, b in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    report = model.load_weights(tmp_path / "m.safetensors", skip_mismatch=True)
    assert [place for _, place, _ in report.loaded] == ["dense.linear.bias"]
    np.testing.assert_array_equal(model.get_weights()[1], np.ones(3))
    with pytest.raises(ValueError, match="weights only"):
        keras.models.load_model(tmp_path / "m.safetensors")
    with pytest.raises(ValueError, match="by_name=True is for legacy h5"):
        model.load_weights(tmp_path / "m.safetensors", by_name=True)


@pytest.mark.parametrize("content", [b"", b"\x08\x00\x00\x00\x00\x00\x00\x00{}", b"\xff" * 100])
def test_damaged_files(tmp_path, content):
    (tmp_path / "m.safetensors").write_bytes(content)
    if content.endswith(b"{}"):
        content = content[:9]
        (tmp_path / "m.safetensors").write_bytes(content)
    with pytest.raises(OSError, match="cut off or damaged"):
        keras.models.load_model(tmp_path / "m.safetensors")
    with pytest.raises(OSError, match="No file"):
        keras.models.load_model(tmp_path / "none.safetensors")


@pytest.mark.parametrize("cls", [layers.StringLookup, layers.TextVectorization])
def test_a_learned_vocabulary_is_refused(tmp_path, cls):
    x = keras.Input((1,), dtype="string")
    layer = cls(name="words")
    layer.adapt(np.array(["a", "b"]))
    model = keras.Model(x, layer(x))
    with pytest.raises(ValueError, match=r"\['words'.*\.keras"):
        model.save_weights(tmp_path / "m.safetensors")
    assert list(tmp_path.iterdir()) == []


def test_without_the_package():
    code = (
        "import sys; sys.modules['safetensors'] = None; sys.modules['safetensors.torch'] = None\n"
        "import kerastorch as k\n"
        "m = k.Sequential([k.Input((1,)), k.layers.Dense(1)])\n"
        "try: m.save_weights('none.safetensors')\n"
        "except ImportError as error: print(error)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "pip install safetensors" in done.stdout


@pytest.mark.parametrize("before", [0, 1, 2])
def test_whatever_the_layers_were_called_by_count(before, tmp_path):
    for _ in range(before):
        layers.Dense(1), layers.LSTM(1)
    last, first = layers.Dense(3), layers.Dense(3)  # keys count the calls, names what was made
    x = keras.Input((3,))
    model = keras.Model(x, keras.Sequential([layers.Dense(3), layers.Dense(3)])(last(first(x))))
    model.save_weights(tmp_path / "m.safetensors")
    loaded = keras.models.load_model(tmp_path / "m.safetensors")
    assert {key for key, _, _ in loaded.load_report.loaded} == set(loaded.state_dict())
    data = np.random.default_rng(0).normal(size=(4, 3)).astype("float32")
    np.testing.assert_array_equal(loaded.predict(data, verbose=0), model.predict(data, verbose=0))
