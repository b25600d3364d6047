"""Questions about a story that a program answers: it reads the judge's record of the story.

Each reader answers questions of one form, with "" where it has no answer.
"""

import re

from companion.serve.after_story import BEFORE, HOW_MANY, WHAT_HAS_COLOR, WHICH_COLOR, WHO_DID, asked_for
from companion.serve.course_lists import capitalized
from companion.serve.deed_questions import (
    DEED_WORDS,
    IS_LOST,
    STEALS,
    WHO_SAYS,
    deeds_of_nouns,
    deeds_of_things,
    deeds_with_words,
    given_back,
    happened,
    lost,
    moment,
    nobody,
    other_deeds,
    places_of_deeds,
    reason,
    sentences_with_a_verb,
    sentences_with_verbs,
    sentences_with_words,
    speaker,
    speech,
    was_done,
    ways_to_get,
    what_was_done,
    who_did,
    wishes,
)
from companion.serve.kinds import FOR_MODEL, SAID, Kind
from companion.serve.orders import ordered_phrases
from companion.serve.story_deeds import deeds_of, deeds_with, text_of
from companion.serve.story_facts import (
    MAN_OR_WOMAN,
    ORDINALS,
    cast_of,
    contents_of,
    counts_of,
    feelings_in,
    items_of,
    joined_items,
    lacking,
    people_of,
    places_of,
    readings,
    sentences_of,
    things_of,
)
from companion.serve.story_question import StoryQuestion, only, told_instead, with_places
from companion.serve.village_words import (
    SPARE,
    WORDS,
    content_words,
    missing,
    unknown_words,
    village_forms,
    village_nouns,
    words_without,
)
from companion.village.facts import State
from companion.village.words import KINDS, number_word

