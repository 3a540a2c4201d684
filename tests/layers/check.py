"""`check_layer`: what every layer must do, in one call."""

from __future__ import annotations

import copy
import json
import pickle
import re
import tempfile
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.utils import _pytree as pytree

import kerastorch as keras
from kerastorch.config import standardize_dtype

__all__ = ["CHECKS", "arrays_for", "check_layer", "model_around"]

FLOAT64_TOLERANCE, BFLOAT16_TOLERANCE = 1e-4, 0.15


def arrays_for(inputs: tuple[Any, ...]) -> list[np.ndarray]:
    """Each shape as normal float32 numbers, each array as it is."""
    return [
        np.random.default_rng(i).normal(size=x).astype("float32") if isinstance(x, tuple) else np.asarray(x)
        for i, x in enumerate(inputs)
    ]


def model_around(layer: Any, arrays: list[np.ndarray], call: Callable[..., Any] | None = None) -> Any:
    """A model that is one layer, called on Inputs for the arrays: on a list if there are several; or by
    `call`."""
    inputs = [keras.Input(x.shape[1:], dtype=str(x.dtype)) for x in arrays]
    if call is not None:
        outputs = call(layer, *inputs)
    else:
        outputs = layer(inputs if len(inputs) > 1 else inputs[0])
    return keras.Model(inputs if len(inputs) > 1 else inputs[0], outputs)


class _Case:
    def __init__(self, make: Callable[[], Any], inputs: tuple[Any, ...], call: Any, weights: Any) -> None:
        self.make, self.call, self.weights = make, call, weights
        self.arrays = arrays_for(inputs)
        self.layer = make()
        self.model = self.build(self.layer)
        self.x = self.tensors(torch.float32)
        self.outputs = self.run(self.model)

    def build(self, layer: Any) -> Any:
        return model_around(layer, self.arrays, self.call)

    def tensors(self, dtype: torch.dtype) -> Any:
        found = [torch.tensor(x, device=keras.get_device()) for x in self.arrays]
        found = [x.to(dtype) if x.is_floating_point() else x for x in found]
        return found if len(found) > 1 else found[0]

    def run(self, model: Any, x: Any = None) -> list[torch.Tensor]:
        model.eval()  # augmenting layers begin in training
        with torch.no_grad():
            return pytree.tree_leaves(model(self.x if x is None else x))

    @property
    def is_float(self) -> bool:
        return all(x.dtype.kind == "f" for x in self.arrays)


def _same(got: list[torch.Tensor], want: list[torch.Tensor], tolerance: float = 1e-6) -> None:
    assert len(got) == len(want)
    for a, b in zip(got, want, strict=True):
        assert a.shape == b.shape
        if not b.is_floating_point():
            assert torch.equal(a, b)
            continue
        scale = max(1e-3, float(b.abs().max()) if b.numel() else 0.0)
        torch.testing.assert_close(a.double(), b.double(), rtol=0, atol=tolerance * scale, equal_nan=True)


def _config(case: _Case) -> None:
    config = case.layer.get_config()
    again = type(case.layer).from_config(copy.deepcopy(config))
    assert again.get_config() == config
    assert json.loads(json.dumps(config)) == json.loads(json.dumps(again.get_config()))
    assert again.name == case.layer.name
    new = case.make()
    assert type(new).from_config(new.get_config()).get_config() == new.get_config(), "before it is built"


def _shape(case: _Case) -> None:
    symbols = pytree.tree_leaves(case.model.outputs)
    assert len(symbols) == len(case.outputs)
    for symbol, value in zip(symbols, case.outputs, strict=True):
        assert len(symbol.shape) == value.ndim, f"symbolic {symbol.shape}, real {tuple(value.shape)}"
        assert all(a in (None, b) for a, b in zip(symbol.shape, value.shape, strict=True)), (
            f"{symbol.shape} {value.shape}"
        )
        assert symbol.dtype == standardize_dtype(value.dtype)


def _weights(case: _Case) -> None:
    weights = case.layer.weights
    assert len({v.name for v in weights}) == len(weights)
    assert [id(v) for v in case.layer.trainable_weights + case.layer.non_trainable_weights] == [id(v) for v in weights]
    for v, array in zip(weights, case.layer.get_weights(), strict=True):
        assert v.name.endswith(":0") and v.shape == array.shape
    if case.weights is not None:
        got = [(v.name.removeprefix(f"{case.layer.name}/"), v.shape) for v in weights]
        assert got == [(f"{name}:0", tuple(shape)) for name, shape in case.weights]
    values = [w + 0.25 for w in case.layer.get_weights()]
    other = case.make()
    case.build(other)
    other.set_weights(values)
    assert all(np.array_equal(a, b) for a, b in zip(other.get_weights(), values, strict=True))


def _h5(case: _Case) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.h5"
        case.model.save(path)
        loaded = keras.models.load_model(path)
    assert [v.name for v in loaded.weights] == [v.name for v in case.model.weights]
    for a, b in zip(loaded.get_weights(), case.model.get_weights(), strict=True):
        assert a.dtype == b.dtype and np.array_equal(a, b)
    assert loaded.layers[-1].get_config() == case.model.layers[-1].get_config()
    _same(case.run(loaded), case.outputs, 0.0)


def _state_dict(case: _Case) -> None:
    other = case.build(case.make())
    state = case.model.state_dict()
    assert list(other.state_dict()) == list(state)
    other.load_state_dict(state, strict=True)
    _same(case.run(other), case.outputs, 0.0)


