"""Functions as layers: the cases of tests/ops live, and models of functions in files, both ways."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from torch.utils import _pytree as pytree

import kerastorch
from compat_tests.operators import keras3_result, operation, tensorflow_result
from kerastorch.layers import KerasOp, TensorFlowOpLayer, TFOpLambda
from kerastorch.saving.dialects.operations import read_operation, written_operation
from tests.layers.test_operators import DRAWN
from tests.ops import image_cases, signal_cases
from tests.ops.arrays import filled
from tests.ops.keras3_cases import CASES as KERAS3_CASES
from tests.ops.tensorflow_cases import CASES, RAW_CASES
from tests.ops.test_recorded import assert_like

X = np.random.default_rng(0).normal(size=(3, 4, 6)).astype("float32")
Z = np.random.default_rng(1).normal(size=(3, 4, 6)).astype("float32")
INDICES = np.array([[0, 1, 3], [2, 2, 0], [1, 3, 3]], "int32")


def numbered(cases):
    return [pytest.param(case, id=f"{n}-{case.name}") for n, case in enumerate(cases)]


def has_gradients(case):
    """Whether floats go in, and more than indices come out."""
    found = []
    filled((case.args, case.kwargs), found)
    return any(x.dtype.kind == "f" for x in found) and "suppression" not in case.name


def check(layer, case, want):
    args, kwargs = filled((case.args, case.kwargs), [], torch.tensor)
    got = layer(*args, **kwargs)
    if all(isinstance(x, torch.Tensor) for x in pytree.tree_leaves(got)):
        assert_like(got, want)
    else:
        for a, b in zip(pytree.tree_leaves(got), np.concatenate([np.ravel(w) for w in want]), strict=True):
            assert a == b


@pytest.mark.parametrize("case", numbered(CASES))
def test_tensorflow(case):
    pytest.importorskip("tensorflow")
    check(TFOpLambda(case.name), case, tensorflow_result(case))


def gradients(case, function, watched, weighted, gradient):
    """The gradients of a weighted sum of what `function` returns, with regard to the floats among the case's arrays."""
    leaves = []

    def make(array):
        made = watched(array)
        leaves.extend([made] if array.dtype.kind == "f" else [])
        return made

    args, kwargs = filled((case.args, case.kwargs), [], make)
    return gradient(lambda: weighted(function(*args, **kwargs)), leaves)


@pytest.mark.parametrize(
    "case", [p for p in numbered(signal_cases.CASES + image_cases.CASES) if has_gradients(p.values[0])]
)
def test_gradients(case):
    tf = pytest.importorskip("tensorflow")

    def theirs(loss, leaves):
        with tf.GradientTape() as tape:
            total = loss()
        return [None if g is None else np.asarray(tf.convert_to_tensor(g)) for g in tape.gradient(total, leaves)]

    def their_sum(outputs):
        parts = [tf.abs(y) if y.dtype.is_complex else y for y in tf.nest.flatten(outputs) if not y.dtype.is_integer]
        return tf.add_n([tf.reduce_sum(y * np.cos(np.arange(tf.size(y))).reshape(y.shape)) for y in parts])

    def ours(loss, leaves):
        return torch.autograd.grad(loss(), leaves, allow_unused=True)

    def our_sum(outputs):
        parts = [
            y.abs() if y.is_complex() else y
            for y in pytree.tree_leaves(outputs)
            if y.dtype.is_floating_point or y.is_complex()
        ]
        return sum(
            torch.sum(y * torch.cos(torch.arange(y.numel(), dtype=torch.float64)).reshape(y.shape).to(y)) for y in parts
        )

    function = tf
    for part in case.name.split("."):
        function = getattr(function, part)
    try:
        want = gradients(case, function, tf.Variable, their_sum, theirs)
    except (LookupError, tf.errors.InvalidArgumentError) as error:
        pytest.skip(f"TensorFlow has no gradient of this: {str(error)[:80]}")
    got = gradients(
        case, TFOpLambda(case.name), lambda x: torch.tensor(x, requires_grad=x.dtype.kind == "f"), our_sum, ours
    )
    for g, w in zip(got, want, strict=True):
        if w is None or g is None:
            assert not np.any(w or 0) and not np.any(np.asarray(0 if g is None else g))
        else:
            np.testing.assert_allclose(g.numpy(), w, rtol=0, atol=1e-4 * max(float(np.abs(w).max()), 1e-3))


@pytest.mark.parametrize("case", numbered(KERAS3_CASES))
def test_keras3(case):
    pytest.importorskip("keras")
    check(KerasOp(case.name, case.made_with), case, keras3_result(case))


