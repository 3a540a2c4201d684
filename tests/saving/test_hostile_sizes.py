"""Files that ask for memory or time without end."""

from __future__ import annotations

import contextlib
import io
import json
import zipfile
import zlib

import numpy as np
import pytest

from kerastorch.models import load_model, model_from_json, model_from_yaml
from tests.saving.hostile_files import (
    H5_PLACES,
    REFUSED,
    described,
    h5_file,
    keras_file,
    layer,
    little_memory,
    model_config,
    replaced,
)


def huge(shape, **how):
    return lambda file, place: file.create_dataset(place, shape, "f4", **how)


@pytest.mark.parametrize("shape", [(4, 10**12), (2**15, 2**15), (10**9, 10**9)])
def test_data_declared_and_not_there(shape):
    config = model_config("Dense", units=shape[1], inputs=(None, shape[0]))
    for data in (
        h5_file(config, change=replaced(H5_PLACES[-1], huge(shape, chunks=(1, 1024)))),
        h5_file(model_config("Dense", units=2), change=replaced(H5_PLACES[-1], huge(shape, chunks=(1, 1024)))),
    ):
        with little_memory(), pytest.raises(ValueError, match=r"refused|do not fit|declares"):
            load_model(data)


def test_many_small_data_sets_that_are_not_there():
    names = [f"d{i}" for i in range(40)]
    shape = (2048, 2048)  # 16 MiB each

    def change(file):
        group = file["model_weights"]
        group.attrs["layer_names"] = np.array([n.encode() for n in names])
        for n in names:
            group.create_group(n).attrs["weight_names"] = np.array([b"kernel:0"])
            group[n].create_dataset("kernel:0", shape, "f4")

    inputs = {
        **described("InputLayer", {"name": "x", "batch_input_shape": [None, 2048]}, name="x"),
        "inbound_nodes": [],
    }
    held = [
        layer("Dense", before, n, units=2048, use_bias=False) for before, n in zip(["x", *names], names, strict=False)
    ]
    config = described(
        "Functional",
        {"name": "m", "layers": [inputs, *held], "input_layers": [["x", 0, 0]], "output_layers": [[names[-1], 0, 0]]},
    )
    data = h5_file(config, change=change)
    assert len(data) < 10**6
    with little_memory(), pytest.raises(ValueError, match="declares"):
        load_model(data)


def test_a_compressed_bomb():
    shape = (2**13, 2**13)  # 256 MiB

    def bomb(file, place):
        data = file.create_dataset(place, shape, "f4", chunks=shape, compression="gzip", compression_opts=9)
        packer = zlib.compressobj(9)
        packed = b"".join(packer.compress(bytes(2**20)) for _ in range(256)) + packer.flush()
        data.id.write_direct_chunk((0, 0), packed)

    config = model_config("Dense", units=shape[1], inputs=(None, shape[0]))
    data = h5_file(config, change=replaced(H5_PLACES[-1], bomb))
    assert len(data) < 2**20
    with little_memory(), pytest.raises(ValueError, match="declares"):
        load_model(data)


def test_groups_within_themselves():
    def cyclic(file):
        group = file.create_group("layers/loop")
        group["again"], group["once_more"] = group, group

    def wide(file):
        last = file.create_group("bottom")
        for i in range(40):  # each lies in the next twice: 2 ** 40 ways
            group = file.create_group(f"g{i}")
            group["a"], group["b"] = last, last
            last = group

    model = load_model(keras_file(model_config("Dense", units=2)))
    for change in (cyclic, wide):
        data = keras_file(model_config("Dense", units=2), change=change)
        with little_memory(), pytest.raises(ValueError, match="at two places"):
            load_model(data)
        with little_memory(), pytest.raises(ValueError, match="at two places"):
            model.load_weights(io.BytesIO(zipfile.ZipFile(io.BytesIO(data)).read("model.weights.h5")))


def nested(depth, text=("[", "]")):
    return text[0] * depth + text[1] * depth


@pytest.mark.parametrize("depth", [300, 5000, 10**6])
def test_deep_json(depth):
    for text in (nested(depth), nested(depth, ('{"a":', "}")).replace(":}", ":1}"), nested(depth, ("[{},", "]"))):
        with little_memory(), pytest.raises(ValueError, match=r"nested|not JSON"):
            model_from_json(text)
    data = h5_file(
        model_config("Dense", units=2), change=lambda file: file.attrs.__setitem__("model_config", nested(30_000))
    )
    with little_memory(), pytest.raises(ValueError, match="nested"):
        load_model(data)


