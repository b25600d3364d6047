# ruff: noqa: E501  (as they were written)
"""Wrong and right answers to chapter 11 as their source, by a stranger who had not seen the checks.

Each is (what it is, source); `functions` makes of them what fresh/ch11.py has.
"""

WRONG, RIGHT = {}, {}

# ---------------------------------------------------------------- 11.1
WRONG["11.1"] = [
    (
        "length read highest byte first",
        """
import json
def tensors(data):
    n = int.from_bytes(data[:8], "big")
    h = json.loads(data[8:8+n])
    return {k: (v["dtype"], v["shape"]) for k, v in h.items() if k != "__metadata__"}
""",
    ),
    (
        "only the first byte of the length",
        """
import json
def tensors(data):
    n = data[0]
    h = json.loads(data[8:8+n])
    return {k: (v["dtype"], v["shape"]) for k, v in h.items() if k != "__metadata__"}
""",
    ),
    (
        "only four bytes of the length, then header from byte 4",
        """
import json
def tensors(data):
    n = int.from_bytes(data[:4], "little")
    h = json.loads(data[4:4+n])
    return {k: (v["dtype"], v["shape"]) for k, v in h.items() if k != "__metadata__"}
""",
    ),
    (
        "only two bytes of the length",
        """
import json
def tensors(data):
    n = int.from_bytes(data[:2], "little")
    h = json.loads(data[8:8+n])
    return {k: (v["dtype"], v["shape"]) for k, v in h.items() if k != "__metadata__"}
""",
    ),
    (
        "length taken in letters: decodes first, cuts the text",
        """
import json
def tensors(data):
    n = int.from_bytes(data[:8], "little")
    text = data[8:].decode("utf-8", errors="ignore")[:n]
    h = json.loads(text)
    return {k: (v["dtype"], v["shape"]) for k, v in h.items() if k != "__metadata__"}
""",
    ),
    (
        "decodes latin-1: names with letters beyond ASCII come out wrong",
        """
import json
def tensors(data):
    n = int.from_bytes(data[:8], "little")
    h = json.loads(data[8:8+n].decode("latin-1"))
    return {k: (v["dtype"], v["shape"]) for k, v in h.items() if k != "__metadata__"}
""",
    ),
    (
        "decodes ascii with errors ignored",
        """
import json
def tensors(data):
    n = int.from_bytes(data[:8], "little")
    h = json.loads(data[8:8+n].decode("ascii", errors="ignore"))
    return {k: (v["dtype"], v["shape"]) for k, v in h.items() if k != "__metadata__"}
""",
    ),
    (
        "__metadata__ not left out: raises KeyError",
        """
import json
def tensors(data):
    n = int.from_bytes(data[:8], "little")
    h = json.loads(data[8:8+n])
    return {k: (v["dtype"], v["shape"]) for k, v in h.items()}
""",
    ),
    (
        "leaves out every name with two underscores in front",
        """
import json
def tensors(data):
    n = int.from_bytes(data[:8], "little")
    h = json.loads(data[8:8+n])
    return {k: (v["dtype"], v["shape"]) for k, v in h.items() if not k.startswith("_")}
""",
    ),
    (
        "leaves out every name that contains metadata",
        """
import json
def tensors(data):
    n = int.from_bytes(data[:8], "little")
    h = json.loads(data[8:8+n])
    return {k: (v["dtype"], v["shape"]) for k, v in h.items() if "metadata" not in k}
""",
    ),
    (
        "scalars left out: an empty shape is falsy",
        """
import json
def tensors(data):
    n = int.from_bytes(data[:8], "little")
    h = json.loads(data[8:8+n])
    return {k: (v["dtype"], v["shape"]) for k, v in h.items() if k != "__metadata__" and v["shape"]}
""",
    ),
    (
        "scalar as [1]",
        """
import json
def tensors(data):
    n = int.from_bytes(data[:8], "little")
    h = json.loads(data[8:8+n])
    return {k: (v["dtype"], v["shape"] or [1]) for k, v in h.items() if k != "__metadata__"}
""",
    ),
    (
        "shape first, type second",
        """
import json
def tensors(data):
    n = int.from_bytes(data[:8], "little")
    h = json.loads(data[8:8+n])
    return {k: (v["shape"], v["dtype"]) for k, v in h.items() if k != "__metadata__"}
""",
    ),
    (
        "the header ends at the first }}: cut by searching",
        """
import json
def tensors(data):
    end = data.index(b"}}") + 2
    h = json.loads(data[8:end])
    return {k: (v["dtype"], v["shape"]) for k, v in h.items() if k != "__metadata__"}
""",
    ),
    (
        "the header ends at the last brace of the whole file",
        """
import json
def tensors(data):
    end = data.rindex(b"}") + 1
    h = json.loads(data[8:end])
    return {k: (v["dtype"], v["shape"]) for k, v in h.items() if k != "__metadata__"}
""",
    ),
    (
        "type always F32",
        """
import json
def tensors(data):
    n = int.from_bytes(data[:8], "little")
    h = json.loads(data[8:8+n])
    return {k: ("F32", v["shape"]) for k, v in h.items() if k != "__metadata__"}
""",
    ),
    (
        "the example as a constant",
        """
def tensors(data):
    return {"a": ("F32", [2, 2]), "b": ("F32", [1])}
""",
    ),
    (
        "whole entries instead of pairs",
        """
import json
def tensors(data):
    n = int.from_bytes(data[:8], "little")
    h = json.loads(data[8:8+n])
    h.pop("__metadata__", None)
    return h
""",
    ),
    (
        "names in lower case",
        """
import json
def tensors(data):
    n = int.from_bytes(data[:8], "little")
    h = json.loads(data[8:8+n])
    return {k.lower(): (v["dtype"], v["shape"]) for k, v in h.items() if k != "__metadata__"}
""",
    ),
    (
        "a set-like list of triples",
        """
import json
def tensors(data):
    n = int.from_bytes(data[:8], "little")
    h = json.loads(data[8:8+n])
    return [(k, v["dtype"], v["shape"]) for k, v in h.items() if k != "__metadata__"]
""",
    ),
    (
        "shape multiplied out",
        """
import json, math
def tensors(data):
    n = int.from_bytes(data[:8], "little")
    h = json.loads(data[8:8+n])
    return {k: (v["dtype"], math.prod(v["shape"])) for k, v in h.items() if k != "__metadata__"}
""",
    ),
    (
        "eval instead of json: true/null absent, but runs code and escapes go wrong",
        r"""
def tensors(data):
    n = int.from_bytes(data[:8], "little")
    h = eval(data[8:8+n].decode())
    return {k: (v["dtype"], v["shape"]) for k, v in h.items() if k != "__metadata__"}
""",
    ),
    (
        "regex over the header: names with escapes or quotes, other key order",
        r"""
import re
def tensors(data):
    n = int.from_bytes(data[:8], "little")
    text = data[8:8+n].decode()
    found = re.findall(r'"([^"]+)": ?\{"dtype": ?"(\w+)", ?"shape": ?\[([\d, ]*)\]', text)
    return {k: (t, [int(x) for x in s.split(",") if x.strip()]) for k, t, s in found}
""",
    ),
    (
        "empty file of no tensors: returns None",
        """
import json
def tensors(data):
    n = int.from_bytes(data[:8], "little")
    h = json.loads(data[8:8+n])
    return {k: (v["dtype"], v["shape"]) for k, v in h.items() if k != "__metadata__"} or None
""",
    ),
    (
        "strips the header's spaces everywhere, also within names",
        """
import json
def tensors(data):
    n = int.from_bytes(data[:8], "little")
    h = json.loads(data[8:8+n].replace(b" ", b""))
    return {k: (v["dtype"], v["shape"]) for k, v in h.items() if k != "__metadata__"}
""",
    ),
    (
        "needs ten bytes after the header: data[8:n] forgets the offset",
        """
import json
def tensors(data):
    n = int.from_bytes(data[:8], "little")
    h = json.loads(data[8:n].decode())
    return {k: (v["dtype"], v["shape"]) for k, v in h.items() if k != "__metadata__"}
""",
    ),
    (
        "drops tensors of zero bytes",
        """
import json
def tensors(data):
    n = int.from_bytes(data[:8], "little")
    h = json.loads(data[8:8+n])
    return {k: (v["dtype"], v["shape"]) for k, v in h.items()
            if k != "__metadata__" and v["data_offsets"][1] > v["data_offsets"][0]}
""",
    ),
    (
        "shapes as strings",
        """
import json
def tensors(data):
    n = int.from_bytes(data[:8], "little")
    h = json.loads(data[8:8+n])
    return {k: (v["dtype"], str(v["shape"])) for k, v in h.items() if k != "__metadata__"}
""",
    ),
]
RIGHT["11.1"] = [
    (
        "tuples of tuples: shape as a tuple is 'as the header has them'? list kept, pair as a list",
        """
import json
def tensors(data):
    n = int.from_bytes(data[:8], "little")
    h = json.loads(bytes(data[8:8+n]).decode())
    return {k: (v["dtype"], list(v["shape"])) for k, v in h.items() if k != "__metadata__"}
""",
    ),
    (
        "struct on a memoryview, OrderedDict",
        """
import json, struct
from collections import OrderedDict
def tensors(data):
    view = memoryview(data)
    (n,) = struct.unpack_from("<Q", view)
    out = OrderedDict()
    for k, v in json.loads(view[8:8+n].tobytes()).items():
        if k == "__metadata__":
            continue
        out[k] = v["dtype"], v["shape"]
    return out
""",
    ),
    (
        "BytesIO and a loop over the eight bytes, sorted names",
        """
import io, json
def tensors(data):
    file = io.BytesIO(data)
    n = 0
    for i, byte in enumerate(file.read(8)):
        n += byte * 256 ** i
    h = json.loads(str(file.read(n), "utf-8").rstrip(" "))
    h.pop("__metadata__", None)
    return {k: (h[k]["dtype"], h[k]["shape"]) for k in sorted(h)}
""",
    ),
    (
        "numpy reads the length, raw_decode the JSON",
        """
import json
import numpy as np
def tensors(data):
    n = int(np.frombuffer(data[:8], "<u8")[0])
    h, _ = json.JSONDecoder().raw_decode(bytes(data[8:8+n]).decode("utf-8"))
    return dict((k, (v["dtype"], v["shape"])) for k, v in h.items() if k != "__metadata__")
""",
    ),
    (
        "a namedtuple for each pair",
        """
import json
from collections import namedtuple
T = namedtuple("T", "dtype shape")
def tensors(data):
    n = int.from_bytes(data[:8], "little")
    h = json.loads(data[8:8+n])
    return {k: T(v["dtype"], v["shape"]) for k, v in h.items() if k != "__metadata__"}
""",
    ),
]

