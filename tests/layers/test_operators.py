"""TensorFlow's and Keras 3's functions as layers: how files hold them, what users draw, sizes, replacements, errors."""

from __future__ import annotations

import copy
import json
import pickle
import zipfile
from typing import Any

import numpy as np
import pytest
import torch
from torch.nn import functional as F

import kerastorch as keras
from kerastorch.layers import KerasOp, SlicingOpLambda, TensorFlowOpLayer, TFOpLambda
from kerastorch.saving.dialects.operations import read_operation, written_call, written_operation
from kerastorch.saving.dialects.tf_functions import as_operation
from kerastorch.saving.origin import Origin
from kerastorch.saving.text import model_from_config

X = np.random.default_rng(0).normal(size=(3, 4, 6)).astype("float32")
PLAIN = {"trainable": True, "dtype": "float32"}


def described(*layers: dict[str, Any], outputs: list[Any]) -> str:
    """A model's JSON: one input x of shape (None, 4, 6), the layers given, the outputs given."""
    begin = {"batch_input_shape": [None, 4, 6], "dtype": "float32", "sparse": False, "ragged": False, "name": "x"}
    first = {"class_name": "InputLayer", "config": begin, "name": "x", "inbound_nodes": []}
    ends = {"input_layers": [["x", 0, 0]], "output_layers": outputs}
    config = {"name": "m", "trainable": True, "layers": [first, *layers], **ends}
    return json.dumps(
        {"class_name": "Functional", "config": config, "keras_version": "2.11.0", "backend": "tensorflow"}
    )


def op(name: str, node: Any, kind: str = "TFOpLambda") -> dict[str, Any]:
    """A layer as tf.keras writes it, called once."""
    function = name.removeprefix("tf.").rsplit("_9", 1)[0]
    config = {"name": name, **PLAIN, "function": function}
    return {"class_name": kind, "config": config, "name": name, "inbound_nodes": [node]}


def slices(*parts: Any) -> dict[str, Any]:
    """The keyword of a slice."""
    return {
        "slice_spec": [
            dict(zip(("start", "stop", "step"), p, strict=True)) if isinstance(p, tuple) else p for p in parts
        ]
    }


ALL = (None, None, None)


