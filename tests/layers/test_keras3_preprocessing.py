"""Preprocessing layers that only Keras 3 has."""

import math

import numpy as np
import pytest
import torch

import kerastorch as keras
from kerastorch.saving.dialects import canonical

L = keras.layers
IMAGES = torch.arange(24.0).reshape(1, 2, 4, 3)


@pytest.mark.parametrize("name", ["TFSMLayer", "JaxLayer", "FlaxLayer"])
def test_layers_of_other_frameworks_say_so(name):
    with pytest.raises(NotImplementedError, match=f"{name} runs .* which torch cannot"):
        getattr(L, name)("model")


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


def test_the_default_phase_that_keras_3_writes_is_not_the_users():
    reference = {"class_name": "__keras_tensor__", "config": {"keras_history": ["input_layer", 0, 0]}}
    node = {"args": [reference], "kwargs": {"training": True}}
    described = {"class_name": "RandomCrop", "config": {"data_format": "channels_last"}, "inbound_nodes": [node]}
    read = canonical(described)
    assert read["inbound_nodes"] == [[["input_layer", 0, 0, {}]]]
    assert read["config"]["resize_in_inference"] is False
