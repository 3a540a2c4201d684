"""Calls of functions that read images between their pixels or measure them; recorded.npz holds what was returned."""

from __future__ import annotations

from typing import Any

from tests.ops.arrays import Case, Given, f, i, p

__all__ = ["CASES", "KERAS3_CASES"]


def _op(name: str, *args: Any, **made_with: Any) -> Case:
    return Case(name, *args, made_with=made_with)


_TURN = [0.8, -0.6, 1.5, 0.6, 0.8, -2.0, 0.0, 0.0]
_TILT = [1.1, 0.2, -1.0, -0.3, 0.9, 0.7, 0.01, -0.02]
_START = [[0.0, 0.0], [5.0, 0.0], [0.0, 4.0], [5.0, 4.0]]
_END = [[0.5, 0.2], [4.0, 0.3], [-0.7, 4.1], [5.2, 3.0]]
_AT = [[-1.3, 0.2, 2.0, 3.7, 4.9, 6.2], [0.0, -2.6, 1.5, 5.0, 7.3, 3.3]]

KERAS3_CASES = [
    *(_op("image.AffineTransform", f(2, 5, 6, 3), Given([_TURN, _TILT]), fill_mode=m, interpolation=n)
      for m in ("constant", "nearest", "wrap", "reflect") for n in ("bilinear", "nearest")),
    _op("image.AffineTransform", f(5, 6, 3), Given(_TURN), fill_value=1.5),
    _op("image.AffineTransform", f(2, 3, 5, 6), Given(_TILT), data_format="channels_first"),
    _op("image.AffineTransform", i(2, 5, 6, 3, high=200, dtype="uint8"), Given(_TURN), fill_value=7),
    _op("image.PerspectiveTransform", f(5, 6, 3), _START, _END),
    _op("image.PerspectiveTransform", f(2, 5, 6, 3), [_START] * 2, [_END, _START], interpolation="nearest", fill_value=2.0),
    _op("image.PerspectiveTransform", f(1, 3, 5, 6), [_START], [_END], data_format="channels_first"),
    *(_op("image.MapCoordinates", f(5, 6), _AT, order=n, fill_mode=m, fill_value=0.5)
      for n in (0, 1) for m in ("constant", "nearest", "wrap")),
    _op("image.MapCoordinates", i(5, 6, high=90), _AT, order=1), _op("image.MapCoordinates", f(3, 4, 5), p(3, 2, 7), order=1),
    *(_op("image.ScaleAndTranslate", f(1, 5, 6, 2), (1, 7, 4, 2), [1.3, 0.6], [0.2, -0.4], spatial_dims=(1, 2), method=m,
          antialias=a) for m in ("linear", "bicubic", "lanczos3", "lanczos5") for a in (True, False)),
    _op("image.SSIM", p(2, 12, 14, 3), p(2, 12, 14, 3), max_val=2.0), _op("image.SSIM", p(3, 12, 11), p(3, 12, 11), filter_size=5,
        filter_sigma=0.8, k1=0.02, k2=0.05, data_format="channels_first"),
    _op("numpy.Bincount", i(2, 5, high=6)), _op("numpy.Bincount", i(2, 5), minlength=7),
    *(_op("math.ISTFT", (f(2, 7, 9), f(2, 7, 9)), sequence_length=n, sequence_stride=s, fft_length=16, **more)
      for n, s, more in ((16, 4, {}), (12, 5, {"center": False}), (16, 8, {"window": None}), (14, 4, {"length": 20}),
                         (16, 4, {"window": "hamming"}), (8, 10, {"length": 30, "center": False}))),
]  # fmt: skip

_PLACES = Given(
    [[0, 0, 1, 1], [0, 0.1, 1, 1.1], [0, -0.1, 1, 0.9], [0, 2, 1, 3], [1.1, 2.9, 0, 2.1], [0, 3, 0, 3], [0.5, 0, 1, 1]]
)
_UPRIGHT = Given(
    [[0, 0, 1, 1], [0, 0.1, 1, 1.1], [0, 0.5, 1, 1], [0, 2, 1, 3], [0, 2.1, 1.1, 2.9], [0, 3, 1, 4], [0.5, 0, 1, 1]]
)
_MANY = Given(
    [[[[y, x, y + 0.4, x + 0.3 + 0.1 * c] for c in (0, 1, 2)] for y in (0.1, 0.2, 0.5) for x in (-0.1, 0.2, 0.3)]] * 2
)
_NMS = "image.non_max_suppression"

_BOXES = [[0.1, 0.2, 0.8, 0.7], [0.9, 0.1, 0.2, 1.3], [-0.3, 0.0, 1.0, 1.0]]

