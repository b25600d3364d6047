"""How a check is written: a right answer, its inputs, and known mistakes as edits of the right answer.

A chapter's checks stand in one module, `chNN.py`:

    chapter = Chapter()

    @chapter.function(
        "1.1 One merge ★",
        inputs='''
            [1, 2, 1, 2], (1, 2)
            [], (1, 2)
        ''',
        mistakes='''
            i += 2 => i += 1
                The second token of a merged pair is still there.
        ''',
        right="Training is this function, and a count of pairs.",
    )
    def merge(tokens, pair):
        ...

README.md beside this file describes the notation.
"""

import ast
import inspect
import math
import re
import sys
import textwrap
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

OR = " || "
"""What separates alternatives on a line; no Python has it."""
HEADING = re.compile(r"(\d+\.\d+) (.+) (★{1,3})")


# -- what an exercise consists of ---


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


# -- how an author writes it ---


class Chapter:
    """The exercises of one chapter, in their order."""

    def __init__(self):
        self.exercises: list[Function | Number] = []

    def function(
        self,
        heading: str,
        *,
        right: str,
        inputs: str = "",
        cases: Callable[[int], Sequence[tuple]] | None = None,
        mistakes: str = "",
        helpers: Sequence[Callable] = (),
        wants: str = "",
        **options: Any,
    ) -> Callable:
        """Register the function or class below it as the right answer to an exercise.

        Args:
            heading: The exercise's heading in the chapter: its number, its title, and one to three stars for
                its difficulty, such as "1.1 One merge ★".
            right: What a reader sees whose answer is right.
            inputs: Inputs worked by hand, one a line: the arguments, as Python. ` || ` separates several
                short ones on a line, and a line that is indented further continues the line above it.
            cases: Seed -> further inputs, each a tuple of arguments. It is called with seeds 0, 1 and 2.
            mistakes: Known mistakes, and a message for each: see `Mistakes`.
            helpers: Functions and classes that the right answer uses and that mistakes may edit too.
            wants: The stub's signature, where it differs from the right answer's.
            options: Further fields of `Function`: call, shown, tolerance, exact_dtype, order, hint.

        Returns:
            A decorator that gives the right answer back as it is.
        """
        fields = read_heading(heading)

        def register(oracle: Callable) -> Callable:
            source = Source(oracle, helpers)

            def all_cases(seed: int) -> list[tuple]:
                by_hand = read_inputs(inputs, source.names) if seed == 0 else []
                return by_hand + list(cases(seed) if cases else ())

            fields["wants"] = wants or f"{oracle.__name__}{inspect.signature(oracle)}"
            fields["mistakes"] = Mistakes(fields["number"], source, mistakes)
            exercise = Function(oracle=oracle, cases=all_cases, right=right, **fields, **options)
            self.exercises.append(exercise)
            return oracle

        return register

    def number(self, heading: str, *, wants: str, answer: float, mistakes: str, **options: Any) -> None:
        """Register an exercise whose answer is a number.

        Args:
            heading: As for `function`.
            wants: The stub's signature, such as "perplexity()".
            answer: The right number.
            mistakes: Blocks as for `function`, with wrong numbers in place of edits, written as Python
                (`math` may be used). ` || ` separates several on a line.
            options: Further fields of `Number`: tolerance, right.
        """
        fields = read_heading(heading)
        wrong = [
            (eval(expression, {"math": math}), message)
            for lines, message in blocks(fields["number"], mistakes)
            for line in lines
            for expression in line.split(OR)
        ]
        self.exercises.append(Number(wants=wants, answer=answer, mistakes=wrong, **fields, **options))


def read_heading(heading: str) -> dict[str, Any]:
    """The number, the title and the stars of an exercise's heading. ValueError for another text."""
    found = HEADING.fullmatch(heading)
    if not found:
        raise ValueError(f"{heading!r} is no exercise's heading; write one such as '1.1 One merge ★'")
    number, title, stars = found.groups()
    return {"number": number, "title": title, "stars": len(stars)}


def read_inputs(text: str, names: dict[str, Any]) -> list[tuple]:
    """The tuples of arguments that the lines of a text stand for."""
    inputs: list[str] = []
    for line in textwrap.dedent(text).strip("\n").splitlines():
        if line.startswith(" "):
            inputs[-1] += "\n" + line
        elif line and not line.startswith("#"):
            inputs += line.split(OR)
    return [eval(f"({one}\n,)", names) for one in inputs]


class Mistakes(Sequence):
    """Pairs of a wrong answer and its message, made from a text when they are first needed.

    The text consists of blocks. A block begins with one or more edits, each of which makes a wrong answer.
    The indented lines below them are the message for a reader who gave one of them. An edit is one of:

        old => new      the right answer with this text replaced; ` ; ` joins several replacements
        - old line      the right answer with these whole lines replaced, as in a diff. The new lines get the
        + new line      indentation of the first old one. A line `or` separates two edits of this form.
        = expression    a function of the same parameters that returns this. `it` stands for the right
                        answer's value, and the right answer's name calls it on other arguments.
        : expression    the object that this expression gives

    What stands behind the last => or behind = may be several texts with ` || ` between them, each of which
    makes an edit of its own: `old => one || other` is short for two lines.

    Raises:
        ValueError: If a text to be replaced does not stand exactly once in the right answer and its helpers.
    """

    def __init__(self, number: str, source: "Source", text: str):
        self.number = number
        self.source = source
        self.text = text

    @cached_property
    def pairs(self) -> list[tuple[Callable, str]]:
        return [
            (self.source.edited(edit, self.number), message)
            for lines, message in blocks(self.number, self.text)
            for line in lines
            for edit in alternatives(line)
        ]

    def __len__(self) -> int:
        return len(self.pairs)

    def __getitem__(self, index):
        return self.pairs[index]


