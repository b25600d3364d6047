"""The check of exercise 8.3: As open as you like."""

import math

import torch

from companion.exercises.exercise import Function

NAN = (
    "At a low temperature some probabilities are 0, and 0 times the logarithm of 0 is NaN. Every "
    "comparison with NaN is False, so the search went the wrong way. Such tokens add nothing; leave "
    "them out."
)


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
    two, halves = torch.tensor([0.0, math.log(3)]), torch.tensor([64.0, 32, 16, 8, 4, 2, 1, 1]).log()
    bits_of_halves = 127 / 64
    far = torch.tensor([0.0, -1.0, -2000.0])  # at the answer, the last one has a probability of exactly 0
    cases = [(two, 0.5), (40 * two, 0.5), (far, 0.5), (2 * halves, bits_of_halves)]
    cases += [(10 * halves, bits_of_halves), (halves / 50, bits_of_halves)]  # T = 10 and 0.02
    # Each target can be reached in nats, too: else that mistake gives an edge, which differs from one
    # search to another. And no answer is 1, which some searches try first.
    for size, spread, bits in ((7, 1, 1.2), (11, 3, 2.2), (23, 30, 0.8)):
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


def temperature_with_nan(edges, middle_of, dtype, nan_is_low):
    """An answer that halves an interval by an entropy that is NaN where a probability is 0."""

    def temperature_for(logits, bits):
        low, high = edges
        for _ in range(60):
            middle = middle_of(low, high)
            probs = (logits.to(dtype) / middle).softmax(-1)
            entropy = -(probs * probs.log2()).sum().item()
            too_low = entropy < bits or (nan_is_low and math.isnan(entropy))
            low, high = (middle, high) if too_low else (low, middle)
        return low

    return temperature_for


def half_way(low, high):
    return (low + high) / 2


def half_way_in_powers(low, high):
    return math.sqrt(low * high)


# Which inputs end in a NaN depends on the way: on the interval, and on how it is halved.
WITH_NAN = [
    temperature_with_nan(edges, middle_of, dtype, nan_is_low)
    for edges in ((1e-3, 100.0), (0.01, 100.0), (1e-3, 1000.0))
    for middle_of in (half_way, half_way_in_powers)
    for dtype in (torch.float32, torch.float64)
    for nan_is_low in (False, True)
]


def temperature_wrong_half(logits, bits):
    low, high = 1e-3, 1e3
    for _ in range(60):
        middle = math.sqrt(low * high)
        reached = entropy((logits.double() / middle).softmax(-1)) >= bits
        low, high = (middle, high) if reached else (low, middle)
    return math.sqrt(low * high)


def temperature_at_edge(logits, bits):
    return 100.0


EXERCISE = Function(
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
        *((wrong, NAN) for wrong in WITH_NAN),
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
