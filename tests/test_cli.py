"""The command line and the functions behind it: what they say, write and return, on small files made here."""

from __future__ import annotations

import json
import subprocess
import sys

import h5py
import numpy as np
import pytest
import torch

import kerastorch as keras
from kerastorch import layers, tools
from kerastorch.cli import main
from tests.fixture_files import FIXTURES, Fixture, fixture_names


@pytest.fixture
def model():
    keras.backend.clear_session()
    x = keras.Input((2,), name="x")
    y = layers.Dense(3, activation="relu", name="hidden")(x)
    return keras.Model(x, layers.Dense(2, name="last")(layers.BatchNormalization(name="norm")(y)), name="small")


@pytest.fixture
def file(model, tmp_path):
    model.save(tmp_path / "m.h5")
    return tmp_path / "m.h5"


def run(capsys, *arguments):
    """Exit status, and what was printed."""
    status = main([str(x) for x in arguments])
    out, err = capsys.readouterr()
    return status, out, err


def rewritten(file, change):
    """The h5 file with another architecture."""
    with h5py.File(file, "r+") as opened:
        config = json.loads(opened.attrs["model_config"])
        change({layer["config"]["name"]: layer for layer in config["config"]["layers"]})
        opened.attrs["model_config"] = json.dumps(config)
    return file


# inspect


@pytest.mark.parametrize("suffix", [".h5", ".keras"])
def test_inspect(model, tmp_path, suffix):
    model.save(tmp_path / f"m{suffix}")
    found = tools.inspect(tmp_path / f"m{suffix}")
    assert (found.name, found.class_name, found.opens, found.weights_only) == ("small", "Functional", True, False)
    assert (found.parameters, found.weights, found.weight_bytes) == (9 + 12 + 8, 8, 4 * 29)
    assert [(i.name, i.class_name, i.output_shape, i.parameters, i.weights) for i in found.layers] == [
        ("x", "InputLayer", "(None, 2)", 0, 0),
        ("hidden", "Dense", "(None, 3)", 9, 2),
        ("norm", "BatchNormalization", "(None, 3)", 12, 4),
        ("last", "Dense", "(None, 2)", 8, 2),
    ]
    assert (found.inputs, found.outputs) == ([("x", "(None, 2)", "float32")], [("last", "(None, 2)", "float32")])
    assert found.generation == (3 if suffix == ".keras" else 2) and found.training is None and not found.needs


@pytest.mark.parametrize(
    "suffix, container, groups",
    [
        (
            ".weights.h5",
            "Keras 3 weights (.weights.h5)",
            ["layers/batch_normalization", "layers/dense", "layers/dense_1"],
        ),
        (".h5", "h5 weights", ["hidden", "last", "norm"]),
        (".safetensors", "safetensors model", ["hidden", "last", "norm", "x"]),
    ],
)
def test_inspect_weights(model, tmp_path, suffix, container, groups):
    if suffix == ".safetensors":
        pytest.importorskip("safetensors")
    model.save_weights(tmp_path / f"m{suffix}")
    found = tools.inspect(tmp_path / f"m{suffix}")
    assert (found.container, found.weights_only) == (container, suffix != ".safetensors")
    assert sorted(i.name for i in found.layers) == groups
    assert found.parameters == 29 + (suffix == ".safetensors")  # torch's norm counts its batches
    assert sum(i.parameters for i in found.layers) == 29


def test_inspect_an_architecture(model, tmp_path, capsys):
    (tmp_path / "m.json").write_text(model.to_json())
    (tmp_path / "m.yaml").write_text(model.to_yaml())
    for name, kind in (("m.json", "JSON"), ("m.yaml", "YAML")):
        found = tools.inspect(tmp_path / name)
        assert (found.container, found.weights, found.opens) == (f"{kind} architecture", 0, True)
        assert [i.parameters for i in found.layers] == [0, 9, 12, 8]
    assert "it has no weights" in run(capsys, "inspect", tmp_path / "m.json")[1]


