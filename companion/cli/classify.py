"""companion classify: the class of texts, by a classifier that companion finetune classify made."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from companion.cli._parsing import MayBeEmpty, Positional
from companion.runtime.data.labelled_texts import check_rows_fit
from companion.runtime.models.devices import pick_device
from companion.serve.classifying import load_classifier


@dataclass(kw_only=True)
class Options:
    """Classify texts with a classifier that finetune made.

    Args:
        model: Folder that finetune classify wrote.
        text: A text, in quotes; or several.
        device: Where to compute: auto, cpu, cuda or mps.

    Example:
        companion classify --model runs/classifiers/spam "You have won!"
    """

    model: Path
    text: Annotated[list[str], Positional(), MayBeEmpty()]
    device: str = "auto"


def run(options: Options) -> None:
    device = pick_device(options.device)
    reader = load_classifier(options.model)
    if not all(text.strip() for text in options.text):
        raise ValueError("TEXT is empty; type what is to be classified, in quotes")
    places = [f"TEXT {i + 1}" for i in range(len(options.text))]
    check_rows_fit(reader.rows(options.text), places, reader.classifier.model.config.context_length)
    reader.classifier.to(device)
    for text, shares in zip(options.text, reader.classify(options.text), strict=True):
        name = max(shares, key=shares.get)
        print(f"{name}  {shares[name]:.2f}  {text if len(text) < 60 else text[:57] + '…'}")
