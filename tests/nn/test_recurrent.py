"""kerastorch.nn.recurrent beside torch's own modules."""

import pytest
import torch
from torch import nn

from kerastorch.nn.recurrent import LSTM

MASKS = {
    "right-padded": [[1, 1, 1, 0, 0], [1, 1, 1, 1, 1], [1, 0, 0, 0, 0]],
    "left-padded": [[0, 0, 1, 1, 1], [0, 1, 1, 1, 1], [0, 0, 0, 0, 1]],
    "with gaps": [[1, 0, 1, 0, 1], [0, 1, 1, 0, 0], [0, 0, 1, 0, 1]],
    "with nothing": [[0, 0, 0, 0, 0], [1, 1, 0, 1, 1], [0, 1, 0, 0, 0]],
}


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("mask", MASKS.values(), ids=MASKS)
def test_states_of_a_masked_lstm_are_those_of_the_steps_that_count(mask, bias):
    torch.manual_seed(0)
    plain = nn.LSTM(4, 3, bias=bias, batch_first=True)
    ours = LSTM(4, 3, return_state=True, bias=bias)
    with torch.no_grad():
        ours.weight_ih.copy_(plain.weight_ih_l0)
        ours.weight_hh.copy_(plain.weight_hh_l0)
        if bias:
            plain.bias_hh_l0.zero_()
            ours.bias.copy_(plain.bias_ih_l0)
    x, h, c = (torch.randn(*shape, requires_grad=True) for shape in ((3, 5, 4), (3, 3), (3, 3)))
    mask = torch.tensor(mask).bool()
    ends = []
    for i in range(3):
        begin = (h[i][None, None], c[i][None, None])
        ends.append(plain(x[i, mask[i]][None], begin)[1] if mask[i].any() else begin)
    want = torch.cat([torch.cat(end) for end in ends], 1)
    got = torch.stack(ours(x, h, c, mask=mask)[1:])
    torch.testing.assert_close(got, want.view(2, 3, 3), rtol=0, atol=1e-6)
    weights = torch.randn(2, 3, 3)
    for a, b in zip(
        torch.autograd.grad((got * weights).sum(), (x, h, c, ours.weight_ih, ours.weight_hh)),
        torch.autograd.grad((want.view(2, 3, 3) * weights).sum(), (x, h, c, plain.weight_ih_l0, plain.weight_hh_l0)),
        strict=True,
    ):
        torch.testing.assert_close(a, b, rtol=0, atol=1e-5)
