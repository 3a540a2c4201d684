"""Normalising layers: construction, axes, statistics, freezing, masks. Numbers worked out by hand, or from tf_keras
where said."""

import copy

import numpy as np
import pytest
import torch
from torch import nn

import kerastorch as keras
from kerastorch import layers
from kerastorch.nn.normalization import BatchNorm
from kerastorch.saving.dialects import canonical, portable
from kerastorch.saving.origin import Origin


def built(layer, *shape):
    layer(keras.Input(shape))
    return layer


@pytest.mark.parametrize(
    ("make", "shape", "error", "words"),
    [
        (lambda: layers.BatchNormalization(axis="1"), (3,), TypeError, "axis must be an int"),
        (lambda: layers.BatchNormalization(axis=5), (3,), ValueError, "does not fit"),
        (lambda: layers.BatchNormalization(axis=[1, -1]), (3,), ValueError, "Duplicate axis"),
        (lambda: layers.BatchNormalization(axis=0), (3,), ValueError, "batch"),
        (lambda: layers.BatchNormalization(), (None,), ValueError, "must be known"),
        (lambda: layers.BatchNormalization(renorm=True), (3,), ValueError, "renorm=True is not supported"),
        (lambda: layers.BatchNormalization(virtual_batch_size=2), (3,), ValueError, "virtual_batch_size"),
        (lambda: layers.BatchNormalization(fused=True), (3,), ValueError, "rank 4 or 5"),
        (lambda: layers.BatchNormalization(fused=True, axis=[1, 2]), (3, 4, 5), ValueError, "single axis"),
        (lambda: layers.BatchNormalization(size=3), (3,), TypeError, "size"),
        (lambda: layers.LayerNormalization(axis=1.5), (3,), TypeError, "axis must be an int"),
        (lambda: layers.LayerNormalization(axis=[1, 1]), (3, 4), ValueError, "Duplicate axis"),
        (lambda: layers.LayerNormalization(), (3, None), ValueError, "must be known"),
        (lambda: layers.GroupNormalization(groups=3), (4,), ValueError, "multiple of the groups"),
        (lambda: layers.GroupNormalization(), (4, 8), ValueError, "multiple of the groups"),
        (lambda: layers.GroupNormalization(), (4, None), ValueError, "must be known"),
        (lambda: layers.UnitNormalization(axis="x"), (3,), TypeError, "axis must be an int"),
        (lambda: layers.UnitNormalization(axis=3), (3,), ValueError, "does not fit"),
        (
            lambda: layers.SpectralNormalization(layers.Dense(2), power_iterations=0),
            (3,),
            ValueError,
            "power_iterations",
        ),
        (lambda: layers.SpectralNormalization(layers.ReLU()), (3,), ValueError, "no attribute 'kernel'"),
        (lambda: layers.SpectralNormalization(3), (3,), ValueError, "wraps a layer"),
    ],
)
def test_bad_arguments(make, shape, error, words):
    with pytest.raises(error, match=words):
        make()(keras.Input(shape))


@pytest.mark.parametrize(
    ("layer", "shape", "module"),
    [
        (layers.BatchNormalization(), (5, 6, 3), nn.BatchNorm2d),
        (layers.BatchNormalization(axis=1), (5, 6, 3), nn.BatchNorm2d),
        (layers.BatchNormalization(), (2, 5, 6, 3), nn.BatchNorm3d),
        (layers.BatchNormalization(), (3,), BatchNorm),
        (layers.BatchNormalization(scale=False), (5, 6, 3), BatchNorm),
        (layers.SyncBatchNormalization(), (5, 6, 3), BatchNorm),
        (layers.LayerNormalization(center=False), (4, 3), nn.LayerNorm),
        (layers.RMSNormalization(), (4, 3), nn.RMSNorm),
    ],
)
def test_torch_module_that_does_the_work(layer, shape, module):
    assert type(built(layer, *shape).norm) is module


