"""companion chat --think: questions whose answers need steps, and the judge's marks on the steps."""

import random
import re
import sys
from collections.abc import Iterable
from typing import Any

import torch

from companion import load
from companion.cli._shared import check_thinks, typed_lines
from companion.reasoning import draw_texts, majority
from companion.runtime.terminal import Styled, amount
from companion.show.judged_text import marks_for
from companion.village.reasoning import MARKS, StepQuestion, read_question, step_questions
from companion.village.steps import TraceVerdict, judge_trace

HELP = """\
Enter: another story. steps: the steps of the last answer, judged. exit: end (or Ctrl-D).
Or type a question about this story, or a story of your own and a question:
  Otto has five plums. Mara has two plums. Otto gave Mara one. How many plums does Mara have now?"""
RESULTS = {
    (True, True): "The answer is right, and it is proved: the steps are true, and none is missing.",
    (True, False): "The answer is right, but lucky: the steps do not prove it.",
    (False, True): "The answer is wrong, although the steps are true. {}.",
    (False, False): "The answer is wrong. {}.",
}
"""What is said of an answer, by whether it is right, and whether the steps prove it."""


class Thinker:
    """A model that answers questions in steps, one after the other.

    Args:
        options: What was typed after companion chat.
        teller: The model.
    """

    def __init__(self, options: Any, teller: Any):
        self.options = options
        self.teller = teller
        self.marks = marks_for(options.marks, "signs")
        self.random = random.Random(options.seed)
        self.question: StepQuestion | None = None
        self.verdict: TraceVerdict | None = None

    def new_story(self) -> None:
        """Tell a new story, and answer its question."""
        seed = self.random.randrange(10**12)
        [question] = step_questions(1, seed, [self.random.randint(1, 6)])
        print(question.prompt)
        self.answer(question)

    def answer(self, question: StepQuestion) -> None:
        """Print the answer with the steps folded. Of several texts, the answer is that of most."""
        n = self.options.vote or 1
        temperature = self.options.temperature
        if temperature is None:
            temperature = 1.0 if self.options.vote else 0.0
        generator = torch.Generator().manual_seed(self.random.randrange(2**62))
        most = self.options.max_new_tokens
        texts = draw_texts(self.teller, [question.prompt], n, temperature, generator, most).texts
        verdicts = [judge_trace(question, text) for text in texts]
        answers = [without_marks(verdict.answer) for verdict in verdicts]
        chosen = majority(answers)
        shown = answers.index(chosen) if chosen else 0
        self.question = question
        self.verdict = verdicts[shown]
        steps = len(self.verdict.steps)
        about = f"thought {amount(steps, 'step')}"
        if self.options.vote and chosen:
            about += f"; {answers.count(chosen)} of {n} texts say {chosen}"
        elif self.options.vote:
            about += "; no text has an answer"
        if steps:
            about += f"; type steps to see {'it' if steps == 1 else 'them'}"
        print(f"({about})")
        print(f"{chosen}." if chosen else "(no answer)")

    def steps(self) -> None:
        """Print the steps of the last answer with the judge's marks, and whether they prove it."""
        if self.question is None or self.verdict is None:
            raise ValueError("there is no answer yet; press Enter for a story")
        for mark in self.verdict.marks:
            text = without_marks(mark.sentence)
            sentence = Styled(self.marks.sentence(mark, text)) if self.marks else text
            reason = f"  ({mark.reason})" if mark.reason else ""
            print("  ", sentence, reason, sep="")
        found = RESULTS[self.verdict.right, self.verdict.sound]
        print(found.format(f"Right is: {self.question.answer}"))

    def reply(self, text: str) -> None:
        """Do what a line asks for.

        Raises:
            ValueError: If it cannot be read.
        """
        if not text:
            self.new_story()
        elif text.lower().strip("'/") == "steps":
            self.steps()
        elif text.startswith("How many ") and self.question is not None:
            self.answer(read_question(f"{self.question.story} {text}"))
        else:
            self.answer(read_question(text))


def without_marks(text: str) -> str:
    """A text without the tokens that stand around steps and calls."""
    return re.sub("|".join(MARKS), "", text).strip()


def run(options: Any) -> None:
    """Answer what was given with --say, or else what is typed."""
    teller = load(options.model, options.device, revision=options.revision)
    check_thinks(options.model, teller)
    thinker = Thinker(options, teller)
    lines: Iterable[str] = options.say
    if not options.say and sys.stdin is not None:
        lines = typed_lines()
        if sys.stdin.isatty():
            print(f"{HELP}\n")
            thinker.new_story()
    for text in lines:
        try:
            thinker.reply(text.strip())
        except ValueError as error:
            print(f"({error})")
