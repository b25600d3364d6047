"""Files that are whole or not there: kills at every moment, several processes at once, claims, notes."""

import multiprocessing
import os
import signal
import stat
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from support.folders import raises_one_line
from support.strange_files import KINDS, make_strange

from companion.runtime.files import whole_files
from companion.runtime.files.whole_files import (
    COMMITTED,
    Unwritten,
    claim,
    read_json,
    read_regular,
    reading,
    staged,
    write_whole,
)
from companion.runtime.storage.checkpoints import read_safetensors, write_safetensors


def test_a_file_is_replaced_whole_and_has_ordinary_permissions(tmp_path):
    path = tmp_path / "a.json"
    write_whole(path, "é")
    write_whole(path, b"\x00\xff")
    assert path.read_bytes() == b"\x00\xff"
    (tmp_path / "plain").write_bytes(b"")
    assert stat.S_IMODE(path.stat().st_mode) == stat.S_IMODE((tmp_path / "plain").stat().st_mode)
    assert sorted(os.listdir(tmp_path)) == ["a.json", "plain"]


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path, monkeypatch):
    path = tmp_path / "a.json"
    write_whole(path, "old")
    monkeypatch.setattr(os, "replace", lambda *_: (_ for _ in ()).throw(OSError("disk full")))
    with pytest.raises(OSError, match="disk full"):
        write_whole(path, "new")
    assert path.read_text() == "old" and os.listdir(tmp_path) == ["a.json"]


def write_set(folder: Path, text: str) -> None:
    with staged(folder) as new:
        for name in ("one", "two", "three"):
            (new / name).write_text(text)


def read_set(folder: Path) -> list[str]:
    with reading(folder):
        return [(folder / name).read_text() for name in ("one", "two", "three")]


def test_a_set_replaces_its_namesakes_and_leaves_other_files(tmp_path):
    (tmp_path / "other").write_text("mine")
    write_set(tmp_path, "a")
    write_set(tmp_path, "b")
    assert read_set(tmp_path) == ["b", "b", "b"] and (tmp_path / "other").read_text() == "mine"


def test_an_error_inside_changes_nothing(tmp_path):
    write_set(tmp_path, "a")
    before = sorted(os.listdir(tmp_path))
    with pytest.raises(ZeroDivisionError), staged(tmp_path) as new:
        (new / "one").write_text("half")
        _ = 1 / 0
    assert read_set(tmp_path) == ["a", "a", "a"] and sorted(os.listdir(tmp_path)) == before


@pytest.mark.parametrize("moved", [0, 1, 2, 3])
def test_a_set_that_was_committed_before_a_kill_is_moved_by_the_next_reader(tmp_path, monkeypatch, moved):
    write_set(tmp_path, "a")
    replace, calls = os.replace, []

    def killed(*args):
        calls.append(args)
        if len(calls) > moved:
            raise KeyboardInterrupt
        replace(*args)

    monkeypatch.setattr(os, "replace", killed)
    if moved < 3:
        with pytest.raises(KeyboardInterrupt):
            write_set(tmp_path, "b")
        assert (tmp_path / COMMITTED).is_dir()
    else:
        write_set(tmp_path, "b")
    monkeypatch.setattr(os, "replace", replace)
    assert read_set(tmp_path) == ["b", "b", "b"] and not (tmp_path / COMMITTED).exists()


def write_often(folder: str, text: str) -> None:
    for _ in range(40):
        write_set(Path(folder), text)
        write_whole(Path(folder) / "whole", text * 1000)


@pytest.mark.gate
def test_processes_at_once_end_with_one_whole_set_and_none_fails(tmp_path):
    write_set(tmp_path, "-")
    context = multiprocessing.get_context("spawn")
    writers = [context.Process(target=write_often, args=(str(tmp_path), text)) for text in "abc"]
    for writer in writers:
        writer.start()
    seen = set()
    while any(writer.is_alive() for writer in writers):
        found = read_set(tmp_path)
        assert len(set(found)) == 1, found
        seen.add(found[0])
    assert [writer.exitcode for writer in writers] == [0, 0, 0] and len(seen) > 1
    assert (tmp_path / "whole").read_text() in {text * 1000 for text in "abc"}
    assert sorted(p.name for p in tmp_path.iterdir() if not p.name.startswith(".")) == [
        "one",
        "three",
        "two",
        "whole",
    ]


