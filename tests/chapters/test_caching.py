"""Chapter 9: a cache changes nothing but the time, and drafts change nothing but the number of passes."""

import dataclasses
from itertools import chain

import pytest
import torch
from support.tables import Fixed, chi_square
from support.weights import noisy

from companion.caching import (
    KVCache,
    ModelDraft,
    PromptLookup,
    SlidingCache,
    cache_bytes,
    prefill,
    select,
    speculative,
    verify,
)
from companion.generation import generate, next_token_probabilities
from companion.gpt import GPTConfig, gpt2
from companion.modern import LlamaConfig, swift
from companion.runtime.generation.sampling_arguments import seeded

B, T, V = 3, 19, 53
SHAPE = GPTConfig(vocab_size=V, context_length=23, n_layers=2, n_heads=5, d_model=30, d_ff=47, dropout=0.3)
CLOSE = {"rtol": 1e-5, "atol": 1e-5}


def ids(*shape, seed=0):
    return torch.randint(V, shape, generator=seeded(seed))


def gpt2_model(shape=SHAPE):
    torch.manual_seed(0)
    return noisy(gpt2(shape)).eval()


def swift_model():
    """A model with other memories: two vectors before each token's own, ahead of attention and of the MLP."""
    torch.manual_seed(0)
    shape = LlamaConfig(V, 23, 2, 5, n_kv_heads=1, d_model=30, d_ff=47, dropout=0.3, shift=2)
    return noisy(swift(shape)).eval()


MODELS = {"gpt2": gpt2_model, "swift": swift_model}
LENGTHS = torch.tensor([4, 11, 7])


@pytest.fixture(params=MODELS)
def model(request):
    return MODELS[request.param]()


# -- logits


@pytest.mark.parametrize("grad", [False, True], ids=["no grad", "grad"])
@pytest.mark.parametrize("length", [None, 1])
@pytest.mark.parametrize("chunks", [[1] * T, [4, 1, 6, 8]])
def test_logits_are_those_without_a_cache(model, chunks, length, grad):
    tokens, cache = ids(B, T), KVCache(SHAPE, B, length)
    with torch.set_grad_enabled(grad):
        pieces = [model(piece, cache) for piece in tokens.split(chunks, dim=1)]
    torch.testing.assert_close(torch.cat(pieces, dim=1), model(tokens), **CLOSE)
    assert cache.length == T


@torch.no_grad()
def test_rows_at_different_positions(model):
    """Three prompts in one batch; what follows them comes in pieces of one, three and two."""
    prompts, more = ids(B, 11), ids(B, 6, seed=5)
    sequences = [torch.cat([p[:n], m])[None] for p, m, n in zip(prompts, more, LENGTHS, strict=True)]
    cache = KVCache(SHAPE, B)
    rows = [p[:n] for p, n in zip(prompts, LENGTHS, strict=True)]
    first = prefill(model, rows, cache, chunk=3)
    assert cache.length.tolist() == LENGTHS.tolist()
    pieces = torch.cat([first[:, None]] + [model(p, cache) for p in more.split([1, 3, 2], 1)], dim=1)
    assert cache.length.tolist() == (LENGTHS + 6).tolist()
    for row, (text, n) in enumerate(zip(sequences, LENGTHS, strict=True)):
        torch.testing.assert_close(pieces[row], model(text)[0, n - 1 :], **CLOSE)


@torch.no_grad()
def test_prefill_goes_on_from_what_is_there(model):
    cache, rows = KVCache(SHAPE, B), [ids(n, seed=n) for n in (2, 6, 1)]
    prefill(model, ids(B, 7), cache)
    last = prefill(model.train(), rows, cache, 4)
    assert model.training
    model.eval()
    assert cache.length.tolist() == [9, 13, 8]
    for i, row in enumerate(rows):
        expected = model(torch.cat([ids(B, 7)[i], row])[None])[0, -1]
        torch.testing.assert_close(last[i], expected, **CLOSE)


