"""Conversations about the village, whose answers the simulator knows: questions, orders, summaries.

A conversation is a list of messages, as the field writes them: `[{"role": "user", "content": …},
{"role": "assistant", "content": …}]`. A user tells a story and asks about it, in words that are not the
village's; or orders a story and then asks about that. Each answer can be judged exactly. Into such a
conversation a stranger may also say something that is not about the village (`companion.village.strangers`).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import cycle, islice
from random import Random
from typing import NamedTuple

from companion.village.facts import State
from companion.village.judge import state_of
from companion.village.machine import CAST
from companion.village.splits import fresh
from companion.village.strangers import DECLINE, WORDS, strange_messages
from companion.village.tasks import checked_kinds, moments
from companion.village.words import KINDS, NUMBERS, read_table


class Asked(NamedTuple):
    """A kind of question.

    Args:
        about: Kind of word, a key of `KINDS`, of x, which is what is asked about.
        wordings: The wordings of the question.
        answer: The wording of the answer. y is the word in it that answers.
    """

    about: str
    wordings: tuple[str, ...]
    answer: str


_TABLE = read_table("dialogues.toml")

ASKED = {
    kind: Asked(asked["about"], tuple(asked["wordings"]), asked["answer"])
    for kind, asked in _TABLE["asked"].items()
}
"""The kinds of questions. z, where there is one, is whom the x belong to."""

PLAIN = {kind: tuple(asked["plain"]) for kind, asked in _TABLE["asked"].items()}
"""More wordings of each kind of question, as people type them. Chapter 16's lessons have none of them."""
HELD_OUT_PLAIN = {kind: tuple(asked["held_out"]) for kind, asked in _TABLE["asked"].items()}
"""Wordings of each kind of which no model learns, to test it."""

NOBODY = "Nobody said."
"""The answer to a question about what the story does not mention."""
ORDERS = tuple(_TABLE["orders"]["strict"])
OPENINGS = tuple(_TABLE["orders"]["openings"])
"""How an order in other words begins."""
SUBJECTS = tuple(_TABLE["orders"]["subjects"])
"""What a story is ordered about: some leave out the person or the thing, or both."""


def _mark_of(opening: str) -> str:
    """What ends an order that begins so."""
    return "?" if opening.startswith(("Can", "Could")) else "."


LOOSE_ORDERS = tuple(
    opening + subject + _mark_of(opening) for opening in OPENINGS for subject in SUBJECTS
) + tuple(_TABLE["orders"]["short"])
"""Orders in other words: each opening with each subject, and short ones. Chapter 16's lessons have none."""
BARE_ORDERS = tuple(opening + _mark_of(opening) for opening in OPENINGS)
"""Those of them that leave the person and the thing to the teller."""
HELD_OUT_ORDERS = tuple(_TABLE["orders"]["held_out"])
"""Orders of which no model learns, to test it."""
SUMMARIES = ("Tell it in one sentence.", "How does it end, in one sentence?")
SUMMARY = "In the end the {r} {A} has the {c} {n} at the {p}."


class Dialogue(NamedTuple):
    """A conversation.

    Args:
        messages: The messages.
        kinds: What each of its questions is: a key of `ASKED`, "nobody", "order", "summary" or "declined".
    """

    messages: list[dict[str, str]]
    kinds: tuple[str, ...]


def talk(*contents: str) -> list[dict[str, str]]:
    """Messages of these texts, the user's and the assistant's in turn."""
    return [{"role": role, "content": text} for role, text in zip(cycle(("user", "assistant")), contents)]  # noqa: B905


# -- facts ---------------------------------------------------------------------------------------------------


def facts_of(s: State) -> dict[str, list[tuple[str, str, str]]]:
    """What can be asked in a state: for each kind of `ASKED` its (x, y, z)."""
    held = [(held.noun, held.color, name) for name, held in s.thing.items()]
    lying = [(noun, color, place) for noun, (color, place) in s.lying.items() if place]
    return {
        "who has": [(noun, name, "") for noun, _, name in held],
        "where is the thing": [(noun, s.place[name], "") for noun, _, name in held]
        + [(noun, place, "") for noun, _, place in lying],
        "where is somebody": [(name, place, "") for name, place in s.place.items()],
        "how many": [(goods, NUMBERS[n - 1], name) for name, (n, goods) in s.goods.items()],
        "who is": [(role, name, "") for name, role in s.role.items()],
        "who broke": [(noun, name, "") for noun, name in s.broken.items()],
        "whose": [(noun, name, "") for noun, name in s.owner.items()],
        "what color": [(noun, color, "") for noun, color, _ in held + lying],
    }


