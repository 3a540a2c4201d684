"""Bounding boxes of images: the formats in which Keras 3 takes them, and what geometric changes do to them."""

from __future__ import annotations

from typing import Any

import torch

from kerastorch.arrays import tensor_of

__all__ = ["FORMATS", "clipped", "convert_format", "densified", "moved"]

FORMATS = (
    *("xyxy", "yxyx", "xywh", "center_xywh", "center_yxhw"),
    *("rel_xyxy", "rel_yxyx", "rel_xywh", "rel_center_xywh"),
)  # fmt: skip


def convert_format(
    boxes: torch.Tensor, source: str, target: str, height: float | None = None, width: float | None = None
) -> torch.Tensor:
    """Boxes (..., 4) of one format in another. height, width: of the image, for the formats that begin with 'rel_'.

    Raises ValueError for an unknown format, another last axis, or a size that is wanted and not given.
    Keras: keras.utils.bounding_boxes.convert_format (Keras 3).
    """
    source, target = source.lower(), target.lower()
    if source not in FORMATS or target not in FORMATS:
        raise ValueError(f"Bounding boxes: the formats are {FORMATS}, got {source!r} and {target!r}.")
    if boxes.shape[-1] != 4:
        raise ValueError(f"Bounding boxes have four numbers each, got shape {tuple(boxes.shape)}.")
    boxes = boxes if boxes.is_floating_point() else boxes.float()
    if source == target:
        return boxes
    from_relative, to_relative = source.startswith("rel_"), target.startswith("rel_")
    corners = _corners(boxes, source.removeprefix("rel_"))
    if from_relative != to_relative:
        if height is None or width is None:
            raise ValueError(f"Bounding boxes: {source!r} to {target!r} needs the image's height and width.")
        size = corners.new_tensor([width, height, width, height])
        corners = corners * size if from_relative else corners / size
    return _from_corners(corners, target.removeprefix("rel_"))


def _corners(boxes: torch.Tensor, source: str) -> torch.Tensor:
    """Boxes as left, top, right, bottom."""
    if source in ("yxyx", "center_yxhw"):
        boxes = boxes[..., [1, 0, 3, 2]]
    first, second = boxes[..., :2], boxes[..., 2:]
    if source == "xywh":
        second = first + second
    elif source.startswith("center"):
        first, second = first - second / 2, first + second / 2
    return torch.cat([first, second], -1)


def _from_corners(corners: torch.Tensor, target: str) -> torch.Tensor:
    first, second = corners[..., :2], corners[..., 2:]
    if target == "xywh":
        second = second - first
    elif target.startswith("center"):
        first, second = (first + second) / 2, second - first
    boxes = torch.cat([first, second], -1)
    return boxes[..., [1, 0, 3, 2]] if target in ("yxyx", "center_yxhw") else boxes


def clipped(
    boxes: torch.Tensor, labels: torch.Tensor, height: float, width: float
) -> tuple[torch.Tensor, torch.Tensor]:
    """Boxes, as corners, cut to the image; and the labels, -1 for boxes of which nothing is left."""
    size = boxes.new_tensor([width, height, width, height])
    boxes = torch.minimum(boxes.clamp(min=0), size)
    left, top, right, bottom = boxes.unbind(-1)
    return boxes, torch.where((right - left) * (bottom - top) > 0, labels, -1)


def moved(boxes: torch.Tensor, transforms: torch.Tensor) -> torch.Tensor:
    """The boxes around where corners (batch, n, 4) go when images are warped.

    transforms: (batch, 8), as those of `warp`: from places in the new image to places in the old.
    """
    ones = torch.ones_like(transforms[:, :1])
    there = torch.cat([transforms, ones], 1).reshape(-1, 3, 3).double().inverse().to(boxes.device, boxes.dtype)
    corners = boxes[..., [0, 1, 2, 1, 2, 3, 0, 3]].reshape(*boxes.shape[:2], 4, 2)
    found = torch.cat([corners, torch.ones_like(corners[..., :1])], -1) @ there[:, None].transpose(-1, -2)
    found = found[..., :2] / found[..., 2:]
    return torch.cat([found.amin(2), found.amax(2)], -1)


def densified(given: Any, error: Any) -> tuple[torch.Tensor, torch.Tensor]:
    """Boxes and labels of a dict as tensors; of lists that differ in length the shorter ones end with boxes of zeros and
    labels of -1.

    error: makes the ValueError, of a text, for what is no such dict.
    """
    if not isinstance(given, dict) or not {"boxes", "labels"} <= set(given):
        raise error(f"'bounding_boxes' must be a dict with 'boxes' and 'labels', got {given!r}.")
    boxes, labels = given["boxes"], given["labels"]
    ragged = isinstance(boxes, (list, tuple)) and any(isinstance(b, (list, tuple)) for b in labels)
    if ragged and len({len(b) for b in boxes}) > 1:
        most = max(len(b) for b in boxes)
        boxes = [[*b, *[[0.0] * 4] * (most - len(b))] for b in boxes]
        labels = [[*x, *[-1] * (most - len(x))] for x in labels]
    boxes, labels = map(tensor_of, (boxes, labels))
    if boxes.ndim not in (2, 3) or labels.shape[: boxes.ndim - 1] != boxes.shape[:-1]:
        raise error(
            "'bounding_boxes' must have boxes (..., boxes, 4) and labels (..., boxes), got shapes "
            f"{tuple(boxes.shape)} and {tuple(labels.shape)}."
        )
    return boxes, labels
