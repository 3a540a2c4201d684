"""Recurrent layers. Numbers are worked out by hand: a SimpleRNN of one unit without bias, weights 1 and no activation
adds up its inputs."""

import json

import numpy as np
import pytest
import torch
from torch import nn

import kerastorch as keras
from kerastorch import layers

UNITS = {"SimpleRNN": layers.SimpleRNN, "LSTM": layers.LSTM, "GRU": layers.GRU}
X = torch.tensor([[[1.0], [2.0], [3.0]]])


def adder(**options):
    """A SimpleRNN that adds up."""
    layer = layers.SimpleRNN(1, activation="linear", use_bias=False, **options)
    layer.build((1, 3, 1))
    layer.set_weights([np.ones((1, 1)), np.ones((1, 1))])
    return layer


def values(x):
    return [round(v, 5) for v in x.detach().flatten().tolist()]


def randomized(layer, *inputs, **kwargs):
    """The layer, called once and then given other weights."""
    layer(*inputs, **kwargs)
    generator = np.random.default_rng(0)
    layer.set_weights([generator.normal(size=v.shape) * 0.5 for v in layer.weights])
    return layer


BACKWARDS = {"return_sequences": True, "go_backwards": True, "zero_output_for_mask": True}


@pytest.mark.parametrize(
    ("options", "mask", "expected"),
    [
        ({}, None, [6]),
        ({"return_sequences": True}, None, [1, 3, 6]),
        ({"return_sequences": True, "unroll": True}, None, [1, 3, 6]),
        ({"return_sequences": True, "go_backwards": True}, None, [3, 5, 6]),
        ({"return_sequences": True}, [1, 0, 1], [1, 1, 4]),
        ({"return_sequences": True}, [0, 1, 0], [0, 2, 2]),
        ({"return_sequences": True, "zero_output_for_mask": True}, [1, 0, 1], [1, 0, 4]),
        ({"zero_output_for_mask": True}, [1, 1, 0], [0]),
        ({}, [1, 1, 0], [3]),
        ({"return_sequences": True, "go_backwards": True}, [1, 0, 1], [3, 3, 4]),
        (BACKWARDS, [1, 1, 0], [0, 2, 3]),
        # Both Kerases: [0, 2, 3] set to 0 where the mask, which nobody turned round, is.
        ({**BACKWARDS, "unroll": True}, [1, 1, 0], [0, 2, 0]),
        ({**BACKWARDS, "unroll": True}, [0, 1, 1], [0, 5, 5]),
    ],
)
def test_adding_up(options, mask, expected):
    mask = None if mask is None else torch.tensor([mask], dtype=torch.bool)
    assert values(adder(**options)(X, mask=mask)) == expected


def test_initial_state_and_final_state():
    output, state = adder(return_state=True)(X, initial_state=[torch.tensor([[10.0]])])
    assert values(output) == values(state) == [16]


def test_a_masked_first_step_shows_zero_but_keeps_the_initial_state():
    layer = adder(return_sequences=True, return_state=True)
    output, state = layer([X, torch.tensor([[10.0]])], mask=torch.tensor([[False, True, False]]))
    assert values(output) == [0, 12, 12]
    assert values(state) == [12]


def test_time_major():
    layer = adder(return_sequences=True, time_major=True)
    assert values(layer(X.transpose(0, 1))) == [1, 3, 6]


def test_stateful_goes_on_until_reset():
    layer = adder(stateful=True)
    assert values(layer(X)) == [6]
    assert values(layer(X)) == [12]
    assert values(layer.states[0]) == [12]
    layer.reset_states([np.array([[1.0]])])
    assert values(layer(X)) == [7]
    layer.reset_states()
    assert values(layer(X)) == [6]


