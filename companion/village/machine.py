"""The machine that tells and reads the village's stories: a table of sentences, made ready.

Below it stand the shipped stories, and files of others.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from math import log2
from pathlib import Path
from random import Random
from typing import NamedTuple

from companion.village.facts import State
from companion.village.rules import RULES
from companion.village.words import KINDS, PATTERNS, Sentence

CAST = 4  # people in a story, at most
SHORTEST = 54  # words before a closing sentence may come
LONGEST = 100  # words after which only a closing sentence may come
EVENT = 6  # how the parts of the table weigh against each other: this one, and the three below
SCENE = 5
ARRIVAL = 2
CLOSING = 2

_PACKAGE = Path(__file__).resolve().parents[1]
DATA = (_PACKAGE if (_PACKAGE / "data").is_dir() else _PACKAGE.parent) / "data"  # in a wheel: within
SPLITS = {"train": (1, 5500), "val": (2, 500), "test": (3, 500)}  # split -> (seed, number of stories)

_SLOT = re.compile(r"\{(\w)(?::(\w+)(?:\(([\w,]+)\))?)?\}")


class Slot(NamedTuple):
    """A hole in a pattern: its letter, its rule, and the letters of the slots that the rule asks for."""

    letter: str
    rule: str
    args: tuple[str, ...]
    kind: str
    allowed: Callable[..., list[str]]  # (state, options of the kind, *args) -> list of words


@dataclass(eq=False)
class Pattern:
    """A sentence of the table, ready to be told and read."""

    part: str
    weight: int
    effects: tuple[tuple[str, ...], ...]
    text: str
    pieces: list[str]  # the literal text before, between and after the slots
    slots: list[Slot]
    needs: list[Slot]  # the slots whose rules look at the state alone: each must allow something
    regex: re.Pattern

    def fill(self, words: list[str]) -> str:
        """The sentence with `words` in its slots, in order."""
        parts = [self.pieces[0]]
        for word, piece in zip(words, self.pieces[1:], strict=True):
            parts += (word, piece)
        return "".join(parts)

    def change(self, state: State, words: dict[str, str]) -> None:
        """Change the facts as the sentence says, with these words in its slots, by letter."""
        for effect, *letters in self.effects:
            getattr(state, effect)(*[words[letter] for letter in letters])


class Choice(NamedTuple):
    """A word of a sentence that was read, and what could have stood in its place."""

    slot: Slot
    word: str
    options: list[str]  # the words that the village could have said there
    span: tuple[int, int]  # where the word stands in the text

    @property
    def is_right(self) -> bool:
        """Whether the village could have said this word here."""
        return self.word in self.options

    @property
    def is_recall(self) -> bool:
        """Whether the story so far determines the word."""
        return len(self.options) == 1 < len(KINDS[self.slot.kind])


class Step(NamedTuple):
    """One sentence as it was read, with the choices that the state left open."""

    pattern: Pattern
    choices: list[Choice]  # one for each slot
    said: dict[str, str]  # the words by the letters of their slots; of a letter that comes twice, the first
    comes: bool  # whether the state's menu has the pattern
    text: str
    start: int  # where the sentence begins in the text

    @property
    def possible(self) -> bool:
        """Whether the village could have said this here."""
        return self.comes and all([choice.is_right for choice in self.choices])


@dataclass(frozen=True)
class Story:
    """A text, and −log2 of its probability."""

    text: str
    bits: float


class Village:
    """Tells and reads the stories of one table of sentences.

    Args:
        kinds: The words of each kind. None begins another, as texts could then be read in two ways.
        table: The sentences.
        shortest: Number of words from which on a story may end.
        longest: Number of words from which on a story must end.
    """

    def __init__(
        self,
        kinds: dict[str, list[str]] = KINDS,
        table: Iterable[Sentence] = PATTERNS,
        shortest: int = SHORTEST,
        longest: int = LONGEST,
    ) -> None:
        self.kinds = kinds
        self.shortest = shortest
        self.longest = longest
        self.patterns = [self._compile(sentence) for sentence in table]
        self._matches = [(pattern, pattern.regex.match) for pattern in self.patterns]
        self._groups = self._grouped()

    # ---- preparing ----

    def _compile(self, sentence: Sentence) -> Pattern:
        slots = []
        pieces = []
        end = 0
        for hole in _SLOT.finditer(sentence.text):
            slots.append(self._slot(slots, *hole.groups()))
            pieces.append(sentence.text[end : hole.start()])
            end = hole.end()
        pieces.append(sentence.text[end:])
        regex = re.escape(pieces[0])
        for slot, piece in zip(slots, pieces[1:], strict=True):
            words = self.kinds[slot.kind]
            one_word = all(word.isalpha() for word in words)  # `match` looks whether it is of the kind
            choice = r"\w+" if one_word else "|".join(map(re.escape, words))
            regex += rf"({choice})(?!\w){re.escape(piece)}"
        needs = [slot for slot in slots if not slot.args]
        return Pattern(
            part=sentence.part,
            weight=sentence.weight,
            effects=sentence.effects,
            text=sentence.text,
            pieces=pieces,
            slots=slots,
            needs=needs,
            regex=re.compile(regex + r"(?= |\Z)"),
        )

    def _slot(self, earlier: list[Slot], letter: str, rule: str | None, args: str | None) -> Slot:
        if rule is None:
            kind = next(slot.kind for slot in earlier if slot.letter == letter)
            return Slot(letter, "same", (letter,), kind, lambda state, kind, word: [word])
        kind, _, allowed = RULES[rule]
        return Slot(letter, rule, tuple(args.split(",")) if args else (), kind, allowed)

    def _grouped(self) -> dict[str, list[list[Pattern]]]:
        """The patterns of each part, in groups of equal rules and weight. A seed means this order."""
        groups: dict[tuple, list[Pattern]] = {}
        for pattern in self.patterns:
            rules = tuple(slot.rule for slot in pattern.needs)
            groups.setdefault((pattern.part, rules, pattern.weight), []).append(pattern)
        parts: dict[str, list[list[Pattern]]] = {}
        for (part, *_), patterns in groups.items():
            parts.setdefault(part, []).append(patterns)
        return parts

    # ---- what can come next ----

    def weights(self, state: State) -> dict[str, int]:
        """By how much each part of the table that may come in this state counts."""
        if state.over:
            return {}
        if not state.role:
            return {"opening": 1}
        if len(state.role) < 2:
            return {"arrival": 1}
        weights = {}
        if state.words >= self.shortest:
            weights["closing"] = CLOSING * (state.words - self.shortest + 1)
        if state.words < self.longest:
            weights["event"] = EVENT
            if state.last is None or state.last.part != "scene":
                weights["scene"] = SCENE
            if len(state.role) < CAST:
                weights["arrival"] = ARRIVAL
        return weights

    def menu(self, state: State) -> tuple[dict[Pattern, int], dict[str, list[str]]]:
        """What may come next in this state.

        Returns:
            The weight of each pattern that may come, and the words that each rule allows.
        """
        menu = {}
        options = {}
        for part, factor in self.weights(state).items():
            for group in self._groups.get(part, []):
                for slot in group[0].needs:
                    words = options.get(slot.rule)
                    if words is None:
                        words = slot.allowed(state, self.kinds[slot.kind])
                        options[slot.rule] = words
                    if not words:
                        break
                else:
                    weight = factor * group[0].weight
                    for pattern in group:
                        menu[pattern] = weight
        menu.pop(state.last, None)
        return menu, options

    def can_come(self, state: State, pattern: Pattern) -> bool:
        """Whether the pattern is on the state's menu. This is much faster than making the whole menu."""
        if pattern is state.last or pattern.part not in self.weights(state):
            return False
        return all(slot.allowed(state, self.kinds[slot.kind]) for slot in pattern.needs)

    def allowed(self, state: State, slot: Slot, words: dict[str, str], options: dict) -> list[str]:
        """The words that may fill a slot.

        Args:
            state: What is true before the sentence.
            slot: The slot to fill.
            words: The words in earlier slots of the sentence, by letter.
            options: The options of the rules, as from `menu`.
        """
        if not slot.args and slot.rule in options:
            return options[slot.rule]
        return slot.allowed(state, self.kinds[slot.kind], *[words[letter] for letter in slot.args])

    def advance(self, state: State, pattern: Pattern, words: dict[str, str], text: str) -> None:
        """Tell the sentence: change `state` as it says, and count it."""
        pattern.change(state, words)
        state.words += text.count(" ") + 1
        state.last = pattern

    # ---- telling ----

    def story(self, rng: Random) -> Story:
        """Tell a story; `rng` makes every choice."""
        state = State()
        surprise = 0.0
        sentences = []
        while not state.over:
            menu, options = self.menu(state)
            pattern = draw(rng, menu)
            surprise += log2(sum(menu.values()) / menu[pattern])
            said = {}
            words = []
            for slot in pattern.slots:
                allowed = self.allowed(state, slot, said, options)
                words.append(allowed[rng.randrange(len(allowed))])
                said[slot.letter] = words[-1]
                surprise += log2(len(allowed))
            sentences.append(pattern.fill(words))
            self.advance(state, pattern, said, sentences[-1])
        return Story(" ".join(sentences), surprise)

    # ---- reading ----

    def match(self, text: str, start: int) -> tuple[Pattern, re.Match] | None:
        """The only pattern that the text can be at `start`, or None."""
        for pattern, match in self._matches:
            found = match(text, start)
            if not found:
                continue
            words = zip(pattern.slots, found.groups(), strict=True)
            if all(word in self.kinds[slot.kind] for slot, word in words):
                return pattern, found
        return None

    def read(self, state: State, pattern: Pattern, found: re.Match) -> Step:
        """What a matched sentence chose and could have chosen in `state`, which stays as it is."""
        said: dict[str, str] = {}
        choices = []
        for i, slot in enumerate(pattern.slots, 1):
            word = found[i]
            options = slot.allowed(state, self.kinds[slot.kind], *[said[letter] for letter in slot.args])
            choices.append(Choice(slot, word, options, found.span(i)))
            said.setdefault(slot.letter, word)
        return Step(pattern, choices, said, self.can_come(state, pattern), found[0], found.start())

    def moments(self, text: str) -> Iterator[tuple[State, Step]]:
        """Go through a story sentence by sentence.

        Args:
            text: A story of this village.

        Yields:
            The state before each sentence, and the sentence. It is always the same state object, which the
            next sentence changes, so copy what you want to keep.

        Raises:
            ValueError: If the text is no story of this village. What comes before the failing sentence has
                been yielded then.
        """
        state = State()
        start = 0
        while not state.over:
            matched = self.match(text, start)
            step = self.read(state, *matched) if matched else None
            if step is None or not step.possible:
                raise ValueError(no_story(text))
            yield state, step
            self.advance(state, step.pattern, step.said, step.text)
            start += len(step.text) + 1
        if start <= len(text):
            raise ValueError(no_story(text))


