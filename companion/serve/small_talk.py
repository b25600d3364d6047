"""Small talk: what people say to a chat besides asking, and what the course's chat answers to it.

A model of the village answers "thank you" with a sentence about a ring. So messages of a few kinds, its
intents, get a fixed answer before the model is asked. small_talk.toml has the intents: each has patterns for
a whole clause of a message, and one answer.
"""

import re
import tomllib
import unicodedata
from collections.abc import Iterable
from difflib import get_close_matches
from pathlib import Path
from typing import NamedTuple

EXAMPLE = "Tell a story about the baker Mara and a red kite."
"""An order that the answerer follows."""


TABLE = tomllib.loads(Path(__file__).with_name("small_talk.toml").read_text("utf-8"))
QUESTIONS = TABLE["questions"]
"""The answer to a question that names nothing of the village."""


class Intent(NamedTuple):
    """A kind of message.

    Args:
        name: What the kind is called.
        patterns: Regular expressions. One of them must match a whole clause.
        answer: What the chat says.
    """

    name: str
    patterns: tuple[str, ...]
    answer: str


def read_intents(table: dict) -> tuple[Intent, ...]:
    """Return the intents of small_talk.toml, with the lists of words and the example in their places."""
    intents = []
    for row in table["intent"]:
        patterns = row["patterns"]
        for name, words in table["words"].items():
            patterns = patterns.replace(f"<{name}>", words)
        answer = row["answer"].replace("<example>", EXAMPLE)
        intents.append(Intent(row["name"], tuple(patterns.splitlines()), answer))
    return tuple(intents)


INTENTS = read_intents(TABLE)
ANSWERS = {intent.name: intent.answer for intent in INTENTS}
ENGLISH_ONLY = ANSWERS["language"]
BRIEFLY = {QUESTIONS: TABLE["briefly"], ANSWERS["capability"]: f"As I said. For example: {EXAMPLE}"}
"""The long answers, and what stands instead of each from the second time on."""
SHORT_FORMS = TABLE["short"]
FOREIGN = frozenset(TABLE["lists"]["foreign"].split())
INTERJECTIONS = frozenset(TABLE["lists"]["interjections"].split())
WORDS = {
    word for intent in INTENTS for pattern in intent.patterns for word in re.findall("[a-z]{4,}", pattern)
}
WORDS -= {"bitch", "damn", "screw", "worst"}
"""The words of the patterns, to which a misspelled word is compared."""


def briefly(answer: str, earlier: Iterable[str]) -> str:
    """Return an answer, or the short one in its place where it was given earlier."""
    return BRIEFLY.get(answer, answer) if answer in earlier else answer


def small_talk(message: str) -> str | None:
    """Return the answer to small talk, or None for a message of which any clause is something else."""
    found = [intent_of(clause) for clause in clauses(message)]
    if not found or None in found:
        return None
    return max(found, key=INTENTS.index).answer


def intent_of(clause: str) -> Intent | None:
    """Return the last intent with a pattern for the whole clause, also without an interjection around it."""
    first, _, rest = clause.partition(" ")
    if first in INTERJECTIONS and rest:
        return intent_of(rest) or (None if " " in rest else intent_of(first))
    before, _, last = clause.rpartition(" ")
    if last in INTERJECTIONS and before:
        return intent_of(before)
    for intent in reversed(INTENTS):
        if any(re.fullmatch(pattern, clause) for pattern in intent.patterns):
            return intent
    return None


def is_foreign(message: str) -> bool:
    """Whether a message is in another script, or has two or more frequent words of another language."""
    letters = [letter for letter in message if letter.isalpha()]
    if sum(letter > "\u024f" for letter in letters) > len(letters) / 2:
        return True
    words = plain(message).split()
    n_foreign = sum(word in FOREIGN for word in words)
    return n_foreign >= 2 and n_foreign >= len(words) / 4


def clauses(message: str) -> list[str]:
    """Return the clauses of a message in plain words."""
    calculation = re.sub(r"(?<=\d)\s*[-+*/x×÷^]\s*(?=\d)", " plus ", message)  # whichever it is
    parts = [plain(part) for part in re.split(r"[.,;:!?\n…-]+", calculation)]
    return [part for part in parts if part]


def plain(text: str) -> str:
    """Return a text in small letters, without marks and accents, and with short forms in full.

    A letter that is repeated three times or more is one: "hiiii" is "hi". A word that is nearly one of
    `WORDS` becomes that word.
    """
    letters = unicodedata.normalize("NFKD", text.lower().replace("’", "'").replace("'", ""))
    letters = re.sub(r"(\w)\1{2,}", r"\1", letters)
    found = []
    for word in re.findall(r"[a-z0-9]+", "".join(one for one in letters if not unicodedata.combining(one))):
        if word in SHORT_FORMS:
            found.append(SHORT_FORMS[word])
        elif len(word) < 4 or word in WORDS or word in FOREIGN:
            found.append(word)
        else:
            found.append((get_close_matches(word, WORDS, 1, 0.8) or [word])[0])
    return " ".join(found)
