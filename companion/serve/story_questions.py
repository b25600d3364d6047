"""Questions about a story that a program answers: it reads the judge's record of the story."""

import re
from collections import Counter
from collections.abc import Collection

from companion.serve.kinds import known_kinds, words_of
from companion.serve.orders import ANIMALS, items_of
from companion.serve.route import LEARNED, SAID
from companion.serve.village_words import (
    SENTENCES,
    SPARE,
    TABLE,
    content_words,
    missing,
    unknown_words,
    village_forms,
    village_nouns,
)
from companion.show.judged_text import is_story
from companion.village import judge
from companion.village.dialogues import ASKED, answered, facts_of, holds, is_true
from companion.village.judge import Reading, cut, state_of
from companion.village.machine import VILLAGE
from companion.village.words import KINDS, NUMBERS

READINGS = SAID["story"]
"""What a program says of a whole story, by the kinds of questions."""
DEEDS = SAID["deeds"]
"""What somebody does in a sentence of a story, by its effects."""
DID = re.compile(r"(?i)\W*((and|so|but) )?who (?!is|was|are|were|has|had)\w+")
"""How a question begins that asks who did something."""
WHERE = re.compile(r"(?i)\W*((and|so|but) )?(where|who (has|holds|owns))\b")
"""How a question begins that asks for places and things."""
REFERRING = frozenset(TABLE["lists"]["referring"].split())
"""Words with which a question means the story, or somebody or something in it."""
OPEN_KINDS = frozenset(TABLE["lists"]["open_kinds"].split())
"""Kinds of questions that may also be about the world, as "when was Napoleon born" is of the kind "day"."""
IS_IT = re.compile(r"(?i)\W*((and|so|but|ok) )?(is|isn'?t|are|was|wasn'?t|does|doesn'?t|has|had)\b(?! there)")
"""How a question begins that asks whether something is so."""
HAS_WHAT = re.compile(r"(?i)\bwhat\b.*\b(has|have|had|hold|holding|carry|carrying|own)\b")
"""What asks for the things of somebody."""
SPEAKS = re.compile(r"(?i)\bwhat (do|does|did) .*\b(say|ask|answer|talk|shout)\b")
"""What asks for what somebody says."""
BEFORE = re.compile(r"(?i)\b(before|first|originally|earlier|beginning|used to)\b")
"""What asks how something was before the end of the story."""
HANDS = re.compile(rf"(?i)\b({'|'.join(TABLE['lists']['hands'].split())})\b")
"""What asks how a thing went from one to another."""
PEOPLE = ("people", "persons", "characters", "villagers", "friends")
WHY = "I cannot say why: a story tells what happens, and no reasons."
JUDGE_FINDS = "The judge, a program that follows the story, finds"


def asked_for(question: str) -> list[str]:
    """What a question names: the village's nouns, words after "the" or "a", and words it does not know."""
    forms = village_forms()
    spare = content_words(SPARE)
    unknown = unknown_words(question)
    words = re.findall(r"\w+", question)
    found = []
    for before, word in zip(["", *words], words, strict=False):
        is_noun = before.lower() in ("the", "a", "an") and content_words(word) - spare
        is_unknown = word in unknown and before.lower() != "who"  # "who killed" names a deed
        if is_noun or is_unknown or word.lower() in forms:
            found.append(forms.get(word.lower(), word))
    return found


def told_and_asked(message: str) -> tuple[str, str]:
    """The story that a message tells and its last sentence, which asks; else "" and the message."""
    *said, question = re.split(SENTENCES, message.strip())
    return (" ".join(said), question) if is_story(" ".join(said)) else ("", message)


def is_about_the_world(kind: str, question: str, story: str) -> bool:
    """Whether a question names nobody and nothing of the village, and words that the story does not have.

    One such word is enough if the village does not know it. Of others there must be two. The word for what
    somebody did, as in "who drowned", does not count, nor does a question that messages.csv has.
    """
    if kind not in OPEN_KINDS or village_nouns(question) or words_of(question) in known_kinds():
        return False
    if kind == "who" and story and len(unknown_words(question)) == 1:  # "who is Ada"
        return False
    if REFERRING.intersection(re.findall(r"\w+", question.lower())):
        return False
    if missing(unknown_words(re.sub(r"(?i)\bwho \w+", "who", question)), story):
        return True
    asked = content_words(question) - content_words(SPARE)
    return not DID.match(question) and len(asked) > 1 and asked.isdisjoint(content_words(story))


