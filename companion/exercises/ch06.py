"""The checks of chapter 6, GPT."""

import copy
import math
from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F
from torch import nn

from companion.exercises.exercise import Function, Number, Problem
from companion.exercises.values import a

# -- 6.1 ------------------------------------------------------------------

LN_V = math.log(50257)

FIRST_LINE = Number(
    number="6.1",
    title="The first line of a log",
    stars=1,
    wants="first_loss()",
    answer=LN_V + 0.02**2 * 1600 / 2,
    tolerance=0.02,
    mistakes=[
        (LN_V, "That is ln V, the loss of one without any opinion. How much do the first opinions cost?"),
        (
            LN_V + 0.125,
            "That is how `gpt2()` is born, with larger rows and a smaller last norm. Here they are GPT-2's "
            "own.",
        ),
        (LN_V + 0.02**2 * 768 / 2, "That is GPT-2 small's. How wide is xl?"),
        (LN_V + 0.02**2 * 1600, "Scores of variance σ² cost σ² / 2, and you took the whole variance."),
        (LN_V + 0.02 * 1600 / 2, "The variance of the scores has the square of `s` in it."),
        (LN_V + 0.02 * 40 / 2, "You took the deviation of the scores for their variance."),
        ((LN_V + 0.02**2 * 1600 / 2) / math.log(2), "That is in bits. The log has nats."),
        (
            math.log(1024) + 0.02**2 * 1600 / 2,
            "That is for the village's 1,024 tokens. How many does GPT-2 have?",
        ),
    ],
    right="At a fixed 0.02 a wider model is born with stronger opinions: 0.15 nats in small, 0.32 here.",
)

# -- 6.2 ------------------------------------------------------------------


