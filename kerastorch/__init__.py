"""kerastorch: the Keras API on plain PyTorch."""

from kerastorch import (
    activations,
    backend,
    config,
    constraints,
    initializers,
    layers,
    models,
    regularizers,
    saving,
    utils,
)
from kerastorch.config import get_device, set_device
from kerastorch.graph import KerasTensor
from kerastorch.layers import Input, Layer
from kerastorch.models import Functional, Model, Sequential

__version__ = "0.1.0"

__all__ = [
    "Functional",
    "Input",
    "KerasTensor",
    "Layer",
    "Model",
    "Sequential",
    "activations",
    "backend",
    "config",
    "constraints",
    "get_device",
    "initializers",
    "layers",
    "models",
    "regularizers",
    "saving",
    "set_device",
    "utils",
]
