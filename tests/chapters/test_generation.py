"""Chapter 8: probabilities, sampling, streams, and the text-to-text model around them."""

import math
from functools import partial

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from support.folders import raises_one_line
from support.tables import Fixed
from support.weights import scripted
from torch import nn

from companion.caching import KVCache, SlidingCache, prefill
from companion.datasets import pad_batch
from companion.generation import (
    LanguageModel,
    draw_tokens,
    generate,
    log_probability,
    next_token_probabilities,
    stream,
)
from companion.gpt import GPTConfig, gpt2
from companion.runtime.generation.sampling_arguments import row_generators, seeded
from companion.tokenization import BPETokenizer, Tokenizer

TEXT = "The kettle sang. Nobody counted the spoons; a moth read page five aloud. " * 5


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
    return 3 * torch.randn(*shape, generator=seeded(seed))


# -- next_token_probabilities


@pytest.mark.parametrize("setting", [{"temperature": 0}, {"temperature": 1e-30}, {"top_p": 1e-300}])
def test_the_smallest_temperature_or_top_p_takes_the_likeliest(setting):
    logits = logits_of(5, 13)
    expected = F.one_hot(logits.argmax(-1), 13).float()
    torch.testing.assert_close(next_token_probabilities(logits, **setting), expected)


@pytest.mark.parametrize("k", [1, 3, 99])
def test_top_k_keeps_k_tokens_in_their_proportions(k):
    logits = logits_of(4, 13, seed=2)
    full, kept = logits.softmax(-1), next_token_probabilities(logits, top_k=k)
    assert (kept > 0).sum(-1).tolist() == [min(k, 13)] * 4
    for row, part in zip(full, kept, strict=True):
        best = row.argsort(descending=True)[:k]
        torch.testing.assert_close(part[best], row[best] / row[best].sum())


@given(st.lists(st.floats(-8, 8), min_size=2, max_size=30), st.floats(0.01, 1.0))
@settings(max_examples=200)
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


def test_equal_tokens_that_reach_p_exactly_are_enough():
    for k in range(1, 25):  # the sum of k rounded shares may be a little less than k / 25
        assert (next_token_probabilities(torch.zeros(1, 25), top_p=k / 25) > 0).sum() == k


def test_top_p_counts_after_top_k():
    probs = torch.tensor([0.4, 0.3, 0.2, 0.1])  # 0.4 of 0.7 is 0.57: one token is enough
    kept = next_token_probabilities(probs.log(), top_k=2, top_p=0.5)
    torch.testing.assert_close(kept, torch.tensor([1.0, 0, 0, 0]))


def test_repetition_penalty_shrinks_what_was_said():
    logits, previous = torch.tensor([[2.0, -1.0, 0.5, 3.0]]), torch.tensor([[0, 1, 1]])
    expected = torch.tensor([[1.0, -2.0, 0.5, 3.0]]).softmax(-1)
    got = next_token_probabilities(logits, repetition_penalty=2.0, previous=previous)
    torch.testing.assert_close(got, expected)


def test_the_penalty_reaches_back_to_the_prompt():
    model = Fixed(torch.tensor([[3.0, 2.9, 2.8, 2.7, 2.6]]).repeat(5, 1))
    out = generate(model, torch.tensor([[0, 4, 4]]), 3, temperature=0, repetition_penalty=2.0)
    assert out.tolist() == [[1, 2, 3]]
    uneven = [torch.tensor([4]), torch.tensor([4, 4, 1])]  # what fills up the first was not said
    out = generate(model, uneven, 2, temperature=0, repetition_penalty=2.0)
    assert out.tolist() == [[0, 1], [0, 2]]


def test_top_p_one_keeps_all():
    logits = torch.tensor([20.0, 3.0, 1.0, -2.0, -4.0, -60.0])  # cumsum reaches 1.0 before the end
    assert torch.equal(next_token_probabilities(logits, top_p=1.0), next_token_probabilities(logits))


def test_a_number_draws_the_token_in_whose_interval_it_falls():
    probs = torch.tensor([[0.0, 0.25, 0.5, 0.25, 0.0]]).repeat(5, 1)
    numbers = torch.tensor([0.0, 0.25, 0.7, 0.75, 1.0], dtype=torch.float64)  # 1.0: what rounding may make
    assert draw_tokens(probs, numbers).tolist() == [1, 2, 2, 3, 3]


