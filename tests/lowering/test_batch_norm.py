"""Batch normalisation at inference gives what the torch module does, whatever happens to it."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

import kerastorch as keras
from kerastorch import layers
from kerastorch.lowering.batch_norm import InferredBatchNorm
from tests.lowering.watched import check_stand_in

X = torch.tensor(np.random.default_rng(0).normal(size=(2, 5, 6, 3)).astype("float32"))


def of(shape=(5, 6, 3), **kwargs):
    x = keras.Input(shape)
    model = keras.Model(x, layers.BatchNormalization(**kwargs)(x))
    rng = np.random.default_rng(1)
    model.set_weights([rng.uniform(0.5, 1.5, w.shape) for w in model.weights])
    return model


def check(model, x=X, by_module=False):
    check_stand_in(model, x, type(model.layers[-1].norm), by_module)


@pytest.mark.parametrize("kwargs", [{}, {"scale": False}, {"center": False}, {"scale": False, "center": False}])
@pytest.mark.parametrize("shape", [(5, 6, 3), (6, 3), (2, 3, 4, 3)])
def test_the_same_numbers(shape, kwargs):
    check(of(shape, **kwargs), torch.randn(2, *shape))


@pytest.mark.parametrize("kwargs", [{}, {"scale": False}, {"center": False}])
@pytest.mark.parametrize("rank", [1, 2, 3])
def test_between_convolutions_the_channels_stay_second(rank, kwargs):
    shape, convolution = (*(7, 6, 5)[:rank], 3), (layers.Conv1D, layers.Conv2D, layers.Conv3D)[rank - 1]
    x = keras.Input(shape)
    normalised = layers.BatchNormalization(**kwargs)
    model = keras.Model(x, convolution(2, 1)(layers.ReLU()(normalised(convolution(4, 3, padding="same")(x)))))
    rng = np.random.default_rng(1)
    model.set_weights([rng.uniform(0.5, 1.5, w.shape) for w in model.weights])
    data = torch.tensor(rng.normal(size=(2, *shape)).astype("float32"))
    # torch's convolution of one axis puts the channels second in memory, too
    check_stand_in(model, data, type(normalised.norm), by_module=rank == 1, tolerance=1e-4)
    used = [x for x in vars(model._run.__self__).values() if isinstance(x, InferredBatchNorm)]
    assert len(used) == 1 and not used[0]._on_last_axis


def test_alone_the_channels_stay_last():
    model = of_called()
    used = [x for x in vars(model._run.__self__).values() if isinstance(x, InferredBatchNorm)]
    assert any(x._on_last_axis for x in used)
    twice = keras.Input((5, 6, 3))
    layer = model.layers[-1]
    both = keras.Model(twice, [layer(twice), layer(layer(twice))])
    for got, want in zip(both(X), (model(X), model(model(X))), strict=True):
        torch.testing.assert_close(got, want)
    with torch.no_grad():
        for got, want in zip(both(X), (model(X), model(model(X))), strict=True):
            torch.testing.assert_close(got, want)


def test_where_torchs_module_does_it():
    check(of((3,)), X[:, 0, 0], by_module=True)
    check(of(axis=1), by_module=True)  # the channels come first
    assert any(isinstance(x, InferredBatchNorm) for x in vars(of_called()._run.__self__).values())


def of_called():
    model = of()
    model(X)
    return model


def test_changes_count():
    model = of_called()
    norm = model.layers[-1].norm
    model.set_weights([w + 0.5 for w in model.get_weights()])
    check(model)
    model.double()
    check(model, X.double())
    model.float()
    norm.weight = nn.Parameter(torch.full((3,), 2.0))
    check(model)
    with torch.no_grad():  # in training its statistics move
        before = norm.running_mean.clone()
        model.train()(X)
    assert not torch.equal(norm.running_mean, before)
    check(model.eval())
    seen = []
    norm.register_forward_hook(lambda *_: seen.append(1))
    model.predict(X, verbose=0)
    assert seen
