"""Pipeline of Keras 3, and the layers that cannot be had here: of other frameworks, and around TensorFlow's own objects."""

from __future__ import annotations

from typing import Any

from torch import nn

from kerastorch.layers.base import Layer
from kerastorch.registry import deserialize, serialize

__all__ = ["DenseFeatures", "DynamicEmbedding", "DynamicLookup", "FlaxLayer", "JaxLayer", "Pipeline", "TFSMLayer"]


class Pipeline(Layer):
    """Layers one after the other, as one layer. Keras: keras.layers.Pipeline (Keras 3)."""

    supports_masking = True

    def __init__(self, layers: Any, name: str | None = None, **kwargs: Any) -> None:
        super().__init__(name=name, **kwargs)
        if not isinstance(layers, (list, tuple)) or not all(isinstance(layer, Layer) for layer in layers):
            raise ValueError(f"Pipeline '{self.name}' takes a list of layers, got {layers!r}.")
        self._stages = nn.ModuleList(layers)

    @property
    def layers(self) -> list[Any]:
        """The layers, in order."""
        return list(self._stages)

    def build(self, input_shape: Any) -> None:
        """Builds the layers, each for the shape that the one before it returns."""
        shape = input_shape
        for layer in self.layers:
            if not layer.built:
                layer.build(shape)
                layer.built = True
            shape = layer.compute_output_shape(shape)
        self.built = True

    def call(self, inputs: Any, training: bool = True, mask: Any = None) -> Any:
        """What the last layer returns."""
        for layer in self.layers:
            takes_training = "training" in layer._call_parameters() and training is not None
            inputs = layer(inputs, **({"training": training} if takes_training else {}))
        return inputs

    def compute_output_shape(self, input_shape: Any) -> Any:
        """That of the last layer."""
        for layer in self.layers:
            input_shape = layer.compute_output_shape(input_shape)
        return input_shape

    def compute_output_dtype(self, input_dtype: str) -> str:
        """That of the last layer."""
        for layer in self.layers:
            input_dtype = layer.compute_output_dtype(input_dtype)
        return input_dtype

    def _constructor_config(self, owner: type | None = None) -> dict[str, Any]:
        return {"layers": [serialize(layer) for layer in self.layers]}

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Any = None) -> Pipeline:
        """A pipeline of the layers that the config describes."""
        layers = [x if isinstance(x, Layer) else deserialize("layer", x, custom_objects) for x in config["layers"]]
        return cls(**{**config, "layers": layers})


class _Foreign(Layer):
    """A layer that cannot be had in torch. Raises NotImplementedError, which names the way out."""

    _way_out = ""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        raise NotImplementedError(f"{type(self).__name__} runs {self._way_out}")


class TFSMLayer(_Foreign):
    """A TensorFlow SavedModel: raises NotImplementedError. Keras: keras.layers.TFSMLayer (Keras 3)."""

    _way_out = (
        "TensorFlow's graph, which torch cannot. In TensorFlow save the model it came from as h5 or .keras, and "
        "load that "
        "with kerastorch.models.load_model."
    )


class JaxLayer(_Foreign):
    """A JAX function: raises NotImplementedError. Keras: keras.layers.JaxLayer (Keras 3)."""

    _way_out = "a JAX function, which torch cannot. Write it with torch functions in a Lambda or a Layer of your own."


class FlaxLayer(_Foreign):
    """A Flax module: raises NotImplementedError. Keras: keras.layers.FlaxLayer (Keras 3)."""

    _way_out = "a Flax module, which torch cannot. Write it as an nn.Module and wrap it in TorchModuleWrapper."


class DenseFeatures(_Foreign):
    """Features from TensorFlow's feature columns: raises NotImplementedError. Keras: tf.keras.layers.DenseFeatures."""

    _way_out = (
        "tf.feature_column objects, which are TensorFlow graphs, and torch cannot. Take in their place an Input for each "
        "feature, with StringLookup, IntegerLookup, Discretization, Hashing, Normalization or Embedding on it, and "
        "Concatenate; load the other layers' weights with load_weights(path, by_name=True)."
    )


class DynamicLookup(_Foreign):
    """A vocabulary that changes while the model runs: raises NotImplementedError.

    Eras: 2.
    Keras: tf.keras.layers.experimental.DynamicLookup.
    """

    _way_out = (
        "on TensorFlow variables of one worker each, which torch has not. Take StringLookup or IntegerLookup, and "
        "adapt() them to the data."
    )


class DynamicEmbedding(_Foreign):
    """An Embedding whose vocabulary changes while the model runs: raises NotImplementedError.

    Eras: 2.
    Keras: tf.keras.layers.experimental.DynamicEmbedding.
    """

    _way_out = DynamicLookup._way_out + " Put an Embedding on top."