def test_gate_orders_are_keras():
    # LSTM: input, forget, cell, output. With nothing else, c = sigmoid(f) c0 + sigmoid(i) tanh(g).
    lstm = layers.LSTM(1, return_state=True)
    lstm.build((None, None, 1))
    lstm.set_weights([np.zeros((1, 4)), np.zeros((1, 4)), np.array([100.0, -100.0, 100.0, -100.0])])
    h, _, c = lstm(X[:, :1], initial_state=[torch.zeros(1, 1), torch.full((1, 1), 5.0)])
    np.testing.assert_allclose([h.item(), c.item()], [0, 1], atol=1e-6)
    # GRU: update, reset, new. An open update gate keeps the state.
    gru = layers.GRU(1)
    gru.build((None, None, 1))
    gru.set_weights([np.zeros((1, 3)), np.zeros((1, 3)), np.array([[100.0, 0, 0], [0, 0, 0]])])
    np.testing.assert_allclose(gru(X, initial_state=[torch.full((1, 1), 0.25)]).item(), 0.25, rtol=1e-6)
    gru.set_weights([np.zeros((1, 3)), np.zeros((1, 3)), np.array([[-100.0, 0, 100.0], [0, 0, 0]])])
    np.testing.assert_allclose(gru(X).item(), 1, rtol=1e-6)


def test_weights_are_stored_as_torch_has_them():
    x = torch.randn(2, 5, 4)
    layer = randomized(layers.LSTM(3, return_sequences=True), x)
    plain = nn.LSTM(4, 3, batch_first=True)
    with torch.no_grad():
        plain.weight_ih_l0.copy_(layer.cell.rnn.weight_ih)
        plain.weight_hh_l0.copy_(layer.cell.rnn.weight_hh)
        plain.bias_ih_l0.copy_(layer.cell.rnn.bias)
        plain.bias_hh_l0.zero_()
    torch.testing.assert_close(layer(x), plain(x)[0])
    assert layer.cell.rnn.weight_ih.shape == (12, 4)
    assert layer.cell.kernel.shape == (4, 12)
    gru = randomized(layers.GRU(3, return_sequences=True), x)
    plain = nn.GRU(4, 3, batch_first=True)
    with torch.no_grad():
        plain.weight_ih_l0.copy_(gru.cell.rnn.weight_ih)
        plain.weight_hh_l0.copy_(gru.cell.rnn.weight_hh)
        plain.bias_ih_l0.copy_(gru.cell.rnn.bias[0])
        plain.bias_hh_l0.copy_(gru.cell.rnn.bias[1])
    torch.testing.assert_close(gru(x), plain(x)[0])
    np.testing.assert_array_equal(gru.cell.kernel.numpy()[:, :3], gru.cell.rnn.weight_ih.detach().numpy()[3:6].T)


@pytest.mark.parametrize("kind", UNITS)
@pytest.mark.parametrize("options", [{}, {"go_backwards": True}, {"time_major": True}, {"zero_output_for_mask": True}])
@pytest.mark.parametrize("shown", [{}, {"return_sequences": True}, {"return_sequences": True, "return_state": True}])
@pytest.mark.parametrize("masked", [False, True])
def test_kernel_and_loop_agree(kind, options, shown, masked):
    torch.manual_seed(0)
    x = torch.randn(3, 5, 4)
    mask = torch.tensor([[1, 1, 1, 1, 1], [0, 1, 0, 1, 0], [0, 0, 0, 0, 0]], dtype=torch.bool) if masked else None
    if "time_major" in options:
        x, mask = x.transpose(0, 1), None if mask is None else mask.t()
    fused = randomized(UNITS[kind](3, **options, **shown), x)
    looped = randomized(UNITS[kind](3, activation=lambda y: torch.tanh(y), **options, **shown), x)
    assert fused.cell.rnn.fits_kernel()
    assert not looped.cell.rnn.fits_kernel()
    for a, b in zip(
        torch.utils._pytree.tree_leaves(fused(x, mask=mask)),
        torch.utils._pytree.tree_leaves(looped(x, mask=mask)),
        strict=True,
    ):
        torch.testing.assert_close(a, b, rtol=1e-5, atol=1e-6)


SHAPES = [
    ("SimpleRNN", {}, (None, 3)),
    ("LSTM", {"return_sequences": True}, (None, 5, 3)),
    ("GRU", {"return_state": True}, [(None, 3), (None, 3)]),
    ("LSTM", {"return_state": True, "return_sequences": True}, [(None, 5, 3), (None, 3), (None, 3)]),
    ("LSTM", {"time_major": True}, (5, 3)),
]


