"""A data set of an HDF5 file, read as numbers that lie in this file and nowhere else."""

from __future__ import annotations

import math
import os
import sys
from typing import Any

import numpy as np

__all__ = ["Dataset"]

_FILTERS = {1, 2, 3, 4, 5, 6, 32000}
"""HDF5's own filters, and h5py's: for any other HDF5 would look for a library to load."""
_LARGE = 2**16
"""Bytes from which on HDF5 is passed by."""


class Dataset:
    """A data set, if its values are numbers that HDF5 itself can read from this file; else ValueError.

    shape: a tuple of ints. dtype: NumPy's, in this machine's order of bytes. nbytes: of the values in memory. is_packed:
    whether they are stored in chunks, which may be compressed. end: the byte of the file up to which they reach; None where
    they are in chunks, or not there at all.
    On h5py's low level, as a large file has hundreds of them.
    """

    __slots__ = ("_id", "dtype", "end", "is_packed", "shape")

    def __init__(self, handle: Any) -> None:
        import h5py

        made, space = handle.get_create_plist(), handle.get_space()
        layout, self.dtype = made.get_layout(), handle.dtype.newbyteorder("=")
        self._id = handle
        if layout == h5py.h5d.VIRTUAL or made.get_external_count():
            raise ValueError(f"{self.place} keeps its values in other files. Keras writes no such data: refused.")
        if self.dtype.hasobject or space.get_simple_extent_type() == h5py.h5s.NULL:
            raise ValueError(f"{self.place} holds no numbers but {self.dtype}: refused.")
        filters = [made.get_filter(i)[0] for i in range(made.get_nfilters())]
        if not _FILTERS.issuperset(filters):
            raise ValueError(
                f"{self.place} is stored through HDF5 plug-ins, filters {filters}: refused. Rewrite it without."
            )
        self.shape: tuple[int, ...] = space.get_simple_extent_dims()
        self.is_packed = layout == h5py.h5d.CHUNKED
        offset = handle.get_offset()
        self.end = None if offset is None else offset + handle.get_storage_size()

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
        values = np.empty(self.shape, self.dtype)
        self.read_into(values)
        return values[key]

    def _plain_file(self) -> int | None:
        """The descriptor of the file, if the values lie in it one after the other as float32 does in memory."""
        import h5py

        if self.nbytes < _LARGE or self.end is None or sys.byteorder != "little" or not hasattr(os, "preadv"):
            return None
        if self._id.get_storage_size() != self.nbytes or not self._id.get_type().equal(h5py.h5t.IEEE_F32LE):
            return None
        file = h5py.h5i.get_file_id(self._id)
        return file.get_vfd_handle() if file.get_access_plist().get_driver() == h5py.h5fd.SEC2 else None

    def read_into(self, values: np.ndarray, start: int = 0) -> None:
        """Fills a contiguous array of the data set's dtype: with all values, or with the rows from `start` on that it has
        room for."""
        import h5py

        if not values.size:
            return
        file = self._plain_file()
        if file is not None and self.end is not None:
            _read(file, values, self.end - self.nbytes + self.nbytes // self.shape[0] * start)
        elif values.shape == self.shape:
            self._id.read(h5py.h5s.ALL, h5py.h5s.ALL, values)
        else:
            rows = self._id.get_space()
            rows.select_hyperslab((start, *(0 for _ in self.shape[1:])), values.shape)
            self._id.read(h5py.h5s.create_simple(values.shape), rows, values)


def _read(file: int, values: np.ndarray, place: int) -> None:
    """Reads an array's bytes past HDF5, which takes several times as long."""
    left = memoryview(values.view(np.uint8)).cast("B")  # type: ignore[arg-type]
    while left:
        count = os.preadv(file, [left], place)
        if not count:
            raise OSError(f"The file is cut off: it has no byte {place}.")
        left, place = left[count:], place + count
