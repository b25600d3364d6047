"""Tokenizers in the header of a GGUF file: read, and written.

A header holds the tokens in the order of their ids, a type for each, and the merges. How a text is cut before
it is merged is not written out: `tokenizer.ggml.pre` names one of llama.cpp's rules. PRE is the table of the
names that are read and written here.

Reference:
    The format's description in ggml, docs/gguf.md; llama.cpp, src/llama-vocab.cpp, for the rules of a name.
"""

from dataclasses import dataclass
from typing import Any

from companion.runtime.text.hugging_face import (
    PublicTokenizer,
    byte_level_file,
    content,
    halves,
    split_at,
    tokenizer_files,
)
from companion.runtime.text.tokenizer import Tokenizer

NORMAL, UNKNOWN, CONTROL, USER_DEFINED, UNUSED = 1, 2, 3, 4, 5
"""What a token is: text; what stands for unknown text; a mark that text never becomes; found in any text, as
it is written; without a meaning."""
GPT2 = r"'(?:[sdmt]|ll|ve|re)| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"  # chapter 1's GPT2_PATTERN
LLAMA3 = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*"
    r"|\s*[\r\n]+|\s+(?!\S)|\s+"
)
QWEN = LLAMA3.replace(r"\p{N}{1,3}", r"\p{N}")
DIGITS = "digits"  # a step that makes each digit a piece of its own


@dataclass(frozen=True)
class Cut:
    """How a text is prepared for the merges."""

    steps: tuple[str, ...]  # patterns, or DIGITS, each applied to the pieces of the one before
    normalizer: str | None = None
    ignore_merges: bool = False  # whether a piece that is a token stays whole, whatever the merges
    begins: bool = False  # whether the token bos begins a text where the file does not say


PRE = {
    "gpt-2": Cut((GPT2,)),
    "smollm": Cut((DIGITS, GPT2)),
    "llama-bpe": Cut((LLAMA3,), ignore_merges=True, begins=True),
    "qwen2": Cut((QWEN,), normalizer="NFC"),
}
"""By the name that a file says as tokenizer.ggml.pre. (llama.cpp leaves qwen2's normalization out.)"""
ALIASES = {"llama3": "llama-bpe", "llama-v3": "llama-bpe", "deepseek-r1-qwen": "qwen2"}
"""Other names that llama.cpp has for the same."""
ROLES = {"bos_token": "bos", "eos_token": "eos", "unk_token": "unknown", "pad_token": "padding"}
"""A token's role in tokenizer_config.json -> its name in `tokenizer.ggml.…_token_id`."""
ENDS = ("<|endoftext|>", "<|end_of_text|>", "<|eot_id|>", "<|eom_id|>", "<|im_end|>", "<|end|>")
"""Control tokens that end a text or a turn, whether or not the header says so; llama.cpp stops there, too."""
FLAGS = dict.fromkeys(("single_word", "lstrip", "rstrip", "normalized"), False)


# -- from a header -----------------------------------------------------------------------


