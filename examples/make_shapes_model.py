"""How shapes.h5 and shapes.npz were made, with the real tf_keras: a small CNN that tells four shapes apart.

Needs tf_keras and TensorFlow: `python examples/make_shapes_model.py`. Nobody needs to run it again.
"""

import json
from pathlib import Path

import numpy as np
import tf_keras as keras
from tf_keras import layers

HERE = Path(__file__).parent
NAMES = ["horizontal", "vertical", "cross", "ring"]


def draw(kind: int, rng: np.random.Generator) -> np.ndarray:
    """A noisy 12x12 picture of one shape, values about 0 to 1, shape (12, 12, 1)."""
    image = np.zeros((12, 12))
    row, column = rng.integers(3, 9, 2)
    if kind in (0, 2):
        image[row, :] = 1
    if kind in (1, 2):
        image[:, column] = 1
    if kind == 3:
        y, x = np.mgrid[:12, :12]
        image[np.abs(np.hypot(y - row, x - column) - 2.5) < 0.6] = 1
    return (image + rng.normal(0, 0.15, image.shape))[..., None].astype("float32")


def main() -> None:
    """Trains for some seconds, then writes the model, and outputs for 16 pictures."""
    keras.utils.set_random_seed(1)
    rng = np.random.default_rng(1)
    kinds = rng.integers(0, 4, 4000)
    images = np.stack([draw(k, rng) for k in kinds])
    model = keras.Sequential(
        [
            keras.Input((12, 12, 1), name="picture"),
            layers.Conv2D(8, 3, padding="same", use_bias=False, name="conv"),
            layers.BatchNormalization(name="norm"),
            layers.Activation("relu", name="relu"),
            layers.MaxPooling2D(name="pool"),
            layers.Conv2D(12, 3, strides=2, padding="same", activation="relu", name="conv_2"),
            layers.Flatten(name="flatten"),
            layers.Dropout(0.2, name="dropout"),
            layers.Dense(4, activation="softmax", name="shape"),
        ],
        name="shapes",
    )
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    model.fit(images, kinds, epochs=6, batch_size=64, verbose=2)
    test = rng.integers(0, 4, 16)
    pictures = np.stack([draw(k, rng) for k in test])
    model.save(HERE / "shapes.h5", include_optimizer=False)
    made_with = json.dumps({"tf_keras": keras.__version__, "names": NAMES})
    np.savez_compressed(
        HERE / "shapes.npz", x=pictures, y=model.predict(pictures, verbose=0), kinds=test, meta=made_with
    )


if __name__ == "__main__":
    main()
