"""Cells, stacks, cells that users write, Bidirectional and the convolutional LSTMs."""

import copy

import numpy as np
import pytest
import torch
from torch.utils import _pytree as pytree

import kerastorch as keras
from kerastorch import layers
from tests.layers.test_recurrent import X, adder, randomized, values


class Adder(layers.Layer):
    """A cell that adds up its inputs, and constants if there are any."""

    state_size = 1

    def call(self, inputs, states, constants=None):
        """The sum so far."""
        total = states[0] + inputs + (constants[0] if constants else 0)
        return total, [total]


class Lazy(layers.AbstractRNNCell):
    """A cell whose layers are built by its first call."""

    def __init__(self, units, **kwargs):
        super().__init__(**kwargs)
        self.units = units
        self.dense = layers.Dense(units)

    @property
    def state_size(self):
        """State and step count."""
        return [self.units, 1]

    @property
    def output_size(self):
        """The units."""
        return self.units

    def call(self, inputs, states):
        """tanh of both, and the count."""
        h = torch.tanh(self.dense(inputs) + states[0])
        return h, [h, states[1] + 1]


def test_a_users_cell():
    inputs = layers.Input((3, 1))
    model = keras.Model(inputs, layers.RNN(Adder(), return_sequences=True, return_state=True)(inputs))
    output, state = model(X)
    assert values(output) == [1, 3, 6]
    assert values(state) == [6]
    again = keras.Model.from_config(model.get_config(), custom_objects={"Adder": Adder})
    assert values(again(X)[0]) == [1, 3, 6]


def test_a_users_cell_with_masks_and_constants():
    layer = layers.RNN(Adder(), return_sequences=True)
    assert values(layer(X, mask=torch.tensor([[False, True, False]]))) == [0, 2, 2]
    inputs, constant = layers.Input((3, 1)), layers.Input((1,))
    layer = layers.RNN(Adder())
    model = keras.Model([inputs, constant], layer(inputs, constants=[constant]))
    assert layer.get_config()["num_constants"] == 1
    assert values(model([X, torch.tensor([[10.0]])])) == [36]
    again = keras.Model.from_config(model.get_config(), custom_objects={"Adder": Adder})
    assert values(again([X, torch.tensor([[10.0]])])) == [36]


def test_layers_within_a_cell_are_built_with_the_graph():
    inputs = layers.Input((None, 4))
    layer = layers.RNN(Lazy(3), return_state=True)
    outputs = layer(inputs)
    assert [x.shape for x in outputs] == [(None, 3), (None, 3), (None, 1)]
    assert len(layer.weights) == 2
    assert values(keras.Model(inputs, outputs)(torch.zeros(1, 5, 4))[2]) == [5]


def test_a_stateful_users_cell():
    layer = layers.RNN(Adder(), stateful=True)
    assert values(layer(X)) == [6]
    assert values(layer(X)) == [12]
    layer.reset_states()
    assert values(layer(X)) == [6]


def test_a_stack_is_its_cells_one_after_the_other():
    torch.manual_seed(0)
    x = torch.randn(2, 5, 4)
    stack = randomized(layers.RNN([layers.LSTMCell(3), layers.GRUCell(2)], return_sequences=True, return_state=True), x)
    first, second = layers.LSTM(3, return_sequences=True, return_state=True), layers.GRU(2, return_sequences=True)
    first(x), second(torch.zeros(2, 5, 3))
    first.set_weights(stack.get_weights()[:3])
    second.set_weights(stack.get_weights()[3:])
    output, lstm_states, gru_state = stack(x)
    y, h, c = first(x)
    torch.testing.assert_close(output, second(y))
    torch.testing.assert_close(lstm_states, [h, c])
    torch.testing.assert_close(gru_state, output[:, -1])
    names = [v.name.split("/", 1)[1] for v in stack.weights]
    assert names[0].startswith("stacked_rnn_cells") and names[0].endswith("kernel:0")
    torch.testing.assert_close(copy.deepcopy(stack)(x)[0], output)


def test_dropout_in_a_stack_is_drawn_once_per_sequence():
    cell = layers.SimpleRNNCell(1, activation="linear", use_bias=False, dropout=0.5)
    layer = layers.RNN([cell], return_sequences=True)
    x = torch.ones(32, 4, 1)
    layer(x)
    layer.set_weights([np.ones((1, 1)), np.zeros((1, 1))])
    y = layer(x, training=True).squeeze(-1)
    assert (y == y[:, :1]).all()
    assert set(y.unique().tolist()) == {0.0, 2.0}


