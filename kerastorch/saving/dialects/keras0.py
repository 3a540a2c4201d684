"""Keras 0.3: configs in Keras 1's form.

A layer is `{"name": its class, "custom_name": its name, argument: value, ...}`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

__all__ = ["described", "is_model", "merge"]

_DROPPED = ("cache_enabled", "W_learning_rate_multiplier", "b_learning_rate_multiplier")


def is_model(config: Any) -> bool:
    """Whether this is a model as Keras 0.3 described it."""
    if not isinstance(config, Mapping) or "class_name" in config:
        return False
    if config.get("name") == "Graph":
        return "node_config" in config
    return config.get("name") == "Sequential" and isinstance(config.get("layers"), list)


def described(config: Mapping[str, Any]) -> dict[str, Any]:
    """A layer or model of Keras 0.3 as `{"class_name", "config"}`.

    Raises ValueError for layers that Keras 0.3 itself could not read back: Siamese and what goes with it.
    """
    name = config["name"]
    if name == "Sequential":
        return {"class_name": name, "config": [described(x) for x in config["layers"]]}
    if name == "Graph":
        return {"class_name": name, "config": {k: v for k, v in config.items() if k != "name"}}
    if name == "AutoEncoder":
        parts = [config["encoder_config"]]
        if config.get("output_reconstruction", True):
            parts.append(config["decoder_config"])
        return {"class_name": "Sequential", "config": [described(x) for x in parts]}
    if name in ("Siamese", "SiameseHead", "LambdaMerge"):
        raise ValueError(
            f"A {name} layer of Keras 0.3 cannot be made from its config, as Keras 0.3 could not either: build the "
            "model in code and call model.load_weights."
        )
    made = {key: value for key, value in config.items() if key not in ("name", "custom_name", *_DROPPED)}
    made["name"] = config.get("custom_name") or name.lower()
    if name == "Merge":
        made = {**merge(made), "layers": [described(x) for x in config["layers"]]}
    if name == "TimeDistributed":
        made["layer"] = described(config["layer"])
    shape = made.pop("input_shape", None)
    if shape is not None and name != "Embedding":  # which says the number of words here
        made["batch_input_shape"] = [None, *shape]
    if name == "Reshape" and "dims" in made:
        made["target_shape"] = made.pop("dims")
    return {"class_name": name, "config": made}


def merge(config: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments of a merge, with one axis for each input where products are taken.

    Raises ValueError for products over several axes and for mode 'join', for which there is no layer.
    """
    made = dict(config)
    mode, axes = made["mode"], made.get("dot_axes")
    if mode == "join":
        raise ValueError("Merge(mode='join') of Keras 0.3 has no equal: build the model in code.")
    if mode in ("dot", "cos"):
        if isinstance(axes, int) and axes > 0:
            axes = [-1, 1] if axes == 1 else None
        elif isinstance(axes, int):
            axes = [axes, axes] if axes == -1 else None
        else:
            axes = [axis[0] if isinstance(axis, list) and len(axis) == 1 else axis for axis in axes or ()]
        if not axes or not all(isinstance(axis, int) for axis in axes):
            raise ValueError(
                f"Merge(mode={mode!r}, dot_axes={made.get('dot_axes')!r}) of Keras 0.3: only products over one axis of "
                "each input are read. Build the model in code."
            )
        made["dot_axes"], made["normalize"] = axes, mode == "cos"
        made["mode"] = "dot"
    return made
