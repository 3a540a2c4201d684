"""One layer's arguments as Keras 1 spelled them, in tf.keras 2's form."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

__all__ = ["CLASSES", "ORDERED", "input_of", "merging", "only_keras1", "renamed"]

_SPATIAL = ("UpSampling", "ZeroPadding", "Cropping", "SpatialDropout")
ORDERED = tuple(f"{name}{n}D" for name in _SPATIAL for n in (2, 3))
"""Layers whose configs lack their `dim_ordering`: Keras 1 took that of the machine on which it read the file."""

_POOLING = tuple(f"{name}{n}D" for name in ("MaxPooling", "AveragePooling") for n in (1, 2, 3))
_GLOBAL = tuple(f"Global{name}Pooling{n}D" for name in ("Max", "Average") for n in (1, 2, 3))
_UNCHANGED = (
    "Activation", "ActivityRegularization", "BatchNormalization", "Bidirectional", "Cropping1D", "ConvLSTM2D", "Dense",
    "Dropout", "ELU", "Embedding", "Flatten", "GRU", "GaussianDropout", "GaussianNoise", "Highway", "InputLayer", "LSTM",
    "Lambda", "LeakyReLU", "LocallyConnected1D", "LocallyConnected2D", "Masking", "MaxoutDense", "PReLU",
    "ParametricSoftplus", "Permute", "RepeatVector", "Reshape", "SReLU", "SimpleRNN", "SpatialDropout1D",
    "ThresholdedReLU", "TimeDistributed", "TimeDistributedMerge", "UpSampling1D", "ZeroPadding1D",
)  # fmt: skip
CLASSES: dict[str, str] = {
    **{name: name for name in (*ORDERED, *_POOLING, *_GLOBAL, *_UNCHANGED)},
    **{f"{name}{n}D": f"Conv{n}D" for name in ("Convolution", "Conv") for n in (1, 2, 3)},
    **{f"Atrous{name}{n}D": f"Conv{n}D" for name in ("Convolution", "Conv") for n in (1, 2)},
    "Deconvolution2D": "Conv2DTranspose",
    "Deconv2D": "Conv2DTranspose",
    "SeparableConvolution2D": "SeparableConv2D",
    "SeparableConv2D": "SeparableConv2D",
    "TimeDistributedDense": "Dense",
    "MaskedLayer": "Activation",
}
"""Every layer of Keras 0.3 and 1, and what it is today."""

_OWN_ARGUMENTS = (
    "MaxoutDense",
    "Highway",
    "ParametricSoftplus",
    "SReLU",
    "BatchNormalization1",
    "TimeDistributedMerge",
)
"""Layers that only Keras 1 had, which keep its arguments."""

_RENAMED = {
    "output_dim": "units", "nb_filter": "filters", "filter_length": "kernel_size", "subsample_length": "strides",
    "subsample": "strides", "border_mode": "padding", "dim_ordering": "data_format", "init": "kernel_initializer",
    "bias": "use_bias", "W_regularizer": "kernel_regularizer", "b_regularizer": "bias_regularizer",
    "U_regularizer": "recurrent_regularizer", "W_constraint": "kernel_constraint", "b_constraint": "bias_constraint",
    "U_constraint": "recurrent_constraint", "inner_activation": "recurrent_activation",
    "inner_init": "recurrent_initializer", "dropout_W": "dropout", "dropout_U": "recurrent_dropout", "p": "rate",
    "sigma": "stddev", "pool_length": "pool_size", "stride": "strides", "length": "size", "atrous_rate": "dilation_rate",
    "gamma_init": "gamma_initializer", "beta_init": "beta_initializer",
}  # fmt: skip
_RENAMED_OF = {
    "Embedding": {
        "output_dim": "output_dim", "init": "embeddings_initializer", "W_regularizer": "embeddings_regularizer",
        "W_constraint": "embeddings_constraint",
    },
    "PReLU": {"init": "alpha_initializer"},
    **{name: {key: key for key in _RENAMED} for name in _OWN_ARGUMENTS},
}  # fmt: skip
_ONLY_KERAS1 = (set(_RENAMED) - {"length"}) | {"input_dtype", "nb_row", "kernel_dim1", "consume_less", "mode"}
_DROPPED = (
    "batch_input_shape",
    "input_dim",
    "input_length",
    "input_dtype",
    "consume_less",
    "weights",
    "transform_bias",
)
_INITIALIZERS: dict[str, Any] = {
    "uniform": {"class_name": "RandomUniform", "config": {"minval": -0.05, "maxval": 0.05}},
    "normal": {"class_name": "RandomNormal", "config": {"mean": 0.0, "stddev": 0.05}},
    "orthogonal": {"class_name": "Orthogonal", "config": {"gain": 1.1}},
    "zero": "zeros",
    "one": "ones",
}
_CONSTRAINTS = {"m": "max_value", "low": "min_value", "high": "max_value"}
_MERGES = {"sum": "Add", "mul": "Multiply", "ave": "Average", "max": "Maximum"}


def only_keras1(class_name: Any, config: Any) -> bool:
    """Whether a layer of that class with those arguments can only have been written by Keras 1."""
    if class_name in ("Merge", "Container", "Graph", "Highway", "MaxoutDense", "TimeDistributedDense"):
        return True
    if class_name not in CLASSES or not isinstance(config, Mapping):
        return False
    known = {"output_dim"} if class_name == "Embedding" else {"p"} if class_name == "Lambda" else set()
    return any(key in config for key in _ONLY_KERAS1 - known)


def input_of(described: Mapping[str, Any]) -> tuple[Any, str] | None:
    """Shape and dtype of the input that a first layer asks for; None where it does not."""
    class_name, config = described["class_name"], described.get("config")
    if not isinstance(config, Mapping) or class_name in ("Sequential", "Model", "Container", "Merge", "InputLayer"):
        return None
    dtype = config.get("input_dtype") or ("int32" if class_name == "Embedding" else "float32")
    shape = config.get("batch_input_shape")
    if shape is None and class_name == "Embedding":
        shape = [None, config.get("input_length")]
    elif shape is None and config.get("input_dim"):
        rank_2 = class_name in ("Dense", "MaxoutDense", "Highway")
        shape = [None, config["input_dim"]] if rank_2 else [None, config.get("input_length"), config["input_dim"]]
    return None if shape is None else (shape, dtype)


def renamed(class_name: str, config: Mapping[str, Any]) -> dict[str, Any]:
    """The layer with the class's and the arguments' names of today."""
    if class_name == "InputLayer":
        kept = ("batch_input_shape", "sparse", "name")
        made = {key: config[key] for key in kept if key in config}
        return {"class_name": class_name, "config": {**made, "dtype": config.get("input_dtype") or "float32"}}
    dropped = set(_DROPPED) - ({"input_dim"} if class_name == "Embedding" else set())
    own = dict(config)
    if class_name in _SPECIAL:
        own = _SPECIAL[class_name](own)
    today = own.pop("class_name", CLASSES[class_name])
    names = {**_RENAMED, **_RENAMED_OF.get(today, {})}
    made = {names.get(key, key): _value(key, value) for key, value in own.items() if key not in dropped}
    if made.get("data_format") is not None:
        made["data_format"] = "channels_first" if made["data_format"] in ("th", "channels_first") else "channels_last"
    return {"class_name": today, "config": made}


def _value(key: str, value: Any) -> Any:
    if key.endswith("_regularizer"):
        return _regularizer(value)
    if key.endswith("_constraint") and isinstance(value, Mapping) and "name" in value:
        arguments = {_CONSTRAINTS.get(k, k): v for k, v in value.items() if k != "name"}
        return {"class_name": value["name"], "config": arguments}
    if (key == "init" or key.endswith("_init")) and isinstance(value, str):
        return _INITIALIZERS.get(value, value)
    return value


def _regularizer(value: Any) -> Any:
    """A regularizer; that of eigenvalues, which has no equal, is left out."""
    if not isinstance(value, Mapping) or "name" not in value:
        return value
    name, arguments = value["name"], {k: v for k, v in value.items() if k != "name"}
    if name == "EigenvalueRegularizer":
        return None
    if name in ("L1L2Regularizer", "WeightRegularizer", "ActivityRegularizer"):
        l1, l2 = float(arguments.get("l1") or 0), float(arguments.get("l2") or 0)
        return {"class_name": "L1L2", "config": {"l1": l1, "l2": l2}} if l1 or l2 else None
    return {"class_name": name, "config": arguments}


def merging(config: Mapping[str, Any]) -> dict[str, Any]:
    """The layer that does what a Merge with these arguments did; a function of the user's is a Lambda's."""
    mode = config["mode"]
    if config.get("mode_type", "raw") != "raw":
        kept = {key: config[key] for key in ("output_shape", "output_shape_type", "arguments") if key in config}
        return {"class_name": "Lambda", "config": {**kept, "function": mode, "function_type": config["mode_type"]}}
    if mode == "concat":
        return {"class_name": "Concatenate", "config": {"axis": config.get("concat_axis", -1)}}
    if mode == "dot":
        axes = {"axes": config.get("dot_axes", -1), "normalize": config.get("normalize", False)}
        return {"class_name": "Dot", "config": axes}
    if mode == "cos":
        return {"class_name": "CosineMerge", "config": {"dot_axes": config.get("dot_axes", -1)}}
    if mode not in _MERGES:
        known = [*_MERGES, "concat", "dot", "cos"]
        raise ValueError(f"Merge '{config.get('name')}': unknown mode {mode!r}; known are {known}.")
    return {"class_name": _MERGES[mode], "config": {}}


# Layers of which more than names changed


def _joined(config: dict[str, Any], *parts: str) -> dict[str, Any]:
    """Sizes that stood in arguments of their own as one `kernel_size`."""
    if all(part in config for part in parts):
        config["kernel_size"] = [config.pop(part) for part in parts]
    return config


def _rows_and_columns(config: dict[str, Any]) -> dict[str, Any]:
    return _joined(config, "nb_row", "nb_col")


def _volume(config: dict[str, Any]) -> dict[str, Any]:
    return _joined(config, "kernel_dim1", "kernel_dim2", "kernel_dim3")


def _transposed(config: dict[str, Any]) -> dict[str, Any]:
    """Deconvolution2D says its output's shape, for which Conv2DTranspose has `output_padding`."""
    shape = config.pop("output_shape", None)
    kernel, strides = [config["nb_row"], config["nb_col"]], config.get("subsample", [1, 1])
    config = _rows_and_columns(config)
    sizes = [None] if shape is None else shape[2:4] if config.get("dim_ordering") == "th" else shape[1:3]
    if None not in sizes:
        places = zip(sizes, kernel, strides, strict=True)
        padding, usual = zip(*(_output_padding(*place, config.get("border_mode")) for place in places), strict=True)
        config["output_padding"] = list(padding) if padding != usual else None
    return config