def test_models_in_models():
    config = described("Sequential", {"name": "s", "layers": [described("Dense", {"units": 2, "name": "d"})]})
    for i in range(60):
        config = described("Sequential", {"name": f"s{i}", "layers": [config]})
    with little_memory(), contextlib.suppress(ValueError):
        model_from_json(json.dumps(config))


LAUGHS = "a0: &a0 [x, x]\n" + "".join(f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]\n" for i in range(1, 30))


@pytest.mark.parametrize(
    "text", [LAUGHS, "&a [*a]", "&a {b: *a}", "[" * 3000, "&a {class_name: Dense, config: *a}", "- " * 3000 + "x"]
)
def test_yaml_bombs(text):
    with little_memory(2000), pytest.raises(ValueError, match=r"refused|not plain YAML"):
        model_from_yaml(text)


BIG = 10**12
ABSURD = [
    ("Dense", {"units": BIG}, (None, 4)),
    ("Dense", {"units": 2}, (None, BIG)),
    ("Embedding", {"input_dim": BIG, "output_dim": BIG}, (None, 4)),
    ("Conv2D", {"filters": BIG, "kernel_size": 3}, (None, 8, 8, 3)),
    ("Conv2D", {"filters": 2, "kernel_size": [BIG, 1], "padding": "same"}, (None, 8, 8, 3)),
    ("LSTM", {"units": BIG}, (None, 3, 4)),
    ("MultiHeadAttention", {"num_heads": BIG, "key_dim": BIG}, (None, 3, 4)),
    ("StringLookup", {"num_oov_indices": BIG, "vocabulary": ["a"]}, (None, 1)),
    ("IntegerLookup", {"num_oov_indices": BIG, "vocabulary": [1]}, (None, 1)),
    (
        "StringLookup",
        {
            "max_tokens": BIG,
            "pad_to_max_tokens": True,
            "output_mode": "tf_idf",
            "vocabulary": ["a"],
            "idf_weights": [1.0],
        },
        (None, 1),
    ),
    ("TextVectorization", {"ngrams": BIG, "vocabulary": ["a"]}, (None, 1)),
    ("CategoryEncoding", {"num_tokens": BIG}, (None, 4)),
    ("Hashing", {"num_bins": BIG, "output_mode": "one_hot"}, (None, 4)),
    ("RepeatVector", {"n": BIG}, (None, 4)),
    ("ZeroPadding1D", {"padding": BIG}, (None, 3, 4)),
    ("UpSampling2D", {"size": BIG}, (None, 3, 3, 1)),
    ("LocallyConnected1D", {"filters": BIG, "kernel_size": 1}, (None, 3, 4)),
    ("MelSpectrogram", {"num_mel_bins": BIG}, (None, 4000)),
    ("STFTSpectrogram", {"frame_length": BIG, "frame_step": 1}, (None, 4000, 1)),
    ("BatchNormalization", {}, (None, BIG)),
    ("Dense", {"units": 2, "weights": [[0.0]]}, (None, 4)),
]


@pytest.mark.parametrize("class_name, config, inputs", ABSURD, ids=[f"{x[0]}-{next(iter(x[1]), '')}" for x in ABSURD])
def test_sizes_cost_nothing_until_values_are_there(class_name, config, inputs):
    data = h5_file(model_config(class_name, inputs=inputs, **config), weights={"a": {}})
    with little_memory(seconds=20), contextlib.suppress(*REFUSED):
        model = load_model(data)
        assert not model.weights


@pytest.mark.parametrize("count", [10**4, 10**6])
def test_shapes_of_many_axes(count):
    with little_memory(1500, 30), pytest.raises(ValueError):
        load_model(h5_file(model_config("Dense", units=2, inputs=(None, *[1] * count))))


def test_a_name_of_ten_megabytes():
    name = "n" * 10**7
    config = json.loads(json.dumps(model_config("Nothing")).replace('"a"', json.dumps(name)))
    with little_memory(1500), pytest.raises(ValueError, match="unknown layer") as caught:
        model_from_json(json.dumps(config))
    assert len(str(caught.value)) < 10**5
