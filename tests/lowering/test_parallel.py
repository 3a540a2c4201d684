"""Linear maps of one input, which are one matrix product at inference: whatever happens to their weights, they count."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.utils import parametrize

import kerastorch as keras
from kerastorch import layers
from kerastorch.lowering.parallel import ParallelLinear

X = torch.tensor(np.random.default_rng(0).normal(size=(2, 5, 8)).astype("float32"))


def attention(use_bias=True):
    x = keras.Input((5, 8))
    return keras.Model(x, layers.MultiHeadAttention(2, 4, use_bias=use_bias)(x, x))


def joined(model):
    """What stands for the parallel maps of a model that has been called."""
    return [x for x in vars(model._run.__self__).values() if isinstance(x, ParallelLinear)]


def each_alone(model, x=X):
    """The outputs where gradients are taken, and so each map is by itself."""
    with torch.enable_grad():
        return model(x).detach()


def check(model, x=X, joins=True):
    with torch.no_grad():
        got = model(x)
        torch.testing.assert_close(got, each_alone(model, x), atol=1e-6, rtol=1e-5)
        assert [part.placed[1] is not None for part in joined(model)] == [joins]


@pytest.mark.parametrize("use_bias", [True, False])
def test_the_same_numbers_from_one_product(use_bias):
    model = attention(use_bias)
    model.set_weights([np.random.default_rng(1).normal(size=w.shape) for w in model.weights])
    check(model)
    assert [len(part.linears) for part in joined(model)] == [3]
    pieces = model.layers[-1]._query_dense.linear.weight, model.layers[-1]._key_dense.linear.weight
    assert pieces[0].untyped_storage().data_ptr() == pieces[1].untyped_storage().data_ptr()


def by_an_optimizer(model):
    optimizer = torch.optim.Adam(model.parameters(), 0.1)
    model(X).square().sum().backward()
    optimizer.step()


def in_place(model):
    for v in model.weights:
        v.tensor.data.add_(0.5)


def by_another_tensor(model):
    linear = model.layers[-1]._key_dense.linear
    linear.weight = nn.Parameter(torch.randn_like(linear.weight))


CHANGES = {
    "optimizer": by_an_optimizer,
    "in place": in_place,
    "another parameter": by_another_tensor,
    "assign": lambda model: [v.assign(np.ones(v.shape)) for v in model.weights],
    "state_dict": lambda model: model.load_state_dict({k: v + 1 for k, v in model.state_dict().items()}),
    "assigned state": lambda model: model.load_state_dict(
        {k: v + 1 for k, v in model.state_dict().items()}, assign=True
    ),
    "another dtype": lambda model: model.double(),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_changed_weights_count(change):
    model = attention()
    model.predict(X, verbose=0)
    before = each_alone(model)
    change(model)
    assert change is CHANGES["another dtype"] or not torch.equal(each_alone(model), before)
    check(model)


def test_copies_have_weights_of_their_own(tmp_path):
    model = attention()
    model.predict(X, verbose=0)
    want = each_alone(model)
    model.save(tmp_path / "m.h5")
    torch.save(model.state_dict(), tmp_path / "state.pt")
    model.save_weights(tmp_path / "w.safetensors")
    copies = [copy.deepcopy(model), pickle.loads(pickle.dumps(model)), keras.models.load_model(tmp_path / "m.h5")]
    for other in (attention(), attention()):
        copies.append(other)
    copies[-2].load_state_dict(torch.load(tmp_path / "state.pt"), assign=True)
    copies[-1].load_weights(tmp_path / "w.safetensors")
    in_place(model)
    for other in copies:
        torch.testing.assert_close(each_alone(other), want)
        check(other)


def test_safetensors_takes_a_state_dict(tmp_path):
    safetensors = pytest.importorskip("safetensors.torch")
    model = attention()
    model.predict(X, verbose=0)
    safetensors.save_file(model.state_dict(), tmp_path / "x.safetensors")
    for key, value in safetensors.load_file(tmp_path / "x.safetensors").items():
        assert torch.equal(value, model.state_dict()[key].cpu())


def test_what_has_no_memory_to_itself_stays_where_it_is():
    model = attention()
    for parameter in model.parameters():
        parameter.data = torch.cat([parameter.data.flatten(), parameter.data.new_zeros(1)])[:-1].view_as(parameter)
    before = [p.data_ptr() for p in model.parameters()]
    check(model, joins=False)
    assert [p.data_ptr() for p in model.parameters()] == before
    model = attention().share_memory()
    check(model, joins=False)
    assert all(p.is_shared() for p in model.parameters())


def test_weights_that_two_models_join_otherwise_do_not_move_for_ever():
    x = keras.Input((8,))
    shared, first, second = (layers.Dense(8) for _ in range(3))
    models = [keras.Model(x, [shared(x), other(x)]) for other in (first, second)]
    with torch.no_grad():
        for _ in range(40):
            for model in models:
                got = model(X[:, 0])
                with torch.enable_grad():
                    torch.testing.assert_close(got[0], model(X[:, 0])[0].detach(), atol=1e-6, rtol=1e-5)
    placements = [part.placements for model in models for part in joined(model)]
    assert min(placements) > 1 and max(placements) <= 16


def test_hooks_and_parametrizations_of_a_map_are_heeded():
    model, seen = attention(), []
    model.predict(X, verbose=0)
    linear = model.layers[-1]._value_dense.linear
    handle = linear.register_forward_hook(lambda *_: seen.append(1))
    model.predict(X, verbose=0)
    assert seen == [1]
    handle.remove()

    class Doubled(nn.Module):
        def forward(self, weight):
            return 2 * weight

    before = each_alone(model)
    parametrize.register_parametrization(linear, "weight", Doubled())
    with torch.no_grad():
        got = model(X)
    assert not torch.allclose(got, before)
    torch.testing.assert_close(got, each_alone(model))


def test_functional_calls_take_the_weights_that_they_are_given():
    model = attention()
    model.predict(X, verbose=0)
    state = {key: value.detach() + 1 for key, value in model.state_dict().items()}
    with torch.no_grad():
        got = torch.func.functional_call(model, state, (X,))
        torch.testing.assert_close(model(X), each_alone(model), atol=1e-6, rtol=1e-5)
    model.load_state_dict(state)
    torch.testing.assert_close(got, each_alone(model), atol=1e-5, rtol=1e-5)


def test_fake_tensors_leave_the_weights_alone():
    from torch._subclasses.fake_tensor import FakeTensorMode

    for called in (False, True):
        model = attention()
        if called:
            model.predict(X, verbose=0)
        with torch.no_grad(), FakeTensorMode(allow_non_fake_inputs=True):
            assert model(torch.empty(2, 5, 8)).shape == (2, 5, 8)
        assert {type(p.data) for p in model.parameters()} == {torch.Tensor}
        check(model)


def test_heads_of_a_network_are_joined_too():
    x = keras.Input((8,))
    h = layers.Dense(6, activation="relu")(x)
    model = keras.Model(x, {name: layers.Dense(n, name=name)(h) for name, n in (("a", 1), ("b", 2), ("c", 3))})
    with torch.no_grad():
        got = model(X[:, 0])
    assert [len(part.linears) for part in joined(model)] == [3]
    for name, value in each(model, X[:, 0]).items():
        torch.testing.assert_close(got[name], value)


def each(model, x):
    with torch.enable_grad():
        return {name: value.detach() for name, value in model(x).items()}


def test_maps_shared_between_groups():
    x, y = keras.Input((5, 8)), keras.Input((5, 8))
    shared, first, second = layers.MultiHeadAttention(2, 4), layers.Dense(3), layers.Dense(4)
    model = keras.Model([x, y], [shared(x, x), shared(y, y), first(x), second(x), first(y), layers.Dense(2)(y)])
    for _ in range(2):
        with torch.no_grad():
            got = model([X, X + 1])
        with torch.enable_grad():
            want = model([X, X + 1])
        for a, b in zip(got, want, strict=True):
            torch.testing.assert_close(a, b.detach(), atol=1e-6, rtol=1e-5)


def test_maps_of_what_another_group_returns():
    x = keras.Input((5, 8))
    first, second = layers.Dense(8)(x), layers.Dense(8)(x)
    model = keras.Model(x, layers.Add()([layers.Dense(8)(first), layers.Dense(8)(first), second]))
    with torch.no_grad():
        torch.testing.assert_close(model(X), each_alone(model), atol=1e-6, rtol=1e-5)
    assert [len(part.linears) for part in joined(model)] == [2, 2]
