"""The village: a small world that tells stories, and knows exactly what it said::

    from random import Random
    from companion.village import bits, judge, story

    sample = story(Random(7))
    sample.text          # sixty words or more of plain English
    sample.bits          # −log2 of the story's probability; no reader can do with fewer on average
    bits(sample.text)    # the same number, from the text alone; None if the village cannot tell it
    next_words("Once the baker")   # the exact probability of each word that can come next
    judge("Mara ate a key.")   # sentence by sentence: ok, misplaced, contradiction or unknown

A story is a loop. The state says what is true; every sentence pattern has a weight in that state; one is
drawn; its slots are filled, left to right, each from the words that the state allows there; the sentence
changes the state. Each choice but the pattern is a printed word, and no text can be read as two patterns. So
reading a story recovers every choice, and with them its exact probability.

- `companion.village.words`, `facts` and `rules`: the words and the sentences, what is true and what a
  sentence changes of it, and what may be said.
- `companion.village.machine`: tells and reads stories with them; the shipped stories, and files of others.
- `companion.village.judge`: what is true, and what is not, in any text.
- `companion.village.measures`: floors to compare a loss with, and what a model's stories show of it.
- `companion.village.reader`: the exact probability of every next word; `excess`: what a model pays beyond it.
- `companion.village.tasks`: questions about stories, and other tasks whose answers are known.
- `companion.village.dialogues`: conversations about stories: questions in other words, orders, summaries.
- `companion.village.spots`: where, in a story's tokens, it is said who has what.
- `companion.village.reasoning`, `steps`: questions that need several steps, and the judge of steps.
- `companion.village.hidden`: a hidden key, calls that find it, and the least number of them.
"""

from companion.village.judge import Verdict, judge
from companion.village.machine import (
    DATA,
    SPLITS,
    VILLAGE,
    Story,
    Village,
    bits,
    fresh,
    fresh_stories,
    load_split,
    read_stories,
    recalls,
    story,
    tell,
)
from companion.village.measures import (
    abilities,
    floor,
    gap_left,
    recalled_places,
    recalled_tokens,
    reference_lines,
    story_bytes,
    village_scores,
)
from companion.village.reader import entropy, next_words, surprise
from companion.village.words import KINDS
