"""What the tokenizers share: special tokens, streams, files, and what is said of arguments that are wrong."""

import json
import os
import pickle
import random
import re
from pathlib import Path

import numpy
import pytest
import tiktoken
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st

from companion import tokenization
from companion.runtime.encodings import LongestFirst, one_begins_another
from companion.runtime.tokenizers import split_special
from companion.tokenization import (
    END_OF_TEXT,
    UNKNOWN,
    BPETokenizer,
    CharTokenizer,
    Tokenizer,
    WordTokenizer,
    decode_stream,
    split_pieces,
)

STORY = (Path(__file__).resolve().parents[2] / "data" / "lamplighter.txt").read_text(encoding="utf-8")
SPECIAL = (END_OF_TEXT, "<|user|>", "<|user|>!", "<pad>")
BPE = BPETokenizer.train(STORY, 1000, special_tokens=SPECIAL)
CHAR = CharTokenizer.train(STORY)
WORD = WordTokenizer.train(STORY)

ANY_TEXT = st.text()
WILD_TEXT = st.lists(
    st.one_of(
        st.text(st.sampled_from("ab \n\r\t'sé—🙂\x00½"), max_size=9),
        st.text(max_size=5),
        st.sampled_from(SPECIAL),
    )
).map("".join)


# -------------------------------------------------------------------------------------------- special tokens


@given(WILD_TEXT)
@example("".join(SPECIAL))
def test_user_text_cannot_inject_a_special_token(text):
    for tokenizer in (BPE, CHAR, WORD):
        ids = tokenizer.encode(text)
        harmless = {tokenizer.special_tokens[UNKNOWN]} if UNKNOWN in tokenizer.special_tokens else set()
        assert not set(ids) & (set(tokenizer.special_tokens.values()) - harmless)
    assert BPE.decode(BPE.encode(text, "all")) == text


def test_only_allowed_special_tokens_count():
    text = f"a{END_OF_TEXT}b<pad>"
    end, pad = BPE.special_tokens[END_OF_TEXT], BPE.special_tokens["<pad>"]
    a, b = BPE.encode("a"), BPE.encode("b")
    assert BPE.encode(text, "all") == [*a, end, *b, pad]
    assert BPE.encode(text, {END_OF_TEXT}) == [*a, end, *b, *BPE.encode("<pad>")]
    assert BPE.encode(text, ["<pad>"]) == [*a, *BPE.encode(END_OF_TEXT + "b"), pad]
    assert BPE.encode(text, set()) == BPE.encode(text)
    assert BPE.decode(BPE.encode(text, "all")) == text


def test_where_one_name_begins_another_the_longer_wins():
    assert BPE.encode("<|user|>!", "all") == [BPE.special_tokens["<|user|>!"]]
    assert BPE.encode("<|user|>", "all") == [BPE.special_tokens["<|user|>"]]
    assert BPE.encode("<|user|>!", {"<|user|>"}) == [BPE.special_tokens["<|user|>"], *BPE.encode("!")]


def cut_by_hand(text, names):
    """Text and names in turn: at each place, look for the longest name; shares nothing with the package."""
    parts, ordinary, i = [], "", 0
    while i < len(text):
        name = max((name for name in names if text[i : i + len(name)] == name), key=len, default="")
        if name:
            parts, ordinary = [*parts, ordinary, name], ""
        else:
            ordinary += text[i]
        i += len(name) or 1
    return [*parts, ordinary]


NAMES = st.lists(st.text("<|e>", min_size=1, max_size=4), unique=True, max_size=6)


@pytest.mark.gate
@given(NAMES, st.text("<|e> ", max_size=20), st.data())
@example(["<|end", END_OF_TEXT], "<|endoftext|><|end<|endof", None)
@example([END_OF_TEXT, "<|end"], "<|endoftext|><|end<|endof", None)
@example(["e", "ee", "eee"], "eeeee", None)
@example(["<e<"], "<e<e<", None)
@settings(max_examples=500)
def test_special_tokens_are_cut_alike_by_us_by_tiktoken_and_by_hand(names, text, data):
    tokenizer = BPETokenizer([(b"e", b"e"), (b"<", b"|")], names, pattern=r"[\s\S]+")
    some = data.draw(st.sets(st.sampled_from(names))) if data and names else set(names[:1])
    encoding = tokenizer.to_tiktoken()
    for allowed in ("all", some):
        parts = cut_by_hand(text, names if allowed == "all" else allowed)
        assert split_special(text, names if allowed == "all" else allowed) == parts
        ids = [
            [tokenizer.special_tokens[part]] if i % 2 else tokenizer.encode(part)
            for i, part in enumerate(parts)
        ]
        assert tokenizer.encode(text, allowed) == sum(ids, [])
        assert encoding.encode(text, allowed_special=allowed, disallowed_special=()) == sum(ids, [])
    assert tokenizer.encode(text) == encoding.encode_ordinary(text)
    assert tokenizer.encode(text) == encoding.encode(text, disallowed_special=())


