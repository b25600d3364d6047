"""Classifiers that finetune made: loaded, and asked about many texts."""

import csv
import io
from dataclasses import dataclass
from pathlib import Path

import torch

from companion import BUILDERS, load, village
from companion.classification import Classifier, TextClassifier, fit_head, read_states
from companion.runtime.data.labelled_texts import hold_out_by_class, read_labelled
from companion.runtime.storage.checkpoints import holds_adapter, holds_model
from companion.runtime.storage.classifier_files import read_head

FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
"""What a spreadsheet takes for the beginning of a formula."""


def load_classifier(folder: Path) -> TextClassifier:
    """The TextClassifier in a folder: a model with its head, or an adapter, a head and their model's name."""
    if not holds_adapter(folder):
        return TextClassifier.load(folder, BUILDERS)
    if holds_model(folder):
        rule = "holds a whole model and an adapter, and a head of one of them"
        raise ValueError(f"{folder} {rule}; make it anew with companion finetune classify --overwrite")
    weights, classes, read = read_head(folder)
    teller = load(folder, device="cpu", fast=True)
    classifier = Classifier(teller.model, len(classes), read).eval()
    classifier.head.load_state_dict(weights)
    return TextClassifier(classifier, teller.tokenizer, classes)


@dataclass
class Example:
    """A classifier that is made when it is asked for, and texts that it was not trained on."""

    reader: TextClassifier
    labels: dict[str, str]  # of each text that was held out
    description: str


def make_example() -> Example:
    """Train a head on 80 of the course's 100 messages, which takes a second or two; the rest is held out."""
    rows = read_labelled(village.DATA / "messages.csv", "text", "label")
    classes = sorted({row.label for row in rows})
    labels = torch.tensor([classes.index(row.label) for row in rows])
    # the first seed with which all texts that the page shows may be shown in a class
    learned, held_out = hold_out_by_class([row.label for row in rows], 0.2, seed=2)
    teller = load(village.DATA / "models" / "village", "cpu", fast=True)
    reader = TextClassifier(Classifier(teller.model, len(classes), "mean"), teller.tokenizer, classes)
    states = read_states(reader.classifier, reader.rows([row.text for row in rows]))
    head = fit_head(states[learned], labels[learned], len(classes), decay=1)  # so that it is less sure
    reader.classifier.head.load_state_dict(head.state_dict())
    with torch.no_grad():
        right = int((head(states[held_out]).argmax(-1) == labels[held_out]).sum())
    description = (
        f"Trained just now on {len(learned)} of the short messages that come with the course. Of the"
        f" {len(held_out)} others, with which the page begins, it classifies {right} correctly. Its model has"
        " read the village's stories only: of messages of another kind it knows little."
    )
    labelled = sorted((rows[i].text, rows[i].label) for i in held_out)
    return Example(reader, dict(labelled), description)


def as_cell(text: str) -> str:
    """A text that a spreadsheet shows and does not run: one that begins like a formula gets a ' before it.

    Source: OWASP, CSV Injection, https://owasp.org/www-community/attacks/CSV_Injection.
    """
    return f"'{text}" if text.startswith(FORMULA) else text


def as_csv(texts: list[str], answers: list[dict[str, float]]) -> str:
    """The answers as a file: the text, its class, and the probability of each class."""
    file = io.StringIO(newline="")
    table = csv.writer(file)
    table.writerow(["text", "class", *map(as_cell, answers[0])])
    for text, shares in zip(texts, answers, strict=True):
        best = max(shares, key=shares.get)
        table.writerow([as_cell(text), as_cell(best), *(f"{share:.4f}" for share in shares.values())])
    return file.getvalue()
