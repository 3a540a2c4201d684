"""Attention, AdditiveAttention, MultiHeadAttention, GroupQueryAttention, ReversibleEmbedding."""

import numpy as np
import pytest
import torch

import kerastorch as keras
from kerastorch import layers

L = keras.layers


def randn(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: L.Attention(score_mode="other"), "score_mode"),
        (lambda: L.Attention(dropout=1.5), "dropout"),
        (lambda: L.Attention()(randn(2, 3, 4)), "list of inputs"),
        (lambda: L.Attention()([randn(2, 3, 4)]), "list of 1"),
        (lambda: L.Attention()([randn(2, 3, 4)] * 2, mask=torch.ones(2, 3)), "mask must be a list"),
        (lambda: L.MultiHeadAttention(0, 3), "num_heads"),
        (lambda: L.MultiHeadAttention(2, 3, attention_axes=0)(randn(2, 3, 4), randn(2, 3, 4)), "attention_axes"),
        (lambda: L.MultiHeadAttention(2, 3)(keras.Input((3, None)), keras.Input((3, 4))), "last one known"),
        (lambda: L.GroupQueryAttention(3, 3, 2), "multiple"),
    ],
)
def test_bad_arguments_are_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_attention_is_softmax_of_products():
    q, v = randn(2, 3, 4), randn(2, 5, 4, seed=1)
    want = torch.softmax(q @ v.transpose(1, 2), -1) @ v
    torch.testing.assert_close(L.Attention()([q, v]), want)
    result, weights = L.Attention()([q, v], return_attention_scores=True)
    torch.testing.assert_close(result, want)
    torch.testing.assert_close(weights.sum(-1), torch.ones(2, 3))


def test_masks_hide_keys_and_zero_queries():
    q, v = randn(1, 2, 4), randn(1, 3, 4, seed=1)
    masks = [torch.tensor([[True, False]]), torch.tensor([[True, False, False]])]
    result = L.Attention()([q, v], mask=masks)
    torch.testing.assert_close(result[0, 0], v[0, 0])
    assert not result[0, 1].any()


def test_additive_attention_starts_from_its_scale():
    layer = L.AdditiveAttention()
    q, v = randn(2, 3, 4), randn(2, 5, 4, seed=1)
    layer([q, v])
    layer.set_weights([np.full(4, 2.0)])
    scores = (2 * torch.tanh(q[:, :, None] + v[:, None])).sum(-1)
    torch.testing.assert_close(layer([q, v]), torch.softmax(scores, -1) @ v)


def test_multi_head_weights_have_keras_names_and_shapes():
    layer = L.MultiHeadAttention(2, 3, value_dim=4, output_shape=5, name="mha")
    layer(randn(2, 3, 6), randn(2, 4, 7), randn(2, 4, 8))
    assert [(v.name, v.shape) for v in layer.weights] == [
        ("mha/query/kernel:0", (6, 2, 3)),
        ("mha/query/bias:0", (2, 3)),
        ("mha/key/kernel:0", (8, 2, 3)),
        ("mha/key/bias:0", (2, 3)),
        ("mha/value/kernel:0", (7, 2, 4)),
        ("mha/value/bias:0", (2, 4)),
        ("mha/attention_output/kernel:0", (2, 4, 5)),
        ("mha/attention_output/bias:0", (5,)),
    ]


def einsum_attention(layer, query, value, mask=None):
    """Keras's formula, written with einsum on the Keras-shaped weights."""
    qk, qb, kk, kb, vk, vb, ok, ob = (torch.tensor(w) for w in layer.get_weights())
    q = torch.einsum("btd,dhk->bthk", query, qk) + qb
    k = torch.einsum("bsd,dhk->bshk", value, kk) + kb
    v = torch.einsum("bsd,dhk->bshk", value, vk) + vb
    scores = torch.einsum("bthk,bshk->bhts", q, k) / qk.shape[-1] ** 0.5
    if mask is not None:
        scores = scores + (1 - mask.float()[:, None]) * -1e9
    weights = torch.softmax(scores, -1)
    return torch.einsum("bthv,hvo->bto", torch.einsum("bhts,bshv->bthv", weights, v), ok) + ob, weights


