"""Files: legacy h5 models and weights, and architectures as JSON and YAML."""

from kerastorch.saving.h5 import load_model, load_weights, save_model, save_weights
from kerastorch.saving.report import LoadReport
from kerastorch.saving.text import model_from_config, model_from_json, model_from_yaml, to_json, to_yaml

__all__ = [
    "LoadReport",
    "load_model",
    "load_weights",
    "model_from_config",
    "model_from_json",
    "model_from_yaml",
    "save_model",
    "save_weights",
    "to_json",
    "to_yaml",
]
