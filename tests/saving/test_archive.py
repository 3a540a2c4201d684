"""`.keras` archives and `.weights.h5`: what tf_keras and Keras 3 wrote, what is written, what is refused."""

from __future__ import annotations

import io
import json
import warnings
import zipfile
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch

import kerastorch as keras
from kerastorch import layers
from kerastorch.saving import opening
from kerastorch.saving.dialects import canonical
from kerastorch.saving.dialects.arguments import arguments
from kerastorch.saving.origin import Origin
from tests.fixture_files import FIXTURES, Fixture, check_fixture, check_numbers, fixture_names
from tests.layers.test_fixtures import ELSEWHERE

SUFFIX = {"k2": ".k2.keras", "k3": ".keras"}


def names(generation, suffix):
    """The fixtures of a generation that have a file of that suffix."""
    found = fixture_names(generation, "")
    if not FIXTURES.is_dir():
        return found
    # Keras 3 has another order of weights here than tf.keras 2 (see tests/layers/test_fixtures.py).
    left_out = (*ELSEWHERE, *(("SpectralNormalization",) if generation == "k3" else ()))
    return [n for n in found if not n.startswith(left_out) and (FIXTURES / generation / f"{n}{suffix}").exists()]


@pytest.mark.parametrize("name", names("k2", ".k2.keras"))
def test_tf_keras_archive(name, tmp_path):
    check_fixture("k2", name, tmp_path, ".k2.keras")


@pytest.mark.parametrize("name", names("k3", ".keras"))
def test_keras3_archive(name, tmp_path):
    check_fixture("k3", name, tmp_path, ".keras")


OTHERWISE_SAVED = (
    "BatchNormalization__rank2",  # after a step of training
    "model__nested_seq_in_func_in_func",  # a shared model at one of its places, where we write it at each
)


@pytest.mark.parametrize("name", [n for n in names("k3", ".weights.h5") if n not in OTHERWISE_SAVED])
def test_keras3_weights(name, tmp_path):
    fixture = Fixture("k3", name)
    model = keras.models.load_model(fixture.file(".keras"))
    for weight in model.weights:
        weight.assign(np.zeros(weight.shape))
    model.load_weights(fixture.file(".weights.h5"))
    check_numbers(model, fixture)
    model.save_weights(tmp_path / "again.weights.h5")
    with h5py.File(tmp_path / "again.weights.h5") as ours, h5py.File(fixture.file(".weights.h5")) as theirs:
        paths: list[set[str]] = [set(), set()]
        for file, found in zip((ours, theirs), paths, strict=True):
            file.visititems(lambda path, x, found=found: found.add(path) if isinstance(x, h5py.Dataset) else None)
    seeds = {path for path in paths[1] if "seed_generator" in path}
    assert paths[0] == paths[1] - seeds


def test_the_parts_of_attention_stand_where_keras3_has_them(tmp_path):
    x = keras.Input((5, 4))
    y = layers.MultiHeadAttention(2, 3, use_gate=True, use_bias=False, name="a")(x, x)
    keras.Model(x, y).save_weights(tmp_path / "m.weights.h5")
    with h5py.File(tmp_path / "m.weights.h5") as file:
        parts = set(file["layers/multi_head_attention"])
    assert parts - {"vars"} == {"_gate_dense", "key_dense", "output_dense", "query_dense", "value_dense"}


@pytest.mark.parametrize("suffix", [".keras", ".h5"])
def test_masks_of_keras3_stay_its_own(suffix, tmp_path):
    x = keras.Input((3, 4))
    y = layers.GroupNormalization(2, keras3_masking=True)(layers.Identity(keras3_masking=True)(layers.Masking()(x)))
    keras.Model(x, y).save(tmp_path / f"m{suffix}")
    again = keras.models.load_model(tmp_path / f"m{suffix}")
    assert [layer.get_config().get("keras3_masking") for layer in again.layers[2:]] == [True, True]


