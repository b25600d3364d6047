"""Answers to chapter 7 by someone who had not read the checks."""

import copy
import itertools
import math
import random
from fractions import Fraction

import numpy as np
import torch

# 7.1 ------------------------------------------------------------------


def mean_of_perplexities(parts):
    return sum(p for p, _ in parts) / len(parts)


def weighted_mean_of_perplexities(parts):
    return sum(p * n for p, n in parts) / sum(n for _, n in parts)


def plain_geometric_mean(parts):
    return math.exp(sum(math.log(p) for p, _ in parts) / len(parts))


def product_overflows(parts):
    product = 1.0
    for p, n in parts:
        product *= float(p) ** n
    return product ** (1 / sum(n for _, n in parts))


def the_loss_itself(parts):
    return sum(n * math.log(p) for p, n in parts) / sum(n for _, n in parts)


def two_to_the_nats(parts):
    return 2 ** (sum(n * math.log(p) for p, n in parts) / sum(n for _, n in parts))


def first_two_only(parts):
    parts = parts[:2]
    return math.exp(sum(n * math.log(p) for p, n in parts) / sum(n for _, n in parts))


def weights_swapped(parts):
    total = sum(n for _, n in parts)
    return math.exp(sum((total - n) * math.log(p) for p, n in parts) / total)


def harmonic(parts):
    return sum(n for _, n in parts) / sum(n / p for p, n in parts)


def drops_parts_of_one_token(parts):
    parts = [(p, n) for p, n in parts if n > 1] or parts
    return math.exp(sum(n * math.log(p) for p, n in parts) / sum(n for _, n in parts))


def merges_equal_parts(parts):
    parts = set(parts)
    return math.exp(sum(n * math.log(p) for p, n in parts) / sum(n for _, n in parts))


def rounded(parts):
    return round(by_bits(parts))


def sorts_the_callers_list(parts):
    parts.sort(reverse=True)
    parts.append((1.0, 0))
    return by_bits(parts)


def by_bits(parts):
    return 2 ** (sum(n * math.log2(p) for p, n in parts) / sum(n for _, n in parts))


def by_running_mean(parts):
    loss, seen = 0.0, 0
    for p, n in parts:
        seen += n
        loss += (math.log(p) - loss) * n / seen
    return np.exp(loss)


def by_tensors(parts):
    p, n = torch.tensor(parts, dtype=torch.float64).T
    return ((p.log() * n).sum() / n.sum()).exp()


# 7.3 ------------------------------------------------------------------


def wsd(step, steps, lr, warmup, decay):
    up = (step + 1) / warmup if warmup else 1.0
    down = (steps - step) / decay if decay else 1.0
    return lr * min(1.0, up, down)


def starts_at_zero(step, steps, lr, warmup_steps, decay_steps):
    return lr * min(1, step / max(1, warmup_steps), (steps - step) / max(1, decay_steps))


def ends_at_zero(step, steps, lr, warmup_steps, decay_steps):
    return lr * min(1, (step + 1) / max(1, warmup_steps), (steps - 1 - step) / max(1, decay_steps))


def up_wins_in_short_runs(step, steps, lr, warmup_steps, decay_steps):
    if step < warmup_steps:
        return lr * (step + 1) / warmup_steps
    return lr * min(1, (steps - step) / max(1, decay_steps))


def down_wins_in_short_runs(step, steps, lr, warmup_steps, decay_steps):
    if step >= steps - decay_steps:
        return lr * (steps - step) / decay_steps
    return lr * min(1, (step + 1) / max(1, warmup_steps))


def divides_by_zero(step, steps, lr, warmup_steps, decay_steps):
    return lr * min(1, (step + 1) / warmup_steps, (steps - step) / decay_steps)


def multiplied(step, steps, lr, warmup_steps, decay_steps):
    return lr * min(1, (step + 1) / max(1, warmup_steps)) * min(1, (steps - step) / max(1, decay_steps))


def cosine_down(step, steps, lr, warmup_steps, decay_steps):
    left = min(1, (steps - step) / max(1, decay_steps))
    return lr * min(1, (step + 1) / max(1, warmup_steps), (1 - math.cos(math.pi * left)) / 2)


def steeper_in_short_runs(step, steps, lr, warmup_steps, decay_steps):
    if warmup_steps + decay_steps > steps:
        warmup_steps = steps - decay_steps
    return wsd(step, steps, lr, max(0, warmup_steps), decay_steps)


def one_step_late(step, steps, lr, warmup_steps, decay_steps):
    return lr * min(1, (step + 1) / max(1, warmup_steps), (steps - step + 1) / max(1, decay_steps))