class Beginning(NamedTuple):
    """The beginning of a story, up to the end of a sentence, its facts, and who is in it."""

    text: str
    facts: dict[str, list[tuple[str, str, str]]]
    names: tuple[str, ...]


def _beginnings(story: str) -> Iterator[Beginning]:
    """Each beginning of a story with two people or more in it, where one could ask."""
    for state, step in moments(story):
        if len(state.role) > 1:
            yield Beginning(story[: step.start - 1], facts_of(state), tuple(state.role))


def _pool(seed: int, stories: int, kinds: Iterable[str]) -> tuple[dict[str, list[Beginning]], Iterator[str]]:
    """For each kind the beginnings about which it can be asked, of that many new stories or more."""
    remaining = fresh(seed)
    pool = {kind: [] for kind in kinds}
    for number, story in enumerate(remaining, 1):
        for beginning in _beginnings(story):
            for kind in pool:
                if beginning.facts[kind]:
                    pool[kind].append(beginning)
        if number >= stories and all(pool.values()):
            return pool, remaining
    raise AssertionError("unreachable: stories do not end")


def _exchange(
    beginning: Beginning, kind: str, rng: Random, known: bool, plain: float = 0.0
) -> tuple[str, str]:
    """A question of this kind about the beginning of a story, and its answer.

    Args:
        beginning: What was told so far.
        kind: A key of `ASKED`.
        rng: Makes every choice.
        known: Whether the story tells the answer. If not, the answer is `NOBODY`.
        plain: The share of questions that are asked as people type them, see `_plain_exchange`.
    """
    if plain and rng.random() < plain:
        return _plain_exchange(beginning, kind, rng, known)
    about, wordings, answer = ASKED[kind]
    if known:
        x, y, z = rng.choice(beginning.facts[kind])
        return rng.choice(wordings).format(x=x, z=z), answer.format(x=x, y=y, z=z)
    words = set(re.findall(r"\w+", beginning.text))
    x = rng.choice([word for word in KINDS[about] if word not in words])
    return rng.choice(wordings).format(x=x, z=rng.choice(beginning.names)), NOBODY


def _plain_exchange(beginning: Beginning, kind: str, rng: Random, known: bool) -> tuple[str, str]:
    """A question of this kind, in the wordings of `ASKED` and `PLAIN` and as people type it; its answer."""
    about, wordings, answer = ASKED[kind]
    wording = rng.choice(wordings + PLAIN[kind])
    if known:
        x, y, z = rng.choice(beginning.facts[kind])
        question = asked_as(wording, (x, y, z), beginning.facts)
        return typed(question, rng), answer.format(x=x, y=y, z=z)
    words = set(re.findall(r"\w+", beginning.text))
    new = {}
    for of in ("name", "role", about):
        new[of] = rng.choice([word for word in KINDS[of] if word not in words])
    z = rng.choice(beginning.names)
    c = rng.choice(KINDS["color"])
    question = wording.format(x=new[about], y=new["name"], z=z, c=c, r=new["role"])
    return typed(question, rng), NOBODY


def asked_as(wording: str, fact: tuple[str, str, str], facts: dict[str, list[tuple[str, str, str]]]) -> str:
    """The question about a fact in this wording.

    Args:
        wording: A wording of `ASKED` or `PLAIN`.
        fact: The words (x, y, z) of the fact.
        facts: What `facts_of` returns. It tells colors and roles.
    """
    x, y, z = fact
    colors = {noun: color for noun, color, _ in facts["what color"]}
    roles = {name: role for role, name, _ in facts["who is"]}
    color = colors.get(x, "")  # a broken thing may have none
    return wording.format(x=x, y=y, z=z, c=color, r=roles.get(x, "")).replace("  ", " ")


def typed(message: str, rng: Random) -> str:
    """A message as people type it: some without its mark, with "please", or in small letters."""
    mark = message[-1:]
    text = message.removesuffix(mark)
    if rng.random() < 0.15:
        text += rng.choice((" please", ", please"))
    if rng.random() < 0.3:
        mark = ""
    small = rng.random()
    if small < 0.2:
        text = text[:1].lower() + text[1:]
    elif small < 0.4:
        text = text.lower()
    return text + mark


