"""Symbolic tensors, the calls that made them, and the order in which a model runs them."""

from kerastorch.graph.names import clear_names, name_scope, scoped, snake_case, unique_name
from kerastorch.graph.tensor import (
    KerasTensor,
    Node,
    Shape,
    by_key,
    is_symbolic,
    map_tensors,
    record_functions_with,
    tensors_in,
)
from kerastorch.graph.traversal import Graph, extended, nodes_before, sort_graph

__all__ = [
    "Graph",
    "KerasTensor",
    "Node",
    "Shape",
    "by_key",
    "clear_names",
    "extended",
    "is_symbolic",
    "map_tensors",
    "name_scope",
    "nodes_before",
    "record_functions_with",
    "scoped",
    "snake_case",
    "sort_graph",
    "tensors_in",
    "unique_name",
]
