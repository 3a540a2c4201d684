"""Every recorded call of TensorFlow's functions and Keras 3's operations: as a plain call, and as a layer of a model."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.utils import _pytree as pytree

import kerastorch as keras
from kerastorch.layers import KerasOp, TensorFlowOpLayer, TFOpLambda
from tests.ops import keras3_cases, tensorflow_cases
from tests.ops.arrays import Array, Case, filled

FOLDER = Path(__file__).parent
RECORDED = np.load(FOLDER / "recorded.npz")
OPERATIONS = json.loads((FOLDER / "operations.json").read_text())


def recorded(key: str) -> list[np.ndarray]:
    """What was recorded for a case."""
    found: list[np.ndarray] = []
    while f"{key}_{len(found)}" in RECORDED:
        found.append(RECORDED[f"{key}_{len(found)}"])
    return found


def assert_like(got: Any, want: list[np.ndarray]) -> None:
    """Asserts equal shapes, dtypes and numbers."""
    arrays = [
        x.detach().cpu().numpy() if isinstance(x, torch.Tensor) else np.asarray(x) for x in pytree.tree_leaves(got)
    ]
    assert [(x.shape, x.dtype) for x in arrays] == [(x.shape, x.dtype) for x in want]
    for x, wanted in zip(arrays, want, strict=True):
        finite = np.abs(wanted[np.isfinite(wanted)]) if wanted.dtype.kind in "fc" else np.abs(wanted.astype(float))
        scale = max(float(finite.max()) if finite.size else 1.0, 1e-3)
        tolerance = (2e-5 if keras.get_device().type == "cpu" else 2e-4) if wanted.dtype.kind in "fc" else 0
        np.testing.assert_allclose(x, wanted, rtol=0, atol=tolerance * scale)


def drawn(layer: Any, case: Case, open_batch: bool) -> tuple[Any, list[np.ndarray]]:
    """A model of one layer, its inputs the case's arrays, and these arrays."""
    arrays: list[np.ndarray] = []
    inputs: list[Any] = []

    def make(array: np.ndarray) -> Any:
        shape = (None, *array.shape[1:]) if open_batch and array.ndim and not inputs else array.shape
        inputs.append(keras.Input(batch_shape=shape, dtype=str(array.dtype)))
        return inputs[-1]

    args, kwargs = filled((case.args, case.kwargs), arrays, make)
    return keras.Model(inputs, layer(*args, **kwargs)), arrays


def arrays_in(structure: Any) -> bool:
    """Whether an Array stands in the arguments, so that there is something to draw."""
    return any(isinstance(x, Array) for x in pytree.tree_leaves(structure))


def check(layer: Any, case: Case, want: list[np.ndarray]) -> None:
    """Holds a layer against what was recorded: as a call, and in a model, with an open first axis where it can be drawn so."""
    if not arrays_in((case.args, case.kwargs)):
        got = layer(*case.args, **case.kwargs)
        assert_like(torch.tensor(got, dtype=torch.int32) if isinstance(got, int) else got, want)
        return
    args, kwargs = filled((case.args, case.kwargs), [], lambda array: torch.tensor(array, device=keras.get_device()))
    got = layer(*args, **kwargs)
    if all(isinstance(x, torch.Tensor) for x in pytree.tree_leaves(got)):
        assert_like(got, want)
    try:
        model, arrays = drawn(layer, case, open_batch=True)
    except ValueError:
        model, arrays = drawn(layer, case, open_batch=False)
    for x, wanted in zip(model.outputs, want, strict=True):
        assert len(x.shape) == wanted.ndim and x.dtype == str(wanted.dtype)
        assert all(n in (None, m) for n, m in zip(x.shape, wanted.shape, strict=True))
    assert_like(model(arrays), want)


TF = [
    pytest.param(n, case, id=f"{n}-{case.name}") for n, case in enumerate(tensorflow_cases.CASES) if recorded(f"tf{n}")
]


@pytest.mark.parametrize("n, case", TF)
def test_tensorflow(n: int, case: Case) -> None:
    check(TFOpLambda(case.name), case, recorded(f"tf{n}"))


K3 = [pytest.param(n, case, id=f"{n}-{case.name}") for n, case in enumerate(keras3_cases.CASES) if recorded(f"k3{n}")]


