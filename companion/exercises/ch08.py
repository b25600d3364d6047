"""The checks of chapter 8, Generation."""

import math
import random

import torch
from torch import nn

from companion.exercises.exercise import Function, Number, Problem

# -- 8.1 ------------------------------------------------------------------

THOUSAND = Number(
    number="8.1",
    title="A thousand small chances",
    stars=1,
    wants="likeliest_at_two()",
    answer=0.96**0.5 / (0.96**0.5 + 1000 * 0.00004**0.5),
    tolerance=0.005,
    mistakes=[
        (
            0.96**0.5 / (0.96**0.5 + 0.04**0.5),
            "You took one root for all others together, as if they were one token. Each of the thousand has "
            "a root of its own; then they are added.",
        ),
        (0.96, "That is its probability at T = 1. At 2, each probability becomes its root."),
        (
            0.96**0.5,
            "That is the root of 0.96, before the division. Roots do not sum to 1; by what must you divide?",
        ),
        (
            0.48,
            "The temperature divides the logits, not the probabilities. What does that do to a probability?",
        ),
        (
            0.96**2 / (0.96**2 + 1000 * 0.00004**2),
            "You squared; that is T = 1/2. The power is 1/T.",
        ),
        (
            1 - 0.96**0.5 / (0.96**0.5 + 1000 * 0.00004**0.5),
            "That is what the thousand others have now, together. The question is what is left for the "
            "first.",
        ),
    ],
    right="From 96 % to 13 %: what was sure is drowned by a thousand things that each hardly ever happen.",
)

# -- 8.2 ------------------------------------------------------------------


def min_p(logits, share):
    probs = logits.softmax(-1)
    kept = probs * (probs >= share * probs.amax(-1, keepdim=True))
    return kept / kept.sum(-1, keepdim=True)


def min_p_cases(seed):
    generator = torch.Generator().manual_seed(seed)
    sixteenths = torch.tensor([8.0, 4, 2, 1, 1]).log()
    cases = [
        (sixteenths, 0.2),
        (torch.tensor([1.0, 3.0, 3.0]), 1.0),
        (torch.tensor([[0.0, 2.0], [1.0, 0.0]]), 0.3),
    ]
    shapes = [((7,), 0.1), ((2, 9), 0.05), ((3, 4, 11), 0.2)]
    return cases + [(2 * torch.randn(shape, generator=generator), share) for shape, share in shapes]


def min_p_absolute(logits, share):
    probs = logits.softmax(-1)
    kept = probs * (probs >= share)
    return kept / kept.sum(-1, keepdim=True)


def min_p_not_divided(logits, share):
    probs = logits.softmax(-1)
    return probs * (probs >= share * probs.amax(-1, keepdim=True))


def min_p_strict(logits, share):
    probs = logits.softmax(-1)
    kept = probs * (probs > share * probs.amax(-1, keepdim=True))
    return kept / kept.sum(-1, keepdim=True)


def min_p_one_bar_for_all(logits, share):
    probs = logits.softmax(-1)
    kept = probs * (probs >= share * probs.max())
    return kept / kept.sum(-1, keepdim=True)


def min_p_of_logits(logits, share):
    return logits.masked_fill(logits < share * logits.amax(-1, keepdim=True), -math.inf).softmax(-1)


def min_p_upside_down(logits, share):
    probs = logits.softmax(-1)
    kept = probs * (probs < share * probs.amax(-1, keepdim=True))
    return kept / kept.sum(-1, keepdim=True)


def min_p_zero_logits(logits, share):
    probs = logits.softmax(-1)
    return (logits * (probs >= share * probs.amax(-1, keepdim=True))).softmax(-1)


def min_p_as_top_p(logits, share):
    ordered, order = logits.softmax(-1).sort(descending=True, stable=True)
    ordered = ordered * (ordered.cumsum(-1) - ordered < share)
    kept = torch.empty_like(ordered).scatter(-1, order, ordered)
    return kept / kept.sum(-1, keepdim=True)