CHILD = """
import sys
from companion.runtime.files.whole_files import claim
with claim(sys.argv[1]):
    print("claimed", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def other(tmp_path):
    """A process that has claimed tmp_path until it ends."""
    process = subprocess.Popen(
        [sys.executable, "-c", CHILD, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout.readline() == "claimed\n"
    yield process
    process.kill()
    process.wait()
    process.stdin.close()
    process.stdout.close()


def test_a_claimed_folder_is_refused_to_others_in_one_line(tmp_path, other):
    with (
        pytest.raises(ValueError, match=r"folder='.*' is being written by another run; wait"),
        claim(tmp_path),
    ):
        pass


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="no SIGKILL on this system")
def test_a_killed_run_leaves_no_claim_and_what_it_had_staged_is_swept(tmp_path, other):
    (tmp_path / f"{whole_files.STAGED}left").mkdir()
    other.kill()
    other.wait()
    end = time.monotonic() + 5
    while True:  # the system needs a moment to give the lock back
        try:
            with claim(tmp_path):
                assert not (tmp_path / f"{whole_files.STAGED}left").exists()
            break
        except ValueError:
            assert time.monotonic() < end


def test_a_process_may_claim_its_own_folder_again(tmp_path):
    with claim(tmp_path):
        with claim(tmp_path):
            pass
        with claim(tmp_path):
            write_set(tmp_path, "a")
    with claim(tmp_path):
        assert read_set(tmp_path) == ["a", "a", "a"]


def test_folders_in_which_nothing_was_written_go_with_the_claim(tmp_path):
    with claim(tmp_path / "a/b/c"):
        (tmp_path / "a/note").write_text("")
        with claim(tmp_path / "a/b/c"):
            pass
        assert (tmp_path / "a/b/c").is_dir()
    assert [path.name for path in tmp_path.rglob("*")] == ["a", "note"]
    with pytest.raises(KeyError), claim(tmp_path / "b/c"):
        raise KeyError
    (tmp_path / "d").mkdir()
    with claim(tmp_path / "d"), claim(tmp_path / "e"):  # what was there before stays
        write_set(tmp_path / "e", "a")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "d", "e"]
    assert read_set(tmp_path / "e") == ["a", "a", "a"]


def test_who_waits_for_a_folder_gets_it_though_the_other_took_it_along(tmp_path):
    child = subprocess.Popen(
        [sys.executable, "-c", CHILD, str(tmp_path / "new")], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert child.stdout.readline().strip() == b"claimed"
    threading.Timer(0.3, child.stdin.close).start()
    with claim(tmp_path / "new", seconds=20):
        write_set(tmp_path / "new", "a")
    assert child.wait() == 0 and read_set(tmp_path / "new") == ["a", "a", "a"]
    child.stdout.close()


def test_a_folder_that_nobody_can_write_is_read_without_a_lock(tmp_path, monkeypatch):
    write_set(tmp_path, "a")
    monkeypatch.setattr(os, "access", lambda *_: False)
    assert read_set(tmp_path) == ["a", "a", "a"]


def test_a_folder_whose_lock_is_another_user_s_is_read_without_it(tmp_path, monkeypatch):
    def denied(path, *args, **kwargs):
        raise PermissionError(13, "Permission denied", str(path))

    write_set(tmp_path, "a")
    monkeypatch.setattr(os, "access", lambda path, mode: Path(path) == tmp_path)
    monkeypatch.setattr(whole_files, "FileLock", denied)
    assert read_set(tmp_path) == ["a", "a", "a"]


def test_a_folder_that_was_only_copied_is_left_as_it_is(tmp_path):
    for name in ("one", "two", "three"):
        (tmp_path / name).write_text("a")
    assert read_set(tmp_path) == ["a", "a", "a"]
    assert sorted(os.listdir(tmp_path)) == ["one", "three", "two"]


NAMES = st.text().filter(lambda name: name != "__metadata__")  # under which safetensors keeps the notes


@settings(max_examples=50)
@given(st.dictionaries(st.text(), st.text(), max_size=4), NAMES)
def test_notes_come_back_whatever_is_in_them(tmp_path_factory, notes, name):
    path = tmp_path_factory.mktemp("notes") / "a.safetensors"
    tensors = {name: torch.arange(3), f"{name} 2": torch.eye(2)}
    write_safetensors(path, tensors, notes)
    found, said = read_safetensors(path)
    assert said == notes and found.keys() == tensors.keys()
    assert all(torch.equal(found[key], tensors[key]) for key in tensors)


# -- strangers' files, and full disks


@pytest.mark.parametrize("kind", KINDS)
def test_only_regular_files_of_sensible_size_are_read(kind, tmp_path):
    path = tmp_path / "config.json"
    make_strange(path, kind)
    with raises_one_line(ValueError, r"config.json (is a|has [0-9,]+ bytes)"):
        read_regular(path)


def test_a_link_to_a_regular_file_is_followed(tmp_path):
    (tmp_path / "real").write_bytes(b"{}")
    try:
        (tmp_path / "link").symlink_to("real")
    except OSError:
        pytest.skip("this user may make no links")
    assert read_json(tmp_path / "link") == {}
    with pytest.raises(FileNotFoundError):
        read_regular(tmp_path / "nowhere")


@pytest.mark.skipif(not os.path.exists("/proc/self/status"), reason="there is no /proc")
def test_a_file_that_says_it_has_no_bytes_is_read_up_to_the_limit():
    with pytest.raises(ValueError, match="has more than 10 bytes"):
        read_regular("/proc/self/status", 10)


@pytest.mark.parametrize("data", [b"{", b"\xff", b"[" * 100_000, b""])
def test_what_is_no_json_is_named(data, tmp_path):
    (tmp_path / "a.json").write_bytes(data)
    with pytest.raises(ValueError, match=r"a.json is not whole JSON; copy it again$"):
        read_json(tmp_path / "a.json")


def test_a_number_that_no_model_needs_is_counted_and_not_printed(tmp_path):
    (tmp_path / "a.json").write_text("[18446744073709551615, -1]")
    assert read_json(tmp_path / "a.json") == [2**64 - 1, -1]
    for n in (21, 4000, 9000):
        (tmp_path / "a.json").write_text(f"[-{'9' * n}]")
        with pytest.raises(ValueError, match=rf"a.json holds a whole number of {n:,} digits; copy it again$"):
            read_json(tmp_path / "a.json")


def test_a_full_disk_is_named_with_the_file_and_leaves_nothing(tmp_path, full_disk):
    (tmp_path / "old").write_text("old")
    with full_disk(1000):
        with pytest.raises(Unwritten, match=r"old cannot be written \(File too large\); make room"):
            write_whole(tmp_path / "old", "x" * 2000)
        for write in (
            lambda path: path.write_bytes(bytes(2000)),
            lambda path: write_whole(path, bytes(2000)),
            lambda path: torch.zeros(2000).numpy().tofile(path),
            lambda path: write_safetensors(path, {"a": torch.zeros(2000)}, {"b": "c"}),
        ):
            with pytest.raises(Unwritten, match=r"in/new/weights cannot be written \(File too large\)"):
                with staged(tmp_path / "in" / "new") as new:
                    write_whole(new / "first", "whole")
                    write(new / "weights")
    assert [path.name for path in tmp_path.iterdir()] == ["old"]
    assert (tmp_path / "old").read_text() == "old"


def test_another_error_of_the_system_stays_what_it_is(tmp_path):
    with pytest.raises(FileNotFoundError, match="nowhere"), staged(tmp_path / "new") as new:
        (new / "nowhere" / "file").write_text("a")
    with pytest.raises(OSError, match="^no number$"), staged(tmp_path / "new") as new:
        (new / "file").write_text("a")
        raise OSError("no number")
    assert not (tmp_path / "new").exists()