@pytest.fixture
def model():
    keras.backend.clear_session()
    x = keras.Input((4,))
    y = layers.Dense(3, name="a")(x)
    return keras.Model(x, layers.Dense(2, name="b")(layers.BatchNormalization(name="norm")(y)), name="small")


def test_bfloat16_as_keras3_writes_it(tmp_path):
    layer = layers.Dense(2, dtype="bfloat16")
    layer.build((None, 3))
    values = [torch.tensor([[1.5, -2.0], [0.25, 3.0], [0.0, 1e30]]), torch.tensor([0.5, -1.0])]
    with h5py.File(tmp_path / "w.weights.h5", "w") as file:
        for i, value in enumerate(values):
            data = value.bfloat16().view(torch.int16).numpy().view("V2")
            file.create_dataset(f"layers/dense/vars/{i}", data=data).attrs["dtype"] = "bfloat16"
    model = keras.Sequential([keras.Input((3,)), layer])
    model.load_weights(tmp_path / "w.weights.h5")
    for weight, value in zip(model.weights, values, strict=True):
        assert weight.dtype == "bfloat16"
        torch.testing.assert_close(weight.value.detach().cpu(), value.bfloat16())


def keras3_dense(**arguments):
    inner = {"name": "d", "units": 2, "activation": "linear", **arguments}
    return {"module": "keras.layers", "class_name": "Dense", "config": inner, "registered_name": None}


def test_lora_and_quantised_weights():
    assert canonical(keras3_dense(lora_rank=2, lora_alpha=4), Origin(3))["config"]["units"] == 2
    described = {"module": "keras.quantizers", "class_name": "Int8QuantizationConfig", "config": {}}
    with pytest.raises(ValueError, match="Dense 'd' holds quantised weights"):
        canonical(keras3_dense(quantization_config=described), Origin(3))


def test_bins_that_keras3_found_come_back():
    config = {"bin_boundaries": [-0.53, -0.02, 0.49], "num_bins": 4, "epsilon": 0.01, "name": "d", "dtype": "float32"}
    described = {"module": "keras.layers", "class_name": "Discretization", "config": config, "registered_name": None}
    layer = layers.deserialize(canonical(described, Origin(3)))
    assert layer(torch.tensor([-1.0, 0.0, 0.5])).tolist() == [0, 2, 3]


@pytest.mark.parametrize("suffix", [".keras", ".h5"])
@pytest.mark.parametrize("name", fixture_names("k3", "MultiHeadAttention__", "GroupQueryAttention__"))
def test_attention_of_keras3_keeps_the_order_of_its_inputs(name, suffix, tmp_path):
    model = keras.models.load_model(Fixture("k3", name).file(".keras"))
    model.save(tmp_path / f"again{suffix}")
    assert keras.models.load_model(tmp_path / f"again{suffix}").get_config() == model.get_config()


@pytest.mark.parametrize("data_format", ["channels_first", "channels_last"])
@pytest.mark.parametrize("suffix", [".keras", ".h5"])
def test_a_crop_of_keras3_keeps_its_layout(suffix, data_format, tmp_path):
    x = keras.Input((6, 6, 6))
    crop = layers.RandomCrop(2, 3, data_format=data_format, resize_in_inference=False)
    keras.Model(x, crop(x)).save(tmp_path / f"m{suffix}")
    assert keras.models.load_model(tmp_path / f"m{suffix}").layers[1].get_config() == crop.get_config()


def rewritten(path, changes):
    """The archive with members replaced, or left out where the new content is None."""
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    members.update(changes)
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in members.items():
            if data is not None:
                archive.writestr(name, data)


