"""Conversations for an answerer that strangers talk to, of which data/models/answerer has learned.

Beside lessons, orders and summaries there are questions and orders as people type them, and messages that
are not about the village, for a model to decline them. People who try a chat for the first time greet it, ask
about the world, paste code or insult it. Each kind of such a message is a list of sentence patterns, whose
slots are filled from lists of words. A model learns from the kinds in `TRAINED` and is tested on those in
`HELD_OUT`. The two share no pattern. Patterns and words are in strangers.toml.
"""

import re
import string
import tomllib
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from random import Random

from companion.village import DATA
from companion.village.dialogues import (
    ASKED,
    DECLINE,
    LOOSE_ORDERS,
    NOBODY,
    OPENINGS,
    ORDERS,
    PLAIN,
    Beginning,
    Dialogue,
    exchange,
    lessons,
    orders,
    summaries,
    talk,
)
from companion.village.words import KINDS, lines

_TABLE = tomllib.loads(Path(__file__).with_name("strangers.toml").read_text(encoding="utf-8"))

WORDS: dict[str, list[str]] = {
    **{kind: text.split() for kind, text in _TABLE["words"].items()},
    "number": [str(n) for n in range(2, 100)],
    "year": [str(n) for n in range(1066, 2031, 17)],
}
"""What the slots of a pattern are filled from. An underscore stands for a space."""

HELD_OUT_LACKED = _TABLE["held_out_lacked"].split()
"""Words that the village lacks and that no model learns to decline, to test it."""

TRAINED = {kind: lines(text) for kind, text in _TABLE["trained"].items()}
"""Kinds of messages to learn from: for each kind its patterns."""

HELD_OUT = {kind: lines(text) for kind, text in _TABLE["held_out"].items()}
"""Kinds of messages that no model learns from, to test it."""


def _filled(pattern: str, rng: Random) -> str:
    """A pattern with words in its slots."""
    filled = pattern
    while slot := re.search(r"(?<!\{)\{(\w+)\}(?!\})", filled):
        if slot[1] == "random":
            word = "".join(rng.choice(string.ascii_lowercase + ";,1 ") for _ in range(rng.randint(3, 12)))
        elif slot[1] == "long":
            patterns = [one for kind in ("worries", "news and claims", "errands") for one in HELD_OUT[kind]]
            word = " ".join(rng.choice(patterns) for _ in range(rng.randint(6, 10)))
        else:
            word = rng.choice(WORDS[slot[1]]).replace("_", " ")
        filled = filled[: slot.start()] + word + filled[slot.end() :]
    return filled.replace("{{", "{").replace("}}", "}")


def _typed(message: str, rng: Random) -> str:
    """A message as people type it: with or without a capital and a mark at its end, or all in capitals."""
    if rng.random() < 0.5:
        message = message[:1].upper() + message[1:]
    if message[-1:].isalnum() and rng.random() < 0.4:
        message += rng.choice(".!?")
    elif message.endswith("?") and rng.random() < 0.2:
        message = message[:-1]
    return message.upper() if rng.random() < 0.05 else message


def _prose() -> list[str]:
    """Sentences of the course's own short story, which is not about the village."""
    text = (DATA / "lamplighter.txt").read_text("utf-8")
    return [one.strip() for one in re.split(r"(?<=[.!?”\"])\s+", text) if 10 < len(one.strip()) < 200]


def strange_messages(n: int, seed: int, longest: int = 500) -> list[str]:
    """n messages to learn from, of all kinds in `TRAINED`.

    One in five is longer: several messages in a row, sentences of the course's short story, or a pile of
    words.

    Args:
        n: Number of messages.
        seed: Seed of all choices.
        longest: Largest number of characters in a message.
    """
    rng = Random(seed)
    patterns = [pattern for kind in TRAINED.values() for pattern in kind]
    kinds = list(TRAINED)
    words = [word for some in WORDS.values() for word in some]
    words += [word for pattern in patterns for word in pattern.split() if "{" not in word]
    prose = _prose()
    found = []
    while len(found) < n:
        form = rng.random()
        if form < 0.8:
            message = _typed(_filled(rng.choice(TRAINED[rng.choice(kinds)]), rng), rng)
        elif form < 0.87:
            some = [_typed(_filled(rng.choice(patterns), rng), rng) for _ in range(rng.randint(2, 12))]
            message = " ".join(some)
        elif form < 0.94:
            first = rng.randrange(len(prose))
            message = " ".join(prose[first : first + rng.randint(1, 4)])
        else:
            some = rng.choices(words, k=rng.randint(1, 12))
            message = _typed(" ".join(some).replace("_", " "), rng)
        found.append(message[:longest].strip() or "?")
    return found


def held_out_messages(n: int, seed: int) -> list[tuple[str, str]]:
    """n pairs of kind and message, of the kinds in `HELD_OUT` in turn. No model learned from such a kind."""
    rng = Random(seed)
    kinds = list(HELD_OUT)
    found = []
    for i in range(n):
        kind = kinds[i % len(kinds)]
        found.append((kind, _filled(rng.choice(HELD_OUT[kind]), rng).strip() or "?"))
    return found


# -- as people type ------------------------------------------------------------------------------------------


TYPED = 0.75  # share of questions as people type them, in `chat_course`
BARE_ORDERS = tuple(order for order in LOOSE_ORDERS if order[:-1] in OPENINGS)
"""Those that leave the person and the thing to the teller."""


def plain_exchange(beginning: Beginning, kind: str, rng: Random, known: bool) -> tuple[str, str]:
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


def asking_plainly(share: float) -> Callable[..., tuple[str, str]]:
    """What makes a question and its answer, as `exchange`: a share of the questions as people type them."""

    def ask(beginning: Beginning, kind: str, rng: Random, known: bool) -> tuple[str, str]:
        if rng.random() < share:
            return plain_exchange(beginning, kind, rng, known)
        return exchange(beginning, kind, rng, known)

    return ask


def plain_orders(
    n: int, seed: int, questions: int = 0, forms: Sequence[str] = LOOSE_ORDERS, share: float = 1.0
) -> list[Dialogue]:
    """The `orders` of a seed, of which a share of the orders and questions are as people type them."""

    def change(order: str, rng: Random) -> str:
        return typed(order, rng) if rng.random() < share else order

    return orders(n, seed, questions, forms, asking_plainly(share), change)


# -- conversations -------------------------------------------------------------------------------------------


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
        found.append(Dialogue(talk(*plain_exchange(nothing, kind, rng, known=False)), ("nobody",)))
    return found


LACKED: dict[str, tuple[str, ...]] = {"A": ("stranger",), "r": ("lacked", "job"), "n": ("lacked", "gadget")}
"""The lists of `WORDS` whose words the village lacks, by the slot of an order."""


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
    village = lessons(n - 15 * part, seed, stories=stories, unknown=unknown, ask=asking_plainly(TYPED))
    village += plain_orders(4 * part, seed + 1, 2, ORDERS, TYPED) + second_orders(2 * part, seed + 7)
    village += plain_orders(2 * part, seed + 4, 1)
    village += plain_orders(part, seed + 8, 1, BARE_ORDERS)
    village += summaries(part, seed + 2) + untold(part, seed + 3)
    mixed = interrupted(village, seed + 5) + declined(4 * part, seed + 6)
    Random(seed).shuffle(mixed)
    return mixed