@pytest.mark.parametrize(("kind", "options", "expected"), SHAPES)
def test_symbolic_shapes(kind, options, expected):
    found = UNITS[kind](3, **options)(layers.Input((5, 4)))
    assert ([x.shape for x in found] if isinstance(found, list) else found.shape) == expected


def test_a_layer_lowers_to_one_module():
    model = keras.Sequential([layers.Input((5, 4)), layers.LSTM(3)])
    model(torch.zeros(2, 5, 4))
    assert [node.op for node in model._lowered.graph.nodes] == ["placeholder", "call_module", "output"]
    assert [v.name.split("/", 1)[1] for v in model.weights] == [
        f"lstm_cell/{w}:0" for w in ("kernel", "recurrent_kernel", "bias")
    ]
    assert sum(p.numel() for p in model.parameters()) == 4 * 3 * (4 + 3 + 1)


def test_masks_flow():
    inputs = layers.Input((3,), dtype="int32")
    x = layers.Embedding(4, 1, mask_zero=True, weights=[np.array([[9.0], [1.0], [2.0], [3.0]])])(inputs)
    first, second = adder(return_sequences=True), adder()
    model = keras.Model(inputs, second(first(x)))
    assert values(model(torch.tensor([[1, 2, 0], [0, 0, 3]], dtype=torch.int32))) == [4, 3]


CONFIG_KEYS = {
    "SimpleRNN": {"unroll", "time_major"},
    "LSTM": {"recurrent_activation", "unit_forget_bias", "implementation", "unroll", "time_major"},
    "GRU": {"recurrent_activation", "reset_after", "implementation", "unroll", "time_major"},
}
SHARED = set("name trainable dtype units activation use_bias dropout recurrent_dropout activity_regularizer".split())
SHARED |= {f"{w}_{k}" for w in ("kernel", "recurrent", "bias") for k in ("initializer", "regularizer", "constraint")}
SHARED |= set("return_sequences return_state go_backwards stateful".split())


@pytest.mark.parametrize("kind", UNITS)
def test_config_keys_are_tf_keras(kind):
    config = UNITS[kind](3).get_config()
    assert set(config) == SHARED | CONFIG_KEYS[kind]
    json.dumps(config)
    other = UNITS[kind](3, activation="relu", zero_output_for_mask=True, go_backwards=True)
    assert UNITS[kind].from_config(other.get_config()).get_config() == other.get_config()
    assert other.get_config()["zero_output_for_mask"] is True


def test_recurrent_dropout_means_implementation_1():
    assert layers.LSTM(3, recurrent_dropout=0.1).get_config()["implementation"] == 1
    assert layers.GRU.from_config({"units": 3, "implementation": 0}).implementation == 1


def test_a_gru_config_without_reset_after_is_old():
    config = layers.GRU(3).get_config()
    assert config.pop("reset_after") is True
    assert layers.GRU.from_config(config).reset_after is False
    assert layers.GRUCell.from_config({"units": 3}).reset_after is False


@pytest.mark.parametrize(
    ("layer", "count"), [(layers.LSTM, 2), (layers.GRU, 1), (lambda n: layers.Bidirectional(layers.GRU(n)), 2)]
)
def test_initial_states_stand_in_the_list_of_inputs(layer, count):
    inputs, states = layers.Input((5, 4)), [layers.Input((3,)) for _ in range(count)]
    model = keras.Model([inputs, *states], layer(3)(inputs, initial_state=states))
    nodes = json.loads(json.dumps(model.get_config()))["layers"][-1]["inbound_nodes"]
    assert [entry[0] for entry in nodes[0]] == [x.name for x in [inputs, *states]]
    data = [torch.randn(2, *x.shape[1:]) for x in model.inputs]
    again = keras.Model.from_config(model.get_config())
    for v, w in zip(again.weights, model.weights, strict=True):
        v.assign(w.numpy())
    torch.testing.assert_close(again(data), model(data))


def test_keras_3_arguments_are_taken():
    config = layers.LSTM(3, seed=1, use_cudnn="auto").get_config()
    assert config["seed"] == 1
    assert "use_cudnn" not in config


