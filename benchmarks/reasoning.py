"""Chapter 25: what a small model gains from steps, and from rewards that a program checks.

    export OMP_NUM_THREADS=1
    python benchmarks/reasoning.py steps --lr 6e-3 --steps 1500 --arm answer --arm think    # three seeds
    python benchmarks/reasoning.py steps --lr 1.2e-2 --steps 1500 --arm answer --arm think  # a better rate
    python benchmarks/reasoning.py steps --lr 2.4e-2 --steps 1500 --arm answer              # better still
    python benchmarks/reasoning.py steps --lr 4.8e-2 --steps 1500 --arm answer              # worse again
    python benchmarks/reasoning.py steps --lr 6e-3 --steps 700 --arm early --seed 0
    for lr in 1e-4 3e-4 1e-3
        do python benchmarks/reasoning.py rewards --tune --seed 9 --lr $lr --steps 30 --arm grpo \\
            --arm "each step" --arm dr_grpo --arm dapo --arm gspo
    done
    python benchmarks/reasoning.py rewards --lr 3e-4 --steps 100
    python benchmarks/reasoning.py pairs --lr 3e-4 --steps 100
    python benchmarks/reasoning.py small --lr 3e-3 --steps 300 --arm before --arm simulator \\
        --arm "teacher's texts" --arm "own texts"
    python benchmarks/reasoning.py small --lr 3e-4 --steps 300 --arm rewards
    python benchmarks/reasoning.py small --lr 6e-3 --steps 300 --arm simulator --arm "teacher's texts" \\
        --arm "own texts"
    python benchmarks/reasoning.py small --lr 1.2e-2 --steps 300 --arm simulator
    python benchmarks/reasoning.py small --lr 1e-4 --steps 300 --arm rewards
    for lr in 1e-3 3e-3 6e-3 1.2e-2  # also 2.4e-2 for the simulator, and 3e-3 to 3e-5 for the rewards
        do python benchmarks/reasoning.py small --tune --seed 9 --lr $lr --steps 300 --arm simulator \\
            --arm "teacher's texts" --arm "own texts"
    done
    python benchmarks/reasoning.py tool --lr 6e-3 --steps 1500
    python benchmarks/reasoning.py steps --lr 6e-3 --steps 1500 --arm longer  # learns one to six steps
    for lr in 3e-3 6e-3 1.2e-2
        do python benchmarks/reasoning.py tool --tune --seed 9 --lr $lr --steps 500
    done
    python benchmarks/reasoning.py tool --lr 1.2e-2 --steps 1500 --arm numbers --seed 0 --seed 1
    python benchmarks/reasoning.py tool --lr 1.2e-2 --steps 1500 --arm filler --seed 0
    python benchmarks/reasoning.py handed --lr 6e-3 --steps 600 --arm answer --arm think
    python benchmarks/reasoning.py handed --lr 6e-3 --steps 1000 --arm think --arm holder
    python benchmarks/reasoning.py handed --lr 6e-3 --steps 1000 --arm answer --seed 0
    python benchmarks/reasoning.py handed --lr 6e-3 --steps 3000
    python benchmarks/reasoning.py handed --lr 1.2e-2 --steps 3000 --arm think
    for lr in 6e-3 1.2e-2 2.4e-2
        do python benchmarks/reasoning.py handed --tune --seed 9 --lr $lr --steps 1000
    done
    for lr in 3e-3 6e-3 1.2e-2 2.4e-2 4.8e-2
        do python benchmarks/reasoning.py agent --tune --seed 9 --lr $lr --steps 150
        python benchmarks/reasoning.py agent --tune --seed 9 --lr $lr --steps 600
    done
    python benchmarks/reasoning.py agent --lr 1.2e-2 --steps 200
    python benchmarks/reasoning.py agent --lr 6e-3 --steps 600
    python benchmarks/reasoning.py forced --tune --seed 9 --lr 6e-3 --steps 500 --arm twice  # and at 1.2e-2
    python benchmarks/reasoning.py forced --lr 6e-3 --steps 700 --arm suppressed --arm again --seed 0
    python benchmarks/reasoning.py forced --lr 6e-3 --steps 700 --arm twice
    python benchmarks/reasoning.py forced --lr 6e-3 --steps 1500 --arm further

Each row of data/models/reasoning.jsonl is one training; a row that is there is not trained again. `steps`
and `tool` write the models of seed 0 to data/models/reasoner-answer, reasoner-think and so on (`steps` at
6e-3 only); the rewards begin with reasoner-early, which learned for 700 steps. Rows with `tune` are short
runs at several rates, on questions of their own.

`cells` has for each number of steps how many held-out questions were asked, how many were answered
rightly at temperature 0, and in how many of these the steps prove the answer (for `tool`: how many calls
were the ledger's). The arms of `tool` differ in what stands before each number of a call: nothing
(`numbers`), its person (`names`), or the same word each time, of one token as a name (`filler`).

`judged` counts the judge's verdicts, `false` the questions with a false step and those of them answered
rightly, `repaired` the repaired of all false steps. `right` and `proved` have, for each of 80 questions, how
many of 64 texts at temperature 1 were right, and right and proved; `majority` has the share of questions that
a vote of 1, 2, 4, … texts answers rightly.

For `pairs`, 600 new questions are asked of the models before and after the rewards: how many `both` answer
rightly, the one before alone, the one after alone, and `neither`.

`begins`, which rows before it do not have, lists the first step of each text about hand-overs. Texts of the
arm `holder` begin with who has the asked thing first, and `holder` counts the right ones.

For `agent`, `cells` has for worlds of the trained sizes and for larger ones: episodes, those that end
rightly, those that also need no more calls than the least number that surely suffices, all calls, those of
the program in the same worlds, those of a look at the places in their order, and the sum of the least
numbers.

For `forced`, models think longer at temperature 0 than they would. `points` has for 0, 1, 2, 4 and 8 forced
goes: this number, the mean number of tokens, the right ones of `sampled`'s 80 questions, the right ones of
the 600 of `pairs`, and the right ones of these whose last thought proves the answer. The models of the arms
`suppressed` and `again` are those of the arm `early`. Where such a model ends its thought, `suppressed`
writes the likeliest other token instead, and `again` a second <think>. The models of `twice` learned from
traces with all steps twice, and go on as in `again`, twice at most. The models of `further` are those of the
arm `think`, which go on as in `suppressed`. They answer 200 questions each of four, five and six steps;
`cells` has for each number of steps, and for 0, 1 and 2 forced goes, this number, the tokens, the right ones
and those whose thought proves the answer.
"""