# -- conversations -------------------------------------------------------------------------------------------


def asked(n: int, seed: int, kinds: Sequence[str] = tuple(ASKED), known: bool = True) -> list[Dialogue]:
    """n conversations of one question, each about the beginning of another new story.

    The same seed gives the same conversations. Stories of the shipped splits are left out.

    Args:
        n: Number of conversations.
        seed: Seed of the stories and of all choices.
        kinds: Keys of `ASKED`. The questions are of these kinds in turn.
        known: Whether the story tells the answer. If not, the story does not mention what is asked about, and
            the answer is `NOBODY`.
    """
    kinds = checked_kinds(kinds, ASKED)
    rng = Random(seed)
    stories = fresh(seed)
    found: list[Dialogue] = []
    for kind in islice(cycle(kinds), n):
        for story in stories:
            places = [one for one in _beginnings(story) if one.facts[kind]]
            if places:
                break
        one = rng.choice(places)
        question, answer = _exchange(one, kind, rng, known)
        found.append(Dialogue(talk(f"{one.text} {question}", answer), (kind if known else "nobody",)))
    return found


def lessons(
    n: int,
    seed: int,
    turns: int = 5,
    unknown: float = 0.2,
    stories: int = 1500,
    kinds: Sequence[str] = tuple(ASKED),
    plain: float = 0.0,
) -> list[Dialogue]:
    """n conversations of several questions about the beginning of a story, which the first message tells.

    One question of each conversation is of a kind that comes in turn, however rare that kind is in stories.
    The other questions are of other kinds, and rare kinds tend to be chosen first.

    Args:
        n: Number of conversations.
        seed: Seed of the stories and of all choices.
        turns: Largest number of questions in a conversation.
        unknown: The share of questions whose answer is `NOBODY`.
        stories: Least number of new stories that the conversations are about. The same story can come again,
            cut at another place and with other questions.
        kinds: Keys of `ASKED`, the kinds of questions.
        plain: The share of questions that are asked as people type them, see `PLAIN`.
    """
    kinds = checked_kinds(kinds, ASKED)
    rng = Random(seed)
    pool, _ = _pool(seed, stories, kinds)
    found = []
    for kind in islice(cycle(kinds), n):
        beginning = rng.choice(pool[kind])
        others = [other for other in kinds if beginning.facts[other] and other != kind]
        others.sort(key=lambda other: rng.random() * len(pool[other]))
        chosen = [kind, *others[: turns - 1]]
        rng.shuffle(chosen)
        contents = []
        labels = []
        for one in chosen:
            known = rng.random() >= unknown
            contents += _exchange(beginning, one, rng, known, plain)
            labels.append(one if known else "nobody")
        contents[0] = f"{beginning.text} {contents[0]}"
        found.append(Dialogue(talk(*contents), tuple(labels)))
    return found


def orders(
    n: int, seed: int, questions: int = 0, forms: Sequence[str] = ORDERS, plain: float = 0.0
) -> list[Dialogue]:
    """n orders of a story about a person and a thing, each answered by a new story.

    Both the person and the thing are in the beginning of that story.

    Args:
        n: Number of conversations.
        seed: Seed of the stories and of all choices.
        questions: Largest number of questions about the story that are asked after it.
        forms: The wordings of an order.
        plain: The share of orders and of questions that are as people type them, see `typed` and `PLAIN`.
    """
    rng = Random(seed)
    found = []
    for story in fresh(seed):
        if len(found) == n:
            return found
        early = next((s.copy() for i, (s, _) in enumerate(moments(story)) if i == 3), None)
        if early is None or not early.thing:
            continue
        name, role = next(iter(early.role.items()))
        held = rng.choice(list(early.thing.values()))
        order = rng.choice(forms).format(r=role, A=name, c=held.color, n=held.noun, p=early.place[name])
        if plain and rng.random() < plain:
            order = typed(order, rng)
        contents = [order, story]
        facts = facts_of(state_of(story))
        kinds = [kind for kind in ASKED if facts[kind]]
        kinds = rng.sample(kinds, len(kinds))[:questions]
        for kind in kinds:
            contents += _exchange(Beginning(story, facts, ()), kind, rng, True, plain)
        found.append(Dialogue(talk(*contents), ("order", *kinds)))
    raise AssertionError("unreachable: stories do not end")