def test_names_that_begin_one_another_in_many_strings():
    names = ("<|end", END_OF_TEXT, "<|", "<|endoftext|>!")
    tokenizer = BPETokenizer.train(STORY, 700, special_tokens=names)
    encoding, rng = tokenizer.to_tiktoken(), random.Random(3)
    parts, shared = [*names, "<|endof", "end", "text|>", " lamp", "é", "\n", "!"], 0
    for _ in range(3000):
        text = "".join(rng.choices(parts, k=rng.randint(1, 9)))
        allowed = "all" if rng.random() < 0.5 else set(rng.sample(names, 2))
        assert tokenizer.encode(text, allowed) == encoding.encode(
            text, allowed_special=allowed, disallowed_special=()
        ), (text, allowed)
        shared += END_OF_TEXT in text
    assert shared > 500


def test_tiktoken_is_taken_as_it_is_where_no_name_begins_another():
    plain = BPETokenizer([], ("<a>", "<b>", "b>")).to_tiktoken()
    assert type(plain) is tiktoken.Encoding
    assert type(BPE.to_tiktoken()) is LongestFirst
    assert one_begins_another(["ab", "b", "abc"]) and not one_begins_another(["ab", "b", "cab"])


def test_longest_first_is_a_whole_encoding():
    encoding = BPE.to_tiktoken()
    text = "the<|user|>! lamp<|user|>"
    ids = BPE.encode(text, "all")
    assert encoding.encode(text, allowed_special="all") == ids and encoding.decode(ids) == text
    assert encoding.encode_batch([text, "a"], allowed_special="all") == [ids, BPE.encode("a")]
    array = encoding.encode_to_numpy(text, allowed_special="all")
    assert array.dtype == numpy.uint32 and array.tolist() == ids
    again = pickle.loads(pickle.dumps(encoding))
    assert again.encode(text, allowed_special="all") == ids
    with pytest.raises(ValueError, match="disallowed special token"):
        encoding.encode(text)
    with pytest.raises(ValueError, match="disallowed special token"):
        encoding.encode(text, allowed_special={"<|user|>!"})
    assert encoding.encode("a<|user|>!", allowed_special={"<|user|>!"}) == BPE.encode("a<|user|>!", "all")


def test_a_special_token_that_is_missing_is_said_with_the_file(tmp_path):
    path = tmp_path / "tokenizer.json"
    CharTokenizer("ab", ()).save(path)
    assert Tokenizer.load(path).encode("ab") == [0, 1]
    with pytest.raises(
        ValueError, match=r"^the tokenizer in .*tokenizer\.json lacks .*<\|endoftext\|>.*; train "
    ):
        Tokenizer.load(path).special_tokens[END_OF_TEXT]
    with pytest.raises(
        ValueError, match=r"^the tokenizer lacks the special token '<pad>'; train one with it"
    ):
        CHAR.special_tokens["<pad>"]
    assert END_OF_TEXT not in Tokenizer.load(path).special_tokens
    assert Tokenizer.load(path).special_tokens.get(END_OF_TEXT) is None


@pytest.mark.parametrize("allowed", [{"<|nobody|>"}, END_OF_TEXT, {END_OF_TEXT, ""}, "ALL"])
def test_allowing_what_is_no_special_token_is_an_error(allowed):
    with pytest.raises(
        ValueError, match=r"^allowed_special=.* must be \"all\" or a set .*<\|endoftext\|>.*$"
    ):
        BPE.encode("text", allowed)


@given(st.lists(st.integers(0, 999), max_size=40))
def test_a_stream_is_the_decoded_text(ids):
    assert "".join(decode_stream(BPE, ids)) == BPE.decode(ids)


