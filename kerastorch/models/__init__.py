"""Models. Keras: tf.keras.models."""

from kerastorch import registry
from kerastorch.models import model as _model
from kerastorch.models.cloning import clone_model
from kerastorch.models.functional import Functional
from kerastorch.models.model import Model
from kerastorch.models.sequential import Sequential
from kerastorch.saving import load_model, model_from_config, model_from_json, model_from_yaml, save_model

_model._classes["Functional"] = Functional
registry.register("layer", Functional, "Model")
registry.register("layer", Sequential)

__all__ = [
    "Functional",
    "Model",
    "Sequential",
    "clone_model",
    "load_model",
    "model_from_config",
    "model_from_json",
    "model_from_yaml",
    "save_model",
]
