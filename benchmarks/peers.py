"""All measurements against the peers, in one run: training, decoding with a cache, quality for time.

    git clone https://github.com/karpathy/nanoGPT
    pip install transformers
    python benchmarks/peers.py nanoGPT [--threads 1] [--quick] [--parts training decoding quality]
    python benchmarks/peers.py --table     # draw the tables and the figure again from the log

training.py, decoding.py and quality.py say what each part does. What comes out is printed and written to
data/models/peers.json, one entry for each set of instructions (with ATEN_CPU_CAPABILITY=avx2,
ONEDNN_MAX_CPU_ISA=AVX2 and MKL_ENABLE_INSTRUCTIONS=AVX2 in the environment, a processor has no AVX-512), and
one part replaces that part alone. From the log come the tables in docs/benchmarks.md, between two markers,
and the figure data/models/peers.png. --quick tries everything out in a few minutes, and writes nothing.

Rows in bfloat16 are left out where the processor has no instructions for it, and compiled ones where there is
no C++ compiler. On CUDA or MPS, if one is there, ten steps are compared with those on the CPU.
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
from logs import memory_speed, processor

from companion.village import DATA

ROOT = Path(__file__).resolve().parents[1]
LOG, FIGURE = DATA / "models" / "peers.json", DATA / "models" / "peers.png"
PAGE = ROOT / "docs" / "benchmarks.md"
BEGIN, END = "<!-- peers: python benchmarks/peers.py NANOGPT -->", "<!-- end of peers -->"
PARTS = ("training", "decoding", "quality")


# -- what it ran on -----------------------------------------------------------


def instructions() -> str:
    """The widest set of instructions in use."""
    found = torch.backends.cpu.get_cpu_capability()
    return {"AVX512": "AVX-512", "DEFAULT": platform.machine()}.get(found, found)


def commit(folder: Path) -> str:
    """The commit of a clone, ten letters; "" for a folder that is none."""
    call = ["git", "-C", str(folder), "rev-parse", "HEAD"]
    done = subprocess.run(call, capture_output=True, text=True, check=False)
    inside = (folder / ".git").exists()  # not a folder within another clone
    return done.stdout.strip()[:10] if inside and not done.returncode else ""


def about(folder: Path, threads: int) -> dict:
    """What stands beside the numbers."""
    import transformers

    versions = {"PyTorch": torch.__version__.split("+")[0], "transformers": transformers.__version__}
    return {"processor": processor(), "threads": threads, "nanoGPT": commit(folder), **versions}


# -- the parts ------------------------------------------------------------------


def run_training(folder: Path, threads: int, quick: bool) -> list[dict]:
    """Tokens per second of training, against nanoGPT."""
    from training import SHAPE, against_nano

    from companion.runtime.models.devices import multiplies_bfloat16

    forced = os.environ.get("ONEDNN_MAX_CPU_ISA", "").upper().startswith("AVX2")
    fast = multiplies_bfloat16(torch.device("cpu")) and not forced
    rows = []
    for dtype in ("float32", "bfloat16") if fast else ("float32",):
        for compiled in (False, True) if shutil.which("g++") or shutil.which("clang++") else (False,):
            sizes = (2, 2) if quick else (7, 6)
            rows.append(against_nano(dtype, sizes[0], folder, SHAPE, compiled, sizes[1]))
    return rows


def run_decoding(folder: Path, threads: int, quick: bool) -> list[dict]:
    """Tokens told per second with a cache, against transformers."""
    import transformers
    from decoding import SHAPES, compare

    transformers.logging.set_verbosity_error()
    speed, rows = memory_speed(), []
    for name in SHAPES:
        for batch in (1, 16):
            small = name.startswith("small")
            kinds = ("loop", "generate") if small else ("loop",)
            rows += compare(name, batch, 1 if quick else 7 if small else 3, speed, kinds)
    return rows


def run_quality(folder: Path, threads: int, quick: bool) -> list[dict]:
    """Bits per byte on held-out English after a minute, against nanoGPT's recipe."""
    from quality import quality

    rows = quality(folder, 3 if quick else 60, threads)
    for row in rows:
        print(row, flush=True)
    return rows


RUNS = {"training": run_training, "decoding": run_decoding, "quality": run_quality}


def other_device() -> str:
    """One line: ten steps on CUDA or MPS beside those on the CPU, or that there is none."""
    from functools import partial

    from training import SHAPE, windows

    from companion.gpt import gpt2
    from companion.runtime.models.devices import pick_device
    from companion.training import TrainConfig, Trainer, training_batches

    device = pick_device("auto")
    if device.type == "cpu":
        return "no CUDA or MPS here: nothing to compare with the CPU"
    losses, split = {}, windows(20_000)
    for name in (device.type, "cpu"):
        config = TrainConfig(steps=10, batch_size=8, context_length=256, dtype="float32", device=name)
        torch.manual_seed(0)
        trainer = Trainer(gpt2(SHAPE), partial(training_batches, split, config), config)
        losses[name] = [trainer.step() for _ in range(10)]
    apart = max(abs(a - b) for a, b in zip(*losses.values(), strict=True))
    return f"{device.type}: the losses of ten steps differ from the CPU's by at most {apart:.1e}"


# -- the log, the table, the figure ------------------------------------------------


def read_log(path: Path = LOG) -> dict:
    """The log: {instructions: {"about": …, part: rows}}; {} where there is none."""
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}


def note(path: Path, name: str, facts: dict, part: str, rows: list[dict]) -> None:
    """Put the rows of one part into the log, in the place of those that were there."""
    log = read_log(path)
    log.setdefault(name, {})
    log[name] |= {"about": facts, part: rows}
    path.write_text(json.dumps(log, indent=1) + "\n", encoding="utf-8", newline="\n")


