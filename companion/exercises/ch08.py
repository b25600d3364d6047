"""The checks of chapter 8, Generation."""

import math
import random

import torch
from torch import nn

from companion.exercises.notation import Chapter, Problem

chapter = Chapter()

chapter.number(
    "8.1 A thousand small chances ★",
    wants="likeliest_at_two()",
    answer=0.96**0.5 / (0.96**0.5 + 1000 * 0.00004**0.5),
    tolerance=0.005,
    mistakes="""
        0.96**0.5 / (0.96**0.5 + 0.04**0.5)
            You took one root for all others together, as if they were one token. Take the root of each of the
            thousand, and then add them up.
        0.96
            That is its probability at temperature 1. At 2, each probability is replaced by its square root.
        0.96**0.5
            That is the root of 0.96, before the division. Roots do not sum to 1; by what must you divide?
        0.48
            The temperature divides the logits, not the probabilities. What does that do to a probability?
        0.96**2 / (0.96**2 + 1000 * 0.00004**2)
            You squared. That is temperature 1/2: the exponent is 1 divided by the temperature.
        0.96**2
            That is the square. At temperature 1/2 the exponent is 2, and at temperature 2 it is 1/2. And do not
            forget to divide by the sum.
        0.96**0.5 / (1000 * 0.00004**0.5)
            You divided by the roots of the thousand alone. The first token's own root is in the sum, too.
        0.96**0.5 / (0.96**0.5 + 1000 * 0.04**0.5)
            You took the root of 0.04 a thousand times. But 0.04 is what all others have together; each has
            0.00004.
        0.04
            That is what all others have at temperature 1. The question is what the most likely token has at
            temperature 2.
        13.0 || 13.4 || 13.41
            Is this in percent? A probability lies between 0 and 1.
        1 - 0.96**0.5 / (0.96**0.5 + 1000 * 0.00004**0.5)
            That is what the thousand others have together now. The question is what is left for the first.
    """,
    right="From 96 % to 13 %: a thousand tokens, each almost impossible, outweigh one that was almost certain.",
)


# -- 8.2 ------------------------------------------------------------------
def min_p_cases(seed):
    generator = torch.Generator().manual_seed(seed)
    for shape, share in [((7,), 0.1), ((2, 9), 0.05), ((3, 4, 11), 0.2)]:
        yield 2 * torch.randn(shape, generator=generator), share


def top_p(logits, share):
    ordered, order = logits.softmax(-1).sort(descending=True, stable=True)
    ordered = ordered * (ordered.cumsum(-1) - ordered < share)
    kept = torch.empty_like(ordered).scatter(-1, order, ordered)
    return kept / kept.sum(-1, keepdim=True)


@chapter.function(
    "8.2 Min-p sampling ★",
    inputs="""
        torch.tensor([8.0, 4, 2, 1, 1]).log(), 0.2
        torch.tensor([1.0, 3.0, 3.0]), 1.0
        torch.tensor([[0.0, 2.0], [1.0, 0.0]]), 0.3
        torch.tensor([[100.0, 99.0, -100.0], [-100.0, -101.0, -300.0]]), 0.2
    """,
    cases=min_p_cases,
    mistakes="""
        share * probs.amax(-1, keepdim=True) => share
            Your threshold is always `share` itself. It should be a share of the most likely token's
            probability, so that it is low where the model is uncertain.
        / kept.sum(-1, keepdim=True) =>
            The right tokens stay, but they no longer sum to 1. Divide by what is left.
        probs >= bar => probs > bar
            A token that exactly reaches the threshold was removed. With a share of 1, even the most likely
            token would be removed, and nothing would be left.
        probs.amax(-1, keepdim=True) => probs.max()
            All rows have the same threshold, from the largest probability in the whole batch. Each row needs
            its own: look at what `max()` does without a dimension.
        = logits.masked_fill(logits < share * logits.amax(-1, keepdim=True), -math.inf).softmax(-1)
            You compare logits. A share of a logit has no meaning: adding 1 to all logits changes no
            probability, but it would change your threshold.
        probs * (probs >= bar) => (logits * (probs >= bar)).softmax(-1)
            A logit of 0 is not a probability of 0: the softmax turns it into 1 before it divides. To remove a
            token, set its logit to minus infinity, or its probability to 0.
        : top_p
            That is top-p, which adds up probabilities. Here each token is only compared with the most likely
            one.
    """,
    right="One comparison, no sorting. It removes much where the model is certain, and little elsewhere.",
)
def min_p(logits, share):
    probs = logits.softmax(-1)
    bar = share * probs.amax(-1, keepdim=True)
    kept = probs * (probs >= bar)
    return kept / kept.sum(-1, keepdim=True)


