"""Boxes (y1, x1, y2, x2: two corners that face each other): which of those that overlap are kept."""

from __future__ import annotations

import torch

__all__ = ["as_the_first", "best_boxes", "combined_best_boxes", "overlaps", "upright"]


def overlaps(boxes: torch.Tensor) -> torch.Tensor:
    """(..., boxes, 4) -> (..., boxes, boxes): the common part of two boxes over what both cover; 0 for an empty box."""
    low, high = boxes[..., :2], boxes[..., 2:]
    area = (high - low).prod(-1)
    sides = torch.minimum(high[..., :, None, :], high[..., None, :, :]) - torch.maximum(
        low[..., :, None, :], low[..., None, :, :]
    )
    common = sides.clamp(min=0).prod(-1)
    empty = (area <= 0)[..., :, None] | (area <= 0)[..., None, :]
    return torch.where(empty, 0, common / torch.where(empty, 1, area[..., :, None] + area[..., None, :] - common))


def upright(boxes: torch.Tensor) -> torch.Tensor:
    """(..., 4) with the lower corner first."""
    return torch.cat([torch.minimum(boxes[..., :2], boxes[..., 2:]), torch.maximum(boxes[..., :2], boxes[..., 2:])], -1)


def as_the_first(boxes: torch.Tensor, known: torch.Tensor) -> torch.Tensor:
    """(batch, boxes, 4), each with its corners exchanged as the very first box needs it. known: (batch, boxes)."""
    first = torch.where(known[0, 0], boxes[0, 0], 0)
    turned = (first[:2] > first[2:]).repeat(2)
    return torch.where(turned, boxes[..., [2, 3, 0, 1]], boxes)


def best_boxes(
    boxes: torch.Tensor,
    scores: torch.Tensor,
    count: int,
    most_overlap: float,
    least_score: float,
    by_first: bool = False,
) -> tuple[torch.Tensor, torch.Tensor]:
    """The best boxes of (batch, boxes, 4), none overlapping a better one of them by more than `most_overlap`.

    by_first: the first box tells for all which corner comes first, where otherwise each has its corners in any order.
    Returns their indices, (batch, count), best first and then zeros, and how many there are, (batch,); both int32.
    """
    order = torch.sort(scores, dim=1, descending=True, stable=True)[1]
    alive = scores.gather(1, order) > least_score
    boxes = as_the_first(boxes, scores > least_score) if by_first else upright(boxes)
    apart = overlaps(boxes.gather(1, order[:, :, None].expand(-1, -1, 4))) <= most_overlap
    kept = torch.zeros_like(order[:, :1])
    found = []
    for _ in range(min(count, scores.shape[1])):
        first = alive.to(torch.int32).argmax(1, keepdim=True)
        here = alive.gather(1, first)
        found.append(torch.where(here, order.gather(1, first), 0))
        kept = kept + here
        alive = alive & apart.gather(1, first[:, :, None].expand(-1, -1, apart.shape[2]))[:, 0]
        alive = alive.scatter(1, first, False)
    indices = torch.cat(found, 1) if found else order[:, :0]
    return torch.nn.functional.pad(indices, [0, count - indices.shape[1]]).int(), kept[:, 0].int()


def combined_best_boxes(
    boxes: torch.Tensor, scores: torch.Tensor, per_class: int, total: int, most_overlap: float, least_score: float,
    clip: bool,
) -> list[torch.Tensor]:  # fmt: skip
    """The best boxes of all classes, overlapping ones left out class by class.

    boxes: (batch, boxes, classes or 1, 4). scores: (batch, boxes, classes). Returns boxes (batch, total, 4), within [0, 1]
    where `clip`; their scores and classes, (batch, total); and how many there are, (batch,) int32. The rest is zeros.
    """
    batch, number, classes = scores.shape
    by_class = scores.transpose(1, 2).reshape(-1, number)
    placed = boxes.transpose(1, 2).expand(-1, classes, -1, -1).reshape(-1, number, 4)
    indices, counts = best_boxes(placed, by_class, min(per_class, number), most_overlap, least_score)
    at = indices.long()
    known = torch.arange(at.shape[1], device=at.device) < counts[:, None]
    found = torch.where(known, by_class.gather(1, at), float("-inf")).reshape(batch, -1)
    places = placed.gather(1, at[:, :, None].expand(-1, -1, 4)).reshape(batch, -1, 4)
    missing = max(total - found.shape[1], 0)
    found = torch.nn.functional.pad(found, [0, missing], value=float("-inf"))
    places = torch.nn.functional.pad(places, [0, 0, 0, missing])
    found, order = torch.sort(found, dim=1, descending=True, stable=True)
    found, order = found[:, :total], order[:, :total]
    there = found > float("-inf")
    places = places.gather(1, order[:, :, None].expand(-1, -1, 4))
    kinds = torch.div(order, max(at.shape[1], 1), rounding_mode="floor").to(scores.dtype)
    return [
        torch.where(there[:, :, None], places.clamp(0, 1) if clip else places, 0),
        torch.where(there, found, 0),
        torch.where(there, kinds, 0),
        there.sum(1).int(),
    ]
