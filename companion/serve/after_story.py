"""Which kind of question a message asks after what was said, and what it names."""

import re

from companion.serve.course_question import ASKS
from companion.serve.kinds import ABOUT_STORY, LEARNED, MAYBE_WORLD, kind_of, known_kinds, words_of
from companion.serve.village_words import (
    SENTENCES,
    SPARE,
    WORDS,
    content_words,
    from_question_word,
    learned_words,
    missing,
    unknown_words,
    village_forms,
    village_nouns,
)
from companion.show.judged_text import is_story

WHO_DID = re.compile(r"^\W*(?i:who) (?!(?:is|was|are|were|has|had)\b)[a-z]\w*")
"""How a question begins that asks who did something."""
REFERRING = frozenset(WORDS["lists"]["referring"].split())
"""Words with which a question means the story, or somebody or something in it."""
BEFORE = re.compile(
    r"(?i)\b(before|first|originally|earlier|beginning|used to)\b"
    r"|\bwhere (did|was|were) .*\b(find|found|gets?|got|meet|met|lose|lost|hide|hidden|buy|bought)\b"
)
"""What asks how something was before the end of the story."""


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


def story_and_question(message: str) -> tuple[str, str]:
    """The story that a message tells and its last sentence, which asks; else "" and the message."""
    *said, question = re.split(SENTENCES, message.strip())
    return (" ".join(said), question) if is_story(" ".join(said)) else ("", message)


def kind_in(question: str, known: list[str]) -> str:
    """The kind of a question after what was said, which may decide what `kind_of` leaves open.

    It is changed in this order:

    - "more" is "next", which asks how the story goes on;
    - a kind of questions about a story but "truth" is "why", where the question begins so;
    - "unclear" is "story", where it names something of the village, or is a question after a story;
    - "world" is "story", where all that it names of the village is in the story;
    - "fact", "sentence" and "story" are "deeds", where it asks how something was before the end;
    - a kind that leaves it open is "world", where the question is about the world;
    - "fact" and "sentence", about what was said, are "learned" in words that the model learned, else "story".
    """
    kind = kind_of(question)
    question = from_question_word(question)
    nouns = village_nouns(question)
    stories = [one for one in known if is_story(one)]
    story = stories[-1] if stories else ""
    if kind == "more":
        return "next"
    if kind in ABOUT_STORY and kind != "truth" and question.lower().startswith("why "):
        kind = "why"
    if kind == "unclear" and (nouns or (stories and ASKS.match(question))):
        kind = "story"
    if kind == "world" and nouns and story and not missing(nouns, story):
        kind = "story"
    if kind in (*LEARNED, "story") and nouns and BEFORE.search(question):
        return "deeds"
    if is_about_the_world(kind, question, story):
        return "world"
    if kind in LEARNED and any(known) and not missing(asked_for(question), " ".join(known)):
        return "learned" if content_words(question) <= learned_words() else "story"
    return kind


def is_about_the_world(kind: str, question: str, story: str) -> bool:
    """Whether a question names nobody and nothing of the village, and words that the story does not have.

    One such word is enough if the village does not know it. Of others there must be two. The word for what
    somebody did, as in "who drowned", does not count, nor does a question that messages.csv has.
    """
    if kind not in MAYBE_WORLD or village_nouns(question) or words_of(question) in known_kinds():
        return False
    if kind == "unclear" and not ASKS.match(question):
        return False
    if kind == "who" and story and len(unknown_words(question)) == 1:  # "who is Ada"
        return False
    if REFERRING.intersection(re.findall(r"\w+", question.lower())):
        return False
    if missing(unknown_words(WHO_DID.sub("who", question)), story):
        return True
    asked = content_words(question) - content_words(SPARE)
    return not WHO_DID.search(question) and len(asked) > 1 and asked.isdisjoint(content_words(story))