READINGS = SAID["story"]
"""What a program says of a whole story, by the kinds of questions."""
FORMS = "|".join(village_forms())
"""The words of the village, as they are typed."""
CAST_WORDS = re.compile(r"(?i)\b(animals?|people|persons?|characters?|things?|objects?|items?)\b")
"""What asks for all of a kind that a story has."""
WHERE = re.compile(r"(?i)^\W*(where|who (has|holds|owns))\b")
"""How a question begins that asks for places and things."""
IS_IT = re.compile(r"(?i)^\W*(is|isn'?t|are|was|wasn'?t|does|doesn'?t|has|had)\b(?! there)")
"""How a question begins that asks whether something is so."""
IS = re.compile(r"(?i)^\W*(is|isn'?t|are|was|wasn'?t)\b(?! there)")
"""How a question begins that asks whether something is so, in a form of "be"."""
HAS_IT = re.compile(r"(?i)^\W*((has|had)\b(?! there)|does(n'?t)?\b.*\b(have|hold|carry|own)\b)")
"""What asks whether somebody has something."""
WHOSE = re.compile(r"(?i)\b(whose|belongs?)\b")
"""What asks for the owner of a thing."""
HAS_WHAT = re.compile(
    r"(?i)\bwhat\b(?!.*\b(would|could|happen\w*|been|common)\b).*\b(has|have|had|hold|holding|carry|carrying|own|got)\b"
    r"|^\W*(does|did)\b.*\bhave (any|some)thing\b"
)
"""What asks for the things of somebody."""
DID_WHAT = re.compile(r"(?i)^\W*what (did|does|do|has|have|was|were)\b")
"""What asks what somebody did, or what was done."""
DID_WHEN = re.compile(r"(?i)^\W*what (did|does|happen\w*)\b.*\b(before|after|until|while|when)\b")
"""What asks for what is done before or after something else."""
SPEAKS = re.compile(
    r"(?i)\b(do|does|did) .*\b(say|tell|ask|answer|talk|shout|speak)\b|\bwhat\b.*\b(said|says|asked)\b"
)
"""What asks for what somebody says."""
WANTS = re.compile(r"(?i)\bwhat (did|does|do) .*\b(want|wish)\b")
"""What asks for the wish of somebody."""
WOULD = re.compile(r"(?i)\b(would|what if)\b")
"""What asks for something that does not happen."""
ASKS_IF_KEPT = re.compile(r"(?i)^\W*(did|do|does|has|have|is|are)\b.*\b(keep|kept|still|got)\b")
"""What asks whether somebody still has something."""
WITH_WHOM = re.compile(r"(?i)\bwho(m|'s| is| was| were| else)?\b.*\bwith\b|\bwith whom\b")
"""What asks for the company of somebody."""
AGAIN = re.compile(
    r"(?i)\b(find|found|get|got|gets|give|gave|given|bring|brought|returned?)\b.*\b(again|back)\b"
)
"""What asks whether what was lost or lent is found or given back."""
HAS_MOST = re.compile(r"(?i)^\W*who\b.*\b(most|more|fewest|fewer)\b")
"""What compares what people have."""
WHEN = re.compile(r"(?i)^\W*when (did|does|was|were|is)\b")
"""What asks when something was done."""
SUBJECT = re.compile(
    r"(?i)^\W*(?:(?:what|where|why|when|how) )?(?:did|does|do|is|are|was|were|has|had|will|can) the"
    r" (?!(?:whole|only|main|other|same|next|best|final|two|three|first|second|third|last|old)\b)"
    r"(?!(?:friends?|animals?|people)\b)(\w+)"
    r"(?:['’]s)?\b(?! of\b)"
)
"""How a question begins that asks whether somebody or something did or is so."""
NAMED_SUBJECT = re.compile(r"(?i)\b(?:did|does) (?!the\b)(\w+) \w+")
"""What asks what somebody did, who may have a name that the village does not know."""
IS_THERE = re.compile(
    r"(?i)^\W*((is|are|was|were) there (an?|any|some|no)"
    r"|(did|does) (the |this )?(story|tale|it) (mention|contain))\b"
    r"(?!.*\b(moral|lesson|message|end|ending|weather|lies?|mistakes?|errors?)\b)"
)
"""How a question begins that asks whether a story has something."""
HOW_OLD = re.compile(r"(?i)\bhow old\b|\bage of\b|\b(old|young)(er|est)\b")
"""What asks for the age of somebody."""
WHO_NTH = re.compile(rf"(?i)^\W*who\b.*\b({'|'.join(ORDINALS)}|last)\b")
"""What asks for one of the people by the order in which they come."""
ASKS_WHICH = re.compile(r"(?i)^\W*(who|what|which|where)\b")
"""How a question begins that asks for one of several."""
EITHER = re.compile(rf"(?i),? (the )?({FORMS}) or (the )?({FORMS})(?=\W*$)")
"""What stands behind a question and names two of the village that may be the answer."""
HAS_NOTHING = re.compile(r"(?i)^\W*who\b.*\b(nothing|no \w+|none|empty)\b")
"""What asks who has nothing."""
WHERE_DONE = re.compile(r"(?i)^\W*where (did|does|was|were)\b")
"""What asks where something was done."""
WHO_FROM = re.compile(r"(?i)^\W*(who|whom|where)\b.*\b(is|are|was|were)\b.*\bfrom\W*$|^\W*from whom\b")
"""What asks from whom a thing is."""
WHERE_LOST = re.compile(r"(?i)^\W*where\b.*\b(lose|lost)\b")
"""What asks where something was lost."""
HOW_GOT = re.compile(r"(?i)^\W*how (did|does|do|has|had)\b.*\b(get|gets|got|come by|receive|have)\b")
"""What asks how somebody got a thing."""
WHO_LIVES = re.compile(r"(?i)^\W*who lives?\b")
"""What asks who lives at a place."""
LIVES = re.compile(r"(?i)\b(lives?|home|works?)\b")
"""What asks where somebody lives or works."""
IN_THING = re.compile(rf"(?i)\bwhat\b.*\b(?:in|inside) (?:the |her |his )?({'|'.join(KINDS['thing'])})\b")
"""What asks for what is in a thing."""
IN_STORY = re.compile(
    r"(?i)^\W*(?:is|are|was|were) (?:an? |any )?"
    r"(?!(?:he|she|it|they|that|this|(every|some|any|no) ?(thing|body|one))\b)"
    r"(?:\w+ )?\w+ in (?:the |this |your )?(?:story|tale|it)\W*$"
)
"""What asks whether somebody or something is in a story."""
AND_THE = re.compile(r"(?i)\b(?:and the|whose) (\w+)")
"""What names somebody or something beside another, or without an article."""
ASKS_IF_DONE = re.compile(r"(?i)^\W*(did|didn'?t)\b")
"""How a question begins that asks whether something happened."""


