"""Chapter 1's module: round trips, tiktoken and GPT-2 to compare with, the textbook loop."""

import random
import re
import unicodedata
from collections import Counter
from pathlib import Path

import pytest
import regex
import tiktoken
from hypothesis import example, given
from hypothesis import strategies as st
from tokenizers.models import BPE as TheirBPE
from tokenizers.models import Unigram, WordPiece

from companion import village
from companion.tokenization import (
    END_OF_TEXT,
    UNKNOWN,
    BPETokenizer,
    CharTokenizer,
    Tokenizer,
    WordTokenizer,
    learn_merges,
    recover_merges,
)

DATA = Path(__file__).resolve().parents[2] / "data"
STORY = (DATA / "lamplighter.txt").read_text(encoding="utf-8")
SPECIAL = (END_OF_TEXT, "<|user|>", "<|assistant|>", "<pad>")
BPE = BPETokenizer.train(STORY, 1000, special_tokens=SPECIAL)
ENCODING = BPE.to_tiktoken()

# Characters newer than this Python's tables may be letters to one library and not yet to another.
ASSIGNED = [c for c in map(chr, range(0x110000)) if unicodedata.category(c) not in ("Cn", "Cs")]


def textbook(pieces, n_merges):
    """The loop as papers print it, on lists of bytes; shares nothing with the module."""
    words = [([bytes([b]) for b in piece.encode()], often) for piece, often in pieces.items()]
    merges = []
    for _ in range(n_merges):
        counts = Counter()
        for word, often in words:
            for pair in zip(word, word[1:], strict=False):
                counts[pair] += often
        if not counts:
            break
        merges.append(max(counts, key=lambda pair: (counts[pair], pair)))
        for word, _ in words:
            i = 0
            while i < len(word) - 1:
                if (word[i], word[i + 1]) == merges[-1]:
                    word[i : i + 2] = [word[i] + word[i + 1]]
                i += 1
    return merges


def fuzzed(n, seed):
    """n strings of characters of all scripts and kinds, some with special tokens' names and real words."""
    rng = random.Random(seed)
    kinds = {}
    for character in ASSIGNED:
        kinds.setdefault(unicodedata.category(character), []).append(character)
    common = list(" \n\t'sdmtlverABCabc0123.,!?-") + ["'ll", "'re", "  ", "\r\n", "\u00a0", "\u200d", "🙂"]
    sources = [common, common, common, list(SPECIAL), STORY.split(" "), *kinds.values()]
    for _ in range(n):
        some = rng.sample(sources, rng.randint(1, 4))
        yield "".join(rng.choice(rng.choice(some)) for _ in range(rng.randint(0, 25)))


# ------------------------------------------------------------------------------------------------ byte pairs


@given(
    st.dictionaries(st.text("abcé", min_size=1, max_size=12), st.integers(1, 4), max_size=8),
    st.integers(0, 30),
)
@example({"aaaaa": 1, "aaa": 2}, 10)
@example({"aaab": 1, "baaa": 1, "abab": 3}, 12)
def test_merges_are_the_textbook_loops(pieces, n_merges):
    assert learn_merges(pieces, n_merges) == textbook(pieces, n_merges)


def test_documents_count_as_one_text_and_pieces_end_with_them():
    assert BPETokenizer.train(iter(["ab ab", "ab"]), 258).merges == BPETokenizer.train("ab ab ab", 258).merges
    assert BPETokenizer.train(["xa", "by", "xa", "by"], 259).merges == [(b"x", b"a"), (b"b", b"y")]


def test_vocabulary_is_bytes_then_merges_then_special_tokens():
    merged = [first + second for first, second in BPE.merges]
    names = [name.encode() for name in SPECIAL]
    assert [BPE.vocab[i] for i in range(1000)] == [bytes([b]) for b in range(256)] + merged + names
    assert BPE.special_tokens == {name: 996 + i for i, name in enumerate(SPECIAL)}
    assert BPE.vocab_size == len(BPE.vocab) == 1000


@pytest.mark.gate
def test_same_ids_as_tiktoken_on_ten_thousand_strings():
    different = 0
    for text in fuzzed(10_500, seed=1):
        ours = BPE.encode(text)
        assert ours == ENCODING.encode(text, disallowed_special=()), repr(text)
        different += len(ours) != len(text.encode())
        allowed = BPE.encode(text, allowed_special="all")
        assert allowed == ENCODING.encode(text, allowed_special="all"), repr(text)
    assert different > 3000  # merges had something to do


def test_same_ids_as_tiktoken_on_long_texts():
    for text in (STORY, STORY.upper(), " ".join(reversed(STORY.split())), "a" * 3000, " " * 999, "ab" * 999):
        assert BPE.encode(text) == ENCODING.encode(text, disallowed_special=())
        assert ENCODING.decode(BPE.encode(text)) == text


def test_without_a_pattern_tokens_cross_words():
    without = BPETokenizer.train(["to be to be to be"] * 3, 262, pattern=r"[\s\S]+")
    assert any(b" " in token[1:] for token in without.vocab.values() if token != END_OF_TEXT.encode())
    assert without.decode(without.encode("to be or not\nto be")) == "to be or not\nto be"
    assert not any(b" " in token[1:] for i, token in BPE.vocab.items() if token.strip() and i < 996)


# ----------------------------------------------------------------------------------------------------- GPT-2


def gpt2():
    """GPT-2's tokenizer, where its files can be had: without them the test says skipped."""
    try:
        return BPETokenizer.gpt2()
    except ConnectionError as error:
        assert "TIKTOKEN_CACHE_DIR" in str(error) and "\n" not in str(error)
        pytest.skip(str(error))


