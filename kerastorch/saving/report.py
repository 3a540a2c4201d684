"""What went where when weights were read."""

from __future__ import annotations

from dataclasses import dataclass, field

__all__ = ["LoadReport"]


@dataclass
class LoadReport:
    """loaded: (weight, place in the file, by which rule: 'name' or 'order'). skipped: (layer, why). unused: layers of the
    file, and missing: layers of the model, that found no counterpart."""

    loaded: list[tuple[str, str, str]] = field(default_factory=list)
    skipped: list[tuple[str, str]] = field(default_factory=list)
    unused: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        lines = [f"{len(self.loaded)} weights loaded"]
        lines += [f"skipped {name}: {why}" for name, why in self.skipped]
        lines += [f"in the file, not in the model: {name}" for name in self.unused]
        lines += [f"in the model, not in the file: {name}" for name in self.missing]
        return "\n".join(lines)