def yes_or_no(asked: StoryQuestion, kind: str, facts: dict[str, str], form: str) -> str:
    """Whether it is so, and what is so, to a question that names one subject, a word of a kind, and no more.

    Args:
        asked: The question.
        kind: The kind of words that are right or wrong, such as "color".
        facts: The right word for each subject.
        form: A sentence about a subject and its word.
    """
    names = {role: name for name, role in asked.state.role.items()}
    begins = ASKS_IF_DONE if ASKS_IF_DONE.match(asked.question) else IS_IT
    words = re.findall(r"\w+", begins.sub("", asked.question).lower())
    words = [village_forms().get(word, word) for word in words]
    if kind != "role":
        words = [names.get(word, word) for word in words]  # the baker is Mara
    subjects = [word for word in words if word in facts]
    proposed = {*words}.intersection((*KINDS[kind], *WORDS["other"].get(kind, "").split()))
    others = content_words(" ".join(words)) - content_words(" ".join([*subjects, *proposed, SPARE]))
    is_plain = not BEFORE.search(asked.question) and not re.search(r"(?i)\b(not?|never)\b", asked.question)
    if len(subjects) != 1 or not proposed or others or not is_plain:
        return ""
    right = facts[subjects[0]]
    answer = f"{form.format(subjects[0], right)}."
    is_past = re.match(r"(?i)\W*(was|were|had)\b", asked.question) and kind in ("place", "name")
    if is_past and right not in proposed:  # it may have been so before
        return f"At the end of the story, {answer}"
    if len(proposed) > 1 and right in proposed:  # "is the key red or blue"
        return capitalized(answer)
    return f"{'Yes' if right in proposed else 'No'}, {answer}"


def has_color(asked: StoryQuestion) -> str:
    """Whether a thing has a color."""
    state = asked.state
    colors = {noun: color for noun, (color, _) in state.lying.items()}
    colors |= {held.noun: held.color for held in state.thing.values()}
    return yes_or_no(asked, "color", colors, "the {} is {}")


def has_role(asked: StoryQuestion) -> str:
    """Whether somebody has a role."""
    return yes_or_no(asked, "role", asked.state.role, "{} is the {}")


def has_mood(asked: StoryQuestion) -> str:
    """Whether somebody felt so, or that the story does not say it."""
    felt = [deed.text for deed in deeds_of(asked.story) if " felt " in deed.text]
    deeds = [deed.removesuffix(".").split() for deed in felt]
    names = [words[0] for words in deeds]
    moods = {words[0]: words[-1] for words in deeds if names.count(words[0]) == 1}  # a mood may change
    known = {*KINDS["mood"], *WORDS["other"]["mood"].split()}
    if not asked.people or not known & set(re.findall(r"\w+", asked.question.lower())):
        return ""
    return yes_or_no(asked, "mood", moods, "{} felt {}") or feelings_in(asked.story, asked.nouns)


def is_at_place(asked: StoryQuestion) -> str:
    """Whether somebody is at a place."""
    return yes_or_no(asked, "place", asked.state.place, "{} is at the {}")


def has_thing(asked: StoryQuestion) -> str:
    """Whether somebody has a thing."""
    state = asked.state
    holders = {held.noun: name for name, held in state.thing.items()}
    answer = yes_or_no(asked, "name", holders, "{1} has the {0}")
    for noun, (_, place) in state.lying.items():  # which nobody has
        answer = answer or yes_or_no(asked, "name", {noun: place}, "the {} is at the {}")
    return answer


