"""Tokenizers of public models: Hugging Face's tokenizer.json, through their library `tokenizers`.

That library finds special tokens by their names, in any text. So that a user's text never becomes one, it is
given a copy of the file in which each special token's name begins with a *mark* that the text does not have.
It finds a special token only where we put the mark. The mark is drawn at random for each tokenizer, so that
nobody can write a text that has it: another mark would need another copy, which takes a second for a large
vocabulary.
"""

import contextlib
import json
import os
import re
import secrets
import threading
from collections.abc import Callable, Collection, Iterable, Iterator
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

from companion.runtime.files import atomic
from companion.runtime.files.atomic import write_atomic
from companion.runtime.generation.generation_configs import FILE as GENERATION
from companion.runtime.generation.generation_configs import named_ids, named_sampling
from companion.runtime.storage.hub import CONFIG as MODEL
from companion.runtime.text.chat_templates import (
    INSTALL,
    PRIVATE,
    Guard,
    check_messages,
    render,
)
from companion.runtime.text.tokenizer import (
    END_OF_TEXT,
    SpecialTokens,
    Tokenizer,
    allowed_names,
    look_up,
    split_special,
    whole,
)

FILE, CONFIG = "tokenizer.json", "tokenizer_config.json"
TEMPLATE, MAP = "chat_template.jinja", "special_tokens_map.json"
SPACES = " \t\n\r\f\v▁"
"""What a token may be made of and still be text; ▁ is how SentencePiece writes a space."""
ROLES = ("bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token")
MARK = 12  # private characters in a mark: there are 6,400 to the power of 12 of them
_ONE_AT_A_TIME = threading.Lock()


