"""Medians of interleaved runs, as the machines are noisy."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable

__all__ = ["compare", "report"]


def compare(candidates: dict[str, Callable[[], object]], rounds: int = 25, seconds: float = 0.02) -> dict[str, float]:
    """The median time of one call of each candidate, in seconds; rounds of all candidates in turn."""
    counts = {}
    for name, run in candidates.items():
        for _ in range(3):
            run()
        start = time.perf_counter()
        run()
        counts[name] = max(1, int(seconds / max(time.perf_counter() - start, 1e-7)))
    samples: dict[str, list[float]] = {name: [] for name in candidates}
    for _ in range(rounds):
        for name, run in candidates.items():
            start = time.perf_counter()
            for _ in range(counts[name]):
                run()
            samples[name].append((time.perf_counter() - start) / counts[name])
    return {name: statistics.median(times) for name, times in samples.items()}


def report(title: str, times: dict[str, float]) -> None:
    """Prints the times, and their ratios to the first candidate's."""
    base = next(iter(times.values()))
    print(f"\n{title}")
    for name, value in times.items():
        print(f"  {name:28} {value * 1e6:12.1f} us   {value / base:6.2f}x")
