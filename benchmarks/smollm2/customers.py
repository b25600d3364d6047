"""Classifying customers' messages with 8 to 400 labels: SmolLM2-135M's states against words (chapter 15).

    OMP_NUM_THREADS=1 python benchmarks/smollm2/customers.py    # writes data/models/smollm2/customers.json
    OMP_NUM_THREADS=1 python benchmarks/smollm2/customers.py --counting    # only what needs no model, again

The messages of data/customers.csv are split 20 times into 200 for the test and 400 to learn from. In each of
these draws a head (logistic regression) is fitted to the first 8, 32, 128 and 400 labels, on five kinds of
features:

    words    how often each word occurs, for the words of the messages that it learns from
    mean     SmolLM2's states, the mean over the tokens of a message
    last     SmolLM2's state at the last token of a message
    asked    SmolLM2's state at the last token of ASKED, which stands behind the message
    village  the shipped model's states, the mean over the tokens of a message

The tasks `topic` and `spam` have three more ways to count, which need no model:

    bayes    naive Bayes on the counts of words, with 0.3 added to each count
    tf-idf   counts of words times the logarithm of their rarity, scaled to length 1 for each message
    letters  the same for runs of three and four characters

There are two tasks on these messages: `topic`, one of six classes, and `says I`, whether the word "I" occurs.
The third, `spam`, is the hundred messages of data/messages.csv, in the five parts of chapter 15.

The log has a row for each task, draw, number of labels and kind of features: which of the messages were
classified rightly, as a text of digits, in the order of `split_of` (for `spam`, of the file). About four
minutes on one core, of which the three ways to count take one.
"""

import argparse
import csv
import json
import re
from collections import Counter

import torch

from companion import load
from companion.classification import Classifier, TextClassifier, fit_head, read_states, word_counts
from companion.village import DATA

LOG = DATA / "models" / "smollm2" / "customers.json"
CLASSES = ["appointment", "delivery", "login", "praise", "product", "refund"]
ASKED = "\n\nIn one word, this message is about"
SIZES = (8, 32, 128, 400)
DRAWS = 20
TESTED = 200


