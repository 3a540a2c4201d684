"""Files: h5, `.keras`, weights alone, and architectures as JSON and YAML."""

from kerastorch.saving.loading import load_model, load_weights
from kerastorch.saving.origin import Origin
from kerastorch.saving.report import LoadReport
from kerastorch.saving.text import model_from_config, model_from_json, model_from_yaml, to_json, to_yaml
from kerastorch.saving.writing import save_model, save_weights

__all__ = [
    "LoadReport",
    "Origin",
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