def _deepcopy(case: _Case) -> None:
    other = copy.deepcopy(case.model)
    _same(case.run(other), case.outputs, 0.0)
    tensors = [v.tensor for v in other.weights]
    assert not {t.data_ptr() for t in tensors if t.numel()} & {v.tensor.data_ptr() for v in case.model.weights}
    for t in tensors:
        t.data.add_(1)
    _same(case.run(case.model), case.outputs, 0.0)
    _same(case.run(case.build(copy.deepcopy(case.layer))), case.outputs, 0.0)


def _pickle(case: _Case) -> None:
    _same(case.run(pickle.loads(pickle.dumps(case.model))), case.outputs, 0.0)


def _dtype(case: _Case) -> None:
    for dtype, tolerance in ((torch.float64, FLOAT64_TOLERANCE), (torch.bfloat16, BFLOAT16_TOLERANCE)):
        model = copy.deepcopy(case.model).to(dtype)
        got = case.run(model, case.tensors(dtype))
        for a, b in zip(got, case.outputs, strict=True):
            assert a.dtype == (dtype if b.is_floating_point() else b.dtype)
        assert all(v.tensor.dtype == dtype for v in model.weights if v.tensor.is_floating_point())
        _same(got, case.outputs, tolerance)


def _compile(case: _Case) -> None:
    torch._dynamo.reset()
    compiled = torch.compile(case.model, fullgraph=True, backend="eager")
    _same(case.run(compiled), case.outputs)


def _to_torch(case: _Case) -> None:
    plain = case.model.eval().to_torch()
    assert not [m for m in plain.modules() if type(m).__module__.startswith("kerastorch.")]
    imported = [line for line in case.model.torch_source().splitlines() if re.match(r"\s*(import|from) ", line)]
    assert not [
        line for line in imported if not re.match(r"\s*(import|from) (__future__|collections|math|torch|typing)", line)
    ]
    with torch.no_grad():
        _same(pytree.tree_leaves(plain(*case.x) if isinstance(case.x, list) else plain(case.x)), case.outputs)


def _export(case: _Case) -> None:
    arguments = (case.x,)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        program = torch.export.export(case.model.eval(), arguments, strict=False)
    with torch.no_grad():
        _same(pytree.tree_leaves(program.module()(*arguments)), case.outputs)


def _train(case: _Case) -> None:
    _train_step(copy.deepcopy(case.model), case)


def _train_after_inference(case: _Case) -> None:
    layer = case.make()
    with torch.inference_mode():
        model = case.build(layer)
        case.run(model)
    assert not [key for key, x in (*model.named_parameters(), *model.named_buffers()) if x.is_inference()]
    _train_step(model, case)


def _train_step(model: Any, case: _Case) -> None:
    model.train()
    parameters = [v.tensor for v in model.trainable_weights]
    before = [p.detach().clone() for p in parameters]
    total = sum(y.float().square().sum() for y in pytree.tree_leaves(model(case.x)) if y.is_floating_point())
    if not parameters:
        return
    optimizer = torch.optim.SGD(parameters, lr=0.01)
    total.backward()
    optimizer.step()
    for v, old in zip(model.trainable_weights, before, strict=True):
        assert torch.isfinite(v.tensor).all() and not torch.equal(v.tensor, old), f"{v.name} did not change"


def _autocast(case: _Case) -> None:
    with torch.autocast(keras.get_device().type, torch.bfloat16):
        _same(case.run(case.model), case.outputs, BFLOAT16_TOLERANCE)


CHECKS: dict[str, Callable[[_Case], None]] = {
    "config": _config,
    "shape": _shape,
    "weights": _weights,
    "h5": _h5,
    "state_dict": _state_dict,
    "deepcopy": _deepcopy,
    "pickle": _pickle,
    "dtype": _dtype,
    "compile": _compile,
    "to_torch": _to_torch,
    "export": _export,
    "train": _train,
    "train after inference": _train_after_inference,
    "autocast": _autocast,
}


def check_layer(
    make_layer: Callable[[], Any],
    *inputs: Any,
    call: Callable[..., Any] | None = None,
    weights: list[tuple[str, tuple[int, ...]]] | None = None,
    skip: dict[str, str] | None = None,
) -> None:
    """Asserts, for a layer in a model around it: its config's round trip; symbolic shapes and dtypes as the real ones;
    names, shapes and order of the weights; bit-equal h5, state_dict, deepcopy and pickle round trips; float64 and
    bfloat16 by `.to()`; torch.compile, to_torch and torch.export with the same numbers; a training step that changes every
    trainable weight, also where the layer's first call was in inference mode; bfloat16 autocast.

    make_layer: makes a new layer. inputs: a shape (float32 numbers are drawn) or an array each, with the batch.
    call: `call(layer, *inputs)`, where a layer is not called on one tensor or a list.
    weights: the expected (name, shape).
    skip: names of checks (see CHECKS) to leave out, each with the reason.
    """
    skip = skip or {}
    unknown = set(skip) - set(CHECKS)
    assert not unknown and all(skip.values()), f"skip takes checks with a reason each; unknown: {unknown}"
    torch.manual_seed(0)
    case = _Case(make_layer, inputs, call, weights)
    for name, check in CHECKS.items():
        if name in skip or (name in ("dtype", "autocast") and not case.is_float):
            continue
        try:
            check(case)
        except Exception as error:
            raise AssertionError(f"{case.layer!r} fails the check {name!r}: {type(error).__name__}: {error}") from error
