"""Answers to chapter 6 by someone who had not read the checks."""

import copy
import math
from dataclasses import replace
from fractions import Fraction

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from companion.attention import CausalSelfAttention
from companion.blocks import MLP, Block, LayerNorm
from companion.gpt import GPT, GPTConfig, gpt2

# 6.1: ln 50257 + 0.32 = 11.1449


def equal_scores():
    return math.log(50257)


def half_forgotten():
    return math.log(50257) + 0.02**2 * 1600


def small_instead_of_xl():
    return math.log(50257) + 0.02**2 * 768 / 2


def large_instead_of_xl():
    return math.log(50257) + 0.02**2 * 1280 / 2


def not_squared():
    return math.log(50257) + 0.02 * 1600 / 2


def in_bits():
    return (math.log(50257) + 0.32) / math.log(2)


def our_recipe():
    """Rows of 0.2, g = 40 / C."""
    return math.log(50257) + (40 / 1600 * 0.2) ** 2 * 1600 / 2


def our_root_recipe():
    return math.log(50257) + 0.125


def our_newborn():
    return 7.06


def our_tokens():
    return math.log(1024) + 0.32


def above_uniform_only():
    return 0.32


def probability():
    return math.exp(-math.log(50257) - 0.32)


def subtracted():
    return math.log(50257) - 0.32


def base_ten():
    return math.log10(50257) + 0.32


def endless():
    return math.inf


def text():
    return "eleven"


def numpy_loss():
    return np.log(50257) + np.float32(0.32)


def tensor_loss():
    return torch.log(torch.tensor([50257.0]))[0] + 0.02**2 * 1600 / 2


def fraction_loss():
    """A fraction."""
    return Fraction(math.log(50257)) + Fraction(8, 25)


def cross_entropy_tried():
    """On random vectors of the right length, many times."""
    generator = torch.Generator().manual_seed(0)
    h = F.layer_norm(torch.randn(16, 1600, generator=generator), (1600,))
    scores = h @ (0.02 * torch.randn(50257, 1600, generator=generator)).T
    return (scores.logsumexp(-1) - scores.mean(-1)).mean()


# 6.2: as deep as the memory allows


