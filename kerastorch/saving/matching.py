"""Which of a file's weights goes into which of a model's, by the order of layers or by their names."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from kerastorch.saving.report import LoadReport, counted
from kerastorch.variables import Scratch, Variable

__all__ = [
    "Convert",
    "OwnWeights",
    "Pair",
    "StoredLayer",
    "assign_all",
    "match_by_name",
    "match_by_order",
    "pair_weights",
    "refuse",
    "stored_order",
]

Pair = tuple[Variable, str, Any, str]
"""A weight, the place of its value in the file, the value (a `Dataset` or an array), and the rule by which they met."""

StoredLayer = tuple[str, list[tuple[str, Any]]]
"""A layer's name in a file, and its weights: their names and data sets."""

OwnWeights = list[tuple[Any, list[Variable]]]
"""A model's layers, each with its weights in `stored_order`."""

Convert = Callable[[Any, list[tuple[str, Any]]], list[tuple[str, Any]]]
"""What turns the weights stored for a layer into the form that the layer has today."""


def _tail(name: str) -> str:
    """The last part of a weight's name: `dense_1/kernel:0` -> `kernel`."""
    return name.removesuffix(":0").rpartition("/")[2]


def pair_weights(layer_name: str, variables: list[Variable], stored: list[tuple[str, Any]]) -> list[Pair]:
    """Pairs one layer's weights with those stored for it: by name where all names agree, else in order."""
    names = {name.removesuffix(":0"): (name, data) for name, data in stored}
    own = [v.path for v in variables]
    tails = {_tail(name): (name, data) for name, data in stored}
    if len(names) == len(stored) and set(own) == set(names):
        found, rule = [names[path] for path in own], "name"
    elif (
        len(tails) == len(stored) and len({_tail(p) for p in own}) == len(own) and {_tail(p) for p in own} == set(tails)
    ):
        found, rule = [tails[_tail(path)] for path in own], "name"
    else:
        found, rule = stored, "order"
    return [
        (variable, f"{layer_name}/{name}", data, rule) for variable, (name, data) in zip(variables, found, strict=True)
    ]


def stored_order(layer: Any) -> list[Variable]:
    """A layer's weights in the order of legacy h5 files: the trainable ones, then the others."""
    return list({id(v): v for v in (*layer.trainable_weights, *layer.non_trainable_weights)}.values())


def _fitted(
    layer: Any, variables: list[Variable], name: str, stored: list[tuple[str, Any]], convert: Convert
) -> tuple[str | None, list[Pair]]:
    """Why the stored weights do not fit the layer, or None and the pairs."""
    stored = convert(layer, stored)
    if len(variables) != len(stored):
        problem = (
            f"layer '{layer.name}' expects {len(variables)} weight(s) {[v.name for v in variables]}, "
            f"'{name}' in the file has {len(stored)} {[n for n, _ in stored]}"
        )
        return problem, []
    pairs = pair_weights(name, variables, stored)
    wrong = [
        f"'{variable.name}' has shape {variable.shape}, '{place}' in the file {tuple(data.shape)}"
        for variable, place, data, _ in pairs
        if not variable.fits(data.shape)
    ]
    return (f"layer '{layer.name}': {', '.join(wrong)}", []) if wrong else (None, pairs)


def refuse(model: Any, problems: list[str]) -> None:
    """ValueError with all the problems, if there are any."""
    if problems:
        raise ValueError(
            f"The file's weights do not fit model '{model.name}'; nothing was loaded. {len(problems)} problem(s):\n  "
            + "\n  ".join(problems)
        )


def match_by_order(model: Any, own: OwnWeights, stored: list[StoredLayer], convert: Convert) -> list[Pair]:
    """Layers that have weights, one after the other. ValueError, with all that does not fit, else."""
    own = [(layer, variables) for layer, variables in own if variables]
    filled = [(name, weights) for name, weights in stored if weights]
    if len(own) != len(filled):
        rows = [
            f"{a or '-':32} | {b or '-'}"
            for a, b in _side_by_side([layer.name for layer, _ in own], [name for name, _ in filled])
        ]
        raise ValueError(
            f"Layer count mismatch when loading weights from file. Model '{model.name}' expected {len(own)} layers with "
            f"weights, found {len(filled)} saved layers. Nothing was loaded. Model | file:\n  " + "\n  ".join(rows)
        )
    problems, pairs = [], []
    for (layer, variables), (name, weights) in zip(own, filled, strict=True):
        problem, found = _fitted(layer, variables, name, weights, convert)
        pairs += found
        if problem:
            problems.append(problem)
    refuse(model, problems)
    return pairs


def _side_by_side(a: list[str], b: list[str]) -> list[tuple[str | None, str | None]]:
    return [(a[i] if i < len(a) else None, b[i] if i < len(b) else None) for i in range(max(len(a), len(b)))]


def match_by_name(
    model: Any,
    own: OwnWeights,
    stored: list[StoredLayer],
    convert: Convert,
    skip_mismatch: bool,
    report: LoadReport,
) -> list[Pair]:
    """Layers of the same name. Layers without a counterpart are reported; ValueError for those that do not fit, unless
    `skip_mismatch`, which reports them."""
    problems, pairs = [], []
    index = {layer.name: (layer, variables) for layer, variables in own}
    for name, weights in stored:
        layer, variables = index.get(name, (None, []))
        if layer is None:
            if weights:
                report.unused.append(name)
            continue
        if not variables and not weights:
            continue
        problem, found = _fitted(layer, variables, name, weights, convert)
        pairs += found
        if problem and skip_mismatch:
            report.skipped.append((name, problem))
        elif problem:
            problems.append(problem)
    names = {name for name, _ in stored}
    report.missing += [layer.name for layer, variables in own if variables and layer.name not in names]
    refuse(model, problems)
    return pairs


def assign_all(pairs: list[Pair], report: LoadReport) -> None:
    """Reads the values and sets the weights; each pair is reported."""
    for variable, _, data, _ in pairs:
        if getattr(data, "is_packed", False) and not variable.is_empty:
            data[()]  # what is packed may be damaged: a model in use must not be filled by half
    threads, scratch = torch.get_num_threads(), Scratch()
    # To lay out a kernel anew is bound by memory: threads gain little, and lose much where the machine is busy.
    torch.set_num_threads(1)
    try:
        for variable, place, data, rule in counted(pairs):
            variable.read(data, scratch)
            report.loaded.append((variable.name, place, rule))
    finally:
        torch.set_num_threads(threads)
