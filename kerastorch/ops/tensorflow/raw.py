"""Operations of TensorFlow's graph (tf.raw_ops): each is one of the table's functions, its attributes under other names."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from kerastorch.ops.sizes import function_of_numbers
from kerastorch.ops.table import Table
from kerastorch.ops.tensorflow.node_def import NodeDef

__all__ = ["function_of", "raw_operations"]

RAW: dict[str, tuple[str, dict[str, str]]] = {}
"""Operation -> (the table's function, {attribute: argument})."""

_PLAIN = {
    "Abs": "abs", "Acos": "acos", "Acosh": "acosh", "Asin": "asin", "Asinh": "asinh", "Atan": "atan", "Atanh": "atanh",
    "Ceil": "ceil", "Cos": "cos", "Cosh": "cosh", "Digamma": "digamma", "Erf": "erf", "Erfc": "erfc", "Exp": "exp",
    "Expm1": "expm1", "Floor": "floor", "IsFinite": "is_finite", "IsInf": "is_inf", "IsNan": "is_nan", "Lgamma": "lgamma",
    "Log": "log", "Log1p": "log1p", "LogicalNot": "logical_not", "Neg": "negative", "Reciprocal": "reciprocal",
    "Inv": "reciprocal", "Rint": "rint", "Round": "round", "Rsqrt": "rsqrt", "Sigmoid": "sigmoid", "Sign": "sign",
    "Sin": "sin", "Sinh": "sinh", "Softplus": "softplus", "Softsign": "softsign", "Sqrt": "sqrt", "Square": "square",
    "Tan": "tan", "Tanh": "tanh", "Sub": "subtract", "Mul": "multiply", "RealDiv": "truediv", "Div": "truediv",
    "DivNoNan": "divide_no_nan", "FloorDiv": "floordiv", "FloorMod": "floormod", "Maximum": "maximum", "Minimum": "minimum",
    "Pow": "pow", "SquaredDifference": "squared_difference", "Equal": "equal", "NotEqual": "not_equal", "Less": "less",
    "LessEqual": "less_equal", "Greater": "greater", "GreaterEqual": "greater_equal", "LogicalAnd": "logical_and",
    "LogicalOr": "logical_or", "Add": "add", "AddV2": "add", "Atan2": "atan2", "Xdivy": "xdivy", "Xlogy": "xlogy",
    "MulNoNan": "multiply_no_nan",
}  # fmt: skip
_PLAIN_NN = {"Relu": "nn.relu", "Relu6": "nn.relu6", "Elu": "nn.elu", "Selu": "nn.selu", "Softmax": "nn.softmax",
             "LogSoftmax": "nn.log_softmax", "L2Loss": "nn.l2_loss"}  # fmt: skip
_PLAIN_ARRAY = {
    "Reshape": "reshape", "ExpandDims": "expand_dims", "Transpose": "transpose", "Slice": "slice", "GatherNd": "gather_nd",
    "Tile": "tile", "Pad": "pad", "Identity": "identity", "StopGradient": "stop_gradient", "PreventGradient": "identity",
    "Shape": "shape", "Size": "size", "Rank": "rank", "Fill": "fill", "ZerosLike": "zeros_like", "OnesLike": "ones_like",
    "Range": "range", "LinSpace": "linspace", "Where": "where", "Select": "where", "SelectV2": "where", "ReverseV2": "reverse",
    "Roll": "roll", "BroadcastTo": "broadcast_to", "ClipByValue": "clip_by_value", "SpaceToBatchND": "space_to_batch_nd",
    "BatchToSpaceND": "batch_to_space_nd", "MatrixBandPart": "linalg.band_part", "MatrixDiag": "linalg.diag",
    "MatrixInverse": "linalg.inv", "InvertPermutation": "math.invert_permutation", "ScatterNd": "scatter_nd",
    "Complex": "complex", "Real": "math.real", "Imag": "math.imag", "ComplexAbs": "math.abs", "Angle": "math.angle",
    "Conj": "math.conj",
    **{f"NonMaxSuppression{n}": "image.non_max_suppression" for n in ("V2", "V3")},
    "EnsureShape": "identity", "CheckNumerics": "identity", "Snapshot": "identity",
}  # fmt: skip
RAW.update(
    {
        f"{op}{n}": (f"signal.{op.lower()}{n.lower()}", {})
        for op in "FFT IFFT RFFT IRFFT".split()
        for n in ("", "2D", "3D")
    }
)
RAW.update({op: (f"math.{name}", {}) for op, name in _PLAIN.items()})
RAW.update({op: (name, {}) for op, name in (*_PLAIN_NN.items(), *_PLAIN_ARRAY.items())})
RAW.update(
    {op: (f"math.reduce_{op.lower()}", {"keep_dims": "keepdims"}) for op in "Sum Mean Max Min Prod All Any".split()}
)
_WINDOW = {"strides": "strides", "padding": "padding", "data_format": "data_format", "dilations": "dilations"}
_POOL = {"ksize": "ksize", "strides": "strides", "padding": "padding", "data_format": "data_format"}
_RESIZE = {"align_corners": "align_corners", "half_pixel_centers": "half_pixel_centers"}
_BLOCK = {"block_size": "block_size", "data_format": "data_format"}
RAW.update({
    "ArgMax": ("math.argmax", {"output_type": "output_type"}), "ArgMin": ("math.argmin", {"output_type": "output_type"}),
    "Cumsum": ("math.cumsum", {"exclusive": "exclusive", "reverse": "reverse"}),
    "Cumprod": ("math.cumprod", {"exclusive": "exclusive", "reverse": "reverse"}),
    "MatMul": ("linalg.matmul", {"transpose_a": "transpose_a", "transpose_b": "transpose_b"}),
    "BatchMatMul": ("linalg.matmul", {"adj_x": "adjoint_a", "adj_y": "adjoint_b"}),
    "BatchMatMulV2": ("linalg.matmul", {"adj_x": "adjoint_a", "adj_y": "adjoint_b"}),
    "Squeeze": ("squeeze", {"squeeze_dims": "axis"}), "Cast": ("cast", {"DstT": "dtype"}),
    "LeakyRelu": ("nn.leaky_relu", {"alpha": "alpha"}), "BiasAdd": ("nn.bias_add", {"data_format": "data_format"}),
    "Conv2D": ("nn.conv2d", _WINDOW), "Conv3D": ("nn.conv3d", _WINDOW),
    "DepthwiseConv2dNative": ("nn.depthwise_conv2d", _WINDOW),
    **dict.fromkeys(("MaxPool", "MaxPool3D"), ("nn.max_pool", _POOL)),
    **dict.fromkeys(("AvgPool", "AvgPool3D"), ("nn.avg_pool", _POOL)),
    **dict.fromkeys(
        ("FusedBatchNorm", "FusedBatchNormV2", "FusedBatchNormV3"),
        ("nn.fused_batch_norm", {"epsilon": "epsilon", "data_format": "data_format", "is_training": "is_training"}),
    ),
    "Dilation2D": ("nn.dilation2d", {"strides": "strides", "rates": "rates", "padding": "padding"}),
    "MaxPoolWithArgmax": (
        "nn.max_pool_with_argmax",
        {**dict(list(_POOL.items())[:3]), "Targmax": "output_dtype", "include_batch_in_index": "include_batch_in_index"},
    ),
    "LRN": ("nn.lrn", {"depth_radius": "depth_radius", "bias": "bias", "alpha": "alpha", "beta": "beta"}),
    "DepthToSpace": ("nn.depth_to_space", _BLOCK), "SpaceToDepth": ("nn.space_to_depth", _BLOCK),
    "CombinedNonMaxSuppression": (
        "image.combined_non_max_suppression", {"pad_per_class": "pad_per_class", "clip_boxes": "clip_boxes"}
    ),
    "CropAndResize": ("image.crop_and_resize", {"method": "method", "extrapolation_value": "extrapolation_value"}),
    "ResizeBicubic": ("image.resize_bicubic", _RESIZE),
    "ResizeArea": ("image.resize_area", {"align_corners": "align_corners"}),
    "ResizeBilinear": ("image.resize_bilinear", _RESIZE), "ResizeNearestNeighbor": ("image.resize_nearest_neighbor", _RESIZE),
    "TopKV2": ("math.top_k", {"sorted": "sorted"}), "TopK": ("math.top_k", {"k": "k"}), "OneHot": ("one_hot", {"axis": "axis"}),
    "Unpack": ("unstack", {"axis": "axis", "num": "num"}), "MirrorPad": ("pad", {"mode": "mode"}),
    "StridedSlice": ("strided_slice", {f"{n}_mask": f"{n}_mask" for n in "begin end ellipsis new_axis shrink_axis".split()}),
    "RandomStandardNormal": ("random.normal", {"dtype": "dtype"}), "RandomUniform": ("random.uniform", {"dtype": "dtype"}),
})  # fmt: skip
_OTHERS = (
    "AddN",
    "ConcatV2",
    "Concat",
    "Pack",
    "Split",
    "SplitV",
    "GatherV2",
    "Gather",
    "ResourceGather",
    "PadV2",
    "Einsum",
)


def raw_operations() -> tuple[str, ...]:
    """The operations that there are."""
    return (*RAW, *_OTHERS)


def function_of(node: NodeDef, table: Table) -> Callable[..., Any] | None:
    """What computes an operation from its inputs, or None."""

    def run(name: str, *args: Any, **kwargs: Any) -> Any:
        return (function_of_numbers(name, args, kwargs) or table[name])(*args, **kwargs)

    a = node.attributes
    if node.op in RAW:
        name, renamed = RAW[node.op]
        kwargs = {new: a[old] for old, new in renamed.items() if a.get(old) is not None}
        return lambda *inputs: run(name, *inputs, **kwargs)
    others: dict[str, Callable[..., Any]] = {
        "AddN": lambda *inputs: run("math.add_n", list(inputs)),
        "ConcatV2": lambda *inputs: run("concat", list(inputs[:-1]), inputs[-1]),
        "Concat": lambda axis, *inputs: run("concat", list(inputs), axis),
        "Pack": lambda *inputs: run("stack", list(inputs), a.get("axis") or 0),
        "Split": lambda axis, value: run("split", value, a["num_split"], axis),
        "SplitV": lambda value, sizes, axis: run("split", value, sizes, axis),
        "GatherV2": lambda x, at, axis=0: run("gather", x, at, axis=axis, batch_dims=a.get("batch_dims") or 0),
        "Gather": lambda x, at: run("gather", x, at, axis=0),
        "ResourceGather": lambda x, at: run("gather", x, at, axis=0),
        "PadV2": lambda x, paddings, value: run("pad", x, paddings, constant_values=value),
        "Einsum": lambda *inputs: run("einsum", a["equation"], *inputs),
    }
    return others.get(node.op)
