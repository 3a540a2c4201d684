"""What users have met when they read old files with newer versions of Keras: one test for each kind of complaint.

The configs and files are in the form that the versions named wrote.
"""

from __future__ import annotations

import json

import h5py
import numpy as np
import pytest
import torch

import kerastorch as keras
from kerastorch import layers
from kerastorch.models import load_model, model_from_json


@pytest.fixture(autouse=True)
def fresh_names():
    keras.backend.clear_session()


def sequential(*described, version="2.8.0", name="sequential"):
    """The JSON of a Sequential model of tf.keras."""
    listed = [{"class_name": cls, "config": config} for cls, config in described]
    config = {"name": name, "layers": listed}
    return json.dumps({"class_name": "Sequential", "config": config, "keras_version": version, "backend": "tensorflow"})


def drawn(*described, outputs, inputs=("x",), version="2.8.0"):
    """The JSON of a drawn model: (class, name, config, names of the inputs of its one call)."""
    listed = [
        {
            "class_name": cls,
            "name": name,
            "config": {"name": name, **config},
            "inbound_nodes": [[[x, 0, 0, {}] for x in before]] if before else [],
        }
        for cls, name, config, before in described
    ]
    ends = {"input_layers": [[x, 0, 0] for x in inputs], "output_layers": [[x, 0, 0] for x in outputs]}
    config = {"name": "model", "layers": listed, **ends}
    return json.dumps({"class_name": "Functional", "config": config, "keras_version": version, "backend": "tensorflow"})


def write(path, text, weights, version="2.8.0", training=None):
    """An h5 file of a whole model. weights: layer's name -> {weight's name: array}."""
    described = json.loads(text)
    with h5py.File(path, "w") as file:
        file.attrs["keras_version"], file.attrs["backend"] = version, "tensorflow"
        file.attrs["model_config"] = json.dumps({key: described[key] for key in ("class_name", "config")})
        if training is not None:
            file.attrs["training_config"] = json.dumps(training)
        group = file.create_group("model_weights")
        group.attrs["layer_names"] = [name.encode() for name in weights]
        group.attrs["keras_version"], group.attrs["backend"] = version, "tensorflow"
        for name, arrays in weights.items():
            inner = group.create_group(name)
            inner.attrs["weight_names"] = [key.encode() for key in arrays]
            for key, value in arrays.items():
                inner[key] = value
    return path


DENSE = {"dense/kernel:0": np.arange(6.0, dtype="float32").reshape(2, 3), "dense/bias:0": np.ones(3, "float32")}


def two_dense(path, **kwargs):
    text = sequential(("Dense", {"name": "dense", "units": 3, "batch_input_shape": [None, 2]}))
    return write(path, text, {"dense": DENSE}, **kwargs)


# What is only read


IMAGE = {"batch_input_shape": [None, 6, 6, 2]}
STEPS = {"batch_input_shape": [None, 5, 2]}
ORTHOGONAL = {
    "module": "keras.initializers",
    "class_name": "Orthogonal",
    "config": {"gain": 1.0, "seed": None},
    "registered_name": None,
}


def of_dtype(kind, **config):
    """A Dense layer whose dtype is written as an object."""
    return "Dense", {"units": 2, "dtype": {"class_name": kind, "config": config}, "batch_input_shape": [None, 3]}


