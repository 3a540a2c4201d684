"""The main job on a bundled file: a Keras h5 file in, the recorded numbers out, and a plain torch module."""

import json
from pathlib import Path

import numpy as np
import torch

import kerastorch as keras

HERE = Path(__file__).parent


def main() -> None:
    """Loads shapes.h5 (which tf_keras wrote), compares its predictions with those recorded, writes shapes_torch.py."""
    model = keras.models.load_model(HERE / "shapes.h5")
    model.summary()
    recorded = np.load(HERE / "shapes.npz")
    names = json.loads(str(recorded["meta"]))["names"]
    predicted = model.predict(recorded["x"])
    print("\npictures are of:", *(names[k] for k in recorded["kinds"][:6]), "...")
    print("predicted:      ", *(names[k] for k in predicted.argmax(-1)[:6]), "...")
    difference = np.abs(predicted - recorded["y"]).max()
    print(f"\nlargest difference from tf_keras's own outputs: {difference:.1e} (of probabilities between 0 and 1)")
    if difference > 1e-5:
        raise SystemExit("That is more than 1e-5: the demo failed.")

    folder = Path("build")
    folder.mkdir(exist_ok=True)
    source = model.torch_source()
    (folder / "shapes_torch.py").write_text(source)
    plain = model.to_torch()
    torch.save(plain.state_dict(), folder / "shapes_torch.pt")
    print(f"\nthe same model as plain torch, written to {folder}/shapes_torch.py (weights: shapes_torch.pt):\n")
    print(source)
    with torch.no_grad():
        same = torch.allclose(plain(torch.tensor(recorded["x"])), torch.tensor(predicted), atol=1e-6)
    print(f"the plain module gives the same predictions: {same}")


if __name__ == "__main__":
    main()
