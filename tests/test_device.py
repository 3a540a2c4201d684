"""What a GPU changes: where weights and inputs lie. (Where there is one, all other tests run on it, too.)"""

import numpy as np
import pytest
import torch

import kerastorch as keras
from kerastorch import layers

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU, and pytest's --device cuda")


def model():
    x = keras.Input((5, 3))
    y = layers.LSTM(4, dropout=0.1)(layers.Masking()(x))
    return keras.Model(x, layers.BatchNormalization()(layers.Dense(2)(y)))


def random(*shape):
    return torch.tensor(np.random.default_rng(0).normal(size=shape).astype("float32"))


def test_weights_are_made_on_the_gpu_and_inputs_follow_them():
    drawn, x = model(), random(2, 5, 3)
    assert {v.device.type for v in drawn.weights} == {"cuda"}
    want = drawn(x.cuda())
    for given in (x, x.numpy(), x.cuda().double()):
        got = drawn(given)
        assert got.is_cuda
        torch.testing.assert_close(got, want)
    drawn.to("cpu")
    assert drawn(x.cuda()).device.type == "cpu"
    torch.testing.assert_close(drawn(x), want.cpu())


def test_the_first_tensor_of_a_plain_model_follows_too():
    drawn = keras.Sequential([keras.Input((3,)), layers.Dense(2)])
    x = random(2, 3)
    for _ in range(2):
        assert drawn(x).is_cuda
    drawn.cpu()
    for _ in range(2):
        assert not drawn(x).is_cuda


@pytest.mark.parametrize("layer", [layers.LSTM(3), layers.Bidirectional(layers.GRU(3)), layers.RNN(layers.LSTMCell(3))])
def test_a_layers_inputs_and_masks_follow_its_weights(layer):
    x, mask = random(2, 5, 3), torch.tensor([[1, 1, 0, 1, 1], [0, 1, 1, 1, 0]]).bool()
    first = layer(x, mask=mask)  # makes the weights
    assert first.is_cuda
    torch.testing.assert_close(layer(x.cuda(), mask=mask.cuda()), first)


def test_what_has_no_weights_stays_where_its_input_is():
    assert not layers.Rescaling(2.0)(random(2, 3)).is_cuda
    assert layers.Rescaling(2.0)(random(2, 3).cuda()).is_cuda
    for layer in (layers.Dropout(0.5), layers.GaussianNoise(0.5, seed=1)):
        assert not layer(random(2, 3), training=True).is_cuda
        assert layer(random(2, 3).cuda(), training=True).is_cuda


def test_files_load_onto_the_device_that_is_asked_for(tmp_path):
    drawn, x = model(), random(2, 5, 3)
    want = drawn(x).detach().cpu()
    for file in ("m.h5", "m.keras"):
        drawn.save(tmp_path / file)
        for device, expected in ((None, "cuda"), ("cuda", "cuda"), ("cpu", "cpu")):
            loaded = keras.models.load_model(tmp_path / file, device=device)
            assert {v.device.type for v in loaded.weights} == {expected}
            y = loaded(x)
            assert y.device.type == expected
            torch.testing.assert_close(y.cpu(), want)
            np.testing.assert_allclose(loaded.predict(x, verbose=0), want, atol=1e-5)


def test_predictions_do_not_fill_the_gpu():
    drawn = keras.Sequential([keras.Input((8,)), layers.Dense(2**16)])
    x = np.ones((256, 8), "float32")
    drawn.predict(x, batch_size=16, verbose=0)
    torch.cuda.reset_peak_memory_stats()
    before = torch.cuda.memory_allocated()
    assert drawn.predict(x, batch_size=16, verbose=0).nbytes == 2**26
    assert torch.cuda.max_memory_allocated() - before < 2**24


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
def test_mixed_precision(policy):
    x = keras.Input((12, 12, 3))
    y = layers.Conv2D(8, 3, activation="relu", dtype=policy)(x)
    y = layers.BatchNormalization(dtype=policy)(y)
    y = layers.LSTM(4, dtype=policy)(layers.Reshape((10, 80), dtype=policy)(y))
    mixed = keras.Model(x, layers.Dense(2, dtype="float32")(y))
    images = random(2, 12, 12, 3)
    got = mixed(images)
    full = keras.Model.from_config(
        {**mixed.get_config(), "layers": [_in_float32(layer) for layer in mixed.get_config()["layers"]]}
    )
    full.set_weights(mixed.get_weights())
    torch.testing.assert_close(got, full(images), atol=0.05, rtol=0.05)
    mixed(images, training=True).sum().backward()
    assert all(v.grad is not None and torch.isfinite(v.grad).all() for v in mixed.trainable_weights)