def summaries(n: int, seed: int) -> list[Dialogue]:
    """n new stories, and how each ends in one sentence: who has a thing, and where."""
    rng = Random(seed)
    found = []
    for story in fresh(seed):
        if len(found) == n:
            return found
        state = state_of(story)
        if state.thing:
            name, held = rng.choice(list(state.thing.items()))
            summary = SUMMARY.format(
                r=state.role[name], A=name, c=held.color, n=held.noun, p=state.place[name]
            )
            found.append(Dialogue(talk(f"{story} {rng.choice(SUMMARIES)}", summary), ("summary",)))
    raise AssertionError("unreachable: stories do not end")


def course(n: int, seed: int, stories: int = 1500, unknown: float = 0.2) -> list[Dialogue]:
    """n conversations to learn from.

    Seven in ten are lessons, two are orders with two questions each, and one is a summary.

    Args:
        n: Number of conversations.
        seed: Seed of the stories and of all choices.
        stories: Number of new stories, as for `lessons`.
        unknown: The share of questions in lessons whose answer is `NOBODY`.
    """
    tenth = n // 10
    mixed = lessons(n - 3 * tenth, seed, stories=stories, unknown=unknown)
    mixed += orders(2 * tenth, seed + 1, questions=2) + summaries(tenth, seed + 2)
    Random(seed).shuffle(mixed)
    return mixed


def second_orders(n: int, seed: int) -> list[Dialogue]:
    """n conversations of two orders, each with its story. The longest third of the stories is left out."""
    by_length = sorted(orders(3 * n, seed), key=lambda one: len(one.messages[1]["content"]))[: 2 * n]
    found = []
    for short, long in zip(by_length[:n], reversed(by_length[n:]), strict=True):
        pair = [short, long]
        Random(f"{seed} {len(found)}").shuffle(pair)
        found.append(Dialogue(pair[0].messages + pair[1].messages, ("order", "order")))
    return found


def untold(n: int, seed: int) -> list[Dialogue]:
    """n conversations of one question about the village before any story; the answer is `NOBODY`."""
    rng = Random(seed)
    found = []
    for _ in range(n):
        kind = rng.choice(list(ASKED))
        nothing = Beginning("", {}, tuple(KINDS["name"]))
        found.append(Dialogue(talk(*_plain_exchange(nothing, kind, rng, known=False)), ("nobody",)))
    return found


LACKED: dict[str, tuple[str, ...]] = {"A": ("stranger",), "r": ("lacked", "job"), "n": ("lacked", "gadget")}
"""The lists of `companion.village.strangers.WORDS` whose words the village lacks, by the slot of an order."""


def lacking(n: int, seed: int, words: Sequence[str] = ()) -> list[str]:
    """n orders and questions with a word that the village lacks, such as a story about a goat and a piano.

    Args:
        n: Number of messages.
        seed: Seed of all choices.
        words: The words to take. Without any, the words are those of the lists that `LACKED` names.
    """
    rng = Random(seed)
    found = []
    while len(found) < n:
        kind = rng.choice(("who has", "where is the thing", "what color", "order", "order", "order"))
        wordings = (*ORDERS, *LOOSE_ORDERS) if kind == "order" else ASKED[kind].wordings + PLAIN[kind]
        wording = rng.choice(wordings)
        slots = re.findall(r"\{([Arnx])\}", wording)
        if not slots:
            continue
        filled = {
            slot: rng.choice(KINDS[of])
            for slot, of in zip("Arncpx", ("name", "role", "thing", "color", "place", "thing"), strict=True)
        }
        for slot in rng.sample(slots, rng.randint(1, len(slots))):
            lists = LACKED["n" if slot == "x" else slot]
            filled[slot] = rng.choice(words or WORDS[rng.choice(lists)]).replace("_", " ")
        message = re.sub(r"\b([Aa]) (?=[aeiou])", r"\1n ", wording.format(**filled))
        found.append(typed(message, rng))
    return found


def unfit_messages(n: int, seed: int, longest: int) -> list[str]:
    """n messages to be declined: three in four of strangers, the others name what the village lacks."""
    found = strange_messages(n, seed, longest=longest)
    found[::4] = [message[:longest] for message in lacking(len(found[::4]), seed + 1)]
    Random(seed).shuffle(found)
    return found


