"""Arguments that no layer can use raise what Keras raises, and say what was given and expected; those that Keras takes are taken."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import kerastorch as keras
from kerastorch import constraints, initializers, layers, regularizers

# ruff: noqa: E501
CASES = {
    "Rescaling by a word": (lambda: layers.Rescaling("x"), ValueError, "scale must be a number.*'x'"),
    "Rescaling by nothing": (lambda: layers.Rescaling(1.0, None), ValueError, "offset must be a number.*None"),
    "negative RepeatVector": (lambda: layers.RepeatVector(-1), ValueError, "repeat_vector.*n=-1"),
    "a negative size of EinsumDense": (lambda: layers.EinsumDense("ab,bc->ac", output_shape=-1), ValueError, "einsum_dense.*none of them negative.*-1"),
    "a word for EinsumDense": (lambda: layers.EinsumDense("ab,bc->ac", output_shape="x"), TypeError, "output_shape must be.*'x'"),
    "a negative output of attention": (lambda: layers.MultiHeadAttention(2, 2, output_shape=(2, -1)), ValueError, r"output_shape.*\(2, -1\)"),
    "a word for attention": (lambda: layers.MultiHeadAttention(2, 2, output_shape="x"), TypeError, "output_shape.*'x'"),
    "axes of attention": (lambda: layers.MultiHeadAttention(2, 2, attention_axes="1"), ValueError, "attention_axes.*'1'"),
    "dropout of attention": (lambda: layers.MultiHeadAttention(2, 2, dropout="x"), TypeError, "dropout must be a number.*'x'"),
    "heads of grouped attention": (lambda: layers.GroupQueryAttention(-1, 2, 1), ValueError, "head_dim=-1"),
    "a number as vocabulary": (lambda: layers.StringLookup(vocabulary=3), TypeError, "list or array of strings.*vocabulary=3"),
    "numbers as strings": (lambda: layers.StringLookup(vocabulary=[1, 2]), ValueError, r"strings.*\[1, 2\]"),
    "an array of numbers as strings": (lambda: layers.StringLookup(vocabulary=np.array([1, 2])), ValueError, "strings"),
    "None as a token": (lambda: layers.TextVectorization(vocabulary=[None]), ValueError, "strings.*None"),
    "rows as tokens": (lambda: layers.StringLookup(vocabulary=[["a"], ["b"]]), TypeError, "strings"),
    "a dict as vocabulary": (lambda: layers.StringLookup(vocabulary={"a": 1}), TypeError, "strings"),
    "words as integers": (lambda: layers.IntegerLookup(vocabulary=["a"]), ValueError, r"integers.*\['a'\]"),
    "None as an integer": (lambda: layers.IntegerLookup(vocabulary=[None]), ValueError, "integers.*None"),
    "max_tokens": (lambda: layers.StringLookup(max_tokens="x"), TypeError, "max_tokens must be a number.*'x'"),
    "num_oov_indices": (lambda: layers.StringLookup(num_oov_indices="x"), TypeError, "num_oov_indices must be a number.*'x'"),
    "bins of Hashing": (lambda: layers.Hashing("x"), TypeError, "num_bins must be a number.*'x'"),
    "bins of HashedCrossing": (lambda: layers.HashedCrossing("x"), TypeError, "num_bins must be a number.*'x'"),
    "salt of Hashing": (lambda: layers.Hashing(3, salt=["a", "b"]), ValueError, r"salt must be.*\['a', 'b'\]"),
    "sizes of Embedding": (lambda: layers.Embedding("x", 2), TypeError, "input_dim must be a number.*'x'"),
    "sizes of CategoryEncoding": (lambda: layers.CategoryEncoding("x"), TypeError, "num_tokens must be a number.*'x'"),
    "bins of Discretization": (lambda: layers.Discretization(num_bins="x"), TypeError, "num_bins must be a number.*'x'"),
    "units of LSTM": (lambda: layers.LSTM("x"), TypeError, "units must be a number.*'x'"),
    "Permute by a word": (lambda: layers.Permute("12"), ValueError, "dims must be several integers.*'12'"),
    "Permute by a number": (lambda: layers.Permute(3), TypeError, "dims must be several integers.*3"),
    "Reshape to a word": (lambda: layers.Reshape("22"), TypeError, "target_shape must be several integers.*'22'"),
    "Reshape to a number": (lambda: layers.Reshape(3), TypeError, "target_shape must be several integers.*3"),
    "Reshape to a half": (lambda: layers.Reshape((1.5, 2)), TypeError, r"target_shape.*\(1.5, 2\)"),
    "Reshape to another size": (lambda: layers.Reshape((3,))(np.ones((1, 4))), ValueError, "must be unchanged"),
    "PReLU along a word": (lambda: layers.PReLU(shared_axes="x"), TypeError, "shared_axes must be an integer.*'x'"),
    "PReLU along a half": (lambda: layers.PReLU(shared_axes=[1.5]), TypeError, "shared_axes must be an integer.*1.5"),
    "UpSampling1D by several": (lambda: layers.UpSampling1D((2,)), TypeError, r"size must be a positive integer.*\(2,\)"),
    "RandomBrightness": (lambda: layers.RandomBrightness("x"), ValueError, "factor must be a number.*'x'"),
    "RandomContrast": (lambda: layers.RandomContrast("x"), TypeError, "factor must be a number.*'x'"),
    "RandomContrast by three": (lambda: layers.RandomContrast((0.1, 0.2, 0.3)), ValueError, "factor must be a number or two"),
    "RandomHeight": (lambda: layers.RandomHeight("x"), TypeError, "factor must be a number.*'x'"),
    "RandomZoom": (lambda: layers.RandomZoom(("a", "b")), TypeError, "height_factor must be a number.*'a'"),
    "RandomRotation": (lambda: layers.RandomRotation("x"), TypeError, "factor must be a number.*'x'"),
    "RandomTranslation": (lambda: layers.RandomTranslation(0.1, "x"), TypeError, "width_factor must be a number.*'x'"),
    "Resizing to a word": (lambda: layers.Resizing("x", 2), TypeError, "height must be a positive integer.*'x'"),
    "Resizing to nothing": (lambda: layers.Resizing(2, 0), ValueError, "width must be a positive integer.*0"),
    "CenterCrop": (lambda: layers.CenterCrop("x", 2), TypeError, "height must be a positive integer.*'x'"),
    "RandomCrop": (lambda: layers.RandomCrop(2, None), TypeError, "width must be a positive integer.*None"),
    "bins of MelSpectrogram": (lambda: layers.MelSpectrogram(num_mel_bins=-1), ValueError, "num_mel_bins.*-1"),
    "stride of MelSpectrogram": (lambda: layers.MelSpectrogram(sequence_stride="x"), TypeError, "sequence_stride.*'x'"),
    "frequencies of MelSpectrogram": (lambda: layers.MelSpectrogram(min_freq="x"), ValueError, "min_freq must be a number.*'x'"),
    "frames of STFTSpectrogram": (lambda: layers.STFTSpectrogram(frame_length=-1), ValueError, "frame_length.*-1"),
    "steps of STFTSpectrogram": (lambda: layers.STFTSpectrogram(frame_step="x"), TypeError, "frame_step.*'x'"),
    "an argument of Zeros": (lambda: initializers.Zeros(foo=1), TypeError, "'foo'"),
    "an argument of Ones": (lambda: initializers.Ones(foo=1), TypeError, "'foo'"),
    "an argument of NonNeg": (lambda: constraints.NonNeg(foo=1), TypeError, "'foo'"),
    "an argument of RadialConstraint": (lambda: constraints.RadialConstraint(foo=1), TypeError, "'foo'"),
}  # fmt: skip


@pytest.mark.parametrize(("mistake", "error", "message"), CASES.values(), ids=CASES)
def test_bad_argument(mistake, error, message):
    with pytest.raises(error, match=f"(?s){message}"):
        mistake()


@pytest.mark.parametrize("dtype", ["int32", "uint8", "bool"])
@pytest.mark.parametrize("rank", [1, 2, 3])
def test_upsampling_of_integers(rank, dtype):
    kind = getattr(layers, f"UpSampling{rank}D")
    x = (np.arange(2 * 2**rank * 3) % 5).reshape(2, *[2] * rank, 3).astype(dtype)
    expected = x
    for axis in range(1, rank + 1):
        expected = expected.repeat(3, axis)
    drawn = keras.Input(x.shape[1:], dtype=dtype)
    model = keras.Model(drawn, kind(3)(drawn))
    for found in (kind(3)(x), model(torch.as_tensor(x)), model.to_torch()(torch.as_tensor(x))):
        assert str(found.dtype) == f"torch.{dtype}"
        np.testing.assert_array_equal(found, expected)


def test_upsampling_of_floats_and_then_of_integers():
    layer, x = layers.UpSampling2D(2), np.ones((1, 2, 2, 1))
    assert layer(x).dtype == torch.float32
    assert layer(x.astype("int64")).dtype == torch.int64


FUNCTIONS = [
    regularizers.L1(0.1), regularizers.L2(0.1), regularizers.L1L2(0.1, 0.2), regularizers.OrthogonalRegularizer(0.1),
    constraints.MaxNorm(1), constraints.NonNeg(), constraints.UnitNorm(), constraints.MinMaxNorm(),
]  # fmt: skip


@pytest.mark.parametrize("function", FUNCTIONS, ids=lambda f: type(f).__name__)
def test_functions_of_weights_take_arrays(function):
    weight = np.array([[1.0, -2.0], [3.0, 4.0]])
    expected = function(torch.as_tensor(weight))
    assert torch.equal(function(weight), expected)
    torch.testing.assert_close(function(weight.tolist()).double(), expected)


@pytest.mark.parametrize("factor", [-0.2, (0.3, -0.2)])
def test_zoom_in_either_order(factor):
    layer = layers.RandomZoom(factor)
    assert layer.get_config()["height_factor"] == factor
    assert layer(np.ones((1, 4, 4, 3)), training=True).shape == (1, 4, 4, 3)


def test_identity_of_strings():
    words = np.array([["a"], ["b"]])
    drawn = keras.Input((1,), dtype="string")
    model = keras.Model(drawn, layers.Identity()(drawn))
    for found in (layers.Identity()(words), layers.Identity()(words.tolist()), model(words), model.predict(words)):
        np.testing.assert_array_equal(found, words)


def test_arguments_that_keras_takes():
    assert layers.Permute((2.0, 1.0))(np.ones((1, 2, 3))).shape == (1, 3, 2)
    assert layers.Reshape(np.array([2, -1]))(np.ones((1, 4))).shape == (1, 2, 2)
    assert layers.Embedding(np.array(3), np.int64(2))(np.array([1])).shape == (1, 2)
    assert layers.Hashing(3.0)(np.array([1, 2])).dtype == torch.int64
    assert layers.StringLookup(vocabulary=["a", 1]).get_vocabulary() == ["[UNK]", "a", "1"]
    assert layers.IntegerLookup(vocabulary=["1", "2"]).get_vocabulary() == [-1, 1, 2]


def test_rescaling_whose_numbers_are_set():
    layer, x = layers.Rescaling(scale=np.array([1.0, 2.0]), offset=[3, 4]), np.ones((1, 2))
    np.testing.assert_array_equal(layer(x), [[4, 6]])
    drawn = keras.Input((2,))
    model = keras.Model(drawn, layer(drawn))
    layer.scale = 3.0
    assert layer.get_config()["scale"] == 3.0
    np.testing.assert_array_equal(model.predict(x), [[6, 7]])
    layer.scale, layer.offset = [5.0, 6.0], 0.0
    assert (layer.get_config()["scale"], layer.get_config()["offset"]) == ([5.0, 6.0], 0.0)
    np.testing.assert_array_equal(model.predict(x), [[5, 6]])