@pytest.mark.parametrize("row", [[0.5, math.nan, 0.5], [0.0, 0.0, 0.0]])
def test_probabilities_that_are_no_numbers_are_an_error(row):
    with pytest.raises(ValueError, match="probs"):
        draw_tokens(torch.tensor([[0.5, 0.5, 0.0], row]), torch.tensor([0.3, 0.3]))


# -- generate and stream


def test_finished_rows_are_padded_with_stop_and_all_finished_ends():
    # 0 -> 1 -> 2 (stop); 3 -> 3 for ever
    table = torch.full((4, 4), -1e9)
    table[0, 1] = table[1, 2] = table[2, 0] = table[3, 3] = 0.0
    model = Fixed(table)
    out = generate(model, torch.tensor([[0], [3]]), 5, stop=2)
    assert out.tolist() == [[1, 2, 2, 2, 2], [3, 3, 3, 3, 3]]
    assert generate(model, torch.tensor([[0], [1]]), 5, stop=2).tolist() == [[1, 2], [2, 2]]
    after_stop = generate(model, torch.tensor([[2]]), 2, stop=2)
    assert after_stop.tolist() == [[0, 1]], "a stop in the prompt is no stop"
    uneven = [torch.tensor([3, 0]), torch.tensor([3]), torch.tensor([0, 1, 2, 0, 1])]
    assert generate(model, uneven, 4, stop=2).tolist() == [[1, 2, 2, 2], [3, 3, 3, 3], [2, 2, 2, 2]]
    assert generate(model, uneven, 1, stop=2).tolist() == [[1], [3], [2]]


def test_finished_rows_cost_nothing_and_leave_the_draws_of_others_alone():
    table = torch.zeros(7, 7)
    table[:, 2] = -1e9  # only row 0 leads to 2, the stop
    table[0] = -1e9
    table[0, 2] = 0.0
    table[1:, 0] = -1e9
    model, drawn = Fixed(table), []
    for first in (0, 3):
        drawn.append(generate(model, torch.tensor([[first], [5]]), 6, stop=2, generator=seeded(4)))
    rows = [2, 1, 1, 1, 1, 1] + [2] * 6
    assert model.scored == [(n, 7) for n in rows], "only the last place is scored, of rows that go on"
    assert torch.equal(drawn[0][1], drawn[1][1]) and drawn[0][0].tolist() == [2, 2, 2, 2, 2, 2]


# -- rows of unequal length


@pytest.fixture(scope="module")
def double():
    """A random GPT in float64, in which a batch and a row alone agree to the last token."""
    torch.manual_seed(7)
    model = gpt2(GPTConfig(vocab_size=47, context_length=13, n_layers=2, n_heads=3, d_model=12, dropout=0.4))
    for p in model.parameters():
        nn.init.normal_(p, std=0.5)
    return model.double()


def prompts(*lengths, seed=3):
    generator = seeded(seed)
    return [torch.randint(47, (n,), generator=generator) for n in lengths]


def until(row, stop):
    ids = row.tolist()
    return ids[: ids.index(stop) + 1] if stop in ids else ids


@pytest.mark.parametrize(
    "options",
    [
        {"temperature": 0},
        {"temperature": 1.3},
        {"temperature": 0.9, "top_k": 11, "top_p": 0.8, "repetition_penalty": 1.4},
    ],
)
@pytest.mark.parametrize("lengths", [(5, 1, 9), (17, 3, 14)])  # the last pass the context
def test_each_row_gives_what_it_gives_alone(double, options, lengths):
    rows, stop = prompts(*lengths), 29
    together = generate(double, rows, 11, stop=stop, generator=seeded(5), **options)
    one_each = [seeded(100 + i) for i in range(len(rows))]
    listed = generate(double, rows, 11, stop=stop, generator=one_each, **options)
    assert together.shape[1] == max(len(until(row, stop)) for row in together)
    for i, row in enumerate(rows):
        generator = seeded(5)
        row_generators(generator, i)  # the rows before it have each taken a number
        (alone,) = generate(double, [row], 11, stop=stop, generator=generator, **options)
        assert until(together[i], stop) == until(alone, stop) == alone.tolist()
        (alone,) = generate(double, [row], 11, stop=stop, generator=seeded(100 + i), **options)
        assert until(listed[i], stop) == alone.tolist()
        assert set(together[i, len(until(together[i], stop)) :].tolist()) <= {stop}


