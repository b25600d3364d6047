"""Answers to chapter 11, written before its checks."""

import array
import ast
import bisect
import io
import itertools
import json
import math
import re
import struct
import types
from collections import OrderedDict, deque

import numpy as np
import safetensors
import torch
import torch.nn.functional as F

# 11.1 -----------------------------------------------------------------


def header_of(data):
    return json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])


def told(header):
    return {name: (x["dtype"], x["shape"]) for name, x in header.items() if name != "__metadata__"}


def metadata_too(data):
    return {name: (x.get("dtype"), x.get("shape")) for name, x in header_of(data).items()}


def stumbles_over_metadata(data):
    return {name: (x["dtype"], x["shape"]) for name, x in header_of(data).items()}


def metadata_is_first(data):
    return {name: (x["dtype"], x["shape"]) for name, x in list(header_of(data).items())[1:]}


def no_metadata_in_a_name(data):
    return {n: (x["dtype"], x["shape"]) for n, x in header_of(data).items() if "__metadata__" not in n}


def no_underlines_first(data):
    return {n: (x["dtype"], x["shape"]) for n, x in header_of(data).items() if not n.startswith("__")}


def big_endian(data):
    return told(json.loads(data[8 : 8 + int.from_bytes(data[:8], "big")]))


def length_in_one_byte(data):
    return told(json.loads(data[8 : 8 + data[0]]))


def length_in_two_bytes(data):
    return told(json.loads(data[8 : 8 + struct.unpack("<H", data[:2])[0]]))


def length_of_four_bytes(data):
    (n,) = struct.unpack_from("<I", data)
    return told(json.loads(data[4 : 4 + n]))


def from_the_first_byte(data):
    return told(json.loads(data[: int.from_bytes(data[:8], "little")]))


def ends_eight_early(data):
    return told(json.loads(data[8 : int.from_bytes(data[:8], "little")]))


