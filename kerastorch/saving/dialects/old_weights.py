"""Weights as earlier versions laid them out, in the form that layers have today.

Keras 1 held an LSTM's weights gate by gate in 12 arrays, a one-dimensional convolution as one of images, and kernels for
'th' (channels first) with the channels first. Theano convolves, so kernels from it are turned around. cuDNN's recurrent
layers lay their weights out in their own way. Keras 0.3 numbered layers and weights instead of naming them.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from kerastorch.saving import opening
from kerastorch.saving.dataset import Dataset
from kerastorch.saving.dialects.cudnn_weights import converted_cudnn
from kerastorch.saving.matching import Convert, StoredLayer
from kerastorch.saving.opening import member
from kerastorch.saving.origin import Origin
from kerastorch.saving.report import LoadReport

if TYPE_CHECKING:
    import h5py

__all__ = ["converter", "filed_layers", "is_keras0", "keras0_layers"]

Weights = list[tuple[str, Any]]

_GATES = {"LSTM": (0, 2, 1, 3), "ConvLSTM2D": (0, 2, 1, 3), "GRU": (0, 1, 2)}
"""For each gate of today, which of Keras 1's it is: those of an LSTM were input, cell, forget, output."""

_TURNED = ("Conv1D", "Conv2D", "Conv3D", "Conv2DTranspose", "Conv3DTranspose", "ConvLSTM2D")
"""Layers that Theano convolved; depthwise ones it correlated."""


def converter(origin: Origin, report: LoadReport) -> Convert:
    """What turns the weights that a file of this origin holds for a layer into the layer's; it reports what it does."""

    def leaf(layer: Any, stored: Weights) -> Weights:
        if origin.generation == 1:
            stored = _from_keras1(layer, stored, origin)
        if origin.backend == "theano":
            stored = _turned(layer, stored, report)
        return converted_cudnn(layer, stored, report)

    def convert(layer: Any, stored: Weights) -> Weights:
        leaves = _leaves(layer)
        if leaves == [layer]:
            return leaf(layer, stored)
        if origin.generation > 1 and origin.backend != "theano" and _fits(layer, stored):
            return stored
        return _by_leaf(leaves, stored, leaf)

    return convert


def _fits(layer: Any, stored: Weights) -> bool:
    variables = layer.trainable_weights + layer.non_trainable_weights
    return len(variables) == len(stored) and all(
        v.fits(data.shape) for v, (_, data) in zip(variables, stored, strict=True)
    )


def _leaves(layer: Any) -> list[Any]:
    """The layers that hold the weights of a model or wrapper, in the order of files; the layer itself for others."""
    if hasattr(layer, "_graph") or hasattr(layer, "_stack"):
        inner = layer.layers
    elif _is(layer, "Bidirectional"):
        inner = [layer.forward_layer, layer.backward_layer]
    elif _is(layer, "TimeDistributed"):
        inner = [layer.layer]
    else:
        return [layer]
    return [leaf for x in inner for leaf in _leaves(x)]


def _is(layer: Any, *names: str) -> bool:
    return any(cls.__name__ in names for cls in type(layer).__mro__)


def _by_leaf(leaves: list[Any], stored: Weights, convert: Callable[[Any, Weights], Weights]) -> Weights:
    """Converts the weights of layers inside a model: files hold all trainable ones, then the others."""
    queue = list(stored)
    trainable = [_take(queue, _stored_count(leaf, queue, len(leaf.trainable_weights))) for leaf in leaves]
    others = [_take(queue, _stored_count(leaf, queue, len(leaf.non_trainable_weights))) for leaf in leaves]
    first, second = [], []
    for leaf, mine, rest in zip(leaves, trainable, others, strict=True):
        made = convert(leaf, mine + rest)
        cut = len(leaf.trainable_weights)
        first += made[:cut]
        second += made[cut:]
    return first + second + queue


def _take(queue: Weights, count: int) -> Weights:
    taken = queue[:count]
    del queue[:count]
    return taken