def about_the_story(asked: StoryQuestion) -> str:
    """What answers.toml says to a question of a kind about the whole story."""
    names_absent = asked.kind in (Kind.PLACES, Kind.FEELINGS) and missing(asked.nouns, asked.story)
    if names_absent:
        return ""
    return READINGS[asked.kind].format(**readings(asked.story, asked.question, asked.nouns))


def presence(asked: StoryQuestion) -> str:
    """Whether the story has what is asked for: the first sentence with it, or what there is instead."""
    named = asked_for(asked.question) or words_without(asked.question, content_words(SPARE))
    if not named or CAST_WORDS.search(asked.question):
        return cast_of(asked.story, asked.question, [])
    phrases = [phrase for phrase in ordered_phrases(asked.question) if phrase.split()[-1] == named[-1]]
    wanted = phrases[0] if phrases else named[-1]  # "a blue kite"
    found = [one for one in sentences_of(asked.story) if not missing([wanted], one)]
    has_noun = named[-1] not in KINDS["thing"] or named[-1] in asked.state.nouns
    if found and has_noun:  # "everybody saw" has no saw
        return f"Yes: “{found[0]}”"
    lacks = lacking(asked.story, wanted)
    return lacks if MAN_OR_WOMAN.fullmatch(named[-1]) else f"No. {lacks}"


def absence(asked: StoryQuestion) -> str:
    """That the story does not have what the question names."""
    strangers = re.findall(r"(?<=\w )[A-Z][a-z]+", asked.question)  # "how many plums has Ada?"
    named = asked_for(asked.question) if asked.kind in FOR_MODEL else [*asked.nouns, *strangers]
    absent = missing(named, asked.story)
    return lacking(asked.story, absent[-1]) if absent else ""


def absent_subject(asked: StoryQuestion) -> str:
    """That the story does not have the one whom a question is about, or one of two, or a name it gives."""
    is_open = asked.kind not in READINGS or asked.kind in (Kind.CAST, Kind.PLACES, Kind.FEELINGS)
    if not is_open:
        return ""
    words = SUBJECT.findall(asked.question) + AND_THE.findall(asked.question)
    words += [name for name in NAMED_SUBJECT.findall(asked.question) if unknown_words(name)]
    subjects = [village_forms().get(word.lower(), word) for word in words]
    subjects = [subject for subject in subjects if content_words(subject) - content_words(SPARE)]
    absent = missing(subjects, asked.story)
    return lacking(asked.story, absent[0]) if absent else ""


def number(asked: StoryQuestion) -> str:
    """How many of something a story has at its end, or those whom a question names; or that it has none."""
    counts = counts_of(asked.story)
    state = asked.state
    if asked.people:
        had = [state.goods[name] for name in asked.people if name in state.goods]
        for goods in KINDS["goods"]:
            counts[goods] = sum(n for n, kind in had if kind == goods)
        held = [state.thing[name].noun for name in asked.people if name in state.thing]
        for thing in KINDS["thing"]:
            counts[thing] = held.count(thing)
        for word in ("things", "objects", "items"):
            counts[word] = len(held)
        counts["friends"] -= len(asked.people)
    done = asked.verbs & DEED_WORDS - {"left"}
    if done:  # "how many things were found"
        said = [one for one in sentences_of(asked.story) if done <= content_words(one)]
        return only(text_of(deeds_with(asked.story, done)) or " … ".join(said))
    found = re.search(r"(?i)how (?:many|much) (?:different |other |more )*(\w+)", asked.question)
    typed = found[1].lower() if found and content_words(found[1]) else ""
    if "how long" in asked.question.lower():
        typed = "words" if "words" in asked.question.lower() else "sentences"
    counted = village_forms().get(typed, typed)
    if not typed:
        return only(places_of(asked.story, asked.people))
    if counted not in counts:
        return f"The story does not count {typed}. {places_of(asked.story, asked.people)}".strip()
    has = contents_of(asked.story).replace("It has", "The story has")
    if asked.people:
        has = places_of(asked.story, asked.people)
    deeds = deeds_with(asked.story, [counted, *asked.people]) if counted in KINDS["goods"] else []
    if len(deeds) > 1 and counts[counted]:  # their number changed
        return f"{amount_of(counts[counted], counted, typed)} at the end. {text_of(deeds)}"
    amount = amount_of(counts[counted], counted, typed)
    if counted in ("people", "persons"):
        amount += f", and {amount_of(counts['animals'], 'animals', 'animals').lower()}"
    is_of_deed = asked.verbs - content_words(f"{typed} {counted} left remain")  # "how many apples were sold"
    return only(f"{amount}. {has}") if is_of_deed else f"{amount}. {has}"


