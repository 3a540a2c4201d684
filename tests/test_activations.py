"""kerastorch.activations against tf_keras's and Keras 3's own values, and the names they go by."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import fx, nn

from kerastorch import activations, registry

FIXTURES = Path(__file__).resolve().parents[1].parent / "shared" / "fixtures"

# Functions for which torch takes the other one-sided derivative at exactly 0.
OTHER_SIDE_AT_ZERO = ("selu", "celu")
FUNCTIONS = [name for name in activations.__all__ if name not in ("get", "serialize", "deserialize")]
ARGUMENTS = {"threshold": (0.5, -1.0)}


def cases() -> list[Any]:
    made = []
    for generation in ("k2", "k3"):
        path = FIXTURES / generation / "activations.json"
        if not path.exists():
            return [pytest.param(None, None, marks=pytest.mark.skip(reason=f"no fixture {path}"))]
        content = json.loads(path.read_text())
        for case in content["cases"]:
            x = torch.tensor(content["x"][case["x"]]["data"])
            fn = case["fn"]
            if generation == "k3" and fn == "hard_sigmoid":
                fn = "hard_sigmoid_keras3"
            made.append(pytest.param({**case, "fn": fn}, x, id=f"{generation}-{fn}-{case['kw']}"))
    return made


@pytest.mark.parametrize("case, x", cases())
def test_values_and_gradients_are_keras_own(case: dict[str, Any], x: torch.Tensor) -> None:
    x.requires_grad_()
    y = activations.get(case["fn"])(x, **case["kw"])
    expected = torch.tensor(case["y"]["data"])
    torch.testing.assert_close(y.detach(), expected, rtol=1e-5, atol=1e-6)
    y.backward(torch.arange(1.0, y.shape[-1] + 1).expand(y.shape))
    gradient = torch.tensor(case["grad_of_sum_times_1toN_last_axis"]["data"])
    compared = x != 0 if case["fn"] in OTHER_SIDE_AT_ZERO else torch.ones_like(x, dtype=torch.bool)
    torch.testing.assert_close(x.grad[compared], gradient[compared], rtol=1e-4, atol=5e-5)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_traces_under_fx_as_torch_operations(name: str) -> None:
    function = getattr(activations, name)
    graph = fx.Tracer().trace(lambda x: function(x, *ARGUMENTS.get(name, ())))
    traced = fx.GraphModule(nn.Module(), graph)
    assert not any("kerastorch" in str(getattr(node.target, "__module__", "")) for node in graph.nodes)
    x = torch.randn(3, 4, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(traced(x), function(x, *ARGUMENTS.get(name, ())))


@pytest.mark.parametrize("name", FUNCTIONS)
def test_name_leads_to_the_function_and_back(name: str) -> None:
    function = getattr(activations, name)
    assert activations.get(name) is function
    assert activations.get(activations.serialize(function)) is function


@pytest.mark.parametrize(
    "kw, expected",
    [
        ({}, [0.0, 0.0, 0.5, 9.0]),
        ({"alpha": 0.1}, [-0.2, 0.0, 0.5, 9.0]),
        ({"negative_slope": 0.1}, [-0.2, 0.0, 0.5, 9.0]),
        ({"alpha": 0.1, "max_value": 6}, [-0.2, 0.0, 0.5, 6.0]),
        ({"threshold": 1.0}, [0.0, 0.0, 0.0, 9.0]),
        ({"threshold": -1.0}, [0.0, 0.0, 0.5, 9.0]),
        ({"max_value": 0.25, "threshold": 0.25, "alpha": 1.0}, [-2.25, -0.25, 0.25, 0.25]),
    ],
)
def test_relu_takes_slope_cap_and_threshold(kw: dict[str, float], expected: list[float]) -> None:
    y = activations.relu(torch.tensor([-2.0, 0.0, 0.5, 9.0]), **kw)
    torch.testing.assert_close(y, torch.tensor(expected))


@pytest.mark.parametrize("axis", [0, -1, (1, 2), [0, 2], None])
def test_softmax_sums_to_one_over_any_axes(axis: Any) -> None:
    x = torch.randn(2, 3, 4)
    dims = (0, 1, 2) if axis is None else axis
    y = activations.softmax(x, axis=axis)
    torch.testing.assert_close(y.sum(dims), torch.ones_like(y.sum(dims)))
    torch.testing.assert_close(activations.log_softmax(x, axis=axis), y.log())


@pytest.mark.parametrize("axis", [0, 1, -1])
def test_sparsemax_works_over_any_axis(axis: int) -> None:
    x = torch.tensor([[0.1, 0.2, 3.0], [0.5, 0.4, 0.6]])
    # Row 0: k = 1, tau = 2. Row 1: k = 3, tau = (0.6 + 1.1 + 1.5 - 1) / 3.
    expected = torch.tensor([[0.0, 0.0, 1.0], [0.0, 0.0, 0.0]])
    y = activations.sparsemax(x if axis != 0 else x.T, axis)
    torch.testing.assert_close(y if axis != 0 else y.T, expected)


def test_gradients_stay_finite_far_out() -> None:
    x = torch.tensor([-1e30, -1.0, 1.0, 1e30], requires_grad=True)
    activations.sparse_plus(x).sum().backward()
    assert x.grad.tolist() == [0.0, 0.0, 1.0, 1.0]


def test_get_passes_callables_through_and_makes_classes() -> None:
    module = nn.GELU()
    assert activations.get(None) is activations.linear
    assert activations.get(module) is module
    assert activations.get(torch.relu) is torch.relu
    assert isinstance(activations.get(nn.ReLU), nn.ReLU)
    assert activations.get("silu") is activations.swish
    assert activations.serialize(activations.silu) == "swish"


def test_a_layer_serves_as_an_activation(monkeypatch: pytest.MonkeyPatch) -> None:
    class SlopedLayer(registry.Configurable):
        def __init__(self, alpha: float = 0.3) -> None:
            self.alpha = alpha

        def __call__(self, x: torch.Tensor) -> torch.Tensor:
            return activations.leaky_relu(x, self.alpha)

    monkeypatch.setitem(registry._library.setdefault("layer", {}), "SlopedLayer", SlopedLayer)
    config = {"class_name": "SlopedLayer", "config": {"alpha": 0.1}}
    layer = activations.get(config)
    assert isinstance(layer, SlopedLayer) and layer.alpha == 0.1
    assert activations.serialize(layer) == config
    assert activations.get("SlopedLayer").alpha == 0.3


def test_custom_objects_come_first() -> None:
    def relu(x: torch.Tensor) -> torch.Tensor:
        return x

    assert activations.deserialize("relu", {"relu": relu}) is relu
    with registry.custom_object_scope({"mine": relu}):
        assert activations.get("mine") is relu


@pytest.mark.parametrize(
    "identifier, error", [("nonesuch", ValueError), (3, TypeError), ({"name": "relu"}, ValueError)]
)
def test_get_refuses_what_means_nothing(identifier: Any, error: type[Exception]) -> None:
    with pytest.raises(error):
        activations.get(identifier)


@pytest.mark.parametrize("value", ["relu", None, nn.ReLU()])
def test_serialize_refuses_what_has_no_name(value: Any) -> None:
    with pytest.raises(ValueError, match="cannot write"):
        activations.serialize(value)


def test_relu_refuses_a_negative_cap() -> None:
    with pytest.raises(ValueError, match="max_value"):
        activations.relu(torch.zeros(1), max_value=-1)


@pytest.mark.parametrize("name", ["relu", "softmax", "sigmoid", "gelu", "selu", "linear"])
def test_arrays_and_lists(name):
    function, x = getattr(activations, name), np.linspace(-2, 2, 6, dtype="float32").reshape(2, 3)
    for given in (x, x.tolist()):
        torch.testing.assert_close(function(given), function(torch.tensor(x)))
