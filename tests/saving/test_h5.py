"""h5 files: what is written, what is refused, and that nothing is lost."""

from __future__ import annotations

import json
import os

import h5py
import numpy as np
import pytest
import torch

import kerastorch as keras
from kerastorch import layers
from kerastorch.models import load_model


@pytest.fixture(autouse=True)
def fresh_names():
    keras.backend.clear_session()


def chain(*units, name="chain"):
    x = keras.Input((2,))
    y = x
    for i, n in enumerate(units):
        y = layers.Dense(n, name=f"dense_{chr(97 + i)}")(y)
    return keras.Model(x, y, name=name)


def test_round_trip_is_bit_equal(tmp_path):
    model = chain(3, 4)
    model.save(tmp_path / "a.h5")
    loaded = load_model(tmp_path / "a.h5")
    loaded.save(tmp_path / "b.h5")
    for a, b, c in zip(
        model.get_weights(), loaded.get_weights(), load_model(tmp_path / "b.h5").get_weights(), strict=True
    ):
        np.testing.assert_array_equal(a, b)
        np.testing.assert_array_equal(b, c)
    with h5py.File(tmp_path / "a.h5") as one, h5py.File(tmp_path / "b.h5") as two:
        assert one.attrs["model_config"] == two.attrs["model_config"]
    assert {rule for _, _, rule in loaded.load_report.loaded} == {"name"}
    assert len(loaded.load_report.loaded) == 4


def test_long_lists_of_names_are_split_as_keras_splits_them(tmp_path):
    x = keras.Input((1,))
    y = x
    for i in range(800):
        y = layers.Activation(
            "linear", name=f"a_layer_with_quite_a_long_name_so_that_the_names_fill_the_attribute_of_the_group_{i:04d}"
        )(y)
    model = keras.Model(x, layers.Dense(1)(y))
    model.save(tmp_path / "long.h5")
    with h5py.File(tmp_path / "long.h5") as file:
        attributes = file["model_weights"].attrs
        assert "layer_names" not in attributes
        pieces = [attributes[f"layer_names{i}"] for i in range(2)]
        assert all(piece.nbytes <= 64512 for piece in pieces)
        assert sum(map(len, pieces)) == 802
    loaded = load_model(tmp_path / "long.h5")
    assert [layer.name for layer in loaded.layers] == [layer.name for layer in model.layers]
    np.testing.assert_array_equal(loaded.get_weights()[0], model.get_weights()[0])


def test_by_name(tmp_path):
    chain(3, 4).save_weights(tmp_path / "w.h5")
    model = chain(3, 5, 1)
    before = model.get_weights()
    with pytest.raises(ValueError, match=r"(?s)dense_b.*\(3, 5\).*\(3, 4\).*\(5,\).*\(4,\)"):
        model.load_weights(tmp_path / "w.h5", by_name=True)
    for a, b in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    report = model.load_weights(tmp_path / "w.h5", by_name=True, skip_mismatch=True)
    assert [name for name, _, _ in report.loaded] == ["dense_a/kernel:0", "dense_a/bias:0"]
    assert [name for name, _ in report.skipped] == ["dense_b"]
    assert report.missing == ["dense_c"]
    np.testing.assert_array_equal(model.get_weights()[2], before[2])


def test_by_order_needs_as_many_layers(tmp_path):
    chain(3).save_weights(tmp_path / "w.h5")
    with pytest.raises(ValueError, match="(?s)Layer count mismatch.*expected 2 layers.*found 1.*dense_b +\\| -"):
        chain(3, 4).load_weights(tmp_path / "w.h5")


def test_by_order_goes_past_names(tmp_path):
    model = chain(3)
    model.save_weights(tmp_path / "w.h5")
    x = keras.Input((2,))
    other = keras.Model(x, layers.Dense(3, name="elsewhere")(x))
    other.load_weights(tmp_path / "w.h5")
    np.testing.assert_array_equal(other.get_weights()[0], model.get_weights()[0])


def test_a_damaged_file_is_told_whole(tmp_path):
    path = tmp_path / "w.h5"
    chain(3, 4).save(path)
    with h5py.File(path, "a") as file:
        del file["model_weights/dense_a/dense_a/kernel:0"]
        del file["model_weights/dense_b"]
    with pytest.raises(ValueError, match="(?s)does not hold.*dense_a/dense_a/kernel:0.*dense_b"):
        load_model(path)


@pytest.mark.parametrize("fraction", [0.05, 0.5, 0.95])
def test_a_cut_off_file(tmp_path, fraction):
    path = tmp_path / "w.h5"
    chain(3, 4).save(path)
    whole = path.read_bytes()
    path.write_bytes(whole[: int(len(whole) * fraction)])
    with pytest.raises(OSError, match="cut off"):
        load_model(path)