def test_what_an_archive_holds(model, tmp_path):
    model.save(tmp_path / "m.keras")
    with zipfile.ZipFile(tmp_path / "m.keras") as archive:
        assert archive.namelist() == ["metadata.json", "config.json", "model.weights.h5"]
        config = json.loads(archive.read("config.json"))
        assert json.loads(archive.read("metadata.json"))["keras_version"].startswith("3.")
        with h5py.File(io.BytesIO(archive.read("model.weights.h5"))) as weights:
            assert sorted(weights["layers/batch_normalization/vars"]) == ["0", "1", "2", "3"]
            assert weights["layers/dense_1/vars/0"].shape == (3, 2)
            assert weights["layers/dense_1/vars"].attrs["name"] == "b"
    assert (config["module"], config["class_name"]) == ("keras.src.models.functional", "Functional")
    assert config["config"]["layers"][0]["config"]["batch_shape"] == [None, 4]
    assert [report[2] for report in keras.models.load_model(tmp_path / "m.keras").load_report.loaded] == ["path"] * 8


@pytest.mark.parametrize("source", [lambda p: p.read_bytes(), lambda p: io.BytesIO(p.read_bytes()), str])
@pytest.mark.parametrize("name", ["m.keras", "m.h5"])
def test_paths_bytes_and_open_files(model, tmp_path, name, source):
    model.save(tmp_path / name)
    loaded = keras.models.load_model(source(tmp_path / name))
    for a, b in zip(model.get_weights(), loaded.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


def test_an_open_h5_file(model, tmp_path):
    """What was written to it but not to the disk counts too."""
    model.save(tmp_path / "m.h5")
    with h5py.File(tmp_path / "m.h5", "r+") as file:
        bias = file["model_weights/b/b/bias:0"]
        bias[...] = 7
        loaded = keras.models.load_model(file)
        assert bias[0] == 7
    np.testing.assert_array_equal(loaded.get_layer("b").get_weights()[1], [7, 7])


def test_a_compressed_archive(model, tmp_path):
    model.save(tmp_path / "m.keras")
    with zipfile.ZipFile(tmp_path / "m.keras") as archive, zipfile.ZipFile(tmp_path / "c.keras", "w", 8) as packed:
        for name in archive.namelist():
            packed.writestr(name, archive.read(name))
    np.testing.assert_array_equal(
        keras.models.load_model(tmp_path / "c.keras").get_weights()[0], model.get_weights()[0]
    )


def test_training_state_is_kept_and_written_back(tmp_path):
    if not FIXTURES.is_dir():
        pytest.skip(f"the fixtures are not at {FIXTURES}")
    for generation, suffix in SUFFIX.items():
        original = FIXTURES / generation / f"opt__Adam__default{suffix}"
        keras.models.load_model(original).save(tmp_path / "again.keras")
        states = []
        for path in (original, tmp_path / "again.keras"):
            with zipfile.ZipFile(path) as archive:
                config = json.loads(archive.read("config.json"))
                with h5py.File(io.BytesIO(archive.read("model.weights.h5"))) as weights:
                    found = {k: v[()] for k, v in weights["optimizer/vars"].items()}
            states.append((config["compile_config"], found))
        assert states[0][0] == states[1][0]
        assert states[0][1].keys() == states[1][1].keys()
        assert all(np.array_equal(states[0][1][key], states[1][1][key]) for key in states[0][1])


def test_weights_that_do_not_fit(model, tmp_path):
    model.save_weights(tmp_path / "m.weights.h5")
    keras.backend.clear_session()
    other = keras.Sequential([keras.Input((4,)), layers.Dense(3), layers.Dense(5)])
    before = other.get_weights()
    with pytest.raises(
        ValueError, match=r"(?s)dense_1.*\(3, 5\).*layers/dense_1/vars/0.*\(3, 2\).*batch_normalization"
    ):
        other.load_weights(tmp_path / "m.weights.h5")
    for a, b in zip(before, other.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    report = other.load_weights(tmp_path / "m.weights.h5", skip_mismatch=True)
    assert [name for name, _ in report.skipped] == ["dense_1"]
    assert [rule for _, _, rule in report.loaded] == ["path", "path"]
    assert all("batch_normalization" in place or "dense_1" in place for place in report.unused)
    with pytest.raises(ValueError, match="by_name=True is for legacy h5"):
        other.load_weights(tmp_path / "m.weights.h5", by_name=True)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"config.json": None}, "lacks 'config.json'"),
        ({"config.json": b"{"}, "is not JSON"),
        ({"config.json": b"[" * 5000 + b"]" * 5000}, "nested"),
        ({"config.json": b"[1, 2]"}, "Not the description of a model"),
        ({"model.weights.h5": None}, "lacks 'model.weights.h5'"),
        ({"../escaped": b"x"}, "lies outside"),
        ({"/etc/escaped": b"x"}, "lies outside"),
    ],
)
def test_damaged_archives(model, tmp_path, changes, message):
    model.save(tmp_path / "m.keras")
    rewritten(tmp_path / "m.keras", changes)
    with pytest.raises(ValueError, match=message):
        keras.models.load_model(tmp_path / "m.keras")


