"""Several processes that train one model: how they find one another, agree, speak with one voice, and end.

torchrun, or whoever starts the processes by hand, says who they are in RANK, WORLD_SIZE, MASTER_ADDR and
MASTER_PORT. A process without these is alone: nothing here is then more than an `if`, and PyTorch is not even
imported. Process 0, the first, alone writes files and prints. What goes wrong is said once: by the process
that found it, or, where all found it, by the first to say so; all end with its status. Messages between
processes are JSON, never pickles.
"""

import contextlib
import copy
import gc
import json
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

JOIN = 120  # seconds in which all processes must have come
ANSWER = 20  # seconds in which what listens at the port must have said that it is process 0, or torchrun
LONGEST = timedelta(days=30)
"""How long processes wait for the first, which may judge stories. One that ends is noticed at once."""
GRACE = 5  # seconds that a process has to end by itself after another has ended; it may wait in a GPU's queue
ECHO = 2.0
"""Seconds within which a second Ctrl-C is the first one's echo: torchrun passes it on to processes that the
terminal may have told already."""
NEEDED = ("RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")


class ProcessLost(RuntimeError):
    """Another process of the group has ended, so this one cannot go on."""


# -- who we are ------------------------------------------------------------------


def launched() -> tuple[int, int]:
    """(rank, number of processes), as the environment has them; (0, 1) where it says nothing of several."""
    there = {name: os.environ.get(name, "").strip() for name in NEEDED}
    if not there["RANK"] and not there["WORLD_SIZE"]:
        return 0, 1
    needed = NEEDED[:2] if there["WORLD_SIZE"] == "1" else NEEDED
    for name in needed:
        if not there[name]:
            said = next(f"{other}={there[other]} is set" for other in NEEDED if there[other])
            rule = f"start with torchrun, which sets all of {', '.join(NEEDED)}, or set none"
            raise ValueError(f"{said}, but {name} is not; {rule}")
    numbers = {name: there[name] for name in ("RANK", "WORLD_SIZE", "MASTER_PORT") if name in needed}
    for name, text in numbers.items():
        if not text.isdecimal() or not text.isascii():
            raise ValueError(f"{name}={text:.40} must be a whole number; start with torchrun")
    rank, size = int(there["RANK"]), int(there["WORLD_SIZE"])
    if rank >= size:
        raise ValueError(f"RANK={rank} must be below WORLD_SIZE={size}; processes are counted from 0")
    return rank, size


@dataclass
class Peers:
    """The processes that train a model together: this one is number `rank` of `size`.

    All of them call a method at the same moment. Alone, each gives back what it was given.
    """

    rank: int = 0
    size: int = 1

    @property
    def first(self) -> bool:
        """Whether this is the process that writes and prints."""
        return self.rank == 0

    @property
    def command(self) -> list[str]:
        """How `companion` is typed for so many processes on one machine."""
        return ["torchrun", "--nproc-per-node", str(self.size), "-m"] * (self.size > 1) + ["companion"]

    def gather(self, value: Any) -> list:
        """The values of all processes, in order: whatever JSON can hold."""
        if self.size == 1:
            return [value]
        import torch
        from torch import distributed as dist

        data = torch.frombuffer(bytearray(json.dumps(value).encode()), dtype=torch.uint8)  # (n,)
        lengths = [torch.zeros(1, dtype=torch.int64) for _ in range(self.size)]
        dist.all_gather(lengths, torch.tensor([len(data)]), group=_talk())
        longest = int(max(lengths))
        rows = [torch.zeros(longest, dtype=torch.uint8) for _ in range(self.size)]
        dist.all_gather(rows, torch.cat([data, data.new_zeros(longest - len(data))]), group=_talk())
        return [json.loads(bytes(row[:n].tolist())) for row, n in zip(rows, lengths, strict=True)]

    def same(self, value: Any) -> Any:
        """The value of the first, for all."""
        return self.gather(value if self.first else None)[0]

    def any(self, flag: Any) -> bool:
        """Whether the flag is set in at least one process."""
        if self.size == 1:
            return bool(flag)
        import torch
        from torch import distributed as dist

        flags = torch.tensor([int(bool(flag))])
        dist.all_reduce(flags, op=dist.ReduceOp.MAX, group=_talk())
        return bool(flags.item())

    def meet(self) -> None:
        """Wait until all processes have come here."""
        self.any(False)

    def agree(self, here: dict) -> None:
        """ValueError, in one line, in all processes, at the first of these values in which they differ."""
        for rank, there in enumerate(all_of := self.gather(json.loads(json.dumps(here, default=str)))):
            for name, value in all_of[0].items():
                if there.get(name) != value:
                    rule = "start all with the same options and data"
                    values = f"{value!r:.40} in process 0, {there.get(name)!r:.40} in process {rank}"
                    raise ValueError(f"the processes disagree on {name}: {values}; {rule}")


