"""A message as the chat reads it: once, before anybody answers it."""

import re
from collections.abc import Callable
from typing import NamedTuple

from companion.serve.kinds import COURTESIES, Kind, is_foreign, kind_of, known_kinds, words_of
from companion.serve.village_words import WORDS, content_words, village_nouns
from companion.show.judged_text import is_story

SENTENCES = r"(?<=[.!?])\s+"
"""Between two sentences of a message."""
HALVES = re.compile(WORDS["asks"]["halves"])
"""What stands between two questions of a message."""
BEGINS_QUESTION = r"wh\w+|how|is|are|was|were|do|does|did|can|could|should|will|would|has|have"
"""How a question begins."""
LEAD = re.compile(
    r"(?i)^(ok|okay|oh|hm+|haha|right|well|and|but|so|no|sorry|wait)\b[\s,.!]*"
    r"((and|but|so|fine|i meant?|i wanted to ask)\b[\s,.!]*)?"
    rf"(?=({BEGINS_QUESTION})\b)"
)
"""What stands before a question and says nothing."""
TAIL = re.compile(
    r"(?i)[\s,;]+(to be honest|tbh|honestly|lol|haha|btw|by the way|tho|though|rn|atm|or nah|bro|dude"
    r"|please|pls|plz)\W*$"
)
"""What stands behind a message and says nothing."""
IF_RIGHT = re.compile(
    r"(?i)^\W*(?:so |and )?((?:the )?\w+) (?:still )?(is|was|has|had) (?!not\b)(.+?)"
    r"(?:,? (?:is|was|has|had|does|did)n['’]?t (?:it|he|she|they)"
    r"|, (?:right|correct)|,? (?:right|correct)(?=\W*\?))\W*$"
)
"""What asks whether something is true, as "Mara has the key, right?"."""
TAG = re.compile(
    r"(?i)^\W*(?:so |and |but )?(?!.*\b(?:you|your|i|course|model)\b)"
    r"(?!(?:is|was|are|do|does|did|wh\w+|how)\b)(.+?),? "
    r"(?:right|correct|no|isn['’]?t it|is that right|or not)\?\W*$"
)
"""What tells something and asks whether it is so."""
IF_TRUE = re.compile(r"(?i)^\W*is it true that ((?:the )?\w+) (is|was|has|had) ")
"""How a question begins that asks whether something is true."""


class Question(NamedTuple):
    """A question, or another message, and its kind.

    Attributes:
        text: The question.
        kind: The kind that `kind_of` finds: a Kind, or another of messages.csv.
    """

    text: str
    kind: str

    @classmethod
    def of(cls, text: str) -> "Question":
        """The question with its kind."""
        return cls(text, kind_of(text))


class Message(NamedTuple):
    """What somebody typed.

    Attributes:
        typed: The message, without what stands before or behind it and says nothing.
        story: The story that it tells before it asks, or "".
        question: What it asks: its only question, or all of it.
        parts: Its questions and sentences, without courtesies.
    """

    typed: str
    story: str
    question: Question
    parts: tuple[Question, ...]


def without_lead(message: str) -> str:
    """A question without "ok, and", "lol", "is it true that" and "right?" around it."""
    question = LEAD.sub("", TAIL.sub("", message.strip()))
    question = IF_RIGHT.sub(r"\2 \1 \3?", IF_TRUE.sub(r"\2 \1 ", question))
    return TAG.sub(r"Did \1?", question) if village_nouns(question) else question


def halves(message: str) -> list[str]:
    """The questions and sentences of a message."""
    parts = [without_lead(part) for part in HALVES.split(message.strip())]
    return [part for part in parts if content_words(part) or words_of(part) in known_kinds()] or [message]


def story_and_question(message: str) -> tuple[str, str]:
    """The story that a message tells and its last sentence, which asks; else "" and the message."""
    *said, question = re.split(SENTENCES, message.strip())
    return (" ".join(said), question) if is_story(" ".join(said)) else ("", message)


def read_message(text: str, mended: Callable[[str], str]) -> Message:
    """Read a message: its story, its question, the parts of this, and their kinds.

    A question with nothing but courtesies and doubts beside it is read alone: "Hm. Is that true?".

    Args:
        text: The message as it was typed.
        mended: Mends typing errors: in words of the course, or in words of the village.
    """
    typed = without_lead(text)
    story, question_text = story_and_question(typed)
    if not is_foreign(question_text):
        question_text = mended(question_text)
    all_parts = [Question.of(part) for part in halves(question_text)]
    parts = tuple(part for part in all_parts if part.kind not in COURTESIES)
    questions = [part for part in parts if part.kind != Kind.DOUBT]
    if len(all_parts) > 1 and len(questions) == 1:
        return Message(typed, story, questions[0], (questions[0],))
    question = Question.of(question_text)
    return Message(typed, story, question, parts or (question,))