class PublicTokenizer(Tokenizer, kind="public"):
    """A public model's tokenizer: byte-pair encoding on bytes (GPT-2, Llama 3, Qwen) or with ▁ (Llama 2).

    file: what tokenizer.json holds. config: tokenizer_config.json. chat_template: a text in Jinja, where it
    is not in config. special_tokens: as save wrote them, for a comparison. generation:
    generation_config.json. model_ids: the ids that the model's config.json names.
    All added tokens of the file are special tokens, but for those of spaces alone, which are text.
    begin may be [], and named_end and named_start None.
    vocab: the bytes of each id. There may be holes between the ids; vocab_size counts them without.
    Raises ValueError for a file that holds another kind of tokenizer; ImportError without `tokenizers`.
    Source: https://huggingface.co/docs/tokenizers.
    """

    fields = ("file", "config", "chat_template", "special_tokens", "generation", "model_ids")
    optional = ("generation", "model_ids")  # files of before have none
    is_public = True
    named_start: int | None = None
    without_end = (
        "tokenizer names no token that ends a text; name one as eos_token in its tokenizer_config.json"
    )

    def __init__(
        self,
        file: dict,
        config: dict | None = None,
        chat_template: str | None = None,
        special_tokens: dict[str, int] | None = None,
        generation: dict | None = None,
        model_ids: dict | None = None,
    ):
        self.file, self.config, self.chat_template = file, check_config(config), chat_template
        self.generation, self.model_ids = dict(generation or {}), dict(model_ids or {})
        self.template_file: str | None = None  # where the chat template was read, for error messages
        self.library, self.mark = build_library(check_file(file)), new_mark()
        added = added_ids(file, self.library)
        special = [token["content"] for token in file.get("added_tokens") or () if is_special(token)]
        self.special_tokens = SpecialTokens({name: added[name] for name in special})
        to_bytes = bytes_of(file)
        self.names = {i: token for token, i in file["model"]["vocab"].items()} | {
            i: n for n, i in added.items()
        }
        self.names = dict(sorted(self.names.items()))
        self.vocab = {i: name.encode() if name in added else to_bytes(name) for i, name in self.names.items()}
        self.vocab_size = len(self.vocab)
        self.ends, bos = named_ids(self.generation, GENERATION)
        self.sampling = named_sampling(self.generation, GENERATION)
        self.begin, self.named_end = self._begin(), self._end()
        starts = [i for i in (bos, self._id_of("bos_token"), self.named_end) if i is not None]
        self.named_start = starts[0] if starts else None
        self.control = self._control()

    @cached_property
    def ids(self) -> dict[bytes, int]:
        """The id of each ordinary token."""
        special = set(self.special_tokens.values())
        return {token: i for i, token in self.vocab.items() if i not in special}

    @property
    def rules(self) -> str:
        """What decides how a text is cut, as JSON: two tokenizers with the same tokens may differ in it."""
        return json.dumps(
            {k: self.file.get(k) for k in ("normalizer", "pre_tokenizer", "model")}, sort_keys=True
        )

    # -- text to ids, and back

    def encode(self, text: str, allowed_special: Collection[str] | str = ()) -> list[int]:
        """The ids of a text. Special tokens' names are ordinary text unless allowed ("all", or a set)."""
        names = allowed_names(text, self.special_tokens, allowed_special)
        text = whole(text)
        if allowed_special == "all":
            return in_library(self.library.encode, text, add_special_tokens=False).ids
        return self._encode_parts(split_special(text, names))

    def encode_ordinary(self, text: str) -> list[int]:
        """The ids of a text, special tokens' names in it taken as ordinary text."""
        return self.encode(text)

    def tokens(self, ids: Iterable[int]) -> list[bytes]:
        """The bytes of each id; none of an id without a token, which a model with rows to spare may draw.

        Raises ValueError for an id below 0.
        """
        return [self.vocab.get(int(i), b"") if int(i) >= 0 else look_up(self.vocab, i) for i in ids]

    def decode(self, ids: Iterable[int]) -> str:
        """The text of these ids, as the file's own decoder gives it: some drop the first space."""
        return in_library(self.library.decoder.decode, [look_up(self.names, i) for i in ids])

    def _encode_parts(self, parts: list[str]) -> list[int]:
        """The ids of ordinary text at even places and special tokens' names at odd ones, taken together."""
        if any(self.mark in part for part in parts):  # by chance, less often than a disk fails
            self.mark = new_mark()
            del self.marked_library
        text = "".join(self.mark + part if i % 2 else part for i, part in enumerate(parts))
        return in_library(self.marked_library.encode, text, add_special_tokens=False).ids

    @cached_property
    def marked_library(self):
        """The library's tokenizer whose special tokens' names begin with the mark."""
        return build_library(marked_file(self.file, set(self.special_tokens), self.mark))

    # -- where texts begin and end

    def _begin(self) -> list[int]:
        """What the file's post-processor puts before a text; without one, what the configuration says."""
        if self.file.get("post_processor") is None:
            bos = self._id_of("bos_token")
            return [bos] if bos is not None and self.config.get("add_bos_token") is True else []
        encoded = in_library(self.library.encode, "a")
        inside = encoded.sequence_ids.index(0) if 0 in encoded.sequence_ids else 0
        return encoded.ids[:inside]

    def _end(self) -> int | None:
        """The id of eos_token; else the first of generation_config.json; else that of <|endoftext|>."""
        found = self._id_of("eos_token")
        if found is not None:
            return found
        return self.ends[0] if self.ends else self.special_tokens.get(END_OF_TEXT)

    def _control(self) -> frozenset[int]:
        """The ids of special tokens that the files call special, that have a role, or that end a text."""
        given = self.config.get("added_tokens_decoder")
        tokens = [
            *(self.file.get("added_tokens") or ()),
            *(given.values() if isinstance(given, dict) else ()),
        ]
        names = {content(token) for token in tokens if isinstance(token, dict) and token.get("special")}
        names |= {content(self.config.get(role)) for role in ROLES}
        found = {i for name, i in self.special_tokens.items() if name in names}
        return frozenset({*found, *self.ends} | ({self.named_end} - {None}))

    def _id_of(self, role: str) -> int | None:
        """The id of the token that the configuration gives a role, as eos_token; None where there is none."""
        name = content(self.config.get(role))
        return None if name is None else self.library.token_to_id(name)

    # -- chats

    def chat(self, messages: list[dict[str, str]], add_generation_prompt: bool = True) -> list[int]:
        """The ids of a conversation, as the file's chat template writes it; no other ids belong before it.

        messages: [{"role": "user", "content": "Hi"}, …]. add_generation_prompt: end with what begins the
        model's answer. A special token's name in a message is ordinary text.
        Raises ValueError, in one line, for a tokenizer without a template, a template that is broken or
        refuses these messages, and messages of another form.
        Source: the manual of transformers, "Chat templates".
        """
        if (template := self.template) is None:
            raise ValueError("tokenizer has no chat template: its model was not trained to chat; use encode")
        guard = Guard(self.special_tokens, template, check_messages(messages))
        names = {role: name for role in ROLES if (name := content(self.config.get(role))) is not None}
        try:
            variables = names | {"add_generation_prompt": add_generation_prompt}
            place = f" in {self.template_file}" if self.template_file else ""
            text = render(template, variables, guard.messages, f"the chat template{place}")
        except ValueError as error:
            raise ValueError(guard.restored(str(error))) from None
        if guard.restored(text) == text:  # no name of a special token in any message
            return self.encode(text, allowed_special="all")
        parts = split_special(whole(text), self.special_tokens)
        return self._encode_parts([guard.restored(part) for part in parts])

    @cached_property
    def turn_end(self) -> int | None:
        """The id of the special token that the chat template writes behind an answer; None without one."""
        answer = "The answer."
        said = [{"role": "user", "content": "A question?"}, {"role": "assistant", "content": answer}]
        try:
            written = self.decode(self.chat(said, add_generation_prompt=False))
        except (ValueError, ImportError):  # no template, or one that wants other messages
            return None
        behind = split_special(written[written.rfind(answer) + len(answer) :], self.special_tokens)
        if len(behind) < 2 or answer not in written or behind[0].strip():
            return None
        return self.special_tokens[behind[1]]

    @property
    def template(self) -> str | None:
        """The chat template: of chat_template.jinja, or of the configuration, which may name several."""
        found = self.config.get("chat_template") if self.chat_template is None else self.chat_template
        if isinstance(found, list):
            named = {one.get("name"): one.get("template") for one in found if isinstance(one, dict)}
            found = named.get("default")
        if found is not None and not isinstance(found, str):
            raise ValueError(f"chat_template={found!r:.40} must be a text; mend {CONFIG}")
        return found


