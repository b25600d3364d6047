"""Which index of frequent questions, and which threshold: found rightly and wrongly on paraphrases.

    python benchmarks/faq.py

Words, runs of letters, both, and the mean of a model's token embeddings, on the first half of the questions
in tests/support/paraphrases.json; then the chosen index on the second half.
"""

import re
import sys
from collections import Counter
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
from support.paraphrases import ASKED, OTHERS, halves

from companion import load, village
from companion.serve import course_lists
from companion.serve.course_question import LIMITS, Nearness


def words_alone(text: str) -> Counter:
    return Counter(re.findall(r"\w+", text.lower()))


def letters_alone(text: str) -> Counter:
    return Counter({piece: n for piece, n in both(text).items() if piece not in words_alone(text)})


class MeanEmbedding:
    """find by the cosine of the mean of a model's token embeddings, each less the mean of all."""

    def __init__(self, rows, teller):
        self.rows, self.teller = [row for row in rows for _ in row.all_wordings], teller
        table = teller.model.embed.token.weight.detach().numpy()
        self.table = table - table.mean(0)
        self.vectors = np.stack([self.vector(wording) for row in rows for wording in row.all_wordings])

    def vector(self, text):
        mean = self.table[self.teller.tokenizer.encode(text)].mean(0)
        return mean / np.linalg.norm(mean)

    def find(self, question):
        similarities = self.vectors @ self.vector(question)
        return self.rows[int(similarities.argmax())], float(similarities.max())


def found(index, threshold: float, asked: list, others: list) -> tuple[int, int, int]:
    """(asked and found rightly, asked and found wrongly, others found, which is always wrong)."""
    hits = [(index.find(question), meant) for question, meant in asked]
    right = sum(similarity >= threshold and meant in row.all_wordings for (row, similarity), meant in hits)
    wrong = sum(
        similarity >= threshold and meant not in row.all_wordings for (row, similarity), meant in hits
    )
    return right, wrong, sum(index.find(question)[1] >= threshold for question in others)


if __name__ == "__main__":
    rows, both = course_lists.read_questions(course_lists.FAQ), course_lists.pieces
    (asked, held_asked), (others, held_others) = halves(ASKED), halves(OTHERS)
    made = {}
    for name, pieces in {"words": words_alone, "letters": letters_alone, "words and letters": both}.items():
        course_lists.pieces = pieces
        made[name] = (course_lists.Index(rows), pieces)
    made["mean embeddings"] = (MeanEmbedding(rows, load(village.DATA / "models" / "answerer", "cpu")), both)
    print(f"first half: {len(asked)} in other words, {len(others)} others; right / wrong / others found")
    thresholds = [0.2, 0.25, 0.3, 0.35, 0.4, 0.45, 0.5, 0.6, 0.7, 0.8, 0.9]
    print(f"{'':18}", *(f"{t:10}" for t in thresholds))
    for name, (index, pieces) in made.items():
        course_lists.pieces = pieces
        counts = [found(index, threshold, asked, others) for threshold in thresholds]
        print(f"{name:18}", *(f"{'/'.join(map(str, c)):>10}" for c in counts))
    course_lists.pieces = both
    for half in ((asked, others), (held_asked, held_others)):
        print(
            LIMITS[Nearness.POSSIBLE],
            len(half[0]),
            len(half[1]),
            found(made["words and letters"][0], LIMITS[Nearness.POSSIBLE], *half),
        )
