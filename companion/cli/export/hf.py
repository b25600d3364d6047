"""companion export hf: a model for other programs."""

from dataclasses import dataclass
from pathlib import Path

from companion.cli._shared import OfModel
from companion.cli.export._export import export


@dataclass(kw_only=True)
class Options(OfModel):
    """A folder in Hugging Face's layout, for transformers and other libraries that read it.

    Args:
        output: Folder to write to.
        overwrite: Replace an earlier export, if there is one in that folder.
    """

    output: Path
    overwrite: bool = False


def run(options: Options) -> None:
    export(options, "hf")
