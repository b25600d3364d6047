"""The checks of chapter 11, Public weights."""

import itertools
import json
import math
import random
import re
import struct

import numpy as np
import torch

from companion.exercises.comparison import a
from companion.exercises.normalize import Record, as_list, as_number, as_tensor, normalize
from companion.exercises.notation import Chapter, Problem

chapter = Chapter()

# -- 11.1 ------------------------------------------------------------------
BYTES = {"F64": 8, "I64": 8, "F32": 4, "F16": 2, "BF16": 2, "I8": 1, "U8": 1, "BOOL": 1, "F8_E4M3": 1}
NOTES = "__metadata__"


def file(entries, notes=None, first=True, order=("dtype", "shape", "data_offsets"), fill=bytes, n=0, **how):
    """The bytes of a file: entries are (name, dtype, shape); fill gives the numbers' bytes.

    n: the length of the header, a multiple of 8 where it is not given.
    """
    header = {NOTES: notes} if notes is not None and first else {}
    at = 0
    for name, dtype, shape in entries:
        end = at + BYTES[dtype] * math.prod(shape)
        entry = {"dtype": dtype, "shape": shape, "data_offsets": [at, end]}
        header[name] = {key: entry[key] for key in order}
        at = end
    if notes is not None and not first:
        header[NOTES] = notes
    text = json.dumps(header, **{"separators": (",", ":"), "ensure_ascii": False} | how).encode()
    text += b" " * (n - len(text) if n else -len(text) % 8)
    return len(text).to_bytes(8, "little") + text + fill(at)


def file_cases(seed):
    rng = random.Random(seed)
    for layers in [2, 3, 5] + [300] * (seed == 0):  # the last one's header has more than 65,536 bytes
        entries = [("wte.weight", rng.choice(list(BYTES)), [rng.randint(3, 9), rng.randint(1, 5)])]
        for i in range(layers):
            for part in ("attn.weight", "attn.bias", "mlp.weight", "scale")[: 4 if layers == 300 else 3]:
                shape = [rng.randint(1, 4) for _ in range(rng.randint(0, 3))]
                entries.append((f"h.{i}.{part}", rng.choice(list(BYTES)), shape))
        rng.shuffle(entries)
        notes = {"format": "pt"} if rng.random() < 0.5 else None
        yield (file(entries, notes, rng.random() < 0.5, fill=rng.randbytes),)


@chapter.function(
    "11.1 What is in the file? ★",
    inputs=r"""
        file([]) || file([], {"format": "pt"}) || file([("a", "F32", [2])]) || file([("scale", "F32", [])])
        # The file's first byte is a brace, too.
        file([("a", "U8", [3])], {"by": "Mara"}, n=ord("{"))
        file([("none", "F16", [0, 3])]) || file([("W", "U8", [2])]) || file([("a b", "U8", [2])])
        file([("w", "BF16", [3, 2])], {"format": "pt"}, first=False)
        file([("größe", "I8", [5])], fill=lambda n: b"}\xff{\x80]")
        # A lantern, in two escapes.
        file([("\U0001f3ee", "F8_E4M3", [2])], ensure_ascii=True)
        file([("x.__metadata__", "BOOL", [4]), ("__b", "U8", [1])])
        file([("w", "I64", [1, 2]), ("b", "F64", [3])], order=("shape", "data_offsets", "dtype"))
        file([("w", "F32", [2]), ("v", "F16", [])], {"by": "Mara", "dtype": "F32", "shape": "[9]"}, indent=1)
    """,
    cases=file_cases,
    mistakes="""
        name != NOTES => True
            `__metadata__` is no tensor: it holds notes of whoever wrote the file. Leave it out, wherever it
            stands.
        - found = {}
        + found = {}
        + del header[NOTES]
            Not every file has `__metadata__`. To take it out with `del` or `pop` raises a KeyError there,
            unless `pop` is told what to give instead.
        name != NOTES => not name.startswith("__")
            A tensor's name may have `__metadata__` in it, or begin with `__`; only that name alone is none.
        "little" => "big"
        8 : 8 + length => 8:
            You read on into the numbers after the header: it has N bytes. Or was N far too large? The length
            is little-endian: its first byte counts ones, the next 256s.
        int.from_bytes(data[:8], "little") => data[0]
            The length has eight bytes. The first holds lengths up to 255, two hold lengths up to 65,535.
        8 : 8 + length => :length || 8:length
            The header begins after the eight bytes of its length, and N counts the header alone: it ends at
            byte 8 + N.
        data[8 : 8 + length] => data[8 : data.index(b"}}") + 2] || data[8 : data.rindex(b"}") + 1]
            A header ends after N bytes. What follows are numbers, and any byte can be among them; braces may
            stand in names too.
        data[8 : 8 + length] => data[8 : 8 + length].decode("latin-1")
            Names are UTF-8, as JSON always is.
        data[8 : 8 + length] => data[8:].decode("utf-8", "replace")[:length]
            N counts bytes, not characters: cut first, decode then.
        (dtype, shape) => tuple(entry.values())[:2]
            A JSON object has no order: look up `dtype` and `shape` by their keys.
    """,
    right="A file of weights tells what it holds before a single number is read: nothing in it is run.",
)
def tensors(data):
    length = int.from_bytes(data[:8], "little")
    header = json.loads(data[8 : 8 + length])
    found = {}
    for name, entry in header.items():
        if name != NOTES:
            dtype, shape = entry["dtype"], entry["shape"]
            found[name] = (dtype, shape)
    return found


