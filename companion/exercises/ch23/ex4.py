"""The check of exercise 23.4: Beam search."""

import math
from random import Random

from companion.exercises.exercise import Function


class Table:
    """Log-probabilities of each token after a text: those given, or drawn from the text and a seed."""

    def __init__(self, given):
        self.size, self.seed = given.get("tokens", 3), given.get("seed", 0)
        self.given = given

    def __call__(self, tokens):
        key = tuple(int(token) for token in tokens)
        if key in self.given:
            return [math.log(p) for p in self.given[key]]
        rng = Random(f"{self.seed} {key}")
        weights = [rng.random() ** 3 + 1e-3 for _ in range(self.size)]
        return [math.log(w / sum(weights)) for w in weights]


def call(answer, given, end, width, longest):
    return answer(Table(given), end, width, longest)


def beam_search(step, end, width, longest):
    open_, closed = [(0.0, ())], []
    for _ in range(longest):
        grown = [(s + p, (*text, i)) for s, text in open_ for i, p in enumerate(step(list(text)))]
        kept = sorted(closed + grown, reverse=True)[:width]
        closed = [beam for beam in kept if beam[1][-1] == end]
        open_ = [beam for beam in kept if beam[1][-1] != end]
        if not open_:
            break
    return list(max(closed + open_)[1])


def cases(seed):
    regret = {(): (0.55, 0.44, 0.01), (0,): (0.31, 0.36, 0.33), (1,): (0.05, 0.05, 0.9)}
    short = {(): (0.5, 0.1, 0.4), (0,): (0.6, 0.3, 0.1), (0, 0): (0.2, 0.1, 0.7)}
    close = {(): (0.4331, 0.43314, 0.13376)}
    fallen = {
        (): (0.8, 0.05, 0.15),  # [2] has ended, with 0.15
        (0,): (0.45, 0.5, 0.05),  # 0.36 and 0.4: both are before it, so it falls out
        (0, 0): (0.34, 0.35, 0.31),
        (0, 1): (0.3, 0.36, 0.34),  # 0.144 at most: it would be the best again
    }
    made = [
        (regret, 2, 2, 0),
        (close, 2, 1, 1),
        (short, 2, 2, 1),
        (regret, 2, 1, 2),
        (regret, 2, 2, 2),
        (short, 2, 2, 3),
        (short, 2, 1, 3),
        (fallen, 2, 2, 3),
        ({"tokens": 2, "seed": 2}, 1, 3, 1),
    ]
    for number, (size, width, longest) in enumerate(((4, 2, 5), (5, 3, 6), (3, 4, 4), (6, 5, 7), (4, 1, 6))):
        made.append(({"tokens": size, "seed": 100 * seed + number}, number % size, width, longest))
    return made


def ended(text, end):
    return text[-1:] == [end]


def everybody(beams, end):
    return all(ended(text, end) for _, text in beams)


def anybody(beams, end):
    return any(ended(text, end) for _, text in beams)


def nobody(beams, end):
    return False


def other(
    rank=lambda s, text: s,
    keep=lambda width: width,
    rounds=lambda n: n,
    stop=everybody,
    add=sum,
    best=0,
    start=0.0,
):
    """A search in which a part is not as it should be. add: of a sum and a log-probability, the next sum."""

    def mistake(step, end, width, longest):
        beams = [(start, [])]
        for _ in range(rounds(longest)):
            grown = [beam for beam in beams if ended(beam[1], end)]
            for s, text in beams:
                if not ended(text, end):
                    grown += [(add((s, p)), [*text, i]) for i, p in enumerate(step(text))]
            beams = sorted(grown, key=lambda beam: rank(*beam), reverse=True)[: keep(width)]
            if stop(beams, end):
                break
        return beams[best][1]

    return mistake


def goes_on(stop):
    """Ended texts are continued like others."""

    def mistake(step, end, width, longest):
        beams = [(0.0, [])]
        for _ in range(longest):
            grown = [(s + p, [*text, i]) for s, text in beams for i, p in enumerate(step(text))]
            beams = sorted(grown, reverse=True)[:width]
            if stop(beams, end):
                break
        return beams[0][1]

    return mistake


def ended_lost(step, end, width, longest):
    beams = [(0.0, [])]
    for _ in range(longest):
        open_ = [beam for beam in beams if not ended(beam[1], end)]
        grown = [(s + p, [*text, i]) for s, text in open_ for i, p in enumerate(step(text))]
        if not grown:
            break
        beams = sorted(grown, reverse=True)[:width]
    return beams[0][1]


