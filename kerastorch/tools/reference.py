"""Run by `verify` as a program of its own, in any environment that has the real Keras: a model's outputs, layer by layer.

    python reference.py tf_keras|keras MODEL INPUTS.npz OUTPUTS.npz [CUSTOM.py]

Imports numpy and that Keras only. Exit status 3: it is not installed; 4: it cannot read or run the file.
"""

import json
import os
import sys

__all__ = ["layer_outputs", "main"]


def layer_outputs(model):
    """[(name, number of the call, tensors)] of the calls that a drawn model consists of; nothing for one that is not."""
    graph = getattr(model, "_functional", None) or model
    found = []
    for depth in sorted(getattr(graph, "_nodes_by_depth", {}), reverse=True):
        for node in graph._nodes_by_depth[depth]:
            layer = getattr(node, "operation", None) or node.layer
            calls = [
                n for n in layer._inbound_nodes if any(n is m for ms in graph._nodes_by_depth.values() for m in ms)
            ]
            number = next(i for i, n in enumerate(calls) if n is node)
            found.append((layer.name, number, node.output_tensors))
    return found


def _flat(x):
    if isinstance(x, dict):
        return [z for key in sorted(x) for z in _flat(x[key])]
    return [z for y in x for z in _flat(y)] if isinstance(x, (list, tuple)) else [x]


def _custom(path):
    import runpy

    scope = runpy.run_path(path, run_name="kerastorch_reference_custom")
    own = {key: value for key, value in scope.items() if callable(value) and not key.startswith("_")}
    return {**own, **scope.get("custom_objects", {})}


def _run(real, path, inputs, custom):
    model = real.models.load_model(path, custom_objects=custom, compile=False)
    given = [inputs[f"in_{i}"] for i in range(len(inputs))]
    named, note = [], ""
    try:
        named = layer_outputs(model)
    except Exception as error:  # what is private may change; the outputs are compared all the same
        note = f"the layers' own outputs are not to be had from it: {error}"
    tensors = [x for _, _, outputs in named for x in _flat(outputs)]
    whole = real.Model(model.inputs, [*_flat(model.outputs), *tensors]) if tensors else model
    results = _flat(whole(given if len(given) > 1 else given[0], training=False))
    results = [x.detach().cpu().numpy() if hasattr(x, "detach") else x.numpy() for x in results]
    count = len(_flat(model.outputs)) if tensors else len(results)
    arrays = {f"out_{i}": x for i, x in enumerate(results[:count])}
    layers, at = [], count
    for name, number, outputs in named:
        keys = []
        for _ in _flat(outputs):
            keys.append(f"layer_{at}")
            arrays[f"layer_{at}"] = results[at]
            at += 1
        layers.append([name, number, keys])
    return arrays, layers, note


def main(arguments):
    """Writes the arrays, and as JSON under 'meta' the version and the layers; returns the exit status."""
    which, path, source, target = arguments[:4]
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault("CUDA_VISIBLE_DEVICES", "")
    sys.path.pop(0)  # the folder of this file, whose modules are not meant
    try:
        import importlib

        import numpy as np

        real = importlib.import_module(which)
    except ImportError as error:
        sys.stderr.write(f"{error}\n")
        return 3
    try:
        with np.load(source) as data:
            inputs = {key: data[key] for key in data.files}
        arrays, layers, note = _run(real, path, inputs, _custom(arguments[4]) if len(arguments) > 4 else None)
    except Exception as error:
        sys.stderr.write(f"\n{type(error).__name__}: {' '.join(str(error).split())[:500]}\n")
        return 4
    version = getattr(real, "__version__", "")
    np.savez(target, meta=json.dumps({"version": version, "layers": layers, "note": note}), **arrays)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
