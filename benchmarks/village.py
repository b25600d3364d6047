"""Readers of the village who only count: what each loses, in bits per byte and as gap left.

    python benchmarks/village.py

Prints the tables of data/README.md: floor, forgetful reader and letter frequencies of each split; word
n-grams of order 1 to 6 on the test split, with interpolated Kneser-Ney smoothing, counted on the training
split (Chen & Goodman, 1999, section 2.7); how fast the village tells and reads; and whether the perfect
reader's numbers are right.
"""

import re
import time
from collections import Counter, defaultdict
from collections.abc import Iterable
from math import log2
from random import Random

from companion import village
from companion.tokenization import Tokenizer
from companion.village.reader import read_story, read_tokens

BINS = 50
"""Bins of equal width for the chi-square statistic."""


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


def byte_frequency_loss(texts: Iterable[str]) -> float:
    """The loss of a reader who knows only how often each byte comes in the training split.

    Args:
        texts: The texts to measure on.

    Returns:
        The loss in bits per byte.
    """
    train = village.load_split("train")
    counts = Counter("".join(train).encode("utf-8"))
    end = 256  # the end of a story is one more sign
    counts[end] = len(train)
    total = counts.total() + 257  # one more of each, so that no byte is impossible
    surprise, length = 0.0, 0
    for text in texts:
        signs = [*text.encode("utf-8"), end]
        surprise -= sum(log2((counts[sign] + 1) / total) for sign in signs)
        length += len(signs)
    return surprise / length


def main():
    for split in village.SPLITS:
        texts = village.load_split(split)
        numbers = village.floor(texts), village.floor(texts, forget=True), byte_frequency_loss(texts)
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
    new_texts = [village.story(rng).text for _ in range(2000)]
    middle = time.process_time()
    assert all(village.bits(text) for text in new_texts)
    size = sum(map(village.story_bytes, new_texts)) / 1e6
    print(f"tells {size / (middle - start):.2f} MB/s, reads {size / (time.process_time() - middle):.2f} MB/s")
    check_perfect_reader([village.story(rng) for _ in range(10_000)])


def check_perfect_reader(stories: list[village.Story]) -> None:
    """Print how fast the perfect reader is, and how far its sums and distributions are from right.

    The chi-square statistic compares the tokens that came with their distributions, wherever more than one
    token can come. If a token is drawn from its distribution, then the probability of the tokens with smaller
    ids, plus a random share of the token's own, is uniform between 0 and 1. Its bins are counted, for each
    2,000 stories.
    """
    begun = time.process_time()
    read = [read_story(story.text) for story in stories]
    seconds, n_words = time.process_time() - begun, sum(map(len, read))
    miss = max(
        abs(sum(word.surprise for word in words) - story.bits)
        for story, words in zip(stories, read, strict=True)
    )
    print(f"the perfect reader: {n_words:,} words, {1e6 * seconds / n_words:.0f} μs a word", end=", ")
    print(f"its sums miss the stories' bits by at most {miss:.0e}")

    tokenizer = Tokenizer.load(village.DATA / "village" / "tokenizer.json")
    bins, rng = defaultdict(Counter), Random(1)
    miss, from_one, n_tokens = 0.0, 0.0, 0
    begun = time.process_time()
    for number, story in enumerate(stories):
        ids = [*tokenizer.encode(story.text), tokenizer.end]
        distributions = read_tokens(story.text, tokenizer)
        n_tokens += len(ids)
        surprise = 0.0
        for token, odds in zip(ids, distributions, strict=True):
            surprise += log2(1 / odds[token])
            from_one = max(from_one, abs(sum(odds.values()) - 1))
            if len(odds) > 1:
                before = sum(p for other, p in odds.items() if other < token)
                place = before + rng.random() * odds[token]
                bins[number // 2000][min(BINS - 1, int(BINS * place))] += 1
        miss = max(miss, abs(surprise - story.bits))
    seconds = time.process_time() - begun
    print(
        f"{n_tokens:,} tokens, {1e6 * seconds / n_tokens:.0f} μs a token; sums miss by {miss:.0e}", end=", "
    )
    print(f"distributions sum to 1 within {from_one:.0e}", end=", ")
    print("chi-square " + ", ".join(f"{chi_square(counts):.0f}" for counts in bins.values()), end=" ")
    print(f"in {BINS} bins of {sum(counts.total() for counts in bins.values()):,} open tokens in all")


def chi_square(counts: Counter) -> float:
    """How far the counts of the bins are from equal; BINS - 1 is to be expected."""
    expected = counts.total() / BINS
    return sum((counts[i] - expected) ** 2 / expected for i in range(BINS))


if __name__ == "__main__":
    main()
