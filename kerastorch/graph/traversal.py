"""Which nodes and layers lie between given inputs and outputs, in tf.keras 2's order."""

from __future__ import annotations

from collections import Counter
from typing import Any, NamedTuple

from kerastorch.graph.tensor import KerasTensor, Node, tensors_in

__all__ = ["Graph", "extended", "nodes_before", "sort_graph"]


class Graph(NamedTuple):
    """A sorted graph: nodes so that each comes after those it needs, layers in the order of `model.layers`."""

    nodes: list[Node]
    layers: list[Any]
    inputs: list[KerasTensor]
    outputs: list[KerasTensor]


def nodes_before(outputs: list[KerasTensor], inputs: list[KerasTensor]) -> tuple[list[Node], dict[Any, int]]:
    """The nodes needed for `outputs`, each after those it needs, found depth first and not past `inputs`; and for each
    layer when it was first met. Raises ValueError for a cycle.
    """
    stop = {id(x) for x in inputs}
    finished: dict[Node, None] = {}
    in_progress: set[Node] = set()
    met: dict[Any, int] = {}
    # An explicit stack, as a network may be deeper than Python's recursion limit.
    stack = [(x.node, False) for x in reversed(outputs) if x.node]
    while stack:
        node, leaving = stack.pop()
        if leaving:
            in_progress.discard(node)
            finished[node] = None
            continue
        if node in finished:
            continue
        if node in in_progress:
            raise ValueError(f"The graph has a cycle through layer '{node.layer.name}'.")
        met.setdefault(node.layer, len(met))
        in_progress.add(node)
        stack.append((node, True))
        if all(id(x) in stop for x in _outputs(node)):
            continue
        stack.extend((x.node, False) for x in reversed(node.inputs) if x.node not in finished)
    return list(finished), met


def _outputs(node: Node) -> list[KerasTensor]:
    return tensors_in(node.outputs)


def sort_graph(inputs: list[KerasTensor], outputs: list[KerasTensor]) -> Graph:
    """The graph between inputs and outputs.

    Layers stand as in tf.keras 2: by their distance from the outputs, largest first, those of one distance in the order
    in which a depth-first walk from the outputs meets them. The weights' order follows from this.
    Raises ValueError for an output that the inputs do not reach and for two layers of one name.
    """
    nodes, met = nodes_before(outputs, inputs)
    node_depth: dict[Node, int] = {}
    layer_depth: dict[Any, int] = {}
    for node in reversed(nodes):
        depth = max(node_depth.get(node, 0), layer_depth.get(node.layer, 0))
        node_depth[node] = layer_depth[node.layer] = depth
        for tensor in node.inputs:
            parent = tensor.node
            assert parent is not None
            node_depth[parent] = max(depth + 1, node_depth.get(parent, 0))
    for tensor in inputs:
        assert tensor.node is not None
        if tensor.node.layer not in layer_depth:
            layer_depth[tensor.node.layer], met[tensor.node.layer] = 0, -1
            node_depth[tensor.node] = 0
    found = set(nodes) | {x.node for x in inputs}
    order = sorted((n for n in node_depth if n in found), key=lambda n: -node_depth[n])
    _check_connected(order, inputs, outputs)
    layers = sorted(layer_depth, key=lambda layer: (-layer_depth[layer], met[layer]))
    repeated = {name: n for name, n in Counter(layer.name for layer in layers).items() if n > 1}
    if repeated:
        said = ", ".join(f'"{name}" is used {n} times' for name, n in repeated.items())
        raise ValueError(
            f"The name {said} in the model. All layer names should be unique: give each layer a name of its own, or "
            "call one layer several times if its weights are to be shared."
        )
    return Graph(order, layers, inputs, outputs)


def extended(graph: Graph, ends: list[KerasTensor]) -> Graph:
    """The graph with what leads to more tensors, behind all else; its outputs stay. ValueError where its inputs do not reach
    them."""
    known = set(graph.nodes)
    nodes = graph.nodes + [node for node in nodes_before(ends, graph.inputs)[0] if node not in known]
    _check_connected(nodes, graph.inputs, ends)
    layers = list(dict.fromkeys((*graph.layers, *(node.layer for node in nodes))))
    return graph._replace(nodes=nodes, layers=layers)


def _check_connected(order: list[Node], inputs: list[KerasTensor], outputs: list[KerasTensor]) -> None:
    known = {id(x) for x in inputs}
    reached: list[str] = []
    for node in order:
        if node.is_input:
            continue
        for tensor in node.inputs:
            if id(tensor) not in known:
                raise ValueError(
                    f'Graph disconnected: cannot obtain value for tensor {tensor} at layer "{node.layer.name}". '
                    f"The following previous layers were accessed without issue: {reached}. "
                    "Add the tensor to the model's inputs."
                )
        known.update(id(x) for x in _outputs(node))
        reached.append(node.layer.name)
    for tensor in outputs:
        if id(tensor) not in known:
            raise ValueError(
                f"Graph disconnected: the output {tensor} is not reached from the inputs. Add it to the model's inputs."
            )