# -- files -----------------------------------------------------------------------------


def read_tokenizer(folder: str | Path) -> PublicTokenizer:
    """The tokenizer of a public model's folder.

    From tokenizer.json, tokenizer_config.json, special_tokens_map.json (for what that does not say),
    chat_template.jinja and generation_config.json (without one, the ids in config.json count, as in
    transformers); only the first must be there. Raises ValueError, in one line with the file's name, where it
    is missing, or one of them damaged; ImportError without the library `tokenizers`.
    """
    folder = Path(folder)
    if not (folder / FILE).is_file():
        raise ValueError(f"{folder / FILE} is missing; take a model that has one")
    file, config, names = read_json(folder / FILE), read_json(folder / CONFIG), read_json(folder / MAP)
    config |= {role: names[role] for role in ROLES if role in names and config.get(role) is None}
    template = None
    if (folder / TEMPLATE).exists():
        try:
            template = atomic.read_regular(folder / TEMPLATE).decode()
        except UnicodeDecodeError:
            raise ValueError(f"{folder / TEMPLATE} is no text; fetch it again") from None
        template = template.replace("\r\n", "\n").replace("\r", "\n")
    generation, model_ids = read_generation(folder), read_model_ids(folder)
    try:
        tokenizer = PublicTokenizer(file, config, template, generation=generation, model_ids=model_ids)
    except ValueError as error:
        raise ValueError(f"{folder / FILE}: {error}") from None
    tokenizer.template_file = str(folder / (CONFIG if template is None else TEMPLATE))
    return tokenizer


def read_generation(folder: Path) -> dict:
    """What a folder's generation_config.json holds; where it has none, the ids that config.json names."""
    path = folder / GENERATION
    found = read_json(path)
    if not path.is_file():
        path, found = folder / MODEL, read_model_ids(folder)
    named_ids(found, path)
    named_sampling(found, path)
    return found


def read_model_ids(folder: Path) -> dict:
    """The ids that a folder's config.json names, as they stand there."""
    model = read_json(folder / MODEL)
    return {name: model[name] for name in ("eos_token_id", "bos_token_id") if name in model}


