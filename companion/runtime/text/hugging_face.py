"""Tokenizers of public models: Hugging Face's tokenizer.json, through their library `tokenizers`.

The library is told to encode the names of special tokens as text (its `encode_special_tokens`). So a user's
text never becomes one: where a special token is meant, its id is put between the pieces of text here.
"""

import json
import re
from collections.abc import Callable, Collection, Iterable, Sequence
from functools import cached_property, lru_cache
from itertools import takewhile
from pathlib import Path
from typing import Any

from companion.runtime.files import atomic
from companion.runtime.files.arguments import check_sampling, replace_surrogates, whole_number
from companion.runtime.files.atomic import write_atomic
from companion.runtime.text.chat_templates import GUARD, check_messages, guarded, render
from companion.runtime.text.tokenizer import (
    END_OF_TEXT,
    SpecialTokens,
    Tokenizer,
    allowed_names,
    look_up,
    split_special,
)

FILE = "tokenizer.json"
CONFIG = "tokenizer_config.json"
MODEL = "config.json"
GENERATION = "generation_config.json"
TEMPLATE = "chat_template.jinja"
SPACES = " \t\n\r\f\v▁"
"""What a token may be made of and still be text; ▁ is how SentencePiece writes a space."""
SPACE_DECODERS = {"Metaspace", "Replace", "ByteFallback", "Fuse", "Strip"}
"""The steps of a decoder that turns ▁ into a space."""
ROLES = ("bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token")


