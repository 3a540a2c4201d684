"""Normalization, Discretization, CategoryEncoding, lookups, hashing, text. Expected numbers are worked out by hand, or
were printed by tf_keras 2.21 where that is said."""

import pickle

import numpy as np
import pytest
import torch

import kerastorch as keras
from kerastorch.layers.preprocessing import fingerprints

L = keras.layers
WORDS = ["apple", "banana", "cherry", "date"]


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: L.Normalization(mean=1.0), ValueError, "both mean and variance"),
        (lambda: L.Normalization(axis=3)(torch.ones(2, 3)), ValueError, "axis must lie"),
        (lambda: L.Normalization()(keras.Input((None,))), ValueError, "known sizes"),
        (lambda: L.Normalization(mean=1.0, variance=1.0).adapt(np.ones((3, 2))), ValueError, "cannot adapt"),
        (lambda: L.CategoryEncoding(), ValueError, "num_tokens"),
        (lambda: L.CategoryEncoding(3, "int"), ValueError, "output_mode"),
        (lambda: L.CategoryEncoding(3)(torch.tensor([[3]])), ValueError, "0 <= values < 3"),
        (lambda: L.Discretization([0.0], num_bins=2), ValueError, "either num_bins"),
        (lambda: L.Discretization([0.0], output_mode="tf_idf"), ValueError, "output_mode"),
        (lambda: L.Hashing(0), ValueError, "num_bins"),
        (lambda: L.Hashing(3, salt="s"), ValueError, "salt"),
        (lambda: L.HashedCrossing(3)(np.array(["a"])), ValueError, "at least two"),
        (lambda: L.StringLookup(max_tokens=1), ValueError, "max_tokens"),
        (lambda: L.StringLookup(vocabulary=["a", "a"]), ValueError, "repeated"),
        (lambda: L.StringLookup(vocabulary=["a", ""], mask_token=""), ValueError, "reserved mask token"),
        (lambda: L.StringLookup(vocabulary=["a"], num_oov_indices=0)(["b"]), ValueError, "must be in the vocabulary"),
        (lambda: L.StringLookup(vocabulary=["a"])([1]), ValueError, "takes strings"),
        (lambda: L.StringLookup(vocabulary="/no/such/file"), ValueError, "does not exist"),
        (lambda: L.StringLookup(output_mode="multi_hot")(["a"]), RuntimeError, "vocabulary must be known"),
        (lambda: L.StringLookup(output_mode="tf_idf", vocabulary=["a"]), ValueError, "idf_weights"),
        (lambda: L.StringLookup.from_config({"vocabulary": "/etc/passwd"}), ValueError, "not read"),
        (lambda: L.TextVectorization.from_config({"vocabulary": "/etc/passwd"}), ValueError, "not read"),
        (lambda: L.IntegerLookup(vocabulary_dtype="float32"), ValueError, "integer dtype"),
        (lambda: L.TextVectorization(standardize="upper"), ValueError, "standardize"),
        (lambda: L.TextVectorization(output_mode="count", output_sequence_length=3), ValueError, "goes with"),
        (lambda: L.TextVectorization()(np.array([["a", "b"]])), ValueError, "must have shape"),
    ],
)
def test_bad_arguments_are_refused(make, error, message):
    with pytest.raises(error, match=message):
        make()


@pytest.mark.parametrize("batch_size", [1, 3, None])
def test_normalization_adapts_whatever_the_batches(batch_size):
    data = np.random.default_rng(0).normal(3, 2, (40, 3)).astype(np.float32)
    layer = L.Normalization()
    layer.adapt(data, batch_size=batch_size)
    np.testing.assert_allclose(layer(data).mean(0), 0, atol=1e-6)
    np.testing.assert_allclose(layer(data).std(0, correction=0), 1, rtol=1e-5)
    assert [(v.name, v.shape) for v in layer.weights] == [("mean:0", (3,)), ("variance:0", (3,)), ("count:0", ())]
    assert int(layer.count.numpy()) == 40
    assert layer.get_config()["batch_input_shape"] == (None, None)