def _stored_count(layer: Any, queue: Weights, count: int) -> int:
    """How many of the next weights in a file are the layer's, which has `count` of them today."""
    gates = next((_GATES[name] for name in _GATES if _is(layer, name)), None)
    if not count or not queue or gates is None:
        return count
    units = layer.filters if _is(layer, "ConvLSTM2D") else layer.units
    shape = tuple(queue[0][1].shape)
    separate = units in (shape[0], shape[-1]) if len(shape) == 4 else shape[-1] == units
    return 3 * len(gates) if separate else count


# Keras 1


def _from_keras1(layer: Any, stored: Weights, origin: Origin) -> Weights:
    first = getattr(layer, "data_format", None) == "channels_first"
    gates = next((_GATES[name] for name in _GATES if _is(layer, name)), None)
    if gates is not None and len(stored) == 3 * len(gates):
        return _joined_gates(layer, stored, gates, first)
    if _is(layer, "BatchNormalization") and origin.minor[0] == 0 and len(stored) == 4:
        return [*stored[:3], _made(stored[3], lambda std: (std + layer.epsilon) ** 2 - layer.epsilon)]
    if _is(layer, "Highway") and len(stored) == 4 and len(stored[1][1].shape) == 1:
        return [stored[i] for i in (0, 2, 1, 3)]  # before 1.2: W, b, W_carry, b_carry
    if not stored:
        return stored
    kernel, rest = stored[0], stored[1:]
    if _is(layer, "PReLU") and 1 in kernel[1].shape:  # the config does not say which axes share their slopes
        return [_made(kernel, lambda k: np.broadcast_to(k, layer.alpha.shape)), *rest]
    if _is(layer, "Conv1D") and len(kernel[1].shape) == 4:
        return [_made(kernel, lambda k: _one_dimensional(k, layer)), *rest]
    if _is(layer, "Conv2DTranspose"):
        return [_made(kernel, lambda k: k.transpose((2, 3, 0, 1) if first else (0, 1, 3, 2))), *rest]
    if _is(layer, "SeparableConv2D") and first:
        return [_made(x, _channels_last) if len(x[1].shape) == 4 else x for x in stored]
    if _is(layer, "Conv2D", "Conv3D") and first:
        return [_made(kernel, _channels_last), *rest]
    return stored


def _made(stored: tuple[str, Any], change: Callable[[np.ndarray], np.ndarray]) -> tuple[str, Any]:
    name, data = stored
    return name, change(np.asarray(data[()])).copy()  # torch takes no negative strides, not even of axes of one


def _channels_last(kernel: np.ndarray) -> np.ndarray:
    """(out, in, ...) -> (..., in, out)."""
    return kernel.transpose((*range(2, kernel.ndim), 1, 0))


def _one_dimensional(kernel: np.ndarray, layer: Any) -> np.ndarray:
    """Keras 1.2's (length, 1, in, out), or (out, in, length, 1) of those before, as (length, in, out)."""
    length = layer.kernel_size[0]
    if kernel.shape[:2] != (length, 1) or kernel.shape[3] != layer.filters:
        kernel = kernel.transpose((2, 3, 1, 0))
    return kernel[:, 0]


def _joined_gates(layer: Any, stored: Weights, gates: tuple[int, ...], channels_first: bool) -> Weights:
    """Kernel, recurrent kernel and bias, which stood gate by gate."""

    def joined(part: int) -> np.ndarray:
        arrays = [np.asarray(stored[3 * gate + part][1][()]) for gate in gates]
        if channels_first and _is(layer, "ConvLSTM2D") and part < 2:
            arrays = [_channels_last(x) for x in arrays]
        return np.concatenate(arrays, axis=-1)

    names = [re.sub(r"_(W|U|b)_[a-z](:0)?$", r"_\1\2", stored[part][0]) for part in range(3)]
    return [(name, joined(part)) for part, name in enumerate(names)]


def _turned(layer: Any, stored: Weights, report: LoadReport) -> Weights:
    """The kernels of a convolution of Theano's, for a correlation."""
    if not stored or not _is(layer, *_TURNED):
        return stored
    count = 2 if _is(layer, "ConvLSTM2D") else 1
    report.notes.append(f"layer '{layer.name}': kernel turned by 180 degrees, as Theano convolves and torch correlates")

    def turned(kernel: np.ndarray) -> np.ndarray:
        return np.flip(kernel, tuple(range(kernel.ndim - 2)))

    return [_made(x, turned) if i < count else x for i, x in enumerate(stored)]


