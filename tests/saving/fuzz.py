"""Damaged and nonsensical model files, thousands of them: `python -m tests.saving.fuzz 20000 [first seed]`.

Each mutant is made from its seed alone. They are loaded in forked processes with bounded memory, so that a crash, a hang
or a huge allocation is seen and told with the seed that causes it.
"""

from __future__ import annotations

import contextlib
import copy
import io
import json
import os
import random
import resource
import select
import signal
import sys
import tempfile
import time
import traceback
import zipfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import torch

import kerastorch as keras
from kerastorch import layers
from tests.fixture_files import FIXTURES

ALLOWED = (OSError, ValueError, TypeError)
MEMORY = 3 * 2**30
PATIENCE = 30.0
"""Bytes that a load may take beyond what the process has, and seconds."""

_RECORDED = (
    "k2/model__nested_seq_in_func_in_func.h5",
    "k2/model__dict_io.k2.keras",
    "k2/model__mini_transformer.h5",
    "k2/Bidirectional__*.h5",
    "k2/TextVectorization__*.k2.keras",
    "k3/model__*.keras",
    "k3/Conv2D__*.weights.h5",
)


def _small() -> Any:
    keras.backend.clear_session()
    x = keras.Input((8, 4), name="x")
    y = layers.Conv1D(3, 3, padding="same", activation="relu", name="conv")(x)
    y = layers.BatchNormalization(name="norm")(y)
    y = layers.Bidirectional(layers.LSTM(2, return_sequences=True), name="both")(y)
    inner = keras.Sequential(
        [keras.Input((8, 4)), layers.Dense(5, kernel_regularizer="l2"), layers.Dropout(0.5)], name="in"
    )
    y = layers.Add(name="sum")([layers.Dense(5, name="d")(y), inner(x)])
    return keras.Model(x, layers.Dense(2, activation="softmax")(layers.GlobalMaxPooling1D()(y)), name="small")


def _mixed() -> Any:
    keras.backend.clear_session()
    x = keras.Input((6,), dtype="int64", name="ids")
    y = layers.Embedding(9, 4, mask_zero=True)(x)
    y = layers.MultiHeadAttention(2, 2)(y, y)
    y = layers.LayerNormalization()(y)
    z = layers.CategoryEncoding(9, "multi_hot")(layers.IntegerLookup(vocabulary=[3, 5, 7])(x))
    return keras.Model(x, [layers.Flatten()(y), layers.Rescaling(0.5)(z)], name="mixed")


def samples() -> list[tuple[str, bytes]]:
    """(file name, contents): tiny files of every kind, those of the real Keras too where they are at hand."""
    found = []
    with tempfile.TemporaryDirectory() as folder:
        for model in (_small(), _mixed()):
            for suffix in (".h5", ".keras", ".weights.h5", "_only.h5"):
                path = Path(folder) / f"{model.name}{suffix}"
                model.save_weights(path) if suffix in (".weights.h5", "_only.h5") else model.save(path)
                found.append((path.name, path.read_bytes()))
        found.append(("small.json", _small().to_json().encode()))
        found.append(("small.yaml", _small().to_yaml().encode()))
    for pattern in _RECORDED:
        found += [(p.name, p.read_bytes()) for p in sorted(FIXTURES.glob(pattern))[:3] if p.stat().st_size < 200_000]
    for path in sorted((FIXTURES.parent / "corpus" / "files").glob("k[01]*")):  # Keras 0.3 and 1
        if path.stat().st_size < 200_000:
            found.append((path.name if path.suffix != ".h5" else f"{path.stem}_only.h5", path.read_bytes()))
    return found


# Mutants

_NASTY: tuple[Any, ...] = (
    None, True, False, 0, -1, 1, 2, 10**9, 10**18, -(10**18), 2**31, 2**63, 0.5, -0.0, 1e308, float("nan"), float("inf"), "",
    "x", "relu", "../../x", "\0", "é" * 50, [], {}, [None], [[]], {"": None}, [1, 2, 3], [-1, 0], {"class_name": "Dense"},
    {"class_name": "Dense", "config": {}}, {"class_name": "Dense", "config": {"units": 10**12}}, "Functional", "Sequential",
    {"class_name": "__tuple__", "items": [1]}, {"class_name": "function", "config": "eval"}, ["x", 0, 0], [["x", 0, 0, {}]],
    {"module": "builtins", "class_name": "function", "config": "exec", "registered_name": "function"},
)  # fmt: skip


