"""The checks of chapter 21, PyTorch."""

import itertools
import math
import random

import torch
import torch.nn.functional as F

from companion.exercises.notation import Chapter, Problem

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
            You aligned the shapes on the left. Align them on the right, so that their last dimensions meet.
        raise ValueError("a and b do not fit") => pass ; n if m == 1 else m => max(m, n)
            You take the larger size wherever two sizes differ. If both are above 1, neither can be stretched,
            so raise a `ValueError`.
        m != n and m != 1 and n != 1 => m != n
            You raise wherever two sizes differ. A size of 1 is stretched, including a 1 that was put in
            front.
        itertools.zip_longest(reversed(a), reversed(b), fillvalue=1) => zip(reversed(a), reversed(b))
            Your result has only as many dimensions as the shorter shape, probably because `zip` ends with the
            shorter one. The other dimensions of the longer shape stay as they are.
        n if m == 1 else m => max(m, n)
            Where one size is 1, the result has the other size. The other size is not always the larger one,
            because it may be 0.
        m != n and m != 1 and n != 1 => m != n and m > 1 and n > 1
            Only a size of 1 is stretched. A size of 0 fits 0 and 1, and nothing else.
        and n != 1 =>
            Both shapes may be stretched, `b` as well: (3, 1) and (4,) give (3, 4).
        and m != 1 =>
            Both shapes may be stretched, `a` as well: (3, 1) and (4,) give (3, 4).
        raise ValueError("a and b do not fit") => return None
            If the shapes do not fit, raise a `ValueError` instead of returning something.
        = it[::-1]
            Your result is in the reverse order. You went through the shapes from the right, so reverse the
            result at the end.
        - shape = []
        + shape = []
        + if len(a) != len(b):
        +     raise ValueError("a and b have different lengths")
            You raise if one shape has more dimensions. Put ones in front of the shorter shape instead.
    """,
    right="Two rules, and every sum, product and comparison of tensors follows them.",
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
            That is the intended difference, of shape (N,). Which shape do (N, 1) and (N,) have together?
        8e5
            That is the memory of the two inputs. To which shape are they stretched?
        1e10
            That is the number of numbers. How many bytes does a number of 32 bits take?
        8e10
            You counted 8 bytes for each number, as in float64. A float32 has 32 bits.
        3.2e11
            That is the number of bits. A byte has eight bits.
        4e10 / 2**30
            That is right in GiB. Give the number in bytes.
        40 * 2**30
            A thousand million bytes are a GB and not a GiB. Multiply 100,000 by 100,000 by the bytes of one
            number.
        40
            That is right in GB. Give the number in bytes.
    """,
    right="It is 40 GB instead of 400 KB. At full size, this mistake shows up as a lack of memory.",
)