def test_a_file_without_architecture(tmp_path):
    chain(3).save_weights(tmp_path / "w.h5")
    with pytest.raises(ValueError, match="(?s)No model config.*load_weights"):
        load_model(tmp_path / "w.h5")


def test_an_architecture_that_is_no_json(tmp_path):
    chain(3).save(tmp_path / "m.h5")
    with h5py.File(tmp_path / "m.h5", "a") as file:
        file.attrs["model_config"] = "{oops"
    with pytest.raises(ValueError, match="not JSON"):
        load_model(tmp_path / "m.h5")


def test_a_failed_save_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "m.h5"
    chain(3).save(path)
    before = path.read_bytes()
    x = keras.Input((2,))
    cannot = keras.Model(x, layers.TorchModuleWrapper(__import__("torch").nn.Linear(2, 3))(x))
    with pytest.raises(TypeError, match="cannot be written"):
        cannot.save(path)
    assert path.read_bytes() == before

    from kerastorch.saving import h5

    def full_disk(*args):
        raise OSError("No space left on device")

    monkeypatch.setattr(h5, "_write_weights", full_disk)
    with pytest.raises(OSError, match="No space"):
        chain(4).save(path)
    assert path.read_bytes() == before
    assert os.listdir(tmp_path) == ["m.h5"]


def test_overwrite_false_keeps_the_file(tmp_path):
    chain(3).save(tmp_path / "m.h5")
    with pytest.raises(FileExistsError, match="overwrite"):
        chain(3).save(tmp_path / "m.h5", overwrite=False)


@pytest.mark.parametrize("name", ["m", "m.foo", "m.tf"])
def test_a_format_that_is_not_written(tmp_path, name):
    with pytest.raises(ValueError, match=r"\*\.h5"):
        chain(3).save(tmp_path / name)


def test_what_a_file_holds_of_training_is_written_back(tmp_path):
    path = tmp_path / "m.h5"
    chain(3).save(path)
    with h5py.File(path, "a") as file:
        file.attrs["training_config"] = json.dumps({"loss": "mse"})
        group = file.create_group("optimizer_weights")
        group.attrs["weight_names"] = np.array([b"Adam/iter:0"])
        group["Adam/iter:0"] = 7
    load_model(path).save(tmp_path / "again.h5")
    with h5py.File(tmp_path / "again.h5") as file:
        assert json.loads(file.attrs["training_config"]) == {"loss": "mse"}
        assert file["optimizer_weights/Adam/iter:0"][()] == 7
        assert list(file["optimizer_weights"].attrs["weight_names"]) == [b"Adam/iter:0"]


def test_loading_initializes_nothing_in_vain(tmp_path, monkeypatch):
    model = chain(3, 4)
    model.save(tmp_path / "m.h5")

    def never(*args, **kwargs):
        raise AssertionError("an initializer ran")

    monkeypatch.setattr(keras.initializers.GlorotUniform, "__call__", never)
    assert len(load_model(tmp_path / "m.h5").get_weights()) == 4


def test_device_and_dtype(tmp_path):
    model = chain(3)
    model.save(tmp_path / "m.h5")
    loaded = load_model(tmp_path / "m.h5", device="cpu", dtype="float64")
    assert {str(p.dtype) for p in loaded.parameters()} == {"torch.float64"}
    y = loaded.predict(np.ones((1, 2)), verbose=0)
    assert y.dtype == np.float64
    np.testing.assert_allclose(y, model.predict(np.ones((1, 2)), verbose=0), atol=1e-6)


