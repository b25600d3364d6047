"""companion finetune rewards: by the judge, by pairs, stopped, and on bad files."""

import json
import math
from argparse import Namespace

import pytest
import torch
from support.command_line import fails, save_tiny
from support.public import write_family

from companion import load, village
from companion.__main__ import main
from companion.cli.finetune import rewards as reward
from companion.gpt import GPTConfig, gpt2
from companion.instructions import CHAT_TOKENS, chat_ids
from companion.modern import LlamaConfig, llama, swift
from companion.runtime.text.hugging_face import read_tokenizer
from companion.tokenization import BPETokenizer
from companion.training import Trainer, save_checkpoint

PAIR = {"prompt": "Once", "chosen": " the duck slept.", "rejected": " a duck flew off."}
SMALL = ["--asked", "4", "--seed", "3"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A tiny model."""
    return save_tiny(tmp_path_factory.mktemp("tiny"), GPTConfig(300, 96, 1, 2, 16))


@pytest.fixture
def pupil(folder, monkeypatch):
    """The tiny model, whose stories the judge is to read although it knows none of the village's."""
    monkeypatch.setattr(reward, "STRANGER", 9.0)
    return folder


def finetune(folder, *more):
    return main(["finetune", "rewards", "--model", str(folder), *SMALL, *map(str, more)])


def provenance_of(folder):
    return json.loads((folder / "config.json").read_text("utf-8"))["provenance"]


def write(path, *rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


@pytest.mark.gate
def test_the_judge_rewards_and_the_report_has_both_sides(pupil, tmp_path, capsys):
    out = tmp_path / "out"
    assert (
        finetune(pupil, "--output", out, "--method", "grpo", "--steps", 2, "--prompts", 2, "--size", 2) == 0
    )
    said = capsys.readouterr().out
    assert "Trained for 2 steps.\nMeasured on 4 village stories, before and after:\n" in said
    report = json.loads((out / "report.json").read_text("utf-8"))
    assert report["steps"] == 2 and 0 <= report["after"]["interval"][0] <= 1
    assert report["after"]["bits per byte"] != report["before"]["bits per byte"]
    changed, before = load(out, "cpu").model.state_dict(), load(pupil, "cpu").model.state_dict()
    assert any(not torch.equal(p, before[name]) for name, p in changed.items())


SWIFT = swift(LlamaConfig(300, 96, 1, 2, d_model=16))
GPT2 = gpt2(GPTConfig(300, 96, 1, 2, 16))
RATES = [(GPT2, "dpo", None, 1e-4), (GPT2, "grpo", None, 3e-4), (SWIFT, "grpo", None, 1e-3)]
RATES += [(SWIFT, "grpo", 0.5, 0.5)]


@pytest.mark.parametrize(("model", "method", "given", "lr"), RATES)
def test_a_swift_learns_in_longer_steps(model, method, given, lr):
    options = dict.fromkeys(reward.JUDGED["dpo"]) | {"method": method, "lr": given}
    found = Namespace(**options)
    reward.add_defaults(found, model, 0)
    assert vars(found) == reward.JUDGED[method] | {"method": method, "lr": lr}


def test_a_model_that_knows_no_stories_is_refused_before_any_work(folder, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(reward, "sample_groups", None)  # nothing is told
    argv = ["finetune", "rewards", "--model", folder, "--output", tmp_path / "out"]
    fails(
        capsys,
        argv,
        2,
        f"--model={folder} does not know the village's stories",
        "or give pairs of yours with --data",
    )
    assert not (tmp_path / "out").exists()


def test_pairs_teach_a_model_that_knows_no_stories_and_only_the_pairs_are_measured(folder, tmp_path, capsys):
    turned = PAIR | {"chosen": PAIR["rejected"], "rejected": PAIR["chosen"]}  # the longer text is preferred
    data, out = write(tmp_path / "pairs.jsonl", *[turned] * 20), tmp_path / "out"
    argv = ["--data", data, "--output", out, "--lr", 0.01, "--steps", 3]
    assert main(["finetune", "rewards", "--model", str(folder), *map(str, argv)]) == 0
    said = capsys.readouterr().out
    assert "chosen text likelier than the rejected one in 0.0% before, 100.0% after." in said
    assert "village" not in said
    report = json.loads((out / "report.json").read_text("utf-8"))
    assert (report["before"], report["after"]) == ({"chosen likelier": 0.0}, {"chosen likelier": 1.0})


ASKED = {"prompt": "Who has the key?", "chosen": "Mara has it.", "rejected": "Mara has the red hat."}


@pytest.mark.parametrize("family", ["SmolLM2", "Llama 3", None])
def test_pairs_of_a_chat_model_are_written_as_its_conversations(family, tmp_path, capsys):
    if family is None:  # a model of ours that knows the chat tokens
        tokenizer = BPETokenizer.train(ASKED["chosen"], 260).with_special_tokens(CHAT_TOKENS)
    else:
        tokenizer = read_tokenizer(write_family(family, tmp_path / "family"))
    torch.manual_seed(3)
    model = llama(LlamaConfig(max(tokenizer.vocab) + 1, 200, 1, 2, d_model=16))
    save_checkpoint(tmp_path / "model", model, tokenizer)
    teller = load(tmp_path / "model", "cpu")
    data, out = write(tmp_path / "pairs.jsonl", *[ASKED] * 3), tmp_path / "out"
    [(chosen, rejected), *_] = reward.rows_of_pairs(teller, reward.placed_pairs(data), tmp_path / "model")
    question = [{"role": "user", "content": ASKED["prompt"]}]
    begun = chat_ids(question, tokenizer, reply=True)
    for (ids, learned), text in [(chosen, ASKED["chosen"]), (rejected, ASKED["rejected"])]:
        assert ids == chat_ids([*question, {"role": "assistant", "content": text}], tokenizer)
        assert learned == [i >= len(begun) for i in range(len(ids))] and tokenizer.turn_end in ids[-2:]
        tokens, marks = reward.batch_of(teller, [(chosen, rejected)])[text == ASKED["rejected"]]
        assert tokens[0, : len(ids)].tolist() == ids and marks[0].sum() == sum(learned)
    assert finetune(tmp_path / "model", "--output", out, "--data", data, "--steps", 1, "--asked", 2) == 0
    assert f"companion chat --model {out}" in capsys.readouterr().out


def test_a_prompt_without_a_word_is_no_message(tmp_path, capsys):
    tokenizer = BPETokenizer.train(ASKED["chosen"], 260).with_special_tokens(CHAT_TOKENS)
    save_checkpoint(tmp_path / "model", gpt2(GPTConfig(tokenizer.vocab_size, 96, 1, 2, 16)), tokenizer)
    data = write(tmp_path / "pairs.jsonl", ASKED, ASKED | {"prompt": " "})
    argv = ["finetune", "rewards", "--model", tmp_path / "model", "--output", tmp_path / "out", "--data"]
    fails(capsys, [*argv, data], 2, "line 2: the user's ' ' is empty")


@pytest.mark.gate
def test_the_mean_with_the_weights_as_they_were(pupil, tmp_path):
    weights = {}
    for share in (0, 0.25):
        out = tmp_path / str(share)
        small = ["--method", "grpo", "--steps", 2, "--prompts", 2, "--size", 2, "--average", share]
        assert finetune(pupil, "--output", out, *small) == 0
        weights[share] = load(out, "cpu").model.state_dict()
    before = load(pupil, "cpu").model.state_dict()
    for name, weight in before.items():
        torch.testing.assert_close(weights[0.25][name], 0.75 * weights[0][name] + 0.25 * weight)
    assert any(not torch.equal(weights[0][name], weight) for name, weight in before.items())


@pytest.mark.gate
def test_equal_rewards_are_one_line_and_what_was_learned_is_kept(pupil, tmp_path, capsys, monkeypatch):
    small = ["--prompts", 2, "--size", 2, "--steps", 40]
    assert finetune(pupil, "--output", tmp_path / "none", *small) == 2
    said = capsys.readouterr().err.strip()
    assert "of 4 texts that were drawn each group's rewards are equal" in said and "\n" not in said
    assert not list(tmp_path.glob("none/*.json"))

    scores = iter([*range(4), *range(4, 8), *[0] * 100])
    monkeypatch.setattr(
        "companion.cli.finetune._preferences.true_story", lambda text, ended=True: next(scores, 0) / 8
    )
    # before: 4 stories are looked at; then the first round's four; from the second on all are equal
    assert finetune(pupil, "--output", tmp_path / "out", *small) == 0
    assert "ended after 8 steps, and the model is saved" in capsys.readouterr().err
    assert json.loads((tmp_path / "out" / "report.json").read_text("utf-8"))["steps"] == 8
    assert provenance_of(tmp_path / "out")["stopped"] is False


def interrupt(monkeypatch, after):
    """Ctrl-C after so many steps."""
    step = Trainer.step

    def stop(trainer):
        if trainer.steps == after:
            raise KeyboardInterrupt
        return step(trainer)

    monkeypatch.setattr(Trainer, "step", stop)


@pytest.mark.gate
def test_ctrl_c_keeps_what_was_learned(pupil, tmp_path, capsys, monkeypatch):
    interrupt(monkeypatch, after=1)
    out = tmp_path / "out"
    assert (
        finetune(pupil, "--output", out, "--method", "grpo", "--steps", 9, "--prompts", 2, "--size", 2) == 0
    )
    assert "stopped after 1 step;" in capsys.readouterr().err
    assert json.loads((out / "report.json").read_text("utf-8"))["steps"] == 1 and load(out, "cpu")
    assert provenance_of(out)["stopped"] is True


@pytest.mark.gate
def test_ctrl_c_before_the_first_step_leaves_the_folder_as_it_was(pupil, tmp_path, capsys, monkeypatch):
    out, pairs = tmp_path / "out", write(tmp_path / "pairs.jsonl", *[PAIR] * 4)
    small = ["--output", out, "--steps", 2, "--data", pairs]
    assert finetune(pupil, *small) == 0
    before = {path.name: path.read_bytes() for path in out.iterdir()}
    interrupt(monkeypatch, after=0)
    argv = ["finetune", "rewards", "--model", pupil, *SMALL, *small, "--overwrite"]
    fails(capsys, argv, 130, "stopped before the first step; nothing was saved")
    assert {path.name: path.read_bytes() for path in out.iterdir()} == before


def test_stories_longer_than_the_context_are_measured_whole(folder):
    teller = load(folder, "cpu")
    for weight in teller.model.parameters():
        torch.nn.init.zeros_(weight)  # so that each of the 300 tokens is as likely as the others
    stories = village.load_split("test")[:3]  # as many as are asked for
    lengths = [len(teller.tokenizer.encode(text)) + 1 for text in stories]
    assert max(lengths) > teller.model.config.context_length + 1
    bits = math.log2(300) * sum(lengths) / sum(len(text.encode()) + 1 for text in stories)
    assert reward.measured_stories(teller, 3, 0)["bits per byte"] == pytest.approx(bits, rel=1e-4)


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([PAIR, PAIR | {"rejected": PAIR["chosen"]}], "line 2: chosen and rejected are equal"),
        ([{"prompt": "Once", "chosen": " a."}], "line 1 has no text named 'rejected'"),
        ([["Once"]], "line 1 is .'Once'., and no object"),
        ([], "has no pairs"),
        ([PAIR | {"chosen": " duck" * 90}], r"line 1 has a text of \d+ tokens; the model reads 97"),
    ],
)
def test_bad_pairs_are_one_line(folder, tmp_path, capsys, rows, message):
    import re

    data = write(tmp_path / "pairs.jsonl", *rows)
    assert finetune(folder, "--output", tmp_path / "out", "--data", data) == 2
    said = capsys.readouterr().err.strip()
    assert re.search(message, said) and "\n" not in said


def test_options_of_the_other_kind_are_refused(folder, tmp_path, capsys):
    assert finetune(folder, "--beta", 0.2) == 2
    assert "--beta works with pairs only" in capsys.readouterr().err
    data = write(tmp_path / "pairs.jsonl", PAIR)
    assert finetune(folder, "--data", data, "--mixed", 0.5) == 2
    assert "--mixed works with the village's judge only" in capsys.readouterr().err
    (tmp_path / "broken.jsonl").write_text("{no\n", encoding="utf-8")
    assert finetune(folder, "--data", tmp_path / "broken.jsonl") == 2
    assert "broken.jsonl is no JSON Lines" in capsys.readouterr().err
    assert finetune(folder, "--data", tmp_path / "nowhere.jsonl") == 2
    assert "is no file" in capsys.readouterr().err
