"""Models that Keras 2's multi_gpu_model made: slices of the batch, a call of the model on each, the outputs joined.

What is left of one is the model, called once on the whole batch.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

__all__ = ["rejoined"]


def rejoined(config: Any) -> Any:
    """The config of a model, in tf.keras 2's form, with such slices and joints left out."""
    if isinstance(config, list):
        return [rejoined(x) if isinstance(x, (dict, list)) else x for x in config]
    if not isinstance(config, dict):
        return config
    made = {key: rejoined(x) if isinstance(x, (dict, list)) else x for key, x in config.items()}
    return _without_slices(made) if "layers" in made and "output_layers" in made else made


def _without_slices(config: dict[str, Any]) -> dict[str, Any]:
    layers = {layer["name"]: layer for layer in config["layers"] if "name" in layer}
    sources = {name: layer["inbound_nodes"][0][0][:3] for name, layer in layers.items() if _is_slice(layer)}
    if not sources:
        return config
    replicas = {
        name
        for name, layer in layers.items()
        if layer["inbound_nodes"] and all(x[0] in sources for node in layer["inbound_nodes"] for x in node)
    }
    joined = {
        name: layer["inbound_nodes"][0][0][:3]
        for name, layer in layers.items()
        if layer["class_name"] == "Concatenate" and _follows(layer, replicas)
    }
    kept = []
    for name, layer in layers.items():
        if name in sources or name in joined:
            continue
        if name in replicas:
            first = [[*sources[x[0]], {}] for x in layer["inbound_nodes"][0]]
            layer = {**layer, "inbound_nodes": [first]}
        kept.append(layer)
    outputs = [joined.get(x[0], x) for x in config["output_layers"]]
    return {**config, "layers": kept, "output_layers": outputs}


def _is_slice(layer: Mapping[str, Any]) -> bool:
    arguments = layer["config"].get("arguments") if layer["class_name"] == "Lambda" else None
    return isinstance(arguments, Mapping) and set(arguments) == {"i", "parts"} and len(layer["inbound_nodes"]) == 1


def _follows(layer: Mapping[str, Any], replicas: set[str]) -> bool:
    nodes = layer["inbound_nodes"]
    return len(nodes) == 1 and all(isinstance(x, list) and x[0] in replicas for x in nodes[0])
