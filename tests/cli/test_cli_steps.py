"""Models that write steps: chat --think, eval --tasks steps, finetune rewards --checker."""

import io
import json
import re

import pytest
import torch
from support.command_line import fails
from support.weights import scripted

from companion import load
from companion.__main__ import main
from companion.cli.eval import SEEDS
from companion.cli.finetune._checked_steps import CHECKERS
from companion.evaluation import wilson_interval
from companion.tokenization import BPETokenizer
from companion.training import save_checkpoint
from companion.village.reasoning import MARKS, read_question, step_questions
from companion.village.steps import judge_trace

PROMPTS = [question.prompt for question in step_questions(300, 1)]
SCRIPT = ["?", "<think>", " Mara", " has", " three", ".", "</think>", "three"]
PROVED = "Mara has three plums. How many plums does Mara have now?"
LUCKY = "Mara has two plums. Mara found one. How many plums does Mara have now?"
FALSE = "Mara has two plums. How many plums does Mara have now?"


@pytest.fixture(scope="module")
def thinker(tmp_path_factory):
    """The folder of a model that answers each question with the same step and the same answer."""
    folder = tmp_path_factory.mktemp("thinker")
    tokenizer = BPETokenizer.train([*PROMPTS, *["three"] * 300], 380, ("<|endoftext|>", *MARKS))
    ids = [i for text in SCRIPT for i in tokenizer.encode(text, "all")]
    assert len(ids) == len(SCRIPT)
    model = scripted(tokenizer, dict(zip(ids, [*ids[1:], tokenizer.end], strict=True)), context=200)
    with torch.no_grad():
        model.head.weight *= 0.4  # at temperature 1, some of its texts are this one
    save_checkpoint(folder, model, tokenizer)
    return folder


def think(capsys, thinker, *more):
    capsys.readouterr()
    assert main(["chat", "--think", "--model", str(thinker), *map(str, more)]) == 0
    return capsys.readouterr().out.splitlines()


def test_the_steps_are_folded_until_they_are_asked_for(thinker, capsys):
    lines = think(capsys, thinker, "--say", PROVED, "--say", "steps")
    assert lines[:2] == ["(thought 1 step; type steps to see it)", "three."]
    assert lines[2] == "  ✓ Mara has three."
    assert lines[3].startswith("The answer is right, and it is proved") and len(lines) == 4


@pytest.mark.parametrize(
    ("question", "step", "result"),
    [
        (LUCKY, "  ✗ Mara has three.  (should be: Mara has two.)", "The answer is right, but lucky"),
        (FALSE, "  ✗ Mara has three.  (should be: Mara has two.)", "The answer is wrong. Right is: two."),
    ],
)
def test_a_false_step_is_marked_with_what_is_so(question, step, result, thinker, capsys):
    *_, shown, said = think(capsys, thinker, "--say", question, "--say", "steps")
    assert shown == step and said.startswith(result)


def test_enter_tells_another_story_and_a_question_about_it_is_answered(thinker, capsys, monkeypatch):
    monkeypatch.setattr("sys.stdin", io.StringIO("\n\nHello?\nsteps\nexit\nsteps\n"))
    lines = think(capsys, thinker, "--seed", 2)
    assert [line for line in lines if line.startswith("How many ")] == [lines[1], lines[5]]
    assert lines[0] != lines[4]
    assert "'Hello?' is no question that can be read; write “Otto has five plums.”" in lines[8]
    assert lines[-1].startswith("The answer is ")
    name, goods = re.match(r"(\w+) has \w+ (\w+)[.]", lines[4]).groups()
    monkeypatch.setattr("sys.stdin", io.StringIO(f"\n\nHow many {goods} does {name} have now?\n"))
    assert think(capsys, thinker, "--seed", 2)[8:] == ["(thought 1 step; type steps to see it)", "three."]


def test_most_of_several_texts_decide(thinker, capsys):
    about, answer = think(capsys, thinker, "--vote", 20, "--seed", 1, "--say", PROVED)
    said = re.fullmatch(r"\(thought 1 step; (\d+) of 20 texts say three; type steps to see it\)", about)
    assert answer == "three." and 2 < int(said[1]) < 20


def test_what_cannot_be_read_ends_nothing(thinker, capsys):
    said = ["steps", "Hi", PROVED, PROVED.replace(" now", "")]
    lines = think(capsys, thinker, *(part for text in said for part in ("--say", text)))
    assert lines[0] == "(there is no answer yet; press Enter for a story)"
    assert lines[1].startswith("('Hi' is no question that can be read; write “Otto has five plums.”")
    assert lines[2:] == ["(thought 1 step; type steps to see it)", "three."] * 2


