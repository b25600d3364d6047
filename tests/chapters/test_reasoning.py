"""Chapter 25: texts with steps, votes, pass@k, the four losses, and a tool."""

import pytest
import torch

import companion
from companion.reasoning import (
    RLVR,
    SWITCHES,
    divergences,
    draw_texts,
    draw_with_tool,
    majority,
    pass_at_k,
    policy_loss,
    run_sum,
)
from companion.village import DATA
from companion.village.reasoning import step_questions
from companion.village.steps import judge_trace


@pytest.fixture(scope="module")
def thinker():
    return companion.load(DATA / "models" / "reasoner-think", device="cpu")


@pytest.fixture(scope="module")
def caller():
    return companion.load(DATA / "models" / "reasoner-tool", device="cpu")


QUESTIONS = step_questions(12, 77, range(1, 5))
PROMPTS = [question.prompt for question in QUESTIONS]

# -- writing -----------------------------------------------------------------------------------------------


def test_a_text_does_not_depend_on_the_texts_beside_it(thinker):
    together = draw_texts(thinker, PROMPTS, temperature=0.0).texts
    assert together == [draw_texts(thinker, [prompt], temperature=0.0).texts[0] for prompt in PROMPTS]
    assert all(text.startswith("<think>") and "</think>" in text for text in together)


def test_the_mask_marks_what_was_written(thinker):
    draws = draw_texts(thinker, PROMPTS, 2, generator=torch.Generator().manual_seed(1))
    for row, mask, text, prompt in zip(
        draws.tokens, draws.mask, draws.texts, [p for p in PROMPTS for _ in range(2)], strict=True
    ):
        written = row[1:][mask].tolist()
        assert thinker.tokenizer.decode([i for i in written if i not in thinker.ends]) == text
        assert row[: len(row) - 1][~mask][: len(thinker.encode(prompt)[0]) - 1].tolist() == (
            thinker.encode(prompt)[0][:-1].tolist()
        )


@pytest.mark.parametrize("options", [{"size": 0}, {"prompts": []}])
def test_refused_draws(thinker, options):
    with pytest.raises(ValueError, match="size=0|prompts"):
        draw_texts(thinker, **({"prompts": PROMPTS} | options))


# -- choosing ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("answers", "wanted"),
    [(["a", "b", "b"], "b"), (["b", "a", "a", "b"], "b"), (["", "", "a"], "a"), (["", ""], ""), ([], "")],
)
def test_majority(answers, wanted):
    assert majority(answers) == wanted


@pytest.mark.parametrize(("c", "k"), [(1, 6), (1, 0), (-1, 2), (6, 2)])
def test_pass_at_k_refuses(c, k):
    with pytest.raises(ValueError, match="k=|c="):
        pass_at_k(5, c, k)


def test_divergences_are_the_sum_over_the_vocabulary(thinker, caller):
    tokens = torch.tensor([thinker.encode(PROMPTS[0])[0].tolist()])
    kl = divergences(thinker.model, caller.model, tokens)
    assert kl.shape == (1, tokens.shape[1] - 1)
    ours, theirs = (teller.model(tokens)[0, 3].log_softmax(-1) for teller in (thinker, caller))
    wanted = torch.nn.functional.kl_div(theirs, ours, log_target=True, reduction="sum")
    assert kl[0, 3].item() == pytest.approx(wanted.item(), rel=1e-4, abs=1e-6)
    assert divergences(thinker.model, thinker.model, tokens).abs().max() < 1e-5


# -- learning ----------------------------------------------------------------------------------------------

REWARDS = [1.0, 0, 0, 0, 1, 1, 1, 1]  # two groups of four; the second teaches nothing
LENGTHS = torch.tensor([2, 4, 6, 4, 3, 3, 3, 3])
MASK = torch.arange(6) < LENGTHS[:, None]


def gradient(switch: str, new: torch.Tensor | None = None, rewards=REWARDS, limit: int = 8) -> torch.Tensor:
    """The gradient of the loss for each token, with old log-probabilities of 0."""
    new = (torch.zeros(8, 6) if new is None else new).clone().requires_grad_()
    policy_loss(new, torch.zeros(8, 6), rewards, MASK, 4, switch, limit).backward()
    return new.grad


