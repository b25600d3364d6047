"""What a story says, in sentences of a program that reads the judge's record of it."""

import re
from collections import Counter
from collections.abc import Collection

from companion.serve.kinds import SAID
from companion.serve.story_deeds import deeds_of, in_short
from companion.serve.village_words import missing
from companion.show.judged_text import is_story
from companion.village import judge
from companion.village.dialogues import ASKED, answered, facts_of, holds, is_true
from companion.village.facts import State
from companion.village.judge import state_of
from companion.village.words import ANIMALS, KINDS, NUMBERS, number_word

ORDINALS = ("first", "second", "third", "fourth", "fifth", "sixth")
"""How a question names one of those in a story."""
COMES = r"(?:comes?|came|arrive[sd]?|appears?|appeared|is|was|got (?:to|there))\b"
"""How somebody comes into a story, after "who"."""
SCENE = re.compile(
    r"(?i)\b(happens?|happened|takes? place|took place|set|setting|play)\b"
    r"|\b(list|name|all|every)\b.*\bplaces?\b"
)
"""What asks for the places of a whole story, and not for those of its end."""
MAN_OR_WOMAN = re.compile(r"(?i)boys?|girls?|man|men|woman|women|lady|ladies|guys?|(fe)?males?")
"""Words for people of which a story does not tell."""
JUDGE_FINDS = "The judge, a program that follows the story, finds"


def readings(story: str, question: str, nouns: list[str]) -> dict[str, str]:
    """What the answers of answers.toml say of a story to a question with some nouns."""
    state = state_of(story)
    return {
        "story": story,
        "cast": cast_of(story, question, nouns),
        "deeds": in_short(story) or contents_of(story),
        "first": sentences_of(story)[0],
        "last": sentences_of(story)[-1],
        "places": scenes_of(story) if SCENE.search(question) else places_of(story, nouns),
        "day": f"It is {state.day}." if state.day else "The story names no day and no hour.",
        "weather": weather_of(story),
        "feelings": feelings_in(story, nouns),
    }


def weather_of(story: str) -> str:
    """The weather at the end of a story, or the first sentence that names one."""
    weather = state_of(story).weather
    words = KINDS["weather"]
    named = [one for one in sentences_of(story) if len(missing(words, one)) < len(words)]
    if weather:
        return f"The weather: {weather}."
    return f"The story says: {named[0]}" if named else "The story names no weather."


def cast(state: State) -> list[str]:
    """The people of a story with their roles: "the baker Mara"."""
    return [f"the {role} {name}" for name, role in state.role.items()]


def items_of(story: str) -> list[str]:
    """The people, things and goods of a story."""
    state = state_of(story)
    found = cast(state)
    found += [f"the {held.color} {held.noun}" for held in state.thing.values()]
    found += [f"the {color} {noun}" for noun, (color, _) in state.lying.items()]
    goods = Counter[str]()
    for n, kind in state.goods.values():
        goods[kind] += n
    return found + [f"{number_word(n)} {kind}" for kind, n in goods.items()]


def things_of(story: str) -> list[str]:
    """The things of a story, without colors."""
    state = state_of(story)
    return [*state.lying, *[held.noun for held in state.thing.values()]]


def cast_of(story: str, question: str, nouns: list[str]) -> str:
    """The people, the animals or the things of a story, or all, as a question asks for them.

    Of "who else" those that the question names are left out; of the main person there is only one.
    """
    people = cast(state_of(story))
    items = items_of(story)
    unnamed = ["an old woman without a name"] if "old woman" in story else []
    asks_people = re.search(r"(?i)\b(who|people|persons?|characters?|hero|heroine|protagonist)\b", question)
    asks_things = re.search(r"(?i)\b(things?|objects?|items?)\b", question)
    if re.search(r"(?i)\banimals?\b", question):
        items = [item for item in people if item.split()[1] in ANIMALS]
    elif asks_things and not asks_people:
        items = items[len(people) :]
    elif asks_people and not asks_things:
        items = people + unnamed
    if re.search(r"(?i)\b(else|besides|except|other|another)\b", question):
        items = [item for item in items if not set(nouns) & set(item.split())]
    nth = re.search(rf"(?i)\b({'|'.join(ORDINALS)}) (person|character|animal|thing|one)\b", question)
    if nth and ORDINALS.index(nth[1].lower()) < len(items):
        return f"The {nth[1].lower()} is {items[ORDINALS.index(nth[1].lower())]}."
    comes = re.search(rf"(?i)\bwho\b {COMES}.*\b({'|'.join(ORDINALS)}|last)\b", question)
    if comes and people:
        place = -1 if comes[1].lower() == "last" else ORDINALS.index(comes[1].lower())
        there = f"The {comes[1].lower()} is {people[place]}." if place < len(people) else ""
        return there or f"The story has {joined_items(people)}."
    if (
        re.search(r"(?i)\b(main(?! characters| persons| people)|hero|heroine|protagonist)\b", question)
        and people
        and items == people + unnamed
    ):
        return f"Mostly {people[0]}, who comes first."
    return f"The story has {joined_items(items)}." if items else "The story has none."


def joined_items(items: list[str]) -> str:
    """Items as a sentence lists them: "a, b and c"."""
    others = ", ".join(items[:-1])
    return f"{others} and {items[-1]}" if others else items[0]


def contents_of(story: str) -> str:
    """A sentence with the people and things of a story; empty where the judge finds none."""
    items = items_of(story)
    if not items:
        return ""
    return f"It has {joined_items(items)}."


def sentences_of(story: str) -> list[str]:
    """The sentences of a story, as the judge cuts them, without a question that a user asked after it."""
    return [one.sentence for one in judge(story) if one.kind != "unknown" or not one.sentence.endswith("?")]