READ = {
    "1: batch_shape in an InputLayer": (("InputLayer", {"batch_shape": [None, 3], "name": "x"}), ("Dense", {"units": 2})),
    "1: batch_input_shape in a first layer": (("LSTM", {"units": 2, "batch_input_shape": [None, 5, 3]}),),
    "2: groups in a DepthwiseConv2D": (("DepthwiseConv2D", {"kernel_size": [3, 3], "groups": 1, **IMAGE}),),
    "3: groups in a Conv2DTranspose": (("Conv2DTranspose", {"filters": 2, "kernel_size": 3, "groups": 1, **IMAGE}),),
    "4: time_major in an LSTM": (("LSTM", {"units": 2, "time_major": False, **STEPS}),),
    "4: time_major and implementation in a GRU": (("GRU", {"units": 2, "time_major": False, "implementation": 0, **STEPS}),),
    "15: a slash in a layer's name": (("Dense", {"name": "block/dense", "units": 2, "batch_input_shape": [None, 3]}),),
    "16: dtype as a Policy": (of_dtype("Policy", name="float32"),),
    "16: dtype as a PolicyV1": (of_dtype("PolicyV1", name="float32", loss_scale=None),),
    "16: dtype as a DTypePolicy": (of_dtype("DTypePolicy", name="float32"),),
    "16: a mixed Policy with a loss scale": (of_dtype("Policy", name="mixed_float16", loss_scale=None),),
    "17: a layer in Bidirectional without a module": (
        ("Bidirectional", {"layer": {"class_name": "LSTM", "config": {"units": 2, "time_major": False}}, **STEPS}),
    ),
    "17: a layer in TimeDistributed without a module": (
        ("TimeDistributed", {"layer": {"class_name": "Dense", "config": {"units": 2, "activation": "relu"}}, **STEPS}),
    ),
    "20: axis of BatchNormalization as a list": (("BatchNormalization", {"axis": [3], "momentum": 0.99, **IMAGE}),),
    "22: an initializer of a later spelling": (
        ("Dense", {"units": 2, "kernel_initializer": ORTHOGONAL, "batch_input_shape": [None, 3]}),
    ),
    "Embedding first, by batch_input_shape": (
        ("Embedding", {"input_dim": 9, "output_dim": 4, "input_length": 5, "mask_zero": False, "batch_input_shape": [None, 5]}),
        ("Flatten", {"data_format": "channels_last"}),
        ("Dense", {"units": 2}),
    ),
    "ThresholdedReLU": (("ThresholdedReLU", {"theta": 1.0, "batch_input_shape": [None, 3]}),),
    "LocallyConnected2D": (
        ("LocallyConnected2D", {"filters": 2, "kernel_size": [3, 3], "implementation": 1, **IMAGE}),
    ),
    "CuDNNLSTM": (("CuDNNLSTM", {"units": 2, **STEPS}),),
    "SpatialDropout1D with noise_shape and seed": (
        ("SpatialDropout1D", {"rate": 0.2, "noise_shape": None, "seed": None, **STEPS}),
    ),
    "pooling with channels first in a model with channels last": (
        ("Conv2D", {"filters": 2, "kernel_size": [3, 3], "data_format": "channels_last", **IMAGE}),
        ("MaxPooling2D", {"pool_size": [2, 2], "data_format": "channels_first"}),
    ),
}  # fmt: skip


@pytest.mark.parametrize("symptom", READ)
def test_is_read(symptom):
    model = model_from_json(sequential(*READ[symptom]))
    x = torch.zeros([3, *model.input_shape[1:]])
    assert tuple(model(x).shape)[1:] == model.output_shape[1:]
    again = model_from_json(model.to_json())
    assert json.loads(again.to_json()) == json.loads(model.to_json())


def test_1_a_first_layer_without_an_input_has_the_right_output():
    model = model_from_json(
        sequential(("Dense", {"units": 3, "batch_input_shape": [None, 2]}), ("Dense", {"units": 4}))
    )
    assert model.output_shape == (None, 4)
    assert model.input_shape == (None, 2)


@pytest.mark.parametrize("cls", ["DepthwiseConv2D", "Conv2DTranspose"])
def test_2_and_3_groups_are_without_effect_as_in_tf_keras(cls):
    size = {"filters": 2} if cls == "Conv2DTranspose" else {}
    described = [sequential((cls, {"kernel_size": 3, "groups": n, **size, **IMAGE})) for n in (1, 2)]
    one, two = map(model_from_json, described)
    assert [w.shape for w in one.weights] == [w.shape for w in two.weights]


def test_4_time_major_swaps_the_axes():
    config = {"units": 2, "return_sequences": True, "batch_input_shape": [5, None, 3]}
    model = model_from_json(sequential(("LSTM", {**config, "time_major": True})))
    plain = model_from_json(sequential(("LSTM", {**config, "batch_input_shape": [None, 5, 3]})))
    plain.set_weights(model.get_weights())
    x = torch.randn(5, 4, 3)
    torch.testing.assert_close(model(x).transpose(0, 1), plain(x.transpose(0, 1)))


