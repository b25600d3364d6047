"""Classifiers that finetune made: loaded, and asked about many texts."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from companion import BUILDERS, load
from companion.classification import Classifier, TextClassifier
from companion.runtime.adapters import holds_adapter
from companion.runtime.checkpoints import holds_model
from companion.runtime.classifiers import read_head

AT_ONCE = 256
"""Texts between two reports of progress."""


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
    longest = reader.classifier.model.config.context_length
    for place, row in zip(places, reader.rows(texts), strict=True):
        if len(row) > longest:
            rule = f"has {len(row):,} tokens, and the model reads {longest:,}; shorten it"
            raise ValueError(f"{place} {rule}")


def classified(reader: TextClassifier, texts: Sequence[str]) -> Iterator[list[dict[str, float]]]:
    """As reader.classify, a part of the texts at a time."""
    for i in range(0, len(texts), AT_ONCE):
        yield reader.classify(texts[i : i + AT_ONCE])
