"""A data set of an HDF5 file, read as numbers that lie in this file and nowhere else."""

from __future__ import annotations

import contextlib
import math
import os
import threading
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import torch

__all__ = ["Dataset", "reading_ahead"]

_FILTERS = {1, 2, 3, 4, 5, 6, 32000}
"""HDF5's own filters, and h5py's: for any other HDF5 would look for a library to load."""

_WORTHWHILE = 2**20
"""Bytes from which on a second thread gains more than it costs."""
_LARGE = 2**22
"""Bytes from which on a data set is not read ahead: NumPy then asks for large pages, which are had several times faster."""
_RUN = (2**30, 500, 2**16)
"""The most bytes and data sets that are read in one call to the system, and the most bytes between two of them."""


class Dataset:
    """A data set, if its values are numbers that HDF5 itself can read from this file; else ValueError.

    shape: a tuple of ints. dtype: NumPy's, in this machine's order of bytes. nbytes: of the values in memory. is_packed:
    whether they are stored in chunks, which may be compressed. end: the byte of the file up to which they reach; None where
    they are in chunks, or not there at all.
    On h5py's low level, as a large file has hundreds of them.
    """

    __slots__ = ("_ahead", "_id", "_memory_type", "dtype", "end", "is_packed", "shape")

    def __init__(self, handle: Any) -> None:
        import h5py

        kind, space, offset = handle.get_type(), handle.get_space(), handle.get_offset()
        self._id = handle
        self._ahead: tuple[_Reading, np.ndarray] | None = None
        if kind.equal(h5py.h5t.NATIVE_FLOAT):
            # What nearly all weights are; to find NumPy's dtype, or HDF5's of an array, takes as long as all else here.
            self.dtype, self._memory_type = np.dtype(np.float32), kind
        else:
            self.dtype, self._memory_type = handle.dtype.newbyteorder("="), None
        if self.dtype.hasobject or space.get_simple_extent_type() == h5py.h5s.NULL:
            raise ValueError(f"{self.place} holds no numbers but {self.dtype}: refused.")
        self.shape: tuple[int, ...] = space.get_simple_extent_dims()
        if offset is None:
            self.end, self.is_packed = None, self._storage() == h5py.h5d.CHUNKED
        else:  # the values lie in this file, one after the other
            self.end, self.is_packed = offset + handle.get_storage_size(), False

    def _storage(self) -> int:
        import h5py

        made = self._id.get_create_plist()
        layout = made.get_layout()
        if layout == h5py.h5d.VIRTUAL or made.get_external_count():
            raise ValueError(f"{self.place} keeps its values in other files. Keras writes no such data: refused.")
        filters = [made.get_filter(i)[0] for i in range(made.get_nfilters())]
        if not _FILTERS.issuperset(filters):
            raise ValueError(
                f"{self.place} is stored through HDF5 plug-ins, filters {filters}: refused. Rewrite it without."
            )
        return layout

    @property
    def name(self) -> str:
        """The path within the file."""
        import h5py

        return h5py.h5i.get_name(self._id).decode(errors="replace")

    @property
    def place(self) -> str:
        """The file's name and the path within it."""
        import h5py

        return f"{h5py.h5f.get_name(self._id).decode(errors='replace')}: {self.name}"

    @property
    def nbytes(self) -> int:
        """How much memory the values take."""
        return math.prod(self.shape) * self.dtype.itemsize

    def __getitem__(self, key: tuple[()]) -> Any:
        """All values, with `data[()]`: an array, or a scalar where there are no axes."""
        values = self.take()
        if values is None:
            values = np.empty(self.shape, self.dtype)
            self.read_into(values)
        return values[key]

    def take(self) -> np.ndarray | None:
        """All values, in memory that is the caller's from now on, where `reading_ahead` has read them; None elsewhere."""
        ahead, self._ahead = self._ahead, None
        return ahead[1] if ahead is not None and ahead[0].is_complete() else None

    def may_be_read_ahead(self) -> bool:
        """Whether the values lie in the file as they will in memory, one after the other, and take small pages of it."""
        plain = self._memory_type is not None and self.end is not None
        return plain and 0 < self.nbytes < _LARGE

    def expect(self, reading: _Reading, memory: np.ndarray) -> None:
        """Has `take` wait for what is reading the values into these bytes."""
        self._ahead = reading, memory.view(self.dtype).reshape(self.shape)

    def read_into(self, values: np.ndarray, start: int = 0) -> None:
        """Fills a contiguous array of the data set's dtype: with all values, or with the rows from `start` on that it has
        room for."""
        import h5py

        if not values.size:
            return
        if values.shape == self.shape:
            self._id.read(h5py.h5s.ALL, h5py.h5s.ALL, values, self._memory_type)
        else:
            rows = self._id.get_space()
            rows.select_hyperslab((start, *(0 for _ in self.shape[1:])), values.shape)
            self._id.read(h5py.h5s.create_simple(values.shape), rows, values, self._memory_type)


@contextlib.contextmanager
def reading_ahead(descriptor: int | None, found: Iterable[Dataset]) -> Iterator[None]:
    """Within the block a second thread reads the data sets that `take` then gives.

    To copy values into memory that the system must first clear takes as long as to make a model's layers; it needs no Python,
    and so goes on beside it. descriptor: of the open HDF5 file; with None nothing is read ahead.
    """
    plain = sorted((x for x in found if x.may_be_read_ahead()), key=_start)
    if descriptor is None or not hasattr(os, "preadv") or sum(x.nbytes for x in plain) < _WORTHWHILE:
        yield
        return
    reading = _Reading(descriptor, plain)
    reading.start()
    try:
        yield
    finally:
        reading.join()


def _start(data: Dataset) -> int:
    assert data.end is not None
    return data.end - data.nbytes


class _Reading(threading.Thread):
    """Reads data sets, ordered by where they start, into one piece of memory, in few calls to the system."""

    def __init__(self, descriptor: int, found: list[Dataset]) -> None:
        super().__init__(name="kerastorch reads ahead")
        self._descriptor, self._complete = descriptor, False
        self._runs: list[tuple[int, list[Any]]] = []
        # torch's, aligned for its kernels; each weight's part becomes a storage of its own.
        memory, place = torch.empty(sum(x.nbytes + 63 & ~63 for x in found), dtype=torch.uint8).numpy(), 0
        end = size = 0
        for data in found:
            start = _start(data)
            if self._runs and start < end:
                continue  # within another: no file of Keras's has that
            part = memory[place : place + data.nbytes]
            place += data.nbytes + 63 & ~63
            if (
                not self._runs
                or size + data.nbytes > _RUN[0]
                or len(self._runs[-1][1]) >= 2 * _RUN[1]
                or start - end > _RUN[2]
            ):
                self._runs.append((start, []))
                size = 0
            elif start > end:
                self._runs[-1][1].append(bytearray(start - end))
            self._runs[-1][1].append(part)
            data.expect(self, part)
            size, end = size + data.nbytes, start + data.nbytes

    def run(self) -> None:
        """Reads all of them, or stops at the first that is not whole."""
        self._complete = all(
            os.preadv(self._descriptor, parts, start) == sum(map(len, parts)) for start, parts in self._runs
        )

    def is_complete(self) -> bool:
        """Whether all were read, once that is known."""
        self.join()
        return self._complete