def test_a_name_that_begins_like_another_layers_path(tmp_path):
    """`block/conv/pad` before `block/conv`: groups of HDF5 within one another, as in MobileNetV3."""
    x = keras.Input((4, 4, 1))
    y = layers.ZeroPadding2D(name="block/conv/pad")(x)
    model = keras.Model(x, layers.Conv2D(2, 3, name="block/conv")(y))
    model.save(tmp_path / "m.h5")
    for a, b in zip(load_model(tmp_path / "m.h5").get_weights(), model.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("name", ["Custom>CustomScaleLayer", "CustomScaleLayer"])
def test_the_layer_of_inception_resnet_has_tf_keras_name_in_h5(tmp_path, name):
    a, b = keras.Input((2,)), keras.Input((2,))
    keras.Model([a, b], layers.CustomScaleLayer(0.5)([a, b])).save(tmp_path / "m.h5")
    with h5py.File(tmp_path / "m.h5", "a") as file:
        text = file.attrs["model_config"]
        assert text.count('"class_name": "Custom>CustomScaleLayer"') == 1
        file.attrs["model_config"] = text.replace("Custom>CustomScaleLayer", name)
    model = load_model(tmp_path / "m.h5")
    np.testing.assert_array_equal(model.predict([np.ones((1, 2)), np.ones((1, 2))], verbose=0), [[1.5, 1.5]])


def test_a_drawn_model_in_a_stack_returns_no_list(tmp_path):
    """Keras 3 calls the next layer on what it returns."""
    x = keras.Input((4,), name="x")
    inner = keras.Model(x, keras.layers.Dense(3, name="y")(x))
    model = keras.Sequential([keras.Input((4,)), inner, keras.layers.Dense(2)])
    model.save(tmp_path / "m.h5")
    with h5py.File(tmp_path / "m.h5") as file:
        written = json.loads(file.attrs["model_config"])["config"]["layers"][1]["config"]
    assert [written[key] for key in ("input_layers", "output_layers")] == [["x", 0, 0], ["y", 0, 0]]
    again = keras.models.load_model(tmp_path / "m.h5")
    assert again.get_config() == model.get_config()
    data = torch.randn(2, 4)
    torch.testing.assert_close(again(data), model(data))


def test_what_older_versions_refuse_is_left_out(tmp_path):
    """tf.keras 2.4 to 2.12 take no argument that came later, and no attribute but bytes (found by opening such files there)."""
    x = keras.Input((8, 8, 4))
    y = layers.Resizing(6, 6)(layers.Normalization(mean=0.0, variance=1.0)(layers.GaussianNoise(0.1)(x)))
    y = layers.GlobalAveragePooling2D()(layers.Conv2D(4, 1)(y))
    tokens = layers.Reshape((2, 2))(y)
    model = keras.Model(x, [layers.MultiHeadAttention(1, 2)(tokens, tokens), layers.GaussianDropout(0.1)(y)])
    model.save(tmp_path / "m.h5")
    with h5py.File(tmp_path / "m.h5") as file:
        described = file.attrs["model_config"]
        for holder in (file, file["model_weights"]):
            for name in ("keras_version", "backend"):
                assert holder.attrs.get_id(name).get_type().get_cset() == h5py.h5t.CSET_ASCII
    later = {"keepdims", "seed", "crop_to_aspect_ratio", "invert", "softmax_robust_masking", "groups"}
    configs = {x["class_name"]: x["config"] for x in json.loads(described)["config"]["layers"]}
    assert [(name, later & set(config)) for name, config in configs.items() if later & set(config)] == []
    assert keras.models.load_model(tmp_path / "m.h5").get_config() == model.get_config()


def test_into_an_open_file(tmp_path):
    x = keras.Input((3,))
    model = keras.Model(x, layers.Dense(2)(x))
    with h5py.File(tmp_path / "m.h5", "w") as file:
        model.save(file)
    loaded = keras.models.load_model(tmp_path / "m.h5")
    for a, b in zip(model.get_weights(), loaded.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


def test_what_lora_adds_is_read_with_the_kernels(tmp_path):
    """A file as Keras 3.15 writes it after enable_lora: the kernel, being frozen, at the end."""
    x = keras.Input((2, 3))
    inner = keras.Sequential([keras.Input((3,)), layers.Dense(2, name="d"), layers.BatchNormalization(name="bn")])
    model = keras.Model(x, layers.TimeDistributed(inner, name="td")(x))
    model.save(tmp_path / "m.h5", dialect="keras3")
    want = model.get_weights()
    a, b = np.full((3, 1), 2, "float32"), np.full((1, 2), 3, "float32")
    with h5py.File(tmp_path / "m.h5", "r+") as file:
        config = json.loads(file.attrs["model_config"])
        config["config"]["layers"][1]["config"]["layer"]["config"]["layers"][1]["config"].update(
            lora_rank=1, lora_alpha=4
        )
        file.attrs["model_config"] = json.dumps(config)
        group = file["model_weights/td"]
        names = [name.decode() for name in group.attrs["weight_names"]]
        values = {name: group[name][()] for name in names}
        for name in names:
            del group[name]
        kernel, bias, *rest = (values[name] for name in names)
        lora = ("lora_kernel_a", "lora_kernel_b")
        order = ["s/d/bias", *(f"s/d/{x}" for x in lora), "s/bn/gamma", "s/bn/beta", "s/d/kernel", "s/bn/m", "s/bn/v"]
        group.attrs["weight_names"] = [name.encode() for name in order]
        for name, value in zip(order, (bias, a, b, *rest[:2], kernel, *rest[2:]), strict=True):
            group[name] = value
    for got in (
        load_model(tmp_path / "m.h5").get_weights(),
        model.load_weights(tmp_path / "m.h5") and model.get_weights(),
    ):
        np.testing.assert_allclose(got[0], want[0] + 24, rtol=1e-6)
        assert all(np.array_equal(x, y) for x, y in zip(got[1:], want[1:], strict=True))
