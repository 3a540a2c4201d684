"""tf.nn, by TensorFlow's names and with its arguments and defaults."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch.nn import functional as F

from kerastorch.config import torch_dtype
from kerastorch.nn.pooling import dilated, max_with_places
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
from kerastorch.ops.indexing import gather, size_list
from kerastorch.ops.table import Table, unary
from kerastorch.ops.values import apply, as_tensor, is_tensor, rank, sizes_of, to_dtype

__all__ = ["TABLE"]

TABLE = Table()

for _name, _function in {
    "relu": torch.relu, "relu6": F.relu6, "selu": F.selu,
}.items():  # fmt: skip
    TABLE.named(f"nn.{_name}")(unary(_function, "features"))


def _last(data_format: Any) -> bool:
    return data_format is None or not str(data_format).startswith("NC")


# Activations


@TABLE.named("nn.elu")
def _elu(features: Any) -> Any:
    return F.elu(as_tensor(features))


@TABLE.named("nn.gelu")
def _gelu(features: Any, approximate: bool = False) -> Any:
    return F.gelu(as_tensor(features), approximate="tanh" if approximate else "none")


@TABLE.named("nn.leaky_relu")
def _leaky_relu(features: Any, alpha: float = 0.2) -> Any:
    return F.leaky_relu(as_tensor(features), alpha)


@TABLE.named("nn.silu", "nn.swish")
def _silu(features: Any, beta: Any = 1.0) -> Any:
    x = as_tensor(features)
    return F.silu(x) if isinstance(beta, (int, float)) and beta == 1 else x * torch.sigmoid(x * beta)


@TABLE.named("nn.crelu")
def _crelu(features: Any, axis: int = -1) -> Any:
    return torch.relu(torch.cat([features, -features], dim=axis))


@TABLE.named("nn.softmax", "math.softmax")
def _softmax(logits: Any, axis: Any = None, dim: Any = None) -> Any:
    axis = axis if axis is not None else dim
    return torch.softmax(as_tensor(logits), dim=-1 if axis is None else axis)


@TABLE.named("nn.log_softmax", "math.log_softmax")
def _log_softmax(logits: Any, axis: Any = None, dim: Any = None) -> Any:
    axis = axis if axis is not None else dim
    return torch.log_softmax(as_tensor(logits), dim=-1 if axis is None else axis)


@TABLE.named("nn.bias_add")
def _bias_add(value: Any, bias: Any, data_format: Any = None) -> Any:
    bias = as_tensor(bias, like=value)
    if _last(data_format) or rank(value) == 2:
        return value + bias
    return value + bias.reshape([-1, *[1] * (rank(value) - 2)])


@TABLE.named("nn.xw_plus_b")
def _xw_plus_b(x: Any, weights: Any, biases: Any) -> Any:
    return torch.matmul(x, as_tensor(weights, like=x)) + as_tensor(biases, like=x)


@TABLE.named("nn.relu_layer")
def _relu_layer(x: Any, weights: Any, biases: Any) -> Any:
    return torch.relu(_xw_plus_b(x, weights, biases))


# Convolutions


def _convolution(x: Any, kernel: Any, strides: Any, padding: Any, data_format: Any, dilations: Any) -> Any:
    return convolve(as_tensor(x), kernel, strides, padding, _last(data_format), dilations)


@TABLE.named("nn.conv1d")
def _conv1d(
    input: Any, filters: Any, stride: Any = 1, padding: Any = "VALID", data_format: Any = "NWC", dilations: Any = None,
    use_cudnn_on_gpu: Any = None,
) -> Any:  # fmt: skip
    return _convolution(input, filters, stride, padding, data_format, dilations)


@TABLE.named("nn.conv2d")
def _conv2d(
    input: Any, filters: Any, strides: Any = 1, padding: Any = "VALID", data_format: Any = "NHWC", dilations: Any = None,
    use_cudnn_on_gpu: Any = None,
) -> Any:  # fmt: skip
    return _convolution(input, filters, strides, padding, data_format, dilations)


@TABLE.named("nn.conv3d")
def _conv3d(
    input: Any,
    filters: Any,
    strides: Any = 1,
    padding: Any = "VALID",
    data_format: Any = "NDHWC",
    dilations: Any = None,
) -> Any:
    return _convolution(input, filters, strides, padding, data_format, dilations)


@TABLE.named("nn.convolution")
def _nn_convolution(
    input: Any,
    filters: Any,
    strides: Any = None,
    padding: Any = "VALID",
    data_format: Any = None,
    dilations: Any = None,
) -> Any:
    return _convolution(input, filters, strides, padding, data_format, dilations)


@TABLE.named("nn.atrous_conv2d")
def _atrous_conv2d(value: Any, filters: Any, rate: int, padding: str) -> Any:
    return _convolution(value, filters, 1, padding, "NHWC", rate)


@TABLE.named("nn.depthwise_conv2d", "nn.depthwise_conv2d_native")
def _depthwise_conv2d(
    input: Any,
    filter: Any,
    strides: Any,
    padding: Any,
    data_format: Any = None,
    dilations: Any = None,
    rate: Any = None,
) -> Any:
    dilations = dilations if dilations is not None else rate
    return convolve(as_tensor(input), filter, strides, padding, _last(data_format), dilations, depthwise=True)


@TABLE.named("nn.separable_conv2d")
def _separable_conv2d(
    input: Any, depthwise_filter: Any, pointwise_filter: Any, strides: Any, padding: Any, data_format: Any = None,
    dilations: Any = None, rate: Any = None,
) -> Any:  # fmt: skip
    inner = _depthwise_conv2d(input, depthwise_filter, strides, padding, data_format, dilations, rate)
    return _convolution(inner, pointwise_filter, 1, "VALID", data_format, None)


def _transposed(x: Any, kernel: Any, shape: Any, strides: Any, padding: str, data_format: Any, dilations: Any) -> Any:
    shape = size_list(shape)
    sizes = shape if len(shape) == rank(x) - 2 else (shape[1:-1] if _last(data_format) else shape[2:])
    return transposed(x, kernel, strides, padding, _last(data_format), sizes, dilations)


@TABLE.named("nn.conv1d_transpose")
def _conv1d_transpose(
    input: Any, filters: Any, output_shape: Any, strides: Any, padding: str = "SAME", data_format: Any = "NWC",
    dilations: Any = None,
) -> Any:  # fmt: skip
    return _transposed(input, filters, output_shape, strides, padding, data_format, dilations)


@TABLE.named("nn.conv2d_transpose")
def _conv2d_transpose(
    input: Any, filters: Any, output_shape: Any, strides: Any, padding: str = "SAME", data_format: Any = "NHWC",
    dilations: Any = None,
) -> Any:  # fmt: skip
    return _transposed(input, filters, output_shape, strides, padding, data_format, dilations)


@TABLE.named("nn.conv3d_transpose")
def _conv3d_transpose(
    input: Any, filters: Any, output_shape: Any, strides: Any, padding: str = "SAME", data_format: Any = "NDHWC",
    dilations: Any = None,
) -> Any:  # fmt: skip
    return _transposed(input, filters, output_shape, strides, padding, data_format, dilations)


# Pooling and blocks


@TABLE.named("nn.max_pool", "nn.max_pool1d", "nn.max_pool2d", "nn.max_pool3d")
def _max_pool(input: Any, ksize: Any, strides: Any, padding: str, data_format: Any = None) -> Any:
    return pool("max", input, ksize, strides, padding, _last(data_format))


@TABLE.named("nn.avg_pool", "nn.avg_pool1d", "nn.avg_pool2d", "nn.avg_pool3d")
def _avg_pool(input: Any, ksize: Any, strides: Any, padding: str, data_format: Any = None) -> Any:
    return pool("avg", input, ksize, strides, padding, _last(data_format))


@TABLE.named("nn.pool")
def _pool(
    input: Any, window_shape: Any, pooling_type: str, strides: Any = None, padding: str = "VALID", data_format: Any = None,
    dilations: Any = None,
) -> Any:  # fmt: skip
    if any(n != 1 for n in (dilations if isinstance(dilations, (list, tuple)) else [dilations or 1])):
        raise NotImplementedError(f"tf.nn.pool: windows with gaps are not supported, got dilations={dilations}.")
    strides = 1 if strides is None else strides
    return pool(pooling_type.lower(), input, window_shape, strides, padding, _last(data_format))


@TABLE.named("nn.depth_to_space", "depth_to_space")
def _depth_to_space(input: Any, block_size: int, data_format: str = "NHWC") -> Any:
    return depth_to_space(input, block_size, _last(data_format))


@TABLE.named("nn.space_to_depth", "space_to_depth")
def _space_to_depth(input: Any, block_size: int, data_format: str = "NHWC") -> Any:
    return space_to_depth(input, block_size, _last(data_format))


@TABLE.named("space_to_batch", "space_to_batch_nd", "nn.space_to_batch")
def _space_to_batch(input: Any, block_shape: Any, paddings: Any) -> Any:
    blocks = size_list(block_shape)
    pairs = [size_list(pair) for pair in paddings]
    x = F.pad(input, [*(0, 0) * (rank(input) - 1 - len(blocks)), *(n for pair in reversed(pairs) for n in pair)])
    batch, rest = sizes_of(x)[0], sizes_of(x)[1 + len(blocks) :]
    inner = [m for n, b in zip(sizes_of(x)[1:], blocks, strict=False) for m in (n // b, b)]
    x = x.reshape([batch, *inner, *rest])
    order = [*range(2, 2 * len(blocks) + 1, 2), 0, *range(1, 2 * len(blocks), 2)]
    x = x.permute(*order, *range(2 * len(blocks) + 1, 2 * len(blocks) + 1 + len(rest)))
    return x.reshape([batch * math.prod(blocks), *inner[::2], *rest])


@TABLE.named("batch_to_space", "batch_to_space_nd")
def _batch_to_space(input: Any, block_shape: Any, crops: Any) -> Any:
    blocks = size_list(block_shape)
    m = len(blocks)
    batch, sizes, rest = sizes_of(input)[0], sizes_of(input)[1 : 1 + m], sizes_of(input)[1 + m :]
    x = input.reshape([*blocks, batch // math.prod(blocks), *sizes, *rest])
    order = [m, *(n for i in range(m) for n in (m + 1 + i, i))]
    x = x.permute(*order, *range(2 * m + 1, 2 * m + 1 + len(rest)))
    x = x.reshape([batch // math.prod(blocks), *(n * b for n, b in zip(sizes, blocks, strict=True)), *rest])
    for axis, (first, last) in enumerate(crops, 1):
        whole = sizes[axis - 1] * blocks[axis - 1]
        x = x.narrow(axis, first, whole - first - last)
    return x


# Normalization


@TABLE.named("nn.moments")
def _moments(x: Any, axes: Any, shift: Any = None, keepdims: Any = False) -> Any:
    return [reduced(torch.mean, x, axes, keepdims), reduced(torch.var, x, axes, keepdims, correction=0)]


@TABLE.named("nn.weighted_moments")
def _weighted_moments(x: Any, axes: Any, frequency_weights: Any, keepdims: Any = False) -> Any:
    weights = as_tensor(frequency_weights, like=x) * torch.ones_like(x)
    total = reduced(torch.sum, weights, axes, True)
    mean = reduced(torch.sum, weights * x, axes, True) / total
    variance = reduced(torch.sum, weights * torch.square(x - mean), axes, True) / total
    if keepdims:
        return [mean, variance]
    return [reduced(torch.sum, y, axes, False) for y in (mean, variance)]


@TABLE.named("nn.batch_normalization")
def _batch_normalization(
    x: Any, mean: Any, variance: Any, offset: Any = None, scale: Any = None, variance_epsilon: float = 0.001
) -> Any:
    def given(value: Any) -> Any:
        return as_tensor(value, like=x) if isinstance(value, (list, tuple)) else value

    mean, variance, offset, scale = map(given, (mean, variance, offset, scale))
    total = variance + variance_epsilon
    factor = torch.rsqrt(total) if is_tensor(total) else total**-0.5
    factor = factor if scale is None else factor * scale
    y = (x - mean) * factor
    return y if offset is None else y + offset


@TABLE.named("nn.fused_batch_norm")
def _fused_batch_norm(
    x: Any, scale: Any, offset: Any, mean: Any = None, variance: Any = None, epsilon: float = 0.001,
    data_format: str = "NHWC", is_training: bool = True, exponential_avg_factor: float = 1.0,
) -> Any:  # fmt: skip
    last = _last(data_format)
    given = [
        None if v is None or (isinstance(v, list) and not v) else as_tensor(v, like=x)
        for v in (mean, variance, scale, offset)
    ]
    x = to_first(x, last)
    if is_training:
        axes = [0, *range(2, rank(x))]
        mean, variance = torch.mean(x, dim=axes), torch.var(x, dim=axes, correction=0)
    else:
        mean, variance = given[:2]
    y = F.batch_norm(x, mean, variance, given[2], given[3], False, 0.0, max(epsilon, 1.001e-5))
    return [to_last(y, last, rank(x) - 2), mean, variance]


@TABLE.named("nn.local_response_normalization", "nn.lrn")
def _lrn(input: Any, depth_radius: int = 5, bias: float = 1.0, alpha: float = 1.0, beta: float = 0.5) -> Any:
    size = 2 * depth_radius + 1
    y = F.local_response_norm(input.permute(0, 3, 1, 2), size, alpha * size, beta, bias)
    return y.permute(0, 2, 3, 1)


@TABLE.named("nn.l2_loss")
def _l2_loss(t: Any) -> Any:
    return torch.sum(torch.square(t)) / 2


@TABLE.named("nn.embedding_lookup")
def _embedding_lookup(
    params: Any, ids: Any, partition_strategy: Any = None, validate_indices: Any = None, max_norm: Any = None
) -> Any:
    rows = gather(params, ids, 0)
    if max_norm is None:
        return rows
    length = torch.linalg.vector_norm(rows, dim=-1, keepdim=True)
    return rows * torch.clamp(max_norm / length, max=1.0)


@TABLE.named("nn.normalize_moments")
def _normalize_moments(counts: Any, mean_ss: Any, variance_ss: Any, shift: Any = None) -> Any:
    mean = mean_ss / counts
    variance = variance_ss / counts - torch.square(mean)
    return [mean if shift is None else mean + shift, variance]


# Morphology, and where the maxima are


def _same(padding: Any) -> bool:
    return str(padding).upper() == "SAME"


@TABLE.named("nn.dilation2d")
def _dilation2d(
    input: Any,
    filters: Any,
    strides: Any,
    padding: Any,
    data_format: str = "NHWC",
    dilations: Any = None,
    rates: Any = None,
) -> Any:
    x, kernel = as_tensor(input), as_tensor(filters, like=input)
    steps, apart = per_axis(strides, 2), per_axis(rates if dilations is None else dilations, 2)
    return apply(dilated, x.permute(0, 3, 1, 2), kernel, steps, apart, _same(padding)).permute(0, 2, 3, 1)


@TABLE.named("nn.erosion2d")
def _erosion2d(
    value: Any, filters: Any = None, strides: Any = None, padding: Any = "VALID", data_format: str = "NHWC",
    dilations: Any = None, rates: Any = None, kernel: Any = None,
) -> Any:  # fmt: skip
    kernel = torch.flip(as_tensor(filters if kernel is None else kernel, like=value), [0, 1])
    return -_dilation2d(-value, kernel, strides, padding, data_format, dilations, rates)


@TABLE.named("nn.max_pool_with_argmax")
def _max_pool_with_argmax(
    input: Any, ksize: Any, strides: Any, padding: Any, data_format: str = "NHWC", output_dtype: Any = "int64",
    include_batch_in_index: bool = False,
) -> Any:  # fmt: skip
    window, steps = per_axis(ksize, 2), per_axis(strides, 2)
    found = apply(max_with_places, input, window, steps, _same(padding), bool(include_batch_in_index))
    return [found[0], to_dtype(found[1], torch_dtype(output_dtype))]
