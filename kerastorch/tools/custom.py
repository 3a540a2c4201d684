"""Custom objects from a Python file that the user names."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from typing import Any

__all__ = ["custom_objects_from"]


def custom_objects_from(path: Any) -> dict[str, Any]:
    """Runs a Python file of the user's own and returns its public classes and functions by name, those that it imports
    left out, and what a dict `custom_objects` in it holds. None gives an empty dict.

    Raises OSError where there is no such file, ValueError where running it fails.
    """
    if path is None:
        return {}
    file = Path(path)
    if not file.is_file():
        raise OSError(f"No Python file found at {file}.")
    name = f"kerastorch_custom_{file.stem}"
    spec = importlib.util.spec_from_file_location(name, file)
    if spec is None or spec.loader is None:
        raise ValueError(f"{file} is no Python file: name it '*.py'.")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except Exception as error:  # the user's code may raise anything
        raise ValueError(f"Running {file} failed: {type(error).__name__}: {error}.") from error
    own = {
        key: value
        for key, value in vars(module).items()
        if callable(value) and not key.startswith("_") and getattr(value, "__module__", None) == name
    }
    return {**own, **getattr(module, "custom_objects", {})}