def test_axis_becomes_a_list_of_positive_ints_when_built():
    layer = layers.BatchNormalization()
    assert layer.get_config()["axis"] == -1
    assert built(layer, 4, 3).get_config()["axis"] == [2]
    assert "synchronized" not in layer.get_config()
    assert layers.BatchNormalization(synchronized=True).get_config()["synchronized"] is True


X = np.array([[1.0, 2.0], [3.0, 6.0], [5.0, 1.0]], "float32")


@pytest.mark.parametrize(
    ("x", "variance"),
    [
        (X, X.var(0)),  # rank 2: tf.keras averages biased variances
        (X.reshape(3, 1, 2), X.var(0)),
        (X.reshape(3, 1, 1, 2), X.var(0, ddof=1)),  # rank 4 and 5: TensorFlow's fused kernel, unbiased ones
        (X.reshape(3, 1, 1, 1, 2), X.var(0, ddof=1)),
    ],
)
def test_moving_statistics_as_tf_keras_updates_them(x, variance):
    layer = layers.BatchNormalization(momentum=0.9)
    y = layer(torch.tensor(x), training=True)
    np.testing.assert_allclose(y.detach().numpy().reshape(3, 2), (X - X.mean(0)) / np.sqrt(X.var(0) + 1e-3), atol=1e-5)
    np.testing.assert_allclose(layer.moving_mean.numpy(), 0.1 * X.mean(0), atol=1e-6)
    np.testing.assert_allclose(layer.moving_variance.numpy(), 0.9 + 0.1 * variance, atol=1e-6)


def test_one_sample_of_rank_2_trains():
    layer = layers.BatchNormalization(momentum=0.5)
    assert torch.equal(layer(torch.tensor([[2.0, 4.0]]), training=True), torch.zeros(1, 2))
    np.testing.assert_allclose(layer.moving_mean.numpy(), [1.0, 2.0])
    np.testing.assert_allclose(layer.moving_variance.numpy(), [0.5, 0.5])


def test_two_calls_before_one_backward():
    layer = layers.BatchNormalization()
    x = torch.randn(4, 3, requires_grad=True)
    (layer(x, training=True).square().sum() + layer(2 * x, training=True).sum()).backward()
    assert torch.isfinite(x.grad).all()


def test_mask_leaves_positions_out_of_the_statistics():
    layer = layers.BatchNormalization(momentum=0.0)
    x = torch.tensor([[[1.0], [3.0], [100.0]]])
    y = layer(x, training=True, mask=torch.tensor([[True, True, False]]))
    np.testing.assert_allclose(layer.moving_mean.numpy(), [2.0])
    np.testing.assert_allclose(layer.moving_variance.numpy(), [1.0])
    np.testing.assert_allclose(y.detach().numpy().ravel(), np.array([-1.0, 1.0, 98.0]) / np.sqrt(1.001), rtol=1e-5)


def test_fused_epsilon_is_not_smaller_than_the_kernel_takes():
    assert built(layers.BatchNormalization(epsilon=1e-7), 4, 4, 3).norm.eps == 1.001e-5
    assert built(layers.BatchNormalization(epsilon=1e-7), 3).norm.eps == 1e-7


class TestFrozen:
    @pytest.fixture
    def model(self):
        x = keras.Input((3,))
        return keras.Model(x, layers.BatchNormalization(name="bn")(x))

    def moves(self, model, **kwargs):
        before = model.get_layer("bn").moving_mean.numpy()
        model(torch.ones(4, 3), **kwargs)
        return not np.array_equal(model.get_layer("bn").moving_mean.numpy(), before)

    def test_statistics_move_only_while_it_trains(self, model):
        assert not self.moves(model)
        model.train()
        assert self.moves(model)
        model.eval()
        assert self.moves(model, training=True)

    def test_frozen_it_infers_in_either_phase(self, model):
        model.get_layer("bn").trainable = False
        model.train()
        assert not self.moves(model)
        assert not self.moves(model, training=True)
        assert not model.get_layer("bn").norm.training

    def test_freezing_and_thawing_while_training(self, model):
        model.train()
        model.trainable = False
        assert not self.moves(model)
        model.trainable = True
        assert self.moves(model)

    def test_baked_phase(self):
        x = keras.Input((3,))
        layer = layers.BatchNormalization(name="bn")
        inferring, training = keras.Model(x, layer(x, training=False)), keras.Model(x, layer(x, training=True))
        inferring.train()
        assert not self.moves(inferring)
        assert self.moves(training)
        layer.trainable = False
        assert not self.moves(training)

    def test_copies_stay_frozen(self, model):
        model.get_layer("bn").trainable = False
        other = copy.deepcopy(model).train()
        assert not self.moves(other)