def draw(rng: Random, menu: dict[Pattern, int]) -> Pattern:
    """A pattern drawn by its weight."""
    mark = rng.randrange(sum(menu.values()))
    for pattern, weight in menu.items():
        if mark < weight:
            return pattern
        mark -= weight
    raise AssertionError("unreachable: the mark is below the sum of the weights")


# ---- the shipped village --------------------------------------------------------------------------------

VILLAGE = Village()


def story(rng: Random) -> Story:
    """Tell a story. The same state of `rng` tells the same story, on any machine."""
    return VILLAGE.story(rng)


def bits(text: str, forget: bool = False) -> float | None:
    """The exact information content of a story in bits, which is −log2 of its probability.

    Args:
        text: The story.
        forget: Whether to count as the perfect forgetful reader does. This reader knows the grammar and how
            likely each sentence is, but forgot who is who. Every word in a slot is therefore a guess among
            all the words of its kind.

    Returns:
        The bits, or None if the text cannot be a story of the village.
    """
    surprise = 0.0
    try:
        for state, step in VILLAGE.moments(text):
            menu, _ = VILLAGE.menu(state)
            surprise += log2(sum(menu.values()) / menu[step.pattern])
            for choice in step.choices:
                surprise += log2(len(KINDS[choice.slot.kind] if forget else choice.options))
    except ValueError:
        return None
    return surprise


