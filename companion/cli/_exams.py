"""The tasks of companion eval: questions of the village and of benchmarks, scored as chapter 13 does it."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch

from companion.cli._benchmark_files import (
    FORMATS,
    Item,
    is_benchmark,
    read_benchmark,
    read_number,
    with_shots,
)
from companion.cli._tables import table
from companion.evaluation import Task, choice_scores, cloze, exact_match, multiple_choice, wilson_interval
from companion.runtime.generation.sampling_arguments import continued
from companion.village.tasks import QUESTIONS, questions

KINDS = {kind.replace(" ", "-"): kind for kind in QUESTIONS}
"""The village's kinds of questions, by the names that --tasks takes."""
ALL = "village"
SEEDS = 10**12 + 1
"""The village's questions have seeds from here on, past those of companion prepare: no model has been trained
on their stories, and none of the shipped ones need be told again to be left out."""
LONGEST_ANSWER = 256  # tokens of an answer that the model writes, as in lm-evaluation-harness


@dataclass(frozen=True)
class Exam:
    """A task of the command line. scored: how, as Format in runtime/evaluation/benchmark_files.py has it."""

    name: str
    items: list[Item]
    scored: str

    @property
    def chance(self) -> float | None:
        """The share that guessing gets right; None where there is nothing to choose from."""
        if any(len(item.choices) < 2 for item in self.items):
            return None
        return sum(1 / len(item.choices) for item in self.items) / len(self.items)


def names_of_tasks(typed: str) -> list[str]:
    """The names between commas, each once, `village` as those of all its kinds. ValueError for others."""
    names: list[str] = []
    for name in filter(None, (name.strip() for name in typed.split(","))):
        if name not in KINDS and name != ALL and not is_benchmark(name):
            files = f"or a file of {', '.join(FORMATS)}, such as arc.jsonl or arc:mine.parquet"
            raise ValueError(f"--tasks={name} is no task: name one of {', '.join(KINDS)}, {ALL}, {files}")
        names += KINDS if name == ALL else [name]
    if not names:
        raise ValueError(f"--tasks={typed!r} names no task; try {next(iter(KINDS))}, or {ALL}")
    return list(dict.fromkeys(names))


def exam_of(name: str, n: int, shots: int, seed: int) -> Exam:
    """The first n questions of a task. Errors as of `read_benchmark`."""
    if name in KINDS:
        return Exam(name, village_items(name, n, shots, seed), "sum")
    kind, items = read_benchmark(name, n, shots, seed)
    return Exam(name if name.startswith(f"{kind}:") else f"{kind}:{name}", items, FORMATS[kind].scored)


def village_items(name: str, n: int, shots: int, seed: int) -> list[Item]:
    """n questions of a kind of the village's, each about another new story."""
    drawn = questions(max(n, shots + 1), SEEDS + seed, [KINDS[name]])
    items = [
        Item(asked.prompt, asked.choices, asked.answer, "", f"{asked.rest}\n\n", f"{name}, question {i}")
        for i, asked in enumerate(drawn, 1)
    ]
    return with_shots(items[:n], items, shots, seed)


def check_fit(teller: Any, exam: Exam) -> None:
    """ValueError for a question that the model cannot read: too long for it, or in letters it lacks."""
    for item in exam.items:
        try:
            if exam.scored == "number":
                teller.encode(item.prompt)
            else:
                for choice in item.choices:
                    continued(teller, item.prompt, choice)
        except ValueError as error:
            raise ValueError(f"{item.place}: {error}") from None


def scorer_of(scored: str) -> Callable:
    """(teller, items) -> scores (N,)."""
    return {
        "sum": multiple_choice,
        "letters": by_letters,
        "cloze": cloze,
        "number": partial(exact_match, read=read_number, max_new_tokens=LONGEST_ANSWER),
    }[scored]


def by_letters(teller: Any, items: list[Item]) -> Any:
    """1.0 for each item whose right choice has the highest log-probability per letter, else 0.0: (N,).

    The space before a choice is no letter of it. Source: `acc_norm` of lm-evaluation-harness.
    """
    right = []
    for item, scores in zip(items, choice_scores(teller, items), strict=True):
        letters = torch.tensor([len(choice.removeprefix(" ")) for choice in item.choices])  # (K,)
        right.append(float(item.choices[(scores.double() / letters).argmax()] == item.answer))
    return torch.tensor(right)


def score(teller: Any, exam: Exam) -> int:
    """How many of an exam's questions the model gets right."""
    task = Task(exam.name, lambda n: exam.items[:n], scorer_of(exam.scored))
    return int(task.score(teller, len(exam.items)).sum())


def lines_of(exams: list[Exam], right: list[int]) -> list[str]:
    """A table with a line for each: its name, share right, interval, share by chance, and n."""
    rows = []
    for exam, count in zip(exams, right, strict=True):
        n = len(exam.items)
        low, high = wilson_interval(count, n)
        chance = "–" if exam.chance is None else f"{exam.chance:.3f}"
        rows.append((exam.name, f"{count / n:.3f}", f"{low:.3f} to {high:.3f}", chance, f"{n:,}"))
    return table(rows, ("task", "right", "95 % interval", "by chance", "questions"), right=[1, 2, 3, 4])