def test_a_stream_waits_for_whole_characters_and_for_nothing_else():
    bytes_only = BPETokenizer([])
    parts = decode_stream(bytes_only, iter(bytes_only.encode("aé🙂")))
    assert list(parts) == ["a", "é", "🙂"]
    assert list(decode_stream(bytes_only, bytes_only.encode("é🙂")[:-1])) == ["é", "\ufffd"]
    asked = []

    def ids():
        for i in (97, 98):
            asked.append(i)
            yield i

    assert next(decode_stream(bytes_only, ids())) == "a" and asked == [97]
    assert list(decode_stream(WORD, WORD.encode("the lamp"))) == ["the", " lamp"]


@pytest.mark.parametrize("tokenizer", [BPE, CHAR, WORD])
def test_a_stream_has_no_text_for_what_the_vocabulary_has_not(tokenizer):
    """A model may have more rows than its tokenizer has tokens, and draw one of them, even in a character."""
    spare, whole = tokenizer.vocab_size + 3, tokenizer.encode("the lamp")
    ids = [i for known in whole for i in (spare, known)]
    assert list(decode_stream(tokenizer, [*ids, spare])) == list(decode_stream(tokenizer, whole))
    torn = [i for byte in "é".encode() for i in (byte, BPE.vocab_size)]
    assert list(decode_stream(BPETokenizer([]), torn)) == ["é"]
    with pytest.raises(ValueError, match="^ids holds -1, but "):
        list(decode_stream(tokenizer, [-1]))


@pytest.mark.parametrize("tokenizer", [BPE, CHAR, WORD])
def test_an_id_outside_the_vocabulary_is_an_error(tokenizer):
    size = tokenizer.vocab_size
    for wrong in (size, -1):
        with pytest.raises(ValueError, match=f"^ids holds {wrong}, but .* run from 0 to {size - 1}$"):
            tokenizer.decode([0, wrong])
    assert tokenizer.decode([]) == ""


def test_ids_may_be_in_an_array():
    ids = BPE.encode("Mara found a key")
    assert (
        BPE.decode(numpy.array(ids, dtype=numpy.uint16))
        == BPE.decode(torch.tensor(ids))
        == "Mara found a key"
    )


# --------------------------------------------------------------------------------------------- save and load


@pytest.mark.parametrize(
    "tokenizer",
    [
        BPE,
        CHAR,
        WORD,
        BPETokenizer([(b"\xc3", b"\xa9")], (), r"[\s\S]", bytes(reversed(range(256)))),
        WordTokenizer.train("é b", ("<|a|>",), r"\S|\s"),
        CharTokenizer("\ud800é\n", ()),
    ],
)
def test_load_gives_back_what_was_saved(tokenizer, tmp_path):
    tokenizer.save(tmp_path / "deep" / "tokenizer.json")
    loaded = Tokenizer.load(tmp_path / "deep" / "tokenizer.json")
    assert type(loaded) is type(tokenizer) is type(type(tokenizer).load(tmp_path / "deep" / "tokenizer.json"))
    for name in ("vocab", "special_tokens", "vocab_size", *tokenizer.fields):
        assert getattr(loaded, name) == getattr(tokenizer, name), name
    if UNKNOWN in tokenizer.special_tokens or tokenizer.kind == "bpe":
        assert loaded.encode(STORY, "all") == tokenizer.encode(STORY, "all")
    assert os.listdir(tmp_path / "deep") == ["tokenizer.json"]


def test_what_training_used_is_in_the_file(tmp_path):
    for kind, size in ((BPETokenizer, (260,)), (WordTokenizer, ())):
        tokenizer = kind.train("to be to be", *size, special_tokens=("<|a|>",), pattern=r"[\s\S]+")
        tokenizer.save(tmp_path / "tokenizer.json")
        loaded = Tokenizer.load(tmp_path / "tokenizer.json")
        assert loaded.pattern == r"[\s\S]+" and loaded.encode("to be to be") == tokenizer.encode(
            "to be to be"
        )
        assert len(loaded.encode("to be to be")) < 6 and list(loaded.special_tokens) == ["<|a|>"]


@pytest.mark.parametrize(
    "content",
    ["", "{", "[]", "3", '{"kind": "bpe"}', '{"kind": "nobody"}', '{"kind": "char", "wrong": 1}', "\ufffd"]
    + [json.dumps({"kind": "bpe", "merges": [["a", "bc"]]})],
)
def test_loading_another_file_is_an_error_in_one_line(content, tmp_path):
    (tmp_path / "file.json").write_text(content, encoding="utf-8")
    with pytest.raises(
        ValueError, match=r"^path='.*file\.json' is no tokenizer that \.save wrote .*; save it again$"
    ):
        Tokenizer.load(tmp_path / "file.json")