# -- 8.3 ------------------------------------------------------------------
TWO = torch.tensor([0.0, math.log(3)])
HALVES = torch.tensor([64.0, 32, 16, 8, 4, 2, 1, 1]).log()  # of 127/64 bits


def temperature_cases(seed):
    generator = torch.Generator().manual_seed(seed)
    # Each target can be reached in nats, too: else that mistake gives an edge, which differs from one
    # search to another. And no answer is 1, which some searches try first.
    for size, spread, bits in [(7, 1, 1.2), (11, 3, 2.2), (23, 30, 0.8)]:
        yield spread * torch.randn(size, generator=generator), bits


# The last logit of -2000 has a probability of exactly 0 at the answer. Which other inputs end in a NaN depends
# on the way: on the interval, how it is halved, the precision, and the half that a NaN chooses.
@chapter.function(
    "8.3 A temperature for a given entropy ★★",
    inputs="""
        TWO, 0.5 || 40 * TWO, 0.5
        torch.tensor([0.0, -1.0, -2000.0]), 0.5
        2 * HALVES, 127 / 64 || 10 * HALVES, 127 / 64 || HALVES / 50, 127 / 64
    """,
    cases=temperature_cases,
    tolerance=2e-3,
    mistakes="""
        .log2() => .log()
            Your entropy is in nats; the target is in bits. Which logarithm did you take?
        = 1 / it
            That is 1 divided by the temperature. Try it: at a temperature above 1 the entropy must grow.
        (probs * surprise).sum() => surprise.mean()
            You averaged the surprise as if all tokens counted alike. Each token must be weighted with its
            probability.
        math.sqrt(low * high) => 1.0 ; return middle => return entropy / bits
            The entropy does not grow in proportion to the temperature, so a division cannot give the answer.
            Search for it.
        = round(it, 1)
            Close, but not close enough: the answer should be right to three digits. Halve the interval more
            often.
        .clamp(min=1e-45) =>
        .clamp(min=1e-45) => ; entropy < bits => not entropy >= bits
            At a low temperature some probabilities are 0, and 0 times the logarithm of 0 is NaN. Every
            comparison with NaN is False, so the search went the wrong way. Such tokens contribute nothing, so
            leave them out.
        entropy < bits => entropy >= bits
            The search ran to the end of its interval: you kept the wrong half. If the entropy is too high, is
            the temperature too high or too low?
    """,
    right="Now you set the uncertainty itself, whatever the model's own uncertainty at this position is.",
)
def temperature_for(logits, bits):
    low, high = 1e-3, 1e3
    for _ in range(60):
        middle = math.sqrt(low * high)
        probs = (logits.double() / middle).softmax(-1)
        surprise = -probs.clamp(min=1e-45).log2()
        entropy = (probs * surprise).sum()
        if entropy < bits:
            low = middle
        else:
            high = middle
    return middle


# -- 8.4 ------------------------------------------------------------------
VOCABULARY = 7


class Toy(nn.Module):
    """A causal model, (B, T) -> (B, T, V): logits depend on all tokens so far, and on their order."""

    def __init__(self, seed):
        super().__init__()
        generator = torch.Generator().manual_seed(seed)
        self.register_buffer("table", torch.randn(VOCABULARY, VOCABULARY, generator=generator))

    def forward(self, tokens):
        x = self.table[tokens]
        ages = torch.arange(1, tokens.shape[1] + 1)[:, None]
        return 1.5 * x + (x * ages).cumsum(1) / ages**1.5


def total_bits(model, tokens):
    """Bits of the tokens after the first."""
    (log_probs,) = model(torch.tensor([tokens])).log_softmax(-1)
    return -sum(log_probs[i, token].item() for i, token in enumerate(tokens[1:])) / math.log(2)


def ending_cases(seed):
    rng = random.Random(seed)
    yield Toy(seed), [0], [[1]], [2]
    yield Toy(seed), [0, 3], [[2], [2, 5]], [3, 4]
    for length, lengths in [(2, (1, 3)), (4, (2, 1, 5)), (6, (3, 4))]:
        prompt = [0] + rng.choices(range(VOCABULARY), k=length)
        endings = [rng.choices(range(VOCABULARY), k=k) for k in lengths]
        yield Toy(seed), prompt, endings, [rng.randint(k + 1, 6 * k) for k in lengths]


