"""Files that name code, hold code, or hope to become code: each published way to make a Keras loader run, fetch or read
something. They must be refused with a clear message, and nothing that they ask for may happen.
"""

from __future__ import annotations

import base64
import contextlib
import json
import marshal
import os
import pickle

import pytest
import torch

from kerastorch.models import load_model, model_from_json, model_from_yaml
from tests.saving.hostile_files import (
    KINDS,
    REFUSED,
    described,
    h5_file,
    keras_file,
    model_config,
    nothing_happens,
    refused,
)


def test_the_files_are_good_where_nothing_is_wrong():
    for make in KINDS.values():
        with nothing_happens():
            model = load_model(make(model_config("Dense", units=2)))
        assert model.layers[1].kernel.shape == (4, 2)


def test_what_happens_is_seen(tmp_path):
    with pytest.raises(AssertionError, match="exec"), nothing_happens():
        eval("1 + 1")
    (tmp_path / "x").write_text("")
    with pytest.raises(AssertionError, match="open"), nothing_happens():
        (tmp_path / "x").read_text()


# Code in a config: CVE-2024-3660, CVE-2025-9905, CVE-2025-1550, CVE-2025-8747, CVE-2025-9906

CODE = base64.encodebytes(marshal.dumps((lambda x: __import__("os").mkdir("harm") or x).__code__)).decode()
LAMBDA2 = {"function": [CODE, None, None], "function_type": "lambda", "module": "__main__", "output_shape": None}
LAMBDA3 = {"function": {"class_name": "__lambda__", "config": {"code": CODE, "defaults": None, "closure": None}}}


