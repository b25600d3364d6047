"""The check of exercise 20.6: A bucket for each client."""

import random

from companion.exercises.exercise import Function


def bucket(start=None, cap=True, cost=1.0, refused_cost=0.0, least=1.0, refill=True):
    """allowed, with these rules."""

    def answer(times, rate, burst):
        held, last, found = burst if start is None else start, None, []
        for now in times:
            if last is not None and refill:
                held += (now - last) * rate
                held = min(burst, held) if cap else held
            last = now
            may = held >= least
            held -= cost if may else refused_cost
            found.append(may)
        return found

    return answer


allowed = bucket()


def cases(seed):
    rng = random.Random(seed)
    made = []
    if seed == 0:
        made += [([0, 0, 0, 1, 1], 1, 2), ([], 1, 1), ([5.0], 2, 1), ([0, 0.5, 1.0, 1.5, 2.0], 1, 1)]
        made += [([0, 100, 100, 100, 100], 1, 3), ([0, 0, 0.5, 0.5, 1], 2, 1), ([3, 3, 3, 3.5, 4.5], 0.5, 2)]
        made += [([0, 0.25, 0.5, 0.75, 1.0, 1.25], 1, 1), ([0, 0, 0, 0, 1, 1, 2, 2], 2, 2)]
        made += [([0, 1, 1.5, 2, 2], 0.5, 1), ([0, 0.75, 1.5, 2.25, 3], 1, 1)]
    for _ in range(6):
        now, times = 0.0, []
        for _ in range(rng.randint(6, 14)):
            now += rng.choice([0, 0, 0.25, 0.5, 1, 4])
            times.append(now)
        made.append((times, rng.choice([0.25, 0.5, 1, 2]), rng.randint(1, 4)))
    return made


def by_seconds(times, rate, burst):
    found, counts = [], {}
    for now in times:
        counts[int(now)] = counts.get(int(now), 0) + 1
        found.append(counts[int(now)] <= burst)
    return found


def gaps(times, rate, burst):
    found, last = [], None
    for now in times:
        may = last is None or now - last >= 1 / rate
        last = now if may else last
        found.append(may)
    return found


def whole_drops(times, rate, burst):
    held, last, found = burst, None, []
    for now in times:
        if last is not None:
            held = min(burst, held + int((now - last) * rate))
        last = now
        found.append(held >= 1)
        held -= held >= 1
    return found


EXERCISE = Function(
    number="20.6",
    title="A bucket for each client",
    stars=2,
    wants="allowed(times, rate, burst)",
    cases=cases,
    oracle=allowed,
    mistakes=[
        (bucket(cap=False), "It runs over: it never holds more than `burst`, however long nobody asks."),
        (bucket(start=0), "The bucket is full at first."),
        (bucket(refused_cost=1.0), "A request that is refused takes nothing."),
        (bucket(least=0.0 + 1e-9), "A whole drop is needed."),
        (bucket(least=1.0 + 1e-9), "Exactly one drop is enough."),
        (bucket(refill=False), "The bucket fills up again as time goes by."),
        (bucket(start=1), "At first it holds `burst` drops, not one."),
        (by_seconds, "That counts in each second anew: at its border twice as many come through."),
        (gaps, "That keeps a distance between requests. Here several may come at once, up to `burst`."),
        (whole_drops, "Parts of a drop count, too: keep them until they are whole."),
        (lambda times, rate, burst: [True] * len(times), "Somebody must be refused."),
        (lambda times, rate, burst: [not may for may in allowed(times, rate, burst)],
         "That says who is refused."),
    ],
    right="One such bucket for each token, and no client can take all slots from the others.",
)  # fmt: skip