# -- 11.2 ------------------------------------------------------------------
def as_bytes(*words):
    """The bytes of 16-bit words, the lower one first."""
    return b"".join(word.to_bytes(2, "little") for word in words)


def number_cases(seed):
    rng = random.Random(seed)
    for n in (3, 5, 40):
        yield (as_bytes(*(rng.getrandbits(16) for _ in range(n))),)
    ordinary = [struct.pack(">f", rng.gauss(0, 0.02))[:2] for _ in range(7)]
    yield (as_bytes(*(int.from_bytes(upper, "big") for upper in ordinary)),)


def try_reading(answer, data):
    found = normalize(answer(data))
    numbers = as_list(found)
    if numbers is None:
        raise Problem(f"It must return a list of numbers, one for each two bytes; this is {a(found)}.")
    return Record("", {"": numbers, "zeros": [sign_of_zero(x) for x in numbers]})


def sign_of_zero(value):
    """What `==` does not tell: "0.0" or "-0.0", and "" of any other number."""
    number = as_number(value)
    return "" if number != 0 else "-0.0" if math.copysign(1, number) < 0 else "0.0"


@chapter.function(
    "11.2 Half a number ★★",
    inputs="""
        as_bytes(0x3F80) || as_bytes(0xC000) || as_bytes(0x3FC0) || as_bytes(0x0000) || as_bytes(0x8000)
        as_bytes(0x7F80) || as_bytes(0xFF80) || as_bytes(0x7FC0) || as_bytes(0xFF81) || as_bytes(0x0001)
        as_bytes(0x7F80, 0x7FC0, 0xFF80, 0x3F00) || as_bytes(0x0080, 0x007F, 0x0001)
    """,
    cases=number_cases,
    call=try_reading,
    tolerance=0.0,
    mistakes="""
        "little" => "big"
            The bytes are little-endian: the second of the two has the sign.
        = struct.unpack(f"<{len(data) // 2}e", data)
            That is float16: 5 bits of exponent, 10 behind the point. bfloat16 has 8 and 7, as float32 begins.
        sign * size => word || float(word << 16)
            You shifted a number, not bits: the 32 bits must be read as a float32.
        exponent == 0 => False
            Below 2 to the −126 (exponent bits all 0) the 1 before the point is missing, and the exponent
            stays at −126. Or let float32 do all that: which half of it do you have?
        exponent == 255 => False
        math.nan if fraction else math.inf => math.inf
            With all exponent bits 1 it is an infinity, or NaN where any of the seven other bits is 1.
        sign * size => size
            The highest bit is the sign.
        sign * size => sign * size + 0.0
            Minus zero has a sign: its highest bit is 1. An integer 0, or adding 0.0, loses it.
        = struct.unpack(f"<{len(data) // 4}f", data[: len(data) // 4 * 4])
            You took four bytes a number. In the file it has two; the other two are zeros.
    """,
    right="The upper half of a float32 is a number of its own: the same range, in steps 65,536 times as wide.",
)
def from_bfloat16(data):
    numbers = []
    for i in range(0, len(data), 2):
        word = int.from_bytes(data[i : i + 2], "little")
        sign = -1 if word >> 15 else 1
        exponent = word >> 7 & 255
        fraction = (word & 127) / 128
        if exponent == 255:
            size = math.nan if fraction else math.inf
        elif exponent == 0:
            size = fraction * 2.0**-126
        else:
            size = (1 + fraction) * 2.0 ** (exponent - 127)
        numbers.append(sign * size)
    return numbers


