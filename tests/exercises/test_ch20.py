"""Answers to chapter 20's exercises."""

import heapq
import json
import re
from fractions import Fraction

import numpy as np
import torch
from harness import Answers, ExerciseTests

from companion.serve.questions import Until

# -- 20.1 ------------------------------------------------------------------


def by_bits():
    return 7 * 4.5 / 8


def by_blocks():
    return Fraction(7 * 10**9, 32) * 18 / 10**9


# -- 20.2 ------------------------------------------------------------------


def by_heap(lengths, slots):
    static, busy = 0, [0] * slots
    for i in range(0, len(lengths), slots):
        static += max(lengths[i : i + slots])
    for n in lengths:
        heapq.heappush(busy, heapq.heappop(busy) + n)
    return [static, max(busy)]


def by_playing(lengths, slots):
    found = []
    for may_join in (False, True):
        waiting, left, count = list(lengths), [], 0
        while waiting or left:
            if may_join or not left:
                while waiting and len(left) < slots:
                    left.append(waiting.pop(0))
            left, count = [n - 1 for n in left if n > 1], count + 1
        found.append(count)
    return tuple(found)


def by_arrays(lengths, slots):
    padded = np.pad(np.array(lengths, dtype=int), (0, -len(lengths) % slots)).reshape(-1, slots)
    ends = np.zeros(slots, dtype=int)
    for n in lengths:
        ends[ends.argmin()] += n
    return torch.tensor([int(padded.max(1).sum()) if len(lengths) else 0, int(ends.max())])


def change(one=lambda a, b: a, two=lambda a, b: b):
    def answer(lengths, slots):
        found = by_playing(lengths, slots)
        return one(*found), two(*found)

    return answer


# -- 20.3 ------------------------------------------------------------------


def by_numpy(data):
    blocks = np.frombuffer(data, np.uint8).reshape(-1, 18)
    scale = np.ascontiguousarray(blocks[:, :2]).view("<f2").astype(np.float32)
    packed = blocks[:, 2:]
    return (scale * (np.concatenate([packed & 15, packed >> 4], 1).astype(int) - 8)).ravel()