def amount_of(n: int, counted: str, typed: str) -> str:
    """How many there are, such as "No keys", "One key" and "Forty words"."""
    singular = {"people": "person", "persons": "person"}.get(counted, counted)
    one = singular if singular in (*KINDS["role"], *KINDS["thing"]) else singular.removesuffix("s")
    numeral = number_word(n) if 0 < n < 100 else str(n) if n else "no"
    return f"{numeral.capitalize()} {one if n == 1 else typed}"


def person(asked: StoryQuestion) -> str:
    """The role of a person in a story, or who has a role."""
    named = asked.nouns or unknown_words(asked.question)
    if not named:
        return ""
    found = [f"{name} is the {role}." for name, role in asked.people.items()]
    absent = missing(named[-1:], asked.story)
    return " ".join(found) or (lacking(asked.story, absent[0]) if absent else "")


def whereabouts(asked: StoryQuestion) -> str:
    """Where somebody or something is at the end, with what, or that it is not there."""
    absent = missing(asked_for(asked.question), asked.story)
    if absent:
        return lacking(asked.story, absent[-1])
    facts = places_of(asked.story, asked.nouns)
    is_of_deed = WHERE_DONE.match(asked.question) and asked.verbs - content_words("go went gone")
    return only(facts) if is_of_deed else facts


def most(asked: StoryQuestion) -> str:
    """Who has the most or the fewest things and goods, or none: of those that are named, or of all."""
    named = asked.things
    n = {name: n_things(asked.state, name, named) for name in asked.state.role}
    if not n or asked.verbs - content_words("fewest fewer none empty"):
        return ""
    where = places_of(asked.story, [])
    if HAS_NOTHING.search(asked.question):
        names = [name for name in n if not n[name]] or ["Nobody"]
        return f"{joined_items(names)} {'has' if len(names) == 1 else 'have'} none. {where}"
    is_most = bool(re.search(r"(?i)\b(most|more)\b", asked.question))
    rank = "the most" if is_most else "the fewest"
    wanted = max(n.values()) if is_most else min(n.values())
    names = [name for name in n if n[name] == wanted]
    amount = number_word(wanted) if wanted else "none"
    if len(names) == 1:
        return f"{names[0]} has {rank}: {amount}. {where}"
    return f"{joined_items(names)} have the same number: {amount} each. {where}"


def n_things(state: State, name: str, named: list[str]) -> int:
    """How many things and goods somebody has, of those that are named, or of all."""
    held = [state.thing[name].noun] if name in state.thing else []
    n_goods, goods = state.goods.get(name, (0, ""))
    return sum(not named or noun in named for noun in held) + n_goods * (not named or goods in named)


def things_of_people(asked: StoryQuestion) -> str:
    """What those have whom the question names, or that they have nothing."""
    state = asked.state
    without = [name for name in asked.people if name not in state.thing and name not in state.goods]
    if BEFORE.search(asked.question):
        return ""
    if not asked.people or len(without) < len(asked.people):
        return places_of(asked.story, asked.nouns) if asked.people else ""
    has = "has" if len(without) == 1 else "have"
    nothing = f"{joined_items(without)} {has} nothing at the end of the story."
    return f"{nothing} {text_of(deeds_with(asked.story, without))}".strip()


