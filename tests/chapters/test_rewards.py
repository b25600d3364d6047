"""Rewards: the losses against sums by hand and PyTorch's, the draws, and what is refused."""

import json
import math

import pytest
import torch
import torch.nn.functional as F
from support.folders import raises_one_line
from support.weights import scripted

from companion import load
from companion.generation import LanguageModel
from companion.rewards import (
    DPO,
    GRPO,
    RewardModel,
    Samples,
    dpo_loss,
    group_advantages,
    grpo_loss,
    preference_loss,
    sample_groups,
    sentence_credit,
    token_log_probs,
)
from companion.runtime.data.preference_pairs import drawn_rows, matched_pairs, placed_pairs
from companion.tokenization import BPETokenizer
from companion.training import TrainConfig, Trainer
from companion.village import DATA
from companion.village.tasks import begun, false_parts, true_story


@pytest.fixture(scope="module")
def teller():
    return load(DATA / "models" / "village", device="cpu")


@pytest.fixture(scope="module")
def samples(teller):
    return sample_groups(teller, begun(3, 5), 4, torch.Generator().manual_seed(0))


def test_groups_continue_their_prompts_and_the_mask_marks_what_was_drawn(teller, samples):
    prompts = begun(3, 5)
    assert len(samples.texts) == 12 and samples.mask.shape == (12, samples.tokens.shape[1] - 1)
    for i, (text, ended) in enumerate(samples.texts):
        assert text.startswith(prompts[i // 4])
        drawn = samples.tokens[i, 1:][samples.mask[i]].tolist()
        assert (drawn[-1] == teller.end) == ended and teller.end not in drawn[:-1]
        assert prompts[i // 4] + teller.tokenizer.decode(drawn[:-1] if ended else drawn) == text
    assert len({text for text, _ in samples.texts[:4]}) > 1


def test_samples_end_at_every_token_that_ends_a_text_or_a_turn():
    names = ("<|endoftext|>", "<|user|>", "<|assistant|>", "<|end|>")
    tokenizer = BPETokenizer.train("Mara has a key.", 264, special_tokens=names)
    for name in ("<|endoftext|>", "<|end|>"):
        ender = tokenizer.special_tokens[name]
        steps = {65: 66, 66: ender, ender: 67, 67: 67}
        drawn = sample_groups(LanguageModel(scripted(tokenizer, steps), tokenizer), ["A"], 2)
        assert drawn.texts == [("AB", True)] * 2
        assert drawn.tokens[:, 1:].tolist() == [[65, 66, ender]] * 2
        assert drawn.mask.tolist() == [[False, True, True]] * 2


def test_advantages_by_hand():
    found = group_advantages([1, 0, 0, 0, 7, 7, 7, 7], 4)
    torch.testing.assert_close(found[:4], torch.tensor([3.0, -1, -1, -1]) / math.sqrt(3), rtol=1e-3, atol=0)
    assert not found[4:].any()
    assert group_advantages([16777216, 16777217], 2)[1] > 0, "they are compared in float64"


def test_grpo_by_hand():
    new, old = torch.tensor([[0.5, 0.1]]).log(), torch.tensor([[0.25, 0.2]]).log()
    mask = torch.tensor([[True, True]])
    for advantage, gains in ((1.0, (1.2, 0.5)), (-1.0, (-2.0, -0.8))):
        loss, n = grpo_loss(new, old, torch.tensor([advantage]), mask, clip=0.2)
        assert n == 2 and loss.item() == pytest.approx(-sum(gains), rel=1e-6)
    far = grpo_loss(new, new, torch.zeros(1), mask, reference=old, kl=2.0)[0].item()
    by_hand = sum(q / p - math.log(q / p) - 1 for p, q in ((0.5, 0.25), (0.1, 0.2)))
    assert far == pytest.approx(2 * by_hand, rel=1e-6)


@pytest.mark.parametrize("far", [-200.0, math.nan])
def test_masked_places_leave_the_gradient_alone(far):
    mask = torch.tensor([[True, False]])
    advantages = torch.tensor([[1.0, far]])
    new = torch.tensor([[-1.0, -1.0]], requires_grad=True)
    loss, _ = grpo_loss(new, new.detach() + torch.tensor([[0.0, far]]), advantages, mask)
    loss.backward()
    assert new.grad.tolist() == [[-1.0, 0.0]]

    reference = torch.tensor([[-1.5, far]])
    new = torch.tensor([[-1.0, -1.0]], requires_grad=True)
    loss, _ = grpo_loss(new, new.detach(), torch.tensor([0.0]), mask, reference=reference, kl=0.1)
    loss.backward()
    assert new.grad.isfinite().all() and new.grad[0, 1] == 0


def test_preferences_and_dpo_against_pytorch():
    torch.manual_seed(1)
    a, b, c, d = torch.randn(4, 7)
    truth = F.binary_cross_entropy_with_logits(a - b, torch.ones(7))
    torch.testing.assert_close(preference_loss(a, b), truth)
    pair = torch.stack([0.3 * (a - c), 0.3 * (b - d)], dim=1)
    torch.testing.assert_close(dpo_loss(a, b, c, d, beta=0.3), F.cross_entropy(pair, torch.zeros(7).long()))
    with pytest.raises(ValueError, match="beta=0 must be above 0"):
        dpo_loss(a, b, c, d, beta=0)


def test_a_reward_model_finds_what_the_pairs_have_in_common():
    def features(texts):
        return torch.tensor([[len(text), text.count("a")] for text in texts]).float()

    good, bad = ["aab", "abcaa", "a"] * 5, ["bb", "cccccb", "c"] * 5
    model = RewardModel.fit(features, good, bad)
    assert (model(good) > model(bad)).all() and model(["aaa"]) > model(["a"])
    with pytest.raises(ValueError, match="pair 1 has two equal texts"):
        RewardModel.fit(features, ["a", "b"], ["c", "b"])
    with pytest.raises(ValueError, match="rejected has 1 texts for 2 chosen"):
        RewardModel.fit(features, ["a", "b"], ["c"])


def test_credit_lies_on_the_letters_of_what_was_false(teller):
    text = "Once the duck Pip sat at the market. Pip fell."
    ids = [*teller.begin, *teller.tokenizer.encode(text), teller.end]
    mask = torch.zeros(1, len(ids) - 1, dtype=torch.bool)
    mask[0, 3:] = True
    samples = Samples([(text, True)], torch.tensor([ids]), mask)
    start = text.index("Pip fell")
    credit = sentence_credit(samples, teller, lambda text, ended: [(start, len(text))])
    blamed = [one for one, mark in zip(ids[1:], credit[0].tolist(), strict=True) if mark]
    assert teller.tokenizer.decode(blamed).strip() == "Pip fell."
    assert not sentence_credit(samples, teller, lambda text, ended: []).any()
    assert not sentence_credit(samples, teller, lambda text, ended: [(0, 5)]).any()  # the prompt's


@pytest.mark.gate
def test_rows_without_an_advantage_are_left_out_unless_a_reference_is_kept(teller):
    def credit(samples):
        return group_advantages([float(i == 1) for i in range(len(samples.texts))], 2)

    game = GRPO(teller, begun(2, 5), credit, size=2, per_step=2)
    tokens, mask, advantages, reference = next(game.batches())
    assert len(tokens) == len(mask) == len(advantages) == 2 and reference is None
    kept = GRPO(teller, begun(2, 5), credit, size=2, per_step=2, reference=teller.model, kl=0.1)
    tokens, mask, advantages, reference = next(kept.batches())
    assert len(tokens) == 4 and reference.shape == mask.shape == (4, tokens.shape[1] - 1)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda t: sample_groups(t, ["Once"], 1), "size=1 must be at least 2; a text alone"),
        (lambda t: sample_groups(t, ["Once", "a " * 300], 2), r"prompt 1 has \d+ tokens, must be below"),
        (lambda t: group_advantages([1, math.inf], 2), "reward 1 is inf, must be finite"),
        (
            lambda t: GRPO(t, begun(2, 5), group_advantages, kl=0.1),
            "kl=0.1 is the price of leaving a reference",
        ),
    ],
)
def test_groups_and_rewards_that_do_not_fit_are_an_error(teller, call, message):
    with raises_one_line(ValueError, message):
        call(teller)