def read_messages():
    """The texts, their labels (N,) int64, and the kind of each: plain, typos or misleading."""
    with (DATA / "customers.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    labels = torch.tensor([CLASSES.index(row["label"]) for row in rows])
    return [row["text"] for row in rows], labels, [row["kind"] for row in rows]


def split_of(draw: int, labels: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """The messages of a draw: 200 for the test, and 400 to learn from, in which the classes take turns."""
    generator = torch.Generator().manual_seed(draw)
    order = torch.randperm(len(labels), generator=generator)
    test, rest = order[:TESTED], order[TESTED:]
    turns = torch.zeros(len(rest), dtype=torch.int64)
    for label in range(len(CLASSES)):
        places = (labels[rest] == label).nonzero()[:, 0]
        turns[places] = torch.arange(len(places))
    return test, rest[turns.argsort(stable=True)]


def states_of(teller, texts: list[str], read: str, ending: str = "") -> torch.Tensor:
    """The states that a head reads of each text: (N, C)."""
    classifier = TextClassifier(Classifier(teller.model, len(CLASSES), read), teller.tokenizer, CLASSES)
    return read_states(classifier.classifier, classifier.rows([text + ending for text in texts]))


def says_i(texts: list[str]) -> torch.Tensor:
    """1 for each text that has the word "I", else 0: (N,) int64."""
    return torch.tensor([int("I" in re.findall(r"\w+", text)) for text in texts])


def right_by_words(texts: list[str], labels: torch.Tensor, learned: list[int], test: list[int]):
    """Which test messages a head on word counts classifies rightly: (len(test),) bool."""
    counts, words = word_counts([texts[i] for i in learned])
    head = fit_head(counts, labels[learned], len(CLASSES))
    counts, _ = word_counts([texts[i] for i in test], words)
    return head(counts).argmax(-1) == labels[test]


def letter_counts(text: str) -> Counter:
    """How often each run of three and of four characters occurs, with a space before and after the text."""
    text = f" {text.lower()} "
    return Counter(text[i : i + n] for n in (3, 4) for i in range(len(text) - n + 1))


def as_matrix(counters: list[Counter], column: dict[str, int]) -> torch.Tensor:
    """The counts of some features in each text: (N, F)."""
    counts = torch.zeros(len(counters), len(column), dtype=torch.float64)
    for row, counter in enumerate(counters):
        for feature, often in counter.items():
            if feature in column:
                counts[row, column[feature]] = often
    return counts


def right_by_bayes(texts: list[str], labels: torch.Tensor, learned: list[int], test: list[int]):
    """Which test messages naive Bayes classifies rightly: (len(test),) bool."""
    counts, words = word_counts([texts[i] for i in learned])
    asked, _ = word_counts([texts[i] for i in test], words)
    n_classes = int(labels.max()) + 1
    rows = [counts[labels[learned] == label].sum(0) + 0.3 for label in range(n_classes)]
    chances = torch.stack(rows)  # (K, W)
    chances = chances / chances.sum(1, keepdim=True)
    prior = (torch.bincount(labels[learned], minlength=n_classes) + 1.0).log()
    return (asked @ chances.log().T + prior).argmax(-1) == labels[test]


def right_by_rarity(counters: list[Counter], labels: torch.Tensor, learned: list[int], test: list[int]):
    """Which test messages logistic regression on tf-idf classifies rightly: (len(test),) bool.

    The features keep their scale, unlike in fit_head, which would undo the weighting.
    """
    features = {feature for i in learned for feature in counters[i]}
    column = {feature: i for i, feature in enumerate(sorted(features))}
    counts = as_matrix([counters[i] for i in learned], column)
    rarity = ((1 + len(learned)) / (1 + (counts > 0).sum(0))).log() + 1  # (F,)
    x = torch.nn.functional.normalize(counts * rarity)
    asked = torch.nn.functional.normalize(as_matrix([counters[i] for i in test], column) * rarity)
    head = torch.nn.Linear(x.shape[1], int(labels.max()) + 1, dtype=torch.float64)
    torch.nn.init.zeros_(head.weight)
    torch.nn.init.zeros_(head.bias)
    optimizer = torch.optim.LBFGS(head.parameters(), max_iter=100, line_search_fn="strong_wolfe")

    def loss():
        optimizer.zero_grad()
        total = torch.nn.functional.cross_entropy(head(x), labels[learned])
        total = total + 1e-4 * head.weight.square().sum()
        total.backward()
        return total

    optimizer.step(loss)
    return head(asked).argmax(-1) == labels[test]


def counting_spam_rows() -> list[dict]:
    """The rows of bayes, tf-idf and letters for the task spam, in the parts of spam_rows."""
    texts, labels = read_spam()
    words = [Counter(re.findall(r"\w+", text.lower())) for text in texts]
    letters = [letter_counts(text) for text in texts]
    part = torch.arange(len(labels)) % 5
    right = {name: torch.zeros(len(labels), dtype=torch.bool) for name in ("bayes", "tf-idf", "letters")}
    for k in range(5):
        learned = (part != k).nonzero()[:, 0].tolist()
        test = (part == k).nonzero()[:, 0].tolist()
        right["bayes"][part == k] = right_by_bayes(texts, labels, learned, test)
        right["tf-idf"][part == k] = right_by_rarity(words, labels, learned, test)
        right["letters"][part == k] = right_by_rarity(letters, labels, learned, test)
    common = {"task": "spam", "draw": 0, "labels": 80}
    return [common | {"features": name, "right": digits(found)} for name, found in right.items()]


def counting_rows() -> list[dict]:
    """The rows of bayes, tf-idf and letters for the task topic."""
    texts, topics, _ = read_messages()
    words = [Counter(re.findall(r"\w+", text.lower())) for text in texts]
    letters = [letter_counts(text) for text in texts]
    rows = []
    for draw in range(DRAWS):
        test, rest = split_of(draw, topics)
        for n in SIZES:
            learned = rest[:n].tolist()
            found = {
                "bayes": right_by_bayes(texts, topics, learned, test.tolist()),
                "tf-idf": right_by_rarity(words, topics, learned, test.tolist()),
                "letters": right_by_rarity(letters, topics, learned, test.tolist()),
            }
            for name, right in found.items():
                row = {"task": "topic", "draw": draw, "labels": n, "features": name}
                rows.append(row | {"right": digits(right)})
    return rows


def right_by_states(states: torch.Tensor, labels: torch.Tensor, learned: list[int], test: list[int]):
    """Which test messages a head on states classifies rightly: (len(test),) bool."""
    head = fit_head(states[learned], labels[learned], len(CLASSES))
    return head(states[test]).argmax(-1) == labels[test]


def digits(right: torch.Tensor) -> str:
    """A digit for each message: 1 where it was classified rightly."""
    return "".join(str(int(one)) for one in right)


def all_features(texts: list[str]) -> dict[str, torch.Tensor]:
    """The states of each kind for the texts: (N, C) each."""
    real = load("smollm2", device="cpu")
    village = load(DATA / "models" / "village", device="cpu")
    return {
        "mean": states_of(real, texts, "mean"),
        "last": states_of(real, texts, "last"),
        "asked": states_of(real, texts, "last", ASKED),
        "village": states_of(village, texts, "mean"),
    }


def customers_rows() -> list[dict]:
    """The rows of the tasks topic and says I."""
    texts, topics, _ = read_messages()
    features = all_features(texts)
    rows = []
    for task, labels in {"topic": topics, "says I": says_i(texts)}.items():
        for draw in range(DRAWS):
            test, rest = split_of(draw, topics)
            for n in SIZES:
                learned = rest[:n].tolist()
                found = {"words": right_by_words(texts, labels, learned, test.tolist())}
                for name, states in features.items():
                    found[name] = right_by_states(states, labels, learned, test.tolist())
                for name, right in found.items():
                    row = {"task": task, "draw": draw, "labels": n, "features": name}
                    rows.append(row | {"right": digits(right)})
    return rows


def read_spam() -> tuple[list[str], torch.Tensor]:
    """The hundred messages, and 1 for each that is spam, else 0."""
    with (DATA / "messages.csv").open(encoding="utf-8", newline="") as file:
        messages = list(csv.DictReader(file))
    labels = torch.tensor([int(message["label"] == "spam") for message in messages])
    return [message["text"] for message in messages], labels


def spam_rows() -> list[dict]:
    """The rows of the task spam: five parts, each asked of what learned from the other four."""
    texts, labels = read_spam()
    features = {"words": word_counts(texts)[0]} | all_features(texts)
    part = torch.arange(len(labels)) % 5
    rows = []
    for name, x in features.items():
        right = torch.zeros(len(labels), dtype=torch.bool)
        for k in range(5):
            head = fit_head(x[part != k], labels[part != k], 2)
            right[part == k] = head(x[part == k]).argmax(-1) == labels[part == k]
        rows.append({"task": "spam", "draw": 0, "labels": 80, "features": name, "right": digits(right)})
    return rows


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--counting", action="store_true", help="keep the rows of words and states")
    if parser.parse_args().counting:
        logged = json.loads(LOG.read_text("utf-8"))
        rows = [row for row in logged if row["features"] not in ("bayes", "tf-idf", "letters")]
    else:
        rows = customers_rows() + spam_rows()
    rows += counting_rows() + counting_spam_rows()
    LOG.parent.mkdir(exist_ok=True)
    LOG.write_text("[\n" + ",\n".join(map(json.dumps, rows)) + "\n]\n", encoding="utf-8")


if __name__ == "__main__":
    main()