@pytest.mark.parametrize("data", [lambda x: torch.tensor(x), lambda x: x.tolist(), lambda x: iter([x[:3], x[3:]])])
def test_adapt_takes_tensors_lists_and_batches(data):
    x = np.arange(10, dtype=np.float32).reshape(5, 2)
    layer = L.Normalization()
    layer.adapt(data(x))
    np.testing.assert_allclose(layer.mean.numpy(), x.mean(0, keepdims=True))


def test_normalization_inverts_and_takes_integers():
    there, back = (L.Normalization(mean=3.0, variance=4.0, invert=invert) for invert in (False, True))
    x = torch.tensor([[1], [5]])
    assert there(x).tolist() == [[-1.0], [1.0]]
    torch.testing.assert_close(back(there(x)), x.float())


def test_normalization_without_axis_in_a_model():
    layer = L.Normalization(axis=None)
    layer.adapt(np.array([[1.0, 2.0], [3.0, 4.0]]))
    x = keras.Input((2,))
    assert keras.Model(x, layer(x))(torch.tensor([[2.5, 2.5]])).tolist() == [[0.0, 0.0]]


@pytest.mark.parametrize(
    ("mode", "given", "want"),
    [
        ("one_hot", [3, 0], [[0, 0, 0, 1], [1, 0, 0, 0]]),
        ("one_hot", [[2], [1]], [[0, 0, 1, 0], [0, 1, 0, 0]]),
        ("multi_hot", [[0, 0], [1, 3]], [[1, 0, 0, 0], [0, 1, 0, 1]]),
        ("count", [[0, 0], [1, 3]], [[2, 0, 0, 0], [0, 1, 0, 1]]),
    ],
)
def test_category_encoding(mode, given, want):
    assert L.CategoryEncoding(4, mode)(given).tolist() == want
    assert L.CategoryEncoding(4, mode, sparse=True)(given).to_dense().tolist() == want


def test_category_encoding_sums_weights():
    layer = L.CategoryEncoding(3, "count")
    assert layer(torch.tensor([[0, 0, 2]]), count_weights=torch.tensor([[0.5, 1.0, 3.0]])).tolist() == [[1.5, 0.0, 3.0]]


def test_discretization_puts_a_boundary_into_the_upper_bin():
    layer = L.Discretization([0.0, 1.0])
    assert layer(np.array([[-0.5, 0.0, 0.5, 1.0, 7.0]])).tolist() == [[0, 1, 1, 2, 2]]
    assert layer.dtype == "int64" and layer(torch.tensor([[1]])).dtype == torch.int64


def test_discretization_learns_quantiles_and_keeps_them_in_a_file(tmp_path):
    data = np.array([[-1.5, 1.0, 3.4, 0.5], [0.0, 3.0, 1.3, 0.0]])
    layer = L.Discretization(num_bins=4, epsilon=0.01)
    layer.adapt(data)
    want = [[0, 2, 3, 2], [1, 3, 3, 1]]  # as tf_keras prints
    assert layer(data).tolist() == want
    x = keras.Input((4,))
    keras.Model(x, layer(x)).save(tmp_path / "m.h5")
    assert keras.models.load_model(tmp_path / "m.h5")(data).tolist() == want


@pytest.mark.parametrize(
    ("kwargs", "want"),
    [
        ({}, [0, 1, 4, 0]),
        ({"mask_token": ""}, [1, 2, 5, 0]),
        ({"num_oov_indices": 2}, [1, 2, 5, 1]),
        ({"num_oov_indices": 0, "vocabulary": [*WORDS, "kiwi", ""]}, [4, 0, 3, 5]),
    ],
)
def test_string_lookup(kwargs, want):
    layer = L.StringLookup(**{"vocabulary": WORDS, **kwargs})
    given = np.array([["kiwi", "apple", "date", ""]])
    got = layer(given)
    assert got.dtype == torch.int64
    if kwargs.get("num_oov_indices") == 2:  # the hash decides among 0 and 1
        assert got[0, 1:3].tolist() == want[1:3] and set(got[0, [0, 3]].tolist()) <= {0, 1}
    else:
        assert got.tolist() == [want]


