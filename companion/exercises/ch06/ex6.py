"""The check of exercise 6.6: Deeper, without a word changed."""

import contextlib
import copy
from dataclasses import replace

import torch
import torch.nn.functional as F
from torch import nn

from companion.exercises.ch06.shared import GPT, Layer, gpt_cases
from companion.exercises.exercise import Function, Problem
from companion.exercises.values import a


def deepen(model):
    return grown(model, silence)


def grown(model, prepare, config=True):
    deeper = copy.deepcopy(model)
    deeper.blocks.append(prepare(Layer(model.config)))
    if config:
        deeper.config = replace(model.config, n_layers=model.config.n_layers + 1)
    return deeper


def silence(block, attn=True, mlp=True, biases=True):
    for linear in [block.attn.o_proj] * attn + [block.mlp.down_proj] * mlp:
        nn.init.zeros_(linear.weight)
        if biases:
            nn.init.zeros_(linear.bias)
    return block


def all_zero(block):
    for p in block.parameters():
        nn.init.zeros_(p)
    return block


def matrices_zero(block):
    for p in block.parameters():
        if p.ndim == 2:
            nn.init.zeros_(p)
    return silence(block)


def two_steps(model, x, y):
    for _ in range(2):
        model.zero_grad()
        F.cross_entropy(model(x).flatten(0, 1), y.flatten()).backward()
        with torch.no_grad():
            for p in model.parameters():
                p -= 0.1 * p.grad if p.grad is not None else 0


def silent(gradient):
    """Whether a gradient in 64 bits is 0, or what rounding leaves of 0; others were 1e-13 at least."""
    return gradient is None or gradient.abs().max() < 1e-16


def grow_and_train(answer, model, x, y):
    deeper = answer(model)
    if not isinstance(deeper, nn.Module) or not hasattr(deeper, "blocks"):
        raise Problem(f"It must return a GPT, with its blocks in `blocks`; this is {a(deeper)}.")
    deeper.train(model.training)
    with torch.no_grad():
        found = {"blocks": len(deeper.blocks), "logits": deeper(x), "config.n_layers": deeper.config.n_layers}
    found["parameters"] = sum(p.numel() for p in deeper.parameters())
    if not all(p.requires_grad for p in deeper.parameters()):
        raise Problem("Some of its parameters cannot be trained: their `requires_grad` is off.")
    found["logits, if all blocks are like the first"] = alike(model, deeper, x)
    before = copy.deepcopy(model.state_dict())
    exact = copy.deepcopy(deeper).double()
    two_steps(deeper, x, y)
    two_steps(exact, x, y)
    found["weights without a gradient in the second step"] = [
        name for name, p in exact.named_parameters() if p.ndim == 2 and silent(p.grad)
    ]
    shared = any(not torch.equal(value, before[name]) for name, value in model.state_dict().items())
    model.load_state_dict(before)
    for p in model.parameters():
        p.grad = None  # from the training above, where parts are shared
    return found | {"training it changes the model it came from": shared}


@torch.no_grad()
def alike(model, deeper, x):
    """What a copy of the deeper model says when every block has the weights of the old one's first."""
    deeper = copy.deepcopy(deeper)
    for block in deeper.blocks:
        if block.state_dict().keys() != model.blocks[0].state_dict().keys():
            raise Problem("The new block has other parts than the old ones.")
        with contextlib.suppress(RuntimeError):  # of other sizes: the number of parameters tells it
            block.load_state_dict(model.blocks[0].state_dict())
    return deeper(x)


def shares_blocks(model):
    deeper = copy.copy(model)
    deeper._modules = dict(model._modules)
    deeper.blocks = nn.ModuleList([*model.blocks, silence(Layer(model.config))])
    deeper.config = replace(model.config, n_layers=model.config.n_layers + 1)
    return deeper


def newborn(model):
    return GPT(replace(model.config, n_layers=model.config.n_layers + 1))


def other_heads(model):
    c = model.config
    return grown(model, lambda block: silence(Layer(replace(c, n_heads=c.d_model // c.n_heads))))


def narrow(model):
    c = model.config
    return grown(model, lambda block: silence(Layer(replace(c, d_ff=4 * c.d_model))))


EXERCISE = Function(
    number="6.6",
    title="Deeper, without a word changed",
    stars=3,
    wants="deepen(model)",
    cases=gpt_cases,
    oracle=deepen,
    call=grow_and_train,
    shown="{f}(model), then model(x) with x = {1}",
    mistakes=[
        (
            lambda model: copy.deepcopy(model),
            "There is no new block.",
        ),
        (
            lambda model: grown(model, lambda block: block),
            "The new block speaks at once, and nobody has taught it: the logits have changed. What must it "
            "add to the stream at first?",
        ),
        (
            lambda model: grown(model, lambda _: copy.deepcopy(model.blocks[-1])),
            "A second copy of the last block adds what it adds once more, to a stream that it was not made "
            "for.",
        ),
        (
            lambda model: grown(model, lambda block: silence(block, mlp=False)),
            "A block writes into the stream twice. Its MLP still speaks.",
        ),
        (
            lambda model: grown(model, lambda block: silence(block, attn=False)),
            "A block writes into the stream twice. Its attention still speaks.",
        ),
        (
            lambda model: grown(model, lambda block: silence(block, biases=False)),
            "The weights that write into the stream are 0, and their biases are not: they still add "
            "something.",
        ),
        (
            lambda model: grown(model, all_zero),
            "Everything in the new block is 0, so everything that its last matrices could learn from is 0, "
            "too: it can never wake up. What writes into the stream must be 0; what reads it must not.",
        ),
        (
            lambda model: grown(model, matrices_zero),
            "All of its matrices are 0, and a product of two zeros has no slope at either: it can never "
            "wake up. Only those that write into the stream must be 0.",
        ),
        (
            newborn,
            "It is deeper, and newborn: what the model had learned is gone. Give the new one the old "
            "weights.",
        ),
        (
            shares_blocks,
            "The two share their weights: training the deeper one changes the one it came from. Copy them.",
        ),
        (
            lambda model: grown(model, silence, config=False),
            "`config` still tells the old number of layers. Who saves this model and loads it again gets "
            "another.",
        ),
        (
            other_heads,
            "The new block has another number of heads. It does not show before it is trained.",
        ),
        (
            narrow,
            "The new block's MLP is four times as wide as the stream. The model's own config says otherwise.",
        ),
    ],
    right="Same words, one more block, and it can learn: a model can grow while it trains, and lose nothing.",
)
