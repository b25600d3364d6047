"""companion export gguf: a model for other programs."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from companion.cli._shared import OfModel
from companion.cli.export._export import export


@dataclass(kw_only=True)
class Options(OfModel):
    """A GGUF file for llama.cpp, with the tokenizer and the chat template inside.

    Args:
        output: File to write, such as out.gguf.
        overwrite: Replace an earlier export, if there is one in that folder.
        kind: Number format of the matrices.
    """

    output: Path
    overwrite: bool = False
    kind: Literal["f32", "f16", "q8_0", "q4_0"] = "f16"


def run(options: Options) -> None:
    export(options, "gguf", options.kind)
