"""Calls of Keras 3's operations; recorded.npz holds what Keras 3 returned."""

from __future__ import annotations

from typing import Any

from tests.ops import image_cases
from tests.ops.arrays import Case, b, f, i, nan, p, spd, u

__all__ = ["CASES"]


def _op(name: str, *args: Any, **made_with: Any) -> Case:
    return Case(name, *args, made_with=made_with)


_ANY = "Absolute Abs Arcsinh Arctan Cbrt Ceil Copy Cos Cosh Exp Exp2 Expm1 Fabs Floor I0 Isfinite Isinf Isnan \
Isneginf Isposinf \
Isreal LogicalNot Negative Conjugate Conj Real Imag Reciprocal Round Sign Signbit Sin Sinc Sinh Square Tan Tanh Trunc \
Deg2rad Rad2deg Angle \
Ravel Size Ndim Flip Fliplr Flipud Transpose NanToNum ZerosLike OnesLike Squeeze".split()
_ACTIVATIONS = "Relu Relu6 Sigmoid SparseSigmoid Softplus Softsign SoftShrink SparsePlus Silu Squareplus LogSigmoid \
LeakyRelu \
HardSigmoid HardSilu Elu Selu Gelu Celu Glu TanhShrink HardTanh HardShrink Softmax LogSoftmax Sparsemax".split()
_BINARY = "Add Subtract Multiply Divide TrueDivide DivideNoNan Mod Fmod FloorDivide Maximum Minimum Fmax Fmin Arctan2 \
Hypot Heaviside Logaddexp \
Logaddexp2 Equal NotEqual Less LessEqual Greater GreaterEqual Isclose AllClose Nextafter".split()
_REDUCTIONS = "Sum Mean Max Min Prod Std Var Amax Amin Any All Ptp Median".split()
_NAN = "Nansum Nanmean Nanmax Nanmin Nanprod Nanstd Nanvar Nanmedian".split()

