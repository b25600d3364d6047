"""The course's models in EleutherAI's lm-evaluation-harness: the same questions, the same scores.

Needs pip install -e '.[peers]'; then pytest -m gate tests/slow/peers. The harness's own tasks are read from
its package, on files of our own in the place of the hub's.
"""

import json
import re
from pathlib import Path

import lm_eval
import pytest
import torch
from lm_eval.api.instance import Instance
from lm_eval.tasks import TaskManager
from lm_eval.tasks._yaml_loader import load_yaml
from support.public import write_family
from support.weights import noisy

from companion import load
from companion.cli import main
from companion.cli._shared import SHIPPED
from companion.cli.eval import KINDS, SEEDS
from companion.evaluation import score_continuations
from companion.generation import LanguageModel, log_probability
from companion.models.lm_eval_models import for_lm_eval
from companion.modern import LlamaConfig, llama
from companion.runtime.text.hugging_face import read_tokenizer
from companion.village import load_split
from companion.village.tasks import questions

TASKS = Path(lm_eval.__file__).parent / "tasks"
LAMBADA = [{"text": "The kettle sang on the stove"}, {"text": "Nobody counted the spoons"}]


def write(path, rows):
    """Write rows as JSON Lines; the path."""
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return str(path)


@pytest.fixture(scope="module")
def teller():
    return load(SHIPPED, device="cpu")


@pytest.fixture(autouse=True)
def offline(monkeypatch):
    for module in ("huggingface_hub.constants", "datasets.config"):
        monkeypatch.setattr(f"{module}.HF_HUB_OFFLINE", True)


def on(path, **settings):
    """Settings of a task on a file of ours."""
    data = {"dataset_path": "json", "dataset_name": None}
    cache = str(Path(path).parent / "cache")
    data["dataset_kwargs"] = {"data_files": {"test": str(path)}, "cache_dir": cache}
    splits = {"training_split": None, "validation_split": None, "fewshot_split": None, "test_split": "test"}
    return data | splits | {"num_fewshot": 0} | settings


def evaluated(teller, config, **options):
    found = lm_eval.simple_evaluate(
        for_lm_eval(teller),
        tasks=[config],
        bootstrap_iters=0,
        task_manager=TaskManager(include_defaults=False),
        **options,
    )
    return found["results"][config["task"]], found["samples"][config["task"]]


def test_two_hundred_questions_of_the_village_have_the_same_score(teller, tmp_path, capsys):
    kind = "where-is-somebody"
    asked = questions(200, SEEDS + 1, [KINDS[kind]])
    rows = [
        {"prompt": item.prompt, "choices": item.choices, "gold": item.choices.index(item.answer)}
        for item in asked
    ]
    form = {"output_type": "multiple_choice", "doc_to_text": "{{prompt}}", "target_delimiter": ""}
    form |= {"doc_to_choice": "{{choices}}", "doc_to_target": "{{gold}}", "metric_list": [{"metric": "acc"}]}
    config = on(write(tmp_path / "a.jsonl", rows), task=kind, **form)
    result, samples = evaluated(teller, config)
    assert len(samples) == 200 and main(["eval", "--tasks", kind, "--device", "cpu"]) == 0
    line = capsys.readouterr().out.strip().splitlines()[-1]
    share = re.fullmatch(rf"{kind} +([\d.]+) .+ 200", line)[1]
    assert share == f"{result['acc,none']:.3f}" and 0.6 < result["acc,none"] < 1
    samples = sorted(samples, key=lambda sample: sample["doc_id"])
    theirs = [response[0] for sample in samples for response in sample["resps"]]
    pairs = [(item.prompt, choice) for item in asked for choice in item.choices]
    log_probs, greedy = score_continuations(teller, pairs)
    assert len(theirs) == len(pairs)
    assert (log_probs - torch.tensor([answer for answer, _ in theirs])).abs().max() < 1e-4
    assert greedy.tolist() == [said for _, said in theirs]


def of_the_harness(name, path, **more):
    """A task of the harness on a file of ours."""
    config = load_yaml(TASKS / name)
    for left_out in ("tag", "include"):
        config.pop(left_out, None)
    return config | on(path, **more)


