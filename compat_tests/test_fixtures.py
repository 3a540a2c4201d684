"""Every recorded h5 file, read by kerastorch, written back, and opened in the Keras that had made it: the same outputs."""

from __future__ import annotations

import faulthandler
import signal

import numpy as np
import pytest

import kerastorch
from compat_tests.limits import UNREADABLE
from tests.fixture_files import Fixture, close
from tests.layers.test_fixtures import names

SECONDS = 30
"""tf_keras reads on for ever where a file refers to a call that it does not hold."""

GENERATIONS = {"k2": "tf_keras", "k3": "keras"}
CASES = [(generation, name) for generation in GENERATIONS for name in names(generation) if isinstance(name, str)]
NEEDS = {"STFTSpectrogram__log": "scipy"}
"""What Keras 3 wants installed for a layer."""


@pytest.fixture(autouse=True)
def no_hang():
    """Ends a test that takes too long: by an exception, or, where Python does not come to it, the whole run."""

    def stop(*_):
        raise TimeoutError(f"not done in {SECONDS} s")

    faulthandler.dump_traceback_later(2 * SECONDS, exit=True)
    before = signal.signal(signal.SIGALRM, stop) if hasattr(signal, "SIGALRM") else None
    if before is not None:
        signal.alarm(SECONDS)
    yield
    faulthandler.cancel_dump_traceback_later()
    if before is not None:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def outputs(model, inputs):
    """What a model of a real Keras returns for inference, as arrays."""
    import tensorflow as tf

    result = tf.nest.flatten(model(tf.nest.map_structure(tf.constant, inputs), training=False))
    return [np.asarray(tf.sparse.to_dense(x) if isinstance(x, tf.SparseTensor) else x) for x in result]


def check(real, fixture, path):
    """Opens a file in the real Keras, and holds its outputs against the recorded ones."""
    homes = (real.layers, getattr(real.layers, "experimental", None))
    # tf_keras does not find these by their names, in its own files neither.
    hidden = ("SpectralNormalization", "RandomFourierFeatures")
    found = {name: getattr(home, name) for name in hidden for home in homes if hasattr(home, name)}
    model = real.models.load_model(path, custom_objects=found, compile=False)
    got, want = outputs(model, fixture.inputs()), fixture.numbered("y")
    assert len(got) == len(want)
    for a, b in zip(got, want, strict=True):
        close(a, b, max(1e-5, fixture.meta.get("tol") or 0))


@pytest.mark.skipif(not CASES, reason="the fixtures are missing")
@pytest.mark.parametrize("generation, name", CASES)
def test_what_was_read_and_written_the_real_keras_reads(generation, name, tmp_path):
    real = pytest.importorskip(GENERATIONS[generation])
    if name in NEEDS:
        pytest.importorskip(NEEDS[name])
    real.backend.clear_session()
    fixture = Fixture(generation, name)
    model = kerastorch.models.load_model(fixture.file(".h5"), device="cpu")
    model.save(tmp_path / "again.h5")
    if generation == "k2" or name not in UNREADABLE:
        check(real, fixture, tmp_path / "again.h5")
        return
    for file in (tmp_path / "again.h5", fixture.file(".h5")):
        with pytest.raises((TypeError, ValueError)):
            check(real, fixture, file)
