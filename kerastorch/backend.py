"""The old `keras.backend`. Keras: tf.keras.backend."""

from kerastorch.config import (
    epsilon,
    floatx,
    image_data_format,
    set_epsilon,
    set_floatx,
    set_image_data_format,
)
from kerastorch.graph import clear_names

__all__ = [
    "backend",
    "clear_session",
    "epsilon",
    "floatx",
    "image_data_format",
    "set_epsilon",
    "set_floatx",
    "set_image_data_format",
]


def backend() -> str:
    """'torch'."""
    return "torch"


def clear_session() -> None:
    """Counts names anew: the next Dense is `dense`. Keras: tf.keras.backend.clear_session."""
    clear_names()