def peers_of(trainer: Any) -> Peers:
    """Who trains a trainer's model: it says so in `rank` and `world`, if there are several."""
    return Peers(getattr(trainer, "rank", 0), getattr(trainer, "world", 1))


_TALK: list = []


def _talk() -> Any:
    """The group for messages: gloo, whatever the tensors go by, and patient. Made when all first ask."""
    from torch import distributed as dist

    if not _TALK or _TALK[0] is not dist.group.WORLD:
        _TALK[:] = [dist.group.WORLD, dist.new_group(backend="gloo", timeout=LONGEST)]
    return _TALK[1]


# -- coming and going ------------------------------------------------------------------


def enter() -> None:
    """Join the other processes, if there are any, to train with them; the first alone prints."""
    rank, size = launched()
    if size > 1:
        join(rank, size)
    if rank:
        sys.stdout = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115 (until the process's end)


def ours() -> Peers:
    """The processes that were joined; this one alone, if none were."""
    return Peers(_member.rank, _member.size) if _member else Peers()


def join(rank: int, size: int) -> None:
    """Find the others and make torch.distributed's group: gloo for CPUs, and NCCL for GPUs if there are any.

    Raises ValueError, in one line, where the port is in use, or not all come within JOIN seconds.
    """
    global _member
    os.environ.setdefault("TORCH_CPP_LOG_LEVEL", "FATAL")  # what it would warn of is said here, in one line
    address, port = os.environ["MASTER_ADDR"], int(os.environ["MASTER_PORT"])
    if address in ("127.0.0.1", "localhost", "::1") and sys.platform in ("linux", "darwin"):
        os.environ.setdefault("GLOO_SOCKET_IFNAME", {"linux": "lo", "darwin": "lo0"}[sys.platform])
    hosts = rank == 0 and os.environ.get("TORCHELASTIC_USE_AGENT_STORE") != "True"
    if hosts:
        _check_port(port)
    elif not _is_heard(address, port):
        raise ValueError(f"no process 0 at {address}:{port} in {JOIN} s; start it, too, or mend MASTER_ADDR")
    import torch
    from torch import distributed as dist

    try:
        store = dist.PrefixStore("companion", _meet_at_store(hosts))
        store.set_timeout(timedelta(seconds=JOIN))
        _member = Member(rank, size, store, hosts)
        backend = "cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo"
        if (local := int(os.environ.get("LOCAL_RANK", rank))) < torch.cuda.device_count():
            torch.cuda.set_device(local)
        dist.init_process_group(backend, store=dist.PrefixStore("group", store), rank=rank, world_size=size)
        ours().meet()
    except RuntimeError as error:
        if rank:  # whatever it is, process 0 says so
            raise SystemExit(2) from None
        what = f"not all {size} processes came to {address}:{port} in {JOIN} s"
        raise ValueError(f"{what}; start them all, each with its RANK") from error
    _member.begin()


def _meet_at_store(hosts: bool) -> Any:
    """What process 0, or torchrun, keeps for all. RuntimeError where what listens there answers otherwise."""
    from torch import distributed as dist

    found: list = []

    def look() -> None:
        with contextlib.suppress(RuntimeError):
            found.append(next(dist.rendezvous("env://", timeout=timedelta(seconds=JOIN)))[0])

    thread = threading.Thread(target=look, daemon=True)  # PyTorch waits for an answer for ever
    thread.start()
    thread.join(JOIN + 5 if hosts else min(JOIN, ANSWER))
    if not found:
        raise RuntimeError("no store")
    return found[0]


def _check_port(port: int) -> None:
    """ValueError where another program listens at a port."""
    try:
        socket.create_server(("", port)).close()
    except OSError as error:
        raise ValueError(f"MASTER_PORT={port} is in use ({os.strerror(error.errno)}); take another") from None


def _is_heard(address: str, port: int) -> bool:
    """Whether somebody listens at a port, within JOIN seconds."""
    end = time.monotonic() + JOIN
    while time.monotonic() < end:
        try:
            socket.create_connection((address, port), timeout=5).close()
            return True
        except OSError:
            time.sleep(0.1)
    return False


_member: "Member | None" = None


class Member:
    """This process's place in a group that it joined, and a thread that sees when the others have ended."""

    def __init__(self, rank: int, size: int, store: Any, hosts: bool):
        self.rank, self.size, self.store, self.hosts = rank, size, store, hosts
        self.leaving, self.lost = threading.Event(), False

    def begin(self) -> None:
        """Watch the others; SIGTERM, which torchrun sends when one has ended, becomes a ProcessLost."""
        self.bell, button = socket.socketpair()
        self.bell.setblocking(False)
        button.setblocking(False)
        self.button = button
        self.before = signal.signal(signal.SIGTERM, self.told)
        signal.set_wakeup_fd(button.fileno(), warn_on_full_buffer=False)
        self.thread = threading.Thread(target=self.watch, daemon=True)
        self.thread.start()

    def told(self, number: int, frame: Any) -> None:
        if not self.leaving.is_set():
            raise ProcessLost(message(self.size))

    def watch(self) -> None:
        """End the process where it does not end by itself after another one has: it may wait in a queue."""
        while not self.leaving.wait(0.2):
            if (self.others_ended() or self.is_called()) and not self.leaving.wait(GRACE):
                says, status = speaks(1)
                if says:
                    print(f"companion: {message(self.size)}", file=sys.stderr, flush=True)
                with contextlib.suppress(RuntimeError):
                    self.store.add("left", 1)
                os._exit(status)

    def others_ended(self) -> bool:
        """Whether one has said what went wrong, or process 0, who kept what was said, is gone."""
        try:
            return self.store.check(["status"])
        except RuntimeError:
            return True

    def is_called(self) -> bool:
        """Whether SIGTERM came, which Python's own handler notices only between two calls of C."""
        with contextlib.suppress(BlockingIOError):
            return signal.SIGTERM in self.bell.recv(64)
        return False

    def end(self) -> None:
        """Leave the group. Process 0 goes last where it keeps what was said."""
        from torch import distributed as dist

        self.leaving.set()
        if hasattr(self, "thread"):
            self.thread.join(1)
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGTERM, signal.SIG_IGN if self.lost else self.before)
        _TALK.clear()
        with contextlib.suppress(RuntimeError, AssertionError, ValueError):
            dist.destroy_process_group()
        gc.collect()  # closes the connections: whoever waits at one hears it now
        with contextlib.suppress(RuntimeError, ValueError):
            self.store.add("left", 1)
            end = time.monotonic() + (1 if self.lost else 2 * GRACE)
            while self.hosts and self.store.add("left", 0) < self.size and time.monotonic() < end:
                time.sleep(0.05)


