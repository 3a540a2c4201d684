"""StringLookup and IntegerLookup: tokens to indices by a vocabulary, and back."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import fx

from kerastorch.config import standardize_dtype
from kerastorch.graph import KerasTensor
from kerastorch.layers.arguments import check_tokens, number
from kerastorch.layers.preprocessing.base import OUTPUT_MODES, CategoricalLayer, as_array, as_values
from kerastorch.layers.preprocessing.fingerprints import fingerprint64, siphash
from kerastorch.nn.lookup import IntegerIndex

__all__ = ["IntegerLookup", "StringLookup"]


class IndexLookup(CategoricalLayer):
    """What StringLookup and IntegerLookup share: the vocabulary, how it is learned, and the look-up."""

    _numbers = False

    def __init__(
        self,
        max_tokens: int | None,
        num_oov_indices: int,
        mask_token: Any,
        oov_token: Any,
        vocabulary: Any,
        idf_weights: Any,
        invert: bool,
        output_mode: str,
        sparse: bool,
        pad_to_max_tokens: bool,
        oov_method: str = "floormod",
        salt: Any = None,
        counts_idf: bool = True,
        **kwargs: Any,
    ) -> None:
        learned = kwargs.pop("vocabulary_size", None)
        for internal in ("has_input_vocabulary", "has_static_table"):
            kwargs.pop(internal, None)
        kwargs["dtype"] = self._dtype_for(output_mode, kwargs.get("dtype"))
        super().__init__(**kwargs)
        self._set_output_mode(output_mode, sparse, OUTPUT_MODES)
        problem = None
        if max_tokens is not None and number(self, "max_tokens", max_tokens) <= 1:
            problem = f"max_tokens must be more than 1, got {max_tokens}"
        elif pad_to_max_tokens and max_tokens is None:
            problem = "pad_to_max_tokens=True needs max_tokens, got None"
        elif number(self, "num_oov_indices", num_oov_indices) < 0:
            problem = f"num_oov_indices must not be negative, got {num_oov_indices}"
        elif invert and self.output_mode != "int":
            problem = f"invert=True goes with output_mode='int', got {output_mode!r}"
        elif idf_weights is not None and self.output_mode != "tf_idf":
            problem = f"idf_weights go with output_mode='tf_idf', got {output_mode!r}"
        if problem:
            raise ValueError(f"{type(self).__name__} '{self.name}': {problem}.")
        self.max_tokens, self.num_oov_indices = max_tokens, num_oov_indices
        self.mask_token, self.oov_token = mask_token, oov_token
        self.invert, self.pad_to_max_tokens = invert, pad_to_max_tokens
        self.counts_idf = counts_idf
        self.oov_method, self._salt = oov_method, (salt, salt) if isinstance(salt, int) else salt
        self._tokens: list[Any] = []
        self._table: dict[Any, int] = {}
        self._integers: IntegerIndex | None = None
        self._given = vocabulary is not None
        self._written: tuple[Any, Any] = (None, None)
        self._frozen_size: int | None = None
        self.reset_state()
        if self.output_mode == "tf_idf":
            size = max_tokens if pad_to_max_tokens else self._first_token
            self.idf_weights = self._add_growing("Variable", (size,))
            if not counts_idf:  # Keras 3 does not have it among a layer's weights
                self._variables.remove(self.idf_weights)
                self.idf_weights.initialize()
        self._make_index()
        if vocabulary is not None:
            self.set_vocabulary(vocabulary, idf_weights)
        elif learned is not None and learned > self._first_token:  # the vocabulary comes with the weights
            self._frozen_size = learned

    # The vocabulary

    @property
    def _first_oov(self) -> int:
        return 1 if self.mask_token is not None and self.output_mode == "int" else 0

    @property
    def _first_token(self) -> int:
        return self._first_oov + self.num_oov_indices

    def _special(self) -> list[Any]:
        return [self.mask_token] * self._first_oov + [self.oov_token] * self.num_oov_indices

    def get_vocabulary(self, include_special_tokens: bool = True) -> list[Any]:
        """The tokens, a token's index being that in the output; without the special ones if asked so."""
        return (self._special() if include_special_tokens else []) + list(self._tokens)

    def vocabulary_size(self) -> int:
        """The number of tokens, the special ones included."""
        return len(self._tokens) + self._first_token

    vocab_size = vocabulary_size

    def set_vocabulary(self, vocabulary: Any, idf_weights: Any = None) -> None:
        """Sets the tokens: a list or array, or the path of a text file with one on each line.

        Special tokens may stand in front, all of them and in order. idf_weights: of the tokens, for 'tf_idf'.
        Raises ValueError for an empty vocabulary, repeated or misplaced tokens, more than max_tokens, and weights that
        are missing or do not fit; RuntimeError where the size of vectors would change.
        """
        if (idf_weights is None) == (self.output_mode == "tf_idf"):
            raise ValueError(
                f"{type(self).__name__} '{self.name}': idf_weights are needed with output_mode='tf_idf' and only "
                "then, got "
                f"idf_weights={idf_weights!r} with {self.output_mode!r}."
            )
        tokens = self._standard_tokens(vocabulary)
        if not tokens:
            raise ValueError(
                f"{type(self).__name__} '{self.name}': cannot set an empty vocabulary, got {vocabulary!r}."
            )
        as_given, with_special = tokens, tokens[: self._first_token] == self._special()
        if with_special:
            tokens = tokens[self._first_token :]
        self._check_tokens(tokens)
        self._use(tokens)
        self._written = (as_given, None)
        if self.output_mode == "tf_idf":
            given = np.asarray(idf_weights.cpu() if isinstance(idf_weights, torch.Tensor) else idf_weights, np.float64)
            if given.shape != (len(as_given),):
                raise ValueError(
                    f"{type(self).__name__} '{self.name}': idf_weights must be as long as the vocabulary, "
                    f"{len(as_given)}, "
                    f"got shape {given.shape}."
                )
            self._written = (as_given, given.tolist())
            front = 0 if with_special else self._first_token
            self._set_idf(np.concatenate([np.full(front, given.mean()), given]))

    def _standard_tokens(self, vocabulary: Any) -> list[Any]:
        if isinstance(vocabulary, (str, os.PathLike)):
            path = Path(vocabulary)
            if not path.is_file():
                raise ValueError(f"{type(self).__name__} '{self.name}': the vocabulary file {path} does not exist.")
            vocabulary = path.read_text(encoding="utf-8").splitlines()
        check_tokens(self, vocabulary, self._numbers)
        values = as_values(vocabulary) if not isinstance(vocabulary, (list, tuple)) else vocabulary
        values = values.tolist() if hasattr(values, "tolist") else list(values)
        return [self._token(x) for x in values]

    def _token(self, value: Any) -> Any:
        if self._numbers:
            return int(value)
        return value.decode("utf-8", "surrogateescape") if isinstance(value, bytes) else str(value)

    def _check_tokens(self, tokens: list[Any]) -> None:
        where = f"{type(self).__name__} '{self.name}': "
        repeated = [t for t, n in Counter(tokens).items() if n > 1]
        if repeated:
            raise ValueError(f"{where}the vocabulary has repeated tokens: {repeated[:10]}. Give each once.")
        for kind, token in (("mask", self.mask_token), ("OOV", self.oov_token if self.invert else None)):
            if token is not None and token in tokens:
                raise ValueError(
                    f"{where}found the reserved {kind} token {token!r} at index {tokens.index(token)} of the "
                    "vocabulary. "
                    f"Leave all special tokens out, or have exactly {self._special()} in front."
                )
        if self.max_tokens is not None and len(tokens) + self._first_token > self.max_tokens:
            raise ValueError(
                f"{where}the vocabulary has {len(tokens)} tokens, {len(tokens) + self._first_token} with the "
                "special ones, "
                f"more than max_tokens={self.max_tokens}."
            )

    def _use(self, tokens: list[Any]) -> None:
        size = len(tokens) + self._first_token
        if self.output_mode != "int" and not self.pad_to_max_tokens and self._frozen_size not in (None, size):
            raise RuntimeError(
                f"{type(self).__name__} '{self.name}': with output_mode={self.output_mode!r} the vocabulary's size "
                "cannot "
                f"change from {self._frozen_size} to {size}, as the output's would. Set pad_to_max_tokens=True."
            )
        self._frozen_size = size
        self._tokens = tokens
        self._table = {token: i + self._first_token for i, token in enumerate(tokens)}
        self._make_index()

    def _make_index(self) -> None:
        """What looks up tensors of integers, unless unknown ones are an error, or their index hangs on their digits."""
        by_digits = self.num_oov_indices > 1 and (self.oov_method != "floormod" or self._salt is not None)
        if not self._numbers or by_digits or self.num_oov_indices == 0:
            return
        masked = 0 if self.output_mode == "int" else -1
        keys = [self._tokens, self._first_token, self._first_oov, self.num_oov_indices, self.mask_token, masked]
        self._integers = IntegerIndex(*keys)

    def _set_idf(self, weights: np.ndarray) -> None:
        if self.pad_to_max_tokens and self.max_tokens is not None:
            weights = np.pad(weights, (0, self.max_tokens - len(weights)))
        self.idf_weights.assign(weights.astype(np.float32))

    # Learning it

    def update_state(self, data: Any) -> None:
        """Counts the tokens of one more batch."""
        values = data.detach().cpu().numpy() if isinstance(data, torch.Tensor) else as_values(data)
        self.count_rows(values.reshape(1, -1) if values.ndim < 2 else values.reshape(len(values), -1))

    def count_rows(self, rows: Iterable[Any]) -> None:
        """Counts the tokens of documents: each a row."""
        if self._given:
            raise ValueError(
                f"{type(self).__name__} '{self.name}' was given a vocabulary, so it cannot adapt. Leave vocabulary out."
            )
        for row in rows:
            tokens = [self._token(x) for x in (row.tolist() if hasattr(row, "tolist") else row)]
            self._counts.update(tokens)
            self._documents.update(set(tokens))
            self._document_count += 1

    def reset_state(self) -> None:
        """Forgets the counts."""
        self._counts: Counter = Counter()
        self._documents: Counter = Counter()
        self._document_count = 0

    def finalize_state(self) -> None:
        """The vocabulary from the counts: the most frequent tokens first; of equals, the greater first."""
        if self._given or not self._counts:
            return
        for token in (self.mask_token, self.oov_token):
            self._counts.pop(token, None)
        ordered = sorted(self._counts, key=lambda token: (self._counts[token], token), reverse=True)
        if self.max_tokens:
            ordered = ordered[: max(self.max_tokens - self._first_token, 0)]
        self._use(ordered)
        if self.output_mode == "tf_idf":
            found = np.array([self._documents[token] for token in ordered], np.float64)
            weights = np.log(1 + self._document_count / (1 + found))
            self._set_idf(np.concatenate([np.full(self._first_token, weights.mean()), weights]))
        self.reset_state()

    # Looking up

    def _adapt_build(self, batch: Any) -> None:
        if not self.built and self._batch_input_shape is None:
            self._batch_input_shape = (None,) * max(batch.ndim, 1)
        self.built = True

    def index(self, token: Any) -> int:
        """The index of one token."""
        found = self._table.get(token)
        if token == self.mask_token and self.mask_token is not None:
            return 0 if self.output_mode == "int" else -1
        if found is not None:
            return found
        if self.num_oov_indices == 0:
            raise ValueError(
                f"{type(self).__name__} '{self.name}': with num_oov_indices=0 all inputs must be in the "
                "vocabulary, got "
                f"{token!r}. Consider num_oov_indices=1."
            )
        return self._first_oov + (self._oov_bin(token) if self.num_oov_indices > 1 else 0)

    def _oov_bin(self, token: Any) -> int:
        if self._numbers and self.oov_method == "floormod" and self._salt is None:
            return token % self.num_oov_indices
        data = str(token).encode("utf-8", "surrogateescape")
        hashed = fingerprint64(data) if self._salt is None else siphash(data, (self._salt[0], self._salt[1]))
        return hashed % self.num_oov_indices

    def call(self, inputs: Any) -> Any:
        """Indices or vectors, on the layer's device; with invert, tokens."""
        if self.invert:
            return self._invert(as_array(self, inputs))
        if self.output_mode != "int" and self._depth() is None:
            raise RuntimeError(
                f"{type(self).__name__} '{self.name}': with output_mode={self.output_mode!r} the vocabulary must "
                "be known "
                "before the call. Give vocabulary, or call adapt."
            )
        if isinstance(inputs, (torch.Tensor, fx.Proxy)) and self._integers is not None:
            return self._finish(self._encode(self._integers(inputs)))
        values = as_array(self, inputs)
        flat = values.ravel().tolist()
        if flat and isinstance(flat[0], str) == self._numbers:
            kind = "integers" if self._numbers else "strings"
            raise ValueError(f"{type(self).__name__} '{self.name}' takes {kind}, got {flat[0]!r}.")
        if self._numbers:
            flat = [int(x) for x in flat]
        indices = np.array([self.index(x) for x in flat], dtype=np.int64).reshape(values.shape)
        return self._finish(self._encode(torch.as_tensor(indices, device=self._device())))

    def call_rows(self, rows: list[list[str]]) -> torch.Tensor:
        """Vectors of documents of different lengths, for modes other than 'int'."""
        longest = max(map(len, rows), default=0)
        padded = [[self.index(t) for t in row] + [-1] * (longest - len(row)) for row in rows]
        indices = torch.tensor(padded, dtype=torch.int64, device=self._device()).reshape(len(rows), longest)
        return self._finish(self._encode(indices))

    def _finish(self, encoded: torch.Tensor) -> torch.Tensor:
        return encoded * self.idf_weights.value if self.output_mode == "tf_idf" else encoded

    def _invert(self, values: np.ndarray) -> Any:
        tokens = self.get_vocabulary()
        found = [
            tokens[i] if 0 <= i < len(tokens) else self.oov_token for i in values.ravel().astype(np.int64).tolist()
        ]
        if self._numbers:
            return torch.tensor(found, dtype=torch.int64, device=self._device()).reshape(values.shape)
        return np.array(found, dtype=object if not found else None).reshape(values.shape)

    def _saved_variables(self) -> dict[str, Any]:
        return {"idf_weights": self.idf_weights} if self.output_mode == "tf_idf" else {}

    @property
    def learns_vocabulary(self) -> bool:
        """Whether the vocabulary comes from data, not from the constructor or `set_vocabulary` before it."""
        return not self._given

    @property
    def lacks_vocabulary(self) -> bool:
        """Whether nothing has given the layer, or taught it, a token."""
        return not self._tokens

    def save_assets(self, dir_path: Any) -> None:
        """Writes vocabulary.txt, a token on each line, where the vocabulary was learned."""
        if not self._given:
            text = "\n".join(str(token) for token in self.get_vocabulary())
            (Path(dir_path) / "vocabulary.txt").write_text(text, encoding="utf-8")

    def load_assets(self, dir_path: Any) -> None:
        """Reads what `save_assets` wrote."""
        if not self._given:
            lines = (Path(dir_path) / "vocabulary.txt").read_text(encoding="utf-8").split("\n")
            tokens = [self._token(line) for line in lines]
            self._use(tokens[self._first_token :] if tokens[: self._first_token] == self._special() else tokens)

    def _depth(self) -> int | None:
        return self.max_tokens if self.pad_to_max_tokens else self._frozen_size

    def compute_output_spec(self, *args: Any, **kwargs: Any) -> Any:
        """A tensor of the layer's dtype; with invert, of the tokens'."""
        spec = super().compute_output_spec(*args, **kwargs)
        return KerasTensor(spec.shape, self._vocabulary_dtype()) if self.invert else spec

    def _vocabulary_dtype(self) -> str:
        return "int64" if self._numbers else "string"

    def _constructor_config(self, owner: type | None = None) -> dict[str, Any]:
        """As tf.keras has it; the vocabulary stands there also where it was learned, or read from a text file."""
        vocabulary, idf = self._written
        if vocabulary is None and self._tokens:
            vocabulary = self._tokens
            if self.output_mode == "tf_idf" and not self.idf_weights.is_empty:
                idf = self.idf_weights.numpy()[self._first_token : self.vocabulary_size()].tolist()
        config = {
            "invert": self.invert,
            "max_tokens": self.max_tokens,
            "num_oov_indices": self.num_oov_indices,
            "oov_token": self.oov_token,
            "mask_token": self.mask_token,
            "output_mode": self.output_mode,
            "sparse": self.sparse,
            "pad_to_max_tokens": self.pad_to_max_tokens,
            "idf_weights": idf,
            "vocabulary": None if vocabulary is None else list(vocabulary),
            "vocabulary_size": self._frozen_size,
        }
        if self._salt is not None:
            config["salt"] = list(self._salt)
        if self.oov_method != "floormod":
            config["oov_method"] = self.oov_method
        if not self.counts_idf:
            config["counts_idf"] = False
        return config

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Any:
        """A layer; ValueError where the config names a vocabulary file, as a file must not make us read another."""
        refuse_path(cls.__name__, config.get("vocabulary"))
        refuse_sizes(cls.__name__, config)
        return cls(**config)


