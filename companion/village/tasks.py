"""The village's tasks, whose answers the simulator knows: questions, labels, rewards, another wording.

A question is asked in the village's own words, at a point of a new story where the village could have asked
it: `"Who has the key?" "` can be followed by one name alone. So a model of these stories, which has never
been taught to answer, is asked by letting it go on.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import cycle, islice
from pathlib import Path
from random import Random

from companion.village.facts import State
from companion.village.judge import cut, judge, state_of
from companion.village.machine import VILLAGE, Pattern, fresh
from companion.village.words import KINDS, NUMBERS, SHE

QUESTIONS: dict[str, tuple[str, str]] = {
    "who has": ('"Who has the {n:', "A"),
    "where is the thing": ('"Where is the {n:', "p"),
    "where is somebody": ('"Where is {A:anyone}', "p"),
    "how many": ('"How many {g:', "n"),
    "who is": ('"Do you know the {r:', "A"),
    "who broke": ('"Who broke the {n:', "A"),
    "who hid": ('"Who hid the {n:', "A"),
}
"""The kinds of questions: how the village's sentence begins, and the letter of the slot with the answer."""


@dataclass(frozen=True)
class Question:
    """A question at a point of a story. prompt + answer + rest is a beginning that the village could tell.

    Attributes:
        kind: A key of `QUESTIONS`.
        prompt: The story, up to the word that answers.
        answer: That word, with the space before it, if there is one.
        rest: The end of the sentence.
        choices: What the answer could be for a reader who forgot the story, in random order: the names or
            places of the story so far, or four numbers in a row. The answer is one of them.
    """

    kind: str
    prompt: str
    answer: str
    rest: str
    choices: tuple[str, ...]


def questions(n: int, seed: int, kinds: Iterable[str] = tuple(QUESTIONS)) -> list[Question]:
    """n questions, each about another new story.

    The same seed gives the same questions. Stories of the shipped splits are left out.

    Args:
        n: Number of questions.
        seed: Seed of the stories and of all choices.
        kinds: Keys of `QUESTIONS`. The questions are of these kinds in turn.

    Raises:
        ValueError: If kinds is empty, or a kind is not in `QUESTIONS`.
    """
    kinds = checked_kinds(kinds, QUESTIONS)
    stories = fresh(seed)
    rng = Random(seed)
    asked = []
    for kind in islice(cycle(kinds), n):
        found: list[Question] = []
        while not found:
            found = list(_questions_of(next(stories), kind, rng))
        asked.append(rng.choice(found))
    return asked


def in_company(story: str) -> Iterator[tuple[str, State]]:
    """Each beginning of a story, up to the end of a sentence, with two people or more in it; and its state.

    It is always the same state object, as in `Village.moments`.
    """
    for state, step in VILLAGE.moments(story):
        if len(state.role) > 1:
            yield story[: step.start - 1], state


def checked_kinds(kinds: Iterable[str], known: Iterable[str]) -> list[str]:
    """The kinds as a list.

    Raises:
        ValueError: If there is no kind, or a kind is not known.
    """
    kinds = list(kinds)
    if not kinds or not set(kinds) <= set(known):
        raise ValueError(f"kinds={kinds} must be some of {', '.join(known)}")
    return kinds


def _questions_of(text: str, kind: str, rng: Random) -> Iterator[Question]:
    """A question of this kind at every point of the story where one with two choices or more can stand."""
    beginning, letter = QUESTIONS[kind]
    pattern = next(pattern for pattern in VILLAGE.patterns if pattern.text.startswith(beginning))
    at = [slot.letter for slot in pattern.slots].index(letter)
    heard: dict[str, dict[str, None]] = {"name": {}, "place": {}}  # kind -> its words so far
    for state, step in VILLAGE.moments(text):
        if VILLAGE.can_come(state, pattern):
            words = _fill(pattern, state, rng)
            kind_of_word = pattern.slots[at].kind
            choices = _row_of_numbers(words[at], rng) if kind_of_word == "number" else [*heard[kind_of_word]]
            if len(choices) > 1:
                choices = rng.sample(choices, len(choices))
                yield _question(kind, text[: step.start], pattern, words, at, choices)
        for choice in step.choices:
            if choice.slot.kind in heard:
                heard[choice.slot.kind][choice.word] = None


