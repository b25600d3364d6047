"""What the tokenizers share: special tokens, streams, files, and what is said of arguments that are wrong."""

import json
import os
import re
from pathlib import Path

import numpy
import pytest
import torch
from hypothesis import example, given
from hypothesis import strategies as st
from support.folders import raises_one_line
from support.wild_texts import wild_text

from companion.tokenization import (
    END_OF_TEXT,
    UNKNOWN,
    BPETokenizer,
    CharTokenizer,
    Tokenizer,
    WordTokenizer,
    decode_stream,
)

STORY = (Path(__file__).resolve().parents[2] / "data" / "lamplighter.txt").read_text(encoding="utf-8")
SPECIAL = (END_OF_TEXT, "<|user|>", "<|user|>!", "<pad>")
BPE = BPETokenizer.train(STORY, 1000, special_tokens=SPECIAL)
CHAR = CharTokenizer.train(STORY)
WORD = WordTokenizer.train(STORY)

# -------------------------------------------------------------------------------------------- special tokens


@given(wild_text(SPECIAL))
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
    assert BPE.encode("<|user|>!", {"<|user|>"}) == [BPE.special_tokens["<|user|>"], *BPE.encode("!")]


def test_a_special_token_that_is_missing_is_said_with_the_file(tmp_path):
    path = tmp_path / "tokenizer.json"
    CharTokenizer("ab", ()).save(path)
    assert Tokenizer.load(path).encode("ab") == [0, 1]
    with pytest.raises(ValueError, match=r"^the tokenizer in .*tokenizer\.json lacks .*endoftext.*; train "):
        Tokenizer.load(path).special_tokens[END_OF_TEXT]
    with pytest.raises(ValueError, match=r"^the tokenizer lacks the special token '<pad>'; train one"):
        CHAR.special_tokens["<pad>"]
    assert END_OF_TEXT not in Tokenizer.load(path).special_tokens
    assert Tokenizer.load(path).special_tokens.get(END_OF_TEXT) is None


@pytest.mark.parametrize("allowed", [{"<|nobody|>"}, END_OF_TEXT])
def test_allowing_what_is_no_special_token_is_an_error(allowed):
    with pytest.raises(ValueError, match='^allowed_special=.* must be "all" or a set .*endoftext.*$'):
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
    spare, encoded = tokenizer.vocab_size + 3, tokenizer.encode("the lamp")
    ids = [i for known in encoded for i in (spare, known)]
    assert list(decode_stream(tokenizer, [*ids, spare])) == list(decode_stream(tokenizer, encoded))
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
    text = "Mara found a key"
    ids = BPE.encode(text)
    assert BPE.decode(numpy.array(ids, dtype=numpy.uint16)) == BPE.decode(torch.tensor(ids)) == text


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


GOOD = {
    "bpe": {"kind": "bpe", "merges": [["a", "b"], ["ab", "b"]], "special_tokens": {"<e>": 258}}
    | {"pattern": r"\s+|\S+", "byte_order": bytes(range(256)).decode("latin-1")},
    "word": {"kind": "word", "words": ["a", "b"], "special_tokens": {"<e>": 2}, "pattern": r"\s+|\S+"},
    "char": {"kind": "char", "characters": "ab", "special_tokens": {"<e>": 2}},
}


DAMAGES = [
    ("bpe", {"kind": "nobody"}, "its kind is 'nobody', which is none of 'bpe', 'char', 'word'"),
    ("bpe", {"kind": ...}, "KeyError: 'kind'"),
    ("bpe", {"extra": 1}, "unexpected keyword argument 'extra'"),
    ("bpe", {"merges": [["a", "猫"]]}, "must be a list of pairs of tokens"),
    ("bpe", {"merges": [["a", "b"], ["a", "bc"]]}, "merges[1]=(b'a', b'bc') joins b'bc', which no merge"),
    ("bpe", {"pattern": "("}, "pattern='(' is no regular expression: missing ) at position 1; mend it"),
    ("char", {"special_tokens": {"<e>": 7}}, "its special tokens have other ids"),
]


