"""What the real TensorFlow and Keras 3 return for the cases of tests/ops, and how that is written down for these tests.

python -m compat_tests.operators     # writes tests/ops/recorded.npz and tests/ops/operations.json
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ["KERAS_BACKEND"] = "tensorflow"

import numpy as np

from tests.ops.arrays import Case, filled
from tests.ops.keras3_cases import CASES as KERAS3_CASES
from tests.ops.tensorflow_cases import CASES, RAW_CASES

__all__ = ["keras3_result", "operation", "tensorflow_result"]

FOLDER = Path(__file__).resolve().parents[1] / "tests" / "ops"


def flat(result: Any) -> list[np.ndarray]:
    """The arrays in a result, in order."""
    if isinstance(result, (list, tuple)):
        return [x for part in result for x in flat(part)]
    return [np.asarray(result, "int32") if isinstance(result, int) else np.asarray(result)]


def tensorflow_result(case: Case) -> list[np.ndarray]:
    """What TensorFlow's function returns."""
    import tensorflow as tf

    function: Any = tf
    for part in case.name.split("."):
        function = getattr(function, part)
    args, kwargs = filled((case.args, case.kwargs), [], tf.constant)
    if case.name.startswith("__operators__"):
        args = tuple(tf.convert_to_tensor(x) for x in args)
    return flat(function(*args, **kwargs))


def keras3_result(case: Case) -> list[np.ndarray]:
    """What Keras 3's operation returns, on TensorFlow."""
    import importlib

    import tensorflow as tf

    module, _, name = case.name.rpartition(".")
    operation = getattr(importlib.import_module(f"keras.src.ops.{module}"), name)(**case.made_with)
    args, kwargs = filled((case.args, case.kwargs), [], tf.constant)
    if name == "ConvTranspose":  # the class passes its arguments on in the wrong order; the function does not
        import keras

        return flat(keras.ops.conv_transpose(*args, **case.made_with))
    return flat(operation(*args, **kwargs))


def operation(case: Case) -> tuple[dict[str, Any], bytes, dict[int, Any], list[np.ndarray]]:
    """An operation of TensorFlow's graph: its NodeDef as a dict and as bytes, the inputs that are constants by position,
    and what it returns."""
    import tensorflow as tf
    from google.protobuf import json_format

    arrays: list[np.ndarray] = []
    feeds = {}
    with tf.Graph().as_default() as graph:

        def placeholder(array: np.ndarray) -> Any:
            made = tf.compat.v1.placeholder(array.dtype, array.shape)
            feeds[made] = array
            return made

        kwargs = filled(case.kwargs, arrays, placeholder)
        results = getattr(tf.raw_ops, case.name)(**kwargs)
        outputs = results if isinstance(results, (list, tuple)) else [results]
        made = outputs[0].op
        with tf.compat.v1.Session(graph=graph) as session:
            values = session.run(list(outputs), feeds)
            constants = {
                k: session.run(x, feeds) for k, x in enumerate(made.inputs) if x.ref() not in {p.ref() for p in feeds}
            }
        node_def = made.node_def
    plain = {k: x.tolist() for k, x in constants.items()}
    results = [np.asarray(v) for v in values]
    return json_format.MessageToDict(node_def), node_def.SerializeToString(), plain, results


def _record() -> None:
    recorded: dict[str, np.ndarray] = {}
    for kind, cases, function in (("tf", CASES, tensorflow_result), ("k3", KERAS3_CASES, keras3_result)):
        for n, case in enumerate(cases):
            try:
                for k, x in enumerate(function(case)):
                    recorded[f"{kind}{n}_{k}"] = x
            except Exception as error:
                print(f"{kind} {n} {case.name} {case.made_with}: {type(error).__name__}: {str(error)[:200]}")
    operations = []
    for n, case in enumerate(RAW_CASES):
        try:
            node_def, _, constants, values = operation(case)
        except Exception as error:
            print(f"raw {n} {case.name} {case.kwargs}: {type(error).__name__}: {str(error)[:200]}")
            continue
        operations.append({"node_def": node_def, "constants": constants, "case": n})
        recorded.update({f"raw{n}_{k}": x for k, x in enumerate(values)})
    np.savez_compressed(FOLDER / "recorded.npz", **recorded)
    lines = ",\n".join(json.dumps(x) for x in operations)
    (FOLDER / "operations.json").write_text(f"[\n{lines}\n]\n")


if __name__ == "__main__":
    _record()
