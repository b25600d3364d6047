"""The check of exercise 21.5: Two more operations."""

import math
import random

from companion.exercises.exercise import Function, Problem


class Scalar:
    """A number that remembers how it was made: a function of its gradient for each parent."""

    def __init__(self, data, parents=()):
        self.data, self.parents, self.grad = data, parents, 0.0

    def made(self, data, *parents):
        return type(self)(data, parents)

    def __add__(self, other):
        return self.made(self.data + other.data, (self, 1.0), (other, 1.0))

    def __mul__(self, other):
        return self.made(self.data * other.data, (self, other.data), (other, self.data))

    def __truediv__(self, other):
        return self.made(
            self.data / other.data,
            (self, 1 / other.data),
            (other, -self.data / other.data**2),
        )

    def tanh(self):
        return self.made(math.tanh(self.data), (self, 1 / math.cosh(self.data) ** 2))

    def backward(self):
        paths = [(self, 1.0)]  # every way from the result to a leaf, one by one
        while paths:
            value, slope = paths.pop()
            value.grad += slope
            paths += [(parent, slope * further) for parent, further in value.parents]


def value_cases(seed):
    rng = random.Random(seed)
    cases = [
        ("a / b", (6.0, 3.0)),
        ("a.tanh()", (0.5,)),
        ("a / a", (4.0,)),
        ("b / a", (2.0, -3.0)),
        ("a.tanh().tanh()", (-1.25,)),
        ("a / b", (3.0, -2.0)),
        ("a / b", (-3.0, 2.0)),
        ("a / b", (0.0, 4.0)),
        ("a.tanh()", (0.0,)),
        ("a.tanh()", (-3.0,)),
        ("a.tanh() * a", (0.5,)),
        ("a / b * a", (2.0, 5.0)),
        ("(a / b) / c", (1.0, 2.0, 4.0)),
    ]
    expressions = ["(a * b + c).tanh()", "a / b + b / a", "(a / b).tanh() * c", "a.tanh() / (b * b)"]
    expressions += ["(a + b).tanh() / (a + b)", "((a / b + c) / (a.tanh() + c)).tanh() / b"]
    for expression in expressions:
        cases.append((expression, tuple(round(rng.uniform(0.5, 3), 2) for _ in range(3))))
    return cases


def gradients(answer, expression, numbers):
    leaves = {name: answer(number) for name, number in zip("abc", numbers, strict=False)}
    result = eval(expression, {"__builtins__": {}}, leaves)
    if not hasattr(result, "backward"):
        raise Problem(f"`{expression}` gives a {type(result).__name__}; it must be a `Value` again.")
    result.backward()
    return {"value": result.data, "gradients of a, b, c": [leaf.grad for leaf in leaves.values()]}


class PlusSlope(Scalar):
    def __truediv__(self, other):
        slopes = (self, 1 / other.data), (other, self.data / other.data**2)
        return self.made(self.data / other.data, *slopes)


class NoSquare(Scalar):
    def __truediv__(self, other):
        slopes = (self, 1 / other.data), (other, -self.data / other.data)
        return self.made(self.data / other.data, *slopes)


class LikeProduct(Scalar):
    def __truediv__(self, other):
        return self.made(self.data / other.data, (self, other.data), (other, self.data))


class ConstantDivisor(Scalar):
    def __truediv__(self, other):
        return self.made(self.data / other.data, (self, 1 / other.data))


class NoSelf(Scalar):
    def __truediv__(self, other):
        slopes = (self, 1 / other.data), (other, -1 / other.data**2)
        return self.made(self.data / other.data, *slopes)


class Swapped(Scalar):
    def __truediv__(self, other):
        slopes = (other, 1 / other.data), (self, -self.data / other.data**2)
        return self.made(self.data / other.data, *slopes)


class TanhOfInput(Scalar):
    def tanh(self):
        return self.made(math.tanh(self.data), (self, 1 - self.data**2))


class TanhPlain(Scalar):
    def tanh(self):
        return self.made(math.tanh(self.data), (self, 1 - math.tanh(self.data)))