def recalls(text: str) -> list[tuple[int, int]]:
    """The recalled words of a story, which the story before them determines.

    Args:
        text: A story of the village.

    Returns:
        The (start, end) position in `text` of each recalled word.

    Raises:
        ValueError: If the text is no story of the village.
    """
    spans = []
    for _, step in VILLAGE.moments(text):
        spans += [choice.span for choice in step.choices if choice.is_recall]
    return spans


def no_story(text: str) -> str:
    """The message of the error for a text that is no story."""
    return f"text={text[:40]!r}… is no story of this village; judge(text) says where it fails"


# ---- stories in files -----------------------------------------------------------------------------------


def tell(seed: int, stories: int) -> Iterator[str]:
    """The texts of that many stories; the first ones stay the same when more are asked for."""
    rng = Random(seed)
    for _ in range(stories):
        yield story(rng).text


def read_stories(path: Path) -> list[str]:
    """The stories of a file that `python -m companion.village` wrote: an empty line stands between two."""
    return path.read_text(encoding="utf-8").rstrip("\n").split("\n\n")


def load_split(split: str) -> list[str]:
    """The stories of a shipped split.

    Args:
        split: "train", "val" or "test".

    Raises:
        ValueError: If split is another name.
    """
    if split not in SPLITS:
        raise ValueError(f"split={split!r} must be one of {', '.join(SPLITS)}")
    return read_stories(DATA / "village" / f"{split}.txt")


def fresh_stories(n: int, seed: int) -> list[str]:
    """The first n stories of a seed that are in no shipped split."""
    return list(islice(fresh(seed), n))


def fresh(seed: int) -> Iterator[str]:
    """A seed's new stories without end, except those of the shipped splits."""
    shipped = {*load_split("train"), *load_split("val"), *load_split("test")}
    rng = Random(seed)
    while True:
        text = story(rng).text
        if text not in shipped:
            yield text
