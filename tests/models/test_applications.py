"""Architectures of tf_keras.applications: built from their JSON, given seeded weights, held against tf_keras's logits.

See ../shared/README.md for how the weights and inputs are made.
"""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import kerastorch as keras

FOLDER = Path(__file__).resolve().parents[2].parent / "shared" / "applications"
NAMES = sorted(path.name.removesuffix(".json.gz") for path in FOLDER.glob("*.json.gz"))


TOLERANCE = 2e-5
"""Of the largest logit: float32 through up to 700 layers."""

pytestmark = pytest.mark.skipif(not FOLDER.is_dir(), reason=f"the architectures are not at {FOLDER}")


def seeded(index: int, name: str, shape: tuple[int, ...]) -> np.ndarray:
    """The value of the weight numbered `index`, as the fixtures' README gives it."""
    rng = np.random.default_rng(index)
    kind = name.rpartition("/")[2].removesuffix(":0")
    if kind in ("gamma", "variance", "moving_variance"):
        value = rng.uniform(0.8, 1.2, shape)
    elif len(shape) > 1:
        inputs = np.prod(shape[:2]) if kind == "depthwise_kernel" else np.prod(shape[:-1])
        value = rng.normal(size=shape) * 1.2 / np.sqrt(inputs)
    else:
        value = rng.normal(size=shape) * 0.1
    return value.astype("float32")


@pytest.mark.parametrize("name", NAMES)
def test_application(name: str) -> None:
    with gzip.open(FOLDER / f"{name}.json.gz") as file:
        described: dict[str, Any] = json.load(file)
    meta = json.loads((FOLDER / f"{name}.meta.json").read_text())
    keras.backend.clear_session()
    model = keras.models.model_from_json(json.dumps(described["model_json"]))
    assert [layer.name for layer in model.layers] == described["layer_names"]
    assert [[w.name, list(w.shape)] for w in model.weights] == described["weights"]
    for i, weight in enumerate(model.weights):
        if "float" in weight.dtype:
            weight.assign(seeded(i, weight.name, weight.shape))
    size = meta["S"]
    x = np.random.default_rng(12345).uniform(*meta["input_range"], (1, size, size, 3)).astype("float32")
    with np.load(FOLDER / f"{name}.npz") as recorded:
        logits = recorded["logits"]
    y = model.predict(x, verbose=0)
    np.testing.assert_allclose(y, logits, rtol=0, atol=TOLERANCE * np.abs(logits).max())
