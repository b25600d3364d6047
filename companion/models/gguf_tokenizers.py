"""Tokenizers in the header of a GGUF file: read, and written.

A header holds the tokens in the order of their ids, a type for each, and the merges. How a text is cut before
it is merged is not written out: `tokenizer.ggml.pre` names one of llama.cpp's rules. PRE is the table of the
names that are read and written here.

Reference:
    The format's description in ggml, docs/gguf.md; llama.cpp, src/llama-vocab.cpp, for the rules of a name.
"""

from pathlib import Path
from typing import Any, NamedTuple

from companion.runtime.terminal import joined_lines
from companion.runtime.text.hugging_face import PublicTokenizer, tokenizer_files
from companion.runtime.text.tokenizer import Tokenizer
from companion.runtime.text.tokenizer_json import byte_level_file, content, halves

# What a token is, in a GGUF file.
NORMAL = 1  # text
UNKNOWN = 2  # what stands for unknown text
CONTROL = 3  # a mark that text never becomes
USER_DEFINED = 4  # found in any text, as it is written
UNUSED = 5  # without a meaning
GPT2 = r"'(?:[sdmt]|ll|ve|re)| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"  # chapter 1's GPT2_PATTERN
LLAMA3 = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*"
    r"|\s*[\r\n]+|\s+(?!\S)|\s+"
)
QWEN = LLAMA3.replace(r"\p{N}{1,3}", r"\p{N}")


class Cut(NamedTuple):
    """How a text is prepared for the merges; cuts, normalizer and ignore_merges as in byte_level_file."""

    cuts: tuple[str | None, ...]
    normalizer: str | None = None
    ignore_merges: bool = False


PRE = {
    "gpt-2": Cut((GPT2,)),
    "smollm": Cut((None, GPT2)),
    "llama-bpe": Cut((LLAMA3,), ignore_merges=True),
    "qwen2": Cut((QWEN,), normalizer="NFC"),
}
"""By the name that a file gives as tokenizer.ggml.pre. (llama.cpp leaves qwen2's normalization out.)"""
ALIASES = {"llama3": "llama-bpe", "llama-v3": "llama-bpe", "deepseek-r1-qwen": "qwen2"}
"""Other names that llama.cpp has for the same."""
BEGINS = "llama-bpe"  # the rule with which the token bos begins a text where the file does not say
ROLES = {"bos_token": "bos", "eos_token": "eos", "unk_token": "unknown", "pad_token": "padding"}
"""A token's role in tokenizer_config.json -> its name in `tokenizer.ggml.…_token_id`."""
ENDS = ("<|endoftext|>", "<|end_of_text|>", "<|eot_id|>", "<|eom_id|>", "<|im_end|>", "<|end|>")
"""Control tokens that end a text or a turn, whether or not the header says so; llama.cpp stops there, too."""


def tokenizer_from_gguf(header: dict[str, Any], path: str | Path) -> PublicTokenizer:
    """Return the tokenizer that a file's header describes.

    Args:
        header: The header's keys and values.
        path: The file, for messages.

    Raises:
        ValueError: In one line, for a tokenizer that is no byte-level BPE, a `pre` that is not in PRE, and a
            header that is damaged.
    """
    try:
        tokenizer = read_header({key.removeprefix("tokenizer.ggml."): value for key, value in header.items()})
    except Exception as error:  # the library raises nothing more special
        problem = joined_lines(error, 200)
        raise ValueError(f"{path}: its tokenizer cannot be read ({problem}); take another") from None
    tokenizer.template_file = str(path)
    tokenizer.check_end(path)
    return tokenizer


