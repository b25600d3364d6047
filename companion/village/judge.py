"""The judge: what is true in any text, sentence by sentence.

A sentence of the village is one of three things in the story that was told before it.

- "ok": the village could say it here.
- "contradiction": it is false. What was told rules it out: somebody or something that is not in this story; a
  wrong holder, place, color, role, mood, day, number or sum. A person has one thing in hand and one sort of
  food; there is one thing of each noun; nobody gives away what is borrowed, or breaks what is broken. What
  would need more than that is ruled out too.
- "misplaced": nothing told is against it, but the village would not say it here. It was said before and still
  holds; the story has not begun, is over, or is too short or too long for it; nothing has happened since a
  pause; a role or a sort of food comes up as if for the first time; three nuts are not counted down.

A sentence that is false in any part is a contradiction, however badly placed. All else is "unknown": no
sentence of the village.

How the text is read on:

- A contradiction, and what is unknown, change nothing. What follows is judged as if they had been left out.
- A misplaced sentence is believed, so that what builds on it is judged rightly; one that was said before adds
  nothing. But it is no step of the story, which gets neither longer nor to its end by it.
- White space never counts: a text is read with one space between two words.

Nothing is gained by repeating. A misplaced sentence proves no memory: of its recalled words only wrong ones
count. In a contradiction no word counts that echoes the sentence itself. Neither has recalled words where it
was said before. And no text has more sentences that are ok than a story has.

`Reading.verdict` decides between the first three, and `falsehood` says what is false.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Set
from dataclasses import dataclass, field

from companion.village.facts import State
from companion.village.machine import CAST, VILLAGE, Choice, Pattern, Step
from companion.village.rules import RULES, eater, exists
from companion.village.words import KINDS, number

LONGEST_SENTENCE = 40  # words; the village's own have 27 at most
ECHOES = {"same", "total", "minus", "pronoun"}  # rules whose word follows from the sentence, not the story
NOBODY_INTRODUCED = "the story introduced nobody"

_SENTENCE_END = re.compile(r"[.!?]\"?(?= [A-Z\"]|\Z)")
_MANY_WORDS = re.compile(rf"(?:\S+ ){{{LONGEST_SENTENCE}}}")


@dataclass(frozen=True)
class Verdict:
    """What the judge says of one sentence; `kind` is "ok", "misplaced", "contradiction" or "unknown"."""

    sentence: str
    kind: str
    reason: str
    recalls: tuple[tuple[str, bool], ...] = field(default=(), repr=False)  # recalled words, and whether right
    of_nobody: bool = field(default=False, repr=False)  # false because the story introduced nobody


def judge(text: str) -> list[Verdict]:
    """Judge any text, sentence by sentence: "ok", or why not; see the module for what each verdict means."""
    return read(text)[0]


def state_of(text: str) -> State:
    """The state after a text that anybody told: what the judge believes of it."""
    return read(text)[1]


def read(text: str) -> tuple[list[Verdict], State]:
    """The verdicts on the sentences of a text, and the state after it."""
    text = " ".join(text.split())
    reading = Reading()
    verdicts = []
    for start, end, matched in cut(text):
        if matched:
            verdicts.append(reading.verdict(VILLAGE.read(reading.state, *matched)))
        else:
            verdicts.append(Verdict(text[start:end], "unknown", "no sentence of this village"))
    return verdicts, reading.state


class Reading:
    """A text that is being judged: what is true so far, and what was said."""

    def __init__(self) -> None:
        self.state = State()
        self.accepted: dict[str, None] = {}  # sentences that were believed, in order
        self.denied: set[str] = set()  # contradictions

    def verdict(self, step: Step) -> Verdict:
        """Judge the next sentence, and believe it unless it is false."""
        if step.possible:
            VILLAGE.advance(self.state, step.pattern, step.said, step.text)
            return self.believed(Verdict(step.text, "ok", "", recalled(step)))
        if self.again(step):
            return self.believed(Verdict(step.text, "misplaced", "said already"))
        wrong = falsehood(self.state, step)
        if wrong:
            return self.contradiction(step, wrong)
        reason = self.untimely(step) or avoided(step)
        self.state = after(self.state, step)
        mistakes = tuple(recall for recall in recalled(step, ECHOES) if not recall[1])
        return self.believed(Verdict(step.text, "misplaced", reason, mistakes))

    def contradiction(self, step: Step, wrong: str) -> Verdict:
        """The verdict on a false sentence. Said again, it has no recalled words."""
        of_nobody = not self.state.role and step.pattern.part != "opening"
        if of_nobody:
            begin = "" if self.denied else "; begin with 'Once the baker Mara'"
            wrong = NOBODY_INTRODUCED + begin
        recalls = () if step.text in self.denied else recalled(step, ECHOES)
        self.denied.add(step.text)
        return Verdict(step.text, "contradiction", wrong, recalls, of_nobody)

    def believed(self, verdict: Verdict) -> Verdict:
        self.accepted.pop(verdict.sentence, None)
        self.accepted[verdict.sentence] = None
        return verdict

    def again(self, step: Step) -> bool:
        """Whether these very words were told, and are no less true: just now, or with the same outcome."""
        if step.text not in self.accepted:
            return False
        if step.text == next(reversed(self.accepted)) or step.pattern.part == "opening":
            return True
        lasting = [effect for effect in step.pattern.effects if effect != ("ends",)]
        return bool(lasting) and vars(after(self.state, step)) == vars(self.state)

    def untimely(self, step: Step) -> str:
        """Why a sentence of this part cannot come now, or an empty string."""
        state = self.state
        part = step.pattern.part
        if part in VILLAGE.weights(state):
            return "a sentence of this kind stood just before" if state.last is step.pattern else ""
        if state.over:
            return "the story is over"
        if part == "opening":
            return "the story has begun already"
        if not state.role:
            return "the story has not begun: nobody is in it"
        if part == "closing":
            return "it is too early to end"
        if len(state.role) < 2:
            return "somebody must arrive first"
        if part == "arrival" and len(state.role) >= CAST:
            return "nobody else fits into this story"
        if state.words >= VILLAGE.longest:
            return "the story should have ended"
        return "something must happen first"


def after(state: State, step: Step) -> State:
    """The facts when a sentence is believed that is no step of the story."""
    changed = state.copy()
    step.pattern.change(changed, step.said)
    changed.over = state.over
    return changed


def recalled(step: Step, without: Set[str] = frozenset()) -> tuple[tuple[str, bool], ...]:
    """The words that the story so far determines, and whether each is right; `without`: rules left out."""
    found = []
    for choice in step.choices:
        if choice.is_recall and choice.slot.rule not in without:
            found.append((choice.word, choice.is_right))
    return tuple(found)


def cut(text: str) -> Iterator[tuple[int, int, tuple[Pattern, re.Match] | None]]:
    """Cut a text into sentences.

    Args:
        text: The text, with one space between two words.

    Yields:
        For each sentence, where it begins, where it ends, and the pattern that it matches with the match. The
        third is None if the sentence is no sentence of the village.
    """
    start = 0
    while start < len(text):
        matched = VILLAGE.match(text, start)
        if matched:
            end = matched[1].end()
        else:
            many = _MANY_WORDS.match(text, start)
            limit = many.end() - 1 if many else len(text)
            found = _SENTENCE_END.search(text, start, limit)
            end = found.end() if found else limit
        yield start, end, matched
        start = end + 1


# ---- what is false ----------------------------------------------------------------------------------------


def falsehood(state: State, step: Step) -> str:
    """What is false in a sentence, or an empty string."""
    for choice in step.choices:
        if not choice.is_right and choice.word not in tolerated(state, step, choice):
            return expected(state, choice)
    return clash(state, step)


def tolerated(state: State, step: Step, choice: Choice) -> list[str]:
    """The words that are not false in the place of a word that the village would not say here."""
    entry = manners(step, choice)
    earlier = [step.said[letter] for letter in choice.slot.args]
    return entry[0](state, KINDS[choice.slot.kind], *earlier) if entry else []


def expected(state: State, choice: Choice) -> str:
    """Why a word is false, and what would be right."""
    slot, word, options, _ = choice
    if slot.kind == "name" and word not in state.role and slot.rule != "other_name":
        return f"nobody named {word} is in this story"
    if slot.rule == "new_noun":
        who = state.holder(word)
        return f"{who} has the {word}" if who else f"the {word} lies at the {state.lying[word][1]}"
    phrase = "the same word again" if slot.rule == "same" else RULES[slot.rule].phrase
    if not options:
        return f"{word}: expected {phrase}, but there is none"
    return f"{word}: expected {phrase}, {' or '.join(options) if len(options) < 5 else 'not this one'}"


def introduced(pattern: Pattern) -> list[tuple[str, str]]:
    """The letters of each name that a sentence introduces, and of its role: it may be anybody's."""
    return [(letters[0], letters[1]) for name, *letters in pattern.effects if name == "enters"]


