"""The loss for large vocabularies: PyTorch's numbers and gradients, and used only where it was asked for."""

import pytest
import torch
import torch.nn.functional as F
from torch.autograd.graph import saved_tensors_hooks

from companion import training
from companion.runtime.models import cross_entropy
from companion.runtime.models.cross_entropy import cross_entropy_sum


def logits_and_targets(rows, tokens, dtype=torch.float32):
    generator = torch.Generator().manual_seed(0)
    z = 3 * torch.randn(rows, tokens, generator=generator)
    y = torch.randint(0, tokens, (rows,), generator=generator)
    y[::7] = -100
    return z.to(dtype).requires_grad_(), y


def pytorchs_sum(z, y):
    return F.cross_entropy(z.float(), y, reduction="sum")


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize(("rows", "tokens"), [(5, 11), (1500, 1001), (3, 2**19 + 1)])
def test_the_loss_in_pieces_is_pytorchs_in_values_and_gradients(rows, tokens, dtype):
    z, y = logits_and_targets(rows, tokens, dtype)
    before = z.detach().clone()
    losses = cross_entropy_sum(z, y), pytorchs_sum(z, y)
    assert torch.equal(z, before)
    torch.testing.assert_close(*losses, rtol=1e-6, atol=0)
    ours, theirs = (torch.autograd.grad(loss * 0.5, z, retain_graph=True)[0] for loss in losses)
    torch.testing.assert_close(ours, theirs, rtol=1e-5 if dtype == torch.float32 else 1e-2, atol=1e-7)
    assert (ours[::7] == 0).all()
    assert torch.equal(torch.autograd.grad(losses[0] * 0.5, z)[0], ours), "twice is once"


def test_the_loss_in_pieces_where_numbers_are_extreme():
    z, y = logits_and_targets(1100, 1000)
    with torch.no_grad():
        z[1, y[1]], z[2, y[2]], z[3, (y[3] + 1) % 1000] = -300.0, 1e4, float("-inf")
    torch.testing.assert_close(cross_entropy_sum(z, y), pytorchs_sum(z, y), rtol=1e-6, atol=0)
    assert cross_entropy_sum(z, torch.full_like(y, -100)) == 0
    with torch.no_grad():
        z[4, 0] = float("nan")
    assert cross_entropy_sum(z, y).isnan()


@pytest.mark.parametrize("wrong", [1000, -1])
def test_a_target_that_is_no_token_is_an_error_in_pieces_too(wrong):
    z, y = logits_and_targets(1100, 1000)
    y[5] = wrong
    with pytest.raises((RuntimeError, IndexError), match="out of bounds"):
        cross_entropy_sum(z, y)


def test_the_loss_keeps_only_the_gradient():
    z, y = logits_and_targets(1100, 1000)
    kept = []
    with saved_tensors_hooks(lambda t: kept.append(t.numel()) or t, lambda t: t):
        cross_entropy_sum(z, y)
    assert kept == [z.numel()]


def test_the_whole_loss_is_chapter_7s():
    z, y = logits_and_targets(12, 50)
    table = torch.nn.Embedding.from_pretrained(z.detach())
    batch = torch.arange(12).view(3, 4), y.view(3, 4)
    ours, theirs = (loss(table, batch) for loss in (cross_entropy.next_token_loss, training.next_token_loss))
    torch.testing.assert_close(ours[0], theirs[0])
    assert ours[1] == theirs[1] == 10
