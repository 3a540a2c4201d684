"""Damaged files: what is wrong is told as OSError, ValueError or TypeError, and no file crashes, hangs or eats memory.

A sample of what `python -m tests.saving.fuzz` does at length.
"""

from __future__ import annotations

import io
import os
import struct
import sys
import zipfile

import h5py
import numpy as np
import pytest

import kerastorch as keras
from tests.saving import fuzz

COUNT = int(os.environ.get("FUZZ_COUNT", "700"))


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="forks, and reads /proc")
def test_mutants_of_every_kind_of_file():
    results, failures = fuzz.run(COUNT, share=40)
    assert failures == []
    assert results.total() - results["(at structures)"] >= COUNT
    assert results["OSError"] > COUNT / 10 and results["ValueError"] > COUNT / 10


@pytest.fixture(scope="module")
def files():
    return dict(fuzz.samples())


KINDS = ["small.h5", "small.keras", "mixed.h5", "mixed.keras"]


@pytest.mark.parametrize("kind", KINDS)
def test_cut_off_anywhere(files, kind):
    data = files[kind]
    for size in sorted({*range(0, 600, 7), *range(600, len(data), len(data) // 60), len(data) - 1}):
        if size < len(data):
            with pytest.raises((OSError, ValueError)):
                keras.models.load_model(data[:size])


@pytest.mark.parametrize("kind", ["small_only.h5", "small.weights.h5"])
def test_weights_cut_off_leave_the_model_as_it_was(files, kind, tmp_path):
    data, model = files[kind], fuzz._small()
    before = model.get_weights()
    path = tmp_path / kind
    for size in range(0, len(data), len(data) // 40):
        path.write_bytes(data[:size])
        with pytest.raises((OSError, ValueError)):
            model.load_weights(path)
    for got, want in zip(model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(got, want)


def test_a_chunk_that_cannot_be_read_leaves_the_model_as_it_was(tmp_path):
    model = fuzz._small()
    path = tmp_path / "w.h5"
    model.save_weights(path)
    with h5py.File(path, "a") as file:
        place = next(p for p in _datasets(file) if p.endswith("d/kernel:0"))
        shape = file[place].shape
        del file[place]
        damaged = file.create_dataset(place, shape, "f4", chunks=shape, compression="gzip")
        damaged.id.write_direct_chunk((0, 0), b"no gzip")
    for weight in model.weights:
        weight.assign(np.ones(weight.shape))
    before = model.get_weights()
    with pytest.raises(OSError, match="read"):
        model.load_weights(path)
    for got, want in zip(model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(got, want)


def _datasets(file):
    found = []
    file.visititems(lambda path, x: found.append(path) if isinstance(x, h5py.Dataset) else None)
    return found


@pytest.mark.parametrize("member", ["config.json", "metadata.json", "model.weights.h5"])
def test_a_member_that_fails_its_checksum(files, member):
    data = bytearray(files["small.keras"])
    info = zipfile.ZipFile(io.BytesIO(bytes(data))).getinfo(member)
    lengths = struct.unpack_from("<HH", data, info.header_offset + 26)
    data[info.header_offset + 30 + sum(lengths) + info.file_size // 2] ^= 0xFF
    if member.endswith(".json"):
        with pytest.raises(OSError, match="damaged"):
            keras.models.load_model(bytes(data))


def test_a_heap_that_hdf5_never_ends_reading(files):
    data = bytearray(files["small.h5"])
    at = data.index(b"GCOL") + 16
    while data[at : at + 2] != b"\0\0":
        at += 16 + (struct.unpack_from("<Q", data, at + 8)[0] + 7 & ~7)
    data[at + 8 : at + 16] = bytes(8)
    with pytest.raises(OSError, match="holds an object of no size"):
        keras.models.load_model(bytes(data))


@pytest.mark.parametrize("form", ["path", "bytes", "file"])
@pytest.mark.parametrize("length", [104, 4600])  # HDF5 reads the first 4096 bytes of a heap, then the rest
def test_a_heap_damaged_at_any_place_however_it_is_read(files, form, length, tmp_path):
    path = tmp_path / "m.h5"
    path.write_bytes(files["small.h5"])
    with h5py.File(path, "a") as file:
        file.attrs["backend"] = "x" * 6000
    data = bytearray(path.read_bytes())
    text = data.index(b"x" * 6000)
    data[text - 8 : text] = struct.pack("<Q", length)
    data[text + length : text + length + 16] = bytes(16)  # free space of no size
    path.write_bytes(data)
    with path.open("rb") as file, pytest.raises(OSError, match="holds an object of no size"):
        keras.models.load_model({"path": path, "bytes": bytes(data), "file": file}[form])


def test_an_attribute_of_a_type_at_which_hdf5_crashes(files):
    data = bytearray(files["small.h5"])
    at = data.index(b"\x19", data.index(b"model_config"))
    assert data[at : at + 2] == b"\x19\x01"  # variable length: a string
    data[at + 1] = 5
    with pytest.raises(ValueError, match="neither text nor numbers"):
        keras.models.load_model(bytes(data))
