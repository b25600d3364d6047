"""Readers of the answers to questions about what is done and said in a story."""

import re

from companion.serve.after_story import BEFORE, WHO_DID, asked_for
from companion.serve.kinds import FOR_MODEL, SAID, Kind
from companion.serve.story_deeds import Deed, deeds_of, deeds_with, text_of
from companion.serve.story_facts import joined_items, lacking, places_of, sentences_of, things_of
from companion.serve.story_question import StoryQuestion, only, told_instead, with_places
from companion.serve.village_words import SPARE, content_words, in_past, missing
from companion.village import judge
from companion.village.words import KINDS

IS_LOST = re.compile(r"(?i)(?<!get )(?<!gets )(?<!got )\b(lose|lost|steals?|stolen|stole|missing)\b")
"""What asks for something that was lost."""
STEALS = re.compile(r"(?i)\b(steals?|stole|stolen|thief)\b")
"""What asks for something that was stolen."""
DONE_BY = re.compile(r"(?i)\b(?:did|does|do|has|had) (?:the )?(\w+) (\w+)")
"""What asks whether somebody did something: who, and the verb."""
RECEIVES = ("met", "got", "get", "have", "had", "receive")
"""Verbs of which the doer is not whom a deed begins with."""
OF_ALL_OR_NONE = re.compile(r"(?i)\b(nobody|no one|nothing|not|never|everybody|everyone|all)\b|n['’]t\b")
"""What no single deed can confirm."""
GIVEN_TO = re.compile(r"(?i)\bto (?:the )?(\w+)")
"""What names the one to whom something was given."""
GOES = re.compile(r"(?i)\b(go|going|went|walk)\b")
"""What asks where people go, or why."""
REASON = re.compile(r" because |, so \w+ |[.!]\"? So ")
"""What a sentence of a story has that gives a reason."""
HIM_OR_HER = re.compile(r"(?i)\b(him|her|them)\b")
"""Whom something is done to."""
WHO_SAYS = re.compile(r"(?i)^\W*who (?:said|says|asked|shouted|cried|answered)\b(.*)")
"""What asks who says something."""
DEED_FORMS = SAID["deeds"] | SAID["deeds_by_words"] | SAID["got"]
DEED_WORDS = content_words(" ".join(DEED_FORMS.values())) - content_words(SPARE)
"""What is done in stories."""
NO_REASONS = "I cannot say why, or whether it is so: a story tells what happens, and seldom why."


def speech(asked: StoryQuestion) -> str:
    """The sentences in which somebody speaks."""
    names = "|".join(asked.people)  # empty for "what do they say": all that is spoken
    spoken = [one for one in sentences_of(asked.story) if re.search(rf"\" .*({names})|({names}) told", one)]
    n_shown = 1 if re.search(r"(?i)\bfirst\b", asked.question) else 4
    return f"The story says: {' … '.join(spoken[:n_shown])}" if spoken else ""


def happened(asked: StoryQuestion) -> str:
    """Whether something happened: the deeds or sentences with all words of the question."""
    named = asked.people or asked.nouns
    done = text_of(deeds_with(asked.story, named)) if named else ""
    if not asked.verbs:  # "did Mara do anything"
        return only(done) if done else told_instead(asked.story)
    deeds = deeds_with(asked.story, asked.words)
    if deeds and (HIM_OR_HER.search(asked.question) or OF_ALL_OR_NONE.search(asked.question)):
        return only(text_of(deeds))
    so = [deed for deed in deeds if is_done_so(deed, asked)]
    if deeds:
        return f"Yes: {text_of(so)}" if so else f"No: {text_of(deeds)}"
    return by_another(asked) or sentences_with_words(asked) or not_found(asked, done)


def not_found(asked: StoryQuestion, done: str) -> str:
    """That no answer is found, and where the things of the question are; or what was done by those named."""
    things = asked.things
    if things:
        return f"{SAID['unsaid']} {places_of(asked.story, things)}"
    return only(done) if done else told_instead(asked.story)


def by_another(asked: StoryQuestion) -> str:
    """That others did what a question says of somebody."""
    if not asked.people or not asked.verbs & DEED_WORDS or not asked.things:
        return ""
    names = content_words(" ".join([*asked.people, *asked.people.values()]))
    deeds = deeds_with(asked.story, asked.words - names)
    return f"No: {text_of(deeds)}" if deeds else ""