def declined(n: int, seed: int) -> list[Dialogue]:
    """n conversations of one to three messages that are not about the village, each answered by `DECLINE`."""
    rng = Random(seed)
    messages = iter(unfit_messages(3 * n, seed, longest=400))
    found = []
    for _ in range(n):
        contents = [next(messages), DECLINE]
        while rng.random() < 0.3 and len(contents) < 6:
            contents += [next(messages), DECLINE]
        found.append(Dialogue(talk(*contents), ("declined",) * (len(contents) // 2)))
    return found


def interrupted(dialogues: Iterable[Dialogue], seed: int, share: float = 0.3) -> list[Dialogue]:
    """The conversations, a share of which is interrupted once or twice by a stranger's message.

    These messages are not about the village, or they name what the village lacks. An interruption comes
    before any of the user's messages, and its answer is `DECLINE`. Nothing else changes: the next order is
    followed and the next question is answered.

    Args:
        dialogues: The conversations.
        seed: Seed of the messages and of all choices.
        share: The share of conversations that are interrupted.
    """
    dialogues = list(dialogues)
    rng = Random(seed)
    messages = iter(unfit_messages(2 * len(dialogues), seed, longest=60))
    found = []
    for dialogue in dialogues:
        contents = [message["content"] for message in dialogue.messages]
        kinds = list(dialogue.kinds)
        if rng.random() < share:
            for _ in range(rng.randint(1, 2)):
                place = rng.choice((0, rng.randrange(len(kinds))))  # half of the time before all others
                contents[2 * place : 2 * place] = [next(messages), DECLINE]
                kinds.insert(place, "declined")
        found.append(Dialogue(talk(*contents), tuple(kinds)))
    return found


TYPED = 0.75  # share of questions as people type them, in `chat_course`


def chat_course(n: int, seed: int, stories: int = 1500, unknown: float = 0.3) -> list[Dialogue]:
    """n conversations for an answerer that strangers talk to.

    Of twenty conversations, five are lessons, four are orders with two questions each and two are of two
    orders. Two are an order in other words and one is a bare order, each with a question. One is a summary
    and one is a question before any story. Four are of messages that are not about the village, or that name
    what it lacks. Such messages also interrupt three in ten of the other conversations. Three in four
    questions, and all orders in other words, are as people type them.

    Args:
        n: Number of conversations.
        seed: Seed of the stories and of all choices.
        stories: Number of new stories, as for `lessons`.
        unknown: The share of questions in lessons whose answer is `NOBODY`.
    """
    part = n // 20
    village = lessons(n - 15 * part, seed, stories=stories, unknown=unknown, plain=TYPED)
    village += orders(4 * part, seed + 1, questions=2, plain=TYPED) + second_orders(2 * part, seed + 7)
    village += orders(2 * part, seed + 4, 1, LOOSE_ORDERS, plain=1.0)
    village += orders(part, seed + 8, 1, BARE_ORDERS, plain=1.0)
    village += summaries(part, seed + 2) + untold(part, seed + 3)
    mixed = interrupted(village, seed + 5) + declined(4 * part, seed + 6)
    Random(seed).shuffle(mixed)
    return mixed


# -- beginning a story ---------------------------------------------------------------------------------------


BEGINNINGS: dict[str, list[str]] = _TABLE["beginnings"]
"""Sentences of the village in which a person comes into a story, by what happens."""


def beginning_with(phrases: Iterable[str], rng: Random) -> str:
    """The first sentences of a story, as the village tells them, with what some phrases name.

    Each person has one thing, or some goods, at most. What the phrases leave open is drawn.

    Args:
        phrases: Such as "fox Bram", "red kite", "nine buns", "mill" and "Tom".
        rng: Makes every choice.
    """
    free = {kind: rng.sample(KINDS[kind], len(KINDS[kind])) for kind in ("name", "role", "color", "several")}
    place = rng.choice(KINDS["place"])
    people: list[tuple[str | None, str | None]] = []
    things, goods = {}, {}
    for phrase in phrases:
        found = {kind: word for word in phrase.split() for kind in KINDS if word in KINDS[kind]}
        place = found.get("place", place)
        if "name" in found or "role" in found:
            people.append((found.get("role"), found.get("name")))
        if "thing" in found:
            things[found["thing"]] = found.get("color") or free["color"].pop()
        if "goods" in found:
            goods[found["goods"]] = found.get("several") or free["several"].pop()
    carried = [("finds", f"{color} {noun}") for noun, color in list(things.items())[:1]] or [("opens", "")]
    carried += [("brings", f"{color} {noun}") for noun, color in list(things.items())[1:]]
    carried += [("goods", f"{number} {noun}") for noun, number in goods.items()]
    others = [(None, None)] * (max(2, len(carried)) - len(people))
    people = [*others, *people] if goods else [*people, *others]
    carried += [("meets", "")] * (len(people) - len(carried))
    taken = {word for person in people for word in person}
    told: list[str] = []
    first = ""
    for (role, name), (event, what) in zip(people, carried, strict=True):
        role = role or next(word for word in free["role"] if word not in taken)
        name = name or next(word for word in free["name"] if word not in taken)
        taken |= {role, name}
        first = first or name
        form = BEGINNINGS[event][len(told) % len(BEGINNINGS[event])]
        told.append(form.format(r=role, A=name, B=first, p=place, what=what))
    return " ".join(told[:CAST])


# -- judging what was answered -------------------------------------------------------------------------------


STORY = (
    r"(?<!was )(?<!is )(?<!not )(?<!what )(?<!such )(?<!'s )"
    r"\b(an?|one|another|one more|new|some)( [\w-]+){0,2} (story|stories|history|tale|fable|yarn)\b|^story\b"
    r"|\b(tell|give|write|read|want|need)( me| us)? (?!(the|this|that|your)\b)(\w+ )?"
    r"(story|history|tale)\b"
    r"|(?<!this is the )\bstory of \S|^another one\b|\bstories (about|of|with)\b"
    r"|^(please )?((can|could) you )?"
    r"((tell|read|give) (me|us) )?(some|any)thing (?!wrong|else)[a-z]+\W*$"
)
TELL = r"\bhear (of|about)\b|^(please )?tell (me|us) (something )?about\b"
ASKING = (
    r"(what|how)\b(?! about)|(why|where|who|which|when|is|are|does|did|should)\b|do\b(?! you (know|have)\b)"
)
WHO_IS = rf"who( is|'s) ({'|'.join(KINDS['name']).lower()})\W*"


def orders_a_story(message: str) -> bool:
    """Whether a message asks for a new story, as those of `ORDERS` and `LOOSE_ORDERS` do."""
    sentences = re.split(r"(?<=[.!?])\s+", message.strip().lower())
    return any(re.search(f"{STORY}|{TELL}", one) and not re.match(ASKING, one) for one in sentences)


def is_for_the_village(message: str) -> bool:
    """Whether a message surely orders a story, or asks who a person of the village is.

    "What is a story?" does not, and neither does "Tell me about attention.": both may ask about the course.
    """
    text = message.strip().lower()
    if re.match(ASKING, text):
        return re.fullmatch(WHO_IS, text) is not None
    return re.search(STORY, text) is not None


def has_both(order: str, story: str) -> bool:
    """Whether a story has what one of `ORDERS` named: the person with the role, the thing with its color."""
    parts = next(filter(None, (_parts(form, order) for form in ORDERS)))
    return f"{parts['r']} {parts['A']}" in story and f"{parts['c']} {parts['n']}" in story


def answered(text: str) -> tuple[str, dict[str, str]] | None:
    """The kind of `ASKED` that a text answers, and the words in its slots; None for another text."""
    for kind, asked in ASKED.items():
        words = _parts(asked.answer, text.strip())
        if words:
            return kind, words
    return None


def holds(answer: str, story: str) -> bool | None:
    """Whether an answer of one of the forms of `ASKED` is true at the end of what was told.

    None for an answer of another form.
    """
    found = answered(answer)
    if found is None:
        return None
    kind, v = found
    return (v["x"], v["y"], v.get("z", "")) in facts_of(state_of(story))[kind]


def is_true(summary: str, story: str) -> bool:
    """Whether a summary is of the form of `SUMMARY`, and true at the end of the story."""
    v = _parts(SUMMARY, summary.strip())
    state = state_of(story)
    if v is None:
        return False
    held = state.thing.get(v["A"])
    if (state.role.get(v["A"]), state.place.get(v["A"])) != (v["r"], v["p"]):
        return False
    return held is not None and (held.color, held.noun) == (v["c"], v["n"])


def _parts(form: str, text: str) -> dict[str, str] | None:
    """The words in the slots of a form, if a text has this form; else None."""
    pattern = re.sub(r"\\\{(\w)\\\}", r"(?P<\1>\\w+)", re.escape(form))
    found = re.fullmatch(pattern, text)
    return found.groupdict() if found else None