# -- rewinding, growing, the end


@torch.no_grad()
@pytest.mark.parametrize("rows", [[2, 0, 2], torch.tensor([2, 0])])
def test_rows_may_be_chosen_in_any_form_and_in_inference_mode(model, rows):
    tokens, cache = ids(B, 12), KVCache(SHAPE, B)
    with torch.inference_mode():
        model(tokens[:, :4], cache)
        chosen = select(cache, rows)
    kept = tokens[[int(row) for row in rows]]
    torch.testing.assert_close(model(kept[:, 4:], chosen), model(kept)[:, 4:], **CLOSE)


@torch.no_grad()
def test_rows_rewind_to_lengths_of_their_own_and_back_to_one(model):
    tokens, other, cache = ids(B, 12), ids(B, 5, seed=7), KVCache(SHAPE, B)
    model(tokens, cache)
    cache.rewind(torch.tensor([4, 12, 7]))
    got = model(other, cache)
    for row, n in enumerate((4, 12, 7)):
        alone = torch.cat([tokens[row, :n], other[row]])[None]
        torch.testing.assert_close(got[row], model(alone)[0, n:], **CLOSE)
    cache.rewind(3)
    alone = torch.cat([tokens[:, :3], other], 1)
    torch.testing.assert_close(model(other, cache), model(alone)[:, 3:], **CLOSE)


@pytest.mark.parametrize(
    ("length", "error", "words"),
    [
        (2.5, TypeError, "length=2.5 must be a whole number"),
        (torch.tensor([2, 9, 6]), ValueError, "between 0"),
        (torch.tensor([2, 1]), ValueError, r"torch.int64 \(3,\)"),
    ],
)
@torch.no_grad()
def test_no_row_of_a_cache_can_go_back_to_where_it_was_not(length, error, words):
    model, cache = gpt2_model(), KVCache(SHAPE, B)
    model(ids(B, 9), cache)
    with pytest.raises(ValueError, match="length=10 must be between 0 and the 9"):
        cache.rewind(10)
    cache.rewind(torch.tensor([2, 9, 5]))
    with pytest.raises(error, match=words):
        cache.rewind(length)
    assert cache.length.tolist() == [2, 9, 5]
    cache.rewind(torch.tensor([2, 8, 5]))


@torch.no_grad()
def test_buffers_double_and_keep_what_they_hold():
    model, tokens = gpt2_model(dataclasses.replace(SHAPE, context_length=200)), ids(B, 150)
    cache, logits, held = KVCache(model.config, B), [], []
    for piece in tokens.split(3, dim=1):
        logits.append(model(piece, cache))
        held.append(cache.layers[0].tracks["k"].buffer.shape[2])
    assert sorted(set(held)) == [64, 128, 200]
    torch.testing.assert_close(torch.cat(logits, 1), model(tokens), **CLOSE)
    made = KVCache(model.config, B, length=150)
    model(tokens[:, :2], made)
    assert made.layers[1].tracks["v"].buffer.shape == (B, 5, 150, 6)


@torch.no_grad()
def test_past_the_context_is_an_error_and_never_an_answer(model):
    cache = KVCache(SHAPE, B)
    model(ids(B, 22), cache)
    model(ids(B, 1), cache)
    assert cache.length == 23
    with pytest.raises(ValueError, match="context_length=23"):
        model(ids(B, 1), cache)
    cache.rewind(torch.tensor([3, 23, 7]))
    with pytest.raises(ValueError, match="context_length=23"):
        model(ids(B, 1), cache)
    cache.rewind(torch.tensor([3, 21, 7]))
    assert model(ids(B, 2), cache).isfinite().all()


