"""The check of exercise 7.6: The average of the way."""

import random

import torch
from torch import nn

from companion.exercises.exercise import Function, Problem


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
    """A small model with matrices, vectors and a buffer, its weights known; in training, with gradients."""
    model = nn.Sequential(*(nn.Linear(a, b) for a, b in zip(sizes[:-1], sizes[1:], strict=True)))
    model.register_buffer("seen", torch.ones(3))  # state that no optimizer moves
    generator = torch.Generator().manual_seed(sum(sizes))
    with torch.no_grad():
        for p in model.parameters():
            p.copy_(torch.randint(-9, 10, p.shape, generator=generator))
            p.grad = torch.full_like(p, 0.5)
    return model


def average_call(answer, beta, sizes, updates):
    """Follow a model whose weights change in place, as an optimizer changes them."""
    model, average = toy(sizes), answer(beta)
    for name in ("update", "weights"):
        if not callable(getattr(average, name, None)):
            raise Problem(f"Your class has no method `{name}`; the check calls it.")
    shown, handed_out = {}, []
    for step in range(1, updates + 1):
        before = {name: w.clone() for name, w in model.state_dict().items()}
        average.update(model)
        if not all(torch.equal(w, before[name]) for name, w in model.state_dict().items()):
            raise Problem("`update` changed the model's own weights. It must only look at them.")
        if not model.training or not all(module.training for module in model):
            raise Problem(
                "`update` switched the model to eval mode. Its training goes on: leave its mode alone."
            )
        if any(p.grad is None or not (p.grad == 0.5).all() for p in model.parameters()):
            raise Problem("`update` changed the model's gradients. It must only look at the weights.")
        if step in (1, updates):
            given = average.weights()
            shown[f"after {step}"] = copied_weights(given, model)
            handed_out.append((given, shown[f"after {step}"]))
        with torch.no_grad():
            for p in model.parameters():
                p.mul_(-0.5).add_(step)
            model.seen.add_(step)
    shown["asked again"] = copied_weights(average.weights(), model)
    same = all(torch.equal(w, kept[name]) for given, kept in handed_out for name, w in given.items())
    return shown | {"what it gave earlier stays": same}


def copied_weights(given, model):
    """What an average gave for a model's weights, as it is now."""
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


EXERCISE = Function(
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