def test_inspect_lists_what_is_not_known_and_runs_nothing(file, capsys, tmp_path):
    def change(by_name):
        by_name["hidden"]["class_name"] = "Mine"
        by_name["norm"].update(class_name="Lambda", config={"name": "norm", "function": ["4wAAAA==", None, None]})
        by_name["last"]["config"]["activation"] = "mine"

    found = tools.inspect(rewritten(file, change))
    assert [(need.kind, need.name, need.layers) for need in found.needs] == [
        ("layer", "Mine", ["hidden"]),
        ("Lambda", "norm", ["norm"]),
        ("activation", "mine", ["last"]),
    ]
    assert not found.opens and found.layers[1].output_shape is None and found.layers[1].parameters == 9
    status, out, _ = run(capsys, "inspect", file)
    assert status == 0 and "with 3 replacements" in out and "custom_objects" in out
    (tmp_path / "mine.py").write_text(
        "import torch\nfrom kerastorch.layers import Dense\nclass Mine(Dense):\n    pass\n"
        "def norm(x):\n    return x\ndef mine(x):\n    return torch.relu(x)\n"
    )
    status, out, _ = run(capsys, "inspect", file, "--custom", tmp_path / "mine.py")
    assert "yes, load_model reads it" in out


def test_inspect_says_why_a_known_model_cannot_be_made(file):
    found = tools.inspect(
        rewritten(file, lambda by_name: by_name["last"]["inbound_nodes"][0][0].__setitem__(0, "gone"))
    )
    assert not found.opens and not found.needs and "gone" in found.problem
    assert [i.parameters for i in found.layers] == [0, 9, 12, 8]


def test_inspect_names_from_a_file_do_not_reach_the_terminal_raw(file, capsys):
    def change(by_name):
        by_name["hidden"]["class_name"] = "Mine\x1b[31m"

    out = run(capsys, "inspect", rewritten(file, change))[1]
    assert "\x1b" not in out and "\\x1b[31m" in out


@pytest.mark.parametrize("content", [b"", b"not a model", b"\x89HDF\r\n\x1a\n"])
def test_inspect_what_cannot_be_read(tmp_path, capsys, content):
    (tmp_path / "m.h5").write_bytes(content)
    status, out, err = run(capsys, "inspect", tmp_path / "m.h5")
    assert (status, out) == (1, "") and "cut off" in err and err.startswith("kerastorch inspect: ")


def test_inspect_training_state():
    if not FIXTURES.is_dir():
        pytest.skip(f"the fixtures are not at {FIXTURES}")
    # (Keras 3 did not write the optimizer's own config into this file.)
    for path, optimizer in (("k2/opt__Adam__default.h5", "Adam"), ("k3/opt__Adam__default.keras", "")):
        training = tools.inspect(FIXTURES / path).training
        assert (training.optimizer, training.loss) == (optimizer, "mse")
        assert training.state_arrays > 8 and training.state_bytes > 300


def test_output_fits_80_to_100_columns(file, capsys):
    lines = run(capsys, "inspect", file)[1].splitlines()
    assert max(map(len, lines)) <= 100 and "norm    BatchNormalization" in lines[-2]


# convert