@pytest.mark.parametrize(
    "layers, want",
    [
        ([op("tf.math.multiply", ["x", 0, 0, {"y": 2, "name": None}])], X * 2),
        ([op("tf.math.subtract", ["_CONSTANT_VALUE", -1, 1.0, {"y": ["x", 0, 0], "name": None}])], 1 - X),
        ([op("tf.math.multiply", [["_CONSTANT_VALUE", -1, n, {"y": ["x", 0, 0]}] for n in range(6)])], X * np.arange(6)),
        ([op("tf.concat", [["x", 0, 0, {"axis": 1}], ["x", 0, 0, {"axis": 1}]])], np.concatenate([X, X], 1)),
        ([op("tf.stack", [["x", 0, 0, {"axis": 1}]])], X[:, None]),
        ([op("tf.concat", [["x", 0, 0, {"axis": 0}], ["_CONSTANT_VALUE", -1, [[[5.0] * 6] * 4], {"axis": 0}]])],
         np.concatenate([X, np.full((1, 4, 6), 5.0)], 0)),
        ([op("tf.compat.v1.transpose", ["x", 0, 0, {"perm": [0, 2, 1], "name": "transpose", "conjugate": False}])],
         X.transpose(0, 2, 1)),
        ([op("tf.__operators__.getitem", ["x", 0, 0, slices(ALL, (1, 3, None))], "SlicingOpLambda")], X[:, 1:3]),
        ([op("tf.__operators__.getitem", ["x", 0, 0, slices({"class_name": "__ellipsis__"}, -1)], "SlicingOpLambda")],
         X[..., -1]),
        ([op("tf.__operators__.getitem", ["x", 0, 0, slices(ALL, None, (None, None, 2))], "SlicingOpLambda")], X[:, None, ::2]),
        ([op("tf.__operators__.getitem", ["x", 0, 0, slices(ALL, (None, None, -1))], "SlicingOpLambda")], X[:, ::-1]),
        ([op("tf.__operators__.getitem", ["x", 0, 0, slices(ALL, (-2, 0, -1))], "SlicingOpLambda")], X[:, -2:0:-1]),
        ([op("tf.__operators__.getitem", ["x", 0, 0, {"slice_spec": 1}], "SlicingOpLambda")], X[1]),
        ([op("tf.compat.v1.shape", ["x", 0, 0, {"name": None, "out_type": "int32"}]),
          op("tf.__operators__.getitem", ["tf.compat.v1.shape", 0, 0, {"slice_spec": 1}], "SlicingOpLambda"),
          op("tf.math.subtract", ["tf.__operators__.getitem", 0, 0, {"y": 1, "name": None}]),
          op("tf.__operators__.getitem_9", ["x", 0, 0, slices(ALL, (None, ["tf.math.subtract", 0, 0], None))],
             "SlicingOpLambda")],
         X[:, :3]),
        ([op("tf.compat.v1.shape", ["x", 0, 0, {"name": None, "out_type": "int32"}]),
          op("tf.__operators__.getitem", ["tf.compat.v1.shape", 0, 0, {"slice_spec": 0}], "SlicingOpLambda"),
          op("tf.reshape", ["x", 0, 0, {"shape": [["tf.__operators__.getitem", 0, 0], 24]}])], X.reshape(3, 24)),
        ([op("tf.compat.v1.shape", ["x", 0, 0, {"name": None, "out_type": "int32"}]),
          op("tf.__operators__.getitem", ["tf.compat.v1.shape", 0, 0, {"slice_spec": {"start": None, "stop": 1, "step": None}}],
             "SlicingOpLambda"),
          op("tf.concat", [["tf.__operators__.getitem", 0, 0, {"axis": 0}], [["_CONSTANT_VALUE", -1, 24, {"axis": 0}]]]),
          op("tf.reshape", ["x", 0, 0, {"shape": ["tf.concat", 0, 0]}])], X.reshape(3, 24)),
        ([op("tf.compat.v1.shape", ["x", 0, 0, {"name": None, "out_type": "int32"}]),
          op("tf.__operators__.getitem", ["tf.compat.v1.shape", 0, 0, {"slice_spec": 0}], "SlicingOpLambda"),
          op("tf.zeros", [["tf.__operators__.getitem", 0, 0, {}], ["_CONSTANT_VALUE", -1, 2, {}]])], np.zeros((3, 2))),
    ],
)  # fmt: skip
def test_nodes_as_tf_keras_writes_them(layers, want, tmp_path):
    model = keras.models.model_from_json(described(*layers, outputs=[[layers[-1]["name"], 0, 0]]))
    np.testing.assert_allclose(model.predict(X, verbose=0), want, atol=1e-6)
    assert [layer.name for layer in model.layers[1:]] == [layer["name"] for layer in layers]
    written = json.loads(model.to_json())["config"]["layers"][1:]
    for got, given in zip(written, layers, strict=True):
        assert got["config"] == given["config"]
        if "_CONSTANT_VALUE" not in json.dumps(given):  # a list of constants is written as one
            assert without_names(got["inbound_nodes"]) == without_names(given["inbound_nodes"])
    model.save(tmp_path / "m.h5")
    again = keras.models.load_model(tmp_path / "m.h5")
    np.testing.assert_array_equal(again.predict(X, verbose=0), model.predict(X, verbose=0))


def without_names(x: Any) -> Any:
    """The config without what says nothing: the name of a graph's node."""
    if isinstance(x, dict):
        return {key: without_names(value) for key, value in x.items() if key != "name"}
    return [without_names(y) for y in x] if isinstance(x, list) else x


# Sizes


