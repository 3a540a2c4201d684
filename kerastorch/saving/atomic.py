"""Files that are either the old one or the new one, whole."""

from __future__ import annotations

import contextlib
import os
import shutil
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

__all__ = ["check_overwrite", "replacing"]


_ABANDONED = 3600
"""Seconds after which a part that nobody wrote to is taken for left by a process that was killed."""


@contextlib.contextmanager
def replacing(path: Any) -> Iterator[Path]:
    """Gives a temporary name beside `path`; when the block ends well, that file takes its place, else it is removed.

    The file that was there keeps its permissions, and a link stays one. What a process that was killed has left is
    removed by a later save of the same name, an hour on.
    """
    target = Path(os.path.realpath(path))
    stem = f".{target.name[:100]}."
    _remove_abandoned(target.parent, stem)
    temporary = target.with_name(f"{stem}{uuid.uuid4().hex[:12]}.part")
    try:
        yield temporary
        with open(temporary, "rb") as file:
            os.fsync(file.fileno())
        with contextlib.suppress(OSError):
            shutil.copymode(target, temporary)
        os.replace(temporary, target)
    finally:
        temporary.unlink(missing_ok=True)


def _remove_abandoned(folder: Path, stem: str) -> None:
    with contextlib.suppress(OSError):
        for entry in os.scandir(folder):
            if entry.name.startswith(stem) and entry.name.endswith(".part"):
                with contextlib.suppress(OSError):
                    if time.time() - entry.stat(follow_symlinks=False).st_mtime > _ABANDONED:
                        os.unlink(entry.path)


def check_overwrite(path: Any, overwrite: bool) -> None:
    """FileExistsError where a file would be lost against the user's will; IsADirectoryError for a folder and
    FileNotFoundError for a file in a folder that is not there."""
    if Path(path).is_dir():
        raise IsADirectoryError(f"{path} is a directory: give the name of a file.")
    if not Path(path).parent.is_dir():
        raise FileNotFoundError(f"Cannot write {path}: there is no folder {Path(path).parent}. Make it first.")
    if not overwrite and Path(path).exists():
        raise FileExistsError(
            f"{path} exists and is not to be overwritten (overwrite=False, --keep): choose another name, or leave that out."
        )
