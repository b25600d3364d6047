"""Commands of the chapters in processes of their own."""

import sys

import pytest

from companion.runtime.launching import companion_in

several = pytest.mark.skipif(
    sys.platform == "win32", reason="several processes are tested on Linux and macOS"
)


@pytest.mark.gate
@pytest.mark.parametrize("processes", [1, pytest.param(2, marks=several)])
def test_what_went_wrong_is_the_commands_own_line(processes, tmp_path):
    with pytest.raises(RuntimeError) as caught:
        companion_in(processes, ["train", "--data", tmp_path / "none", "--steps", 3, "--device", "cpu"])
    said = str(caught.value)
    assert said.startswith("companion") and "none" in said and "\n" not in said
