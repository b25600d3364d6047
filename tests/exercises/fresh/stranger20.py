"""Wrong and right answers to chapter 20 by a stranger who had not seen the checks.

They were judged wrongly, or might have been. What is not here is what the chapter leaves open: a rate of 0,
a burst below 1 or with parts, an empty stop, and a stop that ends before another that began earlier.
"""

import ast
import functools
import heapq
import itertools
import json
import math
import re
import struct
from decimal import Decimal
from fractions import Fraction

import numpy as np
import torch

# 20.1 -----------------------------------------------------------------


def counted_in_blocks():
    blocks = 7_000_000_000 // 32
    return blocks * 18 / 1e9


# 20.2 -----------------------------------------------------------------


def static(lengths, slots):
    return sum(max(lengths[i : i + slots]) for i in range(0, len(lengths), slots))


def continuous(lengths, slots):
    free = [0] * slots
    for n in lengths:
        heapq.heapreplace(free, free[0] + n)
    return max(free)


def both(lengths, slots):
    return static(lengths, slots), continuous(lengths, slots)


def static_sorted(lengths, slots):
    return static(sorted(lengths), slots), continuous(lengths, slots)


def continuous_longest_first(lengths, slots):
    return static(lengths, slots), continuous(sorted(lengths, reverse=True), slots)


def continuous_shortest_first(lengths, slots):
    return static(lengths, slots), continuous(sorted(lengths), slots)


def perfectly_full(lengths, slots):
    return static(lengths, slots), math.ceil(sum(lengths) / slots)


def lower_bound(lengths, slots):
    return static(lengths, slots), max(math.ceil(sum(lengths) / slots), max(lengths, default=0))


def dealt_like_cards(lengths, slots):
    return static(lengths, slots), max(sum(lengths[i::slots]) for i in range(slots))


def least_work_in_all(lengths, slots):
    """As right, but the last batch is forgotten where it is not full."""
    whole = len(lengths) // slots * slots
    return static(lengths[:whole], slots), continuous(lengths, slots)


def a_step_to_join(lengths, slots):
    free = [0] * slots
    for i, n in enumerate(lengths):
        heapq.heapreplace(free, free[0] + n + (i >= slots))
    return static(lengths, slots), max(free)


def one_joins_in_a_step(lengths, slots):
    waiting, rows, count = list(lengths), list(lengths[:slots]), 0
    waiting = waiting[slots:]
    while rows:
        count += 1
        rows = [n - 1 for n in rows if n > 1]
        if waiting and len(rows) < slots:
            rows.append(waiting.pop(0))
    return static(lengths, slots), count


def last_in_first_out(lengths, slots):
    waiting, rows, count = list(lengths), [], 0
    while waiting or rows:
        while waiting and len(rows) < slots:
            rows.append(waiting.pop())
        rows = [n - 1 for n in rows if n > 1]
        count += 1
    return static(lengths, slots), count


def slot_of_the_latest(lengths, slots):
    free = list(lengths[:slots]) or [0]
    for n in lengths[slots:]:
        free[free.index(max(free))] += n
    return static(lengths, slots), max(free)


def first_batch_only(lengths, slots):
    return max(lengths[:slots], default=0), continuous(lengths, slots)


def columns(lengths, slots):
    return sum(max(lengths[i::slots], default=0) for i in range(slots)), continuous(lengths, slots)


def eats_the_list(lengths, slots):
    result = both(lengths, slots)
    if isinstance(lengths, list):
        lengths.clear()
    return result


def sorts_in_place(lengths, slots):
    result = both(lengths, slots)
    if isinstance(lengths, list):
        lengths.sort()
    return result


def other_order(lengths, slots):
    return both(lengths, slots)[::-1]


def needs_one_request(lengths, slots):
    batches = [lengths[i : i + slots] for i in range(0, len(lengths), slots)]
    free = [0] * min(slots, len(lengths))
    for n in lengths:
        free[free.index(min(free))] += n
    return sum(map(max, batches)), max(free)


def each_length_once(lengths, slots):
    return both(list(dict.fromkeys(lengths)), slots)


def at_least_one_step(lengths, slots):
    return tuple(max(n, 1) for n in both(lengths, slots))


def no_gain_below_slots(lengths, slots):
    if len(lengths) < slots:
        return sum(lengths), sum(lengths)
    return both(lengths, slots)


def frees_on_the_last_step(lengths, slots):
    """Off by one: the next begins in the step in which the one before ends."""
    free = [0] * slots
    for i, n in enumerate(lengths):
        heapq.heapreplace(free, free[0] + n - (i >= slots))
    return static(lengths, slots), max(free)


def whole_numbers_as_words(lengths, slots):
    return tuple(map(str, both(lengths, slots)))


def step_by_step(lengths, slots):
    waiting, rows, count = iter(lengths), [], 0
    while True:
        rows = [n - 1 for n in rows if n > 1]
        rows += itertools.islice(waiting, slots - len(rows))
        if not rows:
            break
        count += 1
    return torch.tensor([static(lengths, slots), count])


def recursive_steps(lengths, slots, free=None):
    lengths, free = tuple(lengths), free or (0,) * slots

    def rest(queue, free):
        if not queue:
            return max(free)
        first, *others = sorted(free)
        return rest(queue[1:], (first + queue[0], *others))

    def batch(queue):
        return max(queue[:slots]) + batch(queue[slots:]) if queue else 0

    return [batch(lengths), rest(lengths, free)]


