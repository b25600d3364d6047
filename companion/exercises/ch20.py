"""The checks of chapter 20, Serving."""

import json
import random
import re  # noqa: F401 - mistakes of 20.4 and 20.5 use it
import struct

from companion.exercises.comparison import a
from companion.exercises.normalize import Record, as_list, as_number, normalize
from companion.exercises.notation import Chapter, Problem

chapter = Chapter()

chapter.number(
    "20.1 How many gigabytes? ★",
    wants="gigabytes()",
    answer=7 / 32 * 18,
    tolerance=0.005,
    mistakes="""
        3.5
            That counts only the half byte of each number. Each block has a scale of 2 bytes as well.
        7 / 32 * 20
            A scale has 2 bytes, not 4.
        7 / 32 * 34
            That is the size in Q8_0. In Q4_0 two numbers share a byte.
        28
            That is the size in float32, with 4 bytes for each number.
        14
            That is the size in float16, with 2 bytes for each number.
        7
            That is one byte for each number, without scales. In Q4_0 two numbers share a byte,
            and each block has a scale.
        7 / 32 * 18 * 8
            These are gigabits. A byte has eight bits.
        7e9 / 32 * 18
            That is the number of bytes. Divide by a billion to get gigabytes.
        7e9 / 32 * 18 / 2**30
            That counts 2 to the power of 30 bytes as one gigabyte. Here it is a billion.
        3.9 || 4
            Nearly right, but it is rounded too much. Give two digits behind the decimal point.
    """,
    right="So the model fits into the memory of most laptops. In float16 it would need 14 GB, and often "
    "would not fit.",
)


# -- 20.2 -----------------------------------------------------------------
def steps_cases(seed):
    rng = random.Random(seed)
    for _ in range(6):
        yield [rng.randint(1, 30) for _ in range(rng.randint(4, 12))], rng.randint(2, 5)


def two_numbers(answer, lengths, slots):
    found = normalize(answer(lengths, slots))
    if found is None:
        return found
    both = as_list(found)
    if both is None or len(both) != 2:
        many = "" if both is None else f" of {len(both)}"
        rule = "It must return two whole numbers, first the static batch's steps"
        raise Problem(f"{rule}; this is {a(found)}{many}.")
    numbers = [as_number(one) for one in both]
    one, two = (one if number is None else number for one, number in zip(both, numbers, strict=True))
    return Record("", {"static": one, "continuous": two})


def static(lengths, slots):
    return sum(max(lengths[i : i + slots]) for i in range(0, len(lengths), slots))


def continuous(lengths, slots):
    free = [0] * slots  # the step at which each slot is free
    for n in lengths:
        slot = free.index(min(free))
        start = free[slot]
        free[slot] = start + n
    return max(free)


@chapter.function(
    "20.2 How many steps? ★★",
    helpers=(static, continuous),
    inputs="""
        [2, 5, 3], 2 || [4], 1 || [4], 3 || [3, 1, 4, 1, 5], 1 || [], 2 || [1, 1, 9], 2 || [5, 2, 3, 4], 2
        [2, 2, 2, 2, 2, 2], 3 || [1, 9, 1, 9], 2 || [1, 2, 3, 10], 3
    """,
    cases=steps_cases,
    call=two_numbers,
    mistakes="""
        = it[0], -(-sum(lengths) // slots)
            You divided all tokens by the slots, as if a request could be split among them.
            Often the last requests run alone, while other slots are empty.
        = it[0], max(sum(lengths[i::slots]) for i in range(slots))
            You gave the requests to the slots in turn. The next request takes the slot that
            becomes free first.
        = steps(sorted(lengths), slots) || steps(sorted(lengths, reverse=True), slots)
            You sorted the requests. They are served in the order in which they came.
        = it[0], continuous(lengths[::-1], slots)
            You served the last request first. `pop()` takes from the end of a list, and
            `pop(0)` from its beginning.
        range(0, len(lengths), slots) => range(0, len(lengths) - slots + 1, slots)
            The last static batch is missing. It runs even if it is not full.
        = sum(max(lengths[i::slots], default=0) for i in range(slots)), it[1]
            A static batch takes the requests in order: the first `slots` of them, then the next `slots`.
        = it[0], it[0]
            Both numbers are those of static batching. In continuous batching a slot does not
            wait for the others.
    """,
    right="Continuous batching never needs more steps than static batching. But at the end its last rows run "
    "alone, while other slots are empty.",
)
def steps(lengths, slots):
    return static(lengths, slots), continuous(lengths, slots)


# -- 20.3 -----------------------------------------------------------------
def block(scale, packed):
    return struct.pack("<e", scale) + bytes(packed)


