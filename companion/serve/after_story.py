"""Which kind of question a message asks after what was said, and what it names."""

import re

from companion.serve.course_question import ASKS
from companion.serve.kinds import ABOUT_STORY, ANSWERS, FOR_MODEL, MAYBE_WORLD, Kind, known_kinds, words_of
from companion.serve.message import Question
from companion.serve.village_words import (
    SPARE,
    WORDS,
    content_words,
    in_past,
    learned_words,
    missing,
    unknown_words,
    village_forms,
    village_nouns,
)
from companion.show.judged_text import is_story
from companion.village.words import KINDS

WHO_DID = re.compile(r"^\W*(?i:who) (?!(?:is|was|are|were|has|had)\b)[a-z]\w*")
"""How a question begins that asks who did something."""
REFERRING = frozenset(WORDS["lists"]["referring"].split())
"""Words with which a question means the story, or somebody or something in it."""
BEFORE = re.compile(
    r"(?i)\b(before|first|originally|earlier|beginning|used to|lives?|works?)\b"
    r"|\bwhere (did|do|does|was|were) .*\b(start|begin|find|found|gets?|got|meet|met|lose|lost)\b"
    r"|\bwhere (did|was|were) .*\b(hide|hidden|buy|bought)\b"
)
"""What asks how something was before the end of the story."""
MEET = re.compile(r"(?i)\b(meet|met)\b")
"""What everybody of a story does."""
HOW_MANY = re.compile(r"(?i)\W*how (many|much)\b")
"""How a question begins that asks for a number."""
WHO_IS_MOST = re.compile(
    r"(?i)^\W*who(?:'s| is| was| were) (?:the )?\w+est\b|^\W*who\b.*\b(most|more|fewest|fewer)\b"
    r"|^\W*(who|which)\b.* (old|young|tall|small|bigg|nic|rich|poor|fast|strong|happi|sadd|smart|bett)e?r\b"
)
"""How a question begins that compares the people of a story."""
WHICH_COLOR = re.compile(r"(?i)^\W*(what|which) colou?rs?\b")
"""How a question begins that asks for a color."""
WHAT_HAS_COLOR = re.compile(
    rf"(?i)^\W*(who|what|which|is (there )?(any|some)thing)\b.*\b({'|'.join(KINDS['color'])})\b"
)
"""What asks for things of a color."""


def asked_for(question: str) -> list[str]:
    """What a question names: the village's nouns, words after "the" or "that", and words it does not know."""
    forms = village_forms()
    spare = content_words(SPARE)
    unknown = unknown_words(question)
    words = re.findall(r"\w+", question)
    found = []
    for before, word in zip(["", *words], words, strict=False):
        is_noun = before.lower() in ("the", "a", "an", "that") and content_words(word) - spare
        is_unknown = word in unknown and before.lower() != "who"  # "who killed" names a deed
        if is_noun or is_unknown or word.lower() in forms:
            found.append(forms.get(word.lower(), word))
    return found


def asks_of_villagers(question: str) -> bool:
    """Whether a question is about people of the village, and not about "you"."""
    names = {*KINDS["name"]}.intersection(village_nouns(question))
    return bool(names and ASKS.match(question)) and not re.search(r"(?i)\b(you|your|u|ur)\b", question)


def kind_after(asked: Question, known: list[str]) -> str:
    """The kind of a question, from its question word on, after what was said, which may decide what was open.

    It is changed in this order:

    - "more" is "next", which asks how the story goes on;
    - "unclear" is "story", where it names something of the village, or is a question after a story; so is
      "course", which the lists did not answer;
    - a kind of questions about a story but "truth" is "why", where the question begins so;
    - "cast" is "count", where it asks for a number;
    - "world" is "story", where all that it names of the village is in the story;
    - "cast" and "places" are "story", where they compare people;
    - any is "story", where it asks what has a color, and small talk, where it asks about somebody;
    - "fact", "sentence" and "places" are "story", where they ask for the color of nothing that they name;
    - "fact", "sentence", "places" and "story" are "deeds", where it asks how something was before the end;
    - a kind that leaves it open is "world", where the question is about the world;
    - "fact" and "sentence", about what was said, are "learned" in words that the model learned, else "count"
      or "story".
    """
    kind = asked.kind
    question = asked.text
    nouns = village_nouns(question)
    stories = [one for one in known if is_story(one)]
    story = stories[-1] if stories else ""
    if kind == Kind.MORE:
        return Kind.NEXT
    if kind in (Kind.UNCLEAR, Kind.COURSE) and (nouns or (stories and ASKS.match(question))):
        kind = Kind.STORY
    if kind in ABOUT_STORY and kind != Kind.TRUTH and question.lower().startswith("why "):
        kind = Kind.WHY
    if kind == Kind.CAST and HOW_MANY.match(question):
        kind = Kind.COUNT
    if kind == Kind.WORLD and nouns and story and not missing(nouns, story):
        kind = Kind.STORY
    if kind in (*ANSWERS, Kind.ORDER) and asks_of_villagers(question):
        return Kind.STORY
    if story and kind in (Kind.CAST, Kind.PLACES, Kind.WHO) and WHO_IS_MOST.search(question):
        return Kind.STORY
    if story and WHAT_HAS_COLOR.match(question) and not nouns:
        return Kind.STORY
    if kind in (*FOR_MODEL, Kind.PLACES) and WHICH_COLOR.match(question) and not asked_for(question):
        return Kind.STORY
    asks_before = BEFORE.search(question) and (nouns or MEET.search(question))
    if kind in (*FOR_MODEL, Kind.STORY, Kind.PLACES) and asks_before:
        return Kind.DEEDS
    if is_about_the_world(kind, question, story):
        return Kind.WORLD
    if kind in FOR_MODEL and any(known) and not missing(asked_for(question), " ".join(known)):
        if content_words(question) <= learned_words():
            return Kind.LEARNED
        return Kind.COUNT if HOW_MANY.match(question) else Kind.STORY
    return kind


def is_about_the_world(kind: str, question: str, story: str) -> bool:
    """Whether a question names nobody and nothing of the village, and words that the story does not have.

    One such word is enough if the village does not know it. Of others there must be two. The word for what
    somebody did, as in "who drowned", does not count, nor does a question that messages.csv has.
    """
    if kind not in MAYBE_WORLD or village_nouns(question) or words_of(question) in known_kinds():
        return False
    if kind == Kind.UNCLEAR and not ASKS.match(question):
        return False
    if story and WHO_IS_MOST.search(question):
        return False
    if kind in (Kind.WHO, Kind.COUNT) and story and len(unknown_words(question)) == 1:  # "who is Ada"
        return False
    if story and re.match(r"(?i)\W*(did|does) the ", question):
        return False
    if REFERRING.intersection(re.findall(r"\w+", question.lower())):
        return False
    question = in_past(question)
    if missing(unknown_words(WHO_DID.sub("who", question)), story):
        return True
    asked = content_words(question) - content_words(SPARE)
    return not WHO_DID.search(question) and len(asked) > 1 and asked.isdisjoint(content_words(story))
