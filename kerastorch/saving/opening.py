"""Opening what may be hostile: HDF5 files and zip archives, read as data that lies within them and nowhere else."""

from __future__ import annotations

import contextlib
import io
import os
import struct
import zipfile
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

import numpy as np

from kerastorch.saving.dataset import Dataset

if TYPE_CHECKING:
    import h5py

__all__ = [
    "Archive",
    "attribute",
    "check_count",
    "check_extent",
    "check_size",
    "datasets_in",
    "member",
    "open_file",
    "text_attribute",
]

_LARGEST_RATIO = 100
"""How many times larger than the file its contents may become: beyond it is a bomb. Keras compresses no weights."""
_HARMLESS = 64 * 2**20
"""Bytes that a bomb may have: what is smaller is never refused for its ratio."""
_HEAP = b"GCOL"
_LARGEST_HEAP = 2**28
_DEEPEST = 64
_MOST_MEMBERS = 200_000


@contextlib.contextmanager
def open_file(source: Any) -> Iterator[h5py.File | Archive]:
    """An h5 file or a `.keras` archive, told apart by their first bytes.

    source: a path, the bytes themselves, an open binary file that can seek, or an open h5py.File, of which a copy is read.
    The h5py.File that comes has also `descriptor`: the system's of the file, None where it is no file of its own.
    Raises OSError for what is missing, a directory, cut off or neither of the two.
    """
    import h5py

    with contextlib.ExitStack() as stack:
        name = str(source) if isinstance(source, (str, os.PathLike)) else type(source).__name__
        if isinstance(source, (bytes, bytearray, memoryview)):
            file: Any = io.BytesIO(source)
        elif isinstance(source, (str, os.PathLike)):
            _check_path(Path(source))
            file = stack.enter_context(open(source, "rb", buffering=0))
        elif hasattr(source, "read") and hasattr(source, "seek"):
            file = source
        elif isinstance(source, h5py.File):
            source.flush()
            file = io.BytesIO(source.id.get_file_image())
        else:
            raise TypeError(f"Expected a path, bytes or an open binary file, got {type(source).__name__}.")
        start = file.tell()
        if zipfile.is_zipfile(file):
            file.seek(start)
            yield stack.enter_context(Archive(file, name))
            return
        file.seek(start)
        if not file.read(8).startswith(b"\x89HDF\r\n\x1a\n"):
            file.seek(start)
            what = (
                "is neither an HDF5 file nor a .keras archive, or is cut off"
                if file.read(1)
                else "is empty: cut off, or never written"
            )
            raise OSError(f"{name} {what}. Expected what model.save('x.h5') or model.save('x.keras') wrote.")
        yield stack.enter_context(_opened_h5(_Part(file, name, start), name, h5py))


def _check_path(path: Path) -> None:
    if path.suffix in (".index", ".pb") or (not path.exists() and path.with_name(f"{path.name}.index").exists()):
        raise OSError(
            f"{path} belongs to a checkpoint or a SavedModel of TensorFlow, which kerastorch does not read. In TensorFlow make "
            "the model, load it there, and write it as h5: model.save('model.h5')."
        )
    if not path.exists():
        raise FileNotFoundError(f"No file or directory found at {path}.")
    if not path.is_dir():
        return
    if (path / "saved_model.pb").exists() or (path / "keras_metadata.pb").exists():
        raise OSError(
            f"{path} is a directory: TensorFlow's SavedModel, which kerastorch does not read. In TensorFlow write it as "
            f"h5: tf.keras.models.load_model({str(path)!r}).save('model.h5')."
        )
    raise OSError(
        f"{path} is a directory. kerastorch reads .h5 and .keras files; a SavedModel or checkpoint is written as h5 in "
        f"TensorFlow: tf.keras.models.load_model({str(path)!r}).save('model.h5')."
    )