def forgets_lr(step, steps, lr, warmup_steps, decay_steps):
    return wsd(step, steps, 1.0, warmup_steps, decay_steps)


def whole_numbers(step, steps, lr, warmup_steps, decay_steps):
    return lr * min(1, (step + 1) // max(1, warmup_steps), (steps - step) // max(1, decay_steps))


def no_decay_is_one_step(step, steps, lr, warmup_steps, decay_steps):
    return wsd(step, steps, lr, warmup_steps, max(2, decay_steps))


def never_above_a_tenth(step, steps, lr, warmup_steps, decay_steps):
    return max(lr / 10, wsd(step, steps, lr, warmup_steps, decay_steps))


def wsd_by_tensors(step, steps, lr, warmup_steps, decay_steps):
    lines = torch.tensor(
        [1, (step + 1) / max(1, warmup_steps), (steps - step) / max(1, decay_steps)], dtype=torch.float64
    )
    return lr * lines.min()


def wsd_by_fractions(step, steps, lr, warmup_steps, decay_steps):
    up = Fraction(step + 1, warmup_steps or 1)
    return Fraction(lr) * min(Fraction(1), up, Fraction(steps - step, decay_steps or 1))


# 7.4 ------------------------------------------------------------------


def deck(n, *seed):
    return random.Random(repr(seed)).sample(range(n), n)


def deal(order, place, batch_size):
    return order[place * batch_size : (place + 1) * batch_size]


def seeds_collide(number, n_stories, batch_size, seed):  # seed 1, pass 0 is seed 0, pass 1
    this_pass, place = divmod(number, n_stories // batch_size)
    generator = torch.Generator().manual_seed(seed + this_pass)
    return deal(torch.randperm(n_stories, generator=generator).tolist(), place, batch_size)


def seeds_collide_by_product(number, n_stories, batch_size, seed):
    this_pass, place = divmod(number, n_stories // batch_size)
    return deal(deck(n_stories, seed * this_pass), place, batch_size)


def seeds_collide_by_xor(number, n_stories, batch_size, seed):
    this_pass, place = divmod(number, n_stories // batch_size)
    return deal(deck(n_stories, seed ^ this_pass), place, batch_size)


def same_order_every_pass(number, n_stories, batch_size, seed):
    return deal(deck(n_stories, seed), number % (n_stories // batch_size), batch_size)


def ignores_the_seed(number, n_stories, batch_size, seed):
    this_pass, place = divmod(number, n_stories // batch_size)
    return deal(deck(n_stories, this_pass), place, batch_size)


def with_replacement(number, n_stories, batch_size, seed):
    return random.Random(repr((seed, number))).choices(range(n_stories), k=batch_size)


def sample_each_batch(number, n_stories, batch_size, seed):
    return random.Random(repr((seed, number))).sample(range(n_stories), batch_size)


def last_batch_is_short(number, n_stories, batch_size, seed):
    this_pass, place = divmod(number, math.ceil(n_stories / batch_size))
    return deal(deck(n_stories, seed, this_pass), place, batch_size)


def wraps_around(number, n_stories, batch_size, seed):
    this_pass, place = divmod(number, math.ceil(n_stories / batch_size))
    order = deck(n_stories, seed, this_pass)
    return [order[(place * batch_size + i) % n_stories] for i in range(batch_size)]


def same_stories_sit_out(number, n_stories, batch_size, seed):
    this_pass, place = divmod(number, n_stories // batch_size)
    return deal(deck(n_stories // batch_size * batch_size, seed, this_pass), place, batch_size)


def batches_in_order(number, n_stories, batch_size, seed):
    this_pass, place = divmod(number, n_stories // batch_size)
    first = deck(n_stories // batch_size, seed, this_pass)[place] * batch_size
    return list(range(first, first + batch_size))


def moves_the_global_generator(number, n_stories, batch_size, seed):
    this_pass, place = divmod(number, n_stories // batch_size)
    torch.manual_seed(seed * 10**6 + this_pass)
    return deal(torch.randperm(n_stories).tolist(), place, batch_size)


def depends_on_the_global_generator(number, n_stories, batch_size, seed):
    this_pass, place = divmod(number, n_stories // batch_size)
    generator = torch.Generator().manual_seed(seed * 10**6 + this_pass)
    shift = int(torch.initial_seed() % 7) + int(torch.get_rng_state().sum()) % 5
    order = torch.randperm(n_stories, generator=generator).tolist()
    return deal(order[shift:] + order[:shift], place, batch_size)


def from_one(number, n_stories, batch_size, seed):
    this_pass, place = divmod(number, n_stories // batch_size)
    return [i + 1 for i in deal(deck(n_stories, seed, this_pass), place, batch_size)]


calls = itertools.count()


def remembers_calls(number, n_stories, batch_size, seed):
    this_pass, place = divmod(number, n_stories // batch_size)
    return deal(deck(n_stories, seed, this_pass, next(calls)), place, batch_size)


def rotates_only(number, n_stories, batch_size, seed):  # one order a seed, begun elsewhere in each pass
    this_pass, place = divmod(number, n_stories // batch_size)
    order = deck(n_stories, seed)
    k = this_pass % n_stories
    return deal(order[k:] + order[:k], place, batch_size)


def by_random(number, n_stories, batch_size, seed):
    this_pass, place = divmod(number, n_stories // batch_size)
    return deal(deck(n_stories, seed, this_pass), place, batch_size)


def by_numpy(number, n_stories, batch_size, seed):
    this_pass, place = divmod(number, n_stories // batch_size)
    order = np.random.default_rng([seed, this_pass]).permutation(n_stories)
    return order[place * batch_size : (place + 1) * batch_size]


def by_sorting_noise(number, n_stories, batch_size, seed):
    this_pass, place = divmod(number, n_stories // batch_size)
    noise = random.Random(f"{seed}/{this_pass}")
    order = sorted(range(n_stories), key=[noise.random() for _ in range(n_stories)].__getitem__)
    return tuple(deal(order, place, batch_size))


def by_tensor(number, n_stories, batch_size, seed):
    this_pass, place = divmod(number, n_stories // batch_size)
    generator = torch.Generator().manual_seed(seed * 2**20 + this_pass)
    return torch.randperm(n_stories, generator=generator)[place * batch_size :][:batch_size]


# 7.6 ------------------------------------------------------------------


class Base:
    def __init__(self, beta):
        self.beta, self.t, self.sums = beta, 0, {}

    def update(self, model):
        self.t += 1
        for name, w in model.state_dict().items():
            self.sums[name] = self.beta * self.sums.get(name, 0) + (1 - self.beta) * w

    def weights(self):
        return {name: w / (1 - self.beta**self.t) for name, w in self.sums.items()}


class NotCorrected(Base):
    def weights(self):
        return dict(self.sums)


class StartsAtTheFirst(Base):
    def update(self, model):
        for name, w in model.state_dict().items():
            old = self.sums.get(name, w.clone())
            self.sums[name] = self.beta * old + (1 - self.beta) * w

    def weights(self):
        return dict(self.sums)


class PlainMean(Base):
    def update(self, model):
        self.t += 1
        for name, w in model.state_dict().items():
            self.sums[name] = self.sums.get(name, 0) + w

    def weights(self):
        return {name: w / self.t for name, w in self.sums.items()}


class SharesSwapped(Base):
    def update(self, model):
        self.t += 1
        for name, w in model.state_dict().items():
            self.sums[name] = (1 - self.beta) * self.sums.get(name, 0) + self.beta * w


class KeepsTheModelsTensors(Base):
    """At beta 0 or at the first update, what it keeps is the model's own."""

    def update(self, model):
        self.t += 1
        if self.t == 1:
            self.first = model.state_dict()
        super().update(model)
        self.t -= 1

    def weights(self):
        return self.first if self.t == 1 else super().weights()


class AsksChangeIt(Base):
    def weights(self):
        for w in self.sums.values():
            w /= 1 - self.beta**self.t
        return self.sums


class HandsOutItsSums(Base):
    """Whoever changes the answer changes the average."""

    def weights(self):
        self.out = getattr(self, "out", {})
        for name, w in self.sums.items():
            self.out.setdefault(name, torch.empty_like(w)).copy_(w / (1 - self.beta**self.t))
        return self.out


class ParametersOnly(Base):
    def update(self, model):
        self.t += 1
        for name, w in model.named_parameters():
            self.sums[name] = self.beta * self.sums.get(name, 0) + (1 - self.beta) * w.detach()


class CorrectsOnceTooOften(Base):
    def weights(self):
        return {name: w / (1 - self.beta ** (self.t + 1)) for name, w in self.sums.items()}


class ChangesTheModel(Base):
    def update(self, model):
        super().update(model)
        model.load_state_dict(self.weights())


class SwitchesMode(Base):
    def update(self, model):
        model.eval()
        super().update(model)


class DropsGradients(Base):
    def update(self, model):
        super().update(model)
        model.zero_grad()


SHARED: dict = {}


class SharedState(Base):
    def __init__(self, beta):
        super().__init__(beta)
        self.sums = SHARED


class LastOnly(Base):
    def update(self, model):
        self.t, self.sums = 1, {name: (1 - self.beta) * w for name, w in model.state_dict().items()}


class FirstTensorOnly(Base):
    def update(self, model):
        super().update(model)
        for name, w in list(model.state_dict().items())[1:]:
            self.sums[name] = w.clone() * (1 - self.beta**self.t)


class InHalf(Base):
    def update(self, model):
        self.t += 1
        for name, w in model.state_dict().items():
            self.sums[name] = (self.beta * self.sums.get(name, 0) + (1 - self.beta) * w).bfloat16()


class ByHistory:
    def __init__(self, beta):
        self.beta, self.seen = beta, []

    def update(self, model):
        self.seen.append(copy.deepcopy(model.state_dict()))

    def weights(self):
        ages = range(len(self.seen) - 1, -1, -1)
        shares = [(1 - self.beta) * self.beta**age for age in ages]
        names = self.seen[0]
        return {
            name: sum(s * w[name] for s, w in zip(shares, self.seen, strict=True)) / sum(shares)
            for name in names
        }


class ByWeight:
    """Keeps the corrected average itself, and how much the past counts."""

    def __init__(self, beta):
        self.beta, self.past, self.mean = beta, 0.0, {}

    def update(self, model):
        total = self.beta * self.past + (1 - self.beta)
        share = (1 - self.beta) / total
        for name, w in model.state_dict().items():
            old = self.mean.get(name)
            self.mean[name] = w.detach().clone() if old is None else old + share * (w - old)
        self.past = total

    def weights(self):
        return {name: w.clone() for name, w in self.mean.items()}


class InFloat64(Base):
    def update(self, model):
        self.t += 1
        for name, w in model.state_dict().items():
            self.sums[name] = self.beta * self.sums.get(name, 0) + (1 - self.beta) * w.double()


NEVER = 0.999**1000

WRONG = {
    "7.1": [
        mean_of_perplexities,
        weighted_mean_of_perplexities,
        plain_geometric_mean,
        product_overflows,
        the_loss_itself,
        two_to_the_nats,
        first_two_only,
        weights_swapped,
        harmonic,
        drops_parts_of_one_token,
        merges_equal_parts,
        rounded,
        sorts_the_callers_list,
    ],
    "7.2": [0.0, 0.5, 0.125, 0.632, 1.0, 0.26, 36.8, 0.3, 0.45, 1 - 1000 / 5500, lambda: 0.999**125],
    "7.3": [
        starts_at_zero,
        ends_at_zero,
        up_wins_in_short_runs,
        down_wins_in_short_runs,
        divides_by_zero,
        multiplied,
        cosine_down,
        steeper_in_short_runs,
        one_step_late,
        forgets_lr,
        whole_numbers,
        no_decay_is_one_step,
        never_above_a_tenth,
    ],
    "7.4": [
        seeds_collide,
        seeds_collide_by_product,
        seeds_collide_by_xor,
        same_order_every_pass,
        ignores_the_seed,
        with_replacement,
        sample_each_batch,
        last_batch_is_short,
        wraps_around,
        same_stories_sit_out,
        batches_in_order,
        moves_the_global_generator,
        depends_on_the_global_generator,
        from_one,
        remembers_calls,
        rotates_only,
    ],
    "7.5": [340, 338, 0, 1, 10, 230, 100, 460, 999, 1000, 661, lambda: 450],
    "7.6": [
        NotCorrected,
        StartsAtTheFirst,
        PlainMean,
        SharesSwapped,
        KeepsTheModelsTensors,
        AsksChangeIt,
        HandsOutItsSums,
        ParametersOnly,
        CorrectsOnceTooOften,
        ChangesTheModel,
        SwitchesMode,
        DropsGradients,
        SharedState,
        LastOnly,
        FirstTensorOnly,
        InHalf,
    ],
}
RIGHT = {
    "7.1": [by_bits, by_running_mean, by_tensors],
    "7.2": [NEVER, lambda: np.float64(NEVER), torch.tensor(NEVER), Fraction(999, 1000) ** 1000, 1 / math.e],
    "7.3": [wsd, wsd_by_tensors, wsd_by_fractions],
    "7.4": [by_random, by_numpy, by_sorting_noise, by_tensor],
    "7.5": [339, lambda: torch.tensor(339), np.int64(339), 339.0],
    "7.6": [ByHistory, ByWeight, InFloat64],
}