def speaks(status: int) -> tuple[bool, int]:
    """Whether this process says what went wrong, and the status it ends with: the first to ask speaks."""
    if not _member:
        return True, status
    try:
        if _member.store.add("said", 1) == 1:
            _member.store.set("status", str(status))
            return True, status
        return False, int(_member.store.get("status"))
    except RuntimeError:  # process 0, who kept what was said, is gone
        return _member.rank == 1, 1


def leave() -> None:
    """End what enter began, if it began something."""
    global _member
    if _member:
        _member.end()
        _member = None


def message(size: int, more: str = "") -> str:
    """What is said where another process has ended."""
    return f"another of the {size} processes has ended, so the run ends" + (more and f"; {more}")


@contextlib.contextmanager
def together(peers: Peers, saved: Callable[[], str] = str) -> Iterator[None]:
    """Inside, what PyTorch says where another process has ended becomes one line, with what saved() adds."""
    try:
        yield
    except RuntimeError as error:
        if peers.size == 1 or not _is_loss(error) or getattr(error, "is_told", False):
            raise
        if _member:
            _member.lost = True
        lost = ProcessLost(message(peers.size, more := saved()))
        lost.is_told = bool(more)
        raise lost from error


def _is_loss(error: RuntimeError) -> bool:
    """Whether an error is of the connection to another process."""
    from torch import distributed as dist

    words = ("gloo", "Connection closed by peer", "Connection reset by peer", "NCCL")
    return isinstance(error, (ProcessLost, dist.DistError)) or any(word in str(error) for word in words)