def test_without_a_generator_the_global_one_draws(double):
    drawn = []
    for seed in (1, 1, 2):
        torch.manual_seed(seed)
        drawn.append(generate(double, prompts(3, 5), 8))
    assert torch.equal(drawn[0], drawn[1]) and not torch.equal(drawn[0], drawn[2])


def test_a_cache_that_holds_a_beginning(double):
    (row,) = prompts(9)
    cache = KVCache(double.config, 1)
    prefill(double, row[None, :5], cache)
    with_beginning = generate(double, [row[5:]], 4, generator=seeded(6), cache=cache)
    assert torch.equal(with_beginning, generate(double, [row], 4, generator=seeded(6)))


@pytest.mark.parametrize(
    ("name", "value", "error"),
    [
        ("temperature", 1e-40, ValueError),
        ("temperature", math.nan, ValueError),
        ("top_k", 0, ValueError),
        ("top_p", 1.01, ValueError),
        ("repetition_penalty", math.inf, ValueError),
        ("max_new_tokens", 0, ValueError),
        ("stop", 5, ValueError),
        ("temperature", "0.8", TypeError),
        ("top_k", True, TypeError),
        ("generator", 7, TypeError),
    ],
)
def test_a_wrong_setting_is_one_clear_line_before_the_model_is_asked_anything(name, value, error):
    model, message = Fixed(torch.zeros(5, 5)), f"^{name}={value!r} must be "
    for way in (generate, stream):
        with raises_one_line(error, message):
            way(model, torch.tensor([[1, 2]]), **{"max_new_tokens": 3, name: value})
    assert model.longest == 0 and model.training
    if name in ("temperature", "top_k", "top_p", "repetition_penalty"):
        with pytest.raises(error, match=message):
            next_token_probabilities(torch.zeros(1, 5), **{name: value})


def modes(model):
    return [part.training for part in model.modules()]


def test_a_stream_leaves_each_parts_mode_alone(small):
    model, tokens = small.model, torch.tensor([[3, 8, 1]])
    for root in (True, False):
        model.train(root)
        model.blocks[1].train(not root)  # a part of another mode, as a frozen one may be
        before, ids = modes(model), stream(model, tokens, 8)
        for _ in range(3):
            next(ids)
            assert modes(model) == before, "while a stream waits, the model is as it was"
        other = stream(model, tokens, 8)
        next(other)
        ids.close()  # abandoned, with another one open
        next(other)
        assert modes(model) == before
        del other
        assert modes(model) == before and torch.is_grad_enabled()
        generate(model, tokens, 2)
        assert modes(model) == before
    model.train()


def test_a_stream_is_what_generate_gives(small):
    tokens = torch.tensor([[7, 1]])
    options = {"temperature": 1.1, "top_k": 40, "top_p": 0.9, "repetition_penalty": 1.2}
    model = small.model.train()  # with dropout, which would change what is drawn
    for stop in (None, 33):
        once = generate(model, tokens, 15, stop=stop, generator=seeded(4), **options)
        pieces = stream(model, tokens, 15, stop=stop, generator=seeded(4), **options)
        assert once[0].tolist() == list(pieces)


def test_a_stream_is_of_one_row_and_a_list_has_a_generator_for_each():
    model, rows = Fixed(torch.zeros(5, 5)), torch.zeros(2, 3, dtype=torch.int64)
    with pytest.raises(ValueError, match="2 rows"):
        stream(model, rows, 4)
    with pytest.raises(ValueError, match="generator has 3 entries for 2 rows"):
        generate(model, rows, 4, generator=[seeded(seed) for seed in range(3)])


@pytest.mark.parametrize(
    ("lengths", "first"), [((9, 9, 9), 1), ((9, 4, 7), 3)], ids=["every token", "answers of padded rows"]
)
def test_log_probability_and_its_gradient_are_sums_over_what_counts(double, lengths, first):
    """first: of the tokens that count. The gradient is that of a weighted sum of rows, as rewards need it."""
    model, rows, weights = double.eval(), prompts(*lengths), torch.tensor([0.7, -1.3, 0.4])
    tokens, mask = pad_batch(rows, 0)
    mask[:, :first] = False
    found = log_probability(model, tokens, mask[:, 1:])
    by_hand = []
    for row in rows:
        log_probs = model(row[None])[0].log_softmax(-1)  # (T, V)
        by_hand.append(sum(log_probs[t - 1, row[t]] for t in range(first, len(row))))
    torch.testing.assert_close(found, torch.stack(by_hand).float(), atol=1e-5, rtol=1e-5)
    parameters = list(model.parameters())
    gradients = torch.autograd.grad((weights * found).sum(), parameters)
    expected = torch.autograd.grad((weights * torch.stack(by_hand)).sum(), parameters)
    assert max(gradient.abs().max() for gradient in expected) > 0.1
    torch.testing.assert_close(gradients, expected, atol=1e-5, rtol=1e-4)


