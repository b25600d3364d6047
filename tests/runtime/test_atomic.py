"""Files that are replaced by renaming, the lock of a folder, and the files of tensors."""

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from companion.cli._shared import check_output, check_unused, holds_only
from companion.runtime.files.atomic import PART, claim, finish_renames, read_json, staged, write_atomic
from companion.runtime.storage.checkpoints import read_safetensors, write_safetensors


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_file_is_replaced_and_has_ordinary_permissions(tmp_path):
    path = tmp_path / "a.json"
    write_atomic(path, "é")
    write_atomic(path, b"\x00\xff")
    assert path.read_bytes() == b"\x00\xff"
    (tmp_path / "plain").write_bytes(b"")
    assert stat.S_IMODE(path.stat().st_mode) == stat.S_IMODE((tmp_path / "plain").stat().st_mode)
    assert names(tmp_path) == ["a.json", "plain"]


def write_set(folder: Path, text: str) -> None:
    with staged(folder) as new:
        for name in ("one", "two", "three"):
            (new / name).write_text(text)


def read_set(folder: Path) -> list[str]:
    return [(folder / name).read_text() for name in ("one", "two", "three")]


def test_staged_files_replace_their_namesakes_and_leave_other_files(tmp_path):
    (tmp_path / "other").write_text("mine")
    (tmp_path / PART).mkdir()
    (tmp_path / PART / "left").write_text("by a process that was killed")
    write_set(tmp_path, "a")
    write_set(tmp_path, "b")
    assert read_set(tmp_path) == ["b", "b", "b"] and names(tmp_path) == ["one", "other", "three", "two"]


def test_an_error_inside_changes_nothing(tmp_path):
    write_set(tmp_path, "a")
    with pytest.raises(ZeroDivisionError), staged(tmp_path) as new:
        (new / "one").write_text("half")
        _ = 1 / 0
    assert read_set(tmp_path) == ["a", "a", "a"] and names(tmp_path) == ["one", "three", "two"]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="kills a forked child")
@pytest.mark.filterwarnings("ignore:.*use of fork:DeprecationWarning")  # from Python 3.12 on
@pytest.mark.parametrize("kept", [0, 1, 4])
def test_a_kill_between_two_renames_leaves_all_old_files_or_all_new_ones(tmp_path, monkeypatch, kept):
    """The first rename decides; a kill comes before it (kept=0), or after so many of them."""
    write_set(tmp_path, "a")
    calls, replace = [], os.replace

    def killed(*names):
        if len(calls) == kept:
            os._exit(9)
        calls.append(names)
        replace(*names)

    child = os.fork()
    if not child:
        monkeypatch.setattr(os, "replace", killed)
        write_set(tmp_path, "b")
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == (9 if kept < 4 else 0)
    finish_renames(tmp_path)
    assert read_set(tmp_path) == ["b" if kept else "a"] * 3
    write_set(tmp_path, "c")
    assert read_set(tmp_path) == ["c"] * 3 and names(tmp_path) == ["one", "three", "two"]


CHILD = """
import sys
from companion.runtime.files.atomic import claim
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
    words = r"folder='.*' is being written by another run; wait"
    with pytest.raises(ValueError, match=words), claim(tmp_path):
        pass


def test_a_process_may_claim_its_own_folder_again(tmp_path):
    with claim(tmp_path):
        with claim(tmp_path):
            pass
        with claim(tmp_path):
            write_set(tmp_path, "a")
    with claim(tmp_path):
        assert read_set(tmp_path) == ["a", "a", "a"]


def test_a_folder_to_be_written_is_empty_or_holds_what_may_be_replaced(tmp_path):
    def is_model(folder):
        return holds_only(folder, "model", {"model", "report"})

    check_unused("--data", tmp_path / "new" / "folder")
    (tmp_path / ".lock").touch()
    check_output("--output", tmp_path, is_model)
    (tmp_path / "model").touch()
    with pytest.raises(ValueError, match="holds something else \\(model\\); name another folder"):
        check_unused("--data", tmp_path)
    check_unused("--data", tmp_path, {"model"})
    with pytest.raises(ValueError, match="holds a model already; name another folder, or add --overwrite"):
        check_output("--output", tmp_path, is_model)
    check_output("--output", tmp_path, is_model, overwrite=True)
    (tmp_path / "letters").touch()
    with pytest.raises(ValueError, match="holds something else"):
        check_output("--output", tmp_path, is_model, overwrite=True)


TENSOR_NAMES = st.text().filter(lambda name: name != "__metadata__")  # where safetensors keeps the notes


@settings(max_examples=20)
@given(st.dictionaries(st.text(), st.text(), max_size=4), TENSOR_NAMES)
def test_notes_come_back_whatever_is_in_them(tmp_path_factory, notes, name):
    path = tmp_path_factory.mktemp("notes") / "a.safetensors"
    tensors = {name: torch.arange(3), f"{name} 2": torch.eye(2)}
    write_safetensors(path, tensors, notes)
    found, found_notes = read_safetensors(path)
    assert found_notes == notes and found.keys() == tensors.keys()
    assert all(torch.equal(found[key], tensors[key]) for key in tensors)


@pytest.mark.parametrize("data", [b"{", b"[1]", b"[" * 100_000, b"[" + b"9" * 9000 + b"]"])
def test_what_is_no_json_object_is_named(data, tmp_path):
    (tmp_path / "a.json").write_bytes(data)
    with pytest.raises(ValueError, match=r"a.json is not whole JSON; copy it again$"):
        read_json(tmp_path / "a.json")


def test_a_full_disk_leaves_the_old_files(tmp_path, full_disk):
    write_atomic(tmp_path / "old", "old")
    with full_disk(1000):
        with pytest.raises(OSError, match="File too large"):
            write_atomic(tmp_path / "old", "x" * 2000)
        with pytest.raises(OSError, match="weights cannot be written .*File too large"):
            with staged(tmp_path) as new:
                write_atomic(new / "old", "new")
                write_safetensors(new / "weights", {"a": torch.zeros(2000)}, {"b": "c"})
    assert names(tmp_path) == ["old"] and (tmp_path / "old").read_text() == "old"
