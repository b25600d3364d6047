"""The check of exercise 2.3: Padding on the left."""

import random

import torch

from companion.exercises.ch02.shared import named
from companion.exercises.exercise import Function


def pad_left(prompts, pad_id, length):
    tokens = torch.full((len(prompts), length), pad_id)
    mask = torch.zeros(len(prompts), length, dtype=torch.bool)
    for row, prompt in enumerate(prompts):
        for back, token in enumerate(reversed(prompt)):
            if back < length:
                tokens[row, length - 1 - back] = token
                mask[row, length - 1 - back] = True
    return tokens, mask


def pad_left_cases(seed):
    rng = random.Random(seed)
    cases = [
        ([[5]], 0, 2),
        ([[5, 6]], 0, 2),
        ([[5, 6, 7]], 0, 2),
        ([[9, 5]], 9, 3),
        ([[], [5]], 0, 2),
        ([[5, 6, 7], [8]], 0, 4),
        ([[9, 5, 6, 9, 7], [9, 8]], 9, 3),
        ([[9, 9, 5], [6]], 9, 5),
        ([[5, 6], [], [7]], 9, 1),
        ([[], [], []], 9, 3),
        ([[5], [6, 7]], -100, 2),
        ([[5, 6, 7], [8, 9, 4]], 0, 3),
        ([[70_000, 5], [16_777_217]], 50_256, 3),
    ]
    for n_prompts, length in [(3, 4), (4, 5), (5, 7)]:
        prompts = [[rng.randrange(50) for _ in range(rng.randint(1, 9))] for _ in range(n_prompts)]
        cases.append((prompts, rng.choice(prompts[0]), length))
    return cases


def try_pad_left(answer, prompts, pad_id, length):
    """Name the two, in whatever they are given."""
    return named(answer(prompts, pad_id, length), ("tokens", "mask"), "Return two: the tokens and the mask.")


def pads_right(prompts, pad_id, length):
    tokens, mask = pad_left([prompt[:length][::-1] for prompt in prompts], pad_id, length)
    return tokens.flip(1), mask.flip(1)


def keeps_the_beginning(prompts, pad_id, length):
    return pad_left([prompt[:length] for prompt in prompts], pad_id, length)


def mask_by_value(prompts, pad_id, length):
    tokens, _ = pad_left(prompts, pad_id, length)
    return tokens, tokens != pad_id


def backwards(prompts, pad_id, length):
    return pad_left([prompt[::-1][:length] for prompt in prompts], pad_id, length)


def mask_on_the_right(prompts, pad_id, length):
    tokens, mask = pad_left(prompts, pad_id, length)
    return tokens, mask.flip(1)


def mask_of_padding(prompts, pad_id, length):
    tokens, mask = pad_left(prompts, pad_id, length)
    return tokens, ~mask


def as_long_as_the_longest(prompts, pad_id, length):
    return pad_left(prompts, pad_id, min(length, max(map(len, prompts))))


def nothing_is_minus_zero(prompts, pad_id, length):
    tokens, mask = pad_left(prompts, pad_id, length)
    for row, prompt in enumerate(prompts):
        mask[row, -len(prompt) :] = True
    return tokens, mask


def never_cut(prompts, pad_id, length):
    return pad_left(prompts, pad_id, max(length, *map(len, prompts)))


def in_float32(prompts, pad_id, length):
    tokens, mask = pad_left(prompts, pad_id, length)
    return tokens.float().long(), mask


def mask_of_numbers(prompts, pad_id, length):
    tokens, mask = pad_left(prompts, pad_id, length)
    return tokens, mask.long()


EXERCISE = Function(
    number="2.3",
    title="Padding on the left",
    stars=2,
    wants="pad_left(prompts, pad_id, length)",
    cases=pad_left_cases,
    oracle=pad_left,
    call=try_pad_left,
    shown="{f}({0}, {1}, {2})",
    mistakes=[
        (pads_right, "The padding stands on the right, so a new token would come after it."),
        (
            keeps_the_beginning,
            "Of a prompt that is too long you kept the beginning. What a continuation needs most is its end.",
        ),
        (
            mask_by_value,
            "The mask hides a real token that happens to be `pad_id`. Whether a place is padding depends "
            "on how long the prompt is, not on what stands there; our padding is `<|endoftext|>`, which "
            "also begins every story.",
        ),
        (backwards, "The tokens are in the reverse order. If you turned them round, turn them back."),
        (mask_on_the_right, "The tokens are right, and the mask is that of padding on the right."),
        (mask_of_padding, "The mask is turned round: True stands for a real token."),
        (
            as_long_as_the_longest,
            "The rows are as long as the longest prompt; they should be `length` long, also where all are "
            "shorter.",
        ),
        (never_cut, "A prompt longer than `length` is not cut."),
        (
            nothing_is_minus_zero,
            "For an empty prompt, `[-0:]` is `[0:]`, the whole row. Count from the left: where do real "
            "tokens begin?",
        ),
        (
            in_float32,
            "A large id has changed on the way: float32 holds whole numbers to 16,777,216 only. Tokens are "
            "int64 from the beginning.",
        ),
        (
            lambda prompts, pad_id, length: pad_left([p for p in prompts if p], pad_id, length),
            "An empty prompt has no row. It has one, all padding.",
        ),
        (mask_of_numbers, "The mask holds whole numbers. A mask is bool: True and False."),
    ],
    right="All rows end with a real token, so one step can add a token to each of them.",
)