def read(kind: str, question: str, story: str) -> str:
    """The answer that a program reads in a story to a question of some kind."""
    nouns = village_nouns(re.sub(r"\b[Ww]ho [a-z]\w*", "who", question))  # "who rings the bell"
    said = whether(story, question)
    if said:
        return said
    if kind in READINGS and not (kind in ("places", "feelings") and missing(nouns, story)):
        return READINGS[kind].format(**readings(story, nouns))
    if kind == "has" and asked_for(question):
        return whether_it_has(story, asked_for(question)[-1])
    strangers = re.findall(r"(?<=\w )[A-Z][a-z]+", question)  # "how many plums has Ada?"
    absent = missing(asked_for(question) if kind in LEARNED else [*nouns, *strangers], story)
    if absent:
        return lacking(story, absent[-1])
    if kind == "count":
        return how_many(story, question, nouns)
    if kind == "who" and (nouns or unknown_words(question)):
        return who_it_is(story, nouns or unknown_words(question))
    if kind == "why":
        return f"{WHY} {places_of(story, nouns) if nouns else ''}".strip()
    people = people_of(story, nouns)
    if WHERE.match(question) or (people and HAS_WHAT.search(question)):
        return places_of(story, nouns)
    if SPEAKS.search(question):
        spoken = [one for one in sentences_of(story) if re.search(rf"\" .*({'|'.join(people)})", one)]
        return f"The story says: {' … '.join(spoken[:4])}" if spoken else SAID["unsaid"]
    only_nouns = content_words(in_past(question)) - content_words(SPARE) <= content_words(" ".join(nouns))
    said = deeds_with(story, nouns) if nouns and (kind == "deeds" or only_nouns) else ""
    said = said or quoted(story, question) or deeds_with(story, content_words(in_past(question)))
    things = {*nouns} & {*KINDS["thing"], *KINDS["goods"]}
    if not said and things and HANDS.search(question) and not DID.match(question):
        said = f"{deeds_with(story, things)} {places_of(story, things)}".strip()
    if said and not IS_IT.match(question):
        return said
    if DID.match(question):
        return f"{SAID['nobody_found']} {places_of(story, nouns) if nouns else ''}".strip()
    named = re.findall(r"(?i)\b(?:a|an|the) (\w+)", question)
    named = [village_forms().get(word.lower(), word) for word in named]
    named = [word for word in missing(named, story) if content_words(word) - content_words(SPARE)]
    words = [f"“{word}”" for word in named[-2:]]
    nothing = f"The story says nothing of {' and '.join(words)}." if words else SAID["unsaid"]
    return f"{nothing} {places_of(story, nouns)}".strip()


def readings(story: str, nouns: list[str]) -> dict[str, str]:
    """What the answers of small_talk.toml say of a story, and of some nouns."""
    state = state_of(story)
    return {
        "story": story,
        "cast": contents_of(story).replace("It has", "The story has", 1),
        "first": sentences_of(story)[0],
        "last": sentences_of(story)[-1],
        "places": places_of(story, nouns),
        "day": state.day or "not named",
        "weather": state.weather or "not named",
        "feelings": feelings_in(story, nouns),
    }


def contents_of(story: str) -> str:
    """A sentence with the people and things of a story; empty where the judge finds none."""
    *others, last = ["", *items_of(story)]
    return f"It has {' and '.join(filter(None, (', '.join(others[1:]), last)))}." if last else ""


def sentences_of(story: str) -> list[str]:
    """The sentences of a story, as the judge cuts them, without a question that a user asked after it."""
    return [one.sentence for one in judge(story) if one.kind != "unknown" or not one.sentence.endswith("?")]