def _fill(pattern: Pattern, state: State, rng: Random) -> list[str]:
    """Words for the slots of a pattern that the state allows."""
    said: dict[str, str] = {}
    words = []
    for slot in pattern.slots:
        words.append(rng.choice(VILLAGE.allowed(state, slot, said, options={})))
        said[slot.letter] = words[-1]
    return words


def _row_of_numbers(word: str, rng: Random) -> list[str]:
    """Four numbers in a row, one of which is `word`."""
    number = NUMBERS.index(word)
    first = rng.randint(max(0, number - 3), min(number, len(NUMBERS) - 4))
    return NUMBERS[first : first + 4]


def _question(kind: str, story: str, pattern: Pattern, words: list[str], at: int, choices: list) -> Question:
    """The question that asks for the word in slot number `at`, after `story`."""
    before = pattern.pieces[0]
    for word, piece in zip(words[:at], pattern.pieces[1:], strict=False):
        before += word + piece
    rest = pattern.fill(words)[len(before + words[at]) :]
    space = " " if before.endswith(" ") else ""
    answers = tuple(space + word for word in choices)
    return Question(kind, story + before.removesuffix(" "), space + words[at], rest, answers)


# -- who holds what (chapter 14) ---------------------------------------------------------------------------


def held(n: int, seed: int) -> list[Question]:
    """n questions, each about another new story.

    A prompt is the story up to the end of a sentence, and the beginning of another, such as `The wheel`.
    Somebody holds that thing, and two people or more are in the story so far. The answer is the holder's
    name, which must follow, with a space before it, as the choices have. Stories of the shipped splits are
    left out.
    """
    stories = fresh(seed)
    rng = Random(seed)
    asked = []
    while len(asked) < n:
        found = []
        for beginning, state in in_company(next(stories)):
            for name, thing in state.thing.items():
                found.append(_held(beginning, thing.noun, name, state.role))
        if found:
            asked.append(rng.choice(found))
    return asked


def twins(n: int, seed: int, difference: str = "name") -> list[tuple[Question, Question]]:
    """n pairs of questions as `held` has them, about two short stories that are the same but for one thing.

    The answers of a pair differ. So do the words that `difference` names, and these stand at the same places
    in both stories.

    Args:
        n: Number of pairs.
        seed: Seed of all choices.
        difference: "name" if one sentence names another finder, "things" if the things of two people are
            exchanged.

    Raises:
        ValueError: If difference is another word.
    """
    if difference not in ("name", "things"):
        raise ValueError(f'difference={difference!r} must be "name" or "things"')
    rng = Random(seed)
    pairs = []
    for _ in range(n):
        (a, b) = rng.sample(KINDS["name"], 2)
        (r, q) = rng.sample(KINDS["role"], 2)
        (x, y) = rng.sample(KINDS["thing"], 2)
        (c, d) = rng.sample(KINDS["color"], 2)
        place = rng.choice(KINDS["place"])
        lines = [
            f"Once the {r} {a} and the {q} {b} met at the {place}.",
            f"The {c} {x} {a} found at the {place} was as good as new.",
            f"The {d} {y} {b} bought at the {place} cost only a song.",
            f"{a} and {b} had a chat at the {place}: {b} talked, {a} nodded.",
        ]
        other = list(lines)
        if difference == "name":
            del lines[2]
            del other[2]
            other[1] = other[1].replace(f"{x} {a}", f"{x} {b}")
        else:
            other[1] = other[1].replace(x, y)
            other[2] = other[2].replace(y, x)
        pairs.append((_held(" ".join(lines), x, a, (a, b)), _held(" ".join(other), x, b, (a, b))))
    return pairs


def _held(beginning: str, noun: str, name: str, names: Iterable[str]) -> Question:
    """The question who holds a thing, asked by naming it."""
    return Question("held", f"{beginning} The {noun}", f" {name}", "", tuple(f" {one}" for one in names))


# -- labels (chapter 15) -----------------------------------------------------------------------------------

