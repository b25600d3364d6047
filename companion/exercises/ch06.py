"""The checks of chapter 6, GPT."""

import contextlib
import copy
import math
from dataclasses import replace

import torch
import torch.nn.functional as F
from torch import nn

from companion.attention import CausalSelfAttention
from companion.blocks import MLP, Block, LayerNorm
from companion.exercises.comparison import a
from companion.exercises.notation import Chapter, Problem
from companion.gpt import GPTConfig, gpt2

chapter = Chapter()

chapter.number(
    "6.1 The first line of a log ★",
    wants="first_loss()",
    answer=math.log(50257) + 0.02**2 * 1600 / 2,
    tolerance=0.01,
    mistakes="""
        math.log(50257)
            That is ln V, the loss if all logits are equal. How much does the spread of the first logits cost?
        math.log(50257) + 0.125
            That is the package's initialization: 0.2 and a last norm of 2.5 / √C. Here it is GPT-2's own.
        math.log(50257) + 0.02**2 * 768 / 2
            That is GPT-2 small's. How wide is xl?
        math.log(50257) + 0.02**2 * 1600
            Logits of variance σ² cost σ² / 2, and you took the whole variance.
        math.log(50257) + 0.02 * 1600 / 2
            The variance of the logits contains the square of `s`.
        math.log(50257) + 0.02 * 40 / 2
            You took the standard deviation of the logits for their variance.
        (math.log(50257) + 0.02**2 * 1600 / 2) / math.log(2)
            That is in bits. The log is in nats.
        math.log(1024) + 0.02**2 * 1600 / 2
            That is for the village's 1,024 tokens. How many does GPT-2 have?
    """,
    right="With a fixed 0.02, the first logits of a wider model spread more: 0.15 nats in small, 0.32 here.",
)


# -- 6.2 ------------------------------------------------------------------
def memories(seed):
    generator = torch.Generator().manual_seed(seed)
    for _ in range(4):
        ranges = [(10**7, 10**9), (30, 300), (300, 9000), (60, 1200)]
        yield tuple(torch.randint(low, high, (), generator=generator).item() for low, high in ranges)


