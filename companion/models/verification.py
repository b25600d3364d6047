"""Whether a public model was read right: its file's hash, and what `transformers` makes of the same files."""

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError

from companion.generation import LanguageModel, generate
from companion.models.gguf_reader import is_gguf
from companion.runtime.files.downloads import GPT2_WEIGHTS
from companion.runtime.storage.hub import SHORT, weight_files
from companion.runtime.terminal import waiting

PROMPT = "The lighthouse keeper counted the ships: one, two, three. Then it grew dark, and"
N_TOKENS = 20  # tokens that both sides add to the prompt
TOLERANCE = 1e-4  # by how much a logit may differ in float32, where the order of additions is not the same
PUBLISHED = {SHORT["gpt2"]: GPT2_WEIGHTS[1]}  # the SHA-256 of the weights' file of models that are known here


@dataclass
class Finding:
    """What was measured.

    Args:
        line: The finding, in one line.
        right: Whether it is as it should be. None means that nobody says.
    """

    line: str
    right: bool | None


def peer() -> Any:
    """Return the library `transformers`, quiet.

    Raises:
        ImportError: In one line, if it is missing.
    """
    try:
        import transformers
    except ImportError:
        rule = "pip install transformers"
        raise ImportError(f"verify needs transformers, which is not installed: {rule}") from None
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    return transformers


def hash_of_weights(folder: Path, name: str | Path) -> Finding:
    """The SHA-256 of a model's weights, file by file, and whether it is the published one."""
    paths = [folder] if is_gguf(folder) else sorted(set(weight_files(folder).values()))
    hashes = {}
    for path in paths:
        with open(path, "rb") as file:
            hashes[path.name] = hashlib.file_digest(file, "sha256").hexdigest()
    found = ", ".join(f"{digest} of {file}" for file, digest in hashes.items())
    name = Path(name).as_posix()
    published = PUBLISHED.get(SHORT.get(name, name))
    if published is None:
        return Finding(f"SHA-256 {found}; none is published here to compare it with", None)
    right = list(hashes.values()) == [published]
    return Finding(f"SHA-256 {found}; {'the published one' if right else f'published is {published}'}", right)


def compare(teller: LanguageModel, ids: list[int], folder: Path) -> list[Finding]:
    """Logits and continuation of our model against those that `transformers` has from a folder.

    Args:
        teller: Our model, in float32 on the CPU.
        ids: The prompt's tokens.
        folder: The folder or GGUF file that transformers reads.
    """
    rows, model = torch.tensor([ids]), teller.model
    with waiting("Loading the model in transformers"):
        theirs = _their_model(folder)
    with waiting("Computing the logits of both"), torch.no_grad():
        ours, other = model(rows).float(), theirs(rows).logits.float()  # (1, T, V) each
    if ours.shape != other.shape:
        raise ValueError(f"{folder} is of another model: its vocabulary has {other.shape[-1]:,} tokens")
    furthest = (ours - other).abs().max().item()
    line = f"logits after {len(ids)} tokens: {furthest:.1e} apart at most, of {TOLERANCE:.0e} allowed"
    found = [Finding(line, furthest <= TOLERANCE)]  # False for NaN

    with waiting(f"Generating {N_TOKENS} tokens with both"):
        expected = _their_tokens(theirs, rows)
        cache = teller.make_cache(model.config, 1)
        found_here = generate(model, rows, N_TOKENS, temperature=0, cache=cache)[0].tolist()
    alike = 0
    while alike < N_TOKENS and found_here[alike] == expected[alike]:
        alike += 1
    line = f"the {N_TOKENS} likeliest tokens, ours with a cache: the first {alike} are the same"
    return [*found, Finding(line, alike == N_TOKENS)]


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
        why = next(iter(str(error).strip().splitlines()), type(error).__name__)
        raise ValueError(f"transformers cannot read {folder}: {why:.200}") from None


def _their_tokens(theirs: Any, rows: torch.Tensor) -> list[int]:
    """The likeliest tokens by their own loop and cache, also past an end of the text."""
    plain = peer().GenerationConfig(max_new_tokens=N_TOKENS, do_sample=False, pad_token_id=0)
    theirs.generation_config = plain  # without the settings and ends that the folder may name
    mask = torch.ones_like(rows)
    return theirs.generate(rows, attention_mask=mask, generation_config=plain)[0, rows.shape[1] :].tolist()
