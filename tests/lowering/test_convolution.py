"""Convolutions of few pixels give what the torch module does, whatever happens to it."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.utils import parametrizations

import kerastorch as keras
from kerastorch import layers
from kerastorch.lowering.convolution import ConvolutionOfFewPixels
from tests.lowering.watched import calls_of, check_stand_in


def of(shape=(7, 7, 512), filters=256, kernel_size=3, **kwargs):
    x = keras.Input(shape)
    return keras.Model(x, layers.Conv2D(filters, kernel_size, bias_initializer="normal", **kwargs)(x))


def pictures(model, batch=1):
    sizes = [n or 7 for n in model.input_shape[1:]]
    return torch.tensor(np.random.default_rng(0).normal(size=(batch, *sizes)).astype("float32"))


def check(model, batch=1, **kwargs):
    check_stand_in(model, pictures(model, batch), nn.Conv2d, tolerance=2e-5, **kwargs)


@pytest.mark.parametrize(
    "kwargs",
    [
        {},
        {"padding": "same"},
        {"padding": "same", "strides": 2},
        {"padding": "same", "strides": 2, "shape": (None, 8, 512)},
        {"strides": (2, 1), "kernel_size": (2, 5)},
        {"use_bias": False, "activation": "relu"},
        {"kernel_size": 1, "filters": 2048},
        {"kernel_size": 1, "filters": 2048, "strides": 2},
        {"kernel_size": 7, "filters": 64},
    ],
)
def test_the_same_numbers(kwargs):
    model = of(**kwargs)
    check(model)
    with pytest.raises(ValueError, match="incompatible"):
        model(torch.zeros(1, 7, 7, 3))


def test_where_torchs_module_does_it():
    check(of(padding="same"), batch=2, by_module=True)  # 98 pixels
    check(of(filters=64), by_module=True)
    check(of((512, 7, 7), data_format="channels_first"), by_module=True)
    check(of(filters=512, groups=2), by_module=True)
    check(of(dilation_rate=2), by_module=True)
    check_stand_in(of().double(), pictures(of()).double(), nn.Conv2d, by_module=True, tolerance=1e-9)
    model = of()
    assert model(torch.zeros(0, 7, 7, 512)).shape == (0, 5, 5, 256)
    assert any(isinstance(x, ConvolutionOfFewPixels) for x in vars(model._run.__self__).values())


def test_changes_count():
    model = of()
    check(model)
    model.set_weights([w + 0.5 for w in model.get_weights()])
    check_stand_in(model, pictures(model), nn.Conv2d, tolerance=1e-3)
    conv = model.layers[-1].convolution
    conv.weight = nn.Parameter(torch.randn(256, 512, 3, 3) / 50)
    check(model, by_module=True)  # its channels do not lie last
    conv.to(memory_format=torch.channels_last)
    check(model)
    parametrizations.weight_norm(conv)
    check(model, by_module=True)


@pytest.mark.parametrize("batch", [1, 5])
def test_gradients_are_torchs(batch):
    model = of(padding="same", activation="relu")
    conv = model.layers[-1].convolution

    def gradients(run):
        model.zero_grad()
        x = pictures(model, batch).requires_grad_()
        run(x).square().sum().backward()
        return [x.grad, conv.weight.grad.clone(), conv.bias.grad.clone()]

    with calls_of(nn.Conv2d) as seen:
        got = gradients(model)
    assert bool(seen) is (batch == 5)  # 245 pixels
    want = gradients(lambda x: torch.relu(conv(x.permute(0, 3, 1, 2))))
    for a, b in zip(got, want, strict=True):
        torch.testing.assert_close(a, b, atol=1e-4 * b.abs().max().item(), rtol=0)
    assert got[1].is_contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize("register", ["register_full_backward_hook", "register_full_backward_pre_hook"])
def test_backward_hooks_are_called(register):
    model, seen = of(), []
    model(pictures(model)).sum().backward()
    handle = getattr(model.layers[-1].convolution, register)(lambda module, *_: seen.append(module))
    model(pictures(model).requires_grad_()).sum().backward()
    assert seen
    handle.remove()
    with calls_of(nn.Conv2d) as called:
        model(pictures(model)).sum().backward()
    assert not called


@pytest.mark.parametrize("hooked", ["own", "own_pre", "global", "global_pre"])
def test_hooks_are_called(hooked):
    model = of()
    conv = model.layers[-1].convolution
    model(pictures(model))
    seen = []
    handle = {
        "own": conv.register_forward_hook,
        "own_pre": conv.register_forward_pre_hook,
        "global": nn.modules.module.register_module_forward_hook,
        "global_pre": nn.modules.module.register_module_forward_pre_hook,
    }[hooked](lambda module, *_: seen.append(type(module)))
    try:
        model.predict(pictures(model), verbose=0)
    finally:
        handle.remove()
    assert nn.Conv2d in seen
    seen.clear()
    check(model)
    assert not seen


@pytest.mark.filterwarnings("ignore::torch.jit.TracerWarning")
@pytest.mark.filterwarnings("ignore:`torch.jit.*is deprecated:DeprecationWarning")
def test_functions_of_torch_go_through():
    model = of()
    x = torch.stack([pictures(model), pictures(model) * 2])
    with torch.no_grad():
        want = torch.stack([model(one) for one in x])
        torch.testing.assert_close(torch.func.vmap(model)(x), want, atol=2e-5, rtol=2e-5)
        compiled = torch.compile(model, fullgraph=True, backend="eager")
        torch.testing.assert_close(compiled(x[0]), want[0], atol=2e-5, rtol=2e-5)
        traced = torch.jit.trace(model, x[0])
        torch.testing.assert_close(traced(x[1]), want[1], atol=2e-5, rtol=2e-5)
        many = pictures(model, 5)
        torch.testing.assert_close(traced(many), model(many), atol=2e-5, rtol=2e-5)
