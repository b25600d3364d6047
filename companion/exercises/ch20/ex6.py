"""The check of exercise 20.6: A bucket for each client."""

import random
from math import ceil

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


def rules(fill=lambda gone, rate: gone * rate, most=min, refused=lambda held: held, late=False, begin=None):
    """allowed, with other rules: what falls, the most it holds, what a refusal leaves, which time is kept."""

    def answer(times, rate, burst):
        held, last, found = burst if begin is None else begin(burst), None, []
        for now in times:
            held = most(burst, held + (0 if last is None else fill(now - last, rate)))
            may = held >= 1
            last = now if may or last is None or not late else last
            held = held - 1 if may else refused(held)
            found.append(may)
        return found

    return answer


def sliding(times, rate, burst):
    """At most burst in any second."""
    served, found = [], []
    for now in times:
        found.append(sum(now - t < 1 for t in served) < burst)
        if found[-1]:
            served.append(now)
    return found


def looks_first(times, rate, burst):
    """Fills it only after it looked."""
    held, last, found = burst, None, []
    for now in times:
        may = held >= 1
        held = min(burst, held - may + (0 if last is None else (now - last) * rate))
        last = now
        found.append(may)
    return found


def since_the_first(times, rate, burst):
    """All that fell since the first request falls again each time."""
    held, found = burst, []
    for now in times:
        held = min(burst, held + (now - times[0]) * rate)
        found.append(held >= 1)
        held -= found[-1]
    return found


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
        (rules(late=True), "After a refusal the same drops fall again: keep the time of the last request, "
         "served or not."),
        (since_the_first, "The same drops fall again and again: count from the last request, not from the "
         "first."),
        (rules(refused=lambda held: 0), "A request that is refused takes nothing, also no part of a drop."),
        (rules(refused=lambda held: max(0, held - 1)), "A request that is refused takes nothing, also no "
         "part of a drop."),
        (rules(begin=lambda burst: burst - 1), "At first it holds `burst` drops, not one less."),
        (rules(lambda gone, rate: gone), "`rate` drops fall in a second, not one."),
        (rules(lambda gone, rate: gone / rate), "`rate` is the drops in a second, not the seconds for one."),
        (rules(lambda gone, rate: int(gone) * rate), "Parts of a second count, too."),
        (lambda times, rate, burst: allowed([int(t) for t in times], rate, burst),
         "Parts of a second count, too."),
        (rules(lambda gone, rate: round(gone * rate)), "Parts of a drop are not rounded: keep them."),
        (rules(lambda gone, rate: ceil(gone * rate)), "Parts of a drop are not rounded: keep them."),
        (rules(lambda gone, rate: rate if gone else 0), "The more time has gone by, the more drops fall."),
        (rules(most=lambda burst, held: min(burst + 1, held)), "Pour off what is more than `burst` "
         "when drops have fallen, before one is taken: yours holds one more."),
        (looks_first, "First the drops of the time gone by fall, then look whether one is there."),
        (sliding, "That counts the requests of the last second. Here drops fall, `rate` in a second."),
        (bucket(least=0.0), "An empty bucket has no drop to give."),
        (lambda times, rate, burst: [True] * len(times), "Somebody must be refused."),
        (lambda times, rate, burst: [not may for may in allowed(times, rate, burst)],
         "That says who is refused."),
    ],
    right="In any t seconds a client is served at most burst + rate · t times. Of slots at once this says "
    "nothing, for answers may be long: count those as well.",
)  # fmt: skip