@pytest.mark.parametrize("symbolic", [False, True])
@pytest.mark.parametrize("masked", ["none", "some", "whole row"])
def test_multi_head_attention_follows_the_formula(symbolic, masked):
    x, y = randn(2, 3, 6), randn(2, 4, 6, seed=1)
    mask = None
    if masked != "none":
        mask = torch.tensor([[[1, 0, 1, 1], [0, 1, 1, 0], [1, 1, 1, 1]]] * 2, dtype=torch.bool)
        mask[0, 1] = masked == "some"
    layer = L.MultiHeadAttention(2, 3)
    inputs = [x, y] + ([] if mask is None else [mask])
    if symbolic:
        ends = [keras.Input(t.shape[1:], dtype=str(t.dtype)[6:]) for t in inputs]
        model = keras.Model(ends, layer(*ends[:2], **({"attention_mask": ends[2]} if masked != "none" else {})))
        got = model(inputs)
    else:
        got = layer(x, y, attention_mask=mask)
    want, weights = einsum_attention(layer, x, y, mask)
    torch.testing.assert_close(got, want)
    torch.testing.assert_close(layer(x, y, attention_mask=mask, return_attention_scores=True)[1], weights)


def test_a_query_that_sees_nothing_has_the_gradient_of_the_formula():
    layer, x = L.MultiHeadAttention(2, 3), randn(1, 3, 6)
    mask = torch.tensor([[[True, True, True], [False] * 3, [True, False, True]]])
    layer(x, x)
    found = []
    for function in (lambda t: layer(t, t, attention_mask=mask), lambda t: einsum_attention(layer, t, t, mask)[0]):
        leaf = x.clone().requires_grad_()
        (function(leaf) ** 2).sum().backward()
        found.append(leaf.grad)
    torch.testing.assert_close(*found)


def test_causal_mask_and_masks_of_embeddings():
    layer, x = L.MultiHeadAttention(2, 3), randn(2, 4, 6)
    changed = x.clone()
    changed[:, 2:] += 1
    a, b = (layer(t, t, use_causal_mask=True) for t in (x, changed))
    torch.testing.assert_close(a[:, :2], b[:, :2])
    ids = keras.Input((4,), dtype="int32")
    embedded = L.Embedding(5, 6, mask_zero=True)(ids)
    model = keras.Model(ids, L.MultiHeadAttention(2, 3)(embedded, embedded))
    model.layers[1].embeddings.assign_add(np.eye(5, 6) * 0)
    before = model(torch.tensor([[1, 2, 0, 0]]))
    model.layers[1].embeddings.assign(model.layers[1].embeddings.numpy() + np.eye(5, 1))
    torch.testing.assert_close(model(torch.tensor([[1, 2, 0, 0]]))[:, :2], before[:, :2])


@pytest.mark.parametrize(("axes", "scores"), [(1, (2, 4, 2, 3, 3)), (2, (2, 3, 2, 4, 4)), (None, (2, 2, 3, 4, 3, 4))])
def test_attention_axes(axes, scores):
    x = keras.Input((3, 4, 5))
    layer = L.MultiHeadAttention(2, 3, attention_axes=axes)
    outputs = layer(x, x, return_attention_scores=True)
    assert [t.shape[1:] for t in outputs] == [(3, 4, 5), scores[1:]]
    result = keras.Model(x, outputs)(randn(2, 3, 4, 5))
    assert [tuple(t.shape) for t in result] == [(2, 3, 4, 5), scores]


def test_multi_head_config_holds_the_shapes_and_builds_again():
    layer = L.MultiHeadAttention(2, 3)
    layer(keras.Input((3, 6)), keras.Input((4, 6)))
    config = layer.get_config()
    assert config["query_shape"] == (None, 3, 6) and config["value_shape"] == (None, 4, 6)
    assert config["attention_axes"] == (1,) and config["value_dim"] == 3 and config["output_shape"] is None
    again = L.MultiHeadAttention.from_config(config)
    assert [v.shape for v in again.weights] == [v.shape for v in layer.weights]


