"""Keras 0.3 and 1 where test_eras.py has no files: Theano, and what is renamed, left out or refused."""

from __future__ import annotations

import io
import json
from pathlib import Path

import h5py
import numpy as np
import pytest

import kerastorch as keras
from kerastorch.models import load_model, model_from_json
from kerastorch.saving.dialects.keras1 import is_keras1
from kerastorch.saving.dialects.theano import padded
from kerastorch.saving.origin import Origin
from kerastorch.saving.text import origin_of
from tests.fixture_files import close, outputs_of

FILES = Path(__file__).resolve().parents[2] / "compat_tests" / "files"


@pytest.fixture(autouse=True)
def fresh_names():
    keras.backend.clear_session()


def sequential(*described, version="1.2.2"):
    listed = [{"class_name": cls, "config": config} for cls, config in described]
    return json.dumps({"class_name": "Sequential", "config": listed, "keras_version": version})


def dense(name, units=2, **config):
    return "Dense", {
        "name": name,
        "output_dim": units,
        "init": "glorot_uniform",
        "activation": "linear",
        "bias": True,
        **config,
    }


# Theano


def of_theano(era, name):
    """A file that TensorFlow wrote as Theano would have written it: names without ':0', kernels turned around."""
    with np.load(FILES / f"{era}.npz") as data:
        stored = {key.partition("/")[2]: data[key] for key in data.files if key.startswith(f"{name}/")}
    memory = io.BytesIO(stored["file"].tobytes() if "file" in stored else stored["weights"].tobytes())
    with h5py.File(memory, "r+") as file:
        file.attrs.pop("backend", None)
        for group in file.get("model_weights", file).values():
            names = [x if isinstance(x, str) else x.decode() for x in group.attrs.get("weight_names", [])]
            for weight in names or list(group):
                value = group[weight][()]
                del group[weight]
                group[weight.removesuffix(":0")] = turned(value) if value.ndim > 3 else value
            if names:
                group.attrs["weight_names"] = [x.removesuffix(":0").encode() for x in names]
    stored["file" if "file" in stored else "weights"] = memory.getvalue()
    return stored


def turned(kernel):
    """(out, in, rows, columns) or (rows, columns, in, out), by 180 degrees: the channels here are fewer than 5 and differ
    from the sizes, so the larger end is told by the models' own shapes."""
    axes = SPATIAL[kernel.shape]
    return np.flip(kernel, axes)


SPATIAL = {
    (4, 2, 3, 3): (2, 3), (3, 4, 2, 2): (2, 3), (4, 2, 3, 2): (2, 3), (3, 2, 2, 2): (2, 3), (2, 3, 2, 2): (2, 3),
    (3, 2, 2, 2, 3): (2, 3, 4), (2, 2, 3, 2, 3): (0, 1, 2), (3, 2, 2, 4): (0, 1), (2, 1, 3, 3): (0,), (3, 3, 2, 3): (0, 1),
    (3, 3, 3, 3): (0, 1), (2, 3, 2, 3): (0, 1),
}  # fmt: skip
"""By shape, the spatial axes of the kernels in the models below."""


@pytest.mark.parametrize(
    ("era", "name"),
    [
        ("keras-0.3.3", "conv2d_th"),
        ("keras-0.3.3", "conv2d_norm"),
        ("keras-1.2.2", "conv2d_tf"),
        ("keras-1.2.2", "conv3d_th"),
        ("keras-1.2.2", "conv3d_tf"),
        ("keras-1.2.2", "nested_frozen"),
        ("keras-1.2.2", "timedistributed"),
        ("keras-1.2.2", "atrous"),
        ("keras-1.2.2", "atrous2d"),
        ("keras-1.2.2", "convlstm_tf"),
        ("keras-1.2.2", "deconv_valid_odd"),
    ],
)
def test_kernels_of_theano_are_turned(era, name):
    stored = of_theano(era, name)
    if "file" in stored:
        model = load_model(stored["file"])
    else:
        model = model_from_json(str(stored["json"]))
        model.load_weights(stored["weights"])
    assert "theano" in str(model.load_report)
    assert "turned by 180 degrees" in str(model.load_report)
    close(model.predict(stored["in_0"], verbose=0), stored["out_0"])