import argparse
import re
import time
from collections import Counter
from collections.abc import Callable
from functools import cache, partial
from pathlib import Path

import torch
from logs import add_missing
from torch import nn

import companion
from companion.generation import LanguageModel
from companion.instructions import masked_batches
from companion.modern import LlamaConfig, Muon, swift
from companion.reasoning import (
    RLVR,
    divergences,
    draw_texts,
    draw_with_tool,
    majority,
    run_sum,
    written_until,
)
from companion.runtime.data.preference_pairs import prompt_rows
from companion.runtime.files.atomic import staged
from companion.runtime.storage.checkpoints import write_model
from companion.tokenization import BPETokenizer
from companion.training import TrainConfig, Trainer, next_token_loss
from companion.village import DATA
from companion.village.hidden import episode, least_calls, searches
from companion.village.reasoning import (
    END_THINK,
    END_TOOL,
    MARKS,
    THINK,
    TOOL,
    StepQuestion,
    hand_over_questions,
    step_questions,
    trace,
)
from companion.village.steps import answer_reward, judge_trace, step_reward
from companion.village.words import number_word

LOG = DATA / "models" / "reasoning.jsonl"
MODEL = DATA / "models" / "reasoner-early"
LEARNED, REWARDED_STEPS, TESTED = range(1, 5), range(2, 5), range(1, 9)  # numbers of steps
LONGER = range(1, 7)  # learned from by the arm "longer"
FILLER = "now"
BATCH = 32
# Seeds of questions; a run's own seed is added to the first.
TRAIN, TUNE, TEST, DRAWN, PAIRED, FURTHER = 1000, 2000, 3000, 4000, 5000, 6000
DRAWS = 64
GOES = (0, 1, 2, 4, 8)  # how often the end of a thought is replaced


def texts_of(ask=step_questions) -> list[str]:
    """The texts from which a tokenizer is made: 2,000 questions with their steps."""
    return [f"{q.prompt} {fact.text}" for q in ask(2000, 0, range(1, 10)) for fact in q.steps]


