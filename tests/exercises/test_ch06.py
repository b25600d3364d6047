"""Answers to chapter 6's exercises."""

import copy
import math
from dataclasses import asdict, replace

import torch
import torch.nn.functional as F
from harness import Answers, ExerciseTests
from torch import nn

from companion.attention import CausalSelfAttention
from companion.blocks import MLP, Block, LayerNorm
from companion.gpt import GPT, GPTConfig, gpt2

# -- 6.1 ------------------------------------------------------------------


def by_equation_2():
    g, s, C = 1, 0.02, 1600
    return math.log(50257) + g**2 * s**2 * C / 2


def by_trying():
    h = F.layer_norm(torch.randn(300, 1600), (1600,))
    e = 0.02 * torch.randn(5025, 1600)
    return F.cross_entropy(h @ e.T, torch.randint(5025, (300,))).item() + math.log(50257 / 5025)


# -- 6.2 ------------------------------------------------------------------


def by_division(memory, d_model, vocab_size, context_length):
    C = d_model
    left = memory / 16 - (vocab_size + context_length + 2) * C
    return int(left // (12 * C * C + 13 * C)) if left > 0 else 0


def by_a_loop(memory, d_model, vocab_size, context_length):
    left, n = memory - 16 * d_model * (vocab_size + context_length + 2), 0
    while left >= 16 * d_model * (12 * d_model + 13):
        left -= 16 * d_model * (12 * d_model + 13)
        n += 1
    return n


def by_counting_models(memory, d_model, vocab_size, context_length):
    def count(n_layers):
        with torch.device("meta"):
            model = gpt2(GPTConfig(vocab_size, context_length, n_layers, 1, d_model))
        return sum(p.numel() for p in model.parameters())

    one, two = count(1), count(2)
    return max(0, 1 + (memory // 16 - one) // (two - one))


def four_bytes(memory, d_model, vocab_size, context_length):
    return by_division(4 * memory, d_model, vocab_size, context_length)


def bytes_and_no_limit(n):
    def layers(memory, d_model, vocab_size, context_length):
        C = d_model
        return (memory // n - (vocab_size + context_length + 2) * C) // (12 * C**2 + 13 * C)

    return layers


def with_a_head(memory, d_model, vocab_size, context_length):
    return by_division(memory, d_model, 2 * vocab_size, context_length)


def below_zero(memory, d_model, vocab_size, context_length):
    C = d_model
    return (memory // 16 - (vocab_size + context_length + 2) * C) // (12 * C * C + 13 * C)


def not_to_the_last_byte(memory, d_model, vocab_size, context_length):
    n = 0
    while True:
        N = vocab_size * d_model + context_length * d_model + 2 * d_model
        N += (n + 1) * (12 * d_model**2 + 13 * d_model)
        if 16 * N >= memory:
            return n
        n += 1


def rounded(memory, d_model, vocab_size, context_length):
    C = d_model
    return max(0, round((memory / 16 - (vocab_size + context_length + 2) * C) / (12 * C * C + 13 * C)))


def no_positions(memory, d_model, vocab_size, context_length):
    return by_division(memory, d_model, vocab_size, 0)


def matrices_only(memory, d_model, vocab_size, context_length):
    return max(0, (memory // 16 - d_model * (vocab_size + context_length + 2)) // (12 * d_model**2))


def a_float(memory, d_model, vocab_size, context_length):
    return max(0.0, below_zero(memory / 1, d_model, vocab_size, context_length))


# -- 6.3 ------------------------------------------------------------------


def by_search():
    L, C, V, T = 12, 768, 50257, 1
    while 12 * L * T * C < 6 * (12 * L * C**2 + V * C):
        T += 1
    return T


# -- 6.4 ------------------------------------------------------------------


def by_gradients(f, x):
    x = x.clone().requires_grad_()
    y = f(x)  # (1, T, E)
    rows = []
    for t in range(y.shape[1]):
        row = 0
        for number in y[0, t]:
            row = row + torch.autograd.grad(number, x, retain_graph=True)[0].abs()
        rows.append(row.sum((0, 2)) > 0)
    return torch.stack(rows)


def by_changes(f, x):
    before, found = f(x), []
    for s in range(x.shape[1]):
        other = x.clone()
        other[0, s] += torch.randn(x.shape[2])
        found.append(((f(other) - before) != 0).any(-1)[0])
    return torch.stack(found, dim=1)


def by_random_weights(f, x):
    x = x.clone().requires_grad_()
    y = f(x)
    found = torch.zeros(x.shape[1], x.shape[1], dtype=torch.bool)
    for t in range(x.shape[1]):
        x.grad = None
        weighted = (y[0, t] * torch.randn(y.shape[-1])).sum()
        found[t] = (torch.autograd.grad(weighted, x, retain_graph=True)[0][0] != 0).any(-1)
    return found


def changes_in_columns(f, x):
    return by_changes(f, x).T


def of_the_sum(f, x):
    x = x.clone().requires_grad_()
    y, rows = f(x), []
    for t in range(x.shape[1]):
        (grad,) = torch.autograd.grad(y[0, t].sum(), x, retain_graph=True)
        rows.append((grad != 0).any(-1)[0])
    return torch.stack(rows)


def first_of_output(f, x):
    return by_gradients(lambda x: f(x)[..., :1], x)


def first_of_input(f, x):
    before, found = f(x), []
    for s in range(x.shape[1]):
        other = x.clone()
        other[0, s, 0] += 1
        found.append((f(other) != before).any(-1)[0])
    return torch.stack(found, dim=1)


def shifted_together(f, x):
    before, found = f(x), []
    for s in range(x.shape[1]):
        other = x.clone()
        other[0, s] += 1
        found.append(((f(other) - before).abs() > 1e-6).any(-1)[0])
    return torch.stack(found, dim=1)


def without_zero_grad(f, x):
    x = x.clone().requires_grad_()
    y = f(x)
    found = torch.zeros(x.shape[1], x.shape[1], dtype=torch.bool)
    for t in range(x.shape[1]):
        (y[0, t] * torch.randn(y.shape[-1])).sum().backward(retain_graph=True)
        found[t] = (x.grad[0] != 0).any(-1)
    return found


def by_a_tiny_step(f, x, step=1e-9):
    before, found = f(x), []
    for s in range(x.shape[1]):
        other = x.clone()
        other[:, s, :] = other[:, s, :] + step * torch.randn(x.shape[2])
        found.append((f(other) != before).any(-1)[0])
    return torch.stack(found, dim=1)


def by_a_small_step(f, x):
    return by_a_tiny_step(f, x, step=1e-7)


def changes_a_copy_that_f_never_sees(f, x):
    found = torch.zeros(x.shape[1], x.shape[1], dtype=torch.bool)
    for s in range(x.shape[1]):
        x.clone()[0, s] += 1
        found[:, s] = (f(x) != f(x)).any(-1)[0]
    return found


def in_place(f, x):
    before, found = f(x), []
    for s in range(x.shape[1]):
        x[0, s] += torch.randn(x.shape[2])
        found.append(((f(x) - before) != 0).any(-1)[0])
    return torch.stack(found, dim=1)


# -- 6.5 ------------------------------------------------------------------


def new_head(model):
    return nn.Linear(model.config.d_model, model.config.vocab_size, bias=False)


def by_an_untied_gpt(model, x, y):
    model = copy.deepcopy(model)
    untied = GPT(model.config, model.embed, model.blocks, model.norm, new_head(model))
    untied.head.weight = nn.Parameter(model.embed.token.weight.detach().clone())
    F.cross_entropy(untied(x).flatten(0, 1), y.flatten()).backward()
    return untied.embed.token.weight.grad, untied.head.weight.grad


def by_giving_a_head(model, x, y):
    m = copy.deepcopy(model)
    table = m.embed.token.weight
    m.head = nn.Linear(table.shape[1], table.shape[0], bias=False)
    with torch.no_grad():
        m.head.weight.copy_(table)
    F.cross_entropy(m(x).flatten(0, 1), y.flatten()).backward()
    return table.grad, m.head.weight.grad


def stream(model, x):
    h = model.embed(x)
    for block in model.blocks:
        h = block(h)
    return model.norm(h)


def by_a_second_tensor(model, x, y):
    head = model.embed.token.weight.detach().clone().requires_grad_()
    loss = F.cross_entropy((stream(model, x) @ head.T).flatten(0, 1), y.flatten())
    return list(torch.autograd.grad(loss, [model.embed.token.weight, head]))


def by_a_difference(model, x, y):
    weight = model.embed.token.weight
    (whole,) = torch.autograd.grad(F.cross_entropy(model(x).flatten(0, 1), y.flatten()), weight)
    logits = stream(model, x).detach() @ weight.T
    (say,) = torch.autograd.grad(F.cross_entropy(logits.flatten(0, 1), y.flatten()), weight)
    return whole - say, say


def on_paper(model, x, y):
    h = stream(model, x).flatten(0, 1)
    with torch.no_grad():
        p = (h @ model.embed.token.weight.T).softmax(-1)
        p[torch.arange(len(p)), y.flatten()] -= 1
        say = p.T @ h / len(p)
    return by_a_difference(model, x, y)[0], say


def head_is_the_table(model, x, y):
    model = copy.deepcopy(model)
    untied = GPT(model.config, model.embed, model.blocks, model.norm, new_head(model))
    untied.head.weight = model.embed.token.weight
    F.cross_entropy(untied(x).flatten(0, 1), y.flatten()).backward()
    return untied.embed.token.weight.grad, untied.head.weight.grad


def head_is_new(model, x, y):
    model = copy.deepcopy(model)
    untied = GPT(model.config, model.embed, model.blocks, model.norm, new_head(model))
    F.cross_entropy(untied(x).flatten(0, 1), y.flatten()).backward()
    return untied.embed.token.weight.grad, untied.head.weight.grad


def head_is_not_used(model, x, y):
    head = copy.deepcopy(model.embed.token.weight)
    F.cross_entropy(model(x).flatten(0, 1), y.flatten()).backward()
    return model.embed.token.weight.grad, head.grad


def exchanged(model, x, y):
    return by_a_difference(model, x, y)[::-1]


def summed(model, x, y):
    return [gradient * y.numel() for gradient in by_a_second_tensor(model, x, y)]


def only_rows_that_were_read(model, x, y):
    weight = model.embed.token.weight
    (whole,) = torch.autograd.grad(F.cross_entropy(model(x).flatten(0, 1), y.flatten()), weight)
    read = torch.zeros_like(whole)
    read[x.unique()] = whole[x.unique()]
    return read, by_a_difference(model, x, y)[1]


def only_rows_that_came(model, x, y):
    read, say = by_a_difference(model, x, y)
    came = torch.zeros_like(say)
    came[y.unique()] = say[y.unique()]
    return read, came


def split_by_rows(model, x, y):
    weight = model.embed.token.weight
    (whole,) = torch.autograd.grad(F.cross_entropy(model(x).flatten(0, 1), y.flatten()), weight)
    read = torch.isin(torch.arange(len(weight)), x)[:, None]
    return whole * read, whole * ~read


def with_what_was_left_over(model, x, y):
    weight = model.embed.token.weight
    head = weight.detach().clone().requires_grad_()
    F.cross_entropy((stream(model, x) @ head.T).flatten(0, 1), y.flatten()).backward()
    return weight.grad, head.grad


def gives_the_callers_model_a_head(model, x, y):
    table = model.embed.token.weight
    model.head = nn.Linear(table.shape[1], table.shape[0], bias=False)
    model.head.weight = nn.Parameter(table.detach().clone())
    loss = F.cross_entropy(model(x).flatten(0, 1), y.flatten())
    return torch.autograd.grad(loss, [table, model.head.weight])


def trains_the_callers_model(model, x, y):
    found = by_a_second_tensor(model, x, y)
    with torch.no_grad():
        model.embed.token.weight -= 0.1 * sum(found)
    return found


# -- 6.6 ------------------------------------------------------------------


def by_gpt2(model):
    c = model.config
    deeper = gpt2(GPTConfig(**(asdict(c) | {"n_layers": c.n_layers + 1})))
    deeper.load_state_dict(model.state_dict(), strict=False)
    for linear in (deeper.blocks[-1].attn.o_proj, deeper.blocks[-1].mlp.down_proj):
        nn.init.zeros_(linear.weight)
    return deeper


def by_parts(model):
    c, old = model.config, copy.deepcopy(model)
    attn, mlp = CausalSelfAttention(c.d_model, c.n_heads), MLP(c.d_model, c.d_ff)
    new = Block(LayerNorm(c.d_model), attn, LayerNorm(c.d_model), mlp)
    for name, p in new.named_parameters():
        if "o_proj" in name or "down_proj" in name:
            p.data.zero_()
    return GPT(replace(c, n_layers=c.n_layers + 1), old.embed, [*old.blocks, new], old.norm)


def by_a_silenced_copy(model):
    deeper = copy.deepcopy(model)
    block = copy.deepcopy(deeper.blocks[-1])
    for linear in (block.attn.o_proj, block.mlp.down_proj):
        nn.init.zeros_(linear.weight)
        nn.init.zeros_(linear.bias)
    deeper.blocks.append(block)
    deeper.config = replace(model.config, n_layers=len(deeper.blocks))
    return deeper


def at_the_bottom(model):
    deeper = by_a_silenced_copy(model)
    deeper.blocks = nn.ModuleList([deeper.blocks[-1], *deeper.blocks[:-1]])
    return deeper


def appends_to_the_model(model):
    model.blocks.append(by_a_silenced_copy(model).blocks[-1])
    model.config = replace(model.config, n_layers=len(model.blocks))
    return model


def not_copied(model):
    c = model.config
    new = by_a_silenced_copy(model).blocks[-1]
    return GPT(replace(c, n_layers=c.n_layers + 1), model.embed, [*model.blocks, new], model.norm)


def old_config(model):
    deeper = by_a_silenced_copy(model)
    deeper.config = model.config
    return deeper


def not_loaded(model):
    deeper = gpt2(replace(model.config, n_layers=model.config.n_layers + 1))
    for linear in (deeper.blocks[-1].attn.o_proj, deeper.blocks[-1].mlp.down_proj):
        nn.init.zeros_(linear.weight)
    return deeper


def not_silent(model):
    c = model.config
    deeper = gpt2(replace(c, n_layers=c.n_layers + 1))
    deeper.load_state_dict(model.state_dict(), strict=False)
    return deeper


def doubled(model):
    deeper = copy.deepcopy(model)
    deeper.blocks.append(copy.deepcopy(model.blocks[-1]))
    deeper.config = replace(model.config, n_layers=len(deeper.blocks))
    return deeper


def asleep_for_ever(model):
    deeper = by_a_silenced_copy(model)
    for p in deeper.blocks[-1].parameters():
        nn.init.zeros_(p)
    return deeper


def biases_left(model):
    deeper = by_a_silenced_copy(model)
    nn.init.normal_(deeper.blocks[-1].mlp.down_proj.bias)  # the last norm would hide a constant
    return deeper


def silent_attention_only(model):
    deeper = doubled(model)
    nn.init.zeros_(deeper.blocks[-1].attn.o_proj.weight)
    nn.init.zeros_(deeper.blocks[-1].attn.o_proj.bias)
    return deeper


ANSWERS = {
    "6.1": Answers(
        right=[11.145, by_equation_2, by_trying, lambda: 11.15],
        wrong=[
            (10.825, "the loss of one without any opinion"),
            (lambda: math.log(50257) + 0.125, "with chapter 6's larger rows, 0.2"),
            (10.978, "GPT-2 small's"),
            (11.465, "the whole variance"),
            (26.82, "the square of `s`"),
            (16.08, "in bits"),
            (lambda: math.log(1024) + 0.32, "the village's 1,024 tokens"),
            (0, "too low"),
        ],
    ),
    "6.2": Answers(
        right=[a_float, by_division, by_a_loop, by_counting_models],
        wrong=[
            (four_bytes, "There is room for the weights, and for nothing"),
            (bytes_and_no_limit(4), "There is room for the weights, and for nothing"),
            (bytes_and_no_limit(8), "You count 8 bytes for each parameter"),
            (lambda m, C, V, T: by_division(4 * m / 3, C, V, T), "You count 12 bytes for each parameter"),
            (lambda m, C, V, T: by_division(16 * m, C, V, T), "You took the bytes for parameters"),
            (with_a_head, "You count the token table twice"),
            (below_zero, "no models with fewer than 0 layers"),
            (not_to_the_last_byte, "filled to the last byte"),
            (rounded, "you rounded to the nearest"),
            (no_positions, "The positions have rows"),
            (matrices_only, "biases and norms"),
            (lambda m, C, V, T: m // 16 // (12 * C**2 + 13 * C), "The embedding comes first"),
            (lambda m, C, V, T: 7, "It gives the same for every input"),
        ],
    ),
    "6.3": Answers(
        right=[6702, by_search, lambda: 6 * 768 + 50257 / (2 * 12)],
        wrong=[
            (4608, "The head is a matrix, too"),
            (lambda: 3 * 6702, "with the way back"),
            (2234, "with the way back"),
            (8796, "as two matrices"),
            (29736, "in each of the twelve layers"),
            (lambda: 10123, "That is for xl"),
            (4650.7, "the village's 1,024 tokens"),
            (1024, "too low"),
        ],
    ),
    "6.4": Answers(
        right=[lambda f, x: by_gradients(f, x).tolist(), by_gradients, by_changes, by_random_weights],
        wrong=[
            (changes_in_columns, "Rows and columns are exchanged"),
            (of_the_sum, "the sum stands still"),
            (first_of_output, "the first number of each output only"),
            (first_of_input, "the first number of each input only"),
            (shifted_together, "You moved all numbers of an input together"),
            (without_zero_grad, "Begin each row anew"),
            (in_place, "Your answer changes its input"),
            (by_a_tiny_step, "Nothing moved"),
            (by_a_small_step, "seven digits"),
            (changes_a_copy_that_f_never_sees, "does `f` get what was changed"),
            (lambda f, x: torch.ones(len(x[0]), len(x[0])).tril().bool(), "like at most"),
            (lambda f, x: by_gradients(f, x).int(), "its dtype is torch.int32"),
            (lambda f, x: bool(by_gradients(f, x).triu(1).any()), "its shape is (), expected (2, 2)"),
        ],
    ),
    "6.5": Answers(
        right=[by_an_untied_gpt, by_giving_a_head, by_a_second_tensor, by_a_difference, on_paper],
        wrong=[
            (head_is_the_table, "share one tensor"),
            (head_is_new, "first at ['as a look-up']"),
            (head_is_not_used, "One of the two is None"),
            (exchanged, "The two are exchanged"),
            (summed, "You added up the losses"),
            (only_rows_that_were_read, "learn as a head, too"),
            (only_rows_that_came, "As the head, every row learns"),
            (split_by_rows, "You split the whole gradient by rows"),
            (with_what_was_left_over, "gradients of an earlier step"),
            (gives_the_callers_model_a_head, "changes the model that it is given: `head.weight`"),
            (trains_the_callers_model, "changes the model that it is given: `embed.token.weight`"),
            (lambda model, x, y: sum(by_a_second_tensor(model, x, y)), "It must return two tensors"),
        ],
    ),
    "6.6": Answers(
        right=[by_gpt2, by_parts, by_a_silenced_copy, at_the_bottom],
        wrong=[
            (appends_to_the_model, "Your answer changes its input"),
            (not_copied, "The two share their weights"),
            (old_config, "the old number of layers"),
            (not_loaded, "first at ['logits']"),
            (not_silent, "first at ['logits']"),
            (doubled, "A second copy of the last block"),
            (asleep_for_ever, "it can never wake up"),
            (biases_left, "first at ['logits']"),
            (silent_attention_only, "first at ['logits']"),
            (lambda model: copy.deepcopy(model), "There is no new block"),
            (lambda model: model.state_dict(), "It must return a GPT"),
        ],
    ),
}


class TestChapter6(ExerciseTests):
    answers = ANSWERS
