"""Rescaling, Resizing, CenterCrop and the random image layers."""

import math
import pickle

import numpy as np
import pytest
import torch

import kerastorch as keras

L = keras.layers
IMAGES = torch.arange(2 * 4 * 6 * 1, dtype=torch.float32).reshape(2, 4, 6, 1)

RANDOM = {
    "RandomBrightness": lambda **k: L.RandomBrightness(0.5, **k),
    "RandomContrast": lambda **k: L.RandomContrast(0.5, **k),
    "RandomFlip": lambda **k: L.RandomFlip(**k),
    "RandomRotation": lambda **k: L.RandomRotation(0.2, **k),
    "RandomTranslation": lambda **k: L.RandomTranslation(0.3, 0.3, **k),
    "RandomZoom": lambda **k: L.RandomZoom(0.5, **k),
    "RandomCrop": lambda **k: L.RandomCrop(2, 3, **k),
    "RandomHeight": lambda **k: L.RandomHeight(0.5, **k),
    "RandomWidth": lambda **k: L.RandomWidth(0.5, **k),
}


@pytest.mark.parametrize(
    ("make", "error"),
    [
        (lambda: L.Resizing(2, 2, "cubic"), NotImplementedError),
        (lambda: L.Resizing(2, 2, crop_to_aspect_ratio=True, pad_to_aspect_ratio=True), ValueError),
        (lambda: L.CenterCrop(2, 2)(torch.ones(3, 3)), ValueError),
        (lambda: L.CenterCrop(2, 2, data_format="last"), ValueError),
        (lambda: L.RandomFlip("diagonal"), ValueError),
        (lambda: L.RandomTranslation(2.0, 0.1), ValueError),
        (lambda: L.RandomTranslation((0.2, -0.2), 0.1), ValueError),
        (lambda: L.RandomRotation(-0.1), ValueError),
        (lambda: L.RandomRotation(0.1, fill_mode="mirror"), NotImplementedError),
        (lambda: L.RandomZoom(0.1, interpolation="cubic"), NotImplementedError),
        (lambda: L.RandomContrast(-0.1), ValueError),
        (lambda: L.RandomBrightness(1.5), ValueError),
        (lambda: L.RandomBrightness(0.5, value_range=1), ValueError),
        (lambda: L.RandomHeight((-2, 0)), ValueError),
    ],
)
def test_bad_arguments_are_refused(make, error):
    with pytest.raises(error):
        make()


def test_rescaling_takes_integers_and_vectors():
    assert L.Rescaling(0.5, 1.0)(torch.tensor([[2, 4]])).tolist() == [[2.0, 3.0]]
    layer = L.Rescaling([1.0, 2.0])
    assert layer(torch.ones(1, 2)).tolist() == [[1.0, 2.0]]
    assert layer.get_config()["scale"] == [1.0, 2.0]


@pytest.mark.parametrize(
    ("kwargs", "want"),
    [
        ({"interpolation": "nearest"}, [1.0, 4.0]),
        ({"interpolation": "bilinear"}, [0.5, 3.5]),
        ({"interpolation": "area"}, [0.5, 3.5]),
        # Weights 1 - |distance| / 2 of the pixels at 0.5, 0.5 and 1.5 from the centre.
        (
            {"interpolation": "bilinear", "antialias": True},
            [(0.75 + 3 * 0.25) / 1.75, (0.25 + 3 * 0.75 + 4 * 0.75) / 1.75],
        ),
    ],
)
def test_resizing_a_row_of_four(kwargs, want):
    row = torch.tensor([0.0, 1.0, 3.0, 4.0]).reshape(1, 1, 4, 1)
    np.testing.assert_allclose(L.Resizing(1, 2, **kwargs)(row).ravel(), want, rtol=1e-6)


@pytest.mark.parametrize(
    "mode", ["nearest", "bilinear", "bicubic", "area", "lanczos3", "lanczos5", "gaussian", "mitchellcubic"]
)
def test_every_interpolation_keeps_a_constant(mode):
    for size in ((7, 9), (2, 3), (4, 6)):
        got = L.Resizing(*size, interpolation=mode)(torch.full((1, 4, 6, 2), 3.0))
        torch.testing.assert_close(got, torch.full((1, *size, 2), 3.0))