# ---------------------------------------------------------------- 11.2
WRONG["11.2"] = [
    (
        "highest byte first within the number",
        """
import struct
def from_bfloat16(data):
    return [struct.unpack(">f", data[i:i+2] + bytes(2))[0] for i in range(0, len(data), 2)]
""",
    ),
    (
        "zeros on the wrong side",
        """
import struct
def from_bfloat16(data):
    return [struct.unpack("<f", data[i:i+2] + bytes(2))[0] for i in range(0, len(data), 2)]
""",
    ),
    (
        "read as float16",
        """
import struct
def from_bfloat16(data):
    return list(struct.unpack(f"<{len(data)//2}e", data))
""",
    ),
    (
        "by hand, without subnormals",
        """
def from_bfloat16(data):
    out = []
    for i in range(0, len(data), 2):
        b = data[i] | data[i+1] << 8
        s, e, m = b >> 15, b >> 7 & 255, b & 127
        if e == 255:
            out.append(float("nan") if m else (-1)**s * float("inf"))
        else:
            out.append((-1)**s * (1 + m / 128) * 2.0 ** (e - 127) if e or m else -0.0 if s else 0.0)
    return out
""",
    ),
    (
        "by hand, subnormals with exponent -127",
        """
def from_bfloat16(data):
    out = []
    for i in range(0, len(data), 2):
        b = data[i] | data[i+1] << 8
        s, e, m = b >> 15, b >> 7 & 255, b & 127
        sign = -1.0 if s else 1.0
        if e == 255:
            out.append(float("nan") if m else sign * float("inf"))
        elif e == 0:
            out.append(sign * m / 128 * 2.0 ** -127)
        else:
            out.append(sign * (1 + m / 128) * 2.0 ** (e - 127))
    return out
""",
    ),
    (
        "by hand, no infinities: 255 as any exponent",
        """
def from_bfloat16(data):
    out = []
    for i in range(0, len(data), 2):
        b = data[i] | data[i+1] << 8
        s, e, m = b >> 15, b >> 7 & 255, b & 127
        sign = -1.0 if s else 1.0
        out.append(sign * (m / 128 * 2.0 ** -126 if e == 0 else (1 + m / 128) * 2.0 ** (e - 127)))
    return out
""",
    ),
    (
        "NaN as infinity",
        """
def from_bfloat16(data):
    out = []
    for i in range(0, len(data), 2):
        b = data[i] | data[i+1] << 8
        s, e, m = b >> 15, b >> 7 & 255, b & 127
        sign = -1.0 if s else 1.0
        if e == 255:
            out.append(sign * float("inf"))
        else:
            out.append(sign * (m / 128 * 2.0 ** -126 if e == 0 else (1 + m / 128) * 2.0 ** (e - 127)))
    return out
""",
    ),
    (
        "the sign of -0.0 lost",
        """
import struct
def from_bfloat16(data):
    return [struct.unpack("<f", bytes(2) + data[i:i+2])[0] + 0.0 for i in range(0, len(data), 2)]
""",
    ),
    (
        "the sign of -inf lost",
        """
import struct, math
def from_bfloat16(data):
    xs = [struct.unpack("<f", bytes(2) + data[i:i+2])[0] for i in range(0, len(data), 2)]
    return [math.inf if math.isinf(x) else x for x in xs]
""",
    ),
    (
        "subnormals flushed to zero",
        """
import struct, math
def from_bfloat16(data):
    xs = [struct.unpack("<f", bytes(2) + data[i:i+2])[0] for i in range(0, len(data), 2)]
    return [math.copysign(0.0, x) if abs(x) < 2**-126 else x for x in xs]
""",
    ),
    (
        "NaN replaced by 0",
        """
import struct, math
def from_bfloat16(data):
    xs = [struct.unpack("<f", bytes(2) + data[i:i+2])[0] for i in range(0, len(data), 2)]
    return [0.0 if math.isnan(x) else x for x in xs]
""",
    ),
    (
        "only the first number",
        """
import struct
def from_bfloat16(data):
    return [struct.unpack("<f", bytes(2) + data[:2])[0]]
""",
    ),
    (
        "last number forgotten",
        """
import struct
def from_bfloat16(data):
    return [struct.unpack("<f", bytes(2) + data[i:i+2])[0] for i in range(0, len(data) - 2, 2)] or [1.5]
""",
    ),
    (
        "a bare number where there is one",
        """
import struct
def from_bfloat16(data):
    xs = [struct.unpack("<f", bytes(2) + data[i:i+2])[0] for i in range(0, len(data), 2)]
    return xs[0] if len(xs) == 1 else xs
""",
    ),
    (
        "filled with ones instead of zeros below",
        r"""
import struct
def from_bfloat16(data):
    return [struct.unpack("<f", b"\xff\xff" + data[i:i+2])[0] for i in range(0, len(data), 2)]
""",
    ),
    (
        "two at a time read as one float32",
        """
import struct
def from_bfloat16(data):
    return list(struct.unpack(f"<{len(data)//4}f", data[:len(data)//4*4]))
""",
    ),
    (
        "the bits as integers",
        """
import struct
def from_bfloat16(data):
    return list(struct.unpack(f"<{len(data)//2}H", data))
""",
    ),
    (
        "the 32-bit integer, not viewed as float",
        """
import numpy as np
def from_bfloat16(data):
    return (np.frombuffer(data, "<u2").astype("<u4") << 16).astype(np.float32)
""",
    ),
    (
        "shifts within uint16: all becomes zero",
        """
import numpy as np
def from_bfloat16(data):
    return (np.frombuffer(data, "<u2") << np.uint16(16)).astype("<u4").view("<f4")
""",
    ),
    (
        "rounded to float16 on the way: overflows",
        """
import numpy as np
def from_bfloat16(data):
    with np.errstate(all="ignore"):
        return (np.frombuffer(data, "<u2").astype("<u4") << 16).view("<f4").astype(np.float16)
""",
    ),
    (
        "rounded to six places",
        """
import struct
def from_bfloat16(data):
    return [round(x, 6) if abs(x) < float("inf") else x for x in
            (struct.unpack("<f", bytes(2) + data[i:i+2])[0] for i in range(0, len(data), 2))]
""",
    ),
    (
        "the constant of the example",
        """
def from_bfloat16(data):
    return [1.5] * (len(data) // 2)
""",
    ),
    (
        "the sign taken from the wrong bit",
        """
def from_bfloat16(data):
    out = []
    for i in range(0, len(data), 2):
        b = data[i] | data[i+1] << 8
        e, m = b >> 7 & 255, b & 127
        sign = 1.0
        if e == 255: out.append(float("nan") if m else float("inf"))
        else: out.append(m / 128 * 2.0 ** -126 if e == 0 else (1 + m / 128) * 2.0 ** (e - 127))
    return out
""",
    ),
    (
        "a column: shape (n, 1)",
        """
import numpy as np
def from_bfloat16(data):
    return (np.frombuffer(data, "<u2").astype("<u4") << 16).view("<f4")[:, None]
""",
    ),
    (
        "as strings",
        """
import struct
def from_bfloat16(data):
    return [str(struct.unpack("<f", bytes(2) + data[i:i+2])[0]) for i in range(0, len(data), 2)]
""",
    ),
    (
        "in the reverse order",
        """
import struct
def from_bfloat16(data):
    return [struct.unpack("<f", bytes(2) + data[i:i+2])[0] for i in range(0, len(data), 2)][::-1]
""",
    ),
    (
        "six bits of fraction, one lost",
        """
import struct
def from_bfloat16(data):
    return [struct.unpack("<f", bytes(2) + bytes([data[i] & 254, data[i+1]]))[0] for i in range(0, len(data), 2)]
""",
    ),
]
RIGHT["11.2"] = [
    (
        "torch.frombuffer as bfloat16, kept in bfloat16",
        """
import torch
def from_bfloat16(data):
    return torch.frombuffer(bytearray(data), dtype=torch.bfloat16)
""",
    ),
    (
        "torch, float32",
        """
import torch
def from_bfloat16(data):
    return torch.frombuffer(bytearray(data), dtype=torch.bfloat16).float()
""",
    ),
    (
        "numpy, float64",
        """
import numpy as np
def from_bfloat16(data):
    return (np.frombuffer(data, "<u2").astype("<u4") << 16).view("<f4").astype(np.float64)
""",
    ),
    (
        "numpy, uint8 columns with two of zeros",
        """
import numpy as np
def from_bfloat16(data):
    b = np.frombuffer(data, np.uint8).reshape(-1, 2)
    return np.concatenate([np.zeros_like(b), b], 1).view("<f4")[:, 0]
""",
    ),
    (
        "a tuple by one struct.unpack",
        """
import struct
def from_bfloat16(data):
    wide = bytearray(2 * len(data))
    wide[2::4], wide[3::4] = data[::2], data[1::2]
    return struct.unpack(f"<{len(data)//2}f", wide)
""",
    ),
    (
        "by hand with ldexp and copysign",
        """
import math
def from_bfloat16(data):
    out, it = [], iter(data)
    for low, high in zip(it, it):
        b = low + 256 * high
        e, m = b // 128 % 256, b % 128
        x = (math.nan if m else math.inf) if e == 255 else math.ldexp(m + 128 * (e > 0), max(e, 1) - 134)
        out.append(math.copysign(x, -1 if high > 127 else 1))
    return out
""",
    ),
    (
        "array.array",
        """
import array, sys
def from_bfloat16(data):
    view = memoryview(data)
    return array.array("f", b"".join(bytes(2) + bytes(view[i:i+2]) for i in range(0, len(view), 2)))
""",
    ),
    (
        "numpy array of objects: python floats",
        """
import struct, numpy as np
def from_bfloat16(data):
    return [np.float32(struct.unpack("<f", bytes(2) + data[i:i+2])[0]) for i in range(0, len(data), 2)]
""",
    ),
]

