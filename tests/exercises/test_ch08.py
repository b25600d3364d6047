"""Answers to chapter 8's exercises."""

import math

import numpy as np
import torch
import torch.nn.functional as F
from harness import Answers, ExerciseTests

from companion.generation import log_probability, next_token_probabilities

# -- 8.1 ------------------------------------------------------------------


def by_the_chapter():
    logits = torch.tensor([0.96] + [0.00004] * 1000).log()
    return next_token_probabilities(logits, temperature=2.0)[0]


def by_roots():
    first, others = math.sqrt(0.96), 1000 * math.sqrt(0.00004)
    return first / (first + others)


# -- 8.2 ------------------------------------------------------------------


def min_p_by_the_chapter(logits, share):
    probs = next_token_probabilities(logits)
    probs = probs.where(probs >= share * probs.max(-1, keepdim=True).values, 0.0)
    return probs / probs.sum(-1, keepdim=True)


def min_p_in_logits(logits, share):
    bar = logits.amax(-1, keepdim=True) + math.log(share)
    return logits.masked_fill(logits < bar, -math.inf).softmax(-1)


def min_p_by_ratio(logits, share):
    relative = (logits - logits.amax(-1, keepdim=True)).exp()
    return F.normalize(relative * (relative >= share), p=1, dim=-1)


def bar_that_stands(logits, share):
    probs = logits.softmax(-1)
    probs = probs * (probs >= share)
    return probs / probs.sum(-1, keepdim=True)


def not_one(logits, share):
    probs = logits.softmax(-1)
    return probs.where(probs >= share * probs.amax(-1, keepdim=True), 0.0)


def above_only(logits, share):
    probs = logits.softmax(-1)
    probs = probs.where(probs > share * probs.amax(-1, keepdim=True), 0.0)
    return probs / probs.sum(-1, keepdim=True)


def one_bar(logits, share):
    probs = logits.softmax(-1)
    probs = probs.where(probs >= share * probs.max(), 0.0)
    return probs / probs.sum(-1, keepdim=True)


def bar_of_logits(logits, share):
    return logits.where(logits >= share * logits.amax(-1, keepdim=True), -math.inf).softmax(-1)


def below_the_bar(logits, share):
    probs = logits.softmax(-1)
    probs = probs.where(probs < share * probs.amax(-1, keepdim=True), 0.0)
    return probs / probs.sum(-1, keepdim=True)


def first_dimension(logits, share):
    probs = logits.softmax(0)
    probs = probs.where(probs >= share * probs.amax(0, keepdim=True), 0.0)
    return probs / probs.sum(0, keepdim=True)


def nucleus(logits, share):
    return next_token_probabilities(logits, top_p=share)


def zero_logits(logits, share):
    probs = logits.softmax(-1)
    return logits.where(probs >= share * probs.amax(-1, keepdim=True), 0.0).softmax(-1)


# -- 8.3 ------------------------------------------------------------------


def bits_of(probs):
    probs = probs[probs > 0]
    return -(probs * probs.log2()).sum().item()


def by_halving(logits, bits):
    low, high = 0.0, 100.0
    for _ in range(50):
        middle = (low + high) / 2
        if bits_of(next_token_probabilities(logits, temperature=middle)) < bits:
            low = middle
        else:
            high = middle
    return middle


def by_numpy(logits, bits):
    z = logits.double().numpy()
    low, high = math.log(1e-3), math.log(1e3)
    while high - low > 1e-9:
        middle = (low + high) / 2
        e = np.exp((z - z.max()) / math.exp(middle))
        p = e / e.sum()
        p = p[p > 0]
        if -(p * np.log2(p)).sum() < bits:
            low = middle
        else:
            high = middle
    return math.exp(low)


def unguarded(probs):
    return -(probs * probs.log2()).sum().item()


def nan_from_a_hundredth(logits, bits):
    low, high = 0.01, 100.0
    for _ in range(60):
        middle = (low + high) / 2
        if unguarded((logits / middle).softmax(-1)) < bits:
            low = middle
        else:
            high = middle
    return middle


def nan_by_the_chapter(logits, bits):
    low, high = 0.0, 100.0
    for _ in range(40):
        middle = (low + high) / 2
        if unguarded(next_token_probabilities(logits, temperature=middle)) < bits:
            low = middle
        else:
            high = middle
    return middle


