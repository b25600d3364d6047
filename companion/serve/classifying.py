"""Classifiers that finetune made: loaded, and asked about many texts."""

import csv
import io
from collections.abc import Iterator, Sequence
from pathlib import Path

from companion import BUILDERS, load
from companion.classification import Classifier, TextClassifier
from companion.runtime.data.labelled_texts import check_rows_fit
from companion.runtime.storage.checkpoints import holds_adapter, holds_model
from companion.runtime.storage.classifier_files import read_head

AT_ONCE = 256
"""Texts between two reports of progress."""
FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
"""What a spreadsheet takes for the beginning of a formula."""


def load_classifier(folder: Path) -> TextClassifier:
    """The TextClassifier in a folder: whole, or an adapter and a head with the name of their model.

    Raises ValueError, in one line, for a folder with both, in which the head is of one of them.
    """
    whole = holds_model(folder)
    if not holds_adapter(folder):
        return TextClassifier.load(folder, BUILDERS)
    weights, classes, read = read_head(folder)
    if whole:
        rule = "holds a whole model and an adapter, and a head of one of them"
        raise ValueError(f"{folder} {rule}; make it anew with companion finetune classify --overwrite")
    teller = load(folder, device="cpu")
    classifier = Classifier(teller.model, len(classes), read).eval()
    classifier.head.load_state_dict(weights)
    return TextClassifier(classifier, teller.tokenizer, classes)


def check_texts(reader: TextClassifier, texts: Sequence[str], places: Sequence[str]) -> None:
    """ValueError, which names its place, for the first text that is longer than the model reads."""
    check_rows_fit(reader.rows(texts), places, reader.classifier.model.config.context_length)


def classified(reader: TextClassifier, texts: Sequence[str]) -> Iterator[list[dict[str, float]]]:
    """As reader.classify, a part of the texts at a time."""
    for i in range(0, len(texts), AT_ONCE):
        yield reader.classify(texts[i : i + AT_ONCE])


def as_cell(text: str) -> str:
    """A text that a spreadsheet shows and does not run.

    A spreadsheet takes a cell that begins like a formula for one. A ' before it makes it a text.

    Reference:
        OWASP, CSV Injection, https://owasp.org/www-community/attacks/CSV_Injection.
    """
    return f"'{text}" if text.startswith(FORMULA) else text


def as_csv(texts: list[str], said: list[dict[str, float]]) -> str:
    """The answers as a file: the text, its class, and the probability of each class."""
    file = io.StringIO(newline="")
    table = csv.writer(file)
    table.writerow(["text", "class", *map(as_cell, said[0])])
    for text, shares in zip(texts, said, strict=True):
        best = max(shares, key=shares.get)
        table.writerow([as_cell(text), as_cell(best), *(f"{share:.4f}" for share in shares.values())])
    return file.getvalue()
