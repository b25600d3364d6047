"""The check of exercise 11.5: How large a file may be."""

import random
import struct

from companion.exercises.exercise import Function
from companion.exercises.settle import as_list


def shards(sizes, most):
    names, out = list(sizes), []
    while names:
        n = 1
        while n < len(names) and sum(sizes[name] for name in names[: n + 1]) <= most:
            n += 1
        out.append(names[:n])
        names = names[n:]
    return out


def size_cases(seed):
    rng = random.Random(seed)
    cases = [
        ({}, 5),
        ({"a": 3}, 5),
        ({"a": 5}, 5),
        ({"a": 7}, 5),
        ({"b": 2, "a": 3}, 5),
        ({"b": 3, "a": 3}, 5),
        ({"c": 1, "b": 7, "a": 1}, 5),
        ({"c": 7, "a": 2, "b": 2}, 5),
        ({"c": 7, "b": 7, "a": 7}, 5),
        ({"c": 4, "a": 3, "b": 1}, 5),
        ({"a": 1, "d": 2, "c": 3, "b": 4}, 5),
        ({"embed": 6, "q": 2, "k": 2, "v": 3, "norm": 1}, 6),
        ({"b": 1, "a": 1, "c": 1}, 1),
        ({"a": 5, "z": 0}, 5),
        ({"a": 0, "b": 9}, 5),
        ({"a": 0, "y": 0, "b": 9, "z": 0}, 5),
        ({"c": 7, "z": 0, "a": 1}, 5),
        ({"a": 2, "z": 0, "b": 4, "y": 0}, 5),
        ({"a": 100_000, "b": 200_000}, 300_000),
        ({"a": 100_000_000, "b": 200_000_000}, 300_000_000),
        ({"a": 16_777_216, "b": 1}, 16_777_216),
    ]
    cases = cases if seed == 0 else []
    for n, top, most in [(7, 9, 12), (12, 40, 50), (30, 2000, 5000), (9, 30, 20)]:
        names = [f"layers.{i}.weight" for i in range(n)]
        rng.shuffle(names)
        cases.append(({name: rng.randint(1, top) for name in names}, most))
    big = {f"w{rng.randint(0, 10**6)}": rng.randint(1, 4) * 10**9 for _ in range(6)}
    return [*cases, (big, 5 * 10**9)]


# -- mistakes ------------------------------------------------------------------


def filled(
    sizes, most, full=lambda total, most: total > most, counted=lambda size: size, begun=lambda size: size
):
    """In order, with parts of the rule given: when a file is too full, how much of a tensor counts."""
    out, total = [], 0
    for name, size in sizes.items():
        if out and not full(total + size, most):
            out[-1].append(name)
            total += counted(size)
        else:
            out.append([name])
            total = begun(size)
    return out


def first_file_begun(sizes, most):
    out, total = [[]], 0
    for name, size in sizes.items():
        if total + size > most:
            out.append([])
            total = 0
        out[-1].append(name)
        total += size
    return out


def closed_at(sizes, most):
    """A file that is full is closed at once."""
    out, file, total = [], [], 0
    for name, size in sizes.items():
        if file and total + size > most:
            out.append(file)
            file, total = [], 0
        file.append(name)
        total += size
        if total >= most:
            out.append(file)
            file, total = [], 0
    return [*out, file] if file else out


def if_any_held(sizes, most):
    """The bytes held tell whether a file was begun."""
    out, total = [], 0
    for name, size in sizes.items():
        if total and total + size <= most:
            out[-1].append(name)
            total += size
        else:
            out.append([name])
            total = size
    return out


def in_gigabytes(unit):
    def wrong(sizes, most):
        return shards({name: size / unit for name, size in sizes.items()}, most / unit)

    return wrong


def in_float32(sizes, most):
    return filled(
        sizes,
        most,
        full=lambda total, most: as_float32(total) > as_float32(most),
        counted=as_float32,
        begun=as_float32,
    )


def as_float32(number):
    return struct.unpack("f", struct.pack("f", number))[0]


def hint(got, sizes, most):
    """Whether all is right but for tensors of 0 bytes."""
    rest = {name: size for name, size in sizes.items() if size}
    if got.error is not None or rest == sizes or not isinstance(got.value, list | tuple):
        return ""
    files = [[name for name in as_list(file) or [] if name in rest] for file in got.value]
    return NOTHING if [file for file in files if file] == shards(rest, most) else ""


def closed_late(sizes, most):
    out, file, total = [], [], 0
    for name, size in sizes.items():
        file.append(name)
        total += size
        if total > most:
            out.append(file)
            file, total = [], 0
    return [*out, file] if file else out


def in_between(sizes, most, last=True):
    out, file, total = [], [], 0
    for name, size in sizes.items():
        if size > most:
            out.append([name])
            continue
        if total + size > most:
            out.append(file)
            file, total = [], 0
        file.append(name)
        total += size
    return [*out, file] if file and last else out


def large_last(sizes, most):
    return fitting(sizes, most) + [[name] for name, size in sizes.items() if size > most]


def fitting(sizes, most):
    return shards({name: size for name, size in sizes.items() if size <= most}, most)


def refusing(error):
    def wrong(sizes, most):
        if any(size > most for size in sizes.values()):
            raise error("too large")
        return shards(sizes, most)

    return wrong


def running(sizes, most):
    out, total = [], 0
    for name, size in sizes.items():
        total += size
        if not out or total > most:
            out.append([])
        out[-1].append(name)
    return out


