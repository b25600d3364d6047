"""companion eval --tasks: the village's questions on any model; a line for each bad input."""

import re

import pytest
import torch
from support.command_line import fails
from support.weights import noisy

from companion import load, village
from companion.__main__ import main
from companion.cli._shared import SHIPPED
from companion.cli.eval import KINDS, SEEDS, names_of_tasks
from companion.evaluation import multiple_choice, wilson_interval
from companion.gpt import GPTConfig, gpt2
from companion.pretrained import save_pretrained
from companion.tokenization import BPETokenizer
from companion.village import load_split
from companion.village.tasks import questions

LINE = re.compile(
    r"(?P<name>\S+) +(?P<right>[\d.]+) +(?P<low>[\d.]+) to (?P<high>[\d.]+)"
    r" +(?P<chance>[\d.]+) +(?P<n>[\d,]+)"
)
HEADS = ["task", "right", "95", "%", "interval", "by", "chance", "questions"]


@pytest.fixture(scope="module")
def teller():
    return load(SHIPPED, device="cpu")


@pytest.fixture
def public(here):
    """A small folder in Hugging Face's layout, which has learned nothing."""
    torch.manual_seed(0)
    tokenizer = BPETokenizer.train(load_split("val")[:20], 300)
    config = GPTConfig(vocab_size=301, context_length=900, n_layers=1, n_heads=2, d_model=12, d_ff=20)
    save_pretrained(noisy(gpt2(config)), tokenizer, here / "public")
    return "public"


def measured(capsys, *argv):
    """What each line says, by task: right, low, high, n, chance; every line below the first is a task's."""
    capsys.readouterr()
    assert main(["eval", "--device", "cpu", *map(str, argv)]) == 0
    heads, *lines = capsys.readouterr().out.splitlines()
    found = [LINE.fullmatch(line) for line in lines]
    assert heads.split() == HEADS and all(found), lines
    names = ("right", "low", "high", "n", "chance")
    return {match["name"]: tuple(float(match[name]) for name in names) for match in found}


@pytest.mark.gate
def test_a_line_for_each_task_in_the_order_asked(capsys, teller):
    found = measured(capsys, "--tasks", "how-many, who-has,how-many", "--examples", "12", "--seed", "5")
    assert [*found] == ["how-many", "who-has"]
    for name, (right, low, high, n, chance) in found.items():
        drawn = questions(12, SEEDS + 5, [KINDS[name]])
        count = int(multiple_choice(teller, drawn).sum())
        assert (right, n) == (round(count / 12, 3), 12)
        assert (low, high) == tuple(round(x, 3) for x in wilson_interval(count, 12))
        assert chance == round(sum(1 / len(asked.choices) for asked in drawn) / 12, 3)
    assert found["how-many"][4] == 0.25 and found["who-has"][0] > 0.7


def test_no_model_was_trained_on_the_stories_that_are_asked_about(capsys):
    fails(capsys, ["prepare", "village", "--seed", SEEDS], 2, f"--seed={SEEDS} must be a whole number from 0")


def test_village_is_all_its_kinds():
    assert names_of_tasks("village") == [*KINDS] == names_of_tasks("village,who-has")
    assert len(KINDS) == 7 and "where-is-somebody" in KINDS


def test_shots_stand_before_each_question(public, capsys, monkeypatch):
    asked = []
    monkeypatch.setattr(
        "companion.cli.eval.multiple_choice", lambda teller, examples: asked.extend(examples) or torch.ones(2)
    )
    measured(capsys, "--model", public, "--tasks", "who-is", "--shots", "1", "--examples", "2")
    first, second, third = questions(3, SEEDS + 1, ["who is"])
    assert asked[0].prompt == f"{second.prompt}{second.answer}{second.rest}\n\n{first.prompt}"
    assert asked[1].prompt == f"{third.prompt}{third.answer}{third.rest}\n\n{second.prompt}"


@pytest.mark.gate
def test_the_loss_is_there_when_it_is_asked_for(public, capsys, monkeypatch):
    monkeypatch.setattr(village, "load_split", lambda split: ["Once, it was one day."] * 3)
    asked = ["eval", "--model", public, "--tasks", "how-many", "--examples", "2"]
    for more, is_there in (([], False), (["--stories", "0"], True)):
        assert main([*asked, *more]) == 0
        out = capsys.readouterr().out
        assert ("bits per byte" in out) == is_there and "how-many  " in out.splitlines()[-1]


BAD = {
    "no task": (
        "--tasks who-hass",
        "--tasks=who-hass is no task: name some of who-has, where",
        "lm_eval has public",
    ),
    "nothing": ("--tasks ,", "names no task; try who-has, or village"),
    "shots of nothing": ("--shots 2", "--shots works with --tasks only"),
    "heat of nothing": ("--tasks who-has --temperature 1", "--temperature concerns the judged stories"),
}


@pytest.mark.parametrize("case", BAD)
def test_what_cannot_be_asked_is_one_line_before_any_work(case, here, capsys, monkeypatch):
    monkeypatch.setattr("companion.cli.eval.multiple_choice", None)
    argv, *words = BAD[case]
    fails(capsys, ["eval", *argv.split()], 2, *words)
    assert len(capsys.readouterr().err.splitlines()) == 0