def tokenizer_files(tokenizer: Tokenizer) -> tuple[dict, dict, str | None]:
    """What a tokenizer's files hold: tokenizer.json, tokenizer_config.json, the chat template or None."""
    if isinstance(tokenizer, PublicTokenizer):
        return tokenizer.file, tokenizer.config, tokenizer.chat_template
    if tokenizer.kind == "bpe":
        return bpe_file(tokenizer), bpe_config(tokenizer), tokenizer.template
    raise ValueError(
        f"a tokenizer of kind {tokenizer.kind!r} has no place in {FILE}; train with a BPETokenizer"
    )


def write_tokenizer(tokenizer: Tokenizer, folder: str | Path) -> None:
    """Write a tokenizer as transformers reads it: tokenizer.json, tokenizer_config.json, the chat template,
    and generation_config.json where its model had one.

    A PublicTokenizer's files as they were. A BPETokenizer's as byte-level BPE, which gives the same ids for
    every text, but for letters newer than the library's tables; with chapter 16's tokens, their template.
    (Special tokens are found by their names there, in any text.) Raises ValueError for a tokenizer that the
    format cannot hold.
    """
    folder, (file, config, template) = Path(folder), tokenizer_files(tokenizer)
    folder.mkdir(parents=True, exist_ok=True)
    write_atomic(folder / FILE, json.dumps(file, ensure_ascii=False, indent=1) + "\n")
    write_atomic(folder / CONFIG, json.dumps(config, ensure_ascii=False, indent=2) + "\n")
    if template is not None:
        write_atomic(folder / TEMPLATE, template)
    else:
        (folder / TEMPLATE).unlink(missing_ok=True)
    if tokenizer.generation and tokenizer.generation != tokenizer.model_ids:
        write_atomic(folder / GENERATION, json.dumps(tokenizer.generation, indent=2) + "\n")


def read_json(path: Path) -> dict:
    """The object in a JSON file; {} where there is none. ValueError, with its name, for a damaged file."""
    return atomic.read_json(path, "fetch it again") if path.exists() else {}


def check_file(file: dict) -> dict:
    """The content of a tokenizer.json, if it is byte-pair encoding. ValueError if it is not."""
    if not isinstance(file, dict) or not isinstance(model := file.get("model"), dict):
        raise ValueError("it holds no model, so it is no tokenizer.json of the library tokenizers")
    kind, vocab, merges = model.get("type", "BPE"), model.get("vocab"), model.get("merges")
    if kind != "BPE" or not isinstance(vocab, dict) or not isinstance(merges, list):
        raise ValueError(f"its model is {kind!r:.40}; only byte-pair encoding ('BPE') can be read")
    added = file.get("added_tokens") or ()
    if not all(isinstance(token, dict) and isinstance(token.get("content"), str) for token in added):
        raise ValueError("its added_tokens are no list of tokens; fetch it again")
    if not all(isinstance(i, int) for i in vocab.values()) or len(set(vocab.values())) < len(vocab):
        raise ValueError("its vocab does not give each token an id of its own; fetch it again")
    return file


def check_config(config: dict | None) -> dict:
    """The content of a tokenizer_config.json, or {}. TypeError for what is no object."""
    if config is not None and not isinstance(config, dict):
        raise TypeError(f"config={config!r:.40} must be the object in {CONFIG}")
    return dict(config or {})


def content(token: str | dict | None) -> str | None:
    """The name of a token that a configuration gives as a text or as an object with its content."""
    name = token.get("content") if isinstance(token, dict) else token
    return name if isinstance(name, str) else None


def is_special(token: dict) -> bool:
    """Whether an added token is a special one: it says so, or is more than spaces.

    Many files call what steers a model, such as <tool_call>, not special, so that it is shown. Runs of
    spaces, which GPT-NeoX adds, steer nothing.
    """
    return bool(token.get("special")) or bool(token["content"].strip(SPACES))


# -- the library -----------------------------------------------------------------------