def test_resizing_keeps_the_aspect_where_asked():
    ramp = IMAGES[:1]
    torch.testing.assert_close(L.Resizing(4, 4, crop_to_aspect_ratio=True)(ramp), ramp[:, :, 1:5])
    padded = L.Resizing(6, 6, pad_to_aspect_ratio=True, fill_value=9.0)(ramp)
    assert (padded[:, 0] == 9).all() and (padded[:, 5] == 9).all()
    torch.testing.assert_close(padded[:, 1:5], ramp)
    first = L.Resizing(2, 3, data_format="channels_first")(ramp.permute(0, 3, 1, 2))
    torch.testing.assert_close(first.permute(0, 2, 3, 1), L.Resizing(2, 3)(ramp))


def test_center_crop_takes_the_middle_or_resizes():
    torch.testing.assert_close(L.CenterCrop(2, 3)(IMAGES), IMAGES[:, 1:3, 1:4])
    torch.testing.assert_close(L.CenterCrop(2, 3)(IMAGES[0]), IMAGES[0, 1:3, 1:4])
    assert L.CenterCrop(8, 4)(IMAGES).shape == (2, 8, 4, 1)
    assert L.CenterCrop(8, 4)(keras.Input((None, None, 3))).shape == (None, 8, 4, 3)


@pytest.mark.parametrize("name", [n for n in RANDOM if n != "RandomCrop"])
def test_random_layers_leave_images_alone_in_inference(name):
    torch.testing.assert_close(RANDOM[name]()(IMAGES, training=False), IMAGES)
    x = keras.Input((4, 6, 1))
    model = keras.Model(x, RANDOM[name](seed=1)(x))
    torch.testing.assert_close(model(IMAGES, training=False), IMAGES)
    torch.testing.assert_close(torch.tensor(model.predict(IMAGES, verbose=0)), IMAGES)
    assert not torch.equal(model(IMAGES), IMAGES), "as in Keras, what is called with no phase augments"


@pytest.mark.parametrize("name", RANDOM)
def test_random_layers_repeat_with_their_seed(name):
    a, b = RANDOM[name](seed=3), RANDOM[name](seed=3)
    for _ in range(3):
        torch.testing.assert_close(a(IMAGES, training=True), b(IMAGES, training=True))
    again = pickle.loads(pickle.dumps(a))
    assert again.get_config() == {**a.get_config()}
    assert a.get_config()["seed"] == 3 and a.get_config()["rng_type"] == "stateful"
    keras.config.set_random_seed(1)
    free = RANDOM[name]()(IMAGES, training=True)
    keras.config.set_random_seed(1)
    torch.testing.assert_close(RANDOM[name]()(IMAGES, training=True), free)


@pytest.mark.parametrize("name", RANDOM)
def test_random_layers_take_single_images_and_integers(name):
    changed = RANDOM[name](seed=0)(IMAGES[0].to(torch.uint8), training=True)
    assert changed.ndim == 3 and changed.dtype == torch.float32


def test_flips_and_translations_are_exact():
    seen = {
        tuple(x.ravel().tolist())
        for x in L.RandomFlip("horizontal", seed=0)(IMAGES[:1].repeat(20, 1, 1, 1), training=True)
    }
    assert seen == {tuple(x.ravel().tolist()) for x in (IMAGES[0], IMAGES[0].flip(1))}
    moved = L.RandomTranslation((0.25, 0.25), 0.0, fill_mode="constant", fill_value=-1.0)(IMAGES, training=True)
    torch.testing.assert_close(moved[:, 1:], IMAGES[:, :-1])
    assert (moved[:, 0] == -1).all()
    for fill, row in (("reflect", 0), ("nearest", 0), ("wrap", 3)):
        moved = L.RandomTranslation((0.25, 0.25), 0.0, fill_mode=fill)(IMAGES, training=True)
        torch.testing.assert_close(moved[:, 1:], IMAGES[:, :-1])
        if fill != "wrap":
            torch.testing.assert_close(moved[:, 0], IMAGES[:, row])


