"""What went where when weights were read."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from kerastorch.saving.origin import Origin

__all__ = ["LoadReport", "counted", "watching"]

_watchers: list[Callable[[int, int], None]] = []


@contextmanager
def watching(progress: Callable[[int, int], None]) -> Iterator[None]:
    """Within the block, `progress(read, of)` is called after each weight that is read from a file."""
    _watchers.append(progress)
    try:
        yield
    finally:
        _watchers.remove(progress)


def counted(items: list[Any]) -> Iterator[Any]:
    """The items one by one; who watches is told how far it is."""
    for number, item in enumerate(items, 1):
        yield item
        for progress in _watchers:
            progress(number, len(items))


@dataclass
class LoadReport:
    """origin: who wrote the file. loaded: (weight, place in the file, by which rule: 'path', 'name' or 'order'). skipped:
    (layer, why). unused: layers or places of the file, and missing: layers of the model, that found no counterpart.
    notes: what was converted on the way, or kept without being used."""

    origin: Origin = field(default_factory=Origin)
    loaded: list[tuple[str, str, str]] = field(default_factory=list)
    skipped: list[tuple[str, str]] = field(default_factory=list)
    unused: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        lines = [f"{len(self.loaded)} weights loaded from a file of {self.origin}"]
        lines += self.notes
        lines += [f"skipped {name}: {why}" for name, why in self.skipped]
        lines += [f"in the file, not in the model: {name}" for name in self.unused]
        lines += [f"in the model, not in the file: {name}" for name in self.missing]
        return "\n".join(lines)
