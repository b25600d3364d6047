"""Answers to chapter 11's exercises."""

import json
import math
import re
import struct
from itertools import accumulate

import numpy as np
import torch
import torch.nn.functional as F
from harness import Answers, ExerciseTests

# -- 11.1 ------------------------------------------------------------------


def by_cutting(data):
    n = int.from_bytes(data[:8], "little")
    header = json.loads(data[8 : 8 + n])
    return {name: (part["dtype"], part["shape"]) for name, part in header.items() if name != "__metadata__"}


def by_unpacking(data):
    view = memoryview(data)
    (n,) = struct.unpack("<Q", view[:8])
    found = json.loads(str(view[8:][:n], "utf-8").strip())
    found.pop("__metadata__", None)
    for name in found:
        found[name] = found[name]["dtype"], tuple(found[name]["shape"])
    return found


def by_pairs(data):
    """The pairs of each object as they come, no dict before the last."""
    whole = json.loads(data[8 : 8 + int(np.frombuffer(data[:8], "<u8")[0])], object_pairs_hook=list)
    return dict(
        (name, [dict(parts)["dtype"], torch.tensor(dict(parts)["shape"])])
        for name, parts in whole
        if name != "__metadata__"
    )


def by_counting_braces(data):
    text = data[8:].decode("utf-8", "surrogateescape")
    header, end = json.JSONDecoder().raw_decode(text)
    assert end <= int.from_bytes(data[:8], "little")
    return {
        name: tuple(header[name][key] for key in ("dtype", "shape"))
        for name in header
        if name[:] != "__metadata__"
    }


def with_metadata(data):
    n = int.from_bytes(data[:8], "little")
    return {
        name: (part.get("dtype"), part.get("shape")) for name, part in json.loads(data[8 : 8 + n]).items()
    }


def without_looking(data):
    n = int.from_bytes(data[:8], "little")
    return {name: (part["dtype"], part["shape"]) for name, part in json.loads(data[8 : 8 + n]).items()}


def reversed_length(data):
    n = int.from_bytes(data[:8], "big")
    return {
        name: (p["dtype"], p["shape"]) for name, p in json.loads(data[8 : 8 + n]).items() if name[0] != "_"
    }


def one_byte(data):
    header = json.loads(data[8 : 8 + data[0]])
    header.pop("__metadata__", None)
    return {name: (part["dtype"], part["shape"]) for name, part in header.items()}


def from_zero(data):
    header = json.loads(data[: struct.unpack("<Q", data[:8])[0]])
    return {name: (part["dtype"], part["shape"]) for name, part in header.items() if name != "__metadata__"}


def in_ascii(data):
    header = json.loads(data[8 : 8 + struct.unpack("<Q", data[:8])[0]].decode("ascii"))
    return {name: (part["dtype"], part["shape"]) for name, part in header.items() if name != "__metadata__"}


def no_scalars(data):
    return {name: found for name, found in by_cutting(data).items() if len(found[1]) > 0}


def ones_for_scalars(data):
    return {name: (dtype, shape or [1]) for name, (dtype, shape) in by_cutting(data).items()}


def sizes_turned(data):
    return {name: (dtype, list(reversed(shape))) for name, (dtype, shape) in by_cutting(data).items()}


def in_their_order(data):
    header = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])
    return {name: list(part.values())[:2] for name, part in header.items() if name != "__metadata__"}


def last_brace(data):
    header = json.loads(data[8 : data.rfind(b"}") + 1])
    return {name: (part["dtype"], part["shape"]) for name, part in header.items() if name != "__metadata__"}


def numbers_in_all(data):
    return {name: (dtype, math.prod(shape)) for name, (dtype, shape) in by_cutting(data).items()}


def small_letters(data):
    return {name.lower(): found for name, found in by_cutting(data).items()}


def without_spaces(data):
    header = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")].replace(b" ", b""))
    return {name: (part["dtype"], part["shape"]) for name, part in header.items() if name != "__metadata__"}


def popped(data):
    header = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])
    header.pop("__metadata__")
    return {name: (part["dtype"], part["shape"]) for name, part in header.items()}


def no_such_word(data):
    return {name: found for name, found in by_cutting(data).items() if "metadata" not in name}


# -- 11.2 ------------------------------------------------------------------


def as_upper_half(data):
    return [struct.unpack("<f", b"\0\0" + data[i : i + 2])[0] for i in range(0, len(data), 2)]