# -- 11.3 ------------------------------------------------------------------
BIASED = "q_proj", "k_proj", "v_proj"
TABLE = {
    "model.embed_tokens.weight": "embed.weight",
    "model.norm.weight": "norm.weight",
    "lm_head.weight": "head.weight",
    "model.layers.N.input_layernorm.weight": "blocks.N.norm_1.weight",
    **{
        f"model.layers.N.self_attn.{part}.weight": f"blocks.N.attn.{part}.weight"
        for part in (*BIASED, "o_proj", "q_norm", "k_norm")
    },
    "model.layers.N.post_attention_layernorm.weight": "blocks.N.norm_2.weight",
    **{
        f"model.layers.N.mlp.{part}.weight": f"blocks.N.mlp.{part}.weight"
        for part in ("gate_proj", "up_proj", "down_proj")
    },
    **{f"model.layers.N.self_attn.{part}.bias": f"blocks.N.attn.{part}.bias" for part in BIASED},
}

FULL_NAME = "The whole name must fit, from its first letter to its last."
NUMBER = "A layer's number is one figure, 0 to 9, or more, and nothing else."
UNKNOWN = {  # a hint, and names that stand for it, in the order in which they are tried
    "": "model.layers.0.mlp.experts.0.up_proj.weight model.layers.0.norm_1.weight".split(),
    "A `.bias` is known for queries, keys and values alone: the table has none elsewhere.": (
        "lm_head.bias model.layers.0.self_attn.o_proj.bias model.layers.0.mlp.up_proj.bias".split()
    ),
    "Without `model.` it is a name of some other file: None.": ["layers.0.mlp.up_proj.weight", "norm.weight"],
    "Queries and keys have norms of their own (Qwen3); nothing else in `self_attn` has.": [
        "model.layers.0.self_attn.v_norm.weight"
    ],
    "The table has `.weight`, and `.bias` for queries, keys and values: `.qweight` is neither.": [
        "model.layers.0.self_attn.q_proj.qweight"
    ],
    FULL_NAME + " Here something stands before it. In a pattern: `fullmatch`, not `search`.": [
        "model.model.norm.weight"
    ],
    FULL_NAME + " Here something follows it. In a pattern: `fullmatch`, not `match`.": [
        "model.layers.0.self_attn.q_proj.weight_scale",
        "model.layers.0.mlp.up_proj.weight.weight",
    ],
    FULL_NAME + " Here a new line follows it. In a pattern, `$` lets one pass; `fullmatch` does not.": [
        "model.norm.weight\n",
        "model.layers.0.mlp.up_proj.weight\n",
    ],
    "Spaces and capital letters count: then it is another name, so None.": [
        "model.layers.0.MLP.up_proj.weight",
        "model.layers.0.mlp.up_proj.weight ",
    ],
    r"In a pattern, `.` stands for any letter; a point is `\.`.": [
        "model.layers.0.mlp_up_proj.weight",
        "model.layers.0.mlp.up_proj_weight",
    ],
    NUMBER: [f"model.layers.{number}.mlp.up_proj.weight" for number in ["", "x", "1x", "-1"]],
    NUMBER + " `isdigit` says yes to `²` too.": ["model.layers.².mlp.up_proj.weight"],
    NUMBER + " `\\d` and `isdecimal` say yes to digits of other scripts, too: `[0-9]` does not.": [
        "model.layers.٣.mlp.up_proj.weight",
        "model.layers.1४.input_layernorm.weight",
    ],
}
UNKNOWN_HINTS = {name: hint for hint, names in UNKNOWN.items() for name in names}


def name_cases(seed):
    rng = random.Random(seed)
    for name in TABLE:
        if "N" not in name:
            layers = [""] if seed == 0 else []
        elif name.endswith(".bias"):
            layers = [rng.randint(3, 99)]
        elif seed == 0:
            layers = [0, 7, 11]
        else:
            layers = [rng.randint(12, 99), rng.randint(100, 10 ** rng.choice([3, 5]))]
        yield from [(name.replace("N", str(layer)),) for layer in layers]
    yield from [(name,) for name in UNKNOWN_HINTS] if seed == 0 else []