def numpy_steps(lengths, slots):
    n = np.array(lengths, dtype=np.int64)
    padded = np.pad(n, (0, -len(n) % slots)).reshape(-1, slots)
    free = np.zeros(slots, dtype=np.int64)
    for x in n:
        free[free.argmin()] += x
    return padded.max(1).sum() if len(n) else np.int64(0), free.max()


def generated_steps(lengths, slots):
    yield static(lengths, slots)
    yield continuous(lengths, slots)


# 20.3 -----------------------------------------------------------------


def blocks(data, order="<e", size=18):
    for at in range(0, len(data), size):
        yield struct.unpack_from(order, data, at)[0], data[at + 2 : at + size]


def q4(data):
    numbers = []
    for d, qs in blocks(data):
        numbers += [d * ((b & 15) - 8) for b in qs] + [d * ((b >> 4) - 8) for b in qs]
    return numbers


def in_blocks(number, low=lambda b: b & 15, high=lambda b: b >> 4, order="<e"):
    """Every number of a block from its scale and its four bits."""

    def answer(data):
        return [number(d, q) for d, qs in blocks(data, order) for q in [*map(low, qs), *map(high, qs)]]

    return answer


def side_by_side(data):
    return [d * (q - 8) for d, qs in blocks(data) for b in qs for q in (b & 15, b >> 4)]


def upper_first(data):
    return [d * (q - 8) for d, qs in blocks(data) for q in [b >> 4 for b in qs] + [b & 15 for b in qs]]


def all_lowers_then_all_uppers(data):
    every = list(blocks(data))
    return [d * ((b & 15) - 8) for d, qs in every for b in qs] + [
        d * ((b >> 4) - 8) for d, qs in every for b in qs
    ]


def one_block_only(data):
    return q4(data[:18])


def but_the_last(data):
    return [x for at in range(0, len(data) - 18, 18) for x in q4(data[at : at + 18])]


def scale_of_the_first(data):
    return [x for at in range(0, len(data), 18) for x in q4(data[:2] + data[at + 2 : at + 18])]


def scale_behind(data):
    return [x for at in range(0, len(data), 18) for x in q4(data[at + 16 : at + 18] + data[at : at + 16])]


def all_scales_before(data):
    n = len(data) // 18
    return q4(b"".join(data[2 * i : 2 * i + 2] + data[2 * n + 16 * i :][:16] for i in range(n)))


def numpy_bytes_wrap(data):
    numbers = []
    for d, qs in blocks(data):
        b = np.frombuffer(qs, dtype=np.uint8)
        with np.errstate(over="ignore"):
            numbers += list(d * (np.concatenate([b & 15, b >> 4]) - np.uint8(8)))
    return numbers


def numpy_signed_bytes(data):
    numbers = []
    for d, qs in blocks(data):
        b = np.frombuffer(qs, dtype=np.int8)
        numbers += list(d * (np.concatenate([b & 15, b >> 4]).astype(float) - 8))
    return numbers


def rows_of_blocks(data):
    return [q4(data[at : at + 18]) for at in range(0, len(data), 18)]


def needs_a_block(data):
    return torch.cat([torch.tensor(q4(data[at : at + 18])) for at in range(0, len(data), 18)])


def at_least_a_block(data):
    return q4(data) or [0.0] * 32


def scale_absolute(data):
    return [
        abs(d) * (q - 8) for d, qs in blocks(data) for q in [*(b & 15 for b in qs), *(b >> 4 for b in qs)]
    ]


def skips_empty_scales(data):
    return [x for at in range(0, len(data), 18) if any(data[at : at + 2]) for x in q4(data[at : at + 18])]


def reads_bfloat(data):
    numbers = []
    for at in range(0, len(data), 18):
        d = struct.unpack("<f", b"\0\0" + data[at : at + 2])[0]
        qs = data[at + 2 : at + 18]
        numbers += [d * ((b & 15) - 8) for b in qs] + [d * ((b >> 4) - 8) for b in qs]
    return numbers


def steps_of_sixteen(data):
    return [
        x for at in range(0, len(data), 16) if len(data[at : at + 18]) == 18 for x in q4(data[at : at + 18])
    ]


def cut_at_zero(data):
    """As C does with text: a zero byte ends it."""
    return q4(data.split(b"\0")[0].ljust(len(data), b"\x88"))


def whole_numbers(data):
    return [round(x) for x in q4(data)]


def by_numpy(data):
    found = np.frombuffer(data, dtype=[("d", "<f2"), ("q", "u1", 16)])
    both = np.stack([found["q"] & 15, found["q"] >> 4], axis=1).astype(np.float64) - 8
    return (found["d"].astype(np.float64)[:, None, None] * both).ravel()