MIN_P = Function(
    number="8.2",
    title="A bar that moves",
    stars=1,
    wants="min_p(logits, share)",
    cases=min_p_cases,
    oracle=min_p,
    mistakes=[
        (
            min_p_absolute,
            "Your bar stands still: it is `share` itself. It should be a share of the likeliest token's "
            "probability, so that it is low where the model is in doubt.",
        ),
        (min_p_not_divided, "The right tokens stay, but they no longer sum to 1. Divide by what is left."),
        (
            min_p_strict,
            "A token that just reaches the bar was cut. With a share of 1 the likeliest itself would go, and "
            "nothing would be left.",
        ),
        (
            min_p_one_bar_for_all,
            "All rows have one bar, from the largest probability of them all. Each row needs its own: look "
            "at what `max()` does without a dimension.",
        ),
        (
            min_p_of_logits,
            "You compare logits. A share of a logit means nothing: adding 1 to all logits changes no "
            "probability, but it would change your bar.",
        ),
        (min_p_upside_down, "Upside down: you kept what lies below the bar."),
        (
            min_p_zero_logits,
            "A logit of 0 is not a probability of 0: the softmax makes 1 of it before it divides. To "
            "silence a token, its logit must be minus infinity, or its probability 0.",
        ),
        (
            min_p_as_top_p,
            "That is top-p: it adds up until it has enough. Here each token is held against the likeliest, "
            "alone.",
        ),
    ],
    right="One comparison, no sorting; it cuts much where the model is sure, and little where it is open.",
)

# -- 8.3 ------------------------------------------------------------------


def entropy(probs):
    return -(probs * probs.clamp(min=1e-45).log2()).sum().item()


def warmest(measure, logits, target):
    """The temperature at which a measure of the probabilities, which grows with it, reaches the target."""
    low, high = 1e-3, 1e3
    for _ in range(60):
        middle = math.sqrt(low * high)
        reached = measure((logits.double() / middle).softmax(-1)) >= target
        low, high = (low, middle) if reached else (middle, high)
    return math.sqrt(low * high)


def temperature_for(logits, bits):
    return warmest(entropy, logits, bits)


def temperature_cases(seed):
    generator = torch.Generator().manual_seed(seed)
    sixteenths = torch.tensor([8.0, 4, 2, 1, 1]).log()
    cases = [(sixteenths, 1.875), (2 * sixteenths, 1.875), (torch.tensor([0.0, math.log(3)]), 0.5)]
    for size, spread, bits in ((7, 1, 1.2), (11, 3, 2.5), (23, 30, 0.8)):
        cases.append((spread * torch.randn(size, generator=generator), bits))
    return cases


def temperature_by_nats(logits, bits):
    return warmest(lambda probs: entropy(probs) * math.log(2), logits, bits)


def temperature_inverse(logits, bits):
    return 1 / temperature_for(logits, bits)


def temperature_by_likeliest(logits, bits):
    return warmest(lambda probs: -probs.max().log2().item(), logits, bits)


def temperature_by_mean_surprise(logits, bits):
    return warmest(lambda probs: -probs.clamp(min=1e-45).log2().mean().item(), logits, bits)


def temperature_as_factor(logits, bits):
    return entropy(logits.double().softmax(-1)) / bits


def temperature_coarse(logits, bits):
    return round(temperature_for(logits, bits), 1)


def temperature_with_nan(logits, bits):
    def measure(probs):
        return -(probs * probs.log2()).sum().item()

    low, high = 1e-3, 1e3
    for _ in range(60):
        middle = math.sqrt(low * high)
        too_low = measure((logits / middle).softmax(-1)) < bits
        low, high = (middle, high) if too_low else (low, middle)
    return math.sqrt(low * high)


def temperature_wrong_half(logits, bits):
    low, high = 1e-3, 1e3
    for _ in range(60):
        middle = math.sqrt(low * high)
        reached = entropy((logits.double() / middle).softmax(-1)) >= bits
        low, high = (middle, high) if reached else (low, middle)
    return math.sqrt(low * high)


def temperature_at_edge(logits, bits):
    return 100.0


