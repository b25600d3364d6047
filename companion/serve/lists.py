"""What is answered without a model: small talk, and questions about the course.

The kind of a message (`kinds.py`) decides who answers it:

- small talk gets one of the answers to its kind, which stand in answers.toml;
- a question about the course is answered from the course's lists (`course.py`);
- an order gets a story that the model tells (`orders.py`);
- a question about the story is answered by the model if it is of a form that the model learned, and else by a
  program that reads the story (`after_story.py`, `story_questions.py`).

`Lists` gives the first two, in the terminal, in the app and in the server, and `StoryChat` (`story_chat.py`)
the others. Both read a message once, at their entry (`message.py`).
"""

import re
from collections.abc import Sequence
from dataclasses import replace

from companion.serve.after_story import asks_of_villagers
from companion.serve.course import Course
from companion.serve.course_lists import SMALL_TALK, Answered
from companion.serve.course_question import ASKS, ASKS_WHERE, DIFFERS, CourseQuestion, Nearness
from companion.serve.kinds import (
    ABOUT_STORY,
    ANSWERS,
    CERTAIN,
    IMPROBABLE,
    MAYBE_COURSE,
    MAYBE_TERM,
    NO_ENTRY,
    NO_QUESTIONS,
    OF_COURSE,
    SAID,
    Kind,
    course_probability,
    known_kinds,
    words_of,
)
from companion.serve.message import Question, read_message
from companion.serve.village_words import SHE_OR_HE, village_nouns
from companion.show.judged_text import is_story

IT = re.compile(r"(?i)\b(it|they|them|this thing|that thing|this|these things|he|she)\b")
"""What may mean a language model, where no story was told."""
OF_STORY = re.compile(r"(?i)\b(story|stories|tale|village)\b")
"""What means a story, told or not."""
ASKS_WHAT = re.compile(r"(?i)\W*what\b")
"""How a message begins that asks what something means, and then more."""
OF_TOLD_STORY = re.compile(r"(?i)\bin (the|this|that|your) (story|tale)\b")
"""What asks about a story that was told."""
OF_THE_COURSE = re.compile(r"(?i)\b(course|chapters?|notebooks?|exercises?)\b")
"""What means the course, and no story."""
REFERS = re.compile(r"(?i)\b(it|he|she|they|his|her|their|him|them|others|of the two)\b")
"""What means somebody or something that was named before."""
OF_SOMEBODY = re.compile(
    r"(?i)^\W*(who|how many)\b|^\W*how much \w+ (did|does|has|had) (?!it\b)|^\W*did (?-i:[A-Z])"
    r"|^\W*((what|where|how) )?(did|was|were|does|do|is|has|had) the\b"
)
"""How a question begins that asks about somebody or something of a story."""


def means_a_story(question: str) -> bool:
    """Whether a question that no list knows asks who did something, or about somebody or something named."""
    if OF_THE_COURSE.search(question):
        return False
    return bool(OF_SOMEBODY.match(question) or REFERS.search(question) or village_nouns(question))


def is_about_the_course(asked: CourseQuestion) -> bool:
    """Whether a message is a question about the course.

    It is one if its kind says so, unless it may mean a story, the kind is not CERTAIN, and no list knows a
    word of it; and if it is the same as a listed question. It is none if messages.csv has it with another
    kind, if its kind is of no questions, if it says "in the story", or if it means somebody ("she") and has
    no term. It is one if it asks how many of a term there are. Else it must have little besides terms of the
    course, where its kind leaves that open, or ask with a term and no word of the village, or be near a
    listed question and not improbable.
    """
    probability = course_probability(asked.text)
    if asked.kind in OF_COURSE or asked.nearness == Nearness.SAME:
        is_certain = probability >= CERTAIN and not village_nouns(asked.text)
        return bool(is_certain or asked.entries or asked.nearness or not means_a_story(asked.text))
    if (
        asked.kind in NO_QUESTIONS
        or words_of(asked.text) in known_kinds()
        or OF_TOLD_STORY.search(asked.text)
    ):
        return False
    if asked.kind in (Kind.COUNT, Kind.FACT) and asked.entries and not village_nouns(asked.text):
        return True
    if not asked.entries and any(form.search(asked.text) for form in SHE_OR_HE):
        return False
    if asked.kind in MAYBE_COURSE and asked.entries and not ASKS_WHERE.match(asked.text):
        if len(asked.unnamed) <= len(asked.entries):
            return True
        if asked.kind == Kind.UNCLEAR and ASKS.match(asked.text) and not village_nouns(asked.text):
            return True
    return asked.kind not in ABOUT_STORY and asked.nearness >= Nearness.CLEAR and probability >= IMPROBABLE


def are_about_the_village(parts: Sequence[Question]) -> bool:
    """Whether the first part names something of the village, and the others do so, or say "it"."""
    return bool(village_nouns(parts[0].text)) and all(
        village_nouns(part.text) or REFERS.search(part.text) for part in parts[1:]
    )


def joined(found: list[Answered], n_asked: int) -> Answered:
    """The answers to questions of a message as one, with what is said where some have none."""
    answers = list(dict.fromkeys(line for one in found for line in one.answer.splitlines()))
    if len(found) < n_asked:
        answers.append(SAID["rest"])
    sources = dict.fromkeys(source for one in found for source in one.source.split("; "))
    return found[-1]._replace(answer="\n".join(answers), source="; ".join(sources))


