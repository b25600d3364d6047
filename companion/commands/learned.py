"""A model that has learned, saved before it is measured: what `course` and those of `finetune` share."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any


def save_learned(output: Path, model, tokenizer, about: dict) -> None:
    """Write a model that has learned, before it is measured; a report of one that was there goes first."""
    from companion.training import save_checkpoint

    (output / "report.json").unlink(missing_ok=True)
    save_checkpoint(output, model, tokenizer, about)


def bits_of(teller: Any, texts: list[str]) -> float:
    """A model's loss on texts of any length, each told from its start to its end."""
    from companion.datasets import encode_documents
    from companion.runtime.training.validation import rows_at_once
    from companion.training import evaluate

    split = encode_documents(texts, teller.tokenizer)
    return evaluate(teller.model, split, *rows_at_once(split.starts, teller.model.config)).bits_per_byte


@contextmanager
def measuring(output: Path) -> Iterator[None]:
    """While inside, Ctrl-C is told that the model is saved and lacks only its report."""
    try:
        yield
    except KeyboardInterrupt:
        said = f"stopped before the report; the model is saved in {output}, and works without"
        raise KeyboardInterrupt(said) from None