GOOD = {
    "bpe": {"kind": "bpe", "merges": [["a", "b"], ["ab", "b"]], "special_tokens": {"<e>": 258}}
    | {"pattern": r"\s+|\S+", "byte_order": bytes(range(256)).decode("latin-1")},
    "word": {"kind": "word", "words": ["a", "b"], "special_tokens": {"<e>": 2}, "pattern": r"\s+|\S+"},
    "char": {"kind": "char", "characters": "ab", "special_tokens": {"<e>": 2}},
}


@pytest.mark.parametrize(
    ("kind", "change", "message"),
    [
        ("bpe", {"kind": "nobody"}, "its kind is 'nobody', which is none of 'char', 'word', 'bpe'"),
        ("bpe", {"kind": ["bpe"]}, "its kind is ['bpe'], which is none of"),
        ("bpe", {"kind": None}, "its kind is None"),
        ("bpe", {"merges": ...}, "it lacks 'merges'"),
        ("bpe", {"extra": 1}, "it has 'extra', which a tokenizer of kind 'bpe' has not"),
        ("bpe", {"merges": 5}, "merges=5 must be a list of pairs of tokens"),
        ("bpe", {"merges": "ab"}, "merges='ab' must be a list of pairs of tokens"),
        ("bpe", {"merges": ["ab"]}, "merges[0]='ab' must be a pair of tokens"),
        ("bpe", {"merges": [["a", "b", "c"]]}, "merges[0]=['a', 'b', 'c'] must be a pair"),
        ("bpe", {"merges": [["a", 5]]}, "5 must be bytes, or a str with one character a byte"),
        ("bpe", {"merges": [["a", "猫"]]}, "'猫' must be bytes, or a str with one character a byte"),
        ("bpe", {"merges": [["a", "b"], ["a", "bc"]]}, "merges[1]=(b'a', b'bc') joins b'bc', which no merge"),
        ("bpe", {"merges": [["ab", "b"], ["a", "b"]]}, "merges[0]=(b'ab', b'b') joins b'ab', which no merge"),
        ("bpe", {"merges": [["a", "b"], ["a", "b"]]}, "tokens hold b'ab' twice; each must have one id"),
        ("bpe", {"byte_order": "abc"}, "byte_order='abc' must hold each of the 256 bytes once"),
        ("bpe", {"byte_order": None}, "byte_order=None must hold each of the 256 bytes once"),
        ("bpe", {"byte_order": "猫" * 256}, "must be bytes, or a str with one character a byte"),
        ("bpe", {"pattern": "("}, "pattern='(' is no regular expression: missing ) at position 1; mend it"),
        ("bpe", {"pattern": None}, "pattern=None must be a str, a regular expression"),
        ("word", {"pattern": r"\p{Nonsense}"}, "pattern='\\\\p{Nonsense}' is no regular expression: unknown"),
        ("word", {"pattern": 5}, "pattern=5 must be a str, a regular expression"),
        ("word", {"words": 5}, "tokens=5 must be several str"),
        ("word", {"words": ["a", None]}, "tokens hold None, which must be a str"),
        ("word", {"words": ["a", "a"]}, "tokens hold 'a' twice"),
        ("word", {"words": []}, "text is empty, and gives no tokens"),
        ("char", {"characters": None}, "tokens=None must be several str"),
        ("char", {"characters": "aa"}, "tokens hold 'a' twice"),
        ("char", {"special_tokens": 5}, "special_tokens=5 must be a list of names"),
        ("char", {"special_tokens": None}, "special_tokens=None must be a list of names"),
        ("char", {"special_tokens": [1]}, "special_tokens holds 1, which must be a str"),
        ("char", {"special_tokens": {"<e>": 7}}, "the ids in special_tokens={'<e>': 7} must be"),
        ("char", {"special_tokens": {"<\ud800>": 2}}, "with half a character; write a whole one"),
    ],
)
def test_a_damaged_file_is_named_with_what_is_wrong_in_one_line(kind, change, message, tmp_path):
    path = tmp_path / "file.json"
    path.write_text(json.dumps(GOOD[kind]))
    assert Tokenizer.load(path).encode("a<e>", "all")[-1] == GOOD[kind]["special_tokens"]["<e>"]
    state = {name: value for name, value in (GOOD[kind] | change).items() if value is not ...}
    path.write_text(json.dumps(state))
    with pytest.raises(
        ValueError, match=rf"^path='.*file\.json' is no tokenizer .*{re.escape(message)}.*$"
    ) as error:
        Tokenizer.load(path)
    assert error.value.__cause__ is None and error.value.__suppress_context__


