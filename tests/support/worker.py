"""The two processes of runtime/test_distributed.py: each carries out commands in order.

`python tests/support/worker.py FILE` imports everything once and then forks: rank 1 is a child of rank 0.
FILE is JSON: a list of dicts with argv, a list for each rank; port; and perhaps press, a rank and the step in
which it gets Ctrl-C.
What came of each is written into FILE.RANK: status, out, err.
"""

import contextlib
import io
import json
import os
import signal
import sys
import time
from pathlib import Path

import torch.distributed.fsdp  # noqa: F401  here, so that it is imported once

import companion.scaling  # noqa: F401  the same
import companion.show.plots  # noqa: F401  the same
from companion import training
from companion.__main__ import main
from companion.cli import _training_report as reports


def carry_out(rank, spec):
    os.environ |= {"RANK": str(rank), "WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1"}
    os.environ["MASTER_PORT"] = str(spec["port"])
    reports.SAMPLE = reports.STORY = 20
    at, set_rate, seen = spec.get("press"), SET_RATE, []

    def pressed(*args):
        seen.append(1)
        if at and at[0] == rank and len(seen) == at[1]:
            os.kill(os.getpid(), signal.SIGINT)
        set_rate(*args)

    training.set_rate = pressed
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        status = main(spec["argv"][rank])
    return {"status": status, "out": out.getvalue(), "err": err.getvalue()}


SET_RATE = training.set_rate

if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.default_int_handler)
    path = Path(sys.argv[1])
    child = os.fork()
    rank = 0 if child else 1
    found = []
    for spec in json.loads(path.read_text(encoding="utf-8")):
        begun = time.monotonic()
        found.append(carry_out(rank, spec))
        said = f"{rank}: {' '.join(spec['argv'][rank])}: {found[-1]['status']}"
        print(f"{said}, {time.monotonic() - begun:.1f} s", file=sys.__stderr__, flush=True)
    Path(f"{path}.{rank}").write_text(json.dumps(found), encoding="utf-8")
    if child:
        sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