def test_half_precision_layers_keep_statistics_in_float32():
    layer = built(layers.BatchNormalization(dtype="float16"), 3)
    assert {v.dtype for v in layer.weights} == {"float32"} and layer.compute_dtype == "float16"


def test_torch_sees_the_whole_batch_norm_state():
    state = built(layers.BatchNormalization(), 4, 4, 3).norm.state_dict()
    nn.BatchNorm2d(3).load_state_dict(state)


def test_a_users_subclass_has_keras_four_weights():
    class Mine(layers.BatchNormalization):
        def call(self, inputs, training=False):
            return super().call(inputs, training)

    assert len(built(Mine(), 4, 4, 3).weights) == 4


def test_layer_normalization_over_unsorted_axes_keeps_tf_keras_order():
    # tf_keras reshapes, not transposes, weights of unsorted axes: (4, 2) are read as (2, 4).
    layer = built(layers.LayerNormalization(axis=[2, 1]), 2, 4)
    values = np.arange(8.0, dtype="float32")
    layer.set_weights([values.reshape(4, 2), np.zeros((4, 2), "float32")])
    x = np.random.default_rng(0).normal(size=(3, 2, 4)).astype("float32")
    want = (x - x.mean((1, 2), keepdims=True)) / np.sqrt(x.var((1, 2), keepdims=True) + 1e-3) * values.reshape(2, 4)
    np.testing.assert_allclose(layer(x).detach().numpy(), want, atol=1e-5)


def test_rms_scaling_keeps_the_mean():
    x = np.array([[1.0, 2.0, 3.0]], "float32")
    layer = layers.LayerNormalization(rms_scaling=True, epsilon=0.0)
    np.testing.assert_allclose(layer(x).detach().numpy(), x / x.std(), rtol=1e-6)
    assert len(layer.weights) == 1 and layer.get_config()["rms_scaling"] is True
    assert "rms_scaling" not in layers.LayerNormalization().get_config()


def test_group_normalization_with_mask():
    x = torch.tensor([[[1.0, 5.0], [3.0, 7.0], [90.0, 50.0]]])
    layer = layers.GroupNormalization(groups=2, epsilon=0.0)
    y = layer(x, mask=torch.tensor([[True, True, False]]))
    np.testing.assert_allclose(y.detach().numpy()[0, :2], [[-1.0, -1.0], [1.0, 1.0]], atol=1e-6)
    np.testing.assert_allclose(y.detach().numpy()[0, 2], [88.0, 44.0], atol=1e-4)


def test_group_normalization_of_keras3_counts_masked_positions():
    x = torch.tensor([[[1.0, 5.0], [3.0, 7.0], [90.0, 50.0]]])
    layer = layers.GroupNormalization(groups=2, keras3_masking=True)
    torch.testing.assert_close(layer(x, mask=torch.tensor([[True, True, False]])), layer(x))


def test_group_normalization_first_in_a_model_trains():
    # torch 2.13's own nn.GroupNorm crashes here on CPU: channels last, and no gradient with respect to the input.
    layer = layers.GroupNormalization(groups=3)
    layer(torch.randn(2, 4, 3, 6), training=True).square().sum().backward()
    assert layer.gamma.grad is not None


def test_minus_one_group_is_one_for_each_channel():
    assert built(layers.GroupNormalization(groups=-1), 4, 6).groups == 6


