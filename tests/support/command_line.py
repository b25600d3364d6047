"""What the tests of the command line share; the fixtures are in conftest.py."""

import re

from companion.__main__ import main

TINY = (
    "--n-layers 1 --d-model 16 --n-heads 2 --context-length 32 --steps 3 --eval-every 2 --minutes 0".split()
)
MINE = ["--data", "runs/data/mine"]
SENTENCES = ["The kettle sang on stove %d.", "Nobody counted %d spoons twice.", "A moth read page %d aloud."]


def fails(capsys, argv, status, *words):
    """The command ends with status and one line on stderr that holds the words."""
    capsys.readouterr()
    assert main([str(a) for a in argv]) == status
    err = capsys.readouterr().err
    line = err.strip().splitlines()[-1]
    assert "Traceback" not in err and line.startswith("companion: ")
    for word in words:
        assert str(word) in line, line


def said(capsys, argv):
    """What a command prints; it must end well."""
    capsys.readouterr()
    assert main([str(word) for word in argv]) == 0
    return capsys.readouterr().out


def cell(out: str, name: str) -> str:
    """What a table says beside a name: the words of the second column."""
    (found,) = re.findall(rf"^ *{re.escape(name)}  +(\S+(?: \S+)*)", out, re.MULTILINE)
    return found


def planned(monkeypatch, argv):
    """The plan of a training that is not begun."""
    plans = []
    monkeypatch.setattr("companion.cli.train.learn", lambda plan: plans.append(plan) or (None, None, []))
    monkeypatch.setattr("companion.cli.train.report", lambda *given: None)
    assert main(["train", *argv]) == 0
    return plans[0]


def save_tiny(folder, config, provenance=None):
    """A GPT-2 with random weights in a folder, with a tokenizer of 300 tokens; the folder."""
    import torch

    from companion.datasets import load_text
    from companion.gpt import gpt2
    from companion.tokenization import BPETokenizer
    from companion.training import save_checkpoint

    torch.manual_seed(3)
    tokenizer = BPETokenizer.train(load_text("lamplighter"), 300)
    save_checkpoint(folder, gpt2(config), tokenizer, provenance)
    return folder


class AtOnce:
    """A threading.Timer whose time is over when it starts."""

    def __init__(self, seconds, call):
        self.start = call

    def cancel(self):
        pass
