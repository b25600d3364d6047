"""companion classify: the class of texts, by a classifier that companion finetune classify made."""

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

from companion.cli._parsing import MayBeEmpty, Positional
from companion.cli._shared import refuse
from companion.runtime.data.labelled_texts import check_rows_fit, read_texts
from companion.runtime.files.atomic import write_atomic
from companion.runtime.models.devices import pick_device
from companion.serve.classifying import as_csv, load_classifier


@dataclass(kw_only=True)
class Options:
    """Classify texts with a classifier that finetune made.

    Args:
        model: Folder that finetune classify wrote.
        text: A text, in quotes; or several.
        data: Classify the texts of this CSV file instead.
        column: Name of its column with the texts. Default: text.
        output: Write a CSV file with each text, its class, and the probability of each class. Default: a
            line for each text is printed.
        device: Where to compute: auto, cpu, cuda or mps.

    Example:
        companion classify --model runs/classifiers/spam "You have won!"
    """

    model: Path
    text: Annotated[list[str], Positional(), MayBeEmpty()] = field(default_factory=list)
    data: Path | None = None
    column: str | None = None
    output: Path | None = None
    device: str = "auto"


def run(options: Options) -> None:
    placed = texts_of(options)
    if options.output is not None and options.output.exists():
        raise ValueError(f"--output={options.output} is there already; name another file")
    device = pick_device(options.device)
    reader = load_classifier(options.model)
    texts = [text for text, _ in placed]
    places = [place for _, place in placed]
    check_rows_fit(reader.rows(texts), places, reader.classifier.model.config.context_length)
    reader.classifier.to(device)
    answers = reader.classify(texts)
    names = [max(shares, key=shares.get) for shares in answers]
    if options.output is not None:
        write_atomic(options.output, as_csv(texts, answers))
        counts = ", ".join(f"{count:,} {name}" for name, count in Counter(names).most_common())
        print(f"{len(texts):,} {'text' if len(texts) == 1 else 'texts'}: {counts}. See {options.output}.")
        return
    for text, name, shares in zip(texts, names, answers, strict=True):
        print(f"{name}  {shares[name]:.2f}  {text if len(text) < 60 else text[:57] + '…'}")


def texts_of(options: Options) -> list[tuple[str, str]]:
    """The texts, each with the place where it stands."""
    if options.data is not None:
        if options.text:
            raise ValueError("TEXT and --data exclude each other; give one of them")
        return read_texts(options.data.read_bytes(), str(options.data), options.column or "text", "--column")
    refuse(options, ["column"], "works with --data only")
    if not options.text or not all(text.strip() for text in options.text):
        raise ValueError("TEXT is empty; type what is to be classified, in quotes, or give --data")
    return [(text, f"TEXT {i}") for i, text in enumerate(options.text, 1)]