def clash(state: State, step: Step) -> str:
    """What is known already against an opening or an arrival, or an empty string.

    Their slots allow anybody and, in openings, any day: rules alone do not see what they would overwrite.
    """
    said = step.said
    effects = {name for name, *_ in step.pattern.effects}
    for name, role in [(said[a], said[r]) for a, r in introduced(step.pattern)]:
        if state.role.get(name, role) != role:
            return f"{name} is the {state.role[name]}"
        if step.pattern.part == "opening" and state.place.get(name, said["p"]) != said["p"]:
            return f"{name} is at the {state.place[name]}"
        if name in state.thing and "takes" in effects:
            return f"{name} has the {state.thing[name].noun}"
        if name in state.goods and "has" in effects:
            return f"{name} has {' '.join(RULES['count'].allowed(state, [], name))} {state.goods[name][1]}"
    if "day_is" in effects and step.pattern.part == "opening" and state.day not in (None, said["d"]):
        return f"it is {state.day}"
    return ""


# ---- what is no falsehood ---------------------------------------------------------------------------------
# `companion.village.rules` says what the village would say. By most of its rules, a word that is not
# allowed is false. By these it need not be: the words that are not false, and what is odd about them.


def any_of_kind(s, kind, *earlier):
    return kind


def empty_handed_eater(s, kind):
    return [name for name in s.goods if name not in s.thing]