def test_5_operators_of_tensorflow_as_layers():
    text = drawn(
        ("InputLayer", "x", {"batch_input_shape": [None, 3], "dtype": "float32"}, ()),
        ("TFOpLambda", "tf.nn.relu", {"function": "nn.relu"}, ("x",)),
        outputs=("tf.nn.relu",),
    )
    described = json.loads(text)
    operator = described["config"]["layers"][1]
    operator["inbound_nodes"] = operator["inbound_nodes"][0]  # one list less than for other layers
    text = json.dumps(described)
    np.testing.assert_array_equal(model_from_json(text).predict(np.array([[-1.0, 0, 2]]), verbose=0), [[0, 0, 2]])
    unknown = text.replace("nn.relu", "quantum.leap")
    with pytest.raises(ValueError, match=r"(?s)quantum\.leap"):
        model_from_json(unknown)


def test_6_the_code_of_a_lambda_is_not_run():
    code = ["4wEAAAAAAAAAAAAAAAEAAAACAAAAQwAAAHMIAAAAfABkARQAUwApAk7pAgAAAKkAKQHaAXhyAgAA\n", None, None]
    config = {"name": "doubled", "function": code, "function_type": "lambda", "batch_input_shape": [None, 2]}
    text = sequential(("Lambda", {**config, "output_shape": None, "output_shape_type": "raw", "arguments": {}}))
    with pytest.raises(ValueError, match="(?s)doubled.*custom_objects"):
        model_from_json(text)
    model = model_from_json(text, {"doubled": lambda x: 2 * x})
    np.testing.assert_array_equal(model.predict(np.ones((1, 2)), verbose=0), [[2, 2]])


@pytest.mark.parametrize(
    "module", ["keras.src.engine.functional", "keras.src.models.functional", "tf_keras.src.models"]
)
def test_7_modules_are_not_imported(module):
    text = drawn(
        ("InputLayer", "x", {"batch_input_shape": [None, 3]}, ()),
        ("Dense", "dense", {"units": 2}, ("x",)),
        outputs=("dense",),
    )
    described = {**json.loads(text), "module": module, "registered_name": "Functional"}
    assert model_from_json(json.dumps(described)).output_shape == (None, 2)


@pytest.mark.parametrize("metrics", [["mse"], ["acc"], [{"class_name": "Mine", "config": {}}], None])
def test_8_losses_and_metrics_stop_no_load(tmp_path, metrics):
    training = {"loss": "my_own_loss", "metrics": metrics, "optimizer_config": {"class_name": "Nadamax", "config": {}}}
    model = load_model(two_dense(tmp_path / "m.h5", training=training))
    np.testing.assert_array_equal(model.get_weights()[0], DENSE["dense/kernel:0"])


def test_9_a_saved_model_says_how_to_write_h5(tmp_path):
    (tmp_path / "saved_model.pb").write_bytes(b"")
    with pytest.raises(OSError, match=r"(?s)SavedModel.*\.save\("):
        load_model(tmp_path)


@pytest.mark.parametrize("kind", [np.bytes_, str])
def test_10_attributes_as_bytes_or_str(tmp_path, kind):
    path = two_dense(tmp_path / "m.h5")
    with h5py.File(path, "a") as file:
        for holder in (file, file["model_weights"]):
            for name in ("keras_version", "backend", "model_config"):
                if name in holder.attrs:
                    text = holder.attrs[name]
                    holder.attrs[name] = kind(text.decode() if isinstance(text, bytes) else text)
        group = file["model_weights"]
        group.attrs["layer_names"] = [kind("dense")]
        group["dense"].attrs["weight_names"] = [kind(name) for name in DENSE]
    np.testing.assert_array_equal(load_model(path).get_weights()[0], DENSE["dense/kernel:0"])


