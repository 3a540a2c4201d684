"""Keras 2's progress bar."""

from __future__ import annotations

import sys
import time
from typing import Any, TextIO

__all__ = ["Progbar"]


class Progbar:
    """`4/10 [===========>..................] - ETA: 0s`, redrawn in place; at the end the time a step took.

    target: the number of steps, None where it is not known. Keras: tf.keras.utils.Progbar.
    """

    def __init__(
        self,
        target: int | None,
        width: int = 30,
        verbose: int = 1,
        interval: float = 0.05,
        unit_name: str = "step",
        stream: TextIO | None = None,
    ) -> None:
        self.target, self.width, self.verbose, self.interval, self.unit_name = (
            target,
            width,
            verbose,
            interval,
            unit_name,
        )
        self._stream = stream
        self._start = time.monotonic()
        self._drawn_at = -interval
        self._last = ""

    def update(self, current: int, values: Any = None, finalize: bool | None = None) -> None:
        """Draws the bar at `current` steps; `values` is a list of (name, value) shown behind it."""
        finished = finalize if finalize is not None else current == self.target
        now = time.monotonic()
        if not self.verbose or (now - self._drawn_at < self.interval and not finished):
            return
        self._drawn_at = now
        stream = self._stream or sys.stdout
        line = self._count(current) + self._time(current, now - self._start, finished)
        line += "".join(f" - {name}: {value:.4f}" for name, value in values or [])
        if self.verbose == 1:
            stream.write("\r" + line.ljust(len(self._last)))
            self._last = "" if finished else line
        if finished:
            stream.write("\n" if self.verbose == 1 else line + "\n")
        stream.flush()

    def _count(self, current: int) -> str:
        if self.target is None:
            return f"{current:7d}/Unknown"
        digits = len(str(self.target))
        filled = int(self.width * current / max(self.target, 1))
        bar = "=" * filled if current >= self.target else "=" * max(filled - 1, 0) + ">" * (filled > 0)
        return f"{current:{digits}d}/{self.target} [{bar.ljust(self.width, '.')}]"

    def _time(self, current: int, seconds: float, finished: bool) -> str:
        per_step = seconds / max(current, 1)
        if self.target is not None and not finished:
            return f" - ETA: {_clock(per_step * (self.target - current))}"
        each = (
            f"{per_step:.0f}s"
            if per_step >= 1
            else f"{per_step * 1e3:.0f}ms"
            if per_step >= 1e-3
            else f"{per_step * 1e6:.0f}us"
        )
        return f" - {seconds:.0f}s {each}/{self.unit_name}"


def _clock(seconds: float) -> str:
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}" if minutes else f"{rest}s"
