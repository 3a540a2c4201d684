"""Models that are written once and built with any Keras: `build(keras)` gives them in the Keras passed in."""

from __future__ import annotations

from typing import Any

__all__ = ["MODELS", "attention"]


def tutorial(keras: Any) -> Any:
    """The tutorial's model."""
    x = keras.Input((2,))
    h = keras.layers.Dense(3, activation="relu", name="hidden")(x)
    return keras.Model(x, keras.layers.Dense(1, activation="sigmoid", name="output")(h))


def convolutional(keras: Any) -> Any:
    """A Sequential CNN with BatchNormalization."""
    layers = keras.layers
    return keras.Sequential(
        [
            keras.Input((12, 10, 3)),
            layers.Conv2D(8, 3, strides=2, padding="same", use_bias=False),
            layers.BatchNormalization(),
            layers.Activation("relu"),
            layers.Dropout(0.25),
            layers.MaxPooling2D(padding="same"),
            layers.ZeroPadding2D(1),
            layers.Conv2D(6, (3, 2), activation="tanh"),
            layers.AveragePooling2D((2, 1), padding="valid"),
            layers.BatchNormalization(scale=False),
            layers.Flatten(),
            layers.Dense(4, activation="softmax"),
        ]
    )


def two_inputs(keras: Any) -> Any:
    """Two inputs, two outputs and a shared layer."""
    layers = keras.layers
    a, b = keras.Input((6,), name="a"), keras.Input((6,), name="b")
    shared = layers.Dense(5, activation="relu", name="shared")
    u, v = shared(a), shared(b)
    joined = layers.Concatenate(name="joined")([u, v, layers.Multiply()([u, v])])
    first = layers.Dense(2, name="first")(joined)
    second = layers.Dot(axes=1, normalize=True, name="second")([u, v])
    return keras.Model([a, b], [first, second])


def nested(keras: Any) -> Any:
    """A Sequential inside a Functional inside a Functional."""
    layers = keras.layers
    innermost = keras.Sequential(
        [keras.Input((8, 8, 2)), layers.Conv2D(4, 3), layers.BatchNormalization(), layers.ReLU()], name="stem"
    )
    x = keras.Input((8, 8, 2))
    inner = keras.Model(x, layers.GlobalAveragePooling2D()(innermost(x)), name="features")
    y = keras.Input((8, 8, 2))
    return keras.Model(y, layers.Dense(3, name="head")(inner(y)), name="whole")


def three_calls(keras: Any) -> Any:
    """A layer called three times."""
    layers = keras.layers
    x = keras.Input((5,))
    step = layers.Dense(5, activation="tanh", name="step")
    a = step(x)
    b = step(a)
    c = step(b)
    return keras.Model(x, layers.Add()([a, c]))


def words(keras: Any) -> Any:
    """An embedding, and layers that reshape."""
    layers = keras.layers
    x = keras.Input((6,), dtype="int32")
    e = layers.Embedding(20, 4)(x)
    y = layers.Reshape((4, 6))(layers.Permute((2, 1))(e))
    return keras.Model(x, layers.Dense(3)(layers.LeakyReLU()(layers.Flatten()(y))))


def nested_outputs(keras: Any) -> Any:
    """A model of two inputs and two outputs within a model, called twice, one of its outputs the whole's."""
    layers = keras.layers
    a, b = keras.Input((3,)), keras.Input((4,))
    inner = keras.Model([a, b], [layers.Dense(2, name="u")(a), layers.Dense(2, name="v")(b)], name="inner")
    x, y, z = keras.Input((3,)), keras.Input((4,)), keras.Input((3,))
    first, second = inner([x, y])
    third, fourth = inner([z, y])
    return keras.Model([x, y, z], [layers.Add()([first, third]), layers.Subtract()([second, fourth]), fourth])


def attention(keras: Any) -> Any:
    """Attention whose key, given by keyword, comes from a layer of its own: the order of the layers depends on it."""
    layers = keras.layers
    x = keras.Input((4, 6))
    q, k, v = (layers.Dense(4, name=name)(x) for name in ("q", "k", "v"))
    return keras.Model(x, layers.MultiHeadAttention(2, 3)(q, v, key=k))


MODELS = {f.__name__: f for f in (tutorial, convolutional, two_inputs, nested, nested_outputs, three_calls, words)}