def q4_0_cases(seed):
    rng = random.Random(seed)
    for n in (1, 2, 5):
        yield (b"".join(block(rng.uniform(-2, 2), rng.randbytes(16)) for _ in range(n)),)


@chapter.function(
    "20.3 Four bits, by hand ★★",
    inputs="bytes() || block(0.5, [0x98] * 16) || block(1, range(16)) || block(0, [7] * 16)",
    cases=q4_0_cases,
    mistakes="""
        for q in low + high => for pair in zip(low, high) for q in pair
            The two halves of a byte do not follow each other. The lower halves of all 16 bytes
            come first, then the upper halves.
        low + high => high + low
            You took the upper halves first. The lower halves come first; `b & 15` is the lower
            half of a byte.
        scale * (q - 8) => scale * q - 8
            Subtract 8 first, and multiply by the scale afterwards.
        "<e" => ">e"
            You read the scale with its higher byte first. In a GGUF file the lower byte comes first.
        "<e", data, at => "<e", data, 0
            You used the first scale for all blocks. Each block has its own scale, before its 16 bytes.
        (q - 8) => ((q - 8) % 256)
            You subtracted in unsigned bytes, where 7 − 8 is 255. Convert them to another type
            of integer before you subtract.
        byte // 16 => byte // 16 - 16 * (byte > 127)
            You read the bytes as signed numbers, so `>> 4` keeps the sign and makes −7 of 0x98.
            Read them as unsigned numbers.
        byte // 16 => byte - byte % 16
            You did not shift the upper half. Use `b >> 4`, which moves it down by four bits.
    """,
    right="These are the blocks that llama.cpp reads. On a CPU it multiplies the whole numbers first, and the "
    "scale last.",
)
def read_q4_0(data):
    found = []
    for at in range(0, len(data), 18):
        [scale] = struct.unpack_from("<e", data, at)
        packed = data[at + 2 : at + 18]
        low = [byte % 16 for byte in packed]
        high = [byte // 16 for byte in packed]
        found += [scale * (q - 8) for q in low + high]
    return found


# -- 20.4 -----------------------------------------------------------------
def sent(delta, finish=None, ascii=True):
    """The line of an event."""
    return "data: " + json.dumps({"choices": [{"delta": delta, "finish_reason": finish}]}, ensure_ascii=ascii)


PLAIN = [sent({"content": "It is"}), "", sent({"content": " Mara."}), "", "data: [DONE]", ""]
LATE = sent({"content": " Nobody says this."})
USAGE = 'data: {"choices": [], "usage": {"total_tokens": 5}}'


def said_cases(seed):
    rng = random.Random(seed)
    for _ in range(4):
        lines = []
        for _ in range(rng.randint(2, 8)):
            words = rng.choice([" a", " data:", " Mara", '"', "\\", "\n", " atad "])
            lines += rng.choice([[sent({"content": words}), ""], [": ping", ""], [sent({}), ""]])
        yield ([*lines, "data: [DONE]", ""],)


@chapter.function(
    "20.4 What did it say? ★★",
    inputs=r"""
        PLAIN || ["data: [DONE]"] || [] || [": ping", "", *PLAIN]
        [sent({"role": "assistant", "content": ""}), "", *PLAIN]
        [*PLAIN[:4], sent({}, "stop"), "", "data: [DONE]"]
        [sent({"role": "assistant", "content": None}), *PLAIN]
        [*PLAIN[:4], USAGE, "", "data: [DONE]"]
        [*PLAIN, LATE, ""]
        [sent({"content": "data: and [DONE]"}), "", *PLAIN]
        ["event: delta", "id: 3", "retry: 100", *PLAIN]
        PLAIN[:3]
        [*PLAIN[:2], USAGE, "", *PLAIN[2:]]
        [*PLAIN[:2], ": " + LATE, "", *PLAIN[2:]]
        [*PLAIN[:2], 'data: {"choices": [], "note": {"content": " Nobody."}}', "", *PLAIN[2:]]
        [sent({"content": "null, \u2028true", "x": True}, ascii=False), "", *PLAIN]
        [sent({"content": " "}), "", *PLAIN[:2], sent({"content": "\n"}), "", *PLAIN[2:]]
        [sent({"content": "Oh…\n\nyes: "}, ascii=False), "", sent({"content": "é", "x": 1}), ""]
    """,
    cases=said_cases,
    mistakes=r"""
        .get("content") or "" => ["content"] or ""
            The last delta is empty, so it has no `content` at all. Use `get`.
        in event["choices"] => in [event["choices"][0]]
            An event that only counts tokens has an empty list of choices.
        .get("content") or "" => .get("content", "")
            A content may be there and be null, which `json.loads` makes None. `get("content",
            "")` then returns None.
        line == "data: [DONE]" => False ; line.startswith("data: ") => True
            Not every line is an event. There are also empty lines and comments.
        line == "data: [DONE]" => False
            `[DONE]` is not JSON. It ends the stream.
        break => continue
            You read on after `[DONE]`. What follows it does not belong to the answer.
        line == "data: [DONE]" => "[DONE]" in line
            The text of a piece may contain `[DONE]`. Only the line `data: [DONE]` ends the stream.
        line[6:] => line.replace("data: ", "")
            `replace` also removes `data: ` from the text of the answer. Remove only the first
            six characters of the line.
        pieces.append(piece) => pieces.append(piece.strip())
            You removed spaces at the ends of a piece. They belong to the answer.
        line == "data: [DONE]" => line == "data: [DONE]" or not line
            You stopped at an empty line. It ends an event, not the stream.
        = said(lines[: lines.index("data: [DONE]")])
            The line `data: [DONE]` may be missing, if the connection breaks. Return the text so far.
        pieces.append(piece) => pieces += re.findall(r'"content": *"(.*?)"', line)
            JSON writes quotation marks, line ends and many letters with a backslash. Use
            `json.loads`, which reads them.
    """,
    right="That is a client. A program needs only this and a connection that gives it the lines.",
)
def said(lines):
    pieces = []
    for line in lines:
        if line == "data: [DONE]":
            break
        if line.startswith("data: "):
            event = json.loads(line[6:])
            piece = "".join(choice["delta"].get("content") or "" for choice in event["choices"])
            pieces.append(piece)
    return "".join(pieces)


# -- 20.5 -----------------------------------------------------------------
def spoken_cases(seed):
    rng = random.Random(seed)
    for _ in range(8):
        pieces = ["".join(rng.choices("ab ", k=rng.randint(0, 4))) for _ in range(rng.randint(2, 7))]
        stops = ["".join(rng.choices("ab ", k=rng.randint(2, 5))) for _ in range(rng.randint(1, 3))]
        yield pieces, stops


def by_letters(pieces, stops, again):
    """Return everything that was held if a letter does not fit. again: The letter may begin a stop itself."""
    said = []
    held = ""
    for piece in pieces:
        text = ""
        for letter in piece:
            if again and held and not begins(held + letter, stops):
                text = text + held
                held = ""
            held += letter
            if held in stops:
                return [*said, text]
            if not begins(held, stops):
                text = text + held
                held = ""
        said.append(text)
    return [*said, held]


def begins(text, stops):
    return any(stop.startswith(text) for stop in stops)


@chapter.function(
    "20.5 Not a letter too many ★★★",
    inputs=r"""
        ["I kn", "ow", "!"], ["now"] || ["a n", "ow b"], ["now"] || ["a", "b"], [] || [], ["x"]
        ["now", " x"], ["now"] || ["no", "no", "w"], ["now"] || ["ab"], ["b", "a"] || ["x END y"], ["END"]
        ["aab", "c"], ["aabd", "b"] || ["aa", "a", "b"], ["aab"] || ["a", "b", "c"], ["abcd"]
        ["one", "", "two"], ["et"] || ["abx", "y"], ["xyz", "by"]
        ["NO", "W NOW", " no"], ["now"]
        ["so", ". N", "o"], ["."] || ["a now b now"], ["now"] || ["a\nb", "\n"], ["\n\n"]
        ["a now b", "c now"], ["now"] || ["wow", "w"], ["ww"] || ["abab", "ac"], ["abac"]
    """,
    cases=spoken_cases,
    mistakes="""
        len(text) - max(begun, default=0) => len(text)
            A stop may be spread over several pieces. Hold back the end of the text if it could begin a stop.
        = [*pieces[: len(it) - 1], "".join(it)[len("".join(pieces[: len(it) - 1])) :]]
            You found a stop that is spread over several pieces, but you had returned its beginning already.
        len(text) - max(begun, default=0) => max(0, len(text) - max(map(len, stops), default=1) + 1)
            You hold back too much. Hold back only an end of the text that begins a stop.
        = ["".join(it)]
            You waited for the whole text. Return a text for each piece, as early as possible.
        return [*said, held] => return [*said, ""]
            If no stop comes, add at the end what was held back.
        = spoken(pieces, stops[:1])
            There may be several stops, and each of them ends the text.
        max(begun, default=0) => min(begun, default=0)
            Hold back the longest end of the text that begins a stop. In "aa", a stop "aab" may
            have begun two letters ago.
        min(places) => places[0]
            If the text holds several stops, the one that begins first in the text ends it.
        text.find(stop) for => (text.find(stop), len(stop)) for ; min(places) => sum(min(places))
            You returned the stop itself. The answer ends before it.
        = [text for text in it if text] || spoken([piece for piece in pieces if piece], stops)
            Return a text for each piece, even if it is empty.
        if stop in text => ; if places => if min(places, default=-1) >= 0
            `find` returns −1 for a stop that is not there. That is not a place in the text.
        if stop in text => if text.find(stop) > 0
            A stop may stand at the very beginning. Then `find` returns 0, which is a place.
        = by_letters(pieces, stops, again=False) || by_letters(pieces, stops, again=True)
            If a letter does not fit, a stop may still have begun later in the held-back text.
            In "aaa", a stop "aab" may have begun one letter later.
        return [*said, held] => return [*said, held] if held else said
            If no stop comes, add one more text at the end, even if it is empty.
    """,
    right="So a reader never sees a part of a stop, and every other letter comes as early as possible.",
)
def spoken(pieces, stops):
    said, held = [], ""
    for piece in pieces:
        text = held + piece
        places = [text.find(stop) for stop in stops if stop in text]
        begun = [k for stop in stops for k in range(1, len(stop)) if text.endswith(stop[:k])]
        if places:
            return [*said, text[: min(places)]]
        cut = len(text) - max(begun, default=0)
        said.append(text[:cut])
        held = text[cut:]
    return [*said, held]


# -- 20.6 -----------------------------------------------------------------
def allowed_cases(seed):
    rng = random.Random(seed)
    for _ in range(6):
        now = 0.0
        times = []
        for _ in range(rng.randint(6, 14)):
            now += rng.choice([0, 0, 0.25, 0.5, 1, 4])
            times.append(now)
        yield times, rng.choice([0.25, 0.5, 1, 2]), rng.randint(1, 4)


@chapter.function(
    "20.6 A bucket for each client ★★",
    inputs="""
        [0, 0, 0, 1, 1], 1, 2 || [], 1, 1 || [5.0], 2, 1 || [0, 0.5, 1.0, 1.5, 2.0], 1, 1
        [0, 100, 100, 100, 100], 1, 3 || [0, 0, 0.5, 0.5, 1], 2, 1 || [3, 3, 3, 3.5, 4.5], 0.5, 2
        [0, 0.25, 0.5, 0.75, 1.0, 1.25], 1, 1
        [0, 0, 0, 0, 1, 1, 2, 2], 2, 2 || [0, 1, 1.5, 2, 2], 0.5, 1 || [0, 0.75, 1.5, 2.25, 3], 1, 1
    """,
    cases=allowed_cases,
    mistakes="""
        min(burst, level + fallen) => level + fallen
            Your bucket holds more than `burst` drops. It never does, however long no request comes.
        level = burst => level = 0
            The bucket is full at first.
        if may else level => if may else level - 1
            A request that is turned away takes no drop.
        level >= 1 => level > 0
            A request needs a whole drop.
        level + fallen => level
            Your bucket is never refilled. Drops fall into it as time passes.
        = [sum(int(t) == int(now) for t in times[: i + 1]) <= burst for i, now in enumerate(times)]
            You start a new count in each second. Then twice as many requests get through around
            the change from one second to the next.
        level >= 1 => last is None or now - last >= 1 / rate ; last = now => last = now if may else last
            You require a distance between two requests. In a bucket, up to `burst` requests may come at once.
        level + fallen => level + int(fallen)
            You lost parts of a drop. They add up, so keep them.
        last = now => last = now if may or last is None else last
            After a request that is turned away, you count the same drops again. Keep the time
            of the last request, whether it was served or not.
        (now - last) * rate => now - last
            You let one drop fall per second. It is `rate` drops per second.
        - level = min(burst, level + fallen)
        - may = level >= 1
        - level = level - 1 if may else level
        + may = level >= 1
        + level = min(burst, level - may + fallen)
            You looked for a drop too early. First add the drops that fell since the last
            request, and then look.
        level >= 1 => sum(served and now - t < 1 for t, served in zip(times, found)) < burst
            You count the requests of the last second. A bucket is refilled instead, by `rate`
            drops per second.
    """,
    right="In any t seconds a client is served at most burst + rate · t times. This does not limit how many "
    "slots a client holds at once, because answers may be long. So a server must count those as well.",
)
def allowed(times, rate, burst):
    level = burst
    last, found = None, []
    for now in times:
        fallen = 0 if last is None else (now - last) * rate
        level = min(burst, level + fallen)
        may = level >= 1
        level = level - 1 if may else level
        last = now
        found.append(may)
    return found