def nan_in_float64(logits, bits):
    low, high = 0.01, 100.0
    for _ in range(60):
        middle = math.sqrt(low * high)
        if unguarded((logits.double() / middle).softmax(-1)) < bits:
            low = middle
        else:
            high = middle
    return middle


def nan_keeps_the_upper_half(logits, bits):
    low, high = 0.01, 100.0
    for _ in range(60):
        middle = (low + high) / 2
        if unguarded((logits / middle).softmax(-1)) > bits:
            high = middle
        else:
            low = middle
    return middle


def by_sharpness(logits, bits):
    """Halves an interval of 1/T; torch's Categorical has the entropy, in nats."""
    low, high = 1e-4, 1e3
    for _ in range(80):
        middle = math.sqrt(low * high)
        entropy = torch.distributions.Categorical(logits=logits.double() * middle).entropy()
        low, high = (middle, high) if entropy > bits * math.log(2) else (low, middle)
    return 1 / low


def in_nats(logits, bits):
    return by_halving(logits, bits / math.log(2))


def inverse(logits, bits):
    return 1 / by_halving(logits, bits)


def likeliest_surprise(logits, bits):
    low, high = 0.0, 1000.0
    for _ in range(60):
        middle = (low + high) / 2
        surprise = -(logits / middle).softmax(-1).max().log2()
        low, high = (middle, high) if surprise < bits else (low, middle)
    return middle


def proportional(logits, bits):
    return bits_of(logits.softmax(-1)) / bits


def to_one_digit(logits, bits):
    return round(by_halving(logits, bits), 1)


def other_half(logits, bits):
    low, high = 1e-3, 1e3
    for _ in range(50):
        middle = math.sqrt(low * high)
        low, high = (low, middle) if bits_of((logits / middle).softmax(-1)) < bits else (middle, high)
    return middle


def other_half_from_0_to_100(logits, bits):
    low, high = 0.0, 100.0
    for _ in range(40):
        middle = (low + high) / 2
        low, high = (low, middle) if bits_of((logits / middle).softmax(-1)) < bits else (middle, high)
    return middle


def never_ends(logits, bits):
    raise ValueError("no temperature found")


# -- 8.4 ------------------------------------------------------------------


def by_difference(model, prompt, endings, sizes):
    def nats(tokens):
        return -log_probability(model, torch.tensor([tokens])).item()

    return [(nats(prompt + e) - nats(prompt)) / math.log(2) / n for e, n in zip(endings, sizes, strict=True)]


@torch.no_grad()
def by_cross_entropy(model, prompt, endings, sizes):
    found = []
    for ending, n in zip(endings, sizes, strict=True):
        logits = model(torch.tensor([prompt + ending]))[0, len(prompt) - 1 : -1]
        found.append(F.cross_entropy(logits, torch.tensor(ending), reduction="sum").item() / math.log(2) / n)
    return found


def token_by_token(model, prompt, endings, sizes):
    found = []
    for ending, n in zip(endings, sizes, strict=True):
        tokens, probability = list(prompt), 1.0
        for token in ending:
            probability *= model(torch.tensor([tokens]))[0, -1].softmax(-1)[token].item()
            tokens.append(token)
        found.append(-math.log2(probability) / n)
    return found


def whole_text(model, prompt, endings, sizes):
    return [
        -log_probability(model, torch.tensor([prompt + e])).item() / math.log(2) / n
        for e, n in zip(endings, sizes, strict=True)
    ]


def nats_per_byte(model, prompt, endings, sizes):
    return [bits * math.log(2) for bits in by_cross_entropy(model, prompt, endings, sizes)]


def all_bits(model, prompt, endings, sizes):
    return by_cross_entropy(model, prompt, endings, [1] * len(sizes))


def bits_per_token(model, prompt, endings, sizes):
    return by_cross_entropy(model, prompt, endings, [len(e) for e in endings])


def negative(model, prompt, endings, sizes):
    return [-bits for bits in by_cross_entropy(model, prompt, endings, sizes)]


def without_prompt(model, prompt, endings, sizes):
    return by_cross_entropy(model, prompt[:1], endings, sizes)


