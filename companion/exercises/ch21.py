"""The checks of chapter 21, PyTorch."""

import itertools
import math
import random

import torch
import torch.nn.functional as F

from companion.exercises.exercise import Problem
from companion.exercises.notation import Chapter

chapter = Chapter()

# -- 21.1 ------------------------------------------------------------------


def shape_cases(seed):
    rng = random.Random(seed)
    for _ in range(8):
        full = [rng.randint(2, 6) for _ in range(rng.randint(2, 4))]
        a, b = ([n if rng.random() < 0.6 else 1 for n in full] for _ in range(2))
        a = a[rng.randint(0, 1) :]
        if rng.random() < 0.3:
            b[rng.randrange(len(b))] += 5
        yield tuple(a), tuple(b)


@chapter.function(
    "21.1 Do they fit? ★",
    inputs="""
        (), (3,) || (3,), (3,) || (3,), (4,) || (3, 1), (4,) || (2, 3), (2,) || (2,), (2, 3) || (5, 1), (5,)
        (1,), (7,) || (2, 1, 5), (3, 1) || (4, 2), (3, 4, 1) || (3, 2), (6, 3, 2) || (0,), (1,) || (0,), (3,)
        (4, 0), (1,) || (0,), (0,) || (2,), (4,) || (2, 1), (1, 2)
        (2, 1, 3, 1, 2, 1), (4, 1, 5, 1, 3)
        (3, 2), (2, 3)
    """,
    cases=shape_cases,
    mistakes="""
        = broadcast_shape(a[::-1], b[::-1])[::-1]
            You wrote the shapes flush left. Their last dimensions belong together.
        raise ValueError("a and b do not fit") => pass ; n if m == 1 else m => max(m, n)
            You take the larger size wherever they differ. Where both are above 1, no number can be repeated
            to fit: that is the `ValueError`.
        m != n and m != 1 and n != 1 => m != n
            You raise wherever two sizes differ. A size of 1, also one that was put in front, stretches.
        itertools.zip_longest(reversed(a), reversed(b), fillvalue=1) => zip(reversed(a), reversed(b))
            Your result has as many dimensions as the shorter shape. What stands further left stays; `zip`
            ends with the shorter one.
        n if m == 1 else m => max(m, n)
            Where one size is 1, the other one stays. It is not always the larger: a dimension may be 0.
        m != n and m != 1 and n != 1 => max(m, n) % max(min(m, n), 1) ; n if m == 1 else m => max(m, n)
            A size of 2 is not repeated to fit 4: only a size of 1 stretches.
        m != n and m != 1 and n != 1 => m != n and m > 1 and n > 1
            Only a size of 1 stretches. 0 fits 0 and 1, and nothing else.
        n if m == 1 else m => min(m, n)
            You take the smaller size. Where one is 1, the other one stays.
        and n != 1 =>
            Both may stretch, `b` as well: (3, 1) and (4,) are (3, 4).
        and m != 1 =>
        - return tuple(reversed(shape))
        + if tuple(reversed(shape)) != a:
        +     raise ValueError("a would stretch")
        + return a
            Both may stretch, `a` as well: (3, 1) and (4,) are (3, 4).
        raise ValueError("a and b do not fit") => return None
            Where they do not fit, raise a `ValueError`; do not return something.
        = it[::-1]
            Your result is the wrong way round: you went from the right, and must turn it back.
        - shape = []
        + shape = []
        + if len(a) != len(b):
        +     raise ValueError("a and b have different lengths")
            You raise where one shape has more dimensions. The other one gets ones in front.
    """,
    right="Two lines of rules, and every sum, product and comparison of tensors obeys them.",
)
def broadcast_shape(a, b):
    shape = []
    for m, n in itertools.zip_longest(reversed(a), reversed(b), fillvalue=1):
        if m != n and m != 1 and n != 1:
            raise ValueError("a and b do not fit")
        shape.append(n if m == 1 else m)
    return tuple(reversed(shape))


chapter.number(
    "21.2 The price of an accident ★",
    wants="bytes_of_the_accident()",
    answer=4e10,
    tolerance=1e8,
    mistakes="""
        4e5
            That is the difference that was meant, (N,). What shape do (N, 1) and (N,) have together?
        8e5
            That is what the two inputs take together. What shape do they stretch to?
        1e10
            So many numbers there are. How many bytes is one of 32 bits?
        8e10
            With 8 bytes each, that is float64. A float32 has 32 bits.
        3.2e11
            That is bits. A byte has eight.
        2e10
            With 2 bytes each, that is float16. A float32 has 32 bits.
        4e10 / 2**30
            In GiB, yes: give it in bytes.
        4e4
            In MB, yes: give it in bytes.
        40 * 2**30
            A thousand million bytes are no GiB: multiply 100,000 by 100,000 by the bytes of one.
        40
            In GB, yes: give it in bytes.
    """,
    right="It is 40 GB where 400 KB were meant: at full size the accident shows as a lack of memory.",
)

