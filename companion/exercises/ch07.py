"""The checks of chapter 7, Training."""

import math
import operator
import random

import torch
from torch import nn

from companion.exercises.normalize import as_list, as_number
from companion.exercises.notation import Chapter, Problem

chapter = Chapter()


# -- 7.1 ------------------------------------------------------------------
def parts_cases(seed):
    rng = random.Random(seed)
    for k in (2, 3, 5):
        yield ([(rng.uniform(1.5, 30), rng.randint(1, 7)) for _ in range(k)],)


@chapter.function(
    "7.1 Two halves ★",
    inputs="""
        [(4.0, 3)] || [(2.0, 1), (8.0, 1)] || [(2.0, 2), (16.0, 1)] || [(1.0, 4), (32.0, 1)]
        [(2.0, 1), (2.0, 1), (16.0, 1)]
        [(20.0, 300), (30.0, 100)]
    """,
    cases=parts_cases,
    mistakes="""
        = sum(perplexity for perplexity, _ in parts) / len(parts)
            You took the mean of the perplexities. What adds up, token by token, is surprise: go back to nats,
            take the mean there, and come back.
        = sum(n * perplexity for perplexity, n in parts) / sum(n for _, n in parts)
            Each part counts by its tokens, and that is right. But a perplexity is an exponential, and the
            mean of exponentials is not the exponential of the mean. Take the mean in nats.
        n * math.log(perplexity) => math.log(perplexity) ; sum(n for _, n in parts) => len(parts)
            A mean of means: a part of one token counts as much as a part of two. Weigh each part's nats by
            its tokens.
        math.exp(nats / tokens) => nats / tokens
            That is the mean surprise in nats, the loss. How does it become a perplexity?
        math.exp(nats / tokens) => math.exp(nats)
            That is the exponential of all surprise together; it grows with the length of the text. A
            perplexity speaks of one token.
        math.log(perplexity) => math.log2(perplexity)
            You went there with one logarithm and came back with the power of another: bits belong to 2, nats
            to e.
    """,
    right="The mean of perplexities counts hard texts too much. Average nats, then take the exponential.",
)
def total_perplexity(parts):
    nats = sum(n * math.log(perplexity) for perplexity, n in parts)
    tokens = sum(n for _, n in parts)
    return math.exp(nats / tokens)


chapter.number(
    "7.2 Never seen ★",
    wants="never_seen()",
    answer=1 / math.e,
    tolerance=0.015,
    mistakes="""
        0
            As many rows as stories would be enough if no story came twice. But each row draws from all
            stories anew.
        1 - 1 / math.e
            That is the share that has been seen at least once.
        0.5
            Not a half. Take one story: with which probability does a single row miss it? And 1,000 rows, one
            after the other?
        math.e**-2
            That is what two passes leave. 125 batches of 8 rows are one.
        0.999**125
            That is after 125 rows. There are 125 batches, and 8 rows in each.
        100 / math.e
            In percent, yes. Give the share as a number from 0 to 1.
    """,
    right="More than a third, 1/e. Where text is scarce, a pass that shows each story once is worth having.",
)