def build_library(file: dict):
    """The library's tokenizer. ValueError for a file that it refuses; ImportError without the library."""
    try:
        import tokenizers
    except ImportError:
        raise ImportError(f"public tokenizers need the library tokenizers: {INSTALL}") from None
    try:
        text = json.dumps(file | {"truncation": None, "padding": None})
        return in_library(tokenizers.Tokenizer.from_str, text)
    except Exception as error:  # the library raises nothing more special
        raise ValueError(
            f"the library tokenizers cannot read it ({' '.join(str(error).split()):.120})"
        ) from None


def in_library(work: Callable, *args, **kwargs) -> Any:
    """Call the library. A failure that it did not foresee is a ValueError in one line.

    The library is written in Rust, where such a failure is a panic. It is raised as a BaseException, after
    Rust has written up to a hundred lines to the standard error, which nobody can use.
    """
    with _silent():
        try:
            return work(*args, **kwargs)
        except Exception:
            raise
        except BaseException as error:
            if type(error).__name__ != "PanicException":
                raise
            problem = " ".join(str(error).split())
    rule = "its pattern needs too many steps for this text, or its file is damaged; take another model"
    raise ValueError(f"the tokenizer failed ({problem:.100}): {rule}")


@contextlib.contextmanager
def _silent() -> Iterator[None]:
    """Without what compiled code writes to the standard error while it holds Python's one lock."""
    with _ONE_AT_A_TIME:
        try:
            kept = os.dup(2)
        except OSError:  # there is no standard error
            yield
            return
        try:
            os.dup2(_nowhere(), 2)
            yield
        finally:
            os.dup2(kept, 2)
            os.close(kept)


@lru_cache(1)
def _nowhere() -> int:
    return os.open(os.devnull, os.O_WRONLY)


def new_mark() -> str:
    """A mark that nobody can foresee."""
    return "".join(chr(secrets.choice(PRIVATE)) for _ in range(MARK))


def added_ids(file: dict, library) -> dict[str, int]:
    """The id of each added token, by its name. ValueError where the file and the library disagree.

    The library numbers added tokens that the model lacks by itself, from the end of the model's.
    """
    found = {token["content"]: token.get("id") for token in file.get("added_tokens") or ()}
    for name, i in found.items():
        if library.token_to_id(name) != i:
            where = f"the id {i!r:.20}, which must be {library.token_to_id(name)}"
            raise ValueError(f"its added token {name!r:.40} has {where}; fetch it again")
    return found


def marked_file(file: dict, special: set[str], mark: str) -> dict:
    """The same tokenizer, but that the names of special tokens begin with the mark, in its model, too."""

    def rename(name):
        return mark + name if name in special else name

    plain = {"normalized": False, "single_word": False}
    added = [
        token | {"content": rename(token["content"])} | (plain if token["content"] in special else {})
        for token in file.get("added_tokens") or ()
    ]
    model = dict(file["model"])
    model["vocab"] = {rename(name): i for name, i in model["vocab"].items()}
    model["unk_token"] = rename(model.get("unk_token"))
    # No merge may make a special token out of text, which no file of a known model does.
    model["merges"] = [
        pair for pair in model["merges"] if not special & {*(two := halves(pair)), "".join(two)}
    ]
    return file | {"added_tokens": added, "model": model, "post_processor": None}


def halves(merge: str | list[str]) -> list[str]:
    """The two tokens of a merge, in either of the two ways in which files write them."""
    return merge.split(" ") if isinstance(merge, str) else merge


# -- bytes -----------------------------------------------------------------------------


@lru_cache(1)
def byte_letters() -> list[str]:
    """The letter that stands for each of the 256 bytes in a byte-level tokenizer's file.

    Printable bytes stand for themselves; the others have the letters from U+0100 on, in order.
    Source: GPT-2, encoder.py, bytes_to_unicode.
    """
    printable = {*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)}
    others = iter(range(0x100, 0x200))
    return [chr(byte) if byte in printable else chr(next(others)) for byte in range(256)]