TEMPERATURE = Function(
    number="8.3",
    title="As open as you like",
    stars=2,
    wants="temperature_for(logits, bits)",
    cases=temperature_cases,
    oracle=temperature_for,
    tolerance=2e-3,
    mistakes=[
        (
            temperature_by_nats,
            "Your entropy is in nats; the target is in bits. Which logarithm did you take?",
        ),
        (
            temperature_inverse,
            "That is 1/T, what the logits are multiplied by. Try it: at a temperature above 1 the entropy "
            "must grow.",
        ),
        (
            temperature_by_likeliest,
            "You matched the surprise of the likeliest token. The entropy is the mean surprise over all "
            "tokens, each counted as often as it comes.",
        ),
        (
            temperature_by_mean_surprise,
            "You averaged the surprise with all tokens counted alike. A token counts as often as it comes: "
            "with its probability.",
        ),
        (
            temperature_as_factor,
            "The entropy does not grow in proportion to the temperature; no division gives the answer. "
            "Search for it.",
        ),
        (
            temperature_coarse,
            "Close, but not close enough: the answer should be right to three digits. Halve the interval "
            "more often.",
        ),
        (
            temperature_with_nan,
            "At a low temperature some probabilities are 0, and 0 times the logarithm of 0 is NaN. Every "
            "comparison with NaN is False, so the search went the wrong way. Such tokens add nothing; leave "
            "them out.",
        ),
        (
            temperature_wrong_half,
            "The search ran to the end of its interval: you kept the wrong half. If the entropy is too "
            "high, is the temperature too high or too low?",
        ),
        (
            temperature_at_edge,
            "That is the edge of the interval: do you keep the right half? If the entropy is too high, is "
            "the temperature too high or too low? And if only some inputs end there, look for a NaN.",
        ),
    ],
    right="A knob with a meaning: as open at every place as you like, whatever the model's own doubt there.",
)

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
    with torch.no_grad():
        log_probs = model(torch.tensor([tokens]))[0, :-1].log_softmax(-1)
    return -sum(log_probs[i, token].item() for i, token in enumerate(tokens[1:])) / math.log(2)


def ending_bits(model, prompt, endings, sizes):
    known = total_bits(model, prompt)
    return [(total_bits(model, prompt + e) - known) / n for e, n in zip(endings, sizes, strict=True)]


def ending_cases(seed):
    rng = random.Random(seed)
    cases = [(Toy(seed), [0], [[1]], [2]), (Toy(seed), [0, 3], [[2], [2, 5]], [3, 4])]
    for length, lengths in ((2, (1, 3)), (4, (2, 1, 5)), (6, (3, 4))):
        prompt = [0] + rng.choices(range(VOCABULARY), k=length)
        endings = [rng.choices(range(VOCABULARY), k=k) for k in lengths]
        cases.append((Toy(seed), prompt, endings, [rng.randint(k + 1, 6 * k) for k in lengths]))
    return cases


def ending_with_prompt(model, prompt, endings, sizes):
    return [total_bits(model, prompt + e) / n for e, n in zip(endings, sizes, strict=True)]


def ending_alone(model, prompt, endings, sizes):
    return [total_bits(model, prompt[:1] + e) / n for e, n in zip(endings, sizes, strict=True)]


def ending_in_nats(model, prompt, endings, sizes):
    return [bits * math.log(2) for bits in ending_bits(model, prompt, endings, sizes)]


def ending_total(model, prompt, endings, sizes):
    return [bits * n for bits, n in zip(ending_bits(model, prompt, endings, sizes), sizes, strict=True)]


def ending_per_token(model, prompt, endings, sizes):
    return ending_bits(model, prompt, endings, [len(e) for e in endings])


def ending_negative(model, prompt, endings, sizes):
    return [-bits for bits in ending_bits(model, prompt, endings, sizes)]


def ending_without_its_first(model, prompt, endings, sizes):
    return [
        (total_bits(model, prompt + e) - total_bits(model, prompt + e[:1])) / n
        for e, n in zip(endings, sizes, strict=True)
    ]


def ending_with_prompts_last(model, prompt, endings, sizes):
    if len(prompt) < 2:
        return ending_bits(model, prompt, endings, sizes)
    known = total_bits(model, prompt[:-1])
    return [(total_bits(model, prompt + e) - known) / n for e, n in zip(endings, sizes, strict=True)]


