"""Recorded files that the real Keras does not open in the form that kerastorch writes by default, and why."""

from __future__ import annotations

__all__ = ["UNREADABLE"]

UNREADABLE: dict[str, str] = {
    "RandomShear__inference": "Keras 3 writes a factor that it refuses to read; opens as .keras",
    "model__op_slices": "Keras 3 does not read an Ellipsis in h5; opens as .keras",
}
"""Fixtures of Keras 3 that Keras 3 does not open even as it wrote them itself."""