@pytest.mark.parametrize("suffix", [".h5", ".hdf5", ".keras", ".safetensors"])
def test_convert_to_what_is_read_again(model, file, tmp_path, capsys, suffix):
    if suffix == ".safetensors":
        pytest.importorskip("safetensors")
    status, out, _ = run(capsys, "convert", file, tmp_path / f"out{suffix}")
    assert status == 0 and f"out{suffix}" in out
    loaded = keras.models.load_model(tmp_path / f"out{suffix}")
    for a, b in zip(model.get_weights(), loaded.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    assert run(capsys, "diff", file, tmp_path / f"out{suffix}")[0] == 0


def test_convert_an_architecture_and_its_weights(model, tmp_path):
    (tmp_path / "m.json").write_text(model.to_json())
    model.save_weights(tmp_path / "w.weights.h5")
    with pytest.raises(ValueError, match="--weights"):
        tools.convert(tmp_path / "m.json", tmp_path / "out.h5")
    done = tools.convert(tmp_path / "m.json", tmp_path / "out.weights.h5", weights=tmp_path / "w.weights.h5")
    assert (done.weights, done.parameters, done.form) == (8, 29, ".weights.h5")
    model.load_weights(tmp_path / "out.weights.h5")


def test_convert_dtype_and_dialect(file, tmp_path):
    tools.convert(file, tmp_path / "out.h5", dtype="float16", dialect="keras3")
    found = tools.inspect(tmp_path / "out.h5")
    assert found.dtypes == ["float16"] and found.generation == 3


@pytest.mark.parametrize("batch", [None, 4])
def test_convert_to_an_exported_program(model, file, tmp_path, batch):
    tools.convert(file, tmp_path / "out.pt2", batch=batch)
    x = torch.randn(batch or 7, 2)
    program = torch.export.load(tmp_path / "out.pt2").module()
    torch.testing.assert_close(program(x), model(x).detach())
    if batch:
        with pytest.raises(Exception, match=r"4"):
            program(torch.randn(3, 2))


@pytest.mark.filterwarnings("default")
def test_convert_to_onnx(model, file, tmp_path):
    onnx = pytest.importorskip("onnx")
    pytest.importorskip("onnxscript")
    from onnx.reference import ReferenceEvaluator

    done = tools.convert(file, tmp_path / "out.onnx")
    assert done.files == [str(tmp_path / "out.onnx")] and sorted(p.name for p in tmp_path.iterdir()) == [
        "m.h5",
        "out.onnx",
    ]
    made = onnx.load(tmp_path / "out.onnx")
    assert [x.name for x in made.graph.input] == ["x"] and [x.name for x in made.graph.output] == ["last"]
    x = np.random.default_rng(0).normal(size=(5, 2)).astype("float32")
    np.testing.assert_allclose(ReferenceEvaluator(made).run(None, {"x": x})[0], model.predict(x, verbose=0), atol=1e-6)


class OwnCell(layers.SimpleRNNCell):
    """A cell of the user's, which only Python takes over time."""

    def call(self, inputs, states, training=None):
        output, states = super().call(inputs, states, training=training)
        return 2 * output, states


@pytest.mark.parametrize(
    ("form", "mask", "make"),
    [
        (".pt2", False, lambda: layers.GRU(3)),
        (".onnx", False, lambda: layers.SimpleRNN(3)),
        (".onnx", True, lambda: layers.LSTM(3, return_sequences=True)),
    ],
)
def test_convert_recurrent_layers_for_any_length(tmp_path, form, mask, make):
    tokens = keras.Input((None,), dtype="int64", name="tokens")
    model = keras.Model(tokens, make()(layers.Embedding(5, 4, mask_zero=mask)(tokens)))
    model.save(tmp_path / "m.h5")
    path = tmp_path / f"m{form}"
    if form == ".onnx":
        pytest.importorskip("onnxscript")
    assert tools.convert(tmp_path / "m.h5", path).notes == []
    for batch, length in ((2, 8), (3, 5), (1, 11)):
        x = np.random.default_rng(length).integers(0, 5, (batch, length))
        if form == ".pt2":
            got = torch.export.load(path).module()(torch.tensor(x)).detach().numpy()
        else:
            from onnx.reference import ReferenceEvaluator

            got = ReferenceEvaluator(str(path)).run(None, {"tokens": x})[0]
        np.testing.assert_allclose(got, model.predict(x, verbose=0), atol=1e-6)


def test_convert_says_what_is_fixed_and_what_is_forgotten(tmp_path):
    x = keras.Input((None, 2), batch_size=2, name="x")
    y = layers.SimpleRNN(2, stateful=True, return_sequences=True, name="kept")(x)
    model = keras.Model(x, layers.RNN(OwnCell(3))(y))
    model.save(tmp_path / "m.h5")
    done = tools.convert(tmp_path / "m.h5", tmp_path / "m.pt2", custom_objects={"OwnCell": OwnCell})
    said = " ".join(done.notes)
    assert "x, axis 1" in said and "memory between calls" in said and "kept" in said and "not plain torch" in said


def test_convert_says_what_torch_cannot_export(tmp_path, capsys):
    x = keras.Input((2,), dtype="int64")
    keras.Model(x, layers.Hashing(5, name="hashes")(x)).save(tmp_path / "m.h5")
    for form in (".pt2", ".py"):
        status, _, err = run(capsys, "convert", tmp_path / "m.h5", tmp_path / f"m{form}")
        assert status == 1 and err.count("\n") == 1 and "cannot" in err


def test_convert_to_onnx_without_its_packages(file, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    status, _, err = run(capsys, "convert", file, tmp_path / "out.onnx")
    assert status == 1 and "pip install onnx onnxscript" in err


def recurrent():
    """A layer whose source is carried along, and one that is frozen."""
    frozen = layers.Dense(3, trainable=False)
    return keras.Sequential([keras.Input((4, 2)), frozen, layers.GRU(3, reset_after=False), layers.Dense(1)])


@pytest.mark.parametrize("make", [None, recurrent])
def test_convert_to_source_that_needs_torch_alone(model, tmp_path, make):
    model = make() if make else model
    model.save(tmp_path / "m.h5")
    done = tools.convert(tmp_path / "m.h5", tmp_path / "out.py")
    assert done.files == [str(tmp_path / "out.py"), str(tmp_path / "out.pt")]
    x = np.random.default_rng(0).normal(size=(3, *model.input_shape[1:])).astype("float32")
    np.save(tmp_path / "x.npy", x)
    code = (
        "import sys, numpy, torch\nimport out\nmodule = out.load()\n"
        "with torch.no_grad(): numpy.save('y.npy', module(torch.tensor(numpy.load('x.npy'))))\n"
        "print(sum(not p.requires_grad for p in module.parameters()), 'kerastorch' in sys.modules)"
    )
    run_there = {"cwd": tmp_path, "capture_output": True, "text": True, "check": True}
    done = subprocess.run([sys.executable, "-c", code], **run_there)
    assert done.stdout.split() == ["2" if make else "0", "False"]
    np.testing.assert_allclose(np.load(tmp_path / "y.npy"), model.predict(x, verbose=0), atol=1e-6)
    assert "Linear" in subprocess.run([sys.executable, "out.py"], **run_there).stdout


@pytest.mark.parametrize(
    "name, options, message",
    [
        ("out.tflite", {}, r"Cannot tell.*\.onnx"),
        ("out.keras", {"dialect": "keras2"}, "keras2"),
        ("out.pt2", {"dialect": "keras2"}, "is for .h5"),
        ("out.h5", {"batch": 3}, "any size"),
        ("out.pt2", {"batch": 0}, "at least 1"),
        ("out.h5", {"dtype": "int8"}, "float"),
    ],
)
def test_convert_refuses(file, tmp_path, name, options, message):
    with pytest.raises(ValueError, match=message):
        tools.convert(file, tmp_path / name, **options)
    assert [p.name for p in tmp_path.iterdir()] == ["m.h5"]


@pytest.mark.parametrize("form", ["h5", "keras", "weights.h5", "py", "pt2"])
def test_convert_says_where_it_cannot_write(file, tmp_path, capsys, form):
    (tmp_path / f"taken.{form}").mkdir()
    for out, says in ((f"gone/m.{form}", "no folder"), (f"taken.{form}", "is a directory")):
        status, _, err = run(capsys, "convert", file, tmp_path / out)
        assert status == 1 and says in err and err.count("\n") == 1
    assert sorted(p.name for p in tmp_path.iterdir()) == ["m.h5", f"taken.{form}"]


def test_convert_keeps_the_weights_beside_a_source(file, tmp_path, capsys):
    (tmp_path / "out.pt").write_text("mine")
    status, _, err = run(capsys, "convert", file, tmp_path / "out.py", "--keep")
    assert status == 1 and "out.pt exists" in err and (tmp_path / "out.pt").read_text() == "mine"


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("empty.h5", "is empty"),
        ("ckpt", "checkpoint"),
        ("ckpt.index", "checkpoint"),
        ("saved_model.pb", "SavedModel"),
        ("only.weights.h5", "weights only"),
        ("none.h5", "No file"),
    ],
)
def test_what_is_no_model_is_named(model, tmp_path, capsys, name, says):
    for made in ("empty.h5", "ckpt.index", "saved_model.pb"):
        (tmp_path / made).write_bytes(b"" if made == "empty.h5" else b"data")
    model.save_weights(tmp_path / "only.weights.h5")
    status, _, err = run(capsys, "convert", tmp_path / name, tmp_path / "out.h5")
    assert status == 1 and says in err and err.count("\n") == 1