# -- 7.3 ------------------------------------------------------------------
def wsd_cases(seed):
    rng = random.Random(seed)
    for steps in (9, 12, 17):
        warmup_steps = rng.randint(2, steps // 3)
        yield steps, rng.uniform(0.1, 3), warmup_steps, rng.randint(2, steps - warmup_steps - 1)


def all_rates(answer, *settings):
    return [answer(step, *settings) for step in range(settings[0])]


@chapter.function(
    "7.3 Up, along, down ★★",
    inputs="""
        5, 2.0, 1, 1 || 7, 1.0, 2, 3 || 10, 1.0, 2, 4 || 6, 0.5, 0, 3 || 6, 0.5, 3, 0 || 6, 1.0, 5, 4
        4, 1.0, 8, 0 || 4, 1.0, 0, 8 || 3, 2.0, 5, 4
    """,
    cases=wsd_cases,
    call=all_rates,
    shown="[{f}(step, {0}, {1}, {2}, {3}) for step in range({0})]",
    mistakes="""
        = wsd_schedule(step, steps, lr, min(warmup_steps, steps), min(decay_steps, steps))
            A warm-up that is longer than the run is cut off where the run ends, not squeezed into it: step 0
            has `lr / warmup_steps`, however many steps there are. The same holds for the way down.
        (step + 1) / max(1, warmup_steps) => step / warmup_steps if warmup_steps else 1.0
            Step 0 has the rate 0: it computes a gradient and moves nothing. The first step is one rung up the
            ladder already, as in `cosine_schedule`.
        (steps - step) / max(1, decay_steps) => (steps - 1 - step) / decay_steps if decay_steps else 1.0
            The last step has the rate 0: it computes a gradient and moves nothing. The way down is the way up
            in a mirror, so its last step stands on the lowest rung, not on the ground.
        - up = (step + 1) / max(1, warmup_steps)
        - down = (steps - step) / max(1, decay_steps)
        + up = step / warmup_steps if warmup_steps else 1.0
        + down = (steps - 1 - step) / decay_steps if decay_steps else 1.0
            Both ends have the rate 0: these steps compute a gradient and move nothing. They stand on the
            lowest rung, not on the ground.
        - return lr * min(1.0, up, down)
        + if step < warmup_steps:
        +     return lr * up
        + if step >= steps - decay_steps > 0:
        +     return lr * (steps - 1 - step) / max(1, decay_steps - 1)
        + return lr
            You go from `lr` to 0 within the decay. Mirror the way up instead: how many rungs has it, and on
            which does it begin?
        max(1, decay_steps) => max(1, steps - warmup_steps)
            The fall begins right behind the warm-up, so nothing is left of the way along. Only the last
            `decay_steps` steps fall.
        min(1.0, up, down) => min(1.0, up, (1 - math.cos(math.pi * min(1.0, down))) / 2)
            You fall along a cosine. Here the way down is a straight line.
        min(1.0, up, down) => (up if step < warmup_steps else min(1.0, down))
            Where the run is too short for both, your warm-up climbs on although the end is near. The lower of
            the two lines holds.
        max(1, warmup_steps) => warmup_steps ; max(1, decay_steps) => decay_steps
            `warmup_steps` and `decay_steps` may be 0: then there is no way up, or none down, and nothing to
            divide by.
    """,
    right="Up to the decay, runs of all lengths are the same run. One run can serve them all, and go on later.",
)
def wsd_schedule(step, steps, lr, warmup_steps, decay_steps):
    up = (step + 1) / max(1, warmup_steps)
    down = (steps - step) / max(1, decay_steps)
    return lr * min(1.0, up, down)


# -- 7.4 ------------------------------------------------------------------
SEEDS = (0, 1, 2, 3, 5, 8)
"""Compared with each other and with 7: their sums, products and exclusive ors with a pass collide."""
FAR = (10, 16, 20, 32, 50, 60, 64, 100, 128, 200, 256, 500, 512, 1000, 1024, 10_000)
"""Passes of seed 7 that are compared with the first pass of seed 8: seed * 10 + pass collides."""


def find_faults(answer, n_stories, batch_size):
    """What is wrong with the batches of an answer, in three passes of a seed and in one of the next."""

    def rows(number, seed):
        batch = answer(number, n_stories, batch_size, seed)
        try:
            return [operator.index(row) for row in batch]  # of a list, an array, a tensor
        except TypeError:
            kind = type(batch).__name__
            raise Problem(f"A batch is a list of story numbers, and yours is of the type {kind}.") from None

    def one_pass(p, seed):
        return [row for i in range(batches) for row in rows(p * batches + i, seed)]

    batches = n_stories // batch_size
    torch.manual_seed(1)
    random.seed(1)
    given = [rows(number, 7) for number in range(3 * batches)]
    passes = [sum(given[i : i + batches], []) for i in (0, batches, 2 * batches)]
    torch.manual_seed(2)  # what else a program draws must not matter
    random.seed(2)
    again = [rows(number, 7) for number in reversed(range(3 * batches))][::-1]
    before = torch.get_rng_state(), random.getstate()
    others = [one_pass(p, seed) for seed in SEEDS for p in range(3)]
    many = [one_pass(p, 7) for p in range(12)]
    late = [one_pass(p, 7) for p in FAR]
    first_of_next = one_pass(0, 8)
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


@chapter.function(
    "7.4 Every story once ★★",
    cases=lambda seed: [(17 + seed, 4), (23 + seed, 5), (40, 8)],
    call=find_faults,
    shown="what is wrong in three passes, with n_stories = {0} and batch_size = {1}",
    mistakes="""
        - generator = torch.Generator().manual_seed(seed * 10**6 + this_pass)
        - deck = torch.randperm(n_stories, generator=generator).tolist()
        + generator = torch.Generator().manual_seed(seed * 10**6 + number)
        + return torch.randint(n_stories, (batch_size,), generator=generator).tolist()
            A story comes twice in a pass. You draw each row, or each batch, for itself. All batches of a pass
            have to be dealt from one shuffled deck; what do they have in common that could seed it?
        seed * 10**6 + this_pass => seed * 10**6
            Each pass deals the same deck in the same order, so the same stories always share a batch. The
            number of the pass belongs into the seed.
        seed * 10**6 + this_pass => this_pass
            Two seeds give the same rows: `seed` has no part in the shuffling.
        seed * 10**6 + this_pass => seed + this_pass
            The first pass of seed 8 is the second one of seed 7: a sum of seed and pass is the same for both.
            Keep them apart, as `training_batches` does.
        seed * 10**6 + this_pass => seed * 10 + this_pass || seed * 1000 + this_pass
            A late pass of seed 7 is the first pass of seed 8, as with 7 * 10 + 10 and 8 * 10. A run may have
            thousands of passes: keep seed and pass further apart, as `training_batches` does.
        torch.randperm(n_stories, generator=generator).tolist() => list(range(n_stories))
            The stories come in the order of the book. Shuffle them anew for each pass.
        n_stories // batch_size => -(-n_stories // batch_size)
            Some batches are too short: the last stories of a pass do not fill one. Let them sit out this
            pass; how many batches has it then?
        seed * 10**6 + this_pass => seed ; place * batch_size => number * batch_size
            Some batches are empty or too short: a number behind the first pass is past the end of the deck.
            Which batch of its own pass is it?
        torch.Generator().manual_seed => torch.manual_seed
            Right rows, at a price: `torch.manual_seed` sets the one generator that dropout draws from, too.
            Use a `torch.Generator()` of your own.
        torch.randperm(n_stories, generator=generator) => torch.randperm(n_stories)
            Asked again for the same number, it gives other rows. A resumed run would not be the same run:
            nothing but the arguments may decide.
        - deck = torch.randperm(n_stories, generator=generator).tolist()
        - first = place * batch_size
        + deck = list(range(n_stories))
        + first = torch.randperm(batches, generator=generator)[place].item() * batch_size
            You shuffle whole batches. Then the same stories always meet in one batch, and the same ones
            always sit out. Shuffle the stories.
    """,
    right="Nothing is remembered, so nothing has to be saved. The number of a batch is its place in the data.",
)
def batch_rows(number, n_stories, batch_size, seed):
    batches = n_stories // batch_size
    this_pass, place = divmod(number, batches)
    generator = torch.Generator().manual_seed(seed * 10**6 + this_pass)
    deck = torch.randperm(n_stories, generator=generator).tolist()
    first = place * batch_size
    return deck[first : first + batch_size]


# -- 7.5 ------------------------------------------------------------------
def slow_steps():
    """How many of the 1,000 steps after a gradient of 100, among ones, are shorter than half the rate."""
    m, v, slow = 1.0, 1.0, 0
    for g in [100.0] + [1.0] * 1000:
        m, v = 0.9 * m + 0.1 * g, 0.99 * v + 0.01 * g * g
        slow += m / math.sqrt(v) < 0.5
    return slow


chapter.number(
    "7.5 One odd batch ★★",
    wants="slow_steps()",
    answer=slow_steps(),
    tolerance=0.5,
    mistakes="""
        0
            None would be right with clipping, or if Adam forgot as fast as it sees. How long does the square
            of 100 stay in the average of squares?
        10
            Ten steps or so is how long the average of the gradient remembers. The average of squares, with
            0.99, remembers longer, and what it has to remember is the square of 100.
        348
            Close: after the 348th step it is over. But count only the slow ones. What does the other average,
            of the gradient itself, do in the first few steps?
        974
            That is with PyTorch's own β₂ = 0.999, and shows why we take less. With 0.99 it is shorter.
        69
            After 69 steps half of the odd square is left. That half is still 50 times what v was before: look
            at what it does to m/√v.
    """,
    right="The odd step is hardly longer than the others. The slow steps come after it; with clipping, there are none.",
)


# -- 7.6 ------------------------------------------------------------------
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


def follow(answer, beta, sizes, updates):
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
    for sizes, updates in [((2, 3), 3), ((3, 2, 5), 4), ((2, 4, 3), 7)]:
        yield rng.uniform(0.2, 0.95), sizes, updates


# Who keeps the model's own tensors of each step has kept the newest ones every time. Their average is they.
@chapter.function(
    "7.6 The average of the path ★★★",
    inputs="0.5, (1, 1), 1 || 0.5, (1, 1), 2 || 0.9, (1, 1), 3",
    cases=average_cases,
    call=follow,
    shown="a model of widths {1}, {2} times {f}({0}).update(model), each time with other weights",
    tolerance=1e-4,
    mistakes="""
        w / share => w
            Too small in the first steps: part of your average is still the 0 that it began with. The share
            that has come from weights is 1 − βᵗ.
        - return {name: w / share for name, w in self.sums.items()}
        + for w in self.sums.values():
        +     w /= share
        + return dict(self.sums)
            Right when asked once. But `weights` divides what it keeps, in place, so the next call divides
            again. Divide into a new tensor.
        self.beta = beta => self.beta = 1 - beta
            The shares are swapped: the average keeps β of itself and takes 1 − β of what is new.
        self.sums.get(name, 0.0) => self.sums.get(name, w) ; w / share => w
            Your average begins with the first weights as they are. Then these count for more than any later
            ones for a long time. Begin at 0, as equation (1) does, and correct.
        self.beta * before + (1 - self.beta) * w => before + w ; 1 - self.beta**self.steps => self.steps
            A plain mean: the first weights, which knew nothing, count as much as the last. Let the average
            forget, as in equation (1).
        self.beta * before + (1 - self.beta) * w => w ; w / share => w.clone()
            Later steps reached what you had kept: `state_dict()` holds the model's own tensors, and they
            change in place. Compute with them at once, or clone them.
        self.beta**self.steps => self.beta ** (self.steps + 1)
            The correction counts one step too many. After the first `update`, t is 1.
    """,
    right="One pass over the weights in each step averages away the jumps of a high learning rate.",
)
class Average:
    def __init__(self, beta):
        self.beta = beta
        self.steps = 0
        self.sums = {}

    def update(self, model):
        self.steps += 1
        for name, w in model.state_dict().items():
            before = self.sums.get(name, 0.0)
            self.sums[name] = self.beta * before + (1 - self.beta) * w

    def weights(self):
        share = 1 - self.beta**self.steps
        return {name: w / share for name, w in self.sums.items()}


# -- 7.7 ------------------------------------------------------------------
def two_distributions(seed):
    rng = random.Random(seed)
    for n_words, n_further in [(2, 0), (2, 3), (3, 1), (4, 0), (6, 2), (30, 5)]:
        words = [f"word {i}" for i in range(n_words + n_further)]
        truth = shares(words[:n_words], rng)
        rng.shuffle(words)
        yield truth, shares(words, rng)


def shares(words, rng):
    """Random probabilities of words, whose sum is 1."""
    weights = [rng.uniform(0.05, 1) ** 2 for _ in words]
    return {word: weight / sum(weights) for word, weight in zip(words, weights, strict=True)}


def try_excess(answer, truth, model):
    parts = as_list(answer(truth, model))
    if parts is None or len(parts) != 2:
        raise Problem("Return two: a dict with the excess bits of each word of `truth`, and their average.")
    return {"excess of each word": parts[0], "average": parts[1]}


def excess_hint(got, truth, model):
    average = None if got.error else as_number(got.value["average"])
    if average is not None and average < -1e-9:
        return (
            "Your average is negative. No model is better than the truth on average. Does each word count by "
            "its true probability?"
        )
    return ""


@chapter.function(
    "7.7 Lucky words ★★",
    inputs="""
        {"mill": 1.0}, {"mill": 1.0} || {"mill": 1.0}, {"mill": 0.25, "inn": 0.75}
        {"mill": 0.5, "inn": 0.5}, {"mill": 0.5, "inn": 0.5}
        {"mill": 0.5, "inn": 0.5}, {"mill": 0.25, "inn": 0.75}
        {"mill": 0.75, "inn": 0.25}, {"inn": 0.75, "mill": 0.25}
        {"mill": 0.5, "inn": 0.5}, {"inn": 0.25, "mill": 0.25, "ate": 0.5}
        {"mill": 0.5, "inn": 0.5}, {"mill": 0.5, "ate": 0.25, "inn": 0.25}
        {"mill": 0.5, "inn": 0.25, "gate": 0.25}, {"inn": 0.5, "mill": 0.25, "gate": 0.25}
        {"mill": 0.5, "inn": 0.5}, {"mill": 1 - 2**-40, "inn": 2**-40}
    """,
    cases=two_distributions,
    call=try_excess,
    hint=excess_hint,
    mistakes="""
        truth[word] / model[word] => model[word] / truth[word]
            Your ratio is upside down. A word that the model finds less likely than it is costs more bits than
            it must, so its excess is positive.
        truth[word] / model[word] => 1 / model[word]
            That is the model's loss. Its unavoidable part, the surprise of the perfect reader, must go.
        math.log2 => math.log
            Your excess is in nats. Use `math.log2` to get bits.
        truth[word] / model[word] => truth[word] / (model[word] / sum(model[w] for w in truth))
            You divided the model's probabilities by their sum over the possible words. What the model spends
            on impossible words is lost, and this loss is avoidable. Take its probabilities as they are.
        truth[word] * excess[word] => model[word] * excess[word]
            You averaged with the model's probabilities. But the village writes the text, so a word comes as
            often as `truth` says.
        sum(truth[word] * excess[word] for word in truth) => sum(excess.values()) / len(truth)
            In your average, each word counts alike. A word that comes often must count often.
        truth[word] * excess[word] => truth[word] * max(0, excess[word])
            Your average leaves out the lucky words, whose excess is negative. They count, too. Otherwise the
            average is too large.
        truth[word] * excess[word] => -truth[word] * math.log2(model[word])
            Your average is the model's loss. It still holds the unavoidable bits, the entropy of `truth`.
    """,
    right="A model can be lucky on a word. On average it pays at least what the perfect reader pays.",
)
def excess_bits(truth, model):
    excess = {word: math.log2(truth[word] / model[word]) for word in truth}
    average = sum(truth[word] * excess[word] for word in truth)
    return excess, average