def sized_model() -> Any:
    x = keras.Input((None, 6))
    shape = TFOpLambda("compat.v1.shape")(x)
    batch, length = (
        SlicingOpLambda("__operators__.getitem")(shape, 0),
        SlicingOpLambda("__operators__.getitem")(shape, 1),
    )
    flat = TFOpLambda("reshape")(x, shape=[batch, length * 6])
    also = TFOpLambda("reshape")(x, TFOpLambda("stack")([batch, TFOpLambda("math.multiply")(length, 6)]))
    ones = TFOpLambda("fill")([batch, 2], value=1.5)
    scaled = TFOpLambda("math.multiply")(ones, TFOpLambda("cast")(length, dtype="float32"))
    return keras.Model(x, [flat, also, scaled, TFOpLambda("range")(length), shape])


def sizes_of(outputs: Any) -> list[tuple[int, ...]]:
    return [tuple(y.shape) for y in outputs]


def test_sizes_at_run_time():
    model = sized_model()
    assert [y.shape for y in model.outputs] == [(None, None), (None, None), (None, 2), (None,), (3,)]
    for batch, length in ((2, 5), (1, 3)):
        outputs = model(np.zeros((batch, length, 6), "float32"))
        assert sizes_of(outputs) == [(batch, 6 * length), (batch, 6 * length), (batch, 2), (length,), (3,)]
        assert torch.equal(outputs[2], torch.full((batch, 2), 1.5 * length))
        assert outputs[4].tolist() == [batch, length, 6] and outputs[4].dtype is torch.int32


@pytest.mark.parametrize("made", [copy.deepcopy, lambda m: pickle.loads(pickle.dumps(m)), keras.models.clone_model])
def test_sizes_in_copies(made):
    model = made(sized_model())
    assert sizes_of(model(torch.zeros(2, 7, 6))) == [(2, 42), (2, 42), (2, 2), (7,), (3,)]


def test_sizes_in_plain_torch_and_export():
    plain = sized_model().to_torch()
    assert sizes_of(plain(torch.zeros(2, 7, 6))) == [(2, 42), (2, 42), (2, 2), (7,), (3,)]
    batch, length = torch.export.Dim("batch"), torch.export.Dim("length")
    program = torch.export.export(plain, (torch.zeros(4, 3, 6),), dynamic_shapes=({0: batch, 1: length},))
    assert sizes_of(program.module()(torch.zeros(2, 7, 6))) == [(2, 42), (2, 42), (2, 2), (7,), (3,)]


def test_sizes_go_into_other_layers_as_tensors():
    x = keras.Input((None, 6))
    length = TFOpLambda("cast")(TFOpLambda("compat.v1.shape")(x), dtype="float32")
    model = keras.Model(x, keras.layers.Lambda(lambda n: n * 2)(length))
    assert model(torch.zeros(2, 5, 6)).tolist() == [4, 10, 12]


def test_masks_of_values():
    x = keras.Input((4,))
    model = keras.Model(x, TFOpLambda("boolean_mask")(x, x[:, 0] > 0))
    assert model.output_shape == (None, 4)
    assert model(torch.tensor([[1.0, 2, 3, 4], [-1, 2, 3, 4]])).tolist() == [[1, 2, 3, 4]]


# Functions that the tables lack


def broken() -> str:
    return described(
        op("tf.nn.foo", ["x", 0, 0, {"rate": 2}]),
        op("tf.raw_ops.Bar", ["tf.nn.foo", 0, 0, {"y": ["x", 0, 0], "name": None}]),
        {
            "class_name": "Mine",
            "config": {"name": "mine"},
            "name": "mine",
            "inbound_nodes": [[["tf.raw_ops.Bar", 0, 0, {}]]],
        },
        outputs=[["mine", 0, 0]],
    )


def test_all_unknown_functions_and_layers_are_told_at_once():
    with pytest.raises(ValueError) as error:
        keras.models.model_from_json(broken())
    for part in (
        "'tf.nn.foo'",
        "'tf.raw_ops.Bar'",
        "Mine 'mine'",
        "custom_objects={'tf.nn.foo': ..., 'tf.raw_ops.Bar': ...}",
    ):
        assert part in str(error.value)


class Mine(keras.layers.Layer):
    def call(self, x):
        return x + 1


