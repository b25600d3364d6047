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
TELLS = re.compile(
    rf"(?i)^\W*((?!(?:{BEGINS_QUESTION}|and)\b)\w+[,!.]* )?"
    r"(i|im|we|my|our|its?|s?he|they|this|that|there)\b[^?]*$"
)
"""What tells something, and asks nothing."""
LEAD = re.compile(
    r"(?i)^(ok|okay|oh|hm+|haha|right|well|and|but|so|no|sorry|wait)\b[\s,.!]*"
    r"((and|but|so|fine|i meant?|i wanted to ask)\b[\s,.!]*)?"
    rf"(?=({BEGINS_QUESTION})\b)"
)
"""What stands before a question and says nothing."""
ASKS_POLITELY = re.compile(
    r"(?i)^\W*(?:sorry,? |so,? |ok,? |and )?(?:but )?(?:(?:just )?(?:out of )?curious|quick question"
    r"|(?:just )?a (?:quick )?question"
    r"|(?:may|can|could|might) i (?:just |quickly |also )?ask(?: you)?"
    r"|(?:can|could|would) (?:you|u) (?:please |kindly |perhaps )?tell (?:me|us)"
    r"|i(?:['’]?m| am| was)? (?:just |also )?wonder(?:ed|ing)?(?: about)?"
    r"|i(?:['’]d| would) (?:really |also )?(?:like|love) to (?:know|ask|understand)"
    r"|(?:i )?(?:just )?want(?:ed)? to (?:know|ask))\b[\s,.:;-]*"
    rf"(?=(?:{BEGINS_QUESTION})\b)"
)
"""What makes a question polite: "may I ask who wrote you"."""
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
TURNED = re.compile(
    r"(?i)^\W*((?:the )?\w+),? (?:(?:he|she|it) )?(is|was|are|were) (who|whose|where)( now)?\W*$"
)
"""A question of which the first word stands last: "the goat is where"."""
COLOR_LAST = re.compile(r"(?i)^\W*((?:the )?\w+) (?:is |has |was )?(?:what |which )?(?:colou?r)\W*$")
"""A question for a color that begins with the thing: "the boat what color"."""
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
    question = ASKS_POLITELY.sub("", LEAD.sub("", TAIL.sub("", message.strip())))
    question = IF_RIGHT.sub(r"\2 \1 \3?", IF_TRUE.sub(r"\2 \1 ", question))
    if not village_nouns(question):
        return question
    question = COLOR_LAST.sub(r"what color is \1?", TURNED.sub(r"\3 \2 \1?", question))
    return TAG.sub(r"Did \1?", question)


def halves(message: str) -> list[str]:
    """The questions and sentences of a message."""
    parts = [without_lead(part) for part in HALVES.split(message.strip())]
    return [part for part in parts if says_something(part)] or [message]


def says_something(part: str) -> bool:
    """Whether a part of a message has a content word, stands in messages.csv, or is a whole question."""
    is_question = re.match(rf"(?i)({BEGINS_QUESTION})( \w+){{3}}", part)
    return bool(content_words(part) or words_of(part) in known_kinds() or is_question)


def story_and_question(message: str) -> tuple[str, str]:
    """The story that a message tells and its last sentence, which asks; else "" and the message."""
    *said, question = re.split(SENTENCES, message.strip())
    return (" ".join(said), question) if is_story(" ".join(said)) else ("", message)


def read_message(text: str, mended: Callable[[str], str]) -> Message:
    """Read a message: its story, its question, the parts of this, and their kinds.

    A question with nothing but courtesies and doubts beside it is read alone: "Hm. Is that true?". So is a
    courtesy beside what is unclear: "She loves it! Thank you". What is unclear and asks nothing is "told".

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
    question = Question.of(question_text)
    if question.kind == Kind.UNCLEAR and TELLS.match(question_text) and not village_nouns(question_text):
        question = Question(question_text, Kind.ABOUT_SELF)
    is_courtesy = question.kind in COURTESIES and len(questions) == 1 and questions[0].kind == Kind.UNCLEAR
    if len(all_parts) > 1 and len(questions) == 1 and not is_courtesy:
        return Message(typed, story, questions[0], (questions[0],))
    return Message(typed, story, question, parts or (question,))
