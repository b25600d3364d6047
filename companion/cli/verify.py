"""companion verify: a public model in our parts, against transformers."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from companion import load
from companion.cli._parsing import Positional
from companion.models import names, verification


@dataclass(kw_only=True)
class Options:
    """Check that a public model computes the same here as in transformers.

    Args:
        model: A folder, a GGUF file, smollm2, or the name of a model on the hub. Default: gpt2, which
            downloads 548 MB the first time.
        revision: Branch, tag or commit of a model on the hub. Default: the newest.
        against: What transformers loads. Default: the same files as we do.

    Example:
        companion verify gpt2
    """

    model: Annotated[Path, Positional()] = Path("gpt2")
    revision: str | None = None
    against: Path | None = None


def run(options: Options) -> None:
    verification.peer()
    ours = names.folder_of(options.model, options.revision)
    teller = load(ours, device="cpu")
    theirs = names.folder_of(options.against or ours)
    room = max(1, teller.model.config.context_length - verification.N_TOKENS)
    ids = [*teller.begin, *teller.tokenizer.encode(verification.PROMPT)][:room]
    found = verification.compare(teller, ids, theirs)
    for line, is_right in found:
        print(f"{'right' if is_right else 'WRONG'}  {line}")
    wrong = sum(not is_right for _, is_right in found)
    if wrong:
        raise RuntimeError(f"{wrong} of {len(found)} differ, so {options.model} is another model")
