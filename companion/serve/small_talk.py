"""Small talk: what people say to a chat besides asking, and what the course's chat answers to it.

A model of the village answers "thank you" with a sentence about a ring. So messages of some kinds get a fixed
answer, which small_talk.toml has, before the model is asked.
"""

import tomllib
from collections.abc import Iterable
from pathlib import Path

EXAMPLE = "Tell a story about the baker Mara and a red kite."
"""An order that the answerer follows."""
TABLE = tomllib.loads(
    Path(__file__).with_name("small_talk.toml").read_text("utf-8").replace("<example>", EXAMPLE)
)
ANSWERS = {kind: answers[0] for kind, answers in TABLE["answers"].items()}
"""The answers by the kinds of messages.csv."""
UNCLEAR = TABLE["unclear"][0]
"""The answer to a message of no kind."""
NO_ENTRY = TABLE["no_entry"][0]
"""The answer to a question about the course that no list answers."""
WORDINGS = {
    answers[0]: answers for answers in [*TABLE["answers"].values(), TABLE["unclear"], TABLE["no_entry"]]
}
"""The wordings of an answer, by the first one."""


def reworded(answer: str, earlier: Iterable[str]) -> str:
    """Return an answer in its next wording, if it was given earlier and has others."""
    wordings = WORDINGS.get(answer, [answer])
    n_given = sum(one in wordings for one in earlier)
    return wordings[n_given % len(wordings)]
