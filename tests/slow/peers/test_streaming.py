"""Parquet, and corpora of the hub, through the library datasets.

Needs pip install -e '.[peers]'; then pytest -m gate tests/slow/peers.
"""

import os
from pathlib import Path
from types import SimpleNamespace

import datasets
import pyarrow
import pyarrow.parquet
import pytest
from huggingface_hub import HfApi
from support.command_line import fails

from companion.__main__ import main
from companion.datasets import load_prepared
from companion.runtime.data.streams import Documents
from companion.village import load_split

STORIES = load_split("train")[:120]


def parquet(path, rows, **options):
    """A file with these columns."""
    pyarrow.parquet.write_table(pyarrow.table(rows), path, **options)
    return str(path)


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))
    return tmp_path


def test_rows_are_documents_in_order_and_again(here):
    first = parquet("a.parquet", {"id": range(70), "text": STORIES[:70]}, row_group_size=9)
    second = parquet("[b]*?.PARQUET", {"text": STORIES[70:]})
    documents = Documents([first, second])
    documents.check()
    assert list(documents) == list(documents) == STORIES
    assert list(Documents([first, second], limit=75)) == STORIES[:75]
    assert list(Documents([first], column="text")) == STORIES[:70]


def test_a_file_that_is_cut_off_is_one_line(here, capfd):
    path = Path(parquet("a.parquet", {"text": STORIES}))
    os.truncate(path, path.stat().st_size // 2)
    fails(
        capfd, ["prepare", "a.parquet"], 2, "a.parquet is no Parquet, or cut off after row 0 (Parquet magic"
    )
    assert not list((here).rglob("meta.json"))
    main(["prepare", "a.parquet"])
    assert len(capfd.readouterr().err.splitlines()) == 1  # the library says nothing of its own


# -- a hub


def test_a_corpus_of_the_hub_is_streamed_by_name_at_one_commit(here, monkeypatch):
    """What of a file is fetched is up to the library, which streams it."""
    asked, load = set(), datasets.load_dataset
    path = parquet("a.parquet", {"text": STORIES, "id": range(120)}, row_group_size=20)

    def from_here(kind, data_files, **options):
        asked.add((data_files, options["streaming"]))
        return load(kind, data_files=path, **options)

    info = SimpleNamespace(sha="1" * 40)
    monkeypatch.setattr(datasets, "load_dataset", from_here)
    monkeypatch.setattr(HfApi, "dataset_info", lambda self, repository, revision: info)
    argv = ["--documents", "30", "--vocab-size", "300", "--data", "some"]
    assert main(["prepare", "fineweb-edu", *argv]) == 0
    assert asked == {(f"hf://datasets/HuggingFaceFW/fineweb-edu@{info.sha}/sample/10BT/*.parquet", True)}
    assert load_prepared("some").meta["source"] == "fineweb-edu, the first 30 documents"


def test_no_hub_is_one_line(here, monkeypatch, capfd):
    def refuse(*_, **options):
        raise ConnectionError("Max retries\nexceeded")

    monkeypatch.setattr(HfApi, "dataset_info", refuse)
    words = "gutenberg could not be read from the hub (Max retries exceeded); try again"
    fails(capfd, ["prepare", "gutenberg", "--documents", "9"], 1, words)