def test_dropout_is_drawn_once_per_sequence():
    keras.config.set_random_seed(0)
    layer = layers.SimpleRNN(1, activation="linear", use_bias=False, dropout=0.5, return_sequences=True)
    x = torch.ones(64, 4, 1)
    layer(x)
    layer.set_weights([np.ones((1, 1)), np.zeros((1, 1))])
    y = layer(x, training=True).squeeze(-1)
    assert (y == y[:, :1]).all()
    assert set(y.unique().tolist()) == {0.0, 2.0}
    torch.testing.assert_close(layer(x), torch.ones(64, 4, 1))
    keras.config.set_random_seed(0)
    first = layer(x, training=True)
    keras.config.set_random_seed(0)
    torch.testing.assert_close(layer(x, training=True), first)


@pytest.mark.parametrize("kind", UNITS)
def test_recurrent_dropout_acts_in_training_only(kind):
    x = torch.randn(2, 5, 4)
    layer = UNITS[kind](3, recurrent_dropout=0.5)
    assert not torch.equal(layer(x, training=True), layer(x, training=True))
    torch.testing.assert_close(layer(x), layer(x))
    model = keras.Sequential([layer])
    torch.testing.assert_close(model(x), model(x))


ERRORS = [
    (lambda: layers.LSTM(0), ValueError, "units must be a positive integer, got units=0"),
    (lambda: layers.LSTM(3, foo=1), TypeError, "'foo'"),
    (lambda: layers.LSTM(3)(torch.zeros(3, 4)), ValueError, "expected ndim=3"),
    (lambda: layers.LSTM(3)(layers.Input((4, None))), ValueError, "last axis of the input must be known"),
    (
        lambda: layers.LSTM(3)(torch.zeros(1, 2, 4), initial_state=[torch.zeros(1, 3)]),
        ValueError,
        "2 states but was passed 1",
    ),
    (lambda: layers.GRU(3)(torch.zeros(1, 2, 4), initial_state=[torch.zeros(1, 4)]), ValueError, "not compatible"),
    (lambda: layers.LSTM(3, stateful=True)(layers.Input((4, 5))), ValueError, "needs to know its batch size"),
    (lambda: layers.LSTM(3, unroll=True)(layers.Input((None, 5))), ValueError, "cannot unroll"),
    (lambda: layers.LSTM(3).reset_states(), AttributeError, "must be stateful"),
]


@pytest.mark.parametrize(("make", "error", "said"), ERRORS)
def test_errors(make, error, said):
    with pytest.raises(error, match=said):
        make()


def test_reset_states_refuses_other_shapes():
    layer = adder(stateful=True)
    with pytest.raises(ValueError, match="expects 1 states, but it received 2"):
        layer.reset_states([np.zeros((1, 1))] * 2)
    with pytest.raises(ValueError, match="State 0 is incompatible"):
        layer.reset_states([np.zeros((1, 2))])


@pytest.mark.parametrize("layer", [layers.LSTM(3), layers.GRU(3, reset_after=False)], ids=["kernel", "loop"])
def test_compiles_in_one_graph(layer):
    x = torch.randn(2, 5, 4)
    expected = layer(x)
    torch.testing.assert_close(torch.compile(layer.cell.rnn, backend="eager", fullgraph=True)(x), expected)


def test_a_torch_module_is_recreated_from_its_repr():
    from kerastorch.nn import recurrent

    layer = layers.GRU(3, activation="relu", reset_after=False, return_state=True)
    layer.build((None, None, 4))
    made = eval(repr(layer.cell.rnn), vars(recurrent))
    assert {k: v.shape for k, v in made.state_dict().items()} == {
        k: v.shape for k, v in layer.cell.rnn.state_dict().items()
    }
    assert repr(made) == repr(layer.cell.rnn)