def refuse_sizes(kind: str, config: dict[str, Any]) -> None:
    """Raises ValueError where a config alone would make the layer fill the memory."""
    padded = config.get("max_tokens") if config.get("pad_to_max_tokens") else None
    for key, value in (("max_tokens", padded), ("num_oov_indices", config.get("num_oov_indices"))):
        if isinstance(value, int) and value > _LARGEST:
            raise ValueError(f"{kind}: {key}={value} in a config is refused: more than {_LARGEST}.")


_LARGEST = 2**24


def refuse_path(kind: str, vocabulary: Any) -> None:
    """Raises ValueError where a config's vocabulary is the path of a file."""
    if isinstance(vocabulary, str):
        raise ValueError(
            f"{kind}: the config names the vocabulary file {vocabulary!r}, which is not read on a config's word. "
            "Make the "
            "layer in your own code, or put the list of tokens into the config."
        )


class StringLookup(IndexLookup):
    """The index of each string in a vocabulary, given or learned by `adapt`; or vectors of counts; or, inverted, the
    strings.

    Any shape of strings (NumPy arrays or lists), kept -> int64; with output_mode 'one_hot', 'multi_hot', 'count' or
    'tf_idf' (batch, n) -> (batch, size of the vocabulary). First come the mask token (index 0, with output_mode 'int'),
    if any, then num_oov_indices indices for unknown strings, chosen by hash.
    Raises as set_vocabulary does, and ValueError for an unknown string where num_oov_indices is 0.
    Keras: tf.keras.layers.StringLookup.
    """

    def __init__(
        self,
        max_tokens: int | None = None,
        num_oov_indices: int = 1,
        mask_token: str | None = None,
        oov_token: str = "[UNK]",
        vocabulary: Any = None,
        idf_weights: Any = None,
        encoding: str = "utf-8",
        invert: bool = False,
        output_mode: str = "int",
        sparse: bool = False,
        pad_to_max_tokens: bool = False,
        **kwargs: Any,
    ) -> None:
        self.__dict__["encoding"] = encoding
        super().__init__(
            max_tokens, num_oov_indices, mask_token, oov_token, vocabulary, idf_weights, invert, output_mode, sparse,
            pad_to_max_tokens, **kwargs,
        )  # fmt: skip

    def _constructor_config(self, owner: type | None = None) -> dict[str, Any]:
        return {**super()._constructor_config(owner), "encoding": self.encoding}


