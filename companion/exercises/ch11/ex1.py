"""The check of exercise 11.1: What is in the file?"""

import json
import math
import random

from companion.exercises.exercise import Function

BYTES = {"F64": 8, "I64": 8, "F32": 4, "F16": 2, "BF16": 2, "I8": 1, "U8": 1, "BOOL": 1, "F8_E4M3": 1}
NOTES = "__metadata__"


def tensors(data):
    end = 8 + sum(byte * 256**place for place, byte in enumerate(data[:8]))
    header = json.loads(data[8:end].decode("utf-8"))
    return {name: (header[name]["dtype"], header[name]["shape"]) for name in header if name != NOTES}


# -- inputs ------------------------------------------------------------------


def file(entries, notes=None, first=True, order=("dtype", "shape", "data_offsets"), fill=None, n=0, **how):
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
    fill = fill or (lambda n: bytes(n))
    return len(text).to_bytes(8, "little") + text + fill(at)


def by_hand():
    return [
        file([]),
        file([], {"format": "pt"}),
        file([("a", "F32", [2])]),
        file([("scale", "F32", [])]),
        file([("a", "U8", [3])], {"by": "Mara"}, n=ord("{")),  # so the file's first byte is a brace, too
        file([("none", "F16", [0, 3])]),
        file([("W", "U8", [2])]),
        file([("a b", "U8", [2])]),
        file([("w", "BF16", [2, 3])], {"format": "pt"}),
        file([("w", "BF16", [3, 2])], {"format": "pt"}, first=False),
        file([("größe", "I8", [5])], fill=lambda n: b"}\xff{\x80]"),
        file([("\U0001f3ee", "F8_E4M3", [2])], ensure_ascii=True),  # a lantern, in two escapes
        file([("x.__metadata__", "BOOL", [4]), ("__b", "U8", [1])]),
        file([("w", "I64", [1, 2]), ("b", "F64", [3])], order=("shape", "data_offsets", "dtype")),
        file([("a}}", "U8", [2, 2]), ("b", "U8", [])], fill=lambda n: b'"}}}}'),
        file([("w", "F32", [2]), ("v", "F16", [])], {"by": "Mara", "dtype": "F32", "shape": "[9]"}, indent=1),
    ]


def file_cases(seed):
    rng = random.Random(seed)
    made = by_hand() if seed == 0 else []
    for layers in [2, 3, 5] + [300] * (seed == 0):  # the last one's header has more than 65,536 bytes
        entries = [("wte.weight", rng.choice(list(BYTES)), [rng.randint(3, 9), rng.randint(1, 5)])]
        for i in range(layers):
            for part in ("attn.weight", "attn.bias", "mlp.weight", "scale")[: 4 if layers == 300 else 3]:
                shape = [rng.randint(1, 4) for _ in range(rng.randint(0, 3))]
                entries.append((f"h.{i}.{part}", rng.choice(list(BYTES)), shape))
        rng.shuffle(entries)
        notes = {"format": "pt"} if rng.random() < 0.5 else None
        made.append(file(entries, notes, rng.random() < 0.5, fill=rng.randbytes))
    return [(data,) for data in made]


# -- mistakes ------------------------------------------------------------------


def length(data):
    return int.from_bytes(data[:8], "little")


def read(data):
    return json.loads(data[8 : 8 + length(data)])


def plain(header):
    return {name: (entry["dtype"], entry["shape"]) for name, entry in header.items() if name != NOTES}


def each(change):
    """A mistake made with each tensor's type and shape; None leaves the tensor out."""

    def wrong(data):
        found = {name: change(*entry) for name, entry in tensors(data).items()}
        return {name: entry for name, entry in found.items() if entry is not None}

    return wrong


def entries(change):
    """A mistake made with each tensor's entry in the header."""

    def wrong(data):
        return {name: change(entry) for name, entry in read(data).items() if name != NOTES}

    return wrong


def kept(choose):
    """The tensors whose name is chosen."""
    return lambda data: {name: (x["dtype"], x["shape"]) for name, x in read(data).items() if choose(name)}


def decoded(*how):
    return lambda data: plain(json.loads(data[8 : 8 + length(data)].decode(*how)))


def in_small(data):
    return {name.lower(): found for name, found in tensors(data).items()}


def no_spaces(data):
    return plain(json.loads(data[8 : 8 + length(data)].replace(b" ", b"")))


def always_there(data):
    header = read(data)
    del header[NOTES]
    return plain(header)


METADATA = (
    "`__metadata__` is no tensor: it holds notes of whoever wrote the file. Leave it out, wherever it stands."
)
NAME = "A tensor's name may have `__metadata__` in it, or begin with `__`; only that name alone is none."
ORDER = "A JSON object has no order: look up `dtype` and `shape` by their keys."
NUMBERS = (
    "You read on into the numbers after the header: it has N bytes. Or was N far too large? The length is "
    "little-endian: its first byte counts ones, the next 256s."
)
LETTERS = "Names are UTF-8, as JSON always is."
END = (
    "A header ends after N bytes. What follows are numbers, and any byte can be among them; braces may stand "
    "in names too."
)