def in_order(args):
    """An expert's name first, then the table's, short ones first, then other names as they stand above."""
    (name,) = args
    place = list(UNKNOWN_HINTS).index(name) if name in UNKNOWN_HINTS else None
    return (1, len(name)) if place is None else (2 if place else 0, place)


def hint_at_name(got, name):
    """What this one name is there for."""
    ours = our_name(name)
    if ours is None and got.error is not None:
        return "An unknown name gives None; it must not raise an error."
    if got.error is not None or not isinstance(got.value, str):
        return ""
    if ours is None:
        return UNKNOWN_HINTS[name]
    stem, _, kind = ours.rpartition(".")
    return f"The ending is missing: `.{kind}` stays." if got.value == stem else ""


@chapter.function(
    "11.3 From their names to ours ★★",
    cases=name_cases,
    order=in_order,
    hint=hint_at_name,
    mistakes=r"""
        = name.replace("model.layers", "blocks").replace("self_attn", "attn")
            Replacing words turns names that mean something else into names that look right. A name that is
            not in the table gives None: then a model with parts that ours lacks is refused, not loaded wrong.
        [0-9]+ => [0-9] || [0-9][0-9]?
            Layers have numbers of more than one figure: 10 is one, and some models have more than 99.
        re.fullmatch(pattern, name) => re.match(pattern, name) || re.search(pattern, name)
            The whole name must fit, from its first letter to its last.
        = it if name.endswith(".weight") else None
            Queries, keys and values may have a `.bias`: Qwen2's do.
        = it and re.sub("norm_([12])", lambda found: f"norm_{3 - int(found[1])}", it)
            The two norms of a layer are exchanged: the one after attention is our `norm_2`.
        = "embed.weight" if name == "lm_head.weight" else it
            `lm_head` is a head of its own, our `head`. Where a model shares the embedding, the file has none.
        = None if "q_norm" in name or "k_norm" in name else it
            Qwen3's `q_norm` and `k_norm` are missing.
        [0-9]+ => \d* || [^.]+ || \w+
            A layer's number is one figure, 0 to 9, or more, and nothing else.
    """,
    right="A table is all that stands between their file and our model, and what it does not know, it says.",
)
def our_name(name):
    for theirs, ours in TABLE.items():
        pattern = re.escape(theirs).replace("N", r"([0-9]+)")
        found = re.fullmatch(pattern, name)
        if found:
            number = "".join(found.groups())
            return ours.replace("N", number)
    return None


# -- 11.4 ------------------------------------------------------------------
def weight_cases(seed):
    generator = torch.Generator().manual_seed(seed)
    for H, D, C in [(3, 5, 7), (2, 8, 3), (5, 4, 20), (4, 6, 11)]:
        yield torch.randn(3 * H * D, C, generator=generator), H
        yield torch.randn(3 * H * D, generator=generator), H


def try_splitting(answer, weight, n_heads):
    found = normalize(answer(weight, n_heads))
    parts = list(found) if isinstance(found, list | tuple | torch.Tensor) and len(found) == 3 else None
    if parts is None:
        shape = f" of shape {tuple(found.shape)}" if isinstance(found, torch.Tensor) else ""
        shape = f" of {len(found)}" if isinstance(found, list | tuple) else shape
        raise Problem(
            f"It must return three tensors, of queries, keys and values; this is {a(found)}{shape}."
        )
    return Record("", dict(zip("qkv", parts, strict=True)))


@chapter.function(
    "11.4 Three in one ★★",
    inputs="""
        torch.arange(3.0)[:, None], 1 || torch.arange(6.0)[:, None], 1 || torch.arange(6.0)[:, None], 2
        torch.arange(12.0), 2 || torch.arange(12.0)[:, None], 2
        torch.arange(36.0).view(18, 2), 3
        torch.tensor([0.0, 1, 2, 3, math.nan, math.inf])[:, None], 2
    """,
    cases=weight_cases,
    call=try_splitting,
    mistakes="""
        = weight.chunk(3)
            That is GPT-2's order: all queries, all keys, all values. Here each head has its three together.
        = (weight[0::3], weight[1::3], weight[2::3])
            You took every third row. A head has D rows of queries, then D of keys, then D of values.
        (n_heads, 3, -1) => (-1, 3, n_heads)
            You cut heads that are `n_heads` rows wide. There should be `n_heads` of them.
        (n_heads, 3, -1) => (n_heads, 3, max(1, weight.shape[-1] // n_heads))
            You took D from the columns, of which a bias has none; and C need not be H·D. A head's width
            follows from the rows.
        - heads = weight.unflatten(0, (n_heads, 3, -1))
        + rows, columns = weight.shape
        + heads = weight.reshape(n_heads, 3, -1, columns)
            A bias has no columns: (3·H·D,). It is cut the same way.
        part.flatten(0, 1) => part.transpose(0, 1).flatten(0, 1)
            The heads got mixed: first all rows of head 0, then all of head 1.
    """,
    right="The same numbers in another order: the wrong one loads without a word, and says nonsense.",
)
def split_heads(weight, n_heads):
    heads = weight.unflatten(0, (n_heads, 3, -1))
    q, k, v = (part.flatten(0, 1) for part in heads.unbind(1))
    return q, k, v


