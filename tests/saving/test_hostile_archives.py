"""Zip archives made to harm: members outside of them, links, bombs, directories that lie."""

from __future__ import annotations

import io
import os
import struct
import zipfile

import pytest

from kerastorch.models import load_model
from tests.saving.hostile_files import (
    keras_file,
    little_memory,
    model_config,
    nothing_happens,
)


def with_member(name, content=b"x", mode=0o644):
    info = zipfile.ZipInfo(name)
    info.external_attr = mode << 16
    return keras_file(model_config("Dense", units=2), [(info, content)])


@pytest.mark.parametrize(
    "name",
    [
        "../harm",
        "/harm",
        "assets/../../harm",
        "assets\\..\\..\\harm",
        "C:/harm",
        "assets/..",
        "\\\\host\\harm",
        "//harm",
    ],
)
def test_members_lie_within_the_archive(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    data = with_member(name)
    with nothing_happens(), pytest.raises(ValueError, match="refused"):
        load_model(data)
    assert os.listdir() == []


def test_links_in_an_archive():
    data = with_member("assets/link", b"/etc/passwd", 0o120777)
    with nothing_happens(), pytest.raises(ValueError, match="is a link"):
        load_model(data)


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_member_twice():
    data = keras_file(model_config("Dense", units=2), [("config.json", "{}")])
    with nothing_happens(), pytest.raises(ValueError, match="twice"):
        load_model(data)


def test_a_zip_bomb():
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("metadata.json", "{}")
        archive.writestr("config.json", b" " * 2**27)
    with little_memory(), pytest.raises(ValueError, match="declares"):
        load_model(made.getvalue())


def changed_directory(data, name, offset, value):
    """The archive with a number in a member's entry of the central directory changed."""
    at = data.rindex(name.encode()) - 46
    assert data[at : at + 4] == b"PK\x01\x02"
    return data[: at + offset] + struct.pack("<I", value) + data[at + offset + 4 :]


@pytest.mark.parametrize("member", ["config.json", "model.weights.h5"])
@pytest.mark.parametrize("offset", [16, 20, 24, 42], ids=["crc", "stored", "size", "place"])
@pytest.mark.parametrize("value", [0, 1, 2**20, 2**31, 2**32 - 2])
def test_a_directory_that_lies(member, offset, value):
    data = changed_directory(keras_file(model_config("Dense", units=2)), member, offset, value)
    with little_memory():
        try:
            model = load_model(data)
        except (OSError, ValueError):
            return
        # The weights are read in their place, where HDF5 looks after itself.
        assert member == "model.weights.h5" and model.layers[1].kernel.shape == (4, 2)


def test_many_members(monkeypatch):
    made = io.BytesIO(keras_file(model_config("Dense", units=2)))
    with zipfile.ZipFile(made, "a") as archive:
        for i in range(2000):
            archive.writestr(f"assets/{i}", "")
    assert load_model(made.getvalue()).layers
    from kerastorch.saving import opening

    monkeypatch.setattr(opening, "_MOST_MEMBERS", 1000)
    with pytest.raises(ValueError, match="more than"):
        load_model(made.getvalue())