@pytest.mark.parametrize(("layer", "gates"), [(layers.CuDNNLSTM, 4), (layers.CuDNNGRU, 3)])
def test_cudnn_weights(layer, gates):
    x = torch.randn(2, 5, 4)
    old = randomized(layer(3, return_sequences=True), x)
    kernel, recurrent, bias = old.get_weights()
    assert [v.name.rpartition("/")[2] for v in old.weights] == ["kernel:0", "recurrent_kernel:0", "bias:0"]
    # cuDNN reads the numbers of each gate's kernel row by row as the transposed matrix.
    turned = [
        np.hstack([np.ascontiguousarray(k).reshape(k.shape[::-1]).T for k in np.split(w, gates, 1)])
        for w in (kernel, recurrent)
    ]
    new = layers.LSTM(3, return_sequences=True) if gates == 4 else layers.GRU(3, return_sequences=True)
    new(x)
    new.set_weights([*turned, bias[:12] + bias[12:] if gates == 4 else bias.reshape(2, 9)])
    torch.testing.assert_close(old(x), new(x))


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize("layer", [layers.LSTM, layers.GRU, layers.SimpleRNN])
def test_autocast_on_any_processor(layer, dtype):
    x = torch.linspace(-1, 1, 40).reshape(2, 5, 4)
    model = keras.Sequential([keras.Input((5, 4)), layer(3)])
    expected = model(x)
    with torch.autocast("cpu", dtype):
        got = model(x)
    assert torch.allclose(got.float(), expected, atol=0.02)


@pytest.mark.parametrize("cls", ["SimpleRNN", "LSTM", "GRU"])
def test_bidirectional_regularizes_both_activities(cls):
    x = keras.Input((4, 3))
    inner = getattr(keras.layers, cls)(2, activity_regularizer="l2")
    model = keras.Model(x, keras.layers.Bidirectional(inner, merge_mode=None)(x))
    forward, backward = model(torch.ones(2, 4, 3))
    want = [0.01 * torch.sum(y**2) / 2 for y in (forward, backward)]
    torch.testing.assert_close(sorted(x.item() for x in model.losses), sorted(x.item() for x in want))


def test_bidirectional_of_layers_of_two_widths():
    x = keras.Input((4, 3))
    inner = keras.layers.LSTM(4, return_sequences=True)
    other = keras.layers.GRU(3, return_sequences=True, go_backwards=True)
    model = keras.Model(x, keras.layers.Bidirectional(inner, backward_layer=other)(x))
    assert model.output_shape == (None, 4, 7) and model(torch.ones(2, 4, 3)).shape == (2, 4, 7)


@pytest.mark.parametrize("wrap", [lambda x: x, keras.layers.Bidirectional])
def test_states_of_keras3_leave_the_inputs_mask_out(wrap):
    """As in Keras 3.15.1, which hands a mask on to layers of one tensor only; one that is given counts."""
    x = keras.Input((3, 2))
    layer = wrap(keras.layers.GRU(2))
    layer.build((None, 3, 2))
    config = {**layer.get_config(), "keras3_masking": True}
    states = [keras.layers.GlobalMaxPooling1D()(x) for _ in range(len(layer.get_weights()) // 3)]
    same = type(layer).from_config(config)
    models = [
        keras.Model(x, layer(x, initial_state=states)),
        keras.Model(x, same(keras.layers.Masking()(x), initial_state=states)),
        keras.Model(x, same(x, initial_state=states, mask=keras.layers.Lambda(lambda x: x[:, :, 0] != 0)(x))),
    ]
    same.set_weights(layer.get_weights())
    data = torch.tensor([[[1.0, 2.0], [3.0, 1.0], [0.0, 0.0]]])
    plain, masked, told = (model(data) for model in models)
    torch.testing.assert_close(masked, plain)
    assert not torch.allclose(told, plain)
    assert same.get_config()["keras3_masking"]


@pytest.mark.parametrize(("name", "count"), [("LSTM", 2), ("GRU", 1), ("SimpleRNN", 1)])
def test_states_of_another_batch(name, count):
    x = torch.randn(2, 4, 3)
    layer = getattr(layers, name)(3)
    one = torch.randn(1, 3)
    torch.testing.assert_close(
        layer(x, initial_state=[one] * count), layer(x, initial_state=[one.repeat(2, 1)] * count)
    )
    with pytest.raises(ValueError, match=r"batch of 2, the initial states have \[\(7, 3\)"):
        layer(x, initial_state=[torch.zeros(7, 3)] * count)
