"""The layout pass: permutes between channels-last and channels-first sink below what does not care, and cancel.

Keras is channels-last and torch's kernels channels-first, so each traced convolution stands between two permutes. The
pass walks the graph once. It keeps for each value, beside the value itself, a cheaper twin: `value = twin.permute(p)`.
An operation that works on any layout is applied to the twin; a permute that undoes `p` is the twin; only who cares for
the layout gets the permuted value. A convnet ends with one permute at its door.
"""

from __future__ import annotations

import operator
from collections.abc import Callable

import torch
from torch import fx, nn
from torch.nn import functional as F

from kerastorch.lowering.trace import Traced, remove_unused

__all__ = ["sink_permutes"]

_POINTWISE_MODULES = (
    nn.ReLU, nn.ReLU6, nn.ELU, nn.SELU, nn.CELU, nn.GELU, nn.SiLU, nn.Mish, nn.Sigmoid, nn.Tanh, nn.Hardtanh, nn.Hardsigmoid,
    nn.Hardswish, nn.LeakyReLU, nn.Softplus, nn.Softsign, nn.Dropout, nn.AlphaDropout, nn.Identity, nn.Threshold,
)  # fmt: skip
_POINTWISE_UNARY = {
    torch.relu, torch.sigmoid, torch.tanh, torch.abs, torch.exp, torch.log, torch.sqrt, torch.rsqrt, torch.square, torch.neg,
    torch.clamp, torch.clip, torch.erf, torch.sin, torch.cos, torch.selu, F.relu, F.relu6, F.elu, F.selu, F.celu, F.gelu,
    F.silu, F.mish, F.hardtanh, F.hardsigmoid, F.hardswish, F.leaky_relu, F.softplus, F.softsign, F.dropout, F.alpha_dropout,
    F.logsigmoid, F.threshold, F.hardshrink, F.softshrink, F.tanhshrink, operator.neg, operator.abs,
}  # fmt: skip
_POINTWISE_NARY = {
    operator.add, operator.sub, operator.mul, operator.truediv, operator.pow, torch.add, torch.sub, torch.mul, torch.div,
    torch.maximum, torch.minimum, torch.pow, torch.where,
}  # fmt: skip
_POINTWISE_METHODS = {
    "relu", "sigmoid", "tanh", "abs", "exp", "log", "sqrt", "square", "neg", "clamp", "clip", "to", "float", "half", "double",
    "bfloat16", "type", "contiguous",
}  # fmt: skip
_REDUCTIONS = {torch.mean, torch.sum, torch.amax, torch.amin, "mean", "sum", "amax", "amin"}

Twin = tuple[fx.Node, tuple[int, ...]]


def sink_permutes(traced: Traced) -> None:
    """Rewrites the graph in place; the numbers it computes stay the same."""
    graph = traced.graph
    twins: dict[fx.Node, Twin] = {}
    for node in list(graph.nodes):
        rule = _rule_for(node, traced.modules)
        if rule is not None:
            with graph.inserting_after(node):
                rule(graph, node, twins)
    _lead_through_outputs(graph, twins)
    remove_unused(graph)
    graph.lint()


def _lead_through_outputs(graph: fx.Graph, twins: dict[fx.Node, Twin]) -> None:
    """What a model returns and goes on with has to lie on the way: `torch.autograd.grad` of a later value asks for it."""
    place = {node: i for i, node in enumerate(graph.nodes)}
    for value in next(iter(reversed(graph.nodes))).all_input_nodes:
        twin, axes = twins.get(value, (value, ()))
        later = [user for user in twin.users if place[user] > place[value]] if axes else []
        if later:
            with graph.inserting_after(value):
                back = graph.call_method("permute", (value, *(axes.index(axis) for axis in range(len(axes)))))
            for user in later:
                user.replace_input_with(twin, back)


def _rule_for(
    node: fx.Node, modules: dict[str, nn.Module]
) -> Callable[[fx.Graph, fx.Node, dict[fx.Node, Twin]], None] | None:
    target = node.target
    if node.op == "call_module" and isinstance(modules[str(target)], _POINTWISE_MODULES):
        return _pointwise
    if node.op == "call_function":
        if target in _POINTWISE_UNARY or target in _POINTWISE_NARY:
            return _pointwise
        if target is torch.cat:
            return _concatenate
        if target in (torch.softmax, F.softmax, torch.log_softmax, F.log_softmax):
            return _along_one_axis
        if target is torch.permute:
            return _permute
    if node.op == "call_method":
        if target in _POINTWISE_METHODS:
            return _pointwise
        if target == "permute":
            return _permute
        if target in ("softmax", "log_softmax"):
            return _along_one_axis
    if node.op in ("call_function", "call_method") and target in _REDUCTIONS:
        return _reduce
    return None


