"""Several processes that train one model (chapter 12): torchrun starts them, torch.distributed connects them.

torchrun sets RANK, LOCAL_RANK and WORLD_SIZE. If one process ends, torchrun ends the others and shows
PyTorch's error. Process 0, the main one, alone writes files and prints. Without torchrun, each function here
is a few `if`s, and PyTorch is not even imported.
"""

import copy
import os
import subprocess
import sys
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

LONGEST_WAIT = timedelta(days=1)  # for the main process, which may judge stories; torchrun sees who died


def _group() -> Any:
    """Return torch.distributed if this process is in a group, else None."""
    dist = sys.modules.get("torch.distributed")
    return dist if dist and dist.is_available() and dist.is_initialized() else None


def world_size() -> int:
    """Return the number of processes."""
    dist = _group()
    return dist.get_world_size() if dist else 1


def is_main() -> bool:
    """Return whether this is the process that writes files and prints."""
    dist = _group()
    return dist is None or dist.get_rank() == 0


def enter(command: str, is_shared: bool) -> bool:
    """Join the other processes that torchrun started; return whether this one has work to do.

    A command that is not shared is done by the main process alone.
    """
    if int(os.environ.get("WORLD_SIZE") or 1) == 1:  # without torchrun
        return True
    rank = int(os.environ.get("RANK") or 0)
    if not is_shared:
        if rank == 0:
            print(f"companion: one of the processes does {command}; the others end", file=sys.stderr)
        return rank == 0
    import torch
    from torch import distributed as dist

    has_gpu = torch.cuda.is_available()
    local_rank = int(os.environ.get("LOCAL_RANK") or 0)
    if has_gpu and local_rank < torch.cuda.device_count():
        torch.cuda.set_device(local_rank)
    dist.init_process_group("cpu:gloo,cuda:nccl" if has_gpu else "gloo", timeout=LONGEST_WAIT)
    if rank != 0:
        sys.stdout = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115 (until the process ends)
    return True


def leave() -> None:
    """Leave the group, if this process is in one."""
    dist = _group()
    if dist:
        dist.destroy_process_group()


def broadcast(value: Any) -> Any:
    """Return the main process's value in all processes."""
    dist = _group()
    if dist is None:
        return value
    values = [value]
    dist.broadcast_object_list(values)
    return values[0]


def any_process(flag: bool) -> bool:
    """Return whether the flag is set in at least one process."""
    dist = _group()
    if dist is None:
        return flag
    import torch

    flags = torch.tensor([int(flag)])
    dist.all_reduce(flags, op=dist.ReduceOp.MAX)
    return bool(flags.item())


def shared_device(name: str) -> str:
    """Return the device of each process: for auto a GPU of its own, if there is any, else the CPU.

    Raises:
        ValueError: For a single device, which processes cannot share.
    """
    if world_size() == 1 or name == "cpu":
        return name
    if name not in ("auto", "cuda"):
        raise ValueError(f"device={name!r} is one for all processes; use cpu, or cuda for one GPU each")
    import torch

    return "cuda" if name == "cuda" or torch.cuda.is_available() else "cpu"


def check_shares(accumulate: int, size: int) -> None:
    """Raise ValueError if a step's batches cannot be dealt out evenly to so many processes."""
    if accumulate % size:
        rule = f"must be a multiple of the {size} processes, which share a step's batches"
        raise ValueError(f"accumulate={accumulate} {rule}; try {max(1, round(accumulate / size)) * size}")


def exchange_gradients(model: Any, now: bool) -> None:
    """Let the next backward pass end with the mean over all processes, or only add to these gradients."""
    if hasattr(model, "set_requires_gradient_sync"):  # FSDP2
        model.set_requires_gradient_sync(now)
    else:  # DDP; its own no_sync() sets the same
        model.require_backward_grad_sync = now


def is_sharded(tensor: Any) -> bool:
    """Return whether FSDP left this process only a part of a tensor."""
    return hasattr(tensor, "device_mesh")


def full_tensors(tensors: dict) -> dict:
    """Gather the tensors of which FSDP left each process a part. All processes call this.

    Only the main process gets them; the others get {}.
    """
    found = {}
    for name, tensor in tensors.items():
        full = tensor.full_tensor().cpu() if is_sharded(tensor) else tensor
        if is_main():
            found[name] = full
    return found


def shard_like(tensor: Any, like: Any) -> Any:
    """Return this process's part of a full tensor, if `like` is sharded; else the tensor."""
    if not is_sharded(like) or tensor.shape != like.shape:
        return tensor
    from torch.distributed.tensor import distribute_tensor

    tensor = tensor.to(like.device, like.dtype)
    return distribute_tensor(tensor, like.device_mesh, like.placements, src_data_rank=None)


def empty_copy(model: Any) -> Any:
    """Return a model of the same parts without numbers: its weights are on the meta device."""
    import torch

    memo = {id(t): torch.empty_like(t, device="meta") for t in [*model.parameters(), *model.buffers()]}
    for p in model.parameters():
        memo[id(p)] = torch.nn.Parameter(memo[id(p)], p.requires_grad)
    return copy.deepcopy(model, memo)


def companion_in(processes: int, words: Sequence) -> None:
    """Run `companion` with these words; with more than one process, under torchrun, and wait for its end.

    Raises:
        RuntimeError: With the command's own message, if it fails, or else with all that it printed.
    """
    torchrun = ["-m", "torch.distributed.run", f"--nproc-per-node={processes}", "--standalone"]
    torchrun.append("--local-addr=127.0.0.1")  # not the machine's name, which a network may fail to find
    torchrun.append("--max-restarts=1")  # if the processes do not find each other
    command = [sys.executable, *(torchrun if processes > 1 else []), "-m", "companion", *map(str, words)]
    settings = os.environ | {"OMP_NUM_THREADS": "1", "USE_LIBUV": "0"}  # Windows' PyTorch has no libuv
    done = subprocess.run(command, env=settings, capture_output=True, text=True, encoding="utf-8")
    if done.returncode:
        printed = done.stderr + done.stdout
        ours = [line for line in printed.splitlines() if line.startswith("companion: ")]
        raise RuntimeError(ours[0] if ours else f"companion ended with status {done.returncode}:\n{printed}")