@pytest.mark.parametrize("foo", ["tf.nn.foo", "nn.foo"])
def test_replacements(foo, tmp_path):
    given = {foo: lambda x, rate: x * rate, "tf.raw_ops.Bar": lambda x, y: x - y, "Mine": Mine}
    model = keras.models.model_from_json(broken(), given)
    np.testing.assert_allclose(model.predict(X, verbose=0), X + 1, atol=1e-6)
    model.save(tmp_path / "m.h5")
    again = keras.models.load_model(tmp_path / "m.h5", custom_objects=given)
    np.testing.assert_array_equal(again.predict(X, verbose=0), model.predict(X, verbose=0))


def test_a_replacement_takes_the_place_of_a_known_function():
    text = described(op("tf.math.multiply", ["x", 0, 0, {"y": 2, "name": None}]), outputs=[["tf.math.multiply", 0, 0]])
    model = keras.models.model_from_json(text, {"tf.math.multiply": lambda x, y: x * y + 1})
    np.testing.assert_allclose(model.predict(X, verbose=0), X * 2 + 1, atol=1e-6)


@pytest.mark.parametrize(
    "make, named",
    [
        (lambda: TFOpLambda("nn.foo"), "tf.nn.foo"),
        (lambda: TFOpLambda("os.system"), "tf.os.system"),
        (lambda: KerasOp("numpy.Foo"), "numpy.Foo"),
        (lambda: keras.layers.ClassMethod("RaggedTensor", "from_row_splits"), "tf.RaggedTensor.from_row_splits"),
        (lambda: keras.layers.InstanceProperty("row_splits"), "row_splits"),
        (lambda: TensorFlowOpLayer({"op": "Foo", "name": "foo"}, "foo"), "tf.raw_ops.Foo"),
    ],
)
def test_unknown_names(make, named):
    with pytest.raises(ValueError, match=f"custom_objects={{'{named}'"):
        make()


@pytest.mark.parametrize("node_def", [b"\xff\xff", "\x01", {"name": "x"}, 3, "{"])
def test_node_defs_that_cannot_be_read(node_def):
    with pytest.raises(ValueError, match="node_def"):
        TensorFlowOpLayer(node_def, "x")


def test_operations_in_every_form():
    """As TensorFlow 1.14 to 2.3 wrote them: JSON, protobuf's bytes, and constants by position."""
    written = {"name": "m", "op": "Mul", "input": ["x", "m/y"], "attr": {"T": {"type": "DT_FLOAT"}}}
    raw = b"\n\x01m\x12\x03Mul\x1a\x01x\x1a\x03m/y*\x07\n\x01T\x12\x020\x01"
    for node_def in (written, json.dumps(written), raw, raw.decode()):
        layer = TensorFlowOpLayer(node_def, "m", constants={"1": 3.0})
        assert layer.name == "tf_op_layer_m" and layer.node_def.to_dict() == written
        x = keras.Input((4,))
        model = keras.Model(x, layer(x))
        assert model(torch.ones(1, 4)).tolist() == [[3, 3, 3, 3]]
        again = keras.Model.from_config(model.get_config())
        assert again(torch.ones(1, 4)).tolist() == [[3, 3, 3, 3]]


# What users draw