def deepest(memory, d_model, vocab_size, context_length):
    left = memory // 16 - (vocab_size + context_length + 2) * d_model
    return max(0, left // (12 * d_model**2 + 13 * d_model))


def weights_only(memory, d_model, vocab_size, context_length):
    return deepest(4 * memory, d_model, vocab_size, context_length)


def without_optimizer(memory, d_model, vocab_size, context_length):
    return deepest(2 * memory, d_model, vocab_size, context_length)


def optimizer_keeps_one(memory, d_model, vocab_size, context_length):
    return deepest(memory * 16 // 12, d_model, vocab_size, context_length)


def untied_head(memory, d_model, vocab_size, context_length):
    return deepest(memory, d_model, 2 * vocab_size, context_length)


def last_norm_forgotten(memory, d_model, vocab_size, context_length):
    """Where the 2 C of the last norm are just too many."""
    return deepest(memory, d_model, vocab_size - 2, context_length)


def positions_forgotten(memory, d_model, vocab_size, context_length):
    return deepest(memory, d_model, vocab_size, 0)


def biases_forgotten(memory, d_model, vocab_size, context_length):
    left = memory // 16 - (vocab_size + context_length + 2) * d_model
    return max(0, left // (12 * d_model**2))


def norms_of_blocks_forgotten(memory, d_model, vocab_size, context_length):
    left = memory // 16 - (vocab_size + context_length + 2) * d_model
    return max(0, left // (12 * d_model**2 + 9 * d_model))


def less_than_none(memory, d_model, vocab_size, context_length):
    """Negative where nothing fits."""
    left = memory // 16 - (vocab_size + context_length + 2) * d_model
    return left // (12 * d_model**2 + 13 * d_model)


def rounded_to_nearest(memory, d_model, vocab_size, context_length):
    left = memory / 16 - (vocab_size + context_length + 2) * d_model
    return max(0, round(left / (12 * d_model**2 + 13 * d_model)))


def rounded_up(memory, d_model, vocab_size, context_length):
    left = memory // 16 - (vocab_size + context_length + 2) * d_model
    return max(0, -(-left // (12 * d_model**2 + 13 * d_model)))


def strictly_below(memory, d_model, vocab_size, context_length):
    """Where the memory is just enough."""
    return deepest(memory - 1, d_model, vocab_size, context_length)


def a_whole_float(memory, d_model, vocab_size, context_length):
    return float(deepest(memory, d_model, vocab_size, context_length))


def not_rounded(memory, d_model, vocab_size, context_length):
    left = memory / 16 - (vocab_size + context_length + 2) * d_model
    return max(0, left / (12 * d_model**2 + 13 * d_model))


def searched_to_a_hundred(memory, d_model, vocab_size, context_length):
    """More than a hundred layers."""
    return min(100, deepest(memory, d_model, vocab_size, context_length))


def searched_to_a_thousand(memory, d_model, vocab_size, context_length):
    return min(1000, deepest(memory, d_model, vocab_size, context_length))


def at_least_one_layer(memory, d_model, vocab_size, context_length):
    return max(1, deepest(memory, d_model, vocab_size, context_length))


def mlp_of_gpt2_small(memory, d_model, vocab_size, context_length):
    """d_ff = 3072 at any width."""
    left = memory // 16 - (vocab_size + context_length + 2) * d_model
    block = 4 * d_model**2 + 4 * d_model + 2 * 3072 * d_model + 3072 + d_model + 4 * d_model
    return max(0, left // block)


def in_gigabytes(memory, d_model, vocab_size, context_length):
    """Takes 2 ** 30 for 10 ** 9."""
    return deepest(int(memory * 1.073741824), d_model, vocab_size, context_length)


def two_too_many_by_one(memory, d_model, vocab_size, context_length):
    """None where the memory is 0 or nothing fits."""
    n = deepest(memory, d_model, vocab_size, context_length)
    return n or None


def numpy_depth(memory, d_model, vocab_size, context_length):
    return np.int64(deepest(memory, d_model, vocab_size, context_length))


def by_halving(memory, d_model, vocab_size, context_length):
    def needs(n):
        mlp = 2 * d_model * 4 * d_model + 5 * d_model
        block = 4 * d_model * (d_model + 1) + mlp + 2 * 2 * d_model
        return 16 * (vocab_size * d_model + context_length * d_model + n * block + 2 * d_model)

    low, high = 0, 1
    while needs(high) <= memory:
        high *= 2
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if needs(middle) <= memory else (low, middle)
    return low


def by_fractions(memory, d_model, vocab_size, context_length):
    C = d_model
    n = (Fraction(memory, 16 * C) - vocab_size - context_length - 2) / (12 * C + 13)
    return math.floor(n) if n > 0 else 0


# 6.3: 6702


def without_head():
    return 6 * 768


def head_not_halved():
    return 6 * 768 + 50257 / 12


def forward_and_back_mixed():
    return 3 * 768 + 50257 / 48


def own_context():
    return 1024


def twice():
    return 2 * (6 * 768 + 50257 / 24)


def one_token_short():
    return 6701


def two_tokens_more():
    return 6704


def head_alone():
    return 50257 / 24


def medium_instead():
    return 6 * 1024 + 50257 / 48


def table_with_positions():
    """All parameters, positions included."""
    return 6 * 768 + (50257 + 1024) / 24


def by_parameters():
    """6 N, with biases and norms and positions."""
    N = 50257 * 768 + 1024 * 768 + 12 * (12 * 768**2 + 13 * 768) + 2 * 768
    return 6 * N / (12 * 12 * 768)


def guessed():
    return 5000


def no_such_length():
    return None


def to_the_token():
    return 6702


def fraction_length():
    return 6 * 768 + Fraction(50257, 24)


def float32_length():
    return np.float32(6 * 768 + 50257 / 24)


def tensor_length():
    return torch.tensor(6702)


# 6.4: who depends on whom


def right_depends(f, x):
    """Every number of a position by another amount."""
    generator = torch.Generator().manual_seed(0)
    T = x.shape[1]
    with torch.no_grad():
        before = f(x)
        found = torch.zeros(T, T, dtype=torch.bool)
        for s in range(T):
            other = x.clone()
            other[0, s] += torch.randn(x.shape[2], generator=generator).to(x)
            found[:, s] = (f(other) != before)[0].any(-1)
    return found


def slope_of_the_sum(f, x):
    """Outputs that always sum to 1."""
    x = x.detach().clone().requires_grad_()
    y = f(x)
    T = x.shape[1]
    rows = [torch.autograd.grad(y[0, t].sum(), x, retain_graph=True, allow_unused=True)[0] for t in range(T)]
    none = torch.zeros(T, dtype=torch.bool)
    return torch.stack([none if r is None else (r[0].abs().sum(-1) > 1e-6) for r in rows])


def same_amount_for_all(f, x):
    """Functions that read only differences between the numbers of a position."""
    before = f(x)
    found = []
    for s in range(x.shape[1]):
        other = x.clone()
        other[0, s] += 1.7
        found.append((f(other) != before)[0].any(-1))
    return torch.stack(found, 1)


def same_amount_everywhere(f, x):
    """Random, but up to now: all positions to s move together."""
    before = f(x)
    found, other = [], x.clone()
    for s in range(x.shape[1]):
        other[0, s] += torch.randn(x.shape[2])
        found.append((f(other) != before)[0].any(-1))
    return torch.stack(found, 1)


def close_enough(f, x):
    """A dependence by a millionth."""
    before = f(x)
    found = []
    for s in range(x.shape[1]):
        other = x.clone()
        other[0, s] += torch.randn(x.shape[2])
        found.append(~torch.isclose(f(other), before, atol=1e-4)[0].all(-1))
    return torch.stack(found, 1)


def last_position_only(f, x):
    """Only the last token is changed; the rest is taken to be causal."""
    found = torch.ones(x.shape[1], x.shape[1]).tril().bool()
    found[:, -1] = right_depends(f, x)[:, -1]
    return found


def first_output_only(f, x):
    """Number 0 of each output."""
    return right_depends(lambda z: f(z)[..., :1], x)


def first_input_only(f, x):
    """Moves number 0 of each position."""
    before = f(x)
    found = []
    for s in range(x.shape[1]):
        other = x.clone()
        other[0, s, 0] += 1.3
        found.append((f(other) != before)[0].any(-1))
    return torch.stack(found, 1)


def last_output_left_out(f, x):
    """A leak in the last channel only."""
    return right_depends(lambda z: f(z)[..., :-1], x)


def transposed(f, x):
    return right_depends(f, x).T


def always_causal(f, x):
    return torch.ones(x.shape[1], x.shape[1]).tril().bool()


def leaks_hidden(f, x):
    return right_depends(f, x).tril()


def itself_assumed(f, x):
    """Output t need not depend on input t."""
    return right_depends(f, x) | torch.eye(x.shape[1], dtype=torch.bool)


def set_to_zero(f, x):
    """A position whose numbers are 0 already."""
    before = f(x)
    found = []
    for s in range(x.shape[1]):
        other = x.clone()
        other[0, s] = 0
        found.append((f(other) != before)[0].any(-1))
    return torch.stack(found, 1)


def doubled(f, x):
    """A position whose numbers are 0, or a function that does not read the size."""
    before = f(x)
    found = []
    for s in range(x.shape[1]):
        other = x.clone()
        other[0, s] *= 2
        found.append((f(other) != before)[0].any(-1))
    return torch.stack(found, 1)


def turned_to_minus(f, x):
    """Functions that read squares."""
    before = f(x)
    found = []
    for s in range(x.shape[1]):
        other = x.clone()
        other[0, s] *= -1
        found.append((f(other) != before)[0].any(-1))
    return torch.stack(found, 1)


def numbers_swapped(f, x):
    """Functions that read the sum of a position's numbers; C = 1."""
    before = f(x)
    found = []
    for s in range(x.shape[1]):
        other = x.clone()
        other[0, s] = other[0, s].roll(1)
        found.append((f(other) != before)[0].any(-1))
    return torch.stack(found, 1)


def numbers_of_floats(f, x):
    """float, not bool."""
    return right_depends(f, x).float()


def changes_x(f, x):
    """Moves the caller's x and leaves it so."""
    before = f(x.clone())
    found = []
    for s in range(x.shape[1]):
        kept = x[0, s].clone()
        x[0, s] += torch.randn(x.shape[2])
        found.append((f(x) != before)[0].any(-1))
        if s < x.shape[1] - 1:
            x[0, s] = kept
    return torch.stack(found, 1)


def leaves_gradients(f, x):
    """The parameters of f hold gradients afterwards."""
    x = x.detach().clone().requires_grad_()
    y = f(x)
    weighting = torch.randn(y.shape)
    rows = []
    for t in range(x.shape[1]):
        x.grad = None
        (y[0, t] * weighting[0, t]).sum().backward(retain_graph=True)
        rows.append((x.grad[0] != 0).any(-1))
    return torch.stack(rows)


def outputs_added_up(f, x):
    """The sum of an output's numbers moves, or not."""
    before = f(x).sum(-1)
    found = []
    for s in range(x.shape[1]):
        other = x.clone()
        other[0, s] += torch.randn(x.shape[2])
        found.append(((f(other).sum(-1) - before).abs() > 1e-4)[0])
    return torch.stack(found, 1)


def up_to_five(f, x):
    """More than five positions."""
    found = torch.zeros(x.shape[1], x.shape[1], dtype=torch.bool)
    found[:5, :5] = right_depends(f, x)[:5, :5]
    return found


def any_at_all(f, x):
    return bool(right_depends(f, x).triu(1).any())


def too_small_a_step(f, x):
    """1e-9 is lost in float32."""
    before = f(x)
    found = []
    for s in range(x.shape[1]):
        other = x.clone()
        other[0, s] += 1e-9 * torch.randn(x.shape[2])
        found.append((f(other) != before)[0].any(-1))
    return torch.stack(found, 1)


def not_in_float32(f, x):
    """A module of float32 refuses float64."""
    return right_depends(f, x.double())


def turns_f_off(f, x):
    """A module is in eval mode afterwards."""
    if isinstance(f, nn.Module):
        f.eval()
    return right_depends(f, x)


def by_jacobian(f, x):
    J = torch.autograd.functional.jacobian(f, x)  # (1, T, E, 1, T, C)
    return (J[0, :, :, 0] != 0).any(-1).any(1)


def number_by_number(f, x):
    """Each number of the input alone; NumPy collects."""
    with torch.no_grad():
        before, T = f(x), x.shape[1]
        found = np.zeros((T, T), dtype=bool)
        for s in range(T):
            for c in range(x.shape[2]):
                other = x.clone()
                other[0, s, c] += 0.7
                found[:, s] |= (f(other) != before)[0].any(-1).numpy()
    return torch.from_numpy(found)


def several_tries(f, x):
    """Replaces the position three times, and takes the transposed stack."""
    columns = []
    for s in range(x.shape[1]):
        moved = torch.zeros(x.shape[1], dtype=torch.bool)
        for seed in range(3):
            other = x.detach().clone()
            other[:, s] = torch.randn(x.shape[2], generator=torch.Generator().manual_seed(seed)).to(x)
            moved |= f(other).ne(f(x)).any(dim=2).squeeze(0)
        columns.append(moved)
    return torch.stack(columns).T


# 6.5: one table, two teachers


def _loss(model, x, y):
    return F.cross_entropy(model(x).flatten(0, 1), y.flatten())


def right_two(model, x, y):
    m = copy.deepcopy(model)
    head = nn.Linear(m.config.d_model, m.config.vocab_size, bias=False)
    head.weight = nn.Parameter(m.embed.token.weight.detach().clone())
    untied = GPT(m.config, m.embed, m.blocks, m.norm, head)
    return torch.autograd.grad(_loss(untied, x, y), [m.embed.token.weight, head.weight])


def the_other_way_round(model, x, y):
    return right_two(model, x, y)[::-1]


def half_each(model, x, y):
    a, b = right_two(model, x, y)
    return (a + b) / 2, (a + b) / 2


def the_sum_as_head(model, x, y):
    a, b = right_two(model, x, y)
    return a, a + b


def by_rows_read(model, x, y):
    """The rows that were read, for the look-up; all other rows for the head."""
    total = sum(right_two(model, x, y))
    read = torch.zeros_like(total)
    read[x.unique()] = total[x.unique()]
    return read, total - read


def only_the_right_rows(model, x, y):
    """The head's rows of the tokens that should have been said."""
    a, b = right_two(model, x, y)
    kept = torch.zeros_like(b)
    kept[y.unique()] = b[y.unique()]
    return a, kept


def summed_loss(model, x, y):
    a, b = right_two(model, x, y)
    return a * y.numel(), b * y.numel()


def first_row_of_batch(model, x, y):
    return right_two(model, x[:1], y[:1])


def last_position_scored(model, x, y):
    m = copy.deepcopy(model)
    head = nn.Linear(m.config.d_model, m.config.vocab_size, bias=False)
    head.weight = nn.Parameter(m.embed.token.weight.detach().clone())
    untied = GPT(m.config, m.embed, m.blocks, m.norm, head)
    loss = F.cross_entropy(untied(x)[:, -1], y[:, -1])
    return torch.autograd.grad(loss, [m.embed.token.weight, head.weight])


def repeated_tokens_once(model, x, y):
    """A token that is read twice: the second overwrites the first."""
    m = copy.deepcopy(model)
    rows = m.embed.token.weight[x].detach().requires_grad_()

    class Rows(nn.Module):
        def forward(self, tokens, start=0):
            return rows + m.embed.position.weight[: tokens.shape[1]]

    head = nn.Linear(m.config.d_model, m.config.vocab_size, bias=False)
    head.weight = nn.Parameter(m.embed.token.weight.detach().clone())
    grads = torch.autograd.grad(
        _loss(GPT(m.config, Rows(), m.blocks, m.norm, head), x, y), [rows, head.weight]
    )
    read = torch.zeros_like(head.weight)
    for token, g in zip(x.flatten().tolist(), grads[0].flatten(0, 1), strict=True):
        read[token] = g
    return read, grads[1]


def leaves_a_gradient(model, x, y):
    """The caller's parameters hold other gradients afterwards."""
    a, b = right_two(model, x, y)
    model.embed.token.weight.grad = (a + b).clone()
    return a, b


def adds_to_old_gradients(model, x, y):
    """Where the model holds gradients of an earlier step, they are in the answer."""
    old = {p: None if p.grad is None else p.grad.clone() for p in model.parameters()}
    _loss(model, x, y).backward()
    total = model.embed.token.weight.grad.clone()
    for p, grad in old.items():
        p.grad = grad
    b = right_two(model, x, y)[1]
    return total - b, b


def clears_old_gradients(model, x, y):
    model.zero_grad()
    return right_two(model, x, y)


def unties_the_model(model, x, y):
    """The caller's model has a head of its own afterwards."""
    head = nn.Linear(model.config.d_model, model.config.vocab_size, bias=False)
    head.weight = nn.Parameter(model.embed.token.weight.detach().clone())
    model.head = head
    return torch.autograd.grad(_loss(model, x, y), [model.embed.token.weight, head.weight])


def turns_to_eval(model, x, y):
    """The mode of the caller's model."""
    model.eval()
    return right_two(model, x, y)


def turns_to_train(model, x, y):
    """The mode of a model that was in eval()."""
    result = right_two(model, x, y)
    model.train()
    return result


def born_again_in_training(model, x, y):
    """A model in eval() with dropout: the new one drops."""
    m = gpt2(model.config)
    m.load_state_dict(model.state_dict())
    m.train()
    return right_two(m, x, y)


def freezes_the_table(model, x, y):
    """The caller's table does not learn afterwards."""
    result = right_two(model, x, y)
    model.embed.token.weight.requires_grad_(False)
    return result


def head_transposed(model, x, y):
    a, b = right_two(model, x, y)
    return a, b.T


def only_rows_that_learn(model, x, y):
    """Not (V, C): the rows that were read."""
    a, b = right_two(model, x, y)
    return a[x.unique()], b


def nearly_head(model, x, y):
    """The right token's row without its share p."""
    a, b = right_two(model, x, y)
    with torch.no_grad():
        h = model.hidden(x).flatten(0, 1)
        p = model.logits(h).softmax(-1).gather(1, y.reshape(-1, 1))
        return a, b.index_add(0, y.flatten(), -h * p / len(h))


def random_head(model, x, y):
    m = copy.deepcopy(model)
    head = nn.Linear(m.config.d_model, m.config.vocab_size, bias=False)
    untied = GPT(m.config, m.embed, m.blocks, m.norm, head)
    return torch.autograd.grad(_loss(untied, x, y), [m.embed.token.weight, head.weight])


def head_less_than_whole(model, x, y):
    """As if the last norm had no weight."""
    a, b = right_two(model, x, y)
    return a, b / model.norm.weight.detach()


def makes_a_step(model, x, y):
    """The caller's weights have moved."""
    a, b = right_two(model, x, y)
    with torch.no_grad():
        model.embed.token.weight -= 1e-3 * (a + b)
    return a, b


def by_functional_call(model, x, y):
    """No copy: another table in the place of the old one, twice."""
    table = model.embed.token.weight.detach().clone().requires_grad_()
    h_table = table.detach().clone().requires_grad_()
    parameters = {n: p.detach() for n, p in model.named_parameters()}
    parameters["embed.token.weight"] = table
    training, h = model.training, []
    handle = model.norm.register_forward_hook(lambda module, args, out: h.append(out))
    try:
        torch.func.functional_call(model, parameters, (x,))
    finally:
        handle.remove()
    assert model.training == training
    loss = F.cross_entropy((h[0] @ h_table.T).flatten(0, 1), y.flatten())
    return list(torch.autograd.grad(loss, [table, h_table]))


def by_formula(model, x, y):
    """The head's by hand, (p - 1) h; the look-up's is the rest."""
    m = copy.deepcopy(model)
    (total,) = torch.autograd.grad(_loss(m, x, y), [m.embed.token.weight])
    with torch.no_grad():
        h = m.hidden(x).flatten(0, 1)
        p = m.logits(h).softmax(-1)
        p[torch.arange(len(p)), y.flatten()] -= 1
        said = p.T @ h / len(p)
    return total - said, said


def by_hidden_and_logits(model, x, y):
    """Two ways through the same weights, cut with detach: nothing is stored in the model."""
    w = model.embed.token.weight
    hidden = model.hidden(x)
    cut = hidden.detach().requires_grad_()
    table = w.detach().clone().requires_grad_()
    loss = F.cross_entropy(F.linear(cut, table).flatten(0, 1), y.flatten())
    to_hidden, said = torch.autograd.grad(loss, [cut, table])
    (read,) = torch.autograd.grad(hidden, [w], to_hidden)
    return read, said


# 6.6: deeper, without a word changed


def _grown(model, config=None):
    deeper = gpt2(config or replace(model.config, n_layers=model.config.n_layers + 1))
    deeper.load_state_dict(model.state_dict(), strict=False)
    return deeper.train(model.training)


def right_deepen(model):
    deeper = _grown(model)
    nn.init.zeros_(deeper.blocks[-1].attn.o_proj.weight)
    nn.init.zeros_(deeper.blocks[-1].mlp.down_proj.weight)
    return deeper


def newborn_block(model):
    """It speaks."""
    return _grown(model)


def nearly_silent(model):
    """Writes a thousandth."""
    deeper = right_deepen(model)
    nn.init.normal_(deeper.blocks[-1].mlp.down_proj.weight, std=1e-3)
    return deeper


def all_of_it_zero(model):
    """Can never learn."""
    deeper = right_deepen(model)
    for p in deeper.blocks[-1].parameters():
        nn.init.zeros_(p)
    return deeper


def two_matrices_in_a_row(model):
    """up_proj and down_proj are 0: neither moves."""
    deeper = right_deepen(model)
    nn.init.zeros_(deeper.blocks[-1].mlp.up_proj.weight)
    return deeper


def values_and_output_zero(model):
    """v_proj and o_proj are 0: neither moves."""
    deeper = right_deepen(model)
    nn.init.zeros_(deeper.blocks[-1].attn.v_proj.weight)
    return deeper


def norm_dead(model):
    """norm_1 lets nothing through, and o_proj is 0, too: attention never learns."""
    deeper = right_deepen(model)
    nn.init.zeros_(deeper.blocks[-1].norm_1.weight)
    return deeper


def frozen_block(model):
    deeper = right_deepen(model)
    deeper.blocks[-1].requires_grad_(False)
    return deeper


def attention_only(model):
    """The MLP still writes."""
    deeper = _grown(model)
    nn.init.zeros_(deeper.blocks[-1].attn.o_proj.weight)
    return deeper


def mlp_only(model):
    """Attention still writes."""
    deeper = _grown(model)
    nn.init.zeros_(deeper.blocks[-1].mlp.down_proj.weight)
    return deeper


def depth_not_told(model):
    """The config says the old depth."""
    deeper = right_deepen(model)
    deeper.config = model.config
    return deeper


def tells_the_old_one_too(model):
    """The old config is changed."""
    deeper = right_deepen(model)
    model.config.n_layers += 1
    deeper.config = model.config
    return deeper


def shares_the_parts(model):
    """Training the new one trains the old one."""
    deeper = right_deepen(model)
    return GPT(deeper.config, model.embed, [*model.blocks, deeper.blocks[-1]], model.norm)


def shares_the_table(model):
    deeper = right_deepen(model)
    deeper.embed.token.weight = model.embed.token.weight
    return deeper


def shares_the_memory(model):
    """assign=True: other parameters, the same numbers."""
    deeper = right_deepen(model)
    with torch.no_grad():
        for name, p in model.named_parameters():
            deeper.get_parameter(name).data = p.data
    return deeper


def grows_the_old(model):
    """The caller's model itself, with a block more."""
    deeper = right_deepen(model)
    model.blocks.append(deeper.blocks[-1])
    model.config = deeper.config
    return model


def last_block_twice(model):
    """Other logits: the last block once more."""
    deeper = right_deepen(model)
    deeper.blocks[-1].load_state_dict(model.blocks[-1].state_dict())
    return deeper


def same_block_twice(model):
    deeper = right_deepen(model)
    deeper.blocks[-1] = deeper.blocks[-2]
    return deeper


def copy_without_block(model):
    return copy.deepcopy(model)


def copy_that_says_more(model):
    """The config says one more; the blocks do not."""
    deeper = copy.deepcopy(model)
    deeper.config = replace(model.config, n_layers=model.config.n_layers + 1)
    return deeper


def two_blocks_more(model):
    return right_deepen(right_deepen(model))


def newborn_biases(model):
    """A Block by hand, whose biases PyTorch draws."""
    c = model.config
    m = copy.deepcopy(model)
    block = Block(
        LayerNorm(c.d_model), CausalSelfAttention(c.d_model, c.n_heads), LayerNorm(c.d_model),
        MLP(c.d_model, c.d_ff),
    )  # fmt: skip
    nn.init.zeros_(block.attn.o_proj.weight)
    nn.init.zeros_(block.mlp.down_proj.weight)
    return GPT(replace(c, n_layers=c.n_layers + 1), m.embed, [*m.blocks, block], m.norm)


def four_times_wide(model):
    """Another d_ff in the new block, where the model's is not 4 C."""
    c, m = model.config, copy.deepcopy(model)
    other = right_deepen(gpt2(GPTConfig(c.vocab_size, c.context_length, 1, c.n_heads, c.d_model)))
    blocks = [*m.blocks, other.blocks[-1]]
    return GPT(replace(c, n_layers=c.n_layers + 1), m.embed, blocks, m.norm)


def one_head_in_the_new(model):
    """Another number of heads in the new block; it shows once it is trained."""
    deeper = right_deepen(model)
    deeper.blocks[-1].attn.n_heads = 1
    return deeper


def other_dictionary(model):
    """Only the blocks are copied."""
    deeper = right_deepen(model)
    nn.init.normal_(deeper.embed.position.weight, std=0.02)
    return deeper


def last_norm_newborn(model):
    """The last norm's trained bias is lost."""
    deeper = right_deepen(model)
    nn.init.zeros_(deeper.norm.bias)
    return deeper


def quiets_the_old(model):
    """The old model's last block is silent afterwards."""
    nn.init.zeros_(model.blocks[-1].attn.o_proj.weight)
    nn.init.zeros_(model.blocks[-1].mlp.down_proj.weight)
    return right_deepen(model)


def old_in_eval(model):
    """The caller's mode is changed."""
    deeper = right_deepen(model)
    model.eval()
    return deeper


def in_place_of_the_last(model):
    """The new block takes the place of the last: as many as before, and one at the end."""
    deeper = right_deepen(model)
    deeper.blocks = nn.ModuleList([*list(deeper.blocks)[:-2], deeper.blocks[-1], deeper.blocks[-1]])
    return deeper


def detached_logits(model):
    """Nothing of the new model can be trained."""
    return right_deepen(model).requires_grad_(False)


def new_at_the_bottom(model):
    """The silent block comes first."""
    deeper = right_deepen(model)
    blocks = list(deeper.blocks)
    return GPT(deeper.config, deeper.embed, [blocks[-1], *blocks[:-1]], deeper.norm)


def by_hand(model):
    c, m = model.config, copy.deepcopy(model)
    block = Block(
        nn.LayerNorm(c.d_model), CausalSelfAttention(c.d_model, c.n_heads, c.dropout),
        nn.LayerNorm(c.d_model), MLP(c.d_model, c.d_ff, c.dropout),
    )  # fmt: skip
    for linear in (block.attn.o_proj, block.mlp.down_proj):
        nn.init.zeros_(linear.weight)
        nn.init.zeros_(linear.bias)
    return GPT(replace(c, n_layers=c.n_layers + 1), m.embed, [*m.blocks, block], m.norm)


def copy_of_the_last(model):
    """The last block's weights, silenced: trained norms, keys and rules."""
    m = copy.deepcopy(model)
    block = copy.deepcopy(m.blocks[-1])
    with torch.no_grad():
        for p in [*block.attn.o_proj.parameters(), *block.mlp.down_proj.parameters()]:
            p.zero_()
    m.blocks.append(block)
    m.config = replace(model.config, n_layers=len(m.blocks))
    return m


def silent_at_the_entrance(model):
    """The writing matrices are random; values and rules are 0, and the biases, too."""
    deeper = _grown(model)
    nn.init.zeros_(deeper.blocks[-1].attn.v_proj.weight)
    nn.init.zeros_(deeper.blocks[-1].mlp.up_proj.weight)
    return deeper


def norms_at_zero(model):
    """All matrices are random: the norms begin at 0, and learn first."""
    deeper = _grown(model)
    nn.init.zeros_(deeper.blocks[-1].norm_1.weight)
    nn.init.zeros_(deeper.blocks[-1].norm_2.weight)
    return deeper


WRONG = {
    "6.1": [
        equal_scores, half_forgotten, small_instead_of_xl, large_instead_of_xl, not_squared, in_bits,
        our_recipe, our_root_recipe, our_newborn, our_tokens, above_uniform_only, probability, subtracted,
        base_ten, endless, text,
    ],
    "6.2": [
        weights_only, without_optimizer, optimizer_keeps_one, untied_head, last_norm_forgotten,
        positions_forgotten, biases_forgotten, norms_of_blocks_forgotten, less_than_none, rounded_to_nearest,
        rounded_up, strictly_below, not_rounded, searched_to_a_hundred, searched_to_a_thousand,
        at_least_one_layer, mlp_of_gpt2_small, in_gigabytes, two_too_many_by_one,
    ],
    "6.3": [
        without_head, head_not_halved, forward_and_back_mixed, own_context, twice, one_token_short,
        two_tokens_more, head_alone, medium_instead, table_with_positions, by_parameters, guessed,
        no_such_length,
    ],
    "6.4": [
        slope_of_the_sum, same_amount_for_all, same_amount_everywhere, close_enough, last_position_only,
        first_output_only, first_input_only, last_output_left_out, transposed, always_causal, leaks_hidden,
        itself_assumed, set_to_zero, doubled, turned_to_minus, numbers_swapped, numbers_of_floats, changes_x,
        leaves_gradients, outputs_added_up, up_to_five, any_at_all, too_small_a_step, not_in_float32,
        turns_f_off,
    ],
    "6.5": [
        the_other_way_round, half_each, the_sum_as_head, by_rows_read, only_the_right_rows, summed_loss,
        first_row_of_batch, last_position_scored, repeated_tokens_once, leaves_a_gradient,
        adds_to_old_gradients, clears_old_gradients, unties_the_model, turns_to_eval, turns_to_train,
        born_again_in_training, freezes_the_table, head_transposed, only_rows_that_learn, nearly_head,
        random_head, head_less_than_whole, makes_a_step,
    ],
    "6.6": [
        newborn_block, nearly_silent, all_of_it_zero, two_matrices_in_a_row, values_and_output_zero,
        norm_dead, frozen_block, attention_only, mlp_only, depth_not_told, tells_the_old_one_too,
        shares_the_parts, shares_the_table, shares_the_memory, grows_the_old, last_block_twice,
        same_block_twice, copy_without_block, copy_that_says_more, two_blocks_more, newborn_biases,
        four_times_wide, one_head_in_the_new, other_dictionary, last_norm_newborn, quiets_the_old,
        old_in_eval, in_place_of_the_last, detached_logits,
    ],
}  # fmt: skip
RIGHT = {
    "6.1": [numpy_loss, tensor_loss, fraction_loss, cross_entropy_tried],
    "6.2": [deepest, numpy_depth, by_halving, by_fractions, a_whole_float],
    "6.3": [to_the_token, fraction_length, float32_length, tensor_length],
    "6.4": [right_depends, by_jacobian, number_by_number, several_tries],
    "6.5": [right_two, by_functional_call, by_formula, by_hidden_and_logits],
    "6.6": [
        right_deepen,
        new_at_the_bottom,
        by_hand,
        copy_of_the_last,
        silent_at_the_entrance,
        norms_at_zero,
    ],
}