def steps(place):
    """By the place in one long file, cut at every multiple of `most`."""

    def wrong(sizes, most):
        out, at = {}, 0
        for name, size in sizes.items():
            out.setdefault(place(at, size) // most, []).append(name)
            at += size
        return list(out.values())

    return wrong


def room_anywhere(sizes, most):
    out, totals = [], []
    for name, size in sizes.items():
        i = next((i for i, total in enumerate(totals) if total + size <= most), None)
        if i is None:
            out.append([name])
            totals.append(size)
        else:
            out[i].append(name)
            totals[i] += size
    return out


def sorted_by(key):
    return lambda sizes, most: shards(dict(sorted(sizes.items(), key=key)), most)


def backwards(sizes, most):
    return [file[::-1] for file in shards(dict(reversed(sizes.items())), most)[::-1]]


def by_size(sizes, most):
    names = {size: name for name, size in sizes.items()}
    return [[names[sizes[name]] for name in file] for file in shards(sizes, most)]


def each(change):
    return lambda sizes, most: [change(file, sizes) for file in shards(sizes, most)]


ORDER = "The tensors stay in the order of the file; you sorted them."
EMPTY = "There is an empty file, where the first tensor is larger than `most` or there is none at all."
NOTHING = "A tensor of 0 bytes has a name and comes into a file like any other: it fits where anything does."
FLOATS = "Sums of floats are rounded; bytes are whole numbers, and integers of Python are exact."
REFUSED = "A tensor that is larger than `most` stands alone; it must be saved somewhere."

EXERCISE = Function(
    number="11.5",
    title="How large a file may be",
    stars=2,
    wants="shards(sizes, most)",
    cases=size_cases,
    oracle=shards,
    hint=hint,
    mistakes=[
        (
            lambda sizes, most: filled(sizes, most, full=lambda total, most: total >= most),
            "A file may be as large as `most`: a tensor that just fits belongs in it.",
        ),
        (
            lambda sizes, most: shards(sizes, most)[:-1],
            "The last file is missing: after the loop, what was begun must be kept too.",
        ),
        (first_file_begun, EMPTY),
        (
            lambda sizes, most: first_file_begun(sizes, most) if sizes else [],
            "There is an empty file, where the first tensor is larger than `most`.",
        ),
        (if_any_held, NOTHING + " That a file holds 0 bytes does not mean that none was begun."),
        (closed_at, NOTHING + " Into a full one too."),
        (lambda sizes, most: shards({name: size for name, size in sizes.items() if size}, most), NOTHING),
        *[(in_gigabytes(unit), FLOATS) for unit in (1e9, 1e6)],
        (in_float32, FLOATS),
        (
            lambda sizes, most: [file for file in first_file_begun(sizes, most) if file or not sizes],
            "No tensors, no file.",
        ),
        (lambda sizes, most: shards(sizes, most) or [[]], "No tensors, no file."),
        (
            closed_late,
            "You close a file when it has grown too large, with the tensor that did not fit still in it.",
        ),
        (
            in_between,
            "That is what Hugging Face does now: a tensor that is too large gets a file, "
            "and the one that was "
            "begun goes on after it. Here the order stays, so that one ends where the large tensor comes.",
        ),
        (
            lambda sizes, most: in_between(sizes, most, last=False),
            "The last file is missing: after the loop, what was begun must be kept too.",
        ),
        (large_last, "The large tensors came last. The order stays."),
        (fitting, REFUSED),
        (refusing(ValueError), REFUSED),
        (refusing(AssertionError), REFUSED),
        (
            lambda sizes, most: filled(
                sizes, most, counted=lambda size: size, begun=lambda size: size if size <= most else 0
            ),
            "A tensor that is larger than `most` stands alone; another one came into its file after it.",
        ),
        (
            lambda sizes, most: filled(sizes, most, begun=lambda size: 0),
            "The first tensor of a file counts too: you set the sum to 0 after it.",
        ),
        (running, "The sum must begin anew with each file."),
        (
            steps(lambda at, size: at),
            "You cut one long file at every multiple of `most`; so a tensor that crosses a "
            "cut makes a file too "
            "large. Each file has its own sum.",
        ),
        (
            steps(lambda at, size: at + size - 1),
            "You cut one long file at every multiple of `most`; a new file should have all "
            "of `most` to fill.",
        ),
        (
            steps(lambda at, size: at + size),
            "You cut one long file at every multiple of `most`; a new file should have all "
            "of `most` to fill.",
        ),
        (room_anywhere, "Later tensors went back into files that had room. The order stays."),
        (sorted_by(lambda pair: pair[0]), ORDER),
        (sorted_by(lambda pair: pair[1]), ORDER),
        (sorted_by(lambda pair: -pair[1]), ORDER),
        (backwards, "You filled the files from the end. The first should be filled first."),
        (lambda sizes, most: shards(sizes, most)[::-1], "The files are in the wrong order."),
        (
            lambda sizes, most: [[name] for name in sizes],
            "Each tensor got a file of its own, though more would fit.",
        ),
        (
            lambda sizes, most: [list(sizes)] if sizes else [],
            "All tensors are in one file, however large it is.",
        ),
        (lambda sizes, most: [list(sizes)], "All tensors are in one file, however large it is."),
        (
            lambda sizes, most: [list(sizes)[i : i + most] for i in range(0, len(sizes), most)],
            "`most` counts bytes; you took so many tensors.",
        ),
        (each(lambda file, sizes: [sizes[name] for name in file]), "The names are wanted, not the sizes."),
        (by_size, "Two tensors of one size became one: a dict from sizes to names loses all but the last."),
        (
            each(lambda file, sizes: {name: sizes[name] for name in file}),
            "Lists of names are wanted, without the sizes.",
        ),
        (
            lambda sizes, most: [name for file in shards(sizes, most) for name in file],
            "One list of names for each file, within a list.",
        ),
    ],
    right="So a model larger than any one file is many, each of which can be fetched and read alone.",
)
