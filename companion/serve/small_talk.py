"""Small talk: what people say to a chat besides asking, and what the course's chat answers to it.

A model of the village answers "thank you" with a sentence about a ring. So messages of some kinds get a fixed
answer, which small_talk.toml has, before the model is asked.
"""

import tomllib
from collections.abc import Iterable
from pathlib import Path

EXAMPLE = "Tell a story about the baker Mara and a red kite."
"""An order that the answerer follows."""
TABLE = tomllib.loads(Path(__file__).with_name("small_talk.toml").read_text("utf-8"))
UNCLEAR = TABLE["unclear"].replace("<example>", EXAMPLE)
"""The answer to a message of no kind."""
NO_ENTRY = TABLE["no_entry"]
"""The answer to a question about the course that no list answers."""
ANSWERS = {kind: answer.replace("<example>", EXAMPLE) for kind, answer in TABLE["answers"].items()}
"""The answers by the kinds of messages.csv."""
BRIEFLY = {
    UNCLEAR: TABLE["briefly"],
    ANSWERS["capability"]: f"I tell stories and explain terms. For example: {EXAMPLE}",
}
"""The long answers, and what stands instead of each from the second time on."""


def briefly(answer: str, earlier: Iterable[str]) -> str:
    """Return an answer, or the short one in its place where it was given earlier."""
    return BRIEFLY.get(answer, answer) if answer in earlier else answer
