"""Documents one at a time out of shards: what is read, what is left out, and one line for each bad input.

Parquet and the hub are in tests/slow/peers, as they need the library datasets.
"""

import gzip
import json

import pytest
from support.folders import raises_one_line

from companion.runtime.data.streams import Documents, corpus_name, find_shards


def lines(*rows):
    return "".join((row if isinstance(row, str) else json.dumps(row)) + "\n" for row in rows).encode()


def read(path, *rows, **options):
    """The documents of a file with these rows."""
    path.write_bytes(lines(*rows))
    return list(Documents([str(path)], **options))


def test_lines_are_documents_in_order_and_again(tmp_path):
    texts = ["elm", "Ωak\nand\u2028ash", "", "木 \U0001f333"]
    (tmp_path / "a.jsonl").write_bytes(lines({"text": texts[0], "id": 1}, "", {"id": 2, "text": texts[1]}))
    rest = lines({"text": texts[2]}, {"text": texts[3]}).rstrip(b"\n")
    (tmp_path / "b.jsonl.gz").write_bytes(gzip.compress(rest))
    documents = Documents([str(tmp_path / "a.jsonl"), str(tmp_path / "b.jsonl.gz")])
    documents.check()
    assert list(documents) == list(documents) == texts
    assert list(Documents(documents.files, limit=2)) == texts[:2]
    assert list(Documents(documents.files, limit=9)) == texts


BAD = {
    "cut off": ('{"text": "on', "is no JSON Lines, or cut off after row 1 "),
    "no object": ('["text"]', r"line 2 is \['text'\], and no object"),
    "no column": ({"body": "x", "id": 3}, "line 2 has no column 'text'; it has 'body', 'id'"),
    "a number": ({"text": 5}, "line 2: text is 5, which is no text"),
}


@pytest.mark.parametrize(("row", "words"), BAD.values(), ids=BAD)
def test_a_bad_line_is_named(tmp_path, row, words):
    with raises_one_line(ValueError, f"a.jsonl.*{words}"):
        read(tmp_path / "a.jsonl", {"text": "fine"}, row, {"text": "fine"})


def test_what_is_no_text_can_be_skipped_and_what_is_damaged_cannot(tmp_path):
    said = []
    rows = [{"text": None}, {"text": "one"}, {"text": 5}, {"text": "two"}, {"text": "three"}]
    assert read(tmp_path / "a.jsonl", *rows, skip=said.append, limit=2) == ["one", "two"]
    assert len(said) == 2 and all("which is no text" in line for line in said)
    with pytest.raises(ValueError, match="cut off"):
        read(tmp_path / "a.jsonl", "{", skip=said.append)


def test_a_file_in_another_encoding_or_a_gzip_that_is_cut_off_is_named(tmp_path):
    (tmp_path / "a.jsonl").write_bytes('{"text": "elm"}\n'.encode("utf-16"))
    (tmp_path / "b.jsonl.gz").write_bytes(lines({"text": "plain"}))
    (tmp_path / "c.jsonl.gz").write_bytes(gzip.compress(lines({"text": "elm " * 99}))[:-9])
    for name in ("a.jsonl", "b.jsonl.gz", "c.jsonl.gz"):
        with raises_one_line(ValueError, f"{name} is no JSON Lines, or cut off after row [01] "):
            list(Documents([str(tmp_path / name)]))


def test_check_reads_the_first_row_of_each_file(tmp_path):
    (tmp_path / "a.jsonl").write_bytes(lines({"text": "x"}, "later"))
    assert Documents([str(tmp_path / "a.jsonl")]).check() is None
    (tmp_path / "b.jsonl").write_bytes(lines({"body": "x"}))
    with pytest.raises(ValueError, match=r"b\.jsonl, line 1 has no column 'text'"):
        Documents([str(tmp_path / "a.jsonl"), str(tmp_path / "b.jsonl")]).check()


def test_without_the_library_one_line_says_what_to_install(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "datasets", None)
    with pytest.raises(ImportError, match=r"need datasets: pip install -e '\.\[hub\]'") as caught:
        Documents(["a.parquet"]).check()
    assert "\n" not in str(caught.value) and caught.value.__suppress_context__


# -- which files


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    names = ("s/b/0.jsonl", "s/a.jsonl.gz", "s/c.parquet", "s/.d.jsonl", "s/.git/e.jsonl", "s/README.md")
    for name in (*names, "one.JSONL", "mine.txt", "texts/a.txt"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"")
    return tmp_path


def found(*names):
    said = []
    return [path.replace("\\", "/") for path in find_shards(names, said.append)], said


def test_files_folders_and_patterns(folder):
    below = ["s/a.jsonl.gz", "s/b/0.jsonl", "s/c.parquet"]
    assert found("s") == (below, ["what is no shard in s (files: 1, such as README.md)"])
    assert found("s/*.jsonl*", "one.JSONL") == (["s/a.jsonl.gz", "one.JSONL"], [])
    assert found("s/**/*.jsonl") == (["s/b/0.jsonl"], [])
    assert found("fineweb-edu") == (["fineweb-edu"], [])
    assert found("mine.txt", "texts", "village") == ([], [])
    assert found("nowhere") == found("") == found() == ([], [])


@pytest.mark.parametrize(
    ("names", "words"),
    [
        (["s/*.json"], r"s/\*\.json matches no file"),
        (["none.jsonl"], "none.jsonl is not there"),
        (["one.JSONL", "mine.txt"], "mine.txt is no shard"),
        (["village", "fineweb-edu"], "village is no shard .*, fineweb-edu is; prepare them apart"),
    ],
)
def test_names_that_are_wrong(folder, names, words):
    with pytest.raises(ValueError, match=words):
        found(*names)


def test_what_the_text_is_called(folder):
    assert corpus_name("s", "s/a.jsonl.gz") == "s" and corpus_name("s/a.jsonl.gz", "s/a.jsonl.gz") == "a"
    assert corpus_name("s/*.jsonl", "s/a.jsonl") == "s" and corpus_name("*.JSONL", "one.JSONL") == folder.name
    assert corpus_name("fineweb-edu", "fineweb-edu") == "fineweb-edu"


def test_an_empty_file_is_skipped_beside_others_and_named_where_nothing_else_is_left(tmp_path):
    empty, full = tmp_path / "empty.jsonl", tmp_path / "full.jsonl"
    empty.write_bytes(b"")
    full.write_bytes(lines({"text": "elm"}))
    both = Documents([str(empty), str(full)])
    both.check()
    assert list(both) == ["elm"]
    with pytest.raises(ValueError, match="empty.jsonl: there is no row; name shards"):
        Documents([str(empty)]).check()


def test_no_row_is_read_after_the_last_that_is_taken(tmp_path):
    rows = [{"text": "one"}, {"text": "two"}, {"text": 3}]
    assert read(tmp_path / "a.jsonl", *rows, limit=2) == ["one", "two"]
    assert read(tmp_path / "b.jsonl", *rows[:2], "{", limit=2) == ["one", "two"]


def test_a_file_that_cannot_be_read_is_not_called_damaged(tmp_path):
    (tmp_path / "a.jsonl").symlink_to(tmp_path / "gone.jsonl")
    with raises_one_line(ValueError, "a.jsonl cannot be read .No such file"):
        list(Documents([str(tmp_path / "a.jsonl")]))