def new_teller(seed, d_model=64, n_layers=3, texts=None, vocab_size=420) -> LanguageModel:
    """A model that knows nothing yet, and its tokenizer, which is the same for every seed."""
    texts = texts or texts_of()
    tokenizer = BPETokenizer.train(texts, vocab_size, ("<|endoftext|>", *MARKS))
    torch.manual_seed(seed)
    d_ff = d_model * 8 // 3 // 8 * 8
    sizes = {"n_layers": n_layers, "d_model": d_model, "d_ff": d_ff, "n_heads": 4, "n_kv_heads": 4}
    config = LlamaConfig(vocab_size=vocab_size, context_length=256, qk_norm=True, tied=True, shift=2, **sizes)
    return LanguageModel(swift(config), tokenizer)


def rows(teller: LanguageModel, questions: list[StepQuestion], texts: list[str]) -> list[tuple]:
    """Training rows: after each prompt, the text is learned."""
    encode, made = teller.tokenizer.encode, []
    for question, text in zip(questions, texts, strict=True):
        given = [*teller.begin, *encode(question.prompt)]
        learned = [*encode(text, allowed_special="all"), teller.end]
        made.append((given + learned, [False] * len(given) + [True] * len(learned)))
    return made


def optimizers(model: nn.Module, lr: float) -> list:
    """Muon for the blocks' matrices, AdamW for the rest, in the proportion of chapter 10."""
    matrices = [
        p for name, p in model.named_parameters() if "blocks" in name and p.ndim == 2 and "shift" not in name
    ]
    others = [p for p in model.parameters() if all(p is not matrix for matrix in matrices)]
    return [Muon(matrices, lr=7 * lr), torch.optim.AdamW(others, lr=lr, betas=(0.9, 0.99), weight_decay=0.0)]


def learn(teller: LanguageModel, made: list[tuple], steps: int, lr: float, seed: int) -> float:
    """Train on rows. Returns the last loss."""
    config = TrainConfig(
        steps=steps, batch_size=BATCH, lr=lr, seed=seed, warmup_steps=50, device="cpu", dtype="float32"
    )
    trainer = Trainer(
        teller.model,
        lambda first: masked_batches(made, BATCH, seed, first=first),
        config,
        optimizers=optimizers(teller.model, lr),
    )
    loss = 0.0
    for _ in range(steps):
        loss = trainer.step()
    return round(float(loss), 4)


def with_holder(question: StepQuestion) -> str:
    """A trace of hand-overs that begins with who has the asked thing first, such as "Otto has it."."""
    return trace(question).replace(THINK, f"{THINK} {question.steps[0].giver} has it.", 1)


def greedy(
    teller: LanguageModel, per_cell: int = 50, seed: int = TEST, ask=step_questions, holder=False
) -> dict:
    """How many held-out questions are answered rightly at temperature 0, and what the judge says.

    holder: Texts begin with who has the asked thing first. The judge, who does not know this step, reads what
        comes after it; `holder` counts the right ones.
    """
    questions = ask(per_cell * len(TESTED), seed, TESTED)
    texts = draw_texts(teller, [q.prompt for q in questions], temperature=0.0).texts
    openings = [f"{q.steps[0].giver} has it." if holder else "" for q in questions]
    named = [opening in text for opening, text in zip(openings, texts, strict=True)]
    texts = [re.sub(r"(?<=<think>) \w+ has it[.]", "", text) if holder else text for text in texts]
    asked, right, proved, judged = Counter(), Counter(), Counter(), Counter()
    false_then, false_right, false_steps, repaired = 0, 0, 0, 0
    for question, text in zip(questions, texts, strict=True):
        verdict = judge_trace(question, text)
        k = str(len(question.steps))
        asked[k] += 1
        right[k] += verdict.right
        proved[k] += verdict.right and verdict.sound
        judged.update(step.kind for step in verdict.steps)
        false = [step for step in verdict.steps if step.kind == "false"]
        false_then += bool(false)
        false_right += bool(false) and verdict.right
        false_steps += len(false)
        repaired += sum(step.repaired for step in false)
    cells = {k: [asked[k], right[k], proved[k]] for k in sorted(asked)}
    false = {"false": [false_then, false_right], "repaired": [repaired, false_steps]}
    row = {"cells": cells, "judged": dict(sorted(judged.items())), **false}
    if ask is not step_questions and judged:
        all_steps = [judge_trace(q, text).steps for q, text in zip(questions, texts, strict=True)]
        row["begins"] = [steps[0].step if steps else "" for steps in all_steps]
        row |= {"holder": [sum(named), len(named)]} if holder else {}
    return row


