"""The check of exercise 7.4: Every story once."""

import operator
import random

import torch

from companion.exercises.exercise import Function, Problem

SEEDS = (0, 1, 2, 3, 5, 8)
"""Compared with each other and with 7: their sums, products and exclusive ors with a pass collide."""
FAR = (10, 16, 20, 32, 50, 64, 100, 128, 200, 256, 500, 512, 1000, 1024, 10_000)
"""Passes of seed 7 that are compared with the first pass of seed 8: seed * 10 + pass collides."""


def batch_rows(number, n_stories, batch_size, seed):
    batches = n_stories // batch_size
    generator = torch.Generator().manual_seed(seed * 10**6 + number // batches)
    first = number % batches * batch_size
    return torch.randperm(n_stories, generator=generator)[first : first + batch_size].tolist()


def rows_call(answer, n_stories, batch_size):
    """What is wrong with the batches of an answer, in three passes of a seed and in one of the next."""

    def rows(number, seed):
        batch = answer(number, n_stories, batch_size, seed)
        try:
            return [operator.index(row) for row in batch]  # of a list, an array, a tensor
        except TypeError:
            kind = type(batch).__name__
            raise Problem(f"A batch is a list of story numbers, and yours is of the type {kind}.") from None

    batches = n_stories // batch_size
    torch.manual_seed(1)
    random.seed(1)
    given = [rows(number, 7) for number in range(3 * batches)]
    passes = [sum(given[i : i + batches], []) for i in (0, batches, 2 * batches)]
    torch.manual_seed(2)  # what else a program draws must not matter
    random.seed(2)
    again = [rows(number, 7) for number in reversed(range(3 * batches))][::-1]
    before = torch.get_rng_state(), random.getstate()
    others = [
        sum((rows(p * batches + i, seed) for i in range(batches)), []) for seed in SEEDS for p in range(3)
    ]
    many = [sum((rows(p * batches + i, 7) for i in range(batches)), []) for p in range(12)]
    late = [sum((rows(p * batches + i, 7) for i in range(batches)), []) for p in FAR]
    first_of_next = sum((rows(i, 8) for i in range(batches)), [])
    after = torch.get_rng_state(), random.getstate()
    wrong = {
        "a batch has too few or too many rows": any(len(batch) != batch_size for batch in given),
        "a row is the number of no story": not set(sum(given, [])) <= set(range(n_stories)),
        "a story comes twice in a pass": any(len(set(one)) < len(one) for one in passes),
        "asked again, a number gives another batch": again != given,
        "two passes have the same order": passes[0] in passes[1:],
        "two seeds have the same order": others[3 * SEEDS.index(8)] == passes[0],
        "a pass of one seed comes again as one of another": any(one in others for one in passes)
        or any(others.count(one) > 1 for one in others),
        "a late pass of one seed comes again as one of another": first_of_next in late
        and len(set(first_of_next)) == len(first_of_next),  # drawn from one deck
        "one pass is another, begun elsewhere": any(turned(passes[0], one) for one in passes[1:]),
        "the same stories sit out every pass": n_stories % batch_size
        and len({frozenset(one) for one in many}) == 1,
        "the order is that of the book": any(one == sorted(one) for one in passes),
        "the same stories always meet": len({frozenset(batch) for batch in given}) <= batches,
        "the global generator is moved": not torch.equal(after[0], before[0]) or after[1] != before[1],
    }
    return [text for text, found in wrong.items() if found]


def turned(one, other):
    """Whether a list is another one, begun elsewhere."""
    return any(one[i:] + one[:i] == other for i in range(len(one)))


def rows_cases(seed):
    return [(17 + seed, 4), (23 + seed, 5), (40, 8)]


def rows_with_replacement(number, n_stories, batch_size, seed):
    generator = torch.Generator().manual_seed(seed * 10**6 + number)
    return torch.randint(n_stories, (batch_size,), generator=generator).tolist()


def rows_a_deck_for_each_batch(number, n_stories, batch_size, seed):
    generator = torch.Generator().manual_seed(seed * 10**6 + number)
    return torch.randperm(n_stories, generator=generator)[:batch_size].tolist()


def rows_by_seed_and_number_added(number, n_stories, batch_size, seed):
    generator = torch.Generator().manual_seed(seed + number)
    return torch.randperm(n_stories, generator=generator)[:batch_size].tolist()


def rows_one_deck(number, n_stories, batch_size, seed):
    return batch_rows(number % (n_stories // batch_size), n_stories, batch_size, seed)


def rows_one_deck_for_all_seeds(number, n_stories, batch_size, seed):
    return batch_rows(number, n_stories, batch_size, 0)


def rows_seeds_overlap(number, n_stories, batch_size, seed):
    batches = n_stories // batch_size
    generator = torch.Generator().manual_seed(seed + number // batches)
    first = number % batches * batch_size
    return torch.randperm(n_stories, generator=generator)[first : first + batch_size].tolist()


def rows_seeds_ten_apart(number, n_stories, batch_size, seed):
    batches = n_stories // batch_size
    generator = torch.Generator().manual_seed(seed * 10 + number // batches)
    first = number % batches * batch_size
    return torch.randperm(n_stories, generator=generator)[first : first + batch_size].tolist()


def rows_seeds_a_thousand_apart(number, n_stories, batch_size, seed):
    batches = n_stories // batch_size
    generator = torch.Generator().manual_seed(seed * 1000 + number // batches)
    first = number % batches * batch_size
    return torch.randperm(n_stories, generator=generator)[first : first + batch_size].tolist()


def rows_in_order(number, n_stories, batch_size, seed):
    first = number % (n_stories // batch_size) * batch_size
    return list(range(first, first + batch_size))


def rows_with_a_short_batch(number, n_stories, batch_size, seed):
    batches = -(-n_stories // batch_size)
    generator = torch.Generator().manual_seed(seed * 10**6 + number // batches)
    first = number % batches * batch_size
    return torch.randperm(n_stories, generator=generator)[first : first + batch_size].tolist()


def rows_of_the_first_pass(number, n_stories, batch_size, seed):
    generator = torch.Generator().manual_seed(seed)
    return torch.randperm(n_stories, generator=generator)[
        number * batch_size : (number + 1) * batch_size
    ].tolist()


def rows_by_global_seed(number, n_stories, batch_size, seed):
    batches = n_stories // batch_size
    torch.manual_seed(seed * 10**6 + number // batches)
    return torch.randperm(n_stories)[number % batches * batch_size :][:batch_size].tolist()


def rows_without_seed(number, n_stories, batch_size, seed):
    first = number % (n_stories // batch_size) * batch_size
    return torch.randperm(n_stories)[first : first + batch_size].tolist()


def rows_shuffled_batches(number, n_stories, batch_size, seed):
    batches = n_stories // batch_size
    generator = torch.Generator().manual_seed(seed * 10**6 + number // batches)
    first = torch.randperm(batches, generator=generator)[number % batches].item() * batch_size
    return list(range(first, first + batch_size))


APART = (
    "A late pass of seed 7 is the first pass of seed 8, as with 7 * 10 + 10 and 8 * 10. A run may have thousands "
    "of passes: keep seed and pass further apart, as `training_batches` does."
)

EXERCISE = Function(
    number="7.4",
    title="Every story once",
    stars=2,
    wants="batch_rows(number, n_stories, batch_size, seed)",
    cases=rows_cases,
    oracle=batch_rows,
    call=rows_call,
    shown="what is wrong in three passes, with n_stories = {0} and batch_size = {1}",
    mistakes=[
        (
            rows_with_replacement,
            "A story comes twice in a pass. You draw each row, or each batch, for itself. All batches of a "
            "pass have to be dealt from one shuffled deck; what do they have in common that could seed it?",
        ),
        (
            rows_a_deck_for_each_batch,
            "A story comes twice in a pass. You draw each row, or each batch, for itself. All batches of a "
            "pass have to be dealt from one shuffled deck; what do they have in common that could seed it?",
        ),
        (
            rows_by_seed_and_number_added,
            "A story comes twice in a pass: you shuffle anew for each batch and take the first rows. All "
            "batches of a pass have to be dealt from one shuffled deck; what do they have in common that "
            "could seed it? And a sum of seed and number is the same for many pairs: keep them apart, as "
            "`training_batches` does.",
        ),
        (
            rows_one_deck,
            "Each pass deals the same deck in the same order, so the same stories always share a batch. The "
            "number of the pass belongs into the seed.",
        ),
        (rows_one_deck_for_all_seeds, "Two seeds give the same rows: `seed` has no part in the shuffling."),
        (
            rows_seeds_overlap,
            "The first pass of seed 8 is the second one of seed 7: a sum of seed and pass is the same for "
            "both. Keep them apart, as `training_batches` does.",
        ),
        (rows_seeds_ten_apart, APART),
        (rows_seeds_a_thousand_apart, APART),
        (rows_in_order, "The stories come in the order of the book. Shuffle them anew for each pass."),
        (
            rows_with_a_short_batch,
            "Some batches are too short: the last stories of a pass do not fill one. Let them sit out this "
            "pass; how many batches has it then?",
        ),
        (
            rows_of_the_first_pass,
            "Some batches are empty or too short: a number behind the first pass is past the end of the "
            "deck. Which batch of its own pass is it?",
        ),
        (
            rows_by_global_seed,
            "Right rows, at a price: `torch.manual_seed` sets the one generator that dropout draws from, "
            "too. Use a `torch.Generator()` of your own.",
        ),
        (
            rows_without_seed,
            "Asked again for the same number, it gives other rows. A resumed run would not be the same run: "
            "nothing but the arguments may decide.",
        ),
        (
            rows_shuffled_batches,
            "You shuffle whole batches. Then the same stories always meet in one batch, and the same ones "
            "always sit out. Shuffle the stories.",
        ),
    ],
    right="Nothing is remembered, so nothing has to be saved: a batch's number is its place in the data.",
)