@pytest.mark.parametrize("case", numbered(RAW_CASES))
def test_operation(case):
    pytest.importorskip("tensorflow")
    node_def, raw, constants, want = operation(case)
    tensors = []
    filled(case.kwargs, [], lambda x: tensors.append(torch.tensor(x)))
    for written in (node_def, raw, json.dumps(node_def)):
        layer = TensorFlowOpLayer(written, "op", constants)
        got = pytree.tree_leaves(layer(tensors if len(tensors) > 1 else tensors[0]))
        assert_like(got, want[: len(got)])


def drawn_by_tensorflow():
    import tensorflow as tf
    from tf_keras import backend

    return {
        "reflected": lambda x, z, i: [
            1 + x, 2 - x, 2.0 * x, 2 / (x * x + 1), 2 // x, x % 2, (x * x) ** 0.5, 2**x, -x, abs(x),
        ],
        "comparisons": lambda x, z, i: [
            x < z, x <= 1, (x < z) & (x > 0), (x < z) | (x > 0), (x < z) ^ (x > 0), ~(x < z),
        ],
        "matrices": lambda x, z, i: [x @ tf.transpose(z, [0, 2, 1]), np.ones((6, 4), "float32") @ x],
        "slices": lambda x, z, i: [x[:, 0], x[:, tf.newaxis], x[0], x[1:], x[..., 0:2], x[:, ::-1], x[:, -1, 1:4:2]],
        "slices by tensors": lambda x, z, i: [
            x[:, tf.reduce_max(i)], x[:, tf.reduce_min(i) :], x[:, : tf.reduce_max(i), 1:3], x[..., tf.reduce_max(i) - 9, None],
            tf.slice(x, [0, tf.reduce_min(i), 0], [-1, 2, 3]), x[:, tf.reduce_min(i) : tf.reduce_min(i) + 2],
        ],
        "chosen": lambda x, z, i: [
            backend.switch(x > 0, x, z), backend.switch(tf.reduce_sum(x) > 0, x, z),
            backend.switch(x[:, 0, 0] > 0, x[:, 0, 0], 1 - x[:, 0, 0]),
            backend.switch(x[:, :1, 0] > 0, x[:, 0], z[:, 0]), backend.in_top_k(x[:, 0], i[:, 0], 2), backend.cast_to_floatx(i),
        ],
        "sound": lambda x, z, i: [
            tf.abs(tf.signal.stft(tf.reshape(x, [-1, 24]), 8, 4)), tf.signal.stft(x, 4, 2, window_fn=None),
            tf.signal.dct(x, norm="ortho"),
            tf.signal.inverse_stft(tf.signal.stft(x, 4, 2), 4, 2), tf.math.real(tf.signal.fft2d(tf.complex(x, z))),
        ],
        "size in a slice": lambda x, z, i: [x[:, : tf.shape(x)[1] - 1]],
        "sizes in reshapes": lambda x, z, i: [
            tf.reshape(x, [-1, 24]), tf.reshape(x, [tf.shape(x)[0], 24]), tf.reshape(x, tf.stack([tf.shape(x)[0], 24])),
            tf.reshape(x, tf.concat([tf.shape(x)[:1], [24]], 0)),
        ],
        "new tensors": lambda x, z, i: [
            tf.zeros([tf.shape(x)[0], 3]), tf.fill([tf.shape(x)[0], 3], 1.5), tf.ones_like(x), tf.range(tf.shape(x)[1]),
            tf.broadcast_to(x[:, :1], [tf.shape(x)[0], 4, 6]), tf.one_hot(i, 5),
            tf.cast(tf.shape(x)[1], tf.float32) * x,
        ],
        "joined": lambda x, z, i: [
            tf.concat([x, z], -1), tf.concat([x, tf.ones((1, 4, 6))], 0), tf.stack([x], 1), tf.add_n([x, z]),
        ],
        "parts": lambda x, z, i: [
            *tf.split(x, [1, 3], axis=1), *tf.unstack(x, axis=1), tf.gather(x, [0, 1], axis=1),
            tf.slice(x, [0, 0, 0], [-1, 2, 3]),
            tf.gather(x, i, axis=1, batch_dims=1), tf.strided_slice(x, [0, 0, 0], [1, 2, 3]),
            tf.boolean_mask(x, x[:, 0, 0] > 0),
        ],
        "reductions": lambda x, z, i: [
            tf.reduce_mean(x, 1), tf.reduce_sum(x, [1, 2], keepdims=True), tf.norm(x, axis=-1), tf.argmax(x, -1),
            *tf.nn.moments(x, [1]),
            *tf.math.top_k(x, 2), tf.cumsum(x, 1), tf.math.reduce_logsumexp(x, -1),
        ],
        "activations": lambda x, z, i: [
            tf.nn.relu(x), tf.nn.swish(x), tf.nn.leaky_relu(x, 0.1), tf.nn.gelu(x), tf.nn.softmax(x, 1),
            tf.nn.l2_normalize(x, -1),
        ],
        "selected": lambda x, z, i: [
            tf.where(x > 0, x, z), tf.where(x > 0, 1.0, x), tf.maximum(x, 0.0), tf.clip_by_value(x, 0, 1),
        ],
        "shapes": lambda x, z, i: [
            tf.pad(x, [[0, 0], [1, 1], [0, 0]], constant_values=1.0), tf.tile(x, [1, 2, 1]),
            tf.squeeze(x[:, :1], axis=[1]),
            tf.transpose(x), tf.expand_dims(x, 1), tf.repeat(x, 2, axis=-1), tf.identity(x), tf.cast(x, "float16"),
        ],
        "images": lambda x, z, i: [
            tf.image.resize(x[..., None], (8, 8)),
            tf.nn.conv2d(x[..., None], np.ones((2, 2, 1, 3), "float32"), 1, "SAME"),
            tf.nn.bias_add(x, np.arange(6, dtype="float32")), tf.nn.max_pool2d(x[..., None], 2, 2, "SAME"),
            tf.nn.depth_to_space(tf.reshape(x, [-1, 2, 3, 4]), 2),
        ],
        "the backend's": lambda x, z, i: [
            backend.mean(x, axis=1), backend.concatenate([x, z]), backend.permute_dimensions(x, (0, 2, 1)),
            backend.softmax(x),
            backend.resize_images(x[..., None], 2, 2, "channels_last"),
            backend.batch_dot(x, tf.transpose(z, [0, 2, 1])),
        ],
        "constants": lambda x, z, i: [
            tf.math.multiply([1.0] * 6, x), x * np.arange(6, dtype="float32"), tf.matmul(x, np.ones((6, 2), "float32")),
        ],
    }  # fmt: skip


