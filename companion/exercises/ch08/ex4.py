"""The check of exercise 8.4: Which ending?."""

import math
import random

import torch
from torch import nn

from companion.exercises.exercise import Function

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


EXERCISE = Function(
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