def test_lookup_and_back():
    forward = L.StringLookup(vocabulary=WORDS)
    back = L.StringLookup(vocabulary=forward.get_vocabulary(), invert=True)
    assert back(forward(["date", "kiwi"])).tolist() == ["date", "[UNK]"]
    numbers = L.IntegerLookup(vocabulary=[12, 36], num_oov_indices=3)
    assert numbers(torch.tensor([12, 36, 7, 8, -1])).tolist() == [3, 4, 1, 2, 2]
    assert L.IntegerLookup(vocabulary=[12, 36], invert=True)([1, 2, 9]).tolist() == [12, 36, -1]


def test_lookup_learns_frequent_tokens_first_and_the_greater_of_equals():
    layer = L.StringLookup()
    layer.adapt(["b", "a", "a", "c", "b", "z"])
    assert layer.get_vocabulary() == ["[UNK]", "b", "a", "z", "c"]  # as tf_keras 2.21
    assert layer.get_vocabulary(include_special_tokens=False) == ["b", "a", "z", "c"]
    assert type(layer).from_config(layer.get_config()).get_vocabulary() == layer.get_vocabulary()
    weighted = L.StringLookup(output_mode="tf_idf")
    weighted.adapt(np.array([["b", "a"], ["a", "c"], ["b", "z"]]))
    want = [0.8047189712, 0.6931471824, 0.6931471824, 0.9162907600, 0.9162907600]  # as tf_keras 2.21
    np.testing.assert_allclose(weighted.get_weights()[0], want, rtol=1e-6)


def test_vocabulary_from_a_file(tmp_path):
    (tmp_path / "words.txt").write_text("one\ntwo\n", encoding="utf-8")
    layer = L.StringLookup(vocabulary=str(tmp_path / "words.txt"))
    assert layer.get_vocabulary() == ["[UNK]", "one", "two"]
    assert layer.get_config()["vocabulary"] == ["one", "two"]


def test_masked_tokens_do_not_count():
    layer = L.StringLookup(vocabulary=["a", "b"], mask_token="", output_mode="count")
    assert layer([["a", "", "b", "a"]]).tolist() == [[0.0, 2.0, 1.0]]


def test_hashes_are_tensorflows():
    # The examples in the documentation of Keras's layers.
    given = np.array([["A"], ["B"], ["C"], ["D"], ["E"]])
    assert L.Hashing(3)(given).ravel().tolist() == [1, 0, 1, 1, 2]
    assert L.Hashing(3, mask_value="")(np.array([["A"], ["B"], [""], ["C"], ["D"]])).ravel().tolist() == [1, 1, 0, 2, 2]
    assert L.Hashing(3, salt=[133, 137])(given).ravel().tolist() == [1, 2, 1, 0, 2]
    crossing = L.HashedCrossing(5)
    cities, numbers = np.array(["A", "B", "A", "B", "A"]), np.array([101, 101, 101, 102, 102])
    assert crossing([cities, numbers]).tolist() == [1, 4, 1, 1, 3]


@pytest.mark.parametrize(
    ("text", "farmhash", "siphash"),
    [
        (b"", 1936946117179621433, 316627932347062985),
        (b"xyzABC123" * 0 + b"q" * 3, 1160347848488202839, 3908733350420289314),
        (b"xyzABC123" * 0 + b"q" * 6, 630483594816365014, 2815134621817096685),
        (b"xyzABC123" * 1 + b"q" * 3, 1077986841060478912, 4021626407336654861),
        (b"xyzABC123" * 2 + b"q" * 6, 204502766443826751, 4341581121467257046),
        (b"xyzABC123" * 5 + b"q" * 3, 1737814632930144805, 264705044547676038),
        (b"a" * 64, 1281596039326491502, 4349660916750020687),
        (b"xyzABC123" * 7 + b"q" * 3, 1811329819010309940, 4431807994087022491),
        (b"xyzABC123" * 14 + b"q" * 3, 1265980526938768171, 759365074164060570),
        (b"a" * 500, 4289864494562876097, 4112190620687061004),
    ],
)
def test_fingerprints_of_all_lengths(text, farmhash, siphash):
    # As TensorFlow 2.21 has to_hash_bucket_fast and, keyed with [133, 137], _strong, of 2**62 + 11 buckets.
    buckets = 2**62 + 11
    assert fingerprints.fingerprint64(text) % buckets == farmhash
    assert fingerprints.siphash(text, (133, 137)) % buckets == siphash