def sampled(teller: LanguageModel, steps: range = range(3, 9), n: int = 80, draws: int = DRAWS) -> dict:
    """How often texts at temperature 1 are right, for questions of so many steps."""
    questions = step_questions(n, DRAWN, steps)
    written = draw_texts(teller, [q.prompt for q in questions], draws, 1.0, torch.Generator().manual_seed(0))
    right, proved, votes = [], [], Counter()
    for i, question in enumerate(questions):
        verdicts = [judge_trace(question, text) for text in written.texts[i * draws : (i + 1) * draws]]
        right.append(sum(v.right for v in verdicts))
        proved.append(sum(v.right and v.sound for v in verdicts))
        size = 1
        while size <= draws:
            chosen = [majority([v.answer for v in verdicts[j : j + size]]) for j in range(0, draws, size)]
            votes[size] += sum(answer == question.answer for answer in chosen) / len(chosen)
            size *= 2
    tokens = written.mask.sum().item() / len(written.texts)
    shares = {str(size): round(votes[size] / n, 4) for size in votes}
    return {"draws": draws, "right": right, "proved": proved, "majority": shares, "tokens": round(tokens, 2)}


def keep(teller: LanguageModel, folder: Path) -> None:
    """Write a model with its weights in float16."""
    halves = {name: weight.half() for name, weight in teller.model.state_dict().items()}
    about = {"command": "benchmarks/reasoning.py", "dtype": "float16"}
    with staged(folder) as new:
        write_model(new, teller.model, teller.tokenizer, about, halves)


# -- the arms ------------------------------------------------------------------------------------------------


def train_steps(arm: str, seed: int, lr: float, steps: int, tune: bool, ask=step_questions) -> dict:
    """Train on traces, or on answers alone. With ask, on questions of another kind."""
    vocab_size = 420 if ask is step_questions else 350  # the words of hand-overs give no more
    teller = new_teller(seed, texts=texts_of(ask), vocab_size=vocab_size)
    questions = ask(BATCH * 800, TRAIN + seed, LONGER if arm == "longer" else LEARNED)
    texts = [with_holder(q) if arm == "holder" else trace(q, think=arm != "answer") for q in questions]
    loss = learn(teller, rows(teller, questions, texts), steps, lr, seed)
    row = {"loss": loss, **greedy(teller, 25 if tune else 50, TUNE if tune else TEST, ask, arm == "holder")}
    if not tune and ask is step_questions and arm != "longer":
        row |= sampled(teller, REWARDED_STEPS) if arm == "early" else sampled(teller)
        if seed == 0 and lr == 6e-3:
            keep(teller, MODEL.with_name(f"reasoner-{arm}"))
    return row


STORED = {(0, 6e-3, 700): MODEL, (0, 6e-3, 1500): MODEL.with_name("reasoner-think")}


@cache
def think_teller(seed: int, lr: float, steps: int) -> LanguageModel:
    """A model that learned from traces: a stored one if it learned in this way, a new one otherwise."""
    if (seed, lr, steps) in STORED:
        return companion.load(STORED[seed, lr, steps], device="cpu")
    teller = new_teller(seed)
    questions = step_questions(BATCH * 800, TRAIN + seed, LEARNED)
    learn(teller, rows(teller, questions, [trace(q) for q in questions]), steps, lr, seed)
    return teller


def steps_twice(question: StepQuestion) -> str:
    """A trace that has all steps twice, the second time after another <think>."""
    thought, end, answer = trace(question).partition(END_THINK)
    return f"{thought}{thought}{end}{answer}"


@torch.no_grad()
def likeliest_other(teller: LanguageModel, ids: list[int], barred: tuple[int, ...]) -> int:
    """The most probable next token that is none of some tokens."""
    logits = teller.model(torch.tensor([ids]))[0, -1]  # (V,)
    logits[list(barred)] = float("-inf")
    return logits.argmax().item()


