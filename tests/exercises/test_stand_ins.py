"""Checks import nothing that a chapter built. What stands in for it there is as in the chapter."""

import pytest
import torch

from companion.caching import KVCache, prefill
from companion.evaluation import Example
from companion.exercises import ch09, ch12, ch13, ch22
from companion.gpt import GPTConfig, gpt2
from companion.recurrent import LSTM, RNN
from companion.scaling import flops_per_token, training_bytes


def test_a_rewound_cache_goes_on_as_a_fresh_one_does():
    """As the solution of 9.4 has it."""
    torch.manual_seed(0)
    model = gpt2(GPTConfig(vocab_size=11, context_length=16, n_layers=2, n_heads=3, d_model=12))
    held, text = [0, 5, 7, 9, 2], [0, 5, 8, 1]
    cache = KVCache(model.config, 1)
    prefill(model, torch.tensor([held]), cache)
    same, new = ch09.reuse(held, text)
    cache.rewind(same)
    fresh = prefill(model, torch.tensor([text]), KVCache(model.config, 1))
    torch.testing.assert_close(prefill(model, torch.tensor([new]), cache), fresh, rtol=1e-5, atol=1e-5)


def test_the_model_of_chapter_12s_checks_has_the_chapters_parameters():
    size = 11, 7, 2, 2, 6
    own, real = ch12.shapes(*size), gpt2(GPTConfig(*size), meta=True)
    assert {name: p.shape for name, p in own.named_parameters()} == {
        name: p.shape for name, p in real.named_parameters()
    }
    assert vars(own.config) == vars(real.config)
    assert flops_per_token(own, 5) == flops_per_token(real, 5)
    assert training_bytes(own, 5, recompute=True) == training_bytes(real, 5, recompute=True)


def test_the_examples_of_chapter_13s_checks_are_as_the_chapters():
    one, other = ch13.Asked("a", ("b", "c"), "b"), Example("a", ("b", "c"), "b")
    assert repr(one) == repr(other) and vars(one) == vars(other) and hash(one) == hash(other)


def test_the_kinds_of_examples_are_what_they_say():
    examples = ch13.build(["3 hit", "2 miss", "as no. 0"], "first_choice")
    assert examples[0] == examples[2]
    assert [len(e.choices) for e in examples] == [3, 2, 3]
    assert [e.choices[0] == e.answer for e in examples] == [True, False, True]


@pytest.mark.parametrize("kind", [RNN, LSTM])
def test_the_layer_of_chapter_22s_checks_is_the_chapters(kind):
    theirs, ours = kind(3, 4), ch22.Layer(kind.__name__, 3, 4, seed=0)
    theirs.load_state_dict(ours.state_dict())
    x = torch.randn(2, 5, 3)
    torch.testing.assert_close(ours(x), theirs(x))
