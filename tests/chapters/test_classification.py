"""A head on hidden states: what it reads, what learns, which rows come, what is written and read again."""

import csv
import math
import re
from collections import Counter
from itertools import islice

import pytest
import torch
import torch.nn.functional as F

from companion import BUILDERS
from companion.classification import (
    Classifier,
    TextClassifier,
    class_batches,
    class_loss,
    class_weights,
    depth_groups,
    fit_head,
    freeze,
    read_states,
    word_counts,
)
from companion.datasets import load_text, pad_batch
from companion.gpt import GPTConfig, gpt2
from companion.modern import LlamaConfig, llama
from companion.tokenization import BPETokenizer
from companion.village import DATA

ROWS = [[5, 3, 9], [7], [2, 2, 8, 4, 1, 6, 3], [1, 10], [4, 4, 4, 9, 9]]


@pytest.fixture
def model():
    torch.manual_seed(1)
    return gpt2(GPTConfig(vocab_size=11, context_length=9, n_layers=3, n_heads=2, d_model=6)).eval()


@pytest.mark.parametrize("read", ["last", "mean"])
def test_a_rows_scores_do_not_depend_on_padding_or_on_other_rows(model, read):
    classifier = Classifier(model, 3, read)
    torch.nn.init.normal_(classifier.head.weight)
    together = classifier(*pad_batch(ROWS, pad_id=10, length=9))
    for row, scores in zip(ROWS, together, strict=True):
        hidden = model.hidden(torch.tensor([row]))[0]
        state = hidden[-1] if read == "last" else hidden.mean(0)
        torch.testing.assert_close(scores, classifier.head(state), atol=1e-5, rtol=1e-5)
    states = read_states(classifier, ROWS, batch_size=2)
    torch.testing.assert_close(classifier.head(states), together, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize(("rows", "words"), [([[1], []], "row 1 has 0 tokens"), ([[1] * 10], "row 0 has 10")])
def test_a_row_that_does_not_fit_is_an_error(model, rows, words):
    with pytest.raises(ValueError, match=words):
        read_states(Classifier(model, 2), rows)


def test_an_unknown_read_or_a_single_class_is_an_error(model):
    with pytest.raises(ValueError, match="read='first' must be"):
        Classifier(model, 2, read="first")
    with pytest.raises(ValueError, match="n_classes=1 must be at least 2"):
        Classifier(model, 1)


def test_freezing_from_the_bottom(model):
    classifier, total = Classifier(model, 2), sum(p.numel() for p in model.parameters())
    counts = [freeze(model, upto) for upto in range(4)]
    assert counts[0] == total > counts[1] > counts[2] > counts[3] == 0
    block = sum(p.numel() for p in model.blocks[0].parameters())
    assert counts[1] - counts[2] == block
    assert counts[2] == block + sum(p.numel() for p in model.norm.parameters())
    freeze(model, 2)
    class_loss(classifier, (pad_batch(ROWS, 0), torch.tensor([0, 1, 0, 1, 1])))[0].backward()
    learned = {name for name, p in model.named_parameters() if p.requires_grad}
    assert learned == {n for n, _ in model.named_parameters() if n.startswith(("blocks.2.", "norm."))}
    assert all((p.grad is not None) == (name in learned) for name, p in model.named_parameters())
    assert freeze(model, 0) == total
    for upto in (-1, 4):
        with pytest.raises(ValueError, match=f"upto={upto} must be from 0"):
            freeze(model, upto)


def test_a_head_over_the_vocabulary_never_learns():
    model = llama(LlamaConfig(vocab_size=11, context_length=9, n_layers=2, n_heads=2, d_model=8, tied=False))
    freeze(model, 0)
    assert not any(p.requires_grad for p in model.head.parameters())


def test_rates_fall_with_depth_and_each_parameter_is_in_one_group(model):
    classifier = Classifier(model, 2)
    groups = depth_groups(classifier, 0.8, 0.5)
    assert [group["lr"] for group in groups] == [0.8, 0.4, 0.2, 0.1, 0.05]
    listed = [id(p) for group in groups for p in group["params"]]
    assert len(listed) == len(set(listed)) and set(listed) == {id(p) for p in classifier.parameters()}
    assert groups[0]["params"][0] is classifier.head.weight
    assert any(p is model.norm.weight for p in groups[1]["params"])
    assert any(p is model.embed.token.weight for p in groups[-1]["params"])
    freeze(model, 2)
    assert [group["lr"] for group in depth_groups(classifier, 0.8, 0.5)] == [0.8, 0.4]
    for factor in (0, 1.5):
        with pytest.raises(ValueError, match=f"factor={factor} must be"):
            depth_groups(classifier, 0.1, factor)


def many(n=37, share=0.2, seed=0):
    generator = torch.Generator().manual_seed(seed)
    lengths = torch.randint(1, 9, (n,), generator=generator).tolist()
    return [[i % 11] * length for i, length in enumerate(lengths)], (torch.arange(n) < share * n).long()


def test_a_pass_has_every_row_once_and_a_batch_depends_on_its_number_alone():
    rows, labels = many()
    batches = list(islice(class_batches(rows, labels, 5, seed=3), 16))
    for one in (batches[:8], batches[8:]):
        seen = [tuple(t[m].tolist()) for (tokens, mask), _ in one for t, m in zip(tokens, mask, strict=True)]
        assert sorted(seen) == sorted(map(tuple, rows))
        assert torch.cat([y for _, y in one]).sum() == labels.sum()
    for first in (1, 8, 11):
        (tokens, mask), y = next(class_batches(rows, labels, 5, seed=3, first=first))
        (wanted, real), truth = batches[first]
        assert torch.equal(tokens, wanted) and torch.equal(mask, real) and torch.equal(y, truth)
    (other, _), _ = next(class_batches(rows, labels, 5, seed=4))
    assert other.shape != batches[0][0][0].shape or not torch.equal(other, batches[0][0][0])


def test_balanced_batches_draw_every_class_equally_often():
    rows, labels = many(60, share=0.1)
    batches = islice(class_batches(rows, labels, 10, balanced=True), 120)
    share = torch.cat([y for _, y in batches]).float().mean().item()
    assert abs(share - 0.5) < 0.05


def test_weighted_loss_is_pytorchs_and_all_classes_weigh_alike(model):
    classifier, labels = Classifier(model, 3), torch.tensor([0, 1, 0, 2, 0])
    torch.nn.init.normal_(classifier.head.weight)
    weights = class_weights(labels, 3)
    assert torch.allclose(weights, torch.tensor([5 / 9, 5 / 3, 5 / 3]))
    assert math.isclose(weights[labels].mean().item(), 1, rel_tol=1e-6)
    batch = (pad_batch(ROWS, 0), labels)
    nats, count = class_loss(classifier, batch, weights)
    each = F.cross_entropy(classifier(*batch[0]), labels, reduction="none")
    torch.testing.assert_close(nats, (each * weights[labels]).sum())
    assert count == 5 and torch.isclose(class_loss(classifier, batch)[0], each.sum())
    with pytest.raises(ValueError, match="class 1 has no row"):
        class_weights(torch.tensor([0, 2]), 3)


def test_the_head_is_where_the_gradient_is_zero():
    generator = torch.Generator().manual_seed(0)
    x = 3 + 5 * torch.randn(50, 4, generator=generator)
    y = torch.randint(3, (50,), generator=generator)
    head = fit_head(x, y, 3, decay=0.02)
    spread = x.std(0, correction=0)
    W, b = (head.weight.double() * spread).requires_grad_(), head.bias.double().requires_grad_()
    scores = ((x - 0) / spread).double() @ W.T + b
    (F.cross_entropy(scores, y) + 0.02 * W.square().sum()).backward()
    assert W.grad.abs().max() < 1e-3 and b.grad.abs().max() < 1e-3


def test_a_feature_that_never_changes_and_one_of_large_numbers_do_no_harm():
    x = torch.stack([torch.ones(20), 1e4 * torch.arange(20.0), torch.zeros(20)], 1)
    y = (torch.arange(20) >= 10).long()
    assert fit_head(x, y, 2)(x).argmax(1).eq(y).all()


def test_words_are_counted_whatever_their_order_and_capitals():
    counts, words = word_counts(["The cat. the CAT!", "A dog's cat", ""])
    assert words[:2] == ["cat", "the"] and set(words) == {"cat", "the", "a", "dog", "s"}
    assert counts[:, 0].tolist() == [2, 1, 0] and counts.sum(1).tolist() == [4, 4, 0]
    again, same = word_counts(["dog dog bird"], words)
    assert same == words and again.sum() == 2
    assert word_counts([""])[0].shape == (1, 0)
    assert word_counts(["வணக்கம் 天气", "天空"])[1] == ["天", "வணக்கம்", "气", "空"]


@pytest.mark.parametrize(("kind", "read"), [("gpt2", "last"), ("swift", "mean")])
def test_a_classifier_is_saved_and_classifies_the_same_again(tmp_path, kind, read):
    torch.manual_seed(2)
    tokenizer = BPETokenizer.train(load_text("lamplighter"), 300)
    config_class, build = BUILDERS[kind]
    model = build(config_class(vocab_size=300, context_length=32, n_layers=2, n_heads=2, d_model=16))
    reader = TextClassifier(Classifier(model, 2, read), tokenizer, ["cold", "warm"])
    for parameter in reader.classifier.parameters():
        torch.nn.init.normal_(parameter)
    texts = ["all is warm", "so very cold"]
    reader.save(tmp_path / "a", {"from": "here"})
    again = TextClassifier.load(tmp_path / "a", BUILDERS)
    assert again.classes == ["cold", "warm"] and again.classifier.read == read
    assert reader.classify(texts[:1]) != reader.classify(texts[1:])
    for ours, theirs in zip(reader.classify(texts), again.classify(texts), strict=True):
        assert ours == pytest.approx(theirs, abs=1e-6) and sum(ours.values()) == pytest.approx(1)


def test_length_digits_capitals_and_marks_do_not_tell_spam():
    """Each of these counts alone, and all together, asked in five parts as in chapter 15."""
    with (DATA / "messages.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    texts, spam = [row["text"] for row in rows], torch.tensor([int(row["label"] == "spam") for row in rows])
    assert len(set(texts)) == 100 and spam.sum() == 40
    kinds = (
        len,
        lambda text: text.count("!"),
        *(lambda t, f=f: sum(map(f, t)) for f in (str.isdigit, str.isupper)),
    )
    counts, part = (
        torch.tensor([[count(text) for count in kinds] for text in texts]).float(),
        torch.arange(100) % 5,
    )
    for x in (counts, *counts.split(1, dim=1)):
        right = 0
        for k in range(5):
            head = fit_head(x[part != k], spam[part != k], 2)
            right += (head(x[part == k]).argmax(-1) == spam[part == k]).sum().item()
        assert right < 68, right


def customers():
    with (DATA / "customers.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_the_customers_messages_are_six_hundred_in_six_classes_and_no_two_have_the_same_words():
    """Twins on both sides of a split would flatter whatever counts words."""
    rows = customers()
    assert Counter(row["label"] for row in rows) == dict.fromkeys(
        ["appointment", "delivery", "login", "praise", "product", "refund"], 100
    )
    kinds = Counter((row["label"], row["kind"]) for row in rows)
    assert all(kinds[label, "plain"] == 60 for label, _ in kinds)
    assert all(kinds[label, kind] == 20 for label, _ in kinds for kind in ("typos", "misleading"))
    bags = {tuple(sorted(re.findall(r"\w+", row["text"].lower()))) for row in rows}
    assert len(bags) == 600