def convolved(x, kernel, stride, padding):
    """Theano's convolution of (batch, in, rows, columns) with (out, in, rows, columns), written out."""
    rows, columns = kernel.shape[2:]
    before = {"same": (rows // 2, columns // 2), "full": (rows - 1, columns - 1), "valid": (0, 0)}[padding]
    padded = np.pad(x, [(0, 0), (0, 0), *((n, n) for n in before)])
    flipped = kernel[:, :, ::-1, ::-1]
    tall, wide = padded.shape[2] - rows + 1, padded.shape[3] - columns + 1
    windows = np.stack([padded[:, :, i : i + rows, j : j + columns] for i in range(tall) for j in range(wide)], 1)
    y = np.einsum("nwcij,ocij->now", windows, flipped).reshape(len(x), -1, tall, wide)[:, :, :: stride[0], :: stride[1]]
    if padding == "same":  # as Keras cut it off for kernels of even size
        y = y[:, :, : -(-x.shape[2] // stride[0]), : -(-x.shape[3] // stride[1])]
    return y


@pytest.mark.parametrize("border_mode", ["same", "valid", "full"])
@pytest.mark.parametrize("size", [(3, 3), (2, 4), (1, 5)])
@pytest.mark.parametrize("stride", [(1, 1), (2, 1), (2, 3)])
def test_padding_of_theano(border_mode, size, stride):
    config = {
        "name": "convolution2d_1", "nb_filter": 3, "nb_row": size[0], "nb_col": size[1], "border_mode": border_mode,
        "subsample": list(stride), "dim_ordering": "th", "activation": "linear", "bias": False,
        "batch_input_shape": [None, 2, 8, 7], "input_dtype": "float32",
    }  # fmt: skip
    rng = np.random.default_rng(0)
    kernel, x = (rng.normal(size=shape).astype("float32") for shape in ((3, 2, *size), (2, 2, 8, 7)))
    memory = io.BytesIO()
    with h5py.File(memory, "w") as file:
        file.attrs["keras_version"] = b"1.2.2"
        file.attrs["model_config"] = sequential(("Convolution2D", config)).encode()
        group = file.create_group("model_weights")
        group.attrs["layer_names"] = [b"convolution2d_1"]
        inner = group.create_group("convolution2d_1")
        inner.attrs["weight_names"] = [b"convolution2d_1_W"]
        inner["convolution2d_1_W"] = kernel
    model = load_model(memory.getvalue())
    close(model.predict(x, verbose=0), convolved(x, kernel, stride, border_mode))


def file_of_theano(described, weights, version="2.2.4"):
    """A file of a whole model that Keras 2 on Theano wrote. weights: layer's name -> arrays."""
    memory = io.BytesIO()
    with h5py.File(memory, "w") as file:
        file.attrs["keras_version"], file.attrs["backend"] = version.encode(), b"theano"
        file.attrs["model_config"] = json.dumps(described).encode()
        group = file.create_group("model_weights")
        group.attrs["layer_names"] = [name.encode() for name in weights]
        for name, arrays in weights.items():
            inner = group.create_group(name)
            inner.attrs["weight_names"] = [f"{name}/w_{i}".encode() for i in range(len(arrays))]
            for i, array in enumerate(arrays):
                inner[f"{name}/w_{i}"] = array
    return memory.getvalue()


def spread(x, kernel, strides, sizes):
    """The gradient of Theano's convolution, written out: (batch, rows, columns, in), (height, width, out, in) -> sizes."""
    rows, columns = kernel.shape[:2]
    flipped = kernel[::-1, ::-1]
    y = np.zeros((len(x), sizes[0] + rows, sizes[1] + columns, kernel.shape[2]))
    for i, j, a, b in np.ndindex(*x.shape[1:3], rows, columns):
        at = i * strides[0] + a - rows // 2, j * strides[1] + b - columns // 2
        if 0 <= at[0] < sizes[0] and 0 <= at[1] < sizes[1]:
            y[:, at[0], at[1]] += x[:, i, j] @ flipped[a, b].T
    return y[:, : sizes[0], : sizes[1]]


TRANSPOSED = [
    ((3, 3), (2, 2), None, (8, 6)),
    ((5, 3), (2, 3), None, (8, 9)),
    ((1, 3), (2, 4), None, (8, 12)),
    ((3, 5), (1, 2), None, (4, 6)),
    ((3, 3), (2, 2), (0, 1), (7, 6)),
    ((3, 3), (1, 1), None, (4, 3)),
]
"""Kernel, strides, output_padding, sizes of the output for an input of 4 by 3."""


@pytest.mark.parametrize("drawn", [False, True])
@pytest.mark.parametrize(("size", "strides", "added", "sizes"), TRANSPOSED)
def test_transposed_convolutions_of_theano(tmp_path, size, strides, added, sizes, drawn):
    config = {
        "name": "up", "filters": 2, "kernel_size": list(size), "strides": list(strides), "padding": "same",
        "activation": "relu", "data_format": "channels_last", "output_padding": added,
        "batch_input_shape": [None, 4, 3, 3],
    }  # fmt: skip
    layer = {"class_name": "Conv2DTranspose", "config": config}
    after = {"class_name": "Activation", "config": {"name": "end", "activation": "linear"}}
    described = {"class_name": "Sequential", "config": [layer, after]}
    if drawn:
        begin = {"class_name": "InputLayer", "config": {"name": "x", "batch_input_shape": [None, 4, 3, 3]}}
        chain = zip((begin, layer, after), ([], ["x"], ["up"]), strict=True)
        listed = [
            {**x, "name": x["config"]["name"], "inbound_nodes": [[[y, 0, 0, {}] for y in before]] if before else []}
            for x, before in chain
        ]
        ends = {"input_layers": [["x", 0, 0]], "output_layers": [["end", 0, 0], ["up", 0, 0]]}
        described = {"class_name": "Model", "config": {"name": "m", "layers": listed, **ends}}
    rng = np.random.default_rng(0)
    kernel, bias, x = (rng.normal(size=shape).astype("float32") for shape in ((*size, 2, 3), (2,), (2, 4, 3, 3)))
    model = load_model(file_of_theano(described, {"up": [kernel, bias]}))
    wanted = np.maximum(spread(x, kernel, strides, sizes) + bias, 0).astype("float32")
    for y in outputs_of(model.predict(x, verbose=0)):
        close(y, wanted)
    assert "'up': padding" not in str(model.load_report)
    model.save(tmp_path / "m.h5")  # in a form in which TensorFlow pads so too
    for y in outputs_of(load_model(tmp_path / "m.h5").predict(x, verbose=0)):
        close(y, wanted)


@pytest.mark.parametrize("cls", ["DepthwiseConv2D", "SeparableConv2D"])
@pytest.mark.parametrize("strides", [1, 2])
def test_depthwise_convolutions_of_theano(cls, strides):
    """Theano correlated with them, and padded by half a kernel."""
    config = {
        "name": "d", "kernel_size": [3, 3], "strides": [strides] * 2, "padding": "same", "use_bias": False,
        "data_format": "channels_last", "batch_input_shape": [None, 6, 6, 2],
    }  # fmt: skip
    rng = np.random.default_rng(0)
    kernel, point, x = (rng.normal(size=n).astype("float32") for n in ((3, 3, 2, 1), (1, 1, 2, 4), (2, 6, 6, 2)))
    separable = cls.startswith("Separable")
    described = {"class_name": "Sequential", "config": [{"class_name": cls, "config": config}]}
    if separable:
        config["filters"] = 4
    model = load_model(file_of_theano(described, {"d": [kernel, point] if separable else [kernel]}))
    padded = np.pad(x, [(0, 0), (1, 1), (1, 1), (0, 0)])
    windows = np.lib.stride_tricks.sliding_window_view(padded, (3, 3), axis=(1, 2))[:, ::strides, ::strides]
    wanted = np.einsum("nrcdij,ijdm->nrcd", windows, kernel)
    close(model.predict(x, verbose=0), wanted @ point[0, 0] if separable else wanted)


def test_what_pads_otherwise_than_theano_is_told(tmp_path):
    conv = keras.layers.Conv2D(3, 3, strides=2, padding="same", use_bias=False, name="strided")
    plain = keras.layers.Conv2D(3, 3, padding="same", use_bias=False, name="plain")
    pool = keras.layers.MaxPooling2D(2, padding="same", name="pooled")
    model = keras.Sequential([keras.Input((8, 8, 2)), conv, plain, pool])
    with h5py.File(tmp_path / "w.h5", "w") as file:
        file.attrs["layer_names"] = [b"a", b"b"]
        for name, shape in (("a", (3, 3, 2, 3)), ("b", (3, 3, 3, 3))):
            file.create_group(name).attrs["weight_names"] = [b"W"]
            file[name]["W"] = np.zeros(shape)
    notes = "\n".join(model.load_weights(tmp_path / "w.h5").notes)
    assert "'strided': padding" in notes
    assert "'pooled': padding" in notes
    assert "'plain': padding" not in notes


def test_full_padding_over_three_axes():
    config = {"name": "c", "padding": "full", "kernel_size": [2, 3, 2]}
    padding, conv = padded([{"class_name": "Conv3D", "config": config}], Origin(1, "0.3", "theano"))
    assert (padding["class_name"], padding["config"]["padding"]) == ("ZeroPadding3D", [[1, 1], [2, 2], [1, 1]])
    assert conv["config"]["padding"] == "valid"


def test_an_architecture_that_says_it_ran_on_theano(tmp_path):
    """JSON of Keras 1 does not say it; where the reader does, padding is Theano's."""
    with np.load(FILES / "keras-1.2.2-theano.npz") as data:
        file, x, want = (data[f"conv2d_s2_th_same/{part}"] for part in ("file", "in_0", "out_0"))
    (tmp_path / "m.h5").write_bytes(file.tobytes())
    with h5py.File(tmp_path / "m.h5") as opened:
        described = json.loads(opened.attrs["model_config"])
    model = model_from_json(json.dumps(described))
    assert '"backend": "theano"' in str(model.load_weights(tmp_path / "m.h5"))
    model = model_from_json(json.dumps({**described, "backend": "theano", "keras_version": "1.2.2"}))
    assert '"backend"' not in str(model.load_weights(tmp_path / "m.h5"))
    close(model.predict(x, verbose=0), want)


@pytest.mark.parametrize("size, told", [(3, False), (2, True)])
def test_an_even_kernel_over_time_is_told(size, told):
    config = {
        "name": "c", "filters": 2, "kernel_size": [size, size], "padding": "valid", "use_bias": False,
        "data_format": "channels_last", "batch_input_shape": [None, 3, 5, 5, 1],
    }  # fmt: skip
    kernels = [np.zeros((size, size, n, 8), "float32") for n in (1, 2)]
    described = {"class_name": "Sequential", "config": [{"class_name": "ConvLSTM2D", "config": config}]}
    model = load_model(file_of_theano(described, {"c": kernels}))
    assert ("Theano began half of an even kernel before" in str(model.load_report)) is told


@pytest.mark.parametrize("backend", ["theano", "tensorflow", "cntk"])
def test_keras_2_on_theano(backend):
    config = {
        "name": "conv2d_1", "filters": 3, "kernel_size": [3, 3], "strides": [2, 2], "padding": "same", "use_bias": False,
        "data_format": "channels_first", "activation": "linear", "batch_input_shape": [None, 2, 8, 7],
    }  # fmt: skip
    rng = np.random.default_rng(0)
    kernel, x = (rng.normal(size=shape).astype("float32") for shape in ((3, 3, 2, 3), (2, 2, 8, 7)))
    memory = io.BytesIO()
    with h5py.File(memory, "w") as file:
        described = {"class_name": "Sequential", "config": [{"class_name": "Conv2D", "config": config}]}
        file.attrs["keras_version"], file.attrs["backend"] = b"2.0.8", backend.encode()
        file.attrs["model_config"] = json.dumps(described).encode()
        group = file.create_group("model_weights")
        group.attrs["layer_names"] = [b"conv2d_1"]
        inner = group.create_group("conv2d_1")
        inner.attrs["weight_names"] = [b"conv2d_1/kernel:0"]
        inner["conv2d_1/kernel:0"] = kernel
    model = load_model(memory.getvalue())
    if backend == "theano":
        close(model.predict(x, verbose=0), convolved(x, kernel.transpose(3, 2, 0, 1), (2, 2), "same"))
    else:
        np.testing.assert_array_equal(model.get_weights()[0], kernel)
        assert len(model.layers) == 1


# Arguments


def test_what_begins_and_restrains_training():
    config = {
        "W_regularizer": {"name": "WeightRegularizer", "l1": 0, "l2": 0.5},
        "b_regularizer": {"name": "EigenvalueRegularizer", "k": 1.0},
        "activity_regularizer": {"name": "ActivityRegularizer", "l1": 0.0, "l2": 0.0},
        "W_constraint": {"name": "MaxNorm", "m": 3, "axis": 0},
        "b_constraint": {"name": "NonNeg"},
        "init": "uniform",
        "batch_input_shape": [None, 2],
    }
    layer = model_from_json(sequential(("Dense", {**dense("a")[1], **config}))).layers[0]
    assert layer.kernel_regularizer.get_config() == {"l1": 0.0, "l2": 0.5}
    assert layer.bias_regularizer is None
    assert layer.activity_regularizer is None
    assert layer.kernel_constraint.get_config() == {"max_value": 3, "axis": 0}
    assert type(layer.bias_constraint).__name__ == "NonNeg"
    assert layer.kernel_initializer.get_config()["maxval"] == 0.05


@pytest.mark.parametrize(("stated", "expected"), [("th", "channels_first"), ("tf", "channels_last")])
def test_an_order_of_axes_that_is_not_stated_is_that_of_the_layer_before(stated, expected):
    shape = [None, 2, 5, 5] if stated == "th" else [None, 5, 5, 2]
    model = model_from_json(
        sequential(
            ("ZeroPadding2D", {"name": "a", "padding": {"top_pad": 1, "left_pad": 2}, "batch_input_shape": shape}),
            (
                "MaxPooling2D",
                {"name": "b", "pool_size": [2, 2], "strides": [2, 2], "border_mode": "valid", "dim_ordering": stated},
            ),
            ("UpSampling2D", {"name": "c", "size": [2, 2]}),
        )
    )
    assert [layer.data_format for layer in model.layers] == [expected] * 3
    assert model.layers[0].padding == ((1, 0), (2, 0))


def test_a_first_layer_that_says_its_input_by_dimensions():
    model = model_from_json(sequential(("LSTM", {"name": "a", "output_dim": 2, "input_dim": 3, "input_length": None})))
    assert model.input_shape == (None, None, 3)
    model = model_from_json(
        sequential(("Embedding", {"name": "b", "input_dim": 9, "output_dim": 4, "input_length": 6}))
    )
    assert model.input_shape == (None, 6)
    assert model.inputs[0].dtype == "int32"
    assert [w.shape for w in model.weights] == [(9, 4)]


def test_what_is_keras_1():
    assert is_keras1(json.loads(sequential(dense("a"))))
    assert is_keras1({"name": "Sequential", "layers": []})
    mine = {"class_name": "MyAttention", "config": {"init": "glorot_uniform", "W_regularizer": None, "bias": True}}
    assert not is_keras1(
        {"class_name": "Sequential", "config": [mine, {"class_name": "Dense", "config": {"units": 2}}]}
    )
    embedding = {"class_name": "Embedding", "config": {"input_dim": 3, "output_dim": 2, "input_length": 4}}
    assert not is_keras1(embedding)
    described = json.loads(sequential(dense("a")))
    del described["keras_version"]
    assert origin_of(described).generation == 1


def test_a_users_layer_gets_the_arguments_that_it_wrote():
    class Mine(keras.layers.Layer):
        def __init__(self, output_dim, init, **kwargs):
            super().__init__(**kwargs)
            self.output_dim, self.init = output_dim, init

    text = sequential(dense("a", batch_input_shape=[None, 2]), ("Mine", {"name": "m", "output_dim": 3, "init": "one"}))
    layer = model_from_json(text, {"Mine": Mine}).layers[1]
    assert (layer.output_dim, layer.init) == (3, "one")


# Merge


def merged(mode, **config):
    branches = [
        {
            "class_name": "Sequential",
            "config": [dict(zip(("class_name", "config"), dense(n, batch_input_shape=[None, 3]), strict=True))],
        }
        for n in ("a", "b")
    ]
    return sequential(
        ("Merge", {"name": "merge_1", "mode": mode, "mode_type": "raw", "layers": branches, **config}), dense("c")
    )


def test_a_merge_of_models():
    model = model_from_json(merged("concat", concat_axis=-1))
    assert [type(layer).__name__ for layer in model.layers if layer.weights] == ["Sequential", "Sequential", "Dense"]
    assert len(model.inputs) == 2
    assert model.get_layer("c").kernel.shape == (4, 2)


@pytest.mark.parametrize("by_name", [True, False])
def test_weights_of_the_models_in_a_merge_stand_side_by_side(tmp_path, by_name):
    model = model_from_json(merged("sum"))
    rng = np.random.default_rng(0)
    values = {name: [rng.normal(size=(k, 2)), rng.normal(size=2)] for name, k in (("a", 3), ("b", 3), ("c", 2))}
    with h5py.File(tmp_path / "w.h5", "w") as file:
        file.attrs["layer_names"] = [name.encode() for name in values]
        for name, arrays in values.items():
            group = file.create_group(name)
            group.attrs["weight_names"] = [f"{name}_{part}:0".encode() for part in "Wb"]
            for part, value in zip("Wb", arrays, strict=True):
                group[f"{name}_{part}:0"] = value
    model.load_weights(tmp_path / "w.h5", by_name=by_name)
    x, y = rng.normal(size=(2, 4, 3)).astype("float32")
    (wa, ba), (wb, bb), (wc, bc) = values.values()
    close(model.predict([x, y], verbose=0), ((x @ wa + ba + y @ wb + bb) @ wc + bc).astype("float32"))


def test_a_merge_of_a_kind_that_nobody_knows():
    with pytest.raises(ValueError, match="merge_1.*'twist'"):
        model_from_json(merged("twist"))


# Keras 0.3


def test_names_are_made_unique():
    layer = {"name": "Dense", "custom_name": "dense", "output_dim": 2, "init": "zero", "activation": "relu"}
    text = json.dumps({"name": "Sequential", "layers": [{**layer, "input_shape": [3]}, layer, layer]})
    assert [layer.name for layer in model_from_json(text).layers] == ["dense", "dense_1", "dense_2"]


def test_yaml_with_tuples():
    text = "layers:\n- {name: Dense, output_dim: 2, input_shape: !!python/tuple [3]}\nname: Sequential\n"
    assert keras.models.model_from_yaml(text).input_shape == (None, 3)


@pytest.mark.parametrize(
    ("layer", "said"),
    [
        ({"name": "Siamese", "layer": {}, "inputs": []}, "Siamese.*load_weights"),
        ({"name": "Merge", "mode": "join", "layers": [], "concat_axis": 1, "dot_axes": -1}, "join"),
        ({"name": "Merge", "mode": "dot", "layers": [], "concat_axis": 1, "dot_axes": [[1, 2], [1, 2]]}, "one axis"),
    ],
)
def test_what_cannot_be_made(layer, said):
    with pytest.raises(ValueError, match=said):
        model_from_json(json.dumps({"name": "Sequential", "layers": [layer]}))


def test_an_autoencoder_is_its_two_parts():
    part = {"name": "Sequential", "layers": [{"name": "Dense", "output_dim": 2, "input_dim": 3, "input_shape": [3]}]}
    back = {"name": "Dense", "output_dim": 3, "input_dim": 2, "input_shape": [2]}
    text = {"name": "Sequential", "layers": [{"name": "AutoEncoder", "encoder_config": part, "decoder_config": back}]}
    assert model_from_json(json.dumps(text)).output_shape == (None, 3)


def test_a_damaged_weights_file(tmp_path):
    model = model_from_json(
        json.dumps({"name": "Sequential", "layers": [{"name": "Dense", "output_dim": 2, "input_shape": [3]}]})
    )
    with h5py.File(tmp_path / "w.h5", "w") as file:
        file.attrs["nb_layers"] = 2
        file.create_group("layer_0").attrs["nb_params"] = 1
    with pytest.raises(ValueError, match=r"(?s)does not hold.*layer_0/param_0.*layer_1"):
        model.load_weights(tmp_path / "w.h5")


def test_a_weights_file_with_too_many_or_too_few(tmp_path):
    model = model_from_json(
        json.dumps({"name": "Sequential", "layers": [{"name": "Dense", "output_dim": 2, "input_shape": [3]}]})
    )
    for shapes in ([(3, 2)], [(3, 2), (2,), (2, 2)]):
        with h5py.File(tmp_path / "w.h5", "w") as file:
            file.attrs["nb_layers"] = 1
            group = file.create_group("layer_0")
            group.attrs["nb_params"] = len(shapes)
            for i, shape in enumerate(shapes):
                group[f"param_{i}"] = np.zeros(shape)
        with pytest.raises(ValueError, match=r"(?s)Layer count mismatch|expects 2 weight"):
            model.load_weights(tmp_path / "w.h5")


def test_what_a_graph_gives_is_named_after_its_outputs():
    node = {"input": "x", "inputs": [], "merge_mode": "concat", "concat_axis": -1, "dot_axes": -1}
    text = {
        "name": "Graph",
        "input_config": [{"name": "x", "dtype": "float", "input_shape": [3]}],
        "input_order": ["x"],
        "node_config": [{**node, "name": "hidden"}, {**node, "name": "last", "input": None, "inputs": ["hidden", "x"]}],
        "nodes": {n: {"name": "Dense", "custom_name": n, "output_dim": 2} for n in ("hidden", "last")},
        "output_config": [{**node, "name": "out", "input": "last"}],
        "output_order": ["out"],
    }
    model = model_from_json(json.dumps(text))
    assert model.output_names == ["out"]
    assert model.get_layer("last").kernel.shape == (5, 2)
    assert outputs_of(model.predict(np.zeros((1, 3)), verbose=0))[0].shape == (1, 2)
