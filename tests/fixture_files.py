"""The fixtures that real tf_keras and Keras 3 made (see ../shared/README.md), and how kerastorch is held against them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import kerastorch as keras

FIXTURES = Path(__file__).resolve().parents[1].parent / "shared" / "fixtures"


def fixture_names(generation: str, *prefixes: str) -> list[Any]:
    """Parameters for pytest: the fixtures whose name begins with one of the prefixes (a layer's class: 'Dense__'); one
    that skips, with the reason, where the fixtures are missing."""
    folder = FIXTURES / generation
    if not folder.is_dir():
        return [pytest.param("none", marks=pytest.mark.skip(reason=f"the fixtures are not at {folder}"))]
    return sorted(p.stem for p in folder.glob("*.npz") if p.stem.startswith(prefixes))


class Fixture:
    """One recorded model: inputs, outputs, gradients, weights."""

    def __init__(self, generation: str, name: str) -> None:
        self.folder, self.name = FIXTURES / generation, name
        with np.load(self.folder / f"{name}.npz") as data:
            self.arrays = {key: data[key] for key in data.files if key != "meta"}
            self.meta = json.loads(str(data["meta"]))

    def numbered(self, prefix: str, suffix: str = "") -> list[np.ndarray]:
        """The arrays `prefix0 suffix`, `prefix1 suffix`, ..."""
        found, i = [], 0
        while f"{prefix}{i}{suffix}" in self.arrays:
            found.append(self.arrays[f"{prefix}{i}{suffix}"])
            i += 1
        return found

    def file(self, suffix: str) -> Path:
        """The model in the form of that suffix; the test skips where it was not recorded."""
        path = self.folder / f"{self.name}{suffix}"
        if not path.exists():
            pytest.skip(f"{self.name}: no {suffix} file was recorded")
        return path

    def inputs(self) -> Any:
        """The inputs as the model takes them."""
        named = {key[2:]: value for key, value in self.arrays.items() if key.startswith("x_")}
        if named:
            return named
        arrays = self.numbered("x")
        return arrays if len(arrays) != 1 else arrays[0]


def close(got: Any, want: np.ndarray, tolerance: float = 1e-5, least_scale: float = 1e-3) -> None:
    """Asserts equality within `tolerance` of the scale of what is wanted, or of `least_scale` if that is more; on a GPU, whose
    recurrent kernels round more, within ten times as much."""
    tolerance *= 1 if keras.get_device().type == "cpu" else 10
    got = got.detach().cpu().numpy() if isinstance(got, torch.Tensor) else np.asarray(got)
    assert got.shape == want.shape, f"shape {got.shape}, expected {want.shape}"
    if want.dtype.kind in "iubUSO":
        np.testing.assert_array_equal(got, want)
        return
    finite = np.abs(want[np.isfinite(want)])
    scale = max(float(finite.max()) if finite.size else 1.0, least_scale)
    np.testing.assert_allclose(got, want, rtol=0, atol=tolerance * scale)


def outputs_of(result: Any) -> list[Any]:
    """The tensors in a model's output, in order."""
    from torch.utils import _pytree as pytree

    return pytree.tree_leaves(result)


def check_numbers(model: Any, fixture: Fixture, weights: bool = True) -> None:
    """Holds a loaded model against everything that its fixture recorded: weights, outputs, gradients, for inference and,
    where recorded, training."""
    tolerance = fixture.meta.get("tol") or 1e-5
    if weights:
        for got, want in zip(model.weights, [w for w in fixture.numbered("w") if w.dtype.kind != "U"], strict=True):
            np.testing.assert_array_equal(got.numpy(), want)
    for suffix, training in (("", False), ("_train", True)):
        want = fixture.numbered("y", suffix)
        if want:
            _check_pass(model, fixture, suffix, training, want, tolerance)
    after = fixture.numbered("w", "_after_train")
    for got, value in zip(model.weights, after, strict=False):
        close(got.numpy(), value, tolerance)


def _check_pass(model: Any, fixture: Fixture, suffix: str, training: bool, want: list, tolerance: float) -> None:
    keras.config.set_random_seed(0)
    inputs = fixture.inputs()
    leaves: list[torch.Tensor] = []

    def tensor(array: np.ndarray) -> Any:
        if array.dtype.kind in "USO":
            return array
        made = torch.tensor(array, device=keras.get_device())
        if made.is_floating_point():
            made.requires_grad_()
        leaves.append(made)
        return made

    if isinstance(inputs, dict):
        inputs = {key: tensor(value) for key, value in inputs.items()}
    else:
        inputs = [tensor(x) for x in inputs] if isinstance(inputs, list) else tensor(inputs)
    for v in model.weights:
        v.tensor.grad = None
    got = outputs_of(model(inputs, training=training))
    assert len(got) == len(want)
    for i, (a, b) in enumerate(zip(got, want, strict=True)):
        close(a, b, tolerance)
        if f"ymask{i}{suffix}" in fixture.arrays:
            close(a._keras_mask, fixture.arrays[f"ymask{i}{suffix}"])
    second = fixture.numbered("y", "_call2") if not training else []
    cotangents = fixture.numbered("r")
    gradients = any(key.startswith(("gx", "gw")) and key.endswith(suffix or key[-1]) for key in fixture.arrays)
    if gradients and cotangents:
        total = sum(
            (y * torch.tensor(r, device=y.device)).sum()
            for y, r in zip(got, cotangents, strict=True)
            if y.requires_grad
        )
        if isinstance(total, torch.Tensor):
            total.backward()
        # Some gradients are zero but for rounding (a key's bias in attention): they count on the scale of the others.
        wanted_all = [x for key, x in fixture.arrays.items() if key.startswith(("gx", "gw")) and x.size]
        least = 0.01 * max((float(np.abs(x).max()) for x in wanted_all), default=0.1)
        for i, x in enumerate(leaves):
            wanted = fixture.arrays.get(f"gx{i}{suffix}")
            if wanted is not None:
                close(x.grad if x.grad is not None else torch.zeros_like(x), wanted, max(1e-4, tolerance), least)
        for i, v in enumerate(model.weights):
            wanted = fixture.arrays.get(f"gw{i}{suffix}")
            if wanted is not None:
                close(v.grad if v.grad is not None else torch.zeros(v.shape), wanted, max(1e-4, tolerance), least)
    if second:
        with torch.no_grad():
            for a, b in zip(outputs_of(model(inputs, training=training)), second, strict=True):
                close(a, b, tolerance)


def check_fixture(generation: str, name: str, folder: Path, suffix: str = ".h5") -> None:
    """Loads the fixture's file, compares all numbers, writes it to `folder`, and compares again."""
    fixture = Fixture(generation, name)
    file = fixture.file(suffix)
    check_numbers(keras.models.load_model(file), fixture)
    again = folder / f"again{suffix}"
    keras.models.load_model(file).save(again)
    check_numbers(keras.models.load_model(again), fixture)
