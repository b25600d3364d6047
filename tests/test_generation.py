"""Chapter 8: probabilities, sampling, streams, and the text-to-text model around them."""

import math

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from companion.generation import (
    LanguageModel,
    generate,
    load,
    log_probability,
    next_token_probabilities,
    stream,
)
from companion.gpt import GPTConfig, gpt2
from companion.tokenization import BPETokenizer

TEXT = "The kettle sang. Nobody counted the spoons; a moth read page five aloud. " * 5


class Fixed(nn.Module):
    """A model whose next-token logits depend on the last token alone: row `token` of a table."""

    def __init__(self, table):
        super().__init__()
        self.table = nn.Parameter(table)
        self.config = GPTConfig(vocab_size=len(table), context_length=11, n_layers=1, n_heads=1, d_model=4)
        self.longest = 0

    def forward(self, tokens, cache=None):
        self.longest = max(self.longest, tokens.shape[1])
        return F.embedding(tokens, self.table)


@pytest.fixture(scope="module")
def small():
    """A random GPT over a small BPE vocabulary."""
    torch.manual_seed(5)
    tokenizer = BPETokenizer.train(TEXT, 275)
    model = gpt2(GPTConfig(vocab_size=275, context_length=19, n_layers=2, n_heads=3, d_model=12, dropout=0.3))
    for p in model.parameters():
        nn.init.normal_(p, std=0.4)
    return LanguageModel(model, tokenizer)


def logits_of(*shape, seed=0):
    return 3 * torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


# -- next_token_probabilities


def test_temperature_divides_the_logits():
    logits = logits_of(2, 3, 7)
    for temperature in (0.3, 1.0, 2.5):
        expected = torch.stack([row.div(temperature).exp() for row in logits.flatten(0, 1).double()])
        expected = (expected / expected.sum(-1, keepdim=True)).reshape(2, 3, 7).float()
        torch.testing.assert_close(next_token_probabilities(logits, temperature), expected)


def test_temperature_zero_takes_the_likeliest_and_its_limit_agrees():
    logits = logits_of(5, 13)
    probs = next_token_probabilities(logits, 0)
    assert probs.argmax(-1).tolist() == logits.argmax(-1).tolist() and probs.max(-1).values.eq(1).all()
    torch.testing.assert_close(probs, next_token_probabilities(logits, 1e-4))


@pytest.mark.parametrize("k", [1, 3, 13, 99])
def test_top_k_keeps_k_tokens_in_their_proportions(k):
    logits = logits_of(4, 13, seed=2)
    full, kept = logits.softmax(-1), next_token_probabilities(logits, top_k=k)
    assert (kept > 0).sum(-1).tolist() == [min(k, 13)] * 4
    for row, part in zip(full, kept, strict=True):
        best = row.argsort(descending=True)[:k]
        torch.testing.assert_close(part[best], row[best] / row[best].sum())


def test_top_k_keeps_k_tokens_among_equals():
    assert (next_token_probabilities(torch.zeros(2, 9), top_k=4) > 0).sum(-1).tolist() == [4, 4]


@given(st.lists(st.floats(-8, 8), min_size=2, max_size=30), st.floats(0.01, 1.0))
@settings(max_examples=200, deadline=None)
def test_top_p_keeps_the_smallest_set_that_reaches_p(logits, p):
    logits = torch.tensor(logits)
    full, kept = logits.softmax(-1).double(), next_token_probabilities(logits, top_p=p)
    chosen = kept > 0
    assert chosen.any() and abs(kept.sum().item() - 1) < 1e-5
    mass = full[chosen].sum().item()
    assert mass > p - 1e-5, "too few are kept"
    assert mass - full[chosen].min().item() < p + 1e-5, "one fewer would have done"
    if (~chosen).any():
        assert full[~chosen].max() <= full[chosen].min() + 1e-7, "a likelier token was left out"


def test_top_p_counts_after_top_k():
    probs = torch.tensor([0.4, 0.3, 0.2, 0.1])
    kept = next_token_probabilities(
        probs.log(), top_k=2, top_p=0.5
    )  # 0.4 of 0.7 is 0.57: one token is enough
    torch.testing.assert_close(kept, torch.tensor([1.0, 0, 0, 0]))


def test_repetition_penalty_shrinks_what_was_said():
    logits, previous = torch.tensor([[2.0, -1.0, 0.5, 3.0]]), torch.tensor([[0, 1, 1]])
    expected = torch.tensor([[1.0, -2.0, 0.5, 3.0]]).softmax(-1)
    got = next_token_probabilities(logits, repetition_penalty=2.0, previous=previous)
    torch.testing.assert_close(got, expected)


