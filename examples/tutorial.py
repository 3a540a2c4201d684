"""The classic Keras tutorial on models, with `tensorflow.keras` replaced by `kerastorch`.

Run it: `python examples/tutorial.py`. It writes its files to a temporary folder and prints what each step gives.
"""

import tempfile
from pathlib import Path

import h5py
import numpy as np

import kerastorch as keras
from kerastorch.layers import Dense, Dropout, Input
from kerastorch.models import Model, clone_model, load_model, model_from_json, model_from_yaml

folder = Path(tempfile.mkdtemp())

# Layers are made first, then called on symbolic tensors.
hidden = Dense(3, activation="relu", name="hidden")
output = Dense(1, activation="sigmoid", name="output")

inputs = Input((2,))
print(inputs)
print(inputs.shape, inputs.dtype, inputs.name)

h = hidden(inputs)
y = output(h)
print(h, y, sep="\n")

# A model collects the layers between its inputs and outputs.
model = Model(inputs, y)
model.summary()
print(model.layers)
print(keras.utils.plot_model(model, to_file=folder / "model.svg", show_shapes=True))

# Two models that begin and end at the same tensors share their weights.
model_1 = Model(inputs, y)
model_2 = Model(inputs, y)
assert model_1.weights[0] is model_2.weights[0]
print([w.name for w in model_1.weights])

W = model_1.weights[0]
before = W.numpy()
W.assign_add(np.ones((2, 3)))
print(model_2.weights[0])
assert np.allclose(model_2.weights[0].numpy(), before + 1)

# A clone has the same architecture and names, and weights of its own.
model_3 = clone_model(model)
assert model_3.weights[0] is not model.weights[0]
assert [w.name for w in model_3.weights] == [w.name for w in model.weights]

# Layers are found by name and by index; a model can end at any of them.
print(model.get_layer(name="hidden").output, model.get_layer(index=1).input_shape)
features = Model(model.input, model.get_layer("hidden").output)
print(features.predict(np.ones((4, 2)), verbose=0))

# The architecture is data.
config = model.get_config()
print(config["layers"][1])
assert Model.from_config(config).get_config() == config
from_json = model_from_json(model.to_json())
from_yaml = model_from_yaml(model.to_yaml())
assert from_json.get_config() == from_yaml.get_config() == config

# Freezing.
model.get_layer("hidden").trainable = False
print([w.name for w in model.trainable_variables], [w.name for w in model.non_trainable_variables])
model.get_layer("hidden").trainable = True

# A model takes arrays and tensors, and gives tensors.
print(model(np.array([[1.0, 2.0]])))

# Dropout acts in training only.
noisy = Model(inputs, Dropout(0.5)(h))
print(noisy(np.ones((1, 2)), training=True), noisy(np.ones((1, 2)), training=False), sep="\n")

# Weights, and whole models, in files that tf.keras reads.
model.save_weights(folder / "weights.h5")
with h5py.File(folder / "weights.h5") as file:
    file.visit(print)
model_3.load_weights(folder / "weights.h5")
model.save(folder / "model.h5")
again = load_model(folder / "model.h5")
x = np.random.default_rng(0).normal(size=(5, 2)).astype("float32")
assert np.array_equal(again.predict(x, verbose=0), model.predict(x, verbose=0))
assert np.array_equal(model_3.predict(x, verbose=0), model.predict(x, verbose=0))

# And the model is a torch module, which can do without kerastorch.
print(model.torch_source())
plain = model.to_torch()
print(plain)
