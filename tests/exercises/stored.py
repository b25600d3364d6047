"""Answers to exercises that are kept as text: tests/exercises/answers/chNN.txt.

A file consists of sections. A section begins with a line such as

    == 5.2 right
    == 5.2 wrong: words of the verdict
    == common

and holds either edits of the right answer, one a line, as a check's `mistakes` has them (each makes an
answer), or Python code, whose last definition is the answer. For an exercise whose answer is a number, a line
is an expression that gives one. All sections see the names of the chapter's check, and
what `common` above them defines.
"""

import ast
import importlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from companion.exercises.checker import find
from companion.exercises.notation import OR, Function, alternatives, join_diffs

FOLDER = Path(__file__).parent / "answers"
HEAD = re.compile(r"^== (?:(common)|(\d+\.\d+) (right|wrong)(?:: (.*))?)$", re.MULTILINE)


@dataclass(frozen=True)
class Stored:
    """An answer, whether it is right, and words that its verdict must hold."""

    number: str
    name: str
    right: bool
    words: str
    answer: Any


def stored_answers(path: Path) -> Iterator[Stored]:
    """The answers of a file. Raises ValueError for a section that cannot be read."""
    text = path.read_text(encoding="utf-8")
    heads = list(HEAD.finditer(text))
    names = dict(vars(importlib.import_module(f"companion.exercises.{path.stem}")))
    for i, head in enumerate(heads):
        end = heads[i + 1].start() if i + 1 < len(heads) else len(text)
        body = text[head.end() : end].strip("\n")
        common, number, outcome, words = head.groups()
        if common:
            exec(compile(body, f"<{path.name}>", "exec"), names)
            continue
        answers = answers_of(number, body, names)
        if not answers:
            raise ValueError(f"{path.name}: the section {head.group()!r} holds no answer")
        for name, answer in answers:
            yield Stored(number, name, outcome == "right", words or "", answer)


def answers_of(number: str, body: str, names: dict[str, Any]) -> list[tuple[str, Any]]:
    """The answers of a section, each with a name."""
    exercise = find(number)
    if isinstance(exercise, Function) and not is_code(body):
        source = exercise.mistakes.source
        edits = join_diffs([line for line in body.splitlines() if line.strip()])
        return [(one, source.edited(one, number, names)) for edit in edits for one in alternatives(edit)]
    if not is_code(body):
        expressions = [one for line in body.splitlines() if line.strip() for one in line.split(OR)]
        return [(one, eval(one, dict(names))) for one in expressions]
    scope = dict(names)
    exec(compile(body, f"<answer to {number}>", "exec"), scope)
    last = ast.parse(body).body[-1]
    name = last.targets[0].id if isinstance(last, ast.Assign) else last.name
    return [(name, scope[name])]


def is_code(body: str) -> bool:
    """Whether a section holds Python statements instead of edits or numbers."""
    starts = re.compile(r"def |class |import |from |@|\w+ = ")
    return any(starts.match(line) and "=>" not in line for line in body.split("\n"))
