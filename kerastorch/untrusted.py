"""What a file says is data: how the errors that malformed data causes are told, and whether code in it may run."""

from __future__ import annotations

import contextlib
import sys
import traceback
from collections.abc import Iterator
from contextvars import ContextVar

__all__ = ["code_may_run", "reading", "running_code"]

_LIBRARIES = {"kerastorch", "torch", "numpy", "h5py", "yaml", "sympy", "mpmath", "networkx", *sys.stdlib_module_names}
"""Packages whose errors tell of what was read; all other code is the user's, whose errors are left as they are."""

_running_code: ContextVar[bool] = ContextVar("running_code", default=False)


@contextlib.contextmanager
def running_code(allowed: bool) -> Iterator[None]:
    """Whether functions marshalled into a file may be run within the block."""
    before = _running_code.set(allowed)
    try:
        yield
    finally:
        _running_code.reset(before)


def code_may_run() -> bool:
    """True within `running_code(True)`."""
    return _running_code.get()


@contextlib.contextmanager
def reading(what: str) -> Iterator[None]:
    """What data of the wrong form makes the library raise within the block becomes a ValueError that says so.

    OSError, ValueError and TypeError stay what they are; an error of HDF5's becomes an OSError. Where code of the user's
    (a custom layer, say) had a part in it, the error is left alone.
    """
    try:
        yield
    except (OSError, ValueError):
        raise
    except Exception as error:
        modules = _modules_in(error)
        told_already = isinstance(error, TypeError) and isinstance(error.__cause__, TypeError)
        if told_already or any(module not in _LIBRARIES for module in modules):
            raise
        said = f"it lacks {error}" if isinstance(error, KeyError) else f"{type(error).__name__}: {error}"
        if modules and modules[-1] == "h5py" and not isinstance(error, TypeError):
            raise OSError(f"{what} is damaged: {said}.") from error
        kind = TypeError if isinstance(error, TypeError) else ValueError
        raise kind(f"{what} cannot be read: {said}") from error


def _modules_in(error: Exception) -> list[str]:
    """The top-level packages of the code that an error went through, the innermost last."""
    frames = (frame for frame, _ in traceback.walk_tb(error.__traceback__))
    names = (str(frame.f_globals.get("__name__") or "kerastorch") for frame in frames)  # generated code has no name
    return [name.partition(".")[0] for name in names]
