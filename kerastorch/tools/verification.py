"""The same inputs through kerastorch and through the real Keras, or beside recorded outputs: where, and how far, they part."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch

from kerastorch.graph import tensors_in
from kerastorch.models import Functional
from kerastorch.tools.inspection import inspect
from kerastorch.tools.reading import read_model
from kerastorch.tools.samples import sample_inputs

__all__ = ["Difference", "NotComparableError", "Verification", "verify"]

_PACKAGES = {"tf_keras": "tensorflow tf_keras", "keras": "tensorflow keras"}
_REFERENCE = Path(__file__).with_name("reference.py")


class NotComparableError(ValueError):
    """Raised where there is nothing to compare with; the message says why, and what to do."""


@dataclass
class Difference:
    """How far one output is from the reference's. largest: of |a - b|. relative: that by the largest |b|, or by 1e-3 where
    that is less. within: whether `relative` is within the tolerance, shapes and places of NaN and infinity agreeing."""

    name: str
    class_name: str
    shape: tuple[int, ...]
    largest: float
    relative: float
    within: bool


@dataclass
class Verification:
    """What `verify` found. reference: with what it was compared. layers: in the order of the model, for each call of each;
    outputs: the model's. departs: the first layer beyond the tolerance. ok: whether all is within it. note: what could not be
    compared."""

    path: str
    reference: str
    tolerance: float
    seed: int
    inputs: list[tuple[int, ...]]
    layers: list[Difference] = field(default_factory=list)
    outputs: list[Difference] = field(default_factory=list)
    departs: str | None = None
    ok: bool = False
    note: str = ""

    def as_dict(self) -> dict[str, Any]:
        """All of it as plain values, for JSON."""
        return asdict(self)


def verify(
    file: Any,
    against: str | None = None,
    ref: Any = None,
    seed: int = 0,
    tolerance: float = 1e-5,
    custom_objects: Any = None,
    weights: Any = None,
    python: str | None = None,
    reference_custom: Any = None,
    trust: bool = False,
    timeout: float = 600,
) -> Verification:
    """Holds kerastorch's numbers for a file against those of the real Keras, which runs in a process of its own.

    against: 'tf_keras' or 'keras'; by default 'keras' for files of Keras 3, else 'tf_keras'. ref: an npz of recorded inputs
    and outputs (in_0 ..., out_0 ...) to compare with instead. weights: for an architecture, with `ref`. python: an
    interpreter that has the reference, where this one has not. reference_custom: a Python file whose classes and functions
    the reference is given. trust: let the reference run code that stands in the file, which kerastorch never does.
    Raises NotComparableError (a ValueError) where it cannot be compared, and as load_model does.
    """
    if against not in (None, *_PACKAGES):
        raise ValueError(f"against must be 'tf_keras' or 'keras', got {against!r}.")
    model = read_model(file, weights, custom_objects, device="cpu")
    if ref is not None:
        inputs, wanted = _recorded(ref)
        _require_inputs(model, inputs, ref)
        return _judged(
            _empty(file, f"recorded in {Path(ref).name}", tolerance, seed, inputs), model, inputs, wanted, []
        )
    about = inspect(file, custom_objects)
    if not trust:
        _refuse_code(file)
    which = against or ("keras" if about.generation == 3 else "tf_keras")
    try:
        inputs = sample_inputs(model, seed=seed)
    except ValueError as error:
        raise NotComparableError(str(error)) from error
    wanted, meta = _reference(which, file, inputs, python or sys.executable, reference_custom, timeout)
    found = _empty(file, f"{which} {meta['version']}", tolerance, seed, inputs)
    found.note = meta["note"]
    return _judged(found, model, inputs, wanted, meta["layers"])


def _empty(file: Any, reference: str, tolerance: float, seed: int, inputs: list[np.ndarray]) -> Verification:
    return Verification(str(file), reference, tolerance, seed, [x.shape for x in inputs])


def _recorded(ref: Any) -> tuple[list[np.ndarray], dict[str, np.ndarray]]:
    if not zipfile.is_zipfile(ref):
        raise NotComparableError(f"{ref} is not there, or no npz: give what numpy.savez wrote.")
    try:
        with np.load(ref, allow_pickle=False) as data:
            names = data.files
            arrays = {key: data[key] for key in names if key.startswith(("in_", "out_"))}
    except (OSError, ValueError) as error:
        raise NotComparableError(f"Cannot read {ref} as npz: {error}.") from error
    inputs = [arrays[f"in_{i}"] for i in range(len(arrays)) if f"in_{i}" in arrays]
    if not inputs or "out_0" not in arrays:
        raise NotComparableError(f"{ref} should hold in_0, in_1 ... and out_0, out_1 ...; it holds {names[:8]}.")
    return inputs, arrays


def _require_inputs(model: Any, inputs: list[np.ndarray], ref: Any) -> None:
    if hasattr(model, "_graph") and len(model.inputs) != len(inputs):
        raise NotComparableError(
            f"Model '{model.name}' takes {len(model.inputs)} input(s), and {ref} holds {len(inputs)}: "
            f"{[x.name for x in model.inputs]}."
        )


def _refuse_code(file: Any) -> None:
    lambdas = [need.name for need in inspect(file).needs if need.kind == "Lambda"]
    if lambdas:
        raise NotComparableError(
            f"{file} holds code of its own, in Lambda {lambdas}, which the reference would run. If you trust the file, say "
            "so: --trust."
        )


def _reference(
    which: str, file: Any, inputs: list[np.ndarray], python: str, custom: Any, timeout: float
) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """The reference's arrays and what it says of them."""
    if python == sys.executable and importlib.util.find_spec(which) is None:
        raise NotComparableError(
            f"{which} is not installed here: pip install {_PACKAGES[which]}; or name an interpreter that has it: --python "
            "/path/to/python."
        )
    with tempfile.TemporaryDirectory() as folder:
        given, made = Path(folder) / "in.npz", Path(folder) / "out.npz"
        np.savez(given, **{f"in_{i}": x for i, x in enumerate(inputs)})  # type: ignore[arg-type]
        command = [python, str(_REFERENCE), which, str(Path(file).resolve()), str(given), str(made)]
        if custom is not None:
            command.append(str(Path(custom).resolve()))
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=timeout, cwd=folder)
        except subprocess.TimeoutExpired as error:
            raise NotComparableError(f"{which} was not done with {file} after {timeout:.0f} s.") from error
        except OSError as error:
            raise NotComparableError(f"Cannot run {python}: {error}.") from error
        if done.returncode:
            said = done.stderr.strip().splitlines()[-1:] or [f"it ended with status {done.returncode}"]
            what = "is not there" if done.returncode == 3 else f"cannot read or run {file}"
            raise NotComparableError(f"{which} {what}, in {python}: {said[0]}")
        with np.load(made, allow_pickle=False) as data:
            arrays = {key: data[key] for key in data.files}
    return arrays, json.loads(str(arrays.pop("meta")))


