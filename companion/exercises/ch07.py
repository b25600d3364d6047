"""The checks of chapter 7, Training."""

import math
import random

import torch
from torch import nn

from companion.exercises.exercise import Function, Number, Problem

# -- 7.1 ------------------------------------------------------------------


def total_perplexity(parts):
    nats = sum(n * math.log(perplexity) for perplexity, n in parts)
    return math.exp(nats / sum(n for _, n in parts))


def perplexity_cases(seed):
    rng = random.Random(seed)
    cases = [([(4.0, 3)],), ([(2.0, 1), (8.0, 1)],), ([(2.0, 2), (16.0, 1)],), ([(1.0, 4), (32.0, 1)],)]
    return cases + [([(rng.uniform(1.5, 30), rng.randint(1, 7)) for _ in range(k)],) for k in (2, 3, 5)]


def perplexity_plain_mean(parts):
    return sum(perplexity for perplexity, _ in parts) / len(parts)


def perplexity_weighted_mean(parts):
    return sum(n * perplexity for perplexity, n in parts) / sum(n for _, n in parts)


def perplexity_mean_of_means(parts):
    return math.exp(sum(math.log(perplexity) for perplexity, _ in parts) / len(parts))


def perplexity_as_loss(parts):
    return math.log(total_perplexity(parts))


def perplexity_of_sum(parts):
    return math.exp(sum(n * math.log(perplexity) for perplexity, n in parts))


def perplexity_per_part(parts):
    return math.exp(sum(n * math.log(perplexity) for perplexity, n in parts) / len(parts))


def perplexity_two_bases(parts):
    return math.exp(sum(n * math.log2(perplexity) for perplexity, n in parts) / sum(n for _, n in parts))


PERPLEXITY = Function(
    number="7.1",
    title="Two halves",
    stars=1,
    wants="total_perplexity(parts)",
    cases=perplexity_cases,
    oracle=total_perplexity,
    mistakes=[
        (
            perplexity_plain_mean,
            "You took the mean of the perplexities. What adds up, token by token, is surprise: go back to "
            "nats, take the mean there, and come back.",
        ),
        (
            perplexity_weighted_mean,
            "Each part counts by its tokens, and that is right. But a perplexity is an exponential, and the "
            "mean of exponentials is not the exponential of the mean. Take the mean in nats.",
        ),
        (
            perplexity_mean_of_means,
            "A mean of means: a part of one token counts as much as a part of two. Weigh each part's nats by "
            "its tokens.",
        ),
        (perplexity_as_loss, "That is the mean surprise in nats, the loss. How does it become a perplexity?"),
        (
            perplexity_of_sum,
            "That is the exponential of all surprise together; it grows with the length of the text. A "
            "perplexity speaks of one token.",
        ),
        (
            perplexity_per_part,
            "You divided all nats by the number of parts. They are the nats of single tokens: by how many "
            "must you divide?",
        ),
        (
            perplexity_two_bases,
            "You went there with one logarithm and came back with the power of another: bits belong to 2, "
            "nats to e.",
        ),
    ],
    right="Who averages perplexities lets the hard texts count too much. Average nats, then take the power.",
)

# -- 7.2 ------------------------------------------------------------------

NEVER_SEEN = Number(
    number="7.2",
    title="Never seen",
    stars=1,
    wants="never_seen()",
    answer=1 / math.e,
    tolerance=0.015,
    mistakes=[
        (
            0,
            "As many rows as stories would be enough if no story came twice. But each row draws from all "
            "stories anew.",
        ),
        (1 - 1 / math.e, "That is the share that has been seen at least once."),
        (
            0.5,
            "Not a half. Take one story: with which probability does a single row miss it? And 1,000 rows, "
            "one after the other?",
        ),
        (math.e**-2, "That is what two passes leave. 125 batches of 8 rows are one."),
        (0.999, "That is the probability that one row misses a story. There are 1,000 rows."),
        (0.999**125, "That is after 125 rows. There are 125 batches, and 8 rows in each."),
        (100 / math.e, "In percent, yes. Give the share as a number from 0 to 1."),
    ],
    right="More than a third, 1/e. Where text is scarce, a pass that shows each story once is worth having.",
)