def test_each_switch_weights_tokens_as_its_paper_does():
    A = torch.tensor([0.75, -0.25, -0.25, -0.25, 0, 0, 0, 0])
    scaled = A / (torch.tensor(0.1875).sqrt() + 1e-4)
    by_hand = {
        "grpo": scaled / (8 * LENGTHS),
        "gspo": scaled / (8 * LENGTHS),
        "dr_grpo": A / (8 * 8),
        "dapo": scaled / 16,  # the second group is left out
    }
    for switch, weights in by_hand.items():
        torch.testing.assert_close(-gradient(switch), weights[:, None] * MASK, rtol=1e-5, atol=1e-8)


@pytest.mark.parametrize("switch", SWITCHES)
def test_what_was_pushed_far_enough_is_not_pushed_farther(switch):
    low, high = SWITCHES[switch]
    new = torch.zeros(8, 6)
    new[0] = torch.tensor(1 + high).log() + 0.01  # a good text, already more likely
    new[1] = torch.tensor(1 - low).log() - 0.01  # a bad text, already less likely
    new[2] = torch.tensor(1 + high).log() + 0.01  # a bad text that became more likely is pushed back
    pushed = gradient(switch, new)
    assert not pushed[:2].any() and (pushed[2][MASK[2]] > 0).all()


def test_gspo_clips_whole_texts_and_the_others_tokens():
    new = torch.zeros(8, 6)
    new[0, 0] = 1.0  # one token of a good text of two is far more likely
    assert gradient("grpo", new)[0, 0] == 0 and gradient("grpo", new)[0, 1] < 0
    assert not gradient("gspo", new)[0].any()


def test_without_any_spread_nothing_is_learned():
    for switch in SWITCHES:
        assert not gradient(switch, rewards=[1.0] * 8).any()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"switch": "ppo"}, "switch='ppo'"),
        ({"size": 3}, "groups of size=3"),
        ({"rewards": [float("nan")] * 8}, "reward 0"),
    ],
)
def test_refused_losses(options, said):
    arguments = {"rewards": REWARDS, "size": 4, "switch": "grpo"} | options
    with pytest.raises(ValueError, match=said):
        policy_loss(torch.zeros(8, 6), torch.zeros(8, 6), mask=MASK, **arguments)


def test_a_draw_serves_for_several_updates_and_can_begin_anew(thinker):
    def reward(question, text):
        return float(judge_trace(question, text).right)

    learner = RLVR(thinker, QUESTIONS, reward, size=2, per_draw=2, updates=2, seed=3)
    batches = learner.batches()
    first, second, third = next(batches), next(batches), next(batches)
    assert first is not second and all(a is b for a, b in zip(first, second, strict=True))
    assert learner.asked == QUESTIONS[2:4] and len(learner.draws.texts) == 4
    again = next(learner.batches(first=2))
    assert torch.equal(again[0], third[0]) and torch.equal(again[3], third[3])


# -- a tool ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("call", "result"),
    [
        (" two + five - four", "three"),
        (" Otto + two Wren - one", "one"),
        ("two", "two"),
        ("one - one", "error"),
        ("two + plums", "error"),
        ("", "error"),
    ],
)
def test_run_sum(call, result):
    assert run_sum(call) == result


def test_each_prompt_has_its_own_tool(caller):
    draws = draw_with_tool(caller, PROMPTS[:2], [lambda call: "seven", lambda call: "nine"])
    assert [text.rpartition(">")[2] for text in draws.texts] == [" seven.", " nine."]
    with pytest.raises(ValueError, match="run has 3 functions"):
        draw_with_tool(caller, PROMPTS[:2], [run_sum] * 3)


def test_several_calls_in_a_text(caller):
    asked = []

    def run(call):
        asked.append(call)
        return f"seven.\n{PROMPTS[0]}"  # as the result asks again, the model calls again

    one, two = (draw_with_tool(caller, PROMPTS[:1], run, calls=calls) for calls in (1, 2))
    assert len(asked) == 3 and one.texts[0].count("</tool> seven") == 1
    assert two.texts[0].count("</tool> seven") == 2
    result = caller.tokenizer.encode(f" seven.\n{PROMPTS[0]}")
    first = two.tokens[0].tolist().index(caller.tokenizer.special_tokens["</tool>"])
    assert not two.mask[0, first : first + len(result)].any() and two.mask[0, first + len(result)]
    second = two.tokens[0].tolist().index(caller.tokenizer.special_tokens["</tool>"], first + 1)
    assert not two.mask[0, second : second + len(result)].any()