# -- 21.3 ------------------------------------------------------------------
def mean_cases(seed):
    generator = torch.Generator().manual_seed(seed)
    for b, t, c in [(2, 5, 3), (4, 3, 2), (3, 7, 4)]:
        x = torch.randn(b, t, c, generator=generator)
        mask = torch.rand(b, t, generator=generator) < 0.6
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
            You also count the padding. Only the places where the mask is True should count.
        x.masked_fill(~mask[..., None], 0) => x * mask[..., None]
            That is right only if the padding is finite, because 0 times `inf` or `nan` is `nan`. Select with
            `masked_fill` or `where` instead of multiplying.
        counts.clamp(min=1) => x.shape[1]
            You divide by T. Divide each row by its number of tokens.
        mask.sum(dim=1, keepdim=True) => mask.sum()
            You divide by the number of tokens in all rows together. Your `sum()` needs a `dim`.
        .clamp(min=1) =>
            A row without tokens becomes 0 / 0 here, which is `nan`. It should be zeros.
        - kept = x.masked_fill(~mask[..., None], 0)
        + behind = torch.arange(x.shape[1]) >= mask.sum(dim=1, keepdim=True)
        + kept = x.masked_fill(behind[..., None], 0)
            The tokens need not come first in their row. The mask says where they are, not only how many there
            are.
        mask.sum(dim=1, keepdim=True) => (kept != 0).sum(dim=1)
            The numbers of a token may be 0. Count where the mask is True, not where x differs from 0.
        / counts.clamp(min=1) =>
            That is the sum. Divide each row by its number of tokens.
        ~mask[..., None] => mask[..., None]
            You fill the places where the mask is True, so you keep the padding. Use `~mask`, which exchanges
            True and False.
        mask.sum(dim=1, keepdim=True) => mask.sum(dim=1)
            Your counts have the shape (B,), so broadcasting aligns them with C instead of B. With
            `keepdim=True` their shape is (B, 1).
        x.masked_fill(~mask[..., None], 0) => x * mask
            Shapes are aligned on the right, so your mask meets T and C instead of B and T. Give it a third
            dimension of size 1.
        = x[mask].mean(dim=0)
            Your mean is over the tokens of all rows together. Compute one mean for each row, so that the
            result has the shape (B, C).
    """,
    right="The mask has a third dimension, and it selects instead of multiplying, so padding has no effect.",
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
            That is $p$, the derivative of the first part of the loss. The second part, the logit of the right
            class, has a derivative, too.
        softmax(dim=1) => softmax(dim=0)
            Your softmax runs along the batch. The probabilities of each row must sum to 1.
        logits.softmax(dim=1) => shares(logits.exp())
            That is right for small logits. But the exponential of 1,000 is `inf`, and `inf / inf` is `nan`.
            Subtract the largest logit of each row first, as `softmax` does.
        logits.softmax(dim=1) => shares((logits - logits.max()).exp())
            You subtracted the largest logit of the whole batch. In a row far below it, every exponential is
            0, and 0 / 0 is `nan`. Subtract each row's own largest logit.
        logits.softmax(dim=1) => shares((logits - logits[:, :1]).exp())
            You subtracted the first logit of each row. Another one may be far above it, so subtract the
            largest.
        logits.softmax(dim=1) => logits.clamp(-20, 20).softmax(dim=1) || logits.clamp(-50, 50).softmax(dim=1)
            You limited large logits, which makes different ones equal. Subtract the largest logit instead.
        logits.softmax(dim=1) => logits.sigmoid()
            A sigmoid depends on a single logit. The probabilities of a row must sum to 1, so use `softmax`.
        one_hot(targets, => one_hot(logits.argmax(dim=1),
            Subtract 1 at the right class, not at the class with the largest logit.
        (probs - right) / len(logits) => probs - right / len(logits)
            The mean divides both parts by N, so divide the probabilities, too.
        (probs - right) => right * (probs - right)
            The other classes have gradients, too, because their logits are in the sum.
        F.one_hot(targets, logits.shape[1]) => F.one_hot(targets, logits.shape[1]).amax(dim=0)
            You subtract 1 in every row at the columns of all targets, as `result[:, targets] -= 1` does. Each
            row has one target, so use `result[torch.arange(N), targets] -= 1`.
    """,
    right="The probabilities minus the right ones: most backward passes of this course begin with this.",
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
            A larger divisor makes a smaller quotient, so the derivative with respect to the divisor is
            negative for positive numbers. A minus sign is missing.
        -self.data / other.data**2 => -self.data / other.data
            The derivative with respect to the divisor is wrong. Write $a/b$ as $a b^{-1}$. What does the
            derivative do to the exponent?
        , (other, by_other) =>
            The divisor gets no gradient. It is a parent, too.
        -self.data / other.data**2 => -1 / other.data**2
            You used the derivative of $1/b$ for the divisor. The numerator is $a$ and not 1.
        (self, by_self), (other, by_other) => (other, by_self), (self, by_other)
            The two derivatives are exchanged. The derivative with respect to the numerator $a$ is $1/b$.
        1 - result**2 => 1 - self.data**2
            The derivative of tanh is 1 minus the square of its result, not of its input.
        1 - result**2 => 1 - result
            The derivative of tanh is 1 minus the square of its result. The square is missing.
        self.made(self.data / other.data => self.made(self.data // other.data
            `//` rounds the quotient down. Divide with `/`.
        1 - result**2 => result * (1 - result)
            That is the derivative of the sigmoid. The derivative of tanh is 1 minus the square of its result.
        math.tanh(self.data) => 1 / (1 + math.exp(-self.data))
            That is the sigmoid, whose values go from 0 to 1. Those of tanh go from −1 to 1. Use `math.tanh`.
        result = math.tanh(self.data) => result = self.data = math.tanh(self.data)
            Your `tanh` changes `self.data`. It must stay as it is, because other operations may use it, too.
        - return self.made(self.data / other.data, (self, by_self), (other, by_other))
        + self.data /= other.data
        + return self.made(self.data, (self, by_self), (other, by_other))
            Your division changes `self.data`. It must stay as it is.
        , (self, slope) =>
            The result of your `tanh` has no parent, so the backward pass ends there.
    """,
    right="An operation knows only its value and its derivatives. So PyTorch can have hundreds of them.",
)
class Value:
    """A number that remembers how it was made: its parents, each with the derivative with respect to it."""

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
