"""Answers to chapter 7's exercises."""

import copy
import math
import random

import numpy as np
import torch
from harness import Answers, ExerciseTests
from torch import nn

from companion.training import TrainConfig, cosine_schedule, make_optimizer, perplexity

# -- 7.1 ------------------------------------------------------------------


def by_loss(parts):
    n = sum(n for _, n in parts)
    return perplexity(sum(n * math.log(p) for p, n in parts) / n)


def by_bits(parts):
    bits = sum(n * math.log2(p) for p, n in parts)
    return 2.0 ** (bits / sum(n for _, n in parts))


def by_powers(parts):
    total = 1.0
    for p, n in parts:
        total *= p**n
    return total ** (1 / sum(n for _, n in parts))


def by_tensors(parts):
    p, n = torch.tensor(parts, dtype=torch.float64).T
    return ((n * p.log()).sum() / n.sum()).exp().item()


def mean_of_perplexities(parts):
    return float(np.mean([p for p, _ in parts]))


def weighted_perplexities(parts):
    return float(np.average([p for p, _ in parts], weights=[n for _, n in parts]))


def mean_of_means(parts):
    return math.exp(np.mean([math.log(p) for p, _ in parts]))


def only_the_loss(parts):
    return sum(n * math.log(p) for p, n in parts) / sum(n for _, n in parts)


def not_divided(parts):
    return math.exp(sum(n * math.log(p) for p, n in parts))


def divided_by_parts(parts):
    return perplexity(sum(n * math.log(p) for p, n in parts) / len(parts))


def bits_to_e(parts):
    return math.exp(sum(n * math.log2(p) for p, n in parts) / sum(n for _, n in parts))


def pops(parts):
    p, n = parts.pop()
    return math.exp(
        (n * math.log(p) + sum(k * math.log(q) for q, k in parts)) / (n + sum(k for _, k in parts))
    )


# -- 7.3 ------------------------------------------------------------------


def lower_of_three(step, steps, lr, warmup_steps, decay_steps):
    up = (step + 1) / warmup_steps if warmup_steps else 1
    down = (steps - step) / decay_steps if decay_steps else 1
    return lr * min(1, up, down)


def by_branches(step, steps, lr, warmup_steps, decay_steps):
    rate = lr
    if step < warmup_steps:
        rate = lr * (step + 1) / warmup_steps
    if step >= steps - decay_steps:
        rate = min(rate, lr * (steps - step) / decay_steps)
    return rate


def by_infinity(step, steps, lr, warmup_steps, decay_steps):
    def line(rung, rungs):
        return rung / rungs if rungs else math.inf

    return min(lr, lr * line(step + 1, warmup_steps), lr * line(steps - step, decay_steps))


def mirror_of_cosine_schedule(step, steps, lr, warmup_steps, decay_steps):
    up = cosine_schedule(step, steps, lr, lr, warmup_steps)
    down = cosine_schedule(steps - 1 - step, steps, lr, lr, decay_steps)
    return min(up, down)


def starts_at_zero(step, steps, lr, warmup_steps, decay_steps):
    if step < warmup_steps:
        return lr * step / warmup_steps
    return by_branches(step, steps, lr, 0, decay_steps)


def ends_at_zero(step, steps, lr, warmup_steps, decay_steps):
    if step >= steps - decay_steps:
        return lr * (steps - 1 - step) / decay_steps
    return by_branches(step, steps, lr, warmup_steps, 0)


def warm_up_wins(step, steps, lr, warmup_steps, decay_steps):
    if step < warmup_steps:
        return lr * (step + 1) / warmup_steps
    if step >= steps - decay_steps:
        return lr * (steps - step) / decay_steps
    return lr


def falls_at_once(step, steps, lr, warmup_steps, decay_steps):
    if step < warmup_steps:
        return lr * (step + 1) / warmup_steps
    return lr * (steps - step) / max(1, steps - warmup_steps)


def divides(step, steps, lr, warmup_steps, decay_steps):
    return min(lr, lr * (step + 1) / warmup_steps, lr * (steps - step) / decay_steps)


