"""The shipped model as a browser reads it: weights rounded to int8, and all else as JSON.

What needs PyTorch is imported inside functions, so that checking and syncing chapters do not wait for it.
"""

import json
import math
from pathlib import Path
from typing import Any

import numpy as np

from companion.book import BookError
from companion.book.manifest import Book
from companion.village.judge import LONGEST_SENTENCE, introduced
from companion.village.machine import VILLAGE
from companion.village.words import KINDS

CHECKPOINT = Path("data/models/village")
MODEL = "model.json"
WEIGHTS = "weights.safetensors"
MARKS = "marks.json"


def ships(book: Book) -> bool:
    """Whether the book has a model for its pages."""
    return (book.root / CHECKPOINT / "model.safetensors").exists()


def shipped(book: Book) -> tuple[dict, Any, dict[str, np.ndarray]]:
    """The shipped model's configuration, its tokenizer and its weights."""
    from safetensors.numpy import load_file

    from companion.runtime.text.tokenizer import Tokenizer

    folder = book.root / CHECKPOINT
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))["config"]
    return config, Tokenizer.load(folder / "tokenizer.json"), load_file(folder / "model.safetensors")


def rounded(matrix: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """A matrix (rows, columns) as int8, and one float32 scale a row: number = int8 times scale.

    The largest number of a row becomes 127 or -127; a row of zeros has scale 1.
    """
    largest = np.abs(matrix).max(axis=1)
    scales = np.where(largest > 0, largest / 127, 1).astype(np.float32)  # (rows,)
    return np.rint(matrix / scales[:, None]).astype(np.int8), scales


def rounded_model(tensors: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The tensors of the pages: a vector as it is, and a matrix as int8 beside its scales, `name.scales`."""
    stored = {}
    for name, tensor in tensors.items():
        if tensor.ndim == 2:
            stored[name], stored[f"{name}.scales"] = rounded(tensor)
        else:
            stored[name] = tensor
    return stored


def write_model(book: Book, folder: Path) -> dict[str, int]:
    """Write the model's three files for the pages.

    Returns:
        The bytes of each file.

    Raises:
        BookError: If the pages' JavaScript does not have the model's architecture or split pattern.
    """
    from safetensors.numpy import save_file

    from companion.tokenization import GPT2_PATTERN

    config, tokenizer, tensors = shipped(book)
    if config["architecture"] != "gpt2" or tokenizer.pattern != GPT2_PATTERN:
        raise BookError(f"{CHECKPOINT} is no gpt2 with GPT-2's split pattern; change gpt.js and tokenizer.js")
    merges = [(a.decode("latin-1"), b.decode("latin-1")) for a, b in tokenizer.merges]
    words = {"merges": merges, "special_tokens": dict(tokenizer.special_tokens)}
    described = {"config": config, "tokenizer": words}
    folder.mkdir()
    save_file(rounded_model(tensors), folder / WEIGHTS)
    for name, data in [(MODEL, described), (MARKS, marks_data())]:
        text = json.dumps(data, ensure_ascii=False, separators=(",", ":"))
        (folder / name).write_bytes(text.encode("utf-8"))
    return {path.name: path.stat().st_size for path in sorted(folder.iterdir())}


def marks_data() -> dict:
    """The patterns as data for other languages, in a form that JSON can hold.

    The page of the web book uses regular expressions alone to ask two of the judge's questions: whether a
    sentence is one of the village, and whether each name in it was told before. Only the judge knows what is
    true.

    Returns:
        "kinds" has the words of each kind. "patterns" has for each pattern, in turn, a literal text and the
        kind of the word that follows, which is "+name" for a name that the sentence introduces. "longest" is
        the number of words after which a text that is no sentence is cut.
    """
    patterns = []
    for pattern in VILLAGE.patterns:
        letters = [slot.letter for slot in pattern.slots]
        new = [letters.index(letter) for letter, _ in introduced(pattern)]  # of each such letter, the first
        parts = [pattern.pieces[0]]
        for i, (slot, piece) in enumerate(zip(pattern.slots, pattern.pieces[1:], strict=True)):
            parts += ["+name" if i in new else slot.kind, piece]
        patterns.append(parts)
    return {"kinds": KINDS, "patterns": patterns, "longest": LONGEST_SENTENCE}


def page_model(config: dict, tensors: dict[str, np.ndarray]) -> Any:
    """The model of the pages: the shipped one, with matrices rounded as in the file."""
    import torch

    from companion.gpt import GPTConfig, gpt2

    stored = rounded_model(tensors)
    state = {}
    for name in tensors:
        scales = stored.get(f"{name}.scales")
        numbers = stored[name] if scales is None else stored[name] * scales[:, None]
        state[name] = torch.from_numpy(numbers)
    model = gpt2(GPTConfig(**{name: value for name, value in config.items() if name != "architecture"}))
    model.load_state_dict(state)
    return model


def write_example(book: Book, path: Path, text: str) -> None:
    """Write what the model of the pages does with a text, as `trace` in worker.js answers it."""
    import torch

    from companion.inside import attention_maps, before, hidden_states, logit_lens

    config, tokenizer, tensors = shipped(book)
    model = page_model(config, tensors)
    ids = [tokenizer.special_tokens["<|endoftext|>"], *tokenizer.encode(text)]
    tokens = torch.tensor([ids])  # (1, T)
    hidden: list[list[float]] = []

    def note(_, x: torch.Tensor) -> None:
        hidden.append(x[0, -1].tolist())

    with before([block.mlp.down_proj for block in model.blocks], note):
        states = hidden_states(model, tokens)[:, 0]  # (L + 1, T, C)
    probabilities = logit_lens(model, states[:, -1]).softmax(-1)  # (L + 1, V)
    with torch.no_grad():
        log_probabilities = model(tokens)[0].log_softmax(-1)  # (T, V)
    bits = [0.0]  # nothing comes before the first token, so it costs nothing
    for t in range(1, len(ids)):
        bits.append(-log_probabilities[t - 1, ids[t]].item() / math.log(2))

    def likeliest(row: torch.Tensor, n: int) -> list[list]:
        shares, best = row.topk(n)
        pairs = zip(best.tolist(), shares.tolist(), strict=True)
        return [[token, tokenizer.decode([token]), share] for token, share in pairs]

    example = {
        "text": text,
        "ids": ids,
        "names": ["⟨end⟩", *(tokenizer.decode([token]) for token in ids[1:])],
        "bits": bits,
        "embedded": states[0].tolist(),
        "looked": attention_maps(model, tokens)[:, 0, :, -1].tolist(),
        "hidden": hidden,
        "would": [likeliest(row, 1)[0] for row in probabilities],
        "top": likeliest(probabilities[-1], 10),
        "config": config,
    }
    short = json.loads(json.dumps(example), parse_float=lambda number: round(float(number), 5))
    path.write_text(json.dumps(short, ensure_ascii=False, separators=(",", ":")), encoding="utf-8")


def write_truth(book: Book, path: Path, texts: list[str]) -> None:
    """Write how likely each next token truly is after each beginning of some texts.

    The file has a row for each text that begins no other one: its "ids", and in "odds" one more distribution
    than ids, from the beginning of the text to its end. A distribution is {token id: probability}, to four
    digits.

    Raises:
        BookError: If the village could not have told a text, so that there is no truth.
    """
    from companion.village.reader import read_tokens

    _, tokenizer, _ = shipped(book)
    rows = []
    for text in texts:
        if any(other != text and other.startswith(text) for other in texts):
            continue
        try:
            distributions = read_tokens(text, tokenizer)
        except ValueError as error:
            raise BookError(f"{error}; mend [examples] in book/templates/teller.toml") from None
        odds = []
        for distribution in distributions:
            odds.append({token: float(f"{p:.4g}") for token, p in distribution.items()})
        rows.append({"ids": tokenizer.encode(text), "odds": odds})
    path.write_text(json.dumps(rows, separators=(",", ":")), encoding="utf-8")
