"""Two processes with a thread each against one process with one thread: how much faster, and how equal.

    python benchmarks/processes.py [--rounds 5] [--steps 20] [--d-model 96 240]

The model is the village preset's (4 layers, rows of 256 tokens, batches of 16), on the shipped stories, by
default also at 240 wide. A step is two batches: one process accumulates them, two share them, by DDP or FSDP2
over gloo. In each round the three take turns, so that a slow spell of the machine hits all; the printed
speed-up is the median over rounds of (seconds of one process / seconds of two). It needs two idle cores.
Equality is measured in the first round, after the steps: the largest difference of a loss, and of a weight,
with and without the biases of keys, whose true gradient is 0.
"""

import argparse
import json
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from functools import partial
from pathlib import Path

WAYS = {"one": 1, "ddp": 2, "fsdp": 2}


def work(way: str, width: int, steps: int, folder: Path) -> None:
    """What one process does: train, and let the first write losses, weights and seconds."""
    import torch
    from safetensors.torch import save_file

    from companion import village
    from companion.datasets import encode_documents
    from companion.gpt import GPTConfig, gpt2
    from companion.runtime.storage.checkpoints import unwrapped
    from companion.runtime.training import distributed
    from companion.scaling import DistributedTrainer
    from companion.tokenization import Tokenizer
    from companion.training import TrainConfig, Trainer, training_batches

    torch.set_num_threads(1)
    tokenizer = Tokenizer.load(village.DATA / "village" / "tokenizer.json")
    split = encode_documents(village.load_split("val"), tokenizer)
    shape = GPTConfig(tokenizer.vocab_size, 256, n_layers=4, n_heads=width // 48, d_model=width)
    config = TrainConfig(steps=1000, batch_size=16, accumulate=2, lr=3.5e-3, device="cpu", dtype="float32")
    torch.manual_seed(0)
    model, batches = gpt2(shape), partial(training_batches, split, config)
    rank, size = distributed.launched()
    if size > 1:
        distributed.join(rank, size)
    by = Trainer if size == 1 else partial(DistributedTrainer, shard=way == "fsdp")
    trainer = by(model, batches, config)
    losses = [trainer.step() for _ in range(steps)]
    state = distributed.whole(unwrapped(trainer.model).state_dict(), keep=rank == 0)
    weights = {name: t.detach().clone() for name, t in state.items()}
    begun, worked = time.perf_counter(), time.process_time()
    for _ in range(steps):
        trainer.step()
    seconds = (time.perf_counter() - begun) / steps
    worked = sum(distributed.ours().gather((time.process_time() - worked) / steps))
    if rank == 0:
        save_file(weights, folder / f"{way}.safetensors", {"losses": json.dumps(losses)})
        (folder / f"{way}.json").write_text(json.dumps([seconds, worked]), encoding="utf-8")
    distributed.ours().meet()
    distributed.leave()


def launch(way: str, width: int, steps: int, folder: Path) -> list[float]:
    """Seconds of a step, and of all processors' work in it."""
    size = WAYS[way]
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        port = s.getsockname()[1]
    env = {n: v for n, v in os.environ.items() if n not in ("RANK", "WORLD_SIZE")} | {"OMP_NUM_THREADS": "1"}
    command = [sys.executable, __file__, "--worker", way, str(width), str(steps), str(folder)]
    processes = []
    for rank in range(size):
        place = {"RANK": str(rank), "WORLD_SIZE": str(size), "MASTER_ADDR": "127.0.0.1"}
        place = place | {"MASTER_PORT": str(port)} if size > 1 else {}
        processes.append(subprocess.Popen(command, env=env | place))
    if any(process.wait() for process in processes):
        raise SystemExit("a process failed")
    return json.loads((folder / f"{way}.json").read_text(encoding="utf-8"))


def differences(folder: Path, way: str) -> str:
    """How far the run of several processes is from that of one."""
    from safetensors import safe_open

    read = []
    for name in ("one", way):
        with safe_open(folder / f"{name}.safetensors", "pt") as file:
            tensors = {key: file.get_tensor(key) for key in file.keys()}
            read.append((json.loads(file.metadata()["losses"]), tensors))
    (losses, ours), (others, theirs) = read
    loss = max(abs(a - b) for a, b in zip(losses, others, strict=True))
    far = {name: (ours[name] - theirs[name]).abs().max().item() for name in ours}
    rest = max(value for name, value in far.items() if not name.endswith("k_proj.bias"))
    return f"losses within {loss:.1e}, weights {rest:.1e} (biases of keys included: {max(far.values()):.1e})"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--d-model", type=int, nargs="+", default=[96, 240], help="multiples of 48")
    args = parser.parse_args()
    for width in args.d_model:
        with tempfile.TemporaryDirectory() as name:
            folder, seconds = Path(name), []
            for number in range(args.rounds):
                seconds.append({way: launch(way, width, args.steps, folder) for way in WAYS})
                if number == 0:
                    for way in ("ddp", "fsdp"):
                        print(f"{width} wide, {way:4}: after {args.steps} steps {differences(folder, way)}")
            for way in ("ddp", "fsdp"):
                ratio, work = (
                    statistics.median(row["one"][i] / row[way][i] for row in seconds) for i in (0, 1)
                )
                step = 1000 * statistics.median(row[way][0] for row in seconds)
                print(f"{width} wide, {way:4}: {ratio:.2f} times one process, {step:.0f} ms a step; ", end="")
                print(f"{2 * work:.2f} times by processors' work, as if two were idle")


if __name__ == "__main__":
    if sys.argv[1:2] == ["--worker"]:
        way, width, steps, folder = sys.argv[2:]
        work(way, int(width), int(steps), Path(folder))
    else:
        main()
