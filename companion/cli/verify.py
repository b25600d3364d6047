"""companion verify: a public model in our parts, against what `transformers` makes of the same files."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import torch
from safetensors import SafetensorError

from companion import load
from companion.cli._parsing import Positional
from companion.generation import LanguageModel, generate
from companion.models import names
from companion.models.gguf_reader import is_gguf
from companion.runtime.terminal import first_line, waiting

PROMPT = "The lighthouse keeper counted the ships: one, two, three. Then it grew dark, and"
N_TOKENS = 20  # tokens that both sides add to the prompt
TOLERANCE = 1e-4  # by how much a logit may differ in float32, where the order of additions is not the same


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
    peer()
    ours = names.folder_of(options.model, options.revision)
    theirs = names.folder_of(options.against or ours)
    teller = load(ours, device="cpu")
    room = max(1, teller.model.config.context_length - N_TOKENS)
    ids = [*teller.begin, *teller.tokenizer.encode(PROMPT)][:room]
    found = compare(teller, ids, theirs)
    for line, is_right in found:
        print(f"{'right' if is_right else 'WRONG'}  {line}")
    wrong = sum(not is_right for _, is_right in found)
    if wrong:
        raise RuntimeError(f"{wrong} of {len(found)} differ, so {options.model} is another model")


def peer() -> Any:
    """Return the library `transformers`, quiet."""
    import transformers  # takes seconds

    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    return transformers


def compare(teller: LanguageModel, ids: list[int], folder: Path) -> list[tuple[str, bool]]:
    """Logits and continuation of our model against those that `transformers` has from a folder.

    Args:
        teller: Our model, in float32 on the CPU.
        ids: The prompt's tokens.
        folder: The folder or GGUF file that transformers reads.

    Returns:
        For each comparison a line, and whether it is as it should be.
    """
    rows = torch.tensor([ids])  # (1, T)
    with waiting("Loading the model in transformers"):
        theirs = _their_model(folder)
    with waiting("Computing the logits of both"), torch.no_grad():
        ours = teller.model(rows).float()  # (1, T, V)
        other = theirs(rows).logits.float()
    if ours.shape != other.shape:
        sizes = f"{ours.shape[-1]:,} tokens here, and {other.shape[-1]:,} there"
        raise ValueError(f"{folder} is of another model: the vocabulary has {sizes}")
    furthest = (ours - other).abs().max().item()
    line = f"logits after {len(ids)} tokens: {furthest:.1e} apart at most, of {TOLERANCE:.0e} allowed"
    logits = (line, furthest <= TOLERANCE)

    with waiting(f"Generating {N_TOKENS} tokens with both"):
        expected = _their_tokens(theirs, rows)
        cache = teller.make_cache(teller.model.config, 1)
        found = generate(teller.model, rows, N_TOKENS, temperature=0, cache=cache)[0].tolist()
    same = [here == there for here, there in zip(found, expected, strict=True)]
    alike = same.index(False) if False in same else N_TOKENS
    line = f"the {N_TOKENS} likeliest tokens, ours with a cache: the first {alike} are the same"
    return [logits, (line, alike == N_TOKENS)]


def _their_model(folder: Path) -> Any:
    """Return the model in a folder or GGUF file as `transformers` reads it, in float32.

    Raises:
        ValueError: In one line, if it cannot.
    """
    options = {"dtype": torch.float32, "local_files_only": True}
    if is_gguf(folder):
        options["gguf_file"] = folder.name
        folder = folder.parent
    else:
        options["use_safetensors"] = True
    try:
        return peer().AutoModelForCausalLM.from_pretrained(folder, **options).eval()
    except (OSError, ValueError, KeyError, RuntimeError, SafetensorError) as error:
        raise ValueError(f"transformers cannot read {folder}: {first_line(error):.200}") from None


def _their_tokens(theirs: Any, rows: torch.Tensor) -> list[int]:
    """The likeliest tokens by their own loop and cache, also past an end of the text."""
    plain = peer().GenerationConfig(max_new_tokens=N_TOKENS, do_sample=False, pad_token_id=0)
    theirs.generation_config = plain  # without the settings and ends that the folder may name
    mask = torch.ones_like(rows)
    return theirs.generate(rows, attention_mask=mask, generation_config=plain)[0, rows.shape[1] :].tolist()