def _judged(
    found: Verification, model: Any, inputs: list[np.ndarray], wanted: Mapping[str, np.ndarray], layers: list[Any]
) -> Verification:
    """Fills in the differences."""
    tensors = [torch.as_tensor(x) for x in inputs]
    names = getattr(model, "output_names", [])
    with torch.no_grad():
        outputs = _flat(model(tensors if len(tensors) > 1 else tensors[0]))
        own = _own_layers(model, tensors) if layers else {}
    expected = [wanted[f"out_{i}"] for i in range(len(wanted)) if f"out_{i}" in wanted]
    if len(expected) != len(outputs):
        raise NotComparableError(f"Model '{model.name}' has {len(outputs)} output(s), the reference {len(expected)}.")
    for i, (got, want) in enumerate(zip(outputs, expected, strict=True)):
        name = names[i] if i < len(names) else f"output {i}"
        found.outputs.append(_difference(name, "", got, want, found.tolerance))
    expected_layers = {(name, number): keys for name, number, keys in layers}
    for (name, number), (class_name, values) in own.items():
        keys = expected_layers.get((name, number), [])
        if len(keys) != len(values):
            continue
        shown = name if (name, 1) not in own else f"{name}, call {number + 1}"
        parts = [
            _difference(shown, class_name, x, wanted[k], found.tolerance) for x, k in zip(values, keys, strict=True)
        ]
        found.layers.append(max(parts, key=lambda part: (not part.within, part.relative)))
    beyond = [part for part in found.layers if not part.within]
    found.departs = beyond[0].name if beyond else None
    found.ok = not beyond and all(part.within for part in found.outputs)
    return found


def _flat(x: Any) -> list[torch.Tensor]:
    if isinstance(x, Mapping):
        return [z for key in sorted(x) for z in _flat(x[key])]
    return [z for y in x for z in _flat(y)] if isinstance(x, (list, tuple)) else [x]


def _own_layers(model: Any, tensors: list[torch.Tensor]) -> dict[tuple[str, int], tuple[str, list[torch.Tensor]]]:
    """(layer, number of its call) -> class and outputs, in the order of the model; inputs left out."""
    if not hasattr(model, "_graph"):
        return {}
    nodes = [node for node in model._graph.nodes if not node.is_input]
    symbols = [x for node in nodes for x in tensors_in(node.outputs)]
    every = Functional(model.inputs, symbols)
    values = _flat(every(tensors if len(tensors) > 1 else tensors[0]))
    by_symbol = {id(symbol): value for symbol, value in zip(symbols, values, strict=True)}
    drawn = set(nodes)
    found = {}
    for node in nodes:
        calls = [call for call in node.layer.inbound_nodes if call in drawn]
        outputs = [by_symbol[id(x)] for x in tensors_in(node.outputs)]
        found[node.layer.name, calls.index(node)] = (type(node.layer).__name__, outputs)
    return found


def _difference(name: str, class_name: str, got: torch.Tensor, want: np.ndarray, tolerance: float) -> Difference:
    a = got.detach().cpu().double().numpy()
    b = np.asarray(want, dtype=np.float64)
    if a.shape != b.shape:
        return Difference(name, class_name, a.shape, float("inf"), float("inf"), False)
    finite = np.isfinite(b)
    alike = np.array_equal(np.isfinite(a), finite) and np.array_equal(a[~finite], b[~finite], equal_nan=True)
    largest = float(np.abs(a[finite] - b[finite]).max(initial=0.0)) if alike else float("inf")
    relative = largest / max(float(np.abs(b[finite]).max(initial=0.0)), 1e-3)
    return Difference(name, class_name, a.shape, largest, relative, alike and relative <= tolerance)