ENDING = Function(
    number="8.4",
    title="Which ending?",
    stars=2,
    wants="ending_bits(model, prompt, endings, sizes)",
    cases=ending_cases,
    oracle=ending_bits,
    shown="{f}(model, {1}, {2}, {3})",
    tolerance=1e-4,
    mistakes=[
        (
            ending_with_prompt,
            "The bits of the prompt are in it. They are the same for all endings, but a short ending has "
            "fewer bytes to spread them over. Take them out.",
        ),
        (
            ending_alone,
            "You asked for the ending alone. The model has to read the prompt before it: how likely an "
            "ending is depends on what came.",
        ),
        (ending_in_nats, "These are nats per byte. A bit is ln 2 nats."),
        (ending_total, "These are the bits of each whole ending. Divide by its bytes."),
        (
            ending_per_token,
            "You divided by tokens. How many bytes a token holds differs from ending to ending; `sizes` has "
            "the bytes.",
        ),
        (ending_negative, "The sign: a logarithm of a probability is negative, its surprise is positive."),
        (
            ending_without_its_first,
            "The first token of the ending is missing. It is judged by the logits of the prompt's last "
            "token.",
        ),
        (
            ending_with_prompts_last,
            "One token too many: the prompt's last token is counted with the ending. Of which tokens does "
            "`log_probability` take the sum?",
        ),
    ],
    right="So a model takes a multiple-choice test: it does not answer, it finds one answer likelier.",
)

# -- 8.5 ------------------------------------------------------------------


def trap():
    return [0.34, 0.33, 0.33], [[1 / 3] * 3, [1.0, 0.0, 0.0], [1.0, 0.0, 0.0]]


def trap_call(answer):
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
    texts = first[:, None] * second
    greedy = texts[first.argmax()].max()
    wrong = {
        "below 0": bool((first < 0).any() or (second < 0).any()),
        "the first do not sum to 1": abs(first.sum() - 1) > 1e-6,
        "the second do not sum to 1": bool(((second.sum(1) - 1).abs() > 1e-6).any()),
        "a tie": bool(first.sort().values.diff()[-1] < 1e-6),
        "greedy finds the likeliest text": bool(texts.max() <= greedy * (1 + 1e-9)),
        "less than 2.5 times as likely": bool(texts.max() < 2.5 * greedy),
    }
    return {"; ".join(text for text, found in wrong.items() if found) or "nothing"}


def trap_without_bait():
    return [0.6, 0.3, 0.1], [[0.5, 0.3, 0.2]] * 3


def trap_too_rich():
    return [0.5, 0.4, 0.1], [[0.4, 0.3, 0.3], [1.0, 0.0, 0.0], [1 / 3] * 3]


def trap_not_a_distribution():
    return [0.34, 0.33, 0.33], [[0.1, 0.1, 0.1], [1.0, 0.0, 0.0], [1.0, 0.0, 0.0]]


def trap_transposed():
    first, second = trap()
    return first, [list(column) for column in zip(*second, strict=True)]


def trap_tie():
    return [1 / 3] * 3, trap()[1]


def trap_of_counts():
    return [34, 33, 33], [[1, 1, 1], [1, 0, 0], [1, 0, 0]]


def trap_of_logs():
    first, second = trap()
    return [math.log(p) for p in first], [[math.log(p + 1e-9) for p in row] for row in second]


TRAP = Function(
    number="8.5",
    title="A trap for the greedy",
    stars=2,
    wants="trap()",
    cases=lambda seed: [()] if seed == 0 else [],
    oracle=trap,
    call=trap_call,
    shown="what is wrong with {f}()",
    mistakes=[
        (
            trap_without_bait,
            "Greedy walks straight to the best text. What it takes first must lead to a place where no "
            "second token is likely.",
        ),
        (
            trap_too_rich,
            "The trap works, but greedy still gets too much: it shall get little from its first token, and "
            "little from its second. How small can the largest of three probabilities be?",
        ),
        (
            trap_not_a_distribution,
            "After each first token, the second has to be something: every row of the second list sums to 1.",
        ),
        (
            trap_transposed,
            "Row i of the second list is what follows token i; it is the rows that must sum to 1. Are yours "
            "in the columns?",
        ),
        (
            trap_tie,
            "The first token is a tie, so chance decides what greedy takes. Make one a little likelier.",
        ),
        (trap_of_counts, "These are counts. Divide each row by its sum."),
        (trap_of_logs, "These are logarithms. Give the probabilities themselves."),
    ],
    right="With V tokens, greedy can lose a factor of nearly V. A beam of two would have found the text.",
)

# -- 8.6 ------------------------------------------------------------------


