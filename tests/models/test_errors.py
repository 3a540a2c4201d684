"""What a user can get wrong: Keras's exception type, and a message that says what to do."""

from __future__ import annotations

import numpy as np
import pytest

import kerastorch as keras
from kerastorch import layers
from kerastorch.models import load_model, model_from_json, model_from_yaml


@pytest.fixture(autouse=True)
def fresh_names():
    keras.backend.clear_session()


def small():
    x = keras.Input((2,))
    return keras.Model(x, layers.Dense(3, name="hidden")(x), name="small")


def two_inputs():
    a, b = keras.Input((2,), name="a"), keras.Input((2,), name="b")
    return keras.Model([a, b], a + b)


def disconnected():
    return keras.Model(keras.Input((2,)), layers.Dense(1, name="end")(keras.Input((2,), name="elsewhere")))


def same_names():
    x = keras.Input((2,))
    return keras.Model(x, layers.Dense(1, name="twin")(layers.Dense(2, name="twin")(x)))


def called_on_two_shapes():
    layer = layers.ReLU(name="shared")
    layer(keras.Input((2,))), layer(keras.Input((3,)))
    return layer


# ruff: noqa: E501
CASES = {
    "wrong shape for a layer": (lambda: small().layers[1](np.zeros((2, 5))), ValueError, "hidden.*axis -1.*value 2.*(2, 5)"),
    "wrong shape for a model": (lambda: small()(np.zeros((2, 5))), ValueError, r"small.*expected shape=\(None, 2\).*\(2, 5\)"),
    "wrong rank for a model": (lambda: small()(np.zeros((2, 2, 2))), ValueError, r"expected shape=\(None, 2\)"),
    "words for numbers": (lambda: small()(np.array([["a", "b"]])), ValueError, "input_1.*numbers"),
    "too few inputs": (lambda: two_inputs()(np.zeros((1, 2))), ValueError, r"expects 2 input\(s\).*received 1.*'a'.*'b'"),
    "a name that is no input": (lambda: two_inputs()({"a": np.zeros((1, 2)), "c": 1}), ValueError, r"missing.*\['b'\]"),
    "an open last axis": (lambda: layers.Dense(3)(keras.Input((None,))), ValueError, r"Dense 'dense'.*Input\(\(2,\)\)"),
    "a disconnected graph": (disconnected, ValueError, "Graph disconnected.*elsewhere.*end"),
    "two layers of one name": (same_names, ValueError, '"twin" is used 2 times'),
    "no tensors": (lambda: keras.Model(3, keras.Input((2,))), ValueError, "KerasTensors.*int"),
    "a negative size": (lambda: keras.Input((-1,)), ValueError, "sizes and Nones.*-1"),
    "no such layer": (lambda: small().get_layer("no"), ValueError, r"No such layer: no.*'hidden'"),
    "no such index": (lambda: small().get_layer(index=7), ValueError, "index 7.*2 layers"),
    "neither name nor index": (lambda: small().get_layer(), ValueError, "name or an index"),
    "negative units": (lambda: layers.Dense(-1), ValueError, "units=-1"),
    "units that are no number": (lambda: layers.Dense(2.5), ValueError, "units=2.5"),
    "an unknown keyword": (lambda: layers.Dense(3, foo=1), TypeError, "'foo'"),
    "an unknown activation": (lambda: layers.Dense(3, activation="nope"), ValueError, "nope"),
    "an unknown initializer": (lambda: layers.Dense(3, kernel_initializer="nope"), ValueError, "nope"),
    "an unknown regularizer": (lambda: layers.Dense(3, kernel_regularizer="nope"), ValueError, "nope"),
    "an unknown constraint": (lambda: layers.Dense(3, bias_constraint="nope"), ValueError, "nope"),
    "a layer's name of another type": (lambda: layers.Dense(3, name=4), TypeError, "name=4"),
    "no shape": (lambda: keras.Input(), ValueError, r"Input\(\(2,\)\)"),
    "a shape that is no tuple": (lambda: keras.Input(3), ValueError, r"Input\(\(3,\)\)"),
    "an unknown dtype": (lambda: keras.Input((2,), dtype="float31"), ValueError, "float31"),
    "assign another shape": (lambda: small().weights[0].assign(np.zeros((1, 1))), ValueError, r"hidden/kernel:0.*\(2, 3\).*\(1, 1\)"),
    "assign_add another shape": (lambda: small().weights[0].assign_add(np.zeros(3)), ValueError, r"\(2, 3\).*\(3,\)"),
    "too few weights": (lambda: small().set_weights([np.zeros((2, 3))]), ValueError, "small.*1 weight.*expecting 2"),
    "weights of other shapes": (lambda: small().set_weights([np.zeros((3, 3)), np.zeros(3)]), ValueError, r"hidden/kernel:0.*\(2, 3\).*\(3, 3\)"),
    "an input shape twice": (lambda: keras.Input((2,), batch_shape=(1, 2)), ValueError, "not both"),
    "output of a layer never called": (lambda: layers.Dense(2, name="idle").output, AttributeError, "'idle' has never been called"),
    "one shape of a layer called on two": (lambda: called_on_two_shapes().output_shape, AttributeError, "shapes.*get_output_shape_at"),
    "a model without call": (lambda: type("Bare", (keras.Model,), {})()(np.zeros((1, 2))), NotImplementedError, r"Bare has no call"),
    "a number to predict for": (lambda: small().predict(3), ValueError, "first axis counts the samples, got 3"),
    "two symbols for one input": (lambda: small()([keras.Input((2,))] * 2), ValueError, "expects 1 input.*received 2"),
    "a loss of another model": (lambda: small().add_loss(small().output.mean()), ValueError, "Graph disconnected"),
    "a loss of symbols": (lambda: layers.Dense(2).add_loss(small().output), NotImplementedError, "self.add_loss in the call"),
    "unknown argument of a call": (lambda: layers.Dense(2)(keras.Input((2,)), foo=1), TypeError, "unexpected keyword argument 'foo'"),
    "an unknown way to save": (lambda: small().save("m.h5", foo=1), TypeError, r"save\(\).*'foo'"),
    "a misspelt way to load": (lambda: small().load_weights("m.h5", by_nmae=True), TypeError, "by_nmae"),
    "several inputs of a stack": (lambda: keras.Sequential([layers.Dense(2)])([np.zeros((1, 2))] * 2), ValueError, "takes one input"),
    "an initializer of another shape": (
        lambda: layers.Dense(2, kernel_initializer=lambda shape, dtype=None: np.ones((1, 1)))(np.zeros((1, 2))),
        ValueError,
        r"kernel:0' returned the shape \(1, 1\), expected \(2, 2\)",
    ),
    "a value of a symbol": (lambda: np.asarray(keras.Input((2,))), TypeError, "symbolic"),
    "truth of a symbol": (lambda: bool(keras.Input((2,)) > 1), TypeError, "torch.where"),
    "no layer in a stack": (lambda: keras.Sequential([3]), TypeError, "must be a Layer.*3"),
    "two of a name in a stack": (lambda: keras.Sequential([layers.Dense(1, name="a"), layers.Dense(1, name="a")]), ValueError, "unique names.*'a'"),
    "pop from nothing": (lambda: keras.Sequential().pop(), TypeError, "no layers"),
    "call of an empty stack": (lambda: keras.Sequential()(np.zeros((1, 2))), ValueError, "no layers"),
    "summary of an unbuilt stack": (lambda: keras.Sequential([layers.Dense(1)]).summary(), ValueError, "has not been built.*build"),
    "count of an unbuilt layer": (lambda: layers.Dense(1, name="d").count_params(), ValueError, "'d'.*isn't built"),
    "nothing to predict": (lambda: small().predict(np.zeros((0, 2))), ValueError, "no batch"),
    "inputs of two lengths": (lambda: two_inputs().predict([np.zeros((1, 2)), np.zeros((2, 2))]), ValueError, r"\[1, 2\] samples"),
    "rows of two lengths": (lambda: small().predict(np.array([[1, 2], [3]], dtype=object)), ValueError, "differ in length"),
    "clone of no model": (lambda: keras.models.clone_model(layers.Dense(1)), ValueError, "Dense"),
    "too many tensors for a clone": (lambda: keras.models.clone_model(small(), input_tensors=[keras.Input((2,))] * 2), ValueError, "1 inputs, got 2"),
    "no JSON": (lambda: model_from_json("{"), ValueError, "not JSON"),
    "JSON of something else": (lambda: model_from_json('{"a": 1}'), ValueError, "class_name"),
    "YAML with code": (lambda: model_from_yaml("!!python/object/apply:os.system [x]"), ValueError, "plain YAML"),
    "a file that is not there": (lambda: load_model("/nowhere/model.h5"), FileNotFoundError, "No file or directory"),
    "a file that is no HDF5": (lambda: load_model(__file__), OSError, "neither an HDF5 file"),
    "a folder": (lambda: load_model("."), OSError, "SavedModel.*save"),
    "a bad device": (lambda: load_model("/nowhere/model.h5", device="gpux"), RuntimeError, "gpux"),
}  # fmt: skip


@pytest.mark.parametrize(("mistake", "error", "message"), CASES.values(), ids=CASES)
def test_mistake(mistake, error, message):
    with pytest.raises(error, match=f"(?s){message}"):
        mistake()


def test_all_unknown_layers_are_told_at_once():
    config = small().to_json().replace('"Dense"', '"Mine"').replace('"InputLayer"', '"Yours"')
    with pytest.raises(ValueError, match="(?s)2 unknown layer.*'Yours': ..., 'Mine': .*Yours 'input_1'.*Mine 'hidden'"):
        model_from_json(config)


def test_the_device_is_as_before_after_a_failed_load():
    before = keras.get_device()
    with pytest.raises(OSError, match="No file"):
        load_model("/nowhere/model.h5", device="meta")
    assert keras.get_device() == before