def is_done_so(deed: Deed, asked: StoryQuestion) -> bool:
    """Whether those do it, and those get it, of whom a question says so."""
    names = {role: name for name, role in asked.people.items()}
    names |= {name.lower(): name for name in asked.people}
    by = DONE_BY.search(asked.question)
    doer = names.get(by[1].lower()) if by else None
    if doer and in_past(by[2].lower()) not in RECEIVES and doer not in deed.doers:
        return False
    to = GIVEN_TO.search(asked.question)
    getter = names.get(to[1].lower()) if to else None
    return not getter or " to " not in deed.text or f" to {getter}" in deed.text


def was_done(asked: StoryQuestion) -> str:
    """Whether something was done, to a question without the one who did it: "was the key found?"."""
    if not asked.verbs & DEED_WORDS:
        return ""
    return happened(asked)


def who_did(asked: StoryQuestion) -> str:
    """Who did something that deeds name, or that nobody did it."""
    if not asked.verbs & DEED_WORDS or IS_LOST.search(asked.question):
        return ""
    return deeds_with_words(asked) or sentences_with_words(asked) or nobody(asked)


def what_was_done(asked: StoryQuestion) -> str:
    """What somebody did that deeds name: found, gave, or brought."""
    is_of_deeds = asked.verbs & DEED_WORDS and not BEFORE.search(asked.question)
    return deeds_with_words(asked) if is_of_deeds else ""


def places_of_deeds(asked: StoryQuestion) -> str:
    """Where something was done, as where somebody found a thing."""
    if not asked.verbs & DEED_WORDS:
        return ""
    words = asked.words - content_words(" ".join([*asked.people, *asked.people.values()]))
    deeds = deeds_with(asked.story, asked.words)
    if not deeds and asked.things:  # another one did it
        deeds = deeds_with(asked.story, words)
    if not deeds and asked.things:  # it was won, not found
        return only(" ".join(in_places(deeds_with(asked.story, asked.things)[:1])))
    return " ".join(in_places(deeds))


def in_places(deeds: list[Deed]) -> list[str]:
    """Deeds with the places where they are done."""
    return [f"At the {deed.place}: {deed.text}" for deed in deeds if deed.place]


def ways_to_get(asked: StoryQuestion) -> str:
    """How somebody got a thing: what is done with the things and goods of the question."""
    things = asked.things
    deeds = deeds_with(asked.story, [*things, *asked.people]) if things else []
    if len(deeds) == 1 and " got the " in deeds[0].text:
        return f"The story says: {deeds[0].sentence}"
    return text_of(deeds)


def deeds_of_nouns(asked: StoryQuestion) -> str:
    """What is done by or with the nouns of a question that names no deed."""
    if not asked.nouns or asked.verbs:
        return ""
    nouns = [noun for noun in asked.nouns if noun not in KINDS["place"]]  # "what did Mara do at the mill"
    deeds = deeds_with(asked.story, nouns or asked.nouns)
    own = [deed for deed in deeds if set(deed.doers) & set(asked.people)]
    if own and re.search(r"(?i)\bdo first\b", asked.question):
        return own[0].text
    return text_of(deeds)


def sentences_with_words(asked: StoryQuestion) -> str:
    """The first true sentences with all content words of a question."""
    true = [one.sentence for one in judge(asked.story) if one.kind in ("ok", "misplaced")]
    found = [one for one in true if asked.words <= content_words(f"{one} {in_past(one)}")]
    return f"The story says: {' … '.join(found[:4])}" if asked.words and found else ""


def sentences_with_verbs(asked: StoryQuestion) -> str:
    """The same for a question with a word that no deed has: "who blushed"."""
    of_deeds = (*FOR_MODEL, Kind.STORY, Kind.DEEDS, Kind.CAST, Kind.PLACES, Kind.FEELINGS)
    if asked.kind not in of_deeds or not asked.verbs:
        return ""
    is_told = asked.verbs - DEED_WORDS or not deeds_with(asked.story, asked.words)
    return sentences_with_words(asked) if is_told else ""


def sentences_with_a_verb(asked: StoryQuestion) -> str:
    """The first sentences with those who are named and a rare word of the question, as what may be meant."""
    rare = asked.verbs - DEED_WORDS
    found = [one for one in sentences_of(asked.story) if rare & content_words(f"{one} {in_past(one)}")]
    found = [one for one in found if not missing(asked.people, one)]
    return only(" … ".join(found[:2])) if found else ""


