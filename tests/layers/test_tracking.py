"""What users keep in lists, tuples and dicts becomes part of their layers."""

from __future__ import annotations

import copy
import io

import pytest
import torch

import kerastorch as keras
from kerastorch import layers


class Held(layers.Layer):
    """Layers in containers that are filled at once, later in `__init__`, and in `build`; private ones too."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.dict, self._list, self.mixed = {}, [], [layers.Dense(4), "relu"]
        self.dict["b"], self.dict["a"] = layers.Dense(4), layers.Dense(4)
        self._list.append({"k": layers.Dense(4)})
        self._pair = (layers.Dense(4), None)
        self.blocks = {}
        self.names = []
        self.names = ["what", "was", "an empty list"]

    def build(self, input_shape):
        self.blocks["z"] = layers.Dense(4)
        self.several = []
        for _ in range(2):
            self.several.append(layers.Dense(4))

    def call(self, inputs):
        x = inputs
        for layer in (
            *self.dict.values(),
            self._list[0]["k"],
            self._pair[0],
            self.mixed[0],
            self.blocks["z"],
            *self.several,
        ):
            x = layer(x)
        return x


X = torch.randn(2, 4)


def test_all_that_is_held_is_part_of_a_layer():
    layer = Held()
    layer.trainable = False
    assert len(layer._sublayers()) == 5
    y = layer(X)
    names = [f"held/dense{f'_{i}' if i else ''}" for i in (2, 1, 0, 3, 4, 5, 6, 7)]
    # The first of `mixed` was made first; `dict` comes before it, in the order of its keys.
    assert [w.path.rpartition("/")[0] for w in layer.weights[::2]] == [
        names[0],
        names[1],
        names[3],
        names[2],
        *names[4:],
    ]
    assert len(list(layer.parameters())) == 16
    assert not layer.trainable_weights and not any(p.requires_grad for p in layer.parameters())
    assert layer.names == ["what", "was", "an empty list"]
    again = Held()
    again(X)
    again.load_state_dict(layer.state_dict())
    torch.testing.assert_close(again(X), y)


@pytest.fixture(autouse=True)
def fresh_names():
    keras.backend.clear_session()


def test_it_goes_with_copies_and_through_the_compiler():
    layer = Held()
    y = layer(X)
    copied = copy.deepcopy(layer)
    assert copied.dict["a"] is not layer.dict["a"] and copied.dict["a"] in list(copied.modules())
    file = io.BytesIO()
    torch.save(layer, file)
    file.seek(0)
    compiled = torch.compile(layer, fullgraph=True, backend="eager")
    exported = torch.export.export(layer, (X,)).module()
    for other in (copied, torch.load(file, weights_only=False), compiled, exported):
        torch.testing.assert_close(other(X), y)


def test_a_list_is_filled_and_emptied_again():
    layer = layers.Layer()
    layer.found = []
    layer.found.extend([layers.Dense(2), layers.Dense(3)])
    assert len(layer._sublayers()) == 2
    del layer.found[0]
    layer.found[0].build((None, 2))
    assert [tuple(p.shape) for p in layer.parameters()] == [(3, 2), (3,)]
    layer.kept = {}
    layer.kept.update(a=layers.Dense(2))
    assert len(layer._sublayers()) == 2
    layer.kept.pop("a")
    assert len(layer._sublayers()) == 1
