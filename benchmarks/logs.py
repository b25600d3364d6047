"""What the benchmarks share: logs with a row of JSON a training, where missing rows are added, and clocks."""

import json
import platform
import time
from collections.abc import Callable
from pathlib import Path

import torch


def read_rows(log: Path) -> list[dict]:
    """The rows of a log, none if it is not there."""
    return [json.loads(line) for line in log.read_text("utf-8").splitlines()] if log.exists() else []


def holds(log: Path, key: dict) -> bool:
    """Whether a row with these values is there."""
    return any(key.items() <= row.items() for row in read_rows(log))


def append_row(log: Path, row: dict) -> None:
    """Add a row at the end."""
    with log.open("a", encoding="utf-8", newline="\n") as file:
        file.write(json.dumps(row) + "\n")


def add_missing(log: Path, key: dict, make: Callable[[], dict]) -> None:
    """Unless a row with this key is there, make it, add it with what it ran on, and print its figures.

    Args:
        log: The file.
        key: The values that tell this row from others.
        make: Returns the rest of the row.
    """
    if holds(log, key):
        return
    row = key | make() | {"machine": machine()}
    append_row(log, row)
    print({name: value for name, value in row.items() if not isinstance(value, (list, dict))}, flush=True)


def machine() -> str:
    """What a training ran on."""
    instructions = f"{platform.machine()} {torch.backends.cpu.get_cpu_capability()}"
    version = torch.__version__.split("+")[0]
    return f"{instructions}, {torch.get_num_threads()} thread, float32, PyTorch {version}"


def processor() -> str:
    """The processor's name and family, where Linux says them."""
    try:
        lines = Path("/proc/cpuinfo").read_text("utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    facts = dict(map(str.strip, line.split(":", 1)) for line in lines if ":" in line)
    family = f", family {facts['cpu family']}" if "cpu family" in facts else ""
    return facts.get("model name", platform.machine()) + family


def steps_for(split, tokens: int, batch_size: int) -> int:
    """Steps that see about so many tokens: a row is a story."""
    return max(2, round(tokens / (batch_size * (len(split.tokens) - 1) / (len(split.starts) - 1))))


def processor_time(call) -> float:
    """Seconds of processor time that a call takes."""
    begin = time.process_time()
    call()
    return time.process_time() - begin


def memory_speed() -> float:
    """Bytes a second of processor time, waiting included, at which a matrix of 400 MB is read."""
    matrix, vector = torch.ones(10_000, 10_000), torch.ones(10_000)
    times = []
    for _ in range(5):
        times.append(processor_time(lambda: matrix @ vector))
    return matrix.nbytes / min(times)


def note_instructions(log: Path, entry: dict, indent: int | None = None) -> None:
    """Put an entry into a log that has one for each set of instructions, in the place of an older one."""
    entries = json.loads(log.read_text("utf-8")) if log.exists() else {}
    entries[torch.backends.cpu.get_cpu_capability()] = entry
    log.parent.mkdir(exist_ok=True)
    log.write_text(json.dumps(entries, indent=indent) + "\n", encoding="utf-8")