def tokenizer_from_gguf(header: dict[str, Any], path: Any) -> PublicTokenizer:
    """The tokenizer that a file's header describes; path: the file, for messages.

    Raises ValueError, in one line, for a tokenizer that is no byte-level BPE, a `pre` that is not in PRE, and
    a header that contradicts itself; ImportError without the library tokenizers.
    """
    kind = header.get("tokenizer.ggml.model")
    if kind != "gpt2":
        raise ValueError(
            f"{path}: tokenizer.ggml.model={kind!r:.40} is not read; only 'gpt2', byte-level BPE, is"
        )
    name = header.get("tokenizer.ggml.pre")
    known = ALIASES.get(name, name) if isinstance(name, str) else None
    if known not in PRE:
        names = ", ".join([*PRE, *ALIASES])
        raise ValueError(f"{path}: tokenizer.ggml.pre={name!r:.40} is not known; there are {names}")
    tokens = list_of(header, "tokens", str, path)
    types = list_of(header, "token_type", int, path, usual=[NORMAL] * len(tokens))
    merges = [halves(merge) for merge in list_of(header, "merges", str, path)]
    if len(types) != len(tokens):
        raise ValueError(
            f"{path} has {len(tokens):,} tokens and {len(types):,} types of tokens; fetch it again"
        )
    if not all(len(merge) == 2 for merge in merges):
        raise ValueError(f"{path}: tokenizer.ggml.merges has what is no pair of tokens; fetch it again")
    vocab = {token: i for i, token in enumerate(tokens) if types[i] != UNUSED}
    if len(vocab) < len(tokens) - types.count(UNUSED):
        raise ValueError(f"{path}: tokenizer.ggml.tokens has a token twice; fetch it again")

    ids = {role: id_of(header, short, tokens, path) for role, short in ROLES.items()}
    roles = {role: tokens[i] for role, i in ids.items() if i is not None and types[i] != UNUSED}
    begins = header.get("tokenizer.ggml.add_bos_token", PRE[known].begins)
    begin = roles.get("bos_token") if begins is True else None
    added = [
        {"id": i, "content": token, "special": types[i] != USER_DEFINED} | FLAGS
        for token, i in vocab.items()
        if types[i] in (UNKNOWN, CONTROL, USER_DEFINED)
    ]
    ends = [id_of(header, short, tokens, path) for short in ("eos", "eot", "eom")]
    ends += [vocab[token] for token in ENDS if token in vocab and types[vocab[token]] == CONTROL]
    ends = list(dict.fromkeys(i for i in ends if i is not None))
    generation = {"bos_token_id": ids["bos_token"], "eos_token_id": ends, "pad_token_id": ids["pad_token"]}
    template = header.get("tokenizer.chat_template")
    if template is not None and not isinstance(template, str):
        raise ValueError(f"{path}: tokenizer.chat_template={template!r:.40} must be a text; fetch it again")
    config = {"tokenizer_class": "PreTrainedTokenizerFast", "clean_up_tokenization_spaces": False} | roles
    try:
        tokenizer = PublicTokenizer(
            file=file_of(PRE[known], vocab, merges, added, begin),
            config=config,
            chat_template=template,
            generation={name: said for name, said in generation.items() if said not in (None, [])},
            model_ids={"bos_token_id": ids["bos_token"], "eos_token_id": ids["eos_token"]},
        )
    except ValueError as error:
        raise ValueError(f"{path}: its tokenizer is damaged: {error}") from None
    tokenizer.template_file = str(path)
    tokenizer.check_end(path)
    return tokenizer


def list_of(header: dict, name: str, kind: type, path: Any, usual: list | None = None) -> list:
    """Return a list of the header's, all of one kind. ValueError, in one line, for anything else."""
    found = header.get(f"tokenizer.ggml.{name}", usual)
    if not isinstance(found, list) or not all(type(one) is kind for one in found):
        raise ValueError(
            f"{path}: tokenizer.ggml.{name} is missing or no list of {kind.__name__}; fetch it again"
        )
    return found


def id_of(header: dict, role: str, tokens: list[str], path: Any) -> int | None:
    """Return the id that a header gives a role, such as eos; None where it gives none."""
    key = f"tokenizer.ggml.{role}_token_id"
    i = header.get(key)
    if i is not None and (type(i) is not int or not 0 <= i < len(tokens)):
        raise ValueError(f"{path}: {key}={i!r:.40} is the id of no token; fetch it again")
    return i


def file_of(cut: Cut, vocab: dict[str, int], merges: list, added: list[dict], begin: str | None) -> dict:
    """Return a tokenizer.json. begin: the token that begins every text, or None."""
    before = []
    for step in cut.steps:
        if step == DIGITS:
            before.append({"type": "Digits", "individual_digits": True})
        else:
            before.append(split_at(step))
    after = None
    if begin is not None:
        first = {"SpecialToken": {"id": begin, "type_id": 0}}
        text, pair = ({"Sequence": {"id": name, "type_id": 0}} for name in "AB")
        told = {begin: {"id": begin, "ids": [vocab[begin]], "tokens": [begin]}}
        after = {"type": "TemplateProcessing", "single": [first, text], "pair": [first, text, first, pair]}
        after["special_tokens"] = told
    normalizer = cut.normalizer and {"type": cut.normalizer}
    return byte_level_file(vocab, merges, added, before, normalizer, after, cut.ignore_merges)


