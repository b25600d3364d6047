"""Speed and quality beside other programs, in turns: nanoGPT for training, transformers for decoding.

    git clone https://github.com/karpathy/nanoGPT
    pip install transformers
    python benchmarks/peers.py nanoGPT [--threads 1] [--parts training decoding quality]

training.py, decoding.py and quality.py say what each part does. What comes out is printed and written to
data/models/peers.json, one entry for each set of instructions (with ATEN_CPU_CAPABILITY=avx2,
ONEDNN_MAX_CPU_ISA=AVX2 and MKL_ENABLE_INSTRUCTIONS=AVX2 in the environment, a processor has no AVX-512), and
one part replaces that part alone.

Rows in bfloat16 are left out where the processor has no instructions for it, and compiled ones where there is
no C++ compiler.
"""

import argparse
import json
import os
import platform
import shutil
import subprocess
import tempfile
from pathlib import Path

import torch
import transformers
from decoding import SHAPES, compare
from logs import memory_speed, processor
from quality import quality
from training import against_nano

from companion.runtime.models.devices import multiplies_bfloat16
from companion.village import DATA

LOG = DATA / "models" / "peers.json"


def instructions() -> str:
    """The widest set of instructions in use."""
    found = torch.backends.cpu.get_cpu_capability()
    return {"AVX512": "AVX-512", "DEFAULT": platform.machine()}.get(found, found)


def about(folder: Path, threads: int) -> dict:
    """What stands beside the numbers."""
    call = ["git", "-C", str(folder), "rev-parse", "HEAD"]
    commit = subprocess.run(call, capture_output=True, text=True, check=True).stdout[:10]
    versions = {"PyTorch": torch.__version__.split("+")[0], "transformers": transformers.__version__}
    return {"processor": processor(), "threads": threads, "nanoGPT": commit, **versions}


def run_training(folder: Path, threads: int) -> list[dict]:
    """Tokens per second of training, against nanoGPT."""
    forced = os.environ.get("ONEDNN_MAX_CPU_ISA", "").upper().startswith("AVX2")
    fast = multiplies_bfloat16(torch.device("cpu")) and not forced
    rows = []
    for dtype in ("float32", "bfloat16") if fast else ("float32",):
        for compiled in (False, True) if shutil.which("g++") or shutil.which("clang++") else (False,):
            rows.append(against_nano(dtype, folder, compiled))
    return rows


def run_decoding(folder: Path, threads: int) -> list[dict]:
    """Tokens told per second with a cache, against transformers."""
    transformers.logging.set_verbosity_error()
    speed = memory_speed()
    rows = []
    for name in SHAPES:
        for batch in (1, 16):
            rows += compare(name, batch, speed)
    return rows


RUNS = {"training": run_training, "decoding": run_decoding, "quality": quality}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("nanogpt", type=Path, help="a clone of nanoGPT: its model.py is trained beside ours")
    parser.add_argument("--threads", type=int, default=1, help="(default: 1)")
    parser.add_argument("--parts", nargs="+", choices=RUNS, default=RUNS, help="(default: all)")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    folder = tempfile.TemporaryDirectory()  # compiled for other instructions, what lies there crashes
    os.environ["TORCHINDUCTOR_CACHE_DIR"] = folder.name
    facts = about(args.nanogpt, args.threads)
    print(f"{facts}, {instructions()}")
    for part in args.parts:
        rows = RUNS[part](args.nanogpt, args.threads)
        print(part, *rows, sep="\n", flush=True)
        log = json.loads(LOG.read_text("utf-8"))
        entry = log.get(instructions(), {})
        log[instructions()] = entry | {"about": facts, part: rows}
        LOG.write_text(json.dumps(log, indent=1) + "\n", encoding="utf-8", newline="\n")


if __name__ == "__main__":
    main()