def test_11_a_layer_count_mismatch_shows_both_sides(tmp_path):
    path = two_dense(tmp_path / "m.h5")
    model = keras.Sequential([layers.Dense(3, name="a"), layers.Dense(4, name="b")])
    model.build((None, 2))
    with pytest.raises(ValueError, match=r"(?s)Layer count mismatch.*a +\| dense.*b +\| -"):
        model.load_weights(path)


def test_12_weights_that_are_missing_are_named_by_their_place(tmp_path):
    model = keras.Sequential([keras.Input((2,)), layers.Dense(3, name="dense")])
    model.save_weights(tmp_path / "w.weights.h5")
    with h5py.File(tmp_path / "w.weights.h5", "a") as file:
        place = next(name for name in ("layers/dense", "_layer_checkpoint_dependencies/dense") if name in file)
        file.move(place, place + "_1")
    with pytest.raises(ValueError, match=r"(?s)dense.*where the file has none.*dense_1"):
        model.load_weights(tmp_path / "w.weights.h5")


def test_13_weights_are_not_taken_by_order_where_names_tell(tmp_path):
    text = sequential(
        ("Dense", {"name": "one", "units": 2, "batch_input_shape": [None, 2]}), ("Dense", {"name": "two", "units": 2})
    )
    one, two = np.ones((2, 2), "float32"), np.full((2, 2), 2, "float32")
    stored = {name: {f"{name}/kernel:0": k, f"{name}/bias:0": k[0]} for name, k in (("two", two), ("one", one))}
    model = load_model(write(tmp_path / "m.h5", text, stored))
    np.testing.assert_array_equal(model.get_layer("one").get_weights()[0], one)
    np.testing.assert_array_equal(model.get_layer("two").get_weights()[0], two)


def test_14_skip_mismatch_reports_what_it_skipped(tmp_path):
    path = two_dense(tmp_path / "m.h5")
    model = keras.Sequential([keras.Input((2,)), layers.Dense(4, name="dense"), layers.Dense(1, name="more")])
    report = model.load_weights(path, by_name=True, skip_mismatch=True)
    assert [name for name, _ in report.skipped] == ["dense"]
    assert report.missing == ["more"]


def test_16_a_mixed_model_can_be_read_as_float32(tmp_path):
    policy = {"class_name": "Policy", "config": {"name": "mixed_float16", "loss_scale": None}}
    text = sequential(("Dense", {"name": "dense", "units": 3, "dtype": policy, "batch_input_shape": [None, 2]}))
    model = load_model(write(tmp_path / "m.h5", text, {"dense": DENSE}), dtype="float32")
    assert model(torch.zeros(1, 2)).dtype == torch.float32


def test_18_a_shared_layer_and_a_rerooted_graph():
    layer = {"class_name": "Dense", "name": "shared", "config": {"name": "shared", "units": 2}}
    nodes = [[["x", 0, 0, {}]], [["y", 0, 0, {}]]]
    begins = [
        {
            "class_name": "InputLayer",
            "name": n,
            "config": {"name": n, "batch_input_shape": [None, 2]},
            "inbound_nodes": [],
        }
        for n in "xy"
    ]
    add = {"class_name": "Add", "name": "add", "config": {"name": "add"}}
    add["inbound_nodes"] = [[["shared", 1, 0, {}], ["shared", 0, 0, {}]]]
    # The first call was drawn elsewhere: the file's begin at 1.
    for first in (0, 1):
        calls = [
            [[name, first + number, i, kwargs] for name, number, i, kwargs in node] for node in add["inbound_nodes"]
        ]
        config = {
            "name": "m",
            "layers": [*begins, {**layer, "inbound_nodes": nodes}, {**add, "inbound_nodes": calls}],
            "input_layers": [["x", 0, 0], ["y", 0, 0]],
            "output_layers": [["add", 0, 0]],
        }
        model = model_from_json(json.dumps({"class_name": "Functional", "config": config, "keras_version": "2.8.0"}))
        assert len(model.weights) == 2