def people_of(story: str, nouns: list[str]) -> dict[str, str]:
    """The people of a story whose name or role is one of some nouns, with their roles."""
    return {name: role for name, role in state_of(story).role.items() if {name, role} & set(nouns)}


def places_of(story: str, words: Collection[str]) -> str:
    """Where each person is, with what, and where each thing lies: of those that words name, or of all."""
    state = state_of(story)
    has = {name: f" with the {held.color} {held.noun}" for name, held in state.thing.items()}
    for name, (n, goods) in state.goods.items():
        has[name] = f"{has[name]} and" if name in has else " with"
        has[name] += f" {NUMBERS[n - 1]} {goods}"
    found = [
        f"the {role} {name} is at the {state.place[name]}{has.get(name, '')}"
        for name, role in state.role.items()
        if name in state.place
    ]
    found += [f"the {color} {noun} is at the {at}" for noun, (color, at) in state.lying.items() if at]
    named = [one for one in found if len(missing(words, one)) < len(words)] or found
    return f"At the end of the story, {', and '.join(named)}." if named else ""


def place_names(story: str) -> list[str]:
    """The places of a story, in the order in which it names them."""
    return list(dict.fromkeys(word for word in re.findall(r"\bthe (\w+)", story) if word in KINDS["place"]))


def scenes_of(story: str) -> str:
    """Where a story happens, from its first place to its last."""
    scenes = ", then ".join(f"at the {place}" for place in place_names(story))
    return f"The story happens {scenes}." if scenes else f"{SAID['unsaid']} It names no place."


def counts_of(story: str) -> Counter[str]:
    """How many people, things, places, sentences and words a story has, and of each role, thing and goods."""
    state = state_of(story)
    roles = list(state.role.values())
    things = things_of(story)
    counts = Counter([*roles, *things])
    n_animals = sum(role in ANIMALS for role in roles)
    for word in ("characters", "villagers", "friends"):
        counts[word] = len(roles)
    for word in ("people", "persons"):
        counts[word] = len(roles) - n_animals + ("old woman" in story)
    for word in ("things", "objects", "items"):
        counts[word] = len(things)
    counts["animals"] = n_animals
    counts["places"] = len(place_names(story))
    counts["sentences"] = len(sentences_of(story))
    counts["words"] = len(story.split())
    for n, goods in state.goods.values():
        counts[goods] += n
    return counts


def feelings_in(story: str, nouns: list[str]) -> str:
    """What somebody of some nouns, or anybody, felt in a story."""
    names = people_of(story, nouns)
    moods = [deed.text for deed in deeds_of(story) if " felt " in deed.text]
    felt = [mood for mood in moods if not names or mood.split()[0] in names]
    felt += [f"“{one}”" for one in sentences_of(story) if "happily" in one]
    return " ".join(felt) or f"The story names no mood{' of ' if names else ''}{' or '.join(names)}."


def lacking(story: str, word: str) -> str:
    """That a story does not have something, and what it has."""
    if MAN_OR_WOMAN.fullmatch(word):
        return f"The story calls nobody “{word}”. {contents_of(story)}".strip()
    return f"The story has no {word}. {contents_of(story)}".strip()


# -- what the judge says of an answer ------------------------------------------------------------------------


def truth_of(messages: list[dict[str, str]], is_of_story: bool) -> str:
    """What the judge says of the model's last answer in a conversation, or of its story; else empty."""
    said = [one["content"] for one in messages if one["role"] == "assistant"]
    false_answer = "" if is_of_story else corrected(messages, [])
    if false_answer:
        return false_answer
    if not is_of_story and said and answered(said[-1]) and holds(said[-1], " ".join(said[:-1])):
        return f"{JUDGE_FINDS} this true: “{said[-1]}”"
    stories = [text for text in said if is_story(text)]
    if not stories:
        return ""
    false = [one for one in judge(stories[-1]) if one.kind == "contradiction"]
    if not false:
        return f"It is made up, word by word. {JUDGE_FINDS} nothing false in it."
    return f"{JUDGE_FINDS} this false: {' '.join(f'“{one.sentence}” ({one.reason})' for one in false[:3])}"


def is_summary(answer: str) -> bool:
    """Whether an answer of the model says how a story ends."""
    return answer.startswith("In the end ")


def corrected(messages: list[dict[str, str]], nouns: list[str]) -> str:
    """What the story says instead of a false last answer about some nouns, and that answer; else empty."""
    if not messages:
        return ""
    *earlier, last = messages
    story = joined(earlier)
    answer = last["content"].strip()
    is_false_summary = is_summary(answer) and not is_true(answer, story)
    if holds(answer, story) is not False and not is_false_summary:
        return ""
    true = true_answer(answer, story)
    is_of_nouns = true and not missing(nouns, true)
    said = f"At the end of the story: “{true}”" if is_of_nouns else places_of(story, nouns)
    return f"{said} (The model said “{answer}”, and the judge, a program, finds that false.)"


def joined(messages: list[dict[str, str]]) -> str:
    """The contents of messages as one text of whole sentences."""
    contents = [message["content"].strip() for message in messages]
    return " ".join(text if text.endswith((".", "!", "?", '"')) else f"{text}." for text in contents)


def true_answer(answer: str, story: str) -> str:
    """The true answer at the end of a story to what a false one answers; "" where it does not say so."""
    words = re.findall(r"\w+", answer)
    found = answered(answer)
    if not found:
        return ""
    for x, y, z in facts_of(state_of(story))[found[0]]:
        if x in words and (not z or z in words):
            return ASKED[found[0]].answer.format(x=x, y=y, z=z)
    return ""