@pytest.mark.parametrize("function", [LAMBDA2, LAMBDA3], ids=["tf_keras", "keras3"])
def test_lambda_code(function, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    refused(model_config("Lambda", **function), "Lambda 'a'.*custom_objects.*safe_mode=False")
    model = load_model(h5_file(model_config("Lambda", **function)), custom_objects={"a": lambda x: x + 1})
    assert model(torch.zeros(1, 4)).tolist() == [[1, 1, 1, 1]]
    assert os.listdir() == []


def test_lambda_in_a_sequential_model_in_a_model():
    inner = described("Sequential", {"name": "s", "layers": [described("Lambda", {"name": "l", **LAMBDA2})]})
    refused(model_config("TimeDistributed", layer=inner, inputs=(None, 2, 4)), "Lambda 'l'")


REFERENCES = [
    {"module": "builtins", "class_name": "function", "config": "exec", "registered_name": "function"},
    {"module": "builtins", "class_name": "eval", "config": {"source": "1"}, "registered_name": None},
    {"module": "os", "class_name": "system", "config": {"command": "touch harm"}, "registered_name": None},
    {"module": "os", "class_name": "function", "config": "system", "registered_name": "system"},
    {"module": "subprocess", "class_name": "Popen", "config": {"args": ["touch", "harm"]}, "registered_name": "Popen"},
    {"module": "keras.utils", "class_name": "function", "config": "get_file", "registered_name": "function"},
    {"module": "keras.models", "class_name": "function", "config": "load_model", "registered_name": "load_model"},
    {"module": "keras.config", "class_name": "function", "config": "enable_unsafe_deserialization"},
    {"module": "keras.src.saving.serialization_lib", "class_name": "function", "config": "deserialize_keras_object"},
    {"module": "kerastorch.untrusted", "class_name": "function", "config": "running_code"},
    {"module": "builtins", "class_name": "function", "config": "exec", "registered_name": "keras>exec"},
    {"class_name": "builtins>exec", "config": {}},
    {"class_name": "__import__", "config": "os"},
    "os.system",
    "builtins>exec",
    "__import__('os').mkdir('harm')",
    "torch.load",
    "load_model",
]  # fmt: skip
PLACES = {
    "activation": ("Dense", {"units": 2, "activation": ...}),
    "initializer": ("Dense", {"units": 2, "kernel_initializer": ...}),
    "regularizer": ("Dense", {"units": 2, "kernel_regularizer": ...}),
    "constraint": ("Dense", {"units": 2, "bias_constraint": ...}),
    "function": ("Lambda", {"function": ...}),
    "wrapped": ("TimeDistributed", {"layer": ..., "inputs": (None, 3, 4)}),
    "cell": ("RNN", {"cell": ..., "inputs": (None, 3, 4)}),
    "torch": ("TorchFunction", {"function": ...}),
    "standardize": ("TextVectorization", {"standardize": ..., "inputs": (None, 1)}),
}


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("reference", REFERENCES, ids=[str(i) for i in range(len(REFERENCES))])
def test_a_name_of_anything_is_only_a_name(reference, place, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    class_name, config = PLACES[place]
    refused(model_config(class_name, **{key: reference if x is ... else x for key, x in config.items()}))
    assert os.listdir() == []


@pytest.mark.parametrize("reference", [x for x in REFERENCES if isinstance(x, dict)], ids=lambda x: x["class_name"])
def test_a_layer_of_any_module_is_no_layer(reference):
    config = model_config("Dense", units=2)
    config["config"]["layers"][1].update(reference)
    refused(config, "(?i)unknown layer|cannot be read|not a config|must be")
    refused(reference if isinstance(reference["config"], dict) else {**reference, "config": {}})


@pytest.mark.parametrize("key", ["function", "method", "from_config", "__init__", "__reduce__", "__class__"])
def test_no_attribute_is_reached_by_its_name(key):
    refused(model_config(f"Dense.{key}", units=2), "unknown layer")


def test_a_config_cannot_switch_safe_mode_off():
    config = model_config("Lambda", **LAMBDA2, safe_mode=False)
    config["safe_mode"] = config["config"]["safe_mode"] = False
    refused(config, "Lambda 'a'")


def test_what_compile_was_given_is_kept_and_not_run():
    hostile = {"optimizer": REFERENCES[3], "loss": REFERENCES[0], "metrics": [[REFERENCES[5]], "os.system"]}
    config = model_config("Dense", units=2)

    def training(file):
        file.attrs["training_config"] = json.dumps(hostile)

    for data in (h5_file(config, change=training), keras_file({**config, "compile_config": hostile})):
        with nothing_happens():
            assert load_model(data).predict is not None


class Pickled:
    def __reduce__(self):
        return os.mkdir, ("harm",)


def test_pickled_torch_module(tmp_path, monkeypatch):
    # CVE-2025-49655
    monkeypatch.chdir(tmp_path)
    payload = base64.b64encode(pickle.dumps(Pickled())).decode()
    for module in (payload, {"class_name": "__torch_module__", "config": payload}):
        refused(model_config("TorchModuleWrapper", module=module), "not unpickled")
    assert os.listdir() == []


def test_pickle_as_a_file(tmp_path):
    for data in (pickle.dumps(Pickled()), b"\x80\x02}q\x00."):
        (tmp_path / "m.h5").write_bytes(data)
        for source in (data, tmp_path / "m.h5"):
            with nothing_happens(tmp_path / "m.h5"), pytest.raises(OSError, match="neither"):
                load_model(source)


YAML_CODE = [
    "!!python/object/apply:os.system ['touch harm']",
    "!!python/object/new:os.system ['touch harm']",
    "!!python/name:os.system",
    "!!python/module:os",
    "class_name: !!python/object/apply:os.mkdir [harm]\nconfig: {}",
    "!!python/object:kerastorch.layers.Dense {units: 2}",
    "!!python/object/apply:numpy.load [harm.npy]",
    "!!python/object/apply:numpy.dtype [O, 0, 1]",
    "!!python/object/apply:numpy.dtype {args: f4}\nstate: 1",
    "!!python/object/apply:numpy.dtype 1",
    "!!python/object/apply:numpy.core.multiarray.scalar [f8, !!binary AAA=]",
    "!!python/object/apply:numpy.core.multiarray.scalar [O8, !!binary AAAAAAAAAAA=]",
    "!!python/object/apply:numpy.core.multiarray.scalar {}",
    "!!python/object/apply:numpy.core.multiarray._reconstruct {state: [1, [1000000000], <f4, false, !!binary AAAAAA==]}",
    "!!python/object/apply:numpy.core.multiarray._reconstruct {state: [1, [-1], <f4, false, !!binary AAAAAA==]}",
    "!!python/object/apply:numpy.core.multiarray._reconstruct {args: [!!python/name:numpy.matrix '']}",
]


@pytest.mark.parametrize("text", YAML_CODE)
def test_yaml_tags(text, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with nothing_happens(), pytest.raises(ValueError, match="not plain YAML"):
        model_from_yaml(text)
    assert os.listdir() == []


# Names that become code: a model runs, and is written, as generated source

INJECTIONS = [
    'x"""\nimport os; os.mkdir("harm")\n"""',
    "x\n    __import__('os').mkdir('harm')\n#",
    "x'); __import__('os').mkdir('harm') #",
    'x"); __import__("os").mkdir("harm") #',
    "__import__('os').mkdir('harm')",
    "x\\", "²", "class", "None", "a.b", "self", "forward", "__class__", "training", "ﬁ", "x\0y", "x\u2028y",
]  # fmt: skip


@pytest.mark.parametrize("name", INJECTIONS)
def test_names_never_become_code(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    config = json.loads(json.dumps(model_config("Dense", units=2)).replace('"a"', json.dumps(name)))
    config["config"]["layers"][0]["config"]["name"] = config["config"]["layers"][0]["name"] = f"{name}_in"
    config["config"]["layers"][1]["inbound_nodes"][0][0][0] = config["config"]["input_layers"][0][0] = f"{name}_in"
    config["config"]["name"] = f"{name}_model"
    model = model_from_json(json.dumps(config))
    wanted = model(torch.ones(1, 4))
    torch.testing.assert_close(model.to_torch()(torch.ones(1, 4)), wanted)
    model.summary(print_fn=lambda line: None)
    assert os.listdir() == []


VALUES = [
    ("LayerNormalization", {"epsilon": "__import__('os').mkdir('harm')", "axis": -1}, (None, 4)),
    ("BatchNormalization", {"momentum": "__import__('os').mkdir('harm')"}, (None, 4)),
    ("MultiHeadAttention", {"num_heads": 1, "key_dim": 2, "dropout": "__import__('os').mkdir('harm')"}, (None, 2, 4)),
    ("GroupNormalization", {"groups": 2, "epsilon": "torch.load('harm')"}, (None, 4)),
    ("ELU", {"alpha": "__import__('os').mkdir('harm')"}, (None, 4)),
    ("Dropout", {"rate": 0.5, "seed": "__import__('os').mkdir('harm')"}, (None, 4)),
    ("UnitNormalization", {"axis": "__import__('os').mkdir('harm')"}, (None, 4)),
    ("GaussianNoise", {"stddev": "__import__('os').mkdir('harm')"}, (None, 4)),
    ("ZeroPadding2D", {"padding": 1, "data_format": "__import__('os').mkdir('harm')"}, (None, 4, 4, 1)),
]


@pytest.mark.parametrize("class_name, config, inputs", VALUES, ids=[x[0] for x in VALUES])
def test_values_never_become_code(class_name, config, inputs, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with contextlib.suppress(*REFUSED, AttributeError, RuntimeError, SyntaxError):
        model = model_from_json(json.dumps(model_config(class_name, inputs=inputs, **config)))
        with contextlib.suppress(*REFUSED, AttributeError, RuntimeError):
            model(torch.ones(1, *inputs[1:]))
        model.to_torch()
    assert os.listdir() == []


def test_functions_in_a_graph_work_on_values_only():
    from kerastorch.layers.function import _functions

    found = _functions()[1]
    assert len(found) > 800
    for word in (
        "load",
        "save",
        "storage",
        "ptr",
        "hook",
        "import",
        "file",
        "numpy",
        "pickle",
        "reduce_ex",
        "fbgemm",
        "dlpack",
    ):
        assert [name for name in found if word in name] == []
    for name in (
        "os.system",
        "torch.load",
        "torch.hub.load",
        "builtins.exec",
        "torch.Tensor.apply_",
        "operator.methodcaller",
    ):
        refused(model_config("TorchFunction", function=name), "not the name of a torch function")


# Files and addresses in a config: CVE-2025-12058

SECRETS = ["/etc/passwd", "file:///etc/passwd", "http://127.0.0.1:9/vocabulary.txt", "gs://bucket/x", "~/.ssh/id_rsa"]


@pytest.mark.parametrize("class_name", ["StringLookup", "IntegerLookup", "TextVectorization"])
@pytest.mark.parametrize("path", [*SECRETS, __file__])
def test_vocabularies_name_no_files(class_name, path):
    refused(
        model_config(class_name, vocabulary=path, inputs=(None, 1)),
        f"{class_name}: the config names the vocabulary file",
    )


def test_a_vocabulary_file_in_a_layer_in_a_layer():
    inner = described("StringLookup", {"vocabulary": "/etc/passwd"})
    refused(model_config("TimeDistributed", layer=inner), "names the vocabulary file")
    refused(model_config("Pipeline", layers=[inner]), "names the vocabulary file")
