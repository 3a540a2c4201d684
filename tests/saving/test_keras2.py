"""What Keras 2.0 to 2.2 and the first versions of tf.keras wrote otherwise than later ones."""

from __future__ import annotations

import numpy as np
import pytest

import kerastorch as keras
from kerastorch import layers
from kerastorch.models import load_model, model_from_json
from tests.saving.test_symptoms import drawn, sequential, write


@pytest.fixture(autouse=True)
def fresh_names():
    keras.backend.clear_session()


@pytest.mark.parametrize(
    ("cls", "argument", "wanted"),
    [
        ("LeakyReLU", "alpha", [-0.25, 2]),
        ("ELU", "alpha", [0.25 * np.expm1(-1), 2]),
        ("ThresholdedReLU", "theta", [0, 2]),
    ],
)
def test_a_number_that_keras_2_1_wrote_as_an_array(cls, argument, wanted):
    config = {argument: {"type": "ndarray", "value": 0.25}, "batch_input_shape": [None, 2]}
    model = model_from_json(sequential((cls, config), version="2.1.3"))
    np.testing.assert_allclose(model.predict(np.array([[-1.0, 2.0]]), verbose=0), [wanted], rtol=1e-6)


@pytest.mark.parametrize(
    ("mode", "wanted"),
    [("concat", [1, 2, 3, 2, 0, 1]), ("sum", [3, 2, 4]), ("mul", [2, 0, 3]), ("ave", [1.5, 1, 2]), ("dot", [5])],
)
def test_keras_2_0_still_had_merge(mode, wanted):
    merge = {"mode": mode, "concat_axis": -1, "dot_axes": -1, "mode_type": "raw", "output_mask": None, "arguments": {}}
    begins = [("InputLayer", name, {"batch_input_shape": [None, 3]}, []) for name in ("x", "y")]
    text = drawn(
        *begins, ("Merge", "merge_1", merge, ["x", "y"]), inputs=("x", "y"), outputs=["merge_1"], version="2.0.6"
    )
    model = model_from_json(text)
    assert model.get_layer("merge_1") is model.layers[-1]
    np.testing.assert_allclose(
        model.predict([np.array([[1.0, 2, 3]]), np.array([[2.0, 0, 1]])], verbose=0), [wanted], rtol=1e-6
    )


@pytest.mark.parametrize("name", ["Container", "Network", "Model", "Functional"])
def test_the_names_that_drawn_models_have_had(name):
    text = drawn(
        ("InputLayer", "x", {"batch_input_shape": [None, 3]}, []), ("Dense", "d", {"units": 2}, ["x"]), outputs=["d"]
    )
    model = model_from_json(text.replace('"class_name": "Functional"', f'"class_name": "{name}"'))
    assert isinstance(model, keras.Model)
    assert model.output_shape == (None, 2)


@pytest.mark.parametrize("kind", ["LSTM", "GRU"])
def test_the_first_tf_keras_2_called_them_unified(kind):
    config = {"name": "r", "units": 3, "recurrent_activation": "sigmoid", "batch_input_shape": [None, 4, 2]}
    config.update({"reset_after": True} if kind == "GRU" else {})
    model = model_from_json(sequential((f"Unified{kind}", config), version="2.2.4-tf"))
    assert isinstance(model.layers[0], getattr(layers, kind))


@pytest.mark.parametrize("dtype", ["int32", "int64"])
def test_an_embedding_of_keras_2_0_is_of_floats(tmp_path, dtype):
    """There the dtype was that of the numbers that are looked up."""
    config = {"name": "e", "input_dim": 4, "output_dim": 2, "dtype": dtype, "batch_input_shape": [None, 3]}
    table = np.random.default_rng(0).normal(size=(4, 2)).astype("float32")
    text = sequential(("Embedding", config), version="2.0.2")
    path = write(tmp_path / "m.h5", text, {"e": {"e/embeddings:0": table}}, "2.0.2")
    model = load_model(path)
    assert model.layers[0].dtype == "float32"
    np.testing.assert_array_equal(model.predict(np.array([[0, 3, 1]]), verbose=0), table[[[0, 3, 1]]])


@pytest.mark.parametrize(
    ("version", "interpolation", "told"),
    [
        ("2.3.1", "bilinear", True),
        ("2.3.1", "nearest", False),
        ("2.2.4-tf", "bilinear", False),
        ("2.4.0", "bilinear", False),
    ],
)
def test_upsampling_between_corners_is_told(tmp_path, version, interpolation, told):
    """The numbers wanted are Keras 2.3.1's, on TensorFlow 1.15, for UpSampling2D(2, interpolation='bilinear')."""
    config = {"name": "up", "size": [2, 2], "interpolation": interpolation, "batch_input_shape": [None, 2, 3, 1]}
    text = sequential(("UpSampling2D", config), version=version)
    write(tmp_path / "m.h5", text, {}, version=version)
    report = str(load_model(tmp_path / "m.h5").load_report)
    assert ("between the centres of pixels" in report) is told
    nearest, mean = (
        layers.UpSampling2D(2, interpolation="nearest"),
        layers.AveragePooling2D(2, strides=1, padding="same"),
    )
    assert not told or ("UpSampling2D(2, 'nearest') and AveragePooling2D(2, strides=1, padding='same')" in report)
    wanted = [[0, 2, 4, 6, 8, 8], [1, 1, 1, 4, 7, 7], [2, 0, -2, 2, 6, 6], [2, 0, -2, 2, 6, 6]]
    x = np.array([[0, 4, 8], [2, -2, 6]], "float32").reshape(1, 2, 3, 1)
    np.testing.assert_array_equal(mean(nearest(x))[0, :, :, 0], wanted)