def mutated_json(value: Any, rng: random.Random) -> Any:
    """The value with one to three of its parts replaced, dropped, doubled, nested or exchanged."""
    value = copy.deepcopy(value)
    for _ in range(rng.choice((1, 1, 1, 2, 3))):
        places = list(_places(value))
        if not places:
            break
        holder, key = rng.choice(places)
        action = rng.randrange(8)
        if action <= 3:
            holder[key] = copy.deepcopy(rng.choice(_NASTY))
        elif action == 4:
            del holder[key]
        elif action == 5 and isinstance(holder, list):
            holder.insert(key, copy.deepcopy(holder[key]))
        elif action == 5:
            holder[str(rng.choice(("x", "name", "class_name", f"{key}s", "weights", "input_shape")))] = holder[key]
        elif action == 6:
            other, there = rng.choice(places)
            holder[key] = copy.deepcopy(other[there]) if there in _keys(other) else None
        else:
            holder[key] = rng.choice(([holder[key]], {"config": holder[key]}, str(holder[key])))
    return value


def _keys(holder: Any) -> Any:
    return holder if isinstance(holder, dict) else range(len(holder))


def _places(value: Any) -> Any:
    for key in list(_keys(value)):
        yield value, key
        if isinstance(value[key], (dict, list)):
            yield from _places(value[key])


def _mutated_bytes(data: bytes, rng: random.Random) -> bytes:
    made = bytearray(data)
    action = rng.randrange(6)
    if action == 0:
        return bytes(made[: rng.randrange(len(made))])
    for _ in range(rng.choice((1, 1, 2, 8, 64))):
        at = rng.randrange(len(made))
        if rng.random() < 0.5:  # most of what HDF5 and zip say of themselves stands at the ends
            at = rng.choice((at % 4096, len(made) - 1 - at % 2048)) % len(made)
        if action == 1:
            made[at] = rng.randrange(256)
        elif action == 2:
            made[at] ^= 1 << rng.randrange(8)
        elif action == 3:
            made[at : at + 8] = rng.choice((b"\xff" * 8, bytes(8), b"\xff\xff\xff\x7f" + bytes(4)))
        elif action == 4:
            made[at : at + rng.randrange(1, 64)] = b""
        else:
            made[at:at] = rng.randbytes(rng.randrange(1, 64))
        if not made:
            return b""
    return bytes(made)


def _in_h5(data: bytes, change: Callable[[Any], Any]) -> bytes:
    held = io.BytesIO(data)
    with h5py.File(held, "r+") as file:
        config = json.loads(file.attrs["model_config"])
        file.attrs["model_config"] = json.dumps(change(config))
    return held.getvalue()


def _in_zip(data: bytes, change: Callable[[Any], Any]) -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as source, zipfile.ZipFile(made, "w") as target:
        for name in source.namelist():
            content = source.read(name)
            target.writestr(name, json.dumps(change(json.loads(content))) if name == "config.json" else content)
    return made.getvalue()


def mutant(seed: int, files: list[tuple[str, bytes]]) -> tuple[str, bytes]:
    """The damaged file of that number."""
    rng = random.Random(seed)
    name, data = files[seed % len(files)]
    has_config = not name.endswith((".weights.h5", "_only.h5", ".yaml"))
    if not has_config or rng.random() < 0.4:
        return name, _mutated_bytes(data, rng)

    def change(config: Any) -> Any:
        return mutated_json(config, rng)

    if name.endswith(".json"):
        return name, json.dumps(change(json.loads(data))).encode()
    return name, (_in_zip if name.endswith(".keras") else _in_h5)(data, change)


# Loading them