def test_convert_leaves_what_is_there(file, tmp_path, capsys):
    (tmp_path / "out.h5").write_text("mine")
    status, _, err = run(capsys, "convert", file, tmp_path / "out.h5", "--keep")
    assert status == 1 and "exists" in err and (tmp_path / "out.h5").read_text() == "mine"


def test_convert_tells_how_far_it_is(file, tmp_path):
    seen = []
    tools.convert(file, tmp_path / "out.h5", progress=lambda done, of: seen.append((done, of)))
    assert seen == [(i, 8) for i in range(1, 9)]


# verify


@pytest.fixture
def by_hand(tmp_path):
    """[1, 1] @ [[1, 2], [3, 4]] + [10, 20] = [14, 26]."""
    keras.backend.clear_session()
    model = keras.Sequential([keras.Input((2,)), layers.Dense(2, name="dense")])
    model.set_weights([np.float32([[1, 2], [3, 4]]), np.float32([10, 20])])
    model.save(tmp_path / "m.h5")
    np.savez(tmp_path / "right.npz", in_0=np.float32([[1, 1]]), out_0=np.float32([[14, 26]]))
    np.savez(tmp_path / "wrong.npz", in_0=np.float32([[1, 1]]), out_0=np.float32([[14, 26.26]]))
    np.savez(tmp_path / "empty.npz", y=np.float32([1]))
    return tmp_path