CASES = [
    Case("image.ssim", p(2, 12, 14, 3), p(2, 12, 14, 3), 2.0), Case("image.ssim", p(12, 14, 3), p(12, 14, 3), max_val=1.0),
    Case("image.ssim", p(2, 12, 14, 1), p(2, 12, 14, 1), 2.0, 5, 0.8, 0.02, 0.05),
    Case("image.ssim", p(2, 12, 14, 3), p(2, 12, 14, 3), 2.0, return_index_map=True),
    Case("image.ssim", i(2, 12, 14, 3, high=200, dtype="uint8"), i(2, 12, 14, 3, high=200, dtype="uint8"), 255),
    Case("image.ssim_multiscale", p(2, 45, 50, 3), p(2, 45, 50, 3), 2.0, power_factors=(0.3, 0.5, 0.2), k2=0.5),
    Case("image.ssim_multiscale", p(2, 24, 25, 1), p(2, 24, 25, 1), 2.0, (0.4, 0.6), filter_size=7, k2=0.5),
    Case("image.psnr", i(2, 5, 6, 3, high=200, dtype="uint8"), i(2, 5, 6, 3, high=200, dtype="uint8"), 255),
    Case("image.crop_and_resize", f(2, 5, 6, 3), _BOXES, [0, 1, 1], [4, 3]),
    Case("image.crop_and_resize", f(2, 5, 6, 3), p(3, 4), i(3, high=2), [1, 4], extrapolation_value=-1.0),
    Case("image.crop_and_resize", f(2, 5, 6, 3), _BOXES, [0, 1, 1], (4, 3), "nearest"),
    Case("image.crop_and_resize", i(2, 5, 6, 1, high=200, dtype="uint8"), _BOXES, box_indices=[0, 1, 0], crop_size=[6, 6]),
    Case("compat.v1.image.crop_and_resize", f(2, 5, 6, 3), _BOXES, [0, 1, 1], [4, 3]),
    Case("nn.dilation2d", f(2, 5, 6, 3), f(2, 3, 3), [1, 1, 1, 1], "SAME", "NHWC", [1, 1, 1, 1]),
    Case("nn.dilation2d", f(2, 7, 9, 3), f(3, 2, 3), [1, 2, 3, 1], "VALID", data_format="NHWC", dilations=[1, 2, 1, 1]),
    Case("nn.dilation2d", f(2, 7, 9, 3), f(3, 2, 3), [1, 2, 3, 1], "SAME", data_format="NHWC", dilations=[1, 2, 3, 1]),
    Case("nn.erosion2d", f(2, 5, 6, 3), f(2, 3, 3), [1, 2, 1, 1], "SAME", "NHWC", [1, 1, 2, 1]),
    Case("compat.v1.nn.dilation2d", f(2, 5, 6, 3), filter=f(2, 3, 3), strides=[1, 1, 1, 1], rates=[1, 2, 1, 1], padding="VALID"),
    Case("compat.v1.nn.erosion2d", f(2, 5, 6, 3), kernel=f(2, 3, 3), strides=[1, 1, 1, 1], rates=[1, 1, 1, 1], padding="SAME"),
    Case("nn.max_pool_with_argmax", f(2, 5, 6, 3), 2, 2, "SAME"),
    Case("nn.max_pool_with_argmax", f(2, 5, 6, 3), [1, 3, 2, 1], [1, 1, 2, 1], "VALID", include_batch_in_index=True),
    Case("nn.max_pool_with_argmax", f(2, 5, 7, 3), 3, 1, "SAME", "NHWC", include_batch_in_index=True),
    *(Case("compat.v1.image.resize_bicubic", f(2, 5, 6, 3), s, align_corners=a, half_pixel_centers=h)
      for s in ([8, 4], [3, 9]) for a, h in ((False, False), (True, False), (False, True))),
    Case("compat.v1.image.resize_bicubic", i(2, 5, 6, 3, high=200, dtype="uint8"), [7, 7]),
    Case("compat.v1.image.resize_area", f(2, 5, 6, 3), [3, 8]),
    Case(_NMS, _PLACES, p(7), 5), Case(_NMS, _PLACES, p(7), 2, 0.9), Case(_NMS, _PLACES, p(7), 20, 0.2, 0.8),
    Case(_NMS, _PLACES, Given([1, 2, 2, 0, 1, 0, 2]), 5, iou_threshold=0.4),
    Case(f"{_NMS}_with_scores", _PLACES, p(7), 5, score_threshold=0.3),
    Case(f"{_NMS}_padded", _PLACES, p(7), 5), Case(f"{_NMS}_padded", _PLACES, p(7), 9, 0.6, pad_to_max_output_size=True),
    Case(f"{_NMS}_padded", _UPRIGHT, Given([3, 0, 1, 0, 0, 0, 2]), 5, 0.5, -1.0, True),
    Case(f"{_NMS}_padded", _UPRIGHT, p(7), 9, 0.6, pad_to_max_output_size=True),
    Case(f"{_NMS}_padded", p(2, 6, 4), p(2, 6), 4, score_threshold=0.5, pad_to_max_output_size=True),
    Case("image.combined_non_max_suppression", _MANY, p(2, 9, 3), 2, 5),
    Case("image.combined_non_max_suppression", _MANY, p(2, 9, 3), 3, 50, 0.3, 0.7, clip_boxes=False),
    Case("image.combined_non_max_suppression", p(2, 9, 1, 4), p(2, 9, 3), 4, 20, pad_per_class=True),
]  # fmt: skip
