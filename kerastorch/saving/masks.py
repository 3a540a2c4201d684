"""Whether a model's numbers stay what they are where its file is read: tf.keras and Keras 3 do not treat masks alike.

Neither form of a config has words for the other's masks, so layers know both (`keras3_masking`), and a file in one Keras's
form brings that Keras's back. The graph that the model lowers to tells whether that matters: there a mask that nobody
uses is not.
"""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Collection, Iterator
from typing import Any

from torch.fx.node import Node, map_arg

from kerastorch.graph import tensors_in
from kerastorch.lowering.trace import trace
from kerastorch.nn.attention import MultiHeadDotProduct

__all__ = ["check_masks", "warn_of_lost_masks"]

_ANY_INPUT = "its output has the masks of whichever inputs have one in tf.keras, and one only where all have in Keras 3"
_LEFT_OUT = f"what is masked takes part in tf.keras, and is left out in Keras 3; {_ANY_INPUT}"
_ENDS = "its input's mask ends there in tf.keras, and goes on in Keras 3"
_DIFFERENCES = {
    **dict.fromkeys(("Add", "Average", "Subtract"), _ANY_INPUT),
    **dict.fromkeys(("Maximum", "Minimum", "Multiply"), _LEFT_OUT),
    "Concatenate": "a step of its output counts where it does in all inputs in tf.keras, and where in any in Keras 3",
    **dict.fromkeys(("Identity", "Normalization", "Rescaling"), _ENDS),
    "GroupNormalization": "its mean and variance are of the steps that count in tf.keras, and of all in Keras 3",
    "MultiHeadAttention": "what sees nothing, as it is masked itself, gets the mean in tf.keras, and 0 in Keras 3",
    "Softmax": "where all is masked it gives shares in tf.keras, and 0 in Keras 3",
    "TimeDistributed": "the mask that the layer in it makes goes on in tf.keras, and its input's in Keras 3",
    "RNN": "given its first states, it heeds its input's mask in tf.keras, and none in Keras 3",
    "Bidirectional": "given its first states, it heeds its input's mask in tf.keras, and none in Keras 3",
}
"""By class, subclasses included: what becomes of masks in the layers that have `keras3_masking`."""
_AT_TIMES = ("MultiHeadAttention", "Softmax")
"""Classes that differ for some inputs only, or at masked steps, which hardly anything heeds."""


_LOST = (
    "what it is called on went into another attention before, or comes from such a tensor; Keras 3 takes the mask off that then, "
    "tf.keras does not"
)


def check_masks(model: Any, generation: int, given: Collection[str]) -> None:
    """Raises ValueError, naming the layers, where a drawn model would compute something else with the masks that its file, in
    the form of that generation of Keras (2 or 3), brings back; warns where it would for some inputs only.

    given: names of layers whose masks the file gives as tensors.
    """
    if "_graph" not in model.__dict__:
        return
    inside = model._flatten_layers()
    as_there = generation == 3
    known = [layer for layer in inside if hasattr(layer, "keras3_masking") and _class_among(layer, _DIFFERENCES)]
    halves = {id(half) for x in known if hasattr(x, "forward_layer") for half in (x.forward_layer, x.backward_layer)}
    layers = [x for x in known if x.keras3_masking is not as_there and x.name not in given and id(x) not in halves]
    if not any(map(_makes_masks, inside)):
        return
    from_keras3 = model.load_report is not None and model.load_report.origin.generation == 3
    if as_there and not from_keras3 and (lost := _losing(model)):
        _tell(model, lost, as_there, _LOST)
    own = _computation(model) if layers else None
    if not layers or _computation_with(layers, model) == own:
        return
    layers = [layer for layer in layers if _computation_with([layer], model) != own] or layers
    _tell(model, layers, as_there)


def warn_of_lost_masks(model: Any) -> None:
    """Warns, naming them, of attentions in a drawn model from Keras 3 that heed masks here which are lost there."""
    if "_graph" not in model.__dict__:
        return
    if any(map(_makes_masks, model._flatten_layers())) and (lost := _losing(model)):
        warnings.warn(
            f"Model '{model.name}' computes other numbers here than in Keras 3 where steps are masked. Keras 3 loses the mask of "
            f"{', '.join(repr(layer.name) for layer in lost)}: what they are called on went into another MultiHeadAttention "
            "before, or comes from such a tensor, and it takes the mask off that then. Here they heed it.",
            stacklevel=4,
        )


def _makes_masks(layer: Any) -> bool:
    """Whether a mask begins at a layer: at one that makes them, at a user's own, or at one that is called with one."""
    made = getattr(layer, "mask_zero", False) or _class_among(layer, ("Lambda", "Masking"))
    own = not type(layer).compute_mask.__module__.startswith("kerastorch.")
    given = (node.kwargs.get(key) for node in layer.inbound_nodes for key in ("mask", "attention_mask"))
    return bool(made or own or any(mask is not None for mask in given))


