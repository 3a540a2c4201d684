"""Data sets however they are stored, read whole and by pieces, from a path and from bytes."""

import io

import h5py
import numpy as np
import pytest

import kerastorch as keras
from kerastorch.saving import opening

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
        assert fresh.weights[0].dtype == "float32" and all(p.is_contiguous() for p in fresh.parameters())


@pytest.mark.parametrize("size", [8, 9, 1000, opening._PIECE + 3, 2 * opening._PIECE])
def test_heaps_are_found_wherever_they_begin(size):
    ends = {opening._PIECE * i + j for i in (0, 1, 2) for j in range(-9, 10)}
    for place in sorted({at for at in (*ends, size - 8, size // 2) if 0 <= at <= size - 8}):
        content = bytearray(b"GCO\x01L\0" * (size // 6 + 1))[:size]
        content[place : place + 8] = b"GCOL\x01\0\0\0"
        assert list(opening._heaps_in(io.BytesIO(content), 0)) == [place]
