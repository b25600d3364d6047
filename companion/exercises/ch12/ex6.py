"""The check of exercise 12.6: Round the ring."""

import random

from companion.exercises.exercise import Function, Problem
from companion.exercises.settle import Record, as_list, as_number, settle
from companion.exercises.values import a


def ring(rank, world, numbers):
    cuts = [len(numbers) * i // world for i in range(world + 1)]
    mine = list(numbers)
    for k in range(2 * world - 2):
        out, into = (rank - k) % world, (rank - k - 1) % world
        received = yield mine[cuts[out] : cuts[out + 1]]
        for i, number in enumerate(received, cuts[into]):
            mine[i] = number + (mine[i] if k < world - 1 else 0)
    return mine


def vector_cases(seed):
    rng = random.Random(seed)
    by_hand = [
        [[5.0]],
        [[5.0, 7.5]],
        [[1.0], [10.0]],
        [[1.0, 2.0], [10.0, 20.0]],
        [[1.5, 2.0, 3.0], [10.0, 20.0, 30.0]],
        [[1.0], [10.0], [100.0]],
        [[1.0, 2.0], [10.0, 20.0], [100.0, 200.0]],
        [[1.0, 2.0, 3.0], [10.0, 20.0, 30.0], [100.0, 200.0, 300.0]],
        [[1.0, 1.0, 1.0, 1.0], [10.0, 10.0, 10.0, 10.0], [100.0, 100.0, 100.0, 100.5]],
    ]
    by_hand += [
        [[], []],
        [[0.1], [0.2]],
        [[0.123456789], [1.0]],
        [[0.1, 1e6 + 0.3], [0.2, -1e6]],
        [[3e9, 0.1], [1e9, -0.7]],
        [[-1e9, 0.1], [-1e9, 1.0]],
        [[1.0, 2.0], [-1.0, -2.0]],  # sums of 0
        [[1.0, 2.0, 3.0], [-3.0, 5.0, -1.0], [2.0, -7.0, -2.0]],
        [[0.1 * i] for i in range(8)],
        [[0.1 * i + j for j in range(20)] for i in range(9)],
    ]
    cases = by_hand if seed == 0 else []
    for n, m in [(2, 7), (3, 11), (4, 8), (5, 12), (7, 30), (6, 4)]:
        cases.append([[rng.randint(-99, 99) / 4 for _ in range(m + seed * (m > 5))] for _ in range(n)])
    return [(vectors,) for vectors in cases]


def play(answer, vectors):
    """Run all processes, a round at a time."""
    n, m = len(vectors), len(vectors[0])
    most, rounds = 2 * (n - 1) * -(-m // n), 4 * (n + 1) * (m + 1)
    processes = [started(answer(rank, n, vector)) for rank, vector in enumerate(vectors)]
    arriving, sent, longest = [None] * n, [0] * n, 0
    for number in range(1, rounds + 2):
        steps = [step(process, part) for process, part in zip(processes, arriving, strict=True)]
        done = [ended for ended, _ in steps]
        if all(done):
            return judged([value for _, value in steps], vectors, sent, most, longest)
        if any(done):
            raise Problem(UNEVEN.format(done.index(True), done.index(False), number))
        if number > rounds:
            raise Problem(
                f"After {rounds} rounds with {n} processes none has returned. 2 (n − 1) rounds are enough."
                if n > 1
                else f"After {rounds} rounds a process that is alone has not returned. It needs none."
            )
        parts = [as_part(rank, part) for rank, (_, part) in enumerate(steps)]
        sent = [before + len(part) for before, part in zip(sent, parts, strict=True)]
        longest = max(longest, *map(len, parts))
        arriving = parts[-1:] + parts[:-1]
    raise AssertionError


def started(process):
    """What an answer gave, if it is a generator or as good as one."""
    if not hasattr(process, "__next__") or not hasattr(process, "send"):
        raise Problem(
            f"It must be a generator, which a function is that has a `yield` in it; it returned {a(process)}."
        )
    return process


def step(process, part):
    """Go on to the next `yield` or `return`: (whether it ended, what it gave)."""
    try:
        return False, next(process) if part is None else process.send(part)
    except StopIteration as end:
        return True, end.value


def as_part(rank, part):
    """What a process sends, as a list that it can no longer change."""
    numbers = as_list(part)
    if numbers is None:
        raise Problem(
            f"A round sends a list of numbers, if only an empty one; process {rank} yielded {a(part)}."
        )
    if any(as_number(number) is None for number in numbers):
        raise Problem(f"Only numbers can be sent, in one flat list; in process {rank}'s is something else.")
    return numbers


def judged(found, vectors, sent, most, longest):
    """The results; raises Problem where they are right, and too much was sent."""
    n, m = len(vectors), len(vectors[0])
    sums = [sum(column) for column in zip(*vectors, strict=True)]
    found = [settle(value) for value in found]
    lists = [as_list(value) for value in found]
    nothing = [rank for rank, value in enumerate(found) if value is None]
    if nothing:
        raise Problem(f"Process {nothing[0]} returned None. In a generator, too, `return` gives the result.")
    right = all(near(one, sums) for one in lists)
    if n == 1 and sent[0] and right:
        raise Problem("A process that is alone sends nothing: there is nobody to tell. Yours sent to itself.")
    if n > 1 and min(sent) < m and right:
        rank = sent.index(min(sent))
        raise Problem(QUIET.format(rank, sent[rank] or "nothing", m))
    if max(sent) > most and right:
        rank = sent.index(max(sent))
        why = WHOLE if longest >= m > 1 else LABELS
        raise Problem(
            f"The sums are right. But where n is {n} and m is {m}, process {rank} sent {sent[rank]} "
            f"numbers; {most} must do. {why}"
        )
    return Record("", {f"process {rank}": value for rank, value in enumerate(found)})


def hint(got, vectors):
    """Whether the sums are nearly right."""
    if got.error is not None:
        return ""
    sums = [sum(column) for column in zip(*vectors, strict=True)]
    if not all(near(as_list(one), sums, 0.51) for one in got.value.parts.values()):
        return ""
    return "That is near. Were numbers rounded on the way, or at the end? Are they float32, or float16?"


def near(numbers, sums, within=1e-3):
    """Whether a list has these sums."""
    if numbers is None or len(numbers) != len(sums):
        return False
    values = [as_number(number) for number in numbers]
    return all(x is not None and abs(x - y) < within for x, y in zip(values, sums, strict=True))


# -- mistakes ------------------------------------------------------------------


def cut(numbers, n):
    """Parts of a vector, the first ones longer where n does not divide it."""
    short, rest = divmod(len(numbers), n)
    ends = [0]
    for i in range(n):
        ends.append(ends[-1] + short + (i < rest))
    return [list(numbers[x:y]) for x, y in zip(ends, ends[1:], strict=False)]


def even(size):
    """Cuts all parts equally long; what is behind the last is lost."""
    return lambda numbers, n: [
        list(numbers[i * size(len(numbers), n) : (i + 1) * size(len(numbers), n)]) for i in range(n)
    ]


def plus(mine, received):
    return [x + y for x, y in zip(mine, received, strict=False)]


def made(
    first=lambda rank, k: rank - k,
    second=lambda rank, k: rank + 1 - k,
    came_first=lambda rank, k: rank - k - 1,
    came_second=lambda rank, k: rank - k,
    rounds=(-1, -1),
    change=plus,
    replace=lambda mine, received: received,
    cut=cut,
    final=lambda total, world: total,
):
    """A right answer, but for the parts that are given."""

    def wrong(rank, world, numbers):
        parts = cut(numbers, world)
        passes = [(first, came_first, change), (second, came_second, replace)]
        for (sends, comes, becomes), less in zip(passes, rounds, strict=True):
            for k in range(world + less if less is not None else 0):
                received = yield parts[sends(rank, k) % world]
                here = comes(rank, k) % world
                parts[here] = becomes(parts[here], received)
        return final([number for part in parts for number in part], world)

    return wrong


def own(rank, world, numbers):
    return list(numbers)
    yield


def growing(rank, world, numbers):
    total = list(numbers)
    for _ in range(world - 1):
        total = plus(total, (yield total))
    return total


def neighbors(rank, world, numbers):
    received = yield list(numbers)
    return plus(numbers, received)


def tail_of_its_own(rank, world, numbers):
    size = len(numbers) // world
    head = yield from made()(rank, world, numbers[: size * world])
    return head + list(numbers[size * world :])


def part_alone(rank, world, numbers):
    parts = cut(numbers, world)
    for k in range(world - 1):
        received = yield parts[(rank - k) % world]
        here = (rank - k - 1) % world
        parts[here] = plus(parts[here], received)
    return parts[(rank + 1) % world]


def yielded_sum(rank, world, numbers):
    total = yield from made()(rank, world, numbers)
    yield total


UNEVEN = (
    "Process {0} returned in round {2}, while process {1} still sends. All must take equally many rounds: a "
    "process with nothing to send yields an empty list."
)
QUIET = (
    "The sums are right. But process {0} has numbers ({2}) of which the others cannot know otherwise, and it "
    "sent {1}: real processes share no variables. All must go through `yield`."
)
WHOLE = "Whole vectors travel. Cut each into as many parts as there are processes: a part a round."
LABELS = "What else is sent than parts of m/n numbers, in 2 (n − 1) rounds? The round tells which part comes."
REST = (
    "The length need not divide by the number of processes. Some parts are then a number longer than others."
)
UNADDED = (
    "Each part came out as one process had it. Does the first pass add what comes to one's own? The "
    "second must begin with a complete part: of process r that is part r + 1, not part r."
)
UNTOUCHED = (
    "Nothing was added to the part with which the second pass begins. A part that comes was the left "
    "neighbor's, so its number is one less than that of the part sent; and the first pass has n − 1 rounds."
)
MEAN = "That is the mean. The sum is wanted."

EXERCISE = Function(
    number="12.6",
    title="Round the ring",
    stars=3,
    wants="ring(rank, world, numbers)",
    cases=vector_cases,
    oracle=ring,
    call=play,
    tolerance=1e-8,
    hint=hint,
    shown="{f}(rank, world, numbers) in each process, numbers = {0}",
    mistakes=[
        (own, "Nothing was sent: each process returned what it had."),
        (
            made(rounds=(-1, None)),
            "After the first pass each process has one part complete. Those must go round, too.",
        ),
        (part_alone, "Each process returned the one part that it has complete. Those must go round, too."),
        (
            made(replace=plus),
            "In the second pass complete parts travel, and replace what is there. Adding counts some twice.",
        ),
        (
            made(change=lambda mine, received: received),
            UNADDED,
        ),
        (
            made(second=lambda rank, k: rank - k, came_second=lambda rank, k: rank - k - 1),
            UNADDED,
        ),
        (
            made(second=lambda rank, k: rank - 1 - k, came_second=lambda rank, k: rank - k - 2),
            "After the first pass process r has part r + 1 complete, not part r − 1: it begins with that.",
        ),
        (
            made(came_first=lambda rank, k: rank - k),
            UNTOUCHED,
        ),
        (
            made(came_first=lambda rank, k: rank - k + 1),
            "What comes is from the left, process r − 1. You took it for the right neighbor's.",
        ),
        (
            made(came_second=lambda rank, k: rank + 1 - k),
            "In the second pass, too, the part that comes is the one before that which you sent.",
        ),
        (
            made(came_second=lambda rank, k: rank + 2 - k),
            "What comes is from the left, process r − 1. You took it for the right neighbor's.",
        ),
        (
            made(
                lambda rank, k: rank + k,
                lambda rank, k: rank - 1 + k,
                lambda rank, k: rank + k + 1,
                lambda rank, k: rank + k,
            ),
            "Your ring turns the other way: what you send goes to process r + 1.",
        ),
        (
            made(
                lambda rank, k: rank + k,
                lambda rank, k: rank - 1 + k,
                lambda rank, k: rank + k - 1,
                lambda rank, k: rank + k - 2,
            ),
            "A part travels on: what came in a round is sent in the next. You sent another.",
        ),
        (
            made(first=lambda rank, k: rank, came_first=lambda rank, k: rank - 1),
            "The same part was sent in every round. Send on what has come.",
        ),
        (
            made(rounds=(0, -1)),
            "The first pass has n − 1 rounds. With n each part comes home, and counts again.",
        ),
        (made(rounds=(-2, -1)), UNTOUCHED),
        (
            made(rounds=(-1, -2)),
            "The second pass has n − 1 rounds: each complete part must reach all others.",
        ),
        (made(cut=even(lambda m, n: m // n)), REST + " Some numbers were lost."),
        (tail_of_its_own, REST + " The last numbers were not summed."),
        (made(cut=even(lambda m, n: max(1, m // n))), REST + " Some numbers were lost."),
        (
            made(cut=even(lambda m, n: round(m / n))),
            REST + " Rounding may lose some.",
        ),
        (made(final=lambda total, world: [x / world for x in total]), MEAN),
        (made(final=lambda total, world: [int(x) for x in total]), "Numbers need not be whole."),
        (made(final=lambda total, world: [round(x) for x in total]), "Numbers need not be whole."),
        (
            made(final=lambda total, world: sum(total)),
            "A list is wanted, the sum of each place, not one number.",
        ),
        (
            growing,
            "You sent on the sum so far: so what it holds already is counted again.",
        ),
        (
            neighbors,
            "Each process added its left neighbor's numbers alone. The others' must come round, too.",
        ),
        (made(final=lambda total, world: total[::-1]), "The sums are in reverse order."),
    ],
    right="The more processes, the smaller the parts: what each sends stays at about two vectors.",
)
