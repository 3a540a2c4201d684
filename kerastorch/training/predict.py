"""Predictions: batches through a model in inference mode, NumPy out."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch.utils import _pytree as pytree

from kerastorch.layers.phase import phase
from kerastorch.training.data import input_batches
from kerastorch.training.progress import Progbar

__all__ = ["predict", "predict_on_batch"]


def predict(model: Any, x: Any, batch_size: int | None, verbose: Any, steps: int | None) -> Any:
    """The model's outputs for all batches of `x`, concatenated, as NumPy arrays in the outputs' structure.

    Raises ValueError where `x` yields nothing, or its arrays differ in length.
    """
    batches, count = input_batches(x, batch_size, steps, len(getattr(model, "inputs", ())) or 1)
    bar = Progbar(count, verbose=1 if verbose == "auto" else int(verbose))
    collected: list[Any] = []
    done = 0
    with phase(model, False), torch.inference_mode():
        for done, batch in enumerate(batches, 1):
            collected.append(pytree.tree_map(_numpy, model(batch)))  # a GPU need not hold them all
            bar.update(done)
    if not collected:
        raise ValueError("predict: the data holds no batch. Give at least one sample (a generator may be used up).")
    if count is None:
        bar.update(done, finalize=True)
    leaves, structure = pytree.tree_flatten(collected[0])
    columns = [[pytree.tree_leaves(outputs)[i] for outputs in collected] for i in range(len(leaves))]
    return pytree.tree_unflatten([np.concatenate(column) for column in columns], structure)


def predict_on_batch(model: Any, x: Any) -> Any:
    """The model's outputs for one batch, as NumPy arrays."""
    with phase(model, False), torch.inference_mode():
        return pytree.tree_map(_numpy, model(x))


def _numpy(x: Any) -> np.ndarray:
    if not isinstance(x, torch.Tensor):
        return np.asarray(x)
    x = x.detach().cpu()
    return (x.float() if x.dtype == torch.bfloat16 else x).numpy()
