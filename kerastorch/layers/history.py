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
        structures = [getattr(node, NODE_PARTS[what]) for node in nodes]
        if index is None:
            index = 0
            shapes = {str(map_tensors(lambda x: x.shape, structure)) for structure in structures}
            if what.endswith("shape") and len(shapes) > 1:
                raise AttributeError(
                    f"The layer '{self.name}' has {len(nodes)} inbound nodes of different shapes, so its {what} is not one "
                    f"thing. Use get_{what}_at(node_index)."
                )
        if not 0 <= index < len(nodes):
            raise ValueError(
                f"Asked to get {what} at node {index}, but layer '{self.name}' has only {len(nodes)} inbound nodes."
            )
        return map_tensors(lambda x: x.shape, structures[index]) if what.endswith("shape") else structures[index]

    @property
    def input(self) -> Any:
        """The KerasTensor(s) that the layer was first called on; AttributeError where it was not."""
        return self._node_property("input", None)

    @property
    def output(self) -> Any:
        """The KerasTensor(s) that the layer first returned; AttributeError where it was not called."""
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
