"""Frequent questions: a small index that finds the one which a user asks in other words."""

import csv
import re
from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from companion import village

FAQ = village.DATA / "faq.csv"
THRESHOLD = 0.35
"""By benchmarks/faq.py: of 22 in other words it lets 19 be found, none wrongly, and 1 of 16 others.

Among questions that did not choose it, 23 of 23, and 3 of 16 made of a frequent question's words.
"""


class Frequent(NamedTuple):
    """A row of the file: what is often asked, and what is answered."""

    question: str
    answer: str


def pieces(text: str) -> Counter:
    """How often each piece of a text is there: its words, and runs of three to five of their letters."""
    words = re.findall(r"\w+", text.lower())
    found = Counter(words)
    for word in words:
        found.update(f" {word} "[i : i + n] for n in (3, 4, 5) for i in range(len(word) + 3 - n))
    return found


def read_frequent() -> list[Frequent]:
    """The rows of the shipped file, which has the columns question and answer."""
    with FAQ.open(encoding="utf-8", newline="") as file:
        return [Frequent(row["question"], row["answer"]) for row in csv.DictReader(file)]


class Index:
    """find(question) -> the row whose question is nearest to it, and how near: the cosine of their TF-IDF.

    A piece counts by the logarithm of how often it is there, and the more, the fewer rows have it.
    Source: Salton & Buckley, 1988 (Information Processing & Management 24), section 2.
    """

    def __init__(self, rows: Sequence[Frequent]):
        self.rows, counted = list(rows), [pieces(row.question) for row in rows]
        self.places = {piece: i for i, piece in enumerate(sorted(set().union(*counted)))}
        have = Counter(piece for found in counted for piece in found)
        self.rarity = np.log((1 + len(rows)) / (1 + np.array([have[piece] for piece in self.places]))) + 1
        self.unseen = np.log(1 + len(rows)) + 1
        self.vectors = np.stack([self.vector(found) for found in counted])  # (N, pieces), each of length 1

    def vector(self, found: Counter) -> np.ndarray:
        """Counted pieces -> (pieces,) of length 1 at most: pieces that no row has make it shorter."""
        known, strange = np.zeros(len(self.places)), 0.0
        for piece, n in found.items():
            if piece in self.places:
                known[self.places[piece]] = (1 + np.log(n)) * self.rarity[self.places[piece]]
            else:
                strange += ((1 + np.log(n)) * self.unseen) ** 2
        return known / max(np.sqrt(known @ known + strange), 1e-12)

    def find(self, question: str) -> tuple[Frequent, float]:
        """The nearest row and its cosine, from 0 to 1."""
        near = self.vectors @ self.vector(pieces(question))  # (N,)
        return self.rows[int(near.argmax())], float(near.max())
