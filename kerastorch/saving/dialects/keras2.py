"""The one form of tf.keras 2's config that Keras 3 reads too.

They number the calls of a model within a model differently: for tf.keras the first is 1, as the call that drew it is 0; for
Keras 3 it is 0. So a file lists each such call twice and refers to number 2n - 1 for call n: in both countings that is
one of the two. A call that nobody refers to is not part of the model.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

__all__ = ["portable"]


def portable(config: Any) -> Any:
    """The config of a model, as JSON has it, with the calls of nested models listed twice."""
    if isinstance(config, list):
        return [portable(x) for x in config]
    if not isinstance(config, Mapping):
        return config
    config = {key: portable(value) for key, value in config.items()}
    if "input_layers" not in config or "layers" not in config:
        return config
    nested = {layer["name"] for layer in config["layers"] if _is_model(layer)}
    for layer in config["layers"]:
        nodes = _renumbered(layer["inbound_nodes"], nested)
        layer["inbound_nodes"] = [node for node in nodes for _ in range(2)] if layer["name"] in nested else nodes
    for key in ("input_layers", "output_layers"):
        config[key] = _renumbered(config[key], nested)
    return config


def _is_model(layer: Mapping[str, Any]) -> bool:
    return layer["class_name"] == "Sequential" or "input_layers" in layer["config"]


def _renumbered(x: Any, nested: set[str]) -> Any:
    if isinstance(x, Mapping):
        return {key: _renumbered(value, nested) for key, value in x.items()}
    if not isinstance(x, list):
        return x
    if len(x) in (3, 4) and isinstance(x[0], str) and x[0] in nested and isinstance(x[1], int):
        return [x[0], 2 * x[1] - 1, *(_renumbered(part, nested) for part in x[2:])]
    return [_renumbered(part, nested) for part in x]