def _opened_h5(part: _Part, name: str, h5py: Any) -> h5py.File:
    try:
        file = h5py.File(name, "r", driver="fileobj", fileobj=part)
        file.descriptor = part.descriptor
        links: list[bytes] = []
        file.id.links.visit(
            lambda place, info: links.append(place) if info.type != h5py.h5l.TYPE_HARD else None, info=True
        )
    except (OSError, RuntimeError, ValueError) as error:
        raise OSError(f"Cannot open {name} as HDF5; it may be cut off or damaged: {error}.") from error
    if links:
        file.close()
        raise ValueError(
            f"{name}: {links[0].decode(errors='replace')!r} is a link that may point out of the file. "
            "Keras writes no such links: refused."
        )
    return file


# HDF5


class _Part(io.RawIOBase):
    """A part of an open binary file, or all of it, as a file of its own, through which HDF5 reads.

    OSError for a heap, where HDF5 keeps texts, that is damaged so that HDF5 would never end reading it. (It goes from object
    to object by their sizes, and stays where it is at one that has none.)
    """

    def __init__(self, file: Any, name: str, start: int = 0, size: int | None = None) -> None:
        self._file, self._name, self._start, self._at = file, name, start, 0
        self._size = file.seek(0, os.SEEK_END) - start if size is None else size
        self.descriptor = file.fileno() if type(file) is io.FileIO and not start else None
        self._sound: set[int] = set()
        self._fill: Callable[[Any], int] = file.readinto if hasattr(file, "readinto") else self._fill_by_copy
        head = self._bytes(0, 16)
        if len(head) < 16:
            raise OSError(f"Cannot open {name} as HDF5: it is cut off after {len(head)} bytes.")
        if bytes(head[13:15] if head[8] < 2 else head[9:11]) != b"\x08\x08":
            raise OSError(f"{name} has addresses or lengths of other than 8 bytes, which Keras never writes: refused.")

    def seek(self, offset: int, whence: int = 0) -> int:
        """Moves within the part."""
        self._at = offset + (0, self._at, self._size)[whence] if whence else offset
        return self._at

    def tell(self) -> int:
        """Where in the part the next byte is read."""
        return self._at

    def readinto(self, buffer: Any) -> int:
        """Reads as many bytes as fit and are there."""
        place = self._at
        if place + len(buffer) > self._size:
            buffer = memoryview(buffer)[: max(0, self._size - place)]
        self._file.seek(self._start + place)
        read = count = self._fill(buffer)
        while count and read < len(buffer):  # the system reads 2 GiB at most at a time
            count = self._fill(memoryview(buffer)[read:])
            read += count
        # HDF5 reads each of its structures from its first byte on, and this one by its first 4096 bytes, then the rest.
        if bytes(buffer[:4]) == _HEAP and place not in self._sound:
            self._check_heap(place)
        self._at = place + read
        return read

    def _fill_by_copy(self, buffer: Any) -> int:
        data = self._file.read(len(buffer))
        memoryview(buffer)[: len(data)] = data
        return len(data)

    def _check_heap(self, place: int) -> None:
        heap = self._bytes(place, 16)
        heap = self._bytes(place, min(int.from_bytes(heap[8:16], "little"), _LARGEST_HEAP))
        at = 16
        while at + 16 <= len(heap):
            index, _, _, length = struct.unpack_from("<HHIQ", heap, at)
            step = (length if index == 0 else 16 + (length + 7 & ~7)) % 2**64
            if step == 0:
                raise OSError(f"{self._name} is damaged: the heap at byte {place} holds an object of no size.")
            at += step
        self._sound.add(place)

    def _bytes(self, place: int, size: int) -> bytes:
        self._file.seek(self._start + place)
        return self._file.read(max(0, min(size, self._size - place)))

    def readable(self) -> bool:
        """True."""
        return True

    def seekable(self) -> bool:
        """True."""
        return True


def member(group: h5py.Group, name: str) -> Any:
    """The group (h5py's) or `Dataset` of that name (a path) within a group of an opened file; None where there is none."""
    import h5py

    if not name:
        return None
    try:
        found = h5py.h5o.open(group.id, name.encode())
    except KeyError:
        return None
    kinds = {h5py.h5g.GroupID: h5py.Group, h5py.h5d.DatasetID: Dataset}
    return kinds[type(found)](found) if type(found) in kinds else None