def test_the_penalty_reaches_back_to_the_prompt():
    model = Fixed(torch.tensor([[3.0, 2.9, 2.8, 2.7, 2.6]]).repeat(5, 1))
    out = generate(model, torch.tensor([[0, 4, 4]]), 3, temperature=0, repetition_penalty=2.0)
    assert out.tolist() == [[0, 4, 4, 1, 2, 3]]


def test_the_logits_are_left_alone():
    logits = logits_of(3, 8)
    before = logits.clone()
    next_token_probabilities(logits, 0.5, 3, 0.9, 1.3, torch.zeros(3, 2, dtype=torch.int64))
    assert torch.equal(logits, before)


@pytest.mark.parametrize(
    ("setting", "word"),
    [
        ({"temperature": -0.1}, "temperature=-0.1"),
        ({"temperature": math.nan}, "temperature=nan"),
        ({"temperature": math.inf}, "temperature=inf"),
        ({"top_k": 0}, "top_k=0"),
        ({"top_p": 0.0}, "top_p=0.0"),
        ({"top_p": 1.01}, "top_p=1.01"),
        ({"repetition_penalty": 0.5}, "repetition_penalty=0.5"),
    ],
)
def test_settings_out_of_range(setting, word):
    with pytest.raises(ValueError, match=word):
        next_token_probabilities(torch.zeros(1, 5), **setting)


# -- generate and stream


def chi_square(counts, probs) -> float:
    """Pearson's statistic of counts against probabilities."""
    expected = probs * counts.sum()
    return ((counts - expected) ** 2 / expected).sum().item()


@pytest.mark.parametrize("temperature", [0.7, 1.0, 1.6])
def test_samples_follow_the_probabilities(temperature):
    table = logits_of(6, 6, seed=9) / 3
    model, generator = Fixed(table), torch.Generator().manual_seed(11)
    rows = torch.full((20_000, 1), 2)
    drawn = generate(model, rows, 1, temperature=temperature, generator=generator)[:, 1]
    counts = drawn.bincount(minlength=6).double()
    probs = (table[2].double() / temperature).softmax(-1)
    assert chi_square(counts, probs) < 25.7, "5 degrees of freedom, a chance of 1 in 10,000"
    assert chi_square(counts, (table[2].double() / (temperature + 0.3)).softmax(-1)) > 25.7


def test_rows_differ_and_a_seed_repeats_them():
    model, start = Fixed(torch.zeros(50, 50)), torch.zeros(3, 1, dtype=torch.int64)
    draws = [generate(model, start, 8, generator=torch.Generator().manual_seed(s)) for s in (1, 1, 2)]
    assert torch.equal(draws[0], draws[1]) and not torch.equal(draws[0], draws[2])
    assert not torch.equal(draws[0][0], draws[0][1])


def test_finished_rows_are_padded_with_stop_and_all_finished_ends():
    # 0 -> 1 -> 2 (stop); 3 -> 3 for ever
    table = torch.full((4, 4), -1e9)
    table[0, 1] = table[1, 2] = table[2, 0] = table[3, 3] = 0.0
    model = Fixed(table)
    out = generate(model, torch.tensor([[0], [3]]), 5, stop=2)
    assert out.tolist() == [[0, 1, 2, 2, 2, 2], [3, 3, 3, 3, 3, 3]]
    assert generate(model, torch.tensor([[0], [1]]), 5, stop=2).tolist() == [[0, 1, 2], [1, 2, 2]]
    assert generate(model, torch.tensor([[2]]), 2, stop=2).tolist() == [[2, 0, 1]], (
        "a stop in the prompt is no stop"
    )


def test_finished_rows_cost_nothing_and_leave_the_draws_of_others_alone():
    class Counting(Fixed):
        def forward(self, tokens, cache=None):
            rows.append(len(tokens))
            return super().forward(tokens)

    table = torch.zeros(7, 7)
    table[:, 2] = -1e9  # only row 0 leads to 2, the stop
    table[0] = -1e9
    table[0, 2] = 0.0
    table[1:, 0] = -1e9
    model, rows, drawn = Counting(table), [], []
    for first in (0, 3):
        generator = torch.Generator().manual_seed(4)
        drawn.append(generate(model, torch.tensor([[first], [5]]), 6, stop=2, generator=generator))
    assert rows == [2, 1, 1, 1, 1, 1] + [2] * 6
    assert torch.equal(drawn[0][1], drawn[1][1]) and drawn[0][0].tolist() == [0, 2, 2, 2, 2, 2, 2]


