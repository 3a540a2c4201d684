"""`safe_mode=False`: the code in a file runs, where it is this Python's; and the errors of a user's own code."""

from __future__ import annotations

import base64
import marshal
import struct

import pytest
import torch

from kerastorch import layers
from kerastorch.models import load_model
from tests.saving.hostile_files import (
    KINDS,
    h5_file,
    model_config,
)

CODE = base64.encodebytes(marshal.dumps((lambda x, by=3: x * by).__code__)).decode()


@pytest.mark.parametrize("kind", ["tf_keras", "keras3"])
def test_code_runs_where_the_user_says_so(kind):
    function = [CODE, [3], None]
    if kind == "keras3":
        function = {"class_name": "__lambda__", "config": {"code": CODE, "defaults": [5], "closure": None}}
    config = model_config("Lambda", function=function, function_type="lambda", module="nowhere", output_shape=None)
    for make in KINDS.values():
        model = load_model(make(config), safe_mode=False)
        assert model(torch.ones(1, 4)).tolist() == [[3 if kind == "tf_keras" else 5] * 4]
        with pytest.raises(ValueError, match="safe_mode=False"):
            load_model(make(config))


def test_code_finds_custom_objects_by_name():
    code = base64.b64encode(marshal.dumps((lambda x: helper(x) + 1).__code__)).decode()  # noqa: F821
    config = model_config("Lambda", function=[code, None, None])
    model = load_model(h5_file(config), custom_objects={"helper": torch.square}, safe_mode=False)
    assert model(torch.full((1, 4), 3.0)).tolist() == [[10.0] * 4]


def other_pythons():
    code = (lambda x: abs(x) + 1).__code__
    raw = code.co_code
    call = raw.index(bytes([__import__("opcode").opmap["LOAD_GLOBAL"]]))
    codes = {
        "unknown instruction": raw[:2] + bytes([255, 0]) + raw[2:],
        "no beginning": raw[2:],
        "a cache less": raw[: call + 2] + raw[call + 4 :],
        "a cache more": raw[: call + 2] + b"\0\0" + raw[call + 2 :],
        "empty": b"",
    }
    whole = marshal.dumps(code)
    stored = {
        k: whole.replace(struct.pack("<I", len(raw)) + raw, struct.pack("<I", len(x)) + x) for k, x in codes.items()
    }
    return {**stored, "constants elsewhere": marshal.dumps(code.replace(co_consts=()))}


@pytest.mark.parametrize("what", other_pythons())
def test_code_of_another_python_is_told(what):
    text = base64.b64encode(other_pythons()[what]).decode()
    with pytest.raises(ValueError, match=r"Lambda 'a': its code is another Python's.*custom_objects=\{'a': function\}"):
        load_model(h5_file(model_config("Lambda", function=[text, None, None])), safe_mode=False)


@pytest.mark.parametrize(
    "text", ["", "AAAA", "é", "4wAAAAA=", base64.b64encode(marshal.dumps([1])).decode(), CODE[:40], CODE[8:]]
)
def test_code_that_is_none(text):
    with pytest.raises(ValueError, match=r"Lambda 'a': .*custom_objects=\{'a': function\}"):
        load_model(h5_file(model_config("Lambda", function=[text, None, None])), safe_mode=False)


# Errors of the user's own code stay what they are


def test_a_custom_layers_errors_keep_their_type():
    class Own(layers.Layer):
        def __init__(self, what=None, **kwargs):
            super().__init__(**kwargs)
            if what == "key":
                {}["nothing"]
            if what == "torch":
                torch.zeros(2) @ torch.zeros(3)

    for what, kind in (("key", KeyError), ("torch", RuntimeError)):
        with pytest.raises(kind):
            load_model(h5_file(model_config("Own", what=what)), custom_objects={"Own": Own})
    with pytest.raises(TypeError, match="surplus"):
        load_model(h5_file(model_config("Own", surplus=1)), custom_objects={"Own": Own})


@pytest.mark.parametrize(
    "function",
    [
        {"class_name": "__lambda__"},
        {"class_name": "__lambda__", "config": None},
        {"class_name": "__lambda__", "config": {"code": {"a": 1}}},
        ["", {"class_name": "x", "config": {}}, 3],
        ["x", None, None],
        {"class_name": "function", "config": ["x"]},
        None,
        3.5,
    ],
)
@pytest.mark.parametrize("kind", KINDS)
def test_whatever_stands_for_the_code_is_data(function, kind, tmp_path):
    made = KINDS[kind](model_config("Lambda", function=function, function_type="lambda", output_shape=None))
    with pytest.raises(ValueError, match="'a'|could not|function"):
        load_model(made)
    model = load_model(made, custom_objects={"a": torch.neg})
    for name, dialect in (("m.h5", "keras2"), ("m.h5", "keras3"), ("m.keras", None)):
        model.save(tmp_path / name, dialect=dialect)
        again = load_model(tmp_path / name, custom_objects={"a": torch.neg})
        assert again(torch.ones(1, 4)).tolist() == [[-1.0] * 4]