def check_extent(file: h5py.File, found: Iterable[Dataset]) -> None:
    """OSError for a data set that reaches beyond the file's end; ValueError for data sets that together become much more than
    the file holds: stored many times over, compressed without measure, or not at all."""
    size, total = file.id.get_filesize(), 0
    for data in found:
        if data.end is not None and data.end > size:
            raise OSError(f"{data.place} reaches beyond the end of the file, which is cut off or damaged.")
        total += data.nbytes
    check_size(str(file.filename), size, total)


def check_size(name: str, size: int, total: int) -> None:
    """ValueError where a file of `size` bytes says that it becomes `total`, which is much more."""
    if total > max(_HARMLESS, _LARGEST_RATIO * size):
        raise ValueError(f"{name} has {size} bytes and declares {total}: refused.")


def datasets_in(group: h5py.Group) -> dict[str, Dataset]:
    """All data sets under a group by their path, as Windows wrote it too, in the file's order; refused where `Dataset` or
    `check_extent` refuses them, and, with ValueError, for a group that is reached on two ways."""
    import h5py

    found: dict[str, Dataset] = {}
    seen: set[int] = set()

    def collect(inner: h5py.Group, path: str, depth: int) -> None:
        address = h5py.h5o.get_info(inner.id).addr
        if address in seen or depth > _DEEPEST:
            raise ValueError(
                f"{group.file.filename}: group {inner.name!r} lies within itself, at two places or more than {_DEEPEST} "
                "deep: refused."
            )
        seen.add(address)
        for name in inner:
            item = member(inner, name)
            if isinstance(item, h5py.Group):
                collect(item, f"{path}{name}/", depth + 1)
            elif isinstance(item, Dataset):
                found[f"{path}{name}".replace("\\", "/")] = item
            check_count(group.file, len(found) + len(seen))

    collect(group, "", 0)
    check_extent(group.file, found.values())
    return found


def check_count(file: h5py.File | Archive, count: int) -> None:
    """ValueError for a file of more parts than any model has."""
    if count > _MOST_MEMBERS:
        raise ValueError(f"{file.filename}: more than {_MOST_MEMBERS} groups, data sets or members: refused.")


def attribute(holder: Any, name: str) -> Any:
    """An attribute's value, numbers or texts, those in lists as bytes; None where there is none.

    ValueError for one of another type: HDF5 itself crashes at some that damage makes.
    """
    import h5py

    key = name.encode()
    if not h5py.h5a.exists(holder.id, key):
        return None
    found = h5py.h5a.open(holder.id, key)
    kind = found.get_type()
    if not isinstance(kind, (h5py.h5t.TypeStringID, h5py.h5t.TypeAtomicID, h5py.h5t.TypeEnumID)):
        raise ValueError(f"{holder.file.filename}: attribute {name!r} is neither text nor numbers: refused.")
    if not isinstance(kind, h5py.h5t.TypeStringID) or not found.shape:
        return holder.attrs[name]
    # A list of names, as each layer has one: h5py itself takes several times as long.
    values = np.empty(found.shape, found.dtype)
    if values.size:
        found.read(values, None if kind.is_variable_str() else kind)
    return values


def text_attribute(holder: Any, name: str) -> str | None:
    """A string attribute, written as bytes or str by one h5py or another; None where there is none."""
    value = attribute(holder, name)
    if value is None:
        return None
    if isinstance(value, np.ndarray) and value.size == 1:
        value = value.reshape(-1)[0]
    if not isinstance(value, (bytes, str)):
        raise ValueError(f"{holder.file.filename}: attribute {name!r} is no text but {type(value).__name__}.")
    return value.decode("utf-8") if isinstance(value, bytes) else value


# Archives