def render(log: dict) -> str:
    """The log as Markdown: for each set of instructions what it ran on, and a table."""
    parts = []
    for name, entry in log.items():
        facts = entry["about"]
        threads = "one thread" if facts["threads"] == 1 else f"{facts['threads']} threads"
        versions = f"PyTorch {facts['PyTorch']}, transformers {facts['transformers']}"
        peer = f"nanoGPT {facts['nanoGPT']}" if facts["nanoGPT"] else "nanoGPT"
        lines = [f"{facts['processor']} with {name}, {threads}; {versions}, {peer}:", ""]
        lines += ["| what | companion | peer | ratio |", "|:---|---:|---:|---:|"]
        for row in entry.get("training", []):
            lines.append(speed_row(f"training, {row['what']}", row, "nanoGPT"))
        for row in entry.get("decoding", []):
            share = f", {row['bandwidth']:.0%} of the memory's speed" if "bandwidth" in row else ""
            lines.append(speed_row(f"telling, {row['what']}{share}", row, "transformers"))
        lines += quality_lines(entry.get("quality", []))
        parts.append("\n".join(lines))
    return "\n\n".join(parts)


def quality_lines(rows: list[dict]) -> list[str]:
    """Lines of bits per byte; ratios to nanoGPT's lower one."""
    best = min((row["bits_per_byte"] for row in rows if row["name"].startswith("nanoGPT")), default=1.0)
    lines = []
    for row in rows:
        who, how = row["name"].split(", ", 1)
        bits = row["bits_per_byte"]
        what = f"bits per byte of held-out English after {row['seconds']:.0f} s, {row['dtype']}: {how}"
        columns = f"{bits:.2f} | | {bits / best:.2f}" if who == "companion" else f"| {who} {bits:.2f} |"
        lines.append(f"| {what} | {columns} |")
    return lines


def speed_row(what: str, row: dict, peer: str) -> str:
    """A line of the table: tokens per second, and their ratio."""
    return f"| {what} | {row['ours']:,} | {peer} {row['theirs']:,} | {row['ratio']:.2f} |"


def fill(page: str, log: dict) -> str:
    """The page's text with the tables of the log between its two markers."""
    before, rest = page.split(BEGIN, 1)
    return f"{before}{BEGIN}\n{render(log)}\n{END}{rest.split(END, 1)[1]}"


def ratios(entry: dict) -> dict[str, float]:
    """{what: ratio of speeds} of an entry of the log."""
    rows = {f"training, {row['what']}": row["ratio"] for row in entry.get("training", [])}
    return rows | {f"telling, {row['what']}": row["ratio"] for row in entry.get("decoding", [])}


def draw(log: dict, path: Path = FIGURE) -> None:
    """The ratios of speeds as dots, a row each, a color for each set of instructions, into a file."""
    import matplotlib.pyplot as plt

    from companion.show import plots

    plt.switch_backend("agg")
    plots.use_style()
    found = {name: ratios(entry) for name, entry in log.items()}
    names = list(dict.fromkeys(what for rows in found.values() for what in rows))
    names.sort(key=lambda what: what.startswith("telling"))  # training first; else as they come
    fig, ax = plt.subplots(figsize=(plots.WIDTH, 0.9 + 0.3 * len(names)))
    looks = [(-0.14, plots.BLUE), (0.14, plots.VERMILLION), (0, plots.PURPLE)]
    for name, (shift, color) in zip(found, looks, strict=False):
        places = [(found[name][what], i + shift) for i, what in enumerate(names) if what in found[name]]
        ax.plot(*zip(*places, strict=True), "o", color=color, markersize=5, label=name)
    ax.legend(loc="lower right", bbox_to_anchor=(0.4, 1), ncols=len(looks))
    ax.axvline(1, color=plots.GRAY, linewidth=1.2)
    across = ax.get_xaxis_transform()
    ax.annotate("as fast", (1, 1), (0, 4), across, "offset points", color=plots.GRAY, ha="center")
    ax.set(xlim=(0, None), ylim=(len(names) - 0.5, -0.5))
    ax.set(xlabel="tokens per second, times the peer's")
    ax.set_yticks(range(len(names)), names)
    ax.grid(False, axis="y")
    fig.savefig(path)
    plt.close(fig)


def write(log: dict) -> None:
    """The tables and the figure, from the log."""
    text = fill(PAGE.read_text(encoding="utf-8"), log)
    PAGE.write_text(text, encoding="utf-8", newline="\n")
    draw(log)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("nanogpt", type=Path, nargs="?", help="a clone of nanoGPT")
    parser.add_argument("--threads", type=int, default=1, help="(default: 1)")
    parser.add_argument("--quick", action="store_true", help="try it out, write nothing")
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=PARTS, help="(default: all)")
    parser.add_argument("--table", action="store_true", help="from the log, measure nothing")
    args = parser.parse_args()
    if args.table:
        write(read_log())
        return
    if args.nanogpt is None or not (args.nanogpt / "model.py").is_file():
        parser.error("give the folder of a clone of nanoGPT: its model.py is trained beside ours")
    torch.set_num_threads(args.threads)
    folder = tempfile.TemporaryDirectory()  # compiled for other instructions, what lies there crashes
    os.environ["TORCHINDUCTOR_CACHE_DIR"] = folder.name
    facts = about(args.nanogpt, args.threads)
    print(f"{facts}, {instructions()}")
    for part in args.parts:
        print(f"\n{part}:", flush=True)
        rows = RUNS[part](args.nanogpt, args.threads, args.quick)
        if not args.quick:
            note(LOG, instructions(), facts, part, rows)
    print(f"\n{other_device()}")
    if not args.quick:
        write(read_log())


if __name__ == "__main__":
    main()
