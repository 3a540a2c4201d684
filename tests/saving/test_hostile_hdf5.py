"""HDF5 files whose parts are elsewhere, or no numbers."""

from __future__ import annotations

import io
import zipfile

import h5py
import numpy as np
import pytest

from kerastorch.models import load_model
from tests.saving.hostile_files import (
    H5_PLACES,
    h5_file,
    keras_file,
    model_config,
    replaced,
    unopened,
)

LINKS = {
    "external": lambda other: lambda file, place: file.__setitem__(place, h5py.ExternalLink(other, "/secret")),
    "soft": lambda other: lambda file, place: file.__setitem__(place, h5py.SoftLink("/elsewhere")),
    "dangling": lambda other: lambda file, place: file.__setitem__(place, h5py.SoftLink("/../../nowhere")),
}


def secret_file(path):
    with h5py.File(path, "w") as file:
        file["secret"] = np.ones((4, 2), "f4")
    return path


def test_that_an_opened_file_is_noticed(tmp_path):
    path = secret_file(tmp_path / "other.h5")
    with pytest.raises(AssertionError, match="was opened"), unopened(path):
        h5py.File(path).close()


@pytest.mark.parametrize("kind", LINKS)
@pytest.mark.parametrize("place", H5_PLACES)
def test_links_in_hdf5(kind, place, tmp_path):
    other = secret_file(tmp_path / "other.h5")
    data = h5_file(model_config("Dense", units=2), change=replaced(place, LINKS[kind](str(other))))
    (tmp_path / "m.h5").write_bytes(data)
    with unopened(other), pytest.raises(ValueError, match="a link that may point out of the file"):
        load_model(tmp_path / "m.h5")
    model = load_model(h5_file(model_config("Dense", units=2)))
    with unopened(other), pytest.raises(ValueError, match="is a link"):
        model.load_weights(tmp_path / "m.h5")


@pytest.mark.parametrize(
    "place", ["layers", "layers/dense", "layers/dense/vars", "layers/dense/vars/0", "vars", "graph", "optimizer"]
)
def test_links_in_archives_and_weights(place, tmp_path):
    other = secret_file(tmp_path / "other.h5")

    def change(file):
        if place in file:
            del file[place]
        file[place] = h5py.ExternalLink(str(other), "/secret")

    data = keras_file(model_config("Dense", units=2), change=change)
    with unopened(other), pytest.raises(ValueError, match="is a link"):
        load_model(data)
    (tmp_path / "m.weights.h5").write_bytes(zipfile.ZipFile(io.BytesIO(data)).read("model.weights.h5"))
    model = load_model(keras_file(model_config("Dense", units=2)))
    with unopened(other), pytest.raises(ValueError, match="is a link"):
        model.load_weights(tmp_path / "m.weights.h5")


def external(file, place):
    file.create_dataset(place, (4, 2), "f4", external=[("secret", 0, 32)])


def virtual(file, place):
    made = h5py.VirtualLayout((4, 2), "f4")
    made[:] = h5py.VirtualSource("other.h5", "secret", (4, 2))
    file.create_virtual_dataset(place, made)


def plugin(file, place):
    made = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    made.set_chunk((4, 2))
    made.set_filter(32001, h5py.h5z.FLAG_OPTIONAL, (0, 0))
    h5py.h5d.create(file.id, place.encode(), h5py.h5t.IEEE_F32LE, h5py.h5s.create_simple((4, 2)), made)


def texts(file, place):
    file.create_dataset(place, (4, 2), h5py.string_dtype())


def references(file, place):
    file.create_dataset(place, (4, 2), h5py.ref_dtype)


@pytest.mark.parametrize("make", [external, virtual, plugin, texts, references])
def test_data_that_is_elsewhere_or_no_numbers(make, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    secret_file("other.h5")
    (tmp_path / "secret").write_bytes(bytes(32))
    place = H5_PLACES[-1]
    with unopened("other.h5"), unopened("secret"), pytest.raises(ValueError, match="refused"):
        load_model(h5_file(model_config("Dense", units=2), change=replaced(place, make)))
    data = keras_file(model_config("Dense", units=2), change=replaced("layers/dense/vars/0", make))
    with unopened("other.h5"), unopened("secret"), pytest.raises(ValueError, match="refused"):
        load_model(data)