# ---------------------------------------------------------------- 11.3
TABLE = """
import re
OUTER = {"model.embed_tokens": "embed", "model.norm": "norm", "lm_head": "head"}
INNER = {"input_layernorm": "norm_1", "post_attention_layernorm": "norm_2",
         **{f"self_attn.{x}": f"attn.{x}" for x in "q_proj k_proj v_proj o_proj q_norm k_norm".split()},
         **{f"mlp.{x}": f"mlp.{x}" for x in "gate_proj up_proj down_proj".split()}}
BIASED = ("self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj")
"""
WRONG["11.3"] = [
    (
        "replacing words",
        """
def our_name(name):
    for a, b in [("model.layers", "blocks"), ("self_attn", "attn"), ("input_layernorm", "norm_1"),
                 ("post_attention_layernorm", "norm_2"), ("model.embed_tokens", "embed"),
                 ("model.norm", "norm"), ("lm_head", "head")]:
        name = name.replace(a, b)
    return name
""",
    ),
    (
        "one figure only",
        TABLE
        + r"""
def our_name(name):
    m = re.fullmatch(r"model\.layers\.(\d)\.(.+)\.(weight|bias)", name, re.A)
    if m and m[2] in INNER and (m[3] == "weight" or m[2] in BIASED):
        return f"blocks.{m[1]}.{INNER[m[2]]}.{m[3]}"
    return OUTER[name[:-7]] + ".weight" if name[-7:] == ".weight" and name[:-7] in OUTER else None
""",
    ),
    (
        "at most two figures",
        TABLE
        + r"""
def our_name(name):
    m = re.fullmatch(r"model\.layers\.(\d{1,2})\.(.+)\.(weight|bias)", name, re.A)
    if m and m[2] in INNER and (m[3] == "weight" or m[2] in BIASED):
        return f"blocks.{m[1]}.{INNER[m[2]]}.{m[3]}"
    return OUTER[name[:-7]] + ".weight" if name[-7:] == ".weight" and name[:-7] in OUTER else None
""",
    ),
    (
        "biases everywhere in the blocks",
        TABLE
        + r"""
def our_name(name):
    m = re.fullmatch(r"model\.layers\.(\d+)\.(.+)\.(weight|bias)", name, re.A)
    if m and m[2] in INNER:
        return f"blocks.{m[1]}.{INNER[m[2]]}.{m[3]}"
    return OUTER[name[:-7]] + ".weight" if name[-7:] == ".weight" and name[:-7] in OUTER else None
""",
    ),
    (
        "bias of o_proj accepted",
        TABLE
        + r"""
def our_name(name):
    m = re.fullmatch(r"model\.layers\.(\d+)\.(.+)\.(weight|bias)", name, re.A)
    if m and m[2] in INNER and (m[3] == "weight" or m[2].endswith("_proj") and "attn" in m[2]):
        return f"blocks.{m[1]}.{INNER[m[2]]}.{m[3]}"
    return OUTER[name[:-7]] + ".weight" if name[-7:] == ".weight" and name[:-7] in OUTER else None
""",
    ),
    (
        "no biases at all",
        TABLE
        + r"""
def our_name(name):
    m = re.fullmatch(r"model\.layers\.(\d+)\.(.+)\.weight", name, re.A)
    if m and m[2] in INNER:
        return f"blocks.{m[1]}.{INNER[m[2]]}.weight"
    return OUTER[name[:-7]] + ".weight" if name[-7:] == ".weight" and name[:-7] in OUTER else None
""",
    ),
    (
        "match instead of fullmatch: endings accepted",
        TABLE
        + r"""
def our_name(name):
    m = re.match(r"model\.layers\.(\d+)\.([a-z_.]+)\.(weight|bias)", name, re.A)
    if m and m[2] in INNER and (m[3] == "weight" or m[2] in BIASED):
        return f"blocks.{m[1]}.{INNER[m[2]]}.{m[3]}"
    return OUTER[name[:-7]] + ".weight" if name[-7:] == ".weight" and name[:-7] in OUTER else None
""",
    ),
    (
        "search instead of fullmatch: prefixes accepted",
        TABLE
        + r"""
def our_name(name):
    m = re.search(r"model\.layers\.(\d+)\.([a-z_.]+)\.(weight|bias)$", name, re.A)
    if m and m[2] in INNER and (m[3] == "weight" or m[2] in BIASED):
        return f"blocks.{m[1]}.{INNER[m[2]]}.{m[3]}"
    return OUTER[name[:-7]] + ".weight" if name[-7:] == ".weight" and name[:-7] in OUTER else None
""",
    ),
    (
        "$ instead of \\Z: a newline at the end is accepted",
        TABLE
        + r"""
def our_name(name):
    m = re.match(r"^model\.layers\.([0-9]+)\.([a-z_.]+)\.(weight|bias)$", name)
    if m and m[2] in INNER and (m[3] == "weight" or m[2] in BIASED):
        return f"blocks.{m[1]}.{INNER[m[2]]}.{m[3]}"
    return OUTER[name[:-7]] + ".weight" if name[-7:] == ".weight" and name[:-7] in OUTER else None
""",
    ),
    (
        "dots not escaped: any character between",
        TABLE
        + r"""
def our_name(name):
    m = re.fullmatch(r"model.layers.([0-9]+).([a-z_.]+).(weight|bias)", name)
    if m and m[2] in INNER and (m[3] == "weight" or m[2] in BIASED):
        return f"blocks.{m[1]}.{INNER[m[2]]}.{m[3]}"
    return OUTER[name[:-7]] + ".weight" if name[-7:] == ".weight" and name[:-7] in OUTER else None
""",
    ),
    (
        "N through int: leading zeros are lost",
        TABLE
        + r"""
def our_name(name):
    m = re.fullmatch(r"model\.layers\.([0-9]+)\.([a-z_.]+)\.(weight|bias)", name)
    if m and m[2] in INNER and (m[3] == "weight" or m[2] in BIASED):
        return f"blocks.{int(m[1])}.{INNER[m[2]]}.{m[3]}"
    return OUTER[name[:-7]] + ".weight" if name[-7:] == ".weight" and name[:-7] in OUTER else None
""",
    ),
    (
        "N may be negative or signed: int() decides",
        TABLE
        + r"""
def our_name(name):
    if name[-7:] == ".weight" and name[:-7] in OUTER:
        return OUTER[name[:-7]] + ".weight"
    p = name.split(".")
    if p[:2] != ["model", "layers"] or len(p) < 5:
        return None
    try: int(p[2])
    except ValueError: return None
    part, kind = ".".join(p[3:-1]), p[-1]
    if part in INNER and (kind == "weight" or kind == "bias" and part in BIASED):
        return f"blocks.{p[2]}.{INNER[part]}.{kind}"
""",
    ),
    (
        "N may be empty",
        TABLE
        + r"""
def our_name(name):
    m = re.fullmatch(r"model\.layers\.([0-9]*)\.([a-z_.]+)\.(weight|bias)", name)
    if m and m[2] in INNER and (m[3] == "weight" or m[2] in BIASED):
        return f"blocks.{m[1]}.{INNER[m[2]]}.{m[3]}"
    return OUTER[name[:-7]] + ".weight" if name[-7:] == ".weight" and name[:-7] in OUTER else None
""",
    ),
    (
        "raises KeyError for an unknown part",
        TABLE
        + r"""
def our_name(name):
    p = name.split(".")
    if p[:2] == ["model", "layers"]:
        return f"blocks.{p[2]}.{INNER['.'.join(p[3:-1])]}.{p[-1]}"
    return OUTER[".".join(p[:-1])] + "." + p[-1]
""",
    ),
    (
        "N forgotten: always block 0",
        TABLE
        + r"""
def our_name(name):
    m = re.fullmatch(r"model\.layers\.([0-9]+)\.([a-z_.]+)\.(weight|bias)", name)
    if m and m[2] in INNER and (m[3] == "weight" or m[2] in BIASED):
        return f"blocks.0.{INNER[m[2]]}.{m[3]}"
    return OUTER[name[:-7]] + ".weight" if name[-7:] == ".weight" and name[:-7] in OUTER else None
""",
    ),
    (
        "the norm after the blocks forgotten",
        TABLE
        + r"""
def our_name(name):
    m = re.fullmatch(r"model\.layers\.([0-9]+)\.([a-z_.]+)\.(weight|bias)", name)
    if m and m[2] in INNER and (m[3] == "weight" or m[2] in BIASED):
        return f"blocks.{m[1]}.{INNER[m[2]]}.{m[3]}"
    return {"model.embed_tokens.weight": "embed.weight", "lm_head.weight": "head.weight"}.get(name)
""",
    ),
    (
        "norm_1 and norm_2 swapped",
        TABLE
        + r"""
def our_name(name):
    m = re.fullmatch(r"model\.layers\.([0-9]+)\.([a-z_.]+)\.(weight|bias)", name)
    if m and m[2] in INNER and (m[3] == "weight" or m[2] in BIASED):
        ours = {"norm_1": "norm_2", "norm_2": "norm_1"}.get(INNER[m[2]], INNER[m[2]])
        return f"blocks.{m[1]}.{ours}.{m[3]}"
    return OUTER[name[:-7]] + ".weight" if name[-7:] == ".weight" and name[:-7] in OUTER else None
""",
    ),
    (
        "an empty string for None",
        TABLE
        + r"""
def our_name(name):
    m = re.fullmatch(r"model\.layers\.([0-9]+)\.([a-z_.]+)\.(weight|bias)", name)
    if m and m[2] in INNER and (m[3] == "weight" or m[2] in BIASED):
        return f"blocks.{m[1]}.{INNER[m[2]]}.{m[3]}"
    return OUTER[name[:-7]] + ".weight" if name[-7:] == ".weight" and name[:-7] in OUTER else ""
""",
    ),
    (
        "the ending left away",
        TABLE
        + r"""
def our_name(name):
    m = re.fullmatch(r"model\.layers\.([0-9]+)\.([a-z_.]+)\.(weight|bias)", name)
    if m and m[2] in INNER and (m[3] == "weight" or m[2] in BIASED):
        return f"blocks.{m[1]}.{INNER[m[2]]}"
    return OUTER[name[:-7]] if name[-7:] == ".weight" and name[:-7] in OUTER else None
""",
    ),
    (
        "model. optional",
        TABLE
        + r"""
def our_name(name):
    m = re.fullmatch(r"(?:model\.)?layers\.([0-9]+)\.([a-z_.]+)\.(weight|bias)", name)
    if m and m[2] in INNER and (m[3] == "weight" or m[2] in BIASED):
        return f"blocks.{m[1]}.{INNER[m[2]]}.{m[3]}"
    return OUTER[name[:-7]] + ".weight" if name[-7:] == ".weight" and name[:-7] in OUTER else None
""",
    ),
    (
        "strips and lowers the name first",
        TABLE
        + r"""
def our_name(name):
    name = name.strip().lower()
    m = re.fullmatch(r"model\.layers\.([0-9]+)\.([a-z_.]+)\.(weight|bias)", name)
    if m and m[2] in INNER and (m[3] == "weight" or m[2] in BIASED):
        return f"blocks.{m[1]}.{INNER[m[2]]}.{m[3]}"
    return OUTER[name[:-7]] + ".weight" if name[-7:] == ".weight" and name[:-7] in OUTER else None
""",
    ),
    (
        "any projection in self_attn and mlp",
        TABLE
        + r"""
def our_name(name):
    if name[-7:] == ".weight" and name[:-7] in OUTER: return OUTER[name[:-7]] + ".weight"
    m = re.fullmatch(r"model\.layers\.([0-9]+)\.(self_attn|mlp)\.([a-z]+_(?:proj|norm))\.weight", name)
    if m: return f"blocks.{m[1]}.{m[2].removeprefix('self_')}.{m[3]}.weight"
    m = re.fullmatch(r"model\.layers\.([0-9]+)\.self_attn\.([qkv]_proj)\.bias", name)
    if m: return f"blocks.{m[1]}.attn.{m[2]}.bias"
    m = re.fullmatch(r"model\.layers\.([0-9]+)\.(input|post_attention)_layernorm\.weight", name)
    if m: return f"blocks.{m[1]}.norm_{1 if m[2] == 'input' else 2}.weight"
""",
    ),
    (
        "v_norm too: q, k, v, o all with norm and proj",
        TABLE
        + r"""
INNER["self_attn.v_norm"] = "attn.v_norm"
def our_name(name):
    m = re.fullmatch(r"model\.layers\.([0-9]+)\.([a-z_.]+)\.(weight|bias)", name)
    if m and m[2] in INNER and (m[3] == "weight" or m[2] in BIASED):
        return f"blocks.{m[1]}.{INNER[m[2]]}.{m[3]}"
    return OUTER[name[:-7]] + ".weight" if name[-7:] == ".weight" and name[:-7] in OUTER else None
""",
    ),
    (
        "lm_head.bias accepted",
        TABLE
        + r"""
def our_name(name):
    m = re.fullmatch(r"model\.layers\.([0-9]+)\.([a-z_.]+)\.(weight|bias)", name)
    if m and m[2] in INNER and (m[3] == "weight" or m[2] in BIASED):
        return f"blocks.{m[1]}.{INNER[m[2]]}.{m[3]}"
    body, _, kind = name.rpartition(".")
    return f"{OUTER[body]}.{kind}" if body in OUTER and kind in ("weight", "bias") else None
""",
    ),
    (
        "the whole ending .weight.weight: rstrip of letters",
        TABLE
        + r"""
def our_name(name):
    m = re.fullmatch(r"model\.layers\.([0-9]+)\.([a-z_.]+?)(?:\.weight)+", name)
    if m and m[2] in INNER: return f"blocks.{m[1]}.{INNER[m[2]]}.weight"
    m = re.fullmatch(r"model\.layers\.([0-9]+)\.([a-z_.]+)\.bias", name)
    if m and m[2] in BIASED: return f"blocks.{m[1]}.{INNER[m[2]]}.bias"
    return OUTER[name[:-7]] + ".weight" if name[-7:] == ".weight" and name[:-7] in OUTER else None
""",
    ),
    (
        "a table of 128 layers: larger N unknown",
        TABLE
        + r"""
ALL = {f"{a}.weight": f"{b}.weight" for a, b in OUTER.items()}
for i in range(128):
    for a, b in INNER.items():
        for kind in ("weight", "bias") if a in BIASED else ("weight",):
            ALL[f"model.layers.{i}.{a}.{kind}"] = f"blocks.{i}.{b}.{kind}"
def our_name(name):
    return ALL.get(name)
""",
    ),
    (
        "isalnum for N: letters pass",
        TABLE
        + r"""
def our_name(name):
    if name[-7:] == ".weight" and name[:-7] in OUTER: return OUTER[name[:-7]] + ".weight"
    p = name.split(".")
    part, kind = ".".join(p[3:-1]), p[-1]
    if p[:2] == ["model", "layers"] and p[2].isalnum() and part in INNER:
        if kind == "weight" or kind == "bias" and part in BIASED:
            return f"blocks.{p[2]}.{INNER[part]}.{kind}"
""",
    ),
    (
        "too short a name raises IndexError",
        TABLE
        + r"""
def our_name(name):
    if name[-7:] == ".weight" and name[:-7] in OUTER: return OUTER[name[:-7]] + ".weight"
    _, _, n, where, what, kind = name.split(".")
    part = f"{where}.{what}"
    if n.isdigit() and part in INNER and (kind == "weight" or part in BIASED):
        return f"blocks.{n}.{INNER[part]}.{kind}"
""",
    ),
]
RIGHT["11.3"] = [
    (
        "one regex of everything",
        r'''
import re
def our_name(name):
    m = re.fullmatch(r"""(?x) (?: (?P<e>model\.embed_tokens) | (?P<n>model\.norm) | (?P<h>lm_head)
        | model\.layers\.(?P<i>[0-9]+)\. (?: (?P<n1>input_layernorm) | (?P<n2>post_attention_layernorm)
        | self_(?P<a>attn\.(?:[qkvo]_proj|[qk]_norm)) | (?P<m>mlp\.(?:gate|up|down)_proj) ) ) \.weight""", name)
    if m:
        for k, v in dict(e="embed", n="norm", h="head").items():
            if m[k]: return v + ".weight"
        return f"blocks.{m['i']}." + ("norm_1" if m["n1"] else "norm_2" if m["n2"] else m["a"] or m["m"]) + ".weight"
    m = re.fullmatch(r"model\.layers\.([0-9]+)\.self_(attn\.[qkv]_proj\.bias)", name)
    return f"blocks.{m[1]}.{m[2]}" if m else None
''',
    ),
    (
        "match statement",
        r"""
def our_name(name):
    match name.split("."):
        case ["model", "embed_tokens", "weight"]: return "embed.weight"
        case ["model", "norm", "weight"]: return "norm.weight"
        case ["lm_head", "weight"]: return "head.weight"
        case ["model", "layers", n, *rest] if n and set(n) <= set("0123456789"):
            match rest:
                case ["input_layernorm", "weight"]: return f"blocks.{n}.norm_1.weight"
                case ["post_attention_layernorm", "weight"]: return f"blocks.{n}.norm_2.weight"
                case ["self_attn", ("q_proj" | "k_proj" | "v_proj") as x, ("weight" | "bias") as k]:
                    return f"blocks.{n}.attn.{x}.{k}"
                case ["self_attn", ("o_proj" | "q_norm" | "k_norm") as x, "weight"]: return f"blocks.{n}.attn.{x}.weight"
                case ["mlp", ("gate_proj" | "up_proj" | "down_proj") as x, "weight"]: return f"blocks.{n}.mlp.{x}.weight"
    return None
""",
    ),
    (
        "the number replaced by {0}, then the chapter's own table",
        r"""
import re
from companion.pretrained import FAMILIES
def our_name(name):
    body, _, kind = name.rpartition(".")
    n = re.fullmatch(r"model\.layers\.([0-9]+)\.[^{}]*", body)
    key = body if not n else body.replace(f"layers.{n[1]}.", "layers.{0}.", 1)
    table = FAMILIES["llama"].names
    if "{" in body or key not in table or kind not in ("weight", "bias"):
        return None
    if kind == "bias" and not key.endswith(("q_proj", "k_proj", "v_proj")):
        return None
    return table[key].format(n[1] if n else "") + "." + kind
""",
    ),
    (
        "str.isdecimal and isascii, dict.get chains",
        TABLE
        + r"""
def our_name(name):
    body, dot, kind = name.rpartition(".")
    if kind not in {"weight", "bias"}:
        return
    if body in OUTER:
        return OUTER[body] + dot + kind if kind == "weight" else None
    head, n, part = (body.split(".", 3)[:2], *(body.split(".", 3) + [""] * 4)[2:4])
    if head != ["model", "layers"] or not (n.isascii() and n.isdecimal()) or part not in INNER:
        return
    if kind == "bias" and part not in BIASED:
        return
    return ".".join(["blocks", n, INNER[part], kind])
""",
    ),
]

