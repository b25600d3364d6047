"""The command line, whose training stands still behind its first save until a file lets it go on.

`python tests/support/held.py train … --checkpoint FOLDER` waits for the file FOLDER.go: so a test of
test_distributed.py has all the time that it needs to stop the run there.
"""

import runpy
import sys
import time
from pathlib import Path

from companion import training

FOLDER = Path(sys.argv[sys.argv.index("--checkpoint") + 1])
SET_RATE = training.set_rate


def wait_and_set_rate(*given):
    """What each step begins with."""
    end = time.monotonic() + 600  # of a test that has died
    while (FOLDER / "log.jsonl").exists() and not FOLDER.with_suffix(".go").exists():
        assert time.monotonic() < end
        time.sleep(0.01)
    return SET_RATE(*given)


training.set_rate = wait_and_set_rate
runpy.run_module("companion", run_name="__main__", alter_sys=True)
