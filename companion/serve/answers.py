"""The answers that are written down, in small_talk.toml: to small talk, and of a program about a story."""

import tomllib
from collections.abc import Iterable
from pathlib import Path

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


def reworded(answer: str, earlier: Iterable[str]) -> str:
    """Return an answer in its next wording, if it was given earlier and has others."""
    wordings = WORDINGS.get(answer, [answer])
    n_given = sum(one in wordings for one in earlier)
    return wordings[n_given % len(wordings)]