def _output_padding(size: int, kernel: int, stride: int, border_mode: Any) -> tuple[int, int]:
    """What makes an output of that size, and what Conv2DTranspose takes by itself."""
    if border_mode == "same":
        steps = -(-size // stride)
        least = (steps - 1) * stride + kernel - 2 * (kernel // 2)
        return size - least, steps * stride - least
    return (size - kernel) % stride, max(stride - kernel, 0)


def _separable(config: dict[str, Any]) -> dict[str, Any]:
    init = _INITIALIZERS.get(config.pop("init", "glorot_uniform"), "glorot_uniform")
    return {**_rows_and_columns(config), "depthwise_initializer": init, "pointwise_initializer": init}


def _forgetful(config: dict[str, Any]) -> dict[str, Any]:
    """LSTM and ConvLSTM2D: the forget gate's bias began at one, unless another initializer was named."""
    config["unit_forget_bias"] = config.pop("forget_bias_init", "one") == "one"
    return _rows_and_columns({"inner_activation": "hard_sigmoid", **config})


def _gru(config: dict[str, Any]) -> dict[str, Any]:
    return {"inner_activation": "hard_sigmoid", **config, "reset_after": False}


def _normalization(config: dict[str, Any]) -> dict[str, Any]:
    if config.get("mode", 0) != 0:
        return {**config, "class_name": "BatchNormalization1"}
    config.pop("mode", None)
    if config.get("epsilon", 1e-3) < 1.001e-5:
        config["fused"] = False  # TensorFlow's fused kernel, which no version used before 2, takes no smaller epsilon
    return config


def _padding_1d(config: dict[str, Any]) -> dict[str, Any]:
    padding = config.get("padding", 1)
    if isinstance(padding, Mapping):
        config["padding"] = [padding.get("left_pad", 0), padding.get("right_pad", 0)]
    return config


def _padding_2d(config: dict[str, Any]) -> dict[str, Any]:
    padding = config.get("padding", [1, 1])
    if isinstance(padding, Mapping):
        padding = [padding.get(f"{side}_pad", 0) for side in ("top", "bottom", "left", "right")]
    config["padding"] = [padding[:2], padding[2:]] if len(padding) == 4 else padding
    return config


def _embedding(config: dict[str, Any]) -> dict[str, Any]:
    config.pop("dropout", None)
    return config


def _masked(config: dict[str, Any]) -> dict[str, Any]:
    return {**config, "activation": "linear"}


_SPECIAL: dict[str, Any] = {
    **dict.fromkeys((name for name in CLASSES if CLASSES[name] == "Conv2D"), _rows_and_columns),
    **dict.fromkeys(("Convolution3D", "Conv3D"), _volume),
    **dict.fromkeys(("Deconvolution2D", "Deconv2D"), _transposed),
    **dict.fromkeys(("SeparableConvolution2D", "SeparableConv2D"), _separable),
    **dict.fromkeys(("LSTM", "ConvLSTM2D"), _forgetful),
    "LocallyConnected2D": _rows_and_columns,
    "GRU": _gru,
    "BatchNormalization": _normalization,
    "ZeroPadding1D": _padding_1d,
    "ZeroPadding2D": _padding_2d,
    "Embedding": _embedding,
    "MaskedLayer": _masked,
}