# -- 11.5 ------------------------------------------------------------------
def size_cases(seed):
    rng = random.Random(seed)
    for n, top, most in [(7, 9, 12), (12, 40, 50), (30, 2000, 5000), (9, 30, 20)]:
        names = [f"layers.{i}.weight" for i in range(n)]
        rng.shuffle(names)
        yield {name: rng.randint(1, top) for name in names}, most
    yield {f"w{rng.randint(0, 10**6)}": rng.randint(1, 4) * 10**9 for _ in range(6)}, 5 * 10**9


@chapter.function(
    "11.5 How large a file may be ★★",
    inputs="""
        {}, 5 || {"a": 3}, 5 || {"a": 5}, 5 || {"a": 7}, 5 || {"b": 2, "a": 3}, 5 || {"b": 3, "a": 3}, 5
        {"c": 1, "b": 7, "a": 1}, 5 || {"c": 7, "a": 2, "b": 2}, 5 || {"c": 4, "a": 3, "b": 1}, 5
        {"a": 5, "z": 0}, 5 || {"a": 0, "y": 0, "b": 9, "z": 0}, 5 || {"a": 2, "z": 0, "b": 4, "y": 0}, 5
        {"a": 100_000, "b": 200_000}, 300_000 || {"a": 16_777_216, "b": 1}, 16_777_216
    """,
    cases=size_cases,
    mistakes="""
        total + size > most => total + size >= most
            A file may be as large as `most`: a tensor that just fits belongs in it.
        if file: => if False:
            The last file is missing: after the loop, what was begun must be kept too.
        file and total => total
            There is an empty file, where the first tensor is larger than `most`.
        if file: => if file or not files:
            No tensors, no file.
        total + size > most => total > most
            You close a file when it has grown too large, with the tensor that did not fit still in it.
        - file, total = [], 0
        + file = []
            The sum must begin anew with each file.
        sizes.items() => sorted(sizes.items()) || sorted(sizes.items(), key=lambda pair: pair[1])
            The tensors stay in the order of the file; you sorted them.
    """,
    right="So a model larger than any one file is many, each of which can be fetched and read alone.",
)
def shards(sizes, most):
    files, file, total = [], [], 0
    for name, size in sizes.items():
        if file and total + size > most:
            files.append(file)
            file, total = [], 0
        file.append(name)
        total += size
    if file:
        files.append(file)
    return files


# -- 11.6 ------------------------------------------------------------------
def layer_cases(seed):
    generator = torch.Generator().manual_seed(seed)
    for C, n in [(3, 5), (7, 4), (6, 6), (5, 2)]:
        dtype = torch.float64 if C == 5 else torch.float32
        shapes = [(C,), (C,), (n, C), (n,)]
        yield tuple(torch.randn(shape, generator=generator, dtype=dtype) for shape in shapes)
    # With a norm that learned nothing, nothing changes; it is tried last.
    weight, bias = torch.randn(8, 9, generator=generator), torch.randn(8, generator=generator)
    yield torch.ones(9), torch.zeros(9), weight, bias


def try_folding(answer, norm_weight, norm_bias, weight, bias):
    given = norm_weight, norm_bias, weight, bias
    right = fold(*given)
    found = answer(*given)
    if not isinstance(found, list | tuple | torch.Tensor) and hasattr(found, "__next__"):
        found = list(itertools.islice(found, 3))
    returned, found = found, normalize(found)
    if not isinstance(found, list | tuple) or len(found) != 2:
        raise Problem(f"It must return two tensors, the new weight and the new bias; this is {a(found)}.")
    for name, part, right_part, new in zip(("weight", "bias"), found, right, returned, strict=True):
        if weight.dtype == torch.float64:
            look_at_digits(name, part, right_part)
        if (norm_weight == 1).all() and len(bias) > 7:  # only there, so that other mistakes show before
            look_at_memory(name, new, given)
    return Record("", dict(zip(("weight", "bias"), found, strict=True)))