def test_dropout_acts_while_training_only():
    layer, x = L.MultiHeadAttention(2, 3, dropout=0.5), randn(2, 4, 6)
    layer(x, x)
    torch.testing.assert_close(layer(x, x), layer(x, x))
    keras.config.set_random_seed(0)
    first = layer(x, x, training=True)
    assert not torch.allclose(first, layer(x, x, training=True))
    keras.config.set_random_seed(0)
    torch.testing.assert_close(layer(x, x, training=True), first)


def test_group_query_attention_is_multi_head_attention_with_shared_heads():
    x = randn(2, 4, 6)
    grouped, full = L.GroupQueryAttention(3, 4, 2), L.MultiHeadAttention(4, 3)
    grouped(x, x), full(x, x)
    weights = grouped.get_weights()
    for i in (2, 3, 4, 5):
        weights[i] = np.repeat(weights[i], 2, axis=-2)
    full.set_weights(weights)
    torch.testing.assert_close(grouped(x, x, use_causal_mask=True), full(x, x, use_causal_mask=True))


def test_sliding_window_and_gate():
    x, layer = randn(1, 5, 6), L.MultiHeadAttention(2, 3, sliding_window=2, use_gate=True)
    _, weights = layer(x, x, return_attention_scores=True)
    near = (torch.arange(5)[:, None] - torch.arange(5)).abs() < 2
    assert not weights[0, :, ~near].any()
    assert [v.name.split("/")[1] for v in layer.weights[::2]] == ["query", "key", "gate", "value", "attention_output"]


@pytest.mark.parametrize("dropout", [0.0, 0.5])
@pytest.mark.parametrize(
    "make",
    [
        lambda **kwargs: keras.layers.MultiHeadAttention(2, 3, keras3_masking=True, **kwargs),
        lambda **kwargs: keras.layers.GroupQueryAttention(3, 2, 2, **kwargs),
    ],
)
def test_a_query_that_sees_no_key_in_keras3(make, dropout):
    """It gets the mean of all values; where the weights are asked for or dropped out, nothing; and no gradient."""
    layer, x, value = make(dropout=dropout), randn(1, 2, 4), randn(1, 3, 4, seed=1)
    mask = torch.tensor([[[True, False, True], [False, False, False]]])
    x.requires_grad_()
    output, weights = layer(x, value, attention_mask=mask, return_attention_scores=True)
    assert not weights[0, :, 1].any()
    torch.testing.assert_close(output[0, 1], layer._output_dense.linear.bias)
    alone = layer(x, value, attention_mask=mask)
    torch.testing.assert_close(alone[0, 0], output[0, 0])
    want = layer._value_dense(value).mean(1)[0] * (dropout == 0)
    torch.testing.assert_close(alone[0, 1], layer._output_dense(want))
    (gradient,) = torch.autograd.grad(alone.sum(), x)
    assert gradient[0, 0].any() and not gradient[0, 1].any()


@pytest.mark.parametrize("suffix", [".keras", ".h5"])
def test_attention_of_keras3_stays_its_own(suffix, tmp_path):
    x = keras.Input((3, 4))
    model = keras.Model(x, keras.layers.MultiHeadAttention(2, 3, keras3_masking=True)(x, x))
    model.save(tmp_path / f"m{suffix}")
    again = keras.models.load_model(tmp_path / f"m{suffix}")
    assert again.layers[1].keras3_masking
    model.save(tmp_path / "m.h5", dialect="keras2")
    assert not keras.models.load_model(tmp_path / "m.h5").layers[1].keras3_masking


def test_reversible_embedding_goes_both_ways():
    layer, ids = L.ReversibleEmbedding(7, 4, logit_soft_cap=2.0), torch.tensor([[1, 2]])
    rows = layer(ids)
    table = torch.tensor(layer.get_weights()[0])
    torch.testing.assert_close(rows, table[ids])
    torch.testing.assert_close(layer(rows, reverse=True), torch.tanh(rows @ table.T / 2) * 2)
    untied = L.ReversibleEmbedding(7, 4, tie_weights=False)
    untied(ids)
    assert [v.shape for v in untied.weights] == [(7, 4), (4, 7)]


def test_additive_attention_wants_a_list():
    with pytest.raises(ValueError, match="must be called on a list of inputs"):
        keras.layers.AdditiveAttention()(keras.Input((4, 3)))


