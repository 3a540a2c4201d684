"""What a layer keeps in a file in ways of its own: its weights under other keys, and how it was built."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from kerastorch.variables import Variable, deferred_initialization

__all__ = ["StoredMixin"]


class StoredMixin:
    """The part of `Layer` whose methods a user's class may replace, to be heeded in `.keras` and `.weights.h5` files.

    Keras: tf.keras.layers.Layer.
    """

    name: str
    built: bool
    _built_for: Any = None
    _saved_variables: Callable[[], dict[str, Variable]]
    build: Callable[[Any], None]
    _build_with: Callable[[Callable[[], None]], None]
    _flatten_layers: Callable[[], list[Any]]

    def save_own_variables(self, store: Any) -> None:
        """Puts the values of the layer's own weights, not those of layers in it, into a dict of arrays."""
        for key, variable in self._saved_variables().items():
            store[key] = variable.numpy()

    def load_own_variables(self, store: Any) -> None:
        """Takes the values that `save_own_variables` put into a dict of arrays; ValueError where they are others."""
        own = self._saved_variables()
        if set(store) != set(own):
            raise ValueError(
                f"Layer '{self.name}' expects the weights {list(own)} {[v.name for v in own.values()]}, got "
                f"{list(store)}."
            )
        for key, variable in own.items():
            variable.assign(np.asarray(store[key]))

    def get_build_config(self) -> dict[str, Any] | None:
        """What `build_from_config` needs: the shape for which the layer was built, None where nothing tells it."""
        return None if self._built_for is None else {"input_shape": self._built_for}

    def build_from_config(self, config: Mapping[str, Any]) -> None:
        """Makes the weights, by what `get_build_config` returned."""
        if config.get("input_shape") is not None:
            self.build(config["input_shape"])

    def _build_anew(self) -> None:
        """Builds a built layer, and what is in it, once more, and keeps the weights."""
        if self._built_for is None:
            raise ValueError(
                f"Layer '{self.name}' was built by build(), which does not tell for which inputs: set its attributes before."
            )
        inside = self._flatten_layers()
        kept = {variable.name: variable for layer in inside for variable in layer._variables}
        for layer in inside:
            layer._variables, layer.built = [], False
        with deferred_initialization():
            self._build_with(lambda: self.build(self._built_for))
        for variable in [variable for layer in inside for variable in layer._variables]:
            old = kept.get(variable.name)
            if old is not None and old.shape == variable.shape:
                variable.share(old)
            else:
                variable.initialize()

    def _saves_itself(self) -> bool:
        return type(self).save_own_variables is not StoredMixin.save_own_variables

    def _loads_itself(self) -> bool:
        return type(self).load_own_variables is not StoredMixin.load_own_variables

    def _own_build_config(self) -> dict[str, Any] | None:
        """What a user's class tells of how it was built; None for all others, which their calls build."""
        return self.get_build_config() if type(self).get_build_config is not StoredMixin.get_build_config else None

    def _rebuild(self, config: Mapping[str, Any]) -> None:
        """Builds a layer of a user's class that knows how from its file, before it is called."""
        if not self.built and type(self).build_from_config is not StoredMixin.build_from_config:
            self._build_with(lambda: self.build_from_config(config))