def think_on(teller: LanguageModel, prompts: list[str], goes: int, again: bool) -> tuple[list[str], float]:
    """Write at temperature 0, and replace the end of the thought the first few times (budget forcing).

    Args:
        teller: The model.
        prompts: What it continues.
        goes: How many times the end of the thought is replaced.
        again: Whether <think> takes the place of the end, or the most probable other token.

    Returns:
        The texts, and the mean number of their tokens.

    Reference:
        Muennighoff et al., 2025, arXiv:2501.19393.
    """
    special = teller.tokenizer.special_tokens
    given = [row.tolist() for row in prompt_rows(teller, prompts)]
    sequences = [list(row) for row in given]
    waiting = list(range(len(sequences)))  # whose text goes on
    for go in range(goes + 1):
        stop = (*teller.ends, special[END_THINK]) if go < goes else teller.ends
        so_far = [torch.tensor(sequences[i]) for i in waiting]
        room = min(96, teller.model.config.context_length - max(len(row) for row in so_far))
        longer = []
        for i, new in zip(waiting, written_until(teller, so_far, stop, room), strict=True):
            sequences[i] += new
            if go < goes and new and new[-1] == special[END_THINK]:
                sequences[i].pop()
                other = special[THINK]
                if not again:
                    other = likeliest_other(teller, sequences[i], stop)
                sequences[i].append(other)
                longer.append(i)
        waiting = longer
        if not waiting:
            break
    written = [ids[len(row) :] for row, ids in zip(given, sequences, strict=True)]
    texts = [teller.tokenizer.decode([i for i in new if i not in teller.ends]) for new in written]
    return texts, sum(map(len, written)) / len(written)


def further(teller: LanguageModel) -> dict:
    """Force a model to go on with questions that need more steps than it learned from."""
    cells = {}
    for k in (4, 5, 6):
        questions = step_questions(200, FURTHER + k, [k])
        cells[str(k)] = []
        for goes in (0, 1, 2):
            texts, tokens = think_on(teller, [q.prompt for q in questions], goes, again=False)
            verdicts = [judge_trace(q, text) for q, text in zip(questions, texts, strict=True)]
            right = sum(v.right for v in verdicts)
            proved = sum(v.right and v.sound for v in verdicts)
            cells[str(k)].append([goes, round(tokens, 2), right, proved])
    return cells


def train_forced(arm: str, seed: int, lr: float, steps: int, tune: bool) -> dict:
    """Let models think longer than they would; see the top of this file."""
    row = {}
    if arm == "further":
        return {"cells": further(think_teller(seed, lr, steps))}
    if arm == "twice":
        teller = new_teller(seed)
        questions = step_questions(BATCH * 800, TRAIN + seed, LEARNED)
        made = rows(teller, questions, [steps_twice(q) for q in questions])
        row["loss"] = learn(teller, made, steps, lr, seed)
    else:
        teller = think_teller(seed, lr, steps)
    few = step_questions(80, DRAWN, REWARDED_STEPS)
    many = step_questions(600, PAIRED, REWARDED_STEPS)
    if tune:
        few, many = few[:0], step_questions(100, TUNE, LEARNED)
    points, shown = [], []
    all_goes = GOES[:3] if arm == "twice" else GOES  # four thoughts of a row fill the context
    for goes in GOES[:1] if tune else all_goes:
        texts, tokens = think_on(teller, [q.prompt for q in few + many], goes, arm != "suppressed")
        last = [THINK + text.rpartition(THINK)[2] for text in texts]
        verdicts = [judge_trace(q, text) for q, text in zip(few + many, last, strict=True)]
        right = [v.right for v in verdicts]
        proved = sum(v.right and v.sound for v in verdicts[len(few) :])
        points.append([goes, round(tokens, 2), sum(right[: len(few)]), sum(right[len(few) :]), proved])
        shown.append(texts[:3])
    return row | {"asked": [len(few), len(many)], "points": points, "shown": shown}


def tool_text(question: StepQuestion, arm: str) -> tuple[str, str]:
    """What is written before the result of the tool, and the result."""
    words = []
    for fact in question.steps:
        if fact.about:  # the tool itself adds up the counts of two people
            before = {"names": [fact.about], "filler": [FILLER], "numbers": []}
            words += before[arm]
            words += ["-" if fact.change < 0 else "+", number_word(abs(fact.change) or fact.value)]
    return f"{TOOL} {' '.join(words)}{END_TOOL}", f" {question.answer}"