def one_place_late(model, prompt, endings, sizes):
    found = []
    for ending, n in zip(endings, sizes, strict=True):
        logits = model(torch.tensor([prompt + ending]))[0, len(prompt) :]
        found.append(F.cross_entropy(logits, torch.tensor(ending), reduction="sum").item() / math.log(2) / n)
    return found


def first_is_missing(model, prompt, endings, sizes):
    found = []
    for ending, n in zip(endings, sizes, strict=True):
        log_probs = model(torch.tensor([prompt + ending]))[0, len(prompt) : -1].log_softmax(-1)
        nats = -sum(row[token].item() for row, token in zip(log_probs, ending[1:], strict=True))
        found.append(nats / math.log(2) / n)
    return found


# -- 8.5 ------------------------------------------------------------------


SURE = [[1, 0, 0], [1, 0, 0]]


def a_trap():
    return [0.36, 0.32, 0.32], [[0.33, 0.33, 0.34], [0, 1, 0], [0, 0, 1]]


def a_trap_of_tensors():
    return torch.tensor([0.33, 0.34, 0.33]), torch.tensor([[1.0, 0, 0], [0.34, 0.33, 0.33], [0.2, 0.4, 0.4]])


def a_trap_of_fractions():
    e = 1e-3
    return (1 / 3 - e, 1 / 3 - e, 1 / 3 + 2 * e), ((1, 0, 0), (1, 0, 0), (1 / 3, 1 / 3, 1 / 3))


# -- 8.6 ------------------------------------------------------------------


def speculate_by_relu(p, q):
    accept = (p / q).nan_to_num(1.0, posinf=1.0).clamp(max=1)
    rest = F.relu(p - q)
    return accept, p if rest.sum() == 0 else rest / rest.sum()


def speculate_in_loops(p, q):
    accept = [min(1.0, a / b) if b else 0.0 for a, b in zip(p.tolist(), q.tolist(), strict=True)]
    missing = [max(0.0, a - b) for a, b in zip(p.tolist(), q.tolist(), strict=True)]
    total = sum(missing) or 1.0
    rest = [m / total for m in missing] if sum(missing) else [1 / len(missing)] * len(missing)
    return torch.tensor(accept), torch.tensor(rest)


def speculate_by_where(p, q):
    accept = torch.where(p >= q, torch.ones_like(p), p / q)
    rest = torch.where(p > q, p - q, 0.0)
    return accept, (rest / rest.sum()) if bool(rest.any()) else torch.full_like(p, 1 / len(p))


def spec_rest_p(p, q):
    return speculate_by_relu(p, q)[0], p


def spec_rest_q(p, q):
    return speculate_by_relu(p, q)[0], q


def spec_nan(p, q):
    rest = (p - q).clamp(min=0)
    return (p / q).clamp(max=1), rest / rest.sum()


def spec_not_normal(p, q):
    return speculate_by_relu(p, q)[0], (p - q).relu()


def spec_inverse(p, q):
    return speculate_by_relu(q, p)[0], speculate_by_relu(p, q)[1]


def spec_by_p(p, q):
    return p, speculate_by_relu(p, q)[1]


def spec_never(p, q):
    return 0 * p, p


def spec_always(p, q):
    return 0 * p + 1, p


def spec_hard(p, q):
    return (q <= p).float(), speculate_by_relu(p, q)[1]


def spec_signed(p, q):
    accept, _ = speculate_by_relu(p, q)
    return accept, p - q