def somebody(s, kind, *earlier):
    return list(s.role)


def not_here_now(s, kind):
    return [noun for noun in kind if not exists(s, noun)]


def fewer_than_all(s, kind, a):
    return [k for k in kind if number(k) < s.goods[a][0]] if a in s.goods else []


def the_day_told(s, kind):
    return kind if s.day is None else [s.day]


def the_day_after_if_told(s, kind):
    return kind if s.day is None else RULES["next_day"].allowed(s, kind)


FEW = "{word} has fewer than four things to eat"
MANNERS: dict[str | tuple[str, str], tuple[Callable[..., list[str]], str]] = {
    "new_name": (any_of_kind, "{word} is in this story already"),
    "new_role": (any_of_kind, "somebody is a {word} already"),
    "other_role": (any_of_kind, "two are a {word}"),
    "other": (somebody, "{word} would be alone in this"),
    "wishless": (somebody, "{word} has a wish already"),
    "new_noun": (not_here_now, "a {word} was mentioned already"),
    ("new_noun", "wishes"): (any_of_kind, "a {word} was mentioned already"),
    "new_goods": (any_of_kind, "somebody has {word} already"),
    "adder": (eater, "{word} has more than fifteen things to eat"),
    "nibbler": (eater, FEW),
    "sharer": (eater, FEW),
    "buyer": (empty_handed_eater, FEW),
    "some": (fewer_than_all, "{word} would leave fewer than two"),
    ("occupied", "weather_comes"): (any_of_kind, "nobody is at the {word}"),
    "elsewhere": (any_of_kind, "at the {word} already"),
    "deserted": (any_of_kind, "somebody is at the {word} already"),
    "new_mood": (any_of_kind, "already {word}"),
    "new_weather": (any_of_kind, "there was {word} already"),
    "first_day": (the_day_told, "the day was told already"),
    "next_day": (the_day_after_if_told, "no day was told"),
}


def manners(step: Step, choice: Choice) -> tuple[Callable[..., list[str]], str] | None:
    """The entry of MANNERS for a word: by the rule of its slot and an effect, or by the rule alone."""
    rule = choice.slot.rule
    for effect, *_ in step.pattern.effects:
        if (rule, effect) in MANNERS:
            return MANNERS[rule, effect]
    return MANNERS.get(rule)


def avoided(step: Step) -> str:
    """The first word that the village would not say in a sentence that is not false, and why."""
    choice = next(choice for choice in step.choices if not choice.is_right)
    return manners(step, choice)[1].format(word=choice.word)
