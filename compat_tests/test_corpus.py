"""What kerastorch read of old files, tf_keras, or Keras 3, reads from what kerastorch writes, and computes the same."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import kerastorch
from compat_tests.corpus_layers import custom_objects
from compat_tests.test_both_ways import as_list
from tests.saving.corpus_files import File, corpus_ids

FILES = Path(__file__).resolve().parent / "files"
ONLY_KERAS_1 = ("MaxoutDense", "Highway", "ParametricSoftplus", "SReLU", "BatchNormalization1", "CosineMerge", "Lambda")
"""Lambda, as its function is the user's."""
NOT_ON_THIS_PROCESSOR = "channels_first"
"""TensorFlow has convolutions and pooling with channels first on GPUs only: of such models the weights are compared."""


def check(real, model, inputs, path, known=None, tolerance=1e-5):
    strange = {type(layer).__name__ for layer in model._flatten_layers()} & set(ONLY_KERAS_1)
    if strange:
        pytest.skip(f"tf_keras has no {sorted(strange)}")
    model.save(path)
    loaded = real.models.load_model(path, known, compile=False)
    assert [w.shape for w in loaded.get_weights()] == [w.shape for w in model.get_weights()]
    for a, b in zip(loaded.get_weights(), model.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    if NOT_ON_THIS_PROCESSOR in model.to_json():
        return
    text = (
        isinstance(inputs, np.ndarray) and inputs.dtype.kind == "U"
    )  # of which Keras 3 takes TensorFlow's tensors only
    given = pytest.importorskip("tensorflow").constant(inputs) if text else inputs
    got, want = as_list(model.predict(inputs, verbose=0)), as_list(loaded(given, training=False))
    for a, b in zip(got, want, strict=True):
        np.testing.assert_allclose(a, b, rtol=0, atol=tolerance * max(np.abs(b).max(), 1e-3))


@pytest.mark.parametrize("identity", corpus_ids())
def test_a_published_file(identity, tf_keras, tmp_path):
    tf_keras.backend.clear_session()
    file = File(identity)
    known = next((v for k, v in custom_objects(tf_keras).items() if identity.startswith(k)), None)
    tolerance = 5e-5 if identity.startswith("textgenrnn") else 1e-5
    check(tf_keras, file.load(), file.inputs(), tmp_path / "m.h5", known, tolerance)


def old_models():
    found = []
    for path in sorted(FILES.glob("*.npz")):
        with np.load(path) as data:
            found += [pytest.param(path, k[:-5], id=f"{path.stem}-{k[:-5]}") for k in data.files if k.endswith("/file")]
    return found


@pytest.mark.parametrize(("path", "name"), old_models())
def test_a_file_of_an_old_version(path, name, request, tmp_path):
    real = request.getfixturevalue("keras3" if path.stem.startswith("keras-3") else "tf_keras")
    real.backend.clear_session()
    functions = {"lambda_1": lambda x: x, "merge_1": lambda x: x[0]}
    with np.load(path) as data:
        model = kerastorch.models.load_model(data[f"{name}/file"].tobytes(), functions)
        inputs = [data[key] for key in sorted(data.files) if key.startswith(f"{name}/in_")]
    if model.stateful:
        pytest.skip("its second prediction differs from its first")
    check(real, model, inputs if len(inputs) > 1 else inputs[0], tmp_path / "m.h5")
