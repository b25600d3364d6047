"""A question about a story, and answers that several of its readers share."""

from dataclasses import dataclass
from functools import cached_property

from companion.serve.kinds import SAID
from companion.serve.story_deeds import in_short
from companion.serve.story_facts import places_of
from companion.serve.village_words import SPARE, content_words, in_past, things_among
from companion.village.facts import State
from companion.village.judge import state_of


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
        return content_words(in_past(self.question)) - content_words(SPARE)

    @cached_property
    def state(self) -> State:
        """What is true at the end of the story."""
        return state_of(self.story)

    @property
    def things(self) -> list[str]:
        """The things and goods that the question names, each once."""
        return things_among(self.nouns)

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


def told_instead(story: str) -> str:
    """That a story does not say what was asked for, and what it tells."""
    short = in_short(story)
    return f"{SAID['unsaid']} In short: {short}" if short else SAID["unsaid"]