CASES = [
    *(_op(f"numpy.{n}", f(2, 4)) for n in _ANY), *(_op(f"nn.{n}", f(3, 4)) for n in _ACTIVATIONS),
    *(_op(f"numpy.{n}", p(3, 4)) for n in "Log Log10 Log1p Log2 Sqrt".split()),
    *(_op(f"numpy.{n}", u(3)) for n in "Arccos Arcsin Arctanh".split()),
    _op("numpy.Arccosh", [1.5, 2.0]), *(_op(f"math.{n}", p(3)) for n in "Rsqrt Erf Erfc".split()),
    _op("math.Erfinv", u(3)),
    *(_op(f"numpy.{n}", f(3, 4), f(3, 4)) for n in _BINARY),
    *(_op(f"numpy.{n}", f(3, 4), 0.5)
      for n in "Add Subtract Multiply Divide Maximum Minimum Less Power".split() if n != "Power"),
    _op("numpy.Subtract", 1.0, f(3, 4)), _op("numpy.Add", i(3), 1), _op("numpy.Multiply", i(3), f(3)),
    _op("numpy.Add", f(3, 4), [1.0, 2.0, 3.0, 4.0]),
    _op("numpy.Power", p(3), f(3)), _op("numpy.Power", f(3), 2), _op("numpy.Divide", i(3), i(3, high=9)),
    _op("numpy.Exp", i(3)), _op("numpy.Mean", i(3, 4)),
    _op("numpy.Sum", i(3, 4), axis=1), _op("numpy.Sum", b(3, 4)), _op("numpy.Prod", i(3, 4), axis=0),
    _op("numpy.Cumsum", b(3, 4), axis=1),
    *(_op(f"numpy.{n}", i(4, high=20), i(4, high=9)) for n in "Gcd Lcm BitwiseAnd BitwiseOr BitwiseXor".split()),
    *(_op(f"numpy.{n}", i(4, high=20), 2) for n in "BitwiseLeftShift LeftShift BitwiseRightShift RightShift".split()),
    _op("numpy.BitwiseNot", i(3)), _op("numpy.BitwiseInvert", i(3)),
    *(_op(f"numpy.{n}", b(3), b(3)) for n in "LogicalAnd LogicalOr LogicalXor".split()), _op("numpy.Ldexp", f(3), i(3)),
    _op("numpy.Clip", f(3, 4), x_min=-0.5, x_max=0.5),
    _op("numpy.Where", b(3, 4), f(3, 4), f(3, 4)), _op("numpy.Where", b(3, 4), 1.0, f(3, 4)),
    _op("numpy.Select", [b(4), b(4)], [f(4), f(4)], 0.5),
    *(_op(f"numpy.{n}", f(3, 4, 2), axis=axis, keepdims=k)
      for n in _REDUCTIONS for axis, k in ((None, False), (1, True), ((0, 2), False))),
    *(_op(f"numpy.{n}", nan(3, 4), axis=axis, keepdims=k) for n in _NAN for axis, k in ((None, False), (1, True))),
    _op("numpy.Nanargmax", nan(3, 4), axis=1), _op("numpy.Nanargmin", nan(3, 4), axis=0),
    _op("numpy.Nancumsum", nan(3, 4), axis=1), _op("numpy.Nancumprod", nan(3, 4), axis=1),
    _op("numpy.NanToNum", nan(3, 4), nan=1.5), _op("numpy.Max", f(3, 4), axis=1, initial=0.5),
    _op("numpy.Argmax", f(3, 4), axis=1), _op("numpy.Argmin", f(3, 4), axis=0, keepdims=True),
    _op("numpy.Argmax", f(3, 4)),
    _op("numpy.CountNonzero", i(3, 4), axis=1), _op("numpy.Average", f(3, 4), p(3, 4), axis=1),
    _op("numpy.Average", f(3, 4), p(4), axis=1), _op("numpy.Average", f(3, 4)),
    _op("numpy.Quantile", f(3, 4), 0.3, axis=1),
    _op("numpy.Quantile", f(3, 4, 2), [0.3, 0.5], axis=(0, 2), keepdims=True),
    _op("numpy.Quantile", f(3, 4), 0.3, axis=1, method="nearest"),
    _op("numpy.Percentile", f(3, 4), 30.0, axis=0), _op("numpy.Nanquantile", nan(3, 4), 0.4, axis=1),
    _op("numpy.Nanpercentile", nan(3, 4), 40.0, axis=1),
    _op("numpy.Cumsum", f(3, 4), axis=1, dtype=None), _op("numpy.Cumsum", f(3, 4)),
    _op("numpy.Cumprod", f(3, 4), axis=0), _op("numpy.Sort", f(3, 4), axis=0), _op("numpy.Argsort", f(3, 4), axis=-1),
    _op("numpy.Argsort", f(3, 4), axis=None),
    _op("numpy.Diff", f(3, 5), n=2, axis=-1), _op("numpy.Trapezoid", f(3, 4), dx=0.5),
    _op("numpy.Digitize", f(4), [-1.0, 0.0, 1.0]), _op("numpy.SearchSorted", [-1.0, 0.0, 1.0], f(4), side="left"),
    _op("numpy.Bincount", i(7), minlength=4),
    _op("numpy.Round", f(3, 4), decimals=2), _op("numpy.Round", f(3)),
    _op("math.TopK", f(3, 4), k=2, sorted=True), _op("math.InTopK", i(3), f(3, 4), k=2),
    _op("math.Logsumexp", f(3, 4), axis=1), _op("math.SegmentSum", f(4, 2), i(4), num_segments=3),
    _op("math.SegmentMax", f(4, 2), i(4), num_segments=4),
    _op("math.SegmentMin", f(4, 2), i(4), num_segments=3), _op("math.SegmentProd", f(4, 2), i(4), num_segments=3),
    _op("math.ExtractSequences", f(2, 9), sequence_length=4, sequence_stride=2),
    _op("math.CDist", f(2, 3, 4), f(2, 5, 4)), _op("math.Logdet", spd(3, 3)),
    _op("math.FFT", (f(2, 4), f(2, 4))), _op("math.FFT2", (f(2, 4, 4), f(2, 4, 4))),
    _op("math.IFFT2", (f(2, 4, 4), f(2, 4, 4))), _op("math.RFFT", f(2, 8)), _op("math.RFFT", f(2, 8), fft_length=12),
    _op("math.IRFFT", (f(2, 5), f(2, 5))),
    _op("math.STFT", f(2, 40), sequence_length=8, sequence_stride=4, fft_length=8),
    _op("math.STFT", f(2, 40), sequence_length=6, sequence_stride=3, fft_length=8, window="hamming", center=False),
    # arrays
    _op("numpy.Reshape", f(3, 4), newshape=[-1, 2]), _op("numpy.ExpandDims", f(3, 4), axis=-1),
    _op("numpy.ExpandDims", f(3, 4), axis=(0, 2)), _op("numpy.Squeeze", f(3, 1, 4), axis=1),
    _op("numpy.Transpose", f(3, 4, 2), axes=[0, 2, 1]),
    _op("numpy.Swapaxes", f(3, 4, 2), axis1=0, axis2=-1), _op("numpy.Moveaxis", f(3, 4, 2), source=0, destination=-1),
    _op("numpy.Moveaxis", f(3, 4, 2), source=(0, 1), destination=(-1, 0)),
    _op("numpy.BroadcastTo", f(3, 1), shape=(2, 3, 4)),
    _op("numpy.Flip", f(3, 4), axis=1), _op("numpy.Rot90", f(3, 4), k=1, axes=(0, 1)),
    _op("numpy.Roll", f(3, 4), shift=1, axis=0), _op("numpy.Roll", f(3, 4), shift=2),
    _op("numpy.Tile", f(3, 4), repeats=[2, 1]), _op("numpy.Repeat", f(3, 4), repeats=2, axis=1),
    _op("numpy.Repeat", f(3, 4), repeats=2),
    _op("numpy.Pad", f(3, 4), pad_width=[[1, 0], [0, 2]], mode="constant"),
    _op("numpy.Pad", f(3, 4), 1.5, pad_width=[[1, 1], [1, 1]], mode="constant"),
    _op("numpy.Pad", f(3, 4), pad_width=[[1, 0], [0, 2]], mode="reflect"),
    _op("numpy.Pad", f(3, 4), pad_width=((1, 2), (1, 1)), mode="symmetric"),
    _op("numpy.Concatenate", [f(3, 4), f(3, 2)], axis=-1), _op("numpy.Append", f(3, 4), f(3, 4), axis=0),
    _op("numpy.Append", f(3), f(2)), _op("numpy.Stack", [f(3), f(3)], axis=1), _op("numpy.Hstack", [f(3, 2), f(3, 1)]),
    _op("numpy.Vstack", [f(2, 3), f(3, 3)]), _op("numpy.Dstack", [f(3, 2), f(3, 2)]),
    _op("core.Unstack", f(3, 4), axis=1), _op("numpy.Split", f(4, 6), indices_or_sections=3, axis=-1),
    _op("numpy.Split", f(4, 6), indices_or_sections=[1, 4], axis=-1),
    _op("numpy.ArraySplit", f(7), indices_or_sections=3), _op("numpy.Hsplit", f(3, 4), indices_or_sections=2),
    _op("numpy.Vsplit", f(4, 3), indices_or_sections=2),
    _op("numpy.Dsplit", f(2, 3, 4), indices_or_sections=2), _op("numpy.Meshgrid", f(2), f(3)),
    _op("numpy.Meshgrid", f(2), f(3), indexing="ij"), _op("numpy.GetItem", f(3, 4), (slice(None), 1)),
    _op("numpy.GetItem", f(3, 4), (Ellipsis, None, slice(None, None, 2))),
    _op("numpy.Take", f(3, 4), [0, 2], axis=0), _op("numpy.Take", f(3, 4), i(2, 2), axis=1),
    _op("numpy.Take", f(3, 4), i(2)), _op("numpy.TakeAlongAxis", f(3, 4), i(3, 2), axis=1),
    _op("core.Slice", f(3, 4), [1, 0], shape=[2, 2]), _op("core.SliceUpdate", f(3, 4), [1, 0], f(2, 2)),
    _op("core.Scatter", [[0, 1], [2, 0]], f(2), shape=[3, 3]),
    _op("core.ScatterUpdate", f(3, 4), [[0, 1], [2, 0]], f(2)), _op("core.Cast", f(3), dtype="int32"),
    _op("core.SaturateCast", f(3), dtype="uint8"), _op("core.ConvertToTensor", f(3)), _op("core.StopGradient", f(3)),
    _op("numpy.IsIn", i(5), [0, 2]), _op("numpy.UnravelIndex", i(4, high=12), shape=(3, 4)), _op("numpy.Diag", f(3)),
    _op("numpy.Diag", f(3, 3), k=1), _op("numpy.Diagflat", f(2, 2)), _op("numpy.Diagonal", f(3, 4), offset=1),
    _op("numpy.Trace", f(3, 4)), _op("numpy.Tril", f(3, 4), k=1), _op("numpy.Triu", f(3, 4), k=-1),
    _op("numpy.Vander", f(3), N=4), _op("numpy.FullLike", f(3), 2.0),
    _op("numpy.Full", 1.5, shape=[2, 3], dtype="float32"), _op("numpy.Linspace", f(2), f(2), num=4),
    _op("numpy.Linspace", 0.0, f(2), num=4, endpoint=False, axis=-1), _op("numpy.Logspace", f(2), f(2), num=4),
    _op("numpy.Geomspace", p(2), p(2), num=4),
    _op("numpy.Array", f(3)), _op("nn.OneHot", i(3, 2), num_classes=4, axis=-1),
    _op("nn.OneHot", i(3), num_classes=4, axis=0, dtype="int32"), _op("nn.MultiHot", i(3, 2), num_classes=4),
    _op("numpy.Nonzero", [1, 0, 2]),
    # products and matrices
    _op("numpy.Matmul", f(3, 4), f(4, 2)), _op("numpy.Matmul", f(2, 3, 4), f(2, 4, 5)), _op("numpy.Dot", f(3, 4), f(4)),
    _op("numpy.Dot", f(2, 3, 4), f(4, 5)), _op("numpy.Vdot", f(3), f(3)), _op("numpy.Inner", f(3, 4), f(2, 4)),
    _op("numpy.Outer", f(3), f(2)), _op("numpy.Kron", f(2, 2), f(2, 3)),
    _op("numpy.Tensordot", f(3, 4), f(4, 2), axes=1), _op("numpy.Tensordot", f(3, 4, 2), f(4, 5), axes=[[1], [0]]),
    _op("numpy.Einsum", f(3, 4), f(2, 4), subscripts="ij,kj->ik"), _op("numpy.Cross", f(4, 3), f(4, 3)),
    _op("numpy.Corrcoef", f(3, 5)),
    _op("numpy.Correlate", f(6), f(3), mode="valid"), _op("numpy.Correlate", f(6), f(3), mode="same"),
    _op("numpy.Correlate", f(6), f(3), mode="full"), _op("numpy.Slogdet", spd(3, 3)),
    _op("linalg.Cholesky", spd(2, 3, 3)), _op("linalg.Cholesky", spd(3, 3), upper=True), _op("linalg.Det", spd(3, 3)),
    _op("linalg.Inv", spd(3, 3)),
    _op("linalg.Norm", f(3, 4)), _op("linalg.Norm", f(3, 4), ord=1, axis=1, keepdims=True),
    _op("linalg.Norm", f(3, 4), ord="fro", axis=(0, 1)), _op("linalg.Norm", f(3, 4), ord=2, axis=1),
    _op("linalg.Solve", spd(3, 3), f(3, 2)), _op("linalg.SolveTriangular", spd(3, 3), f(3, 2), lower=True),
    _op("linalg.SVD", f(3, 2), compute_uv=False),
    _op("linalg.Lstsq", f(4, 2), f(4, 1)), _op("linalg.MatrixRank", spd(3, 3)), _op("linalg.Pinv", f(3, 2)),
    _op("linalg.CholeskyInverse", spd(3, 3)),
    # nn
    _op("nn.Softmax", f(3, 4), axis=None), _op("nn.LogSoftmax", f(3, 4), axis=0),
    _op("nn.Gelu", f(3), approximate=False), _op("nn.Threshold", f(3, 4), threshold=0.5, default_value=-1.0),
    _op("nn.Sparsemax", f(3, 4), axis=0), _op("nn.Polar", p(3), f(3)),
    *(_op(f"nn.{n}", f(2, 7, 6, 3), pool_size=3, strides=s, padding=pad)
      for n in ("MaxPool", "AveragePool") for s in (1, 2) for pad in ("same", "valid")),
    _op("nn.MaxPool", f(2, 7, 3), pool_size=2), _op("nn.AdaptiveAveragePool", f(2, 7, 6, 3), output_size=(3, 2)),
    _op("nn.AdaptiveMaxPool", f(2, 7, 6, 3), output_size=(3, 2)),
    *(_op("nn.Conv", f(2, 7, 6, 3), f(3, 2, 3, 4), strides=s, padding=pad) for s in (1, 2) for pad in ("same", "valid")),
    _op("nn.Conv", f(2, 7, 3), f(3, 3, 4), padding="same", dilation_rate=2),
    _op("nn.DepthwiseConv", f(2, 7, 6, 3), f(3, 3, 3, 2), padding="same", strides=2),
    _op("nn.SeparableConv", f(2, 7, 6, 3), f(3, 3, 3, 2), f(1, 1, 6, 4)),
    *(_op("nn.ConvTranspose", f(2, 4, 3, 3), f(3, 3, 4, 3), strides=2, padding=pad, output_padding=o)
      for pad in ("same", "valid") for o in (None, 1)),
    _op("nn.ConvTranspose", f(2, 4, 3, 3), f(2, 2, 4, 3), strides=2, padding="same"),
    _op("nn.ConvTranspose", f(2, 4, 3), f(3, 4, 3), strides=1, padding="same", dilation_rate=2),
    _op("nn.DepthToSpace", f(2, 3, 4, 8), block_size=2), _op("nn.SpaceToDepth", f(2, 4, 6, 3), block_size=2),
    _op("nn.Unfold", f(2, 3, 5, 6), kernel_size=2, stride=2),
    _op("nn.Fold", f(2, 12, 6), output_size=(4, 6), kernel_size=2, stride=2),
    _op("nn.Moments", f(3, 4, 2), axes=[0, 1]), _op("nn.Moments", f(3, 4), axes=[1], keepdims=True),
    _op("nn.BatchNorm", f(3, 4), f(4), p(4), f(4), f(4), axis=-1), _op("nn.BatchNorm", f(3, 4, 2), f(4), p(4), axis=1),
    _op("nn.Normalize", f(3, 4)), _op("nn.Normalize", f(3, 4), axis=0, order=1), _op("nn.RMSNorm", f(3, 4), f(4)),
    _op("nn.LayerNorm", f(3, 4), f(4), f(4)), _op("nn.LayerNorm", f(3, 4, 2), axis=[1, 2]),
    _op("nn.DotProductAttention", f(2, 5, 3, 4), f(2, 6, 3, 4), f(2, 6, 3, 4)),
    _op("nn.DotProductAttention", f(2, 5, 3, 4), f(2, 5, 3, 4), f(2, 5, 3, 4), is_causal=True),
    _op("nn.DotProductAttention", f(2, 5, 3, 4), f(2, 5, 3, 4), f(2, 5, 3, 4), f(2, 3, 5, 5)),
    _op("nn.DotProductAttention", f(2, 5, 4, 4), f(2, 5, 2, 4), f(2, 5, 2, 4)),
    _op("nn.BinaryCrossentropy", p(3, 4), u(3, 4), from_logits=True), _op("nn.BinaryCrossentropy", p(3, 4), u(3, 4)),
    _op("nn.CategoricalCrossentropy", p(3, 4), p(3, 4)),
    _op("nn.CategoricalCrossentropy", p(3, 4), f(3, 4), from_logits=True),
    _op("nn.SparseCategoricalCrossentropy", i(3, 1), f(3, 4), from_logits=True),
    _op("nn.PSNR", p(3, 4), p(3, 4), max_val=2.0),
    # image
    _op("image.RGBToGrayscale", f(2, 5, 6, 3)),
    _op("image.RGBToGrayscale", f(2, 3, 5, 6), data_format="channels_first"), _op("image.RGBToHSV", p(2, 5, 6, 3)),
    _op("image.HSVToRGB", p(2, 5, 6, 3)),
    *(_op("image.Resize", f(2, 5, 6, 3), size=(8, 4), interpolation=n)
      for n in "bilinear nearest bicubic lanczos3 lanczos5".split()),
    _op("image.Resize", f(5, 6, 3), size=(3, 4), antialias=True),
    _op("image.Resize", f(2, 5, 6, 3), size=(8, 4), crop_to_aspect_ratio=True),
    _op("image.Resize", f(2, 5, 6, 3), size=(8, 4), pad_to_aspect_ratio=True, fill_value=1.0),
    _op("image.Resize", f(2, 3, 5, 6), size=(8, 4), data_format="channels_first"),
    _op("image.ExtractPatches", f(2, 5, 6, 3), size=(2, 3), padding="same"),
    _op("image.ExtractPatches", f(5, 6, 3), size=2, strides=1),
    _op("image.PadImages", f(2, 5, 6, 3), top_padding=1, left_padding=2, target_height=8, target_width=9),
    _op("image.CropImages", f(2, 5, 6, 3), top_cropping=1, left_cropping=2, target_height=3, target_width=4),
    _op("image.SobelEdges", f(2, 5, 6, 3)),
    _op("image.GaussianBlur", f(2, 5, 6, 3), kernel_size=(3, 5), sigma=(1.0, 0.5)),
    _op("image.GaussianBlur", f(5, 6, 3)),
    _op("image.RGBToGrayscale", f(5, 6, 3)),
    *image_cases.KERAS3_CASES,
]  # fmt: skip