@pytest.mark.parametrize(("kind", "change", "message"), DAMAGES)
def test_a_damaged_file_is_named_with_what_is_wrong_in_one_line(kind, change, message, tmp_path):
    path = tmp_path / "file.json"
    path.write_text(json.dumps(GOOD[kind]))
    assert Tokenizer.load(path).encode("a<e>", "all")[-1] == GOOD[kind]["special_tokens"]["<e>"]
    state = {name: value for name, value in (GOOD[kind] | change).items() if value is not ...}
    path.write_text(json.dumps(state))
    with raises_one_line(ValueError, rf"^path='.*file\.json' is no tokenizer .*{re.escape(message)}.*; save"):
        Tokenizer.load(path)


@pytest.mark.parametrize("data", [b"[]", b"\xff\xfe\xff", b"[" * 100_000])
def test_a_file_that_is_no_object_of_json_is_named(data, tmp_path):
    (tmp_path / "file.json").write_bytes(data)
    with raises_one_line(ValueError, r"^path='.*file\.json' is no tokenizer that .*; save it again$"):
        Tokenizer.load(tmp_path / "file.json")


def test_loading_as_the_wrong_class_or_from_nowhere_is_an_error(tmp_path):
    CHAR.save(tmp_path / "char.json")
    with pytest.raises(ValueError, match="'char'"):
        BPETokenizer.load(tmp_path / "char.json")
    with pytest.raises(FileNotFoundError):
        Tokenizer.load(tmp_path / "nothing.json")


NO_NAMES = [
    ("<pad>", TypeError, r"='<pad>' must be several names; write \('<pad>',\)$"),
    (("<a>", "<a>"), ValueError, "=.* must be different names, none empty; .*$"),
    (("",), ValueError, "=.* must be different names, none empty; .*$"),
]


@pytest.mark.parametrize("kind", [CharTokenizer, WordTokenizer, BPETokenizer])
@pytest.mark.parametrize(("names", "error", "message"), NO_NAMES)
def test_special_tokens_are_a_list_of_different_names(kind, names, error, message):
    tokens, size = ([], {"vocab_size": 300}) if kind is BPETokenizer else ("ab", {})
    with pytest.raises(error, match=f"^special_tokens{message}"):
        kind(tokens, special_tokens=names)
    with pytest.raises(error, match=f"^special_tokens{message}"):
        kind.train("a b", special_tokens=names, **size)


@pytest.mark.parametrize("kind", [CharTokenizer, WordTokenizer, BPETokenizer])
@pytest.mark.parametrize("text", [b"bytes", [b"bytes"], ["a", None]])
def test_training_on_what_is_no_text_is_an_error(kind, text):
    size = [257] if kind is BPETokenizer else []
    with pytest.raises(TypeError, match="^text holds .* which must be a str; open files as text$"):
        kind.train(text, *size)


@pytest.mark.parametrize("tokenizer", [BPE, CHAR, WORD])
@pytest.mark.parametrize("text", [b"bytes", None, ["a"]])
def test_encoding_what_is_no_text_is_an_error(tokenizer, text):
    with pytest.raises(TypeError, match="^text=.* must be a str; encode several texts one by one$"):
        tokenizer.encode(text)


@pytest.mark.parametrize("pattern", [r"\w+", r"(a)|(\s)"])
def test_a_pattern_that_skips_text_is_an_error(pattern):
    with pytest.raises(ValueError, match=r"^pattern=.* skips part of the text; .*$"):
        BPETokenizer([], pattern=pattern).encode("some words!")


@pytest.mark.parametrize("kind", [CharTokenizer, WordTokenizer])
@pytest.mark.parametrize("text", ["", [], [""]])
def test_an_empty_text_is_an_error(kind, text):
    with pytest.raises(ValueError, match="^text is empty, and gives no tokens; train on one that is not$"):
        kind.train(text)