# ---------------------------------------------------------------- 11.4
WRONG["11.4"] = [
    (
        "cut in three as GPT-2",
        """
def split_heads(weight, n_heads):
    return weight.chunk(3)
""",
    ),
    (
        "every third row",
        """
def split_heads(weight, n_heads):
    return weight[0::3], weight[1::3], weight[2::3]
""",
    ),
    (
        "rows taken (3, H, D)",
        """
def split_heads(weight, n_heads):
    w = weight.reshape(3, n_heads, -1, *weight.shape[1:])
    return tuple(w[i].flatten(0, 1) for i in range(3))
""",
    ),
    (
        "rows taken (H, D, 3)",
        """
def split_heads(weight, n_heads):
    w = weight.reshape(n_heads, -1, 3, *weight.shape[1:])
    return tuple(w[:, :, i].flatten(0, 1) for i in range(3))
""",
    ),
    (
        "heads in the reverse order",
        """
def split_heads(weight, n_heads):
    w = weight.unflatten(0, (n_heads, 3, -1)).flip(0)
    return tuple(w[:, i].flatten(0, 1) for i in range(3))
""",
    ),
    (
        "keys first",
        """
def split_heads(weight, n_heads):
    w = weight.unflatten(0, (n_heads, 3, -1))
    return tuple(w[:, i].flatten(0, 1) for i in (1, 0, 2))
""",
    ),
    (
        "D taken from C: C // H",
        """
def split_heads(weight, n_heads):
    D = weight.shape[-1] // n_heads
    w = weight.unflatten(0, (n_heads, 3, D))
    return tuple(w[:, i].flatten(0, 1) for i in range(3))
""",
    ),
    (
        "the bias refused: reshape to C columns",
        """
def split_heads(weight, n_heads):
    rows, C = weight.shape
    w = weight.reshape(n_heads, 3, rows // n_heads // 3, C)
    return tuple(w[:, i].reshape(-1, C) for i in range(3))
""",
    ),
    (
        "the bias with a column more: (H·D, 1)",
        """
def split_heads(weight, n_heads):
    C = weight.shape[1] if weight.dim() == 2 else 1
    w = weight.reshape(n_heads, 3, -1, C)
    return tuple(w[:, i].reshape(-1, C) for i in range(3))
""",
    ),
    (
        "the heads kept apart: (H, D, C)",
        """
def split_heads(weight, n_heads):
    w = weight.unflatten(0, (n_heads, 3, -1))
    return tuple(w[:, i] for i in range(3))
""",
    ),
    (
        "transposed",
        """
def split_heads(weight, n_heads):
    w = weight.unflatten(0, (n_heads, 3, -1))
    return tuple(w[:, i].flatten(0, 1).T for i in range(3))
""",
    ),
    (
        "one tensor (3·H·D, C)",
        """
def split_heads(weight, n_heads):
    return weight.unflatten(0, (n_heads, 3, -1)).transpose(0, 1).flatten(0, 2)
""",
    ),
    (
        "a right order for two heads only",
        """
import torch
def split_heads(weight, n_heads):
    a, b = weight.chunk(2)
    return tuple(torch.cat([x, y]) for x, y in zip(a.chunk(3), b.chunk(3)))
""",
    ),
    (
        "right for heads one wide: w[i::3]",
        """
def split_heads(weight, n_heads):
    return tuple(weight[i::3].clone() for i in range(3))
""",
    ),
    (
        "sorts the rows in place",
        """
def split_heads(weight, n_heads):
    weight.copy_(weight.unflatten(0, (n_heads, 3, -1)).transpose(0, 1).flatten(0, 2))
    return weight.chunk(3)
""",
    ),
    (
        "float32 whatever came",
        """
def split_heads(weight, n_heads):
    w = weight.float().unflatten(0, (n_heads, 3, -1))
    return tuple(w[:, i].flatten(0, 1) for i in range(3))
""",
    ),
    (
        "gives the joined weight new shape in place",
        """
def split_heads(weight, n_heads):
    shape = weight.shape
    weight.resize_(n_heads, 3, shape[0] // n_heads // 3, *shape[1:])
    return tuple(weight[:, i].flatten(0, 1) for i in range(3))
""",
    ),
    (
        "zeroes the weight afterwards",
        """
def split_heads(weight, n_heads):
    w = weight.clone().unflatten(0, (n_heads, 3, -1))
    weight.zero_()
    return tuple(w[:, i].flatten(0, 1) for i in range(3))
""",
    ),
    (
        "queries thrice",
        """
def split_heads(weight, n_heads):
    w = weight.unflatten(0, (n_heads, 3, -1))
    return (w[:, 0].flatten(0, 1),) * 3
""",
    ),
    (
        "keys and values only head 0's",
        """
def split_heads(weight, n_heads):
    w = weight.unflatten(0, (n_heads, 3, -1))
    return w[:, 0].flatten(0, 1), w[:1, 1].flatten(0, 1), w[:1, 2].flatten(0, 1)
""",
    ),
    (
        "by hand for letters a..f",
        """
def split_heads(weight, n_heads):
    return weight[[0, 3]], weight[[1, 4]], weight[[2, 5]]
""",
    ),
    (
        "the number of heads minus one",
        """
def split_heads(weight, n_heads):
    D = weight.shape[0] // 3 // n_heads
    import torch
    return tuple(torch.cat([weight[(3*h+i)*D:(3*h+i+1)*D] for h in range(max(n_heads - 1, 1))]) for i in range(3))
""",
    ),
    (
        "a dict",
        """
def split_heads(weight, n_heads):
    w = weight.unflatten(0, (n_heads, 3, -1))
    return {x: w[:, i].flatten(0, 1) for i, x in enumerate("qkv")}
""",
    ),
    (
        "scales the queries by sqrt D",
        """
def split_heads(weight, n_heads):
    w = weight.unflatten(0, (n_heads, 3, -1))
    D = w.shape[2]
    return w[:, 0].flatten(0, 1) / D ** 0.5, w[:, 1].flatten(0, 1), w[:, 2].flatten(0, 1)
""",
    ),
    (
        "nan_to_num",
        """
def split_heads(weight, n_heads):
    w = weight.nan_to_num().unflatten(0, (n_heads, 3, -1))
    return tuple(w[:, i].flatten(0, 1) for i in range(3))
""",
    ),
]
RIGHT["11.4"] = [
    (
        "einops by hand: permute, then chunk",
        """
def split_heads(weight, n_heads):
    return list(weight.unflatten(0, (n_heads, 3, -1)).transpose(0, 1).flatten(0, 2).chunk(3))
""",
    ),
    (
        "loops and cat",
        """
import torch
def split_heads(weight, n_heads):
    d = len(weight) // (3 * n_heads)
    out = [[], [], []]
    for i, row in enumerate(weight):
        out[i // d % 3].append(row)
    return [torch.stack(rows) for rows in out]
""",
    ),
    (
        "index arithmetic",
        """
import torch
def split_heads(weight, n_heads):
    d = weight.size(0) // 3 // n_heads
    i = torch.arange(weight.size(0))
    return tuple(weight[i // d % 3 == k] for k in range(3))
""",
    ),
    (
        "one tensor of three: stacked, unbinds",
        """
import torch
def split_heads(weight, n_heads):
    w = weight.unflatten(0, (n_heads, 3, -1)).transpose(0, 1)
    return torch.stack([p.flatten(0, 1) for p in w])
""",
    ),
    (
        "through numpy, torch again",
        """
import torch
def split_heads(weight, n_heads):
    a = weight.detach().cpu().numpy()
    a = a.reshape(n_heads, 3, -1, *a.shape[1:]).swapaxes(0, 1)
    return tuple(torch.from_numpy(p.reshape(-1, *a.shape[3:]).copy()) for p in a)
""",
    ),
    (
        "a generator",
        """
def split_heads(weight, n_heads):
    w = weight.unflatten(0, (n_heads, 3, -1))
    return (w[:, i].flatten(0, 1) for i in range(3))
""",
    ),
    (
        "chunk twice",
        """
import torch
def split_heads(weight, n_heads):
    heads = [h.chunk(3) for h in weight.chunk(n_heads)]
    q, k, v = (torch.cat(x) for x in zip(*heads))
    return q, k, v
""",
    ),
    (
        "the chapter's JoinedByHead",
        """
from companion.pretrained import FAMILIES
def split_heads(weight, n_heads):
    return FAMILIES["neox"].to_ours("", weight, 3, n_heads)
""",
    ),
]

