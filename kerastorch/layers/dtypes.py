"""In which dtypes a layer keeps its weights and computes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from kerastorch.config import standardize_dtype, torch_dtype

__all__ = ["DTypeMixin", "placement_version", "structure_version"]

structure_version = [0]
"""Counts changes that make a lowered model stale: a new activation in a layer, a hook, another dtype."""
placement_version = [0]
"""Counts how often layers may have gone to another device."""


class DTypeMixin(nn.Module):
    """The part of `Layer` that answers for dtypes: one for weights and computation, or a policy such as 'mixed_bfloat16'.

    Keras: tf.keras.layers.Layer, tf.keras.mixed_precision.Policy.
    """

    _variable_dtype: str
    _compute_dtype: str
    _policy: str

    @property
    def dtype(self) -> str:
        """The dtype of the weights, such as 'float32'."""
        return self._variable_dtype

    variable_dtype = dtype

    @property
    def compute_dtype(self) -> str:
        """The dtype of the computation: floating inputs are cast to it."""
        return self._compute_dtype

    @property
    def is_mixed(self) -> bool:
        """Whether the dtype is a policy such as 'mixed_bfloat16': float32 weights, computation in the lower precision."""
        return self._policy.startswith("mixed_")

    @property
    def dtype_policy(self) -> str:
        """The dtype, or the name of the policy. Setting it changes the computation; the weights stay as they are."""
        return self._policy

    @dtype_policy.setter
    def dtype_policy(self, policy: Any) -> None:
        self._set_dtype_policy(policy)
        structure_version[0] += 1

    def _set_dtype_policy(self, dtype: Any) -> None:
        if isinstance(dtype, dict):
            dtype = dtype["config"].get("name") if "config" in dtype else dtype.get("name")
        if isinstance(dtype, str) and dtype.startswith("mixed_"):
            self._variable_dtype, self._compute_dtype = "float32", standardize_dtype(dtype.removeprefix("mixed_"))
            self._policy = dtype
        else:
            self._variable_dtype = self._compute_dtype = self._policy = standardize_dtype(dtype)

    def _apply(self, fn: Callable, recurse: bool = True) -> Any:
        super()._apply(fn, recurse)
        placement_version[0] += 1
        # torch's .half(), .to(dtype) and so on: what the layer casts its inputs to must follow.
        if "float" in self._variable_dtype:
            probed = fn(torch.empty(0, dtype=torch_dtype(self._variable_dtype))).dtype
            if probed != torch_dtype(self._variable_dtype):
                self.dtype_policy = probed
        return self

    def _policy_config(self) -> Any:
        if self._policy.startswith("mixed_"):
            return {"class_name": "Policy", "config": {"name": self._policy}}
        return self._policy