@pytest.mark.parametrize(
    ("kwargs", "want"),
    [
        ({}, [[2, 3, 1], [3, 0, 0]]),
        ({"output_sequence_length": 2}, [[2, 3], [3, 0]]),
        ({"output_sequence_length": 4}, [[2, 3, 1, 0], [3, 0, 0, 0]]),
        ({"output_mode": "count"}, [[1, 1, 1], [0, 0, 1]]),
        ({"output_mode": "multi_hot", "pad_to_max_tokens": True, "max_tokens": 4}, [[1, 1, 1, 0], [0, 0, 1, 0]]),
        ({"standardize": None}, [[1, 1, 1], [1, 0, 0]]),
        ({"ngrams": (2,), "vocabulary": ["the fox"]}, [[2, 1], [0, 0]]),
        ({"split": lambda texts: [t.split("o") for t in texts], "vocabulary": ["x"]}, [[1, 1], [1, 2]]),
    ],
)
def test_text_vectorization(kwargs, want):
    layer = L.TextVectorization(**{"vocabulary": ["the", "fox"], **kwargs})
    assert layer(["The fox, ran", "FOX"]).tolist() == want


def test_text_vectorization_learns_and_is_copied():
    layer = L.TextVectorization(ngrams=2)
    layer.adapt(["a b", "b c", "b"])
    assert layer.get_vocabulary() == ["", "[UNK]", "b", "c", "b c", "a b", "a"]
    again = pickle.loads(pickle.dumps(layer))
    assert again(["c b"]).tolist() == layer(["c b"]).tolist() == [[3, 2, 1]]


def test_text_is_the_first_thing_in_a_model(tmp_path):
    x = keras.Input((1,), dtype="string")
    ids = L.TextVectorization(vocabulary=["good", "bad"], output_sequence_length=3)(x)
    model = keras.Model(x, L.Embedding(4, 2)(ids))
    texts = np.array([["good film"], ["bad"]])
    result = model(texts)
    assert result.shape[0] == 2
    np.testing.assert_allclose(model.predict(texts), result.detach().numpy(), rtol=1e-6)
    torch.testing.assert_close(model(texts[:, 0]), result)
    model.save(tmp_path / "m.h5")
    torch.testing.assert_close(keras.models.load_model(tmp_path / "m.h5")(texts), result)
    with pytest.raises(ValueError, match="must hold strings"):
        model(np.ones((2, 1)))


def test_two_string_inputs():
    a, b = keras.Input((1,), dtype="string"), keras.Input((1,), dtype="string")
    model = keras.Model([a, b], L.HashedCrossing(9, output_mode="one_hot")([a, b]))
    assert model([np.array([["x"]]), np.array([["y"]])]).sum().item() == 1


@pytest.mark.parametrize(
    "kwargs",
    [
        {},
        {"mask_token": 0},
        {"num_oov_indices": 3},
        {"output_mode": "count"},
        {"output_mode": "multi_hot", "mask_token": 9},
    ],
)
def test_tensors_of_integers_are_looked_up_as_arrays_are(kwargs):
    # Arrays go token by token, tensors through torch: the numbers of the former are held against tf_keras above.
    layer = L.IntegerLookup(vocabulary=[7, 3, -2, 9][: 3 if "mask_token" in kwargs else 4], **kwargs)
    values = np.array([[7, 0, -2], [3, 9, 100], [-5, 3, 7]])
    assert torch.equal(layer(torch.tensor(values)), layer(values))