DRAWN = {
    "__operators__.add": lambda x: x + 1,
    "math.subtract": lambda x: 1 - x,
    "math.multiply": lambda x: x * torch.arange(6.0),
    "math.truediv": lambda x: 1 / (x * x + 1),
    "compat.v1.floor_div": lambda x: x // 2,
    "math.floormod": lambda x: x % 2,
    "math.pow": lambda x: x**2,
    "math.negative": lambda x: -x,
    "math.abs": lambda x: abs(x),
    "math.greater": lambda x: x > 0,
    "linalg.matmul": lambda x: x @ x.transpose(1, 2),
    "__operators__.getitem": lambda x: x[:, 1:, ..., None],
    "nn.relu": lambda x: torch.relu(x),
    "math.sigmoid": lambda x: x.sigmoid(),
    "math.tanh": lambda x: torch.tanh(x),
    "math.exp": lambda x: x.exp(),
    "math.log": lambda x: torch.log(x.abs() + 1),
    "math.sqrt": lambda x: torch.sqrt(x.abs()),
    "math.square": lambda x: torch.square(x),
    "math.reduce_mean": lambda x: x.mean(dim=(1, 2), keepdim=True),
    "math.reduce_sum": lambda x: torch.sum(x, 1),
    "math.reduce_max": lambda x: torch.amax(x, dim=-1),
    "concat": lambda x: torch.cat([x, x], dim=-1),
    "stack": lambda x: torch.stack([x, x], 1),
    "reshape": lambda x: x.reshape(-1, 24),
    "compat.v1.transpose": lambda x: x.permute(0, 2, 1),
    "compat.v1.squeeze": lambda x: x[:, :1].squeeze(1),
    "expand_dims": lambda x: x.unsqueeze(-1),
    "clip_by_value": lambda x: x.clamp(-0.5, 0.5),
    "math.maximum": lambda x: x.clamp(min=0.1),
    "math.minimum": lambda x: torch.minimum(x, x * 2),
    "nn.softmax": lambda x: torch.softmax(x, dim=-1),
    "nn.gelu": lambda x: F.gelu(x),
    "nn.leaky_relu": lambda x: F.leaky_relu(x, 0.2),
    "where": lambda x: torch.where(x > 0, x, x * 2),
    "tile": lambda x: x.repeat(1, 2, 1),
    "split": lambda x: torch.split(x, 2, dim=1)[1],
    "unstack": lambda x: torch.unbind(x, 1)[2],
    "reverse": lambda x: x.flip(1),
    "compat.v1.pad": lambda x: F.pad(x, (1, 0, 0, 2)),
    "cast": lambda x: x.to(torch.float64),
    "math.argmax": lambda x: x.argmax(-1),
    "math.cumsum": lambda x: torch.cumsum(x, 1),
}


@pytest.mark.parametrize("name", DRAWN)
def test_drawn_functions_are_tensorflows(name):
    x = keras.Input((4, 6))
    model = keras.Model(x, DRAWN[name](x))
    assert name in [layer.function for layer in model.layers if isinstance(layer, TFOpLambda)]
    assert not any(type(layer).__name__ == "TorchFunction" for layer in model.layers)
    want = DRAWN[name](torch.tensor(X))
    torch.testing.assert_close(model(X), want)
    again = keras.models.model_from_json(model.to_json())
    torch.testing.assert_close(again(X), want)


@pytest.mark.parametrize(
    "function",
    [
        lambda x: torch.einsum("bij,bkj->bik", x, x),
        lambda x: x * torch.tensor(2.0, dtype=torch.float64),
        lambda x: torch.median(x, dim=1)[0],
        lambda x: torch.squeeze(x, 1),
        lambda x: torch.sum(x, dim=1, dtype=torch.float64),
        lambda x: torch.add(x, x, alpha=2),
    ],
)
def test_other_torch_functions_stay_torchs(function):
    x = keras.Input((4, 6))
    model = keras.Model(x, function(x))
    assert any(type(layer).__name__ == "TorchFunction" for layer in model.layers)
    torch.testing.assert_close(model(X), function(torch.tensor(X)))
    again = keras.models.model_from_json(model.to_json())
    torch.testing.assert_close(again(X), function(torch.tensor(X)))


def test_constants_follow_the_model():
    x = keras.Input((2,))
    model = keras.Model(x, x * torch.tensor([1.0, 2.0]))
    assert not model.state_dict() and not model.weights
    half = model.to(torch.float16)
    assert half(torch.ones(1, 2, dtype=torch.float16)).dtype is torch.float16
    x = keras.Input((2,))
    assert "constant_0" in keras.Model(x, x * torch.tensor([1.0, 3.0])).torch_source()


def test_drawn_models_are_readable_torch():
    keras.backend.clear_session()
    x = keras.Input((4, 6))
    model = keras.Model(x, torch.relu(x * 2 + 1)[:, 1:].mean(1))
    lines = [line.strip() for line in model.torch_source().splitlines()]
    assert "torch.relu(add)" in lines[lines.index("# tf.nn.relu (TFOpLambda)") + 1]
    torch.testing.assert_close(model.to_torch()(torch.tensor(X)), model(X))