def test_the_window_slides_past_the_context():
    model = Fixed(torch.zeros(5, 5))
    out = generate(model, torch.zeros(1, 3, dtype=torch.int64), 30)
    assert out.shape == (1, 33) and model.longest == 11


def test_with_a_cache_the_context_is_the_limit():
    class Cache:
        length, layers = 4, []

    with pytest.raises(ValueError, match="max_new_tokens=9"):
        generate(Fixed(torch.zeros(5, 5)), torch.zeros(1, 1, dtype=torch.int64), 9, cache=Cache())


def test_an_empty_prompt_is_an_error():
    with pytest.raises(ValueError, match="tokens"):
        generate(Fixed(torch.zeros(5, 5)), torch.zeros(2, 0, dtype=torch.int64), 3)


def test_generate_is_one_by_one_without_dropout(small):
    """Against a loop that calls the model itself, argmax; dropout is off while generating, on again after."""
    model, tokens = small.model.train(), torch.tensor([[3, 8, 1], [200, 4, 9]])
    out = generate(model, tokens, 6, temperature=0)
    assert model.training
    model.eval()
    expected = tokens
    for _ in range(6):
        logits = model(expected)[:, -1]
        expected = torch.cat([expected, logits.max(-1, keepdim=True).indices], dim=1)
    assert torch.equal(out, expected) and not torch.equal(tokens, out[:, :2])


def test_a_stream_is_what_generate_gives(small):
    tokens = torch.tensor([[7, 1]])
    options = {"temperature": 1.1, "top_k": 40, "top_p": 0.9, "repetition_penalty": 1.2}
    for stop in (None, 33):
        once = generate(
            small.model, tokens, 15, stop=stop, generator=torch.Generator().manual_seed(4), **options
        )
        pieces = stream(small.model, tokens, 15, stop, generator=torch.Generator().manual_seed(4), **options)
        assert once[0, 2:].tolist() == list(pieces)


def test_log_probability_is_the_sum_over_tokens(small):
    model, tokens = small.model.eval(), torch.randint(275, (3, 9), generator=torch.Generator().manual_seed(1))
    by_hand = torch.zeros(3)
    with torch.no_grad():
        for t in range(1, 9):
            probs = model(tokens[:, :t])[:, -1].softmax(-1)
            by_hand += probs[torch.arange(3), tokens[:, t]].log()
    torch.testing.assert_close(log_probability(model, tokens), by_hand, atol=1e-4, rtol=1e-5)


# -- LanguageModel


def test_tell_begins_with_the_prompt_and_a_seed_repeats_it(small):
    told = [small.tell("The kettle", max_new_tokens=12, seed=s) for s in (3, 3, 4)]
    assert told[0] == told[1] != told[2] and told[0].startswith("The kettle")


def test_a_stream_of_text_is_the_whole_text(small):
    pieces = list(small.stream("Nobody", max_new_tokens=17, seed=8, temperature=1.5))
    assert len(pieces) > 3
    assert "".join(pieces) == small.generate("Nobody", max_new_tokens=17, seed=8, temperature=1.5)


def test_without_a_seed_texts_differ(small):
    assert small.generate(temperature=2.0, max_new_tokens=15) != small.generate(
        temperature=2.0, max_new_tokens=15
    )


def test_the_end_is_never_shown(small):
    end = small.end
    with torch.no_grad():
        small.model.embed.token.weight[end] *= 3
    texts = [text for text, _ in small.tell_many(60, seed=1)]
    assert not any("<|endoftext|>" in text for text in texts)


def test_many_stories_say_whether_they_ended():
    tokenizer = BPETokenizer.train(TEXT, 270)
    table = torch.full((270, 270), -1e9)
    end = tokenizer.special_tokens["<|endoftext|>"]
    table[end, 65] = table[end, 66] = table[65, end] = table[66, 66] = 0.0  # A ends, BBB… does not
    told = LanguageModel(Fixed(table), tokenizer).tell_many(70, seed=2)
    assert len(told) == 70
    assert {(text, ended) for text, ended in told} == {("A", True), ("B" * 10, False)}


def test_load_gives_back_what_was_saved(small, tmp_path):
    from companion.training import save_checkpoint

    save_checkpoint(tmp_path / "m", small.model, small.tokenizer)
    again = load(tmp_path / "m", device="cpu")
    assert again.tell("The", seed=1, max_new_tokens=9) == small.tell("The", seed=1, max_new_tokens=9)

    import companion

    assert companion.load(tmp_path / "m").tell("The", seed=1, max_new_tokens=9).startswith("The")