def test_a_target_that_does_not_count_may_be_impossible():
    table = torch.zeros(4, 4)
    table[1, 2] = -math.inf
    model, mask = Fixed(table), torch.tensor([[True, False]])
    total = log_probability(model, torch.tensor([[0, 1, 2]]), mask)
    total.sum().backward()
    assert total.item() == pytest.approx(-math.log(4)) and model.table.grad.isfinite().all()


# -- LanguageModel


def test_a_seed_means_the_same_to_every_method(small):
    """tell, generate, stream and the first of tell_many are one text; the third of 3 is the third of 60."""
    story = small.tell("Nobody", seed=6, max_new_tokens=200)
    (text, ended), *_ = small.tell_many(1, prompt="Nobody", seed=6)
    assert story.startswith(text) and len(text) > len("Nobody")
    assert story == "Nobody" + small.generate("Nobody", seed=6, max_new_tokens=200)
    assert story != small.tell("Nobody", seed=7, max_new_tokens=200)
    few, many = (small.tell_many(n, prompt="Nobody", seed=6) for n in (3, 60))
    assert many[:3] == few and few[0] == (text, ended) and few[1] != few[0]


@pytest.mark.parametrize("most", [1, 17, None])
@pytest.mark.parametrize("make_cache", [None, KVCache, SlidingCache])
def test_as_many_tokens_as_asked_for_whoever_tells(most, make_cache):
    """A model that never ends a text. Its context is 11: the prompt, of 2 tokens, leaves room for 10 more."""
    tokenizer, table = BPETokenizer.train("", 257), torch.full((257, 257), -1e9)
    table[:, 65:67] = 0.0
    model = Fixed(table)
    teller, n = LanguageModel(model, tokenizer, make_cache), 10 if most is None else most
    story = teller.tell("A", max_new_tokens=most, seed=2)
    assert story == teller.tell_many(3, "A", seed=2, max_new_tokens=most)[0][0] and len(story) == 1 + n
    assert "".join(teller.stream("A", most, seed=2)) == story[1:]
    few, many = (teller.tell_many(n, "A", seed=2, max_new_tokens=most) for n in (53, 60))
    assert few == many[:53]
    assert teller.tell_many(2, "A", seed=2) == teller.tell_many(2, "A", seed=2, max_new_tokens=None)


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"max_new_tokens": 0}, "max_new_tokens=0 must be at least 1; try 200, or None for what the context"),
        ({"max_new_tokens": "many"}, "max_new_tokens='many' must be a whole number"),
        ({"prompt": "The kettle sang. " * 20}, "context_length=19; shorten"),
        *[({"seed": seed}, f"seed={seed!r}") for seed in (2**63, 1.5)],
    ],
)
def test_what_cannot_be_told_is_one_clear_line(small, change, word):
    for way in (small.stream, small.tell, partial(small.tell_many, 2)):  # a stream before its first piece
        with pytest.raises((ValueError, TypeError), match=word):
            way(**change)
    with pytest.raises(ValueError, match="n=0"):
        small.tell_many(0)


class Others(Tokenizer, kind="others"):
    """A tokenizer of letters that says itself how texts begin and end, as those of public models do."""

    special_tokens, letters = {"<s>": 5, "</s>": 6}, " abcd"

    def __init__(self, begin, end):
        self.begin, self.named_end = begin, end

    def encode(self, text):
        return [self.letters.index(letter) for letter in text]

    def tokens(self, ids):
        return [self.letters[i].encode() for i in ids]

    def decode(self, ids):
        return b"".join(self.tokens(ids)).decode().removeprefix(" ")


