"""What an author writes down about an exercise."""

import ast
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any


class Problem(Exception):
    """Raised by an exercise's `call` where an answer is of no use; the reader is shown its text."""


def apply(answer: Callable, *args: Any) -> Any:
    """The plain way to try an answer: call it."""
    return answer(*args)


@dataclass(frozen=True, kw_only=True, eq=False)
class Exercise:
    """What all kinds share.

    Attributes:
        number: Such as "1.5".
        title: The title in the chapter's heading.
        stars: The difficulty, 1 to 3.
        wants: The answer as its stub in the chapter defines it, such as "merge(tokens, pair)".
        right: One sentence on what a right answer shows.
    """

    number: str
    title: str
    stars: int
    wants: str
    right: str

    @property
    def name(self) -> str:
        """The name that the stub has."""
        return self.wants.partition("(")[0]

    @property
    def parameters(self) -> list[str]:
        """The names of the parameters that the stub has."""
        call = ast.parse(f"def {self.wants}: pass").body[0]
        return [argument.arg for argument in call.args.posonlyargs + call.args.args + call.args.kwonlyargs]


@dataclass(frozen=True, kw_only=True, eq=False)
class Function(Exercise):
    """A function or class (anything that is called), compared with an oracle on many inputs.

    Attributes:
        cases: Seed -> inputs, each a tuple of arguments. They are tried in the order of their sizes.
        oracle: A right answer of our own.
        mistakes: (wrong answer, message); the message is shown where an answer gives what this one gives.
        call: (answer, *arguments) -> what is compared; it builds and uses a class. May raise Problem.
        shown: How an input is shown, as a format string: {f} is the answer's name, {0} the first argument.
        tolerance: Allowed difference of floating point numbers, relative for those above 1.
        exact_dtype: Whether tensors must have the oracle's dtype (and be tensors), and ints be ints.
        order: An input -> what they are sorted by instead of their sizes.
        hint: (the answer's Trial, *arguments of the first input that failed) -> what is shown where no
            mistake is recognized; "" for nothing.
    """

    cases: Callable[[int], Sequence[tuple]]
    oracle: Callable
    mistakes: Sequence[tuple[Callable, str]]
    call: Callable = apply
    shown: str | None = None
    tolerance: float = 1e-5
    exact_dtype: bool = False
    order: Callable[[tuple], Any] | None = None
    hint: Callable[..., str] | None = None


@dataclass(frozen=True, kw_only=True, eq=False)
class Number(Exercise):
    """A number that the reader predicted or measured, given as itself or by a function without arguments.

    Attributes:
        answer: The right number.
        tolerance: How far from it is still right.
        mistakes: (wrong number, message).
    """

    answer: float
    tolerance: float
    mistakes: Sequence[tuple[float, str]]
