"""Damaged and nonsensical model files, thousands of them: `python -m tests.saving.fuzz 20000`.

First damage at each structure of the files: a cut, and bytes changed; then what Hypothesis makes of their configs and bytes.
Each mutant is loaded in a forked process with bounded memory, so that a crash, a hang or a huge allocation is seen and told.
"""

from __future__ import annotations

import contextlib
import copy
import io
import json
import os
import re
import resource
import select
import signal
import sys
import tempfile
import time
import traceback
import zipfile
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import h5py
import torch
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

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


_STRUCTURES = (
    "small_only", "small.weights", "model__nested", "model__dict_io", "model__mini_transformer", "Bidirectional__lstm_concat",
    "TextVectorization", "model__intermediate", "k0dragonn", "k1deeplift.tal",
)  # fmt: skip
"""How the names of the files begin, of every form and era, that are damaged at each structure."""


# Damage at each structure

_SIGNATURES = re.compile(
    rb"\x89HDF|TREE|HEAP|SNOD|OHDR|OCHK|GCOL|FRHP|FHDB|FHIB|BTHD|BTLF|BTIN|FSHD|FSSE|SMTB|FADB|FAHD|EADB|EAHD|PK\x01\x02|PK\x03\x04|PK\x05\x06"
)


def structures(data: bytes) -> list[int]:
    """Where the parts of an HDF5 file or of a zip archive begin: headers, trees, heaps, tables, attributes, values."""
    found = {match.start() for match in _SIGNATURES.finditer(data)}
    start = data.find(b"\x89HDF")  # also within an archive, where it is not packed
    if start >= 0:
        with h5py.File(io.BytesIO(data[start:]), "r") as file:
            for place in _addresses(file):
                found.add(start + place)
    return sorted(place for place in found if place < len(data))


def _addresses(file: h5py.File) -> Iterator[int]:
    objects = [file]
    file.visititems(lambda _, x: objects.append(x))
    data = bytes(file.id.get_file_image())
    for x in objects:
        yield h5py.h5o.get_info(x.id).addr
        for name in x.attrs:
            yield data.find(name.encode() + b"\0")
        if isinstance(x, h5py.Dataset) and x.id.get_offset() is not None:
            yield x.id.get_offset()


_OFFSETS = (0, 1, 4, 5, 8, 12, 16, 24)
"""Of the bytes of a structure that are changed: versions, counts, sizes and addresses stand there."""


def damaged(data: bytes) -> Iterator[bytes]:
    """The file cut at each of its structures, within its first bytes and at its end, and with bytes of it changed."""
    for place in structures(data):
        yield data[:place]
        yield data[: place + 6]
        for offset in _OFFSETS:
            if place + offset < len(data):
                made = bytearray(data)
                made[place + offset] ^= 0xFF if offset % 2 else 0x01
                yield bytes(made)
        yield data[: place + 8] + b"\xff" * 8 + data[place + 16 :]
        yield data[: place + 8] + bytes(8) + data[place + 16 :]


# Nonsense

_NASTY: tuple[Any, ...] = (
    None, True, False, 0, -1, 1, 2, 10**9, 10**18, -(10**18), 2**31, 2**63, 0.5, -0.0, 1e308, float("nan"), float("inf"), "",
    "x", "relu", "../../x", "\0", "é" * 50, [], {}, [None], [[]], {"": None}, [1, 2, 3], [-1, 0], {"class_name": "Dense"},
    {"class_name": "Dense", "config": {}}, {"class_name": "Dense", "config": {"units": 10**12}}, "Functional", "Sequential",
    {"class_name": "__tuple__", "items": [1]}, {"class_name": "function", "config": "eval"}, ["x", 0, 0], [["x", 0, 0, {}]],
    {"module": "builtins", "class_name": "function", "config": "exec", "registered_name": "function"},
)  # fmt: skip


_VALUES = st.recursive(
    st.sampled_from(_NASTY) | st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=6,
)


def _keys(holder: Any) -> Any:
    return holder if isinstance(holder, dict) else range(len(holder))


def _places(value: Any) -> Iterator[tuple[Any, Any]]:
    for key in list(_keys(value)):
        yield value, key
        if isinstance(value[key], (dict, list)):
            yield from _places(value[key])


@st.composite
def configs(draw: Any, config: Any) -> Any:
    """The config with one to three of its parts replaced, dropped, doubled, nested or exchanged."""
    config = copy.deepcopy(config)
    for _ in range(draw(st.integers(1, 3))):
        places = list(_places(config))
        if not places:
            break
        holder, key = draw(st.sampled_from(places))
        action = draw(st.sampled_from(("replace", "replace", "replace", "drop", "double", "nest", "exchange")))
        if action == "replace":
            holder[key] = copy.deepcopy(draw(_VALUES))
        elif action == "drop":
            del holder[key]
        elif action == "double" and isinstance(holder, list):
            holder.insert(key, copy.deepcopy(holder[key]))
        elif action == "double":
            holder[draw(st.sampled_from(("x", "name", "class_name", "weights", "input_shape")))] = holder[key]
        elif action == "nest":
            holder[key] = draw(st.sampled_from(([holder[key]], {"config": holder[key]}, str(holder[key]))))
        else:
            other, there = draw(st.sampled_from(places))
            holder[key] = copy.deepcopy(other[there]) if there in _keys(other) else None
    return config