@pytest.mark.parametrize("wrapping", ["plain", "bidirectional", "nested"])
@pytest.mark.parametrize("kind", ["LSTM", "GRU"])
def test_19_weights_of_cudnn_and_back(tmp_path, kind, wrapping):
    def model(cls, **kwargs):
        layer = cls(3, return_sequences=True, name="rnn", **kwargs)
        if wrapping == "bidirectional":
            layer = layers.Bidirectional(layer, name="both")
        stack = [keras.Input((5, 2)), layer]
        if wrapping == "nested":
            stack = [
                keras.Input((5, 2)),
                keras.Sequential([*stack, layers.BatchNormalization(name="bn")], name="inner"),
            ]
        return keras.Sequential(stack)

    cudnn = model(getattr(layers, f"CuDNN{kind}"))
    plain = model(getattr(layers, kind), **({"reset_after": True} if kind == "GRU" else {}))
    rng = np.random.default_rng(0)
    cudnn.set_weights([rng.uniform(0.2, 1, w.shape) for w in cudnn.get_weights()])
    x = rng.normal(size=(2, 5, 2)).astype("float32")
    wanted = cudnn.predict(x, verbose=0)
    cudnn.save_weights(tmp_path / "cudnn.h5")
    report = plain.load_weights(tmp_path / "cudnn.h5")
    assert any("cuDNN" in note for note in report.notes)
    np.testing.assert_allclose(plain.predict(x, verbose=0), wanted, atol=1e-6)
    plain.save_weights(tmp_path / "plain.h5")
    cudnn.set_weights([0 * w for w in cudnn.get_weights()])
    cudnn.load_weights(tmp_path / "plain.h5")
    np.testing.assert_allclose(cudnn.predict(x, verbose=0), wanted, atol=1e-6)


def test_19_a_gru_of_the_other_kind_takes_no_weights_of_cudnn(tmp_path):
    cudnn = keras.Sequential([keras.Input((5, 2)), layers.CuDNNGRU(3)])
    cudnn.save_weights(tmp_path / "w.h5")
    plain = keras.Sequential([keras.Input((5, 2)), layers.GRU(3, reset_after=False)])
    with pytest.raises(ValueError, match=r"(?s)\(9,\).*\(18,\)"):
        plain.load_weights(tmp_path / "w.h5")


def test_20_several_axes_are_read_as_they_are():
    model = model_from_json(sequential(("BatchNormalization", {"axis": [1, 3], **IMAGE})))
    assert [w.shape for w in model.weights] == [(1, 6, 1, 2)] * 4


def test_21_keras_1():
    text = json.dumps(
        {
            "class_name": "Sequential",
            "keras_version": "1.2.2",
            "config": [
                {
                    "class_name": "Convolution2D",
                    "config": {
                        "name": "convolution2d_1", "nb_filter": 4, "nb_row": 3, "nb_col": 2, "border_mode": "valid",
                        "subsample": [1, 1], "dim_ordering": "th", "init": "glorot_uniform", "activation": "relu",
                        "bias": True, "batch_input_shape": [None, 2, 8, 8], "input_dtype": "float32",
                    },
                },
                {"class_name": "Flatten", "config": {"name": "flatten_1"}},
                {"class_name": "Dense", "config": {"name": "dense_1", "output_dim": 3, "init": "uniform", "p": None}},
            ],
        }
    )  # fmt: skip
    described = json.loads(text)
    del described["config"][2]["config"]["p"]
    model = model_from_json(json.dumps(described))
    assert model.output_shape == (None, 3)
    assert [w.shape for w in model.weights] == [(3, 2, 2, 4), (4,), (168, 3), (3,)]


@pytest.mark.parametrize("version", ["2.2.4", "2.1.6"])
@pytest.mark.parametrize("written", [True, False])
def test_24_the_hard_sigmoid_is_that_of_keras_2(version, written):
    """GRU of one unit without weights but biases: h = (1 - z) * tanh(b_h), z = clip(0.2 * b_z + 0.5, 0, 1)."""
    config = {"units": 1, "batch_input_shape": [None, 1, 1]}
    if written:
        config["recurrent_activation"] = "hard_sigmoid"
    model = model_from_json(sequential(("GRU", config), version=version))
    model.set_weights([np.zeros((1, 3)), np.zeros((1, 3)), np.array([1.0, 0.0, 0.5])])
    np.testing.assert_allclose(model.predict(np.zeros((1, 1, 1)), verbose=0), [[0.3 * np.tanh(0.5)]], rtol=1e-6)
    assert model.layers[0].reset_after is False


