"""Every public layer through `check_layer`, and against what tf_keras recorded of itself. A layer without a case
fails."""

from __future__ import annotations

import json
import warnings
from typing import Any, NamedTuple

import numpy as np
import pytest
from torch import nn

from kerastorch import layers, registry
from tests.fixture_files import FIXTURES
from tests.layers.check import arrays_for, check_layer, model_around


class Case(NamedTuple):
    """A layer's class, arguments, inputs (shapes or arrays), expected weights, and checks to leave out with reasons."""

    cls: str
    kwargs: dict[str, Any]
    inputs: tuple[Any, ...]
    options: dict[str, Any]


def case(cls: str, *inputs: Any, **kwargs: Any) -> Case:
    """`_`-prefixed keywords are options of check_layer, the rest the layer's arguments."""
    options = {key[1:]: kwargs.pop(key) for key in list(kwargs) if key.startswith("_")}
    return Case(cls, kwargs, inputs, options)


INTEGERS = np.array([[1, 2, 0, 3, 1], [4, 0, 0, 2, 5], [3, 3, 1, 0, 0]])
MASKED = np.where(
    np.arange(5)[:, None] < np.array([3, 5, 1])[:, None, None], np.random.default_rng(0).normal(size=(3, 5, 3)), 0.0
)
MASKED = MASKED.astype("float32")
IMAGE, VOLUME = (2, 7, 6, 3), (2, 5, 6, 5, 2)
NORMAL = {"gamma_initializer": "random_normal", "beta_initializer": "random_normal"}
POSITIVE = {"class_name": "RandomUniform", "config": {"minval": 0.5, "maxval": 1.5}}
MOVING = {**NORMAL, "moving_mean_initializer": "random_normal", "moving_variance_initializer": POSITIVE}
STRINGS = dict.fromkeys(
    (
        "compile",
        "to_torch",
        "export",
        "dtype",
        "autocast",
        "train",
        "state_dict",
        "deepcopy",
        "pickle",
        "h5",
        "weights",
        "shape",
    ),
    "strings are no torch tensors",
)
IN_PYTHON = dict.fromkeys(
    ("compile", "to_torch", "export"), "the hash of an integer's decimal digits is computed in Python"
)

