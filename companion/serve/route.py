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

from companion.serve.course import (
    ASKS,
    CLEAR,
    EXACT,
    ONLY_TERMS,
    SMALL_TALK,
    THRESHOLD,
    WHERE,
    Answered,
    Course,
)
from companion.serve.kinds import kind_of
from companion.serve.village_words import halves, village_nouns
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
    similarity = course.nearest(message)[1]
    if kind == "order":
        return "order"
    entries = course.entries(message) if kind in OPEN and not WHERE.match(message) else []
    is_of_terms = entries and len(course.unnamed(message, entries)) <= len(entries)
    if kind in ABOUT_STORY and similarity < EXACT and not is_of_terms:
        return "story"
    if kind == "unclear" and entries and ASKS.match(message) and not village_nouns(message):
        return "course"
    if kind in OF_COURSE or similarity >= (THRESHOLD if kind == "unclear" else CLEAR) or is_of_terms:
        return "course"
    if kind == "more":
        return "order"
    return "small talk" if kind in ANSWERS else "nobody"


def reworded(answer: str, earlier: Iterable[str]) -> str:
    """Return an answer in its next wording, if it was given earlier and has others."""
    wordings = WORDINGS.get(answer, [answer])
    n_given = sum(one in wordings for one in earlier)
    return wordings[n_given % len(wordings)]


def is_from_lists(found: Answered | None) -> bool:
    """Whether an answer is one of the course's lists to all of a question."""
    return bool(found and found.source != SMALL_TALK and not found.answer.startswith(ONLY_TERMS))


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
        answer = self.find_one(message, before)
        parts = halves(message)
        is_of_village = len(parts) > 1 and any(map(village_nouns, parts))
        if is_from_lists(answer) and not is_of_village:
            return answer
        found: list[Answered] = []
        for part in parts:
            answered = self.find_one(part, found[-1] if found else before)
            if is_from_lists(answered):
                found.append(answered)
        if not found or len(parts) == 1:
            return answer
        answers = [one.answer for one in found] + [SAID["rest"]] * (len(found) < len(parts))
        return Answered("\n".join(answers), "; ".join(dict.fromkeys(one.source for one in found)))

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
        if source == "course":
            found = self.course.chapter_for(mended) if kind == "chapter" else self.course.find(mended)
            section = "" if found else self.course.nearest_section(mended)
            return found or Answered(
                SAID["near_section"].format(section) if section else NO_ENTRY, SMALL_TALK
            )
        return Answered(ANSWERS[kind], SMALL_TALK) if source == "small talk" else None

    def said(self, message: str) -> str | None:
        """The answer to a message with its source, as one text; None for a message for a model."""
        found = self.find(message)
        return found.with_source() if found else None