def test_the_activity_of_multi_head_attention_counts_once():
    """As in tf_keras 2.21, whose inner layers do not look at the regularizer that they are given."""
    x = keras.Input((4, 6))
    layer = keras.layers.MultiHeadAttention(2, 3, activity_regularizer="l2")
    model = keras.Model(x, layer(x, x))
    y = model(torch.ones(2, 4, 6))
    torch.testing.assert_close(torch.stack(model.losses), 0.01 * torch.sum(y**2).reshape(1) / 2)


@pytest.mark.parametrize(
    ("masked", "want"),
    [(False, [[1, 0, 0], [1, 1, 0], [1, 1, 1]]), (True, [[1, 0, 0], [0, 0, 0], [1, 0, 1]])],
)
@pytest.mark.parametrize(
    "make",
    [
        lambda: keras.layers.MultiHeadAttention(2, 2),
        lambda: keras.layers.MultiHeadAttention(2, 2, keras3_masking=True),
        lambda: keras.layers.GroupQueryAttention(2, 2, 2),
    ],
)
def test_the_scores_of_attention_carry_their_mask(make, masked, want):
    """As in tf_keras 2.21 and Keras 3.15, where it is left over from the softmax."""
    x = h = keras.Input((3, 2))
    if masked:
        h = keras.layers.Masking()(x)
    model = keras.Model(x, make()(h, h, return_attention_scores=True, use_causal_mask=True))
    output, scores = model(torch.tensor([[[1.0, 2.0], [0.0, 0.0], [3.0, 1.0]]]))
    assert hasattr(output, "_keras_mask") is masked
    assert scores._keras_mask.int().tolist() == [[want]]


def test_key_and_value_of_different_lengths():
    query, value, key = torch.randn(2, 4, 3), torch.randn(2, 5, 3), torch.randn(2, 6, 3)
    with pytest.raises(ValueError, match=r"key and value must agree.*\(2, 6, 3\).*\(2, 5, 3\)"):
        layers.MultiHeadAttention(2, 3)(query, value, key)
    layer = layers.MultiHeadAttention(2, 3)
    layer(query, value)
    with pytest.raises(ValueError, match="key and value must agree"):
        layer(query, value, key)
    with pytest.raises(ValueError, match="key and value must agree"):
        layers.MultiHeadAttention(2, 3)(keras.Input((4, 3)), keras.Input((5, 3)), keras.Input((6, 3)))


@pytest.mark.parametrize(
    ("axes", "keras3", "want", "scores"),
    # Of tf_keras 2.21 and Keras 3.15; the last axis but one is that of the heads for tf_keras, of the steps for Keras 3.
    [
        ((-3,), False, [-4.2621, -3.1892, -1.5955], (2, 2, 4, 4)),
        ((-2,), False, [2.8073, 3.957, -0.7866], (2, 4, 2, 2)),
        ((-2, -3), False, [2.8069, 3.9565, -0.7866], (2, 2, 4, 2, 4)),
        ((-2,), True, [-4.2621, -3.1892, -1.5955], (2, 2, 4, 4)),
        ((-1,), True, [2.8073, 3.957, -0.7866], (2, 4, 2, 2)),
        ((2,), True, [2.8073, 3.957, -0.7866], (2, 4, 2, 2)),
    ],
)
def test_negative_attention_axes(axes, keras3, want, scores):
    random = np.random.RandomState(0)
    x = torch.tensor(random.randn(2, 4, 5), dtype=torch.float32)
    layer = keras.layers.MultiHeadAttention(2, 3, attention_axes=axes, keras3_masking=keras3)
    symbolic = layer(keras.Input((4, 5)), keras.Input((4, 5)), return_attention_scores=True)
    layer.set_weights([random.randn(*v.shape) for v in layer.weights])
    got = layer(x, x, return_attention_scores=True)
    np.testing.assert_allclose(got[0].detach().flatten()[:3], want, atol=1e-4)
    assert tuple(got[1].shape) == scores and symbolic[1].shape == (None, *scores[1:])


def test_attention_axes_that_are_one():
    with pytest.raises(ValueError, match=r"must differ .* got \(1, -3\)"):
        keras.layers.MultiHeadAttention(2, 3, attention_axes=(1, -3))(keras.Input((4, 5)), keras.Input((4, 5)))