def test_a_name_that_keras3_refuses_is_changed_for_it_alone(tmp_path):
    keras.backend.clear_session()
    x = keras.Input((2,))
    model = keras.Model(x, layers.Dense(1, name="block/dense")(x))
    model.save(tmp_path / "m.keras")
    model.save(tmp_path / "m.h5")
    assert keras.models.load_model(tmp_path / "m.keras").layers[1].name == "block_dense"
    assert keras.models.load_model(tmp_path / "m.h5").layers[1].name == "block/dense"


def test_hard_sigmoid_is_the_one_that_the_file_meant(tmp_path):
    """Keras 2's hard sigmoid goes through an archive of Keras 3's form as layers of Keras 3's that compute it."""
    keras.backend.clear_session()
    x = keras.Input((3,))
    for name, wanted in (("hard_sigmoid", [0.1, 0.5, 0.7]), ("hard_sigmoid_keras3", [1 / 6, 0.5, 4 / 6])):
        model = keras.Model(x, layers.Activation(name)(x))
        for file in ("m.keras", "m.h5"):
            model.save(tmp_path / file)
            loaded = keras.models.load_model(tmp_path / file)
            np.testing.assert_allclose(loaded.predict(np.float32([[-2, 0, 1]]), verbose=0)[0], wanted, rtol=1e-6)
            assert loaded.layers[-1].get_config()["activation"] == name


def test_the_name_that_kerastorch_gave_it_before_is_read():
    assert arguments("Dense", {"activation": "kerastorch>hard_sigmoid"}, Origin(3))["activation"] == "hard_sigmoid"


@pytest.mark.parametrize("name", ["m.h5", "m.keras"])
def test_an_unknown_layer_is_told_with_what_it_needs(tmp_path, name):
    """Its class, name, config and the shapes of its weights: enough to write it."""

    class Scale(layers.Layer):
        def __init__(self, start=1.0, **kwargs):
            super().__init__(**kwargs)
            self.start = start

        def build(self, input_shape):
            self.factor = self.add_weight("factor", (input_shape[-1],), initializer="ones")

        def call(self, inputs):
            return inputs * self.factor

    keras.backend.clear_session()
    x = keras.Input((4,))
    keras.Model(x, Scale(2.0, name="scale_by")(layers.Dense(3)(x))).save(tmp_path / name)
    with pytest.raises(ValueError, match=r"(?s)Scale 'scale_by'.*'start': 2.0.*weights in the file: .*\(3,\)"):
        keras.models.load_model(tmp_path / name)
    assert keras.models.load_model(tmp_path / name, custom_objects={"Scale": Scale}).layers[-1].start == 2.0


def test_an_archives_weights_are_opened_once(model, tmp_path, monkeypatch):
    model.save(tmp_path / "m.keras")
    looked = []
    real = opening._opened_h5
    monkeypatch.setattr(opening, "_opened_h5", lambda *args: looked.append(args[1]) or real(*args))
    keras.models.load_model(tmp_path / "m.keras")
    assert len(looked) == 1


