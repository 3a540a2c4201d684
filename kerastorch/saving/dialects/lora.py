"""LoRA in Keras 3's legacy h5 files, which hold a kernel and what LoRA adds to it apart. Its archives hold the sum."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

__all__ = ["LORA", "with_lora"]

LORA = ("Dense", "EinsumDense", "Embedding", "ReversibleEmbedding", "Conv1D", "Conv2D", "Conv3D")
"""The layers that have `enable_lora`."""

_Weights = list[tuple[str, Any]]


def with_lora(layers: list[tuple[str, _Weights]], config: Callable[[], Any]) -> list[tuple[str, _Weights]]:
    """The layers of a file, what LoRA adds put into kernels and embeddings: `a @ b * alpha / rank`.

    config: gives the model's config, which names the layers and their alphas; it is asked only where weights look like LoRA's.
    """
    if not any("lora_" in name for _, weights in layers for name, _ in weights):
        return layers
    scales = dict(_scales(config()))
    return [(name, _merged(weights, scales)) for name, weights in layers]


def _scales(config: Any) -> list[tuple[str, float]]:
    if isinstance(config, list):
        return [found for x in config for found in _scales(x)]
    if not isinstance(config, Mapping):
        return []
    inner = config.get("config")
    own = []
    if config.get("class_name") in LORA and isinstance(inner, Mapping):
        rank, alpha = inner.get("lora_rank"), inner.get("lora_alpha")
        if isinstance(rank, int) and rank > 0:
            own = [(str(inner.get("name")), alpha / rank if isinstance(alpha, (int, float)) else 1.0)]
    return own + [found for x in config.values() for found in _scales(x)]


def _merged(weights: _Weights, scales: dict[str, float]) -> _Weights:
    stored, made, added = dict(weights), {}, set()
    for name, a in weights:
        path, _, last = name.rpartition("/")
        base, other = f"{path}/{last.removeprefix('lora_').removesuffix('_a')}", f"{name.removesuffix('_a')}_b"
        if path.rpartition("/")[2] not in scales or base == name or base not in stored or other not in stored:
            continue
        kernel, b = stored[base], stored[other]
        if tuple(kernel.shape) == (*a.shape[:-1], *b.shape[-1:]):
            delta = scales[path.rpartition("/")[2]] * np.matmul(a[()], b[()])
            made[base] = kernel[()] + delta.astype(kernel.dtype)
            added |= {name, other}
    # LoRA freezes the kernel, so that it stands behind all weights that are trained, not before its layer's others.
    kept = [x for x in weights if x[0] not in made and x[0] not in added]
    for base, kernel in made.items():
        path = base.rpartition("/")[0]
        first = next(i for i, (name, _) in enumerate(weights) if name.rpartition("/")[0] == path)
        before = {name for name, _ in weights[:first]}
        kept.insert(sum(name in before for name, _ in kept), (base, kernel))
    return kept