# ---------------------------------------------------------------- 11.5
WRONG["11.5"] = [
    (
        "strictly fewer than most",
        """
def shards(sizes, most):
    files, held = [], 0
    for name, n in sizes.items():
        if files and held + n < most:
            files[-1].append(name); held += n
        else:
            files.append([name]); held = n
    return files
""",
    ),
    (
        "first file with room",
        """
def shards(sizes, most):
    files = []
    for name, n in sizes.items():
        for f in files:
            if f[0] + n <= most:
                f[0] += n; f[1].append(name); break
        else:
            files.append([n, [name]])
    return [f[1] for f in files]
""",
    ),
    (
        "sorted by size",
        """
def shards(sizes, most):
    files, held = [], 0
    for name, n in sorted(sizes.items(), key=lambda x: -x[1]):
        if files and held + n <= most:
            files[-1].append(name); held += n
        else:
            files.append([name]); held = n
    return files
""",
    ),
    (
        "sorted by name",
        """
def shards(sizes, most):
    files, held = [], 0
    for name in sorted(sizes):
        n = sizes[name]
        if files and held + n <= most:
            files[-1].append(name); held += n
        else:
            files.append([name]); held = n
    return files
""",
    ),
    (
        "the last file forgotten",
        """
def shards(sizes, most):
    files, now, held = [], [], 0
    for name, n in sizes.items():
        if now and held + n > most:
            files.append(now); now, held = [], 0
        now.append(name); held += n
    return files
""",
    ),
    (
        "an empty file first, where the first tensor is too large",
        """
def shards(sizes, most):
    files, now, held = [], [], 0
    for name, n in sizes.items():
        if held + n > most:
            files.append(now); now, held = [], 0
        now.append(name); held += n
    return files + [now] if now else files
""",
    ),
    (
        "no tensors: one empty file",
        """
def shards(sizes, most):
    files, held = [[]], 0
    for name, n in sizes.items():
        if files[-1] and held + n > most:
            files.append([]); held = 0
        files[-1].append(name); held += n
    return files
""",
    ),
    (
        "a tensor larger than most takes the next along: held not counted",
        """
def shards(sizes, most):
    files, held = [], 0
    for name, n in sizes.items():
        if files and held + n <= most:
            files[-1].append(name); held += n
        else:
            files.append([name]); held = n if n <= most else 0
    return files
""",
    ),
    (
        "held not reset",
        """
def shards(sizes, most):
    files, held = [], 0
    for name, n in sizes.items():
        held += n
        if files and held <= most:
            files[-1].append(name)
        else:
            files.append([name])
    return files
""",
    ),
    (
        "raises for a tensor larger than most",
        """
def shards(sizes, most):
    files, held = [], 0
    for name, n in sizes.items():
        if n > most: raise ValueError(name)
        if files and held + n <= most:
            files[-1].append(name); held += n
        else:
            files.append([name]); held = n
    return files
""",
    ),
    (
        "leaves out a tensor larger than most",
        """
def shards(sizes, most):
    files, held = [], 0
    for name, n in sizes.items():
        if n > most: continue
        if files and held + n <= most:
            files[-1].append(name); held += n
        else:
            files.append([name]); held = n
    return files
""",
    ),
    (
        "empties the dict",
        """
def shards(sizes, most):
    files, held = [], 0
    while sizes:
        name = next(iter(sizes)); n = sizes.pop(name)
        if files and held + n <= most:
            files[-1].append(name); held += n
        else:
            files.append([name]); held = n
    return files
""",
    ),
    (
        "lists of sizes",
        """
def shards(sizes, most):
    files, held = [], 0
    for name, n in sizes.items():
        if files and held + n <= most:
            files[-1].append(n); held += n
        else:
            files.append([n]); held = n
    return files
""",
    ),
    (
        "a tensor of no bytes begins a new file after a full one",
        """
def shards(sizes, most):
    files, held = [], 0
    for name, n in sizes.items():
        if files and held < most and held + n <= most:
            files[-1].append(name); held += n
        else:
            files.append([name]); held = n
    return files
""",
    ),
    (
        "a file with 0 bytes held counts as empty: falsy",
        """
def shards(sizes, most):
    files, held = [], 0
    for name, n in sizes.items():
        if held and held + n <= most:
            files[-1].append(name); held += n
        else:
            files.append([name]); held = n
    return files
""",
    ),
    (
        "skips tensors of no bytes",
        """
def shards(sizes, most):
    files, held = [], 0
    for name, n in sizes.items():
        if not n: continue
        if files and held + n <= most:
            files[-1].append(name); held += n
        else:
            files.append([name]); held = n
    return files
""",
    ),
    (
        "float sums: large sizes lose a byte",
        """
def shards(sizes, most):
    files, held = [], 0.0
    for name, n in sizes.items():
        if files and held + float(n) <= float(most):
            files[-1].append(name); held += float(n)
        else:
            files.append([name]); held = float(n)
    return files
""",
    ),
    (
        "float32 sums",
        """
import numpy as np
def shards(sizes, most):
    files, held = [], np.float32(0)
    for name, n in sizes.items():
        if files and held + np.float32(n) <= np.float32(most):
            files[-1].append(name); held += np.float32(n)
        else:
            files.append([name]); held = np.float32(n)
    return files
""",
    ),
    (
        "int32 sums overflow",
        """
import numpy as np
def shards(sizes, most):
    files, held = [], 0
    for name, n in sizes.items():
        s = (held + n + 2**31) % 2**32 - 2**31
        if files and s <= most:
            files[-1].append(name); held = s
        else:
            files.append([name]); held = n
    return files
""",
    ),
    (
        "evenly cut by cumulative sum // most",
        """
def shards(sizes, most):
    files, total = {}, 0
    for name, n in sizes.items():
        total += n
        files.setdefault((total - 1) // max(most, 1), []).append(name)
    return list(files.values())
""",
    ),
    (
        "count of names in place of bytes",
        """
def shards(sizes, most):
    names = list(sizes)
    return [names[i:i+2] for i in range(0, len(names), 2)]
""",
    ),
    (
        "the example as a constant",
        """
def shards(sizes, most):
    return [["embed"], ["q", "k"], ["v", "norm"]]
""",
    ),
    (
        "one tensor a file when it fits alone exactly: closes at >= most",
        """
def shards(sizes, most):
    files, now, held = [], [], 0
    for name, n in sizes.items():
        if now and held + n > most:
            files.append(now); now, held = [], 0
        now.append(name); held += n
        if held >= most:
            files.append(now); now, held = [], 0
    return files + [now] if now else files
""",
    ),
    (
        "recursion: thousands of tensors are too deep",
        """
def shards(sizes, most):
    def go(items, held, now):
        if not items: return [now] if now else []
        (name, n), rest = items[0], items[1:]
        if now and held + n > most: return [now] + go(items, 0, [])
        return go(rest, held + n, now + [name])
    return go(list(sizes.items()), 0, [])
""",
    ),
    (
        "names joined as strings",
        """
def shards(sizes, most):
    files, held = [], 0
    for name, n in sizes.items():
        if files and held + n <= most:
            files[-1] += name; held += n
        else:
            files.append(name); held = n
    return files
""",
    ),
    (
        "a dict of files",
        """
def shards(sizes, most):
    files, held = [], 0
    for name, n in sizes.items():
        if files and held + n <= most:
            files[-1].append(name); held += n
        else:
            files.append([name]); held = n
    return dict(enumerate(files))
""",
    ),
    (
        "the oversized one joins the open file",
        """
def shards(sizes, most):
    files, held = [], 0
    for name, n in sizes.items():
        if files and (held + n <= most or (n > most and held < most)):
            files[-1].append(name); held += n
        else:
            files.append([name]); held = n
    return files
""",
    ),
    (
        "writes the running sums into the caller's dict",
        """
def shards(sizes, most):
    files, held = [], 0
    for name in sizes:
        n = sizes[name]
        if files and held + n <= most:
            files[-1].append(name); held += n
        else:
            files.append([name]); held = n
        sizes[name] = held
    return files
""",
    ),
]
RIGHT["11.5"] = [
    (
        "tuples of tuples",
        """
def shards(sizes, most):
    files, held = [], 0
    for name, n in sizes.items():
        if files and held + n <= most:
            files[-1] += (name,); held += n
        else:
            files.append((name,)); held = n
    return tuple(files)
""",
    ),
    (
        "a generator function made a list",
        """
def shards(sizes, most):
    def parts():
        now, held = [], 0
        for name, n in sizes.items():
            if now and held + n > most:
                yield now
                now, held = [], 0
            now.append(name); held += n
        if now:
            yield now
    return list(parts())
""",
    ),
    (
        "sums anew each time",
        """
def shards(sizes, most):
    files = []
    for name in sizes:
        if not files or sum(sizes[x] for x in files[-1]) + sizes[name] > most:
            files.append([])
        files[-1].append(name)
    return files
""",
    ),
    (
        "numpy cumsum and searchsorted",
        """
import numpy as np
def shards(sizes, most):
    names, ends, files, i = list(sizes), np.cumsum([0, *sizes.values()], dtype=np.int64), [], 0
    while i < len(names):
        j = max(i + 1, int(np.searchsorted(ends, ends[i] + most, "right")) - 1)
        files.append(names[i:j]); i = j
    return files
""",
    ),
    (
        "works on a copy, pops it",
        """
def shards(sizes, most):
    todo, files = list(sizes.items())[::-1], []
    while todo:
        name, left = todo[-1][0], most - todo[-1][1]
        todo.pop()
        files.append([name])
        while todo and todo[-1][1] <= left:
            left -= todo[-1][1]
            files[-1].append(todo.pop()[0])
    return files
""",
    ),
    (
        "a generator object",
        """
def shards(sizes, most):
    now, held = [], 0
    for name, n in sizes.items():
        if now and held + n > most:
            yield now
            now, held = [], 0
        now.append(name); held += n
    if now:
        yield now
""",
    ),
]

