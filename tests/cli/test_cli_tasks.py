"""companion eval --tasks: the village's questions and benchmarks, on any model; a line for each bad input."""

import json
import re
import sys

import pytest
import torch
from support.benchmark_rows import ARC, GSM8K, ROWS, write, write_mmlu_csv
from support.cases import cases
from support.command_line import fails
from support.folders import raises_one_line
from support.weights import noisy

from companion import load, village
from companion.cli._benchmark_files import FORMATS, Item, read_benchmark
from companion.cli._exams import KINDS, SEEDS, Exam, by_letters, exam_of, names_of_tasks, score
from companion.cli import main
from companion.cli._shared import SHIPPED
from companion.evaluation import choice_scores, wilson_interval
from companion.gpt import GPTConfig, gpt2
from companion.pretrained import save_pretrained
from companion.tokenization import BPETokenizer
from companion.village import load_split
from companion.village.tasks import questions

CASES = cases(__file__)

LINE = re.compile(
    r"(?P<name>\S+) +(?P<right>[\d.]+) +(?P<low>[\d.]+) to (?P<high>[\d.]+)"
    r" +(?P<chance>[\d.]+|–) +(?P<n>[\d,]+)"
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
    return {
        match["name"]: tuple(float(match[name]) if match[name] != "–" else None for name in names)
        for match in found
    }


@pytest.mark.gate
def test_a_line_for_each_task_in_the_order_asked(capsys, teller):
    found = measured(capsys, "--tasks", "how-many, who-has,how-many", "--examples", "12", "--seed", "5")
    assert [*found] == ["how-many", "who-has"]
    for name, (right, low, high, n, chance) in found.items():
        exam = exam_of(name, 12, 0, 5)
        count = score(teller, exam)
        assert (right, n) == (round(count / 12, 3), 12)
        assert (low, high) == tuple(round(x, 3) for x in wilson_interval(count, 12))
        drawn = questions(12, SEEDS + 5, [KINDS[name]])
        assert chance == round(sum(1 / len(asked.choices) for asked in drawn) / 12, 3)
        assert [(item.prompt, item.choices, item.answer) for item in exam.items] == [
            (asked.prompt, asked.choices, asked.answer) for asked in drawn
        ]
    assert found["how-many"][4] == 0.25 and found["who-has"][0] > 0.7


def test_no_model_was_trained_on_the_stories_that_are_asked_about(capsys):
    fails(capsys, ["prepare", "village", "--seed", SEEDS], 2, f"--seed={SEEDS} must be a whole number from 0")


def test_village_is_all_its_kinds():
    assert names_of_tasks("village") == [*KINDS] == names_of_tasks("village,who-has")
    assert len(KINDS) == 7 and "where-is-somebody" in KINDS
    assert names_of_tasks("a.jsonl,who-is") == ["a.jsonl", "who-is"]


def test_a_model_that_has_learned_nothing_is_right_by_chance(public, capsys):
    found = measured(capsys, "--model", public, "--tasks", "who-has,how-many", "--examples", "20")
    for right, _, _, n, chance in found.values():
        assert n == 20 and abs(right - chance) < 5 * (chance * (1 - chance) / n) ** 0.5


def test_a_prepared_and_trained_model_is_asked(trained, capsys):
    rows = [{"text": "The kettle sang"}, {"text": "Nobody counted spoons"}]
    name = write(trained / "words.jsonl", rows)
    found = measured(capsys, "--model", "runs/mine", "--tasks", f"lambada:{name}")
    assert found[f"lambada:{name}"][3:] == (2, None)


def test_each_benchmark_is_asked(public, here, capsys):
    names = {kind: write(here / f"{kind}.jsonl", rows) for kind, rows in ROWS.items()}
    names["mmlu"] = write_mmlu_csv(here / "village_test.csv")
    found = measured(capsys, "--model", public, "--tasks", ",".join(names.values()), "--examples", "2")
    assert [*found] == [f"{kind}:{name}" for kind, name in names.items()]
    chances = {kind: found[f"{kind}:{name}"][4] for kind, name in names.items()}
    assert chances == {"hellaswag": 0.25, "arc": 0.292, "mmlu": 0.25, "gsm8k": None, "lambada": None}
    assert {n for _, _, _, n, _ in found.values()} == {2}


def test_shots_stand_before_each_question(public, here, capsys):
    name = write(here / "a.jsonl", ARC)
    found = measured(
        capsys, "--model", public, "--tasks", f"{name},who-is", "--shots", "1", "--examples", "2"
    )
    assert {n for _, _, _, n, _ in found.values()} == {2}
    (first, *_), (other, *_) = exam_of("who-is", 2, 1, 1).items, exam_of("who-is", 2, 0, 1).items
    second = questions(2, SEEDS + 1, ["who is"])[1]
    assert first.prompt == f"{second.prompt}{second.answer}{second.rest}\n\n{other.prompt}"


def test_right_for_its_letters_is_the_harness_acc_norm(teller):
    item = Item("Once, in", (" spring", " the very long and warm summer", " May"), " May")
    (sums,) = choice_scores(teller, [item])
    best = max(range(3), key=lambda i: sums[i].item() / len(item.choices[i].strip()))
    for i, answer in enumerate(item.choices):
        assert by_letters(teller, [Item(item.prompt, item.choices, answer)]).tolist() == [float(i == best)]


def test_the_space_before_a_choice_is_no_letter(teller):
    item = Item("Once", (" in", " in May"), " in May")
    (sums,) = choice_scores(teller, [item])
    without_space, with_space = [], []
    for log_prob, choice in zip(sums.tolist(), item.choices, strict=True):
        without_space.append(log_prob / (len(choice) - 1))
        with_space.append(log_prob / len(choice))
    assert without_space[0] < without_space[1] and with_space[0] > with_space[1]  # they disagree here
    assert by_letters(teller, [item]).tolist() == [1.0]


def test_an_answer_that_is_written_is_read(public):
    asked = read_benchmark(write_rows("a.jsonl"), 3)[1]

    class Says:
        def generate(self, prompt, temperature, max_new_tokens):
            assert temperature == 0 and max_new_tokens == 256
            return " Let me see.\n#### 1,200.\n\nQuestion: and?\nAnswer: #### 5" if "barn" in prompt else " 5"

    assert score(Says(), Exam("a", asked, "number")) == 1


def write_rows(name, rows=GSM8K):
    with open(name, "w", encoding="utf-8") as file:
        file.writelines(json.dumps(row) + "\n" for row in rows)
    return name


@pytest.mark.gate
def test_the_loss_is_there_when_it_is_asked_for(public, capsys, monkeypatch):
    monkeypatch.setattr(village, "load_split", lambda split: ["Once, it was one day."] * 3)
    asked = ["eval", "--model", public, "--tasks", "how-many", "--examples", "2"]
    for more, is_there in (([], False), (["--stories", "0"], True)):
        assert main([*asked, *more]) == 0
        out = capsys.readouterr().out
        assert ("bits per byte" in out) == is_there and "how-many  " in out.splitlines()[-1]


@pytest.mark.parametrize("case", CASES["bad"])
def test_what_cannot_be_asked_is_one_line_before_any_work(case, here, capsys, monkeypatch):
    monkeypatch.setattr("companion.cli.eval.do", None)
    argv, *words = CASES["bad"][case]
    write(here / "lambada.jsonl", ROWS["lambada"])
    write(here / "other.jsonl", [{"x": 1}])
    write(here / "empty.jsonl", [])
    write(here / "wrong.jsonl", [ROWS["arc"][0], ROWS["arc"][0] | {"answerKey": "E"}])
    write(here / "long.jsonl", [*ROWS["lambada"][:1], {"text": "one two " * 300}])
    write(here / "sums.jsonl", [GSM8K[0] | {"question": "one two " * 300}])
    fails(capsys, ["eval", *argv], 2, *words)
    assert len(capsys.readouterr().err.splitlines()) == 0


def test_help_names_what_there_is(capsys):
    assert main(["eval", "--help"]) == 0
    out = " ".join(capsys.readouterr().out.split()).replace("- ", "-")
    assert all(name in out for name in [*KINDS, *FORMATS, "Default: 200."])
    assert "only the tasks are measured. Add --data, --split or --stories to measure loss" in out


def test_without_lm_eval_a_line_says_how_to_get_it(monkeypatch, teller):
    from companion.models.lm_eval_models import for_lm_eval

    monkeypatch.setitem(sys.modules, "lm_eval", None)
    for name in [name for name in sys.modules if name.startswith("lm_eval.")]:
        monkeypatch.delitem(sys.modules, name)
    with raises_one_line(ImportError, r"pip install 'lm_eval==0\.4\.13'$"):
        for_lm_eval(teller)
