"""Encoders and the small translator, by properties. Chapter 23 compares their parts with torch.nn."""

from itertools import islice

import pytest
import torch

from companion.encoders import encoder, encoder_decoder, gap_batches, mask_words, pair_batches
from companion.gpt import GPTConfig, gpt2

C, H = 24, 3
CONFIG = GPTConfig(vocab_size=13, context_length=11, n_layers=2, n_heads=H, d_model=C)


def test_an_encoder_has_a_gpts_parameters_and_sees_what_comes_after():
    torch.manual_seed(0)
    model, other = encoder(CONFIG), gpt2(CONFIG)
    assert {n: p.shape for n, p in model.named_parameters()} == {
        n: p.shape for n, p in other.named_parameters()
    }
    tokens = torch.tensor([[1, 2, 3, 4]])
    changed = torch.tensor([[1, 2, 3, 9]])
    first = slice(0, 1)
    assert not torch.allclose(model(tokens)[:, first], model(changed)[:, first])
    torch.testing.assert_close(other(tokens)[:, first], other(changed)[:, first])


def test_masked_padding_changes_nothing():
    model = encoder(CONFIG)
    tokens = torch.tensor([[1, 2, 3, 7, 7], [4, 5, 6, 8, 9]])
    real = torch.tensor([[True, True, True, False, False], [True] * 5])
    alone = model(tokens[:1, :3])
    torch.testing.assert_close(model(tokens, real)[:1, :3], alone)
    assert not torch.allclose(model(tokens)[:1, :3], alone)


# ---- masked words -------------------------------------------------------------------------


def test_masked_words_are_seeded_and_check_their_arguments():
    tokens, real = torch.arange(12).view(2, 6), torch.ones(2, 6, dtype=torch.bool)
    first, again = (mask_words(tokens, real, 12, torch.Generator().manual_seed(5)) for _ in range(2))
    assert all(torch.equal(a, b) for a, b in zip(first, again, strict=True))
    assert (mask_words(tokens, real, 12, share=1.0)[1] == tokens).all()
    with pytest.raises(ValueError, match=r"share=0 must be above 0"):
        mask_words(tokens, real, 12, share=0)
    with pytest.raises(ValueError, match=r"tokens has 11, must be below mask_id=11"):
        mask_words(tokens, real, 11)


def test_gap_batches_depend_on_seed_and_number_alone():
    rows = [[1, 2, 3], [4, 5, 6, 7, 8], [9]]
    all_, later = (islice(gap_batches(rows, 12, 11, 4, 7, first), 3) for first in (0, 2))
    for a, b in zip(list(all_)[2], next(later), strict=True):
        assert torch.equal(a, b)
    x, y, real = next(gap_batches(rows, 12, 11, 4, 8))
    assert x.shape == y.shape == real.shape and (x[~real] == 11).all() and (y[~real] == -100).all()


# ---- the translator -----------------------------------------------------------------------


def test_the_decoder_sees_its_past_and_the_whole_source():
    torch.manual_seed(1)
    model = encoder_decoder(CONFIG)
    source, target = torch.tensor([[1, 2, 3, 4]]), torch.tensor([[5, 6, 7]])
    logits = model(source, target)
    assert logits.shape == (1, 3, 13)
    later = model(source, torch.tensor([[5, 6, 8]]))
    torch.testing.assert_close(logits[:, :2], later[:, :2])
    assert not torch.allclose(logits[:, :1], model(torch.tensor([[1, 2, 3, 9]]), target)[:, :1])


def test_pair_batches_shift_the_target_by_one():
    pairs = [([1, 2], [3, 4, 5]), ([6, 7, 8], [9])]
    source, real, x, y = next(pair_batches(pairs, 12, 6, 0))
    for row in range(6):
        one, other = pairs[0] if source[row, 0] == 1 else pairs[1]
        n = len(other)
        assert source[row][real[row]].tolist() == one
        assert x[row, : n + 1].tolist() == [12, *other] and (x[row, n + 1 :] == 12).all()
        assert y[row, : n + 1].tolist() == [*other, 12] and (y[row, n + 1 :] == -100).all()


def test_a_checkpoint_is_not_read_as_a_causal_model(tmp_path):
    from companion import load
    from companion.tokenization import CharTokenizer
    from companion.training import save_checkpoint

    model = encoder(CONFIG)
    assert CONFIG.architecture == "gpt2" and encoder_decoder(CONFIG).config.architecture == "encoder"
    save_checkpoint(tmp_path / "model", model, CharTokenizer.train("abc"))
    with pytest.raises(ValueError, match="encoder"):
        load(tmp_path / "model", device="cpu")