@st.composite
def mutants(draw: Any, files: list[tuple[str, bytes]]) -> tuple[str, bytes]:
    """(name, contents) of a file with another config, or with bytes put in the place of others."""
    name, data = draw(st.sampled_from(files))
    has_config = not name.endswith((".weights.h5", "_only.h5", ".yaml"))
    if has_config and draw(st.integers(0, 3)):
        held = (
            (lambda data, change: json.dumps(change(json.loads(data))).encode()) if name.endswith(".json") else _in_h5
        )
        return name, (_in_zip if name.endswith(".keras") else held)(data, lambda config: draw(configs(config)))
    for _ in range(draw(st.integers(1, 4))):
        at, gone = draw(st.integers(0, len(data))), draw(st.sampled_from((0, 1, 8)) | st.integers(0, 64))
        data = data[:at] + draw(st.binary(max_size=16)) + data[at + gone :]
    return name, data


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


def _in_child(batch: list[tuple[str, bytes]], targets: dict[str, Any], pipe: int) -> None:
    """Loads a batch, and tells what came of each, a line each."""
    with open("/proc/self/statm") as statm:
        used = int(statm.read().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + MEMORY, used + MEMORY))
    with tempfile.TemporaryDirectory() as folder, os.fdopen(pipe, "w", buffering=1) as told:
        for name, data in batch:
            try:
                said = load(name, data, folder, targets)
            except BaseException as error:
                trace = traceback.format_exc().strip().splitlines()
                place = next((x.strip() for x in reversed(trace) if "/kerastorch/" in x), "")
                said = f"BAD {type(error).__name__}: {str(error)[:150]!r} {place}"
            told.write(f"{said}\n")


def isolated(batch: list[tuple[str, bytes]], targets: dict[str, Any]) -> list[str]:
    """What came of loading each in a forked process; it begins with BAD where that is not allowed. Shorter than the batch
    where the process was ended by the last one told of."""
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        with contextlib.suppress(BaseException):
            sys.stderr = open(os.devnull, "w")  # noqa: SIM115
            _in_child(batch, targets, writer)
        os._exit(0)
    os.close(writer)
    text, hung = b"", False
    while text.count(b"\n") < len(batch):
        ready, _, _ = select.select([reader], [], [], PATIENCE)
        chunk = os.read(reader, 65536) if ready else b""
        hung = not ready
        if not chunk:
            break
        text += chunk
    os.close(reader)
    os.kill(pid, signal.SIGKILL)
    _, status = os.waitpid(pid, 0)
    said = text.decode("utf-8", "replace").split("\n")[:-1]
    if len(said) < len(batch):
        said.append(f"BAD took more than {PATIENCE} seconds" if hung else f"BAD ended the process (status {status})")
    return said


def nonsense(files: list[tuple[str, bytes]], count: int) -> list[tuple[str, bytes]]:
    """That many mutants of Hypothesis's, the same each time."""
    made: list[tuple[str, bytes]] = []

    @settings(
        max_examples=count,
        derandomize=True,
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
        phases=[Phase.generate],
    )
    @given(mutants(files))
    def collect(mutant: tuple[str, bytes]) -> None:
        made.append(mutant)

    collect()
    return made


def run(count: int, share: int = 1) -> tuple[Counter[str], list[str]]:
    """Loads the mutants at each structure of some files, one in `share` of them, and Hypothesis's, `count` in all; what came
    of them, and the failures, each with where the mutant lies."""
    torch.set_num_threads(1)
    files, targets = samples(), {"small": _small(), "mixed": _mixed()}
    binary = [(name, data) for name, data in files if name.endswith((".h5", ".keras"))]
    chosen = [file for file in binary if file[0].startswith(_STRUCTURES)]
    batch = [(name, made) for name, data in chosen for made in damaged(data)][::share]
    results, failures = Counter({"(at structures)": len(batch)}), []
    batch += nonsense(files, max(count - len(batch), 1))
    while batch:
        said = isolated(batch[:500], targets)
        for outcome, (name, data) in zip(said, batch, strict=False):
            results["failed" if outcome.startswith("BAD") else outcome] += 1
            if outcome.startswith("BAD"):
                path = Path(tempfile.gettempdir()) / f"fuzz-{len(failures)}-{name}"
                path.write_bytes(data)
                failures.append(f"{outcome}: {path}")
        batch = batch[len(said) :]
    return results, failures


if __name__ == "__main__":
    start = time.monotonic()
    found, wrong = run(int(sys.argv[1]))
    print(f"{found.total() - found['(at structures)']} files in {time.monotonic() - start:.0f} s: {dict(found)}")
    print("\n".join(wrong) or "no failures")
    sys.exit(bool(wrong))