def test_each_worse_text_has_the_best_one_nearest_in_length():
    texts = [(text, True) for text in ("aaaa", "b", "cc", "ddd", "e", "ff", "ggg", "hh")]
    a, b, c, d, *_ = texts
    assert matched_pairs(texts, [1, 0, 1, 0, 0, 0, 0, 0], 4) == [(c, b), (a, d)]
    assert matched_pairs(texts, [0, 0, 0, 2, 5, 5, 5, 5], 4) == [(d, a)]  # one best, so one pair
    with pytest.raises(ValueError, match="of 8 texts that were drawn each group's rewards are equal"):
        matched_pairs(texts, [1] * 4 + [0] * 4, 4)
    with pytest.raises(ValueError, match="reward 1 is nan"):
        matched_pairs(texts[:2], [1, math.nan], 2)


def test_rows_end_where_the_text_did_and_at_the_context(teller):
    texts = [("Once the duck sat.", True), ("Once the", False), ("duck " * 300, True)]
    tokens, mask = drawn_rows(teller, texts)
    assert tokens.shape == (3, 257) and mask.shape == (3, 256)
    for row, real, (text, ended) in zip(tokens, mask, texts, strict=True):
        ids = [*teller.begin, *teller.tokenizer.encode(text), *[teller.end] * ended][:257]
        assert row[: len(ids)].tolist() == ids and real.sum() == len(ids) - 1 and real[: len(ids) - 1].all()