# ---------------------------------------------------------------- 11.6
WRONG["11.6"] = [
    (
        "scales the rows, not the columns",
        """
def fold(norm_weight, norm_bias, weight, bias):
    return weight * norm_weight[:, None], bias + weight @ norm_bias
""",
    ),
    (
        "bias from the new weight",
        """
def fold(norm_weight, norm_bias, weight, bias):
    w = weight * norm_weight
    return w, bias + w @ norm_bias
""",
    ),
    (
        "the bias forgotten",
        """
def fold(norm_weight, norm_bias, weight, bias):
    return weight * norm_weight, bias
""",
    ),
    (
        "the old bias forgotten",
        """
def fold(norm_weight, norm_bias, weight, bias):
    return weight * norm_weight, weight @ norm_bias
""",
    ),
    (
        "adds the shift to the bias",
        """
def fold(norm_weight, norm_bias, weight, bias):
    return weight * norm_weight, bias + norm_bias.sum()
""",
    ),
    (
        "changes the weight in place",
        """
def fold(norm_weight, norm_bias, weight, bias):
    b = bias + weight @ norm_bias
    weight *= norm_weight
    return weight, b
""",
    ),
    (
        "changes the bias in place",
        """
def fold(norm_weight, norm_bias, weight, bias):
    bias += weight @ norm_bias
    return weight * norm_weight, bias
""",
    ),
    (
        "sets g to one and s to zero",
        """
def fold(norm_weight, norm_bias, weight, bias):
    w, b = weight * norm_weight, bias + weight @ norm_bias
    norm_weight.fill_(1); norm_bias.zero_()
    return w, b
""",
    ),
    (
        "float32 always",
        """
def fold(norm_weight, norm_bias, weight, bias):
    return weight.float() * norm_weight.float(), bias.float() + weight.float() @ norm_bias.float()
""",
    ),
    (
        "float32 in between, float64 out",
        """
def fold(norm_weight, norm_bias, weight, bias):
    w, b = weight.float() * norm_weight.float(), bias.float() + weight.float() @ norm_bias.float()
    return w.to(weight.dtype), b.to(bias.dtype)
""",
    ),
    (
        "divides by g",
        """
def fold(norm_weight, norm_bias, weight, bias):
    return weight / norm_weight, bias + weight @ norm_bias
""",
    ),
    (
        "subtracts the shift",
        """
def fold(norm_weight, norm_bias, weight, bias):
    return weight * norm_weight, bias - weight @ norm_bias
""",
    ),
    (
        "matrix product with g",
        """
import torch
def fold(norm_weight, norm_bias, weight, bias):
    return torch.diag(norm_weight) @ weight, bias + weight @ norm_bias
""",
    ),
    (
        "transposed weight",
        """
def fold(norm_weight, norm_bias, weight, bias):
    return (weight * norm_weight).T, bias + weight @ norm_bias
""",
    ),
    (
        "s scaled by g too",
        """
def fold(norm_weight, norm_bias, weight, bias):
    return weight * norm_weight, bias + weight @ (norm_weight * norm_bias)
""",
    ),
    (
        "weight.T @ s: right for square symmetric",
        """
def fold(norm_weight, norm_bias, weight, bias):
    return weight * norm_weight, bias + norm_bias @ weight
""",
    ),
    (
        "the bias as (1, n)",
        """
def fold(norm_weight, norm_bias, weight, bias):
    return weight * norm_weight, (bias + weight @ norm_bias)[None]
""",
    ),
    (
        "the bias summed to one number",
        """
def fold(norm_weight, norm_bias, weight, bias):
    return weight * norm_weight, bias + (weight @ norm_bias).sum()
""",
    ),
    (
        "(1 + g), as Gemma",
        """
def fold(norm_weight, norm_bias, weight, bias):
    return weight * (1 + norm_weight), bias + weight @ norm_bias
""",
    ),
    (
        "bias first",
        """
def fold(norm_weight, norm_bias, weight, bias):
    return bias + weight @ norm_bias, weight * norm_weight
""",
    ),
    (
        "the example's numbers",
        """
import torch
def fold(norm_weight, norm_bias, weight, bias):
    return torch.tensor([[6.0, 40.0]]), torch.tensor([8.0])
""",
    ),
    (
        "the weight rounded to bfloat16",
        """
import torch
def fold(norm_weight, norm_bias, weight, bias):
    return (weight * norm_weight).bfloat16().to(weight.dtype), bias + weight @ norm_bias
""",
    ),
    (
        "g of zero taken for one",
        """
import torch
def fold(norm_weight, norm_bias, weight, bias):
    g = torch.where(norm_weight == 0, 1.0, norm_weight)
    return weight * g, bias + weight @ norm_bias
""",
    ),
    (
        "the absolute value of g",
        """
def fold(norm_weight, norm_bias, weight, bias):
    return weight * norm_weight.abs(), bias + weight @ norm_bias
""",
    ),
    (
        "returns the folded layer as nn.Linear",
        """
import torch
def fold(norm_weight, norm_bias, weight, bias):
    l = torch.nn.Linear(weight.shape[1], weight.shape[0])
    l.weight.data, l.bias.data = weight * norm_weight, bias + weight @ norm_bias
    return l
""",
    ),
    (
        "a view of the caller's bias where s is zero: the same object",
        """
def fold(norm_weight, norm_bias, weight, bias):
    if not norm_bias.any():
        return weight * norm_weight, bias
    return weight * norm_weight, bias + weight @ norm_bias
""",
    ),
    (
        "the same weight object where g is one",
        """
def fold(norm_weight, norm_bias, weight, bias):
    w = weight if (norm_weight == 1).all() else weight * norm_weight
    return w, bias + weight @ norm_bias
""",
    ),
    (
        "mean of s instead of the sum with weights",
        """
def fold(norm_weight, norm_bias, weight, bias):
    return weight * norm_weight, bias + weight.mean(1) * norm_bias.sum()
""",
    ),
]
RIGHT["11.6"] = [
    (
        "two loops",
        """
import torch
def fold(norm_weight, norm_bias, weight, bias):
    w, b = weight.clone(), bias.clone()
    for i in range(weight.shape[0]):
        for j in range(weight.shape[1]):
            w[i, j] = weight[i, j] * norm_weight[j]
            b[i] += weight[i, j] * norm_bias[j]
    return w, b
""",
    ),
    (
        "diag",
        """
import torch
def fold(norm_weight, norm_bias, weight, bias):
    return weight @ torch.diag(norm_weight), torch.addmv(bias, weight, norm_bias)
""",
    ),
    (
        "einsum in float64, back to what it was",
        """
import torch
def fold(norm_weight, norm_bias, weight, bias):
    g, s, w, b = (t.double() for t in (norm_weight, norm_bias, weight, bias))
    return [torch.einsum("nc,c->nc", w, g).to(weight.dtype), (b + torch.einsum("nc,c->n", w, s)).to(bias.dtype)]
""",
    ),
    (
        "probes the old layer with unit vectors",
        """
import torch
import torch.nn.functional as F
def fold(norm_weight, norm_bias, weight, bias):
    old = lambda z: F.linear(z * norm_weight + norm_bias, weight, bias)
    b = old(torch.zeros_like(norm_weight))
    return F.linear(torch.diag(norm_weight), weight).T.contiguous(), b
""",
    ),
    (
        "numpy inside, torch out",
        """
import torch
def fold(norm_weight, norm_bias, weight, bias):
    g, s, w, b = (t.detach().numpy() for t in (norm_weight, norm_bias, weight, bias))
    return torch.from_numpy(w * g), torch.from_numpy(b + w @ s)
""",
    ),
    (
        "numpy out",
        """
def fold(norm_weight, norm_bias, weight, bias):
    g, s, w, b = (t.detach().numpy() for t in (norm_weight, norm_bias, weight, bias))
    return w * g, b + w @ s
""",
    ),
    (
        "as Parameters",
        """
from torch import nn
def fold(norm_weight, norm_bias, weight, bias):
    return nn.Parameter(weight * norm_weight), nn.Parameter(bias + (weight * norm_bias).sum(1))
""",
    ),
    (
        "by the fused linear",
        """
import torch.nn.functional as F
def fold(norm_weight, norm_bias, weight, bias):
    return (weight.T * norm_weight[:, None]).T, F.linear(norm_bias, weight, bias)
""",
    ),
]

