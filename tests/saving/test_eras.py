"""Files that Keras 0.3 to 3.0 and tf.keras wrote (compat_tests/files/README.md) give the numbers that they gave there."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
import pytest

import kerastorch as keras
from tests.fixture_files import close, outputs_of

FILES = Path(__file__).resolve().parents[2] / "compat_tests" / "files"
FUNCTIONS = {
    "lambda_layer": {"lambda_1": lambda x: x * 2},
    "merge_function": {"merge_1": lambda x: x[0] * 2 + x[1]},
}
"""What a user passes for code that is not taken from files."""
WRITERS = {"tf.keras-1.13": "tf.keras 2.2.4-tf", "tf.keras-1.15": "tf.keras 2.2.4-tf"}
"""Who a file says wrote it, where that is not the archive's name."""


@cache
def archive(era):
    with np.load(FILES / f"{era}.npz") as data:
        return {key: data[key] for key in data.files}


def models(part):
    found = [(path.stem, key.partition("/")) for path in sorted(FILES.glob("*.npz")) for key in archive(path.stem)]
    return [pytest.param(era, name, id=f"{era}-{name}") for era, (name, _, what) in found if what == part]


@pytest.fixture(autouse=True)
def fresh_names():
    keras.backend.clear_session()


def check(model, era, name):
    stored = archive(era)
    inputs = [stored[f"{name}/in_{i}"] for i in range(10) if f"{name}/in_{i}" in stored]
    outputs = [stored[f"{name}/out_{i}"] for i in range(10) if f"{name}/out_{i}" in stored]
    got = outputs_of(model.predict(inputs if len(inputs) > 1 else inputs[0], verbose=0))
    for a, b in zip(got, outputs, strict=True):
        close(a, b)


@pytest.mark.parametrize(("era", "name"), models("file"))
def test_a_whole_model(era, name, tmp_path):
    model = keras.models.load_model(archive(era)[f"{name}/file"].tobytes(), FUNCTIONS.get(name))
    writer = era.replace("tf.keras-", "tf.keras ").replace("keras-", "Keras ").replace("-theano", " on theano")
    assert WRITERS.get(era, writer) in str(model.load_report)
    check(model, era, name)
    if model.stateful:
        model.reset_states()
    model.save(tmp_path / "again.h5")
    again = keras.models.load_model(tmp_path / "again.h5", FUNCTIONS.get(name))
    check(again, era, name)
    for a, b in zip(model.get_weights(), again.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize(("era", "name"), models("weights"))
def test_an_architecture_and_weights(era, name):
    model = keras.models.model_from_json(str(archive(era)[f"{name}/json"]))
    model.load_weights(archive(era)[f"{name}/weights"].tobytes())
    check(model, era, name)


@pytest.mark.parametrize(("era", "name"), models("yaml"))
def test_an_architecture_as_yaml(era, name):
    model = keras.models.model_from_yaml(str(archive(era)[f"{name}/yaml"]))
    model.load_weights(archive(era)[f"{name}/weights"].tobytes())
    check(model, era, name)
