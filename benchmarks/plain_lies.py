"""Why a sentence of a village story is a plain lie: what is true instead, and the sentence that said so."""

from typing import NamedTuple

from companion.village.facts import State
from companion.village.judge import Reading, introduced
from companion.village.machine import VILLAGE, Step
from companion.village.words import number_word


class Lie(NamedTuple):
    """What a plain lie contradicts: "Leo is at the inn.", and which fact that is: ("place", "Leo")."""

    truth: str
    fact: tuple[str, str] | None


def plain_reason(sentences: list[str]) -> str:
    """Why the last sentence is a plain lie: what is true instead, with the sentence that said so.

    The judge also calls false what a reader may find odd only, such as a find by somebody who has something
    in hand already, a second button in a story, or a thing that nobody holds any more. A plain lie
    contradicts what a sentence said of the same person or thing.

    Args:
        sentences: The sentences of a story, the false one last.

    Returns:
        Such as "Leo is at the inn. Sentence 2 said: “The crow Leo walked from the mill to the inn.”"; "" if
        the last sentence is no plain lie.
    """
    reading = Reading()
    said_in: dict[tuple[str, str], int] = {}
    facts: dict[tuple[str, str], object] = {}
    for i, sentence in enumerate(sentences):
        matched = VILLAGE.match(sentence, 0)
        if matched is None:
            return ""
        step = VILLAGE.read(reading.state, *matched)
        lie = plain_lie(reading.state, step)
        verdict = reading.verdict(step)
        before, facts = facts, facts_of(reading.state)
        said_in.update({fact: i for fact, value in facts.items() if before.get(fact) != value})
    if verdict.kind != "contradiction" or lie is None:
        return ""
    if lie.fact is None:
        return lie.truth
    source = said_in[lie.fact]
    return f"{lie.truth} Sentence {source + 1} said: “{sentences[source]}”"


def facts_of(state: State) -> dict[tuple[str, str], object]:
    """What is true in a state, fact by fact, so that two states can be compared."""
    facts: dict[tuple[str, str], object] = {}
    for name in state.role:
        facts["role", name] = state.role[name]
        facts["place", name] = state.place[name]
    for name, count in state.goods.items():
        facts["count", name] = count
    for name, thing in state.thing.items():
        facts["holder", thing.noun] = name
        facts["color", thing.noun] = thing.color
    for noun, (color, _) in state.lying.items():
        facts["color", noun] = color
    return facts


def plain_lie(state: State, step: Step) -> Lie | None:
    """The first word of a sentence that contradicts what was told of the same person or thing."""
    for name, role in introduced(step.pattern):
        lie = other_role(state, step.said[name], step.said[role])
        if lie:
            return lie
    is_swap = any(effect == "swaps" for effect, *_ in step.pattern.effects)
    for choice in step.choices:
        if choice.is_right:
            continue
        slot, word, options, _ = choice
        earlier = [step.said[letter] for letter in slot.args]
        if slot.rule == "who_is":
            lie = other_role(state, word, earlier[0])
        elif slot.rule == "holder_of" and not is_swap:
            lie = other_holder(state, word, step.said)
        elif slot.rule in ("held_color", "intact_color", "givable_color", "lying_color"):
            lie = other_color(state, word, step.said)
        elif slot.rule == "place":
            lie = other_place(state, earlier[0], word)
        elif slot.rule == "at":
            lie = other_place(state, word, earlier[0])
        elif slot.kind == "number":
            lie = other_number(state, slot.rule, earlier, options, step.said)
        else:
            lie = None
        if lie:
            return lie
    return None


def other_role(state: State, name: str, role: str) -> Lie | None:
    """A lie about the role of somebody who is in the story."""
    true_role = state.role.get(name, role)
    return None if true_role == role else Lie(f"{name} is the {true_role}.", ("role", name))


def other_place(state: State, name: str, place: str) -> Lie | None:
    """A lie about the place of somebody who is in the story."""
    true_place = state.place.get(name, place)
    return None if true_place == place else Lie(f"{name} is at the {true_place}.", ("place", name))


def other_holder(state: State, name: str, said: dict[str, str]) -> Lie | None:
    """A lie about who has a thing that somebody else has, and has not borrowed.

    A thing of another color may be another thing.
    """
    noun = said["n"]
    for holder, thing in state.thing.items():
        same = thing.noun == noun and said.get("c", thing.color) == thing.color
        if same and holder != name and name in state.role and noun not in state.owner:
            return Lie(f"{holder} has the {noun}.", ("holder", noun))
    return None


def other_color(state: State, color: str, said: dict[str, str]) -> Lie | None:
    """A lie about the color of the thing that this person has, or that lies at this place."""
    noun = said["n"]
    thing = state.thing.get(said.get("A", ""))
    if thing and thing.noun == noun and thing.color != color:
        return Lie(f"The {noun} is {thing.color}.", ("color", noun))
    true_color, place = state.lying.get(noun, (color, ""))
    if true_color != color and said.get("p") == place:
        return Lie(f"The {noun} is {true_color}.", ("color", noun))
    return None


def other_number(
    state: State, rule: str, earlier: list[str], options: list[str], said: dict[str, str]
) -> Lie | None:
    """A lie about how many there are, or about a sum or a difference."""
    if len(options) != 1:
        return None
    (right,) = options
    if rule == "total":
        return Lie(f"{earlier[0].capitalize()} and {earlier[1]} make {right}.", None)
    if rule == "minus":
        return Lie(f"{earlier[0].capitalize()} less {earlier[1]} leaves {right}.", None)
    name = earlier[0]
    n, goods = state.goods[name]
    if said.get("g", goods) != goods:
        return None
    had = number_word(n)
    fact = ("count", name)
    if rule == "count":
        return Lie(f"{name} has {had} {goods}.", fact)
    if rule == "added":
        return Lie(f"{name} had {had} {goods}, and {earlier[1]} more make {right}.", fact)
    return Lie(f"{name} had {had} {goods}, and {had} less {earlier[1]} leaves {right}.", fact)
