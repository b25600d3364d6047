"""Numbered shards: the same bytes whoever makes them and however often he is killed, and read as one text."""

import contextlib
import hashlib
import itertools
import json
import operator
import os
import random
import signal
import subprocess
import sys
import time
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
import torch
from support.cases import cases, texts
from support.folders import one_line

from companion.datasets import encode_documents, load_prepared, prepare, random_batches, token_stream
from companion.runtime.data import shards
from companion.runtime.data.filters import deduplicated, digest, refused_by
from companion.runtime.data.long_rows import LongRow
from companion.runtime.data.prepared import BEGUN, begun_source, sum_of
from companion.runtime.data.shards import sample_of, write_shards
from companion.runtime.files.atomic import claim
from companion.tokenization import BPETokenizer, Tokenizer
from companion.training import TrainConfig, evaluate, training_batches
from companion.village import load_split

TEXTS = texts(__file__)

CASES = cases(__file__)

ROOT = Path(shards.__file__).parents[3]
STORIES = load_split("train")[:160]
PLANTED = ["Too short.", "cheap red shoes " * 40, STORIES[3].upper(), STORIES[9]]
DOCUMENTS = [*STORIES[:50], *PLANTED, *STORIES[50:], PLANTED[0], PLANTED[3]]
BYTES, N = 10_500, 8
"""Of a shard, and how many shards that makes."""
OPTIONS = {"source": "stories", "shard_bytes": BYTES, "val_fraction": 0.1}


@pytest.fixture(scope="module")
def bpe():
    return BPETokenizer.train(STORIES[:40], 300)


def write(folder, bpe, documents=DOCUMENTS, stream=token_stream, **options):
    return write_shards(folder, documents, bpe, stream, Tokenizer.load, **OPTIONS | options)


def held(folder):
    """The files of a folder that are not hidden, and the SHA-256 of each."""
    files = [path for path in Path(folder).iterdir() if not path.name.startswith(".")]
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


@pytest.fixture(scope="module")
def whole(bpe, tmp_path_factory):
    """An undisturbed run of one process."""
    folder = tmp_path_factory.mktemp("whole")
    write(folder, bpe)
    return folder


# -- what is written


def test_shards_end_to_end_are_the_text(whole, bpe):
    kept = [document for document in deduplicated(DOCUMENTS) if refused_by(document) is None]
    assert kept == STORIES
    corpus = load_prepared(whole)
    assert corpus.meta["shards"] == N and corpus.meta["source"] == "stories"
    assert corpus.meta["n_read"] == 166
    assert corpus.meta["left_out"] == {"duplicate": 4, "too short": 1, "words repeated": 1}
    limit = 2**64 // 10
    val = [document for document in kept if int.from_bytes(digest(document), "big") < limit]
    train = [document for document in kept if document not in val]
    for part, documents in (("train", train), ("val", val)):
        split, expected = getattr(corpus, part), encode_documents(documents, bpe)
        assert isinstance(split.tokens, LongRow) and split.tokens.dtype == np.uint16
        assert np.array_equal(np.asarray(split.tokens), expected.tokens)
        assert np.array_equal(split.starts, expected.starts) and split.n_bytes == expected.n_bytes
        raw = b"".join((whole / f"{part}-{n:05}.bin").read_bytes() for n in range(N))
        assert raw == expected.tokens.tobytes()
        assert split.fingerprint == corpus.meta[part]["sha256"]
    assert 5 < len(val) < 40


@pytest.mark.gate
def test_the_bytes_are_the_same_with_two_processes(whole, bpe, tmp_path):
    done = []
    write(tmp_path, bpe, processes=2, on_shard=done.append)
    assert held(tmp_path) == held(whole)
    assert len(done) == N and sum(done) == sum(len(text.encode()) for text in deduplicated(DOCUMENTS))
    assert not (tmp_path / BEGUN).exists() and begun_source(tmp_path) is None


@pytest.mark.parametrize("fraction", [1e-9, 0.5, 0.9999])
def test_few_documents_give_both_splits_one(bpe, tmp_path, fraction):
    meta = write(tmp_path, bpe, STORIES[:9], val_fraction=fraction, shard_bytes=10**9)
    assert meta["shards"] == 1 and meta["val"]["n_documents"] >= 1
    assert meta["train"]["n_documents"] + meta["val"]["n_documents"] == 9
    load_prepared(tmp_path)


