"""Arrays that torch does not take as they are: axes that run backwards, foreign orders of bytes, memory not to be written."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
import torch

import kerastorch as keras
from kerastorch.arrays import tensor_of

PLAIN = np.arange(96, dtype="float32").reshape(2, 4, 4, 3)


def read_only(array):
    array = array.copy()
    array.flags.writeable = False
    return array


ARRAYS = {
    "backwards": PLAIN[:, :, ::-1],
    "BGR": PLAIN[..., ::-1],
    "big-endian": PLAIN.astype(">f4"),
    "read-only": read_only(PLAIN),
    "longdouble": PLAIN.astype("longdouble"),
    "uint16": PLAIN.astype("uint16"),
    "big-endian integers": PLAIN.astype(">i4"),
    "broadcast": np.broadcast_to(PLAIN[:1], PLAIN.shape),
    "Fortran's order": np.asfortranarray(PLAIN),
}


@pytest.fixture(autouse=True)
def no_warnings():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


@pytest.mark.parametrize("array", ARRAYS.values(), ids=ARRAYS)
def test_inputs(array):
    want = array.astype("float32") @ np.array([[1.0], [10.0], [100.0]], "float32")
    model = keras.Sequential([keras.Input((4, 4, 3)), keras.layers.Dense(1, use_bias=False)])
    model.set_weights([np.array([[100.0], [10.0], [1.0]], "float32")[::-1]])
    unbuilt = keras.Sequential([keras.layers.Rescaling(1.0)])
    for result in (model(array).detach(), model.predict(array, verbose=0), model.predict_on_batch(array)):
        np.testing.assert_allclose(np.asarray(result), want, rtol=1e-6)
    np.testing.assert_array_equal(unbuilt(array), array.astype("float32"))
    np.testing.assert_array_equal(keras.layers.Rescaling(1.0)(array), array.astype("float32"))
    np.testing.assert_array_equal(
        keras.layers.Add()([array.astype("float32")[::-1], PLAIN * 0]), array[::-1].astype("float32")
    )


@pytest.mark.parametrize("array", ARRAYS.values(), ids=ARRAYS)
def test_weights_and_statistics(array):
    layer = keras.layers.Embedding(
        2, 48, embeddings_initializer=keras.initializers.Constant(array.reshape(2, 48)[::-1])
    )
    layer.build((None, 1))
    np.testing.assert_array_equal(layer.get_weights()[0], array.reshape(2, 48)[::-1].astype("float32"))
    layer.embeddings.assign(array.reshape(2, 48))
    np.testing.assert_array_equal(layer.get_weights()[0], array.reshape(2, 48).astype("float32"))
    normalization = keras.layers.Normalization()
    normalization.adapt(array)
    np.testing.assert_allclose(normalization.mean.flatten(), array.reshape(-1, 3).mean(0), rtol=1e-5)


def test_memory_is_shared_where_torch_takes_it():
    array = np.zeros(3, "float32")
    tensor_of(array)[0] = 1
    assert array[0] == 1
    tensor = torch.zeros(3)
    assert tensor_of(tensor) is tensor


def test_bytes_of_bfloat16():
    tensor = torch.tensor([1.5, -2.0], dtype=torch.bfloat16)
    stored = tensor.view(torch.int16).numpy().view("V2")
    assert torch.equal(tensor_of(stored), tensor)


def test_no_numbers():
    with pytest.raises(TypeError):
        tensor_of(np.array(["a"]))