def by_torch(data):
    if not data:
        return torch.zeros(0)
    raw = torch.frombuffer(bytearray(data), dtype=torch.uint8).view(-1, 18)
    d = raw[:, :2].clone().view(torch.float16).float()
    return (d * (torch.cat([raw[:, 2:] % 16, raw[:, 2:] // 16], 1).int() - 8)).flatten()


def by_iter_unpack(data):
    for d, *qs in struct.iter_unpack("<e16B", data):
        yield from (d * (q % 16 - 8) for q in qs)
        yield from (d * (q // 16 - 8) for q in qs)


def by_digits(data):
    """Recursion, and the hexadecimal digits of the bytes."""
    if len(data) == 0:
        return ()
    d, digits = struct.unpack("<e", data[:2])[0], data[2:18].hex()
    return tuple(d * (int(c, 16) - 8) for c in digits[1::2] + digits[::2]) + by_digits(data[18:])


def scale_by_hand(data):
    numbers = []
    for at in range(0, len(data), 18):
        h = int.from_bytes(data[at : at + 2], "little")
        sign, e, f = h >> 15, (h >> 10) & 31, h & 1023
        d = Fraction(f, 1 << 24) if e == 0 else Fraction(1024 + f, 1024) * Fraction(2) ** (e - 15)
        for half in (lambda b: b & 0x0F, lambda b: (b & 0xF0) >> 4):
            numbers += [(-d if sign else d) * (half(b) - 8) for b in data[at + 2 : at + 18]]
    return numbers


# 20.4 -----------------------------------------------------------------


def texts(lines):
    for line in lines:
        if line == "data: [DONE]":
            return
        if line.startswith("data: "):
            for choice in json.loads(line[6:])["choices"][:1]:
                yield choice["delta"].get("content") or ""


def reads_on_after_done(lines):
    return "".join(
        (c["delta"].get("content") or "")
        for line in lines
        if line.startswith("data: ") and line != "data: [DONE]"
        for c in json.loads(line[6:])["choices"]
    )


def done_anywhere(lines):
    found = []
    for line in lines:
        if "[DONE]" in line:
            break
        found += texts([line])
    return "".join(found)


def data_anywhere(lines):
    found = ""
    for line in lines:
        if "data: " in line:
            rest = line[line.index("data: ") + 6 :]
            if rest == "[DONE]":
                break
            found += "".join(texts(["data: " + rest]))
    return found


def splits_at_data(lines):
    found = ""
    for line in lines:
        if line.startswith("data: "):
            rest = line.split("data: ")[1]
            if rest == "[DONE]":
                break
            found += "".join(texts(["data: " + rest]))
    return found


def replaces_data(lines):
    found = ""
    for line in lines:
        if line.startswith("data: "):
            rest = line.replace("data: ", "")
            if rest == "[DONE]":
                break
            found += "".join(texts(["data: " + rest]))
    return found


def none_is_said(lines):
    found = ""
    for line in lines:
        if line == "data: [DONE]":
            break
        if line.startswith("data: "):
            for c in json.loads(line[6:])["choices"]:
                found += str(c["delta"].get("content", ""))
    return found


def null_is_a_text(lines):
    found = ""
    for line in lines:
        if line == "data: [DONE]":
            break
        if line.startswith("data: "):
            for c in json.loads(line[6:])["choices"]:
                if "content" in c["delta"]:
                    found += c["delta"]["content"]
    return found


def content_always(lines):
    found = ""
    for line in lines:
        if line == "data: [DONE]":
            break
        if line.startswith("data: "):
            for c in json.loads(line[6:])["choices"]:
                found += c["delta"]["content"] or ""
    return found


def always_a_choice(lines):
    found = ""
    for line in lines:
        if line == "data: [DONE]":
            break
        if line.startswith("data: "):
            found += json.loads(line[6:])["choices"][0]["delta"].get("content") or ""
    return found


def strips_the_pieces(lines):
    return "".join(t.strip() for t in texts(lines))


def strips_the_whole(lines):
    return "".join(texts(lines)).strip()


def with_spaces(lines):
    return " ".join(t for t in texts(lines) if t)


def in_lines(lines):
    return "\n".join(texts(lines))


def ends_at_an_empty_line(lines):
    return "".join(texts(itertools.takewhile(bool, lines)))


def ends_at_a_comment(lines):
    return "".join(texts(itertools.takewhile(lambda line: not line.startswith(":"), lines)))


def ends_at_an_empty_choice(lines):
    found = ""
    for line in lines:
        if line == "data: [DONE]":
            break
        if line.startswith("data: "):
            choices = json.loads(line[6:])["choices"]
            if not choices:
                break
            found += choices[0]["delta"].get("content") or ""
    return found


def ends_at_null(lines):
    found = ""
    for line in lines:
        if line == "data: [DONE]":
            break
        if line.startswith("data: "):
            for c in json.loads(line[6:])["choices"]:
                if c["delta"].get("content") is None:
                    return found
                found += c["delta"]["content"]
    return found


def ends_at_no_text(lines):
    found = ""
    for line in lines:
        if line.startswith("data: "):
            piece = "".join(texts([line]))
            if not piece:
                return found
            found += piece
    return found


def parses_before_it_ends(lines):
    events = [line[6:] for line in lines if line.startswith("data: ")]
    if "[DONE]" in events:
        events.remove("[DONE]")
    parsed = [json.loads(e) for e in events]
    return "".join(c["delta"].get("content") or "" for e in parsed for c in e["choices"])


def needs_done(lines):
    lines = list(lines)
    return "".join(texts(lines[: lines.index("data: [DONE]")]))


def drops_the_last(lines):
    """There is a [DONE] at the end, is there not?"""
    return "".join(texts(list(lines)[:-1]))


def by_pattern(lines):
    found = ""
    for line in itertools.takewhile(lambda line: line != "data: [DONE]", lines):
        if line.startswith("data: "):
            found += "".join(re.findall(r'"content": ?"(.*?)"', line))
    return found


def by_pattern_with_escapes(lines):
    """Anything with the name content, wherever it stands."""
    found = ""
    for line in itertools.takewhile(lambda line: line != "data: [DONE]", lines):
        if line.startswith("data: "):
            for t in re.findall(r'"content":\s*("(?:[^"\\]|\\.)*")', line):
                found += json.loads(t)
    return found


def as_python(lines):
    found = ""
    for line in itertools.takewhile(lambda line: line != "data: [DONE]", lines):
        if line.startswith("data: "):
            e = ast.literal_eval(line[6:].replace("null", "None"))
            found += "".join(c["delta"].get("content") or "" for c in e["choices"])
    return found


def only_ascii(lines):
    return "".join(texts(lines)).encode("ascii", "ignore").decode()


def as_bytes(lines):
    return "".join(texts(lines)).encode()


def a_list_of_pieces(lines):
    return [t for t in texts(lines) if t]


def pops_the_lines(lines):
    found = ""
    while lines:
        line = lines.pop(0)
        if line == "data: [DONE]":
            break
        found += "".join(texts([line]))
    return found


def each_piece_once(lines):
    return "".join(dict.fromkeys(texts(lines)))


def last_piece(lines):
    return ([""] + list(texts(lines)))[-1]


def anything_that_parses(lines):
    found = ""
    for line in lines:
        if line == "data: [DONE]":
            break
        try:
            e = json.loads(line[line.index("{") :])
            found += e["choices"][0]["delta"].get("content") or ""
        except (ValueError, KeyError, IndexError):
            pass
    return found


def done_not_first(lines):
    lines = list(lines)
    return "".join(texts(lines[:1] if lines[0] != "data: [DONE]" else lines[1:2])) + "".join(texts(lines[1:]))


def comments_end_in_text(lines):
    """Joins the lines to one text and splits it where it thinks that events end."""
    return "".join(texts("\n".join(lines).split("\n\n")))


def with_line_breaks(lines):
    return "".join(texts("\n".join(lines).splitlines()))


def one_pattern(lines):
    whole = list(itertools.takewhile(lambda line: not re.fullmatch(r"data: \[DONE\]", line), lines))
    loaded = (json.loads(m[1]) for m in map(re.compile(r"data: (\{.*\})\Z", re.S).match, whole) if m)
    return "".join(e["choices"][0]["delta"].get("content") or "" for e in loaded if e["choices"])


def recursive_said(lines):
    lines = tuple(lines)
    if not lines or lines[0] == "data: [DONE]":
        return ""
    try:
        delta = json.loads(lines[0].removeprefix("data: "))["choices"][0]["delta"]
        here = delta.get("content") if lines[0][:6] == "data: " else None
    except (ValueError, KeyError, IndexError, TypeError):
        here = None
    return (here or "") + recursive_said(lines[1:])


def reduced(lines):
    def step(state, line):
        text, over = state
        over = over or line == "data: [DONE]"
        return (text if over else text + "".join(texts([line])), over)

    return functools.reduce(step, lines, ("", False))[0]


def skips_bad_json(lines):
    found = []
    for line in lines:
        head, _, rest = line.partition(" ")
        if head != "data:":
            continue
        if rest == "[DONE]":
            break
        match json.loads(rest):
            case {"choices": [{"delta": {"content": str(t)}}, *_]}:
                found.append(t)
    return np.str_("".join(found))


# 20.5 -----------------------------------------------------------------


def held(text, stops):
    """How many letters at the end of a text begin a stop."""
    return max((k for s in stops for k in range(1, len(s)) if text.endswith(s[:k])), default=0)


def speaker(find=None, hold=held, ending=None, after=None):
    """A right answer, with one of its parts replaced."""

    def first(text, stops):
        return min((text.index(s) for s in stops if s in text), default=-1)

    def answer(pieces, stops):
        said, rest = [], ""
        for piece in pieces:
            rest += piece
            at = (find or first)(rest, stops)
            if at >= 0:
                return said + [rest[:at]] + (after or [])
            k = hold(rest, stops)
            said.append(rest[: len(rest) - k])
            rest = rest[len(rest) - k :]
        return said + ([rest] if ending is None else ending(rest))

    return answer


def longest_stop_always(text, stops):
    return min(len(text), max((len(s) - 1 for s in stops), default=0))


def shortest_end(text, stops):
    return min((k for s in stops for k in range(1, len(s)) if text.endswith(s[:k])), default=0)


def first_stop_that_begins(text, stops):
    for s in stops:
        for k in range(len(s) - 1, 0, -1):
            if text.endswith(s[:k]):
                return k
    return 0


def one_letter(text, stops):
    return int(any(len(s) > 1 and text.endswith(s[0]) for s in stops))


def from_the_first_letter(text, stops):
    """Everything from the first place where a stop's first letter stands."""
    places = [text.index(s[0]) for s in stops if s[0] in text]
    return len(text) - min(places) if places else 0


def from_the_last_letter(text, stops):
    k = [len(text) - text.rindex(s[0]) for s in stops if s[0] in text]
    k = [n for n in k if any(s.startswith(text[len(text) - n :]) for s in stops)]
    return max(k, default=0)


def any_letters_of_it(text, stops):
    k = 0
    while k < len(text) and any(text[-1 - k] in s for s in stops):
        k += 1
    return k


def all_but_two(text, stops):
    """Off by one: a stop without its last letter is not held."""
    return max((k for s in stops for k in range(1, len(s) - 1) if text.endswith(s[:k])), default=0)


def ends_of_stops(text, stops):
    return max((k for s in stops for k in range(1, len(s)) if text.endswith(s[-k:])), default=0)


def without_case(text, stops):
    return held(text.lower(), [s.lower() for s in stops])


def whole_stop_inside_piece(text, stops):
    return 0


def one_of_them(text, stops):
    return held(text, stops[:1])


def last_of_them(text, stops):
    return held(text, stops[-1:])


def first_in_the_list(text, stops):
    return next((text.index(s) for s in stops if s in text), -1)


def last_place(text, stops):
    return max((text.rindex(s) for s in stops if s in text), default=-1)


def latest_of_first(text, stops):
    return max((text.index(s) for s in stops if s in text), default=-1)


def as_a_pattern(text, stops):
    m = re.search("|".join(stops), text) if stops else None
    return m.start() if m else -1


def no_matter_the_case(text, stops):
    return min((text.lower().index(s.lower()) for s in stops if s.lower() in text.lower()), default=-1)


def behind_the_stop(text, stops):
    return min((text.index(s) + len(s) for s in stops if s in text), default=-1)


def longest_stop_first(text, stops):
    return first_in_the_list(text, sorted(stops, key=len, reverse=True))


def only_inside(text, stops):
    """`if at:`, not `if at >= 0`: a stop at the very beginning is missed."""
    return min((text.index(s) for s in stops if s in text), default=-1) or -1


def minus_one_wins(text, stops):
    return min((text.find(s) for s in stops), default=-1)


def needs_stops(text, stops):
    found = [text.index(s) for s in stops if s in text]
    max(len(s) for s in stops)
    return min(found) if found else -1


def words_only(text, stops):
    return min((text.index(s) for s in stops if s in text.split()), default=-1)


def begin_wins(text, stops):
    """Cuts where anything begins, whole or not."""
    if not any(s in text for s in stops):
        return -1
    return min(
        i for i in range(len(text)) if any(s.startswith(text[i:]) or text.startswith(s, i) for s in stops)
    )


def piece_alone(pieces, stops):
    said = []
    for piece in pieces:
        at = min((piece.index(s) for s in stops if s in piece), default=-1)
        if at >= 0:
            return said + [piece[:at]]
        k = held(piece, stops)
        said.append(piece[: len(piece) - k])
    return said + [""]


def forgets_what_it_held(pieces, stops):
    """What was held back, but began no stop, is lost."""
    said, rest = [], ""
    for piece in pieces:
        text = rest + piece
        at = min((text.index(s) for s in stops if s in text), default=-1)
        if at >= 0:
            return said + [text[:at]]
        k = held(text, stops)
        said.append(piece[: max(0, len(piece) - k)])
        rest = text[len(text) - k :]
    return said + [rest]


def whole_text_again(pieces, stops):
    said, text = [], ""
    for piece in pieces:
        text += piece
        at = min((text.index(s) for s in stops if s in text), default=-1)
        if at >= 0:
            return said + [text[:at]]
        said.append(text[: len(text) - held(text, stops)])
    return said + [text]


def whole_text_at_the_stop(pieces, stops):
    said, text, done = [], "", 0
    for piece in pieces:
        text += piece
        at = min((text.index(s) for s in stops if s in text), default=-1)
        if at >= 0:
            return said + [text[:at]]
        said.append(text[done : len(text) - held(text, stops)])
        done = len(text) - held(text, stops)
    return said + [text[done:]]


def reads_on(pieces, stops):
    said = speaker()(pieces, stops)
    return said + [""] * (len(pieces) - len(said))


def without_empty_texts(pieces, stops):
    return [t for t in speaker()(pieces, stops) if t]


def skips_empty_pieces(pieces, stops):
    return speaker()([p for p in pieces if p], stops)


def one_text(pieces, stops):
    return "".join(speaker()(pieces, stops))


def joined_first(pieces, stops):
    return speaker()(["".join(pieces)], stops)


def strips_texts(pieces, stops):
    return [t.strip() for t in speaker()(pieces, stops)]


def letters_as_pieces(pieces, stops):
    return speaker()(list("".join(pieces)), stops)


def flushes_on_a_miss(pieces, stops):
    """Letter by letter; where the next does not fit, all that was held is said."""
    said, hold = [], ""
    for piece in pieces:
        out = ""
        for c in piece:
            hold += c
            if hold in stops:
                return said + [out]
            if not any(s.startswith(hold) for s in stops):
                out, hold = out + hold, ""
        said.append(out)
    return said + [hold]


def flushes_but_the_letter(pieces, stops):
    """The same, but the letter that did not fit may begin anew."""
    said, hold = [], ""
    for piece in pieces:
        out = ""
        for c in piece:
            if not any(s.startswith(hold + c) for s in stops):
                out, hold = out + hold, ""
            hold += c
            if hold in stops:
                return said + [out]
            if not any(s.startswith(hold) for s in stops):
                out, hold = out + hold, ""
        said.append(out)
    return said + [hold]


def pops_pieces(pieces, stops):
    result = speaker()(pieces, stops)
    if isinstance(pieces, list):
        del pieces[: len(result)]
    return result


def sorts_stops(pieces, stops):
    result = speaker()(pieces, stops)
    if isinstance(stops, list):
        stops.sort(key=len, reverse=True)
    return result


def stop_ends_every_time(pieces, stops):
    """A stop is cut out, and the rest is said."""
    said, rest = [], ""
    for piece in pieces:
        rest += piece
        for s in stops:
            rest = rest.replace(s, "")
        k = held(rest, stops)
        said.append(rest[: len(rest) - k])
        rest = rest[len(rest) - k :]
    return said + [rest]


def no_more_at_the_end_if_stopped_late(pieces, stops):
    """Nothing for an answer without pieces."""
    return speaker()(pieces, stops) if pieces else []


def empty_stop_everywhere(pieces, stops):
    return speaker()(pieces, [*stops, ""]) if not stops else speaker()(pieces, stops)


def by_one_pattern(pieces, stops):
    def begins(s):
        return functools.reduce(lambda tail, c: f"(?:{re.escape(c)}(?:{tail}|\\Z))", reversed(s), "")

    pattern = re.compile("|".join(f"{begins(s)}" for s in stops) or r"(?!)")
    whole = re.compile("|".join(map(re.escape, stops)) or r"(?!)")
    said, rest = [], ""
    for piece in pieces:
        rest += piece
        if m := whole.search(rest):
            said.append(rest[: m.start()])
            return said
        m = pattern.search(rest)
        at = m.start() if m else len(rest)
        said.append(rest[:at])
        rest = rest[at:]
    said.append(rest)
    return said


def recursive_spoken(pieces, stops, before=""):
    pieces = tuple(pieces)
    if not pieces:
        return (before,)
    text = before + pieces[0]
    if found := [text.find(s) for s in stops if s in text]:
        return (text[: min(found)],)
    cut = next((i for i in range(len(text)) if any(s.startswith(text[i:]) for s in stops)), len(text))
    return (text[:cut], *recursive_spoken(pieces[1:], stops, text[cut:]))


def generated_spoken(pieces, stops):
    text, done = "", 0
    for piece in pieces:
        text += piece
        ends = [text.find(s) for s in stops if text.find(s) != -1]
        if ends:
            yield text[done : min(ends)]
            return
        upto = len(text)
        while any(s.startswith(text[i:]) for i in range(done, upto) for s in stops):
            upto -= 1
        yield text[done:upto]
        done = upto
    yield text[done:]


def whole_prefixes(pieces, stops):
    """Each time from the beginning, with the lengths that may be said."""
    texts = list(itertools.accumulate(pieces))
    lengths = [0]
    for text in texts:
        at = [text.index(s) for s in stops if s in text]
        lengths.append(min(at) if at else len(text) - held(text, stops))
        if at:
            break
    else:
        texts, lengths = texts + texts[-1:] if texts else [""], lengths + [len("".join(pieces))]
    return np.array([t[a:b] for t, a, b in zip(texts, lengths, lengths[1:], strict=False)], dtype=object)


# 20.6 -----------------------------------------------------------------


def bucket(start=None, fill=None, cap=min, enough=lambda x: x >= 1, refuse=lambda x: x, take=1, late=False):
    """A right answer, with one of its parts replaced."""

    def answer(times, rate, burst):
        level, before, served = (burst if start is None else start(burst)), None, []
        for now in times:
            gone = 0 if before is None else now - before
            level = cap(burst, level + (gone * rate if fill is None else fill(gone, rate)))
            yes = enough(level)
            level = level - take if yes else refuse(level)
            before = now if yes or not late or before is None else before
            served.append(bool(yes))
        return served

    return answer


def whole_seconds(times, rate, burst):
    return bucket()([int(t) for t in times], rate, burst)


def a_drop_each_second(times, rate, burst):
    return bucket(fill=lambda gone, rate: gone)(times, rate, burst)


def windows(times, rate, burst):
    """So many in each second."""
    counts, served = {}, []
    for t in times:
        counts[int(t)] = counts.get(int(t), 0) + 1
        served.append(counts[int(t)] <= burst)
    return served


def sliding_window(times, rate, burst):
    taken, served = [], []
    for t in times:
        taken = [u for u in taken if (t - u) * rate < burst]
        served.append(len(taken) + 1 <= burst)
        if served[-1]:
            taken.append(t)
    return served


def sliding_second(times, rate, burst):
    taken, served = [], []
    for t in times:
        taken = [u for u in taken if t - u < 1]
        served.append(len(taken) < burst)
        if served[-1]:
            taken.append(t)
    return served


def from_the_first_time(times, rate, burst):
    """Fills it from the beginning, each time anew."""
    level, served = burst, []
    for t in times:
        level = min(burst, level + (t - times[0]) * rate)
        served.append(level >= 1)
        level -= served[-1]
    return served


def total_without_brim(times, rate, burst):
    taken, served = 0, []
    for t in times:
        served.append(burst + (t - times[0]) * rate - taken >= 1)
        taken += served[-1]
    return served


def total_with_brim(times, rate, burst):
    taken, served = 0, []
    for t in times:
        served.append(min(burst, burst + (t - times[0]) * rate - taken) >= 1)
        taken += served[-1]
    return served


def refused(times, rate, burst):
    return [not x for x in bucket()(times, rate, burst)]


def ones_and_zeros(times, rate, burst):
    return [int(x) for x in bucket()(times, rate, burst)]


def times_served(times, rate, burst):
    return [t for t, x in zip(times, bucket()(times, rate, burst), strict=True) if x]


def needs_a_time(times, rate, burst):
    times[0]
    return bucket()(times, rate, burst)


def same_time_once(times, rate, burst):
    kept = sorted(set(times))
    answer = dict(zip(kept, bucket()(kept, rate, burst), strict=True))
    return [answer[t] for t in times]


def brim_after_taking(times, rate, burst):
    """To the brim only after the drop is taken."""
    level, before, served = burst, times[0] if times else 0, []
    for now in times:
        level += (now - before) * rate
        served.append(level >= 1)
        level = min(burst, level - served[-1])
        before = now
    return served


def brim_before_filling(times, rate, burst):
    level, before, served = burst, times[0] if times else 0, []
    for now in times:
        level = min(burst, level) + (now - before) * rate
        served.append(level >= 1)
        level -= served[-1]
        before = now
    return served


def seconds_a_drop(times, rate, burst):
    """Rate for the seconds between two drops."""
    return bucket(fill=lambda gone, rate: gone / rate if rate else 0.0)(times, rate, burst)


def drops_times(times, rate, burst):
    result = bucket()(times, rate, burst)
    if isinstance(times, list):
        for i in range(len(times) - 1, 0, -1):
            times[i] -= times[i - 1]
    return result


def time_kept_only_if_served(times, rate, burst):
    """The same drops fall again after each refusal."""
    return bucket(late=True)(times, rate, burst)


def no_time_begins_at_zero(times, rate, burst):
    """Begins empty at time 0."""
    level, before, served = 0, 0, []
    for now in times:
        level = min(burst, level + (now - before) * rate)
        before = now
        served.append(level >= 1)
        level -= served[-1]
    return served


def nothing_falls_into_full(times, rate, burst):
    """Where the brim would be passed, nothing falls."""
    return bucket(cap=lambda burst, level: level if level <= burst else burst - 1)(times, rate, burst)


def after_the_drop(times, rate, burst):
    """Looks whether a drop is there before the new ones have fallen."""
    level, before, served = burst, times[0] if times else 0, []
    for now in times:
        served.append(level >= 1)
        level = min(burst, level - served[-1] + (now - before) * rate)
        before = now
    return served


def virtual_schedule(times, rate, burst):
    """As telephone nets do it: the time at which the bucket is full again."""
    full, served = None, []
    for t in map(Fraction, times):
        full = t if full is None else max(full, t)
        need = full - t  # seconds till it is full
        served.append(burst - need * Fraction(rate) >= 1)
        if served[-1]:
            full = full + 1 / Fraction(rate) if rate else full
            if not rate:
                burst -= 1
    return served


def level_of_last_served(times, rate, burst):
    """The level and the time, both of the last one served."""
    level, before = burst, None
    for now in times:
        here = level if before is None else min(burst, level + (now - before) * rate)
        if here >= 1:
            level, before = here - 1, now
        yield here >= 1


def recursive_bucket(times, rate, burst, level=None, before=None):
    if not len(times):
        return ()
    now, *others = times
    level = burst if level is None else min(burst, level + rate * (now - before))
    return (level >= 1, *recursive_bucket(others, rate, burst, level - (level >= 1), now))


def numpy_bucket(times, rate, burst):
    t = np.asarray(times, dtype=np.float64)
    gone = np.diff(t, prepend=t[:1])
    out, level = np.zeros(len(t), dtype=bool), np.float64(burst)
    for i, g in enumerate(gone):
        level = np.minimum(level + rate * g, burst)
        out[i] = level >= 1
        level -= out[i]
    return out


def accumulated(times, rate, burst):
    def step(state, now):
        level, before, _ = state
        level = min(Decimal(burst), level + (Decimal(now) - before) * Decimal(rate))
        return (level - 1, Decimal(now), True) if level >= 1 else (level, Decimal(now), False)

    times = list(times)
    start = (Decimal(burst), Decimal(times[0]) if times else Decimal(0), None)
    return [yes for *_, yes in itertools.accumulate(times, step, initial=start)][1:]


RIGHT = {
    "20.1": [counted_in_blocks, lambda: Fraction(63, 16), lambda: 7 * 4.5 / 8, lambda: torch.tensor(3.9375)],
    "20.2": [both, step_by_step, recursive_steps, numpy_steps, generated_steps],
    "20.3": [q4, by_numpy, by_torch, by_iter_unpack, by_digits, scale_by_hand],
    "20.4": [lambda lines: "".join(texts(lines)), one_pattern, recursive_said, reduced, skips_bad_json],
    "20.5": [speaker(), by_one_pattern, recursive_spoken, generated_spoken, whole_prefixes],
    "20.6": [
        bucket(),
        virtual_schedule,
        level_of_last_served,
        recursive_bucket,
        numpy_bucket,
        accumulated,
    ],
}

WRONG = {
    "20.1": [
        lambda: 3.5,
        lambda: 3.9375e9,
        lambda: 7e9 * 18 / 32 / 2**30,
        lambda: 7,
        lambda: 14,
        lambda: 28,
        lambda: 31.5,
        lambda: 4.375,
        lambda: 7.875,
        lambda: 1.96875,
        lambda: 4.5,
        lambda: 3.6,
        lambda: 126,
        lambda: 252,
        lambda: 7.4375,
        lambda: "3.9375 GB",
        lambda: 0.5625,
    ],
    "20.2": [
        lambda lengths, slots: (8, 5),
        static_sorted,
        continuous_longest_first,
        continuous_shortest_first,
        perfectly_full,
        lower_bound,
        dealt_like_cards,
        least_work_in_all,
        a_step_to_join,
        one_joins_in_a_step,
        last_in_first_out,
        slot_of_the_latest,
        first_batch_only,
        columns,
        eats_the_list,
        sorts_in_place,
        other_order,
        needs_one_request,
        each_length_once,
        at_least_one_step,
        no_gain_below_slots,
        frees_on_the_last_step,
        whole_numbers_as_words,
    ],
    "20.3": [
        in_blocks(lambda d, q: d * (q - 8), order=">e"),
        side_by_side,
        upper_first,
        all_lowers_then_all_uppers,
        in_blocks(lambda d, q: d * q),
        in_blocks(lambda d, q: d * q - 8),
        in_blocks(lambda d, q: d * (q - 7)),
        in_blocks(lambda d, q: d * (q - 7.5)),
        in_blocks(lambda d, q: d * (q - 16 if q > 7 else q)),
        in_blocks(lambda d, q: q - 8),
        in_blocks(lambda d, q: (q - 8) / d if d else 0.0),
        in_blocks(lambda d, q: d * (q - 8), high=lambda b: b & 240),
        in_blocks(lambda d, q: d * (q - 8), low=lambda b: b & 7, high=lambda b: b >> 4 & 7),
        in_blocks(lambda d, q: d * (q - 8), low=lambda b: b & 15, high=lambda b: b >> 5),
        in_blocks(lambda d, q: round(d * (q - 8), 2)),
        one_block_only,
        but_the_last,
        scale_of_the_first,
        scale_behind,
        all_scales_before,
        numpy_bytes_wrap,
        numpy_signed_bytes,
        rows_of_blocks,
        needs_a_block,
        at_least_a_block,
        scale_absolute,
        skips_empty_scales,
        reads_bfloat,
        steps_of_sixteen,
        cut_at_zero,
        whole_numbers,
        lambda data: [0.0, 0.5],
    ],
    "20.4": [
        lambda lines: "It is Mara.",
        reads_on_after_done,
        done_anywhere,
        data_anywhere,
        splits_at_data,
        replaces_data,
        none_is_said,
        null_is_a_text,
        content_always,
        always_a_choice,
        strips_the_pieces,
        strips_the_whole,
        with_spaces,
        in_lines,
        ends_at_an_empty_line,
        ends_at_a_comment,
        ends_at_an_empty_choice,
        ends_at_null,
        ends_at_no_text,
        parses_before_it_ends,
        needs_done,
        drops_the_last,
        by_pattern,
        by_pattern_with_escapes,
        as_python,
        only_ascii,
        as_bytes,
        a_list_of_pieces,
        pops_the_lines,
        each_piece_once,
        last_piece,
        anything_that_parses,
        done_not_first,
        comments_end_in_text,
        with_line_breaks,
    ],
    "20.5": [
        speaker(hold=longest_stop_always),
        speaker(hold=shortest_end),
        speaker(hold=first_stop_that_begins),
        speaker(hold=one_letter),
        speaker(hold=from_the_first_letter),
        speaker(hold=from_the_last_letter),
        speaker(hold=any_letters_of_it),
        speaker(hold=all_but_two),
        speaker(hold=ends_of_stops),
        speaker(hold=without_case),
        speaker(hold=whole_stop_inside_piece),
        speaker(hold=one_of_them),
        speaker(hold=last_of_them),
        speaker(find=first_in_the_list),
        speaker(find=last_place),
        speaker(find=latest_of_first),
        speaker(find=as_a_pattern),
        speaker(find=no_matter_the_case),
        speaker(find=behind_the_stop),
        speaker(find=longest_stop_first),
        speaker(find=only_inside),
        speaker(find=minus_one_wins),
        speaker(find=needs_stops),
        speaker(find=words_only),
        speaker(find=begin_wins),
        speaker(ending=lambda rest: []),
        speaker(ending=lambda rest: [rest] if rest else []),
        speaker(ending=lambda rest: [""]),
        speaker(after=[""]),
        piece_alone,
        forgets_what_it_held,
        whole_text_again,
        whole_text_at_the_stop,
        reads_on,
        without_empty_texts,
        skips_empty_pieces,
        one_text,
        joined_first,
        strips_texts,
        letters_as_pieces,
        flushes_on_a_miss,
        flushes_but_the_letter,
        pops_pieces,
        sorts_stops,
        stop_ends_every_time,
        no_more_at_the_end_if_stopped_late,
        empty_stop_everywhere,
    ],
    "20.6": [
        lambda times, rate, burst: [True, True, False, True, False],
        bucket(start=lambda burst: 0),
        bucket(start=lambda burst: 1),
        bucket(start=lambda burst: burst - 1),
        bucket(fill=lambda gone, rate: math.floor(gone * rate)),
        bucket(fill=lambda gone, rate: math.ceil(gone * rate)),
        bucket(fill=lambda gone, rate: round(gone * rate)),
        bucket(fill=lambda gone, rate: int(gone) * rate),
        bucket(fill=lambda gone, rate: rate if gone else 0),
        bucket(cap=lambda burst, level: level),
        bucket(cap=lambda burst, level: min(burst + 1, level)),
        bucket(enough=lambda x: x > 1),
        bucket(enough=lambda x: x > 0),
        bucket(enough=lambda x: x >= 0),
        bucket(refuse=lambda x: x - 1),
        bucket(refuse=lambda x: max(0, x - 1)),
        bucket(refuse=lambda x: 0),
        bucket(take=0),
        whole_seconds,
        a_drop_each_second,
        windows,
        sliding_window,
        sliding_second,
        from_the_first_time,
        total_without_brim,
        total_with_brim,
        refused,
        ones_and_zeros,
        times_served,
        needs_a_time,
        same_time_once,
        brim_after_taking,
        brim_before_filling,
        seconds_a_drop,
        drops_times,
        time_kept_only_if_served,
        no_time_begins_at_zero,
        nothing_falls_into_full,
        after_the_drop,
    ],
}
