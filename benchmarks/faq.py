"""How well a listed question is found in a wording that was left out: by a cosine, and by the classifier.

    python benchmarks/faq.py

Each sixth wording of a question with four or more is left out, and each sixth message of another kind. The
cosine is that of `course_lists.Index`. Takes about four minutes.
"""

from collections import Counter
from collections.abc import Callable
from random import Random

from companion.serve.course_lists import NOT_LISTED, Index, Row
from companion.serve.fit_classifiers import fit, listed_rows

COSINES = (0.3, 0.4, 0.5, 0.6, 0.7, 0.8)
PROBABILITIES = (0.05, 0.1, 0.2, 0.3, 0.4, 0.6)


def left_out(rows: list[tuple[str, str]]) -> tuple[list, list]:
    """(the wordings with their questions that stay, those that are left out)."""
    counts = Counter(question for _, question in rows)
    Random(1).shuffle(rows)
    several = [row for row in rows if counts[row[1]] >= 4]
    held_out = list(dict.fromkeys(several[: len(rows) // 6]))
    return [row for row in rows if row not in set(held_out)], held_out


def report(name: str, find: Callable[[str], tuple[str, float]], held_out: list, limits: tuple) -> None:
    """Print of each limit: found rightly, found wrongly, and found although not listed, in percent."""
    found = [(*find(wording), question) for wording, question in held_out]
    listed = [one for one in found if one[2] != NOT_LISTED]
    others = [one for one in found if one[2] == NOT_LISTED]
    for limit in limits:
        right = sum(score >= limit and question == meant for question, score, meant in listed)
        wrong = sum(score >= limit and question != meant for question, score, meant in listed)
        n_others = sum(score >= limit for _, score, _ in others)
        shares = (100 * right / len(listed), 100 * wrong / len(listed), 100 * n_others / len(others))
        print(f"{name:10} {limit:5}" + "".join(f"{share:8.1f}" for share in shares))


if __name__ == "__main__":
    kept, held_out = left_out(listed_rows())
    wordings: dict[str, list[str]] = {}
    for wording, question in kept:
        wordings.setdefault(question, []).append(wording)
    del wordings[NOT_LISTED]
    index = Index([Row(tuple(some), question) for question, some in wordings.items()])
    classifier = fit(kept)
    place = classifier.labels.index(NOT_LISTED)

    def by_cosine(wording: str) -> tuple[str, float]:
        row, cosine = index.find(wording)
        return row.answer, cosine

    def by_classifier(wording: str) -> tuple[str, float]:
        found = classifier.probabilities(wording)
        found[place] = 0
        return classifier.labels[int(found.argmax())], float(found.max())

    print(f"{len(held_out)} wordings left out; right, wrong, and others found, in percent")
    report("cosine", by_cosine, held_out, COSINES)
    report("classifier", by_classifier, held_out, PROBABILITIES)