ANSWERS = {
    "8.1": Answers(
        right=[0.134, by_roots, by_the_chapter, 0.1373],
        wrong=[
            (0.83, "Each of the thousand has a root of its own"),
            (0.96, "each probability becomes its root"),
            (0.98, "by what must you divide?"),
            (0.48, "The temperature divides the logits"),
            (lambda: 1.0, "The power is 1/T"),
            (0.866, "what the thousand others have now"),
            (0.9216, "at T = 2 it is 1/2"),
            (0.155, "The first token's own root is in the sum"),
            (0.0049, "each has 0.00004"),
            (0.0016, "a softmax of the probabilities"),
            (0.04, "what all others have at T = 1"),
            (0.0063, "the root of one of the others"),
            (13.4, "In percent?"),
            (0.5, "too high"),
        ],
    ),
    "8.2": Answers(
        right=[min_p_by_the_chapter, min_p_in_logits, min_p_by_ratio],
        wrong=[
            (bar_that_stands, "Your bar stands still"),
            (not_one, "no longer sum to 1"),
            (above_only, "A token that just reaches the bar was cut"),
            (one_bar, "Each row needs its own"),
            (bar_of_logits, "You compare logits"),
            (below_the_bar, "Upside down"),
            (zero_logits, "A logit of 0 is not a probability of 0"),
            (nucleus, "That is top-p"),
            (first_dimension, "numbers differ"),
            (lambda logits, share: logits.softmax(-1), "numbers differ"),
        ],
    ),
    "8.3": Answers(
        right=[by_halving, by_numpy, by_sharpness],
        wrong=[
            (in_nats, "Your entropy is in nats"),
            (inverse, "what the logits are multiplied by"),
            (likeliest_surprise, "the surprise of the likeliest token"),
            (proportional, "no division gives the answer"),
            (to_one_digit, "not close enough"),
            (other_half, "you kept the wrong half"),
            (other_half_from_0_to_100, "do you keep the right half?"),
            (nan_from_a_hundredth, "0 times the logarithm of 0 is NaN"),
            (nan_by_the_chapter, "0 times the logarithm of 0 is NaN"),
            (nan_in_float64, "0 times the logarithm of 0 is NaN"),
            (nan_keeps_the_upper_half, "0 times the logarithm of 0 is NaN"),
            (never_ends, "ValueError: no temperature found"),
            (lambda logits, bits: 1.0, "It gives the same for every input"),
        ],
    ),
    "8.4": Answers(
        right=[by_difference, by_cross_entropy, token_by_token],
        wrong=[
            (whole_text, "The bits of the prompt are in it"),
            (nats_per_byte, "These are nats per byte"),
            (all_bits, "Divide by its bytes"),
            (bits_per_token, "You divided by tokens"),
            (negative, "The sign"),
            (without_prompt, "The model has to read the prompt before it"),
            (one_place_late, "first at [0]"),
            (first_is_missing, "The first token of the ending is missing"),
        ],
    ),
    "8.5": Answers(
        right=[a_trap, a_trap_of_tensors, a_trap_of_fractions],
        wrong=[
            (lambda: ([0.5, 0.25, 0.25], [[0.5, 0.25, 0.25]] * 3), "Greedy walks straight to the best text"),
            (
                lambda: ([0.4, 0.3, 0.3], [[0.4, 0.3, 0.3], *SURE]),
                "greedy still gets too much",
            ),
            (lambda: ([1 / 3] * 3, [[1 / 3] * 3, *SURE]), "a tie"),
            (
                lambda: ([0.4, 0.3, 0.3], [[0.1] * 3, *SURE]),
                "every row of the second list sums to 1",
            ),
            (lambda: ([4, 3, 3], [[1, 1, 1], *SURE]), "These are counts"),
            (lambda: ([0.5, 0.5], [[0.5, 0.5], [1, 0]]), "yours have the shapes (2,) and (2, 2)"),
            (lambda: 3, "Give two things"),
            (lambda: None, "Give two things"),
            (lambda: ([0.5, 0.4, 0.1], [[0.4, 0.3, 0.3], *SURE]), "{'less than 2.5 times as likely'}"),
        ],
    ),
    "8.6": Answers(
        right=[speculate_by_relu, speculate_in_loops, speculate_by_where],
        wrong=[
            (spec_rest_p, "now they come too often"),
            (spec_rest_q, "draw what it gives too rarely"),
            (spec_nan, "has a NaN in it"),
            (spec_not_normal, "Does it sum to 1?"),
            (spec_inverse, "Your ratio is upside down"),
            (spec_by_p, "p times q"),
            (spec_never, "Exact, and useless"),
            (spec_always, "the text is the small model's"),
            (spec_hard, "let a share of it through"),
            (spec_signed, "['in 0 to 1']: False instead of True"),
            (lambda p, q: p, "Return two tensors"),
        ],
    ),
}


class TestChapter8(ExerciseTests):
    answers = ANSWERS
