"""A classifier of messages: softmax regression on words, pairs of words and pieces of words.

`kinds.py` asks it for the kind of a message, and `course.py` for the listed question that a message asks.
fit_classifiers.py fits both and writes their files, which the chat only reads.

Reference:
    Weinberger et al., 2009, "Feature Hashing for Large Scale Multitask Learning".
    Joulin et al., 2017, "Bag of Tricks for Efficient Text Classification".
"""

import re
import unicodedata
import zlib
from functools import cache, lru_cache
from pathlib import Path

import numpy as np

from companion.serve.course_lists import read_glossary
from companion.serve.village_words import LIGHT_WORDS, SHORT_FORMS, WORDS, village_forms

SIZE = 32768
"""The number of features. Each word, pair and piece counts for the one that its checksum gives."""
SHARPNESS = 10.0
"""What the scores are multiplied by before the softmax."""
FILLERS = frozenset(WORDS["lists"]["fillers"].split())
"""Words that change nothing in what is asked."""


@cache
def plain(text: str) -> str:
    """Return a text in small letters, without marks, accents and fillers, and with short forms in full.

    A letter that is repeated three times or more is one: "hiiii" is "hi".
    """
    letters = text.lower().replace("’", "'").replace("'", "")
    if not letters.isascii():  # few are not, and this takes long
        letters = unicodedata.normalize("NFKD", letters)
        letters = "".join(letter for letter in letters if not unicodedata.combining(letter))
    letters = re.sub(r"(\w)\1{2,}", r"\1", letters)
    words = [SHORT_FORMS.get(word, word) for word in re.findall(r"[a-z0-9]+", letters)]
    return " ".join([word for word in words if word not in FILLERS] or words)


@cache
def term_words() -> frozenset[str]:
    """The words of the names in the glossary."""
    words = set()
    for entry in read_glossary():
        words.update(plain(" ".join(entry.names)).split())
    return frozenset(words) - LIGHT_WORDS


@lru_cache(4096)
def class_of(word: str) -> str:
    """The word that stands for those that are alike: nouns, numbers, terms, and the lists of words.toml."""
    if word in village_forms():
        return "<noun>"
    if word.isdigit():
        return "<number>"
    alike = [name for name, words in WORDS["alike"].items() if word in words.split()]
    if alike:
        return f"<{alike[0]}>"
    return "<term>" if word in term_words() else word


def features(message: str) -> dict[int, float]:
    """The features of a message with their values, a vector of length 1.

    They are its words, pairs of words, and pieces of three to five letters. Words that are alike also count
    as one word, so that all questions "who has the …" are alike. The two words of a pair are neighbors, or
    have one word between them.
    """
    words = plain(message).split()
    if "?" in message:
        words.append("?")
    classes = [class_of(word) for word in words]
    found = dict.fromkeys([*words, *classes], 1.0)
    for row in (words, classes):
        for pair in zip(["^", *row], [*row, "$"], strict=True):
            found[" ".join(pair)] = 1.0
        for pair in zip(["^", "^", *row], [*row, "$", "$"], strict=True):
            found["_".join(pair)] = 0.7
    for word in words:
        padded = f"_{word}_"
        for length in (3, 4, 5):
            for start in range(len(padded) + 1 - length):
                found[f"{padded[start : start + length]}…"] = 0.5
    vector: dict[int, float] = {}
    for name, value in found.items():
        place = zlib.crc32(name.encode()) % SIZE
        vector[place] = vector.get(place, 0.0) + value
    length = sum(value**2 for value in vector.values()) ** 0.5
    return {place: value / length for place, value in vector.items()}


class Classifier:
    """probabilities(message) -> the probability of each label.

    Attributes:
        labels: What a message may be.
        weights: (SIZE, labels), bytes, of which most are 0.
        scale: What a byte is multiplied by.
    """

    def __init__(self, labels: list[str], weights: np.ndarray, scale: float):
        self.labels = labels
        self.weights = weights
        self.scale = scale

    @classmethod
    def load(cls, file: Path) -> "Classifier":
        """The classifier of a file that `save` wrote."""
        with np.load(file) as stored:
            return cls(stored["labels"].tolist(), stored["weights"], float(stored["scale"]))

    def save(self, file: Path) -> None:
        """Write the file that `load` reads."""
        np.savez_compressed(file, labels=self.labels, weights=self.weights, scale=self.scale)

    def probabilities(self, message: str) -> np.ndarray:
        """Message -> the probability of each label, (labels,)."""
        found = features(message)
        weights = self.scale * self.weights[[*found]].astype(np.float32)  # (features of the message, labels)
        scores = np.array([*found.values()], np.float32) @ weights
        odds = np.exp(SHARPNESS * (scores - scores.max()))
        return odds / odds.sum()

    def most_likely(self, message: str) -> tuple[str, float]:
        """The most likely label of a message, and its probability."""
        found = self.probabilities(message)
        place = int(found.argmax())
        return self.labels[place], float(found[place])