# -- 21.3 ------------------------------------------------------------------


def mean_cases(seed):
    generator = torch.Generator().manual_seed(seed)
    for b, t, c in [(2, 5, 3), (4, 3, 2), (3, 7, 4)]:
        x, mask = torch.randn(b, t, c, generator=generator), torch.rand(b, t, generator=generator) < 0.6
        mask[0, 0] = True
        mask[-1] = False
        x[~mask] = math.nan if t == 7 else 9.0
        yield x, mask


@chapter.function(
    "21.3 The mean of what is there ★★",
    inputs="""
        torch.tensor([[[2.0], [4.0], [5.0]]]), torch.tensor([[True, True, False]])
        torch.tensor([[[2.0], [4.0], [math.inf]]]), torch.tensor([[True, True, False]])
        torch.tensor([[[1.0, 2.0], [3.0, 8.0]]]), torch.tensor([[True, True]])
        torch.tensor([[[1.0], [6.0]], [[5.0], [7.0]]]), torch.tensor([[False, False], [True, False]])
        torch.arange(27.0).view(3, 3, 3), torch.tensor([[True] * 3, [True, False, False], [False, True, True]])
        torch.tensor([[[3e5], [-1e5], [7.0]]]), torch.tensor([[True, True, False]])
        torch.full((2, 1, 1), math.nan), torch.zeros(2, 1, dtype=torch.bool)
    """,
    cases=mean_cases,
    mistakes="""
        = x.mean(dim=1)
            What fills the rows up counts here. Only what the mask has True for should.
        x.masked_fill(~mask[..., None], 0) => x * mask[..., None]
            Right as long as the padding is a number: 0 times `inf` or `nan` is `nan`. Choose instead of
            multiplying.
        counts.clamp(min=1) => x.shape[1]
            You divide by T. Divide each row by how many tokens it has.
        mask.sum(dim=1, keepdim=True) => mask.sum()
            You divide by the tokens of all rows together: a `sum()` without `dim`.
        .clamp(min=1) =>
            A row without tokens is 0 / 0 here, which is `nan`. It should be zeros.
        x.masked_fill(~mask[..., None], 0) => x * mask[..., None] ; .clamp(min=1) =>
            Two things. A row without tokens is 0 / 0, which is `nan`, and so is 0 times `inf`.
        counts.clamp(min=1) => (counts + 1)
            You divide by one more than there are. `clamp(min=1)` changes only a count of 0.
        - kept = x.masked_fill(~mask[..., None], 0)
        + behind = torch.arange(x.shape[1]) >= mask.sum(dim=1, keepdim=True)
        + kept = x.masked_fill(behind[..., None], 0)
            The tokens need not stand first: the mask says where they are, not only how many.
        = it[mask.any(dim=1)]
            A row without tokens is left out; it should be there, as zeros.
        = it[:, None]
            Your result is (B, 1, C); the sum should take the middle dimension away.
        mask.sum(dim=1, keepdim=True) => (kept != 0).sum(dim=1)
            A token may be 0, too: count where the mask is True, not where x is not 0.
        / counts.clamp(min=1) =>
            That is the sum. Divide each row by how many tokens it has.
        = masked_mean(x, ~mask)
            That is the mean of the padding: the mask is True where a token is.
        ~mask[..., None] => mask[..., None]
            You fill where the mask is True, and so keep the padding: `~mask` is the other way round.
        mask.sum(dim=1, keepdim=True) => mask.sum(dim=1)
            Your counts are (B,), so they meet C instead of B: `keepdim=True` makes them (B, 1).
        x.masked_fill(~mask[..., None], 0) => x * mask
            Your mask meets T and C instead of B and T, since shapes fit from the right. Give it a third
            dimension of size 1.
        = x[mask].mean(dim=0)
            Your mean is over the tokens of all rows together. Each row has one of its own, (B, C).
    """,
    right="A mask with a third dimension, and a choice instead of a product: padding cannot be heard.",
)
def masked_mean(x, mask):
    kept = x.masked_fill(~mask[..., None], 0)
    counts = mask.sum(dim=1, keepdim=True)
    return kept.sum(dim=1) / counts.clamp(min=1)


# -- 21.4 ------------------------------------------------------------------


def logit_cases(seed):
    generator = torch.Generator().manual_seed(seed)
    for n, v in [(5, 3), (3, 7), (4, 4)]:
        logits = 2 * torch.randn(n, v, generator=generator)
        yield logits, torch.randint(v, (n,), generator=generator)


def shares(powers):
    return powers / powers.sum(dim=1, keepdim=True)


