"""The checks of chapter 11, Public weights."""

import itertools
import json
import math
import random
import re
import struct

import numpy as np
import torch

from companion.exercises.exercise import Problem
from companion.exercises.notation import Chapter
from companion.exercises.settle import Record, as_list, as_number, as_tensor, settle
from companion.exercises.values import a

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
        file([("none", "F16", [0, 3])])
        file([("W", "U8", [2])]) || file([("a b", "U8", [2])])
        file([("w", "BF16", [2, 3])], {"format": "pt"})
        file([("w", "BF16", [3, 2])], {"format": "pt"}, first=False)
        file([("größe", "I8", [5])], fill=lambda n: b"}\xff{\x80]")
        # A lantern, in two escapes.
        file([("\U0001f3ee", "F8_E4M3", [2])], ensure_ascii=True)
        file([("x.__metadata__", "BOOL", [4]), ("__b", "U8", [1])])
        file([("w", "I64", [1, 2]), ("b", "F64", [3])], order=("shape", "data_offsets", "dtype"))
        file([("a}}", "U8", [2, 2]), ("b", "U8", [])], fill=lambda n: b'"}}}}')
        file([("w", "F32", [2]), ("v", "F16", [])], {"by": "Mara", "dtype": "F32", "shape": "[9]"}, indent=1)
    """,
    cases=file_cases,
    mistakes="""
        name != NOTES => True
        name != NOTES => True ; entry["dtype"], entry["shape"] => entry.get("dtype"), entry.get("shape")
        name != NOTES => True ; header.items() => list(header.items())[1:]
        name != NOTES => "dtype" in entry
            `__metadata__` is no tensor: it holds notes of whoever wrote the file. Leave it out, wherever it
            stands.
        name != NOTES => NOTES not in name || not name.startswith("__")
            A tensor's name may have `__metadata__` in it, or begin with `__`; only that name alone is none.
        "little" => "big"
        8 : 8 + length => 8:
            You read on into the numbers after the header: it has N bytes. Or was N far too large? The length
            is little-endian: its first byte counts ones, the next 256s.
        int.from_bytes(data[:8], "little") => data[0]
            The first byte alone holds lengths up to 255. The length has eight bytes.
        data[:8] => data[:2]
            Two bytes hold lengths up to 65,535. The length has eight.
        data[:8] => data[:4] ; 8 : 8 + length => 4 : 4 + length
            The length takes eight bytes, so the header begins at byte 8.
        8 : 8 + length => :length
            The header begins after the eight bytes of its length.
        8 : 8 + length => 8:length
            N counts the header alone: it ends at byte 8 + N.
        - found = {}
        + found = {}
        + del header[NOTES]
            Not every file has `__metadata__`. To take it out with `del` or `pop` raises a KeyError there,
            unless `pop` is told what to give instead.
        found[name] => found[name.lower()]
            Names stay as the file has them: a capital letter is another letter.
        data[8 : 8 + length] => data[8 : 8 + length].replace(b" ", b"")
            A space may stand in a name. Those at the header's end do no harm: `json.loads` skips them.
        data[8 : 8 + length] => data[8 : 8 + length].decode("ascii")
        data[8 : 8 + length] => data[8 : 8 + length].decode("ascii", "ignore")
        data[8 : 8 + length] => data[8 : 8 + length].decode("ascii", "replace")
        data[8 : 8 + length] => data[8 : 8 + length].decode("latin-1")
            Names are UTF-8, as JSON always is.
        data[8 : 8 + length] => data[8:].decode("utf-8", "replace")[:length]
            N counts bytes, not characters: cut first, decode then.
        data[8 : 8 + length] => data[data.index(b"{") : 8 + length]
            The header begins at byte 8. A brace may come before it: among the eight bytes of the length.
        data[8 : 8 + length] => data[data.index(b"{") : data.rindex(b"}") + 1]
            Braces do not tell where the header begins and ends: they may be among the length's bytes, and
            among the numbers'. Read the length.
        data[8 : 8 + length] => data[8 : data.index(b"}}") + 2] || data[8 : data.rindex(b"}") + 1]
            A header ends after N bytes. What follows are numbers, and any byte can be among them; braces may
            stand in names too.
        (dtype, shape) => (dtype, shape[::-1])
            Sizes stand in the file's order: you turned them round.
        name != NOTES => name != NOTES and entry["shape"]
            A scalar is a tensor too: its shape is [].
        (dtype, shape) => (dtype, shape or [1])
            A scalar's shape is [], not [1].
        (dtype, shape) => (dtype, shape or None)
            A scalar's shape is [].
        name != NOTES => name != NOTES and 0 not in entry["shape"]
            A tensor with a size of 0 has no numbers, and is in the file nevertheless.
        (dtype, shape) => (dtype, math.prod(shape))
            You multiplied the sizes. The shape is the list of them.
        (dtype, shape) => (shape, dtype)
            The type comes first, then the shape.
        (dtype, shape) => shape
            The type is missing: (type, shape) for each.
        (dtype, shape) => dtype
            The shape is missing: (type, shape) for each.
        (dtype, shape) => (dtype.lower(), shape)
            The type's name should stay as the file has it.
        (dtype, shape) => tuple(entry.values())[:2] || tuple(entry.values())[1::-1]
            A JSON object has no order: look up `dtype` and `shape` by their keys.
        (dtype, shape) => entry
            Of each entry, take the type and the shape alone, as a pair.
        (dtype, shape) => (dtype, shape, entry["data_offsets"])
            Where the numbers stand was not asked: (type, shape) for each.
        = [(name, *about) for name, about in it.items()]
            A list of all. A dict is wanted: name to (type, shape).
        name != NOTES => name.endswith("weight")
            Tensors may have any name; you took those that end in `weight`.
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
    found = settle(answer(data))
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
        as_bytes(0x3F80) || as_bytes(0xC000) || as_bytes(0x3FC0) || as_bytes(0x0000) || as_bytes(0x42F7)
        as_bytes(0x7F7F) || as_bytes(0x0080) || as_bytes(0x7F80) || as_bytes(0xFF80) || as_bytes(0x7FC0)
        as_bytes(0xFF81) || as_bytes(0x8000) || as_bytes(0x0001) || as_bytes(0x007F) || as_bytes(0x8040)
        as_bytes(0x3F80, 0x3FC0)
        as_bytes(0x0000, 0x8000, 0x3F80)
        as_bytes(0x7F80, 0x7FC0, 0xFF80, 0x3F00)
        as_bytes(0x0080, 0x007F, 0x0001)
    """,
    cases=number_cases,
    call=try_reading,
    tolerance=0.0,
    mistakes="""
        "little" => "big"
            The bytes are little-endian: the second of the two has the sign.
        = struct.unpack(f"<{len(data) // 2}e", data)
            That is float16: 5 bits of exponent, 10 behind the point. bfloat16 has 8 and 7, as float32 begins.
        numbers.append(sign * size) => numbers += struct.unpack("<f", struct.pack("<I", word))
            You made it the lower half of a float32. Sign and exponent stand in the upper one.
        sign * size => word
            These are the 16 bits as a whole number. Which float32 has them as its upper half?
        sign * size => float(word << 16)
            You shifted a number, not bits: the 32 bits must be read as a float32.
        exponent == 0 => False ; exponent == 255 => False
        exponent == 0 => exponent == fraction == 0 ; exponent == 255 => False
            Below 2 to the −126 (exponent bits all 0) the 1 before the point is missing, and the exponent
            stays at −126. Or let float32 do all that: which half of it do you have? Infinities and NaN have a
            rule of their own too.
        exponent == 0 => False || exponent == fraction == 0
        exponent == 0 => exponent == fraction == 0 ; sign * size => sign * size + 0.0
        fraction * 2.0**-126 => fraction * 2.0**-127
        fraction * 2.0**-126 => fraction * 2.0**-127 ; sign * size => sign * size + 0.0
        fraction * 2.0**-126 => 0.0
        fraction * 2.0**-126 => 0.0 ; sign * size => sign * size + 0.0
            Below 2 to the −126 (exponent bits all 0) the 1 before the point is missing, and the exponent
            stays at −126. Or let float32 do all that: which half of it do you have?
        exponent == 255 => False
        exponent == 255 => False ; sign * size => sign * size + 0.0
        math.nan if fraction else math.inf => math.inf
        = [math.inf if x != x else x for x in it]
        math.nan if fraction else math.inf => math.nan
            With all exponent bits 1 it is an infinity, or NaN where any of the seven other bits is 1.
        = [0.0 if x != x else x for x in it]
            NaN should stay NaN: a file with one in it has a fault to be seen.
        = [x for x in it if x == x]
            NaN should stay NaN, at its place: a file with one in it has a fault to be seen.
        = torch.tensor(it).nan_to_num()
            NaN and infinities should stay: a file with one in it has a fault to be seen.
        = [math.inf if math.isinf(x) else x for x in it]
            An infinity has a sign too: the highest bit tells which of the two it is.
        sign * size => size
            The highest bit is the sign.
        sign * size => sign * size + 0.0
            Minus zero has a sign: its highest bit is 1. An integer 0, or adding 0.0, loses it.
        / 128 => / 256
            Seven bits stand behind the point: 128 steps from one power of two to the next.
        / 128 => / 127
            Seven bits count up to 127, and 128 steps make a whole.
        exponent - 127 => exponent - 126
        = 2 * torch.tensor(it) || [2 * x for x in it]
            Twice too large: an exponent of 127 stands for 1.
        exponent - 127 => exponent - 128
        = [x / 2 for x in it]
            Half of what it should be: an exponent of 127 stands for 1.
        = struct.unpack(f"<{len(data) // 4}f", data[: len(data) // 4 * 4])
            You took four bytes a number. In the file it has two; the other two are zeros.
        = torch.tensor(it).half()
            On the way through float16 large numbers became infinite, and small ones lost bits.
        = it[::-1]
            The numbers are right, and in the wrong order.
        = [[x] for x in it]
            The numbers are right. They should stand in one list, not each in its own.
        = [round(x, 4) if math.isfinite(x) else x for x in it]
        = [round(x, 6) if math.isfinite(x) else x for x in it]
            Nothing needs to be rounded: every bfloat16 is a float32 exactly.
        numbers.append(sign * size) => numbers += struct.unpack("<f", struct.pack("<I", word << 16 | 0xFFFF))
            The lower 16 bits are taken to be zeros; yours are ones.
        sign * size => 0
            All are 0: 16 bits shifted by 16 are gone, unless there is room for 32.
        = it[:1]
            Only the first number is there: `data` has two bytes for each.
        = [str(x) for x in it]
            The numbers should be floats, not texts.
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

EXPERT = "model.layers.0.mlp.experts.0.up_proj.weight"
UNKNOWN = [  # in the order in which they are tried: what files have comes first
    EXPERT,
    *"""
    lm_head.bias model.norm.bias model.embed_tokens.bias
    model.layers.0.input_layernorm.bias model.layers.0.self_attn.o_proj.bias
    model.layers.0.self_attn.q_norm.bias model.layers.0.self_attn.k_norm.bias
    model.layers.0.post_attention_layernorm.bias model.layers.0.mlp.gate_proj.bias
    model.layers.0.mlp.up_proj.bias model.layers.0.mlp.down_proj.bias
    layers.0.mlp.up_proj.weight language_model.model.layers.0.mlp.up_proj.weight
    model.layers.1x.mlp.up_proj.weight model.layers.0.self_attn.rotary_emb.inv_freq
    model.layers.0.self_attn.v_norm.weight model.layers.0.self_attn.o_norm.weight
    model.layers.0.self_attn.q_proj.qweight model.layers.0.self_attn.q_proj.weight_scale
    model.layers.0.self_attn.k_proj.g_idx model.layers.0.mlp.up_proj.weight.absmax
    model.layers.0.mlp.up_proj.weight_scale_inv model.layers.0.mlp.up_proj.weight.weight
    model.layers.0.mlp.up_proj.lora_A model.norm.weight_scale model.norm.weight.weight
    model.layers.0.mlp.up_proj model.model.norm.weight model.layers.0.q_proj.weight
    model.layers.0.mlp.gate.weight model.layers.0.up_proj.weight model.layers.0.norm_1.weight
    model.layers..mlp.up_proj.weight model.layers.mlp.up_proj.weight model.layers.x.mlp.up_proj.weight
    model.layers.1x.input_layernorm.weight model.layers.².mlp.up_proj.weight
    model.layers.٣.mlp.up_proj.weight model.layers.1४.input_layernorm.weight
    model.layers.-1.mlp.up_proj.weight model.layers.0.mlp.q_proj.weight
    model.layers.0.mlp_up_proj.weight model_layers_0_mlp_up_proj.weight
    model.layers.0.1.mlp.up_proj.weight model.layers.0.mlp.0.up_proj.weight
    model.layers.0.mlp.norm.weight model.layers.0.self_attn.qkv_proj.weight
    model.layers.0.self_attn.gate_proj.weight model.layers.0.self_attn.input_layernorm.weight
    model.layers.0.input_layernorm.scale model.layers.0.mlp.up_proj_weight
    model.layers.0_mlp.up_proj.weight model.layers.0.self_attn.q_proj_bias
    """.split(),
    "model.layers.0.mlp.up_proj.weight\n",
    "model.layers.0.self_attn.q_proj.bias\n",
    "model.norm.weight\n",
    "model.layers.0.mlp.up_proj.weight ",
    " model.layers.0.mlp.up_proj.weight",
    *"""
    model.layers.0.MLP.up_proj.weight Model.norm.weight model.layers.0.block_sparse_moe.gate.weight
    model.layers.0.pre_feedforward_layernorm.weight model.layers.0.post_feedforward_layernorm.weight
    language_model.model.norm.weight model.language_model.layers.0.mlp.up_proj.weight
    vision_tower.layers.0.self_attn.q_proj.weight transformer.h.0.attn.c_attn.weight
    transformer.wte.weight embed_tokens.weight blocks.0.norm_1.weight model.head.weight
    model.lm_head.weight model.layers.0.weight model.layers.weight model.layers.0
    model.weight model.norm norm.weight lm_head_weight lm_head weight
    """.split(),
    "",
]


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
    yield from [(name,) for name in UNKNOWN] if seed == 0 else []


def in_order(args):
    """An expert's name first, then the table's, short ones first, then other names as they stand above."""
    (name,) = args
    if name == EXPERT:
        return 0, 0
    return (2, UNKNOWN.index(name)) if name in UNKNOWN else (1, len(name))


WHOLE = "The whole name must fit, from its first letter to its last."
NUMBER = "A layer's number is one figure, 0 to 9, or more, and nothing else."


def hint_at_name(got, name):
    """What this one name is there for."""
    ours = our_name(name)
    if ours is None and got.error is not None:
        return "An unknown name gives None; it must not raise an error."
    if got.error is not None or not isinstance(got.value, str):
        return ""
    if ours is not None:
        kind = ours.rpartition(".")[2]
        return f"The ending is missing: `.{kind}` stays." if ours == f"{got.value}.{kind}" else ""
    if "\n" in name:
        return WHOLE + " Here a new line follows it. In a pattern, `$` lets one pass; `fullmatch` does not."
    if name != name.strip() or name != name.lower():
        return "Spaces and capital letters count: then it is another name, so None."
    if "²" in name:
        return NUMBER + " `isdigit` says yes to `²` too."
    if not name.isascii():
        return NUMBER + " `\\d` and `isdecimal` say yes to digits of other scripts, too: `[0-9]` does not."
    if "_norm." in name:
        return "Queries and keys have norms of their own (Qwen3); nothing else in `self_attn` has."
    if our_name("model." + name):
        return "Without `model.` it is a name of some other file: None."
    if any(our_name(name[i:]) for i in range(1, len(name))):
        return WHOLE + " Here something stands before it. In a pattern: `fullmatch`, not `search`."
    if any(our_name(name[:i]) for i in range(1, len(name))):
        return WHOLE + " Here something follows it. In a pattern: `fullmatch`, not `match`."
    if any(re.fullmatch(theirs.replace("N", "[0-9]+"), name) for theirs in TABLE):
        return r"In a pattern, `.` stands for any letter; a point is `\.`."
    stem, _, kind = name.rpartition(".")
    if our_name(f"{stem}.weight") and kind == "bias":
        return "A `.bias` is known for queries, keys and values alone: the table has none elsewhere."
    if our_name(f"{stem}.weight"):
        return f"The table has `.weight`, and `.bias` for queries, keys and values: `.{kind}` is neither."
    return ""


LONG = {"model.layers": "blocks", "model.embed_tokens": "embed", "model.norm": "norm"}
REST = {"layers": "blocks", "embed_tokens": "embed"}
SHORT = {"model.": ""} | REST


def replaced(name, words):
    """The name with words replaced: these, and those of which all lists know."""
    more = {"lm_head": "head", "self_attn": "attn"}
    more |= {"input_layernorm": "norm_1", "post_attention_layernorm": "norm_2"}
    for old, new in (words | more).items():
        name = name.replace(old, new)
    return name


def part_of(pattern, name):
    """The right answer to that part of the name which a pattern finds."""
    found = re.search(pattern, name)
    return our_name(found[0]) if found else None


def last_two_words(name):
    """The table's answer where only these are looked at, and how the name begins."""
    pieces = name.split(".")
    for theirs in TABLE:
        known = theirs.split(".")
        same = pieces[:2] == known[:2] and pieces[-2:] == known[-2:]
        if same and len(pieces) > 4 and len(known) > 4:
            return our_name(theirs.replace("N", pieces[2]))
    return our_name(name)


def up_to(layers, name):
    """The table's answer for a model of so many layers."""
    found = re.match(r"model\.layers\.([0-9]+)", name)
    return our_name(name) if found is None or int(found[1]) < layers else None


@chapter.function(
    "11.3 From their names to ours ★★",
    cases=name_cases,
    order=in_order,
    hint=hint_at_name,
    mistakes=r"""
        = replaced(name, LONG) || replaced(name, SHORT) || replaced(name.removeprefix("model."), REST)
        = None if (new := replaced(name, LONG)) == name else new
        = None if (new := replaced(name, SHORT)) == name else new
        = None if (new := replaced(name.removeprefix("model."), REST)) == name else new
            Replacing words turns names that mean something else into names that look right. A name that is
            not in the table gives None: then a model with parts that ours lacks is refused, not loaded wrong.
        [0-9]+ => [0-9]
            Layers have numbers of more than one figure: 10 is one.
        [0-9]+ => [0-9][0-9]?
            Layers may have numbers of more than two figures.
        = part_of(r"(model\.(layers\..+|norm|embed_tokens)|lm_head)\.(weight|bias)$", name)
        = part_of(r"(model\.(layers\..+|norm|embed_tokens)|lm_head)\.(weight|bias)", name)
        = part_of(r"model\.(layers\.[0-9]+\.[a-z_.]+|norm|embed_tokens)\.weight|lm_head\.weight", name)
        = part_of(r"^(model|lm_head).*\.(weight|bias)", name)
        = part_of(r"^(model|lm_head).*?\.(weight|bias)", name)
            The whole name must fit, from its first letter to its last.
        = it if name.endswith(".weight") else None
            Queries, keys and values may have a `.bias`: Qwen2's do.
        = it and it.replace(".bias", ".weight")
            A bias became a weight: what stands after the last point stays as it is.
        = f"blocks.{m[1]}.attn.{m[2]}" if (m := re.fullmatch(r"model\.layers\.([0-9]+)\.self_attn\.(.+)", name)) else it
            Under `self_attn` only the parts of the table are known.
        = f"blocks.{m[1]}.mlp.{m[2]}" if (m := re.fullmatch(r"model\.layers\.([0-9]+)\.mlp\.(.+)", name)) else it
            Under `mlp` only the parts of the table are known; experts are none of them.
        return None => return name
            A name that is not in the table gives None, not itself.
        return None => return ""
            A name that is not in the table gives None, not an empty text.
        return None => return False
            A name that is not in the table gives None, not False.
        = our_name(name.replace("model.model.", "model."))
            With another `model.` before it, it is a name of some other file: None.
        = it and re.sub("norm_([12])", lambda found: f"norm_{3 - int(found[1])}", it)
            The two norms of a layer are exchanged: the one after attention is our `norm_2`.
        = "embed.weight" if name == "lm_head.weight" else it
            `lm_head` is a head of its own, our `head`. Where a model shares the embedding, the file has none.
        = None if "lm_head" in name else it
            `lm_head.weight` is our `head.weight`.
        = None if "q_norm" in name or "k_norm" in name else it
            Qwen3's `q_norm` and `k_norm` are missing.
        = None if "embed_tokens" in name else it
            `model.embed_tokens.weight` is our `embed.weight`.
        = None if name == "model.norm.weight" else it
            The last norm is missing.
        [0-9]+ => \d* || [^.]+ || [^.]* || .+ || .* || \w+
            A layer's number is one figure, 0 to 9, or more, and nothing else.
        [0-9]+ => [^.]* ; found.groups() => (str(int(n)) for n in found.groups())
            A layer's number is one figure, 0 to 9, or more, and nothing else. `int` raises an error on `1x`,
            and takes `-1`.
        = our_name(re.sub(r"(?<=^model\.layers\.)[^.]*(?=\.)", lambda found: str(int(found[0])), name))
            A layer's number is one figure, 0 to 9, or more, and nothing else. `int` raises an error on `1x`.
        [0-9]+ => -?\d+ ; found.groups() => (str(int(n)) for n in found.groups())
            A layer's number is one figure, 0 to 9, or more, and nothing else. `int` takes `-1` too.
        found.groups() => (str(int(n) + 1) for n in found.groups())
            The layers keep their numbers: both count from 0.
        = it and it.replace("blocks", "layers")
            Our layers are called `blocks`.
        ours.replace("N", number) => ours.replace("N.", "")
            The number of the layer is missing.
        ours.replace("N", number) => ours.replace("N", "{}")
            The place for the layer's number is still empty.
        = our_name(re.sub(r"(?<=model\.layers\.)([0-9]+)[^.]*", r"\1", name))
            A layer's number is one figure, 0 to 9, or more, and nothing else. You took the figures and
            dropped what follows.
        : last_two_words
            The last two words are not enough: what stands before them must fit too, experts have the same
            ones.
        = up_to(12, name) || up_to(16, name) || up_to(24, name) || up_to(28, name) || up_to(30, name)
        = up_to(36, name) || up_to(48, name) || up_to(64, name) || up_to(80, name) || up_to(128, name)
        = up_to(256, name) || up_to(1000, name)
            Your table ends at some layer. There are models with more.
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
    found = settle(answer(weight, n_heads))
    parts = list(found) if isinstance(found, list | tuple | torch.Tensor) and len(found) == 3 else None
    if parts is None:
        shape = f" of shape {tuple(found.shape)}" if isinstance(found, torch.Tensor) else ""
        shape = f" of {len(found)}" if isinstance(found, list | tuple) else shape
        raise Problem(
            f"It must return three tensors, of queries, keys and values; this is {a(found)}{shape}."
        )
    return Record("", dict(zip("qkv", parts, strict=True)))


def halves(part, n_heads):
    """The rows of each head reordered: those at even places first."""
    heads = part.unflatten(0, (n_heads, -1))
    if heads.shape[1] % 2:
        return part
    return heads.unflatten(1, (-1, 2)).transpose(1, 2).flatten(0, 2)


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
        = weight.chunk(3) || weight.unflatten(0, (3, n_heads, -1))
            That is GPT-2's order: all queries, all keys, all values. Here each head has its three together.
        = (weight[0::3], weight[1::3], weight[2::3])
            You took every third row. A head has D rows of queries, then D of keys, then D of values.
        part.flatten(0, 1) => part
            The parts are right. The heads should be joined again, to H·D rows.
        return q, k, v => return v, k, q
            Queries come first, then keys, then values; yours are the other way round.
        return q, k, v => return k, q, v
            Queries and keys are exchanged.
        return q, k, v => return q, v, k
            Keys and values are exchanged.
        return q, k, v => return k, v, q || return v, q, k
            Queries come first, then keys, then values.
        (n_heads, 3, -1) => (-1, 3, n_heads)
            You cut heads that are `n_heads` rows wide. There should be `n_heads` of them.
        (n_heads, 3, -1) => (n_heads, 3, max(1, weight.shape[-1] // n_heads))
        (n_heads, 3, -1) => (n_heads, 3, weight.shape[-1] // n_heads)
        (n_heads, 3, -1) => (n_heads, 3, weight.shape[1] // n_heads)
        - heads = weight.unflatten(0, (n_heads, 3, -1))
        + rows, columns = weight.shape
        + heads = weight.unflatten(0, (n_heads, 3, columns // n_heads))
            You took D from the columns, of which a bias has none; and C need not be H·D. A head's width
            follows from the rows.
        - heads = weight.unflatten(0, (n_heads, 3, -1))
        + rows, columns = weight.shape
        + heads = weight.reshape(n_heads, 3, -1, columns)
            A bias has no columns: (3·H·D,). It is cut the same way.
        weight.unflatten(0, (n_heads, 3, -1)) => weight.reshape(n_heads, 3, len(weight) // n_heads // 3, -1)
            The bias came out with a dimension too many: (3·H·D,) should give (H·D,).
        (part.flatten(0, 1) for part in heads.unbind(1)) => heads[0]
            Only the first head's rows are there.
        (part.flatten(0, 1) for part in heads.unbind(1)) => heads[-1]
            Only the last head's rows are there.
        part.flatten(0, 1) => part.transpose(0, 1).flatten(0, 1)
            The heads got mixed: first all rows of head 0, then all of head 1.
        part.flatten(0, 1) => part.flip(0).flatten(0, 1)
            The heads are in the wrong order.
        part.flatten(0, 1) => part.mean(0)
            You averaged over the heads. Each keeps its own rows.
        part.flatten(0, 1) => part.flatten(0, 1).t()
            The parts are transposed: (H·D, C) is wanted, as they come.
        return q, k, v => return q / (len(q) // n_heads) ** 0.5, k, v
            The queries are right but for a factor. Attention divides by √D itself.
        = [halves(part, n_heads) for part in it]
        return q, k, v => return halves(q, n_heads), halves(k, n_heads), v
            The rows of a head keep their order: GPT-NeoX pairs them for rotation as we do.
        part.flatten(0, 1) => part.flatten(0, 1).nan_to_num()
            NaN and infinities should stay: a file with one in it has a fault to be seen.
        part.flatten(0, 1) => part.flatten(0, 1).bfloat16()
            The numbers lost bits on the way. They should stay as they are.
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


def hint_at_zeros(got, sizes, most):
    """Whether all is right but for tensors of 0 bytes."""
    rest = {name: size for name, size in sizes.items() if size}
    if got.error is not None or rest == sizes or not isinstance(got.value, list | tuple):
        return ""
    files = [[name for name in as_list(file) or [] if name in rest] for file in got.value]
    if [file for file in files if file] != shards(rest, most):
        return ""
    return "A tensor of 0 bytes has a name and comes into a file like any other: it fits where anything does."


def fitting(sizes, most):
    return shards({name: size for name, size in sizes.items() if size <= most}, most)


def at_multiples(sizes, most, place):
    """By the place in one long file, cut at every multiple of `most`."""
    files, at = {}, 0
    for name, size in sizes.items():
        files.setdefault(place(at, size) // most, []).append(name)
        at += size
    return list(files.values())


def room_anywhere(sizes, most):
    files = []
    for name, size in sizes.items():
        room = [file for file in files if sum(sizes[other] for other in file) + size <= most]
        if room:
            room[0].append(name)
        else:
            files.append([name])
    return files


@chapter.function(
    "11.5 How large a file may be ★★",
    inputs="""
        {}, 5 || {"a": 3}, 5 || {"a": 5}, 5 || {"a": 7}, 5 || {"b": 2, "a": 3}, 5 || {"b": 3, "a": 3}, 5
        {"c": 1, "b": 7, "a": 1}, 5 || {"c": 7, "a": 2, "b": 2}, 5 || {"c": 7, "b": 7, "a": 7}, 5
        {"c": 4, "a": 3, "b": 1}, 5
        {"a": 1, "d": 2, "c": 3, "b": 4}, 5
        {"embed": 6, "q": 2, "k": 2, "v": 3, "norm": 1}, 6
        {"b": 1, "a": 1, "c": 1}, 1 || {"a": 5, "z": 0}, 5 || {"a": 0, "b": 9}, 5
        {"a": 0, "y": 0, "b": 9, "z": 0}, 5
        {"c": 7, "z": 0, "a": 1}, 5
        {"a": 2, "z": 0, "b": 4, "y": 0}, 5
        {"a": 100_000, "b": 200_000}, 300_000
        {"a": 100_000_000, "b": 200_000_000}, 300_000_000
        {"a": 16_777_216, "b": 1}, 16_777_216
    """,
    cases=size_cases,
    hint=hint_at_zeros,
    mistakes="""
        total + size > most => total + size >= most
            A file may be as large as `most`: a tensor that just fits belongs in it.
        if file: => if False:
        - if file and total + size > most:
        + if size > most:
        +     files.append([name])
        +     continue
        + if total + size > most:
        - if file:
        + if False:
            The last file is missing: after the loop, what was begun must be kept too.
        file and total => total ; if file: => if True:
            There is an empty file, where the first tensor is larger than `most` or there is none at all.
        file and total => total
            There is an empty file, where the first tensor is larger than `most`.
        file and total + size > most => file and (total == 0 or total + size > most)
            A tensor of 0 bytes has a name and comes into a file like any other: it fits where anything does.
            That a file holds 0 bytes does not mean that none was begun.
        file and total + size > most => file and (total >= most or total + size > most)
            A tensor of 0 bytes has a name and comes into a file like any other: it fits where anything does.
            Into a full one too.
        = shards({name: size for name, size in sizes.items() if size}, most)
            A tensor of 0 bytes has a name and comes into a file like any other: it fits where anything does.
        = shards({name: size / 1e9 for name, size in sizes.items()}, most / 1e9)
        = shards({name: size / 1e6 for name, size in sizes.items()}, most / 1e6)
        = shards({name: np.float32(size) for name, size in sizes.items()}, np.float32(most))
            Sums of floats are rounded; bytes are whole numbers, and integers of Python are exact.
        if file: => if file or not files:
            No tensors, no file.
        total + size > most => total > most
            You close a file when it has grown too large, with the tensor that did not fit still in it.
        - if file and total + size > most:
        + if size > most:
        +     files.append([name])
        +     continue
        + if total + size > most:
            That is what Hugging Face does now: a tensor that is too large gets a file, and the one that was
            begun goes on after it. Here the order stays, so that one ends where the large tensor comes.
        = fitting(sizes, most) + [[name] for name, size in sizes.items() if size > most]
            The large tensors came last. The order stays.
        : fitting
        - return files
        + if max(sizes.values(), default=0) > most:
        +     raise ValueError
        + return files
        or
        - return files
        + assert max(sizes.values(), default=0) <= most
        + return files
            A tensor that is larger than `most` stands alone; it must be saved somewhere.
        total += size => total += size if size <= most else 0
            A tensor that is larger than `most` stands alone; another one came into its file after it.
        total += size => total += size if len(file) > 1 else 0
            The first tensor of a file counts too: you set the sum to 0 after it.
        - file, total = [], 0
        + file = []
            The sum must begin anew with each file.
        = at_multiples(sizes, most, lambda at, size: at)
            You cut one long file at every multiple of `most`; so a tensor that crosses a cut makes a file too
            large. Each file has its own sum.
        = at_multiples(sizes, most, lambda at, size: at + size - 1)
        = at_multiples(sizes, most, lambda at, size: at + size)
            You cut one long file at every multiple of `most`; a new file should have all of `most` to fill.
        : room_anywhere
            Later tensors went back into files that had room. The order stays.
        sizes.items() => sorted(sizes.items()) || sorted(sizes.items(), key=lambda pair: pair[1])
        sizes.items() => sorted(sizes.items(), key=lambda pair: -pair[1])
            The tensors stay in the order of the file; you sorted them.
        = [file[::-1] for file in shards(dict(reversed(sizes.items())), most)[::-1]]
            You filled the files from the end. The first should be filled first.
        = it[::-1]
            The files are in the wrong order.
        = [[name] for name in sizes]
            Each tensor got a file of its own, though more would fit.
        = [list(sizes)] if sizes else [] || [list(sizes)]
            All tensors are in one file, however large it is.
        = [list(sizes)[i : i + most] for i in range(0, len(sizes), most)]
            `most` counts bytes; you took so many tensors.
        = [[sizes[name] for name in file] for file in it]
            The names are wanted, not the sizes.
        = [[{sizes[other]: other for other in sizes}[sizes[name]] for name in file] for file in it]
            Two tensors of one size became one: a dict from sizes to names loses all but the last.
        = [{name: sizes[name] for name in file} for file in it]
            Lists of names are wanted, without the sizes.
        = [name for file in it for name in file]
            One list of names for each file, within a list.
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
    returned, found = found, settle(found)
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
        torch.tensor([1.0]), torch.tensor([0.0]), torch.tensor([[3.0]]), torch.tensor([4.0])
        torch.tensor([2.0]), torch.tensor([0.0]), torch.tensor([[3.0]]), torch.tensor([0.0])
        torch.tensor([1.0]), torch.tensor([5.0]), torch.tensor([[3.0]]), torch.tensor([4.0])
        torch.tensor([2.0]), torch.tensor([5.0]), torch.tensor([[3.0]]), torch.tensor([4.0])
        torch.tensor([2.0, 10.0]), torch.tensor([1.0, 0.0]), torch.tensor([[3.0, 4.0]]), torch.tensor([5.0])
        torch.tensor([0.0, -2.0]), torch.tensor([1.0, 3.0]), torch.tensor([[3.0, 4.0]]), torch.tensor([5.0])
        torch.tensor([2.0]), torch.tensor([3.0]), torch.tensor([[1.0], [10.0]]), torch.tensor([5.0, 7.0])
        torch.tensor([2.0, 3.0]), torch.tensor([1.0, -1.0]), torch.tensor([[1.0, 2.0], [10.0, 20.0]]),
            torch.tensor([5.0, 7.0])
    """,
    cases=layer_cases,
    call=try_folding,
    mistakes="""
        bias + weight @ norm_bias => bias.clone() || bias
            The norm's shift is lost: the bias has to take it in.
        weight * norm_weight => weight.clone() || weight
            The norm's scale is lost: the weight has to take it in.
        weight * norm_weight => weight.clone() ; bias + weight @ norm_bias => bias.clone()
        weight * norm_weight => weight ; bias + weight @ norm_bias => bias
            Nothing has changed. The norm's scale and shift have to go into the layer.
        weight @ norm_bias => new_weight @ norm_bias || new_weight @ (norm_bias * norm_weight)
        weight @ norm_bias => weight @ (norm_bias / norm_weight)
            The shift is added after the scale, so it meets the old weight, not the new one: what a LayerNorm
            gives is x times scale, plus shift.
        bias + weight @ norm_bias => weight @ norm_bias
            The layer's own bias is lost.
        bias + weight @ norm_bias => bias - weight @ norm_bias
            The sign is wrong: the shift is added to x, not taken away.
        weight * norm_weight => weight / norm_weight
            You divided by the scale. The new layer must do what the norm no longer does.
        weight * norm_weight => weight / norm_weight ; bias + weight @ norm_bias => bias - weight @ norm_bias
            That takes a norm out of a layer; here it should go in.
        weight * norm_weight => weight * norm_weight[:, None] || torch.diag(norm_weight) @ weight
        weight * norm_weight => weight * norm_weight[:, None] ; weight @ norm_bias => norm_bias @ weight
            You scaled rows. A row is what the layer makes, a column what it reads: `weight` is (n, C), so
            multiply column i by `norm_weight[i]`.
        weight * norm_weight => weight * (norm_weight[:, None] if len(norm_weight) == len(weight) else norm_weight)
            You scaled rows. A row is what the layer makes, a column what it reads: `weight` is (n, C), so
            multiply column i by `norm_weight[i]`. Where there are as many of both, look twice.
        weight @ norm_bias => norm_bias @ weight
            The shift meets the columns: each row of the weight times it.
        weight @ norm_bias => norm_bias || norm_bias.sum() || weight.sum(1) * norm_bias.mean()
            The norm's shift is one for each number that the layer reads. The layer makes of it what it makes
            of any x.
        weight * norm_weight => weight * norm_weight.mean()
            Each number has a scale of its own; you took their mean.
        weight * norm_weight => weight @ norm_weight
            The weight stays a matrix, (n, C): its columns are scaled, not added up.
        weight * norm_weight => weight * (1 + norm_weight)
            One too many: Gemma's norms multiply by 1 + scale. LayerNorm's scale is the factor itself.
        weight * norm_weight => weight * norm_weight.abs()
            A scale may be negative, and then turns the number round.
        weight * norm_weight => weight * norm_weight**2
            The scale came in twice.
        weight * norm_weight => (weight * norm_weight).T
            The weight is transposed: it comes as (n, C), and stays so.
        bias + weight @ norm_bias => (bias + weight @ norm_bias)[:, None]
            The numbers are right. The bias should be (n,), without a second dimension.
        return new_weight, new_bias => return new_bias, new_weight
            The weight comes first, then the bias.
        - new_weight = weight * norm_weight
        - new_bias = bias + weight @ norm_bias
        + new_weight = (weight.bfloat16() * norm_weight.bfloat16()).to(weight.dtype)
        + new_bias = (bias.bfloat16() + weight.bfloat16() @ norm_bias.bfloat16()).to(bias.dtype)
            The numbers lost digits on a way through 16 bits.
        weight * norm_weight => weight * norm_weight - (weight * norm_weight).mean(1, keepdim=True)
            Without its mean a row does the same on x whose mean is 0; but equality is asked for every z.
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
        2**-6
            That is twice the step above 1: seven bits behind the point make 128 steps from 1 to 2.
        2**-16 || 2**-17
            There are sixteen bits in all, but only seven behind the point.
        0.39 || 100 / 257 || 100 / 256
            Is that in percent? As a share, one percent is 0.01.
        0.004
            Nearly. It should be right to within 1 %.
        2**-10 || 2**-11 || 2**-12
            That is float16's, with ten bits behind the point. bfloat16 has seven.
        2**-23 || 2**-24
            That is float32's, with 23 bits behind the point. bfloat16 has seven.
        0.5
            Half a step, but how long is a step beside the number?
        1.0
            So much only numbers change that are rounded to 0, far below those of a model.
        256 || 257
            So many times larger than the change is the number. The share is the other way round.
    """,
    right="At most four thousandths of a weight, up as often as down: sums over many weights hardly notice.",
)