@pytest.mark.gate
def test_gpt2_has_its_ids_and_merges(tmp_path):
    ours, theirs = gpt2(), tiktoken.get_encoding("gpt2")
    assert ours.vocab_size == theirs.n_vocab == 50257
    assert ours.special_tokens == {END_OF_TEXT: 50256}
    assert ours.merges[:3] == [(b" ", b"t"), (b" ", b"a"), (b"h", b"e")]
    assert ours.encode("Hello world") == [15496, 995]
    for text in fuzzed(3000, seed=2):
        assert ours.encode(text) == theirs.encode(text, disallowed_special=()), repr(text)
    assert ours.encode(STORY) == theirs.encode(STORY) == ours.to_tiktoken().encode(STORY)
    ours.save(tmp_path / "gpt2.json")
    loaded = Tokenizer.load(tmp_path / "gpt2.json")
    assert loaded.vocab == ours.vocab and loaded.encode(STORY) == ours.encode(STORY)


def test_merges_are_recovered_from_the_tokens_alone():
    assert recover_merges([BPE.vocab[i] for i in range(996)]) == BPE.merges


# ------------------------------------------------------------------------------------- characters and words

CHAR = CharTokenizer.train(STORY)
WORD = WordTokenizer.train(STORY)


def test_characters_are_in_order_and_numbered():
    tokenizer = CharTokenizer.train(["cab", "b"], special_tokens=("<pad>", UNKNOWN))
    assert tokenizer.vocab == {0: "a", 1: "b", 2: "c", 3: "<pad>", 4: UNKNOWN}
    assert tokenizer.special_tokens == {"<pad>": 3, UNKNOWN: 4} and tokenizer.vocab_size == 5
    assert tokenizer.encode("abc!") == [0, 1, 2, 4]
    assert tokenizer.encode("a<pad>", "all") == [0, 3]
    assert tokenizer.decode([2, 3, 4]) == "c<pad><unk>"


def test_words_are_counted_and_frequent_ones_first():
    tokenizer = WordTokenizer.train(["the key, the", "a key"], special_tokens=(UNKNOWN,))
    assert tokenizer.words == [" key", " the", ",", "a", "the"]
    assert tokenizer.encode("the key: a") == [4, 0, 5, 5]
    assert tokenizer.decode([4, 0, 5]) == "the key<unk>"
    assert WordTokenizer.train("a  b\n", pattern=r"\S|\s").words == [" ", "\n", "a", "b"]


@pytest.mark.parametrize("tokenizer", [CHAR, WORD])
def test_training_text_comes_back_whole(tokenizer):
    ids = tokenizer.encode(STORY)
    assert tokenizer.decode(ids) == STORY
    assert max(ids) < tokenizer.vocab_size - 2 and min(ids) == 0
    assert list(tokenizer.special_tokens) == [UNKNOWN, END_OF_TEXT]
    assert tokenizer.encode("猫")[0] == tokenizer.special_tokens[UNKNOWN]


@pytest.mark.parametrize("kind", [CharTokenizer, WordTokenizer])
def test_without_unknown_token_a_new_piece_is_an_error(kind):
    tokenizer = kind.train("a b", special_tokens=(END_OF_TEXT,))
    assert tokenizer.decode(tokenizer.encode("a b")) == "a b"
    with pytest.raises(ValueError, match="^text holds 'z', which the vocabulary lacks; .*<unk>.*$"):
        tokenizer.encode("z")


# ------------------------------------------------------------------------------------------ arguments' errors


def test_a_vocabulary_larger_than_the_text_can_give_is_an_error():
    with pytest.raises(ValueError, match="^vocab_size=300 is more than this text can give.* at most 259$"):
        BPETokenizer.train("aaaa", 300)
    assert BPETokenizer.train("aaaa", 259).merges == [(b"a", b"a"), (b"aa", b"aa")]


# ------------------------------------------------------------------------------------ what ships in data/


def test_a_long_text_without_spaces_is_learned_in_parts():
    letters = "".join(random.Random(0).choices("ACGT", k=20_000))
    tokenizer = BPETokenizer.train(["A" * 20_000, letters], 400)
    assert max(map(len, tokenizer.vocab.values())) == 32
    assert tokenizer.decode(tokenizer.encode(letters)) == letters


def test_shipped_tokenizer_is_the_one_that_training_gives(tmp_path):
    fresh, shipped = tmp_path / "tokenizer.json", DATA / "village" / "tokenizer.json"
    BPETokenizer.train(village.load_split("train"), 1024).save(fresh)
    assert fresh.read_bytes() == shipped.read_bytes(), f"if train.txt changed, write {shipped} that way"


@pytest.mark.parametrize("word", ["united", "unitedunited", "editedauntieunit"])
def test_the_chapters_three_ways_to_cut_are_those_of_hugging_faces_library(word):
    text = (DATA.parent / "chapters" / "text" / "01_tokenization.md").read_text(encoding="utf-8")
    cells = re.findall(r"```\{code-cell\} ipython3\n(.*?)```", text, re.S)
    (cell,) = [cell for cell in cells if "def unigram" in cell]
    ours = {"regex": regex}
    exec(cell, ours)
    log_p, vocab = ours["LOG_P"], {token: i for i, token in enumerate(ours["LOG_P"])}
    theirs = {
        "bpe": TheirBPE(vocab, ours["MERGES"]),
        "wordpiece": WordPiece(vocab, unk_token="a", continuing_subword_prefix=""),
        "unigram": Unigram([("<unk>", -99.0), *log_p.items()], unk_id=0),
    }
    for name, model in theirs.items():
        assert ours[name](word) == [token.value for token in model.tokenize(word)], name
