"""Keras 0.3 to 1.2: configs in tf.keras 2's form.

Layers had other arguments (keras1_arguments.py). A Sequential model is a bare list; its first layer says the shape of the
input; where that is a Merge, it holds whole models, and the model becomes a drawn one. Keras 0.3 wrote a layer's arguments
beside its class's name, and drew graphs by the names of nodes.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kerastorch.saving.dialects import keras0
from kerastorch.saving.dialects.keras1_arguments import (
    CLASSES,
    ORDERED,
    input_of,
    merging,
    only_keras1,
    renamed,
)
from kerastorch.saving.origin import Origin

__all__ = ["is_keras1", "upgraded"]

_DRAWN = ("Model", "Container", "Functional")
_WRAPPERS = ("TimeDistributed", "Bidirectional")


def is_keras1(config: Any) -> bool:
    """Whether a model's config has layers under names or with arguments that only Keras 0.3 to 1.2 wrote."""
    if isinstance(config, Mapping):
        if keras0.is_model(config) or only_keras1(config.get("class_name"), config.get("config")):
            return True
        return any(map(is_keras1, config.values()))
    return isinstance(config, list) and any(map(is_keras1, config))


def upgraded(config: Any, origin: Origin) -> Any:
    """A model's config as Keras 0.3 to 1.2 wrote it, in tf.keras 2's form."""
    if keras0.is_model(config):
        config = keras0.described(config)
    if not isinstance(config, Mapping) or "class_name" not in config:
        return config
    return _Reader(config, origin).layer(config)


class _Reader:
    """Reads one file's config; it knows what names are taken, and the last layer's order of axes."""

    def __init__(self, config: Any, origin: Origin) -> None:
        self._taken: set[str] = set()
        default = "th" if origin.backend == "theano" or origin.minor < (1, 1) else "tf"
        self._ordering = _first_ordering(config) or default

    def layer(self, described: Mapping[str, Any], name: str | None = None) -> dict[str, Any]:
        """A layer or model."""
        if "class_name" not in described:
            described = keras0.described(described)
        class_name, config = described["class_name"], described.get("config") or {}
        if class_name == "Sequential":
            return self._sequential(config, name)
        if class_name in _DRAWN:
            return self._functional(config, name)
        if class_name == "Graph":
            return self._graph(config, name)
        if class_name == "Merge":
            made = merging(config)
            return {**made, "config": {**made["config"], "name": self._free(config.get("name") or "merge")}}
        config = dict(config)
        config["name"] = name or self._free(config.get("name") or class_name.lower())
        if class_name in _WRAPPERS:
            config["layer"] = self.layer(config["layer"])
        if class_name not in CLASSES:
            return {"class_name": class_name, "config": config}
        if config.get("dim_ordering") in ("th", "tf"):
            self._ordering = config["dim_ordering"]
        elif class_name in ORDERED:
            config["dim_ordering"] = self._ordering
        return renamed(class_name, config)

    def _free(self, name: str) -> str:
        """The name, with a number where a layer of this file has it: Keras 0.3 gave several layers one name."""
        found, n = name, 1
        while found in self._taken:
            found, n = f"{name}_{n}", n + 1
        self._taken.add(found)
        return found

    # Models

    def _sequential(self, config: Any, name: str | None) -> dict[str, Any]:
        listed = config["layers"] if isinstance(config, Mapping) else config
        listed = [x if "class_name" in x else keras0.described(x) for x in listed]
        name = name or (config.get("name") if isinstance(config, Mapping) else None) or self._free("sequential_1")
        if listed and listed[0]["class_name"] == "Merge" and "layers" in listed[0]["config"]:
            return self._merged(listed, name)
        layers = [self.layer(x) for x in listed]
        begin = input_of(listed[0]) if listed else None
        if begin is not None:
            layers.insert(0, _input(f"{layers[0]['config']['name']}_input", *begin))
        return {"class_name": "Sequential", "config": {"name": name, "layers": layers}}

    def _merged(self, listed: list[Any], name: str) -> dict[str, Any]:
        """A Sequential model whose first layer merges whole models, as a drawn one that calls them."""
        graph = _Drawing()
        tensors = []
        for branch in listed[0]["config"]["layers"]:
            made = self.layer(branch)
            begins = _inputs_of(made)
            if not begins:  # a bare layer
                begins = [begin] if (begin := input_of(branch)) is not None else []
            own = made["config"]["name"]
            inputs = [
                graph.input(_input(f"{own}_input" + (f"_{i}" if i else ""), *begin)) for i, begin in enumerate(begins)
            ]
            tensors.append(graph.call(made, inputs))
        tensor = graph.call(self.layer(listed[0]), tensors)
        for x in listed[1:]:
            tensor = graph.call(self.layer(x), [tensor])
        return graph.model(name, [tensor])

    def _functional(self, config: Mapping[str, Any], name: str | None) -> dict[str, Any]:
        layers = []
        for x in config["layers"]:
            made = self.layer(x, name=x["name"])
            made["config"]["name"] = x["name"]
            nodes = [[[*reference[:3], {}] for reference in node] for node in x["inbound_nodes"]]
            layers.append({**made, "name": x["name"], "inbound_nodes": nodes})
        made = {**config, "name": name or config.get("name"), "layers": layers}
        return {"class_name": "Functional", "config": made}

    def _graph(self, config: Mapping[str, Any], name: str | None) -> dict[str, Any]:
        """The Graph model: nodes that name their inputs; several inputs are merged on the way."""
        graph, made = _Drawing(), {}
        inputs = {x["name"]: x for x in config["input_config"]}
        for key in config["input_order"]:
            shape = inputs[key].get("batch_input_shape") or [None, *inputs[key]["input_shape"]]
            made[key] = graph.input(
                _input(key, shape, "int32" if "int" in str(inputs[key].get("dtype")) else "float32")
            )
            self._taken.add(key)
        for node in config["node_config"]:
            tensor = self._joined(node, graph, made)
            made[node["name"]] = graph.call(self.layer(config["nodes"][node["name"]], node["name"]), [tensor])
        ends = []
        for end in config["output_config"]:
            tensor = self._joined(end, graph, made)
            if end["name"] not in made:
                named = {"name": end["name"], "activation": "linear"}
                tensor = graph.call({"class_name": "Activation", "config": named}, [tensor])
            ends.append(tensor)
        return graph.model(name or self._free("graph_1"), ends)

    def _joined(self, node: Mapping[str, Any], graph: _Drawing, made: Mapping[str, Any]) -> Any:
        """The tensor that a node takes: that of its one input, or several merged."""
        if node.get("input"):
            return made[node["input"]]
        names = node["inputs"]
        if len(names) == 1:
            return made[names[0]]
        merged = {"mode": node["merge_mode"], "concat_axis": node["concat_axis"], "dot_axes": node["dot_axes"]}
        described = {"class_name": "Merge", "config": {**keras0.merge(merged), "name": f"{node['name']}_merge"}}
        return graph.call(self.layer(described), [made[name] for name in names])