@pytest.mark.parametrize("data", [b"\xff\xfe\xff", b"[" * 100_000, b'{"kind": "bpe"', b"\x00", b"{}"])
def test_a_file_that_is_no_json_is_named(data, tmp_path):
    (tmp_path / "file.json").write_bytes(data)
    with pytest.raises(ValueError, match=r"^path='.*file\.json' is no tokenizer that .*; save it again$"):
        Tokenizer.load(tmp_path / "file.json")


def test_a_file_of_the_first_readers_still_loads(tmp_path):
    """As it was written before `runtime` held the base: kind, fields, special tokens with their ids."""
    path = tmp_path / "tokenizer.json"
    path.write_text(json.dumps(GOOD["bpe"]))
    tokenizer = Tokenizer.load(path)
    assert type(tokenizer) is BPETokenizer
    assert tokenizer.merges == [(b"a", b"b"), (b"ab", b"b")]
    assert tokenizer.encode("abb a<e>", "all") == [257, 32, 97, 258]


def test_loading_as_the_wrong_class_or_from_nowhere_is_an_error(tmp_path):
    CHAR.save(tmp_path / "char.json")
    with pytest.raises(ValueError, match="'char'"):
        BPETokenizer.load(tmp_path / "char.json")
    with pytest.raises(FileNotFoundError):
        Tokenizer.load(tmp_path / "nothing.json")


def test_a_write_that_fails_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "tokenizer.json"
    CHAR.save(path)
    before = path.read_bytes()

    def full_disk(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full_disk)
    with pytest.raises(OSError, match="No space left"):
        WORD.save(path)
    assert path.read_bytes() == before and os.listdir(tmp_path) == ["tokenizer.json"]


@pytest.mark.parametrize("kind", [CharTokenizer, WordTokenizer, BPETokenizer])
def test_special_tokens_must_be_different_names(kind):
    size = (300,) if kind is BPETokenizer else ()
    text = "some words to train on, and some more of them: the lamp, the key, the bell"
    with pytest.raises(
        TypeError, match=r"^special_tokens='<pad>' must be several names; write \('<pad>',\)$"
    ):
        kind.train(text, *size, special_tokens="<pad>")
    for names in (("<a>", "<a>"), ("",)):
        with pytest.raises(ValueError, match="^special_tokens=.* must be different names, none empty; .*$"):
            kind.train(text, *size, special_tokens=names)


@pytest.mark.parametrize("kind", [CharTokenizer, WordTokenizer, BPETokenizer])
@pytest.mark.parametrize("text", [b"bytes", [b"bytes"], ["a", None]])
def test_training_on_what_is_no_text_is_an_error(kind, text):
    size = (256 + 1,) if kind is BPETokenizer else ()
    with pytest.raises(TypeError, match="^text holds .* which must be a str; open files as text$"):
        kind.train(text, *size)


@pytest.mark.parametrize("tokenizer", [BPE, CHAR, WORD])
@pytest.mark.parametrize("text", [b"bytes", None, ["a"]])
def test_encoding_what_is_no_text_is_an_error(tokenizer, text):
    with pytest.raises(TypeError, match="^text=.* must be a str; encode several texts one by one$"):
        tokenizer.encode(text)


@pytest.mark.parametrize("pattern", [r"\w+", r"(a)|(\s)", r"(\w)+|\s", r"(?r)\w+|\W"])
def test_a_pattern_that_skips_text_is_an_error(pattern):
    with pytest.raises(ValueError, match=r"^pattern=.* skips part of the text; .*$"):
        BPETokenizer([], pattern=pattern).encode("some words!")


def test_special_tokens_are_a_list_of_names():
    for wrong in (5, None, iter(["<a>"])):
        with pytest.raises(
            TypeError, match="^special_tokens=.* must be a list of names; for none, write \\(\\)$"
        ):
            CharTokenizer("ab", wrong)
    with pytest.raises(TypeError, match="^special_tokens holds b'<a>', which must be a str$"):
        BPETokenizer.train("ab", 257, special_tokens=[b"<a>"])
    with pytest.raises(ValueError, match="^special_tokens holds .* with half a character"):
        BPETokenizer([], special_tokens=["\ud800"])


