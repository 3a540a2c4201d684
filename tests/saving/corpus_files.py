"""Keras files that other people published, with inputs and outputs recorded from what wrote them (../shared/README.md).

Four lie beside the project; the others are made by ../shared/corpus/fetch_corpus.py FOLDER, and looked for in the folder
that the environment variable KERASTORCH_CORPUS names.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import kerastorch as keras
from tests.saving.corpus_layers import CUSTOM_OBJECTS

__all__ = ["File", "corpus_ids"]

SHARED = Path(__file__).resolve().parents[2].parent / "shared" / "corpus"


def _inventory() -> list[dict[str, Any]]:
    path = SHARED / "inventory.json"
    return json.loads(path.read_text()) if path.exists() else []


ENTRIES = {entry["id"]: entry for entry in _inventory()}


def corpus_ids() -> list[Any]:
    """Parameters for pytest; one that skips, with the reason, where the inventory is missing."""
    if not ENTRIES:
        return [pytest.param("none", marks=pytest.mark.skip(reason=f"no inventory of the corpus at {SHARED}"))]
    return list(ENTRIES)


class File:
    """One file, and what was recorded of it."""

    def __init__(self, identity: str) -> None:
        self.entry = ENTRIES[identity]
        self.identity = identity
        self.path = self._find(Path(self.entry["file"]).name)
        self.custom_objects = next((v for k, v in CUSTOM_OBJECTS.items() if identity.startswith(k)), None)
        with np.load(SHARED / "golden" / f"{identity}.npz") as data:
            self.golden = {key: data[key] for key in data.files}

    def _find(self, name: str) -> Path:
        folders = [SHARED / "files"]
        given = os.environ.get("KERASTORCH_CORPUS")
        if given:
            folders += [Path(given), Path(given) / "files"]
        found = next((folder / name for folder in folders if (folder / name).exists()), None)
        if found is None:
            pytest.skip(f"{name}: not there; set KERASTORCH_CORPUS to the folder that fetch_corpus.py made")
        return found

    @property
    def is_whole(self) -> bool:
        """Whether the file holds its model's architecture."""
        return not self.entry["container"].startswith("h5-weights")

    def load(self, load_model: Any = None) -> Any:
        """The model with its weights."""
        if self.is_whole:
            return keras.models.load_model(self.path, self.custom_objects)
        beside = SHARED / "arch" / f"{self.identity}.json"
        path = beside if beside.exists() else self._find(Path(self.entry["arch_file"]).name)
        read = keras.models.model_from_yaml if path.suffix == ".yaml" else keras.models.model_from_json
        model = read(path.read_text(), self.custom_objects)
        model.load_weights(self.path)
        return model

    def numbered(self, prefix: str) -> list[np.ndarray]:
        """The arrays `prefix_0`, `prefix_1`, ..."""
        return [self.golden[f"{prefix}_{i}"] for i in range(len(self.golden)) if f"{prefix}_{i}" in self.golden]

    def inputs(self) -> Any:
        """The recorded inputs, as the model takes them."""
        arrays = self.numbered("in")
        return arrays if len(arrays) != 1 else arrays[0]