def all_deeds(asked: StoryQuestion) -> str:
    """What a story tells in its order, to a question that no single deed answers."""
    return told_instead(asked.story)


def home(asked: StoryQuestion) -> str:
    """Where somebody lives: the sentence that says it, or where they are at the end."""
    named = [*asked.people, *[noun for noun in asked.nouns if noun in KINDS["place"]]]
    said = [one for one in sentences_of(asked.story) if " lived " in one and not missing(named, one)]
    if said and named:
        return f"The story says: {said[0]}"
    return only(places_of(asked.story, asked.nouns)) if asked.people else ""


def company(asked: StoryQuestion) -> str:
    """Who is at the place of somebody at the end, or that nobody is."""
    place = asked.state.place
    if len(asked.people) != 1 or not set(asked.people) & set(place):
        return ""
    (name,) = asked.people
    others = [f"the {role} {one}" for one, role in asked.state.role.items() if one != name]
    there = [one for one in others if place.get(one.split()[-1]) == place[name]] or ["nobody"]
    verb = "is" if len(there) == 1 else "are"
    return f"At the end of the story, {joined_items(there)} {verb} with {name} at the {place[name]}."


def first_number(asked: StoryQuestion) -> str:
    """The first sentence with the goods of a question that asks how many there were at first."""
    things = asked.things
    if not things or not BEFORE.search(asked.question):
        return ""
    found = [one for one in sentences_of(asked.story) if not missing(things, one)]
    return f"The story says: {found[0]}" if found else ""


def uncounted(asked: StoryQuestion) -> str:
    """That the story does not have what a question counts, and what the village does not know: "fish"."""
    counted = re.search(r"(?i)\bhow (?:many|much) (\w+)", asked.question)
    if not counted or counted[1].lower() in counts_of(asked.story):
        return ""
    absent = missing(unknown_words(counted[1]), asked.story)
    return lacking(asked.story, absent[0]) if absent else ""


def age(asked: StoryQuestion) -> str:
    """That no story says how old somebody is."""
    return with_places("The story tells nobody's age.", asked)


def nth_person(asked: StoryQuestion) -> str:
    """Who comes first, second or last, to a question that asks for nothing else."""
    absent = missing(asked.nouns, asked.story)
    if absent:
        return lacking(asked.story, absent[-1])
    is_plain = not asked.verbs - content_words(f"came got {' '.join(ORDINALS)} last")
    return cast_of(asked.story, asked.question, []) if is_plain and not asked.things else ""


def colored_things(asked: StoryQuestion) -> str:
    """The things of a story with their colors, to a question for the color of none of them."""
    things = things_of(asked.story)
    told = asked.state.nouns
    gone = [noun for noun in asked.things if noun in told and noun not in things]
    if gone:
        return f"The story says: {next(one for one in sentences_of(asked.story) if not missing(gone, one))}"
    colored = [item for item in items_of(asked.story) if item.split()[-1] in things]
    absent = missing(asked_for(asked.question), asked.story)
    if absent:
        return lacking(asked.story, absent[-1])
    if {*things}.intersection(asked.nouns):
        return ""
    named = [noun if noun in KINDS["name"] else f"the {noun}" for noun in asked.nouns]
    none = f"The story gives {joined_items(named)} no color." if named else ""
    return f"{none} The story has {joined_items(colored)}.".strip() if colored else none


def things_of_color(asked: StoryQuestion) -> str:
    """What has the color that a question names."""
    colors = {*KINDS["color"]}.intersection(re.findall(r"\w+", asked.question.lower()))
    found = [item for item in items_of(asked.story) if colors.intersection(item.split())]
    if asked.nouns or not colors:
        return ""
    none = f"Nothing in the story is {' or '.join(sorted(colors))}. {contents_of(asked.story)}"
    return f"The story has {joined_items(found)}." if found else none