def set_aside(room, enough):
    """Ended texts leave the beam for a list of their own. room(width, how many have ended) go on."""

    def mistake(step, end, width, longest):
        beams, done = [(0.0, [])], []
        for _ in range(longest):
            grown = [(s + p, [*text, i]) for s, text in beams for i, p in enumerate(step(text))]
            grown.sort(reverse=True)
            among = grown[: room(width, len(done))]
            fresh = [beam for beam in among if ended(beam[1], end)]
            rest = among if enough is None else grown
            beams = [beam for beam in rest if not ended(beam[1], end)][: room(width, len(done))]
            done += fresh
            if not beams or (enough and len(done) >= width):
                break
        return max(done + beams)[1]

    return mistake


def remembered(step, end, width, longest):
    """The best that ever ended, though it fell out of the beam."""
    beams, done = [(0.0, [])], []
    for _ in range(longest):
        grown = [beam for beam in beams if ended(beam[1], end)]
        for s, text in beams:
            if not ended(text, end):
                grown += [(s + p, [*text, i]) for i, p in enumerate(step(text))]
        beams = sorted(grown, reverse=True)[:width]
        done += [beam for beam in beams if ended(beam[1], end)]
        if everybody(beams, end):
            break
    return max(done + beams)[1]


def ended_before_others(stop):
    """Of the last beams the best that has ended, if one has."""

    def mistake(step, end, width, longest):
        beams = [(0.0, [])]
        for _ in range(longest):
            grown = [beam for beam in beams if ended(beam[1], end)]
            for s, text in beams:
                if not ended(text, end):
                    grown += [(s + p, [*text, i]) for i, p in enumerate(step(text))]
            beams = sorted(grown, reverse=True)[:width]
            if stop(beams, end):
                break
        return max([beam for beam in beams if ended(beam[1], end)] or beams)[1]

    return mistake


def stops_at_first(step, end, width, longest):
    return ended_before_others(anybody)(step, end, width, longest)


def likeliest_first(step, end, width, longest):
    """Takes the best beams' last probability alone."""
    return other(add=lambda pair: pair[1])(step, end, width, longest)


def without_end(step, end, width, longest):
    found = beam_search(step, end, width, longest)
    return found[:-1] if ended(found, end) else found


def one_round_at_least(step, end, width, longest):
    return beam_search(step, end, width, max(longest, 1))


CONTINUED = "A text whose last token is `end` has ended: it stays as it is, and is not continued."
ASIDE = (
    "You set texts aside when they end. Here they compete with all others for the `width` places in each "
    "round, and one that falls out is gone."
)

EXERCISE = Function(
    number="23.4",
    title="Beam search",
    stars=3,
    wants="beam_search(step, end, width, longest)",
    cases=cases,
    oracle=beam_search,
    call=call,
    order=lambda args: ("seed" in args[0], args[3], args[2]),  # those worked by hand first, then few rounds
    shown="{f}(step, {1}, {2}, {3}), where exp of step's numbers is {0}",
    mistakes=[
        (
            other(keep=lambda width: 1),
            "Only one beginning is kept. Keep `width` of them from round to round.",
        ),
        (likeliest_first, "You compare the last tokens alone. Add up the log-probabilities of all."),
        *((goes_on(stop), CONTINUED) for stop in (everybody, nobody)),
        (ended_lost, "Texts that have ended are gone in the next round. They stay, and compete."),
        (stops_at_first, "You stop as soon as one text ends. Others may still overtake it."),
        (other(stop=anybody), "You stop as soon as one text ends. All that are kept must have."),
        (
            ended_before_others(everybody),
            "At the end you prefer a text that has ended. The highest sum is the best.",
        ),
        *((set_aside(lambda width, done: width, enough), ASIDE) for enough in (True, False, None)),
        (set_aside(lambda width, done: width - done, None), ASIDE),
        (remembered, ASIDE),
        (without_end, "`end` is a token of the text, and belongs to it."),
        (
            other(rank=lambda s, text: s / len(text)),
            "You divide by the length. Here the sums themselves are compared.",
        ),
        (
            other(rank=lambda s, text: -s),
            "You keep the least likely. The highest sum is the best; log-probabilities are negative.",
        ),
        (other(best=-1), "You give the last of the beams. The best has the highest sum."),
        (
            other(add=math.prod, start=1.0),
            "You multiply log-probabilities. The logarithm of a product is a sum.",
        ),
        (other(keep=lambda width: width + 1), "You keep one beginning more than `width`."),
        (other(keep=lambda width: max(width - 1, 1)), "You keep one beginning less than `width`."),
        (other(keep=lambda width: 2 * width), "You keep more beginnings than `width`."),
        (
            other(rounds=lambda longest: longest + 1),
            "You go one round too many; `longest` rounds are the most.",
        ),
        (other(rounds=lambda longest: max(longest - 1, 0)), "You stop one round before `longest`."),
        (one_round_at_least, "With `longest` 0 there is no round: the best is the empty list."),
    ],
    right="A worse first word can begin a better text; greedy search cannot find it.",
)