def test_tensors_of_integers_are_crossed_as_arrays_are():
    a, b = np.arange(-50, 50)[:, None] * 123456789, np.arange(100)[:, None]
    layer = L.HashedCrossing(1000)
    assert torch.equal(layer([torch.tensor(a), torch.tensor(b)]), layer([a, b]))


@pytest.mark.parametrize("mean", [[[1.0, 2.0, 3.0]], [1.0, 2.0, 3.0], 2.0])
def test_a_given_mean_may_have_leading_axes(mean):
    layer = keras.layers.Normalization(mean=mean, variance=[[4.0, 4.0, 4.0]])
    torch.testing.assert_close(layer(torch.ones(1, 3)), (1 - torch.tensor(mean).expand(1, 3)) / 2)


def test_a_given_mean_of_another_size():
    with pytest.raises(ValueError, match="must fit the sizes"):
        keras.layers.Normalization(mean=[1.0, 2.0], variance=[1.0, 2.0])(torch.ones(1, 3))


def test_hashed_crossing_of_one_input():
    with pytest.raises(ValueError, match="at least two inputs"):
        keras.layers.HashedCrossing(5)(keras.Input((1,), dtype="int32"))


@pytest.mark.parametrize("kind", ["StringLookup", "TextVectorization"])
@pytest.mark.parametrize("file", ["m.keras", "m.h5"])
def test_keras3_counts_no_idf_weights(kind, file, tmp_path):
    x = keras.Input((1,) if kind == "TextVectorization" else (3,), dtype="string")
    layer = getattr(keras.layers, kind)(vocabulary=["a", "b"], output_mode="tf_idf", idf_weights=[0.5, 2.0])
    model = keras.Model(x, layer(x))
    data = np.array([["a b q"]] if kind == "TextVectorization" else [["a", "b", "q"]])
    assert [tuple(w.shape) for w in model.weights] == [(3,)]
    model.save(tmp_path / file, dialect="keras3")
    for _ in range(2):  # what is read from Keras 3's form is written in that form
        model = keras.models.load_model(tmp_path / file)
        assert not model.weights
        np.testing.assert_allclose(model(data).numpy(), [[1.25, 0.5, 2.0]])
        model.save(tmp_path / file)


def test_learned_bins_are_counted_before_a_file_tells_them():
    x = keras.Input((1,))
    layer = L.Discretization(num_bins=5, output_mode="one_hot")
    layer.adapt(np.arange(100.0, dtype="float32")[:, None])
    model = keras.Model(x, L.Dense(2)(layer(x)))
    again = keras.Model.from_config(model.get_config())
    again.set_weights(model.get_weights())
    assert again.layers[1].output_shape == (None, 5)
    np.testing.assert_array_equal(again.predict(np.ones((2, 1)), verbose=0), model.predict(np.ones((2, 1)), verbose=0))


@pytest.mark.parametrize(
    ("options", "want"),
    [
        ({}, [2, 3, 1]),
        ({"output_sequence_length": 4}, [2, 3, 1, 0]),
        ({"ngrams": 2}, [2, 3, 1, 1, 1]),
        ({"output_mode": "multi_hot"}, [1, 1, 1]),
        ({"output_mode": "tf_idf", "idf_weights": [2, 4]}, [3, 2, 4]),
    ],
)
def test_tokens_without_a_batch_are_one_text(options, want):
    """As tf_keras 2.21: so Input(()) with split=None."""
    x = keras.Input((), dtype="string")
    model = keras.Model(x, L.TextVectorization(split=None, vocabulary=["a", "b"], **options)(x))
    assert model(["a", "b", "q"]).tolist() == want


def test_one_text():
    """As tf_keras 2.21."""
    assert L.TextVectorization(vocabulary=["a", "b"])("a q b").tolist() == [2, 1, 3]
    assert L.TextVectorization(vocabulary=["a", "b"], output_mode="count")("b b").tolist() == [0, 0, 2]
    assert L.TextVectorization(vocabulary=["a", "b"], split=None)("b").tolist() == 3