class PublicTokenizer(Tokenizer, kind="public"):
    """A public model's tokenizer: byte-pair encoding on bytes (GPT-2, Llama 3, Qwen) or with ▁ (Llama 2).

    All added tokens of the file are special tokens, but for those of spaces alone, which are text. begin may
    be [], and named_end and named_start None. vocab has the bytes of each id; there may be holes between the
    ids, and vocab_size counts them without.

    Args:
        file: What tokenizer.json holds.
        config: What tokenizer_config.json holds.
        chat_template: A program in Jinja, where it is not in config.
        special_tokens: As save wrote them, for a comparison.
        generation: What generation_config.json holds.
        model_ids: The ids that the model's config.json names.

    Raises:
        ValueError: If it is no byte-pair encoding, or would make a special token out of ordinary text.

    Reference:
        https://huggingface.co/docs/tokenizers.
    """

    fields = ("file", "config", "chat_template", "special_tokens", "generation", "model_ids")
    is_public = True
    named_start: int | None = None
    without_end = "tokenizer names no token that ends a text; name one as eos_token in tokenizer_config.json"

    def __init__(
        self,
        file: dict,
        config: dict | None = None,
        chat_template: str | None = None,
        special_tokens: dict[str, int] | None = None,
        generation: dict | None = None,
        model_ids: dict | None = None,
    ):
        self.file = file
        self.config = dict(config or {})
        self.chat_template = chat_template
        self.generation = dict(generation or {})
        self.model_ids = dict(model_ids or {})
        self.template_file = ""  # for error messages
        self.library = build_library(file)
        self.added = {token["content"]: token for token in file.get("added_tokens") or []}
        ids = {name: self.library.token_to_id(name) for name in self.added}
        special = {name: ids[name] for name, token in self.added.items() if is_special(token)}
        self.special_tokens = SpecialTokens(special)
        self._check_typed()
        to_bytes = bytes_of(file)
        names = {i: token for token, i in file["model"]["vocab"].items()} | {i: n for n, i in ids.items()}
        self.names = dict(sorted(names.items()))
        self.vocab = {i: name.encode() if name in ids else to_bytes(name) for i, name in self.names.items()}
        self.vocab_size = len(self.vocab)
        self.ends, bos = named_ids(self.generation)
        self.sampling = named_sampling(self.generation)
        self.begin = self._begin()
        self.named_end = self._end()
        starts = [i for i in (bos, self._id_of("bos_token"), self.named_end) if i is not None]
        self.named_start = starts[0] if starts else None
        self.control = self._control()

    def __reduce__(self):
        # The library forgets encode_special_tokens when it is pickled.
        return PublicTokenizer, tuple(getattr(self, field) for field in self.fields)

    @cached_property
    def ids(self) -> dict[bytes, int]:  # type: ignore[override]  # the base sets it in __init__
        """The id of each ordinary token."""
        special = set(self.special_tokens.values())
        return {token: i for i, token in self.vocab.items() if i not in special}

    @property
    def rules(self) -> str:
        """What decides how a text is cut, as JSON: two tokenizers with the same tokens may differ in it."""
        parts = {name: self.file.get(name) for name in ("normalizer", "pre_tokenizer", "model")}
        return json.dumps(parts, sort_keys=True)

    # -- text to ids, and back

    def encode(self, text: str, allowed_special: Collection[str] | str = ()) -> list[int]:
        """Return the ids of a text. Names of special tokens are text unless allowed ("all", or some)."""
        names = allowed_names(text, self.special_tokens, allowed_special)
        return self._encode_parts(split_special(replace_surrogates(text), names))

    def encode_ordinary(self, text: str) -> list[int]:
        """Return the ids of a text, special tokens' names in it taken as ordinary text."""
        return self.encode(text)

    def decode(self, ids: Iterable[int]) -> str:
        """Return the text of these ids, as the file's own decoder gives it: some drop the first space."""
        return self.library.decoder.decode([look_up(self.names, i) for i in ids])

    def _encode_parts(self, parts: list[str]) -> list[int]:
        """Return the ids of ordinary text at even places and special tokens' names at odd ones."""
        ids = []
        for i, part in enumerate(parts):
            if i % 2:
                ids.append(self.special_tokens[part])
                continue
            if i and self.added[parts[i - 1]].get("rstrip"):
                part = part.lstrip()
            if i + 1 < len(parts) and self.added[parts[i + 1]].get("lstrip"):
                part = part.rstrip()
            if part:
                library = self.later if i else self.library
                ids += library.encode(part, add_special_tokens=False).ids
        return ids

    @cached_property
    def later(self) -> Any:
        """The library's tokenizer for text behind a special token: some files put a ▁ before the first."""
        step = self.file.get("pre_tokenizer") or {}
        if step.get("prepend_scheme") != "first":
            return self.library
        return build_library(self.file | {"pre_tokenizer": step | {"prepend_scheme": "never"}})

    def _check_typed(self) -> None:
        """Raise ValueError for a vocabulary in which a special token can be written as ordinary text."""
        unknown = self.file["model"].get("unk_token")
        for name, i in self.special_tokens.items():
            if name != unknown and i in self.encode(name):
                raise ValueError(f"its merges make the special token {name!r:.40} out of ordinary text")

    # -- where texts begin and end

    def _begin(self) -> list[int]:
        """Return what the post-processor puts before a text; without one, what the configuration says."""
        if self.file.get("post_processor") is None:
            bos = self._id_of("bos_token")
            return [bos] if bos is not None and self.config.get("add_bos_token") is True else []
        encoded = self.library.encode("a")
        added = takewhile(lambda place: place is None, encoded.sequence_ids)
        return encoded.ids[: len(list(added))]

    def _end(self) -> int | None:
        """Return the id of eos_token; else the first of generation_config.json; else <|endoftext|>'s."""
        found = self._id_of("eos_token")
        if found is not None:
            return found
        return self.ends[0] if self.ends else self.special_tokens.get(END_OF_TEXT)

    def _control(self) -> frozenset[int]:
        """Return the ids of special tokens that the files call special, that have a role, or end a text."""
        tokens = [*self.added.values(), *(self.config.get("added_tokens_decoder") or {}).values()]
        names = {token["content"] for token in tokens if token.get("special")}
        names |= {content(self.config.get(role)) for role in ROLES}
        found = {i for name, i in self.special_tokens.items() if name in names}
        return frozenset({*found, *self.ends, self.named_end} - {None})

    def _id_of(self, role: str) -> int | None:
        """Return the id of the token that the configuration gives a role, such as eos_token, or None."""
        name = content(self.config.get(role))
        return None if name is None else self.library.token_to_id(name)

    # -- chats

    def chat(self, messages: list[dict[str, str]], add_generation_prompt: bool = True) -> list[int]:
        """Return the ids of a conversation, as the chat template writes it; no other ids belong before it.

        A special token's name in a message is ordinary text.

        Args:
            messages: [{"role": "user", "content": "Hi"}, …].
            add_generation_prompt: Whether to end with what begins the model's answer.

        Raises:
            ValueError: In one line, for a tokenizer without a template, a template that fails or refuses
                these messages, and messages of another form.
        """
        template = self.template
        if template is None:
            raise ValueError("tokenizer has no chat template: its model was not trained to chat; use encode")
        variables = {role: content(self.config[role]) for role in ROLES if self.config.get(role)}
        typed = guarded(check_messages(messages), self.special_tokens)
        prompt = {"add_generation_prompt": add_generation_prompt}
        text = render(template, typed, self.template_file, **prompt, **variables)
        parts = split_special(text, self.special_tokens)
        return self._encode_parts([replace_surrogates(part.replace(GUARD, "")) for part in parts])

    @cached_property
    def turn_end(self) -> int | None:
        """The id of the special token that the chat template writes behind an answer; None without one."""
        answer = "The answer."
        turns = [{"role": "user", "content": "A question?"}, {"role": "assistant", "content": answer}]
        try:
            text = self.decode(self.chat(turns, add_generation_prompt=False))
        except ValueError:  # no template, or one that wants other messages
            return None
        _, found, behind = text.rpartition(answer)
        parts = split_special(behind, self.special_tokens)
        return self.special_tokens[parts[1]] if found and len(parts) > 1 and not parts[0].strip() else None

    @property
    def template(self) -> str | None:
        """The chat template: of chat_template.jinja, or of the configuration, which may name several."""
        found = self.config.get("chat_template") if self.chat_template is None else self.chat_template
        if isinstance(found, list):
            return next((each["template"] for each in found if each["name"] == "default"), None)
        return found