CORE = [
    case("Activation", (3, 4), activation="tanh"),
    case("Dense", (3, 5), units=4, activation="relu", _weights=[("kernel", (5, 4)), ("bias", (4,))]),
    case("Embedding", INTEGERS, input_dim=7, output_dim=3, _weights=[("embeddings", (7, 3))]),
    case("Identity", (3, 4)),
    case("Masking", MASKED),
]
NORMALIZATION = [
    case(
        "BatchNormalization",
        (4, 3),
        **MOVING,
        _weights=[(w, (3,)) for w in ("gamma", "beta", "moving_mean", "moving_variance")],
    ),
    case("BatchNormalization", IMAGE, **MOVING),
    case("BatchNormalization", VOLUME, scale=False, **MOVING),
    case(
        "BatchNormalization",
        IMAGE,
        axis=[1, 3],
        **MOVING,
        _weights=[(w, (1, 7, 1, 3)) for w in ("gamma", "beta", "moving_mean", "moving_variance")],
    ),
    case("BatchNormalization", IMAGE, trainable=False, **MOVING),
    case("SyncBatchNormalization", IMAGE, center=False, **MOVING),
    case("LayerNormalization", (3, 4, 5), **NORMAL, _weights=[("gamma", (5,)), ("beta", (5,))]),
    case("LayerNormalization", IMAGE, axis=[1, 3], scale=False, **NORMAL),
    case("LayerNormalization", (3, 4), rms_scaling=True),
    case("GroupNormalization", (2, 4, 3, 6), groups=3, **NORMAL),
    case("GroupNormalization", (2, 4, 3), groups=2, axis=1, scale=False, **NORMAL),
    case("RMSNormalization", (3, 4), _weights=[("scale", (4,))]),
    case("UnitNormalization", (3, 4, 2), axis=[1, 2]),
    case(
        "SpectralNormalization",
        (3, 5),
        layer=lambda: layers.Dense(3),
        _weights=[("kernel", (5, 3)), ("bias", (3,)), ("vector_u", (1, 3))],
    ),
    case("SpectralNormalization", IMAGE, layer=lambda: layers.Conv2D(2, 3), power_iterations=2),
]
REGULARIZATION = [
    case("Dropout", (3, 4), rate=0.5),
    case("Dropout", (3, 4, 2), rate=0.5, noise_shape=(None, 1, None), seed=3),
    case("SpatialDropout1D", (3, 4, 2), rate=0.3),
    case("SpatialDropout2D", IMAGE, rate=0.3, data_format="channels_first"),
    case("SpatialDropout3D", VOLUME, rate=0.3, seed=1),
    case("GaussianNoise", (3, 4), stddev=0.5, seed=1),
    case("GaussianDropout", (3, 4), rate=0.5),
    case("AlphaDropout", (3, 4), rate=0.5),
    case("AlphaDropout", (3, 4), rate=0.5, noise_shape=(3, 1), seed=1),
    case("ActivityRegularization", (3, 4), l1=0.1, l2=0.2),
]
MERGING = [
    *(case(name, (3, 4, 2), (3, 4, 2), (3, 2)) for name in ("Add", "Multiply", "Average", "Maximum", "Minimum")),
    case("Subtract", (3, 4), (3, 4)),
    case("Concatenate", (3, 4, 2), (3, 4, 5)),
    case("Concatenate", (3, 4, 2), (3, 1, 2), axis=1),
    case("Dot", (3, 4), (3, 4), axes=1, normalize=True),
    case("Dot", (3, 2, 4), (3, 4, 5), axes=(2, 1)),
]
ACTIVATION = [
    case("ReLU", (3, 9), max_value=1.0, negative_slope=0.1, threshold=0.5),
    case("LeakyReLU", (3, 9)),
    case("PReLU", (3, 4, 2), alpha_initializer="random_normal", _weights=[("alpha", (4, 2))]),
    case("PReLU", IMAGE, alpha_initializer="random_normal", shared_axes=[1, 2], _weights=[("alpha", (1, 1, 3))]),
    case("ELU", (3, 9), alpha=0.5),
    case("ThresholdedReLU", (3, 9), theta=0.5),
    case("Softmax", (3, 4, 2), axis=[1, 2]),
]
RESHAPING = [
    case("Flatten", IMAGE),
    case("Reshape", (3, 4, 6), target_shape=(-1, 8)),
    case("Permute", (3, 4, 6), dims=(2, 1)),
    case("RepeatVector", (3, 4), n=2),
    case(
        "EinsumDense",
        (3, 4, 5),
        equation="abc,cde->abde",
        output_shape=(None, 2, 3),
        bias_axes="de",
        _weights=[("kernel", (5, 2, 3)), ("bias", (2, 3))],
    ),
    case("EinsumDense", (3, 4, 5), equation="...x,xy->...y", output_shape=6, bias_axes="y", activation="relu"),
    case("TimeDistributed", (3, 4, 5), layer=lambda: layers.Dense(2), _weights=[("kernel", (5, 2)), ("bias", (2,))]),
    case("TimeDistributed", (2, 3, 7, 6, 3), layer=lambda: layers.Conv2D(2, 3)),
]
CONVOLUTION = [
    case("Conv1D", (2, 9, 4), filters=3, kernel_size=3, padding="causal"),
    case("Conv2D", IMAGE, filters=4, kernel_size=(3, 2), padding="same", strides=2, activation="relu"),
    case("Conv3D", VOLUME, filters=2, kernel_size=2),
    case("Conv1DTranspose", (2, 5, 3), filters=2, kernel_size=3, strides=2, padding="same"),
    case("Conv2DTranspose", IMAGE, filters=2, kernel_size=3, strides=2),
    case("Conv3DTranspose", VOLUME, filters=2, kernel_size=2),
    case("SeparableConv1D", (2, 9, 3), filters=4, kernel_size=3),
    case("SeparableConv2D", IMAGE, filters=4, kernel_size=3, padding="same"),
    case("DepthwiseConv1D", (2, 9, 3), kernel_size=3),
    case("DepthwiseConv2D", IMAGE, kernel_size=3, depth_multiplier=2, padding="same"),
    case(
        "RandomFourierFeatures",
        (3, 5),
        output_dim=4,
        scale=2.0,
        trainable=True,
        _weights=[("kernel_scale", (1,)), ("unscaled_kernel", (5, 4)), ("bias", (4,))],
    ),
    case("LocallyConnected1D", (2, 7, 2), filters=3, kernel_size=3),
    case("LocallyConnected2D", (2, 5, 6, 2), filters=3, kernel_size=(2, 3)),
]
ARCHITECTURES = [
    case("LayerScale", (2, 3, 4), init_values=0.5, projection_dim=4),
    case("StochasticDepth", (4, 3, 2), drop_path_rate=0.5),
    case("CustomScaleLayer", (2, 3), (2, 3), scale=0.2),
]

