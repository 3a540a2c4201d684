"""Training or inference: which phase a layer is in, and how it comes to be in it."""

from __future__ import annotations

import contextlib
import inspect
from collections.abc import Iterator
from typing import Any

from torch import nn

from kerastorch.layers.weights import raw_modules

__all__ = ["PhaseMixin", "phase"]


class PhaseMixin(nn.Module):
    """The part of `Layer` that knows the phase: torch's `training`.

    A layer begins as its `call` has it: augmenting layers, with `call(inputs, training=True)`, in training, the others in
    inference. So `RandomFlip()(x)`, and a model of it, augment when called, as in Keras; `eval()`, `predict` and
    `training=False` turn it off.
    """

    _phase_given = False
    """Whether `train()` or `eval()` was called: then what becomes part of the layer follows."""

    @classmethod
    def _call_parameters(cls) -> tuple[str, ...]:
        """The names of the parameters of `call`, in order; 'training' and 'mask' also where `**kwargs` stands."""
        return cls._call_signature()[1]

    @classmethod
    def _call_signature(cls) -> tuple[Any, tuple[str, ...], Any]:
        """`call`, the names of its parameters, and the default of its `training`."""
        call = cls.call  # type: ignore[attr-defined]
        cached = cls.__dict__.get("_cached_call_signature")
        if cached is None or cached[0] is not call:
            parameters = inspect.signature(call).parameters
            default = parameters["training"].default if "training" in parameters else None
            cached = (call, tuple(parameters)[1:], default)
            cls._cached_call_signature = cached  # type: ignore[attr-defined]
        return cached

    @classmethod
    def _begins_in_training(cls) -> bool:
        return cls._call_signature()[2] is True

    def train(self, mode: bool = True) -> Any:
        """As torch's: this layer and all inside, also what becomes part of it later, train (with False: infer)."""
        self.__dict__["_phase_given"] = True
        return super().train(mode)

    def _adopt(self, module: nn.Module) -> None:
        """Puts what becomes part of this layer into its phase; layers keep their own, unless this one was told its
        phase or names inference in its `call`."""
        if self._phase_given or self._call_signature()[2] is False:
            module.train(self.training)
        elif not isinstance(module, PhaseMixin):
            for _, inner in raw_modules(module):
                inner.training = self.training


@contextlib.contextmanager
def phase(module: nn.Module, training: bool) -> Iterator[None]:
    """Within the block the module and all inside are in training (or inference) mode; afterwards each as it was."""
    before = {m: (m.training, m.__dict__.get("_phase_given", False)) for m in module.modules()}
    module.train(training)
    try:
        yield
    finally:
        for m, (was, given) in before.items():
            m.training = was
            if isinstance(m, PhaseMixin):
                m.__dict__["_phase_given"] = given
        for parent in list(module.modules()):
            for child in parent.children():
                if child not in before:
                    _begin(child, parent)


def _begin(child: nn.Module, parent: nn.Module) -> None:
    """Puts a module that was made within a `phase` into the one that it would have begun in outside."""
    if isinstance(child, PhaseMixin) and not getattr(parent, "_phase_given", False):
        child.training, child.__dict__["_phase_given"] = child._begins_in_training(), False
    else:
        child.training = parent.training