def run_without_filler(call: str) -> str:
    """The tool's result for a call, in which the filler word is skipped."""
    return run_sum(" ".join(word for word in call.split() if word != FILLER))


def train_tool(arm: str, seed: int, lr: float, steps: int, tune: bool) -> dict:
    """Train on calls of the tool; its results are not learned."""
    teller = new_teller(seed)
    encode = teller.tokenizer.encode
    made = []
    for question in step_questions(BATCH * 800, TRAIN + seed, LEARNED):
        call, result = tool_text(question, arm)
        parts = [
            ([*teller.begin, *encode(question.prompt)], False),
            (encode(call, allowed_special="all"), True),
            (encode(result), False),
            ([*encode("."), teller.end], True),
        ]
        made.append(([i for ids, _ in parts for i in ids], [flag for ids, flag in parts for _ in ids]))
    loss = learn(teller, made, steps, lr, seed)
    asked_steps = LEARNED if tune else TESTED
    questions = step_questions(50 * len(asked_steps), TUNE if tune else TEST, asked_steps)
    texts = draw_with_tool(teller, [q.prompt for q in questions], run_without_filler).texts
    asked, right, called = Counter(), Counter(), Counter()
    for question, text in zip(questions, texts, strict=True):
        k = str(len(question.steps))
        asked[k] += 1
        right[k] += judge_trace(question, text.rpartition(END_TOOL)[2]).right
        called[k] += text.startswith(tool_text(question, arm)[0])
    if seed == 0 and arm == "names" and not tune:
        keep(teller, MODEL.with_name("reasoner-tool"))
    return {
        "loss": loss,
        "cells": {k: [asked[k], right[k], called[k]] for k in sorted(asked)},
        "shown": texts[:8],
    }


SIZES = {"trained": (range(1, 4), range(2, 6)), "larger": (range(4, 7), range(5, 8))}  # people, places
MOST_CALLS = 8


def measured(teller: LanguageModel, n: int, seed: int) -> dict:
    """What happens in new worlds: see the top of this file."""
    cells, shown = {}, []
    for name, (people, places) in SIZES.items():
        found = searches(n, seed, people, places)
        prompts, runs = [search.prompt for search in found], [search.run for search in found]
        texts = draw_with_tool(teller, prompts, runs, max_new_tokens=12, calls=MOST_CALLS).texts
        right = [text.endswith(search.answer) for search, text in zip(found, texts, strict=True)]
        calls = [text.count(TOOL) for text in texts]
        least = [least_calls(len(search.people), len(search.places)) for search in found]
        within = [yes and k <= most for yes, k, most in zip(right, calls, least, strict=True)]
        by_program = sum(len(episode(search)) for search in found)
        in_order = 0  # the calls of somebody who looks place after place, until only one is left
        for search in found:
            in_order += min(search.places.index(search.place) + 1, len(search.places) - 1)
        cells[name] = [n, sum(right), sum(within), sum(calls), by_program, in_order, sum(least)]
        shown.append([[search.prompt, text] for search, text in zip(found[:10], texts, strict=False)])
    return {"cells": cells, "shown": shown}


def train_agent(arm: str, seed: int, lr: float, steps: int, tune: bool) -> dict:
    """Train on episodes of the program; the results of its calls are not learned."""
    made, texts = [], []
    episodes = [
        (search, episode(search)) for search in searches(BATCH * 400, TRAIN + seed, *SIZES["trained"])
    ]
    for search in searches(2000, 0, range(1, 7), range(2, 8)):  # the same tokenizer for every seed
        transcript = " ".join(f"{call} {result}" for call, result in episode(search))
        texts.append(f"{search.prompt} {transcript} {search.answer}")
    teller = new_teller(seed, texts=texts, vocab_size=380)
    encode = teller.tokenizer.encode
    for search, calls in episodes:
        parts = [([*teller.begin, *encode(search.prompt)], False)]
        for call, result in calls:
            parts += [(encode(f"{TOOL} {call}{END_TOOL}", allowed_special="all"), True)]
            parts += [(encode(f" {result}"), False)]
        parts.append(([*encode(f" {search.answer}"), teller.end], True))
        made.append(([i for ids, _ in parts for i in ids], [flag for ids, flag in parts for _ in ids]))
    loss = learn(teller, made, steps, lr, seed)
    return {"loss": loss, **measured(teller, 50 if tune else 100, TUNE if tune else TEST)}