@chapter.function(
    "21.4 Where training begins ★★",
    inputs="""
        torch.tensor([[1.0, 3.0]]).log(), torch.tensor([1])
        torch.tensor([[0.0, 0.0], [0.0, 1.0]]), torch.tensor([0, 1])
        torch.tensor([[2.0, 0.0, 0.0]]), torch.tensor([2])
        torch.tensor([[1000.0, 999.0, 0.0]]), torch.tensor([1])
        torch.tensor([[-1000.0, 1000.0]]), torch.tensor([0])
        torch.tensor([[1000.0, 999.0], [1.0, 2.0]]), torch.tensor([0, 0])
        torch.tensor([[-1000.0, -1000.0]]), torch.tensor([1])
        torch.tensor([[0.0, 1.0, 2.0], [2.0, 1.0, 0.0], [0.0, 0.0, 3.0]]), torch.tensor([2, 2, 0])
    """,
    cases=logit_cases,
    tolerance=5e-5,  # z less its logsumexp is right, too, and float32 knows 1,000 to a few 1e-5
    mistakes="""
        (probs - right) / len(logits) => probs - right
            The loss is a mean over the rows, so each row's gradient is divided by N.
        (probs - right) => probs
            That is the slope of the first part, $p$. The right class's own score counts too.
        = -it
            The sign is turned round: a higher score at the right class lowers the loss.
        softmax(dim=1) => softmax(dim=0)
            Your softmax runs along the batch. Each row has probabilities of its own.
        logits.softmax(dim=1) => shares(logits.exp())
            Right for small scores. The exponential of 1,000 is `inf`, and `inf / inf` is `nan`: take the
            largest score away first, as `softmax` does.
        logits.softmax(dim=1) => shares(logits.exp()).nan_to_num(0)
            The exponential of 1,000 is `inf`, and `nan_to_num` hides it: the probabilities are lost. Take the
            largest score away first, as `softmax` does.
        logits.softmax(dim=1) => shares((logits - logits.max()).exp())
            You took the largest score of the batch away from all. In a row far below it every exponential is
            0, and 0 / 0 is `nan`: each row has a largest one of its own.
        logits.softmax(dim=1) => shares((logits - logits[:, :1]).exp())
            You took the first score of each row away. Another may be far above it: take the largest.
        logits.softmax(dim=1) => logits.clamp(-20, 20).softmax(dim=1) || logits.clamp(-50, 50).softmax(dim=1)
        logits.softmax(dim=1) => logits.clamp(-80, 80).softmax(dim=1) || logits.clamp(-88, 88).softmax(dim=1)
        logits.softmax(dim=1) => logits.clamp(-100, 100).softmax(dim=1)
            You cut large scores off, which makes them equal: take the largest away instead.
        logits.softmax(dim=1) => logits.sigmoid()
            A sigmoid looks at one score. The probabilities of a row have one sum: `softmax`.
        one_hot(targets, => one_hot(logits.argmax(dim=1),
            The 1 is taken away at the right class, not at that with the largest score.
        / len(logits) => / logits.shape[1]
            You divide by the number of classes. The mean is over the N rows.
        (probs - right) / len(logits) => probs - right / len(logits)
            The mean divides both parts by N, the probabilities as well.
        / len(logits) => / logits.numel()
            You divide by all numbers of the logits. The mean is over the N rows.
        logits.softmax(dim=1) => logits.log_softmax(dim=1)
            You have the logarithm of the probabilities. What is the slope of the logarithm of a sum?
        logits.softmax(dim=1) => logits
            You have the scores themselves. What is the slope of the logarithm of a sum?
        (probs - right) => right * (probs - right)
            The other classes have gradients too: their scores are in the sum.
        F.one_hot(targets, logits.shape[1]) => F.one_hot(targets, logits.shape[1]).amax(dim=0)
            `found[:, targets] -= 1` takes 1 away in every row at each of these columns. Row i has one: pair
            the rows' numbers with the targets.
    """,
    right="What the model said, minus what was right: most trainings of the course begin with this.",
)
def logit_gradient(logits, targets):
    probs = logits.softmax(dim=1)
    right = F.one_hot(targets, logits.shape[1])
    return (probs - right) / len(logits)


# -- 21.5 ------------------------------------------------------------------


def value_cases(seed):
    rng = random.Random(seed)
    expressions = ["(a * b + c).tanh()", "a / b + b / a", "(a / b).tanh() * c", "a.tanh() / (b * b)"]
    expressions += ["(a + b).tanh() / (a + b)", "((a / b + c) / (a.tanh() + c)).tanh() / b"]
    for expression in expressions:
        yield expression, tuple(round(rng.uniform(0.5, 3), 2) for _ in range(3))


