"""companion.blocks: dropout, errors, parts that are handed in. Chapter 5 compares them with PyTorch's."""

import pytest
import torch
from support.weights import noisy

from companion.blocks import MLP, LayerNorm

C, D_FF = 15, 37


def noise(*shape, seed=0, grad=False):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed)).requires_grad_(grad)


class TestLayerNorm:
    @pytest.mark.parametrize(("d_model", "eps"), [(0, 1e-5), (C, 0.0)])
    def test_errors(self, d_model, eps):
        with pytest.raises(ValueError, match=f"d_model={d_model} .*eps={eps}"):
            LayerNorm(d_model, eps)


class TestMLP:
    def test_dropout_only_in_training_and_unbiased(self):
        mlp, x = noisy(MLP(C, D_FF, dropout=0.4)), noise(1, C).expand(20_000, C)
        torch.manual_seed(0)
        trained = mlp(x)
        assert abs((trained == 0).float().mean() - 0.4) < 0.01
        sure = mlp.eval()(x)
        assert (sure != 0).all() and torch.equal(sure, mlp(x))
        torch.testing.assert_close(trained.mean(0), sure[0], rtol=0.05, atol=0.05)

    @pytest.mark.parametrize(
        ("arguments", "message"), [((0, 4), "d_model=0"), ((4, 0), "d_ff=0"), ((4, 8, 1.0), "dropout=1.0")]
    )
    def test_errors(self, arguments, message):
        with pytest.raises(ValueError, match=message):
            MLP(*arguments)