def _heeding(model: Any) -> set[Any]:
    """The attentions that are called with masks."""
    traced = trace(model, with_extras=False)
    attend = [
        node for node in traced.graph.nodes if isinstance(traced.modules.get(str(node.target)), MultiHeadDotProduct)
    ]
    return {node.meta["layer"] for node in attend if node.kwargs.get("mask") is not None}


def _losing(model: Any) -> list[Any]:
    """The attentions whose masks Keras 3 has lost: it takes the masks off what it has called an attention on."""
    if not any(_class_among(layer, ("MultiHeadAttention",)) for layer in model._flatten_layers()):
        return []
    heeding = _heeding(model)
    without: set[int] = set()
    lost: dict[Any, None] = {}
    for node in (node for graph in _graphs(model) for node in graph.nodes):  # in order
        if any(id(x) in without for x in node.inputs):
            without.update(id(x) for x in tensors_in(node.outputs))
            if node.layer in heeding:
                lost[node.layer] = None
        if node.layer in heeding:
            without.update(id(x) for x in node.inputs)
    return list(lost)


def _graphs(model: Any) -> Iterator[Any]:
    yield model._graph
    for layer in model._graph.layers:
        if "_graph" in layer.__dict__:
            yield from _graphs(layer)


def _tell(model: Any, layers: list[Any], in_keras3: bool, difference: str | None = None) -> None:
    kinds = [str(_class_among(layer, _DIFFERENCES)) for layer in layers]
    told = [
        f"  {type(x).__name__} '{x.name}': {difference or _DIFFERENCES[kind]}."
        for x, kind in zip(layers, kinds, strict=True)
    ]
    there, other, made = "Keras 3", "as h5 in tf.keras's form (dialect='keras2')", "with keras3_masking=True"
    if not in_keras3:
        there, other, made = "tf.keras", "in Keras 3's form (as .keras, or dialect='keras3')", "without keras3_masking"
    at_times = difference is None and all(kind in _AT_TIMES for kind in kinds)
    text = "\n".join(
        (
            f"Model '{model.name}' would compute other numbers {'for some inputs ' if at_times else ''}when it is read from a "
            f"file in the form of {there}, which treats masks in another way:",
            *told,
            f"Save it {other} to keep the numbers"
            + ("." if difference else f"; or make these layers {made}, to have those of {there} here as well."),
        )
    )
    if not at_times:
        raise ValueError(text)
    warnings.warn(text, stacklevel=6)


def _class_among(layer: Any, names: Any) -> str | None:
    return next((cls.__name__ for cls in type(layer).__mro__ if cls.__name__ in names), None)


def _computation(model: Any) -> list[Any]:
    """What the model's outputs are computed by: the nodes by their places, as others may have been there that nobody used."""
    traced = trace(model, with_extras=False)
    lasting = set(model.modules())
    places = {node: f"%{i}" for i, node in enumerate(traced.graph.nodes)}
    computation = []
    for node in places:
        module = traced.modules.get(str(node.target)) if node.op == "call_module" else None
        called = str(node.target) if module is None or module in lasting else repr(module)
        arguments = repr(map_arg((node.args, node.kwargs), places.__getitem__))
        computation.append((node.op, called, arguments, _treatment(module, node)))
    return computation


def _treatment(module: Any, node: Node) -> Any:
    """How a module sees to the mask that it is called with, where that is not to be seen in the graph."""
    if node.kwargs.get("mask") is None or _class_among(module, ("TimeDistributed",)):  # of which another mask goes on
        return None
    if isinstance(module, MultiHeadDotProduct):
        zeroes = module.dropout or node.kwargs["return_weights"] or len(module.attention_axes) > 1
        return node.meta["layer"].keras3_masking if zeroes else None
    return getattr(module, "keras3_masking", None)  # of a layer that is not looked through


def _computation_with(layers: list[Any], model: Any) -> list[Any]:
    """What they are computed by where the layers treat masks as the other Keras does."""
    with _turned(layers):
        return _computation(model)


@contextlib.contextmanager
def _turned(layers: list[Any]) -> Iterator[None]:
    halves = [half for x in layers if hasattr(x, "forward_layer") for half in (x.forward_layer, x.backward_layer)]
    turned = [*layers, *(half for half in halves if hasattr(half, "keras3_masking"))]
    for layer in turned:
        layer.keras3_masking = not layer.keras3_masking
    try:
        yield
    finally:
        for layer in turned:
            layer.keras3_masking = not layer.keras3_masking