@pytest.mark.parametrize("name, status, says", [("right", 0, "Within"), ("wrong", 1, "Beyond"), ("empty", 2, "in_0")])
def test_verify_against_recorded_arrays(by_hand, capsys, name, status, says):
    got, out, err = run(capsys, "verify", by_hand / "m.h5", "--ref", by_hand / f"{name}.npz")
    assert got == status and says in out + err
    if name == "wrong":
        found = tools.verify(by_hand / "m.h5", ref=by_hand / "wrong.npz")
        assert found.outputs[0].largest == pytest.approx(0.26, rel=1e-4)
        assert found.outputs[0].relative == pytest.approx(0.0099, rel=1e-2)
        assert tools.verify(by_hand / "m.h5", ref=by_hand / "wrong.npz", tolerance=0.1).ok


@pytest.mark.parametrize("name", fixture_names("k2", "LSTM__", "Conv2D__")[:6])
def test_verify_against_what_tf_keras_recorded(name, tmp_path):
    fixture = Fixture("k2", name)
    arrays = {f"in_{i}": x for i, x in enumerate(fixture.numbered("x"))}
    np.savez(tmp_path / "ref.npz", **arrays, **{f"out_{i}": y for i, y in enumerate(fixture.numbered("y"))})
    assert tools.verify(fixture.file(".h5"), ref=tmp_path / "ref.npz").ok


