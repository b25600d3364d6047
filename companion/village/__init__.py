"""The village: a small world that tells stories, and knows exactly what it said.

    from random import Random
    from companion.village import bits, judge, story

    told = story(Random(7))
    told.text            # sixty words or more of plain English
    told.facts.holder    # {"red lantern": "Mara"}: who holds what at the end
    told.bits            # −log2 of the story's probability; no reader can do with fewer on average
    bits(told.text)      # the same number, from the text alone; None if the village cannot tell it
    judge("Mara ate a key.")   # sentence by sentence: ok, contradiction or unknown

A story is a loop. The state says what is true; every sentence pattern has a weight in that state; one is
drawn; its slots are filled, left to right, each from the words that the state allows there; the sentence
changes the state. The words, rules and patterns are in `companion.village.world`. Each choice but the pattern
is a printed word, and no text can be read as two patterns. So reading a story recovers every choice, and with
them its exact probability.
"""

from companion.village.machine import (
    DATA,
    KINDS,
    SPLITS,
    VILLAGE,
    Facts,
    Story,
    Verdict,
    Village,
    abilities,
    bits,
    floor,
    judge,
    letters,
    load_split,
    main,
    read_stories,
    recalls,
    story,
    story_bytes,
    tell,
    write_splits,
    write_stories,
)

__all__ = [
    "DATA",
    "KINDS",
    "SPLITS",
    "VILLAGE",
    "Facts",
    "Story",
    "Verdict",
    "Village",
    "abilities",
    "bits",
    "floor",
    "judge",
    "letters",
    "load_split",
    "main",
    "read_stories",
    "recalls",
    "story",
    "story_bytes",
    "tell",
    "write_splits",
    "write_stories",
]
