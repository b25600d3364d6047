"""A model that has learned, saved before it is measured: what the commands under `finetune` share."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def save_learned(output: Path, model, tokenizer, about: dict) -> None:
    """Write a model that has learned, before it is measured; a report of one that was there goes first."""
    from companion.training import save_checkpoint

    (output / "report.json").unlink(missing_ok=True)
    save_checkpoint(output, model, tokenizer, about)


@contextmanager
def measuring(output: Path) -> Iterator[None]:
    """While inside, Ctrl-C is told that the model is saved and lacks only its report."""
    try:
        yield
    except KeyboardInterrupt:
        said = f"stopped before the report; the model is saved in {output}, and works without"
        raise KeyboardInterrupt(said) from None
