"""Chapter 24's layer against transformers' Mixtral: the same weights, outputs and gradients, in float32.

Needs pip install -e '.[peers]'; then pytest -m gate tests/slow/peers.
"""

import pytest
import torch
from transformers import MixtralConfig
from transformers.models.mixtral.modeling_mixtral import MixtralSparseMoeBlock

from companion.experts import MixtureOfExperts, TopKRouter
from companion.modern import SwiGLU

B, T, C, F, E = 3, 11, 14, 19, 5


def pair(k):
    """Their layer and ours, with the same random weights."""
    torch.manual_seed(k)
    config = MixtralConfig(
        hidden_size=C, intermediate_size=F, num_local_experts=E, num_experts_per_tok=k, hidden_act="silu",
        experts_implementation="eager",
    )  # fmt: skip
    theirs = MixtralSparseMoeBlock(config)
    for p in theirs.parameters():
        torch.nn.init.normal_(p, std=0.3)
    ours = MixtureOfExperts(TopKRouter(C, E, k), [SwiGLU(C, F) for _ in range(E)])
    with torch.no_grad():
        ours.router.weight.copy_(theirs.gate.weight)
        for e, expert in enumerate(ours.experts):
            gate, up = theirs.experts.gate_up_proj[e].chunk(2)
            expert.gate_proj.weight.copy_(gate)
            expert.up_proj.weight.copy_(up)
            expert.down_proj.weight.copy_(theirs.experts.down_proj[e])
    return theirs, ours


@pytest.mark.parametrize("k", [2, 3, 5])
def test_it_is_mixtrals_layer(k):
    theirs, ours = pair(k)
    x, probe = torch.randn(B, T, C), torch.randn(B, T, C)
    a, b = x.clone().requires_grad_(), x.clone().requires_grad_()
    made, expected = ours(a), theirs(b)
    torch.testing.assert_close(made, expected, rtol=1e-5, atol=1e-5)
    (made * probe).sum().backward()
    (expected * probe).sum().backward()
    torch.testing.assert_close(a.grad, b.grad, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(ours.router.weight.grad, theirs.gate.weight.grad, rtol=1e-4, atol=1e-5)
    for e, expert in enumerate(ours.experts):
        gate, up = theirs.experts.gate_up_proj.grad[e].chunk(2)
        torch.testing.assert_close(expert.gate_proj.weight.grad, gate, rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(expert.up_proj.weight.grad, up, rtol=1e-4, atol=1e-5)
        down = theirs.experts.down_proj.grad[e]
        torch.testing.assert_close(expert.down_proj.weight.grad, down, rtol=1e-4, atol=1e-5)


def test_with_one_expert_ours_keeps_the_share_as_the_weight():
    theirs, ours = pair(1)
    x = torch.randn(B * T, C)
    share = (x @ theirs.gate.weight.T).softmax(-1).amax(-1)
    torch.testing.assert_close(ours(x), share[:, None] * theirs(x[None])[0], rtol=1e-5, atol=1e-5)