def blocks(number: str, text: str) -> list[tuple[list[str], str]]:
    """The blocks of a text: the edits of each, and its message on one line."""
    found: list[tuple[list[str], list[str]]] = []
    for line in textwrap.dedent(text).strip("\n").splitlines():
        if not line.strip():
            continue
        if line.startswith("    "):
            if not found:
                raise ValueError(f"{number}: the text of mistakes begins with a message: {line.strip()!r}")
            found[-1][1].append(line.strip())
        elif not found or found[-1][1]:
            found.append(([line], []))
        else:
            found[-1][0].append(line)
    for edits, message in found:
        if not message:
            raise ValueError(f"{number}: the mistake {edits[0]!r} has no message")
    return [(join_diffs(edits), " ".join(message)) for edits, message in found]


def join_diffs(lines: list[str]) -> list[str]:
    """The edits that lines stand for: lines of a diff belong together, up to a line `or`."""
    edits: list[str] = []
    for line in lines:
        if edits and is_diff(edits[-1]) and is_diff(line):
            edits[-1] += "\n" + line
        else:
            edits.append(line)
    return [edit for edit in edits if edit != "or"]


def alternatives(line: str) -> list[str]:
    """The edits that a line stands for: two, if it is `old => one || other`."""
    first, *others = line.split(OR)
    start = re.match(r".*=>|=|:|", first)[0]
    return [first] + [f"{start} {other}" for other in others]


def is_diff(edit: str) -> bool:
    """Whether an edit consists of lines of a diff."""
    return edit.startswith(("- ", "+ ")) and "=>" not in edit


@dataclass(frozen=True)
class Source:
    """The text of a right answer and of its helpers, and what edits make of it."""

    oracle: Callable
    helpers: Sequence[Callable] = ()

    @property
    def names(self) -> dict[str, Any]:
        """The names that the right answer can see."""
        return vars(sys.modules[self.oracle.__module__])

    @cached_property
    def text(self) -> str:
        return "\n\n".join(source_of(part) for part in [*self.helpers, self.oracle])

    def edited(self, edit: str, number: str, more_names: Mapping[str, Any] | None = None) -> Callable:
        """The answer that an edit stands for (see `Mistakes`); it sees `more_names` too."""
        names = self.names | dict(more_names or {})
        if "=>" not in edit and edit.startswith(": "):
            return eval(edit[2:], names)
        if "=>" not in edit and edit.startswith("= "):
            return self.returning(edit[2:], names)
        text = self.text
        for old, new in replacements(edit, number):
            text = replaced(text, old, new, number)
        return self.compiled(text, names)

    def returning(self, expression: str, names: dict[str, Any]) -> Callable:
        """A function with the right answer's parameters that returns an expression."""
        name = self.oracle.__name__
        parameters = ", ".join(inspect.signature(self.oracle).parameters)
        body = f"    it = {name}({parameters})\n" if re.search(r"\bit\b", expression) else ""
        names[name] = self.oracle
        exec(f"def wrong({parameters}):\n{body}    return {expression}", names)
        return names["wrong"]

    def compiled(self, text: str, names: dict[str, Any] | None = None) -> Callable:
        """The answer that a changed text of the right answer defines."""
        names = dict(names or self.names)
        exec(compile(text, "<edited answer>", "exec"), names)
        return names[self.oracle.__name__]


def source_of(part: Callable) -> str:
    """The text of a function or class, without its decorators."""
    text = textwrap.dedent(inspect.getsource(part))
    return text[re.search(r"^(def|class) ", text, re.MULTILINE).start() :].rstrip()


def replacements(edit: str, number: str) -> list[tuple[list[str] | str, list[str] | str]]:
    """Pairs of what an edit replaces and what it puts there: texts, or lists of whole lines."""
    if is_diff(edit):
        pairs = []
        for line in edit.splitlines():
            if line.startswith("- "):
                if not pairs or pairs[-1][1]:
                    pairs.append(([], []))
                pairs[-1][0].append(line[2:].strip())
            elif not pairs:
                raise ValueError(f"{number}: the edit {edit!r} adds a line and replaces none")
            else:
                pairs[-1][1].append(line[2:])
        return pairs
    if "=>" not in edit:
        raise ValueError(f"{number}: {edit!r} is no edit: it has no =>")
    pairs = []
    for one in edit.split(" ; "):
        old, _, new = one.partition("=>")
        pairs.append((old.strip(), new.strip()))
    return pairs


def replaced(text: str, old: list[str] | str, new: list[str] | str, number: str) -> str:
    """The text after one replacement.

    Raises:
        ValueError: If what is to be replaced does not stand in the text exactly once.
    """
    if isinstance(old, str):
        if text.count(old) != 1:
            raise ValueError(f"{number}: {old!r} stands {text.count(old)} times in the right answer")
        return text.replace(old, new)
    lines = text.splitlines()
    stripped = [line.strip() for line in lines]
    starts = [i for i in range(len(lines)) if stripped[i : i + len(old)] == old]
    if len(starts) != 1:
        raise ValueError(f"{number}: the line {old[0]!r} stands {len(starts)} times in the right answer")
    (start,) = starts
    indent = lines[start][: len(lines[start]) - len(lines[start].lstrip())]
    lines[start : start + len(old)] = [indent + line for line in new]
    return "\n".join(lines)
