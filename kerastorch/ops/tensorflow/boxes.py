"""tf.image's non-maximum suppression, by TensorFlow's names and with its arguments and defaults."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from kerastorch.nn.boxes import best_boxes, combined_best_boxes
from kerastorch.ops.indexing import size_of
from kerastorch.ops.table import Table
from kerastorch.ops.values import apply, as_tensor, rank, sizes_of

__all__ = ["TABLE"]

TABLE = Table()

_NO_LIMIT = float("-inf")


def _best(boxes: Any, scores: Any, count: Any, iou: float, least: float, by_first: bool) -> tuple[Any, Any]:
    found = apply(best_boxes, boxes, scores, size_of(count), iou, least, by_first)
    return found[0], found[1]


def _flat(boxes: Any, scores: Any, count: Any, iou: float, least: float, by_first: bool = False) -> tuple[Any, Any]:
    """The indices alone, as many as there are, and their number."""
    boxes, scores = (torch.unsqueeze(as_tensor(x), 0) for x in (boxes, scores))
    indices, number = _best(boxes, scores, count, iou, least, by_first)
    steps = torch.cumsum(torch.ones_like(indices), 1)
    return indices[steps <= torch.unsqueeze(number, 1)], torch.squeeze(number, 0)


@TABLE.named("image.non_max_suppression")
def _non_max_suppression(
    boxes: Any, scores: Any, max_output_size: Any, iou_threshold: Any = 0.5, score_threshold: Any = _NO_LIMIT
) -> Any:
    return _flat(boxes, scores, max_output_size, iou_threshold, score_threshold)[0]


@TABLE.named("image.non_max_suppression_with_scores")
def _with_scores(
    boxes: Any, scores: Any, max_output_size: Any, iou_threshold: Any = 0.5, score_threshold: Any = _NO_LIMIT,
    soft_nms_sigma: float = 0.0,
) -> Any:  # fmt: skip
    if soft_nms_sigma:
        raise ValueError(
            f"image.non_max_suppression_with_scores: soft_nms_sigma must be 0, got {soft_nms_sigma}: scores that decay "
            "softly have no torch counterpart here. Give one: custom_objects={'tf.image.non_max_suppression_with_scores': f}."
        )
    indices = _flat(boxes, scores, max_output_size, iou_threshold, score_threshold)[0]
    return [indices, as_tensor(scores)[indices]]


@TABLE.named("image.non_max_suppression_padded")
def _padded(
    boxes: Any, scores: Any, max_output_size: Any, iou_threshold: Any = 0.5, score_threshold: Any = _NO_LIMIT,
    pad_to_max_output_size: bool = False, sorted_input: bool = False, canonicalized_coordinates: bool = False,
    tile_size: int = 512,
) -> Any:  # fmt: skip
    # Unlike the others it leaves out a box that overlaps by as much as the threshold, and trusts the first box's corners.
    iou_threshold = float(np.nextafter(np.float32(iou_threshold), np.float32(-1)))
    if not pad_to_max_output_size:
        return list(_flat(boxes, scores, max_output_size, iou_threshold, score_threshold, True))
    single = rank(boxes) == 2
    x, y = (torch.unsqueeze(a, 0) if single else a for a in (boxes, scores))
    x, y = (a.reshape([-1, *sizes_of(a)[k:]]) for a, k in ((x, -2), (y, -1)))
    indices, number = _best(x, y, max_output_size, iou_threshold, score_threshold, True)
    if single:
        return [torch.squeeze(indices, 0), torch.squeeze(number, 0)]
    outer = sizes_of(boxes)[:-2]
    return [indices.reshape([*outer, -1]), number.reshape(list(outer))]


@TABLE.named("image.combined_non_max_suppression")
def _combined(
    boxes: Any, scores: Any, max_output_size_per_class: Any, max_total_size: Any, iou_threshold: Any = 0.5,
    score_threshold: Any = _NO_LIMIT, pad_per_class: bool = False, clip_boxes: bool = True,
) -> Any:  # fmt: skip
    total = max_total_size
    if pad_per_class:
        total = min(total, max_output_size_per_class * sizes_of(scores)[2])
    found = apply(
        combined_best_boxes, boxes, scores, max_output_size_per_class, total, iou_threshold, score_threshold, clip_boxes
    )
    return [found[i] for i in range(4)]