def people_of(story: str, nouns: list[str]) -> dict[str, str]:
    """The people of a story whose name or role is one of some nouns, with their roles."""
    return {name: role for name, role in state_of(story).role.items() if {name, role} & set(nouns)}


def whether(story: str, question: str) -> str:
    """Yes or no, and what is so, to a question for a color, a role, a place or a holder; else ""."""
    state = state_of(story)
    names = {role: name for name, role in state.role.items()}
    things = {held.noun: (held.color, name) for name, held in state.thing.items()} | state.lying
    facts = {
        "color": ("the {} is {}", {noun: color for noun, (color, _) in things.items()}),
        "role": ("{} is the {}", state.role),
        "place": ("{} is at the {}", state.place),
        "name": ("{1} has the {0}", {held.noun: name for name, held in state.thing.items()}),
    }
    begun = IS_IT.match(question)
    if not begun or BEFORE.search(question):
        return ""
    words = [village_forms().get(word, word) for word in re.findall(r"\w+", question[begun.end() :].lower())]
    for kind, (form, values) in facts.items():
        named = words if kind == "role" else [names.get(word, word) for word in words]
        known = {*KINDS[kind], *TABLE["other"].get(kind, "").split()}
        for subject in set(named) & set(values):
            asked = [word for word in named if word in known and word != subject]
            rest = content_words(" ".join(named)) - content_words(f"{subject} {' '.join(asked)} {SPARE}")
            is_owned = kind == "role" and begun[3].lower().startswith(("do", "ha"))  # "does Mara have a dog"
            if asked and not rest and not is_owned:
                fact = form.format(subject, values[subject])
                return f"{'Yes' if values[subject] in asked else 'No'}, {fact}."
    return ""


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


def quoted(story: str, question: str) -> str:
    """The first true sentences of a story with all content words of a question; "" where there are none."""
    asked = content_words(in_past(question)) - content_words(SPARE)
    found = [one.sentence for one in judge(story) if one.kind in ("ok", "misplaced")]
    found = [sentence for sentence in found if asked <= content_words(sentence)]
    return f"The story says: {' … '.join(found[:4])}" if asked and found else ""


def deeds_of(story: str) -> list[str]:
    """What is done in a story, in short sentences: of each sentence that the judge believes, its effects."""
    text = " ".join(story.split())
    reading = Reading()
    found = []
    for start, end, matched in cut(text):
        if not matched:
            continue
        got = next((verb for form, verb in SAID["got"].items() if re.search(form, text[start:end])), "got")
        step = VILLAGE.read(reading.state, *matched)
        others = [name for name, place in reading.state.place.items() if place == step.said.get("p")]
        named = {
            "others": " and ".join(others) or "nobody",
            "all": " and ".join(reading.state.role),
            "got": got,
        }
        verdict = reading.verdict(step)
        if verdict.kind != "contradiction" and verdict.reason != "said already":
            for effect, *letters in step.pattern.effects:
                if effect in DEEDS and not (effect == "enters" and step.pattern.part == "opening"):
                    words = [step.said[letter] for letter in letters]
                    found.append(DEEDS[effect].format(*words, **step.said, **named))
    return found


def deeds_with(story: str, words: Collection[str]) -> str:
    """The deeds of a story that have all of some words, where a role also stands for its name."""
    roles = state_of(story).role
    stems_asked = content_words(" ".join(words)) - content_words(SPARE)
    found = []
    for deed in deeds_of(story):
        named = [role for name, role in roles.items() if name in deed]
        if stems_asked <= content_words(" ".join([deed, *named])):
            found.append(deed)
    return " ".join(found)


def feelings_in(story: str, nouns: list[str]) -> str:
    """What somebody of some nouns, or anybody, felt in a story."""
    names = people_of(story, nouns)
    felt = [deed for deed in deeds_of(story) if " felt " in deed and (not names or deed.split()[0] in names)]
    felt += [f"“{one}”" for one in sentences_of(story) if "happily" in one]
    return " ".join(felt) or f"The story does not say how {' or '.join(names) or 'anybody'} felt."


