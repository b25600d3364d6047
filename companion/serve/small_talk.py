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
        patterns = filled(row, table["words"]).get("patterns", "")
        answer = row["answer"].replace("<example>", EXAMPLE)
        intents.append(Intent(row["name"], tuple(patterns.splitlines()), answer))
    return tuple(intents)


def filled(patterns: dict[str, str], lists: dict[str, str]) -> dict[str, str]:
    """Return the patterns with the lists of words in their places."""
    found = dict(patterns)
    for name, words in lists.items():
        found = {key: pattern.replace(f"<{name}>", words) for key, pattern in found.items()}
    return found


UNSAID = TABLE["unsaid"]
"""The beginning of the answer to a question about a story that nothing in it answers."""
INTENTS = read_intents(TABLE)
ANSWERS = {intent.name: intent.answer for intent in INTENTS}
ACKNOWLEDGED = next(intent for intent in INTENTS if intent.name == "acknowledgement")
ENGLISH_ONLY = ANSWERS["language"]
BRIEFLY = {QUESTIONS: TABLE["briefly"], ANSWERS["capability"]: f"As I said. For example: {EXAMPLE}"}
"""The long answers, and what stands instead of each from the second time on."""
SHORT_FORMS = TABLE["short"]
FOREIGN = frozenset(TABLE["lists"]["foreign"].split())
INTERJECTIONS = frozenset(TABLE["lists"]["interjections"].split())
FILLERS = frozenset(TABLE["lists"]["fillers"].split())
LOOSE = filled(TABLE["loose"], TABLE["words"])
"""Patterns of what is somewhere in a message of a kind, for a message that nothing else answers."""
WORDS = set(re.findall("[a-z]{4,}", " ".join(LOOSE.values())))
WORDS |= {
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


def family_of(message: str) -> str:
    """Return the first kind of `LOOSE` of which something is in a message; "" where nothing is."""
    text = ". ".join(clauses(message))
    return next((name for name, pattern in LOOSE.items() if re.search(pattern, text)), "")


def intent_of(clause: str) -> Intent | None:
    """Return the intent of a clause, also without its fillers; of two phrases in it, the later intent."""
    words = clause.split()
    short = " ".join(word for word in words if word not in FILLERS)
    found = intent_of_phrase(clause) or (intent_of_phrase(short) if short != clause else None)
    if found or not short:
        return found or ACKNOWLEDGED
    pairs = []
    for i in range(1, min(len(words), 12)):
        pair = (intent_of_phrase(" ".join(words[:i])), intent_of_phrase(" ".join(words[i:])))
        pairs += [pair] if all(pair) and pair[1].name not in ("doubt", "greeting") else []
    return max(pairs[0], key=INTENTS.index) if pairs else None


def intent_of_phrase(clause: str) -> Intent | None:
    """Return the last intent with a pattern for the whole phrase, also without an interjection around it."""
    first, _, rest = clause.partition(" ")
    if first in INTERJECTIONS and rest:
        return intent_of_phrase(rest) or (None if " " in rest else intent_of_phrase(first))
    before, _, last = clause.rpartition(" ")
    if last in INTERJECTIONS and before:
        return intent_of_phrase(before)
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
