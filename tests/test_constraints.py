"""kerastorch.constraints against tf_keras's and Keras 3's own values."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from kerastorch import constraints
from kerastorch.variables import TRANSPOSED, Variable

FIXTURES = Path(__file__).resolve().parents[1].parent / "shared" / "fixtures"


def cases() -> list[Any]:
    made = []
    for generation in ("k2", "k3"):
        path = FIXTURES / generation / "regularizers_constraints.json"
        if not path.exists():
            return [pytest.param(None, None, marks=pytest.mark.skip(reason=f"no fixture {path}"))]
        content = json.loads(path.read_text())
        for case in content["constraints"]:
            w = torch.tensor(content[case["w"]]["data"])
            made.append(pytest.param(case, w, id=f"{generation}-{case['cls']}-{case['kw']}"))
    return made


@pytest.mark.parametrize("case, w", cases())
def test_values_and_config_are_keras_own(case: dict[str, Any], w: torch.Tensor) -> None:
    constraint = getattr(constraints, case["cls"])(**case["kw"])
    if "error" in case:
        with pytest.raises(ValueError, match=case["cls"]):
            constraint(w)
        return
    torch.testing.assert_close(constraint(w), torch.tensor(case["value"]["data"]), rtol=1e-5, atol=1e-6)
    assert constraint.get_config() == case["config"]
    made = constraints.get(constraints.serialize(constraint))
    assert type(made) is type(constraint) and made.get_config() == case["config"]


@pytest.mark.parametrize("size, rings", [(1, [0]), (2, [0]), (3, [0, 1]), (4, [1, 3]), (5, [1, 2, 3]), (6, [2, 4, 5])])
def test_radial_constraint_repeats_the_diagonal_elements_that_tf_keras_does(size: int, rings: list[int]) -> None:
    w = torch.randn(size, size, 2, 3)
    y = constraints.RadialConstraint()(w)
    assert y.shape == w.shape
    for row in range(size):
        for column in range(size):
            ring = max(abs(2 * row - size + 1), abs(2 * column - size + 1)) // 2
            assert torch.equal(y[row, column], w[rings[ring], rings[ring]])


def test_radial_constraint_gives_what_tf_keras_gave() -> None:
    grid = torch.arange(5.0)[:, None] * 10 + torch.arange(5.0)
    y = constraints.RadialConstraint()(torch.stack([grid, -grid], -1)[..., None])
    expected = [[33.0] * 5, [33.0, 22, 22, 22, 33], [33.0, 22, 11, 22, 33], [33.0, 22, 22, 22, 33], [33.0] * 5]
    assert y[..., 0, 0].tolist() == expected
    assert torch.equal(y[..., 1, 0], -y[..., 0, 0])


@pytest.mark.parametrize("name", ["MaxNorm", "NonNeg", "UnitNorm", "MinMaxNorm", "Constraint"])
def test_a_variable_is_constrained_as_its_tensor(name: str) -> None:
    linear = nn.Linear(3, 4)
    kernel = Variable(linear, "weight", "kernel:0", TRANSPOSED)
    constraint = getattr(constraints, name)()
    y = constraint(kernel)
    assert isinstance(y, torch.Tensor)
    torch.testing.assert_close(y, constraint(linear.weight.T))
    kernel.assign(y)


def test_radial_constraint_takes_a_variable() -> None:
    module = nn.Module()
    module.weight = nn.Parameter(torch.randn(3, 3, 1, 2))
    kernel = Variable(module, "weight", "kernel:0")
    torch.testing.assert_close(constraints.RadialConstraint()(kernel), constraints.RadialConstraint()(module.weight))


@pytest.mark.parametrize(
    "name, cls",
    [
        ("max_norm", "MaxNorm"),
        ("maxnorm", "MaxNorm"),
        ("MaxNorm", "MaxNorm"),
        ("non_neg", "NonNeg"),
        ("nonneg", "NonNeg"),
        ("unit_norm", "UnitNorm"),
        ("unitnorm", "UnitNorm"),
        ("min_max_norm", "MinMaxNorm"),
        ("radial_constraint", "RadialConstraint"),
    ],
)
def test_names_of_every_generation_are_known(name: str, cls: str) -> None:
    assert type(constraints.get(name)) is getattr(constraints, cls)
    assert type(constraints.get({"class_name": name, "config": {}})) is getattr(constraints, cls)


def test_get_passes_through_and_makes_classes() -> None:
    assert constraints.get(None) is None
    assert constraints.get(torch.relu) is torch.relu
    assert isinstance(constraints.get(constraints.UnitNorm), constraints.UnitNorm)
    assert constraints.deserialize("mine", {"mine": torch.relu}) is torch.relu


@pytest.mark.parametrize(
    "make",
    [
        lambda: constraints.get("nonesuch"),
        lambda: constraints.get(3),
        lambda: constraints.MaxNorm("a"),
        lambda: constraints.MaxNorm(-1),
        lambda: constraints.MaxNorm(axis="rows"),
        lambda: constraints.UnitNorm(axis=[0, None]),
        lambda: constraints.MinMaxNorm(2, 1),
        lambda: constraints.RadialConstraint()(torch.ones(3, 4, 1, 1)),
        lambda: constraints.RadialConstraint()(torch.ones(3, 3)),
    ],
)
def test_bad_arguments_are_refused(make: Any) -> None:
    with pytest.raises(ValueError, match="."):
        make()