@pytest.mark.parametrize(
    ("size", "error", "message"),
    [
        (0, ValueError, "vocab_size=0 must be at least 257: 256 bytes, 1 special"),
        (-5, ValueError, "vocab_size=-5 must be at least 257"),
        (10**20, ValueError, f"vocab_size={10**20} must be at most 1,114,112"),
        (300.0, TypeError, "vocab_size=300.0 must be a whole number, such as 1024"),
        (float("nan"), TypeError, "vocab_size=nan must be a whole number"),
        ("300", TypeError, "vocab_size='300' must be a whole number"),
        (None, TypeError, "vocab_size=None must be a whole number"),
        (True, TypeError, "vocab_size=True must be a whole number"),
    ],
)
def test_the_size_of_a_vocabulary_is_checked_before_the_text_is_read(size, error, message):
    def never():
        raise AssertionError("read before the size was checked")
        yield

    with pytest.raises(error, match=f"^{re.escape(message)}.*$"):
        BPETokenizer.train(never(), size)


def test_any_kind_of_whole_number_is_a_size():
    assert BPETokenizer.train("abab", numpy.int64(258)).vocab_size == 258


@pytest.mark.parametrize("kind", [CharTokenizer, WordTokenizer])
@pytest.mark.parametrize("text", ["", [], [""]])
def test_an_empty_text_is_an_error(kind, text):
    with pytest.raises(ValueError, match="^text is empty, and gives no tokens; train on one that is not$"):
        kind.train(text)


def test_one_str_is_one_document_and_a_list_is_several():
    assert WordTokenizer.train("a b").words == WordTokenizer.train(["a b"]).words == [" b", "a"]
    for kind in (CharTokenizer, WordTokenizer):
        with pytest.raises(TypeError, match="^text=5 must be a str, or several$"):
            kind.train(5)
    with pytest.raises(TypeError, match="^text=None must be a str, or several$"):
        BPETokenizer.train(None, 300)


@pytest.mark.parametrize("pattern", ["(", r"\p{Nonsense}", "[", "a{2,1}"])
def test_an_invalid_pattern_is_an_error(pattern):
    for make in (
        lambda: BPETokenizer([], pattern=pattern),
        lambda: WordTokenizer.train("a b", pattern=pattern),
    ):
        with pytest.raises(ValueError, match="^pattern=.* is no regular expression: .*; mend it$"):
            make()


def test_a_pattern_may_have_groups():
    for pattern in (r"(\w)(\w)|\s", r"(\w+)|(\s)|(?=q)(x)", r"( ?)(\p{L}+)|([\s\S])"):
        text = "ab cd" if "|\\s" in pattern else "ab cd!" if "S]" in pattern else "ab cd"
        assert "".join(split_pieces(pattern, text)) == text
        tokenizer = BPETokenizer([(b"a", b"b"), (b" ", b"c")], pattern=pattern)
        assert tokenizer.encode(text) == tokenizer.to_tiktoken().encode_ordinary(text)


def test_a_pattern_that_only_regex_can_read_is_said_by_to_tiktoken():
    tokenizer = BPETokenizer([], pattern=r"\X")
    assert tokenizer.decode(tokenizer.encode("ab cd")) == "ab cd"
    with pytest.raises(ValueError, match=r"^pattern=.* is no regular expression to tiktoken: .*; use encode"):
        tokenizer.to_tiktoken()


def test_a_subclass_says_what_a_token_is_and_gets_the_rest(tmp_path):
    class Doubles(Tokenizer, kind="doubles"):
        fields = ("special_tokens",)

        def __init__(self, special_tokens=(END_OF_TEXT,)):
            super().__init__(["aa", "bb"], special_tokens)

        def encode_ordinary(self, text):
            return self.known_ids([text[i : i + 2] for i in range(0, len(text), 2)])

    try:
        doubles = Doubles()
        assert doubles.encode(f"aabb{END_OF_TEXT}bb", "all") == [0, 1, 2, 1]
        assert doubles.decode([1, 2]) == "bb" + END_OF_TEXT
        doubles.save(tmp_path / "doubles.json")
        assert type(Tokenizer.load(tmp_path / "doubles.json")) is Doubles
    finally:
        del Tokenizer.kinds["doubles"]
    with pytest.raises(NotImplementedError, match="^Tokenizer must define encode_ordinary"):
        Tokenizer(["a"], ()).encode("a")


def test_the_chapters_module_has_what_others_import_from_it():
    for name in ("END_OF_TEXT", "UNKNOWN", "Tokenizer", "decode_stream", "split_pieces"):
        assert hasattr(tokenization, name)
    assert len(tokenization.__all__) <= 12
