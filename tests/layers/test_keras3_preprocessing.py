"""Preprocessing layers that only Keras 3 has."""

import math

import numpy as np
import pytest
import torch

import kerastorch as keras
from kerastorch.saving.dialects import canonical
from kerastorch.saving.origin import Origin
from tests.fixture_files import FIXTURES

L = keras.layers
IMAGES = torch.arange(24.0).reshape(1, 2, 4, 3)


@pytest.mark.parametrize(
    "name", ["TFSMLayer", "JaxLayer", "FlaxLayer", "DenseFeatures", "DynamicLookup", "DynamicEmbedding"]
)
def test_layers_that_cannot_be_had_name_the_way_out(name):
    with pytest.raises(NotImplementedError, match=rf"{name} runs .* torch (cannot|has not)\b.*\."):
        getattr(L, name)("model")
    with pytest.raises((NotImplementedError, ValueError), match=f"{name} runs"):
        L.deserialize({"class_name": name, "config": {"name": "x"}})


@pytest.mark.parametrize(
    "make",
    [
        lambda: L.STFTSpectrogram("power"),
        lambda: L.STFTSpectrogram(frame_length=4, frame_step=5),
        lambda: L.STFTSpectrogram(frame_length=4)(keras.Input((9, None))),
        lambda: L.MelSpectrogram(fft_length=4, sequence_length=8),
        lambda: L.Pipeline([1]),
        lambda: L.Solarization(addition_factor=2.0),
        lambda: L.RandomPosterization(9),
        lambda: L.RandomGrayscale(1.5),
        lambda: L.RandomInvert(value_range=1),
    ],
)
def test_bad_arguments_are_refused(make):
    with pytest.raises(ValueError):
        make()


def test_stft_finds_a_tone():
    sound = torch.cos(2 * math.pi * 3 / 16 * torch.arange(64.0)).reshape(1, 64, 1)
    layer = L.STFTSpectrogram("magnitude", frame_length=16, frame_step=8, fft_length=16)
    assert layer(sound).argmax(-1).unique().tolist() == [3]
    assert [v.shape for v in layer.weights] == [(16, 1, 9), (16, 1, 9)]
    assert layer(sound).shape == (1, 7, 9) == (1, *layer.compute_output_shape((None, 64, 1))[1:])


def test_mel_spectrogram_has_its_shape_and_range():
    layer = L.MelSpectrogram(64, 32, sampling_rate=800, num_mel_bins=8, max_freq=400.0, top_db=40.0)
    result = layer(torch.sin(torch.arange(256.0))[None])
    assert result.shape == (1, 8, 9) == (1, *layer.compute_output_shape((None, 256))[1:])
    assert result.max() - result.min() <= 40.0 + 1e-4


def test_mel_spectrograms_of_several_channels():
    layer, sound = L.MelSpectrogram(64, 32, sampling_rate=800, num_mel_bins=8), torch.randn(2, 3, 256)
    result = layer(sound)
    assert result.shape == (2, 3, 8, 9) == (2, *layer.compute_output_shape((None, 3, 256))[1:])
    torch.testing.assert_close(result.flatten(0, 1), layer(sound.flatten(0, 1)))


def test_pipeline_runs_its_layers_and_is_written():
    layer = L.Pipeline([L.Rescaling(0.5), L.CenterCrop(2, 2)])
    torch.testing.assert_close(layer(IMAGES), IMAGES[:, :, 1:3] / 2)
    x = keras.Input((2, 4, 3))
    model = keras.Model(x, layer(x))
    assert model.output_shape == (None, 2, 2, 3)
    again = keras.models.clone_model(model)
    torch.testing.assert_close(again(IMAGES), IMAGES[:, :, 1:3] / 2)


def test_colours():
    stretched = L.AutoContrast()(IMAGES)
    assert stretched.amin() == 0 and stretched.amax() == 255
    assert torch.equal(L.RandomInvert((1.0, 1.0))(IMAGES, training=True), 255 - IMAGES)
    grey = L.RandomGrayscale(1.0)(IMAGES, training=True)
    np.testing.assert_allclose(grey[0, 0, 0], 0.587 * 1 + 0.114 * 2, rtol=1e-6)
    assert torch.equal(L.RandomPosterization((6, 6))(IMAGES, training=True), IMAGES // 4 * 4)
    assert torch.equal(L.Solarization(0.0, 0.0)(IMAGES, training=True), 255 - IMAGES)
    assert torch.equal(L.Solarization(0.0, 0.0)(IMAGES, training=False), IMAGES)
    spread = L.Equalization()(torch.tensor([0.0, 1.0, 1.0, 2.0]).reshape(1, 1, 4, 1), training=True)
    assert spread.ravel().tolist() == [0.0, 170.0, 170.0, 255.0]


def read_node(name, training):
    reference = {"class_name": "__keras_tensor__", "config": {"keras_history": ["input_layer", 0, 0]}}
    node = {"args": [reference], "kwargs": {"training": training}}
    return canonical(
        {"class_name": name, "config": {"data_format": "channels_last"}, "inbound_nodes": [node]}, Origin(3)
    )


def test_the_default_phase_that_keras_3_writes_is_not_the_users():
    read = read_node("RandomCrop", True)
    assert read["inbound_nodes"] == [[["input_layer", 0, 0, {}]]]
    assert read["config"]["resize_in_inference"] is False
    for name in ("Dropout", "GRU", "SpectralNormalization"):
        assert read_node(name, False)["inbound_nodes"] == [[["input_layer", 0, 0, {}]]]
    for name, training in (("Dropout", True), ("Functional", False), ("RandomFlip", False)):
        assert read_node(name, training)["inbound_nodes"] == [[["input_layer", 0, 0, {"training": training}]]]


def test_dropout_of_a_keras_3_file_drops_while_training():
    names = sorted(p for p in (FIXTURES / "k3").glob("Dropout__*.h5") if not p.name.endswith(".weights.h5"))
    if not names:
        pytest.skip(f"the fixtures are not at {FIXTURES}")
    model = keras.models.load_model(names[0])
    x = torch.ones(2, *model.input_shape[1:])
    torch.testing.assert_close(model(x), x)
    assert (model.train()(x) == 0).any()


def test_bins_are_int32_in_keras3(tmp_path):
    """As Keras 3.15 has them, whatever the dtype in the config; tf_keras 2.21 has int64."""
    x = keras.Input((2,))
    model = keras.Model(x, keras.layers.Discretization([0.0, 1.0])(x))
    assert model(np.array([[0.5, 2.0]])).dtype == torch.int64
    model.save(tmp_path / "m.keras")
    again = keras.models.load_model(tmp_path / "m.keras")
    torch.testing.assert_close(again(np.array([[0.5, 2.0]])), torch.tensor([[1, 2]], dtype=torch.int32))