def permutation_of(node: fx.Node) -> tuple[int, ...] | None:
    """The axes of a permute node, if they are known and none is negative."""
    axes = node.args[1:] if len(node.args) > 2 or isinstance(node.args[-1], int) else node.args[1]
    axes = tuple(axes) if isinstance(axes, (list, tuple)) else ()
    if not axes or not all(isinstance(a, int) for a in axes):
        return None
    return tuple(a % len(axes) for a in axes)  # type: ignore[operator]


def _become_twin(
    graph: fx.Graph, node: fx.Node, twin: fx.Node, axes: tuple[int, ...], twins: dict[fx.Node, Twin]
) -> None:
    """Gives the node's users `twin.permute(axes)` for it, and notes the twin."""
    if axes == tuple(range(len(axes))):
        node.replace_all_uses_with(twin)
        return
    with graph.inserting_after(twin):
        value = graph.call_method("permute", (twin, *axes))
    node.replace_all_uses_with(value)
    twins[value] = (twin, axes)


def _permute(graph: fx.Graph, node: fx.Node, twins: dict[fx.Node, Twin]) -> None:
    axes, source = permutation_of(node), node.args[0]
    if axes is None or not isinstance(source, fx.Node):
        return
    if source in twins:
        twin, inner = twins[source]
        _become_twin(graph, node, twin, tuple(inner[a] for a in axes), twins)
    else:
        twins[node] = (source, axes)


def _pointwise(graph: fx.Graph, node: fx.Node, twins: dict[fx.Node, Twin]) -> None:
    tensors = [a for a in (*node.args, *node.kwargs.values()) if isinstance(a, fx.Node)]
    if not tensors or any(t not in twins for t in tensors):
        return
    axes = twins[tensors[0]][1]
    if any(twins[t][1] != axes for t in tensors):
        return
    new = graph.node_copy(node, lambda n: twins[n][0])
    _become_twin(graph, node, new, axes, twins)


def _concatenate(graph: fx.Graph, node: fx.Node, twins: dict[fx.Node, Twin]) -> None:
    tensors = node.args[0]
    dim = node.kwargs.get("dim", node.args[1] if len(node.args) > 1 else 0)
    if not isinstance(tensors, (list, tuple)) or not isinstance(dim, int) or any(t not in twins for t in tensors):
        return
    axes = twins[tensors[0]][1]
    if any(twins[t][1] != axes for t in tensors):
        return
    new = graph.call_function(torch.cat, ([twins[t][0] for t in tensors], axes[dim % len(axes)]))
    _become_twin(graph, node, new, axes, twins)


def _along_one_axis(graph: fx.Graph, node: fx.Node, twins: dict[fx.Node, Twin]) -> None:
    source = node.args[0]
    dim = node.kwargs.get("dim", node.args[1] if len(node.args) > 1 else None)
    if source not in twins or not isinstance(dim, int):
        return
    twin, axes = twins[source]
    new = graph.node_copy(node, lambda n: twin if n is source else n)
    new.args = (twin,)
    new.kwargs = {**{k: v for k, v in node.kwargs.items() if k != "dim"}, "dim": axes[dim % len(axes)]}
    _become_twin(graph, node, new, axes, twins)


def _reduce(graph: fx.Graph, node: fx.Node, twins: dict[fx.Node, Twin]) -> None:
    source = node.args[0]
    dims = node.kwargs.get("dim", node.args[1] if len(node.args) > 1 else None)
    keepdim = node.kwargs.get("keepdim", node.args[2] if len(node.args) > 2 else False)
    if source not in twins or dims is None or not isinstance(keepdim, bool):
        return
    twin, axes = twins[source]
    reduced = [dims] if isinstance(dims, int) else list(dims)
    reduced = [d % len(axes) for d in reduced]
    new = graph.node_copy(node, lambda n: twin if n is source else n)
    new.args = (twin,)
    others = {k: v for k, v in node.kwargs.items() if k not in ("dim", "keepdim")}
    new.kwargs = {**others, "dim": [axes[d] for d in reduced], "keepdim": keepdim}
    if not keepdim:
        kept = [a for d, a in enumerate(axes) if d not in reduced]
        axes = tuple(sorted(kept).index(a) for a in kept)
    _become_twin(graph, node, new, axes, twins)
