"""Medians of interleaved runs, as the machines are noisy."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable

import torch

__all__ = ["BASE", "compare", "report", "table"]

BASE = "hand-written torch"
_COLUMNS = (BASE, "kerastorch", "keras", "tf_keras")
_reported: dict[str, dict[str, float]] = {}


def compare(candidates: dict[str, Callable[[], object]], rounds: int = 25, seconds: float = 0.02) -> dict[str, float]:
    """The median time of one call of each candidate, in seconds, a GPU's work included; rounds of all candidates in turn."""
    counts = {}
    for name, run in candidates.items():
        for _ in range(3):
            run()
        counts[name] = max(1, int(seconds / max(_seconds(run, 1), 1e-7)))
    samples: dict[str, list[float]] = {name: [] for name in candidates}
    for _ in range(rounds):
        for name, run in candidates.items():
            samples[name].append(_seconds(run, counts[name]) / counts[name])
    return {name: statistics.median(times) for name, times in samples.items()}


def _seconds(run: Callable[[], object], count: int) -> float:
    _wait()
    start = time.perf_counter()
    for _ in range(count):
        run()
    _wait()
    return time.perf_counter() - start


def _wait() -> None:
    if torch.cuda.is_available():
        torch.cuda.synchronize()


def report(title: str, times: dict[str, float]) -> None:
    """Prints the times, and their ratios to the first candidate's; keeps them for the table."""
    base = next(iter(times.values()))
    _reported[title] = times
    print(f"\n{title}")
    for name, value in times.items():
        print(f"  {name:28} {value * 1e6:12.1f} us   {value / base:6.2f}x", flush=True)


def table() -> str:
    """All that was reported, in Markdown: the hand-written torch's time, and the others' ratios to it."""
    names = dict.fromkeys((*_COLUMNS, *(name for times in _reported.values() for name in times)))
    columns = [name for name in names if any(name in times for times in _reported.values())]
    width = max(map(len, _reported))
    lines = [f"| {'':{width}} | {' | '.join(columns)} |", f"|{'-' * (width + 2)}|{'|'.join('--:' for _ in columns)}|"]
    for title, times in _reported.items():
        cells = [f"{times[BASE] * 1e6:.0f} us"]
        cells += [f"{times[name] / times[BASE]:.2f}" if name in times else "" for name in columns[1:]]
        lines.append(f"| {title:{width}} | {' | '.join(cells)} |")
    return "\n".join(lines)