class _Drawing:
    """A drawn model's config in the making."""

    def __init__(self) -> None:
        self._layers: list[dict[str, Any]] = []
        self._inputs: list[Any] = []

    def input(self, described: dict[str, Any]) -> list[Any]:
        """Adds an InputLayer; returns the reference to its tensor."""
        name = described["config"]["name"]
        self._layers.append({**described, "name": name, "inbound_nodes": []})
        self._inputs.append([name, 0, 0])
        return [name, 0, 0]

    def call(self, described: dict[str, Any], inputs: list[Any]) -> list[Any]:
        """Adds a layer and its one call; returns the reference to its tensor."""
        name = described["config"]["name"]
        self._layers.append({**described, "name": name, "inbound_nodes": [[[*x, {}] for x in inputs]]})
        return [name, 1 if described["class_name"] in ("Sequential", "Functional") else 0, 0]

    def model(self, name: str, outputs: list[Any]) -> dict[str, Any]:
        """The model from the inputs to these."""
        ends = {"input_layers": self._inputs, "output_layers": outputs}
        return {"class_name": "Functional", "config": {"name": name, "layers": self._layers, **ends}}


def _input(name: str, shape: Any, dtype: str) -> dict[str, Any]:
    return {"class_name": "InputLayer", "config": {"batch_input_shape": list(shape), "dtype": dtype, "name": name}}


def _inputs_of(described: Mapping[str, Any]) -> list[tuple[Any, str]]:
    """The shapes and dtypes of a model's inputs, its config being in tf.keras 2's form; [] for a layer."""
    config = described["config"]
    if described["class_name"] == "InputLayer":
        return [(config["batch_input_shape"], config.get("dtype") or "float32")]
    if described["class_name"] == "Sequential":
        return _inputs_of(config["layers"][0]) if config["layers"] else []
    if described["class_name"] == "Functional":
        layers = {layer["name"]: layer for layer in config["layers"]}
        return [found for reference in config["input_layers"] for found in _inputs_of(layers[reference[0]])]
    return []


def _first_ordering(config: Any) -> str | None:
    if isinstance(config, Mapping):
        if config.get("dim_ordering") in ("th", "tf"):
            return config["dim_ordering"]
        config = list(config.values())
    if not isinstance(config, list):
        return None
    return next((found for x in config if (found := _first_ordering(x))), None)