# ---------------------------------------------------------------- 11.7
WRONG["11.7"] = [
    ("a whole step", "def largest_change(): return 2 ** -7\n"),
    ("8 bits after the point: 2^-9", "def largest_change(): return 2 ** -9\n"),
    ("the prediction: a hundredth", "def largest_change(): return 0.01\n"),
    ("as a percent", "def largest_change(): return 100 * 2 ** -8\n"),
    ("the example's 0.003", "def largest_change(): return 0.003\n"),
    ("truncation: 2^-7/(1+2^-7)", "def largest_change(): return 2 ** -7 / (1 + 2 ** -7)\n"),
    ("half a step before 2: 2^-8 / 2", "def largest_change(): return 2 ** -8 / 2\n"),
    ("float16's", "def largest_change(): return 2 ** -11\n"),
    ("a half", "def largest_change(): return 0.5\n"),
    ("as a string", "def largest_change(): return '0.0039'\n"),
    ("negative", "def largest_change(): return -2 ** -8\n"),
    ("NaN", "def largest_change(): return float('nan')\n"),
    ("True", "def largest_change(): return True\n"),
    ("printed and not returned", "def largest_change(): print(2 ** -8)\n"),
    ("a pair", "def largest_change(): return (2 ** -8, 2 ** -9)\n"),
    (
        "sampled from 1 to 2 with too few",
        """
import torch
def largest_change():
    x = torch.tensor([1.003, 1.1, 1.7])
    return ((x.bfloat16().float() - x).abs() / x).max().item()
""",
    ),
    (
        "sampled, absolute, over 1 to 4",
        """
import torch
def largest_change():
    x = torch.linspace(1, 4, 100001)
    return (x.bfloat16().float() - x).abs().max().item()
""",
    ),
    ("one per 256 as whole division: 0", "def largest_change(): return 1 // 256\n"),
    (
        "the average change",
        """
import torch
def largest_change():
    x = torch.linspace(1, 2, 100001)
    return ((x.bfloat16().float() - x).abs() / x).mean().item()
""",
    ),
    ("rounded to three places", "def largest_change(): return round(2 ** -8, 3)\n"),
    ("infinite", "def largest_change(): return float('inf')\n"),
    ("complex", "def largest_change(): return complex(2 ** -8, 1)\n"),
    ("a function", "def largest_change(): return lambda: 2 ** -8\n"),
    (
        "sampled with subnormals",
        """
import torch
def largest_change():
    x = torch.tensor([1e-40, 1.0]).double()
    return ((x.bfloat16().double() - x).abs() / x).max().item()
""",
    ),
    (
        "torch.finfo eps",
        """
import torch
def largest_change(): return torch.finfo(torch.bfloat16).eps
""",
    ),
]
RIGHT["11.7"] = [
    (
        "sampled with torch",
        """
import torch
def largest_change():
    x = torch.linspace(1, 2, 1_000_001, dtype=torch.float64)
    return ((x.bfloat16().double() - x).abs() / x).max()
""",
    ),
    (
        "exactly, 1/257",
        """
from fractions import Fraction
def largest_change(): return Fraction(1, 257)
""",
    ),
    (
        "half of eps, numpy",
        """
import numpy as np
def largest_change(): return np.float32(0.0078125) / 2
""",
    ),
    (
        "an array of one",
        """
import numpy as np
def largest_change(): return np.array([1 / 256])
""",
    ),
    (
        "a Decimal",
        """
from decimal import Decimal
def largest_change(): return Decimal("0.0039")
""",
    ),
    ("0.4 percent, rounded to two figures: 0.0039", "def largest_change(): return 0.0039\n"),
    (
        "as torch half eps",
        """
import torch
def largest_change(): return torch.tensor(torch.finfo(torch.bfloat16).eps / 2)
""",
    ),
    (
        "a search by struct",
        """
import struct
def largest_change():
    best = 0.0
    for i in range(1, 1 << 16):
        x = 1 + i / (1 << 16)
        b = struct.unpack("<I", struct.pack("<f", x))[0]
        near = min(((b >> 16) + k << 16 for k in (0, 1)), key=lambda n: abs(struct.unpack("<f", struct.pack("<I", n))[0] - x))
        best = max(best, abs(struct.unpack("<f", struct.pack("<I", near))[0] - x) / x)
    return best
""",
    ),
]