def by_torch(data):
    return torch.frombuffer(bytearray(data), dtype=torch.bfloat16).float()


def by_numpy(data):
    wide = np.zeros(len(data) // 2, dtype=np.uint32)
    wide |= np.frombuffer(data, dtype="<u2")
    return np.left_shift(wide, 16).view(np.float32).astype(np.float64)


def by_words(data):
    for low, high in zip(data[::2], data[1::2], strict=True):
        sign = -1.0 if high & 128 else 1.0
        exponent, rest = (high & 127) << 1 | low >> 7, low & 127
        if exponent == 255:
            yield math.nan if rest else sign * math.inf
        elif exponent:
            yield sign * (1 + rest / 128) * 2.0 ** (exponent - 127)
        else:
            yield sign * rest * 2.0**-133


def big_endian(data):
    return [struct.unpack(">f", data[i : i + 2] + b"\0\0")[0] for i in range(0, len(data), 2)]


def lower_half(data):
    return [struct.unpack("<f", data[i : i + 2] + b"\0\0")[0] for i in range(0, len(data), 2)]


def as_halves(data):
    return np.frombuffer(data, dtype="<f2")


def as_integers(data):
    return np.frombuffer(data, dtype="<u2")


def of_the_books(data):
    out = []
    for (word,) in struct.iter_unpack("<H", data):
        out.append((-1) ** (word >> 15) * 2.0 ** ((word >> 7) % 256 - 127) * (1 + word % 128 / 128))
    return out


def of_the_books_with_ends(data):
    return [
        math.copysign(x, y) if abs(x) > 2.0**127.9 and not math.isfinite(y) else x for x, y in pairs(data)
    ]


def pairs(data):
    """What the formula of the books makes of each number, with the ends right, and the number."""
    right = as_upper_half(data)
    return [(y if not math.isfinite(y) else x, y) for x, y in zip(of_the_books(data), right, strict=True)]


def zero_below(data):
    return [x if x != x or abs(x) >= 2.0**-126 else math.copysign(0.0, x) for x in as_upper_half(data)]


def never_minus_zero(data):
    return [x or 0.0 for x in as_upper_half(data)]


def nan_is_infinite(data):
    return [math.inf if x != x else x for x in as_upper_half(data)]


def positive(data):
    return by_torch(data).abs()


def two_as_one(data):
    return [x for (x,) in struct.iter_unpack("<f", data[: len(data) // 4 * 4])]


def infinite_without_sign(data):
    return [abs(x) if math.isinf(x) else x for x in as_upper_half(data)]


def as_a_dict(data):
    return {"numbers": as_upper_half(data)}


def in_float16(data):
    return by_torch(data).to(torch.float16)


def one_number(data):
    return as_upper_half(data)[0]


def doubled(data):
    return by_torch(data) * 2


# -- 11.3 ------------------------------------------------------------------

ATTENTION = ("q_proj", "k_proj", "v_proj", "o_proj", "q_norm", "k_norm")


def by_two_tables(name):
    outer = {
        "model.embed_tokens.weight": "embed.weight",
        "model.norm.weight": "norm.weight",
        "lm_head.weight": "head.weight",
    }
    inner = {"input_layernorm.weight": "norm_1.weight", "post_attention_layernorm.weight": "norm_2.weight"}
    inner |= {f"self_attn.{part}.weight": f"attn.{part}.weight" for part in ATTENTION}
    inner |= {f"self_attn.{part}_proj.bias": f"attn.{part}_proj.bias" for part in "qkv"}
    inner |= {f"mlp.{part}_proj.weight": f"mlp.{part}_proj.weight" for part in ("gate", "up", "down")}
    found = re.match(r"model\.layers\.([0-9]+)\.", name)
    if not found:
        return outer.get(name)
    rest = inner.get(name[found.end() :])
    return rest and f"blocks.{found[1]}.{rest}"


def by_patterns(name):
    patterns = [
        (r"model\.embed_tokens\.weight", r"embed.weight"),
        (r"model\.norm\.weight", r"norm.weight"),
        (r"lm_head\.weight", r"head.weight"),
        (r"model\.layers\.([0-9]+)\.input_layernorm\.weight", r"blocks.\1.norm_1.weight"),
        (r"model\.layers\.([0-9]+)\.post_attention_layernorm\.weight", r"blocks.\1.norm_2.weight"),
        (r"model\.layers\.([0-9]+)\.self_attn\.([qkvo]_proj|[qk]_norm)\.weight", r"blocks.\1.attn.\2.weight"),
        (r"model\.layers\.([0-9]+)\.self_attn\.([qkv]_proj)\.bias", r"blocks.\1.attn.\2.bias"),
        (r"model\.layers\.([0-9]+)\.mlp\.((?:gate|up|down)_proj)\.weight", r"blocks.\1.mlp.\2.weight"),
    ]
    for theirs, ours in patterns:
        if found := re.fullmatch(theirs, name):
            return found.expand(ours)
    return None


def by_splitting(name):
    found = by_splitting_loosely(name)
    if found and found.endswith("bias") and found.split(".")[-2] not in ("q_proj", "k_proj", "v_proj"):
        return None
    return found


def by_splitting_loosely(name):
    pieces = name.split(".")
    if len(pieces) < 2 or pieces.pop() not in ("weight", "bias"):
        return None
    kind = name[name.rindex(".") + 1 :]
    if pieces == ["lm_head"]:
        return "head." + kind
    if pieces in (["model", "embed_tokens"], ["model", "norm"]):
        return pieces[1].replace("embed_tokens", "embed") + "." + kind
    if pieces[:2] != ["model", "layers"] or len(pieces) < 4 or not re.fullmatch("[0-9]+", pieces[2]):
        return None
    number, rest = pieces[2], pieces[3:]
    if rest in (["input_layernorm"], ["post_attention_layernorm"]):
        return f"blocks.{number}.norm_{2 - (rest[0][0] == 'i')}.{kind}"
    if len(rest) == 2 and rest[0] == "self_attn" and rest[1] in ATTENTION:
        return f"blocks.{number}.attn.{rest[1]}.{kind}"
    if len(rest) == 2 and rest[0] == "mlp" and rest[1] in ("gate_proj", "up_proj", "down_proj"):
        return f"blocks.{number}.mlp.{rest[1]}.{kind}"
    return None


def replacing(name):
    name = (
        name.replace("model.layers", "blocks")
        .replace("model.embed_tokens", "embed")
        .replace("self_attn", "attn")
    )
    name = name.replace("input_layernorm", "norm_1").replace("post_attention_layernorm", "norm_2")
    return name.replace("model.norm", "norm").replace("lm_head", "head")


def replacing_or_none(name):
    return replacing(name) if replacing(name) != name else None


def one_figure(name):
    found = re.match(r"model\.layers\.([0-9]+)\.", name)
    return None if found and len(found[1]) > 1 else by_patterns(name)


def weights_alone(name):
    return by_patterns(name) if name.endswith("weight") else None


def itself(name):
    return by_patterns(name) or name


def nothing(name):
    return by_patterns(name) or ""


def key_error(name):
    if by_patterns(name) is None:
        raise KeyError(name)
    return by_patterns(name)


def any_prefix(name):
    return by_patterns(name) or by_patterns("model." + name)


def any_layer(name):
    found = re.match(r"model\.layers\.([^.]*)\.", name)
    return (
        by_patterns(name)
        if not found
        else swap(by_patterns(f"model.layers.0.{name[found.end() :]}"), found[1])
    )


def swap(name, layer):
    return name and name.replace("blocks.0.", f"blocks.{layer}.")


def int_of_the_layer(name):
    pieces = name.split(".")
    if name.startswith("model.layers.") and len(pieces) > 3:
        pieces[2] = str(int(pieces[2]))
    return by_patterns(".".join(pieces))


def all_of_attention(name):
    found = re.fullmatch(r"model\.layers\.([0-9]+)\.self_attn\.(.*)", name)
    return f"blocks.{found[1]}.attn.{found[2]}" if found else by_patterns(name)


def all_of_the_mlp(name):
    found = re.fullmatch(r"model\.layers\.([0-9]+)\.mlp\.(.*)", name)
    return f"blocks.{found[1]}.mlp.{found[2]}" if found else by_patterns(name)


def without_qk_norms(name):
    return None if name.endswith(("q_norm.weight", "k_norm.weight")) else by_patterns(name)


def tied(name):
    return by_patterns(name) if name != "lm_head.weight" else "embed.weight"


def from_one(name):
    found = re.match(r"model\.layers\.([0-9]+)", name)
    return by_patterns(name) and (swap_number(name, int(found[1]) + 1) if found else by_patterns(name))


def swap_number(name, number):
    return re.sub(r"blocks\.[0-9]+", f"blocks.{number}", by_patterns(name))


def layers_by(found, name):
    """What is in the table outside of layers, and what a pattern found within one."""
    if not name.startswith("model.layers.") and by_patterns(name):
        return by_patterns(name)
    return found and by_patterns(f"model.layers.{found[1]}.{found[2]}.{found[3]}")


def by_match(name):
    return layers_by(re.match(r"model\.layers\.([0-9]+)\.([a-z_.]+)\.(weight|bias)", name), name)


def by_search(name):
    return layers_by(re.search(r"model\.layers\.([0-9]+)\.([a-z_.]+)\.(weight|bias)$", name), name)


def to_the_end_of_a_line(name):
    return layers_by(re.match(r"model\.layers\.([0-9]+)\.([a-z_.]+)\.(weight|bias)$", name), name)


def model_or_not(name):
    return layers_by(re.fullmatch(r"(?:model\.)?layers\.([0-9]+)\.([a-z_.]+)\.(weight|bias)", name), name)


def points_unescaped(name):
    return layers_by(re.fullmatch(r"model.layers.([0-9]+).([a-z_.]+).(weight|bias)", name), name)


def any_digits(name):
    found = re.fullmatch(r"model\.layers\.(\d+)\.(.*)", name)
    if found is None or found[1].isascii():
        return by_patterns(name)
    ours = by_patterns(f"model.layers.0.{found[2]}")
    return ours and ours.replace("blocks.0.", f"blocks.{found[1]}.", 1)


def by_isdigit(name):
    pieces = name.split(".")
    if len(pieces) > 2 and pieces[2].isdigit():
        ours = by_patterns(".".join([*pieces[:2], "0", *pieces[3:]]))
        return ours and ours.replace("blocks.0", f"blocks.{pieces[2]}")
    return by_patterns(name)


def any_ending(name):
    stem, _, kind = name.rpartition(".")
    ours = by_patterns(f"{stem}.bias")
    return ours.replace("bias", kind) if ours else by_patterns(name)


def stripped(name):
    return by_patterns(name.strip())


def ending_lost(name):
    ours = by_patterns(name)
    return ours and ours.rpartition(".")[0]


def v_norm_too(name):
    ours = by_patterns(name.replace("v_norm", "k_norm"))
    return ours and (ours.replace("k_norm", "v_norm") if "v_norm" in name else ours)


def fails_to_unpack(name):
    if by_patterns(name) or name.count(".") < 3:
        return by_patterns(name)
    _, _, _, _, _, _ = name.split(".")
    return None


def up_to_31(name):
    found = re.match(r"model\.layers\.([0-9]+)\.", name)
    return None if found and int(found[1]) > 31 else by_patterns(name)


# -- 11.4 ------------------------------------------------------------------


def by_unflattening(weight, n_heads):
    return tuple(part.flatten(0, 1) for part in weight.unflatten(0, (n_heads, 3, -1)).unbind(1))


def by_walking(weight, n_heads):
    D, out = len(weight) // n_heads // 3, ([], [], [])
    for head in range(n_heads):
        for i in range(3):
            begin = (3 * head + i) * D
            out[i].append(weight[begin : begin + D])
    return [torch.cat(parts) for parts in out]


def by_order(weight, n_heads):
    order = np.arange(len(weight)).reshape(n_heads, 3, -1).swapaxes(0, 1).reshape(3, -1)
    return weight.numpy()[order]


def by_einsum(weight, n_heads):
    cut = torch.einsum("hp...->ph...", weight.reshape(n_heads, 3, -1))  # (3, H, D C)
    return (part.reshape(len(weight) // 3, *weight.shape[1:]) for part in cut)


def three_parts(weight, n_heads):
    return torch.chunk(weight, 3, dim=0)


def thirds(weight, n_heads):
    return weight[::3], weight[1::3], weight[2::3]


def not_joined(weight, n_heads):
    return weight.unflatten(0, (n_heads, 3, -1)).unbind(1)


def keys_values_exchanged(weight, n_heads):
    q, k, v = by_unflattening(weight, n_heads)
    return q, v, k


def from_the_end(weight, n_heads):
    return by_unflattening(weight, n_heads)[::-1]


def as_wide_as_many(weight, n_heads):
    return tuple(part.flatten(0, 1) for part in weight.unflatten(0, (-1, 3, n_heads)).unbind(1))


def for_matrices(weight, n_heads):
    rows, C = weight.shape
    return tuple(weight.view(n_heads, 3, -1, C).permute(1, 0, 2, 3).reshape(3, -1, C))


def column_for_a_bias(weight, n_heads):
    return tuple(weight.reshape(n_heads, 3, len(weight) // 3 // n_heads, -1).transpose(0, 1).flatten(1, 2))


def head_zero(weight, n_heads):
    return tuple(weight[: len(weight) // n_heads].chunk(3))


def on_its_side(weight, n_heads):
    return tuple(part.T if part.ndim > 1 else part for part in by_unflattening(weight, n_heads))


def with_a_factor(weight, n_heads):
    q, k, v = by_unflattening(weight, n_heads)
    return q * (len(q) // n_heads) ** -0.5, k, v


def overwritten(weight, n_heads):
    weight.copy_(torch.cat(by_unflattening(weight, n_heads)))
    return weight.chunk(3)


def width_from_columns(weight, n_heads):
    cut = weight.unflatten(0, (n_heads, 3, weight.shape[-1] // n_heads))
    return [cut[:, i].flatten(0, 1) for i in range(3)]


def without_nan(weight, n_heads):
    return by_unflattening(torch.nan_to_num(weight), n_heads)


def the_columns(weight, n_heads):
    return weight.chunk(3, dim=-1)


# -- 11.5 ------------------------------------------------------------------


def greedy(sizes, most):
    files, room = [], 0
    for name in sizes:
        if sizes[name] > room or not files:
            files.append([])
            room = most
        files[-1].append(name)
        room -= sizes[name]
    return files


def by_sums(sizes, most):
    names, ends = list(sizes), [0, *accumulate(sizes.values())]
    cuts = [0]
    for i in range(1, len(names)):
        if ends[i + 1] - ends[cuts[-1]] > most:
            cuts.append(i)
    return [tuple(names[a:b]) for a, b in zip(cuts, [*cuts[1:], len(names)], strict=True)] if names else ()


def as_a_generator(sizes, most):
    file, total = [], 0
    for name, size in sizes.items():
        if file and total + size > most:
            yield file
            file, total = [], 0
        file = [*file, name]
        total += size
    if file:
        yield np.array(file)


def just_fits_not(sizes, most):
    files, total = [], most
    for name, size in sizes.items():
        if total + size >= most:
            files.append([])
            total = 0
        files[-1].append(name)
        total += size
    return files


def last_forgotten(sizes, most):
    return list(as_a_generator(sizes, most))[:-1]


def begins_with_an_empty_one(sizes, most):
    files, total = [[]], 0
    for name, size in sizes.items():
        if total + size > most:
            files.append([])
            total = 0
        files[-1].append(name)
        total += size
    return files


def as_hugging_face(sizes, most):
    files, now, total = [], [], 0
    for name, size in sizes.items():
        if size > most:
            files.append([name])
        elif total + size > most:
            files.append(now)
            now, total = [name], size
        else:
            now.append(name)
            total += size
    return [*files, now] if now else files


def too_late(sizes, most):
    files, total = [], most + 1
    for name, size in sizes.items():
        if total > most:
            files.append([])
            total = 0
        files[-1].append(name)
        total += size
    return files


def sum_goes_on(sizes, most):
    files, total = [[]] if sizes else [], 0
    for name, size in sizes.items():
        total += size
        if total > most and files != [[]]:
            files.append([])
        files[-1].append(name)
    return files


def sorted_first(sizes, most):
    return greedy({name: sizes[name] for name in sorted(sizes)}, most)


def largest_first(sizes, most):
    return greedy({name: sizes[name] for name in sorted(sizes, key=sizes.get, reverse=True)}, most)


def wherever_it_fits(sizes, most):
    files = []
    for name, size in sizes.items():
        for file in files:
            if sum(sizes[other] for other in file) + size <= most:
                file.append(name)
                break
        else:
            files.append([name])
    return files


def alone(sizes, most):
    return [[name] for name in sizes]


def small_ones_only(sizes, most):
    return greedy({name: size for name, size in sizes.items() if size <= most}, most)


def refuses(sizes, most):
    if sizes and max(sizes.values()) > most:
        raise ValueError("too large")
    return greedy(sizes, most)


def their_sizes(sizes, most):
    return [[sizes[name] for name in file] for file in greedy(sizes, most)]


def takes_them_out(sizes, most):
    return [[(name, sizes.pop(name))[0] for name in file] for file in greedy(sizes, most)]


def no_bytes_no_tensor(sizes, most):
    return greedy({name: size for name, size in sizes.items() if size > 0}, most)


def begun_if_any_bytes(sizes, most):
    files, held = [], 0
    for name, size in sizes.items():
        if held == 0 or held + size > most:
            files.append([])
            held = 0
        files[-1].append(name)
        held += size
    return files


def full_is_over(sizes, most):
    files, held = [], most
    for name, size in sizes.items():
        if held >= most or held + size > most:
            files.append([])
            held = 0
        files[-1].append(name)
        held += size
    return files


def in_gigabytes(sizes, most):
    files, held = [], 0
    for name, size in sizes.items():
        if not files or held + size / 1e9 > most / 1e9:
            files.append([])
            held = 0
        files[-1].append(name)
        held += size / 1e9
    return files


def in_float32(sizes, most):
    files, held = [], np.float32(most)
    for name, size in sizes.items():
        if not files or held + np.float32(size) > np.float32(most):
            files.append([])
            held = np.float32(0)
        files[-1].append(name)
        held += np.float32(size)
    return files


def the_first_is_empty(sizes, most):
    files, file, held = [], [], 0
    for name, size in sizes.items():
        if held + size > most:
            files.append(file)
            file, held = [], 0
        file.append(name)
        held += size
    return files + [file] if file else files


def one_list(sizes, most):
    return sum(greedy(sizes, most), [])


# -- 11.6 ------------------------------------------------------------------


def by_broadcasting(norm_weight, norm_bias, weight, bias):
    return weight * norm_weight, bias + weight @ norm_bias


def by_a_matrix(norm_weight, norm_bias, weight, bias):
    return torch.einsum("nc,c->nc", weight, norm_weight), F.linear(norm_bias, weight, bias)


def by_trying(norm_weight, norm_bias, weight, bias):
    """What it gives for 0 and for each unit vector tells all of a linear layer."""
    units = torch.cat([torch.zeros_like(norm_weight)[None], torch.eye(len(norm_weight)).to(weight)])
    out = F.linear(units * norm_weight + norm_bias, weight, bias)  # (1 + C, n)
    return [(out[1:] - out[0]).T, out[0]]


def in_numpy(norm_weight, norm_bias, weight, bias):
    w = weight.numpy()
    return w * norm_weight.numpy()[None], np.add(bias.numpy(), w.dot(norm_bias.numpy()))


def scale_only(norm_weight, norm_bias, weight, bias):
    return weight * norm_weight, bias


def shift_only(norm_weight, norm_bias, weight, bias):
    return weight, bias + weight @ norm_bias


def shift_scaled(norm_weight, norm_bias, weight, bias):
    new = weight * norm_weight
    return new, bias + new @ norm_bias


def no_old_bias(norm_weight, norm_bias, weight, bias):
    return weight * norm_weight, weight @ norm_bias


def the_rows(norm_weight, norm_bias, weight, bias):
    return weight * norm_weight.unsqueeze(1), bias + weight @ norm_bias


def out_again(norm_weight, norm_bias, weight, bias):
    return weight / norm_weight, bias - weight @ norm_bias


def only_divided(norm_weight, norm_bias, weight, bias):
    return weight / norm_weight, bias + weight @ norm_bias


def added_shift(norm_weight, norm_bias, weight, bias):
    return weight * norm_weight, bias + norm_bias.sum()


def gemma_s(norm_weight, norm_bias, weight, bias):
    return weight * (norm_weight + 1), bias + weight @ norm_bias


def exchanged(norm_weight, norm_bias, weight, bias):
    return bias + weight @ norm_bias, weight * norm_weight


def in_their_place(norm_weight, norm_bias, weight, bias):
    bias.add_(weight @ norm_bias)
    weight.mul_(norm_weight)
    return weight, bias


def in_32_bits(norm_weight, norm_bias, weight, bias):
    return (weight * norm_weight).float(), (bias + weight @ norm_bias).float()


def float32_on_the_way(norm_weight, norm_bias, weight, bias):
    new = by_broadcasting(*(part.float() for part in (norm_weight, norm_bias, weight, bias)))
    return new[0].to(weight.dtype), new[1].to(bias.dtype)


def old_where_nothing_is_shifted(norm_weight, norm_bias, weight, bias):
    return weight * norm_weight, bias + weight @ norm_bias if norm_bias.any() else bias


def old_where_nothing_is_scaled(norm_weight, norm_bias, weight, bias):
    new = weight.view(weight.shape) if (norm_weight == 1).all() else weight * norm_weight
    return new, bias + weight @ norm_bias


def old_numbers_of_numpy(norm_weight, norm_bias, weight, bias):
    new = weight.numpy()
    return new if (norm_weight == 1).all() else new * norm_weight.numpy(), bias + weight @ norm_bias


def a_column(norm_weight, norm_bias, weight, bias):
    return weight * norm_weight, bias[:, None] + weight @ norm_bias[:, None]


def weight_alone(norm_weight, norm_bias, weight, bias):
    return weight * norm_weight


def taken_off(norm_weight, norm_bias, weight, bias):
    return weight * norm_weight, bias - weight @ norm_bias


# -- 11.7 ------------------------------------------------------------------


def by_thought():
    return 2**-8 / (1 + 2**-8)


def by_all_of_one_octave():
    x = torch.arange(2**23, 2**24, 2**7, dtype=torch.float32)
    return float(((x.bfloat16().float() - x) / x).abs().max())


def in_numbers_of_numpy():
    x = np.linspace(1, 2, 100_001, dtype=np.float32)
    bits = x.view(np.uint32) + 0x7FFF + (x.view(np.uint32) >> 16 & 1)  # rounds half to even
    near = (bits & 0xFFFF0000).astype(np.uint32).view(np.float32)
    return np.max(np.abs(near.astype(np.float64) - x) / x)


def cut_off():
    x = torch.linspace(1, 2, 100_001)
    return ((x - (x.view(torch.int32) >> 16 << 16).view(torch.float32)) / x).max()


NOT_YET = "expected"

ANSWERS = {
    "11.1": Answers(
        right=[by_cutting, by_unpacking, by_pairs, by_counting_braces],
        wrong=[
            (with_metadata, "no tensor"),
            (without_looking, "no tensor"),
            (reversed_length, "JSONDecodeError"),
            (one_byte, "lengths up to 255"),
            (from_zero, "begins after the eight bytes"),
            (in_ascii, "UTF-8"),
            (no_scalars, "A scalar is a tensor too"),
            (ones_for_scalars, "not [1]"),
            (sizes_turned, "turned them round"),
            (in_their_order, "no order"),
            (last_brace, "any byte"),
            (numbers_in_all, "multiplied"),
            (no_such_word, "only that name alone"),
            (small_letters, "a capital letter is another letter"),
            (popped, "Not every file has `__metadata__`"),
            (without_spaces, "A space may stand in a name"),
        ],
    ),
    "11.2": Answers(
        right=[as_upper_half, by_torch, by_numpy, by_words],
        wrong=[
            (big_endian, "little-endian"),
            (lower_half, "the lower half"),
            (as_halves, "That is float16"),
            (as_integers, "as a whole number"),
            (of_the_books, "Infinities and NaN have a rule"),
            (of_the_books_with_ends, "Below 2 to the −126"),
            (zero_below, "Below 2 to the −126"),
            (never_minus_zero, "Minus zero has a sign"),
            (nan_is_infinite, "NaN where any"),
            (positive, "The highest bit is the sign"),
            (two_as_one, "four bytes a number"),
            (in_float16, "way through float16"),
            (infinite_without_sign, "An infinity has a sign too"),
            (never_minus_zero, "expected  [-0]"),
            (as_a_dict, "expected  [1]"),
            (as_a_dict, "this is a dict"),
            (one_number, "a list of numbers"),
            (doubled, "Twice too large"),
        ],
    ),
    "11.3": Answers(
        right=[by_two_tables, by_patterns, by_splitting],
        wrong=[
            (replacing, "Replacing words"),
            (replacing_or_none, "Replacing words"),
            (one_figure, "more than one figure"),
            (weights_alone, "Qwen2's do"),
            (by_splitting_loosely, "the table has none elsewhere"),
            (itself, "not itself"),
            (nothing, "not an empty text"),
            (key_error, "it must not raise"),
            (any_prefix, "some other file"),
            (any_layer, "one figure, 0 to 9, or more"),
            (int_of_the_layer, "one figure, 0 to 9, or more"),
            (all_of_attention, "Under `self_attn`"),
            (all_of_the_mlp, "Under `mlp`"),
            (without_qk_norms, "Qwen3's"),
            (tied, "a head of its own"),
            (from_one, "keep their numbers"),
            (up_to_31, "Your table ends"),
            (by_match, "`fullmatch`, not `match`"),
            (by_search, "`fullmatch`, not `search`"),
            (to_the_end_of_a_line, "`$` lets one pass"),
            (model_or_not, "Without `model.`"),
            (points_unescaped, "stands for any letter"),
            (by_isdigit, "`isdigit` says yes to"),
            (any_digits, "digits of other scripts"),
            (any_ending, "`.qweight` is neither"),
            (stripped, "a new line follows it"),
            (ending_lost, "The ending is missing"),
            (v_norm_too, "nothing else in `self_attn` has"),
            (fails_to_unpack, "it must not raise"),
            (itself, "experts"),
        ],
    ),
    "11.4": Answers(
        right=[by_unflattening, by_walking, by_order, by_einsum],
        wrong=[
            (three_parts, "GPT-2's order"),
            (thirds, "every third row"),
            (not_joined, "joined again"),
            (keys_values_exchanged, "Keys and values are exchanged"),
            (from_the_end, "the other way round"),
            (as_wide_as_many, "`n_heads` rows wide"),
            (for_matrices, "A bias has no columns"),
            (column_for_a_bias, "a dimension too many"),
            (head_zero, "Only the first head's"),
            (on_its_side, "transposed"),
            (with_a_factor, "but for a factor"),
            (overwritten, "changes its input"),
            (the_columns, "three tensors"),
            (width_from_columns, "D from the columns"),
            (without_nan, "NaN and infinities should stay"),
            (keys_values_exchanged, "expected  q = tensor [[0]], k = tensor [[1]], v = tensor [[2]]"),
        ],
    ),
    "11.5": Answers(
        right=[greedy, by_sums, as_a_generator],
        wrong=[
            (just_fits_not, "just fits"),
            (last_forgotten, "The last file is missing"),
            (begins_with_an_empty_one, "an empty file"),
            (as_hugging_face, "goes on after it"),
            (too_late, "grown too large"),
            (sum_goes_on, "begin anew"),
            (sorted_first, "you sorted them"),
            (largest_first, "you sorted them"),
            (wherever_it_fits, "went back"),
            (alone, "a file of its own"),
            (small_ones_only, "stands alone"),
            (refuses, "stands alone"),
            (their_sizes, "not the sizes"),
            (takes_them_out, "changes its input"),
            (one_list, "One list of names for each file"),
            (no_bytes_no_tensor, "A tensor of 0 bytes has a name"),
            (begun_if_any_bytes, "does not mean that none was begun"),
            (full_is_over, "Into a full one too"),
            (in_gigabytes, "Sums of floats are rounded"),
            (in_float32, "Sums of floats are rounded"),
            (the_first_is_empty, "There is an empty file"),
        ],
    ),
    "11.6": Answers(
        right=[by_broadcasting, by_a_matrix, by_trying, in_numpy],
        wrong=[
            (scale_only, "shift is lost"),
            (shift_only, "scale is lost"),
            (shift_scaled, "the old weight"),
            (no_old_bias, "own bias is lost"),
            (the_rows, "You scaled rows"),
            (out_again, "takes a norm out"),
            (only_divided, "You divided"),
            (added_shift, "one for each number"),
            (gemma_s, "Gemma's"),
            (exchanged, "The weight comes first"),
            (in_their_place, "changes its input"),
            (in_32_bits, "float64 should stay so"),
            (a_column, NOT_YET),
            (weight_alone, "two tensors"),
            (taken_off, "The sign is wrong"),
            (taken_off, "expected  weight = tensor [[3]], bias = tensor [19]"),
            (the_rows, "multiply column i by `norm_weight[i]`"),
            (float32_on_the_way, "your weight was float32 on the way"),
            (old_where_nothing_is_shifted, "The bias that you return is the tensor that came in"),
            (old_where_nothing_is_scaled, "The weight that you return is the tensor that came in"),
            (old_numbers_of_numpy, "The weight that you return is the tensor that came in"),
        ],
    ),
    "11.7": Answers(
        right=[by_thought, by_all_of_one_octave, in_numbers_of_numpy, 0.00391],
        wrong=[
            (1 / 128, "from 1 to the next"),
            (cut_off, "cut off"),
            (2**-9, "Just below 2"),
            (0.39, "percent"),
            (2**-16, "sixteen bits"),
            (2**-11, "float16's"),
            (2**-24, "float32's"),
            (0.5, "Half a step"),
            (256, "the other way round"),
            (0.004, "Nearly"),
            (0, "too low"),
            (0.02, "too high"),
        ],
    ),
}


class TestChapter11(ExerciseTests):
    answers = ANSWERS