@chapter.function(
    "6.2 As deep as the memory allows ★",
    inputs="""
        16 * (20 + 74 * 3) + 48, 2, 5, 3
        16 * (20 + 74 * 2), 2, 5, 3
        16 * (20 + 74 * 3) - 1, 2, 5, 3
        16 * 20, 2, 5, 3 || 16 * (20 + 74) + 960, 2, 5, 3 || 16 * 11, 2, 5, 3 || 10**9, 768, 50257, 1024
        10**9, 1600, 50257, 1024 || 16 * (20 + 74 * 150), 2, 5, 3 || 16 * (20 + 74 * 2500), 2, 5, 3
        0, 2, 5, 3
    """,
    cases=memories,
    mistakes="""
        memory // 16 => memory // 4
            There is room for the weights, and for nothing that training needs beside them: a gradient, and
            two numbers of the optimizer, for each weight.
        memory // 16 => memory // 8 || memory // 12
            For each parameter, training keeps four numbers of four bytes: the weight, its gradient, and two
            of the optimizer.
        max(0, (parameters - rest) // block) => (parameters - rest) // block
            There are no models with fewer than 0 layers. If not even the rest fits into the memory, return 0.
        (parameters - rest) // block => -((rest - parameters) // block)
            One layer too many: a part of a layer does not run, so round down.
        V * C + T * C => 2 * V * C + T * C
            You count the token table twice. The head is tied, so it has no table of its own.
        + 13 * C =>
            A block has biases and norms, too, and here they decide.
        + T * C =>
            The position vectors are parameters, too.
        + 2 * C =>
            The last norm stands outside the blocks, and its weights count, too.
        - rest =>
            You spent all of the memory on blocks. The embedding comes first, whatever the depth.
    """,
    right="A gigabyte trains three of GPT-2 small's twelve layers; xl's token table alone does not fit.",
)
def deepest(memory, d_model, vocab_size, context_length):
    C, V, T = d_model, vocab_size, context_length
    parameters = memory // 16
    block = 12 * C**2 + 13 * C
    rest = V * C + T * C + 2 * C
    return max(0, (parameters - rest) // block)


chapter.number(
    "6.3 Where attention takes over ★",
    wants="crossover()",
    answer=6 * 768 + 50257 / 24,
    tolerance=1,
    mistakes="""
        6 * 768
            That is the answer for the blocks alone. The head is a matrix, too, and no small one.
        3 * (6 * 768 + 50257 / 24) || (6 * 768 + 50257 / 24) / 3
            You counted one of the two with the backward pass and the other without. Take both sides from
            equation (5).
        6 * 768 + 50257 / 12
            You counted the token table as two matrices. The look-up costs nothing; as the head it counts
            once.
        6 * 768 + 50257 / 2
            The head's operations occur once, attention's in each of the twelve layers: where is `L`?
        6 * 1600 + 50257 / 96
            That is for xl. Which width and how many layers has small?
    """,
    right="At GPT-2's own 1,024 tokens, attention's products are an eighth of the work, and less in wider models.",
)


# -- 6.4 ------------------------------------------------------------------
def averages(x, weights):
    return weights / weights.sum(1, keepdim=True) @ x


def past_mean(x):
    return averages(x, torch.ones(x.shape[1], x.shape[1]).tril())


def mean_of_all(x):
    return averages(x, torch.ones(x.shape[1], x.shape[1]))


def alone(x):
    return torch.tanh(x) * 2


def the_next(x):
    return x.roll(-1, dims=1)


def last_two(x):
    return averages(x, torch.ones(x.shape[1], x.shape[1]).tril().triu(-1))


def past_in_the_last_number(x):
    return torch.cat([x[..., :1], past_mean(x)[..., -1:]], dim=-1)


def of_the_last_number(x):
    return past_mean(x[..., -1:])


def share_and_rest(x):
    p = torch.sigmoid(past_mean(x))
    return torch.cat([p, 1 - p], dim=-1)


def of_the_difference(x):
    return past_mean(x[..., :1] - x[..., -1:])


def leaks_at_the_end(x):
    return torch.cat([past_mean(x)[:, :1], mean_of_all(x)[:, 1:]], dim=1)


def barely_the_next(x):
    return past_mean(x) + 1e-4 * the_next(x)


class Normed(nn.Module):
    """A part of a model: an answer leaves its gradients and its modes, of which one is eval, as they were."""

    def __init__(self, width):
        super().__init__()
        self.weight = nn.Parameter(torch.arange(width * (width + 1.0)).cos().view(width + 1, width))
        self.dropout = nn.Dropout(0.5).eval()

    def forward(self, x):
        return last_two(self.dropout(F.linear(F.layer_norm(x, x.shape[-1:]), self.weight))).softmax(-1)


def functions_of_positions(seed):
    generator = torch.Generator().manual_seed(seed)
    fs = [past_mean, mean_of_all, alone, the_next, last_two, past_in_the_last_number, of_the_last_number]
    fs += [share_and_rest, of_the_difference, leaks_at_the_end]
    for T, C in [(2, 3), (3, 2), (5, 4)]:
        for f in fs:
            yield f, torch.randint(1, 9, (1, T, C), generator=generator) / 4
    yield alone, torch.randint(1, 9, (1, 1, 7), generator=generator) / 4
    yield last_two, torch.randint(1, 9, (1, 8, 1), generator=generator) / 4
    x = torch.rand(1, 9, 3, generator=generator) + torch.tensor([1.0, 2.5, 4.0])
    yield Normed(3), x
    yield barely_the_next, x


def gradients_of_sums(f, x):
    """The gradient of the sum of each output's numbers, as `backward` finds it."""
    x = x.clone().requires_grad_()
    y = f(x)
    return torch.stack([torch.autograd.grad(row.sum(), x, retain_graph=True)[0][0] for row in y[0]])


def felt(f, x, change, more_than=0.0):
    """Which outputs move by more than that when `change()` is added to each input in turn."""
    found = torch.zeros(x.shape[1], x.shape[1], dtype=torch.bool)
    for s in range(x.shape[1]):
        other = x.clone()
        other[0, s] += change()
        found[:, s] = ((f(other) - f(x)).abs() > more_than)[0].any(-1)
    return found


@chapter.function(
    "6.4 Which output depends on which input ★★",
    cases=functions_of_positions,
    shown="{f}({0}, x), x = {1}",
    mistakes="""
        = it.T
            Rows and columns are exchanged: the row is the output's position, the column the input's.
        = gradients_of_sums(f, x).abs().amax(-1) > 0
            You took the gradient of the sum of an output's numbers. Where one rises as another falls, as
            probabilities do, the sum stands still: ask each number, or weight them at random.
        slopes.abs() => slopes[:, :, :1].abs()
            You asked the first number of each output only. The leak may be in another.
        = gradients_of_sums(f, x).sum(-1) != 0
            Slopes of both signs cancel where you add them, over outputs or inputs: take sizes first.
        slopes.abs() => slopes.sum(-1, keepdim=True).abs()
        = felt(f, x, lambda: 1.0) || felt(f, x, lambda: 1.0, more_than=1e-6)
            You moved all numbers of an input together, or added up their slopes. A function that reads only
            their differences, as a norm does, does not feel that.
        sizes > 0 => sizes.cumsum(0) > 0
            Each row has what the rows above it have: `backward` adds to `.grad`. Begin each row anew.
        = torch.zeros_like(it)
            Nothing moved, not even at the position that changed. Is the change so small that float32's seven
            digits lose it? And does `f` get what was changed?
    """,
    right="Nothing above the diagonal: that is all that 'causal' says, and you can ask it of any model.",
)
def depends(f, x):
    slopes = torch.autograd.functional.jacobian(f, x)  # (1, T, E, 1, T, C)
    sizes = slopes.abs().amax(dim=(0, 2, 3, 5))
    return sizes > 0


# -- models for 6.5 and 6.6 --------------------------------------------------
def trained(model):
    """As if it had been trained: no weight of a norm is 1 any more, and no bias 0."""
    for p in model.parameters():
        if p.ndim == 1:
            nn.init.normal_(p, mean=p.mean().item(), std=0.3)
    return model


def models_and_tokens(seed):
    torch.manual_seed(seed)
    shapes = [GPTConfig(5, 7, 1, 1, 3, 2), GPTConfig(13, 8, 2, 2, 6, 11), GPTConfig(11, 9, 3, 5, 10, 17)]
    rows = [torch.randint(c.vocab_size, (1 + i, 4 + i)) for i, c in enumerate(shapes)]  # (B, T + 1)
    for c, row in zip(shapes, rows, strict=True):
        yield trained(gpt2(c)), row[:, :-1].clone(), row[:, 1:].clone()


# -- 6.5 ------------------------------------------------------------------
def also_one_with_dropout(seed):
    """Besides the others, a model that has dropout and is not in training."""
    torch.manual_seed(seed)
    quiet = trained(gpt2(GPTConfig(7, 6, 1, 2, 4, 5, dropout=0.4))).eval()
    return [*models_and_tokens(seed), (quiet, torch.tensor([[3, 1, 3]]), torch.tensor([[1, 3, 0]]))]


def both_gradients(answer, model, x, y):
    given = copy.deepcopy(model)
    for p in given.parameters():
        p.grad = torch.ones_like(p)  # left over from an earlier step
    modes = {name: module.training for name, module in given.named_modules()}
    found = answer(given, x, y)
    if not isinstance(found, tuple | list) or len(found) != 2:
        raise Problem(f"It must return two tensors, the look-up's and the head's; this is {a(found)}.")
    if any(gradient is None for gradient in found):
        raise Problem(
            "One of the two is None: that tensor took no part in the loss, or `backward` has not been called."
        )
    before, after = model.state_dict(), given.state_dict()
    changed = [name for name in after if name not in before or not torch.equal(after[name], before[name])]
    if changed:
        raise Problem(
            f"Your answer changes the model that it is given: `{changed[0]}` was not so before. The "
            "caller may still need it as it was; work on a copy."
        )
    if modes != {name: module.training for name, module in given.named_modules()}:
        raise Problem("Your answer changes the model's mode, `train()` or `eval()`. Leave it as it was.")
    if not all(p.requires_grad for p in given.parameters()):
        raise Problem("The model that it is given cannot learn any more: `requires_grad` is off.")
    held = [p.grad is not None and bool((p.grad == 1).all()) for p in given.parameters()]
    return {
        "as a look-up": found[0],
        "as the head": found[1],
        "gradients that the model held": "as they were" if all(held) else "changed or gone",
    }


def rows_of(tokens, gradient):
    """A gradient with 0 in all rows but those of some tokens."""
    seen = torch.zeros(len(gradient), 1)
    seen[tokens.flatten()] = 1
    return gradient * seen


@chapter.function(
    "6.5 One table with two tasks ★★",
    cases=also_one_with_dropout,
    call=both_gradients,
    shown="{f}(model, x = {1}, y = {2})",
    mistakes="""
        = (sum(it), sum(it))
            Both are the whole gradient: the two roles still share one tensor. The head needs a copy of the
            table.
        = it[::-1]
            The two are exchanged. In a look-up only the tokens in `x` learn; all other rows get 0.
        y.flatten()) => y.flatten(), reduction="sum")
            You added up the losses of the positions. `F.cross_entropy` takes their mean by default.
        logits.flatten(0, 1), y.flatten() => logits[:, -1], y[:, -1]
            You used the last position only. All T positions have a target in `y`.
        = (sum(it), it[1])
            The first is still the whole gradient, which includes the head's part.
        = (rows_of(x, sum(it)), it[1])
            The rows of tokens that were read learn as a head, too: keeping these rows of the whole is not
            enough.
        = (model.embed.token.weight.grad.add_(it[0]), it[1])
            `backward` adds to `.grad`, and this model still has gradients of an earlier step there.
    """,
    right="Reading teaches only the rows that were read; as a head, every row learns in every step.",
)
def two_gradients(model, x, y):
    table = model.embed.token.weight.detach()
    read, say = table.clone().requires_grad_(), table.clone().requires_grad_()
    h = F.embedding(x, read) + model.embed.position.weight[: x.shape[1]]
    for block in model.blocks:
        h = block(h)
    logits = F.linear(model.norm(h), say)
    loss = F.cross_entropy(logits.flatten(0, 1), y.flatten())
    return torch.autograd.grad(loss, [read, say])


# -- 6.6 ------------------------------------------------------------------
def one_block(config):
    """A block with the biases that PyTorch gives its layers, which are not 0."""
    attention = CausalSelfAttention(config.d_model, config.n_heads, config.dropout)
    mlp = MLP(config.d_model, config.d_ff, config.dropout)
    return Block(LayerNorm(config.d_model), attention, LayerNorm(config.d_model), mlp)


def two_steps(model, x, y):
    for _ in range(2):
        model.zero_grad()
        F.cross_entropy(model(x).flatten(0, 1), y.flatten()).backward()
        with torch.no_grad():
            for p in model.parameters():
                p -= 0.1 * p.grad if p.grad is not None else 0


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
        name
        for name, p in exact.named_parameters()
        # rounding in 64 bits leaves less than this of 0; other gradients were 1e-13 at least
        if p.ndim == 2 and (p.grad is None or p.grad.abs().max() < 1e-16)
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


@chapter.function(
    "6.6 One more block, the same predictions ★★★",
    cases=models_and_tokens,
    call=grow_and_train,
    shown="{f}(model), then model(x) with x = {1}",
    mistakes="""
        [block.attn.o_proj, block.mlp.down_proj] => []
            The new block adds something at once, although it is untrained: the logits have changed. What must
            it add to the stream at first?
        deeper.blocks.append(block) => deeper.blocks.append(copy.deepcopy(model.blocks[-1]))
            A second copy of the last block adds its contribution again, to a stream that it was not trained for.
        , block.mlp.down_proj =>
            A block writes into the stream twice. Its MLP still adds something.
        block.attn.o_proj, =>
            A block writes into the stream twice. Its attention still adds something.
        nn.init.zeros_(linear.bias) =>
            The weights that write into the stream are 0, and their biases are not: they still add something.
        [block.attn.o_proj, block.mlp.down_proj] => [part for part in block.modules() if hasattr(part, "weight")]
            Everything in the new block is 0, so everything that its last matrices could learn from is 0,
            too: it can never learn. What writes into the stream must be 0; what reads it must not.
        = gpt2(replace(model.config, n_layers=model.config.n_layers + 1))
            It is deeper, but untrained: what the model had learned is gone. Give the new one the old weights.
        - deeper = copy.deepcopy(model)
        + deeper = type(model)(model.config, model.embed, list(model.blocks), model.norm, model.head)
            The two share their weights: training the deeper one changes the one it came from. Copy them.
        - deeper.config = replace(config, n_layers=config.n_layers + 1)
            `config` still has the old number of layers. If this model is saved and loaded again, a block is
            missing.
    """,
    right="The same predictions, one more block, and it can learn: a model can grow and lose nothing.",
)
def deepen(model):
    config = model.config
    deeper = copy.deepcopy(model)
    block = one_block(config)
    for linear in [block.attn.o_proj, block.mlp.down_proj]:
        nn.init.zeros_(linear.weight)
        nn.init.zeros_(linear.bias)
    deeper.blocks.append(block)
    deeper.config = replace(config, n_layers=config.n_layers + 1)
    return deeper