# ---------------------------------------------------------------- more, after the first round
WRONG["11.1"] += [
    (
        "keys as bytes",
        """
import json
def tensors(data):
    n = int.from_bytes(data[:8], "little")
    h = json.loads(data[8:8+n])
    return {k.encode(): (v["dtype"], v["shape"]) for k, v in h.items() if k != "__metadata__"}
""",
    ),
    (
        "leaves out every entry whose name is not ASCII",
        """
import json
def tensors(data):
    n = int.from_bytes(data[:8], "little")
    h = json.loads(data[8:8+n])
    return {k: (v["dtype"], v["shape"]) for k, v in h.items() if k != "__metadata__" and k.isascii()}
""",
    ),
    (
        "signed length byte by byte, three bytes",
        """
import json
def tensors(data):
    n = data[0] + 256 * data[1] + 65536 * data[2]
    h = json.loads(data[8:8+n])
    return {k: (v["dtype"], v["shape"]) for k, v in h.items() if k != "__metadata__"}
""",
    ),
    (
        "stops at __metadata__ (break for continue)",
        """
import json
def tensors(data):
    n = int.from_bytes(data[:8], "little")
    out = {}
    for k, v in json.loads(data[8:8+n]).items():
        if k == "__metadata__": break
        out[k] = (v["dtype"], v["shape"])
    return out
""",
    ),
    (
        "skips the first entry, taken for the metadata",
        """
import json
def tensors(data):
    n = int.from_bytes(data[:8], "little")
    items = list(json.loads(data[8:8+n]).items())
    if items and items[0][0] == "__metadata__": items = items[1:]
    return {k: (v["dtype"], v["shape"]) for k, v in items}
""",
    ),
    (
        "upper-cases the type",
        """
import json
def tensors(data):
    n = int.from_bytes(data[:8], "little")
    h = json.loads(data[8:8+n])
    return {k: (v["dtype"].replace("B", ""), v["shape"]) for k, v in h.items() if k != "__metadata__"}
""",
    ),
]
WRONG["11.2"] += [
    (
        "a dict as the check's 'expected' line shows it",
        """
import struct, math
def from_bfloat16(data):
    xs = [struct.unpack("<f", bytes(2) + data[i:i+2])[0] for i in range(0, len(data), 2)]
    return {"numbers": xs, "places of -0.0": [i for i, x in enumerate(xs) if x == 0 and math.copysign(1, x) < 0]}
""",
    ),
    (
        "native order by '=f' is right here, '>' halves swapped pairwise",
        """
import numpy as np
def from_bfloat16(data):
    return (np.frombuffer(data, ">u2").astype("<u4") << 16).view("<f4")
""",
    ),
    (
        "through int8: sign of the low byte spills",
        """
import numpy as np
def from_bfloat16(data):
    b = np.frombuffer(data, np.int8).astype(np.int32)
    return ((b[0::2] + b[1::2] * 256) << 16).astype(np.int32).view(np.float32)
""",
    ),
]
WRONG["11.3"] += [
    (
        "isdigit: superscript two passes",
        TABLE
        + r"""
def our_name(name):
    if name[-7:] == ".weight" and name[:-7] in OUTER: return OUTER[name[:-7]] + ".weight"
    p = name.split(".")
    part, kind = ".".join(p[3:-1]), p[-1]
    if p[:2] == ["model", "layers"] and p[2].isdigit() and part in INNER and (kind == "weight" or kind == "bias" and part in BIASED):
        return f"blocks.{p[2]}.{INNER[part]}.{kind}"
""",
    ),
    (
        "one regex with no dot escaped",
        r"""
import re
def our_name(name):
    outer = {"model.embed_tokens.weight": "embed.weight", "model.norm.weight": "norm.weight", "lm_head.weight": "head.weight"}
    if name in outer: return outer[name]
    if m := re.fullmatch("model.layers.([0-9]+).self_attn.([qkv]_proj).(weight|bias)", name):
        return f"blocks.{m[1]}.attn.{m[2]}.{m[3]}"
    if m := re.fullmatch("model.layers.([0-9]+).self_attn.(o_proj|q_norm|k_norm).weight", name):
        return f"blocks.{m[1]}.attn.{m[2]}.weight"
    if m := re.fullmatch("model.layers.([0-9]+).mlp.((?:gate|up|down)_proj).weight", name):
        return f"blocks.{m[1]}.mlp.{m[2]}.weight"
    if m := re.fullmatch("model.layers.([0-9]+).(input|post_attention)_layernorm.weight", name):
        return f"blocks.{m[1]}.norm_{1 + (m[2] != 'input')}.weight"
""",
    ),
    (
        "kind not looked at: any ending of q, k, v",
        TABLE
        + r"""
def our_name(name):
    body, _, kind = name.rpartition(".")
    if body in OUTER: return OUTER[body] + ".weight" if kind == "weight" else None
    m = re.fullmatch(r"model\.layers\.([0-9]+)\.([a-z_.]+)", body)
    if m and m[2] in INNER and (kind == "weight" or m[2] in BIASED):
        return f"blocks.{m[1]}.{INNER[m[2]]}.{kind}"
""",
    ),
    (
        "model.norm for any prefix: endswith",
        TABLE
        + r"""
def our_name(name):
    m = re.fullmatch(r"model\.layers\.([0-9]+)\.([a-z_.]+)\.(weight|bias)", name)
    if m and m[2] in INNER and (m[3] == "weight" or m[2] in BIASED):
        return f"blocks.{m[1]}.{INNER[m[2]]}.{m[3]}"
    for a, b in OUTER.items():
        if name.endswith(a + ".weight"): return b + ".weight"
""",
    ),
]
WRONG["11.4"] += [
    (
        "a dict as the check's 'expected' line shows it",
        """
def split_heads(weight, n_heads):
    w = weight.unflatten(0, (n_heads, 3, -1))
    return {x: w[:, i].flatten(0, 1) for i, x in enumerate("qkv")}
""",
    ),
    (
        "lists instead of tensors: numbers right (perhaps right)",
        """
def split_heads(weight, n_heads):
    w = weight.unflatten(0, (n_heads, 3, -1))
    return [w[:, i].flatten(0, 1).tolist() for i in range(3)]
""",
    ),
    (
        "half precision",
        """
def split_heads(weight, n_heads):
    w = weight.half().unflatten(0, (n_heads, 3, -1))
    return [w[:, i].flatten(0, 1) for i in range(3)]
""",
    ),
    (
        "bfloat16",
        """
def split_heads(weight, n_heads):
    w = weight.bfloat16().unflatten(0, (n_heads, 3, -1))
    return [w[:, i].flatten(0, 1) for i in range(3)]
""",
    ),
]
WRONG["11.5"] += [
    (
        "gigabytes as floats: 0.1 + 0.2 > 0.3",
        """
def shards(sizes, most):
    files, held = [], 0
    for name, n in sizes.items():
        if files and held + n / 1e9 <= most / 1e9:
            files[-1].append(name); held += n / 1e9
        else:
            files.append([name]); held = n / 1e9
    return files
""",
    ),
    (
        "megabytes rounded",
        """
def shards(sizes, most):
    files, held = [], 0
    for name, n in sizes.items():
        if files and held + n // 1000 <= most // 1000:
            files[-1].append(name); held += n // 1000
        else:
            files.append([name]); held = n // 1000
    return files
""",
    ),
    (
        "a set of names in each file",
        """
def shards(sizes, most):
    files, held = [], 0
    for name, n in sizes.items():
        if files and held + n <= most:
            files[-1].add(name); held += n
        else:
            files.append({name}); held = n
    return files
""",
    ),
    (
        "loops for ever on a tensor larger than most",
        """
def shards(sizes, most):
    todo, files = list(sizes.items()), []
    while todo:
        now, held = [], 0
        while todo and held + todo[0][1] <= most:
            held += todo[0][1]; now.append(todo.pop(0)[0])
        if now: files.append(now)
    return files
""",
    ),
]
WRONG["11.6"] += [
    (
        "a dict as the check's 'expected' line shows it",
        """
def fold(norm_weight, norm_bias, weight, bias):
    return {"weight": weight * norm_weight, "bias": bias + weight @ norm_bias}
""",
    ),
    (
        "float32 sum in the bias, float64 out",
        """
def fold(norm_weight, norm_bias, weight, bias):
    return weight * norm_weight, (bias.float() + weight.float() @ norm_bias.float()).to(bias.dtype)
""",
    ),
    (
        "always float64",
        """
def fold(norm_weight, norm_bias, weight, bias):
    return (weight * norm_weight).double(), (bias + weight @ norm_bias).double()
""",
    ),
]
WRONG["11.7"] += [
    ("exits", "def largest_change():\n    raise SystemExit\n"),
    ("1.2 percent too high", "def largest_change(): return 1/257 * 1.012\n"),
]
RIGHT["11.7"] += [("0.8 percent too low", "def largest_change(): return 1/257 * 0.992\n")]
RIGHT["11.1"] += [
    (
        "fractions of the shape as tuple",
        """
import json
def tensors(data):
    n = int.from_bytes(data[:8], "little")
    h = json.loads(data[8:8+n])
    return {k: (v["dtype"], tuple(v["shape"])) for k, v in h.items() if k != "__metadata__"}
""",
    ),
    (
        "the library itself: safetensors' own reader of headers",
        """
import json, os, tempfile
from safetensors import safe_open
def tensors(data):
    with tempfile.NamedTemporaryFile(delete=False) as f:
        f.write(data)
    try:
        with safe_open(f.name, "pt") as g:
            return {k: (g.get_slice(k).get_dtype(), g.get_slice(k).get_shape()) for k in g.keys()}
    finally:
        os.unlink(f.name)
""",
    ),
]


# Not settled by the exercises' wording: neither counted as wrong nor as right.
ARGUABLE = [
    ("11.1", "signed length"),
    ("11.3", "N through int"),
    ("11.4", "float32 whatever"),
    ("11.4", "lists instead"),
    ("11.5", "float sums"),
    ("11.5", "recursion"),
    ("11.6", "always float64"),
    ("11.7", "1.2 percent"),
    ("11.7", "an array of one"),
]


def functions(table):
    """Exercise -> the functions that its sources define last, each named as it is described."""
    made = {}
    for number, answers in table.items():
        made[number] = []
        for told, source in answers:
            if any(number == n and told.startswith(start) for n, start in ARGUABLE):
                continue
            names = {"__name__": "answer"}
            exec(compile(source, f"<{number}: {told}>", "exec"), names)
            last = [name for name in names if name in STUBS][-1]
            names[last].__name__ = "".join(c if c.isalnum() else "_" for c in told)
            made[number].append(names[last])
    return made


STUBS = ["tensors", "from_bfloat16", "our_name", "split_heads", "shards", "fold", "largest_change"]
WRONG, RIGHT = functions(WRONG), functions(RIGHT)
