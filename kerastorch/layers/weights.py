"""What a layer's weights are as Keras counts them: order, trainability, values, losses."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch
from torch import fx, nn

from kerastorch.config import get_device
from kerastorch.graph import is_symbolic
from kerastorch.layers.dtypes import structure_version
from kerastorch.variables import Variable

__all__ = ["WeightsMixin", "losses_were_added", "raw_modules"]

losses_were_added = [False]
"""Whether any layer ever had a loss that stands until the next call: only then they are looked for at each."""


class WeightsMixin:
    """The part of `Layer` that answers for weights. Keras: tf.keras.layers.Layer."""

    name: str
    built: bool
    _trainable: bool
    _variables: list[Variable]
    _losses: list[Any]
    _modules: dict[str, nn.Module]

    def _sublayers(self) -> list[WeightsMixin]:
        """The layers directly inside this one, in the order in which they were set, each once."""
        found: dict[int, WeightsMixin] = {}
        pending = [m for m in reversed(self._modules.values()) if m is not None]
        while pending:
            module = pending.pop()
            if isinstance(module, WeightsMixin):
                found.setdefault(id(module), module)
            else:
                pending.extend(m for m in reversed(module._modules.values()) if m is not None)
        return list(found.values())

    def _own_variables(self) -> list[Variable]:
        """The layer's own variables, those of raw torch modules that a user set on it included."""
        return self._variables + self._wrapped_variables()

    def _saved_variables(self) -> dict[str, Variable]:
        """The layer's own variables under the keys of Keras's path layout: counted, the trainable ones first."""
        own = self._own_variables()
        ordered = [v for v in own if v.trainable] + [v for v in own if not v.trainable]
        return {str(i): v for i, v in enumerate(ordered)}

    def _wrapped_variables(self) -> list[Variable]:
        if type(self).call.__module__.startswith("kerastorch.") and not getattr(self, "_wraps_modules", False):  # type: ignore[attr-defined]
            return []
        known = {(id(v._module), v._attribute) for v in self._variables}
        handles = self.__dict__.setdefault("_handles", {})
        found = []
        ours = {id(v._module) for v in self._variables} - {id(self)}
        for place, module in raw_modules(self):  # type: ignore[arg-type]
            if id(module) in ours:  # the library's layer made it, and all variables that it has for Keras
                continue
            for attribute, tensor in (*module._parameters.items(), *module._buffers.items()):
                if (
                    tensor is None
                    or (id(module), attribute) in known
                    or attribute in module._non_persistent_buffers_set
                ):
                    continue
                path = f"{self.name}/{place}{attribute}:0".replace(".", "/")
                is_parameter = attribute in module._parameters
                made = Variable(module, attribute, path, trainable=is_parameter)
                found.append(handles.setdefault((id(module), attribute), made))
        return found

    @property
    def trainable(self) -> bool:
        """Whether the weights are trained; setting it reaches every layer inside, and `requires_grad`."""
        return self._trainable

    @trainable.setter
    def trainable(self, value: bool) -> None:
        self._trainable = bool(value)
        for layer in self._sublayers():
            layer.trainable = value
        self._sync_requires_grad(True)

    def _sync_requires_grad(self, above: bool) -> None:
        trained = above and self._trainable
        for variable in self._own_variables():
            if isinstance(variable.tensor, nn.Parameter):
                variable.tensor.requires_grad_(trained and variable.trainable)
        for layer in self._sublayers():
            layer._sync_requires_grad(trained)

    @property
    def trainable_weights(self) -> list[Variable]:
        """The weights that training changes, in Keras's order."""
        if not self._trainable:
            return []
        own = [v for v in self._own_variables() if v.trainable]
        return _unique(own + [v for layer in self._sublayers() for v in layer.trainable_weights])

    @property
    def non_trainable_weights(self) -> list[Variable]:
        """The weights that training leaves, in Keras's order; all of them where the layer is frozen."""
        own = self._own_variables()
        if self._trainable:
            inner = [v for layer in self._sublayers() for v in layer.non_trainable_weights]
            return _unique([v for v in own if not v.trainable] + inner)
        own = [v for v in own if v.trainable] + [v for v in own if not v.trainable]
        return _unique(own + [v for layer in self._sublayers() for v in layer.weights])

    @property
    def weights(self) -> list[Variable]:
        """All weights: the trainable ones, then the others.

        So tf.keras has them, and models from Keras 3 here too. Keras 3's own `weights`, and so its `get_weights`, have each inner
        layer's next to each other. `trainable_weights` and `non_trainable_weights` are alike in both, and files hold those."""
        return _unique(self.trainable_weights + self.non_trainable_weights)

    @property
    def variables(self) -> list[Variable]:
        """As `weights`."""
        return self.weights

    @property
    def trainable_variables(self) -> list[Variable]:
        """As `trainable_weights`."""
        return self.trainable_weights

    @property
    def non_trainable_variables(self) -> list[Variable]:
        """As `non_trainable_weights`."""
        return self.non_trainable_weights

    def get_weights(self) -> list[np.ndarray]:
        """The weights' values as NumPy arrays, in the order of `weights`."""
        return [v.numpy() for v in self.weights]

    def set_weights(self, weights: list[Any]) -> None:
        """Sets the values, in the order of `weights`; ValueError, naming all that do not fit, and then nothing is set."""
        variables = self.weights
        if len(weights) != len(variables):
            raise ValueError(
                f'You called set_weights(weights) on layer "{self.name}" with a list of {len(weights)} weight(s), but '
                f"the layer was expecting {len(variables)}: {[v.name for v in variables]}."
            )
        wrong = [
            f"{v.name} has shape {v.shape}, got {tuple(np.shape(w))}"
            for v, w in zip(variables, weights, strict=True)
            if not v.fits(np.shape(w))
        ]
        if wrong:
            raise ValueError(
                f'Layer "{self.name}": weight shape not compatible with the value given: {"; ".join(wrong)}.'
            )
        for variable, value in zip(variables, weights, strict=True):
            variable.assign(value)

    def count_params(self) -> int:
        """The number of scalars in the weights; ValueError where the layer is not built."""
        if not self.built:
            raise ValueError(
                f"You tried to call count_params on layer '{self.name}', but it isn't built. Call it on an input, or "
                f"build it: {self.name}.build(input_shape)."
            )
        return sum(int(np.prod(v.shape)) for v in self.weights)

    @property
    def losses(self) -> list[torch.Tensor]:
        """Scalars to add to the loss: of weight regularizers, of activity regularizers and of `add_loss`, the latter
        two as of the last call."""
        found = []
        for layer in self._flatten_layers():
            found += [
                v.regularizer(v.value) for v in layer._own_variables() if v.regularizer is not None and v.trainable
            ]
            found += [loss() if callable(loss) else loss for loss in layer._losses]
        return found

    def _flatten_layers(self) -> list[WeightsMixin]:
        """This layer and all inside it, each once."""
        found: dict[int, WeightsMixin] = {}
        pending: list[WeightsMixin] = [self]
        while pending:
            layer = pending.pop()
            if id(layer) not in found:
                found[id(layer)] = layer
                pending.extend(reversed(layer._sublayers()))
        return list(found.values())

    def add_loss(self, losses: torch.Tensor | Callable[[], torch.Tensor] | list[Any]) -> None:
        """Adds scalars, or functions that return them, to `losses`; tensors stand until the model's next call."""
        if is_symbolic(losses):
            raise NotImplementedError(
                f"add_loss of '{self.name}': a loss of symbolic tensors is not supported. Call self.add_loss in the call of a "
                "layer through which these tensors go."
            )
        losses_were_added[0] = True
        for loss in losses if isinstance(losses, (list, tuple)) else [losses]:
            if isinstance(loss, fx.Proxy):
                loss.tracer.losses.append(loss)  # type: ignore[attr-defined]
                continue
            self._losses.append(torch.as_tensor(loss) if isinstance(loss, (int, float)) else loss)

    def _clear_losses(self) -> None:
        for layer in self._flatten_layers():
            layer._losses[:] = [loss for loss in layer._losses if not isinstance(loss, torch.Tensor)]

    def _device(self) -> torch.device:
        """The device on which the layer computes: its weights', or the one on which new weights are made."""
        return self._own_device() or get_device()

    def _own_device(self) -> torch.device | None:
        """The device of the first parameter, or else buffer; None where there is none, or it is still without a value.
        As it is asked at every call, where that tensor is held is sought only once."""
        found = self.__dict__.get("_first_tensor")
        if found is None or found[0] != structure_version[0]:
            found = self.__dict__["_first_tensor"] = structure_version[0], *_first_tensor(self)  # type: ignore[arg-type]
        _, module, held, key = found
        tensor = module.__dict__[held].get(key)
        return None if tensor is None or tensor.is_meta else tensor.device


def _first_tensor(module: nn.Module) -> tuple[nn.Module, str, str]:
    """Where the first parameter, or else buffer, in a module is held: by which module, in which of its dicts, and its key."""
    owners = [owner for owner in module.modules() if not getattr(owner, "follows_input", False)]
    for held in ("_parameters", "_buffers"):
        for owner in owners:
            for key, tensor in owner.__dict__[held].items():
                if tensor is not None:
                    return owner, held, key
    return module, "_parameters", ""


def _unique(variables: list[Variable]) -> list[Variable]:
    return list({id(v): v for v in variables}.values())


def raw_modules(module: nn.Module, prefix: str = "") -> Iterator[tuple[str, nn.Module]]:
    """The module and the modules inside it that are in no other layer, each with its path and a dot."""
    yield prefix, module
    for name, child in module._modules.items():
        if child is not None and not isinstance(child, WeightsMixin):
            yield from raw_modules(child, f"{prefix}{name}.")
