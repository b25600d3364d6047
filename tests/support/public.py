"""Tokenizers as public models have them, trained on the village's first stories by the library `tokenizers`.

Of each family the parts of its tokenizer.json, its tokenizer_config.json and its chat template, written here
after the real ones: small, with the same kinds of parts, special tokens and flags.
"""

import json
from functools import cache
from pathlib import Path

from support.cases import texts
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors
from tokenizers.trainers import BpeTrainer

from companion.village import load_split

TEXTS = texts(__file__)

LLAMA3 = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*"
    r"|\s*[\r\n]+|\s+(?!\S)|\s+"
)
QWEN = LLAMA3.replace(r"\p{N}{1,3}", r"\p{N}")
CHATML = TEXTS["CHATML"]  # Qwen2.5's and SmolLM2's, without tools
LLAMA3_CHAT = TEXTS["LLAMA3_CHAT"].rstrip("\n")
ZEPHYR = TEXTS["ZEPHYR"].rstrip("\n")  # TinyLlama's
LLAMA2_CHAT = TEXTS["LLAMA2_CHAT"].rstrip("\n")


def stories():
    return load_split("val")[:200]


def byte_level(pattern, special, n=700, **options):
    """Byte-level BPE, cut by a pattern, or by GPT-2's own where it is None."""
    tokenizer = Tokenizer(models.BPE(**options))
    level = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=pattern is None)
    cut = [pre_tokenizers.Split(Regex(pattern), "isolated")] if pattern else []
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([*cut, level]) if cut else level
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = BpeTrainer(vocab_size=n, initial_alphabet=alphabet, show_progress=False)
    tokenizer.train_from_iterator(stories(), trainer)
    for token in special:
        add = tokenizer.add_special_tokens if token.special else tokenizer.add_tokens
        add([token])
    return tokenizer


def steering(*names, special=True):
    return [AddedToken(name, special=special, normalized=False) for name in names]


def gpt2():
    tokenizer = byte_level(None, steering("<|endoftext|>"))
    tokenizer.post_processor = processors.ByteLevel(trim_offsets=False)
    ends = dict.fromkeys(("bos_token", "eos_token", "unk_token"), "<|endoftext|>")
    return tokenizer, ends


def llama3():
    names = ["<|begin_of_text|>", "<|end_of_text|>", "<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>"]
    tokenizer = byte_level(LLAMA3, steering(*names), ignore_merges=True)
    begin = (names[0], tokenizer.token_to_id(names[0]))
    template = processors.TemplateProcessing(single=f"{names[0]} $A", special_tokens=[begin])
    tokenizer.post_processor = processors.Sequence([processors.ByteLevel(trim_offsets=False), template])
    return tokenizer, {"bos_token": names[0], "eos_token": names[4], "chat_template": LLAMA3_CHAT}


def smollm():
    """SmolLM2's, which makes each digit a piece before GPT-2's rule."""
    tokenizer = byte_level(None, steering("<|endoftext|>", "<|im_start|>", "<|im_end|>"))
    digits = pre_tokenizers.Digits(individual_digits=True)
    level = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([digits, level])
    tokenizer.post_processor = processors.ByteLevel(trim_offsets=False)
    config = {"bos_token": "<|im_start|>", "eos_token": "<|im_end|>", "unk_token": "<|endoftext|>"}
    return tokenizer, config | {"pad_token": "<|im_end|>", "chat_template": CHATML}


def qwen():
    shown = steering("<tool_call>", "</tool_call>", special=False)
    tokenizer = byte_level(QWEN, [*steering("<|endoftext|>", "<|im_start|>", "<|im_end|>"), *shown])
    tokenizer.normalizer = normalizers.NFC()
    tokenizer.post_processor = processors.ByteLevel(trim_offsets=False)
    config = {"bos_token": None, "eos_token": "<|im_end|>", "pad_token": "<|endoftext|>"}
    return tokenizer, config | {"chat_template": CHATML}


def neox():
    spaces = [AddedToken(" " * n, special=False, normalized=True) for n in (4, 3, 2)]
    tokenizer = byte_level(None, [*steering("<|endoftext|>", "<|padding|>"), *spaces])
    tokenizer.normalizer = normalizers.NFC()
    return tokenizer, {"eos_token": "<|endoftext|>"}


def llama2():
    """▁ in the place of spaces, and one token a byte for what has none: TinyLlama's, Llama 2's."""
    special = ["<unk>", "<s>", "</s>"]
    trained = Tokenizer(models.BPE(unk_token="<unk>", fuse_unk=True, byte_fallback=True))
    before = [normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")]
    trained.normalizer = normalizers.Sequence(before)
    trained.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="never")  # words, for the training alone
    singles = [f"<0x{byte:02X}>" for byte in range(256)]
    trainer = BpeTrainer(vocab_size=900, special_tokens=[*special, *singles], show_progress=False)
    trained.train_from_iterator(stories(), trainer)
    file = json.loads(trained.to_str())
    file["pre_tokenizer"] = None
    file["added_tokens"] = [token for token in file["added_tokens"] if token["content"] in special]
    tokenizer = Tokenizer.from_str(json.dumps(file))
    after = [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    tokenizer.decoder = decoders.Sequence(after)
    pieces = {"single": "<s> $A", "pair": "<s> $A <s> $B"}
    tokenizer.post_processor = processors.TemplateProcessing(**pieces, special_tokens=[("<s>", 1)])
    config = {"bos_token": {"__type": "AddedToken", "content": "<s>"}, "eos_token": "</s>"}
    return tokenizer, config | {"unk_token": "<unk>", "chat_template": ZEPHYR}


FAMILIES = {
    "GPT-2": gpt2,
    "Llama 3": llama3,
    "Qwen": qwen,
    "SmolLM2": smollm,
    "GPT-NeoX": neox,
    "Llama 2": llama2,
}


@cache
def family(name):
    """(tokenizer.json, tokenizer_config.json) of a family, as texts."""
    tokenizer, config = FAMILIES[name]()
    file = json.loads(tokenizer.to_str())
    if name in ("GPT-2", "Llama 2"):  # older files write a merge as one text, and GPT-2's has no type
        file["model"]["merges"] = [" ".join(pair) for pair in file["model"]["merges"]]
    if name == "GPT-2":
        del file["model"]["type"]
    common = {"tokenizer_class": "PreTrainedTokenizerFast", "clean_up_tokenization_spaces": False}
    return json.dumps(file), json.dumps(common | config)


def write_family(name, folder, **config):
    """A folder with a family's files; config: what its tokenizer_config.json has besides."""
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    file, settings = family(name)
    (folder / "tokenizer.json").write_text(file, encoding="utf-8")
    (folder / "tokenizer_config.json").write_text(json.dumps(json.loads(settings) | config), encoding="utf-8")
    return folder