@chapter.function(
    "8.4 A multiple-choice test ★★",
    cases=ending_cases,
    shown="{f}(model, {1}, {2}, {3})",
    tolerance=1e-4,
    helpers=(total_bits,),
    mistakes="""
        total_bits(model, prompt + ending) - known => total_bits(model, prompt + ending)
            The bits of the prompt are in it. They are the same for all endings, but a short ending has fewer
            bytes to spread them over. Take them out.
        total_bits(model, prompt + ending) - known => total_bits(model, prompt[:1] + ending)
            You asked for the ending alone. The model has to read the prompt before it, because the probability
            of an ending depends on what came before.
        / math.log(2) =>
            These are nats per byte. A bit is ln 2 nats.
        bits / sizes[i] => bits
            These are the bits of each whole ending. Divide by its bytes.
        bits / sizes[i] => bits / len(ending)
            You divided by the number of tokens. The bytes per token differ from ending to ending; `sizes`
            contains the bytes.
        known = total_bits(model, prompt) => known = total_bits(model, prompt + ending[:1])
            The first token of the ending is missing. It is predicted by the logits of the prompt's last token.
    """,
    right="This is how models take multiple-choice tests: they do not answer, they find one answer more likely.",
)
def ending_bits(model, prompt, endings, sizes):
    found = []
    for i, ending in enumerate(endings):
        known = total_bits(model, prompt)
        bits = total_bits(model, prompt + ending) - known
        found.append(bits / sizes[i])
    return found


# -- 8.5 ------------------------------------------------------------------
def find_faults(answer):
    """What is wrong with a trap, as a set of one string: of sets, no place is told where they differ."""
    given = answer()
    try:
        first, second = (torch.as_tensor(part, dtype=torch.float64) for part in given)
    except (TypeError, ValueError):
        raise Problem("Give two things: a list of 3 numbers, and a list of 3 lists of 3 numbers.") from None
    if first.shape != (3,) or second.shape != (3, 3):
        raise Problem(
            f"Give a list of 3 numbers, and a list of 3 lists of 3 numbers; yours have the shapes "
            f"{tuple(first.shape)} and {tuple(second.shape)}."
        )
    if not (first.isfinite().all() and second.isfinite().all()):
        raise Problem("One of your probabilities is no number, or infinite. Each lies between 0 and 1.")
    texts = first[:, None] * second
    greedy = texts[first.argmax()].max()
    wrong = {
        "below 0": bool((first < 0).any() or (second < 0).any()),
        "the first do not sum to 1": abs(first.sum() - 1) > 1e-6,
        "the second do not sum to 1": bool(((second.sum(1) - 1).abs() > 1e-6).any()),
        "a tie": bool(first.sort().values.diff()[-1] < 1e-6),
        "greedy decoding finds the most probable text": bool(texts.max() <= greedy * (1 + 1e-9)),
        "less than 2.5 times as probable": bool(texts.max() < 2.5 * greedy),
    }
    return {"; ".join(text for text, found in wrong.items() if found) or "nothing"}


@chapter.function(
    "8.5 A trap for greedy decoding ★★",
    cases=lambda seed: [()] if seed == 0 else [],
    call=find_faults,
    shown="what is wrong with {f}()",
    mistakes="""
        = [0.6, 0.3, 0.1], [[0.5, 0.3, 0.2]] * 3
            Greedy decoding finds the best text. Its first token must lead to a position where no second token
            is likely.
        [0.34, 0.33, 0.33] => [0.5, 0.4, 0.1] ; [1 / 3] * 3 => [0.4, 0.3, 0.3]
            The trap works, but the greedy text is still too probable. Its first token should have a low
            probability, and its second too. How small can the largest of three probabilities be?
        [1 / 3] * 3 => [0.1] * 3
            After each first token some second token must follow, so every row of the second list sums to 1.
        return first, second => return first, list(zip(*second))
            Row i of the second list is what follows token i, so the rows must sum to 1. Are yours in the
            columns?
        [0.34, 0.33, 0.33] => [1 / 3] * 3
            The first tokens are equally likely, so it is not clear which one greedy decoding takes. Make one a
            little more likely.
        = [34, 33, 33], [[1, 1, 1], [1, 0, 0], [1, 0, 0]]
            These are counts. Divide each row by its sum.
    """,
    right="With V tokens, greedy decoding can lose a factor of nearly V. Two beams would find the better text.",
)
def trap():
    first = [0.34, 0.33, 0.33]
    second = [[1 / 3] * 3, [1.0, 0.0, 0.0], [1.0, 0.0, 0.0]]
    return first, second


