"""What an author writes down about an exercise."""

import ast
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any


class Problem(Exception):
    """Raised by an exercise's `call` where an answer is of no use; the reader is told its text."""


def apply(answer: Callable, *args: Any) -> Any:
    """The plain way to try an answer: call it."""
    return answer(*args)


@dataclass(frozen=True, kw_only=True)
class Exercise:
    """What all kinds share.

    wants: the answer as its stub in the chapter defines it, such as "merge(tokens, pair)".
    right: one sentence on what a right answer shows.
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


@dataclass(frozen=True, kw_only=True)
class Function(Exercise):
    """A function or class (anything that is called), compared with an oracle on random inputs.

    cases: seed -> inputs, each a tuple of arguments. They are tried in the order of their sizes.
    order: an input -> what they are sorted by instead.
    oracle: a right answer of our own.
    mistakes: (wrong answer, message); the message is told where an answer gives what this wrong one gives.
    hint: (what the answer gave, a Trial; *arguments of the first input that failed) -> what is told where no
    mistake is recognized; "" where there is nothing to say.
    call: (answer, *arguments) -> what is compared; for a class, it builds and uses one. May raise Problem.
    shown: how an input is shown, as a format string: {f} is the answer's name, {0} the first argument.
    tolerance: allowed difference of floating point numbers, relative for those above 1.
    exact_dtype: whether tensors must have the oracle's dtype (and be tensors), and ints be ints.
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


@dataclass(frozen=True, kw_only=True)
class Number(Exercise):
    """A number that the reader predicted or measured, given as itself or by a function without arguments.

    answer: the right number; tolerance: how far from it is still right.
    mistakes: (wrong number, message).
    """

    answer: float
    tolerance: float
    mistakes: Sequence[tuple[float, str]]