def unsaid(asked: StoryQuestion) -> str:
    """That the story does not say what is asked, and where those are whom the question names."""
    named = re.findall(r"(?i)\b(?:a|an|the) (\w+)", asked.question)
    named = [village_forms().get(word.lower(), word) for word in named]
    absent = [word for word in missing(named, asked.story) if content_words(word) - content_words(SPARE)]
    words = [f"“{word}”" for word in absent[-2:]]
    if words:
        return with_places(f"The story says nothing of {' and '.join(words)}.", asked)
    return only(places_of(asked.story, asked.nouns)) if asked.nouns else told_instead(asked.story)


FIRST = (
    (None, absent_subject),
    (IS_THERE, presence),
    (IN_STORY, presence),
    (IN_THING, unsaid),
    (IS, has_color),
    (IS, has_role),
    (IS, has_mood),
    (IS, is_at_place),
    (IS, has_thing),
    (HAS_IT, has_thing),
    (ASKS_IF_KEPT, has_thing),
    (HOW_OLD, age),
    (WHEN, moment),
    (DID_WHEN, all_deeds),
    (HOW_MANY, uncounted),
    (HOW_MANY, first_number),
    (WHO_NTH, nth_person),
    (WHICH_COLOR, colored_things),
    (WHAT_HAS_COLOR, things_of_color),
    (HAS_MOST, most),
    (HAS_NOTHING, most),
    (HAS_WHAT, things_of_people),
    (HOW_GOT, ways_to_get),
    (WHO_FROM, ways_to_get),
    (WHO_LIVES, home),
    (WHERE_DONE, places_of_deeds),
    (WHERE_LOST, lost),
    (WHO_SAYS, speaker),
    (SPEAKS, speech),
    (DID_WHAT, what_was_done),
    (STEALS, lost),
    (AGAIN, given_back),
    (WHO_DID, who_did),
    (None, sentences_with_verbs),
)
"""What reads the answer to a question of a form, whatever its kind: the first counts."""
OF_KIND = {
    **dict.fromkeys(READINGS, (about_the_story, absence)),
    Kind.HAS: (presence,),
    Kind.COUNT: (absence, number),
    Kind.WHO: (absence, person),
    Kind.WHY: (absence, reason),
}
"""What reads the answer to a question of a kind."""
BY_FORM = (
    (WITH_WHOM, company),
    (IS_LOST, lost),
    (LIVES, home),
    (BEFORE, deeds_of_nouns),
    (BEFORE, sentences_with_words),
    (BEFORE, deeds_with_words),
    (BEFORE, deeds_of_things),
    (WHERE, whereabouts),
    (WHOSE, whereabouts),
    (SPEAKS, unsaid),
    (WANTS, wishes),
    (IS_IT, was_done),
    (IS_IT, sentences_with_a_verb),
    (IS_IT, unsaid),
    (WOULD, unsaid),
    (ASKS_IF_DONE, happened),
    (None, deeds_of_nouns),
    (WHO_DID, deeds_with_words),
    (None, sentences_with_words),
    (None, deeds_with_words),
    (WHO_DID, nobody),
    (None, sentences_with_a_verb),
    (None, other_deeds),
    (None, unsaid),
)
"""What reads the answer to a question of a form; None: of any."""


def read(kind: str, question: str, story: str) -> str:
    """The answer that a program reads in a story to a question of some kind: the first that there is."""
    if ASKS_WHICH.match(question):
        question = EITHER.sub("", question)
    nouns = village_nouns(WHO_DID.sub("who", question))  # "who rings the bell"
    asked = StoryQuestion(kind, question, story, nouns, people_of(story, nouns))
    readers = [reader for form, reader in FIRST if form is None or form.search(question)]
    readers += OF_KIND.get(kind, (absence,))
    readers += [reader for form, reader in BY_FORM if form is None or form.search(question)]
    for reader in readers:
        answer = reader(asked)
        if answer:
            return answer
    raise AssertionError("unsaid has an answer to each question")