def requests(kind, *arguments):
    return [Instance(kind, {}, one, i) for i, one in enumerate(arguments)]


def test_a_text_is_scored_whole_and_in_windows(teller):
    story = load_split("val")[0]
    model = for_lm_eval(teller, batch_size=2)
    short, long = model.loglikelihood_rolling(
        requests("loglikelihood_rolling", (story[:300],), (story * 3,)), disable_tqdm=True
    )
    assert short == pytest.approx(log_probability(teller.model, teller.encode(story[:300])).item(), abs=1e-3)
    ids = torch.tensor([[teller.end, *teller.tokenizer.encode(story * 3)]])
    most, n = teller.model.config.context_length, ids.shape[1]
    assert most + 1 < n < 2 * most
    rest = torch.arange(n - most, n)[None] > most  # what the first window has not predicted
    windows = log_probability(teller.model, ids[:, : most + 1]).item()
    windows += log_probability(teller.model, ids[:, n - most - 1 :], rest).item()
    assert long == pytest.approx(windows, abs=1e-3) and long < short < 0


def test_it_writes_until_a_stop(teller):
    model = for_lm_eval(teller)
    complete = teller.generate("Once", temperature=0, max_new_tokens=40)
    asked = [{"until": stop, "max_gen_toks": 40} for stop in ([], ".", [" the", "."])]
    said = model.generate_until(requests("generate_until", *(("Once", one) for one in asked)))
    assert said == [complete, complete.split(".")[0], re.split(r" the|\.", complete)[0]]


def test_the_lines_of_the_page_print_a_table(tmp_path, capsys):
    page = (Path(__file__).parents[3] / "docs" / "public-models.md").read_text(encoding="utf-8")
    (code,) = (code for code in re.findall(r"^```python\n(.*?)^```", page, re.M | re.S) if "lm_eval" in code)
    task = of_the_harness("lambada/lambada_standard.yaml", write(tmp_path / "a.jsonl", LAMBADA))
    assert code.count('load("gpt2")') == code.count('["lambada_openai"]') == 1
    code = code.replace('"gpt2"', "MODEL").replace('["lambada_openai"]', "[TASK]")
    exec(code, {"MODEL": SHIPPED, "TASK": task})
    assert re.search(r"lambada_standard *\|.*\|acc +\|", capsys.readouterr().out)


@pytest.mark.parametrize("family", ["Llama 2", "Qwen"])
def test_public_tokenizers_are_scored_alike(family, tmp_path):
    """With a token that begins a text, and without."""
    torch.manual_seed(0)
    tokenizer = read_tokenizer(write_family(family, tmp_path))
    sizes = {"context_length": 90, "n_layers": 1, "n_heads": 2, "d_model": 12, "d_ff": 20}
    model = noisy(llama(LlamaConfig(vocab_size=max(tokenizer.vocab) + 1, **sizes)))
    teller = LanguageModel(model, tokenizer)
    pairs = [("Mara had a key", " Tom"), ("Mara had a", " red lantern."), ("", "Mara")]
    if family != "Llama 2":  # its tokens can hold a quote and letters after it; the harness loses these then
        pairs.append(('"Who has it?" "', "Tom"))
    log_probs, greedy = score_continuations(teller, pairs)
    found = for_lm_eval(teller).loglikelihood(requests("loglikelihood", *pairs), disable_tqdm=True)
    assert [score for score, _ in found] == pytest.approx(log_probs.tolist(), abs=1e-4)
    assert [likeliest for _, likeliest in found] == greedy.tolist()


@pytest.mark.parametrize(("prompt", "continuation"), [("Once upon a tim", "e"), ("Once", "")])
def test_a_continuation_without_a_token_is_refused(teller, prompt, continuation):
    model = for_lm_eval(teller)
    request = Instance("loglikelihood", {}, (prompt, continuation), 0)
    with pytest.raises(ValueError, match=r"^the continuation .* is empty, or merges with"):
        model.loglikelihood([request])