@pytest.mark.parametrize(("cell", "count"), [(layers.SimpleRNNCell, 1), (layers.LSTMCell, 2), (layers.GRUCell, 1)])
def test_a_cell_alone(cell, count):
    inputs, states = layers.Input((4,)), [layers.Input((3,)) for _ in range(count)]
    output, new = cell(3)(inputs, states)
    model = keras.Model([inputs, *states], [output, *new])
    data = [torch.randn(2, 4), *[torch.randn(2, 3) for _ in range(count)]]
    results = model(data)
    torch.testing.assert_close(results[0], results[1])
    assert len(results) == 1 + count
    layer = layers.RNN(cell(3), return_state=True)
    layer(data[0].unsqueeze(1))
    layer.set_weights(model.get_weights())
    torch.testing.assert_close(layer([data[0].unsqueeze(1), *data[1:]]), results)


def test_what_is_no_cell():
    with pytest.raises(ValueError, match="must have `call`"):
        layers.RNN(3)
    with pytest.raises(ValueError, match="state_size"):
        layers.StackedRNNCells([layers.Dense(3)])


MERGED = {
    "concat": [1, 6, 3, 5, 6, 3],
    "sum": [7, 8, 9],
    "mul": [6, 15, 18],
    "ave": [3.5, 4, 4.5],
}


def both(**options):
    """A Bidirectional that adds up."""
    merge = {k: options.pop(k) for k in ("merge_mode",) if k in options}
    layer = layers.Bidirectional(adder(**options), **merge)
    layer(X)
    layer.set_weights([np.ones((1, 1))] * 4)
    return layer


@pytest.mark.parametrize(("mode", "expected"), MERGED.items())
def test_bidirectional_merges(mode, expected):
    assert values(both(return_sequences=True, merge_mode=mode)(X)) == expected


def test_bidirectional_lists():
    forward, backward = both(return_sequences=True, merge_mode=None)(X)
    assert (values(forward), values(backward)) == ([1, 3, 6], [6, 5, 3])
    output, one, other = both(return_state=True)(X, initial_state=[torch.tensor([[1.0]]), torch.tensor([[2.0]])])
    assert values(output) == [7, 8]
    assert (values(one), values(other)) == ([7], [8])


def test_bidirectional_masked_steps_are_zero():
    layer = both(return_sequences=True)
    assert values(layer(X, mask=torch.tensor([[True, True, False]]))) == [1, 3, 3, 2, 0, 0]
    assert values(both()(X, mask=torch.tensor([[True, True, False]]))) == [3, 3]


def test_bidirectional_config_and_names():
    layer = layers.Bidirectional(
        layers.LSTM(3, name="lstm"), name="both", backward_layer=layers.GRU(3, go_backwards=True, name="gru")
    )
    layer(torch.zeros(1, 2, 4))
    config = layer.get_config()
    assert isinstance(layer, layers.Wrapper)
    assert set(config) == {"name", "trainable", "dtype", "layer", "merge_mode", "backward_layer"}
    assert config["layer"]["config"]["name"] == "lstm"
    assert layers.Bidirectional.from_config(config).get_config() == config
    assert [v.name for v in layer.weights][::3] == [
        "both/forward_lstm/lstm_cell/kernel:0",
        "both/backward_gru/gru_cell/kernel:0",
    ]
    layer.trainable = False
    assert not any(p.requires_grad for p in layer.parameters())


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: layers.Bidirectional(layers.Dense(3)), "must be a recurrent layer"),
        (lambda: layers.Bidirectional(layers.LSTM(3), merge_mode="max"), "merge_mode must be one of"),
        (lambda: layers.Bidirectional(layers.LSTM(3), backward_layer=layers.LSTM(3)), "go_backwards"),
        (lambda: layers.Bidirectional(layers.LSTM(3, return_state=True), backward_layer=layers.GRU(3)), "return_state"),
        (
            lambda: layers.Bidirectional(layers.GRU(3))(torch.zeros(1, 2, 4), initial_state=[torch.zeros(1, 3)]),
            "initial_state",
        ),
    ],
)
def test_bidirectional_errors(make, said):
    with pytest.raises(ValueError, match=said):
        make()


CONVOLUTIONAL = {1: layers.ConvLSTM1D, 2: layers.ConvLSTM2D, 3: layers.ConvLSTM3D}


