"""What the checks build for themselves is as it says."""

import torch

from companion.caching import KVCache, prefill
from companion.exercises import ch09, ch13
from companion.gpt import GPTConfig, gpt2


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


def test_the_kinds_of_examples_are_what_they_say():
    examples = ch13.build(["3 hit", "2 miss", "as no. 0"], "first_choice")
    assert examples[0] == examples[2]
    assert [len(e.choices) for e in examples] == [3, 2, 3]
    assert [e.choices[0] == e.answer for e in examples] == [True, False, True]