def read_header(header: dict[str, Any]) -> PublicTokenizer:
    """Return the tokenizer of a header, whose keys are without `tokenizer.ggml.`."""
    pre = ALIASES.get(header.get("pre"), header.get("pre"))
    if header["model"] != "gpt2" or pre not in PRE:
        known = ", ".join([*PRE, *ALIASES])
        raise ValueError(f"model={header['model']!r} and pre={pre!r}; read are 'gpt2' with one of {known}")
    tokens = header["tokens"]
    types = dict(zip(tokens, header.get("token_type", [NORMAL] * len(tokens)), strict=True))
    vocab = {token: i for i, token in enumerate(tokens) if types[token] != UNUSED}
    ids = {role: header.get(f"{short}_token_id") for role, short in ROLES.items()}
    roles = {role: tokens[i] for role, i in ids.items() if i is not None and tokens[i] in vocab}
    ends = [header.get(f"{name}_token_id") for name in ("eos", "eot", "eom")]
    ends += [vocab[token] for token in ENDS if types.get(token) == CONTROL]
    ends = [i for i in dict.fromkeys(ends) if i is not None]
    generation = {"bos_token_id": ids["bos_token"], "eos_token_id": ends, "pad_token_id": ids["pad_token"]}
    added = [
        {"content": token, "special": types[token] != USER_DEFINED}
        for token in vocab
        if types[token] in (UNKNOWN, CONTROL, USER_DEFINED)
    ]
    begin = roles.get("bos_token") if header.get("add_bos_token", pre == BEGINS) else None
    merges = [halves(merge) for merge in header["merges"]]
    cuts, normalizer, ignore_merges = PRE[pre]
    return PublicTokenizer(
        byte_level_file(vocab, merges, added, cuts, normalizer, begin, ignore_merges),
        {"tokenizer_class": "PreTrainedTokenizerFast", "clean_up_tokenization_spaces": False} | roles,
        header.get("tokenizer.chat_template"),
        generation={name: value for name, value in generation.items() if value not in (None, [])},
        model_ids={"bos_token_id": ids["bos_token"], "eos_token_id": ids["eos_token"]},
    )


def tokenizer_to_gguf(tokenizer: Tokenizer, vocab_size: int) -> dict[str, Any]:
    """Return the keys of a header that describe a tokenizer which cuts text by one of the rules in PRE.

    Args:
        tokenizer: The tokenizer.
        vocab_size: The model's rows. Those without a token are written as unused.
    """
    file, config, _ = tokenizer_files(tokenizer)
    if max(tokenizer.vocab) >= vocab_size:
        raise ValueError(f"tokenizer has ids up to {max(tokenizer.vocab)}, the model {vocab_size} rows")
    if tokenizer.begin not in ([], [tokenizer.named_start]):
        raise ValueError(f"tokenizer begins a text with the ids {tokenizer.begin}; a GGUF has one, bos")
    tokens = [f"[PAD{i}]" for i in range(vocab_size)]
    types = [UNUSED] * vocab_size
    for token, i in file["model"]["vocab"].items():
        tokens[i] = token
        types[i] = NORMAL
    for token in file.get("added_tokens") or []:
        control = token.get("special") or token["id"] in tokenizer.control
        tokens[token["id"]] = token["content"]
        types[token["id"]] = CONTROL if control else USER_DEFINED
    ids = {"eos": tokenizer.end, "bos": tokenizer.named_start}
    if tokenizer.turn_end != tokenizer.end:
        ids["eot"] = tokenizer.turn_end
    for role in ("unk_token", "pad_token"):
        name = content(config.get(role))
        ids[ROLES[role]] = tokens.index(name) if name in tokens else None
    header = {
        "tokenizer.ggml.model": "gpt2",
        "tokenizer.ggml.pre": pre_of(file),
        "tokenizer.ggml.tokens": tokens,
        "tokenizer.ggml.token_type": types,
        "tokenizer.ggml.merges": [" ".join(halves(merge)) for merge in file["model"]["merges"]],
        "tokenizer.ggml.add_bos_token": bool(tokenizer.begin),
    }
    header |= {f"tokenizer.ggml.{role}_token_id": i for role, i in ids.items() if i is not None}
    if tokenizer.template is not None:
        header["tokenizer.chat_template"] = tokenizer.template
    return header


def pre_of(file: dict) -> str:
    """Return the name in PRE of how a tokenizer.json cuts text.

    Raises:
        ValueError: If no rule in PRE is the same.
    """
    before = file.get("pre_tokenizer") or {}
    *steps, level = before.get("pretokenizers") or [before]
    cuts = [cut_of(step) for step in steps]
    if level.get("use_regex", True):
        cuts.append(GPT2)  # which it cuts by itself
    normalizer = (file.get("normalizer") or {}).get("type")
    found = Cut(tuple(cuts), normalizer, bool(file["model"].get("ignore_merges")))
    names = [name for name, known in PRE.items() if known == found]
    if not names or level.get("type") != "ByteLevel" or level.get("add_prefix_space", True):
        rule = f"by a rule that has no name in a GGUF here; there are {', '.join(PRE)}"
        raise ValueError(f"tokenizer cuts text {rule}")
    return names[0]


def cut_of(step: dict) -> str | None:
    """Return a step of a tokenizer.json as Cut has it, or as JSON where Cut has no such step."""
    if step == {"type": "Digits", "individual_digits": True}:
        return None
    pattern = (step.get("pattern") or {}).get("Regex")
    plain = step == {"type": "Split", "pattern": {"Regex": pattern}, "behavior": "Isolated", "invert": False}
    return pattern if plain else str(step)
