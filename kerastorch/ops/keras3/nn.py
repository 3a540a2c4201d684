"""keras.ops.nn: Keras 3's convolutions, pooling, normalizations, attention and losses."""

from __future__ import annotations

import operator
from typing import Any

import torch
from torch.nn import functional as F

from kerastorch.activations import sparsemax
from kerastorch.config import image_data_format
from kerastorch.ops.arithmetic import reduced
from kerastorch.ops.convolution import (
    convolve,
    depth_to_space,
    per_axis,
    pool,
    space_to_depth,
    to_first,
    to_last,
    transposed,
)
from kerastorch.ops.keras3.elementwise import as_float
from kerastorch.ops.table import Table
from kerastorch.ops.values import as_tensor, axes_of, dtype_of, rank, sizes_of, static_shape

__all__ = ["TABLE", "is_last"]

TABLE = Table()
_EPSILON = 1e-7


def is_last(data_format: Any) -> bool:
    """Whether the channels are the last axis; None is the default layout."""
    return (data_format or image_data_format()) == "channels_last"


# Softmax and its like


@TABLE.named("nn.Softmax")
def _softmax(x: Any, axis: Any = -1) -> Any:
    return _over(torch.softmax, x, axis)


@TABLE.named("nn.LogSoftmax")
def _log_softmax(x: Any, axis: Any = -1) -> Any:
    return _over(torch.log_softmax, x, axis)


def _over(function: Any, x: Any, axis: Any) -> Any:
    x = as_tensor(x)
    if isinstance(axis, int):
        return function(x, dim=axis)
    if axis is None:
        return function(x.reshape([-1]), dim=-1).reshape(list(sizes_of(x)))
    axes = axes_of(x, axis)
    order = [a for a in range(rank(x)) if a not in axes] + list(axes)
    turned = x.permute(*order)
    flat = (
        turned.reshape([*sizes_of(turned)[: rank(x) - len(axes)], -1]) if len(axes) < rank(x) else turned.reshape([-1])
    )
    back = [order.index(a) for a in range(rank(x))]
    return function(flat, dim=-1).reshape([sizes_of(x)[a] for a in order]).permute(*back)


@TABLE.named("nn.Sparsemax")
def _sparsemax(x: Any, axis: int = -1) -> Any:
    return sparsemax(x, axis)


# Windows


@TABLE.named("nn.MaxPool")
def _max_pool(inputs: Any, pool_size: Any, strides: Any = None, padding: str = "valid", data_format: Any = None) -> Any:
    return pool("max", inputs, pool_size, strides, padding, is_last(data_format))


@TABLE.named("nn.AveragePool")
def _average_pool(
    inputs: Any, pool_size: Any, strides: Any = None, padding: str = "valid", data_format: Any = None
) -> Any:
    return pool("avg", inputs, pool_size, strides, padding, is_last(data_format))


def _adaptive(functions: tuple, inputs: Any, output_size: Any, data_format: Any) -> Any:
    n = rank(inputs) - 2
    last = is_last(data_format)
    size = per_axis(output_size, n, last)
    return to_last(functions[n - 1](to_first(inputs, last), size), last, n)


@TABLE.named("nn.AdaptiveMaxPool")
def _adaptive_max_pool(inputs: Any, output_size: Any, data_format: Any = None) -> Any:
    functions = (F.adaptive_max_pool1d, F.adaptive_max_pool2d, F.adaptive_max_pool3d)
    return _adaptive(functions, inputs, output_size, data_format)


@TABLE.named("nn.AdaptiveAveragePool")
def _adaptive_average_pool(inputs: Any, output_size: Any, data_format: Any = None) -> Any:
    functions = (F.adaptive_avg_pool1d, F.adaptive_avg_pool2d, F.adaptive_avg_pool3d)
    return _adaptive(functions, inputs, output_size, data_format)


@TABLE.named("nn.Conv")
def _conv(
    inputs: Any, kernel: Any, strides: Any = 1, padding: Any = "valid", data_format: Any = None, dilation_rate: Any = 1
) -> Any:
    return convolve(inputs, kernel, strides, padding, is_last(data_format), dilation_rate)


@TABLE.named("nn.DepthwiseConv")
def _depthwise_conv(
    inputs: Any, kernel: Any, strides: Any = 1, padding: Any = "valid", data_format: Any = None, dilation_rate: Any = 1
) -> Any:
    return convolve(inputs, kernel, strides, padding, is_last(data_format), dilation_rate, depthwise=True)