def header_in_ascii(data):
    return told(json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")].decode("ascii")))


def header_in_latin(data):
    return told(json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")].decode("latin-1")))


def ascii_and_ignore(data):
    return told(json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")].decode("ascii", "ignore")))


def counts_characters(data):
    n = int.from_bytes(data[:8], "little")
    return told(json.loads(data[8:].decode("utf-8", "replace")[:n]))


def python_s_own_reading(data):
    return told(ast.literal_eval(data[8 : 8 + int.from_bytes(data[:8], "little")].decode()))


def up_to_two_braces(data):
    return told(json.loads(data[8 : data.index(b"}}") + 2]))


def up_to_the_last_brace(data):
    return told(json.loads(data[8 : data.rindex(b"}") + 1]))


def up_to_two_spaces(data):
    return told(json.loads(data[8 : data.index(b"  ")]))


def all_that_follows(data):
    return told(json.loads(data[8:]))


def turned_shapes(data):
    return {name: (dtype, shape[::-1]) for name, (dtype, shape) in told(header_of(data)).items()}


def without_scalars(data):
    return {name: found for name, found in told(header_of(data)).items() if found[1]}


def scalars_of_one(data):
    return {name: (dtype, shape or [1]) for name, (dtype, shape) in told(header_of(data)).items()}


def scalars_of_none(data):
    return {name: (dtype, shape or None) for name, (dtype, shape) in told(header_of(data)).items()}


def without_empty_ones(data):
    return {name: (d, shape) for name, (d, shape) in told(header_of(data)).items() if math.prod(shape)}


def numbers_of_each(data):
    return {name: (dtype, math.prod(shape)) for name, (dtype, shape) in told(header_of(data)).items()}


def torch_s_types(data):
    known = {"F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16}
    return {name: (known.get(dtype), shape) for name, (dtype, shape) in told(header_of(data)).items()}


def few_types(data):
    known = {"F32": "F32", "F16": "F16", "BF16": "BF16", "I64": "I64"}
    return {name: (known[dtype], shape) for name, (dtype, shape) in told(header_of(data)).items()}


def small_letters(data):
    return {name: (dtype.lower(), shape) for name, (dtype, shape) in told(header_of(data)).items()}


def shape_first(data):
    return {name: (shape, dtype) for name, (dtype, shape) in told(header_of(data)).items()}


def first_two_of_each(data):
    header = header_of(data)
    header.pop("__metadata__", None)
    return {name: tuple(entry.values())[:2] for name, entry in header.items()}


def whole_entries(data):
    header = header_of(data)
    header.pop("__metadata__", None)
    return header


def offsets_too(data):
    header = header_of(data)
    header.pop("__metadata__", None)
    return {name: (x["dtype"], x["shape"], x["data_offsets"]) for name, x in header.items()}


def a_list(data):
    return [(name, *found) for name, found in told(header_of(data)).items()]


def weights_only(data):
    return {name: found for name, found in told(header_of(data)).items() if name.endswith("weight")}


def simple_names_by_pattern(data):
    found = re.findall(rb'"([\w.]+)":\s*\{"dtype":\s*"(\w+)",\s*"shape":\s*\[([\d, ]*)\]', data)
    return {
        name.decode(): (dtype.decode(), [int(n) for n in shape.split(b",") if n.strip()])
        for name, dtype, shape in found
    }


def the_example(data):
    return {"a": ("F32", [2, 3])}


def by_struct(data):
    (n,) = struct.unpack_from("<Q", data)
    header = json.loads(bytes(memoryview(data)[8 : 8 + n]))
    header.pop("__metadata__", None)
    return {name: [entry["dtype"], tuple(entry["shape"])] for name, entry in header.items()}


def by_reading_on(data):
    stream = io.BytesIO(data)
    header = json.loads(stream.read(int.from_bytes(stream.read(8), "little")).decode().rstrip(" "))
    return types.MappingProxyType(OrderedDict(told(header)))


def by_the_library(data):
    return {
        name: (entry["dtype"], torch.Size(entry["shape"])) for name, entry in safetensors.deserialize(data)
    }


def by_numpy(data):
    whole = np.frombuffer(data, np.uint8)
    n = int(whole[:8].view("<u8")[0])
    return {k: (v[0], np.array(v[1], int)) for k, v in told(json.loads(whole[8 : 8 + n].tobytes())).items()}


def by_the_decoder(data):
    header, _ = json.JSONDecoder().raw_decode(data[8:].decode("utf-8", "replace"))
    return told(header)


def by_a_loop(data):
    n = 0
    for place in range(8):
        n += data[place] * 256**place
    found = {}
    for name, entry in json.loads(bytearray(data)[8 : n + 8]).items():
        if name == "__metadata__":
            continue
        found[name] = (entry["dtype"], (size for size in entry["shape"]))
    return found


# 11.2 -----------------------------------------------------------------


def words(data, order="<"):
    return struct.unpack(f"{order}{len(data) // 2}H", data)


def widened(word):
    return struct.unpack("<f", struct.pack("<I", word << 16))[0]


def right_numbers(data):
    return [widened(word) for word in words(data)]


def big_end_first(data):
    return [widened(word) for word in words(data, ">")]


def as_float16(data):
    return list(struct.unpack(f"<{len(data) // 2}e", data))


def as_the_lower_half(data):
    return [struct.unpack("<f", struct.pack("<I", word))[0] for word in words(data)]


def zeros_behind(data):
    return [struct.unpack("<f", data[i : i + 2] + b"\0\0")[0] for i in range(0, len(data), 2)]


def whole_words(data):
    return list(words(data))


def shifted_words(data):
    return [float(word << 16) for word in words(data)]


def parts(word):
    return -1 if word >> 15 else 1, word >> 7 & 255, word & 127


def no_subnormals(data):
    out = []
    for word in words(data):
        sign, e, m = parts(word)
        if e == 255:
            out.append(math.nan if m else sign * math.inf)
        else:
            out.append(sign * (1 + m / 128) * 2.0 ** (e - 127))
    return out


def no_infinities(data):
    out = []
    for word in words(data):
        sign, e, m = parts(word)
        out.append(sign * m / 128 * 2.0**-126 if e == 0 else sign * (1 + m / 128) * 2.0 ** (e - 127))
    return out


def subnormals_are_zero(data):
    return [
        number if abs(number) >= 2**-126 or number != number else 0.0 * number
        for number in right_numbers(data)
    ]


def all_infinite(data):
    return [
        math.copysign(math.inf, 1 - (w >> 15) * 2) if w >> 7 & 255 == 255 else widened(w) for w in words(data)
    ]


def all_nan(data):
    return [math.nan if word >> 7 & 255 == 255 else widened(word) for word in words(data)]


def nan_is_zero(data):
    return torch.nan_to_num(torch.tensor(right_numbers(data)))


def nan_left_out(data):
    return [number for number in right_numbers(data) if number == number]


def without_sign(data):
    return [abs(number) for number in right_numbers(data)]


def plus_zero(data):
    return [number + 0.0 for number in right_numbers(data)]


def sign_of_the_byte(data):
    return [-number if number < 0 else number for number in right_numbers(data)]


def bias_of_126(data):
    return [2 * number for number in right_numbers(data)]


def bias_of_128(data):
    return [number / 2 for number in right_numbers(data)]


def eight_bits_behind_the_point(data):
    out = []
    for word in words(data):
        sign, e, m = parts(word)
        if e == 255:
            out.append(math.nan if m else sign * math.inf)
        elif e == 0:
            out.append(sign * m / 256 * 2.0**-126)
        else:
            out.append(sign * (1 + m / 256) * 2.0 ** (e - 127))
    return out


def subnormals_a_step_too_low(data):
    out = []
    for word in words(data):
        sign, e, m = parts(word)
        if e == 255:
            out.append(math.nan if m else sign * math.inf)
        elif e == 0:
            out.append(sign * m / 128 * 2.0**-127)
        else:
            out.append(sign * (1 + m / 128) * 2.0 ** (e - 127))
    return out


def four_bytes_each(data):
    data = data[: len(data) // 4 * 4]
    return list(struct.unpack(f"<{len(data) // 4}f", data))


def first_alone(data):
    return right_numbers(data)[0]


def columns_of_one(data):
    return np.array(right_numbers(data))[:, None]


def texts(data):
    return [str(number) for number in right_numbers(data)]


def through_float16(data):
    return torch.tensor(right_numbers(data)).half()


def rounded(data):
    return [round(number, 4) if math.isfinite(number) else number for number in right_numbers(data)]


def backwards(data):
    return right_numbers(data)[::-1]


def every_byte(data):
    return [widened(byte << 8) for byte in data]


def one_and_a_half(data):
    return [1.5] * (len(data) // 2)


def by_frombuffer(data):
    return torch.frombuffer(bytearray(data), dtype=torch.bfloat16)


def by_shifting_in_numpy(data):
    return (np.frombuffer(data, "<u2").astype("<u4") << 16).view("<f4")


def by_wider_bytes(data):
    wide = bytearray(2 * len(data))
    wide[2::4], wide[3::4] = data[0::2], data[1::2]
    return array.array("f", bytes(wide))


def by_the_formula(data):
    for i in range(0, len(data), 2):
        word = data[i] + 256 * data[i + 1]
        sign, e, m = parts(word)
        size = math.ldexp(m, -133) if e == 0 else math.ldexp(128 + m, e - 134) if e < 255 else None
        if size is None:
            size = math.nan if m else math.inf
        yield math.copysign(size, sign)


def by_memoryview(data):
    return tuple(memoryview(b"".join(b"\0\0" + data[i : i + 2] for i in range(0, len(data), 2))).cast("f"))


def by_view_in_torch(data):
    whole = torch.tensor(list(data), dtype=torch.uint8).view(torch.int16).int()
    return (whole << 16).view(torch.float32).double()


# 11.3 -----------------------------------------------------------------

SMALL = {
    "input_layernorm": "norm_1",
    "post_attention_layernorm": "norm_2",
    **{
        f"self_attn.{part}": f"attn.{part}"
        for part in ("q_proj", "k_proj", "v_proj", "o_proj", "q_norm", "k_norm")
    },
    **{f"mlp.{part}": f"mlp.{part}" for part in ("gate_proj", "up_proj", "down_proj")},
}
OUTER = {"model.embed_tokens": "embed", "model.norm": "norm", "lm_head": "head"}


def name_by_table(name):
    found = biases_everywhere(name)
    return found if found and (found.endswith("weight") or found[-11:] in QKV_BIASES) else None


QKV_BIASES = ("q_proj.bias", "k_proj.bias", "v_proj.bias")


def biases_everywhere(name):
    stem, _, kind = name.rpartition(".")
    if kind not in ("weight", "bias"):
        return None
    if stem in OUTER:
        return f"{OUTER[stem]}.{kind}"
    found = re.fullmatch(r"model\.layers\.([0-9]+)\.(.+)", stem)
    if found and found[2] in SMALL:
        return f"blocks.{found[1]}.{SMALL[found[2]]}.{kind}"


def biases_of_all_layers(name):
    return None if name.endswith("bias") and "layers" not in name else biases_everywhere(name)


def biases_of_attention(name):
    return name_by_table(name) or (biases_everywhere(name) if name.endswith("o_proj.bias") else None)


REPLACED = [
    ("model.layers", "blocks"),
    ("model.embed_tokens", "embed"),
    ("model.norm", "norm"),
    ("lm_head", "head"),
    ("self_attn", "attn"),
    ("input_layernorm", "norm_1"),
    ("post_attention_layernorm", "norm_2"),
]


def only_replaces(name):
    for old, new in REPLACED:
        name = name.replace(old, new)
    return name


def replaces_or_none(name):
    new = only_replaces(name)
    return None if new == name else new


def model_taken_off(name):
    name = name.removeprefix("model.").replace("layers", "blocks").replace("self_attn", "attn")
    name = name.replace("input_layernorm", "norm_1").replace("post_attention_layernorm", "norm_2")
    return name.replace("embed_tokens", "embed").replace("lm_head", "head")


def one_figure(name):
    found = name_by_table(name)
    return found if found is None or re.match(r"blocks\.[0-9]\.|[a-z]+\.w", found) else None


def two_figures(name):
    found = name_by_table(name)
    return found if found is None or re.match(r"blocks\.[0-9][0-9]?\.|[a-z]+\.w", found) else None


def anywhere(name):
    found = re.search(r"model\.(layers\.[0-9]+\.[a-z_.]+|norm|embed_tokens)\.(weight|bias)", name)
    return name_by_table(found[0] if found else name)


def ends_anyhow(name):
    found = re.match(r"(model|lm_head).*?\.(weight|bias)", name)
    return name_by_table(found[0]) if found else None


def dots_are_anything(name):
    pattern = "|".join(SMALL)
    found = re.fullmatch(rf"model.layers.([0-9]+).({pattern}).(weight|bias)", name)
    if found:
        return f"blocks.{found[1]}.{SMALL.get(found[2], found[2])}.{found[3]}"
    found = re.fullmatch("(model.embed_tokens|model.norm|lm_head).weight", name)
    return f"{OUTER[found[1]]}.weight" if found else None


def weights_without_biases(name):
    return name_by_table(name) if name.endswith(".weight") else None


def always_a_weight(name):
    found = name_by_table(name)
    return found and found.rpartition(".")[0] + ".weight"


def attention_of_any_part(name):
    found = re.fullmatch(r"model\.layers\.([0-9]+)\.self_attn\.(.*)", name)
    return f"blocks.{found[1]}.attn.{found[2]}" if found else name_by_table(name)


def mlp_of_any_part(name):
    found = re.fullmatch(r"model\.layers\.([0-9]+)\.mlp\.(.*)", name)
    return f"blocks.{found[1]}.mlp.{found[2]}" if found else name_by_table(name)


def unknown_as_it_is(name):
    return name_by_table(name) or name


def unknown_is_empty(name):
    return name_by_table(name) or ""


def unknown_is_false(name):
    return name_by_table(name) or False


def unknown_raises(name):
    found = name_by_table(name)
    if found is None:
        raise KeyError(name)
    return found


def prefix_may_be_missing(name):
    return name_by_table(name) or name_by_table(f"model.{name}")


def prefix_may_be_doubled(name):
    return name_by_table(name.replace("model.model.", "model."))


def norms_swapped(name):
    found = name_by_table(name)
    return found and found.translate(str.maketrans("12", "21")) if found and "norm_" in found else found


def head_is_the_embedding(name):
    return "embed.weight" if name == "lm_head.weight" else name_by_table(name)


def no_head(name):
    return None if name.startswith("lm_head") else name_by_table(name)


def no_norms_of_heads(name):
    return None if "q_norm" in name or "k_norm" in name else name_by_table(name)


def layer_may_be_missing(name):
    found = re.fullmatch(r"model\.layers\.([0-9]*)\.(.+)\.(weight|bias)", name)
    return (
        f"blocks.{found[1]}.{SMALL[found[2]]}.{found[3]}"
        if found and found[2] in SMALL
        else name_by_table(name)
    )


def layer_of_any_letters(name):
    found = re.fullmatch(r"model\.layers\.([^.]+)\.(.+)\.(weight|bias)", name)
    return (
        f"blocks.{found[1]}.{SMALL[found[2]]}.{found[3]}"
        if found and found[2] in SMALL
        else name_by_table(name)
    )


def layer_by_int(name):  # ValueError for 1x, and -1 is an int
    pieces = name.split(".")
    if pieces[:2] == ["model", "layers"]:
        small = SMALL.get(".".join(pieces[3:-1]))
        return small and f"blocks.{int(pieces[2])}.{small}.{pieces[-1]}"
    return name_by_table(name)


def layer_by_int_or_none(name):
    try:
        return layer_by_int(name)
    except ValueError:
        return None


def counted_from_one(name):
    return re.sub(r"blocks\.([0-9]+)", lambda m: f"blocks.{int(m[1]) + 1}", name_by_table(name) or "") or None


def layers_stay(name):
    found = name_by_table(name)
    return found and found.replace("blocks", "layers")


def number_from_the_first_digits(name):  # of 1x, 1
    pieces = name.split(".")
    if name.startswith("model.layers.") and len(pieces) > 3:
        digits = re.match(r"[0-9]*", pieces[2])[0]
        return name_by_table(".".join([*pieces[:2], digits, *pieces[3:]]))
    return name_by_table(name)


def last_two_pieces(name):
    pieces = name.split(".")
    if pieces[:2] != ["model", "layers"]:
        return name_by_table(name)
    known = {old.rpartition(".")[2]: new for old, new in SMALL.items()}
    if not pieces[2].isdigit() or pieces[-2] not in known:
        return None
    return f"blocks.{pieces[2]}.{known[pieces[-2]]}.{pieces[-1]}"


def only_small_models(name):
    return {
        old.format(layer) + ".weight": new.format(layer) + ".weight"
        for layer in range(32)
        for old, new in {
            **OUTER,
            **{f"model.layers.{{}}.{o}": f"blocks.{{}}.{n}" for o, n in SMALL.items()},
        }.items()
    }.get(name)


def name_by_one_pattern(name):
    parts = "|".join(map(re.escape, sorted(SMALL, key=len, reverse=True)))
    found = re.fullmatch(
        rf"model\.layers\.(?P<layer>[0-9]+)\.(?P<part>{parts})\.(?P<kind>weight|(?<=[qkv]_proj\.)bias)"
        r"|(?P<outer>model\.embed_tokens|model\.norm|lm_head)\.weight",
        name,
    )
    if not found:
        return None
    if found["outer"]:
        return OUTER[found["outer"]] + ".weight"
    return ".".join(("blocks", found["layer"], SMALL[found["part"]], found["kind"]))


def name_by_pieces(name):
    match name.split("."):
        case ["lm_head", "weight"]:
            return "head.weight"
        case ["model", "embed_tokens", "weight"]:
            return "embed.weight"
        case ["model", "norm", "weight"]:
            return "norm.weight"
        case ["model", "layers", n, "input_layernorm" | "post_attention_layernorm" as which, "weight"] if (
            re.fullmatch("[0-9]+", n)
        ):
            return f"blocks.{n}.norm_{1 + (which[0] == 'p')}.weight"
        case [
            "model",
            "layers",
            n,
            "self_attn",
            "q_proj" | "k_proj" | "v_proj" as p,
            "weight" | "bias" as k,
        ] if re.fullmatch("[0-9]+", n):
            return f"blocks.{n}.attn.{p}.{k}"
        case ["model", "layers", n, "self_attn", "o_proj" | "q_norm" | "k_norm" as p, "weight"] if (
            re.fullmatch("[0-9]+", n)
        ):
            return f"blocks.{n}.attn.{p}.weight"
        case ["model", "layers", n, "mlp", "gate_proj" | "up_proj" | "down_proj" as p, "weight"] if (
            re.fullmatch("[0-9]+", n)
        ):
            return f"blocks.{n}.mlp.{p}.weight"
    return None


def name_by_template(name):
    pieces = name.split(".")
    layer = next((piece for piece in pieces if re.fullmatch("[0-9]+", piece)), None)
    template = ".".join("{}" if piece == layer else piece for piece in pieces)
    table = {f"model.layers.{{}}.{old}": f"blocks.{{}}.{new}" for old, new in SMALL.items()} | OUTER
    for kind in (".weight", ".bias"):
        if kind == ".bias" and not template.endswith(QKV_BIASES):
            continue
        if template.endswith(kind) and template.removesuffix(kind) in table:
            return np.str_(table[template.removesuffix(kind)].format(layer) + kind)


def an_empty_layer_by_template(name):
    layer = next((piece for piece in name.split(".") if re.fullmatch("[0-9]+", piece)), "")
    template = ".".join("{}" if piece == layer else piece for piece in name.split("."))
    stem, _, kind = template.rpartition(".")
    table = {f"model.layers.{{}}.{old}": f"blocks.{{}}.{new}" for old, new in SMALL.items()} | OUTER
    return table[stem].format(layer) + "." + kind if stem in table and kind in ("weight", "bias") else None


def name_by_going_in(name):
    rest = name.removeprefix("model.layers.")
    if rest == name:
        return {f"{old}.weight": f"{new}.weight" for old, new in OUTER.items()}.get(name)
    layer, _, rest = rest.partition(".")
    stem, _, kind = rest.rpartition(".")
    kinds = {"weight", "bias"} if rest.endswith(QKV_BIASES) else {"weight"}
    good = layer != "" and all(c in "0123456789" for c in layer) and kind in kinds and stem in SMALL
    return "blocks." + layer + "." + SMALL[stem] + "." + kind if good else None


# 11.4 -----------------------------------------------------------------


def cut(weight, n_heads):
    return weight.unflatten(0, (n_heads, 3, -1))


def three_blocks(weight, n_heads):  # GPT-2's order
    return weight.chunk(3)


def three_then_heads(weight, n_heads):
    return tuple(part.flatten(0, 1) for part in weight.unflatten(0, (3, n_heads, -1)))


def every_third_row(weight, n_heads):
    return weight[0::3], weight[1::3], weight[2::3]


def every_third_within_a_head(weight, n_heads):
    return tuple(part.flatten(0, 1) for part in weight.unflatten(0, (n_heads, -1, 3)).unbind(2))


def values_first(weight, n_heads):
    return tuple(part.flatten(0, 1) for part in cut(weight, n_heads).unbind(1))[::-1]


def keys_first(weight, n_heads):
    q, k, v = (part.flatten(0, 1) for part in cut(weight, n_heads).unbind(1))
    return k, q, v


def keys_and_values_swapped(weight, n_heads):
    q, k, v = (part.flatten(0, 1) for part in cut(weight, n_heads).unbind(1))
    return q, v, k


def heads_stay_apart(weight, n_heads):
    return cut(weight, n_heads).unbind(1)


def heads_as_wide_as_many(weight, n_heads):  # n_heads taken for the width
    return tuple(part.flatten(0, 1) for part in weight.unflatten(0, (-1, 3, n_heads)).unbind(1))


def width_from_the_columns(weight, n_heads):
    D = weight.shape[-1] // n_heads
    heads = weight.split(3 * max(D, 1))
    return tuple(torch.cat([head[i * D : (i + 1) * D] for head in heads]) for i in range(3))


def cuts_the_columns(weight, n_heads):
    return tuple(weight.chunk(3, dim=-1))


def no_bias(weight, n_heads):
    rows, columns = weight.shape
    whole = weight.view(n_heads, 3, rows // n_heads // 3, columns)
    return tuple(whole[:, i].reshape(-1, columns) for i in range(3))


def bias_as_a_matrix(weight, n_heads):
    whole = weight.reshape(n_heads, 3, len(weight) // n_heads // 3, -1)
    return tuple(whole[:, i].flatten(0, 1) for i in range(3))


def transposed(weight, n_heads):
    return tuple(part.flatten(0, 1).T for part in cut(weight, n_heads).unbind(1))


def first_head_only(weight, n_heads):
    return tuple(cut(weight, n_heads)[0])


def queries_scaled(weight, n_heads):
    q, k, v = (part.flatten(0, 1) for part in cut(weight, n_heads).unbind(1))
    return q / math.sqrt(len(q) // n_heads), k, v


def one_tensor(weight, n_heads):
    return cut(weight, n_heads).transpose(0, 1).flatten(0, 2)


def rows_within_a_head_turned(weight, n_heads):
    return tuple(part.transpose(0, 1).flatten(0, 1) for part in cut(weight, n_heads).unbind(1))


def queries_alone(weight, n_heads):
    return cut(weight, n_heads)[:, 0].flatten(0, 1)


def in_the_callers_weight(weight, n_heads):
    q, k, v = (part.flatten(0, 1) for part in cut(weight.clone(), n_heads).unbind(1))
    weight.copy_(torch.cat([q, k, v]))
    return weight.chunk(3)


def callers_weight_to_zero(weight, n_heads):
    q, k, v = (part.flatten(0, 1) for part in cut(weight.clone(), n_heads).unbind(1))
    weight.zero_()
    return q, k, v


def pairs_of_heads(weight, n_heads):
    return tuple(part.flatten(0, 1) for part in weight.unflatten(0, (2, 3, -1)).unbind(1))


def heads_from_the_back(weight, n_heads):
    return tuple(part.flip(0).flatten(0, 1) for part in cut(weight, n_heads).unbind(1))


def one_row_each(weight, n_heads):
    return tuple(part[:, :1].flatten(0, 1) for part in cut(weight, n_heads).unbind(1))


def sorted_for_rotation(weight, n_heads):  # neighbours to halves as well
    return tuple(
        part.unflatten(1, (-1, 2)).transpose(1, 2).flatten(0, 2)
        if part.shape[1] % 2 == 0
        else part.flatten(0, 1)
        for part in cut(weight, n_heads).unbind(1)
    )


def rounds_to_16_bits(weight, n_heads):
    return tuple(part.flatten(0, 1).bfloat16() for part in cut(weight, n_heads).unbind(1))


def heads_by_reshape(weight, n_heads):
    D = len(weight) // (3 * n_heads)
    whole = weight.reshape(n_heads, 3, D, *weight.shape[1:]).transpose(0, 1)
    return list(whole.reshape(3, n_heads * D, *weight.shape[1:]))


def heads_stacked(weight, n_heads):  # (3, H D, C)
    return torch.stack([cut(weight, n_heads)[:, i].flatten(0, 1) for i in range(3)])


def heads_in_numpy(weight, n_heads):
    heads = np.split(weight.numpy().astype(np.float64), n_heads)
    return (np.concatenate([np.split(head, 3)[i] for head in heads]) for i in range(3))


def heads_row_by_row(weight, n_heads):
    D = weight.shape[0] // 3 // n_heads
    q, k, v = [], [], []
    for i, row in enumerate(weight.tolist()):
        (q, k, v)[i // D % 3].append(row)
    return q, k, v


def heads_by_index(weight, n_heads):
    row = torch.arange(len(weight))
    which = row // (len(weight) // n_heads // 3) % 3
    return [weight[which == i] for i in range(3)]


# 11.5 -----------------------------------------------------------------


def filled(sizes, most):
    files, total = [], 0
    for name, size in sizes.items():
        if not files or total + size > most:
            files.append([])
            total = 0
        files[-1].append(name)
        total += size
    return files


def full_is_too_full(sizes, most):
    files, total = [], 0
    for name, size in sizes.items():
        if not files or total + size >= most:
            files.append([])
            total = 0
        files[-1].append(name)
        total += size
    return files


def last_file_lost(sizes, most):
    files, file, total = [], [], 0
    for name, size in sizes.items():
        if file and total + size > most:
            files.append(file)
            file, total = [], 0
        file.append(name)
        total += size
    return files


def empty_file_first(sizes, most):
    files, total = [[]], 0
    for name, size in sizes.items():
        if total + size > most:
            files.append([])
            total = 0
        files[-1].append(name)
        total += size
    return files


def empty_file_for_nothing(sizes, most):
    return filled(sizes, most) or [[]]


def large_goes_in_between(sizes, most):  # the file that was begun goes on after it
    files, file, total = [], [], 0
    for name, size in sizes.items():
        if size > most:
            files.append([name])
            continue
        if total + size > most:
            files.append(file)
            file, total = [], 0
        file.append(name)
        total += size
    return [*files, file] if file else files


def large_left_out(sizes, most):
    return filled({name: size for name, size in sizes.items() if size <= most}, most)


def large_raises(sizes, most):
    for name, size in sizes.items():
        if size > most:
            raise ValueError(name)
    return filled(sizes, most)


def large_comes_last(sizes, most):
    small = {name: size for name, size in sizes.items() if size <= most}
    return filled(small, most) + [[name] for name in sizes if name not in small]


def joins_the_large_one(sizes, most):  # full only when the sum is over
    files, file, total = [], [], 0
    for name, size in sizes.items():
        file.append(name)
        total += size
        if total > most:
            files.append(file)
            file, total = [], 0
    return [*files, file] if file else files


def after_a_large_one_zero(sizes, most):  # a small one joins the large
    files, total = [], 0
    for name, size in sizes.items():
        if not files or total + size > most:
            files.append([])
            total = 0
        files[-1].append(name)
        total += size if size <= most else 0
    return files


def first_of_a_file_not_counted(sizes, most):
    files, total = [], 0
    for name, size in sizes.items():
        if not files or total + size > most:
            files.append([name])
            total = 0
            continue
        files[-1].append(name)
        total += size
    return files


def never_reset(sizes, most):
    files, total = [], 0
    for name, size in sizes.items():
        total += size
        if not files or total > most:
            files.append([])
        files[-1].append(name)
    return files


def by_even_steps(sizes, most):
    files, end = {}, 0
    for name, size in sizes.items():
        files.setdefault(end // most, []).append(name)
        end += size
    return list(files.values())


def by_last_byte(sizes, most):
    files, end = {}, 0
    for name, size in sizes.items():
        end += size
        files.setdefault((end - 1) // most, []).append(name)
    return list(files.values())


def any_file_that_has_room(sizes, most):
    files, totals = [], []
    for name, size in sizes.items():
        for i, total in enumerate(totals):
            if total + size <= most:
                files[i].append(name)
                totals[i] += size
                break
        else:
            files.append([name])
            totals.append(size)
    return files


def by_name(sizes, most):
    return filled(dict(sorted(sizes.items())), most)


def large_first(sizes, most):
    return filled(dict(sorted(sizes.items(), key=lambda pair: -pair[1])), most)


def small_first(sizes, most):
    return filled(dict(sorted(sizes.items(), key=lambda pair: pair[1])), most)


def from_the_end(sizes, most):
    back = filled(dict(reversed(sizes.items())), most)
    return [file[::-1] for file in back[::-1]]


def one_each(sizes, most):
    return [[name] for name in sizes]


def all_in_one(sizes, most):
    return [list(sizes)]


def sizes_for_names(sizes, most):
    return [[sizes[name] for name in file] for file in filled(sizes, most)]


def names_by_size(sizes, most):  # two of one size are one
    names = {size: name for name, size in sizes.items()}
    return [[names[sizes[name]] for name in file] for file in filled(sizes, most)]


def so_many_each(sizes, most):
    names = list(sizes)
    return [names[i : i + most] for i in range(0, len(names), most)]


def empties_the_callers(sizes, most):
    files = filled(sizes, most)
    while sizes:
        sizes.popitem()
    return files


def as_few_as_even(sizes, most):
    n = -(-sum(sizes.values()) // most)
    return filled(sizes, -(-sum(sizes.values()) // n)) if n else []


def with_room_for_a_header(sizes, most):
    return filled(sizes, most - 8)


def names_in_one_line(sizes, most):
    return [" ".join(file) for file in filled(sizes, most)]


def flat(sizes, most):
    return [name for file in filled(sizes, most) for name in file]


def files_of_sizes(sizes, most):
    return [{name: sizes[name] for name in file} for file in filled(sizes, most)]


def files_by_looking_ahead(sizes, most):
    names, begin, files = list(sizes), 0, []
    while begin < len(names):
        end = begin + 1
        while end < len(names) and sum(sizes[name] for name in names[begin : end + 1]) <= most:
            end += 1
        files.append(tuple(names[begin:end]))
        begin = end
    return tuple(files)


def files_by_bisection(sizes, most):
    names, ends = list(sizes), list(itertools.accumulate(sizes.values()))
    begin, before = 0, 0
    while begin < len(names):
        end = max(begin + 1, bisect.bisect_right(ends, before + most))
        yield iter(names[begin:end])
        begin, before = end, ends[end - 1]


def files_by_recursion(sizes, most):
    def rest(pairs):
        if not pairs:
            return []
        n, total = 1, pairs[0][1]
        while n < len(pairs) and total + pairs[n][1] <= most:
            total, n = total + pairs[n][1], n + 1
        return [deque(name for name, _ in pairs[:n]), *rest(pairs[n:])]

    return rest(list(sizes.items()))


def files_as_keys(sizes, most):
    files, room = [], 0
    for name, size in sizes.items():
        if size > room:
            files.append({})
            room = most
        files[-1][name] = True
        room -= size
    return [file.keys() for file in files]


def files_in_numpy(sizes, most):
    return [np.array(file) for file in filled(sizes, most)]


# 11.6 -----------------------------------------------------------------


def folded(g, b, weight, bias):
    return weight * g, bias + weight @ b


def weight_alone(norm_weight, norm_bias, weight, bias):
    return weight * norm_weight, bias


def bias_alone(norm_weight, norm_bias, weight, bias):
    return weight, bias + weight @ norm_bias


def unchanged(norm_weight, norm_bias, weight, bias):
    return weight.clone(), bias.clone()


def bias_through_the_new_weight(norm_weight, norm_bias, weight, bias):
    weight = weight * norm_weight
    return weight, bias + weight @ norm_bias


def old_bias_lost(norm_weight, norm_bias, weight, bias):
    return weight * norm_weight, weight @ norm_bias


def bias_taken_away(norm_weight, norm_bias, weight, bias):
    return weight * norm_weight, bias - weight @ norm_bias


def divided(norm_weight, norm_bias, weight, bias):
    return weight / norm_weight, bias + weight @ norm_bias


def rows_scaled(norm_weight, norm_bias, weight, bias):
    return weight * norm_weight[:, None], bias + weight @ norm_bias


def rows_where_it_fits(norm_weight, norm_bias, weight, bias):
    by_rows = len(norm_weight) == len(weight)
    return weight * (norm_weight[:, None] if by_rows else norm_weight), bias + weight @ norm_bias


def bias_scaled_too(norm_weight, norm_bias, weight, bias):
    return weight * norm_weight, weight @ norm_bias + bias * norm_weight.mean()


def biases_added(norm_weight, norm_bias, weight, bias):
    return weight * norm_weight, bias + norm_bias


def biases_added_in_sum(norm_weight, norm_bias, weight, bias):
    return weight * norm_weight, bias + norm_bias.sum()


def row_sums(norm_weight, norm_bias, weight, bias):
    return weight * norm_weight, bias + weight.sum(1) * norm_bias.mean()


def one_more(norm_weight, norm_bias, weight, bias):  # Gemma's norms
    return weight * (1 + norm_weight), bias + weight @ norm_bias


def other_way_round(norm_weight, norm_bias, weight, bias):
    return folded(norm_weight, norm_bias, weight, bias)[::-1]


def turned(norm_weight, norm_bias, weight, bias):
    return (weight * norm_weight).T, bias + weight @ norm_bias


def in_place(norm_weight, norm_bias, weight, bias):
    bias += weight @ norm_bias
    weight *= norm_weight
    return weight, bias


def weight_in_place(norm_weight, norm_bias, weight, bias):
    bias = bias + weight @ norm_bias
    return weight.mul_(norm_weight), bias


def bias_in_place(norm_weight, norm_bias, weight, bias):
    bias += weight @ norm_bias
    return weight * norm_weight, bias


def in_place_and_back(norm_weight, norm_bias, weight, bias):  # not to the last bit
    bias = bias + weight @ norm_bias
    weight *= norm_weight
    out = weight.clone()
    weight /= norm_weight
    return out, bias


def always_float32(norm_weight, norm_bias, weight, bias):
    return folded(norm_weight.float(), norm_bias.float(), weight.float(), bias.float())


def bias_in_float32(norm_weight, norm_bias, weight, bias):
    return weight * norm_weight, (bias + weight @ norm_bias).float()


def in_16_bits(norm_weight, norm_bias, weight, bias):
    new = folded(*(part.bfloat16() for part in (norm_weight, norm_bias, weight, bias)))
    return tuple(part.to(weight.dtype) for part in new)


def centred(norm_weight, norm_bias, weight, bias):  # right on normalized x, but not what was asked
    weight, bias = folded(norm_weight, norm_bias, weight, bias)
    return weight - weight.mean(1, keepdim=True) * 1.5, bias


def bias_as_a_column(norm_weight, norm_bias, weight, bias):
    return weight * norm_weight, (bias + weight @ norm_bias)[:, None]


def weight_only_returned(norm_weight, norm_bias, weight, bias):
    return weight * norm_weight


def weight_by_a_mean(norm_weight, norm_bias, weight, bias):
    return weight * norm_weight.mean(), bias + weight @ norm_bias


def absolute(norm_weight, norm_bias, weight, bias):
    return weight * norm_weight.abs(), bias + weight @ norm_bias


def roots(norm_weight, norm_bias, weight, bias):
    return weight * norm_weight.abs().sqrt(), bias + weight @ norm_bias


def into_one(norm_weight, norm_bias, weight, bias):
    new = folded(norm_weight, norm_bias, weight, bias)
    return torch.cat([new[0], new[1][:, None]], dim=1)


def shift_before_scale(norm_weight, norm_bias, weight, bias):  # (x + b) g
    return weight * norm_weight, bias + (weight * norm_weight) @ (norm_bias * norm_weight)


def fold_by_a_diagonal(norm_weight, norm_bias, weight, bias):
    return weight @ torch.diag(norm_weight), torch.addmv(bias, weight, norm_bias)


def fold_by_asking(norm_weight, norm_bias, weight, bias):
    def old(x):
        return F.linear(x * norm_weight + norm_bias, weight, bias)

    zero = old(torch.zeros_like(norm_weight))
    return (old(torch.eye(len(norm_weight), dtype=weight.dtype)) - zero).T, zero


def fold_in_numpy(norm_weight, norm_bias, weight, bias):
    g, b, w, c = (part.numpy().astype(np.float64) for part in (norm_weight, norm_bias, weight, bias))
    return [w * g, c + w @ b]


def fold_by_loops(norm_weight, norm_bias, weight, bias):
    new = [[w * g for w, g in zip(row, norm_weight.tolist(), strict=True)] for row in weight.tolist()]
    yield new
    rows = zip(weight.tolist(), bias.tolist(), strict=True)
    yield [c + sum(w * b for w, b in zip(row, norm_bias.tolist(), strict=True)) for row, c in rows]


def fold_in_float64(norm_weight, norm_bias, weight, bias):
    return folded(norm_weight.double(), norm_bias.double(), weight.double(), bias.double())


def fold_a_layer(norm_weight, norm_bias, weight, bias):
    layer = torch.nn.Linear(len(norm_weight), len(weight), dtype=weight.dtype)
    layer.weight = torch.nn.Parameter(torch.einsum("nc,c->nc", weight, norm_weight))
    layer.bias = torch.nn.Parameter(F.linear(norm_bias, weight, bias))
    return layer.weight, layer.bias


# 11.7 -----------------------------------------------------------------


def measured():
    x = torch.linspace(1, 2, 2**16 + 1)
    return ((x.bfloat16().float() - x).abs() / x).max()


def measured_over_many():
    x = torch.arange(1, 2**17, dtype=torch.float32)
    return np.float32((((x.bfloat16().float() - x).abs()) / x).max())


WRONG = {
    "11.1": [
        metadata_too,
        stumbles_over_metadata,
        metadata_is_first,
        no_metadata_in_a_name,
        no_underlines_first,
        big_endian,
        length_in_one_byte,
        length_in_two_bytes,
        length_of_four_bytes,
        from_the_first_byte,
        ends_eight_early,
        header_in_ascii,
        header_in_latin,
        ascii_and_ignore,
        counts_characters,
        python_s_own_reading,
        up_to_two_braces,
        up_to_the_last_brace,
        up_to_two_spaces,
        all_that_follows,
        turned_shapes,
        without_scalars,
        scalars_of_one,
        scalars_of_none,
        without_empty_ones,
        numbers_of_each,
        torch_s_types,
        few_types,
        small_letters,
        shape_first,
        first_two_of_each,
        whole_entries,
        offsets_too,
        a_list,
        weights_only,
        simple_names_by_pattern,
        the_example,
    ],
    "11.2": [
        big_end_first,
        as_float16,
        as_the_lower_half,
        zeros_behind,
        whole_words,
        shifted_words,
        no_subnormals,
        no_infinities,
        subnormals_are_zero,
        all_infinite,
        all_nan,
        nan_is_zero,
        nan_left_out,
        without_sign,
        plus_zero,
        sign_of_the_byte,
        bias_of_126,
        bias_of_128,
        eight_bits_behind_the_point,
        subnormals_a_step_too_low,
        four_bytes_each,
        first_alone,
        columns_of_one,
        texts,
        through_float16,
        rounded,
        backwards,
        every_byte,
        one_and_a_half,
    ],
    "11.3": [
        only_replaces,
        replaces_or_none,
        model_taken_off,
        one_figure,
        two_figures,
        anywhere,
        ends_anyhow,
        dots_are_anything,
        weights_without_biases,
        always_a_weight,
        attention_of_any_part,
        mlp_of_any_part,
        unknown_as_it_is,
        unknown_is_empty,
        unknown_is_false,
        unknown_raises,
        prefix_may_be_missing,
        prefix_may_be_doubled,
        norms_swapped,
        head_is_the_embedding,
        no_head,
        no_norms_of_heads,
        layer_may_be_missing,
        layer_of_any_letters,
        layer_by_int,
        layer_by_int_or_none,
        counted_from_one,
        layers_stay,
        number_from_the_first_digits,
        last_two_pieces,
        only_small_models,
        an_empty_layer_by_template,
        biases_everywhere,
        biases_of_all_layers,
        biases_of_attention,
    ],
    "11.4": [
        three_blocks,
        three_then_heads,
        every_third_row,
        every_third_within_a_head,
        values_first,
        keys_first,
        keys_and_values_swapped,
        heads_stay_apart,
        heads_as_wide_as_many,
        width_from_the_columns,
        cuts_the_columns,
        no_bias,
        bias_as_a_matrix,
        transposed,
        first_head_only,
        queries_scaled,
        one_tensor,
        rows_within_a_head_turned,
        queries_alone,
        in_the_callers_weight,
        callers_weight_to_zero,
        pairs_of_heads,
        heads_from_the_back,
        one_row_each,
        sorted_for_rotation,
        rounds_to_16_bits,
    ],
    "11.5": [
        files_as_keys,
        full_is_too_full,
        last_file_lost,
        empty_file_first,
        empty_file_for_nothing,
        large_goes_in_between,
        large_left_out,
        large_raises,
        large_comes_last,
        joins_the_large_one,
        after_a_large_one_zero,
        first_of_a_file_not_counted,
        never_reset,
        by_even_steps,
        by_last_byte,
        any_file_that_has_room,
        by_name,
        large_first,
        small_first,
        from_the_end,
        one_each,
        all_in_one,
        sizes_for_names,
        names_by_size,
        so_many_each,
        empties_the_callers,
        as_few_as_even,
        with_room_for_a_header,
        names_in_one_line,
        flat,
        files_of_sizes,
    ],
    "11.6": [
        weight_alone,
        bias_alone,
        unchanged,
        bias_through_the_new_weight,
        old_bias_lost,
        bias_taken_away,
        divided,
        rows_scaled,
        rows_where_it_fits,
        bias_scaled_too,
        biases_added,
        biases_added_in_sum,
        row_sums,
        one_more,
        other_way_round,
        turned,
        in_place,
        weight_in_place,
        bias_in_place,
        in_place_and_back,
        always_float32,
        bias_in_float32,
        in_16_bits,
        centred,
        bias_as_a_column,
        weight_only_returned,
        weight_by_a_mean,
        absolute,
        roots,
        into_one,
        shift_before_scale,
    ],
    "11.7": [
        2**-7,
        1 / 129,
        2**-9,
        2**-16,
        2**-24,
        2**-11,
        2**-10,
        2**-12,
        0.39,
        0.38911,
        1 / 128 / 3,
        0.004,
        0.0038,
        0.01,
        0.1,
        0.5,
        0,
        1,
        -1 / 257,
        2**-6,
        2**-23,
        math.inf,
        math.nan,
        3.40e38,
    ],
}
RIGHT = {
    "11.1": [by_struct, by_reading_on, by_the_library, by_numpy, by_the_decoder, by_a_loop],
    "11.2": [
        right_numbers,
        by_frombuffer,
        by_shifting_in_numpy,
        by_wider_bytes,
        by_the_formula,
        by_memoryview,
        by_view_in_torch,
    ],
    "11.3": [name_by_table, name_by_one_pattern, name_by_pieces, name_by_template, name_by_going_in],
    "11.4": [heads_by_reshape, heads_stacked, heads_in_numpy, heads_row_by_row, heads_by_index],
    "11.5": [
        filled,
        files_by_looking_ahead,
        files_by_bisection,
        files_by_recursion,
        files_in_numpy,
    ],
    "11.6": [
        fold_by_a_diagonal,
        fold_by_asking,
        fold_in_numpy,
        fold_by_loops,
        fold_in_float64,
        fold_a_layer,
    ],
    "11.7": [1 / 257, 2**-8, 0.0039, measured, measured_over_many],
}
