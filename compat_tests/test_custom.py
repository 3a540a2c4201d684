"""Layers, functions and models of a user's own in files of the real Kerases: read, and written back, with the same numbers."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import kerastorch
from compat_tests.conftest import random_inputs
from compat_tests.test_both_ways import assert_same


def functions(keras):
    """An activation and a regularizer."""

    def twice(x):
        return x * 2.0

    def none(x):
        return 0.0

    return {"twice": twice, "none": none}


def own_functions(keras, own):
    x = keras.Input((5, 4))
    y = keras.layers.LSTM(3, activation=own["twice"], recurrent_regularizer=own["none"], return_sequences=True)(x)
    y = keras.layers.Dense(2, activation=own["twice"], kernel_regularizer=own["none"])(y)
    return keras.Model(x, keras.layers.Activation(own["twice"])(y))


CASES = {"functions": (functions, own_functions)}


@pytest.mark.parametrize(("classes", "build"), CASES.values(), ids=CASES)
@pytest.mark.parametrize("file", ["m.h5", "m.keras"])
def test_what_is_the_users_own(classes, build, file, real, tmp_path):
    own = classes(real)
    theirs = build(real, own)
    rng = np.random.default_rng(0)
    theirs.set_weights([rng.normal(size=w.shape) for w in theirs.get_weights()])
    data = random_inputs(theirs)
    want = outputs(theirs(data))
    theirs.save(tmp_path / file)
    ours = kerastorch.models.load_model(tmp_path / file, classes(kerastorch), device="cpu")
    tensors = [torch.from_numpy(x) for x in data] if isinstance(data, list) else torch.from_numpy(data)
    assert_same(outputs(ours(tensors)), want)
    for again in ("again.h5", "again.keras"):
        ours.save(tmp_path / again)
        assert_same(outputs(kerastorch.models.load_model(tmp_path / again, classes(kerastorch))(tensors)), want)
        if real.__name__ == "keras" or again.endswith("h5"):  # tf_keras does not read what Keras 3 writes
            kept = real.models.load_model(tmp_path / again, custom_objects=own, compile=False)
            assert_same(outputs(kept(data)), want)


def outputs(found):
    """The outputs of any Keras as arrays, those in a dict in the order of their names."""
    if isinstance(found, dict):
        found = [found[key] for key in sorted(found)]
    found = found if isinstance(found, (list, tuple)) else [found]
    return [x.detach().numpy() if isinstance(x, torch.Tensor) else np.asarray(x) for x in found]