CHOIR: tuple[str, ...] = ("Anna", "Clara", "Elsa", "Finn", "Greta", "Hugo", "Kit", "Lotte")
CHOIR += ("Mara", "Milo", "Ned", "Rosa", "Rufus", "Tom", "Vera", "Wren")
"""Who sings: half of the village's names, drawn by lot once. No story says so."""


def singers(n: int, seed: int) -> list[tuple[str, int]]:
    """n beginnings of new stories that end in a question, labelled by whether the answer is in the CHOIR.

    Each beginning ends as in `"Who has the key?" "`, before the name. The beginnings come in twins, one after
    the other. In the second twin two names have changed places everywhere, and one of these names is the
    answer. One of the two names is in the CHOIR, and both occur equally often. Therefore twins have the same
    words, equally often, and different labels, and a model that only counts words is right on one of the two.
    The same seed gives the same beginnings. Stories of the shipped splits are left out.

    Args:
        n: Number of beginnings, which is even.
        seed: Seed of the stories and of all choices.

    Returns:
        The beginnings, each with 1 if the answer is in the CHOIR, or 0.

    Raises:
        ValueError: If n is odd or below 2.
    """
    if n < 2 or n % 2:
        raise ValueError(f"n={n} must be even, and at least 2: beginnings come in twins")
    rng = Random(seed)
    stories = fresh(seed)
    labelled = []
    while len(labelled) < n:
        for question in _questions_of(next(stories), "who has", rng):
            twin = _twin(question)
            if twin:
                labelled += [(prompt, int(name in CHOIR)) for prompt, name in twin]
                break  # a story gives one pair, at its first point where one can stand
    return labelled


def crowds(n: int, seed: int) -> list[tuple[str, int]]:
    """n new stories, and whether three people or more are in them: 1 or 0. The same for the same seed."""
    stories = islice(fresh(seed), n)
    return [(text, int(len(state_of(text).role) > 2)) for text in stories]


def _twin(question: Question) -> list[tuple[str, str]] | None:
    """(prompt, answer) of a question and of its twin; None where no name can take the answer's place."""
    words = Counter(re.findall(r"\w+", question.prompt))
    answer = question.answer
    no_pronoun = words["he"] + words["she"] == 0
    for name in question.choices:
        fits = words[name] == words[answer] and (no_pronoun or (name in SHE) == (answer in SHE))
        if fits and (name in CHOIR) != (answer in CHOIR):
            places = {name: answer, answer: name}
            other = "".join(places.get(part, part) for part in re.split(r"(\W+)", question.prompt))
            return [(question.prompt, answer), (other, name)]
    return None


# -- asked plainly (chapter 17) ----------------------------------------------------------------------------


def quizzes(n: int, seed: int) -> list[list[tuple[str, bool]]]:
    """n beginnings of new stories, each with questions who has each thing, and the answers, in pieces.

    There are two people or more in each beginning. The same seed gives the same pieces. Stories of the
    shipped splits are left out.

    Returns:
        For each beginning its pieces, which are pairs of a text and whether it is an answer. The first text
        is the story up to the end of a sentence, and a question on a line of its own, as in
        `Who has the key?`. Then comes ` Mara.`, then the next question, and so on, in random order.
    """
    stories = fresh(seed)
    rng = Random(seed)
    rows = []
    while len(rows) < n:
        found = []
        for beginning, state in in_company(next(stories)):
            if state.thing:
                found.append((beginning, [(thing.noun, name) for name, thing in state.thing.items()]))
        if found:
            beginning, things = rng.choice(found)
            pieces = []
            for noun, name in rng.sample(things, len(things)):
                pieces += [(f"\nWho has the {noun}?", False), (f" {name}.", True)]
            rows.append([(beginning + pieces[0][0], False), *pieces[1:]])
    return rows


# -- rewards (chapter 18) ----------------------------------------------------------------------------------