def look_at_digits(name, part, right):
    """Numbers of any kind are right as long as they are as exact as those that came. Raises Problem."""
    found = as_tensor(part)
    if found is None or found.shape != right.shape or found.is_complex():
        return
    far = ((found.double() - right).abs() / right.abs().clamp(min=1)).max()
    if 1e-12 < far < 1e-5:
        raise Problem(
            "Right in float32. What comes in float64 should stay so, to the last digit; "
            f"your {name} was float32 on the way."
        )


def look_at_memory(name, part, given):
    """New tensors are asked for, also where nothing changes. Raises Problem."""
    places = [old.untyped_storage().data_ptr() for old in given]
    plain = isinstance(part, torch.Tensor) and part.layout is torch.strided and part.device.type == "cpu"
    if (plain and part.untyped_storage().data_ptr() in places) or (
        isinstance(part, np.ndarray) and any(np.may_share_memory(part, old.numpy()) for old in given)
    ):
        raise Problem(
            f"The {name} that you return is the tensor that came in, or shares its memory: who changes the "
            "one changes the other. Return a new one, also where nothing changes."
        )


@chapter.function(
    "11.6 A norm with nothing to learn ★★★",
    inputs="""
        torch.tensor([2.0]), torch.tensor([0.0]), torch.tensor([[3.0]]), torch.tensor([0.0])
        torch.tensor([1.0]), torch.tensor([5.0]), torch.tensor([[3.0]]), torch.tensor([4.0])
        torch.tensor([0.0, -2.0]), torch.tensor([1.0, 3.0]), torch.tensor([[3.0, 4.0]]), torch.tensor([5.0])
        torch.tensor([2.0, 3.0]), torch.tensor([1.0, -1.0]), torch.tensor([[1.0, 2.0], [10.0, 20.0]]),
            torch.tensor([5.0, 7.0])
    """,
    cases=layer_cases,
    call=try_folding,
    mistakes="""
        bias + weight @ norm_bias => bias.clone()
            The norm's shift is lost: the bias has to take it in.
        weight * norm_weight => weight.clone()
            The norm's scale is lost: the weight has to take it in.
        weight @ norm_bias => new_weight @ norm_bias
            The shift is added after the scale, so it meets the old weight, not the new one: what a LayerNorm
            gives is x times scale, plus shift.
        bias + weight @ norm_bias => weight @ norm_bias
            The layer's own bias is lost.
        weight * norm_weight => weight * norm_weight[:, None] || torch.diag(norm_weight) @ weight
            You scaled rows. A row is what the layer makes, a column what it reads: `weight` is (n, C), so
            multiply column i by `norm_weight[i]`.
        weight @ norm_bias => norm_bias || norm_bias.sum()
            The norm's shift is one for each number that the layer reads. The layer makes of it what it makes
            of any x.
    """,
    right="What a norm learned can be moved into the layers that read it: then x is only brought to size.",
)
def fold(norm_weight, norm_bias, weight, bias):
    new_weight = weight * norm_weight
    new_bias = bias + weight @ norm_bias
    return new_weight, new_bias


# -- 11.7 ------------------------------------------------------------------
SHARE = 1 / 257  # of 1 + 1/256, halfway between 1 and 1 + 1/128

chapter.number(
    "11.7 The price of half a number ★",
    wants="largest_change()",
    answer=SHARE,
    tolerance=SHARE / 80,  # 1/256 is right, too
    mistakes="""
        2**-7
            That is the way from 1 to the next number. Rounded to the nearest, none goes further than half.
        1 / 129
            That is where the last bits are cut off. Rounded to the nearest, the way is half as long.
        2**-9
            Just below 2 the change is such a share. Just above 1 the step is as long, and the number smaller.
        0.39 || 100 / 257
            Is that in percent? As a share, one percent is 0.01.
        2**-11 || 2**-24
            That is float16's, or float32's. bfloat16 has seven bits behind the point.
        256 || 257
            So many times larger than the change is the number. The share is the other way round.
    """,
    right="At most four thousandths of a weight, up as often as down: sums over many weights hardly notice.",
)