def deeds_with_words(asked: StoryQuestion) -> str:
    """The deeds with all words of a question."""
    return text_of(deeds_with(asked.story, asked.words)) if asked.words else ""


def other_deeds(asked: StoryQuestion) -> str:
    """What is done by those whom a question names, where the story does not say what is asked."""
    if asked.kind != Kind.DEEDS:
        return ""
    done = text_of(deeds_with(asked.story, asked.nouns))
    if asked.verbs and not asked.nouns:
        return told_instead(asked.story)
    return only(done) if asked.verbs else done


def wishes(asked: StoryQuestion) -> str:
    """What somebody wanted, or where the story does not say it, what they did."""
    people = [*asked.people] or [*asked.state.role]
    deeds = [deed for deed in deeds_of(asked.story) if len(missing(people, deed.text)) < len(people)]
    wanted = [deed for deed in deeds if " wanted " in deed.text]
    return text_of(wanted) or f"The story does not say what {joined_items(people)} wanted. {text_of(deeds)}"


def deeds_of_things(asked: StoryQuestion) -> str:
    """What is done with the things that a question names, where the story does not say more."""
    things = [noun for noun in things_of(asked.story) if noun in asked.nouns]
    done = text_of(deeds_with(asked.story, things)) if things else ""
    return only(done) if done else ""


def lost(asked: StoryQuestion) -> str:
    """What was lost and is found again, or that nothing was lost."""
    verb = "stole" if STEALS.search(asked.question) else "lost"
    deeds = text_of(deeds_with(asked.story, [verb, *asked.things]))
    if deeds:
        return deeds
    named = f"the {joined_items(asked.things)}" if asked.things else "anything"
    return with_places(f"Nobody {verb} {named} in the story.", asked)


def given_back(asked: StoryQuestion) -> str:
    """Whether something was given back, and where the things are."""
    things = asked.things
    backs = [deed for deed in deeds_with(asked.story, [*asked.people, *things]) if " back to " in deed.text]
    if backs and all(is_done_so(deed, asked) for deed in backs):
        return text_of(backs)
    gone = text_of(deeds_with(asked.story, ["lost", *things]))
    if gone or backs:
        return f"No. {gone or text_of(backs)}"
    lent = text_of(deeds_with(asked.story, ["lent"]) or deeds_with(asked.story, ["gave"]))
    none = f"The story does not say so. {lent}" if lent else "Nobody lost or lent anything in the story."
    return f"{none} {places_of(asked.story, asked.people)}"


def moment(asked: StoryQuestion) -> str:
    """The day of the story, and what is done that the question asks for."""
    day = asked.state.day
    told = f"At the end it is {day}." if day else "The story names no day and no hour."
    return f"{told} {deeds_with_words(asked)}".strip()


def reason(asked: StoryQuestion) -> str:
    """The sentence that gives a reason, or that the story gives none and where those are who are named."""
    given = [one for one in sentences_of(asked.story) if REASON.search(one)]
    if GOES.search(asked.question):
        given = [one for one in given if " went " in one]
    else:
        given = [one for one in given if not missing(asked.people, one) and asked.verbs & content_words(one)]
    if given:
        return f"The story says: {given[0]}"
    said = sentences_with_words(asked) if asked.verbs else ""
    return f"{NO_REASONS} {said}" if said else with_places(NO_REASONS, asked)


def speaker(asked: StoryQuestion) -> str:
    """The sentence in which somebody says what a question quotes."""
    said = WHO_SAYS.search(asked.question)[1].lower().removesuffix("?").removesuffix(" first")
    said = said.strip(" \"'“”.!,")
    found = [one for one in sentences_of(asked.story) if said and said in one.lower()]
    return f"The story says: {' … '.join(found[:2])}" if found else ""


def nobody(asked: StoryQuestion) -> str:
    """That nobody did what a question asks for, or that the story does not have what it names."""
    absent = missing(asked_for(WHO_DID.sub("who", asked.question)), asked.story)
    if absent:
        return lacking(asked.story, absent[-1])
    got = ways_to_get(asked)
    return f"{SAID['nobody_found']} {got}" if got else with_places(SAID["nobody_found"], asked)