# -- files -----------------------------------------------------------------------------


def read_tokenizer(folder: str | Path) -> PublicTokenizer:
    """Return the tokenizer of a public model's folder.

    It is read from tokenizer.json and, where they are there, tokenizer_config.json, chat_template.jinja and
    generation_config.json. Without the last, the ids in config.json count.

    Raises:
        ValueError: In one line with the folder's name, if a file is missing, damaged, or of another kind.
    """
    folder = Path(folder)
    if not (folder / FILE).is_file():
        raise ValueError(f"{folder / FILE} is missing; take a model that has one")
    try:
        config = read_json(folder / CONFIG)
        model = read_json(folder / MODEL)
        ids = {name: model[name] for name in ("eos_token_id", "bos_token_id") if name in model}
        tokenizer = PublicTokenizer(
            read_json(folder / FILE),
            config,
            (folder / TEMPLATE).read_text(encoding="utf-8") if (folder / TEMPLATE).exists() else None,
            generation=read_json(folder / GENERATION) if (folder / GENERATION).exists() else ids,
            model_ids=ids,
        )
    except PermissionError:  # the file may be undamaged
        raise
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        problem = " ".join(str(error).split())
        raise ValueError(f"{folder}: its tokenizer cannot be read ({problem:.250}); fetch it again") from None
    tokenizer.template_file = str(folder / (CONFIG if tokenizer.chat_template is None else TEMPLATE))
    return tokenizer


def read_json(path: Path) -> dict:
    """Return the object in a JSON file; {} where there is none."""
    return atomic.read_json(path, "fetch it again") if path.exists() else {}


def write_tokenizer(tokenizer: Tokenizer, folder: str | Path) -> None:
    """Write a tokenizer as transformers reads it: tokenizer.json, tokenizer_config.json, the chat template,
    and generation_config.json where its model had one.

    A PublicTokenizer's files are written as they were, a BPETokenizer's as byte-level BPE, which gives the
    same ids for every text, but for letters newer than the library's tables. (Other programs find special
    tokens by their names there, in any text.)

    Raises:
        ValueError: For a tokenizer that the format cannot hold.
    """
    folder = Path(folder)
    file, config, template = tokenizer_files(tokenizer)
    folder.mkdir(parents=True, exist_ok=True)
    write_atomic(folder / FILE, json.dumps(file, ensure_ascii=False, indent=1) + "\n")
    write_atomic(folder / CONFIG, json.dumps(config, ensure_ascii=False, indent=2) + "\n")
    if template is not None:
        write_atomic(folder / TEMPLATE, template)
    if tokenizer.generation and tokenizer.generation != tokenizer.model_ids:
        write_atomic(folder / GENERATION, json.dumps(tokenizer.generation, indent=2) + "\n")


