"""How --marks is read, and which models have a judge: those that tell stories of the village."""

import sys
from pathlib import Path
from typing import Any

from companion import village
from companion.runtime.command_line.judged_text import Marks, marks_for
from companion.runtime.storage.checkpoints import holds_model, read_config
from companion.runtime.storage.model_names import is_public


def data_of(model: Path) -> Any:
    """What a model of ours notes of the text that it was trained on; None for another, or for no note."""
    ours = not is_public(model) and holds_model(model)
    return read_config(model)["provenance"].get("data") if ours else None


def source_of(model: Path) -> str | None:
    """Where the text is from that a model of ours was trained on; None where its folder does not say so."""
    data = data_of(model)
    return data.get("source") if isinstance(data, dict) else data


def tells_of_the_village(model: Path, tokenizer: Any) -> bool:
    """Whether a model tells stories of the village: by what it was trained on, else by its tokens."""
    source = source_of(model)
    if isinstance(source, str) and source:
        return source == "village"
    from companion.tokenization import Tokenizer

    of_village = Tokenizer.load(village.DATA / "village" / "tokenizer.json").vocab
    return all(tokenizer.vocab.get(i) == token for i, token in of_village.items())


def marks_of(choice: str, model: Path, tokenizer: Any) -> Marks | None:
    """How to mark what a model tells, as --marks asks; None for another model than one of the village."""
    marks = marks_for(choice, "off", sys.stdout.encoding)
    return marks if marks and tells_of_the_village(model, tokenizer) else None