# As Keras 3's operations

WITHOUT_OPERATION = ("math.argmax",)
"""Keras 3's is of another dtype."""


@pytest.mark.parametrize("name", DRAWN)
def test_drawn_functions_as_keras3s_operations(name):
    x = keras.Input((4, 6))
    model = keras.Model(x, DRAWN[name](x))
    config = json.loads(json.dumps(model.get_config()))
    layers = config["layers"]
    made = [as_operation(layer) for layer in layers]
    without = [layer["config"].get("function") for layer, op in zip(layers, made, strict=True) if op is None]
    assert [function for function in without if function is not None and function not in WITHOUT_OPERATION] == []
    config["layers"] = [op or layer for layer, op in zip(layers, made, strict=True)]
    again = keras.Model.from_config(config)
    torch.testing.assert_close(again(X), model(X))


def test_operations_keep_args_and_kwargs_apart():
    key = {"class_name": "tuple", "config": [{"class_name": "slice", "config": [None, 1, None]}]}
    call = [[["x", 0, 0], 2, key], {"k": ["y", 0, 1]}]
    written = written_call(call, lambda x: {"class_name": "__keras_tensor__", "config": {"keras_history": x}})
    cut = {"class_name": "__slice__", "config": {"start": None, "stop": 1, "step": None}}
    assert written["args"][1:] == [2, [cut]]
    identity = {"module": "keras.src.ops.numpy", "class_name": "Clip", "config": {"name": "c", "x_min": 0}}
    read = read_operation({**identity, "inbound_nodes": [written]})
    call[0][2] = key["config"]  # Keras 3 has no tuples in calls
    assert read["inbound_nodes"] == [[["x", 0, 0, {"kerastorch_call": call}]]]
    assert written_operation(read["config"]) == {**identity, "registered_name": "Clip"}


@pytest.mark.parametrize(
    ("operation", "constant", "want"),
    [
        ("Add", {"value": [1, 2, 3], "dtype": "int64"}, [2.0, 4.0, 6.0]),
        ("Divide", {"value": [1.0, 2.0, 4.0], "dtype": "float64"}, [1.0, 1.0, 0.75]),
        ("Multiply", {"value": 2.0, "dtype": "float32"}, [2.0, 4.0, 6.0]),
    ],
)
@pytest.mark.parametrize("kind", ["__numpy__", "__tensor__"])
def test_arrays_among_the_arguments_of_an_operation_keep_their_dtype(operation, constant, want, kind, tmp_path):
    x = {
        "class_name": "__keras_tensor__",
        "config": {"shape": [None, 3], "dtype": "float32", "keras_history": ["x", 0, 0]},
    }
    node = {"args": [x, {"class_name": kind, "config": constant}], "kwargs": {}}
    config = {
        "name": "m",
        "layers": [
            {"module": "keras.layers", "class_name": "InputLayer", "name": "x", "inbound_nodes": [], "config": {
                "batch_shape": [None, 3], "dtype": "float32", "name": "x"}},
            {"module": "keras.src.ops.numpy", "class_name": operation, "name": "op", "inbound_nodes": [node],
             "config": {"name": "op"}},
        ],
        "input_layers": ["x", 0, 0], "output_layers": ["op", 0, 0],
    }  # fmt: skip
    model = model_from_config({"class_name": "Functional", "config": config}, None, Origin(3))
    data = torch.tensor([[1.0, 2.0, 3.0]])
    result = model(data)
    np.testing.assert_allclose(result.numpy(), [want])
    assert result.dtype is (torch.float64 if constant["dtype"] == "float64" else torch.float32)
    torch.testing.assert_close(model.to(torch.float64)(data.double()), result.double())
    model.save(tmp_path / "m.keras")
    with zipfile.ZipFile(tmp_path / "m.keras") as archive:
        written = json.loads(archive.read("config.json"))["config"]["layers"][1]
    assert written["inbound_nodes"][0]["args"][1] == {"class_name": "__numpy__", "config": constant}