@pytest.mark.parametrize(
    "what",
    ["reflected", "comparisons", "matrices", "slices", "slices by tensors", "chosen",
     "sound", "size in a slice", "sizes in reshapes", "new tensors", "joined", "parts",
     "reductions", "activations", "selected", "shapes", "images", "the backend's", "constants"],
)  # fmt: skip
def test_models_of_tf_keras(tf_keras, what, tmp_path):
    tf_keras.backend.clear_session()
    x, z, i = tf_keras.Input((4, 6)), tf_keras.Input((4, 6)), tf_keras.Input((3,), dtype="int32")
    original = tf_keras.Model([x, z, i], drawn_by_tensorflow()[what](x, z, i))
    data = [X, Z, INDICES]
    want = [np.asarray(y) for y in pytree.tree_leaves(original(data))]
    original.save(tmp_path / "theirs.h5")
    model = kerastorch.models.load_model(tmp_path / "theirs.h5", device="cpu")
    assert [layer.name for layer in model.layers] == [layer.name for layer in original.layers]
    assert_like(model(data), want)
    model.save(tmp_path / "ours.h5")
    again = tf_keras.models.load_model(tmp_path / "ours.h5", compile=False)
    assert_like([np.asarray(y) for y in pytree.tree_leaves(again(data))], want)


@pytest.mark.parametrize("name", DRAWN)
def test_what_users_draw_opens_in_tf_keras(tf_keras, name, tmp_path):
    tf_keras.backend.clear_session()
    x = kerastorch.Input((4, 6))
    model = kerastorch.Model(x, DRAWN[name](x))
    model.save(tmp_path / "ours.h5")
    loaded = tf_keras.models.load_model(tmp_path / "ours.h5", compile=False)
    assert_like(model(X), [np.asarray(y) for y in pytree.tree_leaves(loaded(X))])


@pytest.mark.parametrize("case", numbered([case for case in KERAS3_CASES if case.made_with]))
def test_operations_written_for_keras3(keras3, case):
    """What is written makes the same operation in Keras 3, and is read as it was written."""
    from keras.src.saving import serialization_lib

    layer = KerasOp(case.name, case.made_with, name="op")
    written = written_operation(json.loads(json.dumps(layer.get_config())))
    made = serialization_lib.deserialize_keras_object(written)
    assert type(made).__module__.rpartition(".")[2] + "." + type(made).__name__ == case.name
    assert read_operation(written)["config"]["operation"] == case.name