@pytest.mark.parametrize("n, case", K3)
def test_keras3(n: int, case: Case) -> None:
    check(KerasOp(case.name, case.made_with), case, recorded(f"k3{n}"))


@pytest.mark.parametrize("written", OPERATIONS, ids=lambda x: f"{x['case']}-{x['node_def']['op']}")
def test_operation(written: dict[str, Any]) -> None:
    case = tensorflow_cases.RAW_CASES[written["case"]]
    layer = TensorFlowOpLayer(written["node_def"], name="op", constants=written["constants"])
    arrays: list[np.ndarray] = []
    filled(case.kwargs, arrays)
    tensors = [keras.Input(batch_shape=x.shape, dtype=str(x.dtype)) for x in arrays]
    model = keras.Model(tensors, layer(tensors if len(tensors) > 1 else tensors[0]))
    want = recorded(f"raw{written['case']}")
    got = pytree.tree_leaves(model(arrays))
    assert_like(got, want[: len(got)])


X = torch.tensor([[1.3, -0.7], [2.2, 0.4]])


@pytest.mark.parametrize(
    ("function", "args", "want"),
    [
        # Recorded from TensorFlow: the gradient of sum(function(x)).
        ("math.floordiv", lambda x: (x, 0.5), 0 * X),
        ("math.floordiv", lambda x: (2.0, x), 0 * X),
        ("math.floormod", lambda x: (x, 0.5), torch.ones(2, 2)),
        ("math.floormod", lambda x: (2.0, x), torch.tensor([[-1.0, 3.0], [0.0, -5.0]])),
    ],
)
def test_gradients_of_division(function: str, args: Any, want: torch.Tensor) -> None:
    x = X.clone().requires_grad_()
    torch.sum(TFOpLambda(function)(*args(x)) + 0 * x).backward()
    torch.testing.assert_close(x.grad, want)


@pytest.mark.parametrize(
    ("name", "want"),
    [
        # Recorded from Keras 3.15.1.
        ("Mod", [1.0, 0.5, 1.0]),
        ("Fmod", [1.0, 0.5, 1.0]),
        ("Fmax", [1.5, 2.0, 7.0]),
        ("Fmin", [1.0, 1.5, 1.5]),
        ("DivideNoNan", [0.6666667, 1.3333334, 4.6666665]),
        ("Arctan2", [0.5880026, 0.9272952, 1.359703]),
        ("Logaddexp", [1.9740769, 2.4740770, 7.0040784]),
        ("Isclose", [False, False, False]),
    ],
)
def test_a_float_beside_integers_stays_one(name: str, want: list[Any]) -> None:
    x = keras.Input((), dtype="int32")
    model = keras.Model(x, KerasOp(f"numpy.{name}")(x, 1.5))
    torch.testing.assert_close(model(torch.tensor([1, 2, 7], dtype=torch.int32)), torch.tensor(want))


def test_a_size_in_a_reshape_that_does_not_fit_what_stands_for_open_axes() -> None:
    x = keras.Input((4, 6))
    rows = TFOpLambda("linalg.matmul")(TFOpLambda("reshape")(x, [-1, 6]), b=[[1.0, 2.0]] * 6)
    count = TFOpLambda("unstack")(TFOpLambda("shape")(x))[0]
    model = keras.Model(x, TFOpLambda("reshape")(rows, [count, 4, 2]))
    assert model.output_shape == (None, 4, 2)
    torch.testing.assert_close(model(torch.ones(3, 4, 6)).cpu(), torch.tensor([6.0, 12.0]).expand(3, 4, 2))


def test_what_comes_before_the_first_of_an_exclusive_sum_of_exponentials() -> None:
    got = TFOpLambda("math.cumulative_logsumexp")(torch.tensor([1.0, 2.0, 3.0]), exclusive=True)
    torch.testing.assert_close(got.cpu(), torch.tensor([-float("inf"), 1.0, 2.3132617]))


def test_a_diagonal_of_numbers() -> None:
    got = TFOpLambda("linalg.set_diag")(torch.ones(1, 2, 3), diagonal=[[0.0, 2.0]])
    assert got.tolist() == [[[0.0, 1.0, 1.0], [1.0, 2.0, 1.0]]]