@torch.no_grad()
@pytest.mark.parametrize("before", [0, LENGTHS], ids=["the first call", "by row"])
@pytest.mark.parametrize("place", ["blocks.1", "norm"])
@pytest.mark.parametrize("call", ["prefill", "generate"])
def test_an_interrupted_call_leaves_the_cache_as_it_was(model, before, place, call, monkeypatch):
    """Ctrl-C in the middle of the model: the first layers have read their tokens, the others not."""
    cache, tokens, expected = KVCache(SHAPE, B), ids(B, 3, seed=1), KVCache(SHAPE, B)
    for each in (cache, expected):
        if before is LENGTHS:
            prefill(model, [ids(int(length)) for length in LENGTHS], each)
        elif before:
            model(ids(B, before), each)

    def stop(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(model.get_submodule(place), "forward", stop)
        with pytest.raises(KeyboardInterrupt):
            if call == "prefill":
                prefill(model, tokens, cache)
            else:
                generate(model, tokens, 2, cache=cache)
    assert torch.equal(torch.as_tensor(cache.length), torch.as_tensor(before))
    torch.testing.assert_close(model(tokens, cache), model(tokens, expected), **CLOSE)


@pytest.mark.parametrize("call", ["prefill", "generate"])
def test_tensors_that_are_handed_out_can_be_used_under_autograd(model, call):
    """generate reads in inference mode, whose tensors cannot: neither its result nor the cache is one."""
    cache = KVCache(SHAPE, 1)
    found = (
        prefill(model, ids(1, 3), cache) if call == "prefill" else generate(model, ids(1, 3), 9, cache=cache)
    )
    assert not found.is_inference()
    assert not any(track.buffer.is_inference() for track in cache.used())
    model(ids(1, 2), cache).sum().backward()
    assert all(p.grad is not None for p in model.blocks[0].parameters())


# -- rows of a cache


@pytest.mark.parametrize("rows", [[], [3]])
def test_rows_that_are_not_there(rows):
    with pytest.raises(ValueError, match="rows="):
        select(KVCache(SHAPE, B), rows)


# -- memory and numbers


def held_bytes(cache):
    return sum(t.buffer.numel() * t.buffer.element_size() for t in cache.used())


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float64])
@torch.no_grad()
def test_memory_is_as_the_formula_says(dtype):
    cache = KVCache(SHAPE, B, length=17, dtype=dtype)
    gpt2_model()(ids(B, 3), cache)
    assert held_bytes(cache) == cache_bytes(SHAPE, 17, B, dtype)
    assert cache_bytes(GPTConfig(), 1024, dtype=torch.float16) == 2 * 12 * 768 * 1024 * 2


# -- texts

SETTINGS = [
    {"temperature": 0},
    {"temperature": 1.3},
    {"temperature": 0.7, "top_k": 11},
    {"top_p": 0.8},
    {"temperature": 0.9, "top_k": 17, "top_p": 0.9, "repetition_penalty": 1.4},
]


@pytest.mark.parametrize("options", SETTINGS)
@pytest.mark.parametrize("lengths", [(4, 4, 4), (2, 9, 5, 1)])
def test_the_same_tokens_for_all_settings_and_each_is_read_once(model, options, lengths, monkeypatch):
    """In float64 there is no rounding to turn a dart aside."""
    model, rows = model.double(), [ids(n, seed=n + i) for i, n in enumerate(lengths)]
    options = options | {"stop": 29}
    plain = generate(model, rows, 14, generator=seeded(6), **options)
    read, hidden = [], model.hidden
    monkeypatch.setattr(model, "hidden", lambda x, cache: read.append(x.shape[1]) or hidden(x, cache))
    cached = generate(model, rows, 14, generator=seeded(6), cache=KVCache(SHAPE, len(rows)), **options)
    assert torch.equal(plain, cached)
    assert read == [min(lengths)] + [1] * (len(read) - 1)


