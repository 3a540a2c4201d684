"""TextVectorization: sentences to indices or vectors."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from kerastorch.graph import KerasTensor
from kerastorch.layers.preprocessing.base import CategoricalLayer, as_values, encoded_shape
from kerastorch.layers.preprocessing.lookup import StringLookup, refuse_path, refuse_sizes
from kerastorch.registry import deserialize, serialize

__all__ = ["TextVectorization"]

_STANDARDIZE = ("lower_and_strip_punctuation", "lower", "strip_punctuation")
_SPLIT = ("whitespace", "character")
_PUNCTUATION = str.maketrans("", "", "!\"#$%&()*+,-./:;<=>?@[\\]^_`{|}~'")
# TensorFlow lowers ASCII only, and splits at ASCII white space only.
_LOWER = str.maketrans({chr(c): chr(c + 32) for c in range(ord("A"), ord("Z") + 1)})
_BLANKS = re.compile("[ \t\n\r\v\f]+")


class TextVectorization(CategoricalLayer):
    """Strings, standardized and split, as the indices of their tokens or as vectors of counts.

    (batch,) or (batch, 1) of strings (NumPy arrays or lists) -> (batch, longest or output_sequence_length) of int64,
    padded with 0, 1 being unknown; with output_mode 'multi_hot', 'count' or 'tf_idf' (batch, size of the vocabulary).
    With split=None the last axis is that of a text's tokens, so that strings (n,) are one text, not a batch of them.
    standardize: 'lower_and_strip_punctuation', 'lower', 'strip_punctuation', None, or a function of an array of
    strings. split: 'whitespace', 'character', None, or a function from an array of strings to lists of tokens. ngrams:
    an int for all up to it, or a tuple of lengths. ragged: rows of their own lengths, as a nested tensor.
    Raises ValueError for arguments that do not go together.
    Keras: tf.keras.layers.TextVectorization.
    """

    def __init__(
        self,
        max_tokens: int | None = None,
        standardize: Any = "lower_and_strip_punctuation",
        split: Any = "whitespace",
        ngrams: Any = None,
        output_mode: str | None = "int",
        output_sequence_length: int | None = None,
        pad_to_max_tokens: bool = False,
        vocabulary: Any = None,
        idf_weights: Any = None,
        sparse: bool = False,
        ragged: bool = False,
        encoding: str = "utf-8",
        **kwargs: Any,
    ) -> None:
        size = kwargs.pop("vocabulary_size", None)
        kwargs.pop("has_input_vocabulary", None)
        kwargs["dtype"] = "string"
        counts_idf = kwargs.pop("counts_idf", True)
        super().__init__(**kwargs)
        if output_mode is None:
            self.output_mode, self.sparse = None, sparse  # type: ignore[assignment]
        else:
            self._set_output_mode(output_mode, sparse, ("int", "multi_hot", "count", "tf_idf"))
        self._check(standardize, split, ngrams, output_sequence_length, ragged)
        self.standardize, self.split, self.ngrams = standardize, split, ngrams
        self._widths = range(1, ngrams + 1) if isinstance(ngrams, int) else ngrams
        self.output_sequence_length, self.ragged, self.encoding = output_sequence_length, ragged, encoding
        self.max_tokens, self.pad_to_max_tokens = max_tokens, pad_to_max_tokens
        self._lookup_layer = StringLookup(
            max_tokens, 1, "", "[UNK]", vocabulary, idf_weights, encoding, False, self.output_mode or "int", sparse,
            pad_to_max_tokens, name="string_lookup", counts_idf=counts_idf, vocabulary_size=size,
        )  # fmt: skip

    def _check(self, standardize: Any, split: Any, ngrams: Any, length: Any, ragged: bool) -> None:
        where = f"TextVectorization '{self.name}': "
        for key, value, known in (("standardize", standardize, _STANDARDIZE), ("split", split, _SPLIT)):
            if value is not None and not callable(value) and value not in known:
                raise ValueError(f"{where}{key} must be one of {known}, None or a function, got {value!r}.")
        whole = ngrams is None or isinstance(ngrams, int)
        if not whole and not (isinstance(ngrams, (tuple, list)) and all(isinstance(n, int) for n in ngrams)):
            raise ValueError(f"{where}ngrams must be None, an integer or a tuple of integers, got {ngrams!r}.")
        if length is not None and (self.output_mode != "int" or not isinstance(length, int) or length <= 0):
            raise ValueError(
                f"{where}output_sequence_length must be a positive integer and goes with output_mode='int', got "
                f"{length!r} "
                f"with {self.output_mode!r}."
            )
        if ragged and (self.output_mode != "int" or length is not None):
            raise ValueError(f"{where}ragged=True goes with output_mode='int' and no output_sequence_length.")

    # The vocabulary

    def get_vocabulary(self, include_special_tokens: bool = True) -> list[str]:
        """The tokens, a token's index being that in the output."""
        return self._lookup_layer.get_vocabulary(include_special_tokens)

    def vocabulary_size(self) -> int:
        """The number of tokens, the special ones included."""
        return self._lookup_layer.vocabulary_size()

    def set_vocabulary(self, vocabulary: Any, idf_weights: Any = None) -> None:
        """As StringLookup's."""
        self._lookup_layer.set_vocabulary(vocabulary, idf_weights)

    def _adapt_build(self, batch: Any) -> None:
        if not self.built and self._batch_input_shape is None:
            self._batch_input_shape = (None,) * max(batch.ndim, 1)
        self.built = True

    def update_state(self, data: Any) -> None:
        """Counts the tokens of one more batch."""
        self._lookup_layer.count_rows(self._rows(as_values(data))[0])

    def reset_state(self) -> None:
        """Forgets the counts."""
        self._lookup_layer.reset_state()

    def finalize_state(self) -> None:
        """The vocabulary from the counts."""
        self._lookup_layer.finalize_state()

    @property
    def learns_vocabulary(self) -> bool:
        """As of the look-up."""
        return self._lookup_layer.learns_vocabulary

    def save_assets(self, dir_path: Any) -> None:
        """As StringLookup's."""
        self._lookup_layer.save_assets(dir_path)

    def load_assets(self, dir_path: Any) -> None:
        """As StringLookup's."""
        self._lookup_layer.load_assets(dir_path)

    # From text to tokens

    def _rows(self, values: np.ndarray) -> tuple[list[list[str]], tuple[int, ...]]:
        """The tokens of each text, and the shape in which the texts came."""
        if self.split is None:
            values, lead = self._standardized(values), values.shape[:-1]
            rows = values.reshape(-1, values.shape[-1] if values.ndim else 1).tolist()
        else:
            if values.ndim > 1 and values.shape[-1] != 1:
                raise ValueError(
                    f"TextVectorization '{self.name}': to be split, the strings must have shape (batch,) or "
                    "(batch, 1), got "
                    f"{values.shape}. Or set split=None for tokens."
                )
            values = self._standardized(values[..., 0] if values.ndim > 1 else values)
            rows, lead = self._split_texts(values), values.shape
        if self._widths is not None:
            rows = [[" ".join(row[i : i + n]) for n in self._widths for i in range(len(row) - n + 1)] for row in rows]
        return rows, lead

    def _standardized(self, values: np.ndarray) -> np.ndarray:
        if callable(self.standardize):
            return as_values(self.standardize(values))
        texts = values.ravel().tolist()
        if self.standardize in ("lower_and_strip_punctuation", "lower"):
            texts = [t.translate(_LOWER) for t in texts]
        if self.standardize in ("lower_and_strip_punctuation", "strip_punctuation"):
            texts = [t.translate(_PUNCTUATION) for t in texts]
        return np.array(texts, dtype=object).reshape(values.shape)

    def _split_texts(self, values: np.ndarray) -> list[list[str]]:
        if callable(self.split):
            return [[str(t) for t in row] for row in self.split(values)]
        texts = values.ravel().tolist()
        if self.split == "character":
            return [list(t) for t in texts]
        return [[t for t in _BLANKS.split(text) if t] for text in texts]

    def call(self, inputs: Any) -> Any:
        """Indices or vectors, on the layer's device; with output_mode None the tokens, padded with ''."""
        values = as_values(inputs)
        rows, lead = self._rows(values)
        if self.output_mode == "int":
            indices = self._indices(rows, lead)
            return indices[0] if self.split is None and not values.ndim else indices
        if self.output_mode is not None:
            if self._lookup_layer._depth() is None:
                raise RuntimeError(
                    f"TextVectorization '{self.name}': with output_mode={self.output_mode!r} the vocabulary must "
                    "be known "
                    "before the call. Give vocabulary, or call adapt."
                )
            vectors = self._lookup_layer.call_rows(rows)
            return vectors if lead else vectors[0]
        longest = max(map(len, rows), default=0)
        return np.array([row + [""] * (longest - len(row)) for row in rows]).reshape(*lead, longest)

    def _indices(self, rows: list[list[str]], lead: tuple[int, ...]) -> torch.Tensor:
        index, device = self._lookup_layer.index, self._lookup_layer._device()
        found = [[index(t) for t in row] for row in rows]
        if self.ragged:
            return torch.nested.nested_tensor([torch.tensor(r, dtype=torch.int64) for r in found], device=device)
        length = self.output_sequence_length or max(map(len, found), default=0)
        padded = [row[:length] + [0] * (length - len(row)) for row in found]
        return torch.tensor(padded, dtype=torch.int64, device=device).reshape(*lead, length)

    def compute_output_shape(self, input_shape: Any) -> Any:
        """(batch, tokens), or (batch, size of the vocabulary); with split=None also of other ranks."""
        shape = tuple(input_shape)
        lead, tokens = (shape[:-1], shape[-1:]) if self.split is None else (shape[:1], (None,))
        if self.output_mode in ("int", None):
            if self.output_sequence_length is not None or self._widths is not None:
                tokens = (self.output_sequence_length,)
            return (*lead, *tokens)
        return encoded_shape((*lead, None), self.output_mode, self._lookup_layer._depth())

    @property
    def compute_dtype(self) -> str:
        """That of the vectors; 'string' where there are none."""
        vectors = self.__dict__.get("output_mode", "int") not in ("int", None)
        return self._lookup_layer.compute_dtype if vectors and "_lookup_layer" in self._modules else "string"

    def compute_output_spec(self, *args: Any, **kwargs: Any) -> Any:
        """int64 for indices, floats for vectors."""
        first = args[0] if args else next(iter(kwargs.values()))
        dtype = "string" if self.output_mode is None else self._lookup_layer.compute_dtype
        return KerasTensor(self.compute_output_shape(first.shape), dtype)

    def _saved_variables(self) -> dict[str, Any]:
        # Keras 3 keeps the idf weights here and in the look-up, tf.keras there alone.
        return {**super()._saved_variables(), **self._lookup_layer._saved_variables()}

    def _constructor_config(self, owner: type | None = None) -> dict[str, Any]:
        looked_up = self._lookup_layer._constructor_config()
        return {
            "max_tokens": self.max_tokens,
            "standardize": serialize(self.standardize),
            "split": serialize(self.split),
            "ngrams": self.ngrams,
            "output_mode": self.output_mode,
            "output_sequence_length": self.output_sequence_length,
            "pad_to_max_tokens": self.pad_to_max_tokens,
            "sparse": self.sparse,
            "ragged": self.ragged,
            "vocabulary": looked_up["vocabulary"],
            "idf_weights": looked_up["idf_weights"],
            "encoding": self.encoding,
            "vocabulary_size": self.vocabulary_size(),
            **({} if self._lookup_layer.counts_idf else {"counts_idf": False}),
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> TextVectorization:
        """A layer; functions are found by their registered names, and a vocabulary file is not read."""
        refuse_path(cls.__name__, config.get("vocabulary"))
        refuse_sizes(cls.__name__, config)
        config = dict(config)
        for key, known in (("standardize", _STANDARDIZE), ("split", _SPLIT)):
            value = config.get(key)
            if value is not None and value not in known and not callable(value):
                config[key] = function_named(value)
        return cls(**config)


def function_named(described: Any) -> Callable[..., Any]:
    """The user's function of a name or config; ValueError for an unknown one."""
    if isinstance(described, dict) and isinstance(described.get("config"), str):
        described = described["config"]
    return deserialize("function", described)
