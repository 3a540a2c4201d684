"""What a layer was called on and what it returned, by its recorded calls."""

from __future__ import annotations

from typing import Any

from kerastorch.graph import Node, map_tensors

__all__ = ["NODE_PARTS", "HistoryMixin"]

NODE_PARTS = {
    "input": "first_argument",
    "output": "outputs",
    "input_shape": "first_argument",
    "output_shape": "outputs",
}
"""Each property's place in a `Node`."""


class HistoryMixin:
    """The part of `Layer` that answers for its calls on KerasTensors. Keras: tf.keras.layers.Layer."""

    name: str
    inbound_nodes: list[Node]

    def _node_property(self, what: str, index: int | None) -> Any:
        nodes = self.inbound_nodes
        if not nodes:
            raise AttributeError(
                f"The layer '{self.name}' has never been called, and thus has no defined {what}. Call it on an Input."
            )
        if index is None:
            index = 0
            shapes = {str(map_tensors(lambda x: x.shape, getattr(n, NODE_PARTS[what]))) for n in nodes}
            if len(nodes) > 1 and not (what.endswith("shape") and len(shapes) == 1):
                raise AttributeError(
                    f"The layer '{self.name}' has {len(nodes)} inbound nodes, so its {what} is not one thing. "
                    f"Use get_{what}_at(node_index)."
                )
        if not 0 <= index < len(nodes):
            raise ValueError(
                f"Asked to get {what} at node {index}, but layer '{self.name}' has only {len(nodes)} inbound nodes."
            )
        structure = getattr(nodes[index], NODE_PARTS[what])
        return map_tensors(lambda x: x.shape, structure) if what.endswith("shape") else structure

    @property
    def input(self) -> Any:
        """The KerasTensor(s) that the layer was called on; AttributeError unless it was called once."""
        return self._node_property("input", None)

    @property
    def output(self) -> Any:
        """The KerasTensor(s) that the layer returned; AttributeError unless it was called once."""
        return self._node_property("output", None)

    @property
    def input_shape(self) -> Any:
        """The shape(s) that the layer was called on."""
        return self._node_property("input_shape", None)

    @property
    def output_shape(self) -> Any:
        """The shape(s) that the layer returned."""
        return self._node_property("output_shape", None)

    def get_input_at(self, node_index: int) -> Any:
        """The KerasTensor(s) of the call numbered `node_index`."""
        return self._node_property("input", node_index)

    def get_output_at(self, node_index: int) -> Any:
        """The KerasTensor(s) returned by the call numbered `node_index`."""
        return self._node_property("output", node_index)

    def get_input_shape_at(self, node_index: int) -> Any:
        """The input shape(s) of the call numbered `node_index`."""
        return self._node_property("input_shape", node_index)

    def get_output_shape_at(self, node_index: int) -> Any:
        """The output shape(s) of the call numbered `node_index`."""
        return self._node_property("output_shape", node_index)