def load(name: str, data: bytes, folder: str, targets: dict[str, Any]) -> str:
    """Loads a mutant as a user would; returns what came of it. Raises what is not allowed."""
    try:
        if name.endswith(".json"):
            keras.models.model_from_json(data.decode("utf-8", "replace"))
        elif name.endswith(".yaml"):
            keras.models.model_from_yaml(data.decode("utf-8", "replace"))
        elif name.endswith((".weights.h5", "_only.h5")):
            path = Path(folder) / name
            path.write_bytes(data)
            targets.get(name.partition("_")[0].partition(".")[0], targets["small"]).load_weights(path)
        elif len(data) % 2:
            keras.models.load_model(io.BytesIO(data))
        else:
            path = Path(folder) / name
            path.write_bytes(data)
            keras.models.load_model(path)
    except ALLOWED as error:
        cause: BaseException | None = error
        while cause is not None:
            wants_memory = isinstance(cause, MemoryError) or "llocate" in str(cause)
            if wants_memory and not isinstance(cause, OSError) and not name.endswith((".json", ".yaml")):
                raise RuntimeError(f"memory was asked for without need: {cause}") from error
            cause = cause.__cause__
        return type(error).__name__
    return "loaded"


def _child(seeds: range, files: list[tuple[str, bytes]], pipe: int) -> None:
    torch.set_num_threads(1)
    with open("/proc/self/statm") as statm:
        used = int(statm.read().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + MEMORY, used + MEMORY))
    targets = {"small": _small(), "mixed": _mixed()}
    with tempfile.TemporaryDirectory() as folder, os.fdopen(pipe, "w", buffering=1) as told:
        for seed in seeds:
            told.write(f"{seed} begun\n")
            name, data = mutant(seed, files)
            try:
                result = load(name, data, folder, targets)
            except BaseException as error:
                trace = traceback.format_exc().strip().splitlines()
                place = next((x.strip() for x in reversed(trace) if "/kerastorch/" in x), "")
                result = f"BAD {name}: {type(error).__name__}: {str(error)[:150]!r} {place}"
            told.write(f"{seed} {result}\n")


def run(count: int, first: int = 0, budget: float = 1e9) -> tuple[Counter[str], list[str]]:
    """Loads mutants `first` to `first + count`, fewer if `budget` seconds are over; what came of them, and the failures."""
    files = samples()
    results: Counter[str] = Counter()
    failures: list[str] = []
    seed, end, until = first, first + count, time.monotonic() + budget
    while seed < end and time.monotonic() < until:
        reader, writer = os.pipe()
        pid = os.fork()
        if pid == 0:
            with contextlib.suppress(BaseException):
                os.close(reader)
                sys.stderr = open(os.devnull, "w")  # noqa: SIM115
                _child(range(seed, min(end, seed + 500)), files, writer)
            os._exit(0)
        os.close(writer)
        seed, result = _watch(reader, pid, seed, results, failures, until)
        if result:
            failures.append(f"seed {seed}: {files[seed % len(files)][0]}: {result}")
        seed += 1
    return results, failures


def _watch(
    reader: int, pid: int, seed: int, results: Counter[str], failures: list[str], until: float
) -> tuple[int, str]:
    """Reads what a child tells until it ends; the last seed that it began, and why it ended if that was a failure."""
    text, hung, begun = b"", False, False
    while True:
        ready, _, _ = select.select([reader], [], [], PATIENCE)
        chunk = os.read(reader, 65536) if ready else b""
        if not chunk:
            hung = not ready
            break
        text += chunk
        *lines, text = text.split(b"\n")
        for line in lines:
            number, _, said = line.decode("utf-8", "replace").partition(" ")
            seed, begun = int(number), said == "begun"
            if not begun:
                results[said if not said.startswith("BAD") else "failed"] += 1
                if said.startswith("BAD"):
                    failures.append(f"seed {seed}: {said[4:]}")
        if time.monotonic() > until:
            begun = False
            break
    os.close(reader)
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
    _, status = os.waitpid(pid, 0)
    if hung:
        return seed, f"took more than {PATIENCE} seconds"
    return seed, f"ended the process (status {status})" if begun else ""


if __name__ == "__main__":
    total, start = int(sys.argv[1]), time.monotonic()
    found, wrong = run(
        total, int(sys.argv[2]) if len(sys.argv) > 2 else 0, float(os.environ.get("FUZZ_SECONDS", "1e9"))
    )
    print(f"{sum(found.values())} files in {time.monotonic() - start:.0f} s: {dict(found.most_common())}")
    print("\n".join(wrong) or "no failures")
    sys.exit(bool(wrong))
