"""Chapter 13: scores of answers, how far to trust them, and what is behind them."""

import json
import math
import unicodedata
from collections import Counter
from functools import partial

import pytest
import torch

from companion.evaluation import (
    Example,
    Task,
    choice_scores,
    cloze,
    contamination,
    exact_match,
    multiple_choice,
    score_continuations,
)
from companion.generation import LanguageModel, next_token_probabilities
from companion.gpt import GPTConfig, gpt2
from companion.tokenization import BPETokenizer
from companion.village import DATA

TEXT = "Mara found a red kite by the mill. Ivy's café had seven plums. " * 3


@pytest.fixture(scope="module")
def teller():
    """A tiny model with random weights: all that is asked of it can be worked out another way."""
    tokenizer = BPETokenizer.train(TEXT, vocab_size=280)
    torch.manual_seed(3)
    model = gpt2(GPTConfig(tokenizer.vocab_size, 40, 2, 3, 24))
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    return LanguageModel(model.train(), tokenizer)


PAIRS = [("Mara found", " a red kite"), ("", "Ivy"), ("Ivy's ", "café"), ("seven", " plums"), ("a", "b")]


def by_steps(teller, prompt, choice):
    """The log-probability of a choice, one token after the other, and whether each was the likeliest."""
    encode, ids, total, likeliest = teller.tokenizer.encode, [], 0.0, True
    before = [teller.end, *encode(prompt)]
    for token in [teller.end, *encode(prompt + choice)][len(before) :]:
        with torch.no_grad():
            logits = teller.model.eval()(torch.tensor([before + ids]))[:, -1]
        probs = next_token_probabilities(logits)[0]
        total += math.log(probs[token])
        likeliest &= probs.argmax().item() == token
        ids.append(token)
    teller.model.train()
    return total, likeliest


@pytest.mark.parametrize("batch_size", [2, 32])
def test_a_continuation_s_score_is_the_sum_of_its_steps(teller, batch_size):
    scores, greedy = score_continuations(teller, PAIRS, batch_size)
    steps = [by_steps(teller, *pair) for pair in PAIRS]
    torch.testing.assert_close(scores, torch.tensor([total for total, _ in steps]), atol=1e-4, rtol=1e-4)
    assert greedy.tolist() == [likeliest for _, likeliest in steps]
    assert teller.model.training, "its mode is as it was"


def test_the_likeliest_tokens_are_a_cloze_that_is_filled(teller):
    said = teller.generate("Mara found", temperature=0, max_new_tokens=1)
    right, wrong = Example("Mara found", (said,), said), Example("Mara found", (" xyz",), " xyz")
    steps = [by_steps(teller, e.prompt, e.answer)[1] for e in (right, wrong)]
    assert cloze(teller, [right, wrong]).tolist() == [float(likeliest) for likeliest in steps]


EXAMPLES = [
    Example("Mara found", (" a kite", " plums", " seven café plums"), " plums"),
    Example("", ("Ivy", "Mara"), "Mara"),
]


@pytest.mark.parametrize("by", ["sum", "token", "byte", "pmi"])
def test_a_choice_s_score_is_divided_by_what_was_asked(teller, by):
    found = choice_scores(teller, EXAMPLES, by)
    assert [scores.shape for scores in found] == [(3,), (2,)]
    for example, scores in zip(EXAMPLES, found, strict=True):
        for choice, score in zip(example.choices, scores.tolist(), strict=True):
            total = by_steps(teller, example.prompt, choice)[0]
            encode = teller.tokenizer.encode
            tokens = len(encode(example.prompt + choice)) - len(encode(example.prompt))
            wanted = {
                "sum": total,
                "token": total / tokens,
                "byte": total / len(choice.encode("utf-8")),
                "pmi": total - by_steps(teller, "", choice)[0],
            }[by]
            assert score == pytest.approx(wanted, abs=1e-4)
    picked = [example.choices[scores.argmax()] for example, scores in zip(EXAMPLES, found, strict=True)]
    right = [float(choice == example.answer) for choice, example in zip(picked, EXAMPLES, strict=True)]
    assert multiple_choice(teller, EXAMPLES, by).tolist() == right


def test_a_continuation_that_is_too_long_or_empty_is_an_error(teller):
    with pytest.raises(ValueError, match=r"choice='' is empty; give it a letter"):
        score_continuations(teller, [("Mara", "")])
    with pytest.raises(ValueError, match=r"choice='even' merges with its prompt's last token; begin it with"):
        score_continuations(teller, [("s", "even")])
    with pytest.raises(ValueError, match=r"above context_length=40; leave out shots, or shorten it"):
        score_continuations(teller, [("plums " * 60, "kite")])


def test_as_many_tokens_as_the_context_and_one_fit(teller):
    prompt = "z" * 38  # 39 tokens with what begins a text, the choice's first; the choice's last is not read
    assert len(teller.tokenizer.encode(prompt)) == 38
    scores, _ = score_continuations(teller, [(prompt, "qx")])
    assert scores.isfinite().all()
    with pytest.raises(ValueError, match="41 tokens"):
        score_continuations(teller, [(prompt, "qxq")])


def test_a_free_answer_counts_where_it_is_the_answer(teller):
    said = teller.generate("Mara", temperature=0, max_new_tokens=4)

    def read(text):
        return text[:3]

    examples = [Example("Mara", (said[:3],), said[:3]), Example("Mara", ("no",), "no")]
    assert exact_match(teller, examples, read, max_new_tokens=4).tolist() == [1.0, 0.0]


def test_a_task_asks_its_first_examples(teller):
    task = Task("two", lambda n: EXAMPLES[:n], partial(multiple_choice, by="byte"))
    assert task.score(teller, 1).tolist() == multiple_choice(teller, EXAMPLES, "byte")[:1].tolist()
    with pytest.raises(ValueError, match="task 'two' has no examples"):
        task.score(teller, 0)


# ---- contamination -----------------------------------------------------------------------------------


def test_contamination_counts_runs_of_words_whatever_their_case():
    test = "The red kite flew over the old mill."
    assert contamination([test], ['"the RED kite, flew over"...'], n=3) == [pytest.approx(3 / 6)]
    assert contamination([test], ["the red kite", "flew over the old mill"], n=3) == [pytest.approx(4 / 6)]
    assert contamination([test, "too short"], [test], n=8) == [1.0, 0.0]
    assert contamination([], [test]) == []
    assert contamination(["हिन्दी में लिखो"], ["हान्दा मों लाखा"], n=3) == [0.0]  # vowel signs are part of a word
    assert contamination([unicodedata.normalize("NFD", "Été à Paris")], ["été à Paris"], n=3) == [1.0]


def everyday_rows():
    return [json.loads(line) for line in (DATA / "everyday.jsonl").read_text("utf-8").splitlines()]


def test_neither_the_place_nor_the_length_of_an_everyday_ending_gives_it_away():
    """Rules that do not read: each gets about what a guess gets, one in four."""
    rows = everyday_rows()
    assert Counter(row["label"] for row in rows) == {0: 50, 1: 50, 2: 50, 3: 50}
    assert set(Counter(row["activity_label"] for row in rows).values()) == {10}
    ranks = Counter()
    for row in rows:
        right = len(row["endings"][row["label"]])
        ranks[sum(len(ending) < right for ending in row["endings"])] += 1
    assert all(40 <= ranks[rank] <= 64 for rank in range(4)), ranks
