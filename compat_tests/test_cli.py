"""The command line against the real tf_keras and Keras 3: their files inspected, verified and converted back."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from compat_tests.conftest import random_inputs, randomize
from kerastorch import tools
from kerastorch.cli import main

SUFFIXES = {"tf_keras": ".h5", "keras": ".keras"}


@pytest.fixture
def made(real, tmp_path):
    """A model of the real Keras with a shared layer and a nested model, and its file."""
    layers = real.layers
    inner = real.Sequential([layers.Input((6, 3)), layers.Conv1D(4, 3), layers.BatchNormalization()], name="inner")
    shared = layers.Dense(3, activation="tanh", name="shared")
    a, b = layers.Input((6, 2), name="a"), layers.Input((6, 2), name="b")
    x = layers.Concatenate(name="both")([inner(shared(a)), inner(shared(b))])
    model = randomize(real.Model([a, b], layers.Dense(2, name="last")(layers.GRU(5, name="gru")(x))))
    model.compile("adam", "mse")
    path = tmp_path / f"m{SUFFIXES[real.__name__.split('.')[0]]}"
    model.save(path)
    return model, path


def test_inspect_counts_as_keras_does(made):
    model, path = made
    found = tools.inspect(path)
    assert found.opens and found.parameters == model.count_params()
    assert {i.name: i.parameters for i in found.layers if not i.depth} == {
        layer.name: layer.count_params() for layer in model.layers
    }
    assert found.training is not None and found.training.optimizer.lower() == "adam"


def test_verify(made, real, capsys):
    _, path = made
    found = tools.verify(path)
    assert found.ok and not found.note and found.reference == f"{real.__name__.split('.')[0]} {real.__version__}"
    names = [part.name for part in found.layers]
    assert {"shared, call 1", "shared, call 2", "inner, call 1", "inner, call 2", "both", "gru", "last"} <= set(names)
    assert main(["verify", str(path), "--tolerance", "0"]) in (0, 1)
    assert "output last" in capsys.readouterr().out


def test_verify_leaves_tensorflow_out_of_this_process(made):
    code = f"import sys; from kerastorch.cli import main; main(['verify', {str(made[1])!r}]); print('tensorflow' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split()[-1] == "False"


def test_verify_finds_the_layer_that_departs(tf_keras, tmp_path):
    """Of a layer of the user's own, the reference is given another version."""
    code = (
        "import {} as k\n@k.utils.register_keras_serializable('Mine')\nclass Twice(k.layers.Layer):\n"
        "    def call(self, x):\n        return {} * x\n"
    )
    (tmp_path / "right.py").write_text(code.format("kerastorch", 2))
    (tmp_path / "wrong.py").write_text(code.format("tf_keras", 3))
    (tmp_path / "same.py").write_text(code.format("tf_keras", 2))

    @tf_keras.utils.register_keras_serializable("Mine")
    class Twice(tf_keras.layers.Layer):
        def call(self, x):
            return 2 * x

    layers = tf_keras.layers
    model = tf_keras.Sequential(
        [layers.Input((3,)), layers.Dense(2, name="a"), Twice(name="t"), layers.Dense(1, name="z")]
    )
    model.save(tmp_path / "m.h5")
    own = {"custom_objects": tools.custom_objects_from(tmp_path / "right.py")}
    assert tools.verify(tmp_path / "m.h5", reference_custom=tmp_path / "same.py", **own).ok
    found = tools.verify(tmp_path / "m.h5", reference_custom=tmp_path / "wrong.py", **own)
    assert not found.ok and found.departs == "t" and found.layers[0].within
    with pytest.raises(tools.NotComparableError, match=r"tf_keras cannot read or run .*Twice"):
        tools.verify(tmp_path / "m.h5", **own)


def test_verify_says_what_the_reference_said(made, real, capsys):
    _, path = made
    (path.parent / "bad.py").write_text("raise RuntimeError('not this one')\n")
    assert main(["verify", str(path), "--reference-custom", str(path.parent / "bad.py")]) == 2
    assert "RuntimeError: not this one" in capsys.readouterr().err


@pytest.mark.parametrize("suffix", [".h5", ".keras"])
def test_convert_is_read_by_the_real_keras(made, real, tmp_path, suffix):
    model, path = made
    if real.__name__.startswith("tf_keras") and suffix == ".keras":
        pytest.skip("tf_keras does not read Keras 3's archives")
    tools.convert(path, tmp_path / f"out{suffix}")
    again = real.models.load_model(tmp_path / f"out{suffix}", compile=False)
    x = random_inputs(model)
    np.testing.assert_allclose(again.predict(x, verbose=0), model.predict(x, verbose=0), atol=1e-6)
    assert tools.diff(path, tmp_path / f"out{suffix}").equal
