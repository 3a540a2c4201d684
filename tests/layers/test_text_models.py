"""Models that begin with text: called, and asked for predictions, on whatever holds strings. As tf_keras 2.21 does."""

import numpy as np
import pytest

import kerastorch as keras

L = keras.layers
DOCUMENTS, WORDS = ["a b c", "b", "c c"], [["a", "b"], ["z", "a"], ["b", "b"]]
LAYERS = {
    "TextVectorization": (
        lambda: L.TextVectorization(vocabulary=["a", "b", "c"], output_sequence_length=4),
        DOCUMENTS,
        [[2, 3, 4, 0], [3, 0, 0, 0], [4, 4, 0, 0]],
    ),
    "TextVectorization, counting": (
        lambda: L.TextVectorization(vocabulary=["a", "b", "c"], output_mode="count"),
        DOCUMENTS,
        [[0.0, 1.0, 1.0, 1.0], [0.0, 0.0, 1.0, 0.0], [0.0, 0.0, 0.0, 2.0]],
    ),
    "StringLookup": (lambda: L.StringLookup(vocabulary=["a", "b"]), WORDS, [[1, 2], [0, 1], [2, 2]]),
    "Hashing": (lambda: L.Hashing(5), WORDS, [[4, 2], [2, 4], [2, 2]]),
}
FORMS = {
    "list": lambda x: x,
    "array": np.array,
    "objects": lambda x: np.array(x, dtype=object),
    "bytes": lambda x: np.char.encode(np.array(x)),
    "matrix": lambda x: np.array(x).reshape(3, -1),
}


@pytest.mark.parametrize("drawn", [False, True])
@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("name", LAYERS)
def test_a_sequential_model_that_begins_with_text(name, form, drawn):
    make, data, want = LAYERS[name]
    data = FORMS[form](data)

    def model():
        first = [keras.Input((1,) if name.startswith("Text") else (2,), dtype="string")]
        return keras.Sequential([*(first if drawn else []), make()])

    assert model()(data).tolist() == want
    got = model().predict(data, verbose=0)
    assert got.tolist() == want and got.dtype.kind == np.asarray(want).dtype.kind


def test_text_beside_numbers():
    a, b = keras.Input((1,), dtype="string", name="a"), keras.Input((2,), name="b")
    looked_up = L.Flatten()(L.Embedding(5, 2)(L.StringLookup(vocabulary=["a", "b"])(a)))
    model = keras.Model([a, b], L.Concatenate()([looked_up, b]))
    words, numbers = np.array([["a"], ["z"]]), np.ones((2, 2), "float32")
    got = model.predict({"a": words, "b": numbers}, verbose=0)
    assert got.shape == (2, 4)
    assert np.array_equal(model.predict([words.astype(object), numbers], verbose=0), got)


def test_rows_that_differ_in_length_are_still_refused():
    model = keras.Sequential([L.Dense(1)])
    with pytest.raises(ValueError, match="differ in length"):
        model.predict(np.array([[1.0], [1.0, 2.0]], dtype=object), verbose=0)