@pytest.mark.gate
def test_online_dpo_draws_its_pairs_and_begins_at_ln_2():
    teller = load(DATA / "models" / "village", device="cpu")
    game = DPO(teller, begun(4, 5), lambda text, ended: -len(text), size=4, per_round=4, steps=2, seed=3)
    first = next(game.batches())
    (tokens, mask, before), (worse, _, _) = first
    assert len(tokens) == len(worse) == len(before) == 16
    with torch.no_grad():
        torch.testing.assert_close(before, token_log_probs(teller.model, tokens).where(mask, 0.0).sum(1))
    loss, n = game.loss(teller.model, first)
    assert n == 1 and loss.item() == pytest.approx(math.log(2), abs=1e-4)
    decode = teller.tokenizer.decode
    texts = [
        [decode(row[1 : int(real.sum())].tolist()) for row, real in zip(*side[:2], strict=True)]
        for side in first
    ]
    assert all(len(a) < len(b) for a, b in zip(*texts, strict=True))
    config = TrainConfig(steps=4, batch_size=1, lr=3e-4, warmup_steps=0, device="cpu", dtype="float32")
    trainer = Trainer(teller.model, game.batches, config, game.loss)
    losses = [trainer.step() for _ in range(4)]
    assert losses[1] < losses[0] and losses[2] == pytest.approx(math.log(2), abs=1e-3)  # a new round


# -- the village's part ------------------------------------------------------------------------------------


def test_beginnings_are_whole_sentences_of_new_stories():
    from companion.village import fresh_stories

    texts = fresh_stories(20, 7)
    for longest in (1, 4):
        for text, beginning in zip(texts, begun(20, 7, longest), strict=True):
            assert text.startswith(beginning + " ") and beginning.endswith((".", '"', "?", "!"))
    assert begun(20, 7) == begun(20, 7) != begun(20, 8)
    with pytest.raises(ValueError, match="longest=0 must be at least 1"):
        begun(3, 7, 0)


def test_a_reward_for_truth_and_the_letters_of_what_is_false():
    from companion.village import fresh_stories

    for text in fresh_stories(10, 3):
        assert true_story(text) == 1 and true_story(text, False) == 0 and not false_parts(text)
        assert false_parts(text, False) == [(0, len(text))]
        wrong = text + " The moon is a lamp."
        assert true_story(wrong) == 0 and [wrong[a:b] for a, b in false_parts(wrong)] == [
            "The moon is a lamp."
        ]
    assert true_story("") == 0 and false_parts("Two  spaces.") == [(0, 12)]


def test_pairs_are_lines_whatever_else_ends_one_and_however_an_editor_saved_them(tmp_path):
    row = {"prompt": "Once", "chosen": " Mara sat.\u2028Then she left.", "rejected": " x."}
    path = tmp_path / "pairs.jsonl"
    path.write_bytes(("\ufeff" + f"{json.dumps(row, ensure_ascii=False)}\r\n" * 2).encode())
    assert [pair for _, pair in placed_pairs(path)] == [("Once", row["chosen"], " x.")] * 2


@pytest.mark.parametrize(
    ("chosen", "rejected", "after"),
    [
        ("Yes, we met.", "Yes. No.", (", we met.", ". No.")),
        ("Yesterday we met.", "No.", ("Yesterday we met.", "No.")),
    ],
)
def test_a_prompt_that_only_one_text_repeats_is_not_cut_off(tmp_path, chosen, rejected, after):
    row = {"prompt": "Yes", "chosen": chosen, "rejected": rejected}
    (tmp_path / "pairs.jsonl").write_text(json.dumps(row) + "\n")
    [(_, pair)] = placed_pairs(tmp_path / "pairs.jsonl")
    assert pair == ("Yes", *after)