class IntegerLookup(IndexLookup):
    """The index of each integer in a vocabulary, given or learned by `adapt`; or vectors of counts; or, inverted, the
    integers.

    As StringLookup; unknown integers get their index by `value % num_oov_indices`.
    Keras: tf.keras.layers.IntegerLookup.
    """

    _numbers = True

    def __init__(
        self,
        max_tokens: int | None = None,
        num_oov_indices: int = 1,
        mask_token: int | None = None,
        oov_token: int = -1,
        vocabulary: Any = None,
        vocabulary_dtype: Any = "int64",
        idf_weights: Any = None,
        invert: bool = False,
        output_mode: str = "int",
        sparse: bool = False,
        pad_to_max_tokens: bool = False,
        **kwargs: Any,
    ) -> None:
        max_tokens = kwargs.pop("max_values", max_tokens)
        mask_token = kwargs.pop("mask_value", mask_token)
        oov_token = kwargs.pop("oov_value", oov_token)
        dtype = standardize_dtype(vocabulary_dtype)
        if "int" not in dtype:
            raise ValueError(f"IntegerLookup: vocabulary_dtype must be an integer dtype, got {vocabulary_dtype!r}.")
        self.__dict__["vocabulary_dtype"] = dtype
        mask_token, oov_token = (None if x is None else int(x) for x in (mask_token, oov_token))  # type: ignore[assignment]
        super().__init__(
            max_tokens, num_oov_indices, mask_token, oov_token, vocabulary, idf_weights, invert, output_mode, sparse,
            pad_to_max_tokens, **kwargs,
        )  # fmt: skip

    def _vocabulary_dtype(self) -> str:
        return self.vocabulary_dtype

    def _constructor_config(self, owner: type | None = None) -> dict[str, Any]:
        return {**super()._constructor_config(owner), "vocabulary_dtype": self.vocabulary_dtype}
