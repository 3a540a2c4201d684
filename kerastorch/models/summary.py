"""tf.keras 2's table of a model's layers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from kerastorch.config import torch_dtype
from kerastorch.graph import KerasTensor, map_tensors

__all__ = ["print_summary"]


def print_summary(
    model: Any,
    line_length: int | None,
    positions: list[float] | None,
    print_fn: Callable[[str], Any],
    expand_nested: bool,
    show_trainable: bool,
    layer_range: list[str] | None = None,
) -> None:
    """Prints the table through `print_fn`, a line a call. Columns: layer, output shape, parameters, where the graph
    branches also what each layer is connected to, and on demand whether it is trainable."""
    headers = ["Layer (type)", "Output Shape", "Param #"]
    in_line = _is_in_line(model)
    if in_line:
        line_length, positions = line_length or 65, positions or [0.45, 0.85, 1.0]
    else:
        line_length, positions = line_length or 98, positions or [0.3, 0.6, 0.70, 1.0]
        headers.append("Connected to")
    if show_trainable:
        line_length += 11
        positions = [p * (line_length - 11) / line_length for p in positions] if positions[-1] <= 1 else list(positions)
        positions.append(1.0)
        headers.append("Trainable")
    ends = [int(p * line_length) if p <= 1 else int(p) for p in positions]
    table = _Table(print_fn, ends, line_length)
    print_fn(f'Model: "{model.name}"')
    print_fn("_" * line_length)
    table.row(headers, 0)
    print_fn("=" * line_length)
    described = _Describe(table, expand_nested, show_trainable, not in_line)
    for layer in _selected(model.layers, layer_range):
        described.layer(layer, model, 0)
    print_fn("=" * line_length)
    trainable = _size(model.trainable_weights)
    fixed = _size(model.non_trainable_weights)
    for title, (count, size) in (
        ("Total params", (trainable[0] + fixed[0], trainable[1] + fixed[1])),
        ("Trainable params", trainable),
        ("Non-trainable params", fixed),
    ):
        print_fn(f"{title}: {count} ({_readable(size)})")
    print_fn("_" * line_length)


class _Table:
    """Rows of columns that end at given places, long cells broken over lines."""

    def __init__(self, print_fn: Callable[[str], Any], ends: list[int], width: int) -> None:
        self.print_fn, self.ends, self.width = print_fn, ends, width

    def row(self, cells: list[str], depth: int) -> None:
        """Prints one row; inside `depth` nested models it stands between that many bars."""
        columns = []
        for i, cell in enumerate(cells):
            start = self.ends[i - 1] if i else depth
            last = i == len(cells) - 1
            columns.append(_wrap(cell, max(self.ends[i] - start - (0 if last else 3), 1)))
        for n in range(max(len(pieces) for pieces in columns)):
            text = "|" * depth + " "
            for i, pieces in enumerate(columns):
                text += pieces[n] if n < len(pieces) else ""
                text = text.ljust(self.ends[i] - (depth if i == len(columns) - 1 else 0))
            self.print_fn(text + "|" * depth)

    def gap(self, depth: int) -> None:
        """Prints an empty row."""
        self.print_fn("|" * depth + " " * (self.width - 2 * depth) + "|" * depth)


def _wrap(text: str, width: int) -> list[str]:
    """Pieces of at most `width` characters; one ends where a tuple, dict, list or name in a list does."""
    pieces = []
    while text:
        piece = text[:width]
        ends = [piece.index(end) + len(end) for end in ("),", "},", "],", "',") if end in piece]
        piece = piece[: min(ends)] if ends else piece
        pieces.append(piece)
        text = text[len(piece) :]
    return pieces or [""]


class _Describe:
    def __init__(self, table: _Table, expand_nested: bool, show_trainable: bool, connections: bool) -> None:
        self.table, self.expand, self.trainable, self.connections = table, expand_nested, show_trainable, connections

    def layer(self, layer: Any, model: Any, depth: int, last: bool = False) -> None:
        cells = [f"{layer.name} ({type(layer).__name__})", _output_shape(layer), self._count(layer)]
        if self.connections:
            cells.append(_connections(layer, model))
        if self.trainable:
            cells.append("Y" if layer.trainable else "N")
        self.table.row(cells, depth)
        nested = self.expand and hasattr(layer, "_graph")
        if nested and layer.layers:
            width = self.table.width
            self.table.print_fn("|" * (depth + 1) + "¯" * (width - 2 * depth - 2) + "|" * (depth + 1))
            for inner in layer.layers:
                self.layer(inner, model, depth + 1, inner is layer.layers[-1])
            self.table.print_fn("|" * depth + "¯" * (width - 2 * depth) + "|" * depth)
        elif not last:
            self.table.gap(depth)

    def _count(self, layer: Any) -> str:
        return str(_size(layer.weights)[0]) if layer.built else "0 (unused)"


def _selected(layers: list[Any], layer_range: list[str] | None) -> list[Any]:
    if not layer_range:
        return layers
    names = [layer.name for layer in layers]
    wrong = [name for name in layer_range if name not in names]
    if len(layer_range) != 2 or wrong:
        raise ValueError(
            f"layer_range must name two layers of the model, first and last; got {layer_range}; layers: {names}."
        )
    low, high = sorted(names.index(name) for name in layer_range)
    return layers[low : high + 1]


def _is_in_line(model: Any) -> bool:
    """Whether the layers stand one behind the other, so that a column of connections would say nothing."""
    if not hasattr(model, "_graph") or type(model).__name__ == "Sequential":
        return True
    nodes = [node for node in model._graph.nodes if not node.is_input]
    used = [id(x) for node in nodes for x in node.inputs]
    calls = [node.layer for node in nodes]
    return (
        len(set(used)) == len(used)
        and all(len(node.inputs) == 1 for node in nodes)
        and len(set(calls)) == len(calls)
        and len(model.inputs) <= 1
    )


def _output_shape(layer: Any) -> str:
    if not layer.inbound_nodes:
        return "multiple" if layer.built else "?"
    shapes = {str(map_tensors(lambda x: x.shape, node.outputs)) for node in layer.inbound_nodes}
    if len(shapes) > 1:
        return "multiple"
    shape = shapes.pop()
    return f"[{shape}]" if type(layer).__name__ == "InputLayer" else shape


def _connections(layer: Any, model: Any) -> str:
    in_model = set(model._graph.nodes) if hasattr(model, "_graph") else set()
    found: list[str] = []
    for node in layer.inbound_nodes:
        if node in in_model:
            found += [_place(x) for x in node.inputs]
    return str(found)


def _place(x: KerasTensor) -> str:
    layer, node, index = x._keras_history
    return f"{layer.name}[{node}][{index}]"


def _size(weights: list[Any]) -> tuple[int, int]:
    """The number of scalars, and of bytes."""
    counts = [(int(np.prod(v.shape)), torch.empty(0, dtype=torch_dtype(v.dtype)).element_size()) for v in weights]
    return sum(n for n, _ in counts), sum(n * size for n, size in counts)


def _readable(size: float) -> str:
    for unit in ("Byte", "KB", "MB", "GB", "TB"):
        if size < 1024 or unit == "TB":
            return f"{size:.2f} {unit}"
        size /= 1024
    raise AssertionError