# -- 7.3 ------------------------------------------------------------------


def wsd_schedule(step, steps, lr, warmup_steps, decay_steps):
    up = (step + 1) / max(1, warmup_steps)
    down = (steps - step) / max(1, decay_steps)
    return lr * min(1.0, up, down)


def wsd_call(answer, *settings):
    return [answer(step, *settings) for step in range(settings[0])]


def wsd_cases(seed):
    rng = random.Random(seed)
    cases = [(5, 2.0, 1, 1), (7, 1.0, 2, 3), (10, 1.0, 2, 4), (6, 0.5, 0, 3), (6, 0.5, 3, 0), (6, 1.0, 5, 4)]
    for steps in (9, 12, 17):
        warmup_steps = rng.randint(2, steps // 3)
        cases.append((steps, rng.uniform(0.1, 3), warmup_steps, rng.randint(2, steps - warmup_steps - 1)))
    return cases


def wsd_from_zero(step, steps, lr, warmup_steps, decay_steps):
    up, down = step / max(1, warmup_steps), (steps - step) / max(1, decay_steps)
    return lr * min(1.0, up if warmup_steps else 1.0, down)


def wsd_to_zero(step, steps, lr, warmup_steps, decay_steps):
    down = (steps - 1 - step) / max(1, decay_steps)
    return lr * min(1.0, (step + 1) / max(1, warmup_steps), down if decay_steps else 1.0)


def wsd_from_zero_to_zero(step, steps, lr, warmup_steps, decay_steps):
    up, down = step / max(1, warmup_steps), (steps - 1 - step) / max(1, decay_steps)
    return lr * min(1.0, up if warmup_steps else 1.0, down if decay_steps else 1.0)


def wsd_last_is_zero(step, steps, lr, warmup_steps, decay_steps):
    """From lr in the first step of the decay to 0 in the last."""
    if step < warmup_steps:
        return lr * (step + 1) / warmup_steps
    if step >= steps - decay_steps > 0:
        return lr * (steps - 1 - step) / max(1, decay_steps - 1)
    return lr


def wsd_no_plateau(step, steps, lr, warmup_steps, decay_steps):
    return lr * min(1.0, (step + 1) / max(1, warmup_steps), (steps - step) / (steps - warmup_steps))


def wsd_cosine(step, steps, lr, warmup_steps, decay_steps):
    down = (steps - step) / max(1, decay_steps)
    down = (1 - math.cos(math.pi * min(1.0, down))) / 2
    return lr * min(1.0, (step + 1) / max(1, warmup_steps), down)


def wsd_first_branch_wins(step, steps, lr, warmup_steps, decay_steps):
    if step < warmup_steps:
        return lr * (step + 1) / warmup_steps
    return lr * min(1.0, (steps - step) / max(1, decay_steps))


def wsd_product(step, steps, lr, warmup_steps, decay_steps):
    up, down = (step + 1) / max(1, warmup_steps), (steps - step) / max(1, decay_steps)
    return lr * min(1.0, up) * min(1.0, down)


def wsd_divides_by_zero(step, steps, lr, warmup_steps, decay_steps):
    return lr * min(1.0, (step + 1) / warmup_steps, (steps - step) / decay_steps)


def wsd_share_of_lr(step, steps, lr, warmup_steps, decay_steps):
    return wsd_schedule(step, steps, 1.0, warmup_steps, decay_steps)


WSD = Function(
    number="7.3",
    title="Up, along, down",
    stars=2,
    wants="wsd_schedule(step, steps, lr, warmup_steps, decay_steps)",
    cases=wsd_cases,
    oracle=wsd_schedule,
    call=wsd_call,
    shown="[{f}(step, {0}, {1}, {2}, {3}) for step in range({0})]",
    mistakes=[
        (
            wsd_from_zero,
            "Step 0 has the rate 0: it computes a gradient and moves nothing. The first step is one rung up "
            "the ladder already, as in `cosine_schedule`.",
        ),
        (
            wsd_to_zero,
            "The last step has the rate 0: it computes a gradient and moves nothing. The way down is the "
            "way up in a mirror, so its last step stands on the lowest rung, not on the ground.",
        ),
        (
            wsd_from_zero_to_zero,
            "Both ends have the rate 0: these steps compute a gradient and move nothing. They stand on the "
            "lowest rung, not on the ground.",
        ),
        (
            wsd_last_is_zero,
            "You go from `lr` to 0 within the decay. Mirror the way up instead: how many rungs has it, and "
            "on which does it begin?",
        ),
        (
            wsd_no_plateau,
            "The fall begins right behind the warm-up, so nothing is left of the way along. Only the last "
            "`decay_steps` steps fall.",
        ),
        (wsd_cosine, "You fall along a cosine. Here the way down is a straight line."),
        (
            wsd_first_branch_wins,
            "Where the run is too short for both, your warm-up climbs on although the end is near. The "
            "lower of the two lines holds.",
        ),
        (
            wsd_product,
            "Where the run is too short for both, you multiplied the two lines. The lower of the two holds.",
        ),
        (
            wsd_divides_by_zero,
            "`warmup_steps` and `decay_steps` may be 0: then there is no way up, or none down, and nothing "
            "to divide by.",
        ),
        (wsd_share_of_lr, "That is the share of the learning rate. Where does `lr` itself come in?"),
    ],
    right="Up to the fall, runs of all lengths are the same run: one can serve them all, and go on later.",
)

# -- 7.4 ------------------------------------------------------------------


def batch_rows(number, n_stories, batch_size, seed):
    batches = n_stories // batch_size
    generator = torch.Generator().manual_seed(seed * 10**6 + number // batches)
    first = number % batches * batch_size
    return torch.randperm(n_stories, generator=generator)[first : first + batch_size].tolist()


def rows_call(answer, n_stories, batch_size):
    """What is wrong with the batches of an answer, in three passes of a seed and in one of the next."""

    def rows(number, seed):
        batch = answer(number, n_stories, batch_size, seed)
        if not isinstance(batch, list):
            kind = type(batch).__name__
            raise Problem(f"A batch is a list of story numbers, and yours is of the type {kind}.")
        return batch

    batches = n_stories // batch_size
    given = [rows(number, 7) for number in range(3 * batches)]
    passes = [sum(given[i : i + batches], []) for i in (0, batches, 2 * batches)]
    again = [rows(number, 7) for number in reversed(range(3 * batches))][::-1]
    before = torch.get_rng_state(), random.getstate()
    other = sum((rows(number, 8) for number in range(batches)), [])
    after = torch.get_rng_state(), random.getstate()
    wrong = {
        "a batch has too few or too many rows": any(len(batch) != batch_size for batch in given),
        "a row is the number of no story": not set(sum(given, [])) <= set(range(n_stories)),
        "a story comes twice in a pass": any(len(set(one)) < len(one) for one in passes),
        "asked again, a number gives another batch": again != given,
        "two passes have the same order": passes[0] in passes[1:],
        "two seeds have the same order": other == passes[0],
        "a pass of seed 7 comes again as one of seed 8": other in passes[1:],
        "the order is that of the book": any(one == sorted(one) for one in passes),
        "the same stories always meet": len({frozenset(batch) for batch in given}) <= batches,
        "the global generator is moved": not torch.equal(after[0], before[0]) or after[1] != before[1],
    }
    return [text for text, found in wrong.items() if found]


def rows_cases(seed):
    return [(17 + seed, 4), (23 + seed, 5), (40, 8)]


def rows_with_replacement(number, n_stories, batch_size, seed):
    generator = torch.Generator().manual_seed(seed * 10**6 + number)
    return torch.randint(n_stories, (batch_size,), generator=generator).tolist()


def rows_a_deck_for_each_batch(number, n_stories, batch_size, seed):
    generator = torch.Generator().manual_seed(seed * 10**6 + number)
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


ROWS = Function(
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

# -- 7.5 ------------------------------------------------------------------


def slow_steps(beta_2=0.99, root=0.5):
    """How many of the 1,000 steps after a gradient of 100, among ones, are shorter than half the rate."""
    m, v, slow = 1.0, 1.0, 0
    for g in [100.0] + [1.0] * 1000:
        m, v = 0.9 * m + 0.1 * g, beta_2 * v + (1 - beta_2) * g * g
        slow += m / v**root < 0.5
    return slow


ODD_BATCH = Number(
    number="7.5",
    title="One odd batch",
    stars=2,
    wants="slow_steps()",
    answer=slow_steps(),
    tolerance=3,
    mistakes=[
        (
            0,
            "None would be right with clipping, or if Adam forgot as fast as it sees. How long does the "
            "square of 100 stay in the average of squares?",
        ),
        (
            10,
            "Ten steps or so is how long the average of the gradient remembers. The average of squares, with "
            "0.99, remembers longer, and what it has to remember is the square of 100.",
        ),
        (
            348,
            "Close: after the 348th step it is over. But count only the slow ones. What does the other "
            "average, of the gradient itself, do in the first few steps?",
        ),
        (
            slow_steps(beta_2=0.999),
            "That is with PyTorch's own β₂ = 0.999, and shows why we take less. With 0.99 it is shorter.",
        ),
        (
            1000,
            "Not all of them: the average of squares keeps 0.99 of itself in each step, so the odd one "
            "fades.",
        ),
        (
            69,
            "After 69 steps half of the odd square is left. That half is still 50 times what v was before: "
            "look at what it does to m/√v.",
        ),
        (
            slow_steps(root=1.0),
            "That is for m/v, without the root. Equation (4) divides by √v.",
        ),
    ],
    right="The odd step is hardly longer than others; the brake comes after it. With clipping, none is slow.",
)

# -- 7.6 ------------------------------------------------------------------


class Average:
    def __init__(self, beta):
        self.beta, self.steps, self.sums = beta, 0, {}

    def update(self, model):
        self.steps += 1
        for name, w in model.state_dict().items():
            self.sums[name] = self.beta * self.sums.get(name, 0.0) + (1 - self.beta) * w

    def weights(self):
        return {name: w / (1 - self.beta**self.steps) for name, w in self.sums.items()}


class AverageUncorrected(Average):
    def weights(self):
        return dict(self.sums)


class AverageCorrectedTwice(Average):
    def weights(self):
        for w in self.sums.values():
            w /= 1 - self.beta**self.steps
        return dict(self.sums)


class AverageSwapped(Average):
    def __init__(self, beta):
        super().__init__(1 - beta)


class AverageFromFirst(Average):
    def update(self, model):
        for name, w in model.state_dict().items():
            before = self.sums.get(name, w)
            self.sums[name] = self.beta * before + (1 - self.beta) * w

    def weights(self):
        return dict(self.sums)


class AverageOfAll(Average):
    def update(self, model):
        self.steps += 1
        for name, w in model.state_dict().items():
            self.sums[name] = self.sums.get(name, 0.0) + w

    def weights(self):
        return {name: w / self.steps for name, w in self.sums.items()}


class AverageOfAliases(Average):
    """Keeps the weights of every step, which are all the same tensors."""

    def __init__(self, beta):
        super().__init__(beta)
        self.history = []

    def update(self, model):
        self.history.append(model.state_dict())

    def weights(self):
        self.sums, self.steps = {}, 0
        for state in self.history:
            self.steps += 1
            for name, w in state.items():
                self.sums[name] = self.beta * self.sums.get(name, 0.0) + (1 - self.beta) * w
        return {name: w / (1 - self.beta**self.steps) for name, w in self.sums.items()}


class AverageOneStepLate(Average):
    def weights(self):
        return {name: w / (1 - self.beta ** (self.steps + 1)) for name, w in self.sums.items()}


class AverageCountsNames(Average):
    """Counts a step for each tensor instead of for each model."""

    def update(self, model):
        super().update(model)
        self.steps += len(self.sums) - 1


def toy(sizes):
    """A small model with matrices and vectors, its weights known."""
    model = nn.Sequential(*(nn.Linear(a, b) for a, b in zip(sizes[:-1], sizes[1:], strict=True)))
    generator = torch.Generator().manual_seed(sum(sizes))
    with torch.no_grad():
        for p in model.parameters():
            p.copy_(torch.randint(-9, 10, p.shape, generator=generator))
    return model


def average_call(answer, beta, sizes, updates):
    """Follow a model whose weights change in place, as an optimizer changes them."""
    model, average = toy(sizes), answer(beta)
    for name in ("update", "weights"):
        if not callable(getattr(average, name, None)):
            raise Problem(f"Your class has no method `{name}`; the check calls it.")
    shown = {}
    for step in range(1, updates + 1):
        before = [p.detach().clone() for p in model.parameters()]
        average.update(model)
        if not all(torch.equal(p, old) for p, old in zip(model.parameters(), before, strict=True)):
            raise Problem("`update` changed the model's own weights. It must only look at them.")
        if step in (1, updates):
            shown[f"after {step}"] = copied_weights(average, model)
        with torch.no_grad():
            for p in model.parameters():
                p.mul_(-0.5).add_(step)
    return shown | {"asked again": copied_weights(average, model)}


def copied_weights(average, model):
    """What an average gives for a model's weights, as it is now."""
    given = average.weights()
    if not isinstance(given, dict) or set(given) != set(model.state_dict()):
        raise Problem(
            "`weights` must give a dict with the names of the model's own `state_dict()`, so that "
            "`load_state_dict` takes it."
        )
    if any(w.requires_grad for w in given.values()):
        raise Problem(
            "What `weights` gives still hangs on the graph of gradients. An average is not trained: take the "
            "weights from `state_dict()`, or work under `torch.no_grad()`."
        )
    return {name: w.clone() for name, w in given.items()}


def average_cases(seed):
    rng = random.Random(seed)
    cases = [(0.5, (1, 1), 1), (0.5, (1, 1), 2), (0.9, (1, 1), 3)]
    return cases + [
        (rng.uniform(0.2, 0.95), sizes, k) for sizes, k in (((2, 3), 3), ((3, 2, 5), 4), ((2, 4, 3), 7))
    ]


AVERAGE = Function(
    number="7.6",
    title="The average of the way",
    stars=3,
    wants="Average(beta)",
    cases=average_cases,
    oracle=Average,
    call=average_call,
    shown="a model of widths {1}, {2} times {f}({0}).update(model), each time with other weights",
    tolerance=1e-4,
    mistakes=[
        (
            AverageUncorrected,
            "Too small in the first steps: part of your average is still the 0 that it began with. The share "
            "that has come from weights is 1 − βᵗ.",
        ),
        (
            AverageCorrectedTwice,
            "Right when asked once. But `weights` divides what it keeps, in place, so the next call divides "
            "again. Divide into a new tensor.",
        ),
        (
            AverageSwapped,
            "The shares are swapped: the average keeps β of itself and takes 1 − β of what is new.",
        ),
        (
            AverageFromFirst,
            "Your average begins with the first weights as they are. Then these count for more than any "
            "later ones for a long time. Begin at 0, as equation (3) does, and correct.",
        ),
        (
            AverageOfAll,
            "A plain mean: the first weights, which knew nothing, count as much as the last. Let the average "
            "forget, as in equation (3).",
        ),
        (
            AverageOfAliases,
            "Later steps reached what you had kept: `state_dict()` holds the model's own tensors, and they "
            "change in place. Compute with them at once, or clone them.",
        ),
        (
            AverageOneStepLate,
            "The correction counts one step too many. After the first `update`, t is 1.",
        ),
        (
            AverageCountsNames,
            "The correction counts a step for each tensor. One call of `update` is one step, however many "
            "tensors the model has.",
        ),
    ],
    right="For one pass over the weights a step, the shaking of a high rate is averaged away.",
)

EXERCISES = [PERPLEXITY, NEVER_SEEN, WSD, ROWS, ODD_BATCH, AVERAGE]