def test_the_context_is_the_limit_of_a_plain_cache():
    """The last token drawn is not read: 23 tokens in the cache give 24 in all, of the longest row."""
    model, rows = gpt2_model().double(), [ids(4), ids(9)]
    for make in (KVCache, SlidingCache):
        out = generate(model, rows, 15, generator=seeded(1), cache=make(SHAPE, 2))
        assert torch.equal(out, generate(model, rows, 15, generator=seeded(1)))
    words = r"max_new_tokens=16 needs a context of 24 tokens.*context_length=23"
    with pytest.raises(ValueError, match=words):
        generate(model, rows, 16, cache=KVCache(SHAPE, 2))


@pytest.mark.parametrize("lengths", [(9,), (3, 30), (26, 24)])
def test_a_sliding_cache_gives_the_text_that_slides(lengths):
    model, rows = gpt2_model().double(), [ids(n, seed=n) for n in lengths]
    plain = generate(model, rows, 40, generator=seeded(1))
    sliding = generate(model, rows, 40, generator=seeded(1), cache=SlidingCache(SHAPE, len(rows)))
    assert torch.equal(plain, sliding)


def test_a_text_whose_beginning_a_cache_holds_cannot_slide():
    model, cache = gpt2_model(), SlidingCache(SHAPE, 1)
    prefill(model, ids(1, 12), cache)
    with pytest.raises(ValueError, match="max_new_tokens=10 needs a context of 30 tokens"):
        generate(model, ids(1, 9), 10, cache=cache)  # what the cache holds, generate has not


# -- drafts


def table(seed):
    return 1.5 * torch.randn(4, 4, generator=seeded(seed))


def flat(passes):
    return list(chain.from_iterable(passes))


def pairs_drawn(model, draft, n):
    """How often each pair of two tokens after token 2 came, of n draws."""
    generator, counts = seeded(3), torch.zeros(4, 4, dtype=torch.float64)
    start = torch.tensor([[2]])
    for _ in range(n):
        first, second = flat(speculative(model, draft, start, 2, n_draft=1, generator=generator))
        counts[first, second] += 1
    return counts


def test_the_tokens_follow_the_model_whatever_the_draft():
    """The two tables are those of many whose draws differ most where an acceptance rule is wrong.

    Of 1,000 draws, the statistic is 144 where one random number decides both whether a draft is kept and what
    stands in its place, 220 where a rejected draft is replaced by a draw from the model's own probabilities,
    and more for every cruder mistake.
    """
    model, draft = Fixed(table(31)), Fixed(table(115))
    p, q = table(31).softmax(-1).double(), table(115).softmax(-1).double()
    acceptance = torch.minimum(p[2], q[2]).sum().item()
    assert 0.3 < acceptance < 0.9
    joint = p[2][:, None] * p
    assert joint.min() * 1_000 > 5, "so that the statistic follows chi-square"
    assert chi_square(pairs_drawn(model, draft, 1_000), joint) < 44.3, "15 degrees of freedom, 1 in 10,000"


def test_longer_drafts_and_scissors_change_no_probability():
    """Chi-square of the first two of three tokens, drafted at once by a draft that is cut otherwise.

    The third token is a draft's or the model's own; it must be one that the options leave.
    """
    model, draft = Fixed(table(3)), ModelDraft(Fixed(table(8)), seeded(8), temperature=2.0)
    options = {"temperature": 0.8, "top_k": 3}
    p = next_token_probabilities(table(3), **options).double()
    pairs, counts = p[1][:, None] * p, torch.zeros(4, 4, dtype=torch.float64)
    start, generator = torch.tensor([[1]]), seeded(9)
    for _ in range(500):
        drawn = flat(speculative(model, draft, start, 3, n_draft=3, generator=generator, **options))
        first, second, third = drawn
        assert pairs[first, second] > 0 and p[second, third] > 0
        counts[first, second] += 1
    possible = pairs > 0
    assert possible.sum() == 9
    statistic = chi_square(counts[possible], pairs[possible])
    assert statistic < 31.8, "8 degrees of freedom, 1 in 10,000"


def smaller(seed=4):
    torch.manual_seed(seed)
    shape = dataclasses.replace(SHAPE, n_layers=1, n_heads=2, d_model=12)
    return noisy(gpt2(shape)).eval()