def by_torch(data):
    if not data:
        return torch.zeros(0)
    blocks = torch.frombuffer(bytearray(data), dtype=torch.uint8).view(-1, 18)
    scale = blocks[:, :2].contiguous().view(torch.float16).float()
    packed = blocks[:, 2:]
    return (torch.cat([packed % 16, packed // 16], 1).float().sub(8) * scale).flatten()


def by_hand(data):
    import struct

    found = []
    while data:
        scale, *packed = struct.unpack("<e16B", data[:18])
        found.extend(scale * ((b & 0xF) - 8) for b in packed)
        found.extend(scale * ((b >> 4) - 8) for b in packed)
        data = data[18:]
    return found


# -- 20.4 ------------------------------------------------------------------


def by_steps(lines):
    parts = []
    for line in lines:
        kind, _, rest = line.partition(": ")
        if kind != "data":
            continue
        if rest == "[DONE]":
            return "".join(parts)
        for choice in json.loads(rest).get("choices", []):
            parts.append(choice.get("delta", {}).get("content") or "")
    return "".join(parts)


def by_pattern(lines):
    whole = "\n".join(lines).split("data: [DONE]\n")[0] + "\n"
    found = [json.loads(one) for one in re.findall(r"^data: (\{.*\})$", whole, re.M)]
    return "".join(c["delta"].get("content") or "" for one in found for c in one["choices"])


def before_done(lines):
    end = lines.index("data: [DONE]") if "data: [DONE]" in lines else len(lines)
    events = (json.loads(line.removeprefix("data: ")) for line in lines[:end] if line[:6] == "data: ")
    return "".join(c["delta"].get("content") or "" for event in events for c in event["choices"])


LETTERS = "data: "


def stripped(lines):
    """strip takes letters, not a word."""
    return "".join(
        c["delta"].get("content", "")
        for line in lines
        if line.startswith("data: ") and "[DONE]" not in line
        for c in json.loads(line.strip(LETTERS))["choices"]
    )


def without_blank(lines):
    """Leaves out pieces of spaces and line ends."""
    parts = []
    for line in lines:
        if line == "data: [DONE]":
            break
        if line.startswith("data: "):
            parts += [c["delta"].get("content") or "" for c in json.loads(line[6:])["choices"]]
    return "".join(part for part in parts if not part.isspace())


# -- 20.5 ------------------------------------------------------------------


def by_class(pieces, stops):
    until, found = Until(tuple(stops)), []
    for piece in pieces:
        found.append(until.add(piece))
        if until.done:
            return found
    return [*found, until.end()]


def by_positions(pieces, stops):
    text, told, found = "", 0, []
    for piece in pieces:
        text += piece
        places = sorted(text.find(stop) for stop in stops if stop in text)
        if places:
            return [*found, text[told : places[0]]]
        safe = len(text)
        for stop in stops:
            for n in range(len(stop) - 1, 0, -1):
                if text.endswith(stop[:n]):
                    safe = min(safe, len(text) - n)
                    break
        found.append(text[told:safe])
        told = max(told, safe)
    return [*found, text[told:]]


def by_pattern_of_stops(pieces, stops):
    whole = re.compile("|".join(map(re.escape, stops)) or "(?!)")
    starts = {stop[:n] for stop in stops for n in range(1, len(stop))}
    found, held = [], ""
    for piece in pieces:
        held += piece
        if match := whole.search(held):
            return [*found, held[: match.start()]]
        wait = max((n for n in range(1, len(held) + 1) if held[-n:] in starts), default=0)
        found.append(held[: len(held) - wait])
        held = held[len(held) - wait :]
    return (*found, held)


# -- 20.6 ------------------------------------------------------------------


def by_level(times, rate, burst):
    level, before, found = burst, None, []
    for now in times:
        level = min(burst, level + rate * (now - (now if before is None else before)))
        before = now
        found.append(level >= 1)
        if level >= 1:
            level -= 1
    return tuple(found)


def by_due_time(times, rate, burst):
    """The same as a time: when the bucket would be full again."""
    full_at, found = float("-inf"), []
    for now in times:
        start = max(now, full_at)
        may = (start - now) * rate <= burst - 1
        full_at = start + 1 / rate if may else full_at
        found.append(may)
    return found


class Bucket:
    def __init__(self, rate, burst):
        self.rate, self.burst, self.level, self.last = rate, burst, float(burst), None

    def take(self, now):
        if self.last is not None:
            self.level = min(float(self.burst), self.level + self.rate * (now - self.last))
        self.last = now
        if self.level < 1:
            return False
        self.level -= 1
        return True


def by_object(times, rate, burst):
    one = Bucket(rate, burst)
    return np.array([one.take(now) for now in times], dtype=bool)


ANSWERS = {
    "20.1": Answers(
        right=[by_bits, by_blocks, 3.9375, 3.94],
        wrong=[
            (3.5, "a scale, too"),
            (7.44, "Q8_0"),
            (28, "float32"),
            (14.0, "float16"),
            (31.5, "gigabits"),
            (3.667, "power of 30"),
            (lambda: 4.5, "one number"),
            (2.0, "not yet"),
        ],
    ),
    "20.2": Answers(
        right=[by_heap, by_playing, by_arrays],
        wrong=[
            (change(two=lambda a, b: a), "waits for the others"),
            (change(lambda a, b: b, lambda a, b: a), "come first"),
            (lambda lengths, slots: (sum(lengths), by_playing(lengths, slots)[1]), "one after the other"),
            (
                lambda lengths, slots: (by_playing(lengths, slots)[0], -(-sum(lengths) // slots)),
                "could be split",
            ),
            (lambda lengths, slots: by_playing(sorted(lengths), slots), "not yet"),
            (lambda lengths, slots: by_playing(lengths, slots)[1], "two whole numbers"),
            (lambda lengths, slots: [*by_playing(lengths, slots), slots], "a list of 3"),
            (lambda lengths, slots: None, "return"),
            (lambda lengths, slots: by_playing(lengths, slots + 1), "not yet"),
            (lambda lengths, slots: (8, 5), "not yet"),
        ],
    ),
    "20.3": Answers(
        right=[by_numpy, by_torch, by_hand],
        wrong=[
            (lambda data: by_hand(data)[::-1], "not yet"),
            (
                lambda data: [
                    x for pair in zip(by_hand(data)[:16], by_hand(data)[16:], strict=False) for x in pair
                ],
                "not yet",
            ),
            (lambda data: by_hand(data)[:32], "more than one block"),
            (lambda data: [round(x) for x in by_hand(data)], "not yet"),
            (lambda data: -by_numpy(data), "not yet"),
            (lambda data: by_numpy(data).astype(np.float16).reshape(-1, 32), "not yet"),
        ],
    ),
    "20.4": Answers(
        right=[by_steps, by_pattern, before_done],
        wrong=[
            (stripped, "not yet"),
            (lambda lines: by_steps(lines) + "\n", "not yet"),
            (lambda lines: by_steps(lines).strip(), "at the borders"),
            (without_blank, "a line end alone"),
            (lambda lines: by_steps([line for line in lines if line != "data: [DONE]"]), "after"),
            (lambda lines: list(by_steps(lines)), "not yet"),
            (lambda lines: "It is Mara.", "not yet"),
        ],
    ),
    "20.5": Answers(
        right=[by_class, by_positions, by_pattern_of_stops],
        wrong=[
            (lambda pieces, stops: ["".join(by_positions(pieces, stops))], "whole text"),
            (
                lambda pieces, stops: [one for one in by_positions(pieces, stops) if one],
                "also where it is empty",
            ),
            (lambda pieces, stops: [*pieces, ""], "not yet"),
            (lambda pieces, stops: by_positions(pieces, stops)[:-1], "not yet"),
            (lambda pieces, stops: by_positions(pieces, stops[:1]), "several stops"),
            (lambda pieces, stops: by_positions(list("".join(pieces)), stops), "not yet"),
        ],
    ),
    "20.6": Answers(
        right=[by_level, by_due_time, by_object],
        wrong=[
            (lambda times, rate, burst: [i < burst for i in range(len(times))], "not yet"),
            (lambda times, rate, burst: by_level(times, rate, 10**6), "not yet"),
            (lambda times, rate, burst: by_level(times, rate, burst + 1), "not yet"),
            (lambda times, rate, burst: [not one for one in by_level(times, rate, burst)], "who is refused"),
            (lambda times, rate, burst: [int(one) for one in by_level(times, rate, burst)], "not yet"),
            (lambda times, rate, burst: by_level([2 * t for t in times], rate, burst), "not yet"),
            (lambda times, rate, burst: [True for _ in times], "must be refused"),
        ],
    ),
}


class TestChapter20(ExerciseTests):
    answers = ANSWERS