def test_verify_without_the_reference(by_hand, capsys, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    status, out, err = run(capsys, "verify", by_hand / "m.h5")
    assert (status, out) == (2, "") and "pip install tensorflow tf_keras" in err and "--python" in err


def test_verify_refuses_code_in_the_file(by_hand, capsys):
    def change(by_name):
        by_name["dense"].update(class_name="Lambda", config={"name": "dense", "function": ["4wAAAA==", None, None]})

    (by_hand / "mine.py").write_text("def dense(x):\n    return x\n")
    model = keras.Sequential([keras.Input((2,)), layers.Activation("relu", name="dense")])
    model.save(by_hand / "l.h5")
    status, _, err = run(capsys, "verify", rewritten(by_hand / "l.h5", change), "--custom", by_hand / "mine.py")
    assert status == 2 and "--trust" in err


def test_samples_are_what_an_embedding_knows():
    from kerastorch.tools.samples import sample_inputs

    x, y = keras.Input((None,)), keras.Input((3,))
    tokens = layers.Embedding(7, 2)(x)
    model = keras.Model([x, y], [layers.LSTM(2)(tokens), layers.Dense(1)(y)])
    a, b = sample_inputs(model, batch=50)
    assert a.shape == (50, 8) and set(np.unique(a)) <= set(range(7)) and len(np.unique(b)) > 10
    np.testing.assert_array_equal(a, sample_inputs(model, batch=50)[0])


# diff


def test_diff(model, file, tmp_path, capsys):
    assert run(capsys, "diff", file, file)[0] == 0
    model.get_layer("last").kernel.assign(model.get_layer("last").kernel.numpy() + 0.25)
    model.save(tmp_path / "other.h5")
    found = tools.diff(file, tmp_path / "other.h5")
    assert [(w.layer, w.weight, w.shape_a, w.largest) for w in found.weights] == [
        ("last", "kernel", (3, 2), pytest.approx(0.25))
    ]
    assert found.same_weights == 7 and not found.changed and not found.equal
    status, out, _ = run(capsys, "diff", file, tmp_path / "other.h5")
    assert status == 1 and "0 layers and 1 weight differ; 7 weights are equal" in out


def test_diff_layers_and_arguments(model, file, tmp_path):
    keras.backend.clear_session()
    x = keras.Input((2,), name="x")
    y = layers.Dropout(0.5, name="drop")(layers.Dense(4, activation="tanh", name="hidden")(x))
    keras.Model(x, layers.Dense(2, name="renamed")(y)).save(tmp_path / "other.h5")
    found = tools.diff(file, tmp_path / "other.h5")
    assert (found.only_a, found.only_b, found.renamed) == (["norm"], ["drop"], [("last", "renamed")])
    assert [(c.layer, c.argument, c.a, c.b) for c in found.changed] == [
        ("hidden", "units", "3", "4"),
        ("hidden", "activation", "relu", "tanh"),
        ("last", "connected to", "norm", "drop"),
    ]
    assert ("hidden", "kernel", (2, 3), (2, 4), None) in [
        (w.layer, w.weight, w.shape_a, w.shape_b, w.largest) for w in found.weights
    ]


def test_diff_of_what_cannot_be_made(file, tmp_path, model):
    model.save(tmp_path / "other.h5")
    for path in (file, tmp_path / "other.h5"):
        rewritten(path, lambda by_name: by_name["hidden"].update(class_name="Mine"))
    found = tools.diff(file, tmp_path / "other.h5")
    assert found.equal and found.notes and found.same_weights == 8


def test_diff_of_weights_alone(model, tmp_path):
    for name in ("a.h5", "b.h5", "a.weights.h5"):
        model.save_weights(tmp_path / name)
    assert tools.diff(tmp_path / "a.h5", tmp_path / "b.h5").equal
    assert not tools.diff(tmp_path / "a.h5", tmp_path / "a.weights.h5").equal


# the command itself


def test_json_is_json(file, by_hand, capsys):
    for command in (
        ["inspect", file],
        ["diff", file, file],
        ["verify", by_hand / "m.h5", "--ref", by_hand / "right.npz"],
    ):
        assert isinstance(json.loads(run(capsys, *command, "--json")[1]), dict)


def test_the_command_runs(file):
    done = subprocess.run(
        [sys.executable, "-m", "kerastorch", "inspect", str(file)], capture_output=True, text=True, check=True
    )
    assert "small (Functional), 4 layers" in done.stdout and done.stderr == ""


@pytest.mark.parametrize("arguments", [[], ["inspect"], ["convert", "a"], ["unknown"]])
def test_wrong_usage(arguments, capsys):
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2 and "usage: kerastorch" in capsys.readouterr().err


def test_a_custom_file_that_fails(file, tmp_path, capsys):
    (tmp_path / "bad.py").write_text("1 / 0\n")
    status, _, err = run(capsys, "inspect", file, "--custom", tmp_path / "bad.py")
    assert status == 1 and "ZeroDivisionError" in err
    assert "No Python file" in run(capsys, "inspect", file, "--custom", tmp_path / "none.py")[2]