def speculate(p, q):
    kept = torch.minimum(p, q)
    accept = torch.where(q > 0, kept / q.clamp(min=1e-30), 1.0)
    left = p - kept
    return accept, left / left.sum() if left.sum() > 0 else p


def speculate_call(answer, p, q):
    """What comes out when a token drafted from q is kept, or else drawn from the rest; how many are kept."""
    given = answer(p, q)
    if not isinstance(given, tuple) or len(given) != 2:
        raise Problem("Return two tensors: `accept, rest`.")
    for name, tensor in zip(("accept", "rest"), given, strict=True):
        if not isinstance(tensor, torch.Tensor) or tensor.shape != p.shape:
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
    p, q = torch.tensor([0.5, 0.25, 0.25]), torch.tensor([0.25, 0.5, 0.25])
    cases = [(torch.tensor([0.5, 0.5]), torch.tensor([0.25, 0.75])), (p, q), (p, p)]
    cases += [(torch.tensor([0.0, 0.5, 0.5, 0.0]), torch.tensor([0.25, 0.75, 0.0, 0.0]))]
    for size in (5, 8, 13):
        p, q = (1.5 * torch.randn(2, size, generator=generator)).softmax(-1)
        cases.append((p, q))
    return cases


def speculate_rest_is_p(p, q):
    return speculate(p, q)[0], p


def speculate_rest_is_q(p, q):
    return speculate(p, q)[0], q


def speculate_rest_both_ways(p, q):
    left = (p - q).abs()
    return speculate(p, q)[0], left / left.sum() if left.sum() > 0 else p


def speculate_rest_not_divided(p, q):
    return speculate(p, q)[0], (p - q).clamp(min=0)


def speculate_upside_down(p, q):
    return torch.where(p > 0, (q / p.clamp(min=1e-30)).clamp(max=1), 1.0), speculate(p, q)[1]


def speculate_by_p(p, q):
    return p, speculate(p, q)[1]


def speculate_never(p, q):
    return torch.zeros_like(p), p


def speculate_always(p, q):
    return torch.ones_like(p), speculate(p, q)[1]


def speculate_all_or_nothing(p, q):
    return (p >= q).float(), speculate(p, q)[1]


def speculate_not_capped(p, q):
    return torch.where(q > 0, p / q.clamp(min=1e-30), 1.0), speculate(p, q)[1]


SPECULATE = Function(
    number="8.6",
    title="Guess first, ask later",
    stars=3,
    wants="speculate(p, q)",
    cases=speculate_cases,
    oracle=speculate,
    call=speculate_call,
    shown="{f}(p, q), p = {0}, q = {1}",
    mistakes=[
        (
            speculate_rest_is_p,
            "After a rejection you draw from p itself. But the likely tokens have had their chance when "
            "they were accepted; now they come too often. How much of each p is still missing?",
        ),
        (
            speculate_rest_is_q,
            "After a rejection you draw from the draft again. The draft is what was wrong: draw what it "
            "gives too rarely.",
        ),
        (
            speculate_rest_both_ways,
            "The rest holds tokens of which the draft already gave too much. Where q is above p, nothing is "
            "missing.",
        ),
        (
            speculate_rest_not_divided,
            "The rest is what is missing, and right in its shape. Does it sum to 1?",
        ),
        (
            speculate_upside_down,
            "Your ratio is upside down: it rejects tokens that the draft gives too rarely, and lets through "
            "those that it gives too often.",
        ),
        (
            speculate_by_p,
            "You accept with the probability p. But the token has been drafted with q already: both together "
            "would give it p times q.",
        ),
        (
            speculate_never,
            "Exact, and useless: the draft is never accepted. It is to be accepted as often as exactness "
            "allows.",
        ),
        (
            speculate_always,
            "Every draft is accepted, so the text is the small model's. It has to be the large one's.",
        ),
        (
            speculate_all_or_nothing,
            "You reject every token that the draft gives too often. Some of it is right: let a share of it "
            "through.",
        ),
        (
            speculate_not_capped,
            "An acceptance above 1 is no probability. Where the draft gives a token too rarely, the most "
            "that one can do is to accept it always; the rest brings what is missing.",
        ),
    ],
    right="Whatever the draft, the text is the large model's own; a better draft only makes it faster.",
)

EXERCISES = [THOUSAND, MIN_P, TEMPERATURE, ENDING, TRAP, SPECULATE]
