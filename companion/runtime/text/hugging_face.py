"""Tokenizers of public models: Hugging Face's tokenizer.json, through their library `tokenizers`.

The library is told to encode the names of special tokens as text (its `encode_special_tokens`). So a user's
text never becomes one: where a special token is meant, its id is put between the pieces of text here.
"""

import json
from collections.abc import Collection, Iterable
from functools import cached_property
from itertools import takewhile
from pathlib import Path
from typing import Any

from companion.runtime.files.arguments import replace_surrogates, whole_number
from companion.runtime.files.atomic import read_json, write_atomic
from companion.runtime.generation.sampling_arguments import check_sampling
from companion.runtime.terminal import joined_lines
from companion.runtime.text.chat_templates import GUARD, check_messages, guarded, render
from companion.runtime.text.tokenizer import (
    END_OF_TEXT,
    SpecialTokens,
    Tokenizer,
    allowed_names,
    look_up,
    split_special,
)
from companion.runtime.text.tokenizer_json import (
    FILE,
    bpe_file,
    build_library,
    bytes_of,
    content,
    is_special,
)

CONFIG = "tokenizer_config.json"
MODEL = "config.json"
GENERATION = "generation_config.json"
TEMPLATE = "chat_template.jinja"
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
        names = [name for name in (FILE, CONFIG, MODEL, GENERATION) if (folder / name).exists()]
        held = {name: read_json(folder / name, "fetch it again") for name in names}
        model = held.get(MODEL, {})
        ids = {name: model[name] for name in ("eos_token_id", "bos_token_id") if name in model}
        tokenizer = PublicTokenizer(
            held[FILE],
            held.get(CONFIG),
            (folder / TEMPLATE).read_text(encoding="utf-8") if (folder / TEMPLATE).exists() else None,
            generation=held.get(GENERATION, ids),
            model_ids=ids,
        )
    except PermissionError:  # the file may be undamaged
        raise
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        problem = joined_lines(error, 250)
        raise ValueError(f"{folder}: its tokenizer cannot be read ({problem}); fetch it again") from None
    tokenizer.template_file = str(folder / (CONFIG if tokenizer.chat_template is None else TEMPLATE))
    return tokenizer


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