class Archive:
    """A `.keras` file: a zip archive of a few members, read one by one and never unpacked to disk."""

    def __init__(self, file: Any, name: str) -> None:
        self._file, self.filename = file, name
        self._opened: dict[str, h5py.File] = {}
        self._datasets: dict[str, dict[str, Dataset]] = {}
        try:
            self._zip = zipfile.ZipFile(file)
        except (zipfile.BadZipFile, ValueError, OSError) as error:
            raise OSError(f"Cannot open {name} as a .keras archive; it may be cut off: {error}.") from error
        self._members: dict[str, zipfile.ZipInfo] = {}
        check_count(self, len(self._zip.infolist()))
        for info in self._zip.infolist():
            self._check(info)
            self._members[info.filename.replace("\\", "/")] = info
        size, total = file.seek(0, os.SEEK_END), sum(info.file_size for info in self._members.values())
        check_size(name, size, total)

    def __enter__(self) -> Archive:
        return self

    def __exit__(self, *exception: Any) -> None:
        for opened in self._opened.values():
            opened.close()
        self._zip.close()

    def _check(self, info: zipfile.ZipInfo) -> None:
        path = PurePosixPath(info.filename.replace("\\", "/"))
        mode = info.external_attr >> 16
        wrong = None
        if path.is_absolute() or ".." in path.parts or ":" in "".join(path.parts[:1]):
            wrong = "lies outside of the archive"
        elif mode and (mode & 0o170000) == 0o120000:
            wrong = "is a link"
        elif info.compress_type == zipfile.ZIP_STORED and info.file_size != info.compress_size:
            wrong = f"is stored as {info.compress_size} bytes, and said to have {info.file_size}"
        elif info.flag_bits & 1:
            wrong = "is encrypted"
        elif str(path) in self._members:
            wrong = "is there twice"
        if wrong:
            raise ValueError(f"{self.filename}: member {info.filename!r} {wrong}: refused.")

    def names(self, below: str = "") -> list[str]:
        """The members' names, those below a folder if one is given."""
        return [name for name in self._members if name.startswith(below) and not name.endswith("/")]

    def read(self, name: str) -> bytes:
        """A member's bytes; ValueError where the archive lacks it or it is damaged."""
        if name not in self._members:
            raise ValueError(
                f"{self.filename} is no Keras archive: it lacks {name!r} and holds {list(self._members)[:8]}."
            )
        info = self._members[name]
        try:
            with self._zip.open(info) as member:
                # What the archive says of a size may be a lie.
                data = member.read(info.file_size + 1)
        except (zipfile.BadZipFile, EOFError, OSError, ValueError, NotImplementedError, RuntimeError) as error:
            raise OSError(f"{self.filename}: member {name!r} is damaged: {error}.") from error
        except Exception as error:  # zlib.error, lzma.LZMAError: each compression has its own
            raise OSError(f"{self.filename}: member {name!r} is damaged: {error}.") from error
        if len(data) != info.file_size:
            raise ValueError(f"{self.filename}: member {name!r} is larger than it says: refused.")
        return data

    def h5(self, name: str) -> h5py.File:
        """A member as HDF5, opened once: in its place where it is stored uncompressed, else from memory. It is closed with the
        archive."""
        import h5py

        if name in self._opened:
            return self._opened[name]
        info = self._members.get(name)
        called = f"{name} in {self.filename}"
        if info is not None and info.compress_type == zipfile.ZIP_STORED:
            part = _Part(self._file, called, self._start_of(info), info.file_size)
        else:
            part = _Part(io.BytesIO(self.read(name)), called)
        self._opened[name] = _opened_h5(part, called, h5py)
        return self._opened[name]

    def datasets(self, name: str) -> dict[str, Dataset]:
        """The data sets in such a member by their paths, listed once: see `datasets_in`."""
        if name not in self._datasets:
            self._datasets[name] = datasets_in(self.h5(name))
        return self._datasets[name]

    def _start_of(self, info: zipfile.ZipInfo) -> int:
        self._file.seek(info.header_offset)
        header = self._file.read(30)
        if len(header) < 30 or header[:4] != b"PK\x03\x04":
            raise OSError(f"{self.filename}: member {info.filename!r} is damaged: it has no header.")
        lengths = int.from_bytes(header[26:28], "little") + int.from_bytes(header[28:30], "little")
        return info.header_offset + 30 + lengths
