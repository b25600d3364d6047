"""Questions about a story that a program answers: it reads the judge's record of the story.

Each reader answers questions of one form, with "" where it has no answer.
"""

import re
from dataclasses import dataclass

from companion.serve.after_story import BEFORE, WHICH_COLOR, WHO_DID, asked_for
from companion.serve.kinds import FOR_MODEL, SAID, Kind
from companion.serve.story_facts import (
    MAN_OR_WOMAN,
    ORDINALS,
    cast_of,
    contents_of,
    counts_of,
    deeds_of,
    deeds_with,
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
from companion.serve.village_words import (
    SPARE,
    WORDS,
    content_words,
    missing,
    unknown_words,
    village_forms,
    village_nouns,
)
from companion.village import judge
from companion.village.judge import state_of
from companion.village.words import KINDS, number_word

READINGS = SAID["story"]
"""What a program says of a whole story, by the kinds of questions."""
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
HAS_WHAT = re.compile(r"(?i)\bwhat\b.*\b(has|have|had|hold|holding|carry|carrying|own|got)\b")
"""What asks for the things of somebody."""
SPEAKS = re.compile(r"(?i)\b(do|does|did) .*\b(say|ask|answer|talk|shout|speak)\b")
"""What asks for what somebody says."""
WANTS = re.compile(r"(?i)\bwhat (did|does|do) .*\b(want|wish)\b")
"""What asks for the wish of somebody."""
WOULD = re.compile(r"(?i)\b(would|what if)\b")
"""What asks for something that does not happen."""
ASKS_IF_KEPT = re.compile(r"(?i)^\W*(did|do|does|has|have|is|are)\b.*\b(keep|kept|still|got)\b")
"""What asks whether somebody still has something."""
WITH_WHOM = re.compile(r"(?i)\bwho(m|'s| is| was| were| else)?\b.*\bwith\b|\bwith whom\b")
"""What asks for the company of somebody."""
WHERE_FIRST = re.compile(r"(?i)^\W*where\b.*\b(first|start(s|ed)?|begin|began|beginning)\b")
"""What asks where somebody is at the beginning."""
BEFORE_SOMEBODY = re.compile(r"(?i)\b(before|after|until) (?:the )?(\w+) (comes?|came|arrive[sd]?|joined)\b")
"""What asks for what comes before or after somebody does."""
AGAIN = re.compile(r"(?i)\b(find|found)\b.*\b(again|back)\b")
"""What asks whether what was lost is found."""
IS_LOST = re.compile(r"(?i)(?<!get )(?<!gets )(?<!got )\b(lose|lost|steals?|stolen|stole|missing)\b")
"""What asks for something that was lost."""
HAS_MOST = re.compile(r"(?i)^\W*who\b.*\b(most|more|fewest|fewer)\b")
"""What compares what people have."""
HIM_OR_HER = re.compile(r"(?i)\b(him|her|them)\b")
"""Whom something is done to."""
LIVES = re.compile(r"(?i)\b(live|lives|home)\b")
"""What asks where somebody lives."""
NTH_SENTENCE = re.compile(rf"(?i)\b({'|'.join(ORDINALS)}) (sentence|line)\b")
"""What names a sentence by its number."""
ASKS_IF_DONE = re.compile(r"(?i)^\W*(did|didn'?t)\b")
"""How a question begins that asks whether something happened."""
DEED_WORDS = content_words(" ".join(WORDS["past"].values()))
"""What is done in stories."""
NO_REASONS = "I cannot say why, or whether it is so: a story tells what happens, and no reasons."


@dataclass
class StoryQuestion:
    """A question about a story.

    Attributes:
        kind: The kind of the question.
        question: The question.
        story: The story.
        nouns: The village's nouns in the question.
        people: The people of the story that it names, with their roles.
    """

    kind: str
    question: str
    story: str
    nouns: list[str]
    people: dict[str, str]

    @property
    def words(self) -> set[str]:
        """The content words of the question, with its verbs as a story has them: "find" as "found"."""
        in_past = re.sub(r"\w+", lambda found: WORDS["past"].get(found[0].lower(), found[0]), self.question)
        return content_words(in_past) - content_words(SPARE)

    @property
    def verbs(self) -> set[str]:
        """Those that are no nouns of the village, such as what somebody did."""
        return self.words - content_words(" ".join(self.nouns))


def with_places(answer: str, asked: StoryQuestion) -> str:
    """An answer, and where those are whom the question names."""
    return f"{answer} {places_of(asked.story, asked.nouns)}".strip() if asked.nouns else answer


def only(facts: str) -> str:
    """What a story says that may be what was asked for; that it does not say that, where there are none."""
    return f"{SAID['only']} {facts}" if facts else SAID["unsaid"]


def yes_or_no(asked: StoryQuestion, kind: str, facts: dict[str, str], form: str) -> str:
    """Whether it is so, and what is so, to a question that names one subject, a word of a kind, and no more.

    Args:
        asked: The question.
        kind: The kind of words that are right or wrong, such as "color".
        facts: The right word for each subject.
        form: A sentence about a subject and its word.
    """
    names = {role: name for name, role in state_of(asked.story).role.items()}
    begins = ASKS_IF_DONE if ASKS_IF_DONE.match(asked.question) else IS_IT
    words = re.findall(r"\w+", begins.sub("", asked.question).lower())
    words = [village_forms().get(word, word) for word in words]
    if kind != "role":
        words = [names.get(word, word) for word in words]  # the baker is Mara
    subjects = [word for word in words if word in facts]
    proposed = {*words}.intersection((*KINDS[kind], *WORDS["other"].get(kind, "").split()))
    others = content_words(" ".join(words)) - content_words(" ".join([*subjects, *proposed, SPARE]))
    is_plain = not BEFORE.search(asked.question) and not re.search(r"(?i)\b(not?|never)\b", asked.question)
    if len(subjects) != 1 or len(proposed) != 1 or others or not is_plain:
        return ""
    right = facts[subjects[0]]
    return f"{'Yes' if right in proposed else 'No'}, {form.format(subjects[0], right)}."


def has_color(asked: StoryQuestion) -> str:
    """Whether a thing has a color."""
    state = state_of(asked.story)
    colors = {noun: color for noun, (color, _) in state.lying.items()}
    colors |= {held.noun: held.color for held in state.thing.values()}
    return yes_or_no(asked, "color", colors, "the {} is {}")


def has_role(asked: StoryQuestion) -> str:
    """Whether somebody has a role."""
    return yes_or_no(asked, "role", state_of(asked.story).role, "{} is the {}")


def has_mood(asked: StoryQuestion) -> str:
    """Whether somebody felt so, or that the story does not say it."""
    deeds = [deed.removesuffix(".").split() for deed in deeds_of(asked.story) if " felt " in deed]
    names = [words[0] for words in deeds]
    moods = {words[0]: words[-1] for words in deeds if names.count(words[0]) == 1}  # a mood may change
    if not asked.people or not set(KINDS["mood"]) & set(re.findall(r"\w+", asked.question.lower())):
        return ""
    return yes_or_no(asked, "mood", moods, "{} felt {}") or feelings_in(asked.story, asked.nouns)


def is_at_place(asked: StoryQuestion) -> str:
    """Whether somebody is at a place."""
    return yes_or_no(asked, "place", state_of(asked.story).place, "{} is at the {}")


def has_thing(asked: StoryQuestion) -> str:
    """Whether somebody has a thing."""
    holders = {held.noun: name for name, held in state_of(asked.story).thing.items()}
    return yes_or_no(asked, "name", holders, "{1} has the {0}")


def about_the_story(asked: StoryQuestion) -> str:
    """What answers.toml says to a question of a kind about the whole story."""
    names_absent = asked.kind in (Kind.PLACES, Kind.FEELINGS) and missing(asked.nouns, asked.story)
    if names_absent:
        return ""
    return READINGS[asked.kind].format(**readings(asked.story, asked.question, asked.nouns))


def presence(asked: StoryQuestion) -> str:
    """Whether the story has what is asked for: the first sentence with it, or what there is instead."""
    named = asked_for(asked.question)
    if not named:
        return cast_of(asked.story, asked.question, [])
    found = [one for one in sentences_of(asked.story) if not missing(named[-1:], one)]
    if found:
        return f"Yes: “{found[0]}”"
    lacks = lacking(asked.story, named[-1])
    return lacks if MAN_OR_WOMAN.fullmatch(named[-1]) else f"No. {lacks}"


def absence(asked: StoryQuestion) -> str:
    """That the story does not have what the question names."""
    strangers = re.findall(r"(?<=\w )[A-Z][a-z]+", asked.question)  # "how many plums has Ada?"
    named = asked_for(asked.question) if asked.kind in FOR_MODEL else [*asked.nouns, *strangers]
    absent = missing(named, asked.story)
    return lacking(asked.story, absent[-1]) if absent else ""


def number(asked: StoryQuestion) -> str:
    """How many of something a story has at its end, or those whom a question names; or that it has none."""
    counts = counts_of(asked.story)
    state = state_of(asked.story)
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
    done = asked.verbs & DEED_WORDS
    if done:  # "how many things were found"
        said = [one for one in sentences_of(asked.story) if done <= content_words(one)]
        return only(deeds_with(asked.story, done) or " … ".join(said))
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
    amount = amount_of(counts[counted], counted, typed)
    if counted in ("people", "persons"):
        amount += f", and {amount_of(counts['animals'], 'animals', 'animals').lower()}"
    return f"{amount}. {has}"


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
    return " ".join(found) or lacking(asked.story, named[-1])


def reason(asked: StoryQuestion) -> str:
    """That a story gives no reasons, and where those are of whom the question asks."""
    return with_places(NO_REASONS, asked)


def whereabouts(asked: StoryQuestion) -> str:
    """Where somebody or something is at the end, with what, or that it is not there."""
    absent = missing(asked_for(asked.question), asked.story)
    return lacking(asked.story, absent[-1]) if absent else places_of(asked.story, asked.nouns)


def holders(asked: StoryQuestion) -> str:
    """Where what a question names is at the end, and with whom; only of lent things a story says whose."""
    return whereabouts(asked) if asked.nouns else ""


def things_of_people(asked: StoryQuestion) -> str:
    """What those have whom the question names."""
    return places_of(asked.story, asked.nouns) if asked.people else ""


def speech(asked: StoryQuestion) -> str:
    """The sentences in which somebody speaks."""
    names = "|".join(asked.people)  # empty for "what do they say": all that is spoken
    spoken = [one for one in sentences_of(asked.story) if re.search(rf"\" .*({names})", one)]
    return f"The story says: {' … '.join(spoken[:4])}" if spoken else SAID["unsaid"]


def happened(asked: StoryQuestion) -> str:
    """Whether something happened: the deeds or sentences with all words of the question."""
    done = deeds_with(asked.story, asked.people) if asked.people else ""
    if not asked.verbs:  # "did Mara do anything"
        return only(done)
    deeds = deeds_with_words(asked)
    if deeds:
        return only(deeds) if HIM_OR_HER.search(asked.question) else f"Yes: {deeds}"
    return sentences_with_words(asked) or only(done)


def deeds_of_nouns(asked: StoryQuestion) -> str:
    """What is done by or with the nouns of a question that names no deed."""
    if not asked.nouns or asked.verbs:
        return ""
    nouns = [noun for noun in asked.nouns if noun not in KINDS["place"]]  # "what did Mara do at the mill"
    return deeds_with(asked.story, nouns or asked.nouns)


def sentences_with_words(asked: StoryQuestion) -> str:
    """The first true sentences with all content words of a question."""
    true = [one.sentence for one in judge(asked.story) if one.kind in ("ok", "misplaced")]
    found = [sentence for sentence in true if asked.words <= content_words(sentence)]
    return f"The story says: {' … '.join(found[:4])}" if asked.words and found else ""


def deeds_with_words(asked: StoryQuestion) -> str:
    """The deeds with all words of a question."""
    return deeds_with(asked.story, asked.words) if asked.words else ""


def other_deeds(asked: StoryQuestion) -> str:
    """What is done by those whom a question names, where the story does not say what is asked."""
    if asked.kind != Kind.DEEDS:
        return ""
    done = deeds_with(asked.story, asked.nouns)
    return only(done) if asked.verbs else done


def wishes(asked: StoryQuestion) -> str:
    """What somebody wanted, or where the story does not say it, what they did."""
    deeds = [deed for deed in deeds_of(asked.story) if set(asked.people) & set(deed.split())]
    wanted = [deed for deed in deeds if " wanted " in deed]
    return " ".join(wanted) or only(" ".join(deeds))


def deeds_of_things(asked: StoryQuestion) -> str:
    """What is done with the things that a question names, where the story does not say more."""
    things = [noun for noun in things_of(asked.story) if noun in asked.nouns]
    done = deeds_with(asked.story, things) if things else ""
    return only(done) if done else ""


def home(asked: StoryQuestion) -> str:
    """Where somebody lives: the sentence that says it, or where they are at the end."""
    said = [one for one in sentences_of(asked.story) if " lived " in one and not missing(asked.people, one)]
    if said and asked.people:
        return f"The story says: {said[0]}"
    return only(places_of(asked.story, asked.nouns)) if asked.people else ""


def company(asked: StoryQuestion) -> str:
    """Who is at the place of somebody at the end, or that nobody is."""
    place = state_of(asked.story).place
    if len(asked.people) != 1 or not set(asked.people) & set(place):
        return ""
    (name,) = asked.people
    others = [f"the {role} {one}" for one, role in state_of(asked.story).role.items() if one != name]
    there = [one for one in others if place.get(one.split()[-1]) == place[name]] or ["nobody"]
    verb = "is" if len(there) == 1 else "are"
    return f"At the end of the story, {joined_items(there)} {verb} with {name} at the {place[name]}."


def first_mention(asked: StoryQuestion) -> str:
    """The first sentence with somebody."""
    found = [one for one in sentences_of(asked.story) if asked.people and not missing(asked.people, one)]
    return f"The story says: {found[0]}" if found else ""


def around_arrival(asked: StoryQuestion) -> str:
    """The sentences before or after the one in which somebody comes into the story."""
    when, noun, _ = BEFORE_SOMEBODY.search(asked.question).groups()
    comes = people_of(asked.story, village_nouns(noun))
    sentences = sentences_of(asked.story)
    at = [i for i, one in enumerate(sentences) if comes and not missing(comes, one)]
    if not at:
        return ""
    found = sentences[at[0] + 1 :] if when.lower() == "after" else sentences[: at[0]]
    if not found:
        return f"The story begins with {noun}: {sentences[0]}"
    return f"The story says: {' '.join(found[:3])}"


def lost(asked: StoryQuestion) -> str:
    """What was lost and is found again, or that nothing was lost."""
    deeds = deeds_with(asked.story, ["lost"])
    if deeds:
        return with_places(deeds, asked) if AGAIN.search(asked.question) else deeds
    verb = "stole" if re.search(r"(?i)\b(steals?|stole|stolen)\b", asked.question) else "lost"
    return with_places(f"Nobody {verb} anything in the story.", asked)


def colored_things(asked: StoryQuestion) -> str:
    """The things of a story with their colors, to a question that names none of the village."""
    things = things_of(asked.story)
    colored = [item for item in items_of(asked.story) if item.split()[-1] in things]
    return f"The story has {joined_items(colored)}." if colored and not asked.nouns else ""


def nth_sentence(asked: StoryQuestion) -> str:
    """The sentence that a question names by its number."""
    number = ORDINALS.index(NTH_SENTENCE.search(asked.question)[1].lower())
    sentences = sentences_of(asked.story)
    return (
        f"“{sentences[number]}”" if number < len(sentences) else f"The story has {len(sentences)} sentences."
    )


def nobody(asked: StoryQuestion) -> str:
    """That nobody did what a question asks for, or that the story does not have what it names."""
    absent = missing(asked_for(WHO_DID.sub("who", asked.question)), asked.story)
    if absent:
        return lacking(asked.story, absent[-1])
    return with_places(SAID["nobody_found"], asked)


def unsaid(asked: StoryQuestion) -> str:
    """That the story does not say what is asked, and where those are whom the question names."""
    named = re.findall(r"(?i)\b(?:a|an|the) (\w+)", asked.question)
    named = [village_forms().get(word.lower(), word) for word in named]
    absent = [word for word in missing(named, asked.story) if content_words(word) - content_words(SPARE)]
    words = [f"“{word}”" for word in absent[-2:]]
    if words:
        return with_places(f"The story says nothing of {' and '.join(words)}.", asked)
    return only(places_of(asked.story, asked.nouns) if asked.nouns else "")


YES_OR_NO = (
    (IS, has_color),
    (IS, has_role),
    (IS, has_mood),
    (IS, is_at_place),
    (IS, has_thing),
    (HAS_IT, has_thing),
    (ASKS_IF_KEPT, has_thing),
)
"""What reads whether it is so, by the form of the question."""
OF_KIND = {
    **dict.fromkeys(READINGS, (about_the_story, absence)),
    Kind.HAS: (presence,),
    Kind.COUNT: (absence, number),
    Kind.WHO: (absence, person),
    Kind.WHY: (absence, reason),
}
"""What reads the answer to a question of a kind."""
BY_FORM = (
    (BEFORE_SOMEBODY, around_arrival),
    (WITH_WHOM, company),
    (WHERE_FIRST, first_mention),
    (WHICH_COLOR, colored_things),
    (HAS_MOST, holders),
    (AGAIN, lost),
    (IS_LOST, lost),
    (NTH_SENTENCE, nth_sentence),
    (LIVES, home),
    (BEFORE, deeds_of_nouns),
    (BEFORE, sentences_with_words),
    (BEFORE, deeds_with_words),
    (BEFORE, deeds_of_things),
    (WHERE, whereabouts),
    (WHOSE, holders),
    (HAS_WHAT, things_of_people),
    (SPEAKS, speech),
    (WANTS, wishes),
    (IS_IT, unsaid),
    (WOULD, unsaid),
    (ASKS_IF_DONE, happened),
    (None, deeds_of_nouns),
    (WHO_DID, deeds_with_words),
    (None, sentences_with_words),
    (None, deeds_with_words),
    (WHO_DID, nobody),
    (None, other_deeds),
    (None, unsaid),
)
"""What reads the answer to a question of a form; None: of any."""


def read(kind: str, question: str, story: str) -> str:
    """The answer that a program reads in a story to a question of some kind: the first that there is."""
    nouns = village_nouns(WHO_DID.sub("who", question))  # "who rings the bell"
    asked = StoryQuestion(kind, question, story, nouns, people_of(story, nouns))
    readers = [reader for form, reader in YES_OR_NO if form.search(question)]
    readers += OF_KIND.get(kind, (absence,))
    readers += [reader for form, reader in BY_FORM if form is None or form.search(question)]
    for reader in readers:
        answer = reader(asked)
        if answer:
            return answer
    raise AssertionError("unsaid has an answer to each question")
