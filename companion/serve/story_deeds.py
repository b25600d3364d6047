"""What is done in a story, in short sentences, as the judge reads it."""

import re
from collections.abc import Collection, Sequence
from typing import NamedTuple

from companion.serve.kinds import SAID
from companion.serve.village_words import SPARE, content_words
from companion.village.judge import Reading, cut, state_of
from companion.village.machine import VILLAGE, Step

DEEDS = SAID["deeds"]
"""What somebody does in a sentence of a story, by its effects."""
DEEDS_BY_WORDS = SAID["deeds_by_words"]
"""The same by words of the sentence, where these say more."""


class Deed(NamedTuple):
    """What is done in a sentence of a story.

    Attributes:
        text: A short sentence: "Mara found the kite."
        place: Where it is done, or "".
        sentence: The sentence of the story.
    """

    text: str
    place: str
    sentence: str

    @property
    def doers(self) -> list[str]:
        """Who does it: the names before its verb. Of what no person does, it is none."""
        return re.match(r"\w+( and \w+)*", self.text)[0].split(" and ")


def deeds_of(story: str) -> list[Deed]:
    """What is done in a story, in order: of each sentence that the judge believes, its effects."""
    text = " ".join(story.split())
    reading = Reading()
    found = []
    for start, end, matched in cut(text):
        if not matched:
            continue
        step = VILLAGE.read(reading.state, *matched)
        others = [name for name, place in reading.state.place.items() if place == step.said.get("p")]
        verdict = reading.verdict(step)
        if verdict.kind == "contradiction" or verdict.reason == "said already":
            continue
        doer = step.said.get("A", step.said.get("B"))
        place = place_moved_to(step) or step.said.get("p") or reading.state.place.get(doer, "")
        everybody = " and ".join(reading.state.role)
        for deed in deeds_in(step, text[start:end], " and ".join(others) or "nobody", everybody):
            found.append(Deed(deed, place, text[start:end]))
    return found


def place_moved_to(step: Step) -> str:
    """The place to which somebody goes in a sentence; "" where nobody does."""
    moves = [letters[-1] for effect, *letters in step.pattern.effects if effect in ("moves", "all_move")]
    return step.said[moves[0]] if moves else ""


def deeds_in(step: Step, sentence: str, others: str, everybody: str) -> list[str]:
    """What is done in a sentence, in short sentences.

    Args:
        step: The sentence as the judge reads it.
        sentence: Its words.
        others: Those who were at its place before.
        everybody: Those of the story.
    """
    said = step.said | {"others": others, "all": everybody}
    for form, deed in DEEDS_BY_WORDS.items():
        if re.search(form, sentence):
            return [deed.format(**said)]
    said["got"] = next((verb for form, verb in SAID["got"].items() if re.search(form, sentence)), "got")
    found = []
    for effect, *letters in step.pattern.effects:
        if effect in DEEDS and not (effect == "enters" and step.pattern.part == "opening"):
            found.append(DEEDS[effect].format(*[said[letter] for letter in letters], **said))
    return found


def in_short(story: str) -> str:
    """All deeds of a story as one sentence: "Mara found the kite, and then Otto came to the well."."""
    deeds = [deed.text for deed in deeds_of(story)]
    if not deeds:
        return ""
    first, *others = [deed.removesuffix(".") for deed in deeds]
    others = [re.sub("^(The|An?|Some) ", lambda found: found[0].lower(), deed) for deed in others]
    *earlier, last = [first, *others]
    before = f"{', '.join(earlier)}, and then " if earlier else ""
    return f"{before}{last}."


def deeds_with(story: str, words: Collection[str]) -> list[Deed]:
    """The deeds of a story that have all of some words.

    A role also stands for its name, and a place for what is done there.
    """
    roles = state_of(story).role
    stems_asked = content_words(" ".join(words)) - content_words(SPARE)
    found = []
    for deed in deeds_of(story):
        named = [role for name, role in roles.items() if name in deed.text]
        if stems_asked <= content_words(" ".join([deed.text, deed.place, *named])):
            found.append(deed)
    return found


def text_of(deeds: Sequence[Deed]) -> str:
    """Deeds as one text."""
    return " ".join(deed.text for deed in deeds)