# -- 8.6 ------------------------------------------------------------------
def draft_and_ask(answer, p, q):
    """What comes out when a token drafted from q is kept, or else drawn from the rest; how many are kept."""
    given = answer(p, q)
    if not isinstance(given, tuple | list) or len(given) != 2:
        raise Problem("Return two tensors: `accept, rest`.")
    try:
        given = [torch.as_tensor(part, dtype=torch.float32) for part in given]
    except (TypeError, ValueError, RuntimeError):
        raise Problem("Return two tensors of numbers: `accept, rest`.") from None
    for name, tensor in zip(("accept", "rest"), given, strict=True):
        if tensor.shape != p.shape:
            raise Problem(f"`{name}` must be a tensor with a number for each token.")
        if tensor.isnan().any():
            raise Problem(
                f"`{name}` has a NaN in it: 0 divided by 0. That happens where q is 0, or where p and q are "
                "the same and nothing is left over. What stands there matters little; it must be a number."
            )
    accept, rest = given
    accepted = (q * accept).sum()
    return {
        "in 0 to 1": not bool(((accept < 0) | (accept > 1 + 1e-5) | (rest < 0)).any()),
        "rest sums to": round(rest.sum().item(), 3),
        "comes out": q * accept + (1 - accepted) * rest,
        "kept": accepted.item(),
    }


def speculate_cases(seed):
    generator = torch.Generator().manual_seed(seed)
    for size in (5, 8, 13):
        p, q = (1.5 * torch.randn(2, size, generator=generator)).softmax(-1)
        yield p, q


@chapter.function(
    "8.6 Speculative sampling ★★★",
    inputs="""
        torch.tensor([0.5, 0.5]), torch.tensor([0.25, 0.75])
        torch.tensor([0.5, 0.25, 0.25]), torch.tensor([0.25, 0.5, 0.25])
        torch.tensor([0.5, 0.25, 0.25]), torch.tensor([0.5, 0.25, 0.25])
        torch.tensor([0.0, 0.5, 0.5, 0.0]), torch.tensor([0.25, 0.75, 0.0, 0.0])
    """,
    cases=speculate_cases,
    call=draft_and_ask,
    shown="{f}(p, q), p = {0}, q = {1}",
    mistakes="""
        return accept, rest => return accept, p
            After a rejection you draw from p itself. But accepted drafts have already delivered a part of p,
            so these tokens now come too often. How much of each p is still missing?
        return accept, rest => return accept, q
            After a rejection you draw from the draft again. But the draft was wrong: draw what it gives too
            rarely.
        left = p - kept => left = (p - q).abs()
            The rest contains tokens that the draft already gives too often. Where q is above p, nothing is
            missing.
        return accept, rest => return accept, left
            The rest has the right proportions. Does it sum to 1?
        kept / q.clamp(min=1e-30) => (q / p.clamp(min=1e-30)).clamp(max=1)
            Your ratio is upside down: it rejects tokens that the draft gives too rarely, and lets through
            those that it gives too often.
        return accept, rest => return p, rest
            You accept with the probability p. But the token has been drafted with q already: both together
            would give it p times q.
        = torch.zeros_like(p), p
            This is exact but useless, because no draft is ever accepted. Accept drafts as often as exactness
            allows.
        return accept, rest => return (p >= q).float(), rest
            You reject every token that the draft gives too often. A part of these drafts is needed: accept
            a share of them.
        kept / q.clamp(min=1e-30) => torch.where(q > 0, p / q, 1.0) || p / q.clamp(min=1e-30)
            An acceptance above 1 is not a probability. Where the draft gives a token too rarely, you can at
            most accept it always, and the rest delivers what is missing.
    """,
    right="Whatever the draft is, the text is the large model's own. A better draft only makes it faster.",
)
def speculate(p, q):
    kept = torch.minimum(p, q)
    accept = kept / q.clamp(min=1e-30)
    left = p - kept
    rest = left / left.sum() if left.sum() > 0 else p
    return accept, rest
