"""Chapter 3's module: look-ups by id, positions added, a training loop that fits."""

import pytest
import torch
from support.folders import raises_one_line

from companion.embeddings import GPTEmbedding, TokenEmbedding, fit

V, T, C, LONGEST = 13, 5, 7, 11


def tokens(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randint(V, shape, generator=torch.Generator().manual_seed(seed))


@pytest.fixture(autouse=True)
def seeded():
    torch.manual_seed(0)


# ------------------------------------------------------------------------------------------- TokenEmbedding


def test_rows_start_as_gpt2s_noise():
    weight = TokenEmbedding(503, 101).weight
    assert weight.shape == (503, 101) and weight.dtype == torch.float32
    assert abs(weight.mean().item()) < 5e-4
    assert weight.std().item() == pytest.approx(0.02, rel=0.02)


@pytest.mark.parametrize("ids", [[[0, V]], [[-1, V - 1]]])
def test_tokens_without_a_row_are_an_error(ids):
    low, high = ids[0]
    message = f"tokens go from {low} to {high}, but the table has rows 0 to {V - 1}"
    with pytest.raises(ValueError, match=message):
        TokenEmbedding(V, C)(torch.tensor(ids))


# --------------------------------------------------------------------------------------------- GPTEmbedding


def test_each_row_may_start_at_a_position_of_its_own():
    embed, ids, start = GPTEmbedding(V, LONGEST, C), tokens(3, T), torch.tensor([0, 6, 2])
    rows = embed(ids, start)
    for i, first in enumerate(start.tolist()):
        torch.testing.assert_close(rows[i : i + 1], embed(ids[i : i + 1], first), rtol=0, atol=0)
    assert torch.equal(embed.token(ids, start), embed.token(ids))  # a token table has no positions


@pytest.mark.parametrize(
    ("start", "message"),
    [
        (torch.tensor([0, 7, 2]), f"positions 0 to {T + 6}, but context_length={LONGEST};"),
        (torch.tensor([0, -1, 2]), f"positions -1 to {T + 1}"),
        (torch.tensor([0, 1]), r"start is torch.int64 \(2,\), must be an int, or torch.int64 \(3,\)"),
        (torch.tensor([0.0, 1.0, 2.0]), r"start is torch.float32 \(3,\)"),
    ],
)
def test_starts_that_do_not_fit_the_rows_are_an_error(start, message):
    with raises_one_line(ValueError, message):
        GPTEmbedding(V, LONGEST, C)(tokens(3, T), start)


def test_dropout_is_for_training_only():
    embed, ids = GPTEmbedding(V, LONGEST, 64, dropout=0.5), tokens(2, T)
    full = embed.token(ids) + embed.position.weight[:T]
    dropped = embed(ids)
    gone = dropped == 0
    assert 0.3 < gone.float().mean().item() < 0.7
    torch.testing.assert_close(dropped[~gone], 2 * full[~gone], rtol=0, atol=1e-7)
    torch.testing.assert_close(embed.eval()(ids), full, rtol=0, atol=0)


# ------------------------------------------------------------------------------------------------------ fit


def text(length: int = 400) -> torch.Tensor:
    """(1, length): tokens of which each depends on the last."""
    generator, row = torch.Generator().manual_seed(3), [0]
    for _ in range(length - 1):
        row.append((row[-1] * 3 + int(torch.randint(4, (1,), generator=generator))) % V)
    return torch.tensor([row])


def test_fit_takes_the_steps_of_adam():
    row = text(60)
    batches = [(row[:, i : i + T], row[:, i + 1 : i + T + 1]) for i in range(0, 50, 3)]
    ours = TokenEmbedding(V, V)
    theirs = ours.weight.detach().clone().requires_grad_()
    adam, expected = torch.optim.Adam([theirs], lr=0.03), []
    ours.weight.grad = torch.ones(V, V)  # what is left from before must not count
    losses = fit(ours, batches, steps=9, lr=0.03)
    for x, y in batches[:9]:
        adam.zero_grad()
        loss = -theirs[x].log_softmax(-1).gather(-1, y[..., None]).mean()
        loss.backward()
        adam.step()
        expected.append(loss.item())
    assert losses == pytest.approx(expected, abs=1e-5)
    torch.testing.assert_close(ours.weight, theirs, rtol=0, atol=1e-5)


def test_batches_that_end_before_the_steps_are_an_error():
    row = text(30)
    with pytest.raises(ValueError, match="batches ended after 2 of steps=3"):
        fit(TokenEmbedding(V, V), [(row[:, :-1], row[:, 1:])] * 2, steps=3, lr=0.01)
