"""The lowered graph: what is in it, where the permutes went, and the source written from it."""

from __future__ import annotations

import inspect
import subprocess
import sys

import numpy as np
import pytest
import torch
from torch import nn
from torch.utils import _pytree as pytree

import kerastorch as keras
from kerastorch import layers


@pytest.fixture(autouse=True)
def fresh_names():
    keras.backend.clear_session()


def permutes(model):
    return [n for n in model.lowered().graph.nodes if n.op == "call_method" and n.target == "permute"]


def residual():
    x = inputs = keras.Input((16, 12, 3))
    x = layers.Conv2D(8, 3, strides=2, padding="same", use_bias=False)(x)
    x = layers.ReLU()(layers.BatchNormalization()(x))
    y = layers.Conv2D(8, 3, padding="same")(x)
    y = layers.Activation("relu")(layers.BatchNormalization()(y))
    y = layers.Dropout(0.3)(layers.LeakyReLU()(y))
    x = layers.Add()([x, y])
    x = layers.Concatenate()([x, layers.Conv2D(4, 1)(x)])
    x = layers.MaxPooling2D(padding="same")(layers.ZeroPadding2D(1)(x))
    x = layers.AveragePooling2D()(x) * 2.0
    return keras.Model(inputs, layers.Dense(5)(layers.GlobalAveragePooling2D()(x)))


def step_by_step(model, x):
    """The same model, layer by layer, nothing lowered."""
    with torch.no_grad():
        return model.run_nodes([x])


X = torch.randn(2, 16, 12, 3, generator=torch.Generator().manual_seed(0))


def test_a_convnet_has_one_permute_at_its_door():
    model = residual()
    for w in model.weights:
        w.assign(np.random.default_rng(0).uniform(0.5, 1, w.shape) / 10)
    (only,) = permutes(model)
    assert only.args[0].op == "placeholder"
    want = step_by_step(model, X)
    assert torch.allclose(model(X), want, atol=1e-5 * want.abs().max())
    assert torch.allclose(model.to_torch()(X), want, atol=1e-5 * want.abs().max())


CASES = {
    "softmax over channels": (lambda x: layers.Softmax()(x), 2),
    "softmax over rows": (lambda x: layers.Softmax(axis=1)(x), 2),
    "flatten cares for the layout": (lambda x: layers.Flatten()(x), 2),
    "mean over channels": (lambda x: x.mean(dim=-1), 2),
    "mean over rows and columns": (lambda x: x.mean(dim=(1, 2)), 1),
    "sum over rows, kept": (lambda x: torch.sum(x, dim=1, keepdim=True), 2),
    "greatest of channels, first axis": (lambda x: torch.amax(x, dim=(0, 3)), 1),
    "concatenation of rows": (lambda x: torch.cat([x, x], dim=1), 2),
    "a vector added to channels": (lambda x: x + torch.arange(4.0), 2),
    "a product with itself": (lambda x: x * x, 2),
    "another permute": (lambda x: x.permute(0, 3, 1, 2), 1),
    "a permute back and forth": (lambda x: x.permute(0, 2, 1, 3).permute(0, 2, 1, 3), 2),
    "a matrix product": (lambda x: layers.Dense(3)(x), 2),
    "an index": (lambda x: x[:, 1:, :, 0], 2),
}


@pytest.mark.parametrize(("end", "left"), CASES.values(), ids=CASES)
def test_layout(end, left):
    inputs = keras.Input((6, 5, 3))
    x = layers.Conv2D(4, 3)(inputs)
    model = keras.Model(inputs, end(torch.relu(x)))
    x = torch.randn(2, 6, 5, 3)
    want = step_by_step(model, x)
    got = model(x)
    assert got.shape == want.shape
    assert torch.allclose(got, want, atol=1e-5)
    assert len(permutes(model)) <= left


def test_the_layers_are_seen_through():
    model = residual()
    kinds = {type(m) for n, m in model.lowered().named_modules() if n}
    assert nn.Linear in kinds
    assert nn.Conv2d in kinds
    assert not any(issubclass(kind, layers.Layer) for kind in kinds)


def test_the_graph_module_is_on_the_models_own_weights():
    model = residual()
    lowered = model.lowered()
    before = lowered(X)
    model.weights[-1].assign(model.weights[-1].numpy() + 1)
    assert torch.allclose(lowered(X), before + 1, atol=1e-5)