def begun(n: int, seed: int, longest: int = 1) -> list[str]:
    """n beginnings of new stories, each up to the end of a sentence.

    The same seed gives the same beginnings. Stories of the shipped splits are left out.

    Args:
        n: Number of beginnings.
        seed: Seed of the stories and of all choices.
        longest: Largest number of sentences in a beginning. For each beginning, a number from 1 on is chosen
            at random, such that at least two sentences of the story are left out.

    Raises:
        ValueError: If longest is below 1.
    """
    if longest < 1:
        raise ValueError(f"longest={longest} must be at least 1; a beginning has a sentence")
    rng = Random(seed)
    beginnings = []
    for text in islice(fresh(seed), n):
        steps = [step for _, step in VILLAGE.moments(text)]
        kept = rng.randint(1, max(1, min(longest, len(steps) - 2)))
        beginnings.append(text[: steps[kept].start - 1])
    return beginnings


def true_story(text: str, ended: bool = True) -> float:
    """1.0 for a story that came to its end, of sentences of the village, none a contradiction; else 0.0."""
    kinds = {verdict.kind for verdict in judge(text)}
    return float(ended and bool(kinds) and kinds <= {"ok", "misplaced"})


def false_parts(text: str, ended: bool = True) -> list[tuple[int, int]]:
    """The sentences for which `true_story` is 0: contradictions, and sentences that are none of the village.

    Args:
        text: The text.
        ended: Whether the text has an end.

    Returns:
        The (start, end) positions of these sentences in the text. If the text has no end, or white space
        other than single spaces, the whole text is one such part.
    """
    if not ended or text != " ".join(text.split()):
        return [(0, len(text))]
    parts = []
    start = 0
    for verdict in judge(text):
        end = start + len(verdict.sentence)
        if verdict.kind not in ("ok", "misplaced"):
            parts.append((start, end))
        start = end + 1
    return parts


def patterns(texts: Iterable[str]) -> Counter[str]:
    """How often each sentence pattern of the village stands in the texts; other sentences count nowhere."""
    found: Counter[str] = Counter()
    for text in texts:
        for _, _, matched in cut(" ".join(text.split())):
            if matched:
                found[matched[0].text] += 1
    return found


# -- another wording (chapter 23) --------------------------------------------------------------------------
# The clerk's chronicle says the same in another order: the place first, then who, with the role behind the
# name, then the thing, with its color behind it. A sentence has one such wording, so a translation is right
# or wrong.

_WORDINGS = Path(__file__).with_name("chronicle.txt").read_text(encoding="utf-8").strip().split("\n\n")
CHRONICLE = dict(pair.split("\n") for pair in _WORDINGS)
"""The village's sentence -> the chronicle's, with the same slots."""


def chronicle(texts: Iterable[str]) -> Iterator[tuple[str, str]]:
    """The sentences of stories for which the chronicle has a wording.

    Args:
        texts: Whole stories of the village.

    Yields:
        A sentence, and the chronicle's wording of it.

    Raises:
        ValueError: If a text holds a sentence that is none of the village.
    """
    for text in texts:
        for start, _, matched in cut(text):
            if matched is None:
                raise ValueError(f"{text[start : start + 40]!r}… is no sentence of the village; give stories")
            pattern, found = matched
            letters = [slot.letter for slot in pattern.slots]
            wording = CHRONICLE.get(pattern.fill([f"{{{letter}}}" for letter in letters]))
            if wording:
                yield found[0], wording.format(**dict(zip(letters, found.groups(), strict=True)))


def repeats(rows: Iterable[Sequence[int]], tokenizer) -> Iterator[tuple[Sequence[int], int, int]]:
    """Where a name, a thing or a place stands exactly twice in a row of tokens.

    If you hide the first, the answer stands to its right. If you hide the second, it stands to its left. The
    verb *saw* is the token of the thing: in "everybody saw the red saw" it stands twice.

    Yields:
        (row, first place, second place).
    """
    asked = set()
    for word in KINDS["name"] + KINDS["thing"] + KINDS["place"]:
        ids = tokenizer.encode(f" {word}")
        if len(ids) == 1:
            asked.add(ids[0])
    for row in rows:
        for token in sorted(asked & set(row)):
            places = [at for at, other in enumerate(row) if other == token]
            if len(places) == 2:
                yield row, places[0], places[1]