def test_a_half_turn_and_a_quarter_turn():
    torch.testing.assert_close(
        L.RandomRotation((0.5, 0.5))(IMAGES, training=True), IMAGES.flip(1, 2), atol=1e-4, rtol=0
    )
    square = IMAGES[:, :, :4]
    turned = L.RandomRotation((0.25, 0.25))(square, training=True)
    torch.testing.assert_close(turned, square.rot90(1, (1, 2)), atol=1e-4, rtol=0)


def test_brightness_and_contrast_stay_in_range():
    bright = L.RandomBrightness((1.0, 1.0), value_range=(0, 10))(IMAGES, training=True)
    assert (bright == 10).all()
    flat = L.RandomContrast((1.0, 0.0), seed=0)(IMAGES, training=True)
    assert flat.min() >= 0 and flat.max() <= 255


# What is drawn: 1e5 draws, the expected numbers worked out by hand

DRAWS, STEPS = 100_000, 10
ACROSS = torch.arange(21.0).reshape(1, 1, 21, 1).expand(DRAWS // STEPS, 1, 21, 1)
DOWN = torch.arange(-3.0, 4.0).reshape(1, 7, 1, 1).expand(DRAWS // STEPS, 7, 7, 1)
TURN = 0.1 * 2 * math.pi
DRAWN = {
    "RandomFlip": (L.RandomFlip("horizontal"), ACROSS, lambda y: (y[:, 0, 0] == 20).float(), 0.5, 0.5),
    "RandomBrightness": (
        L.RandomBrightness(0.2), torch.full((DRAWS // STEPS, 1, 1, 3), 100.0), lambda y: y[:, 0, 0, :1], 100, 51 / 3**0.5
    ),
    "RandomTranslation": (
        L.RandomTranslation(0.0, 0.25, "nearest"), ACROSS, lambda y: y[:, 0, 10], 10, 0.25 * 21 / 3**0.5
    ),
    "RandomZoom": (L.RandomZoom(0.0, 0.4, "nearest"), ACROSS, lambda y: (y[:, 0, 15] - 10) / 5, 1.0, 0.4 / 3**0.5),
    "RandomRotation": (
        L.RandomRotation(0.1, "nearest"), DOWN, lambda y: y[:, 3, 6], 0.0,
        3 * (0.5 - math.sin(2 * TURN) / (4 * TURN)) ** 0.5,
    ),
}  # fmt: skip


@pytest.mark.parametrize(
    ("layer", "number", "mean", "deviation"),
    [
        (L.RandomContrast(0.5, seed=0), float, 1.0, 0.5 / 3**0.5),
        (L.RandomHeight((-0.2, 0.4), seed=0), lambda x: x.height, 1099.5, 600 / 12**0.5),
        (L.RandomWidth(0.3, seed=0), lambda x: x.width, 999.5, 600 / 12**0.5),
        (L.RandomCrop(1, 989, seed=0), lambda x: x[1], 5.5, (143 / 12) ** 0.5),
    ],
)
def test_statistics_of_draws_for_a_batch(layer, number, mean, deviation):
    images = torch.zeros(1, 1000, 1000, 1)
    drawn = torch.tensor([number(layer.draw(images)) for _ in range(20_000)]).double()
    assert drawn.mean().item() == pytest.approx(mean, abs=5 * deviation / 20_000**0.5)
    assert drawn.std().item() == pytest.approx(deviation, rel=0.02)


@pytest.mark.parametrize("name", DRAWN)
def test_statistics_of_draws(name):
    layer, images, measure, mean, deviation = DRAWN[name]
    keras.utils.set_random_seed(1)
    drawn = torch.cat([measure(layer(images, training=True)).flatten() for _ in range(STEPS)]).double()
    assert len(drawn) == DRAWS
    assert drawn.mean().item() == pytest.approx(mean, abs=5 * deviation / DRAWS**0.5)
    assert drawn.std().item() == pytest.approx(deviation, rel=0.01)
    assert torch.equal(layer(images, training=False), images)