def value_and_gradients(answer, expression, numbers):
    leaves = {name: answer(number) for name, number in zip("abc", numbers, strict=False)}
    result = eval(expression, {"__builtins__": {}}, leaves)
    if not hasattr(result, "backward"):
        raise Problem(f"`{expression}` gives a {type(result).__name__}; it must be a `Value` again.")
    result.backward()
    return {"value": result.data, "gradients of a, b, c": [leaf.grad for leaf in leaves.values()]}


@chapter.function(
    "21.5 Two more operations ★★★",
    wants="Value(data, parents)",
    inputs="""
        "a / b", (6.0, 3.0) || "a.tanh()", (0.5,) || "a / a", (4.0,) || "b / a", (2.0, -3.0)
        "a.tanh().tanh()", (-1.25,) || "a / b", (3.0, -2.0) || "a / b", (-3.0, 2.0) || "a / b", (0.0, 4.0)
        "a.tanh()", (0.0,) || "a.tanh()", (-3.0,) || "a.tanh() * a", (0.5,) || "a / b * a", (2.0, 5.0)
        "(a / b) / c", (1.0, 2.0, 4.0)
    """,
    cases=value_cases,
    call=value_and_gradients,
    shown="{0}, with a, b, c = {1}",
    mistakes="""
        -self.data / other.data**2 => self.data / other.data**2
            A larger divisor makes a smaller quotient: the slope by it has a minus.
        -self.data / other.data**2 => -self.data / other.data
            The slope by the divisor: write $a/b$ as $a b^{-1}$. What becomes of the exponent?
        by_self = 1 / other.data => by_self = other.data ; by_other = -self.data / other.data**2 => by_other = self.data
            Those are the slopes of a product.
        , (other, by_other) =>
            The divisor is a parent too: no gradient reaches it.
        -self.data / other.data**2 => -1 / other.data**2
            The slope by the divisor is that of $1/b$. Above it stands $a$, not 1.
        (self, by_self), (other, by_other) => (other, by_self), (self, by_other)
            The two slopes are exchanged: by the number above it is $1/b$.
        1 - result**2 => 1 - self.data**2
            The slope of tanh is 1 minus the square of its result, not of its input.
        1 - result**2 => 1 - result
            The slope of tanh is 1 minus the square of its result; the square is missing.
        1 - result**2 => 1 - math.tanh(result) ** 2
            The square in the slope is of the result itself. You took its tanh once more.
        1 - result**2 => 1.0
            The slope of tanh is 1 at 0 alone; further out it is flatter.
        - by_self = 1 / other.data
        + self, other = other, self
        + by_self = 1 / other.data
            That is `other / self`: `self` stands above.
        self.made(self.data / other.data => self.made(self.data // other.data
            `//` cuts the quotient off; divide with `/`.
        1 - result**2 => 1 + result**2
            The slope of tanh is 1 minus the square: it never is above 1.
        1 - result**2 => result**2 - 1
            The slope of tanh has the wrong sign: tanh rises everywhere.
        1 - result**2 => result * (1 - result)
            That slope is the sigmoid's. Of tanh it is 1 minus the square of its result.
        math.tanh(self.data) => 1 / (1 + math.exp(-self.data))
            That curve is the sigmoid, from 0 to 1; tanh goes from −1 to 1: `math.tanh`.
        result = math.tanh(self.data) => result = self.data = math.tanh(self.data)
            `tanh` changes the number it is called on: `self.data` must stay, for others use it too.
        - return self.made(self.data / other.data, (self, by_self), (other, by_other))
        + self.data /= other.data
        + return self.made(self.data, (self, by_self), (other, by_other))
            The division changes the number it is called on: `self.data` must stay.
        , (self, slope) =>
            The result of `tanh` has no parent, so the way back ends there.
    """,
    right="An operation knows its value and its slopes, nothing else: that is how PyTorch grew to hundreds.",
)
class Value:
    """A number that remembers how it was made: its parents, each with the slope by it."""

    def __init__(self, data, parents=()):
        self.data, self.parents, self.grad = data, parents, 0.0

    def made(self, data, *parents):
        return Value(data, parents)

    def __add__(self, other):
        return self.made(self.data + other.data, (self, 1.0), (other, 1.0))

    def __mul__(self, other):
        return self.made(self.data * other.data, (self, other.data), (other, self.data))

    def __truediv__(self, other):
        by_self = 1 / other.data
        by_other = -self.data / other.data**2
        return self.made(self.data / other.data, (self, by_self), (other, by_other))

    def tanh(self):
        result = math.tanh(self.data)
        slope = 1 - result**2
        return self.made(result, (self, slope))

    def backward(self):
        paths = [(self, 1.0)]  # every way from the result to a leaf, one by one
        while paths:
            value, slope = paths.pop()
            value.grad += slope
            paths += [(parent, slope * further) for parent, further in value.parents]