def test_a_text_begins_and_ends_as_its_tokenizer_says():
    table = torch.zeros(7, 7)
    table[[5, 2, 3, 0], [2, 3, 0, 6]] = 99  # <s>, b, c, a space, </s>
    teller = LanguageModel(Fixed(table), Others([5], 6))
    assert teller.encode("ab").tolist() == [[5, 1, 2]] and teller.encode("").tolist() == [[5]]
    assert teller.generate("", temperature=0) == "bc " == teller.tell("", temperature=0)
    assert teller.tell("c", temperature=0) == "c " and list(teller.stream("b", temperature=0)) == ["c", " "]
    assert teller.tell_many(2, "c", temperature=0) == [("c ", True)] * 2  # a first space stays
    bare = LanguageModel(Fixed(table), Others([], 6))
    assert bare.encode("ab").tolist() == [[1, 2]] and bare.encode("").tolist() == [[6]]
    with pytest.raises(ValueError, match="tokenizer lacks"):
        LanguageModel(Fixed(table), Others([5], None))


def test_caches_are_made_where_a_text_fits():
    tokenizer = BPETokenizer.train("", 257)  # no text: single bytes, of which the model knows some
    made = []

    def make_cache(config, batch_size):
        made.append(KVCache(config, batch_size))
        return made[-1]

    torch.manual_seed(7)
    model = gpt2(GPTConfig(vocab_size=257, context_length=13, n_layers=2, n_heads=3, d_model=12)).double()
    plain, cached = LanguageModel(model, tokenizer), LanguageModel(model, tokenizer, make_cache)
    for most in (11, 12):  # past the context the window slides, without a cache
        assert plain.tell("ab", max_new_tokens=most, seed=1) == cached.tell("ab", max_new_tokens=most, seed=1)
        assert [cache.length for cache in made] == [13]
    assert plain.tell_many(53, "ab", seed=2) == cached.tell_many(53, "ab", seed=2)
    assert [cache.plan.batch_size for cache in made] == [1, 50, 3]


@pytest.mark.parametrize("ender", ["<|endoftext|>", "<|end|>", "<|user|>"])
def test_a_text_ends_at_every_token_that_ends_a_text_or_a_turn(ender):
    names = ("<|endoftext|>", "<|user|>", "<|assistant|>", "<|end|>")
    tokenizer = BPETokenizer.train(TEXT, 273, special_tokens=names)
    special = tokenizer.special_tokens
    model = scripted(tokenizer, {65: 66, 66: special[ender], special[ender]: 67, 67: 67})
    teller = LanguageModel(model, tokenizer, KVCache)
    assert teller.generate("A", temperature=0) == "B" == "".join(teller.stream("A", temperature=0))
    assert teller.tell_many(2, "A", temperature=0) == [("AB", True)] * 2


def test_several_ids_stop_a_row_and_the_first_of_them_pads_it():
    table = torch.full((5, 5), -99.0)
    table[0, 1] = table[1, 3] = table[2, 4] = table[4, 4] = 0.0
    rows = [torch.tensor([0]), torch.tensor([1]), torch.tensor([2])]
    for stop in ([2, 3], (2, 3)):
        drawn = generate(Fixed(table), rows, 3, temperature=0, stop=stop)
        assert drawn.tolist() == [[1, 3, 2], [3, 2, 2], [4, 4, 4]]
    assert list(stream(Fixed(table), torch.tensor([[0]]), 9, temperature=0, stop={2, 3})) == [1, 3]
    assert generate(Fixed(table), rows[:1], 2, temperature=0, stop=[]).tolist() == [[1, 3]]
    for stop, message in (([1, 5], "stop=5"), ([-1], "stop=-1")):
        with pytest.raises(ValueError, match=message):
            generate(Fixed(table), rows, 3, stop=stop)


def test_a_text_may_end_at_another_token_or_none_and_a_control_token_is_no_text():
    tokenizer = BPETokenizer.train(TEXT, 272, special_tokens=("<|endoftext|>", "<|pad|>"))
    pad, end = tokenizer.special_tokens["<|pad|>"], tokenizer.special_tokens["<|endoftext|>"]
    teller = LanguageModel(scripted(tokenizer, {65: pad, pad: 66, 66: 67, 67: end}), tokenizer)
    assert list(teller.stream("A", temperature=0)) == ["B", "C"]
    tell = partial(teller.tell_many, 1, "A", temperature=0)
    assert tell() == [("ABC", True)] and tell(stop=67) == [("AB", True)]
    assert tell(stop=None, max_new_tokens=3) == [("ABC", False)]