def in_past(question: str) -> str:
    """A question with its verbs as a story has them: "find" as "found"."""
    return re.sub(r"\w+", lambda found: TABLE["past"].get(found[0].lower(), found[0]), question)


def lacking(story: str, word: str) -> str:
    """That a story does not have something, and what it has."""
    return f"The story has no {word}. {contents_of(story)}".strip()


def whether_it_has(story: str, word: str) -> str:
    """Whether a word is in a story: the first sentence with it, or what there is instead."""
    found = [one for one in sentences_of(story) if not missing([word], one)]
    return f"Yes: “{found[0]}”" if found else f"No. {lacking(story, word)}"


def how_many(story: str, question: str, nouns: list[str]) -> str:
    """How many of something a story has at its end, or that it does not count that."""
    state = state_of(story)
    roles = list(state.role.values())
    things = [*state.lying, *[held.noun for held in state.thing.values()]]
    counts = Counter([*roles, *things, *len(roles) * PEOPLE])
    counts["things"] = len(things)
    counts["animals"] = sum(role in ANIMALS for role in roles)
    counts["places"] = len(set(state.place.values()))
    counts["sentences"] = len(sentences_of(story))
    counts["words"] = len(story.split())
    for n, goods in state.goods.values():
        counts[goods] += n
    people = people_of(story, nouns)
    if people:  # of whom the question asks
        goods_of = {name: n for name, (n, _) in state.goods.items()}
        counts["things"] = sum((name in state.thing) + goods_of.get(name, 0) for name in people)
    found = re.search(r"(?i)how (?:many|much) (?:different |other |more )*(\w+)", question)
    typed = found[1].lower() if found and content_words(found[1]) else ""
    if "how long" in question.lower():
        typed = "sentences"
    counted = village_forms().get(typed, typed)
    if counted in counts:
        has = places_of(story, people) if people else contents_of(story)
        return f"The number of {typed}: {counts[counted]}. {has}"
    return f"The story does not count {typed or 'that'}. {places_of(story, people)}".strip()


def who_it_is(story: str, nouns: list[str]) -> str:
    """The role of a person in a story, or who has a role."""
    found = [f"{name} is the {role}." for name, role in people_of(story, nouns).items()]
    return " ".join(found) or lacking(story, nouns[-1])


# -- what the judge says of an answer ------------------------------------------------------------------------


def truth_of(messages: list[dict[str, str]], question: str) -> str:
    """What the judge says of the last answer of a conversation, or of its story; empty without one."""
    said = [one["content"] for one in messages if one["role"] == "assistant"]
    is_of_story = "story" in question.lower()
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
        return f"{JUDGE_FINDS} nothing false in it."
    return f"{JUDGE_FINDS} this false: {' '.join(f'“{one.sentence}” ({one.reason})' for one in false[:3])}"


def corrected(messages: list[dict[str, str]], nouns: list[str]) -> str:
    """What the story says instead of a false last answer about some nouns, and that answer; else empty."""
    if not messages:
        return ""
    *earlier, last = messages
    story = joined(earlier)
    answer = last["content"].strip()
    is_false_summary = answer.startswith("In the end ") and not is_true(answer, story)
    if holds(answer, story) is not False and not is_false_summary:
        return ""
    true = true_answer(answer, story)
    said = f"At the end of the story: “{true}”" if true else places_of(story, nouns)
    return f"{said} (The model said “{answer}”, and the judge, a program, finds that false.)"


def joined(messages: list[dict[str, str]]) -> str:
    """The contents of messages as one text of whole sentences."""
    contents = [message["content"].strip() for message in messages]
    return " ".join(text if text.endswith((".", "!", "?", '"')) else f"{text}." for text in contents)


def true_answer(answer: str, story: str) -> str:
    """The true answer at the end of a story to what a false one answers; "" where it does not say so."""
    words = re.findall(r"\w+", answer)
    found = answered(answer)
    for x, y, z in facts_of(state_of(story))[found[0]] if found else ():
        if x in words and (not z or z in words):
            return ASKED[found[0]].answer.format(x=x, y=y, z=z)
    return ""