# -- into a header -----------------------------------------------------------------------


def tokenizer_to_gguf(tokenizer: Tokenizer, vocab_size: int) -> dict[str, Any]:
    """The keys of a header that describe a tokenizer which cuts text by one of the rules in PRE.

    vocab_size: the model's rows. Those without a token are written as unused.
    """
    file, config, _ = tokenizer_files(tokenizer)
    end = tokenizer.end
    name = pre_of(file)
    model = file["model"]
    if max(tokenizer.vocab) >= vocab_size:
        most = f"ids up to {max(tokenizer.vocab)}, the model {vocab_size} rows"
        raise ValueError(f"tokenizer has {most}; give the tokenizer that the model was made for")
    tokens = [f"[PAD{i}]" for i in range(vocab_size)]
    types = [UNUSED] * vocab_size
    for token, i in model["vocab"].items():
        tokens[i] = token
        types[i] = NORMAL
    for token in file.get("added_tokens") or []:
        control = token.get("special") or token["id"] in tokenizer.control
        tokens[token["id"]] = token["content"]
        types[token["id"]] = CONTROL if control else USER_DEFINED
    if tokenizer.begin not in ([], [tokenizer.named_start]):
        raise ValueError(
            f"tokenizer begins a text with the ids {tokenizer.begin}; a GGUF has room for one, its bos"
        )
    ids = {"eos": end, "bos": tokenizer.named_start}
    if tokenizer.turn_end != end:
        ids["eot"] = tokenizer.turn_end
    numbers = {token: i for i, token in enumerate(tokens)}
    for role in ("unk_token", "pad_token"):
        ids[ROLES[role]] = numbers.get(content(config.get(role)))
    header = {
        "tokenizer.ggml.model": "gpt2",
        "tokenizer.ggml.pre": name,
        "tokenizer.ggml.tokens": tokens,
        "tokenizer.ggml.token_type": types,
        "tokenizer.ggml.merges": [" ".join(halves(merge)) for merge in model["merges"]],
        "tokenizer.ggml.add_bos_token": bool(tokenizer.begin),
    }
    header |= {f"tokenizer.ggml.{role}_token_id": i for role, i in ids.items() if i is not None}
    template = tokenizer.template
    if template is not None:
        header["tokenizer.chat_template"] = template
    return header


def pre_of(file: dict) -> str:
    """Return the name in PRE of how a tokenizer.json cuts text. ValueError where none is the same."""
    cut = cut_of(file)
    for name, known in PRE.items():
        if cut == (known.steps, known.normalizer, known.ignore_merges):
            return name
    names = ", ".join(PRE)
    raise ValueError(f"tokenizer cuts text by a rule that has no name in a GGUF here; there are {names}")


def cut_of(file: dict) -> tuple | None:
    """Return the steps, normalizer and ignore_merges of a tokenizer.json; None for what Cut cannot say."""
    before = file.get("pre_tokenizer") or {}
    *cuts, level = before.get("pretokenizers") or [before]
    normalizer = (file.get("normalizer") or {"type": None}).get("type")
    if level.get("type") != "ByteLevel" or level.get("add_prefix_space", True):
        return None
    steps = [step_of(cut) for cut in cuts]
    if level.get("use_regex", True):
        steps.append(GPT2)  # which it cuts by itself
    if None in steps:
        return None
    return tuple(steps), normalizer, bool(file["model"].get("ignore_merges"))


def step_of(cut: dict) -> str | None:
    """Return a step of a tokenizer.json as Cut has it; None for one that it cannot say."""
    if cut.get("type") == "Digits" and cut.get("individual_digits"):
        return DIGITS
    plain = cut.get("type") == "Split" and cut.get("behavior") == "Isolated" and not cut.get("invert")
    return cut["pattern"].get("Regex") if plain else None