@TABLE.named("nn.SeparableConv")
def _separable_conv(
    inputs: Any, depthwise_kernel: Any, pointwise_kernel: Any, strides: Any = 1, padding: Any = "valid",
    data_format: Any = None, dilation_rate: Any = 1,
) -> Any:  # fmt: skip
    inner = _depthwise_conv(inputs, depthwise_kernel, strides, padding, data_format, dilation_rate)
    return _conv(inner, pointwise_kernel, data_format=data_format)


@TABLE.named("nn.ConvTranspose")
def _conv_transpose(
    inputs: Any, kernel: Any, strides: Any = 1, padding: str = "valid", output_padding: Any = None,
    data_format: Any = None, dilation_rate: Any = 1,
) -> Any:  # fmt: skip
    last, n = is_last(data_format), rank(inputs) - 2
    extra = None
    if output_padding is not None:
        stride, dilation = per_axis(strides, n, last), per_axis(dilation_rate, n, last)
        reach = [d * (k or 1) - d + 1 for d, k in zip(dilation, static_shape(as_tensor(kernel)), strict=False)]
        given = per_axis(output_padding, n, last)
        if padding == "same":
            extra = [p - s + r - r // 2 * 2 for p, s, r in zip(given, stride, reach, strict=True)]
        else:
            extra = [p + min(r - s, 0) for p, s, r in zip(given, stride, reach, strict=True)]
    return transposed(inputs, kernel, strides, padding, last, None, dilation_rate, extra)


@TABLE.named("nn.DepthToSpace")
def _depth_to_space(x: Any, block_size: int, data_format: str = "channels_last") -> Any:
    return depth_to_space(x, block_size, is_last(data_format))


@TABLE.named("nn.SpaceToDepth")
def _space_to_depth(x: Any, block_size: int, data_format: str = "channels_last") -> Any:
    return space_to_depth(x, block_size, is_last(data_format))


def _two(value: Any) -> Any:
    return tuple(value) if isinstance(value, (list, tuple)) else value


@TABLE.named("nn.Unfold")
def _unfold(x: Any, kernel_size: Any, dilation: Any = 1, padding: Any = 0, stride: Any = 1) -> Any:
    return F.unfold(x, *map(_two, (kernel_size, dilation, padding, stride)))


@TABLE.named("nn.Fold")
def _fold(x: Any, output_size: Any, kernel_size: Any, dilation: Any = 1, padding: Any = 0, stride: Any = 1) -> Any:
    return F.fold(x, *map(_two, (output_size, kernel_size, dilation, padding, stride)))


# Normalization


@TABLE.named("nn.Moments")
def _moments(x: Any, axes: Any, keepdims: bool = False, synchronized: bool = False) -> Any:
    return [reduced(torch.mean, x, axes, keepdims), reduced(torch.var, x, axes, keepdims, correction=0)]


@TABLE.named("nn.BatchNorm")
def _batch_norm(
    x: Any, mean: Any, variance: Any, offset: Any = None, scale: Any = None, axis: int = -1, epsilon: float = 1e-3
) -> Any:
    place = axes_of(x, axis)[0]
    shape = [-1 if i == place else 1 for i in range(rank(x))]
    mean, variance, offset, scale = (
        None if v is None else as_tensor(v, like=x).reshape(shape) for v in (mean, variance, offset, scale)
    )
    factor = torch.rsqrt(variance + epsilon)
    y = (x - mean) * (factor if scale is None else factor * scale)
    return y if offset is None else y + offset


@TABLE.named("nn.Normalize")
def _normalize(x: Any, axis: Any = -1, order: Any = 2, epsilon: Any = None) -> Any:
    x = as_float(x)
    epsilon = _EPSILON if epsilon is None else epsilon
    if order == 2:
        total = reduced(torch.sum, torch.square(x), axis, True)
        return x * torch.rsqrt(torch.clamp(total, min=epsilon**2))
    length = reduced(
        lambda t, dim, keepdim: torch.linalg.vector_norm(t, float(order), dim=dim, keepdim=keepdim), x, axis, True
    )
    return x / torch.clamp(length, min=epsilon)


@TABLE.named("nn.RMSNorm")
def _rms_norm(x: Any, scale: Any = None, axis: Any = -1, epsilon: Any = None) -> Any:
    x = as_float(x)
    y = x * torch.rsqrt(reduced(torch.mean, torch.square(x), axis, True) + (_EPSILON if epsilon is None else epsilon))
    return y if scale is None else y * _over_axes(scale, x, axis)


def _over_axes(weight: Any, x: Any, axis: Any) -> Any:
    """A weight of the normalized axes, in their places."""
    weight = as_tensor(weight, like=x)
    axes = axes_of(x, axis)
    if len(axes) == 1 and axes[0] != rank(x) - 1 and rank(weight) == 1:
        return weight.reshape([-1 if i == axes[0] else 1 for i in range(rank(x))])
    return weight


@TABLE.named("nn.LayerNorm")
def _layer_norm(
    x: Any, gamma: Any = None, beta: Any = None, axis: Any = -1, epsilon: Any = None, rms_scaling: bool = False
) -> Any:
    x = as_float(x)
    epsilon = _EPSILON if epsilon is None else epsilon
    variance = reduced(torch.var, x, axis, True, correction=0)
    if rms_scaling:
        return x * torch.rsqrt(variance + epsilon) * (1 if gamma is None else _over_axes(gamma, x, axis))
    y = (x - reduced(torch.mean, x, axis, True)) * torch.rsqrt(variance + epsilon)
    y = y if gamma is None else y * _over_axes(gamma, x, axis)
    return y if beta is None else y + _over_axes(beta, x, axis)


# Attention


@TABLE.named("nn.DotProductAttention")
def _dot_product_attention(
    query: Any, key: Any, value: Any, bias: Any = None, mask: Any = None, scale: Any = None, is_causal: bool = False,
    flash_attention: Any = None, attn_logits_soft_cap: Any = None,
) -> Any:  # fmt: skip
    query, key, value = (torch.transpose(x, 1, 2) for x in (query, key, value))
    if attn_logits_soft_cap is None and bias is None:
        mask = None if mask is None else as_tensor(mask).to(torch.bool)
        groups = static_shape(query)[1] != static_shape(key)[1]
        y = F.scaled_dot_product_attention(
            query, key, value, attn_mask=mask, is_causal=is_causal, scale=scale, enable_gqa=groups
        )
        return torch.transpose(y, 1, 2)
    depth = sizes_of(query)[-1]
    logits = operator.matmul(query, torch.transpose(key, -2, -1)) * (depth**-0.5 if scale is None else scale)
    if attn_logits_soft_cap is not None:
        logits = torch.tanh(logits / attn_logits_soft_cap) * attn_logits_soft_cap
    logits = logits if bias is None else logits + bias
    least = torch.finfo(dtype_of(query)).min * 0.7
    if mask is not None:
        logits = torch.where(as_tensor(mask).to(torch.bool), logits, least)
    if is_causal:
        logits = torch.where(torch.tril(torch.ones_like(logits)) > 0, logits, least)
    return torch.transpose(operator.matmul(torch.softmax(logits, dim=-1), value), 1, 2)


# Losses


@TABLE.named("nn.BinaryCrossentropy")
def _binary_crossentropy(target: Any, output: Any, from_logits: bool = False) -> Any:
    target = as_tensor(target, like=output)
    if from_logits:
        return F.binary_cross_entropy_with_logits(output, target, reduction="none")
    output = torch.clamp(output, _EPSILON, 1 - _EPSILON)
    return -(target * torch.log(output) + (1 - target) * torch.log(1 - output))


def _log_probabilities(output: Any, from_logits: bool, axis: int, normalize: bool) -> Any:
    if from_logits:
        return torch.log_softmax(output, dim=axis)
    if normalize:
        output = output / torch.sum(output, dim=axis, keepdim=True)
    return torch.log(torch.clamp(output, _EPSILON, 1 - _EPSILON))


@TABLE.named("nn.CategoricalCrossentropy")
def _categorical_crossentropy(target: Any, output: Any, from_logits: bool = False, axis: int = -1) -> Any:
    target = as_tensor(target, like=output)
    return -torch.sum(target * _log_probabilities(output, from_logits, axis, True), dim=axis)


@TABLE.named("nn.SparseCategoricalCrossentropy")
def _sparse_categorical_crossentropy(target: Any, output: Any, from_logits: bool = False, axis: int = -1) -> Any:
    target = as_tensor(target).to(torch.int64)
    if rank(target) == rank(output):
        target = torch.squeeze(target, -1)
    logs = _log_probabilities(output, from_logits, axis, True)
    return -torch.squeeze(torch.gather(logs, axis, torch.unsqueeze(target, axis)), axis)


@TABLE.named("nn.PSNR")
def _psnr(x1: Any, x2: Any, max_val: float) -> Any:
    error = torch.mean(torch.square(x1 - x2))
    return 20 * torch.log10(torch.full_like(error, float(max_val))) - 10 * torch.log10(error)