# Which layers a file counts


def filed_layers(model: Any, stored: list[StoredLayer], origin: Origin) -> tuple[list[Any], list[StoredLayer]]:
    """The model's layers as a file counts them, and the file's: Keras 1 counts the layers inside the models that a Merge
    began with; Keras 0.3 has one list of all weights."""
    if origin.minor[0] == 0:
        return _numbered(model, stored)
    layers = model.layers
    if origin.generation > 1:
        return layers, stored
    named = {name for name, _ in stored}
    count = sum(bool(weights) for _, weights in stored)
    for names in (named, None):
        opened = [x for layer in layers for x in _opened(layer, named, names)]
        if sum(bool(layer.weights) for layer in opened) == count:
            return opened, stored
    return layers, stored


def _opened(layer: Any, named: set[str], names: set[str] | None) -> list[Any]:
    """The layers in a model that the file does not name, where it has all of theirs among `names` (None: in any case)."""
    is_model = hasattr(layer, "_graph") or hasattr(layer, "_stack")
    if not is_model or layer.name in named:
        return [layer]
    found = [x for inner in layer.layers for x in _opened(inner, named, names)]
    return found if names is None or all(x.name in names for x in found if x.weights) else [layer]


def _numbered(model: Any, stored: list[StoredLayer]) -> tuple[list[Any], list[StoredLayer]]:
    """All layers with weights, models opened, and the weights that are each one's."""
    queue = [(f"{name}/{weight}", data) for name, weights in stored for weight, data in weights]
    layers = [leaf for layer in _in_order_of_config(model) for leaf in _leaves(layer) if leaf.weights]
    found = [(leaf.name, _take(queue, _stored_count(leaf, queue, len(leaf.weights)))) for leaf in layers]
    if queue:
        found.append(("more", queue))
    return layers, found


def _in_order_of_config(model: Any) -> list[Any]:
    """A drawn model's layers as its config lists them, which is how Keras 0.3 numbered their weights."""
    order = getattr(model, "_order_in_config", None)
    if order is None:
        return model.layers
    index = {layer.name: layer for layer in model.layers}
    inner = [index[name] for name in order if name in index]
    return [x for layer in inner for x in (_in_order_of_config(layer) if hasattr(layer, "_graph") else [layer])]


# Keras 0.3


def is_keras0(group: h5py.Group) -> bool:
    """Whether this is a weights file of Keras 0.3."""
    if "layer_names" in group.attrs or "model_config" in group.attrs:
        return False
    graph = member(group, "graph")
    return "nb_layers" in group.attrs or (graph is not None and "nb_params" in graph.attrs)


def keras0_layers(group: h5py.Group) -> list[StoredLayer]:
    """The layers in a weights file of Keras 0.3: groups layer_0, layer_1 ..., or one, graph, with data sets param_0 ...

    Raises ValueError for a file that lacks what it counts.
    """
    names = [f"layer_{i}" for i in range(_count(group, "nb_layers"))] if "nb_layers" in group.attrs else ["graph"]
    layers: list[StoredLayer] = []
    missing = []
    for name in names:
        inner = member(group, name)
        if inner is None:
            missing.append(name)
            continue
        weights = [(f"param_{i}", member(inner, f"param_{i}")) for i in range(_count(inner, "nb_params"))]
        missing += [f"{name}/{weight}" for weight, data in weights if not isinstance(data, Dataset)]
        layers.append((name, weights))
    if missing:
        raise ValueError(f"{group.file.filename} is damaged: it counts, but does not hold, {missing[:12]}.")
    return layers


def _count(group: h5py.Group, attribute: str) -> int:
    count = int(np.asarray(opening.attribute(group, attribute) or 0).reshape(()))
    if not 0 <= count <= 1_000_000:
        raise ValueError(f"{group.file.filename}: {group.name} claims to hold {count} parts: refused.")
    return count