def _in_float32(layer):
    return {**layer, "config": {**layer["config"], "dtype": "float32"}}


def test_a_compiled_model_gives_the_same_numbers():
    x = keras.Input((16, 16, 3))
    y = layers.BatchNormalization()(layers.Conv2D(8, 3, padding="same", activation="relu")(x))
    drawn = keras.Model(x, layers.Dense(2)(layers.Flatten()(layers.MaxPooling2D()(y)))).eval()
    images = random(2, 16, 16, 3).cuda()
    with torch.no_grad():
        compiled = torch.compile(drawn, fullgraph=True, mode="reduce-overhead")
        for _ in range(3):
            torch.testing.assert_close(compiled(images), drawn(images), atol=1e-4, rtol=1e-4)


def test_torch_modules_come_along():
    class Mixed(layers.Layer):
        def __init__(self):
            super().__init__()
            self.inner = torch.nn.Linear(3, 4)

        def build(self, shape):
            self.w = self.add_weight(name="w", shape=(4,))

        def call(self, inputs):
            return self.inner(inputs) * self.w

    x = keras.Input((3,))
    drawn = keras.Model(x, layers.TorchModuleWrapper(torch.nn.Linear(4, 2))(Mixed()(x)))
    assert drawn(random(2, 3)).is_cuda


def test_constants_of_drawn_functions_come_along():
    x = keras.Input((3,))
    drawn = keras.Model(x, torch.relu(x * torch.arange(3.0)) + np.ones(3, "float32"))
    want = torch.relu(random(2, 3) * torch.arange(3.0)) + 1
    torch.testing.assert_close(drawn(random(2, 3)).cpu(), want)
    torch.testing.assert_close(drawn.cpu()(random(2, 3).cuda()), want)
    torch.testing.assert_close(keras.Model.from_config(drawn.get_config())(random(2, 3).cuda()).cpu(), want)


@pytest.mark.parametrize("units", [3, 8])
@pytest.mark.parametrize("value_dim", [4, 6])
def test_attention_takes_what_linear_maps_of_one_input_give(value_dim, units):
    x = keras.Input((5, 8))
    attention = layers.MultiHeadAttention(2, 4, value_dim=value_dim)
    drawn = keras.Model(x, [layers.Dense(units)(x), attention(x, x)])
    given = random(2, 5, 8)
    with torch.no_grad():
        on_gpu = [y.cpu() for y in drawn(given)]
        torch.testing.assert_close(on_gpu, drawn.cpu()(given), atol=1e-3, rtol=1e-3)


@pytest.mark.parametrize("kind", [layers.LSTM, layers.GRU, layers.SimpleRNN])
def test_recurrent_networks_have_gradients_while_they_infer(kind):
    class Holder(layers.Layer):
        def __init__(self):
            super().__init__()
            self.inner = kind(3, return_sequences=True)

        def call(self, inputs):
            return self.inner(inputs)

    x = keras.Input((None, 3))
    drawn = keras.Model(x, Holder()(x))
    assert drawn.output_shape == (None, None, 3) and not any(v.tensor.is_meta for v in drawn.weights)
    drawn.predict(random(2, 5, 3), verbose=0)  # which lays the weights out for cuDNN
    given = random(2, 5, 3).cuda().requires_grad_()
    drawn(given, training=False).sum().backward()
    on_gpu = given.grad.cpu()
    given = random(2, 5, 3).requires_grad_()
    drawn.cpu()(given, training=False).sum().backward()
    torch.testing.assert_close(on_gpu, given.grad, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("kwargs", [{}, {"scale": False}, {"center": False}, {"scale": False, "center": False}])
def test_gradients_of_batch_normalization(kwargs, training):
    x = keras.Input((4, 4, 3))
    drawn = keras.Model(x, layers.BatchNormalization(**kwargs)(x))
    found = []
    for device in ("cuda", "cpu"):
        drawn.to(device)
        given = random(2, 4, 4, 3).to(device).requires_grad_()
        for v in drawn.trainable_weights:
            v.tensor.grad = None
        (drawn(given, training=training) ** 3).sum().backward()
        found.append([given.grad.cpu(), *(v.grad.cpu() for v in drawn.trainable_weights)])
        for v in drawn.non_trainable_weights:
            v.assign(np.ones(v.shape) if "variance" in v.name else np.zeros(v.shape))
    for a, b in zip(*found, strict=True):
        torch.testing.assert_close(a, b, atol=1e-4, rtol=1e-4)
