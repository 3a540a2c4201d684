"""Files that are either the old one or the new one, whole."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

__all__ = ["check_overwrite", "replacing"]


@contextlib.contextmanager
def replacing(path: Any) -> Iterator[Path]:
    """Gives a temporary name beside `path`; when the block ends well, that file takes its place, else it is removed."""
    target = Path(path)
    temporary = target.with_name(f".{target.name}.{os.getpid()}.part")
    try:
        yield temporary
        with open(temporary, "rb") as file:
            os.fsync(file.fileno())
        os.replace(temporary, target)
    finally:
        temporary.unlink(missing_ok=True)


def check_overwrite(path: Any, overwrite: bool) -> None:
    """FileExistsError where a file would be lost against the user's will."""
    if not overwrite and Path(path).exists():
        raise FileExistsError(f"{path} exists and overwrite=False was given: choose another name, or overwrite=True.")
