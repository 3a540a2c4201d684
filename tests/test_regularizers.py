"""kerastorch.regularizers against tf_keras's and Keras 3's own values."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from kerastorch import regularizers
from kerastorch.variables import TRANSPOSED, Variable

FIXTURES = Path(__file__).resolve().parents[1].parent / "shared" / "fixtures"


def cases() -> list[Any]:
    made = []
    for generation in ("k2", "k3"):
        path = FIXTURES / generation / "regularizers_constraints.json"
        if not path.exists():
            return [pytest.param(None, None, marks=pytest.mark.skip(reason=f"no fixture {path}"))]
        content = json.loads(path.read_text())
        for case in content["regularizers"]:
            w = torch.tensor(content[case["w"]]["data"])
            made.append(pytest.param(case, w, id=f"{generation}-{case['cls']}-{case['kw']}"))
    return made


@pytest.mark.parametrize("case, w", cases())
def test_values_gradients_and_config_are_keras_own(case: dict[str, Any], w: torch.Tensor) -> None:
    regularizer = getattr(regularizers, case["cls"])(**case["kw"])
    w.requires_grad_()
    value = regularizer(w)
    assert value.shape == () and value.item() == pytest.approx(case["value"], rel=1e-5)
    if value.requires_grad:
        value.backward()
    gradient = torch.zeros_like(w) if w.grad is None else w.grad
    expected = torch.tensor(case["grad"]["data"]) if case["grad"] else torch.zeros_like(w)
    torch.testing.assert_close(gradient, expected, rtol=1e-4, atol=1e-6)
    # tf.keras rounds every factor to float32, Keras 3 only some.
    config = {k: v if isinstance(v, str) else torch.tensor(v).item() for k, v in case["config"].items()}
    assert regularizer.get_config() == config
    made = regularizers.get(regularizers.serialize(regularizer))
    assert type(made) is type(regularizer) and made.get_config() == config


@pytest.mark.parametrize("cls", ["L1", "L2", "L1L2", "OrthogonalRegularizer"])
def test_a_variable_is_penalised_as_its_tensor(cls: str) -> None:
    linear = nn.Linear(3, 4)
    kernel = Variable(linear, "weight", "kernel:0", TRANSPOSED)
    regularizer = regularizers.L1L2(0.1, 0.2) if cls == "L1L2" else getattr(regularizers, cls)(0.1)
    torch.testing.assert_close(regularizer(kernel), regularizer(linear.weight.T))
    assert regularizers.L1L2()(kernel).item() == 0.0


@pytest.mark.parametrize(
    "identifier, cls, expected",
    [
        ("l1", "L1", {"l1": 0.01}),
        ("L2", "L2", {"l2": 0.01}),
        ("l1_l2", "L1L2", {"l1": 0.01, "l2": 0.01}),
        ("L1L2", "L1L2", {"l1": 0.0, "l2": 0.0}),
        ("orthogonal_regularizer", "OrthogonalRegularizer", {"factor": 0.01, "mode": "rows"}),
        ({"class_name": "L1L2", "config": {"l1": 0.5}}, "L1L2", {"l1": 0.5, "l2": 0.0}),
        ({"class_name": "l1_l2", "config": {"l1": 0.5}}, "L1L2", {"l1": 0.5, "l2": 0.01}),
        (regularizers.l1_l2(l2=0.25), "L1L2", {"l1": 0.01, "l2": 0.25}),
        (regularizers.l1(l=0.5), "L1", {"l1": 0.5}),
        (regularizers.l2(0.5), "L2", {"l2": 0.5}),
        (regularizers.L1(None), "L1", {"l1": 0.01}),
        (regularizers.L1, "L1", {"l1": 0.01}),
    ],
)
def test_get_knows_names_configs_and_objects(identifier: Any, cls: str, expected: dict[str, Any]) -> None:
    made = regularizers.get(identifier)
    assert type(made) is getattr(regularizers, cls)
    config = made.get_config()
    assert {k: v if isinstance(v, str) else pytest.approx(v, rel=1e-6) for k, v in expected.items()} == config


def test_functions_pass_through_and_custom_objects_come_first() -> None:
    def mine(x: torch.Tensor) -> torch.Tensor:
        return torch.sum(x)

    assert regularizers.get(None) is None
    assert regularizers.get(mine) is mine
    assert regularizers.deserialize("l1_l2", {"l1_l2": mine}) is mine


@pytest.mark.parametrize(
    "make, error",
    [
        (lambda: regularizers.get("nonesuch"), ValueError),
        (lambda: regularizers.get(3), ValueError),
        (lambda: regularizers.L1("a"), ValueError),
        (lambda: regularizers.L2(float("nan")), ValueError),
        (lambda: regularizers.L1L2(float("inf")), ValueError),
        (lambda: regularizers.L1(foo=1), TypeError),
        (lambda: regularizers.OrthogonalRegularizer(mode="diagonals"), ValueError),
        (lambda: regularizers.OrthogonalRegularizer()(torch.ones(2, 2, 2)), ValueError),
    ],
)
def test_bad_arguments_are_refused(make: Any, error: type[Exception]) -> None:
    with pytest.raises(error):
        make()
