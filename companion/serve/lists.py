"""What is answered without a model: small talk, and questions about the course.

The kind of a message (`kinds.py`) decides who answers it:

- small talk gets one of the answers to its kind, which stand in answers.toml;
- a question about the course is answered from the course's lists (`course.py`);
- an order gets a story that the model tells (`orders.py`);
- a question about the story is answered by the model if it is of a form that the model learned, and else by a
  program that reads the story (`after_story.py`, `story_questions.py`).

`Lists` gives the first two, in the terminal, in the app and in the server, and `StoryChat` (`story_chat.py`)
the others.
"""

import re

from companion.serve.course import Course
from companion.serve.course_lists import SMALL_TALK, Answered
from companion.serve.course_question import ASKS, ASKS_WHERE, Nearness
from companion.serve.kinds import (
    ABOUT_STORY,
    ANSWERS,
    COURTESIES,
    MAYBE_COURSE,
    MAYBE_TERM,
    NO_ENTRY,
    NO_QUESTIONS,
    OF_COURSE,
    SAID,
    kind_of,
    known_kinds,
    question_of,
    words_of,
)
from companion.serve.village_words import halves, village_nouns, without_lead
from companion.show.judged_text import is_story

REFERS = re.compile(r"(?i)\b(it|he|she|they|his|her|their)\b")
"""What means somebody or something that was named before."""


def is_about_the_course(message: str, kind: str, course: Course) -> bool:
    """Whether a message is a question about the course.

    It is one if its kind says so or it is the same as a listed question, and none if messages.csv has it with
    another kind or its kind is of no questions. Else it must have little besides terms of the course, where
    its kind leaves that open, or ask with a term and no word of the village, or be near a listed question.
    """
    nearness = course.nearest(message)[1]
    if kind in OF_COURSE or nearness == Nearness.SAME:
        return True
    if kind in NO_QUESTIONS or words_of(message) in known_kinds():
        return False
    if kind in MAYBE_COURSE and not ASKS_WHERE.match(message):
        entries = course.entries(message)
        n_others = len(course.unnamed(message, entries))
        if entries and n_others <= len(entries):
            return True
        if entries and kind == "unclear" and ASKS.match(message) and not village_nouns(message):
            return True
    if kind == "unclear":
        return nearness >= Nearness.POSSIBLE
    return kind not in ABOUT_STORY and nearness >= Nearness.CLEAR


def is_full_course_answer(found: Answered | None) -> bool:
    """Whether an answer is one of the course's lists to all of a question."""
    return bool(found and found.source != SMALL_TALK and not found.is_partial)


def are_about_the_village(parts: list[str]) -> bool:
    """Whether the first part names something of the village, and the others do so, or say "it"."""
    return bool(village_nouns(parts[0])) and all(
        village_nouns(part) or REFERS.search(part) for part in parts[1:]
    )


def joined(found: list[Answered], n_parts: int) -> Answered:
    """The answers to questions of a message as one, with what is said where some have none."""
    answers = list(dict.fromkeys(one.answer for one in found))
    if len(found) < n_parts:
        answers.append(SAID["rest"])
    sources = dict.fromkeys(one.source for one in found)
    return found[-1]._replace(answer="\n".join(answers), source="; ".join(sources))


class Lists:
    """What can be answered without a model: small talk, and questions about the course."""

    def __init__(self):
        self.course = Course()

    def find(self, message: str, before: Answered | None = None) -> Answered | None:
        """The answer and its source; None for a message about the village, and for one that nobody answers.

        Where the lists have no answer to the whole of a message, they answer its questions that they have.

        Args:
            message: What is asked.
            before: The last answer, with which "tell me more" goes on.
        """
        if is_story(message):  # and a question about it
            return None
        if kind_of(message) == "language":
            return Answered(ANSWERS["language"], SMALL_TALK)
        message = without_lead(message)
        mended = self.course.mended(message)
        if question_of(mended) != mended:
            message = question_of(mended)
        answer = self.find_one(message, before)
        parts = [part for part in halves(message) if kind_of(part) not in COURTESIES]
        if len(parts) < 2:
            return answer
        if are_about_the_village(parts):
            return None
        found = self.found_of_parts(parts, before)
        if not found or (
            is_full_course_answer(answer) and self.is_one_question(message, parts, answer, found)
        ):
            return answer
        return joined(found, len(parts))

    def is_one_question(
        self, message: str, parts: list[str], answer: Answered, found: list[Answered]
    ) -> bool:
        """Whether an answer to a whole message is better than those found to its parts.

        It is for a listed question, and where it answers no single part and a part is no listed question.
        It is not where a part names something of the village.
        """
        if any(map(village_nouns, parts)):
            return False
        if self.course.nearest(message)[1] == Nearness.SAME:
            return True
        of_one_part = answer.answer in [one.answer for one in found]
        return not of_one_part and any(self.course.nearest(part)[1] < Nearness.CLEAR for part in parts)

    def found_of_parts(self, parts: list[str], before: Answered | None = None) -> list[Answered]:
        """The answers to those questions of a message that the lists answer."""
        found: list[Answered] = []
        for part in parts:
            answered = self.find_one(part, found[-1] if found else before)
            if answered and is_full_course_answer(answered):
                found.append(answered)
        return found

    def find_one(self, message: str, before: Answered | None = None) -> Answered | None:
        """The answer to a message as a whole."""
        mended = self.course.mended(message)
        kind = kind_of(mended)
        is_known = words_of(mended) in known_kinds() and kind not in MAYBE_TERM
        if not is_known and kind not in ABOUT_STORY:  # where "it" is the story
            mended = self.course.with_term(mended, before)
        kind = kind_of(mended)
        following = self.course.following(before) if before and kind == "more" else None
        if following:
            return following
        if kind == "order" or not is_about_the_course(mended, kind, self.course):
            return Answered(ANSWERS[kind], SMALL_TALK) if kind in ANSWERS else None
        found = self.course.chapter_for(mended) if kind == "chapter" else self.course.find(mended)
        return found or Answered(NO_ENTRY, SMALL_TALK)

    def said(self, message: str) -> str | None:
        """The answer to a message with its source, as one text; None for a message for a model."""
        found = self.find(message)
        return found.with_source() if found else None
