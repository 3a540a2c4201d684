"""Dropouts and noise: statistics, seeds, phases, noise shapes."""

import copy
import pickle

import numpy as np
import pytest
import torch

import kerastorch as keras
from kerastorch import layers

SELU_LOW = -1.7580993408473766


@pytest.mark.parametrize(
    ("make", "error"),
    [
        (lambda: layers.Dropout(1.5), ValueError),
        (lambda: layers.Dropout(-0.1), ValueError),
        (lambda: layers.AlphaDropout(2), ValueError),
        (lambda: layers.GaussianDropout(-1), ValueError),
        (lambda: layers.GaussianNoise(-1.0), ValueError),
        (lambda: layers.SpatialDropout2D(0.5, data_format="middle"), ValueError),
        (lambda: layers.SpatialDropout1D(0.5)(keras.Input((3,))), ValueError),
        (lambda: layers.ActivityRegularization(l1="x"), ValueError),
        (lambda: layers.Dropout(), TypeError),
    ],
)
def test_bad_arguments(make, error):
    with pytest.raises(error):
        make()


RANDOM = [
    (lambda **kw: layers.Dropout(0.3, **kw), (40, 500)),
    (lambda **kw: layers.Dropout(0.3, noise_shape=(None, None), **kw), (40, 500)),
    (lambda **kw: layers.GaussianDropout(0.3, **kw), (40, 500)),
    (lambda **kw: layers.GaussianNoise(0.65, **kw), (40, 500)),
    (lambda **kw: layers.SpatialDropout1D(0.3, **kw), (400, 3, 50)),
    (lambda **kw: layers.SpatialDropout2D(0.3, **kw), (400, 3, 2, 50)),
    (lambda **kw: layers.SpatialDropout3D(0.3, data_format="channels_first", **kw), (400, 50, 2, 1, 2)),
]


@pytest.mark.parametrize("seed", [None, 7])
@pytest.mark.parametrize(("make", "shape"), RANDOM)
def test_mean_is_kept_and_spread_is_right(make, shape, seed):
    torch.manual_seed(1)
    layer = make(seed=seed)
    x = torch.ones(shape)
    assert torch.equal(layer(x), x)
    y = layer(x, training=True)
    assert y.shape == x.shape and abs(y.mean() - 1) < 0.02
    assert (
        abs(y.std() - (0.3 / 0.7) ** 0.5) < 0.02
    )  # of a dropout, and of GaussianDropout; the noise's was chosen alike


@pytest.mark.parametrize("seed", [None, 7])
def test_dropout_scales_what_it_keeps(seed):
    y = layers.Dropout(0.25, seed=seed)(torch.ones(100, 100), training=True)
    assert y.unique().tolist() == pytest.approx([0.0, 4 / 3])
    assert abs((y == 0).float().mean() - 0.25) < 0.02


@pytest.mark.parametrize("seed", [None, 7])
def test_noise_shape_shares_the_noise(seed):
    y = layers.Dropout(0.5, noise_shape=[None, 1, None], seed=seed)(torch.ones(8, 5, 16), training=True)
    assert torch.equal(y, y[:, :1].expand_as(y)) and 0 < (y == 0).float().mean() < 1
    y = layers.SpatialDropout2D(0.5, seed=seed)(torch.ones(8, 3, 4, 16), training=True)
    assert torch.equal(y, y[:, :1, :1].expand_as(y)) and 0 < (y == 0).float().mean() < 1


@pytest.mark.parametrize("kwargs", [{}, {"seed": 7}, {"noise_shape": (None, 200)}])
def test_alpha_dropout_keeps_mean_and_variance(kwargs):
    torch.manual_seed(0)
    x = torch.selu(torch.randn(200, 200))
    y = layers.AlphaDropout(0.2, **kwargs)(x, training=True)
    assert abs(y.mean() - x.mean()) < 0.02 and abs(y.std() - x.std()) < 0.02
    a = (0.8 * (1 + 0.2 * SELU_LOW**2)) ** -0.5
    dropped = a * SELU_LOW - a * SELU_LOW * 0.2
    assert abs(torch.isclose(y, torch.tensor(dropped), atol=1e-5).float().mean() - 0.2) < 0.02