KERAS1 = [
    case("BatchNormalization1", (4, 3), mode=1, _skip={"train": "its averages are kept, and not trained"}),
    case("CosineMerge", (3, 4), (3, 4)),
    case("Highway", (3, 4), activation="tanh"),
    case("MaxoutDense", (3, 4), output_dim=2, _weights=[("W", (4, 4, 2)), ("b", (4, 2))]),
    case("ParametricSoftplus", (3, 4)),
    case("SReLU", (3, 5, 4), shared_axes=[1], t_right_init=POSITIVE, a_right_init="glorot_uniform"),
    case("TimeDistributedMerge", (3, 5, 4), mode="ave"),
]
SPATIAL = [
    *(
        case(f"{kind}Pooling{n}D", {1: (2, 9, 3), 2: IMAGE}[n], pool_size=2, padding="same")
        for kind in ("Max", "Average")
        for n in (1, 2)
    ),
    case("MaxPooling3D", VOLUME, pool_size=2, padding="same"),
    case(
        "AveragePooling3D",
        VOLUME,
        pool_size=2,
        padding="same",
    ),
    *(
        case(f"Global{kind}Pooling{n}D", {1: (2, 9, 3), 2: IMAGE, 3: VOLUME}[n])
        for kind in ("Max", "Average")
        for n in (1, 2, 3)
    ),
    *(
        case(f"Adaptive{kind}Pooling{n}D", {1: (2, 9, 3), 2: IMAGE, 3: VOLUME}[n], output_size=2)
        for kind in ("Max", "Average")
        for n in (1, 2, 3)
    ),
    case("UpSampling1D", (2, 4, 2), size=3),
    case("UpSampling2D", IMAGE, size=(2, 3), interpolation="bilinear"),
    case("UpSampling3D", VOLUME),
    case("ZeroPadding1D", (2, 4, 2), padding=(1, 2)),
    case("ZeroPadding2D", IMAGE, padding=((1, 2), (0, 3))),
    case("ZeroPadding3D", VOLUME),
    case("Cropping1D", (2, 6, 2), cropping=(1, 2)),
    case("Cropping2D", IMAGE, cropping=((1, 2), (0, 3))),
    case("Cropping3D", VOLUME),
]
RECURRENT = [
    *(case(name, (3, 5, 4), units=3, return_sequences=True) for name in ("SimpleRNN", "GRU", "LSTM")),
    case("LSTM", (3, 5, 4), units=3, return_state=True, go_backwards=True, use_bias=False),
    case("GRU", (3, 5, 4), units=3, reset_after=False),
    case("CuDNNGRU", (3, 5, 4), units=3),
    case("CuDNNLSTM", (3, 5, 4), units=3),
    case("Bidirectional", (3, 5, 4), layer=lambda: layers.LSTM(3)),
    case("RNN", (3, 5, 4), cell=lambda: layers.SimpleRNNCell(3)),
    case("RNN", (3, 5, 4), cell=lambda: layers.StackedRNNCells([layers.GRUCell(3), layers.LSTMCell(2)])),
    case("SimpleRNNCell", (3, 4), (3, 3), units=3, _call=lambda layer, x, h: layer(x, [h])[0]),
    case("GRUCell", (3, 4), (3, 3), units=3, _call=lambda layer, x, h: layer(x, [h])[0]),
    case("LSTMCell", (3, 4), (3, 3), (3, 3), units=3, _call=lambda layer, x, h, c: layer(x, [h, c])[0]),
    case(
        "StackedRNNCells",
        (3, 4),
        (3, 3),
        (3, 2),
        cells=lambda: [layers.GRUCell(3), layers.SimpleRNNCell(2)],
        _call=lambda layer, x, *h: layer(x, list(h))[0],
    ),
    case("ConvLSTM1D", (2, 3, 6, 2), filters=2, kernel_size=2),
    case("ConvLSTM2D", (2, 3, 5, 4, 2), filters=2, kernel_size=(2, 3), padding="same"),
    case("ConvLSTM3D", (2, 3, 4, 3, 4, 2), filters=2, kernel_size=2),
]
ATTENTION = [
    case("Attention", (3, 4, 5), (3, 3, 5), use_scale=True),
    case("AdditiveAttention", (3, 4, 5), (3, 3, 5)),
    case("MultiHeadAttention", (3, 4, 6), (3, 5, 6), num_heads=2, key_dim=3, _call=lambda layer, x, y: layer(x, y)),
    case(
        "GroupedQueryAttention",
        (3, 4, 6),
        (3, 5, 6),
        head_dim=3,
        num_query_heads=4,
        num_key_value_heads=2,
        _call=lambda layer, x, y: layer(x, y),
    ),
    case("ReversibleEmbedding", INTEGERS, input_dim=7, output_dim=3),
]
PREPROCESSING = [
    case("CategoryEncoding", INTEGERS, num_tokens=6, output_mode="count"),
    case("Discretization", (3, 4), bin_boundaries=[-0.5, 0.0, 0.5]),
    case("Hashing", INTEGERS, num_bins=10, _skip=IN_PYTHON),
    case(
        "HashedCrossing",
        INTEGERS[:, :1],
        INTEGERS[:, 1:2],
        num_bins=10,
    ),
    case("IntegerLookup", INTEGERS, vocabulary=[3, 1, 2]),
    case("StringLookup", INTEGERS, vocabulary=["a", "b", "c"], _skip=STRINGS),
    case("TextVectorization", INTEGERS, vocabulary=["a", "b", "c"], _skip=STRINGS),
    case("Normalization", (3, 4), mean=[0.1, 0.2, 0.3, 0.4], variance=[1.0, 2.0, 3.0, 4.0]),
    case("Rescaling", IMAGE, scale=0.5, offset=1.0),
    case("Resizing", IMAGE, height=4, width=9),
    case("CenterCrop", IMAGE, height=4, width=3),
    case("RandomBrightness", IMAGE, factor=0.2),
    case("RandomContrast", IMAGE, factor=0.2),
    case("RandomCrop", IMAGE, height=4, width=3),
    case("RandomFlip", IMAGE),
    case("RandomHeight", IMAGE, factor=0.2),
    case("RandomWidth", IMAGE, factor=0.2),
    case("RandomRotation", IMAGE, factor=0.2),
    case("RandomTranslation", IMAGE, height_factor=0.2, width_factor=0.2),
    case("RandomZoom", IMAGE, height_factor=0.2),
]
KERAS3 = [
    *(
        case(name, IMAGE)
        for name in ("AutoContrast", "Equalization", "RandomGrayscale", "RandomInvert", "Solarization")
    ),
    *(
        case(name, IMAGE)
        for name in (
            *(
                "AugMix",
                "ContrastLimitedAdaptiveHistogramEqualization",
                "CutMix",
                "MixUp",
                "RandAugment",
                "RandomErasing",
            ),
            *("RandomElasticTransform", "RandomGaussianBlur", "RandomPerspective"),
        )
    ),
    *(case(name, IMAGE, factor=0.3) for name in ("RandomColorDegeneration", "RandomHue", "RandomSaturation")),
    case("RandomSharpness", IMAGE, factor=0.3),
    case("RandomShear", IMAGE, x_factor=0.3, y_factor=(0.1, 0.2)),
    case("RandomColorJitter", IMAGE, brightness_factor=0.2, contrast_factor=0.2, saturation_factor=0.2, hue_factor=0.2),
    case("RandomPosterization", IMAGE, factor=4),
    case("MaxNumBoundingBoxes", IMAGE, max_number=2),
    case("Pipeline", (3, 4), layers=lambda: [layers.Dense(3), layers.ReLU()]),
    case("STFTSpectrogram", (2, 40, 1), frame_length=8, frame_step=4),
    case(
        "MelSpectrogram",
        (2, 64),
        fft_length=16,
        sequence_stride=8,
        num_mel_bins=4,
    ),
]
CASES = [
    c
    for family in (
        *(CORE, NORMALIZATION, REGULARIZATION, MERGING, ACTIVATION, RESHAPING),
        *(ARCHITECTURES, CONVOLUTION, KERAS1, SPATIAL, RECURRENT, ATTENTION, PREPROCESSING, KERAS3),
    )
    for c in family
]  # fmt: skip

