"""Keras 2's hard sigmoid in Keras 3's form.

Keras 3 calls another function by that name, and has none for this one. But what it can call may stand for an activation, a
model too: `0.2 * x + 0.5` is a Rescaling, and clipped to [0, 1] by a ReLU.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

__all__ = ["KERAS2_HARD_SIGMOID", "is_keras2_hard_sigmoid"]


def _described(module: str, class_name: str, **config: Any) -> dict[str, Any]:
    return {"module": module, "class_name": class_name, "config": config, "registered_name": None}


_SCALED = _described("keras.layers", "Rescaling", scale=0.2, offset=0.5)
_CLIPPED = _described("keras.layers", "ReLU", max_value=1.0)
KERAS2_HARD_SIGMOID = _described("keras", "Sequential", name="hard_sigmoid", layers=[_SCALED, _CLIPPED])


def is_keras2_hard_sigmoid(activation: Any) -> bool:
    """Whether this is that model, as it is written here or as Keras 3 wrote it again."""
    inner = activation.get("config") if isinstance(activation, Mapping) else None
    layers = inner.get("layers") if isinstance(inner, Mapping) else None
    if not isinstance(layers, list) or activation.get("class_name") != "Sequential":
        return False
    parts = [x for x in layers if isinstance(x, Mapping) and x.get("class_name") != "InputLayer"]
    return len(parts) == 2 and all(map(_agrees, parts, (_SCALED, _CLIPPED)))


def _agrees(part: Mapping[str, Any], wanted: Mapping[str, Any]) -> bool:
    config = part.get("config")
    if part.get("class_name") != wanted["class_name"] or not isinstance(config, Mapping):
        return False
    usual = {"negative_slope": 0, "threshold": 0, **config}
    expected = {"negative_slope": 0, "threshold": 0, **wanted["config"]}
    return all(usual.get(key) == value for key, value in expected.items())
