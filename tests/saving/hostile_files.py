"""Files made to harm, and what shows that they do not: Python's audit events tell what is opened, imported, compiled or
started while a file is read, inotify what HDF5 opens past Python, and a limit on the process what memory is asked for.
"""

from __future__ import annotations

import contextlib
import ctypes
import io
import json
import os
import resource
import sys
import time
import zipfile
from pathlib import Path

import h5py
import numpy as np
import pytest

import kerastorch as keras
from kerastorch import layers
from kerastorch.models import load_model, model_from_json, model_from_yaml

REFUSED = (ValueError, OSError, TypeError)

# What happens while a file is read

_events: list[tuple[str, str]] = []
_listening: list[bool] = []
_DANGEROUS = (
    "exec", "compile", "import", "open", "os.system", "os.exec", "os.posix_spawn", "os.spawn", "os.fork", "os.remove",
    "os.rename", "os.symlink", "os.mkdir", "subprocess.Popen", "socket.connect", "socket.getaddrinfo", "urllib.Request",
    "pickle.find_class", "marshal.loads", "ctypes.dlopen", "code.__new__", "function.__new__", "shutil.unpack_archive",
)  # fmt: skip


def _hook(event, arguments):
    if _listening and event in _DANGEROUS:
        _events.append((event, str(arguments[:1])))


sys.addaudithook(_hook)


@contextlib.contextmanager
def nothing_happens(*may_open):
    """Fails if anything is run, imported, fetched or opened within the block but the files given."""
    warm()
    _events.clear()
    _listening.append(True)
    try:
        yield
    finally:
        _listening.clear()
    allowed = {str(path) for path in may_open}
    here = f"('{Path(keras.__file__).parent}"
    happened = [
        (event, what)
        for event, what in _events
        if not (event == "open" and (any(what == f"('{path}',)" for path in allowed) or what.startswith(here)))
        and not (event == "open" and ".py" in what)  # source lines for the traceback that pytest keeps
    ]
    assert not happened, happened


_warmed: list[bool] = []


def warm():
    """What the library imports when it is first used is imported."""
    if not _warmed:
        _warmed.append(True)
        for data in (h5_file(model_config("Dense", units=2)), keras_file(model_config("Dense", units=2))):
            load_model(data)
            with pytest.raises(REFUSED):
                load_model(data[:-100])
        model_from_yaml(json.dumps(model_config("Dense", units=2)))
        model_from_json(json.dumps(model_config("Embedding", input_dim=2, output_dim=2)))
        layers.TorchFunction("torch.relu")
        for name in ("relu", "nothing"):
            with contextlib.suppress(ValueError):
                model_from_json(json.dumps(model_config("Activation", activation=name)))


# Files


def described(class_name, config, **beside):
    return {"class_name": class_name, "config": config, **beside}


def layer(class_name, inbound="x", name="a", beside=None, **config):
    return {
        **described(class_name, {"name": name, **config}), "name": name, "inbound_nodes": [[[inbound, 0, 0, {}]]],
        **(beside or {}),
    }  # fmt: skip


def model_config(class_name, beside=None, inputs=(None, 4), **config):
    """A model of one layer."""
    first = described("InputLayer", {"name": "x", "batch_input_shape": list(inputs), "dtype": "float32"}, name="x")
    held = [{**first, "inbound_nodes": []}, layer(class_name, beside=beside, **config)]
    return described(
        "Functional", {"name": "m", "layers": held, "input_layers": [["x", 0, 0]], "output_layers": [["a", 0, 0]]}
    )


WEIGHTS = {"a": {"a/kernel:0": np.zeros((4, 2), "f4"), "a/bias:0": np.zeros(2, "f4")}}


def h5_file(config, weights=None, change=None):
    """A legacy h5 file. change: done to the open file, for what is no part of a good one."""
    weights = WEIGHTS if weights is None and "Dense" in json.dumps(config) else weights or {"a": {}}
    held = io.BytesIO()
    with h5py.File(held, "w") as file:
        file.attrs["keras_version"], file.attrs["backend"] = "2.15.0", "tensorflow"
        file.attrs["model_config"] = json.dumps(config)
        group = file.create_group("model_weights")
        group.attrs["layer_names"] = np.array([name.encode() for name in weights])
        for name, values in weights.items():
            group.create_group(name).attrs["weight_names"] = np.array([w.encode() for w in values], dtype="S64")
            for weight, value in values.items():
                group[name][weight] = value
        if change is not None:
            change(file)
    return held.getvalue()


def keras_file(config, members=(), change=None):
    """A `.keras` archive."""
    weights, made = io.BytesIO(), io.BytesIO()
    with h5py.File(weights, "w") as file:
        if "Dense" in json.dumps(config):
            file["layers/dense/vars/0"], file["layers/dense/vars/1"] = WEIGHTS["a"].values()
        if change is not None:
            change(file)
    with zipfile.ZipFile(made, "w") as archive:
        archive.writestr("metadata.json", json.dumps({"keras_version": "3.15.0"}))
        archive.writestr("config.json", json.dumps(config))
        archive.writestr("model.weights.h5", weights.getvalue())
        for name, content in members:
            archive.writestr(name, content)
    return made.getvalue()


KINDS = {"h5": h5_file, "keras": keras_file}


def refused(config, match=None, **kwargs):
    """Each kind of file with this config is refused, and so is its JSON, while nothing happens."""
    for make in KINDS.values():
        data = make(config)
        with nothing_happens(), pytest.raises(REFUSED, match=match):
            load_model(data, **kwargs)
    text = json.dumps(config)
    with nothing_happens(), pytest.raises(REFUSED, match=match):
        model_from_json(text)


def replaced(place, make):
    def change(file):
        del file[place]
        make(file, place)

    return change


H5_PLACES = ["model_weights", "model_weights/a", "model_weights/a/a", "model_weights/a/a/kernel:0"]


@contextlib.contextmanager
def unopened(path):
    """Fails if anyone opens the file within the block, HDF5 included."""
    if not sys.platform.startswith("linux"):
        pytest.skip("inotify is Linux's")
    libc = ctypes.CDLL(None, use_errno=True)
    watch = libc.inotify_init1(os.O_NONBLOCK)
    assert watch >= 0 and libc.inotify_add_watch(watch, os.fsencode(path), 0x20 | 0x1) >= 0  # opened, read
    try:
        yield
        with contextlib.suppress(BlockingIOError):
            assert not os.read(watch, 4096), f"{path} was opened"
    finally:
        os.close(watch)


@contextlib.contextmanager
def little_memory(megabytes=400, seconds=10.0):
    """Within the block the process gets no more memory than that, beside what it has."""
    warm()
    with open("/proc/self/statm") as statm:
        used = int(statm.read().split()[0]) * resource.getpagesize()
    before, start = resource.getrlimit(resource.RLIMIT_AS), time.monotonic()
    resource.setrlimit(resource.RLIMIT_AS, (used + megabytes * 2**20, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, before)
    assert time.monotonic() - start < seconds