def test_a_shard_may_hold_nothing(bpe, tmp_path):
    documents = [*STORIES[:20], *(f"{n} no" for n in range(3000)), *STORIES[20:40]]
    meta = write(tmp_path, bpe, documents, shard_bytes=5000)
    lengths = [(tmp_path / f"train-{n:05}.bin").stat().st_size for n in range(meta["shards"])]
    assert 0 in lengths[1:-1]
    corpus = load_prepared(tmp_path)
    expected = encode_documents(STORIES[:40], bpe)
    assert len(corpus.train.tokens) + len(corpus.val.tokens) == len(expected.tokens) + 1
    assert meta["left_out"] == {"too short": 3000}


def test_memory_is_bounded(bpe, tmp_path):
    def documents():
        for n in range(60):
            yield f"{n} " + "wind and water " * 66_000  # a megabyte

    def stream(documents, tokenizer):
        yield np.zeros(1, np.uint16)
        for document in documents:
            yield np.zeros(len(document) // 4, np.uint16)

    tracemalloc.start()
    write(tmp_path, bpe, documents(), stream, shard_bytes=3 * 10**6, rules=())
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert 6e6 < peak < 30e6  # of 60 MB


def test_a_sample_is_of_what_stays():
    endless = itertools.chain(["Hm."], DOCUMENTS, itertools.repeat("Hm."))
    sample = sample_of(endless, 9000)
    assert sample == STORIES[: len(sample)]
    assert 9000 <= sum(len(text.encode()) for text in sample) < 11_000


# -- how it is read


def test_training_and_evaluation_see_no_difference(whole, bpe):
    from companion.gpt import GPTConfig, gpt2

    corpus = load_prepared(whole)
    split = corpus.train
    single = type(split)(np.asarray(split.tokens), split.starts, split.n_bytes)
    for length in (16, 300):  # windows cut anywhere, and documents
        config = TrainConfig(steps=3, batch_size=4, context_length=length)
        both = zip(training_batches(split, config), training_batches(single, config), strict=True)
        for (x, y), (x2, y2) in itertools.islice(both, 12):
            assert torch.equal(x, x2) and torch.equal(y, y2)

    def drawn(split, starts):
        return next(random_batches(split.tokens, 7, 9, torch.Generator().manual_seed(1), starts))[0]

    for starts in (None, split.starts):
        assert torch.equal(drawn(split, starts), drawn(single, starts))
    model = gpt2(GPTConfig(vocab_size=300, context_length=32, n_layers=1, n_heads=2, d_model=16))
    assert evaluate(model, split, 32) == evaluate(model, single, 32)


def copied(whole, folder):
    folder.mkdir(exist_ok=True)
    for path in whole.iterdir():
        if not path.name.startswith("."):
            (folder / path.name).write_bytes(path.read_bytes())
    return folder


def saying(name, **values):
    """A way to damage a folder: other values in one of its JSON files."""

    def damage(folder):
        path = folder / name
        path.write_text(json.dumps(json.loads(path.read_text(encoding="utf-8")) | values), encoding="utf-8")

    return damage


def other_tokenizer(folder):
    strange = BPETokenizer.train(STORIES[40:80], 300)
    write(folder / "strange", strange)
    for path in (folder / "strange").glob("*-00003*"):
        path.replace(folder / path.name)


def moved_starts(folder):
    path = folder / "train-00007_starts.npy"
    np.save(path, np.load(path) + 1)


def zeros(path):
    path.write_bytes(bytes(path.stat().st_size))


NONE = {"n_tokens": 0, "n_documents": 0, "n_bytes": 0}
ABOUT, STARTS = "shard-00005.json", "train-00004_starts.npy"
DAMAGE = {
    "a shard cut off": (lambda f: os.truncate(f / "train-00002.bin", 99), "train-00002.bin is damaged: 99"),
    "a shard missing": (lambda f: (f / "val-00001.bin").unlink(), "lacks val-00001.bin"),
    "starts missing": (lambda f: (f / "val-00006_starts.npy").unlink(), "lacks val-00006_starts.npy"),
    "starts cut off": (lambda f: os.truncate(f / STARTS, 140), f"{STARTS} is damaged: no array"),
    "no starts": (lambda f: (f / STARTS).write_bytes(b"x"), f"{STARTS} is damaged: no array"),
    "starts of another text": (moved_starts, "train-00000_starts.npy is damaged: its starts do not rise"),
    "another tokenizer's shard": (other_tokenizer, "shard-00003.json is damaged: its shard was made with"),
    "no json": (lambda f: (f / ABOUT).write_text("{"), f"{ABOUT} is damaged: no JSON"),
    "no object": (lambda f: (f / ABOUT).write_text("[]"), rf"{ABOUT} is damaged: \[\]"),
    "no counts": (saying(ABOUT, val=None), f"{ABOUT} is damaged: val"),
    "no sum": (saying(ABOUT, val=NONE), "its shards have another val"),
    "fewer shards": (saying("meta.json", shards=6), "its shards have another train"),
    "no shards": (saying("meta.json", shards=0), "meta.json is damaged: shards 0"),
    "other tokens": (lambda f: zeros(f / "train-00000.bin"), r"train.bin is damaged: no \d+ where"),
}


@pytest.mark.parametrize(("damage", "words"), DAMAGE.values(), ids=DAMAGE)
def test_damage_is_one_line(whole, tmp_path, damage, words):
    damage(copied(whole, tmp_path))
    with pytest.raises(ValueError, match=words) as caught:
        load_prepared(tmp_path)
    one_line(caught)


def test_the_sum_of_shards():
    parts = [{"n_tokens": n, "n_documents": 1, "n_bytes": 2 * n, "sha256": str(n)} for n in (3, 4)]
    total = sum_of(parts)
    assert (total["n_tokens"], total["n_documents"], total["n_bytes"]) == (7, 2, 14)
    assert total["sha256"] != sum_of(parts[::-1])["sha256"]


# -- one text after another in a folder


def test_a_folder_holds_one_text_alone(whole, bpe, tmp_path):
    mine = {name: b"mine" for name in ("notes.txt", "train-00099.bin", "shard-00099.json", "val-1.bin")}
    for name, data in mine.items():
        (tmp_path / name).write_bytes(data)
    prepare(STORIES, bpe, tmp_path, source="a file")
    single = set(held(tmp_path))
    write(tmp_path, bpe)
    assert held(tmp_path) == held(whole) | {name: held(tmp_path)[name] for name in mine}
    write(tmp_path, bpe, shard_bytes=4 * BYTES)
    assert load_prepared(tmp_path).meta["shards"] == 2 and not (tmp_path / "train-00002.bin").exists()
    begin_and_stop(tmp_path, bpe, DOCUMENTS, 100)
    prepare(STORIES, bpe, tmp_path, source="a file")
    assert set(held(tmp_path)) == single and not (tmp_path / BEGUN).exists()


@pytest.mark.parametrize("documents", [[], ["Hm."] * 9, STORIES[:1]])
def test_where_nothing_is_left_nothing_is_written(bpe, tmp_path, documents):
    with pytest.raises(ValueError, match=r"documents [01] are left.*, and both splits need one; take more"):
        write(tmp_path, bpe, documents)
    assert held(tmp_path) == {} and not (tmp_path / BEGUN).exists()


@pytest.mark.parametrize(("options", "words"), CASES["arguments out of range"])
def test_arguments_out_of_range(bpe, tmp_path, options, words):
    with pytest.raises((ValueError, TypeError), match=words):
        write(tmp_path / "new", bpe, **options)
    assert not (tmp_path / "new").exists()


def test_a_folder_that_another_process_writes(bpe, tmp_path):
    code = "import sys; from companion.runtime.files.atomic import claim\n"
    code += f"with claim({str(tmp_path)!r}): print(flush=True); sys.stdin.read()"
    with subprocess.Popen([sys.executable, "-c", code], stdin=-1, stdout=-1) as other:
        other.stdout.readline()
        with pytest.raises(ValueError, match="is being written by another run"):
            write(tmp_path, bpe)
        other.stdin.close()
    with claim(tmp_path):
        write(tmp_path, bpe)


# -- on from where it was


def counted(calls):
    """token_stream, noting how often it was called: twice a shard."""

    def stream(documents, tokenizer):
        calls.append(len(documents))
        return token_stream(documents, tokenizer)

    return stream


def begin_and_stop(folder, bpe, documents, n, stream=token_stream, **options):
    """Ctrl-C after n documents."""

    def stopped():
        yield from documents[:n]
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write(folder, bpe, stopped(), stream, **options)


@pytest.mark.parametrize("n", [0, 1, 60, 130, len(DOCUMENTS)])
def test_it_goes_on_with_what_is_whole(whole, bpe, tmp_path, n):
    first, second = [], []
    begin_and_stop(tmp_path, bpe, DOCUMENTS, n, counted(first))
    assert held(tmp_path) == {}
    assert begun_source(tmp_path) == ("stories" if first else None)
    with pytest.raises(ValueError, match="is not prepared to its end; run the same prepare to go on"):
        load_prepared(tmp_path)
    write(tmp_path, bpe, DOCUMENTS, counted(second))
    assert len(first) + len(second) == 2 * N
    assert held(tmp_path) == held(whole)


@pytest.mark.parametrize("source", ["stories", "another"])
def test_a_begun_text_leaves_the_one_that_is_there(whole, bpe, tmp_path, source):
    copied(whole, tmp_path)
    begin_and_stop(tmp_path, bpe, STORIES[::-1], 100, source=source)
    assert held(tmp_path) == held(whole) and begun_source(tmp_path) == source
    assert len(load_prepared(tmp_path).train.starts) > 100
    write(tmp_path, bpe)
    assert held(tmp_path) == held(whole)


LONGER = [*DOCUMENTS[:70], "New. " + STORIES[0], *DOCUMENTS[70:]]
CHANGES = {
    "a text with one more in its middle": {"documents": LONGER},
    "a shorter text": {"documents": DOCUMENTS[:60]},
    "another fraction": {"val_fraction": 0.3},
    "another source": {"source": "other"},
    "larger shards": {"shard_bytes": 3 * BYTES},
    "no rules": {"rules": ()},
    "another tokenizer": {"bpe": BPETokenizer([])},
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_what_was_begun_otherwise_is_not_taken(bpe, tmp_path, change):
    begin_and_stop(tmp_path / "a", bpe, DOCUMENTS, 150)
    for name in "ab":
        write(tmp_path / name, **{"bpe": bpe} | change)
    assert held(tmp_path / "a") == held(tmp_path / "b")


def test_a_damaged_shard_of_before_is_made_again(whole, bpe, tmp_path):
    begin_and_stop(tmp_path, bpe, DOCUMENTS, 150)
    begun = tmp_path / BEGUN
    os.truncate(begun / "train-00000.bin", 10)
    zeros(begun / "val-00003_starts.npy")
    zeros(begun / "train-00004.bin")
    (begun / "shard-00001.json").write_text("{")
    (begun / "val-00002_starts.npy").unlink()
    (begun / ".train-00003.bin-x1y2").write_bytes(b"half")
    (begun / "train-00077.bin").write_bytes(b"")
    calls = []
    write(tmp_path, bpe, DOCUMENTS, counted(calls))
    assert held(tmp_path) == held(whole) and 2 * 5 <= len(calls) < 2 * N
    assert {p.name for p in tmp_path.iterdir() if p.name.startswith(".")} <= {".claim", ".lock"}


CHILD = TEXTS["CHILD"]


def begin(tmp_path, bpe, processes, seconds):
    """A process that writes shards: it has just begun, and reads the documents for so many seconds."""
    (tmp_path / "child.py").write_text(CHILD)
    bpe.save(tmp_path / "tokenizer.json")
    plan = {"out": str(tmp_path / "out"), "tokenizer": str(tmp_path / "tokenizer.json"), "seconds": seconds}
    plan |= {"documents": DOCUMENTS, "options": OPTIONS | {"processes": processes}}
    (tmp_path / "plan.json").write_text(json.dumps(plan))
    argv = [sys.executable, tmp_path / "child.py", tmp_path / "plan.json"]
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    environment = os.environ | {"PYTHONPATH": path}
    child = subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment)
    assert child.stdout.readline() == "begun\n"
    return child


def whole_shards(folder):
    return len([*(folder / BEGUN).glob("shard-*.json")])


def wait_for(what, seconds=30):
    end = time.monotonic() + seconds
    while not (found := what()):
        assert time.monotonic() < end
        time.sleep(0.02)
    return found


@pytest.mark.gate
def test_killed_at_any_moment_and_run_again(whole, bpe, tmp_path):
    draw, out = random.Random(5), tmp_path / "out"
    for n in range(5):
        with begin(tmp_path, bpe, 1, 0.4 if n else 2) as child:
            if n == 0:
                wait_for(lambda: whole_shards(out))
            else:
                time.sleep(draw.uniform(0.05, 0.5))
            child.kill()
        complete = (out / "meta.json").exists()
        done = N if complete else whole_shards(out)
        assert held(out) == (held(whole) if complete else {}) and done > 0
    calls = []
    write(out, bpe, stream=counted(calls))
    assert held(out) == held(whole) and len(calls) == 2 * (N - done)


def alive(pid):
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except OSError:
        return False
    return state != "Z"


def family(child):
    """The processes that a process has begun, but for the one that tidies up after it."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            parent = stat.read_text().rsplit(")", 1)[1].split()[1]
            if int(parent) == child.pid and b"spawn_main" in stat.with_name("cmdline").read_bytes():
                found.append(int(stat.parent.name))
    return found


@pytest.mark.gate
@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="looks processes up in /proc")
@pytest.mark.parametrize("who", ["a worker is killed", "the reader is killed", "Ctrl-C"])
def test_processes_end_together_and_others_go_on(whole, bpe, tmp_path, who):
    out = tmp_path / "out"
    with begin(tmp_path, bpe, 2, 2) as child:
        workers = wait_for(lambda: len(found := family(child)) == 2 and found)
        wait_for(lambda: whole_shards(out) > 1)
        if who == "a worker is killed":
            os.kill(workers[0], signal.SIGKILL)
            _, error = child.communicate(timeout=60)
            assert child.returncode == 1 and "came to an end (exit code -9)" in error.splitlines()[-1]
        elif who == "Ctrl-C":
            for pid in (*workers, child.pid):  # as a terminal sends it
                os.kill(pid, signal.SIGINT)
            _, error = child.communicate(timeout=60)
            assert error.count("Traceback") == 1 and error.splitlines()[-1] == "KeyboardInterrupt"
        else:
            child.kill()
        wait_for(lambda: not any(map(alive, workers)))
    calls, before = [], whole_shards(out)
    write(out, bpe, stream=counted(calls))
    assert held(out) == held(whole) and len(calls) == 2 * (N - before)


@pytest.mark.gate
def test_what_goes_wrong_in_another_process_is_raised_here(bpe, tmp_path):
    with pytest.raises(TypeError, match="unsupported operand"):
        write_shards(tmp_path, DOCUMENTS, bpe, operator.truediv, BPETokenizer.load, processes=2)
    with pytest.raises(ValueError, match="its kind is 'bpe'"):  # nothing over there has said what that is
        write_shards(tmp_path, DOCUMENTS, bpe, operator.truediv, Tokenizer.load, processes=2)
    assert held(tmp_path) == {}


def test_a_text_that_has_grown_keeps_its_shards_and_a_damaged_one_is_mended(whole, bpe, tmp_path):
    copied(whole, tmp_path / "a")
    calls = []
    write(tmp_path / "a", bpe, stream=counted(calls))
    assert held(tmp_path / "a") == held(whole) and calls == []
    grown = [*DOCUMENTS, *load_split("train")[160:190]]
    for name, n in (("b", 0), ("a", 2 * (N - 1))):  # the last shard of before was not full
        calls = []
        meta = write(tmp_path / name, bpe, grown, counted(calls))
        assert len(calls) == 2 * meta["shards"] - n
    assert held(tmp_path / "a") == held(tmp_path / "b") != held(whole)
    zeros(tmp_path / "a/train-00002.bin")
    with pytest.raises(ValueError, match="run prepare again"):
        load_prepared(tmp_path / "a")
    write(tmp_path / "a", bpe, grown)
    assert held(tmp_path / "a") == held(tmp_path / "b")


def test_no_process_is_begun_where_nothing_is_missing(whole, bpe, tmp_path, monkeypatch):
    copied(whole, tmp_path)
    (tmp_path / BEGUN).mkdir()
    for path in tmp_path.glob("*-0000*"):
        path.replace(tmp_path / BEGUN / path.name)
    monkeypatch.setattr(shards, "_started", None)
    write(tmp_path, bpe, processes=2)
    assert held(tmp_path) == held(whole)