ELSEWHERE = {
    **dict.fromkeys(("TFSMLayer", "JaxLayer", "FlaxLayer", "DenseFeatures"), "raise NotImplementedError"),
    **dict.fromkeys(("DynamicLookup", "DynamicEmbedding"), "raise NotImplementedError"),
    "Layer": "a base", "Wrapper": "a base", "AbstractRNNCell": "a base", "InputLayer": "in every model",
    "InputSpec": "no layer", "TorchFunction": "writes itself by calling torch functions: tests/models",
    **dict.fromkeys(
        ("TFOpLambda", "SlicingOpLambda", "ClassMethod", "InstanceMethod", "InstanceProperty", "TensorFlowOpLayer", "KerasOp"),
        "a function, its arguments in the node: tests/layers/test_operators.py, tests/ops",
    ),
    **dict.fromkeys(("AddLoss", "AddMetric"), "where a drawn model's losses end: tests/models/test_endpoints.py"),
    "Lambda": "its function is not in its config: tests/layers/test_core.py",
    "TorchModuleWrapper": "has no config: tests/layers/test_core.py",
}  # fmt: skip


def _public() -> dict[str, type]:
    return {name: getattr(layers, name) for name in layers.__all__ if isinstance(getattr(layers, name), type)}


@pytest.mark.parametrize("name", sorted(_public()))
def test_layer_has_a_case(name):
    cls = _public()[name]
    covered = {getattr(layers, c.cls, None) for c in CASES}
    assert cls in covered or cls.__name__ in ELSEWHERE, f"add a case for {name} to tests/layers/test_every_layer.py"