def deepest(memory, d_model, vocab_size, context_length):
    return layers(memory // 16, d_model, vocab_size, context_length)


def layers(parameters, C, V, T, block=None, fixed=None):
    block = 12 * C**2 + 13 * C if block is None else block
    fixed = V * C + T * C + 2 * C if fixed is None else fixed
    return max(0, (parameters - fixed) // block)


def deepest_cases(seed):
    generator = torch.Generator().manual_seed(seed)
    sizes = [
        16 * (20 + 74 * 3) + 48,
        16 * (20 + 74 * 2),
        16 * (20 + 74 * 3) - 1,
        16 * 20,
        16 * (20 + 74) + 960,
    ]
    by_hand = [(memory, 2, 5, 3) for memory in [*sizes, 16 * 11]]
    by_hand += [(10**9, 768, 50257, 1024), (10**9, 1600, 50257, 1024)]
    random = [
        [torch.randint(low, high, (), generator=generator).item() for low, high in ranges]
        for ranges in 4 * [[(10**7, 10**9), (30, 300), (300, 9000), (60, 1200)]]
    ]
    return by_hand * (seed == 0) + [tuple(case) for case in random]


DEEPEST = Function(
    number="6.2",
    title="As deep as the memory allows",
    stars=1,
    wants="deepest(memory, d_model, vocab_size, context_length)",
    cases=deepest_cases,
    oracle=deepest,
    mistakes=[
        (
            lambda m, C, V, T: layers(m // 4, C, V, T),
            "There is room for the weights, and for nothing that training needs beside them: a gradient, "
            "and two numbers of the optimizer, for each weight.",
        ),
        (
            lambda m, C, V, T: layers(m, C, V, T),
            "You took the bytes for parameters. How many bytes does training keep for each?",
        ),
        (
            lambda m, C, V, T: (m // 16 - V * C - T * C - 2 * C) // (12 * C**2 + 13 * C),
            "There are no models with fewer than 0 layers. Where the memory does not hold even the rest, "
            "answer 0.",
        ),
        (
            lambda m, C, V, T: max(0, -(-(m // 16 - V * C - T * C - 2 * C) // (12 * C**2 + 13 * C))),
            "One layer too many: you rounded up, and a part of a layer does not run.",
        ),
        (
            lambda m, C, V, T: max(0, round((m / 16 - V * C - T * C - 2 * C) / (12 * C**2 + 13 * C))),
            "One layer too many: you rounded to the nearest, and a part of a layer does not run.",
        ),
        (
            lambda m, C, V, T: max(0, (m // 16 - V * C - T * C - 2 * C - 1) // (12 * C**2 + 13 * C)),
            "The memory may be filled to the last byte; you leave something over.",
        ),
        (
            lambda m, C, V, T: layers(m // 16, C, V, T, fixed=2 * V * C + T * C + 2 * C),
            "You count the token table twice. The head is tied: it has no rows of its own.",
        ),
        (
            lambda m, C, V, T: layers(m // 16, C, V, T, block=12 * C**2),
            "A block has biases and norms, too, and here they decide.",
        ),
        (
            lambda m, C, V, T: layers(m // 16, C, V, T, fixed=V * C + 2 * C),
            "The positions have rows, too.",
        ),
        (
            lambda m, C, V, T: layers(m // 16, C, V, T, fixed=V * C + T * C),
            "The last norm stands outside the blocks, and its weights count, too.",
        ),
        (
            lambda m, C, V, T: layers(m // 16, C, V, T, fixed=0),
            "You spent all of the memory on blocks. The embedding comes first, whatever the depth.",
        ),
    ],
    right="A gigabyte trains three of GPT-2 small's twelve layers; xl's dictionary alone does not fit.",
)

# -- 6.3 ------------------------------------------------------------------

CROSSOVER = Number(
    number="6.3",
    title="Where attention takes over",
    stars=1,
    wants="crossover()",
    answer=6 * 768 + 50257 / 24,
    tolerance=5,
    mistakes=[
        (6 * 768, "That is the answer for the blocks alone. The head is a matrix, too, and no small one."),
        (
            3 * (6 * 768 + 50257 / 24),
            "One of the two is counted forward only, the other with the way back. Take both sides from "
            "equation (4).",
        ),
        (
            (6 * 768 + 50257 / 24) / 3,
            "One of the two is counted forward only, the other with the way back. Take both sides from "
            "equation (4).",
        ),
        (
            6 * 768 + 50257 / 12,
            "You counted the token table as two matrices. The look-up costs nothing; as the head it counts "
            "once.",
        ),
        (
            6 * 768 + 50257 / 2,
            "The head's operations come once, attention's in each of the twelve layers: where is `L`?",
        ),
        (6 * 1600 + 50257 / 96, "That is for xl. Which width and how many layers has small?"),
        (6 * 768 + 1024 / 24, "That is for the village's 1,024 tokens. How many does GPT-2 small have?"),
        (
            768 + 50257 / 144,
            "Each weight of a matrix costs 6 operations, and you counted one.",
        ),
    ],
    right="At GPT-2's own 1,024 tokens the famous square is an eighth of the work, in wider models less.",
)

# -- 6.4 ------------------------------------------------------------------


def depends(f, x):
    slopes = torch.autograd.functional.jacobian(f, x)  # (1, T, E, 1, T, C)
    return slopes[0, :, :, 0].abs().amax(dim=(1, 3)) > 0


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


def depends_cases(seed):
    generator = torch.Generator().manual_seed(seed)
    fs = [past_mean, mean_of_all, alone, the_next, last_two, past_in_the_last_number, of_the_last_number]
    fs += [share_and_rest, of_the_difference, leaks_at_the_end]
    sizes = [(2, 3), (3, 2), (5, 4)]
    return [(f, torch.randint(1, 9, (1, T, C), generator=generator) / 4) for T, C in sizes for f in fs]


def gradient_rows(f, x, pick):
    x = x.clone().requires_grad_()
    y = f(x)
    slopes = [torch.autograd.grad(pick(row), x, retain_graph=True)[0][0] for row in y[0]]
    return torch.stack(slopes)


def depends_without_reset(f, x):
    slopes = torch.autograd.functional.jacobian(f, x)[0, :, :, 0].abs().amax(dim=(1, 3))
    return slopes.cumsum(0) > 0


def depends_by_first_number(f, x):
    return torch.autograd.functional.jacobian(f, x)[0, :, :, 0, :, 0].abs().amax(dim=1) > 0


def depends_last_only(f, x):
    found = torch.zeros(x.shape[1], x.shape[1], dtype=torch.bool)
    found[-1] = depends(f, x)[-1]
    return found


def depends_by_changes(f, x, change):
    found = torch.zeros(x.shape[1], x.shape[1], dtype=torch.bool)
    for s in range(x.shape[1]):
        other = x.clone()
        other[0, s] += change()
        found[:, s] = (f(other) != f(x))[0].any(-1)
    return found


LOST = (
    "So small a change is lost: float32 keeps seven digits. Change `x` by about as much as its numbers are."
)

DEPENDS = Function(
    number="6.4",
    title="Who depends on whom",
    stars=2,
    wants="depends(f, x)",
    cases=depends_cases,
    oracle=depends,
    shown="{f}({0}, x), x = {1}",
    mistakes=[
        (
            lambda f, x: depends(f, x).T,
            "Rows and columns are exchanged: the row is the output's position, the column the input's.",
        ),
        (
            lambda f, x: gradient_rows(f, x, torch.sum).abs().amax(-1) > 0,
            "You took the gradient of the sum of an output's numbers. Where one rises as another falls, as "
            "probabilities do, the sum stands still: ask each number, or weight them at random.",
        ),
        (
            lambda f, x: gradient_rows(f, x, lambda y: y[0]).abs().amax(-1) > 0,
            "You asked the first number of each output only. The leak may be in another.",
        ),
        (
            depends_by_first_number,
            "You looked at the first number of each input only. It may be another one that is read.",
        ),
        (
            lambda f, x: gradient_rows(f, x, torch.sum).sum(-1) != 0,
            "Slopes of both signs cancel where you add them, over outputs or inputs: take sizes first.",
        ),
        (
            lambda f, x: torch.autograd.functional.jacobian(f, x)[0, :, :, 0].sum(-1).abs().amax(1) > 0,
            "You moved all numbers of an input together, or added up their slopes. A function that reads "
            "only their differences, as a norm does, does not feel that.",
        ),
        (
            depends_without_reset,
            "Each row has what the rows above it have: `backward` adds to `.grad`. Begin each row anew.",
        ),
        (
            depends_last_only,
            "Only the last row is filled. A leak may be in the middle: ask every position.",
        ),
        (
            lambda f, x: torch.ones(x.shape[1], x.shape[1], dtype=torch.bool).tril(),
            "That is what a causal function looks like at most. What of this one? Ask `f`.",
        ),
        (
            lambda f, x: depends(f, x).float(),
            "These are numbers. A comparison, such as `> 0`, makes True and False of them.",
        ),
        (
            lambda f, x: torch.zeros(x.shape[1], x.shape[1], dtype=torch.bool),
            "Nothing moved, not even at the position that changed. Is the change so small that float32's "
            "seven digits lose it? And does `f` get what was changed?",
        ),
        (lambda f, x: depends_by_changes(f, x, lambda: 1e-7 * torch.randn(x.shape[2])), LOST),
        (lambda f, x: depends_by_changes(f, x, lambda: 1e-7), LOST),
    ],
    right="Nothing above the diagonal: that is all that 'causal' says, and you can ask it of any model.",
)

# -- A GPT of the check's own, with the names that the chapter's has -------


@dataclass
class Shape:
    vocab_size: int
    context_length: int
    n_layers: int
    n_heads: int
    d_model: int
    d_ff: int
    dropout: float = 0.0


class Table(nn.Module):
    def __init__(self, rows, width):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(rows, width))

    def forward(self, tokens):
        return F.embedding(tokens, self.weight)


class Embedding(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.token, self.position = Table(c.vocab_size, c.d_model), Table(c.context_length, c.d_model)
        self.dropout = nn.Dropout(c.dropout)

    def forward(self, tokens, start=0):
        return self.token(tokens) + self.position.weight[start : start + tokens.shape[-1]]


class Attention(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.n_heads, self.dropout = c.n_heads, c.dropout
        self.q_proj, self.k_proj = nn.Linear(c.d_model, c.d_model), nn.Linear(c.d_model, c.d_model)
        self.v_proj, self.o_proj = nn.Linear(c.d_model, c.d_model), nn.Linear(c.d_model, c.d_model)

    def forward(self, x, cache=None):
        q, k, v = (
            proj(x).unflatten(-1, (self.n_heads, -1)).transpose(1, 2)
            for proj in (self.q_proj, self.k_proj, self.v_proj)
        )
        out = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        return self.o_proj(out.transpose(1, 2).flatten(2))


class Rules(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.up_proj, self.down_proj = nn.Linear(c.d_model, c.d_ff), nn.Linear(c.d_ff, c.d_model)

    def forward(self, x):
        return self.down_proj(F.gelu(self.up_proj(x), approximate="tanh"))


class Layer(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.norm_1, self.attn = nn.LayerNorm(c.d_model), Attention(c)
        self.norm_2, self.mlp = nn.LayerNorm(c.d_model), Rules(c)

    def forward(self, x, cache=None):
        x = x + self.attn(self.norm_1(x))
        return x + self.mlp(self.norm_2(x))


class GPT(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.config, self.embed, self.head = config, Embedding(config), None
        self.blocks = nn.ModuleList(Layer(config) for _ in range(config.n_layers))
        self.norm = nn.LayerNorm(config.d_model)

    def forward(self, tokens, cache=None):
        x = self.embed(tokens)
        for block in self.blocks:
            x = block(x)
        return F.linear(self.norm(x), self.embed.token.weight if self.head is None else self.head.weight)


def gpt_cases(seed):
    torch.manual_seed(seed)
    shapes = [Shape(5, 7, 1, 1, 3, 2), Shape(13, 8, 2, 2, 6, 11), Shape(11, 9, 3, 5, 10, 17)]
    rows = [torch.randint(c.vocab_size, (1 + i, 4 + i)) for i, c in enumerate(shapes)]  # (B, T + 1)
    return [(GPT(c), row[:, :-1], row[:, 1:]) for c, row in zip(shapes, rows, strict=True)]


# -- 6.5 ------------------------------------------------------------------


def two_gradients(model, x, y):
    return apart(model, x, y)


def apart(model, x, y, reduction="mean", positions=slice(None)):
    read, say = (model.embed.token.weight.detach().clone().requires_grad_() for _ in range(2))
    h = F.embedding(x, read) + model.embed.position.weight[: x.shape[1]]
    for block in model.blocks:
        h = block(h)
    logits = F.linear(model.norm(h), say)[:, positions]
    loss = F.cross_entropy(logits.flatten(0, 1), y[:, positions].flatten(), reduction=reduction)
    return torch.autograd.grad(loss, [read, say])


def both_gradients(answer, model, x, y):
    given = copy.deepcopy(model)
    for p in given.parameters():
        p.grad = torch.ones_like(p)  # left over from an earlier step
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
    return {"as a look-up": found[0], "as the head": found[1]}


def whole_twice(model, x, y):
    whole = sum(apart(model, x, y))
    return whole, whole


def rows_of(tokens, gradient):
    seen = torch.zeros(len(gradient), 1)
    seen[tokens.flatten()] = 1
    return gradient * seen


def rows_shared_out(model, x, y):
    whole = sum(apart(model, x, y))
    return rows_of(x, whole), whole - rows_of(x, whole)


def rows_of_both(model, x, y):
    whole = sum(apart(model, x, y))
    return rows_of(x, whole), rows_of(y, whole)


def added_to_the_left_over(model, x, y):
    read, say = apart(model, x, y)
    return read + model.embed.token.weight.grad, say


BY_ROWS = (
    "You split the whole gradient by rows. But a row that was read learns from both teachers at once: split "
    "by role, with a tensor for each."
)


TWO_GRADIENTS = Function(
    number="6.5",
    title="One table, two teachers",
    stars=2,
    wants="two_gradients(model, x, y)",
    cases=gpt_cases,
    oracle=two_gradients,
    call=both_gradients,
    shown="{f}(model, x = {1}, y = {2})",
    mistakes=[
        (
            whole_twice,
            "Both are the whole gradient: the two roles still share one tensor. The head needs a copy of "
            "the table.",
        ),
        (
            lambda model, x, y: apart(model, x, y)[::-1],
            "The two are exchanged. In a look-up only the tokens in `x` learn; all other rows get 0.",
        ),
        (
            lambda model, x, y: apart(model, x, y, reduction="sum"),
            "You added up the losses of the positions. `F.cross_entropy` takes their mean unless told "
            "otherwise.",
        ),
        (
            lambda model, x, y: apart(model, x, y, positions=slice(-1, None)),
            "Only the last position was asked. All T of them have an answer in `y`.",
        ),
        (
            lambda model, x, y: (sum(apart(model, x, y)) / 2,) * 2,
            "Half of the whole for each: but the two roles learn different things. Give each its own tensor.",
        ),
        (
            lambda model, x, y: (sum(apart(model, x, y)), apart(model, x, y)[1]),
            "The first is still the whole gradient, with the head's part in it.",
        ),
        (
            lambda model, x, y: (rows_of(x, sum(apart(model, x, y))), apart(model, x, y)[1]),
            "The rows of tokens that were read learn as a head, too: keeping these rows of the whole is not "
            "enough.",
        ),
        (
            lambda model, x, y: (apart(model, x, y)[0], rows_of(y, apart(model, x, y)[1])),
            "As the head, every row learns, not only those of the right answers: the others learn to score "
            "lower.",
        ),
        (
            lambda model, x, y: (apart(model, x, y)[0], torch.zeros_like(model.embed.token.weight)),
            "The head's is 0 everywhere. Did the loss go through the tensor that you asked?",
        ),
        (rows_shared_out, BY_ROWS),
        (rows_of_both, BY_ROWS),
        (
            added_to_the_left_over,
            "`backward` adds to `.grad`, and this model still has gradients of an earlier step there.",
        ),
    ],
    right="Reading teaches only the rows that were read; as a head, every row learns in every step.",
)

# -- 6.6 ------------------------------------------------------------------


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


def grow_and_train(answer, model, x, y):
    deeper = answer(model)
    if not isinstance(deeper, nn.Module) or not hasattr(deeper, "blocks"):
        raise Problem(f"It must return a GPT, with its blocks in `blocks`; this is {a(deeper)}.")
    with torch.no_grad():
        found = {"blocks": len(deeper.blocks), "logits": deeper(x), "config.n_layers": deeper.config.n_layers}
    found["parameters"] = sum(p.numel() for p in deeper.parameters())
    before = copy.deepcopy(model.state_dict())
    for _ in range(2):
        deeper.zero_grad()
        F.cross_entropy(deeper(x).flatten(0, 1), y.flatten()).backward()
        with torch.no_grad():
            for p in deeper.parameters():
                p -= 0.1 * p.grad if p.grad is not None else 0
    found["weights without a gradient in the second step"] = [
        name for name, p in deeper.named_parameters() if p.ndim == 2 and (p.grad is None or not p.grad.any())
    ]
    shared = any(not torch.equal(value, before[name]) for name, value in model.state_dict().items())
    model.load_state_dict(before)
    return found | {"training it changes the model it came from": shared}


def shares_blocks(model):
    deeper = copy.copy(model)
    deeper._modules = dict(model._modules)
    deeper.blocks = nn.ModuleList([*model.blocks, silence(Layer(model.config))])
    deeper.config = replace(model.config, n_layers=model.config.n_layers + 1)
    return deeper


def newborn(model):
    return GPT(replace(model.config, n_layers=model.config.n_layers + 1))


def narrow(model):
    c = model.config
    return grown(model, lambda block: silence(Layer(replace(c, d_ff=4 * c.d_model))))


DEEPEN = Function(
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
            narrow,
            "The new block's MLP is four times as wide as the stream. The model's own config says otherwise.",
        ),
    ],
    right="Same words, one more block, and it can learn: a model can grow while it trains, and lose nothing.",
)

EXERCISES = [FIRST_LINE, DEEPEST, CROSSOVER, DEPENDS, TWO_GRADIENTS, DEEPEN]
