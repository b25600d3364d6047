"""Small talk: what people say to a chat besides asking, and what the course's chat answers to it.

A model of the village answers "thank you" with a sentence about a ring. So messages of some kinds get a fixed
answer, which small_talk.toml has, before the model is asked.
"""

import tomllib
from collections.abc import Iterable
from pathlib import Path

from companion.serve.kinds import kind_of, plain

EXAMPLE = "Tell a story about the baker Mara and a red kite."
"""An order that the answerer follows."""
TABLE = tomllib.loads(Path(__file__).with_name("small_talk.toml").read_text("utf-8"))
UNSAID = TABLE["unsaid"]
"""The beginning of the answer to a question about a story that nothing in it answers."""
UNCLEAR = TABLE["unclear"].replace("<example>", EXAMPLE)
"""The answer to a message of no kind."""
NO_ENTRY = TABLE["no_entry"]
"""The answer to a question about the course that no list answers."""
ANSWERS = {kind: answer.replace("<example>", EXAMPLE) for kind, answer in TABLE["answers"].items()}
ENGLISH_ONLY = ANSWERS["language"]
BRIEFLY = {UNCLEAR: TABLE["briefly"], ANSWERS["capability"]: f"As I said. For example: {EXAMPLE}"}
"""The long answers, and what stands instead of each from the second time on."""
FOREIGN = frozenset(TABLE["foreign"].split())


def briefly(answer: str, earlier: Iterable[str]) -> str:
    """Return an answer, or the short one in its place where it was given earlier."""
    return BRIEFLY.get(answer, answer) if answer in earlier else answer


def small_talk(message: str) -> str | None:
    """Return the answer to small talk, or None for another message."""
    return ENGLISH_ONLY if is_foreign(message) else ANSWERS.get(kind_of(message))


def is_foreign(message: str) -> bool:
    """Whether a message is in another script, or has two or more frequent words of another language."""
    letters = [letter for letter in message if letter.isalpha()]
    if sum(letter > "\u024f" for letter in letters) > len(letters) / 2:
        return True
    words = plain(message).split()
    n_foreign = len(FOREIGN.intersection(words))
    return n_foreign >= 2 and n_foreign >= len(words) / 4