def likeliest(model, text, n):
    return generate(model, torch.tensor([text]), n, temperature=0)[0].tolist() if n else []


DRAFTS = {
    "a smaller model": lambda model: smaller().double(),
    "the model itself": lambda model: model,
    "look-up": lambda model: PromptLookup(),
    "nothing": lambda model: lambda text, n: ([], None),
    "always wrong": lambda model: lambda text, n: ([52] * n, None),
    "an oracle": lambda model: lambda text, n: (likeliest(model, text, n), None),
}


@pytest.mark.parametrize("n_draft", [0, 4])
@pytest.mark.parametrize("name", DRAFTS)
def test_greedy_is_exact_whatever_the_draft(name, n_draft):
    for seed in range(2):
        model, row = gpt2_model().double(), ids(1, 5, seed=seed)
        expected = generate(model, row, 19, temperature=0, stop=29)[0].tolist()
        passes = list(speculative(model, DRAFTS[name](model), row, 19, n_draft, stop=29, temperature=0))
        assert flat(passes) == expected
        assert all(1 <= len(new) <= n_draft + 1 for new in passes)
        if name in ("the model itself", "an oracle"):
            assert len(passes) == -(-len(expected) // (n_draft + 1))
        if name in ("nothing", "always wrong"):
            assert len(passes) == len(expected)


def test_a_draft_may_be_a_plain_model_and_saves_passes():
    model, read = gpt2_model().double(), []
    hidden = model.hidden
    model.hidden = lambda tokens, cache=None: read.append(tokens.shape[1]) or hidden(tokens, cache)
    out = flat(speculative(model, gpt2_model().double(), ids(1, 4), 15, n_draft=4, generator=seeded(2)))
    assert len(out) == 15 and read == [8, 5, 5], "the same model's drafts are all kept"


def test_look_up_finds_what_followed():
    text = [1, 2, 3, 4, 9, 2, 3, 4, 7, 5, 2, 3]
    assert PromptLookup()(text, 4) == ([4, 7, 5, 2], None)
    assert PromptLookup(2)([*text, 4], 2) == ([7, 5], None)  # the latest of two places
    assert PromptLookup(4)([*text[:4], 8, 1, 2, 3], 3) == ([4, 8, 1], None)
    assert PromptLookup()([1, 2, 3], 4) == ([], None)
    assert PromptLookup()([5], 4) == ([], None)
    assert PromptLookup()([5, 5], 4) == ([5], None)


def test_nothing_comes_after_stop():
    model = Fixed(torch.tensor([[0.0, 9, 0, 0], [0, 0, 9, 0], [0, 0, 0, 9], [9, 0, 0, 0]]) * 9, 64)
    passes = speculative(model, model, torch.tensor([[0]]), 12, n_draft=8, stop=2, temperature=0)
    assert list(passes) == [[1, 2]]


def test_a_draft_that_differs_by_rounding_alone_is_replaced():
    p, q = torch.tensor([[0.5, 0.4999999]] * 2), torch.tensor([[0.5, 0.5]])
    assert all(verify(p, q, [1], seeded(seed))[0] in (0, 1) for seed in range(50))


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        ({"tokens": ids(2, 4)}, ValueError, "tokens has 2 rows"),
        ({"max_new_tokens": 21}, ValueError, "needs a context of 24 tokens"),
        ({"n_draft": -1}, ValueError, "n_draft=-1"),
        ({"repetition_penalty": 1.2}, ValueError, "repetition_penalty"),
        ({"draft": Fixed(torch.zeros(55, 55))}, ValueError, "draft has a vocabulary of 55, model one of 53"),
    ],
)
def test_what_cannot_be_drafted(arguments, error, words):
    given = {"draft": PromptLookup(), "tokens": ids(1, 4), "max_new_tokens": 5} | arguments
    with pytest.raises(error, match=words):
        speculative(gpt2_model(), **given)  # at the call, before any pass
