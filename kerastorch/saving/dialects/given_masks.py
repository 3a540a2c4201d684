"""Masks as tensors, for recurrent layers that are called with their first states, as those of decoders are.

Such a layer of Keras 3 heeds no mask but one that it is given. So where its input's mask begins at an input of the model,
the file gives it that mask, as Keras 3's own operations compute it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kerastorch.saving.dialects.keras3 import RECURRENT

__all__ = ["with_given_masks"]

_HANDING_ON = (
    "Activation", "AlphaDropout", "BatchNormalization", "Dense", "Dropout", "ELU", "GaussianDropout", "GaussianNoise",
    "LayerNormalization", "LeakyReLU", "PReLU", "ReLU", "SpatialDropout1D", "UnitNormalization",
)  # fmt: skip
"""Layers whose output has the mask of their one input, in both Kerases."""


def with_given_masks(config: Any) -> tuple[Any, set[str]]:
    """A model's config, in tf.keras 2's form, with such masks given; and the names of the layers that have got theirs."""
    given: set[str] = set()
    left: set[str] = set()

    def made(x: Any) -> Any:
        if isinstance(x, list):
            return [made(y) for y in x]
        if not isinstance(x, Mapping):
            return x
        parts = {key: made(value) for key, value in x.items()}
        if "layers" in parts and "output_layers" in parts:
            graph = _Graph(parts["layers"])
            parts["layers"] = [*map(graph.with_masks, parts["layers"]), *graph.operations.values()]
            given.update(graph.given)
            left.update(graph.left)
        return parts

    return made(config), given - left


class _Graph:
    """A drawn model's layers, and the operations that compute the masks given in it, by their names."""

    def __init__(self, layers: list[Any]) -> None:
        self.layers = {layer["name"]: layer for layer in layers}
        self.operations: dict[str, Any] = {}
        self.given: list[str] = []
        self.left: list[str] = []

    def with_masks(self, layer: Mapping[str, Any]) -> Mapping[str, Any]:
        """The layer, its calls given masks if it is one of those; as it was where one of the masks cannot be."""
        calls, config = layer["inbound_nodes"], layer["config"]
        if (
            layer["class_name"] not in RECURRENT
            or not any(len(call) > 1 for call in calls)
            or config.get("keras3_masking")
        ):
            return layer
        plain = not config.get("num_constants") and all(len(call) > 1 and _takes_a_mask(call) for call in calls)
        beginnings = [self._beginning(call[0]) for call in calls] if plain else [None]
        if any(beginning is None for beginning in beginnings):
            self.left.append(layer["name"])
            return layer
        masks = [self._mask(beginning) for beginning in beginnings if beginning is not None]
        self.given.append(layer["name"])
        nodes = [
            [[*x[:3], {**x[3], "mask": [mask, 0, 0]}] for x in call] for call, mask in zip(calls, masks, strict=True)
        ]
        return {**layer, "inbound_nodes": nodes}

    def _beginning(self, reference: Any) -> Any:
        """The call, of an input of the model, at which the mask of a tensor begins; None where it begins elsewhere."""
        layer = self.layers[reference[0]]
        kind, config, calls = layer["class_name"], layer["config"], layer["inbound_nodes"]
        begins = kind == "Masking" or (kind == "Embedding" and config["mask_zero"])
        sequences = config.get("return_sequences") or config.get("layer", {}).get("config", {}).get("return_sequences")
        hands_on = kind in _HANDING_ON or (kind in RECURRENT and sequences)
        if len(calls) != 1 or reference[2] or not (begins or hands_on) or not _takes_a_mask(calls[0]):
            return None
        before = calls[0][0]
        if hands_on:
            return self._beginning(before)
        return layer if self.layers[before[0]]["class_name"] == "InputLayer" else None

    def _mask(self, beginning: Mapping[str, Any]) -> str:
        """The name of the operation that computes the mask which begins at a layer."""
        (((*source, _),),) = beginning["inbound_nodes"]
        config = beginning["config"]
        name = self._operation(f"{beginning['name']}_differs", "NotEqual", {}, [source, config.get("mask_value", 0)])
        if "mask_value" in config:
            steps = {"axis": -1, "keepdims": False}
            name = self._operation(f"{beginning['name']}_mask", "Any", steps, [[name, 0, 0]])
        return name

    def _operation(self, name: str, operation: str, arguments: dict[str, Any], call: list[Any]) -> str:
        while name in self.layers:
            name += "_"
        config = {"name": name, "trainable": True, "dtype": "float32"}
        config |= {"operation": f"numpy.{operation}", "arguments": arguments}
        node = [[*call[0], {"kerastorch_call": [call, {}]}]]
        self.operations[name] = {"class_name": "KerasOp", "config": config, "name": name, "inbound_nodes": [node]}
        return name


def _takes_a_mask(call: list[Any]) -> bool:
    """Whether a call is of one sequence, and without a mask yet."""
    return all(isinstance(x[0], str) for x in call) and call[0][3].get("mask") is None
