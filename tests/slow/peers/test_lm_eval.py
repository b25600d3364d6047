"""EleutherAI's lm-evaluation-harness on a model that was exported: the same questions, the same scores.

Needs pip install -e '.[peers]'; then pytest -m gate tests/slow/peers.
"""

import json
import re
from pathlib import Path

import lm_eval
import pytest
import torch
from lm_eval.tasks import TaskManager

from companion import load
from companion.__main__ import main
from companion.cli.eval import KINDS, SEEDS
from companion.evaluation import score_continuations
from companion.village import DATA
from companion.village.tasks import questions

MODEL = str(DATA / "models" / "storyteller")


@pytest.fixture(autouse=True)
def offline(monkeypatch):
    for module in ("huggingface_hub.constants", "datasets.config"):
        monkeypatch.setattr(f"{module}.HF_HUB_OFFLINE", True)


def command_of_the_page():
    """The model and its arguments in docs/public-models.md."""
    page = (Path(__file__).parents[3] / "docs" / "public-models.md").read_text(encoding="utf-8")
    return re.search(r"lm_eval --model (\w+) --model_args pretrained=\w+(\S*) ", page).groups()


def test_two_hundred_questions_of_the_village_have_the_same_score(tmp_path, capsys):
    kind = "where-is-somebody"
    asked = questions(200, SEEDS + 1, [KINDS[kind]])
    rows = [
        {"prompt": item.prompt, "choices": item.choices, "gold": item.choices.index(item.answer)}
        for item in asked
    ]
    path = tmp_path / "a.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    files = {"data_files": {"test": str(path)}, "cache_dir": str(tmp_path / "cache")}
    config = {"task": kind, "dataset_path": "json", "dataset_kwargs": files, "test_split": "test"}
    config |= {"output_type": "multiple_choice", "doc_to_text": "{{prompt}}", "target_delimiter": ""}
    config |= {
        "doc_to_choice": "{{choices}}",
        "doc_to_target": "{{gold}}",
        "metric_list": [{"metric": "acc"}],
    }
    assert main(["export", "hf", "--model", MODEL, "--output", str(tmp_path / "told")]) == 0
    engine, more = command_of_the_page()
    found = lm_eval.simple_evaluate(
        engine,
        model_args=f"pretrained={tmp_path / 'told'}{more}",
        tasks=[config],
        device="cpu",
        batch_size=32,
        bootstrap_iters=0,
        task_manager=TaskManager(include_defaults=False),
    )
    accuracy, samples = found["results"][kind]["acc,none"], found["samples"][kind]
    assert len(samples) == 200 and main(["eval", "--model", MODEL, "--tasks", kind, "--device", "cpu"]) == 0
    line = capsys.readouterr().out.strip().splitlines()[-1]
    share = re.fullmatch(rf"{kind} +([\d.]+) .+ 200", line)[1]
    assert share == f"{accuracy:.3f}" and 0.6 < accuracy < 1
    samples = sorted(samples, key=lambda sample: sample["doc_id"])
    theirs = [response[0] for sample in samples for response in sample["resps"]]
    pairs = [(item.prompt, choice) for item in asked for choice in item.choices]
    log_probs, greedy = score_continuations(load(MODEL, device="cpu"), pairs)
    assert len(theirs) == len(pairs)
    assert (log_probs - torch.tensor([answer for answer, _ in theirs])).abs().max() < 1e-4
    assert greedy.tolist() == [said for _, said in theirs]