# -- shares ------------------------------------------------------------------


def check_shares(accumulate: int, size: int) -> None:
    """ValueError, in one line, where a step's batches cannot be dealt out evenly to so many processes."""
    if accumulate % size:
        rule = f"must be a multiple of the {size} processes, which share a step's batches"
        raise ValueError(f"accumulate={accumulate} {rule}; try {max(1, round(accumulate / size)) * size}")


def exchange_gradients(model: Any, now: bool) -> None:
    """Let the next backward pass end with the mean over all processes, or only add to these gradients."""
    if hasattr(model, "set_requires_gradient_sync"):  # FSDP2
        model.set_requires_gradient_sync(now)
    else:  # DDP, which its own no_sync() tells like this, too
        model.require_backward_grad_sync = now


def shared_device(name: str) -> str:
    """The device of each process, by the name that was asked for: for auto a GPU of its own, where there are
    any, else the CPU. Raises ValueError, in one line, for what processes cannot share.
    """
    if ours().size == 1:
        return name
    import torch

    kind, _, number = name.partition(":")
    if number or kind == "mps":
        raise ValueError(f"device={name!r} is one for all processes; use cpu, or cuda for one GPU each")
    there, here = torch.cuda.device_count(), int(os.environ.get("LOCAL_WORLD_SIZE", ours().size))
    if kind == "cpu" or (kind == "auto" and not there):
        return "cpu"
    if 0 < there < here:
        raise ValueError(f"{here} processes need as many GPUs, and PyTorch sees {there}; or use --device cpu")
    return name


def whole(tensors: dict, keep: bool = True) -> dict:
    """Tensors in one piece, where FSDP left each process a share. All processes call this.

    keep: False gives back nothing, as for a process that only lends its shares.
    """
    shares = sys.modules.get("torch.distributed.tensor")
    if shares is None:
        return tensors if keep else {}
    found = {}
    for name, t in tensors.items():
        t = t.full_tensor().cpu() if isinstance(t, shares.DTensor) else t
        if keep:
            found[name] = t
    return found


def spread(value: Any, due: Any) -> Any:
    """A whole tensor as one is due here: this process's share of it, or, where it has no shares, itself."""
    if not hasattr(due, "device_mesh"):
        return value
    from torch.distributed.tensor import distribute_tensor

    return distribute_tensor(
        value.to(due.device, due.dtype), due.device_mesh, due.placements, src_data_rank=None
    )


def empty_copy(model: Any) -> Any:
    """A model of the same parts without numbers: its weights are on the meta device."""
    import torch

    memo = {id(t): torch.empty_like(t, device="meta") for t in [*model.parameters(), *model.buffers()]}
    for p in model.parameters():
        memo[id(p)] = torch.nn.Parameter(memo[id(p)], p.requires_grad)
    return copy.deepcopy(model, memo)
