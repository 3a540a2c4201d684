"""tf.nn's losses, and those of tf.keras.backend, by TensorFlow's names and with its arguments and defaults."""

from __future__ import annotations

from typing import Any

import torch
from torch.nn import functional as F

from kerastorch.config import epsilon
from kerastorch.ops.table import Table
from kerastorch.ops.values import as_tensor

__all__ = ["TABLE"]

TABLE = Table()


@TABLE.named("nn.sigmoid_cross_entropy_with_logits")
def _sigmoid_cross_entropy(labels: Any, logits: Any) -> Any:
    return F.binary_cross_entropy_with_logits(logits, as_tensor(labels, like=logits), reduction="none")


@TABLE.named("nn.softmax_cross_entropy_with_logits", "nn.softmax_cross_entropy_with_logits_v2")
def _softmax_cross_entropy(labels: Any, logits: Any, axis: int = -1) -> Any:
    return -torch.sum(labels * torch.log_softmax(logits, dim=axis), dim=axis)


@TABLE.named("nn.sparse_softmax_cross_entropy_with_logits")
def _sparse_softmax_cross_entropy(labels: Any, logits: Any) -> Any:
    at = torch.unsqueeze(as_tensor(labels).to(torch.int64), -1)
    return -torch.squeeze(torch.gather(torch.log_softmax(logits, dim=-1), -1, at), -1)


@TABLE.named("nn.log_poisson_loss")
def _log_poisson_loss(targets: Any, log_input: Any, compute_full_loss: bool = False) -> Any:
    return torch.exp(log_input) - log_input * targets


@TABLE.named("nn.weighted_cross_entropy_with_logits")
def _weighted_cross_entropy(labels: Any, logits: Any, pos_weight: Any) -> Any:
    weight = as_tensor(pos_weight, like=logits)
    return F.binary_cross_entropy_with_logits(
        logits, as_tensor(labels, like=logits), reduction="none", pos_weight=weight
    )


@TABLE.named("keras.backend.categorical_crossentropy")
def _categorical(target: Any, output: Any, from_logits: bool = False, axis: int = -1) -> Any:
    if from_logits:
        return _softmax_cross_entropy(target, output, axis)
    output = output / torch.sum(output, dim=axis, keepdim=True)
    return -torch.sum(target * torch.log(torch.clamp(output, epsilon(), 1 - epsilon())), dim=axis)


@TABLE.named("keras.backend.binary_crossentropy")
def _binary(target: Any, output: Any, from_logits: bool = False) -> Any:
    if from_logits:
        return _sigmoid_cross_entropy(target, output)
    output = torch.clamp(output, epsilon(), 1 - epsilon())
    return -(target * torch.log(output + epsilon()) + (1 - target) * torch.log(1 - output + epsilon()))


@TABLE.named("keras.backend.sparse_categorical_crossentropy")
def _sparse(target: Any, output: Any, from_logits: bool = False, axis: int = -1) -> Any:
    logits = output if from_logits else torch.log(torch.clamp(output, epsilon(), 1 - epsilon()))
    return _sparse_softmax_cross_entropy(target, torch.movedim(logits, axis, -1))