def test_unit_normalization_of_zeros():
    assert torch.equal(layers.UnitNormalization()(torch.zeros(2, 3)), torch.zeros(2, 3))
    np.testing.assert_allclose(layers.UnitNormalization()(np.array([[3.0, 4.0]], "float32")), [[0.6, 0.8]], rtol=1e-6)


class TestSpectralNormalization:
    def test_training_brings_the_largest_singular_value_to_one(self):
        layer = built(layers.SpectralNormalization(layers.Dense(3), power_iterations=50), 5)
        layer(torch.ones(2, 5), training=True)
        assert abs(np.linalg.norm(layer.get_weights()[0], 2) - 1) < 1e-4

    def test_inference_leaves_the_kernel(self):
        layer = built(layers.SpectralNormalization(layers.Dense(3)), 5)
        before = layer.get_weights()
        layer(torch.ones(2, 5))
        assert all(np.array_equal(a, b) for a, b in zip(before, layer.get_weights(), strict=True))

    def test_kernel_of_zeros_stays(self):
        layer = built(layers.SpectralNormalization(layers.Dense(3, kernel_initializer="zeros")), 5)
        layer(torch.ones(2, 5), training=True)
        assert not layer.get_weights()[0].any() and np.isfinite(layer.vector_u.numpy()).all()

    def test_within_a_model(self):
        x = keras.Input((6, 6, 2))
        model = keras.Model(x, layers.SpectralNormalization(layers.Conv2D(3, 2), power_iterations=30)(x)).train()
        model(torch.randn(2, 6, 6, 2)).sum().backward()
        assert abs(np.linalg.norm(model.get_weights()[0].reshape(-1, 3), 2) - 1) < 1e-2

    def test_two_calls_before_one_gradient(self):
        """As tf_keras 2.21: each call's gradient is by the kernel that it had. (Keras 3 on torch raises.)"""
        layer = built(layers.SpectralNormalization(layers.Dense(3)), 4)
        layer.kernel.assign(np.arange(12.0).reshape(4, 3))
        layer.vector_u.assign([[0.1, 0.2, 0.3]])
        x = torch.ones(2, 4, requires_grad=True)
        (layer(x, training=True).sum() + layer(2 * x, training=True).sum()).backward()
        np.testing.assert_allclose(x.grad[0], [0.4009722, 1.6038888, 2.8068054, 4.0097218], rtol=1e-5)
        assert (layer.kernel.grad == 6).all()

    def test_frozen_weights_are_in_tf_keras_order(self):
        layer = built(layers.SpectralNormalization(layers.Dense(3), trainable=False, name="sn"), 5)
        layer.trainable = False
        assert [v.name for v in layer.weights] == ["sn/kernel:0", "sn/vector_u:0", "sn/bias:0"]


@pytest.mark.parametrize(
    ("fused", "want"),
    # Of tf_keras 2.21, and of Keras 3.15 in any rank: half of 1 and of the variance, over n - 1 and over n.
    [(None, 0.5 + 0.5 * 5 / 3), (False, 0.5 + 0.5 * 5 / 4)],
)
def test_moving_variance_of_images(fused, want):
    images = torch.tensor([0.0, 1.0, 2.0, 3.0]).reshape(2, 2, 1, 1)
    layer = layers.BatchNormalization(momentum=0.5, fused=fused)
    layer(images, training=True)
    np.testing.assert_allclose(layer.moving_variance.numpy(), [want], rtol=1e-6)
    assert layer.get_config().get("fused") is fused


def test_keras_3_files_average_the_biased_variance():
    described = {"module": "keras.layers", "class_name": "BatchNormalization", "config": {"name": "a", "axis": -1}}
    assert canonical(described, Origin(3))["config"]["fused"] is False
    assert "fused" not in canonical(described, Origin(2))["config"]
    kept = {"class_name": "BatchNormalization", "config": {"name": "a", "fused": False}}
    assert portable(kept)["config"] == {"name": "a"}, "Keras 3 refuses it"
