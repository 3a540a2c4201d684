"""Which of a file's weights goes into which of a model's."""

from __future__ import annotations

from typing import Any

import numpy as np

from kerastorch.saving.report import LoadReport
from kerastorch.variables import Variable

__all__ = ["Pair", "assign_all", "match_by_name", "match_by_order", "pair_weights", "stored_order"]

Pair = tuple[Variable, str, Any, str]
"""A weight, the place of its value in the file, the value (an h5py data set), and the rule by which they met."""


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
    """A layer's weights in the order of files: the trainable ones, then the others."""
    return list({id(v): v for v in (*layer.trainable_weights, *layer.non_trainable_weights)}.values())


def _problem(layer: Any, variables: list[Variable], name: str, stored: list[tuple[str, Any]]) -> str | None:
    """Why the stored weights do not fit the layer, or None."""
    if len(variables) != len(stored):
        return (
            f"layer '{layer.name}' expects {len(variables)} weight(s) {[v.name for v in variables]}, "
            f"'{name}' in the file has {len(stored)} {[n for n, _ in stored]}"
        )
    wrong = [
        f"'{variable.name}' has shape {variable.shape}, '{place}' in the file {tuple(data.shape)}"
        for variable, place, data, _ in pair_weights(name, variables, stored)
        if not variable.fits(data.shape)
    ]
    return f"layer '{layer.name}': {', '.join(wrong)}" if wrong else None


def _refuse(model: Any, problems: list[str]) -> None:
    if problems:
        raise ValueError(
            f"The file's weights do not fit model '{model.name}'; nothing was loaded. {len(problems)} problem(s):\n  "
            + "\n  ".join(problems)
        )


def match_by_order(model: Any, stored: list[Any], skip_mismatch: bool) -> tuple[LoadReport, list[Pair]]:
    """Layers that have weights, one after the other. ValueError, with all that does not fit, else."""
    layers = [layer for layer in model.layers if layer.weights]
    filled = [(name, weights) for name, weights in stored if weights]
    if len(layers) != len(filled):
        rows = [
            f"{a or '-':32} | {b or '-'}"
            for a, b in _side_by_side([layer.name for layer in layers], [name for name, _ in filled])
        ]
        raise ValueError(
            f"Layer count mismatch when loading weights from file. Model '{model.name}' expected {len(layers)} layers with "
            f"weights, found {len(filled)} saved layers. Nothing was loaded. Model | file:\n  " + "\n  ".join(rows)
        )
    problems, pairs = [], []
    for layer, (name, weights) in zip(layers, filled, strict=True):
        variables = stored_order(layer)
        problem = _problem(layer, variables, name, weights)
        if problem:
            problems.append(problem)
        else:
            pairs += pair_weights(name, variables, weights)
    _refuse(model, problems)
    return LoadReport(), pairs


def _side_by_side(a: list[str], b: list[str]) -> list[tuple[str | None, str | None]]:
    return [(a[i] if i < len(a) else None, b[i] if i < len(b) else None) for i in range(max(len(a), len(b)))]


def match_by_name(model: Any, stored: list[Any], skip_mismatch: bool) -> tuple[LoadReport, list[Pair]]:
    """Layers of the same name. Layers without a counterpart are reported; ValueError for those that do not fit, unless
    `skip_mismatch`, which reports them."""
    report, problems, pairs = LoadReport(), [], []
    index = {layer.name: layer for layer in model.layers}
    for name, weights in stored:
        layer = index.get(name)
        if layer is None:
            if weights:
                report.unused.append(name)
            continue
        variables = stored_order(layer)
        if not variables and not weights:
            continue
        problem = _problem(layer, variables, name, weights)
        if problem is None:
            pairs += pair_weights(name, variables, weights)
        elif skip_mismatch:
            report.skipped.append((name, problem))
        else:
            problems.append(problem)
    names = {name for name, _ in stored}
    report.missing += [layer.name for layer in model.layers if layer.weights and layer.name not in names]
    _refuse(model, problems)
    return report, pairs


def assign_all(pairs: list[Pair], report: LoadReport) -> None:
    """Reads the values and sets the weights; each pair is reported."""
    for variable, place, data, rule in pairs:
        variable.assign(np.asarray(data[()]))
        report.loaded.append((variable.name, place, rule))