@pytest.mark.parametrize("rank", CONVOLUTIONAL)
@pytest.mark.parametrize("data_format", ["channels_last", "channels_first"])
def test_a_window_of_one_makes_it_an_lstm_at_each_place(rank, data_format):
    torch.manual_seed(0)
    sizes = (3, 2, 2)[:rank]
    x = torch.randn(2, 4, *sizes, 5)
    layer = randomized(layers.LSTM(3, recurrent_activation="hard_sigmoid"), torch.zeros(1, 4, 5))
    expected = layer(x.movedim(1, -2).reshape(-1, 4, 5)).reshape(2, *sizes, 3)
    convolutional = CONVOLUTIONAL[rank](3, 1, data_format=data_format)
    first = data_format == "channels_first"
    x = x.movedim(-1, 2) if first else x
    convolutional(x)
    kernel, recurrent, bias = layer.get_weights()
    ones = (1,) * rank
    convolutional.set_weights([kernel.reshape(*ones, 5, 12), recurrent.reshape(*ones, 3, 12), bias])
    torch.testing.assert_close(convolutional(x), expected.movedim(-1, 1) if first else expected)


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, (None, 6, 5, 2)),
        ({"padding": "same", "return_sequences": True}, (None, 3, 8, 7, 2)),
        ({"strides": 2, "padding": "same"}, (None, 4, 4, 2)),
        ({"dilation_rate": (2, 1)}, (None, 4, 5, 2)),
        ({"return_state": True}, [(None, 6, 5, 2)] * 3),
    ],
)
def test_convolutional_shapes(options, expected):
    inputs = layers.Input((3, 8, 7, 4))
    outputs = layers.ConvLSTM2D(2, 3, **options)(inputs)
    assert ([x.shape for x in outputs] if isinstance(outputs, list) else outputs.shape) == expected
    results = keras.Model(inputs, outputs)(torch.randn(2, 3, 8, 7, 4))
    shapes = [tuple(x.shape)[1:] for x in (results if isinstance(results, list) else [results])]
    assert shapes == [shape[1:] for shape in (expected if isinstance(expected, list) else [expected])]


@pytest.mark.parametrize(
    ("options", "shape", "expected"),
    [
        (
            {"activation": "softmax"}, (1, 2, 4, 3),
            [[0.32544, 0.33501], [0.34225, 0.32585], [0.36113, 0.31803], [0.33363, 0.26885]],
        ),
        (
            {"recurrent_activation": "softmax", "data_format": "channels_first"}, (1, 2, 3, 4),
            [[0.04235, 0.04987, 0.06575, 0.00057], [0.0378, 0.03692, 0.03526, 0.052]],
        ),
    ],
)  # fmt: skip
def test_convolutional_softmax(options, shape, expected):
    """Over the last axis, whichever it is; the numbers are tf_keras 2.21's."""
    layer = layers.ConvLSTM1D(2, 2, padding="same", **options)
    x = torch.arange(24.0).reshape(shape) / 10 - 1
    layer(x)
    layer.set_weights([np.cos(np.arange(w.size)).reshape(w.shape) for w in layer.get_weights()])
    torch.testing.assert_close(layer(x)[0].cpu(), torch.tensor(expected), rtol=0, atol=2e-5)


def test_convolutional_state_and_masks():
    torch.manual_seed(0)
    x = torch.randn(2, 4, 5, 3)
    layer = randomized(layers.ConvLSTM1D(2, 2, padding="same", stateful=True), x)
    layer.reset_states()
    halves = [layer(x[:, :2]), layer(x[:, 2:])]
    layer.reset_states()
    torch.testing.assert_close(halves[1], layer(x))
    layer.reset_states()
    mask = torch.tensor([[True, True, False, False]] * 2)
    torch.testing.assert_close(layer(x, mask=mask), halves[0])
    assert [tuple(s.shape) for s in layer.states] == [(2, 5, 2)] * 2


def test_convolutional_config_and_errors():
    config = layers.ConvLSTM2D(2, 3).get_config()
    assert config["kernel_size"] == (3, 3)
    assert config["strides"] == config["dilation_rate"] == (1, 1)
    assert {"unroll", "time_major", "filters"} <= set(config)
    assert "implementation" not in config
    with pytest.raises(ValueError, match="strides > 1 cannot go with dilation_rate > 1"):
        layers.ConvLSTM2D(2, 3, strides=2, dilation_rate=2)
    with pytest.raises(TypeError, match="Unrolling is not possible"):
        layers.ConvLSTM2D(2, 3, unroll=True)
    dropped = layers.ConvLSTM1D(2, 2, dropout=0.5, recurrent_dropout=0.5)
    x = torch.randn(1, 3, 4, 2)
    assert not torch.equal(dropped(x, training=True), dropped(x, training=True))
    torch.testing.assert_close(dropped(x), dropped(x))