def without_lr(step, steps, lr, warmup_steps, decay_steps):
    return lower_of_three(step, steps, 1.0, warmup_steps, decay_steps)


def one_too_soon(step, steps, lr, warmup_steps, decay_steps):
    return lower_of_three(step + 1, steps, lr, warmup_steps, decay_steps)


# -- 7.4 ------------------------------------------------------------------


def a_deck_a_pass(number, n_stories, batch_size, seed):
    epoch, place = divmod(number, n_stories // batch_size)
    deck = torch.randperm(n_stories, generator=torch.Generator().manual_seed(seed * 10**6 + epoch))
    return deck[place * batch_size : (place + 1) * batch_size].tolist()


def by_python(number, n_stories, batch_size, seed):
    batches = n_stories // batch_size
    deck = list(range(n_stories))
    random.Random(f"{seed} {number // batches}").shuffle(deck)
    return deck[number % batches :: batches][:batch_size]


def by_numpy(number, n_stories, batch_size, seed):
    epoch, place = divmod(number, n_stories // batch_size)
    deck = np.random.default_rng([seed, epoch]).permutation(n_stories)
    return [int(deck[place * batch_size + i]) for i in range(batch_size)]


def each_row_drawn(number, n_stories, batch_size, seed):
    rng = random.Random(1000 * seed + number)
    return [rng.randrange(n_stories) for _ in range(batch_size)]


def each_batch_drawn(number, n_stories, batch_size, seed):
    return random.Random(1000 * seed + number).sample(range(n_stories), batch_size)


def seed_and_number_added(number, n_stories, batch_size, seed):
    deck = torch.randperm(n_stories, generator=torch.Generator().manual_seed(seed + number))
    return deck[:batch_size].tolist()


def seed_and_number_multiplied(number, n_stories, batch_size, seed):
    return random.Random((seed + 1) * (number + 1)).sample(range(n_stories), batch_size)


def always_one_deck(number, n_stories, batch_size, seed):
    deck = random.Random(seed).sample(range(n_stories), n_stories)
    first = number * batch_size % (n_stories - n_stories % batch_size)
    return deck[first : first + batch_size]


def seed_forgotten(number, n_stories, batch_size, seed):
    return by_python(number, n_stories, batch_size, 3)


def sum_of_seed_and_pass(number, n_stories, batch_size, seed):
    batches = n_stories // batch_size
    deck = random.Random(seed + number // batches).sample(range(n_stories), n_stories)
    return deck[number % batches :: batches][:batch_size]


def not_shuffled(number, n_stories, batch_size, seed):
    first = number % (n_stories // batch_size) * batch_size
    return [*range(first, first + batch_size)]


def short_at_the_end(number, n_stories, batch_size, seed):
    epoch, place = divmod(number, math.ceil(n_stories / batch_size))
    deck = random.Random(f"{seed} {epoch}").sample(range(n_stories), n_stories)
    return deck[place * batch_size : (place + 1) * batch_size]


def past_the_end(number, n_stories, batch_size, seed):
    deck = random.Random(seed).sample(range(n_stories), n_stories)
    return deck[number * batch_size : (number + 1) * batch_size]


def global_seed(number, n_stories, batch_size, seed):
    epoch, place = divmod(number, n_stories // batch_size)
    torch.manual_seed(seed * 10**6 + epoch)
    return torch.randperm(n_stories).tolist()[place * batch_size : (place + 1) * batch_size]


def as_tensor(number, n_stories, batch_size, seed):
    return torch.tensor(a_deck_a_pass(number, n_stories, batch_size, seed))


def from_one(number, n_stories, batch_size, seed):
    return [row + 1 for row in a_deck_a_pass(number, n_stories, batch_size, seed)]


# -- 7.5 ------------------------------------------------------------------


def by_the_course_optimizer():
    weight = nn.Linear(1, 1, bias=False)
    optimizer = make_optimizer(weight, TrainConfig(lr=1e-3, weight_decay=0.0))
    slow = 0
    for step in range(1100):  # none is slow after that
        before = weight.weight.item()
        weight.weight.grad = torch.tensor([[100.0 if step == 700 else 1.0]])
        optimizer.step()
        slow += step > 700 and before - weight.weight.item() < 0.5e-3
    return slow


def by_two_averages():
    m = v = 1.0
    moves = []
    for g in [100] + 1000 * [1]:
        m, v = 0.9 * m + 0.1 * g, 0.99 * v + 0.01 * g**2
        moves.append(m / math.sqrt(v))
    return sum(move < 0.5 for move in moves[1:])


def by_closed_form():
    n = np.arange(1, 1001)
    m, v = 1 + 9.9 * 0.9**n, 1 + 99.99 * 0.99**n
    return (m / np.sqrt(v) < 0.5).sum()


# -- 7.6 ------------------------------------------------------------------


class Running:
    def __init__(self, beta):
        self.beta, self.t, self.m = beta, 0, None

    def update(self, model):
        self.t += 1
        state = {name: w.detach().clone() for name, w in model.state_dict().items()}
        self.m = self.m or {name: torch.zeros_like(w) for name, w in state.items()}
        for name, w in state.items():
            self.m[name] = self.beta * self.m[name] + (1 - self.beta) * w

    def weights(self):
        return {name: m / (1 - self.beta**self.t) for name, m in self.m.items()}


class InPlace:
    def __init__(self, beta):
        self.beta, self.arrived, self.kept = beta, 0.0, {}

    @torch.no_grad()
    def update(self, model):
        self.arrived = self.beta * self.arrived + 1 - self.beta
        for name, p in model.state_dict().items():
            self.kept.setdefault(name, torch.zeros_like(p)).lerp_(p, 1 - self.beta)

    def weights(self):
        return {name: w / self.arrived for name, w in self.kept.items()}


class WholeHistory:
    def __init__(self, beta):
        self.beta, self.history = beta, []

    def update(self, model):
        self.history.append(copy.deepcopy(model.state_dict()))

    def weights(self):
        shares = [self.beta**age for age in range(len(self.history))][::-1]
        return {
            name: sum(share * state[name] for share, state in zip(shares, self.history, strict=True))
            / sum(shares)
            for name in self.history[0]
        }


class NotCorrected(Running):
    def weights(self):
        return {name: m.clone() for name, m in self.m.items()}


class CorrectsWhatItKeeps(Running):
    def weights(self):
        for name in self.m:
            self.m[name] /= 1 - self.beta**self.t
        return self.m


class Swapped(Running):
    def update(self, model):
        self.beta = 1 - self.beta
        super().update(model)
        self.beta = 1 - self.beta

    def weights(self):
        return {name: m / (1 - (1 - self.beta) ** self.t) for name, m in self.m.items()}


class FromTheFirst(Running):
    def update(self, model):
        state = {name: w.clone() for name, w in model.state_dict().items()}
        self.m = self.m or state
        self.m = {name: self.beta * self.m[name] + (1 - self.beta) * w for name, w in state.items()}

    def weights(self):
        return self.m


class Aliased(WholeHistory):
    def update(self, model):
        self.history.append(dict(model.state_dict()))


class PlainMean(WholeHistory):
    def __init__(self, beta):
        super().__init__(1.0)


class WithGraph(Running):
    def update(self, model):
        self.t += 1
        self.m = self.m or dict.fromkeys(model.state_dict(), 0.0)
        for name, p in model.state_dict(keep_vars=True).items():
            self.m[name] = self.beta * self.m[name] + (1 - self.beta) * p


class MovesTheModel(Running):
    def update(self, model):
        super().update(model)
        model.load_state_dict(self.weights())


class GivesAList(Running):
    def weights(self):
        return list(super().weights().values())


class WithoutWeights:
    def __init__(self, beta):
        pass

    def update(self, model):
        pass


class CountsTensors(Running):
    def update(self, model):
        super().update(model)
        self.t += len(self.m) - 1


ANSWERS = {
    "7.1": Answers(
        right=[by_loss, by_bits, by_tensors],
        wrong=[
            (mean_of_perplexities, "You took the mean of the perplexities"),
            (weighted_perplexities, "the mean of exponentials is not the exponential of the mean"),
            (mean_of_means, "A mean of means"),
            (only_the_loss, "That is the mean surprise in nats"),
            (not_divided, "it grows with the length of the text"),
            (divided_by_parts, "You divided all nats by the number of parts"),
            (by_powers, "OverflowError"),
            (bits_to_e, "bits belong to 2, nats to e"),
            (pops, "work on a copy"),
            (lambda parts: 4.0, "It gives the same for every input"),
            (lambda parts: None, "A function without `return` gives None"),
        ],
    ),
    "7.2": Answers(
        right=[0.3679, 1 / math.e, lambda: 0.999**1000, 0.371],
        wrong=[
            (0.0, "each row draws from all stories anew"),
            (0.632, "seen at least once"),
            (lambda: 0.5, "with which probability does a single row miss it?"),
            (0.135, "what two passes leave"),
            (0.999, "There are 1,000 rows"),
            (0.882, "8 rows in each"),
            (37, "too high"),
            (36.8, "In percent"),
        ],
    ),
    "7.3": Answers(
        right=[lower_of_three, by_branches, by_infinity, mirror_of_cosine_schedule],
        wrong=[
            (starts_at_zero, "Step 0 has the rate 0"),
            (ends_at_zero, "The last step has the rate 0"),
            (warm_up_wins, "your warm-up climbs on although the end is near"),
            (falls_at_once, "nothing is left of the way along"),
            (divides, "may be 0"),
            (without_lr, "Where does `lr` itself come in?"),
            (one_too_soon, "0 instead of 2"),
            (lambda step, steps, lr, warmup_steps, decay_steps: lr, "first at [0]: 1 instead of 0.5"),
        ],
    ),
    "7.4": Answers(
        right=[a_deck_a_pass, by_python, by_numpy, as_tensor],
        wrong=[
            (each_row_drawn, "dealt from one shuffled deck"),
            (each_batch_drawn, "dealt from one shuffled deck"),
            (seed_and_number_added, "a sum of seed and number is the same for many pairs"),
            (seed_and_number_multiplied, "a story comes twice in a pass"),
            (always_one_deck, "The number of the pass belongs into the seed"),
            (seed_forgotten, "`seed` has no part in the shuffling"),
            (sum_of_seed_and_pass, "The first pass of seed 8 is the second one of seed 7"),
            (not_shuffled, "the order of the book"),
            (short_at_the_end, "Let them sit out this pass"),
            (past_the_end, "Which batch of its own pass is it?"),
            (global_seed, "the one generator that dropout draws from"),
            (from_one, "a row is the number of no story"),
        ],
    ),
    "7.5": Answers(
        right=[339, by_the_course_optimizer, by_two_averages, by_closed_form],
        wrong=[
            (0, "How long does the square of 100 stay"),
            (10, "The average of squares, with 0.99, remembers longer"),
            (348, "count only the slow ones"),
            (974, "PyTorch's own"),
            (1000, "the odd one fades"),
            (lambda: 69, "half of the odd square is left"),
            (459, "without the root"),
            (200, "too low"),
        ],
    ),
    "7.6": Answers(
        right=[Running, InPlace, WholeHistory],
        wrong=[
            (NotCorrected, "still the 0 that it began with"),
            (CorrectsWhatItKeeps, "the next call divides again"),
            (Swapped, "The shares are swapped"),
            (FromTheFirst, "Your average begins with the first weights"),
            (Aliased, "they change in place"),
            (PlainMean, "A plain mean"),
            (WithGraph, "hangs on the graph of gradients"),
            (MovesTheModel, "It must only look at them"),
            (GivesAList, "a dict with the names of the model's own `state_dict()`"),
            (WithoutWeights, "no method `weights`"),
            (CountsTensors, "counts a step for each tensor"),
        ],
    ),
}


class TestChapter7(ExerciseTests):
    answers = ANSWERS
