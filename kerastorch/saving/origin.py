"""Who wrote a file, which decides how it is read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

__all__ = ["Origin"]


@dataclass(frozen=True)
class Origin:
    """generation: 1 (Keras 0.3 to 1.2), 2 (Keras 2.0 to 2.3 and tf.keras, tf_keras) or 3. version: as the file says it,
    such as '2.2.4-tf'; '' where it does not. backend: 'tensorflow', 'theano', 'cntk', 'jax' or 'torch'; '' where unknown."""

    generation: int = 2
    version: str = ""
    backend: str = ""

    @staticmethod
    def of(version: Any, backend: Any = "", default: int = 2) -> Origin:
        """From what a file says of itself; `default` is the generation where it says nothing."""
        version, backend = str(version or ""), str(backend or "")
        leading = version.partition(".")[0]
        generation = {"0": 1, "1": 1, "2": 2, "3": 3}.get(leading, default)
        return Origin(generation, version, backend)

    def __str__(self) -> str:
        name = "tf.keras" if self.version.endswith("-tf") or self.minor >= (2, 4) else "Keras"
        name = "Keras" if self.generation != 2 else name
        said = self.version or {1: "before 1.2, or 0.3", 2: "2", 3: "3"}[self.generation]
        return f"{name} {said}" + (f" on {self.backend}" if self.backend and name == "Keras" else "")

    @property
    def minor(self) -> tuple[int, int]:
        """The version's first two numbers; the generation and 0 where the file says none."""
        parts = self.version.replace("-", ".").split(".")
        try:
            return int(parts[0]), int(parts[1])
        except (ValueError, IndexError):
            return self.generation, 0
