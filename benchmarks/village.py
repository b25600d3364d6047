"""Readers of the village who only count: what each loses, in bits per byte and as gap left.

    python benchmarks/village.py

Prints the tables of data/README.md: floor, forgetful reader and letter frequencies of each split; word
n-grams of order 1 to 6 on the test split, with interpolated Kneser-Ney smoothing, counted on the training
split (Chen & Goodman, 1999, section 2.7); and how fast the village tells and reads.
"""

import re
import time
from collections import Counter, defaultdict
from math import log2
from random import Random

from companion import village
from companion.village.reader import read_story


def words(text: str) -> list[str]:
    """The words and signs of a story, with the space before them, and its end."""
    return [*re.findall(r" ?\w+| ?[^\w\s]", text), "<end>"]


class WordNgrams:
    """Word n-grams with interpolated Kneser-Ney smoothing.

    Orders below the highest count in how many different contexts a word came, not how often.
    """

    def __init__(self, stories: list[list[str]], order: int):
        self.order = order
        self.counts = [Counter() for _ in range(order)]  # by length of the context
        self.totals = [defaultdict(int) for _ in range(order)]
        self.types = [defaultdict(int) for _ in range(order)]
        self.words = len({word for story in stories for word in story}) + 1
        wider = [set() for _ in range(order)]
        for gram in (gram for story in stories for gram in self.grams(story)):
            self.add(order - 1, gram)
            for n in range(order - 1):
                if gram[-n - 2 :] not in wider[n]:
                    wider[n].add(gram[-n - 2 :])
                    self.add(n, gram[-n - 1 :])
        self.discounts = [self.discount(Counter(counts.values())) for counts in self.counts]

    def grams(self, story):
        padded = ["<start>"] * (self.order - 1) + story
        return (tuple(padded[i : i + self.order]) for i in range(len(story)))

    def add(self, n, gram):
        self.types[n][gram[:-1]] += gram not in self.counts[n]
        self.counts[n][gram] += 1
        self.totals[n][gram[:-1]] += 1

    def discount(self, seen):
        return seen[1] / (seen[1] + 2 * seen[2]) if seen[1] else 0.5

    def bits(self, story: list[str]) -> float:
        return -sum(log2(self.probability(gram)) for gram in self.grams(story))

    def probability(self, gram) -> float:
        p = 1 / self.words
        for n in range(self.order):
            context = gram[self.order - 1 - n : -1]
            if total := self.totals[n].get(context):
                kept = max(self.counts[n][gram[self.order - 1 - n :]] - self.discounts[n], 0)
                p = (kept + self.discounts[n] * self.types[n][context] * p) / total
        return p


def main():
    for split in village.SPLITS:
        texts = village.load_split(split)
        numbers = village.floor(texts), village.floor(texts, forget=True), village.byte_frequency_loss(texts)
        size = sum(map(village.story_bytes, texts))
        print(f"| {split} | {len(texts)} | {size} |" + "".join(f" {number:.4f} |" for number in numbers))
    train = [words(text) for text in village.load_split("train")]
    test = village.load_split("test")
    size = sum(map(village.story_bytes, test))
    low, high = village.floor(test), village.floor(test, forget=True)
    for order in range(1, 7):
        model = WordNgrams(train, order)
        loss = sum(model.bits(words(text)) for text in test) / size
        print(f"| {order} | {loss:.3f} | {(loss - low) / (high - low):.2f} |")
    rng, start = Random(0), time.process_time()
    told = [village.story(rng).text for _ in range(2000)]
    middle = time.process_time()
    assert all(village.bits(text) for text in told)
    size = sum(map(village.story_bytes, told)) / 1e6
    print(f"tells {size / (middle - start):.2f} MB/s, reads {size / (time.process_time() - middle):.2f} MB/s")
    stories = [village.story(rng) for _ in range(10_000)]
    begun = time.process_time()
    read = [read_story(told.text) for told in stories]
    seconds, n_words = time.process_time() - begun, sum(map(len, read))
    misses = [
        abs(sum(word.surprise for word in ws) - told.bits) for told, ws in zip(stories, read, strict=True)
    ]
    print(f"the perfect reader: {n_words:,} words, {1e6 * seconds / n_words:.0f} μs a word", end=", ")
    print(f"its sums miss the stories' bits by at most {max(misses):.0e}")


if __name__ == "__main__":
    main()