def test_all_dropped():
    assert not layers.Dropout(1.0)(torch.ones(3, 3), training=True).any()
    assert not layers.Dropout(1.0, seed=1)(torch.ones(3, 3), training=True).any()


@pytest.mark.parametrize("make", [lambda s: layers.Dropout(0.5, seed=s), lambda s: layers.GaussianNoise(1.0, seed=s)])
class TestSeed:
    def draws(self, layer, n=3):
        return torch.stack([layer(torch.ones(50), training=True) for _ in range(n)])

    def test_same_seed_same_sequence_whatever_else_is_drawn(self, make):
        first = self.draws(make(3))
        torch.randn(5)
        assert torch.equal(self.draws(make(3)), first)
        assert not torch.equal(first[0], first[1])
        assert not torch.equal(self.draws(make(4)), first)

    def test_copies_go_on_where_the_original_is(self, make):
        layer = make(3)
        self.draws(layer)
        copies = [copy.deepcopy(layer), pickle.loads(pickle.dumps(layer))]
        want = self.draws(layer)
        assert all(torch.equal(self.draws(c), want) for c in copies)

    def test_compiled_it_draws_the_same(self, make):
        x = keras.Input((50,))
        eager, compiled = (keras.Model(x, make(3)(x)).train() for _ in range(2))
        run = torch.compile(compiled, fullgraph=True, backend="eager")
        for _ in range(2):
            torch.testing.assert_close(run(torch.ones(2, 50)), eager(torch.ones(2, 50)))

    def test_not_in_the_state_dict(self, make):
        assert not make(3).state_dict() and not make(3).weights


def test_a_users_subclass_has_no_weights():
    class Mine(layers.Dropout):
        def call(self, inputs, training=None):
            return super().call(inputs, training=True)

    layer = Mine(0.5, seed=1)
    assert (layer(torch.ones(100)) == 0).any() and not layer.weights


def test_seeded_uniforms_are_uniform_and_uncorrelated():
    layer = layers.Dropout(0.5, seed=11)
    layer(torch.ones(3))
    noise = layer.noise
    draws = torch.stack([noise.uniform(torch.ones(10_000)) for _ in range(8)])
    counts = torch.histc(draws, 10, 0.0, 1.0) / draws.numel()
    assert (counts - 0.1).abs().max() < 0.005
    assert (torch.corrcoef(torch.cat([draws, draws[:1].roll(1, 1)])) - torch.eye(9)).abs().max() < 0.05


def test_gradient_of_dropout():
    x = torch.ones(100, requires_grad=True)
    y = layers.Dropout(0.5, seed=1)(x, training=True)
    y.sum().backward()
    assert torch.equal(x.grad, y.detach())


def test_config_as_tf_keras_writes_it():
    def own(layer):
        return {k: v for k, v in layer.get_config().items() if k not in ("name", "trainable", "dtype")}

    assert own(layers.SpatialDropout2D(0.5)) == {"rate": 0.5, "noise_shape": None, "seed": None}
    assert own(layers.SpatialDropout2D(0.5, "channels_first"))["data_format"] == "channels_first"
    assert own(layers.AlphaDropout(0.5, seed=1)) == {"rate": 0.5, "seed": 1}
    assert own(layers.Dropout(0.5)) == {"rate": 0.5, "noise_shape": None, "seed": None}


def test_activity_regularization_adds_to_the_losses():
    x = keras.Input((2,))
    model = keras.Model(x, layers.ActivityRegularization(l1=0.5, l2=0.25)(x))
    model(np.array([[1.0, -2.0], [3.0, 0.0]], "float32"))
    assert [float(loss) for loss in model.losses] == [pytest.approx((0.5 * 6 + 0.25 * 14) / 2)]
