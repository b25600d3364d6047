"""Who answers a message: small talk, the course's lists, a story of the model, a program, or the model.

The kind of a message (`kinds.py`) decides:

- small talk has one fixed answer for each of its kinds (`small_talk.toml`);
- a question about the course is answered from the course's lists (`course.py`);
- an order gets a story that the model tells (`orders.py`);
- a question about the story is answered by the model if it is of a form that the model learned, and else by a
  program that reads the story (`story_questions.py`).

The first two need no model, so `Lists` answers them in the terminal, in the app and in the server.
`StoryChat` (`story_chat.py`) answers the others, with a model.
"""

from companion.serve.course import ASKS, CLEAR, EXACT, SMALL_TALK, THRESHOLD, Answered, Course
from companion.serve.kinds import kind_of
from companion.serve.small_talk import ANSWERS, NO_ENTRY, TABLE
from companion.serve.village_words import village_nouns
from companion.show.judged_text import is_story

ORDERS = ("order", "more")
"""Kinds of orders for a story."""
LEARNED = ("fact", "sentence")
"""Kinds of questions that the model learned to answer."""
ABOUT_STORY = (*LEARNED, *TABLE["story"], "story", "deeds", "has", "count", "who", "why", "truth")
"""Kinds of questions about a story."""
OF_COURSE = ("course", "chapter")
"""Kinds of questions about the course."""
OPEN = ("unclear", "simpler", "told", "more", "longer", *TABLE["story"])
"""Kinds of messages that are questions about the course where they have a term of it."""


def route(message: str, course: Course) -> str:
    """Return "course", "small talk", "order", "story", or "nobody" for a message that nobody can answer."""
    kind = kind_of(message)
    near = course.nearest(message)[1]
    if kind == "order":
        return "order"
    entries = course.entries(message) if kind in OPEN else []
    is_of_terms = entries and len(course.unnamed(message, entries)) <= len(entries)
    if kind in ABOUT_STORY and near < EXACT and not is_of_terms:
        return "story"
    if kind == "unclear" and entries and ASKS.match(message) and not village_nouns(message):
        return "course"
    if kind in OF_COURSE or near >= (THRESHOLD if kind == "unclear" else CLEAR) or is_of_terms:
        return "course"
    if kind == "more":
        return "order"
    return "small talk" if kind in ANSWERS else "nobody"


class Lists:
    """What can be answered without a model: small talk, and questions about the course."""

    def __init__(self):
        self.course = Course()

    def find(self, message: str, before: Answered | None = None) -> Answered | None:
        """The answer and its source; None for a message about the village, and for one that nobody answers.

        Args:
            message: What is asked.
            before: The last answer, with which "tell me more" goes on.
        """
        if is_story(message):  # and a question about it
            return None
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
            return found or Answered(NO_ENTRY, SMALL_TALK)
        return Answered(ANSWERS[kind], SMALL_TALK) if source == "small talk" else None

    def said(self, message: str) -> str | None:
        """The answer to a message with its source, as one text; None for a message for a model."""
        found = self.find(message)
        return found.with_source() if found else None