class Lists:
    """What can be answered without a model: small talk, and questions about the course."""

    def __init__(self):
        self.course = Course()

    def find(self, text: str, before: Answered | None = None, is_told: bool = True) -> Answered | None:
        """The answer and its source; None for a message about the village, and for one that nobody answers.

        Where the lists have no answer to the whole of a message, they answer its questions that they have.

        Args:
            text: The message as it was typed.
            before: The last answer, with which "tell me more" goes on.
            is_told: Whether a story was told, which "it" may mean.
        """
        if is_story(text):  # and a question about it
            return None
        message = read_message(text, self.course.mended)
        asked = self.course_question(message.question, before, is_told)
        answer = self.answer(asked, before)
        if len(message.parts) < 2 or words_of(asked.text) in known_kinds():
            return answer
        if are_about_the_village(message.parts):
            return None
        asked_parts: list[CourseQuestion] = []
        found: list[Answered] = []
        for part in message.parts:
            last = found[-1] if found else before
            asked_parts.append(self.course_question(part, last, is_told, is_part=bool(found)))
            answered = self.answer(asked_parts[-1], last)
            if answered and answered.is_full:
                found.append(answered)
        if not found:
            return answer
        if answer and answer.is_full and is_one_question(asked, asked_parts, answer, found):
            is_meaning_asked = asked.nearness == Nearness.SURE and ASKS_WHAT.match(asked.text)
            meanings = [one for one in found if not one.question] if is_meaning_asked else []
            return joined([*meanings, answer], 0)
        return joined(found, sum(part.is_request for part in asked_parts))

    def course_question(
        self, question: Question, before: Answered | None, is_told: bool, is_part: bool = False
    ) -> CourseQuestion:
        """A question with what the lists have of it, and with the term that "it" means after an answer.

        It means the story in questions about one, unless a listed question about the term is near; nothing
        in messages of messages.csv; and no term where the question as it stands is nearer to a listed one,
        unless it is a later part of a message.
        """
        asked = self.course.course_question(question)
        if not is_told:
            asked = self.without_story(asked)
        is_known = words_of(question.text) in known_kinds() and question.kind not in MAYBE_TERM
        if is_known or not before or (asked.kind in ABOUT_STORY and not before.term):
            return asked
        with_term = asked.with_term(before.term)
        if with_term == question.text:
            return asked
        of_term = self.course.course_question(Question.of(with_term))
        if asked.kind in ABOUT_STORY:
            return replace(of_term, kind=Kind.COURSE) if of_term.nearness >= Nearness.CLEAR else asked
        is_listed = asked.nearness >= max(of_term.nearness, Nearness.POSSIBLE)
        is_of_term = is_part or bool(DIFFERS.match(question.text))  # which says "it", and what it is not
        return asked if is_listed and not is_of_term else of_term

    def without_story(self, asked: CourseQuestion) -> CourseQuestion:
        """A question where no story was told: it is about the course if it is near a listed one.

        "It" is then a language model, where that is nearer.
        """
        if words_of(asked.text) in known_kinds() or OF_STORY.search(asked.text) or village_nouns(asked.text):
            return asked
        of_model = self.course.course_question(Question(IT.sub("ChatGPT", asked.text, count=1), asked.kind))
        nearest = of_model if of_model.nearness > asked.nearness else asked
        is_open = asked.kind in (*ABOUT_STORY, Kind.UNCLEAR, Kind.WORLD, *OF_COURSE)
        return replace(nearest, kind=Kind.COURSE) if is_open and nearest.nearness >= Nearness.CLEAR else asked

    def answer(self, asked: CourseQuestion, before: Answered | None) -> Answered | None:
        """The answer to a question as a whole."""
        following = self.course.following(before) if before and asked.kind == Kind.MORE else None
        if following:
            return following
        if asked.kind == Kind.ORDER or not is_about_the_course(asked):
            if asks_of_villagers(asked.text) and words_of(asked.text) not in known_kinds():
                return None
            return Answered(ANSWERS[asked.kind], SMALL_TALK) if asked.kind in ANSWERS else None
        found = self.course.chapter_for(asked) if asked.kind == Kind.CHAPTER else self.course.find(asked)
        if (
            asked.kind == Kind.SIMPLER
            and found
            and before
            and found.term == before.term
            and not found.question
        ):
            return Answered(ANSWERS[Kind.SIMPLER], SMALL_TALK)
        return found or Answered(NO_ENTRY, SMALL_TALK)

    def answer_text(self, text: str) -> str | None:
        """The answer to a message with its source, as one text; None for a message for a model."""
        found = self.find(text)
        return found.with_source() if found else None


def is_one_question(
    asked: CourseQuestion, parts: list[CourseQuestion], answer: Answered, found: list[Answered]
) -> bool:
    """Whether an answer to a whole message is better than those found to its parts.

    It is for a listed question, where at most one part asks something, and where it answers no single part
    and a part is no listed question. It is not where a part names something of the village.
    """
    if any(village_nouns(part.text) for part in parts):
        return False
    if asked.nearness == Nearness.SAME or sum(part.is_request for part in parts) < 2:
        return True
    if asked.nearness == Nearness.SURE and all(part.nearness < Nearness.SURE for part in parts):
        return True
    of_one_part = answer.answer in [one.answer for one in found]
    return not of_one_part and any(part.nearness < Nearness.CLEAR for part in parts)