BAD = {
    "a model without steps": ("--model data/models/village", "has no tokens <think> and </think>"),
    "what only the other chat does": ("--top-k 3", "--top-k does not work with --think; leave it out"),
}


@pytest.mark.parametrize("case", BAD)
def test_what_does_not_fit_is_one_line(case, thinker, capsys):
    argv, rule = BAD[case]
    more = argv.split() if "--model" in argv else ["--model", thinker, *argv.split()]
    fails(capsys, ["chat", "--think", *more], 2, rule)


def test_votes_need_steps(capsys):
    fails(capsys, ["chat", "--vote", "3"], 2, "--vote works with --think only")


# -- eval --tasks steps ------------------------------------------------------------------------------------


def test_each_number_of_steps_has_a_line_with_the_shares_right_and_proved(thinker, capsys):
    capsys.readouterr()
    assert main(["eval", "--model", str(thinker), "--tasks", "steps", "--examples", "40"]) == 0
    heads, *lines = capsys.readouterr().out.splitlines()
    assert heads.split() == [*"steps right 95 % interval proved 95 % interval questions".split()]
    assert [line.split()[0] for line in lines] == list("12345678")
    for steps, line in enumerate(lines, 1):
        questions = step_questions(40, SEEDS + 1, [steps])
        verdicts = [judge_trace(question, "<think> Mara has three.</think>three") for question in questions]
        expected = []
        for n in (sum(v.right for v in verdicts), sum(v.right and v.sound for v in verdicts)):
            low, high = wilson_interval(n, 40)
            expected += [f"{n / 40:.3f}", f"{low:.3f}", "to", f"{high:.3f}"]
        assert line.split()[1:] == [*expected, "40"]


def test_steps_are_asked_of_a_model_that_writes_them(thinker, capsys):
    fails(capsys, ["eval", "--tasks", "steps"], 2, "has no tokens <think> and </think>")
    fails(
        capsys,
        ["eval", "--model", thinker, "--tasks", "steps,who-has", "--shots", "1"],
        2,
        "--shots does not",
    )


# -- finetune rewards --checker ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("checker", "switch"), [("steps", "grpo"), pytest.param("answer", "dr_grpo", marks=pytest.mark.gate)]
)
def test_a_checker_rewards_and_the_report_has_both_sides(checker, switch, thinker, tmp_path, capsys):
    out = tmp_path / "out"
    argv = ["finetune", "rewards", "--model", thinker, "--output", out, "--checker", checker]
    argv += ["--switch", switch, "--steps", 2, "--prompts", 8, "--size", 8, "--asked", 16]
    assert main([str(word) for word in argv]) == 0
    said = capsys.readouterr().out
    assert "Trained for 2 steps.\nMeasured on 16 new questions of one to eight steps" in said
    assert f"companion chat --think --model {out}" in said
    report = json.loads((out / "report.json").read_text("utf-8"))
    for when in ("before", "after"):
        low, high = report[when]["right interval"]
        assert low <= report[when]["right"] <= high and report[when]["proved"] <= report[when]["right"]
    changed, before = load(out, "cpu").model.state_dict(), load(thinker, "cpu").model.state_dict()
    assert any(not torch.equal(weight, before[name]) for name, weight in changed.items())


def test_a_step_counts_beside_the_answer():
    question = read_question(LUCKY)
    answers = {"<think> Mara has two. Mara got one: three.</think> three.": (1, 2)}
    answers |= {"<think> Mara has three.</think> three.": (1, 0.5), " three.": (1, 1), " two.": (0, 0)}
    answers |= {"<think> Mara has two. Mara got one: four.</think> four.": (0, 0), "<think> Hm.": (0, -0.5)}
    for text, rewards in answers.items():
        assert (CHECKERS["answer"](question, text), CHECKERS["steps"](question, text)) == rewards, text


@pytest.mark.parametrize(
    ("argv", "rule"),
    [
        ("--switch dapo", "--switch works with --checker only; leave it out"),
        ("--checker steps --method grpo", "--method does not work with --checker; leave it out"),
        ("--checker answer --data pairs.jsonl", "--data does not work with --checker; leave it out"),
        ("--checker answer --model data/models/answerer", "has no tokens <think> and </think>"),
    ],
)
def test_rewards_that_do_not_fit_are_one_line(argv, rule, capsys):
    fails(capsys, ["finetune", "rewards", *argv.split()], 2, rule)