def tokenizer_files(tokenizer: Tokenizer) -> tuple[dict, dict, str | None]:
    """Return what a tokenizer's files hold: tokenizer.json, tokenizer_config.json, the chat template."""
    if isinstance(tokenizer, PublicTokenizer):
        return tokenizer.file, tokenizer.config, tokenizer.chat_template
    if tokenizer.kind != "bpe":
        raise ValueError(f"a tokenizer of kind {tokenizer.kind!r} has no place in {FILE}; use BPETokenizer")
    config = {"tokenizer_class": "PreTrainedTokenizerFast", "clean_up_tokenization_spaces": False}
    if END_OF_TEXT in tokenizer.special_tokens:
        config |= {"bos_token": END_OF_TEXT, "eos_token": END_OF_TEXT, "add_bos_token": True}
    return bpe_file(tokenizer), config, tokenizer.template


def content(token: str | dict | None) -> str | None:
    """Return the name of a token that a configuration gives as a text or as an object."""
    return token["content"] if isinstance(token, dict) else token


def is_special(token: dict) -> bool:
    """Return whether an added token is a special one: it says so, or is more than spaces.

    Many files call what steers a model, such as <tool_call>, not special, so that it is shown. Runs of
    spaces, which GPT-NeoX adds, steer nothing.
    """
    return bool(token.get("special")) or bool(token["content"].strip(SPACES))


# -- generation_config.json --------------------------------------------------------------


def named_ids(settings: dict) -> tuple[list[int], int | None]:
    """Return the ids that end a text, and the id that begins one or None, of a generation_config.json."""
    ends = settings.get("eos_token_id")
    if not isinstance(ends, list):
        ends = [] if ends is None else [ends]
    begin = settings.get("bos_token_id")
    for i in ends:
        whole_number(f"{GENERATION}: eos_token_id", i, 0, "mend the file, or remove it")
    if begin is not None:
        whole_number(f"{GENERATION}: bos_token_id", begin, 0, "mend the file, or remove it")
    return ends, begin


def named_sampling(settings: dict) -> dict[str, Any]:
    """Return the options of generate that a generation_config.json sets.

    They count where transformers would use them, with "do_sample": true. "do_sample": false means the
    likeliest token. Lengths are not read: how long a text may be is up to the one who asks for it.
    """
    sample = settings.get("do_sample")
    found = {}
    if sample is True:
        names = [name for name in ("temperature", "top_k", "top_p") if settings.get(name) is not None]
        found = {"temperature": 1.0} | {name: settings[name] for name in names}
        if settings.get("top_k") == 0:  # no limit
            del found["top_k"]
    elif sample is False:
        found = {"temperature": 0}
    elif sample is not None:
        raise ValueError(f"{GENERATION}: do_sample={sample!r:.40} must be true or false; mend the file")
    if settings.get("repetition_penalty") is not None:
        found["repetition_penalty"] = settings["repetition_penalty"]
    try:
        check_sampling(**found)
    except (ValueError, TypeError) as error:
        raise ValueError(f"{GENERATION}: {error}; mend the file, or remove it") from None
    return found


# -- the library -----------------------------------------------------------------------


def build_library(file: dict) -> Any:
    """Return the library's tokenizer for a tokenizer.json, in which no text becomes a special token."""
    import tokenizers

    kind = file["model"].get("type", "BPE")
    if kind != "BPE":
        raise ValueError(f"its model is {kind!r:.40}; only byte-pair encoding ('BPE') can be read")
    added = [token | {"special": is_special(token)} for token in file.get("added_tokens") or []]
    parts = {"added_tokens": added, "truncation": None, "padding": None}
    try:
        library = tokenizers.Tokenizer.from_str(json.dumps(file | parts))
    except Exception as error:  # the library raises nothing more special
        raise ValueError(f"the library tokenizers cannot read it ({error})") from None
    library.encode_special_tokens = True
    return library


