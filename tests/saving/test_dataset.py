"""Data sets however they are stored, read whole and by pieces, from a path and from bytes."""

import io
import os
import threading

import h5py
import numpy as np
import pytest
import torch

import kerastorch as keras

STORED = {
    "plain": {},
    "big-endian": {"dtype": ">f4"},
    "float64": {"dtype": "f8"},
    "float16": {"dtype": "f2"},
    "in chunks": {"chunks": True},
    "compressed": {"compression": "gzip", "compression_opts": 1},
}
LAYERS = {
    "matrix": (lambda: keras.layers.Dense(1500), (800,)),
    "convolution": (lambda: keras.layers.Conv2D(300, 3), (4, 4, 400)),
    "1x1 convolution": (lambda: keras.layers.Conv2D(1500, 1), (2, 2, 800)),
    "embedding": (lambda: keras.layers.Embedding(3000, 400), (2,)),
    "small": (lambda: keras.layers.Conv1D(3, 2), (4, 2)),
}


@pytest.mark.parametrize("stored", STORED)
@pytest.mark.parametrize("layer", LAYERS)
def test_every_form_of_storage(layer, stored, tmp_path):
    make, shape = LAYERS[layer]
    keras.Sequential([keras.Input(shape), make()]).save(tmp_path / "x.h5")
    with h5py.File(tmp_path / "x.h5", "r+") as file:
        places = []
        file.visititems(lambda name, x: places.append(name) if isinstance(x, h5py.Dataset) and x.ndim > 1 else None)
        value = (
            np.random.default_rng(0).normal(size=file[places[0]].shape).astype("float16")
        )  # exact in all of the dtypes
        del file[places[0]]
        file.create_dataset(places[0], data=value.astype(STORED[stored].get("dtype", "f4")), **STORED[stored])
    expected = value.astype("float32")
    model = keras.models.load_model(tmp_path / "x.h5")
    for source in (tmp_path / "x.h5", (tmp_path / "x.h5").read_bytes()):
        model.weights[0].assign(np.zeros_like(expected))
        model.load_weights(source)  # into a model in use
        np.testing.assert_array_equal(model.weights[0].numpy(), expected)
        fresh = keras.models.load_model(source)
        np.testing.assert_array_equal(fresh.weights[0].numpy(), expected)
        assert fresh.weights[0].dtype == "float32"


def _memory(tensor):
    """The axes by their order in memory, those of one element left out."""
    axes = [axis for axis in range(tensor.dim()) if tensor.shape[axis] > 1]
    return sorted(axes, key=tensor.stride, reverse=True)


@pytest.mark.parametrize("source", ["made", "read"])
def test_how_weights_lie_in_memory(source, tmp_path):
    x = keras.Input((8, 8, 4))
    y = keras.layers.Conv2D(6, 3, data_format="channels_last", name="last")(x)
    y = keras.layers.Conv2DTranspose(4, 3, data_format="channels_last", name="transposed")(y)
    z = keras.layers.Conv2D(6, 3, data_format="channels_first", name="first")(y)
    model = keras.Model(x, keras.layers.Dense(5, name="dense")(z))
    large = keras.Sequential([keras.Input((512,)), keras.layers.Dense(512)])
    if source == "read":
        model.save(tmp_path / "x.h5")
        model = keras.models.load_model(tmp_path / "x.h5")
        large.save(tmp_path / "large.h5")
        large = keras.models.load_model(tmp_path / "large.h5")
    weights = {layer.name: layer.kernel.tensor for layer in model.layers if hasattr(layer, "kernel")}
    # As the pictures have it, which saves torch turning the kernel in every call.
    assert _memory(weights["last"]) == _memory(weights["transposed"]) == [0, 2, 3, 1]
    assert _memory(weights["first"]) == [0, 1, 2, 3]
    # As the file has it, to which torch's matrix product is indifferent.
    assert _memory(large.layers[-1].kernel.tensor) == ([1, 0] if source == "read" else [0, 1])
    assert _memory(weights["dense"]) == [0, 1]
    model.to(memory_format=torch.contiguous_format)
    assert all(p.is_contiguous() for p in model.parameters() if p.dim() == 4)


class OnlyRead:
    """A file of a user's class, without `readinto`."""

    def __init__(self, path):
        self._file = io.BytesIO(path.read_bytes())
        self.read, self.seek, self.tell = self._file.read, self._file.seek, self._file.tell


def test_a_file_that_can_only_read_and_seek(tmp_path):
    model = keras.Sequential([keras.Input((600,)), keras.layers.Dense(600), keras.layers.Dense(3)])
    model.save(tmp_path / "m.h5")
    loaded = keras.models.load_model(OnlyRead(tmp_path / "m.h5"))
    for got, want in zip(loaded.get_weights(), model.get_weights(), strict=True):
        np.testing.assert_array_equal(got, want)


def _wide(path):
    """A model of more data sets than are read in one call, large enough to be read ahead, with other data between them."""
    x = y = keras.Input((64,))
    for i in range(300):
        y = keras.layers.Dense(64 if i % 50 else 512, name=f"d{i}")(y)
    model = keras.Model(x, y)
    model.save(path)
    with h5py.File(path, "r+") as file:  # what is behind a gap
        del file["model_weights/d0/d0/kernel:0"]
        file.create_dataset("between", data=np.zeros(2**18))
        file.create_dataset("model_weights/d0/d0/kernel:0", data=model.layers[1].kernel.numpy())
    return model


def test_reading_ahead_gives_every_weight_its_own_values(tmp_path):
    model = _wide(tmp_path / "m.h5")
    loaded = keras.models.load_model(tmp_path / "m.h5")
    for got, want in zip(loaded.weights, model.weights, strict=True):
        np.testing.assert_array_equal(got.numpy(), want.numpy(), err_msg=got.name)
        assert got.tensor.untyped_storage().nbytes() == 4 * got.tensor.numel()  # what torch.save writes of it
    loaded.weights[0].assign(np.zeros(loaded.weights[0].shape))
    np.testing.assert_array_equal(loaded.weights[1].numpy(), model.weights[1].numpy())


def test_what_cannot_be_read_ahead_is_read_all_the_same(tmp_path, monkeypatch):
    model = _wide(tmp_path / "m.h5")
    real = os.preadv
    monkeypatch.setattr(os, "preadv", lambda file, parts, start: real(file, parts, start) - 1)
    loaded = keras.models.load_model(tmp_path / "m.h5")
    for got, want in zip(loaded.get_weights(), model.get_weights(), strict=True):
        np.testing.assert_array_equal(got, want)


def test_no_thread_is_left_behind(tmp_path):
    model = _wide(tmp_path / "m.h5")
    with h5py.File(tmp_path / "m.h5", "r+") as file:
        file.attrs["model_config"] = file.attrs["model_config"].replace('"Dense"', '"Dance"')
    with pytest.raises(ValueError, match="unknown layer"):
        keras.models.load_model(tmp_path / "m.h5")
    assert threading.active_count() == 1
    assert model.built