def test_an_operation_whose_config_has_no_name():
    # As Keras 3 writes ExtractPatches.
    inner = {"size": [2, 2], "strides": [2, 2], "dilation_rate": 1, "padding": "valid", "data_format": "channels_last"}
    config = {"module": "keras.src.ops.image", "class_name": "ExtractPatches", "config": inner, "name": "cut"}
    read = read_operation(config)["config"]
    assert (read["name"], read["operation"], read["arguments"]) == ("cut", "image.ExtractPatches", inner)


@pytest.mark.parametrize(
    ("operation", "args", "want", "gradient"),
    [
        ("numpy.Mod", lambda x: (2.5, x), [0.5, 1.0, 2.5], [-2.0, -1.0, 0.0]),  # Keras 3 on TensorFlow: -floor(2.5 / x)
        ("numpy.FloorDivide", lambda x: (x, 2), [0.0, 0.0, 2.0], None),
        ("numpy.FloorDivide", lambda x: (5.0, x), [5.0, 3.0, 1.0], None),
        ("numpy.Heaviside", lambda x: (x, x), [1.0, 1.0, 1.0], None),
        ("numpy.Vander", lambda x: (x[:2],), [[1.0, 1.0], [1.5, 1.0]], [1.0, 1.0, 0.0]),
    ],
)
def test_operations_that_torch_differentiates_otherwise(operation, args, want, gradient):
    x = torch.tensor([1.0, 1.5, 4.0], requires_grad=True)
    result = KerasOp(operation)(*args(x))
    np.testing.assert_allclose(result.detach().numpy(), want)
    assert result.requires_grad == (gradient is not None)
    if gradient is not None:
        result.sum().backward()
        np.testing.assert_allclose(x.grad.numpy(), gradient)


def _config(layers, output):
    """tf.keras's of a model of one input, in the form of its h5 files; layers: class, config, node."""
    first = {
        "class_name": "InputLayer",
        "name": "x",
        "inbound_nodes": [],
        "config": {"name": "x", "batch_input_shape": [None, 5, 4], "dtype": "float32"},
    }
    others = [
        {"class_name": cls, "name": config["name"], "config": config, "inbound_nodes": [node]}
        for cls, config, node in layers
    ]
    ends = {"input_layers": [["x", 0, 0]], "output_layers": [[output, 0, 0]]}
    return {
        "class_name": "Functional",
        "config": {"name": "m", "layers": [first, *others], **ends},
        "keras_version": "2.15.0",
    }


def test_arguments_that_tf_keras_lost():
    # `x == 0`, of which it keeps x alone
    config = _config([("TFOpLambda", {"name": "eq", "function": "__operators__.eq"}, ["x", 0, 0, {}])], "eq")
    with pytest.raises(ValueError, match="tf.keras lost them.*custom_objects={'eq': lambda x"):
        keras.models.model_from_config(config)
    model = keras.models.model_from_config(config, custom_objects={"eq": lambda x: x == 0})
    assert model(np.zeros((1, 5, 4), "float32")).all()
    # `tf.einsum("bij,bkj->bik", x, x)`, of which it keeps the equation
    node = ["_CONSTANT_VALUE", -1, "bij,bkj->bik", {}]
    config = _config([("TFOpLambda", {"name": "einsum", "function": "einsum"}, node)], "einsum")
    with pytest.raises(ValueError, match="on which tensors 'einsum' was called"):
        keras.models.model_from_config(config)


def test_a_mask_that_stands_in_the_file_as_a_list():
    keep = np.tril(np.ones((5, 5), bool))
    attention = {"name": "a", "num_heads": 2, "key_dim": 3}
    node = [["x", 0, 0, {"value": ["x", 0, 0], "attention_mask": keep.tolist()}]]
    model = keras.models.model_from_config(_config([("MultiHeadAttention", attention, node)], "a"))
    x = np.random.default_rng(0).normal(size=(2, 5, 4)).astype("float32")
    layer = model.get_layer("a")
    torch.testing.assert_close(model(x), layer(torch.tensor(x), torch.tensor(x), attention_mask=torch.tensor(keep)))
