"""`companion prepare` on shards: from lines of JSON to a trained model, and one line for each bad input."""

import gzip
import json
import os

import pytest
from support.command_line import TINY, fails

from companion.__main__ import main
from companion.datasets import load_prepared
from companion.runtime.data import large_texts
from companion.runtime.data.prepared import BEGUN, STATE
from companion.village import load_split

STORIES = load_split("train")[:120]
PREPARE = ["prepare", "parts", "--vocab-size", "300"]
DATA = "runs/data/parts"


def lines(documents, column="text"):
    return "".join(json.dumps({"id": n, column: text}) + "\n" for n, text in enumerate(documents)).encode()


@pytest.fixture
def parts(here, monkeypatch):
    """A working directory with two shards, of which small batches are taken."""
    (here / "parts").mkdir()
    (here / "parts/0.jsonl").write_bytes(lines(STORIES[:70]))
    (here / "parts/1.jsonl.gz").write_bytes(gzip.compress(lines(["Hm.", *STORIES[60:]])))
    monkeypatch.setattr(large_texts, "BATCH_BYTES", 10_000)
    monkeypatch.setattr(large_texts, "SAVE_EVERY", 1)
    monkeypatch.setattr(large_texts, "SAMPLE_BYTES", 25_000)
    return here


@pytest.mark.gate
def test_from_shards_to_a_model(parts, capsys):
    assert main(PREPARE) == 0
    out = capsys.readouterr().out
    assert "131 documents read, left out: 10 duplicate, 1 too short\n" in out
    assert "companion train --preset text --data runs" in out
    corpus = load_prepared(DATA)
    assert len(corpus.train.starts) + len(corpus.val.starts) - 2 == 120
    assert corpus.meta["source"] == str((parts / "parts").resolve())
    assert main(["train", "--data", DATA, *TINY]) == 0
    resume = ["train", "--data", DATA, "--checkpoint", "runs/parts", "--resume"]
    assert main([*resume, *TINY[:-4], "--steps", "4"]) == 0
    assert main(["eval", "--checkpoint", "runs/parts", "--data", DATA]) == 0
    assert "bits per byte" in capsys.readouterr().out


def test_a_column_and_the_first_documents(parts, capsys):
    (parts / "b.jsonl").write_bytes(lines(STORIES, "body"))
    argv = ["prepare", "b.jsonl", "--column", "body", "--vocab-size", "300", "--documents"]
    assert main([*argv, "50"]) == 0
    assert "50 documents read\n" in capsys.readouterr().out
    meta = json.loads((parts / "runs/data/b/meta.json").read_text())
    assert meta["source"].endswith("b.jsonl, column body, the first 50 documents")
    fails(capsys, [*argv, "51"], 2, "holds the data of", "--overwrite")


BAD = {
    "a column that is not there": ("prepare parts --column body", "no column 'body'; it has 'id', 'text'"),
    "processes for the village": ("prepare village --processes 2", "--processes works with shards only"),
    "all letters": ("prepare parts --tokenizer char", "--tokenizer=char needs a text that fits"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_one_line_and_nothing_is_written(parts, capsys, case):
    argv, words = BAD[case]
    fails(capsys, argv.split(), 2, words)
    assert not [path for path in (parts / "runs").rglob("*") if path.is_file()]


def test_a_shard_that_is_cut_off_is_mended_and_the_rest_goes_on(parts, capsys):
    path = parts / "parts/1.jsonl.gz"
    content = path.read_bytes()
    os.truncate(path, len(content) - 20)
    prepare = [*PREPARE, "--data", "new"]
    fails(capsys, prepare, 2, "1.jsonl.gz is no JSON Lines, or cut off after row", "again")
    assert not (parts / "new/meta.json").exists() and (parts / "new" / BEGUN / STATE).exists()
    fails(capsys, ["train", "--data", "new", *TINY], 2, "is not prepared to its end; run the same prepare")
    fails(capsys, ["prepare", "mine.txt", "--data", "new"], 2, "holds the data of", "parts", "--overwrite")
    path.write_bytes(content)
    assert main(prepare) == 0 and main(PREPARE) == 0
    names = {p.name for p in (parts / "new").iterdir()}
    assert names == {p.name for p in (parts / DATA).iterdir()} and BEGUN not in names
    for name in names - {".lock", ".claim"}:
        assert (parts / "new" / name).read_bytes() == (parts / DATA / name).read_bytes()


def test_rows_that_are_no_text_can_be_left_out(parts, capsys):
    (parts / "c.jsonl").write_bytes(b'{"text": null}\n' + lines(STORIES))
    fails(capsys, ["prepare", "c.jsonl"], 2, "line 1: text is None", "--skip")
    assert main(["prepare", "c.jsonl", "--skip", "--vocab-size", "300"]) == 0
    said = capsys.readouterr()
    assert "120 documents read" in said.out and said.err.count("c.jsonl, line 1: text is None") == 1
