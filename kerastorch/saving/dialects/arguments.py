"""One layer's arguments, as versions of Keras since 2.0 spelled them, in tf.keras 2's form."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kerastorch.saving.dialects.lora import LORA
from kerastorch.saving.origin import Origin

__all__ = ["HARD_SIGMOID", "arguments"]

HARD_SIGMOID = "keras2_hard_sigmoid"
"""In files for Keras 3, which has another function of that name: the layers that stand for Keras 2's hard sigmoid."""

_GATED = ("GRU", "GRUCell", "LSTM", "LSTMCell", "ConvLSTM2D", "ConvLSTM2DCell")
_SLOPED = ("LeakyReLU", "ELU", "ThresholdedReLU")
"""Layers whose number was an array for some versions before Keras 2.2."""


def arguments(name: str, config: dict[str, Any], origin: Origin) -> dict[str, Any]:
    """The arguments of a layer of that class, those renamed or dropped between versions included."""
    if (name == "InputLayer" and "batch_shape" in config) or (
        "batch_shape" in config and "batch_input_shape" not in config
    ):
        config["batch_input_shape"] = config.pop("batch_shape")
    quantised = config.pop("quantization_config", None)
    if quantised is not None:
        raise ValueError(
            f"{name} '{config.get('name')}' holds quantised weights (quantization_config={quantised!r:.200}), which are not read "
            "here. Save the model in Keras before model.quantize()."
        )
    if name in LORA:  # kernels are read with what LoRA adds to them
        config.pop("lora_rank", None), config.pop("lora_alpha", None)
    if name == "RandomRotation":
        config.pop("value_range", None)  # which Keras 3.0 to 3.5 had, and did nothing with
    if name == "RandomCrop" and "data_format" in config:
        config["resize_in_inference"] = False
    if name == "LeakyReLU" and "negative_slope" in config:
        config["alpha"] = config.pop("negative_slope")
    if name in _SLOPED:
        config.update({key: value["value"] for key, value in config.items() if _is_array(value)})
    if name == "BatchNormalization":
        for key in ("renorm", "renorm_clipping", "renorm_momentum"):
            if not config.get(key) or key == "renorm_momentum":
                config.pop(key, None)
        if origin.generation == 3:
            config["fused"] = False  # whose moving variance averages the biased ones, in all ranks
    if name in ("GRU", "GRUCell") and "reset_after" not in config and origin.generation < 3:
        config["reset_after"] = False  # added, and True, since; what does not say it was written before
    if name in _GATED and "recurrent_activation" not in config and _had_hard_gates(origin):
        config["recurrent_activation"] = "hard_sigmoid"
    if name == "Embedding" and "int" in str(config.get("dtype")):
        del config["dtype"]  # before Keras 2.1 that of the input
    if name == "Discretization" and config.get("bin_boundaries") is not None:
        config.pop("num_bins", None)  # after `adapt` Keras 3 writes what it was asked for beside what it found
    if name == "Discretization" and origin.generation == 3 and config.get("output_mode", "int") == "int":
        config["dtype"] = "int32"  # whatever it says
    if config.get("pad_to_max_tokens") and config.get("max_tokens", 0) is None:
        config["pad_to_max_tokens"] = False  # TextVectorization's default before tf.keras 2.6, and of no effect
    if origin.generation == 3 and name == "MultiHeadAttention":
        config["keras3_masking"] = True
    if origin.generation == 3 and name == "TimeDistributed" and _counts_batches(config.get("layer")):
        config["by_step"] = True
    if origin.generation == 3 and config.get("output_mode") in ("tf_idf", "tf-idf"):
        config["counts_idf"] = False
    if origin.generation == 3:
        for key in ("activation", "recurrent_activation"):
            if key in config:
                config[key] = _activation(config[key])
    return config


def _is_array(value: Any) -> bool:
    return isinstance(value, Mapping) and value.get("type") == "ndarray" and "value" in value


def _counts_batches(config: Any) -> bool:
    """Whether the described layer is, or holds, one that changes weights at each call while training."""
    if isinstance(config, Mapping):
        named = config.get("class_name") in ("BatchNormalization", "SpectralNormalization")
        return named or any(map(_counts_batches, config.values()))
    return isinstance(config, list) and any(map(_counts_batches, config))


def _had_hard_gates(origin: Origin) -> bool:
    """Whether the gates of recurrent layers were hard sigmoids where nothing else was said: before Keras 2.3."""
    return bool(origin.version) and origin.minor < (2, 3) and not origin.version.endswith("-tf")


def _activation(value: Any) -> Any:
    """An activation of Keras 3: its hard sigmoid is another function than Keras 2's."""
    if isinstance(value, Mapping) and value.get("class_name") == "hard_sigmoid":
        value = "hard_sigmoid"
    if isinstance(value, Mapping) and value.get("class_name") == "Sequential":
        value = "kerastorch>hard_sigmoid" if value["config"].get("name") == HARD_SIGMOID else value
    if not isinstance(value, str):
        return value
    return {"hard_sigmoid": "hard_sigmoid_keras3", "kerastorch>hard_sigmoid": "hard_sigmoid"}.get(value, value)