EXERCISE = Function(
    number="11.1",
    title="What is in the file?",
    stars=1,
    wants="tensors(data)",
    cases=file_cases,
    oracle=tensors,
    mistakes=[
        (kept(lambda name: True), METADATA),
        (lambda data: {name: (x.get("dtype"), x.get("shape")) for name, x in read(data).items()}, METADATA),
        (lambda data: {name: (x["dtype"], x["shape"]) for name, x in list(read(data).items())[1:]}, METADATA),
        (lambda data: {n: (x["dtype"], x["shape"]) for n, x in read(data).items() if "dtype" in x}, METADATA),
        (kept(lambda name: NOTES not in name), NAME),
        (kept(lambda name: not name.startswith("__")), NAME),
        (kept(lambda name: not name.startswith("_")), NAME),
        (
            lambda data: plain(json.loads(data[8 : 8 + int.from_bytes(data[:8], "big")])),
            NUMBERS,
        ),
        (
            lambda data: plain(json.loads(data[8 : 8 + data[0]])),
            "The first byte alone holds lengths up to 255. The length has eight bytes.",
        ),
        (
            lambda data: plain(json.loads(data[8 : 8 + int.from_bytes(data[:2], "little")])),
            "Two bytes hold lengths up to 65,535. The length has eight.",
        ),
        (
            lambda data: plain(json.loads(data[4 : 4 + int.from_bytes(data[:4], "little")])),
            "The length takes eight bytes, so the header begins at byte 8.",
        ),
        (
            lambda data: plain(json.loads(data[: length(data)])),
            "The header begins after the eight bytes of its length.",
        ),
        (
            lambda data: plain(json.loads(data[8 : length(data)])),
            "N counts the header alone: it ends at byte 8 + N.",
        ),
        (
            always_there,
            "Not every file has `__metadata__`. To take it out with `del` or `pop` raises a KeyError there, "
            "unless `pop` is told what to give instead.",
        ),
        (in_small, "Names stay as the file has them: a capital letter is another letter."),
        (
            no_spaces,
            "A space may stand in a name. Those at the header's end do no harm: `json.loads` skips them.",
        ),
        (decoded("ascii"), LETTERS),
        (decoded("ascii", "ignore"), LETTERS),
        (decoded("ascii", "replace"), LETTERS),
        (decoded("latin-1"), LETTERS),
        (
            lambda data: plain(json.loads(data[8:].decode("utf-8", "replace")[: length(data)])),
            "N counts bytes, not characters: cut first, decode then.",
        ),
        (lambda data: plain(json.loads(data[8:])), NUMBERS),
        (
            lambda data: plain(json.loads(data[data.index(b"{") : 8 + length(data)])),
            "The header begins at byte 8. A brace may come before it: among the eight bytes of the length.",
        ),
        (
            lambda data: plain(json.loads(data[data.index(b"{") : data.rindex(b"}") + 1])),
            "Braces do not tell where the header begins and ends: they may be among the length's bytes, and "
            "among the numbers'. Read the length.",
        ),
        (lambda data: plain(json.loads(data[8 : data.index(b"}}") + 2])), END),
        (lambda data: plain(json.loads(data[8 : data.rindex(b"}") + 1])), END),
        (
            each(lambda dtype, shape: (dtype, shape[::-1])),
            "Sizes stand in the file's order: you turned them round.",
        ),
        (
            each(lambda dtype, shape: (dtype, shape) if shape else None),
            "A scalar is a tensor too: its shape is [].",
        ),
        (each(lambda dtype, shape: (dtype, shape or [1])), "A scalar's shape is [], not [1]."),
        (each(lambda dtype, shape: (dtype, shape or None)), "A scalar's shape is []."),
        (
            each(lambda dtype, shape: (dtype, shape) if math.prod(shape) else None),
            "A tensor with a size of 0 has no numbers, and is in the file nevertheless.",
        ),
        (
            each(lambda dtype, shape: (dtype, math.prod(shape))),
            "You multiplied the sizes. The shape is the list of them.",
        ),
        (each(lambda dtype, shape: (shape, dtype)), "The type comes first, then the shape."),
        (each(lambda dtype, shape: shape), "The type is missing: (type, shape) for each."),
        (each(lambda dtype, shape: dtype), "The shape is missing: (type, shape) for each."),
        (
            each(lambda dtype, shape: (dtype.lower(), shape)),
            "The type's name should stay as the file has it.",
        ),
        (entries(lambda entry: tuple(entry.values())[:2]), ORDER),
        (entries(lambda entry: tuple(entry.values())[1::-1]), ORDER),
        (entries(lambda entry: entry), "Of each entry, take the type and the shape alone, as a pair."),
        (
            entries(lambda entry: (entry["dtype"], entry["shape"], entry["data_offsets"])),
            "Where the numbers stand was not asked: (type, shape) for each.",
        ),
        (
            lambda data: [(name, *found) for name, found in tensors(data).items()],
            "A list of all. A dict is wanted: name to (type, shape).",
        ),
        (
            kept(lambda name: name.endswith("weight")),
            "Tensors may have any name; you took those that end in `weight`.",
        ),
    ],
    right="A file of weights tells what it holds before a single number is read: nothing in it is run.",
)
