"""Models drawn between Inputs: structures, sharing, nesting, copies, and being a torch module."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pytest
import torch
from torch import nn

import kerastorch as keras
from kerastorch import layers


@pytest.fixture(autouse=True)
def fresh_names():
    keras.backend.clear_session()


def build():
    x = keras.Input((4,))
    shared = layers.Dense(4, activation="tanh", name="shared")
    y = shared(shared(x)) + x
    return keras.Model(x, layers.Dense(2)(torch.relu(y[:, 1:])))


X = np.random.default_rng(0).normal(size=(3, 4)).astype("float32")


def expected(model):
    kernel, bias, kernel_2, bias_2 = model.get_weights()
    h = np.tanh(np.tanh(X @ kernel + bias) @ kernel + bias) + X
    return np.maximum(h[:, 1:], 0) @ kernel_2 + bias_2


def test_torch_functions_and_operators_are_layers():
    model = build()
    np.testing.assert_allclose(model(X).detach(), expected(model), atol=1e-6)
    drawn = [type(layer).__name__ for layer in model.layers if not layer.weights][1:]
    assert drawn == ["TFOpLambda", "SlicingOpLambda", "TFOpLambda"]
    again = keras.Model.from_config(model.get_config())
    again.set_weights(model.get_weights())
    assert again.get_config() == model.get_config()
    assert torch.equal(again(X), model(X))


@pytest.mark.parametrize(
    ("function", "want"),
    [
        (lambda x: 1 - x, 1 - X),
        (lambda x: 2 / (x + 10), 2 / (X + 10)),
        (lambda x: -x.abs(), -abs(X)),
        (lambda x: x**2, X**2),
        (lambda x: torch.cat([x, x * 2], dim=-1), np.concatenate([X, X * 2], -1)),
        (lambda x: torch.where(x > 0, x, torch.tensor(5.0)), np.where(X > 0, X, 5)),
        (lambda x: x.sum(dim=1, keepdim=True), X.sum(1, keepdims=True)),
        (lambda x: x[..., None, ::2], X[..., None, ::2]),
        (lambda x: torch.stack(list(torch.unbind(x, dim=1)), 1), X),
        (lambda x: np.float32(2) * x, 2 * X),
        (lambda x: torch.nn.functional.softplus(x), np.log1p(np.exp(X))),
        (lambda x: torch.matmul(x, torch.ones(4, 2)), X @ np.ones((4, 2))),
    ],
)
def test_expression(function, want):
    x = keras.Input((4,))
    model = keras.Model(x, function(x))
    y = model(X)
    np.testing.assert_allclose(y, want, atol=1e-6)
    assert model.output_shape == (None, *want.shape[1:])
    assert torch.equal(copy.deepcopy(model)(X), y)
    assert torch.equal(model.to_torch()(torch.tensor(X)), y)


@pytest.mark.parametrize("how", ["deepcopy", "pickle", "torch.save"])
def test_copies(how, tmp_path):
    model = build()
    y = model(X)
    if how == "deepcopy":
        other = copy.deepcopy(model)
    elif how == "pickle":
        other = pickle.loads(pickle.dumps(model))
    else:
        torch.save(model, tmp_path / "m.pt")
        other = torch.load(tmp_path / "m.pt", weights_only=False)
    assert torch.equal(other(X), y)
    other.weights[0].assign(np.zeros((4, 4)))
    assert torch.equal(model(X), y)
    assert not torch.equal(other(X), y)
    assert other.get_config() == model.get_config()


def test_a_deep_model_can_be_copied():
    x = y = keras.Input((2,))
    for _ in range(600):
        y = layers.Activation("tanh")(y)
    model = keras.Model(x, y)
    z = torch.ones(1, 2)
    assert torch.equal(copy.deepcopy(model)(z), model(z))
    assert torch.equal(keras.models.model_from_json(model.to_json())(z), model(z))


def test_two_builds_have_the_same_keys():
    first, second = build(), build()
    assert first.layers[-1].name != second.layers[-1].name
    assert list(first.state_dict()) == list(second.state_dict())
    assert list(first.state_dict()) == [
        "shared.linear.weight",
        "shared.linear.bias",
        "dense.linear.weight",
        "dense.linear.bias",
    ]
    second.load_state_dict(first.state_dict())
    assert torch.equal(first(X), second(X))


STRUCTURES = {
    "list": lambda a, b: [a, b],
    "tuple": lambda a, b: (a, b),
    "dict": lambda a, b: {"a": a, "b": b},
    "nested": lambda a, b: [a, {"deep": b}],
}


@pytest.mark.parametrize("structure", STRUCTURES.values(), ids=STRUCTURES)
def test_structures_of_inputs_and_outputs(structure):
    a, b = keras.Input((4,), name="a"), keras.Input((4,), name="b")
    model = keras.Model(structure(a, b), structure(a + b, a - b))
    got = model(structure(X, 2 * X))
    assert type(got) is type(structure(0, 0))
    flat = torch.utils._pytree.tree_leaves(got)
    np.testing.assert_allclose(flat[0], 3 * X, atol=1e-6)
    np.testing.assert_allclose(flat[1], -X, atol=1e-6)
    np.testing.assert_allclose(
        model({"a": X, "b": X, "more": X} if structure is not STRUCTURES["nested"] else structure(X, X))[
            0 if not isinstance(got, dict) else "a"
        ],
        2 * X,
        atol=1e-6,
    )
    again = keras.Model.from_config(model.get_config())
    assert again.input_names == ["a", "b"]


def test_nested_models_are_traced_through():
    inner_in = keras.Input((4,))
    inner = keras.Model(inner_in, layers.Dense(4, name="inside")(inner_in), name="inner")
    x = keras.Input((4,))
    model = keras.Model(x, inner(inner(x)))
    kernel, bias = model.get_weights()
    np.testing.assert_allclose(model(X).detach(), (X @ kernel + bias) @ kernel + bias, atol=1e-5)
    calls = [n for n in model.lowered().graph.nodes if n.op == "call_module"]
    assert [n.target for n in calls] == ["inner_inside", "inner_inside"]
    assert list(model.state_dict()) == ["inner.inside.linear.weight", "inner.inside.linear.bias"]


def test_a_users_layer_is_a_leaf_that_runs_as_it_is():
    class Clipped(layers.Layer):
        def build(self, input_shape):
            self.scale = self.add_weight("scale", (input_shape[-1],), initializer="ones")

        def call(self, inputs, training=None):
            self.seen = training
            if inputs.shape[0] > 2:  # a branch that no tracer could follow
                return inputs * self.scale
            return inputs - self.scale

    x = keras.Input((4,))
    layer = Clipped()
    model = keras.Model(x, layer(x))
    assert model.output_shape == (None, 4)
    np.testing.assert_allclose(model(X).detach(), X)
    np.testing.assert_allclose(model(X[:2]).detach(), X[:2] - 1)
    assert layer.seen is False
    model(X, training=True)
    assert layer.seen is True
    with pytest.raises(ValueError, match=r"'clipped' \(Clipped\)"):
        model.to_torch()


def test_a_torch_module_as_a_layer():
    x = keras.Input((4,))
    inner = nn.Sequential(nn.Linear(4, 3), nn.BatchNorm1d(3), nn.ReLU())
    model = keras.Model(x, layers.TorchModuleWrapper(inner, name="wrapped")(x))
    assert [w.name for w in model.weights][:2] == ["wrapped/module/0/weight:0", "wrapped/module/0/bias:0"]
    assert len(model.trainable_weights) == 4
    assert torch.equal(model(X), inner.eval()(torch.tensor(X)))
    model.train()
    assert inner[1].training
    assert torch.equal(model.to_torch().eval()(torch.tensor(X)), model.eval()(X))


def test_hooks_run():
    model = build()
    model(X)
    seen = []
    handle = model.get_layer("shared").register_forward_hook(lambda layer, args, output: seen.append(output.shape))
    y = model(X)
    assert seen == [(3, 4), (3, 4)]
    handle.remove()
    model.register_forward_hook(lambda layer, args, output: output + 1)
    assert torch.equal(model(X), y + 1)


def test_an_activation_may_be_replaced():
    x = keras.Input((4,))
    model = keras.Model(x, layers.Dense(4, activation="relu", name="d")(x))
    kernel, bias = model.get_weights()
    np.testing.assert_allclose(model(X).detach(), np.maximum(X @ kernel + bias, 0), atol=1e-6)
    model.get_layer("d").activation = keras.activations.linear
    np.testing.assert_allclose(model(X).detach(), X @ kernel + bias, atol=1e-6)


def test_dtype_follows_the_module():
    model = build()
    assert model(X).dtype == torch.float32
    assert model.double()(torch.tensor(X)).dtype == torch.float64
    assert model.half()(torch.tensor(X)).dtype == torch.float16
    assert model.to(torch.bfloat16)(X).dtype == torch.bfloat16


def test_regularizers_and_losses():
    x = keras.Input((4,))
    dense = layers.Dense(4, kernel_regularizer="l2", activity_regularizer=keras.regularizers.L1(0.5), name="d")
    model = keras.Model(x, dense(x))
    y = model(X)
    by_output, by_weight = model.losses
    np.testing.assert_allclose(by_weight.detach(), 0.01 * (model.get_weights()[0] ** 2).sum(), rtol=1e-5)
    np.testing.assert_allclose(by_output.detach(), 0.5 * abs(y.detach()).sum() / 3, rtol=1e-5)
    model(X)
    assert len(model.losses) == 2


def test_add_loss_of_a_users_layer():
    class Penalty(layers.Layer):
        def call(self, inputs):
            self.add_loss((inputs**2).mean())
            return inputs

    x = keras.Input((4,))
    model = keras.Model(x, Penalty()(x))
    for _ in range(2):
        model(X)
        assert len(model.losses) == 1
        np.testing.assert_allclose(model.losses[0], (X**2).mean(), rtol=1e-5)


def test_masks_reach_who_wants_them():
    x = keras.Input((3,), dtype="int32")
    embedded = layers.Embedding(5, 2, mask_zero=True)(x)

    class Count(layers.Layer):
        def call(self, inputs, mask=None):
            return mask.sum(dim=1, keepdim=True)

    model = keras.Model(x, Count()(embedded))
    assert model(np.array([[1, 0, 2], [0, 0, 0]])).tolist() == [[2], [0]]
    no_mask = keras.Model(x, layers.Dense(1)(embedded))
    no_mask(np.array([[1, 0, 2]]))
    assert not any("ne" in n.name for n in no_mask.lowered().graph.nodes)


@pytest.mark.parametrize("after", [None, layers.Dense(2), layers.LSTM(2, return_sequences=True)])
def test_outputs_carry_their_masks(after):
    x = keras.Input((3,), dtype="int32")
    y = layers.Embedding(4, 2, mask_zero=True)(x)
    y = y if after is None else after(y)
    model = keras.Model(x, [layers.GlobalMaxPooling1D()(y), y])
    pooled, sequence = model(torch.tensor([[1, 2, 0], [3, 0, 0]]))
    assert not hasattr(pooled, "_keras_mask")
    assert sequence._keras_mask.tolist() == [[True, True, False], [True, False, False]]


@pytest.mark.parametrize("file", [None, "m.h5", "m.keras"])
def test_the_parts_of_dicts_count_by_their_keys(file, tmp_path):
    """As both Kerases have it: the layers' order, and so the weights', follows the sorted keys."""
    a, b = keras.Input((4,), name="right"), keras.Input((3,), name="left")
    outputs = {
        "sum": layers.Dense(2, name="first")(layers.Concatenate()([a, b])),
        "raw": layers.Dense(1, name="second")(a),
    }
    inner = keras.Model({"z": a, "y": b}, outputs, name="inner")
    assert [tuple(w.shape) for w in inner.weights] == [(4, 1), (1,), (7, 2), (2,)]
    assert [x.name for x in inner.inputs] == ["left", "right"]
    z, y = keras.Input((4,)), keras.Input((3,))
    found = inner({"z": z, "y": y})
    model = keras.Model([z, y], [found["raw"], found["sum"]])
    data = torch.ones(2, 4), torch.zeros(2, 3)
    want = inner({"z": data[0], "y": data[1]})
    if file:
        model.save(tmp_path / file)
        model = keras.models.load_model(tmp_path / file)
    raw, total = model(list(data))
    torch.testing.assert_close(raw, want["raw"])
    torch.testing.assert_close(total, want["sum"])


def test_a_model_that_is_its_own_subclass():
    class Branched(keras.Model):
        def __init__(self, units):
            x = keras.Input((4,))
            super().__init__(inputs=x, outputs=layers.Dense(units)(x))
            self.units = units

    model = Branched(3)
    assert isinstance(model, keras.Functional)
    assert model(X).shape == (3, 3)
    assert model.output_shape == (None, 3)


@pytest.mark.parametrize("options", [{}, {"backend": "eager", "fullgraph": True}])
def test_torch_compile_and_export(options):
    model = build()
    x = torch.tensor(X)
    if options:
        assert torch.allclose(torch.compile(model, **options)(x), model(x), atol=1e-6)
    else:
        exported = torch.export.export(model, (x,))
        assert torch.allclose(exported.module()(x), model(x), atol=1e-6)
        assert set(exported.state_dict) == set(model.state_dict())


def test_few_frames_above_the_first_torch_op():
    import sys

    x = keras.Input((4,))
    model = keras.Model(x, layers.Dense(3, activation="relu")(x))
    tensor = torch.tensor(X)
    model(tensor)
    depths = []

    def profile(frame, event, argument):
        if event == "c_call" and getattr(argument, "__name__", "") == "linear" and not depths:
            depth = 0
            while frame is not None and frame.f_code is not test_few_frames_above_the_first_torch_op.__code__:
                frame, depth = frame.f_back, depth + 1
            depths.append(depth)

    sys.setprofile(profile)
    try:
        model(tensor)
    finally:
        sys.setprofile(None)
    assert depths
    assert depths[0] <= 6


def test_states_are_reset():
    x = keras.Input(batch_shape=(2, 3, 4))
    model = keras.Model(x, layers.LSTM(5, stateful=True)(x))
    ones = np.ones((2, 3, 4))
    first, second = model.predict(ones, verbose=0), model.predict(ones, verbose=0)
    assert abs(first - second).max() > 1e-3
    model.reset_states()
    np.testing.assert_array_equal(model.predict(ones, verbose=0), first)


def test_a_model_learns_in_a_torch_loop():
    torch.manual_seed(0)
    keras.config.set_random_seed(0)
    x = keras.Input((8, 8, 3))
    h = layers.BatchNormalization()(
        layers.Conv2D(4, 3, activation="relu", kernel_regularizer=keras.regularizers.l2(1e-5))(x)
    )
    model = keras.Model(x, layers.Dense(1)(layers.GlobalAveragePooling2D()(h)))
    images = torch.randn(64, 8, 8, 3)
    wanted = images.mean((1, 2, 3), keepdim=True).flatten(1)
    optimizer = torch.optim.Adam(model.parameters(), 1e-2)
    model.train()
    history = []
    for _ in range(40):
        loss = nn.functional.mse_loss(model(images), wanted) + sum(model.losses)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        history.append(loss.item())
    assert history[-1] < history[0] / 3
    assert (model.layers[2].moving_mean.numpy() != 0).any()


def test_keywords_order_layers_as_they_are_given():
    """As in tf_keras 2.21, which tells weights apart by this order."""
    x = keras.Input((4, 6))
    q, k, v = (layers.Dense(4, name=name)(x) for name in ("q", "k", "v"))
    model = keras.Model(x, layers.MultiHeadAttention(2, 3)(q, v, key=k))
    again = keras.Model.from_config(model.get_config())
    for made in (model, again):
        assert [layer.name for layer in made.layers[1:4]] == ["q", "v", "k"]