class Sevens(layers.GRUCell):
    """A cell of the user's on one of the library's."""

    def call(self, inputs, states, training=None):
        output, states = super().call(inputs, states, training=training)
        return output * 0 + 7, states


def test_a_users_call_counts_where_it_is_a_subclass_of_a_cell():
    x = torch.ones(2, 3, 4)
    for cell in (Sevens(2), [layers.GRUCell(3), Sevens(2)]):
        torch.testing.assert_close(layers.RNN(cell)(x), torch.full((2, 2), 7.0))


OPTIONS = ("return_sequences", "return_state", "go_backwards", "zero_output_for_mask", "time_major")


@pytest.mark.parametrize("mask", [False, True])
@pytest.mark.parametrize("options", [(), *((o,) for o in OPTIONS), OPTIONS])
def test_a_stack_by_kernels_is_the_stack_step_by_step(options, mask, monkeypatch):
    """Each cell over all steps, or all cells at each step."""

    def made():
        cells = [layers.GRUCell(3), layers.LSTMCell(2), layers.SimpleRNNCell(4, activation="relu")]
        layer = layers.RNN(cells, **dict.fromkeys(options, True))
        layer.build((6, 4, 3) if "time_major" in options else (4, 6, 3))
        return layer

    chained = made()
    monkeypatch.setattr(layers.RNN, "_can_chain", lambda self: False)
    stepped = made()
    assert [hasattr(layer, "loop") for layer in (chained, stepped)] == [False, True]
    stepped.load_state_dict(chained.state_dict())
    used = torch.rand(4, 6, generator=torch.Generator().manual_seed(0)) > 0.5
    used[0] = False
    x = torch.randn(4, 6, 3, generator=torch.Generator().manual_seed(1))
    if "time_major" in options:
        x, used = x.transpose(0, 1), used.t()
    given = {"mask": used} if mask else {}
    got, want = (pytree.tree_leaves(layer(x, **given)) for layer in (chained, stepped))
    assert len(got) == len(want)
    for a, b in zip(got, want, strict=True):
        torch.testing.assert_close(a, b, atol=1e-6, rtol=0)


@pytest.mark.parametrize(("rank", "name"), [(1, "conv_lstm1d"), (2, "conv_lstm2d"), (3, "conv_lstm3d")])
def test_names_of_convolutional_lstms(rank, name):
    """As tf_keras 2.21 names them."""
    keras.backend.clear_session()
    assert getattr(keras.layers, f"ConvLSTM{rank}D")(2, 2).name == name


@pytest.mark.parametrize("cells", [1, 2])
def test_zeroed_steps_of_an_unrolled_stack_that_goes_backwards(cells):
    """As tf_keras 2.21: by the mask in the order of the inputs, though the outputs are in the other."""
    stack = [layers.SimpleRNNCell(2) for _ in range(cells)]
    options = {"return_sequences": True, "go_backwards": True, "unroll": True, "zero_output_for_mask": True}
    outputs = layers.RNN(stack if cells > 1 else stack[0], **options)(
        torch.ones(1, 3, 1), mask=torch.tensor([[True, True, False]])
    )
    assert outputs[0].any(-1).tolist() == [False, True, False]


def test_a_stack_within_a_stack_in_both_directions(tmp_path):
    x = keras.Input((3, 2))
    stack = layers.StackedRNNCells([layers.StackedRNNCells([layers.LSTMCell(3), layers.SimpleRNNCell(2)])])
    model = keras.Model(x, layers.Bidirectional(layers.RNN(stack, return_state=True))(x))
    model.save(tmp_path / "m.h5")
    again = keras.models.load_model(tmp_path / "m.h5")
    data = torch.randn(2, 3, 2)
    shapes = pytree.tree_map(lambda y: tuple(y.shape), again(data))
    assert shapes == [(2, 4), [[(2, 3), (2, 3)], (2, 2)], [[(2, 3), (2, 3)], (2, 2)]]
    torch.testing.assert_close(again(data), model(data))