def anywhere(question: StepQuestion, text: str) -> float:
    """A checker with a hole: 1 if the word of the answer occurs somewhere in the text."""
    return float(question.answer in text.replace(".", " ").replace(":", " ").replace("<", " ").split())


REWARDS = {
    "grpo": ("grpo", answer_reward),
    "dr_grpo": ("dr_grpo", answer_reward),
    "dapo": ("dapo", answer_reward),
    "gspo": ("gspo", answer_reward),
    "each step": ("grpo", step_reward),
    "anywhere": ("grpo", anywhere),
}


def with_rewards(arm: str, seed: int, lr: float, steps: int) -> tuple[LanguageModel, RLVR, list[dict]]:
    """Train with rewards from the model of seed 0; steps is the number of draws, with two updates each.

    Returns the model, what it learned from, and an entry for each draw.
    """
    teller = companion.load(MODEL, device="cpu")
    switch, reward = REWARDS[arm]
    questions = step_questions(16 * steps, TRAIN + 500 + seed, REWARDED_STEPS)
    config = TrainConfig(
        steps=2 * steps, batch_size=1, lr=lr, seed=seed, warmup_steps=5, device="cpu", dtype="float32"
    )
    learner = RLVR(teller, questions, reward, switch, seed=seed)
    optimizer = torch.optim.AdamW(teller.model.parameters(), lr=lr, betas=(0.9, 0.99), weight_decay=0.0)
    trainer = Trainer(teller.model, learner.batches, config, learner.loss, optimizers=[optimizer])
    curve = []
    for step in range(2 * steps):
        trainer.step()
        if step % 2:
            draws, asked = learner.draws, learner.asked
            verdicts = [judge_trace(asked[i // 8], text) for i, text in enumerate(draws.texts)]
            curve.append(
                {
                    "reward": round(learner.rewards.mean().item(), 4),
                    "right": sum(v.right for v in verdicts),
                    "proved": sum(v.right and v.sound for v in verdicts),
                    "tokens": round(draws.mask.sum().item() / len(draws.texts), 2),
                    "flat": sum(len(set(group)) == 1 for group in learner.rewards.view(-1, 8).tolist()),
                }
            )
    return teller, learner, curve


def train_rewards(arm: str, seed: int, lr: float, steps: int, tune: bool) -> dict:
    """Train with rewards, and ask the held-out questions."""
    teller, learner, curve = with_rewards(arm, seed, lr, steps)
    row = {
        "curve": curve,
        "shown": learner.draws.texts[:3],
        **greedy(teller, 25 if tune else 50, TUNE if tune else TEST),
    }
    if not tune:
        row |= sampled(teller, REWARDED_STEPS)
    return row


def compare_pairs(arm: str, seed: int, lr: float, steps: int, tune: bool) -> dict:
    """Train with rewards again, and ask the models before and after the same 600 new questions."""
    questions = step_questions(600, PAIRED, REWARDED_STEPS)
    before = right_answers(companion.load(MODEL, device="cpu"), questions)
    after = right_answers(with_rewards(arm, seed, lr, steps)[0], questions)
    pairs = Counter(zip(before, after, strict=True))
    return {
        "both": pairs[True, True],
        "before only": pairs[True, False],
        "after only": pairs[False, True],
        "neither": pairs[False, False],
    }


def right_answers(teller: LanguageModel, questions: list[StepQuestion]) -> list[bool]:
    """Which questions the model answers rightly at temperature 0."""
    texts = draw_texts(teller, [q.prompt for q in questions], temperature=0.0).texts
    return [judge_trace(q, text).right for q, text in zip(questions, texts, strict=True)]


def own_texts(small: LanguageModel, questions: list[StepQuestion], seed: int, begin: int = 0):
    """Yield batches of texts that the small model writes, from number begin on: (tokens, mask)."""
    generator = torch.Generator().manual_seed(seed)
    for first in range(begin * BATCH, len(questions), BATCH):
        prompts = [question.prompt for question in questions[first : first + BATCH]]
        draws = draw_texts(small, prompts, 1, 1.0, generator)
        yield draws.tokens, draws.mask


def reverse_kl(teacher: nn.Module, model: nn.Module, batch: tuple) -> tuple:
    """The sum over written tokens of KL(model || teacher), and their number."""
    tokens, mask = batch
    kl = divergences(model, teacher, tokens)  # (N, T - 1)
    return kl[mask].sum(), mask.sum().item()


SMALL = {"d_model": 48, "n_layers": 2}
SMALL_STEPS = 500


@cache
def small_start(seed: int) -> dict:
    """The weights of a small model after its first steps on the ledger's traces."""
    small = new_teller(seed, **SMALL)
    questions = step_questions(BATCH * SMALL_STEPS, TRAIN + 600 + seed, LEARNED)
    learn(small, rows(small, questions, [trace(q) for q in questions]), SMALL_STEPS, 6e-3, seed)
    return small.model.state_dict()


def train_small(arm: str, seed: int, lr: float, steps: int, tune: bool) -> dict:
    """Train a small model further, with 32 texts in each step, by one of four teachers or by none."""
    teacher = companion.load(MODEL.with_name("reasoner-think"), device="cpu")
    small = new_teller(seed, **SMALL)
    small.model.load_state_dict(small_start(seed))
    asked = step_questions(BATCH * steps, TRAIN + 700 + seed, LEARNED)
    config = TrainConfig(
        steps=steps, batch_size=1, lr=lr, seed=seed, warmup_steps=5, device="cpu", dtype="float32"
    )
    row = {"parameters": sum(p.numel() for p in small.model.parameters())}
    if arm == "before":
        return row | greedy(small)
    if arm == "rewards":
        learner = RLVR(small, asked, answer_reward, per_draw=BATCH // 8, updates=1, seed=seed)
        batches, loss = learner.batches, learner.loss
    elif arm == "own texts":
        batches, loss = partial(own_texts, small, asked, seed), partial(reverse_kl, teacher.model)
    else:
        texts = [trace(question) for question in asked]
        if arm == "teacher's texts":
            prompts = [question.prompt for question in asked]
            texts = draw_texts(teacher, prompts, 1, 1.0, torch.Generator().manual_seed(seed)).texts
            verdicts = [judge_trace(question, text) for question, text in zip(asked, texts, strict=True)]
            row["taught"] = [len(verdicts), sum(v.right for v in verdicts), sum(v.sound for v in verdicts)]
        made = rows(small, asked, texts)
        batches, loss = partial(masked_batches, made, BATCH, seed), next_token_loss
    trainer = Trainer(small.model, batches, config, loss, optimizers(small.model, lr))
    for _ in range(steps):
        trainer.step()
    return row | greedy(small, 25 if tune else 50, TUNE if tune else TEST)


JOBS = {
    "small": (train_small, ("before", "simulator", "teacher's texts", "own texts", "rewards")),
    "tool": (train_tool, ("numbers", "names", "filler")),
    "steps": (train_steps, ("answer", "think", "early", "longer")),
    "handed": (partial(train_steps, ask=hand_over_questions), ("answer", "think", "holder")),
    "agent": (train_agent, ("episodes",)),
    "rewards": (train_rewards, tuple(REWARDS)),
    "forced": (train_forced, ("suppressed", "again", "twice", "further")),
    "pairs": (compare_pairs, ("grpo", "each step")),
}


def timed(train: Callable[..., dict], *given) -> dict:
    """The row of a training, with the seconds of processor time that it took."""
    begun = time.process_time()
    row = train(*given)
    return row | {"seconds": round(time.process_time() - begun)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("job", choices=JOBS)
    parser.add_argument("--arm", action="append", help="only this one (can be given several times)")
    parser.add_argument("--seed", type=int, action="append", help="default: 0, 1 and 2")
    parser.add_argument("--lr", type=float, required=True)
    parser.add_argument("--steps", type=int, required=True)
    parser.add_argument("--tune", action="store_true", help="a run that only compares rates")
    options = parser.parse_args()
    train, arms = JOBS[options.job]
    for seed in options.seed or (0, 1, 2):
        for arm in options.arm or arms:
            key = {"job": options.job, "arm": arm, "seed": seed, "lr": options.lr, "trained": options.steps}
            key |= {"tune": options.tune}
            add_missing(LOG, key, partial(timed, train, arm, seed, options.lr, options.steps, options.tune))


if __name__ == "__main__":
    main()
