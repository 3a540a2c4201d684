"""Recorded files that the real Keras does not open in the form that kerastorch writes by default, and why."""

from __future__ import annotations

__all__ = ["ONLY_AS_KERAS3", "UNREADABLE"]

_KEYWORDS = "in tf.keras 2's form Keras 3 finds tensors only in the first argument of a call"

ONLY_AS_KERAS3: dict[str, str] = {
    **{f"{cell}__one_step": f"{_KEYWORDS}, not a cell's states" for cell in ("GRUCell", "LSTMCell", "SimpleRNNCell")},
}
"""Fixtures of Keras 3 that Keras 3 opens only where they are saved with dialect='keras3'."""

UNREADABLE: dict[str, str] = {
    "RandomShear__inference": "Keras 3 writes a factor that it refuses to read; opens as .keras",
    "model__op_slices": "Keras 3 does not read an Ellipsis in h5; opens as .keras",
}
"""Fixtures of Keras 3 that Keras 3 does not open even as it wrote them itself."""
