"""Weights for tests of models."""

import torch


def noisy(model, seed=0):
    """Every weight of its own, so that none is 0, 1 or equal to another; the model, changed in place."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for p in model.parameters():
            p += 0.2 * torch.randn(p.shape, generator=generator)
    return model


def drawn_over(make, seed=5):
    """The model that make() gives after a seed, with noise on each of its weights."""
    torch.manual_seed(seed)
    return noisy(make(), seed).eval()


def scripted(tokenizer, steps, context=96):
    """A model that draws after each token the one that steps gives for it, whatever came before.

    Args:
        tokenizer: Says how many tokens there are.
        steps: The id of a token -> the id of the one that follows. Others are followed by the token 0.
        context: Length of the context.

    Returns:
        A Llama without anything in its blocks. It can be cached, batched and saved as any other.
    """
    from companion.modern import LlamaConfig, llama

    size = max(tokenizer.vocab) + 1
    width = size + size % 2
    config = LlamaConfig(size, context, 1, 1, 1, d_model=width, d_ff=2, tied=False)
    model = llama(config).eval()
    with torch.no_grad():
        for block in model.blocks:
            block.attn.o_proj.weight.zero_()
            block.mlp.down_proj.weight.zero_()
        model.embed.weight.copy_(torch.eye(size, width))
        model.head.weight.zero_()
        for last in range(size):
            model.head.weight[steps.get(last, 0), last] = 1.0
    return model