def _id(c: Case) -> str:
    return f"{c.cls}-{'-'.join(key for key in c.kwargs if not key.endswith('initializer'))}"


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("c", CASES, ids=_id)
def test_layer(c):
    if not hasattr(layers, c.cls):
        pytest.skip(f"{c.cls} is still to come")

    def make():
        kwargs = {k: v() if callable(v) else v for k, v in c.kwargs.items()}
        return getattr(layers, c.cls)(**kwargs)

    if "shape" in c.options.get("skip", {}):  # nothing can be drawn: the config alone
        config = make().get_config()
        assert getattr(layers, c.cls).from_config(config).get_config() == config
        return
    check_layer(make, *c.inputs, **c.options)


def test_torch_module_wrapper_takes_part():
    model = model_around(layers.TorchModuleWrapper(nn.Linear(3, 2)), arrays_for(((4, 3),)))
    assert model.output_shape == (None, 2)


# What tf_keras 2.21 says of itself


def _recorded() -> list[Any]:
    path = FIXTURES.parent / "api" / "layers.json"
    if not path.exists():
        return [pytest.param("none", {}, marks=pytest.mark.skip(reason=f"{path} is not there"))]
    entries = json.loads(path.read_text())["keras2"]
    return [
        pytest.param(n.removeprefix("experimental."), e, id=n)
        for n, e in entries.items()
        if e.get("config") and e.get("in_shapes")
    ]


def _plain(config: Any) -> Any:
    if isinstance(config, dict):
        return {k: _plain(v) for k, v in config.items() if k not in ("module", "registered_name", "build_config")}
    return [_plain(x) for x in config] if isinstance(config, (list, tuple)) else config


SHAPES_OF_A_CALL = ("query_shape", "key_shape", "value_shape")
"""In the recording these are the texts of TensorShapes."""


@pytest.mark.parametrize(("name", "entry"), _recorded())
def test_config_and_weights_are_tf_keras_own(name, entry):
    if not hasattr(layers, name):
        pytest.skip(f"{name} is still to come")
    config = {k: v for k, v in _plain(entry["config"]).items() if k not in SHAPES_OF_A_CALL}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        layer = registry.deserialize("layer", {"class_name": name, "config": config})
    assert layer.supports_masking == entry["supports_masking"]
    if "str" in entry["fixture"] or name in (
        "StringLookup",
        "TextVectorization",
        "GRUCell",
        "LSTMCell",
        "SimpleRNNCell",
        "StackedRNNCells",
    ):
        return
    integers = name in ("Embedding", "CategoryEncoding", "IntegerLookup", "HashedCrossing", "Hashing")
    arrays = [np.ones(s, "int64" if integers else "float32") for s in entry["in_shapes"]]
    calls = {"MultiHeadAttention": lambda layer, *x: layer(x[0], x[-1])}
    if name == "Normalization":
        layer.adapt(arrays[0])  # outside of a model, as the recorded one was: its weights have no prefix
    else:
        model_around(layer, arrays, calls.get(name))
    assert [(v.name, list(v.shape)) for v in layer.weights] == [(w[0], w[1]) for w in entry["weights"]]
    own = {k: v for k, v in _plain(layer.get_config()).items() if k not in SHAPES_OF_A_CALL}
    assert json.loads(json.dumps(own)) == config