def bytes_of(file: dict):
    """A function from a token, as the file writes it, to its bytes. ValueError for an unknown decoder."""
    decoder = file.get("decoder") or {}
    steps = decoder.get("decoders") if decoder.get("type") == "Sequence" else [decoder]
    kinds = [step.get("type") for step in steps]
    if "ByteLevel" in kinds:
        byte = {letter: i for i, letter in enumerate(byte_letters())}

        def from_letters(token: str) -> bytes:
            return bytes(map(byte.get, token)) if byte.keys() >= set(token) else token.encode()

        return from_letters
    spaces = [space for step in steps for space in written_spaces(step)]
    if not spaces or not set(kinds) <= {"Metaspace", "Replace", "ByteFallback", "Fuse", "Strip"}:
        names = ", ".join(map(str, kinds))
        raise ValueError(f"its decoder is {names:.60}; only that of byte-level BPE and that of ▁ can be read")

    def from_text(token: str) -> bytes:
        if "ByteFallback" in kinds and (match := re.fullmatch("<0x([0-9A-Fa-f]{2})>", token)):
            return bytes.fromhex(match[1])
        for written, meant in spaces:
            token = token.replace(written, meant)
        return token.encode()

    return from_text


def written_spaces(step: dict) -> Iterator[tuple[str, str]]:
    """What a decoder's step replaces in each token, and by what."""
    if step.get("type") == "Metaspace":
        yield step.get("replacement", "▁"), " "
    elif step.get("type") == "Replace" and isinstance(
        written := (step.get("pattern") or {}).get("String"), str
    ):
        yield written, step.get("content", "")


def split_at(pattern: str) -> dict:
    """The step of a tokenizer.json that cuts a text into the pieces that a regular expression finds."""
    return {"type": "Split", "pattern": {"Regex": pattern}, "behavior": "Isolated", "invert": False}


def byte_level_file(
    vocab: dict[str, int],
    merges: list,
    added: list[dict],
    steps: list[dict],
    normalizer: dict | None = None,
    post_processor: dict | None = None,
    ignore_merges: bool = False,
) -> dict:
    """A tokenizer.json of byte-level BPE, whose tokens are written in byte letters.

    steps: what cuts a text before it becomes bytes. post_processor: what puts tokens around a text.
    """
    level = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": False}
    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": added,
        "normalizer": normalizer,
        "pre_tokenizer": {"type": "Sequence", "pretokenizers": [*steps, level]},
        "post_processor": post_processor,
        "decoder": level | {"use_regex": True},
        "model": {
            "type": "BPE",
            "dropout": None,
            "unk_token": None,
            "continuing_subword_prefix": None,
            "end_of_word_suffix": None,
            "fuse_unk": False,
            "byte_fallback": False,
            "ignore_merges": ignore_merges,
            "vocab": vocab,
            "merges": merges,
        },
    }


def bpe_file(tokenizer) -> dict:
    """A BPETokenizer's tokenizer.json. ValueError for a pattern or a special token that it cannot hold."""
    letters, special = byte_letters(), tokenizer.special_tokens
    ordinary = len(tokenizer.vocab) - len(special)
    write = {
        tokenizer.vocab[i]: "".join(letters[byte] for byte in tokenizer.vocab[i]) for i in range(ordinary)
    }
    vocab = {write[tokenizer.vocab[i]]: i for i in range(ordinary)}
    if both := [name for name in special if name in vocab]:
        raise ValueError(
            f"special token {both[0]!r} is an ordinary token, too, which {FILE} cannot tell apart"
        )
    flags = dict.fromkeys(("single_word", "lstrip", "rstrip", "normalized"), False) | {"special": True}
    added = [{"id": i, "content": name} | flags for name, i in special.items()]
    merges = [[write[a], write[b]] for a, b in tokenizer.merges]
    file = byte_level_file(vocab, merges, added, [split_at(tokenizer.pattern)])
    try:
        build_library(file)  # its regular expressions are not Python's
    except ImportError:
        pass
    except ValueError as error:
        raise ValueError(f"pattern={tokenizer.pattern!r:.60} has no place in {FILE}: {error}") from None
    return file


def bpe_config(tokenizer) -> dict:
    """A BPETokenizer's tokenizer_config.json."""
    config = {"tokenizer_class": "PreTrainedTokenizerFast", "clean_up_tokenization_spaces": False}
    if END_OF_TEXT in tokenizer.special_tokens:
        config |= {"bos_token": END_OF_TEXT, "eos_token": END_OF_TEXT}
        config["add_bos_token"] = True  # our models learn every text behind it, and read_tokenizer adds it
    return config
