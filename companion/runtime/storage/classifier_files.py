"""A classifier's labels, and its files: head.safetensors, with the head and what its classes are, and what
it reads.

That is a whole model's three files, or an adapter's two; never both, for the head learned with one of them.
"""

import json
from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import Any

import torch

from companion.runtime.files.atomic import finish_renames, staged
from companion.runtime.storage import adapters, checkpoints
from companion.runtime.storage.checkpoints import read_safetensors, write_model, write_safetensors

HEAD = "head.safetensors"
MODEL_FILES = (checkpoints.CONFIG, checkpoints.TOKENIZER, checkpoints.WEIGHTS)
ADAPTER_FILES = (adapters.CONFIG, adapters.WEIGHTS)
"""What stands beside the head, of either kind. Without the first of them neither is loaded."""


def as_labels(labels: Any, n_classes: int) -> torch.Tensor:
    """Return labels, whole numbers of any kind, as int64.

    Args:
        labels: The class of each text.
        n_classes: Number of classes.

    Shape:
        labels: (N,); the result has the same shape.

    Raises:
        TypeError: For what is no row of whole numbers.
        ValueError: For a label outside 0 … n_classes - 1.
    """
    labels = torch.as_tensor(labels)
    if labels.ndim != 1 or labels.is_floating_point() or labels.is_complex():
        raise TypeError(f"labels is {labels.dtype} {tuple(labels.shape)}, must be (N,) whole numbers from 0")
    labels = labels.long()
    outside = labels[(labels < 0) | (labels >= n_classes)]
    if len(outside):
        raise ValueError(f"labels holds {int(outside[0])}, must be from 0 to {n_classes - 1}")
    return labels


def write_classifier(
    folder: str | Path,
    classifier: Any,
    tokenizer: Any,
    classes: Sequence[str],
    provenance: dict | None = None,
    gone: Collection[str] = (),
    save_adapter: Callable[[Path], None] | None = None,
) -> None:
    """Write a classifier's head, and its whole model or the adapter.

    Args:
        folder: Where to write.
        classifier: It has model, head and read.
        tokenizer: The model's.
        classes: The names of the classes.
        provenance: As in write_model.
        gone: Names of files that are removed then, such as ADAPTER_FILES. A kill in between leaves
            both kinds, which are refused.
        save_adapter: Writes the adapter into a folder, in place of the model.
    """
    notes = {"classes": json.dumps(list(classes), ensure_ascii=False), "read": classifier.read}
    with staged(folder) as new:
        write_safetensors(new / HEAD, classifier.head.state_dict(), notes)
        if save_adapter is None:
            write_model(new, classifier.model, tokenizer, provenance)
        else:
            save_adapter(new)
    for name in gone:
        (Path(folder) / name).unlink(missing_ok=True)


def read_head(folder: str | Path) -> tuple[dict[str, torch.Tensor], list[str], str]:
    """Return weight and bias of the head, the names of the classes, and which state the head reads.

    Raises:
        ValueError: In one line, if the file is missing or damaged.
    """
    finish_renames(folder)
    path = Path(folder) / HEAD
    if Path(folder).is_dir() and not path.is_file():
        raise ValueError(f"{folder} holds no classifier ({HEAD}); make one with companion finetune classify")
    weights, notes = read_safetensors(path)
    try:
        classes = json.loads(notes["classes"])
        if len(weights["weight"]) != len(classes) or weights["bias"].shape != (len(classes),):
            raise ValueError
        return weights, classes, notes["read"]
    except (KeyError, ValueError, TypeError):
        raise ValueError(f"{path} is no head of a classifier; copy it again, or train anew") from None
