"""A data set of an HDF5 file, read as numbers that lie in this file and nowhere else."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

__all__ = ["Dataset"]

_FILTERS = {1, 2, 3, 4, 5, 6, 32000}
"""HDF5's own filters, and h5py's: for any other HDF5 would look for a library to load."""


class Dataset:
    """A data set, if its values are numbers that HDF5 itself can read from this file; else ValueError.

    shape: a tuple of ints. dtype: NumPy's, in this machine's order of bytes. nbytes: of the values in memory. is_packed:
    whether they are stored in chunks, which may be compressed. end: the byte of the file up to which they reach; None where
    they are in chunks, or not there at all.
    On h5py's low level, as a large file has hundreds of them.
    """

    __slots__ = ("_id", "_memory_type", "dtype", "end", "is_packed", "shape")

    def __init__(self, handle: Any) -> None:
        import h5py

        kind, space, offset = handle.get_type(), handle.get_space(), handle.get_offset()
        self._id = handle
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
        values = np.empty(self.shape, self.dtype)
        self.read_into(values)
        return values[key]

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
