"""The real tf_keras and Keras 3, imported once."""

from __future__ import annotations

import os
import re
import sys

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ["CUDA_VISIBLE_DEVICES"] = ""
os.environ["KERAS_BACKEND"] = "tensorflow"
os.environ["TF_USE_LEGACY_KERAS"] = "1"  # `tf.keras` within tf_keras is then tf_keras itself

import numpy as np
import pytest

import kerastorch


@pytest.fixture(scope="session")
def tf_keras():
    return pytest.importorskip("tf_keras")


@pytest.fixture(scope="session")
def keras3():
    return pytest.importorskip("keras")


@pytest.fixture(params=["tf_keras", "keras"])
def real(request):
    """The real Keras: both, one after the other."""
    found = pytest.importorskip(request.param)
    found.backend.clear_session()
    return found


@pytest.fixture(autouse=True)
def from_the_beginning():
    """Names, and every library's random numbers: a test that fails once, fails again."""
    kerastorch.backend.clear_session()
    kerastorch.config.set_random_seed(0)
    for found in (sys.modules.get(name) for name in ("tf_keras", "keras")):
        if found is not None:
            found.utils.set_random_seed(0)


def random_inputs(model, batch=3, seed=0):
    """Inputs for a Keras model, of any Keras, as NumPy arrays."""
    rng = np.random.default_rng(seed)
    arrays = []
    for x in model.inputs:
        shape = (batch, *(5 if n is None else n for n in tuple(x.shape)[1:]))
        is_int = "int" in str(x.dtype)
        arrays.append(
            rng.integers(0, 20, shape).astype("int32") if is_int else rng.normal(size=shape).astype("float32")
        )
    return arrays if len(arrays) > 1 else arrays[0]


def randomize(model, seed=0):
    """Gives a model, of any Keras, weights that no initializer makes; those of variances stay positive."""
    rng = np.random.default_rng(seed)
    model.set_weights([rng.uniform(0.5, 1.5, w.shape).astype("float32") for w in model.get_weights()])
    return model


def pytest_collection_modifyitems(items):
    """What the real Kerases warn of is their own affair."""
    for item in items:
        item.add_marker(pytest.mark.filterwarnings("default"))


_LACKING = re.compile(r"only supports N\w+ on|CPU implementations do not yet support")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item):
    """TensorFlow has channels-first layers and dilated gradients on some processors only."""
    try:
        return (yield)
    except Exception as error:
        if not type(error).__module__.startswith("tensorflow") or not (said := _LACKING.search(str(error))):
            raise
        pytest.skip(f"TensorFlow cannot run this on this processor: {said.string[said.start() :].splitlines()[0]}")
