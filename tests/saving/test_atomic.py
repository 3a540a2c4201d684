"""A process that is killed while it saves leaves the old file or the new one, whole."""

from __future__ import annotations

import os
import random
import signal
import stat
import sys
import time

import numpy as np
import pytest
import torch

import kerastorch as keras
from kerastorch import layers

KILLS = int(os.environ.get("KILLS", "200"))


def model_of(value):
    keras.backend.clear_session()
    x = keras.Input((64,))
    y = x
    for i in range(3):
        y = layers.Dense(64, kernel_initializer=keras.initializers.Constant(value), name=f"d{i}")(y)
    return keras.Model(x, y, name="killed")


def save(model, path):
    model.save_weights(path) if "weights" in path.name else model.save(path)


def value_in(path):
    """The one value of all kernels in a file, which must be whole."""
    if "weights" in path.name:
        model = model_of(0.0)
        model.load_weights(path)
    else:
        model = keras.models.load_model(path)
    values = {float(x) for weights in model.get_weights()[::2] for x in np.unique(weights)}
    assert len(values) == 1
    return values.pop()


def saving(model, path):
    """The id of a process that has begun to save the model."""
    ready, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        torch.set_num_threads(1)
        try:
            os.write(writer, b"x")
            save(model, path)
        finally:
            os._exit(0)
    os.read(ready, 1)
    os.close(ready)
    os.close(writer)
    return pid


@pytest.mark.skipif(not hasattr(os, "fork"), reason="forks")
@pytest.mark.parametrize("name", ["m.h5", "m.keras", "m.weights.h5", "weights.h5"])
def test_killed_at_any_point(name, tmp_path):
    path = tmp_path / name
    model = model_of(0.0)
    start = time.perf_counter()
    for _ in range(3):
        os.waitpid(saving(model, path), 0)
    lasts = (time.perf_counter() - start) / 3
    rng = random.Random(name)
    current, found = 0.0, {"old": 0, "new": 0}
    for i in range(1, KILLS // 4 + 1):
        for weights in model.weights[::2]:
            weights.assign(np.full(weights.shape, i, "float32"))
        pid = saving(model, path)
        time.sleep(rng.uniform(0, 1.5 * lasts))
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        value = value_in(path)
        assert value in (current, float(i))
        found["new" if value == i else "old"] += 1
        current = value
    assert found["old"] and found["new"]
    left = [x for x in os.listdir(tmp_path) if x != name]
    assert all(x.startswith(f".{name}.") and x.endswith(".part") for x in left)
    for part in left:  # an hour on
        os.utime(tmp_path / part, (time.time() - 3700,) * 2)
    save(model, path)
    assert os.listdir(tmp_path) == [name]


def test_parts_that_may_still_be_written_stay(tmp_path):
    for part in (".m.h5.0123.part", ".other.h5.0123.part", ".m.h5.x"):
        (tmp_path / part).write_text("")
    os.utime(tmp_path / ".other.h5.0123.part", (0, 0))
    os.utime(tmp_path / ".m.h5.x", (0, 0))
    model_of(1.0).save(tmp_path / "m.h5")
    assert sorted(os.listdir(tmp_path)) == [".m.h5.0123.part", ".m.h5.x", ".other.h5.0123.part", "m.h5"]


def test_two_saves_at_once(tmp_path):
    from kerastorch.saving.atomic import replacing

    path = tmp_path / "m.h5"
    with replacing(path) as first, replacing(path) as second:
        assert first != second
        first.write_text("first")
        second.write_text("second")
    assert path.read_text() == "first"
    assert os.listdir(tmp_path) == ["m.h5"]


@pytest.mark.skipif(sys.platform == "win32", reason="permissions and links of POSIX")
def test_permissions_and_links_stay(tmp_path):
    real, link = tmp_path / "real.h5", tmp_path / "link.h5"
    model_of(1.0).save(real)
    real.chmod(0o600)
    link.symlink_to(real)
    model_of(2.0).save(link)
    assert link.is_symlink() and value_in(real) == 2.0
    assert stat.S_IMODE(real.stat().st_mode) == 0o600


def test_a_long_name(tmp_path):
    path = tmp_path / ("n" * 250 + ".h5")
    model_of(3.0).save(path)
    assert value_in(path) == 3.0