def test_a_vocabulary_at_another_place_is_not_lost(tmp_path):
    """A look-up without its vocabulary takes every token for an unknown one."""
    era = Path(__file__).resolve().parents[2] / "compat_tests" / "files" / "keras-3.0.5.npz"
    with np.load(era) as data:
        archived = data["integers/file"].tobytes()
    with zipfile.ZipFile(io.BytesIO(archived)) as source, zipfile.ZipFile(tmp_path / "m.keras", "w") as target:
        for name in source.namelist():
            target.writestr(name.replace("integer_lookup/", "elsewhere/"), source.read(name))
    with pytest.raises(ValueError, match=r"have no vocabulary, and .*elsewhere.*belong to none"):
        keras.models.load_model(tmp_path / "m.keras")


@pytest.mark.parametrize(
    ("layer", "says"),
    [
        (lambda: keras.layers.SeparableConv1D(2, 2, padding="causal", name="a"), "'a': it has no causal padding"),
        (
            lambda: keras.layers.TimeDistributed(keras.layers.LocallyConnected1D(2, 2, name="a")),
            "'a': it has no Locally",
        ),
        (lambda: keras.layers.LayerNormalization(axis=[2, 1], name="a"), "'a': it has the weights of axes"),
        (lambda: keras.layers.DepthwiseConv1D(1, groups=3, name="a"), "'a': it has no groups=3 there"),
        (lambda: keras.layers.Dense(2, kernel_constraint="radial_constraint", name="a"), "it has no RadialConstraint"),
    ],
)
def test_what_keras_3_has_not_is_told(layer, says, tmp_path):
    x = keras.Input((4, 3, 3)) if isinstance(layer(), keras.layers.TimeDistributed) else keras.Input((4, 3))
    model = keras.Model(x, layer()(x))
    with pytest.warns(UserWarning, match=f"Keras 3 cannot open this file, or not with the same numbers .*{says}"):
        model.save(tmp_path / "m.keras")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model.save(tmp_path / "m.h5")


def test_a_layer_that_goes_backwards_in_both_directions(tmp_path):
    """Keras 3.15 would make both of Bidirectional's layers go backwards, and refuses that."""
    x = keras.Input((4, 3))
    model = keras.Model(x, keras.layers.Bidirectional(keras.layers.LSTM(2, go_backwards=True))(x))
    model.save(tmp_path / "m.keras")
    with zipfile.ZipFile(tmp_path / "m.keras") as archive:
        config = json.loads(archive.read("config.json"))["config"]["layers"][1]["config"]
    assert [config[key]["config"]["go_backwards"] for key in ("layer", "backward_layer")] == [True, False]
    data = torch.randn(2, 4, 3)
    torch.testing.assert_close(keras.models.load_model(tmp_path / "m.keras")(data), model(data))


@pytest.mark.parametrize("suffix", [".keras", ".h5"])
def test_causal_attention_is_told_by_its_calls(suffix, tmp_path):
    """The argument `causal` is in no config of tf_keras 2.21, and Keras 3 does not have it."""
    x = keras.Input((4, 3))
    model = keras.Model(x, keras.layers.Attention(causal=True)([x, x]))
    model.save(tmp_path / f"m{suffix}")
    data = torch.randn(2, 4, 3)
    torch.testing.assert_close(keras.models.load_model(tmp_path / f"m{suffix}")(data), model(data))


def test_weights_at_the_paths_of_tf_keras(tmp_path):
    """Where tf_keras 2.21 looks for them; Keras 3 has public names there."""
    x = keras.Input((3, 4))
    model = keras.Model(x, keras.layers.MultiHeadAttention(1, 2)(x, x))
    for dialect, name in (("keras2", "_query_dense"), ("keras3", "query_dense"), (None, "query_dense")):
        model.save_weights(tmp_path / "w.weights.h5", dialect=dialect)
        with h5py.File(tmp_path / "w.weights.h5") as file:
            assert f"layers/multi_head_attention/{name}/vars/0" in file
        assert not model.load_weights(tmp_path / "w.weights.h5").unused
    with pytest.raises(ValueError, match="takes 'keras2' or 'keras3', others none"):
        model.save_weights(tmp_path / "w.h5", dialect="keras2")
