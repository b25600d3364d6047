"""Who answers a message: small talk, the course's lists, a story of the model, a program, or the model.

The kind of a message (`kinds.py`) decides:

- small talk has one fixed answer for each of its kinds (`small_talk.toml`);
- a question about the course is answered from the course's lists (`course.py`);
- an order gets a story that the model tells (`orders.py`);
- a question about the story is answered by the model if it is of a form that the model learned, and else by a
  program that reads the story (`story_questions.py`).

small_talk.toml also has what is said of a whole story, and what is said where nothing is found. The first two
kinds of answers need no model, so `Lists` answers them in the terminal, in the app and in the server.
`StoryChat` (`story_chat.py`) answers the others, with a model.
"""

import tomllib
from collections.abc import Iterable
from pathlib import Path

from companion.serve.course import ASKS, CLEAR, EXACT, THRESHOLD, WHERE, Course
from companion.serve.course_lists import SMALL_TALK, Answered
from companion.serve.kinds import kind_of
from companion.serve.village_words import halves, village_nouns, without_lead
from companion.show.judged_text import is_story

EXAMPLE = "Tell a story about the baker Mara and a red kite."
"""An order that the answerer follows."""
SAID = tomllib.loads(
    Path(__file__).with_name("small_talk.toml").read_text("utf-8").replace("<example>", EXAMPLE)
)
ANSWERS = {kind: answers[0] for kind, answers in SAID["answers"].items()}
"""The answers to small talk, by the kinds of messages.csv."""
UNCLEAR = SAID["unclear"][0]
"""The answer to a message of no kind."""
NO_ENTRY = SAID["no_entry"][0]
"""The answer to a question about the course that no list answers."""
WORDINGS = {answers[0]: answers for answers in [*SAID["answers"].values(), SAID["unclear"], SAID["no_entry"]]}
"""The wordings of an answer, by the first one."""
ORDERS = ("order", "more")
"""Kinds of orders for a story."""
LEARNED = ("fact", "sentence")
"""Kinds of questions that the model learned to answer."""
ABOUT_STORY = (*LEARNED, *SAID["story"], "story", "deeds", "has", "count", "who", "why", "truth")
"""Kinds of questions about a story."""
OF_COURSE = ("course", "chapter")
"""Kinds of questions about the course."""
OPEN = ("unclear", "simpler", "told", "more", "longer", *SAID["story"])
"""Kinds of messages that are questions about the course where they have a term of it."""


def route(message: str, course: Course) -> str:
    """Return "course", "small talk", "order", "story", or "nobody" for a message that nobody can answer."""
    kind = kind_of(message)
    if kind == "order":
        return "order"
    if is_about_the_course(message, kind, course):
        return "course"
    if kind in ABOUT_STORY:
        return "story"
    if kind == "more":
        return "order"
    return "small talk" if kind in ANSWERS else "nobody"


def is_about_the_course(message: str, kind: str, course: Course) -> bool:
    """Whether a message is of such a kind, is much like a listed question, or has terms of the course."""
    similarity = course.nearest(message)[1]
    if kind in OF_COURSE or similarity >= EXACT:
        return True
    if kind in OPEN and not WHERE.match(message):
        entries = course.entries(message)
        n_others = len(course.unnamed(message, entries))
        if entries and n_others <= len(entries):
            return True
        if entries and kind == "unclear" and ASKS.match(message) and not village_nouns(message):
            return True
    if kind == "unclear":
        return similarity >= THRESHOLD
    return kind not in ABOUT_STORY and similarity >= CLEAR


def reworded(answer: str, earlier: Iterable[str]) -> str:
    """Return an answer in its next wording, if it was given earlier and has others."""
    wordings = WORDINGS.get(answer, [answer])
    n_given = sum(one in wordings for one in earlier)
    return wordings[n_given % len(wordings)]


def is_from_lists(found: Answered | None) -> bool:
    """Whether an answer is one of the course's lists to all of a question."""
    return bool(found and found.source != SMALL_TALK and not found.is_partial)


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
        answer = self.find_one(message, before)
        parts = halves(message)
        if len(parts) == 1:
            return answer
        if is_from_lists(answer) and not any(map(village_nouns, parts)):
            return answer
        return self.find_parts(parts, before) or answer

    def find_parts(self, parts: list[str], before: Answered | None = None) -> Answered | None:
        """The answers to those questions of a message that the lists answer."""
        found: list[Answered] = []
        for part in parts:
            answered = self.find_one(part, found[-1] if found else before)
            if is_from_lists(answered):
                found.append(answered)
        if not found:
            return None
        answers = [one.answer for one in found]
        if len(found) < len(parts):
            answers.append(SAID["rest"])
        sources = dict.fromkeys(one.source for one in found)
        return found[-1]._replace(answer="\n".join(answers), source="; ".join(sources))

    def find_one(self, message: str, before: Answered | None = None) -> Answered | None:
        """The answer to a message as a whole."""
        mended = self.course.mended(message)
        if kind_of(mended) not in ABOUT_STORY:  # where "it" is the story
            mended = self.course.with_term(mended, before)
        kind = kind_of(mended)
        following = self.course.following(before) if before and kind == "more" else None
        if following:
            return following
        source = route(mended, self.course)
        if source == "small talk":
            return Answered(ANSWERS[kind], SMALL_TALK)
        if source != "course":
            return None
        found = self.course.chapter_for(mended) if kind == "chapter" else self.course.find(mended)
        if found:
            return found
        section = self.course.nearest_section(mended)
        return Answered(SAID["near_section"].format(section) if section else NO_ENTRY, SMALL_TALK)

    def said(self, message: str) -> str | None:
        """The answer to a message with its source, as one text; None for a message for a model."""
        found = self.find(message)
        return found.with_source() if found else None