def byte_level_file(
    vocab: dict[str, int],
    merges: list,
    added: list[dict],
    cuts: Sequence[str | None],
    normalizer: str | None = None,
    begin: str | None = None,
    ignore_merges: bool = False,
) -> dict:
    """Return a tokenizer.json of byte-level BPE.

    Args:
        vocab: Each token in byte letters, with its id.
        merges: Pairs of tokens.
        added: Special tokens, each with content and special.
        cuts: The patterns that cut a text, one after the other; None makes each digit a piece.
        normalizer: The name of a normalizer of the library's.
        begin: The token that begins every text.
        ignore_merges: Whether a piece that is a token stays whole, whatever the merges.
    """
    from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers
    from tokenizers import pre_tokenizers as steps
    from tokenizers.processors import TemplateProcessing

    pairs = [tuple(pair) for pair in merges]
    library = Tokenizer(models.BPE(vocab, pairs, ignore_merges=ignore_merges))
    if normalizer is not None:
        library.normalizer = getattr(normalizers, normalizer)()
    before = [steps.Digits(True) if cut is None else steps.Split(Regex(cut), "isolated") for cut in cuts]
    level = steps.ByteLevel(add_prefix_space=False, use_regex=False)
    library.pre_tokenizer = steps.Sequence([*before, level])
    library.decoder = decoders.ByteLevel()
    tokens = [AddedToken(t["content"], special=t["special"], normalized=False) for t in added]
    library.add_tokens(tokens)
    if begin is not None:
        special = [(begin, library.token_to_id(begin))]
        library.post_processor = TemplateProcessing([begin, "$A"], [begin, "$A", begin, "$B:0"], special)
    return json.loads(library.to_str())


def bpe_file(tokenizer: Tokenizer) -> dict:
    """Return a BPETokenizer's tokenizer.json.

    Raises:
        ValueError: For a pattern or special token that it cannot hold.
    """
    special = tokenizer.special_tokens
    n_ordinary = len(tokenizer.vocab) - len(special)
    written = {tokenizer.vocab[i]: in_letters(tokenizer.vocab[i]) for i in range(n_ordinary)}
    vocab = {letters: i for i, letters in enumerate(written.values())}
    for name in special:
        if name in vocab:
            raise ValueError(f"special token {name!r} is an ordinary token, too, which {FILE} cannot hold")
    merges = [(written[a], written[b]) for a, b in tokenizer.merges]
    added = [{"content": name, "special": True} for name in special]
    begin = END_OF_TEXT if END_OF_TEXT in special else None  # our models learn every text behind it
    try:
        return byte_level_file(vocab, merges, added, [tokenizer.pattern], begin=begin)
    except Exception as error:  # its regular expressions are not Python's
        raise ValueError(f"pattern={tokenizer.pattern!r:.60} has no place in {FILE}: {error}") from None


# -- bytes -----------------------------------------------------------------------------


@lru_cache(1)
def byte_letters() -> list[str]:
    """Return the letter that stands for each of the 256 bytes in a byte-level tokenizer's file.

    Printable bytes stand for themselves; the others have the letters from U+0100 on, in order.

    Reference:
        GPT-2, encoder.py, bytes_to_unicode.
    """
    printable = {*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)}
    others = iter(range(0x100, 0x200))
    return [chr(byte) if byte in printable else chr(next(others)) for byte in range(256)]


def in_letters(token: bytes) -> str:
    """Return a token as a byte-level tokenizer's file writes it."""
    letters = byte_letters()
    return "".join(letters[byte] for byte in token)


def bytes_of(file: dict) -> Callable[[str], bytes]:
    """Return a function from a token, as the file writes it, to its bytes.

    Raises:
        ValueError: For a decoder that is neither that of byte-level BPE nor that of ▁.
    """
    decoder = file.get("decoder") or {}
    steps = decoder["decoders"] if decoder.get("type") == "Sequence" else [decoder]
    kinds = {step.get("type") for step in steps}
    if "ByteLevel" in kinds:
        byte = {letter: i for i, letter in enumerate(byte_letters())}
        return lambda token: bytes(map(byte.get, token)) if byte.keys() >= set(token) else token.encode()
    if not kinds & {"Metaspace", "Replace"} or kinds - SPACE_DECODERS:
        raise ValueError(f"its decoder is {', '.join(map(str, kinds)):.60}; read are ByteLevel, Metaspace")

    def from_text(token: str) -> bytes:
        match = re.fullmatch("<0x([0-9A-Fa-f]{2})>", token)
        if match and "ByteFallback" in kinds:
            return bytes.fromhex(match[1])
        return token.replace("▁", " ").encode()

    return from_text


def halves(merge: str | list[str]) -> list[str]:
    """Return the two tokens of a merge, in either of the two ways in which files write them."""
    return merge.split(" ") if isinstance(merge, str) else merge