def test_plain_torch_has_no_kerastorch_in_it(tmp_path):
    model = residual()
    plain = model.to_torch()
    assert {type(module).__module__.partition(".")[0] for module in plain.modules()} == {"torch", "kerastorch_exported"}
    source = model.torch_source()
    assert inspect.getsource(type(plain).forward) in source
    (tmp_path / "written.py").write_text(source)
    torch.save(plain.state_dict(), tmp_path / "weights.pt")
    torch.save(X, tmp_path / "x.pt")
    torch.save(model(X).detach(), tmp_path / "y.pt")
    script = (
        "import sys, torch, written; m = written.Model(); m.load_state_dict(torch.load('weights.pt')); m.eval();"
        "assert torch.allclose(m(torch.load('x.pt')), torch.load('y.pt'), atol=1e-5);"
        "assert not any('keras' in name for name in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", script], cwd=tmp_path, check=True)


def a_cell_of_a_user():
    x = keras.Input((3, 2))
    cell = type("Own", (layers.SimpleRNNCell,), {"call": lambda self, x, states: (x, states)})
    return keras.Model(x, layers.RNN(cell(2), name="over_time")(x))


def text():
    x = keras.Input((1,), dtype="string", name="words")
    return keras.Model(x, layers.StringLookup(vocabulary=["a"])(x))


def digits():
    x = keras.Input((1,), dtype="int64")
    return keras.Model(x, layers.Hashing(3, name="hashes")(x))


@pytest.mark.parametrize(
    ("make", "says"), [(a_cell_of_a_user, "over_time.*a cell"), (text, "words.*strings"), (digits, "hashes.*text")]
)
def test_what_cannot_be_plain_torch_is_named(make, says):
    with pytest.raises(ValueError, match=f"cannot be written as plain torch: .*{says}"):
        make().to_torch()


def test_plain_torch_is_independent_and_trains():
    model = residual()
    plain = model.to_torch()
    y = model(X).detach()
    plain.train()
    loss = plain(X).square().sum()
    loss.backward()
    torch.optim.SGD(plain.parameters(), 0.1).step()
    assert torch.equal(model(X), y)


def test_a_frozen_norm_stays_frozen_in_plain_torch():
    inputs = keras.Input((4,))
    norm = layers.BatchNormalization(trainable=False)
    plain = keras.Model(inputs, norm(inputs)).to_torch().train()
    x = torch.randn(8, 4)
    assert torch.allclose(plain(x), x / np.sqrt(1.001), atol=1e-5)
    assert not any(p.requires_grad for p in plain.parameters())


def test_what_nobody_uses_goes():
    inputs = keras.Input((3,), dtype="int32")
    x = layers.Embedding(5, 4, mask_zero=True)(inputs)
    model = keras.Model(inputs, layers.Flatten()(x))
    assert not [n for n in model.lowered().graph.nodes if n.target is torch.ne]


@pytest.mark.parametrize("how", ["compile", "export"])
def test_torch_takes_the_convnet(how):
    model = residual()
    want = model(X).detach()
    if how == "compile":
        got = torch.compile(model, fullgraph=True, backend="eager")(X)
    else:
        exported = torch.export.export(model, (X,))
        got = exported.module()(X)
    assert torch.allclose(got, want, atol=1e-5)


def test_lowering_in_one_thread_does_not_disturb_another():
    import threading

    model, other = residual(), nn.Sequential(nn.Linear(4, 4), nn.ReLU())
    failures, stop = [], threading.Event()

    def run():
        while not stop.is_set():
            try:
                other(torch.ones(1, 4))
                other[0].weight + 1
            except Exception as error:
                failures.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    for _ in range(5):
        model.lowered()
    stop.set()
    thread.join()
    assert failures == []


def test_a_users_layer_of_nested_outputs():
    class Parts(keras.layers.Layer):
        def call(self, inputs):
            return inputs, [inputs + 1, {"a": inputs + 2}]

    x = keras.Input((2,))
    parts = Parts()(x)
    model = keras.Model(x, [parts[1][1]["a"], parts])
    assert [y.tolist() for y in pytree.tree_leaves(model(torch.zeros(1, 2)))] == [[[n, n]] for n in (2, 0, 1, 2)]
