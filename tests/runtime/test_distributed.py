"""Several processes that train one model: two real ones, with gloo on 127.0.0.1, against one."""

import json
import os
import random
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import distributed as dist

from companion import training
from companion.__main__ import main
from companion.cli import _training_report as reports

pytestmark = [
    pytest.mark.gate,
    pytest.mark.skipif(sys.platform == "win32", reason="several processes are for Linux and macOS"),
]
HERE = Path(__file__).resolve()
SMALL = "--n-layers 2 --d-model 16 --n-heads 2 --context-length 32 --batch-size 3 --minutes 0".split()
SMALL += "--optimizer adamw --lr 0.01".split()
SMALL += "--dtype float32".split()  # auto takes the faster type, by a clock: not always the same
WITHOUT = [*"train --data runs/data/mine --steps 20 --eval-every 5".split(), *SMALL]
RUN = [*WITHOUT, "--accumulate", "2"]
CLOSE = {"rtol": 0, "atol": 1e-5}


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def environment(**more):
    env = {name: value for name, value in os.environ.items() if name not in ("RANK", "WORLD_SIZE")}
    return env | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(HERE.parents[2])} | more


def both(specs, seconds=900):
    """What came of these commands in two processes, a list for each rank: see worker.py."""
    specs = [{"port": free_port()} | spec for spec in specs]
    Path("specs.json").write_text(json.dumps(specs), encoding="utf-8")
    command = [sys.executable, HERE.parents[1] / "support" / "worker.py", "specs.json"]
    pipe = {"stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, env=environment(), start_new_session=True, **pipe) as process:
        try:
            said = process.communicate(timeout=seconds)[1]
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            raise
    print(said)
    assert process.returncode == 0, said
    found = [json.loads(Path(f"specs.json.{rank}").read_text(encoding="utf-8")) for rank in range(2)]
    return list(zip(*found, strict=True))


def alike(*argv):
    """A command that both processes are given."""
    return {"argv": [list(argv)] * 2}


def press_at(monkeypatch, step):
    """Ctrl-C in the middle of so many steps from now."""
    seen, set_rate = [], training.set_rate

    def pressed(*args):
        seen.append(1)
        if len(seen) == step:
            os.kill(os.getpid(), signal.SIGINT)
        set_rate(*args)

    monkeypatch.setattr(training, "set_rate", pressed)


def losses(folder):
    rows = [
        json.loads(line) for line in (Path(folder) / "log.jsonl").read_text(encoding="utf-8").splitlines()
    ]
    return torch.tensor([[row["step"], row["train"], row["val"]] for row in rows], dtype=torch.float64)


def assert_same_run(ours, theirs):
    """Losses and weights within 1e-5, but the biases of keys.

    Attention's softmax does not see these, so their gradient is 0, and what AdamW divides by its own size
    there is the rounding of sums, which differs with their order.
    """
    torch.testing.assert_close(losses(ours), losses(theirs), **CLOSE)
    a, b = (load_file(Path(folder) / "model.safetensors") for folder in (ours, theirs))
    assert a.keys() == b.keys()
    for name in a:
        if not name.endswith("k_proj.bias"):
            torch.testing.assert_close(
                a[name], b[name], **CLOSE, msg=lambda text, name=name: f"{name}: {text}"
            )
    a, b = ({path.name for path in Path(folder).glob("[!.]*")} - {"best"} for folder in (ours, theirs))
    assert a == b


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """All that two processes do in one launch; a folder with runs of one process, and of two."""
    folder, before = tmp_path_factory.mktemp("runs"), os.getcwd()
    os.chdir(folder)
    draw = random.Random(0)
    words = "the kettle sang on stove nobody counted spoons twice moth read page aloud".split()
    for n in range(60):  # documents of 3 to 60 words: batches with unequal numbers of targets
        text = " ".join(draw.choice(words) for _ in range(draw.randint(3, 60)))
        Path("mine").mkdir(exist_ok=True)
        Path(f"mine/{n:02}.txt").write_text(text, encoding="utf-8")
    assert main(["prepare", "mine", "--tokenizer", "word"]) == 0
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(reports, "SAMPLE", 20)
        patch.setattr(reports, "STORY", 20)
        with patch.context() as press:
            press_at(press, 9)
            assert main([*RUN, "--checkpoint", "cut-by-one"]) == 0
        yield dict(zip(SPECS, both(SPECS.values()), strict=True))
    os.chdir(before)


FSDP = ["--parallel", "fsdp"]
SPECS = {
    "ddp": alike(*WITHOUT, "--checkpoint", "ddp"),
    "fsdp": alike(*RUN, "--checkpoint", "fsdp", *FSDP),
    "cut by one": alike(*RUN[:3], "--checkpoint", "cut-by-one", "--resume", *FSDP),
    "cut by two": alike(*RUN, "--checkpoint", "cut-by-two") | {"press": [1, 9]},
    "minutes": alike(*RUN[:3], *SMALL, "--minutes", "0.02", "--checkpoint", "minutes"),
    "other command": alike("info", "--model", "ddp"),
    "not divided": alike(*RUN, "--accumulate", "3"),
    "one device": alike(*RUN, "--device", "cuda:1"),
    "muon, fsdp": alike(*RUN, "--optimizer", "muon", *FSDP),
}
WRONG = {
    "not divided": "accumulate=3 must be a multiple of the 2 processes",
    "one device": "device='cuda:1' is one for all processes; use cpu, or cuda",
    "muon, fsdp": "--parallel=fsdp: Muon needs whole matrices",
}


@pytest.fixture(scope="module")
def one(runs):
    """The same of one process, undisturbed."""
    assert main([*RUN, "--checkpoint", "one"]) == 0
    return "one"


@pytest.mark.parametrize("name", ["ddp", "fsdp"])
def test_two_processes_are_one_that_accumulates(runs, one, name):
    assert [end["status"] for end in runs[name]] == [0, 0]
    assert_same_run(name, one)


def test_batches_are_as_many_as_processes_unless_the_command_says_otherwise(runs):
    assert "2 processes (ddp) share a step's 2 batches." in runs["ddp"][0]["out"]


def test_what_one_process_began_two_end(runs, one):
    assert [end["status"] for end in runs["cut by one"]] == [0, 0]
    assert_same_run("cut-by-one", one)


def test_ctrl_c_in_one_of_two_stops_both_after_the_same_step_and_one_process_goes_on(runs, one):
    assert [end["status"] for end in runs["cut by two"]] == [0, 0]
    out = runs["cut by two"][0]["out"]
    assert "It stopped before step 20" in out and losses("cut-by-two")[-1, 0] == 5
    assert "torchrun --nproc-per-node 2 -m companion train" in out
    assert main([*RUN[:3], "--checkpoint", "cut-by-two", "--resume"]) == 0
    assert_same_run("cut-by-two", one)


def test_minutes_are_as_many_steps_for_both(runs):
    first, second = runs["minutes"]
    assert first["status"] == second["status"] == 0 and second["out"] == ""
    assert len(losses("minutes"))


def test_other_commands_are_done_by_one(runs):
    first, second = runs["other command"]
    assert first["status"] == second["status"] == 0
    assert first["err"] == "companion: one of the processes does info; the others end\n"
    assert "parameters" in first["out"] and second == {"status": 0, "out": "", "err": ""}


@pytest.mark.parametrize("name", WRONG)
def test_bad_input_is_one_line_of_each_process(runs, name):
    assert [end["status"] for end in runs[name]] == [2, 2], runs[name]
    for end in runs[name]:
        (line,) = end["err"].splitlines()
        assert line.startswith("companion: ") and WRONG[name] in line


def test_gradients_are_exchanged_once_a_step_in_its_last_backward_pass():
    from companion.gpt import GPTConfig, gpt2
    from companion.scaling import DistributedTrainer
    from companion.training import TrainConfig

    def batches(first):
        while True:
            yield torch.zeros(2, 5, dtype=torch.int64), torch.ones(2, 5, dtype=torch.int64)

    def count(state, bucket):
        exchanged.append(trainer.left)
        future = torch.futures.Future()
        future.set_result(bucket.buffer())
        return future

    exchanged = []
    dist.init_process_group("gloo", store=dist.HashStore(), rank=0, world_size=1)
    try:
        config = TrainConfig(steps=3, batch_size=2, context_length=5, accumulate=3, device="cpu")
        trainer = DistributedTrainer(gpt2(GPTConfig(7, 5, 1, 1, d_model=4)), batches, config)
        trainer.model.register_comm_hook(None, count)
        for _ in range(3):
            trainer.step()
    finally:
        dist.destroy_process_group()
    assert exchanged == [0, 0, 0]  # no batch was left


# -- processes that end ------------------------------------------------------------------

LONG = [*"train --data runs/data/mine --steps 160 --eval-every 60 --accumulate 2".split(), *SMALL]


@pytest.fixture(scope="module")
def long_one(runs):
    """A longer run of one process, undisturbed."""
    assert main([*LONG, "--checkpoint", "long"]) == 0
    return "long"


def launch(folder):
    """The longer run in two processes of torchrun. It stands still behind its first save: see held.py."""
    torchrun = [
        sys.executable,
        *"-m torch.distributed.run --nproc-per-node 2 --standalone --local-addr 127.0.0.1".split(),
    ]
    return subprocess.Popen(
        [*torchrun, HERE.parents[1] / "support" / "held.py", *LONG, "--checkpoint", folder],
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def begun(folder, processes, seconds=300):
    """Wait until a run has saved something."""
    end = time.monotonic() + seconds
    while not (Path(folder) / "log.jsonl").exists():
        assert time.monotonic() < end and all(process.poll() is None for process in processes)
        time.sleep(0.02)


def test_a_run_of_which_one_process_is_killed_ends_and_goes_on_from_its_last_save(runs, long_one):
    agent = launch("killed")
    begun("killed", [agent])
    children = Path(f"/proc/{agent.pid}/task/{agent.pid}/children").read_text().split()
    os.kill(int(children[-1]), signal.SIGKILL)
    Path("killed.go").touch()
    assert agent.wait(300) != 0 and "ChildFailedError" in agent.stderr.read()
    assert main([*LONG[:3], "--checkpoint", "killed", "--resume"]) == 0
    assert_same_run("killed", long_one)