class TanhTwice(Scalar):
    def tanh(self):
        t = math.tanh(self.data)
        return self.made(t, (self, 1 - math.tanh(t) ** 2))


class TanhFlat(Scalar):
    def tanh(self):
        return self.made(math.tanh(self.data), (self, 1.0))


class TanhWithoutParent(Scalar):
    def tanh(self):
        return self.made(math.tanh(self.data))


class UpsideDown(Scalar):
    def __truediv__(self, other):
        slopes = (other, 1 / self.data), (self, -other.data / self.data**2)
        return self.made(other.data / self.data, *slopes)


class WholeQuotient(Scalar):
    def __truediv__(self, other):
        slopes = (self, 1 / other.data), (other, -self.data / other.data**2)
        return self.made(self.data // other.data, *slopes)


class TanhPlus(Scalar):
    def tanh(self):
        return self.made(math.tanh(self.data), (self, 1 + math.tanh(self.data) ** 2))


class TanhTurned(Scalar):
    def tanh(self):
        return self.made(math.tanh(self.data), (self, math.tanh(self.data) ** 2 - 1))


class TanhLikeSigmoid(Scalar):
    def tanh(self):
        t = math.tanh(self.data)
        return self.made(t, (self, t * (1 - t)))


class TanhIsSigmoid(Scalar):
    def tanh(self):
        s = 1 / (1 + math.exp(-self.data))
        return self.made(s, (self, 1 - s * s))


class TanhInPlace(Scalar):
    def tanh(self):
        self.data = math.tanh(self.data)
        return self.made(self.data, (self, 1 - self.data**2))


class DividesInPlace(Scalar):
    def __truediv__(self, other):
        slopes = (self, 1 / other.data), (other, -self.data / other.data**2)
        self.data /= other.data
        return self.made(self.data, *slopes)


EXERCISE = Function(
    number="21.5",
    title="Two more operations",
    stars=3,
    wants="Value(data, parents)",
    cases=value_cases,
    oracle=Scalar,
    call=gradients,
    shown="{0}, with a, b, c = {1}",
    mistakes=[
        (PlusSlope, "A larger divisor makes a smaller quotient: the slope by it has a minus."),
        (NoSquare, "The slope by the divisor: write $a/b$ as $a b^{-1}$. What becomes of the exponent?"),
        (LikeProduct, "Those are the slopes of a product."),
        (ConstantDivisor, "The divisor is a parent too: no gradient reaches it."),
        (NoSelf, "The slope by the divisor is that of $1/b$. Above it stands $a$, not 1."),
        (Swapped, "The two slopes are exchanged: by the number above it is $1/b$."),
        (TanhOfInput, "The slope of tanh is 1 minus the square of its result, not of its input."),
        (TanhPlain, "The slope of tanh is 1 minus the square of its result; the square is missing."),
        (TanhTwice, "The square in the slope is of the result itself. You took its tanh once more."),
        (TanhFlat, "The slope of tanh is 1 at 0 alone; further out it is flatter."),
        (UpsideDown, "That is `other / self`: `self` stands above."),
        (WholeQuotient, "`//` cuts the quotient off; divide with `/`."),
        (TanhPlus, "The slope of tanh is 1 minus the square: it never is above 1."),
        (TanhTurned, "The slope of tanh has the wrong sign: tanh rises everywhere."),
        (TanhLikeSigmoid, "That slope is the sigmoid's. Of tanh it is 1 minus the square of its result."),
        (TanhIsSigmoid, "That curve is the sigmoid, from 0 to 1; tanh goes from −1 to 1: `math.tanh`."),
        (
            TanhInPlace,
            "`tanh` changes the number it is called on: `self.data` must stay, for others use it too.",
        ),
        (DividesInPlace, "The division changes the number it is called on: `self.data` must stay."),
        (TanhWithoutParent, "The result of `tanh` has no parent, so the way back ends there."),
    ],
    right="An operation knows its value and its slopes, nothing else: that is how PyTorch grew to hundreds.",
)