# Others


def test_23_an_optimizers_state_is_kept(tmp_path):
    path = two_dense(tmp_path / "m.h5", training={"loss": "mse"})
    with h5py.File(path, "a") as file:
        group = file.create_group("optimizer_weights")
        group.attrs["weight_names"] = [b"training/Adam/iterations:0"]
        group["training/Adam/iterations:0"] = 7
    load_model(path).save(tmp_path / "again.h5")
    with h5py.File(tmp_path / "again.h5") as file:
        assert file["optimizer_weights/training/Adam/iterations:0"][()] == 7


def test_an_activation_that_was_a_lambda():
    text = sequential(
        ("Dense", {"name": "dense", "units": 1, "activation": "<lambda>", "batch_input_shape": [None, 1]})
    )
    with pytest.raises(ValueError, match=r"(?s)<lambda>.*custom_objects"):
        model_from_json(text)
    model = model_from_json(text, {"<lambda>": lambda x: x + 5})
    model.set_weights([np.ones((1, 1)), np.zeros(1)])
    assert model.predict(np.ones((1, 1)), verbose=0) == [[6]]


def test_a_users_class_goes_before_the_librarys_of_its_name():
    class LayerNormalization(layers.Layer):
        def call(self, inputs):
            return inputs + 1

    text = sequential(("LayerNormalization", {"name": "n", "batch_input_shape": [None, 1]}))
    model = model_from_json(text, {"LayerNormalization": LayerNormalization})
    assert model.predict(np.ones((1, 1)), verbose=0) == [[2]]


@pytest.mark.parametrize(
    ("names", "group"),
    [
        (("dense_7_1/kernel:0", "dense_7_1/bias:0"), "dense"),
        (("dense_1_1/kernel", "dense_1_1/bias"), "dense"),
        (("param_0", "param_1"), "dense"),
        (("scope/inner/kernel:0", "scope/inner/bias:0"), "dense"),
    ],
)
def test_names_of_weights_other_than_the_layers(tmp_path, names, group):
    text = sequential(("Dense", {"name": "dense", "units": 3, "batch_input_shape": [None, 2]}))
    stored = dict(zip(names, DENSE.values(), strict=True))
    model = load_model(write(tmp_path / "m.h5", text, {group: stored}))
    np.testing.assert_array_equal(model.get_weights()[0], DENSE["dense/kernel:0"])


def test_a_model_of_several_gpus_becomes_the_one_model():
    def layer(cls, name, config, nodes):
        return {"class_name": cls, "name": name, "config": {"name": name, **config}, "inbound_nodes": nodes}

    first = {"class_name": "Dense", "config": {"name": "d", "units": 2, "batch_input_shape": [None, 3]}}
    code = {"function": ["code", None, None], "function_type": "lambda"}
    described = [
        layer("InputLayer", "x", {"batch_input_shape": [None, 3]}, []),
        *(
            layer("Lambda", f"get_{i}", {**code, "arguments": {"i": i, "parts": 2}}, [[["x", 0, 0, {}]]])
            for i in (0, 1)
        ),
        layer("Sequential", "inner", {"layers": [first]}, [[[f"get_{i}", 0, 0, {}]] for i in (0, 1)]),
        layer("Concatenate", "d", {"axis": 0}, [[["inner", 1, 0, {}], ["inner", 2, 0, {}]]]),
    ]
    ends = {"input_layers": [["x", 0, 0]], "output_layers": [["d", 0, 0]]}
    config = {"name": "model_1", "layers": described, **ends}
    text = json.dumps({"class_name": "Model", "config": config, "keras_version": "2.2.4", "backend": "tensorflow"})
    model = model_from_json(text)
    assert [type(layer).__name__ for layer in model.layers] == ["InputLayer", "Sequential"]
    assert model.output_shape == (None, 2)
