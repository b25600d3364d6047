"""The check of exercise 14.6: As few heads as will do."""

import random
from collections.abc import Callable

from companion.exercises.exercise import Function, Problem
from companion.exercises.settle import Record


def circuit(score, heads, level):
    kept = list(heads)
    while kept:
        best, drop = max((score([h for h in kept if h != head]), -i) for i, head in enumerate(kept))
        if best < level:
            break
        del kept[-drop]
    return kept


class Score:
    """A score of sets of heads: what each adds, what either or both of a pair add, and that of none."""

    def __init__(self, weights, either=(), both=(), none=0):
        self.weights, self.either, self.both, self.none = weights, either, both, none

    def __call__(self, kept):
        kept = [tuple(head) for head in kept]
        if len(set(kept)) < len(kept) or any(head not in self.weights for head in kept):
            raise Problem("`score` was asked about heads that are not in the list, or twice about one.")
        total = self.none + sum(self.weights[head] for head in kept)
        total += sum(w for a, b, w in self.either if a in kept or b in kept)
        return total + sum(w for a, b, w in self.both if a in kept and b in kept)


def case(weights, level, either=(), both=(), none=0):
    """An input: the weights, the level, what else there is to be told of the score, and the score's parts."""
    parts = [(f"either of {a} and {b}", worth) for a, b, worth in either]
    parts += [(f"both of {a} and {b}", worth) for a, b, worth in both]
    parts += [("score([])", none)] if none else []
    told = {f", {name}" if i == 0 else name: worth for i, (name, worth) in enumerate(parts)}
    return weights, level, Record("", told), either, both, none


def cases(seed):
    A, B, C, D = (0, 0), (0, 1), (1, 0), (1, 1)
    by_hand = [
        case({A: 5, B: 0, C: 3}, 8),
        case({A: 5, B: 0, C: 3}, 5),
        case({A: 1, B: 1}, 0),
        case({A: 1, B: 1}, 3),  # not even all will do
        case({A: 1, B: 0}, 3),
        case({A: 5, B: -3}, 4),  # all will not do, and the first will
        case({A: 1, B: 1, C: 1}, 1),  # ties: the first goes
        case({C: 1, A: 1}, 1),  # the first in the list, not the smallest
        case({A: 0, B: 0, C: 2}, 9, either=((A, B, 9),)),  # either will do, and one must stay
        case({A: 0, B: 0, C: 0}, 9, either=((A, B, 9),)),
        case({A: 0, B: 0, C: 4, D: 1}, 9, both=((A, B, 9),)),
        case({A: -2, B: 1, C: 4}, 3),  # one that harms
        case({A: 2, B: 3, C: 4, D: 5}, 9),
        case({A: 3, B: 0, C: 0, D: 4}, 9, either=((B, C, 5), (A, D, 2))),
        case({C: 1, A: 0, B: 2}, 2),
        case({}, 0),
        case({}, 1),
        case({A: 1}, 0),
        case({A: 1}, 1),
        case({A: 1}, 2, none=2),
        case({A: -4, B: -4}, 3, both=((A, B, 5),), none=5),  # none will do, and each alone will not
        case({A: 0.125, B: 0.125}, 0.5, none=0.5),  # right by chance
        case({A: 0.125, B: 0.125}, 0.625, none=0.5),
        case({A: 4, B: 1}, -7, none=-10),
        case({A: 4, B: 1}, -997, none=-1000),
        case({A: 0.5, B: 0.375, C: 0.125}, 0.625),
        case({A: 9 / 2048, B: 1 / 512, C: 0.5}, 0.5 + 9 / 2048),
        case({A: 1, B: 1, C: 5}, 5, both=((A, B, 6), (A, C, 1))),  # the second best first loss leads further
    ]
    rng = random.Random(seed)
    made = by_hand if seed == 0 else []
    for n, unit in ((5, 1), (7, 1), (6, 0.125), (10, 1), (12, 0.125)):
        heads = rng.sample([(i, j) for i in range(4) for j in range(4)], n)
        weights = {head: unit * rng.randint(-1, 5) for head in heads}  # eighths: sums in any order are exact
        either, both = ((*rng.sample(heads, 2), unit * rng.randint(3, 8)) for _ in range(2))
        whole = int(Score(weights, [either], [both])(heads) / unit)
        made.append(case(weights, unit * rng.randint(whole // 2, whole), (either,), (both,)))
    return made


def use(answer: Callable, weights, level, told, either, both, none):
    asked, score, n = 0, Score(weights, either, both, none), len(weights)
    most = max(60, 2 * n * n + n)

    def counted(kept):
        nonlocal asked
        asked += 1
        if asked > most:
            raise Problem(f"Your answer asks for more than {most} scores of {n} heads. About n² will do.")
        return score(list(kept))

    heads = list(weights)
    found = answer(counted, heads, level)
    if heads != list(weights):
        raise Problem("Your answer changes the list of heads. The caller may still need it as it was.")
    return found


def once(score, heads, level):
    """Each alone: what can be spared by itself goes."""
    return [head for head in heads if score([other for other in heads if other != head]) < level]


def in_turn(score, heads, level):
    kept = list(heads)
    for head in heads:
        if score([other for other in kept if other != head]) >= level:
            kept.remove(head)
    return kept


def in_turn_again(score, heads, level):
    kept, before = list(heads), None
    while kept != before:
        before = kept
        kept = in_turn(score, kept, level)
    return kept


def ranked_once(score, heads, level):
    """In the order of what each alone costs."""
    kept = list(heads)
    for out in sorted(heads, key=lambda head: -score([other for other in heads if other != head])):
        rest = [head for head in kept if head != out]
        if score(rest) < level:
            break
        kept = rest
    return kept


def growing(score, heads, level):
    kept, rest = [], list(heads)
    while rest and score(kept) < level:
        best = max(rest, key=lambda head: score([*kept, head]))
        kept.append(best), rest.remove(best)
    return kept


def with_ties(last=False, strict=False, reverse=False, least=False):
    def wrong(score, heads, level):
        kept = list(heads)
        while kept:
            found = [score([h for h in kept if h != head]) for head in kept]
            best = min(found) if least else max(found)
            if best < level or (strict and best <= level):
                break
            i = len(found) - 1 - found[::-1].index(best) if last else found.index(best)
            del kept[i]
        return kept[::-1] if reverse else kept

    return wrong


def only_if_all_will_do(score, heads, level):
    return list(heads) if score(list(heads)) < level else circuit(score, heads, level)


def level_of_all(score, heads, level):
    return circuit(score, heads, min(level, score(list(heads))))


def to_the_end(score, heads, level):
    """Goes on below the level; the smallest list that reached it."""
    kept, found = list(heads), list(heads)
    while kept:
        best, drop = max((score([h for h in kept if h != head]), -i) for i, head in enumerate(kept))
        del kept[-drop]
        if best >= level:
            found = list(kept)
    return found


def best_from(start):
    def wrong(score, heads, level):
        kept = list(heads)
        while kept:
            best, out = start, None
            for head in kept:
                found = score([h for h in kept if h != head])
                if found > best:
                    best, out = found, head
            if out is None or best < level:
                break
            kept.remove(out)
        return kept

    return wrong


def none_is_zero(score, heads, level):
    return circuit(lambda kept: score(kept) if kept else 0, heads, level)


def one_stays(score, heads, level):
    kept = list(heads)
    while len(kept) > 1:
        best, drop = max((score([h for h in kept if h != head]), -i) for i, head in enumerate(kept))
        if best < level:
            break
        del kept[-drop]
    return kept


def lost(score, heads, level):
    kept = circuit(score, heads, level)
    return [head for head in heads if head not in kept]


def by_own_score(score, heads, level):
    kept = list(heads)
    while kept:
        weakest = min(kept, key=lambda head: score([head]))
        rest = [head for head in kept if head != weakest]
        if score(rest) < level:
            break
        kept = rest
    return kept


def one_too_many(score, heads, level):
    kept = list(heads)
    while kept and score(kept) >= level:
        i = max(range(len(kept)), key=lambda i: score(kept[:i] + kept[i + 1 :]))
        del kept[i]
    return kept


EXERCISE = Function(
    number="14.6",
    title="As few heads as will do",
    stars=3,
    wants="circuit(score, heads, level)",
    cases=cases,
    oracle=circuit,
    call=use,
    shown="{f}(score, heads, {1}), where heads add {0}{2}",
    mistakes=[
        (
            once,
            "Each head was tried alone. Two that stand in for each other cannot go together.",
        ),
        (in_turn, "You take heads out in their order. Each time the one whose loss costs least is to go."),
        (
            in_turn_again,
            "You take heads out in their order. Each time the one whose loss costs least is to go.",
        ),
        (
            ranked_once,
            "You asked once what each loss costs. After a loss the others may be needed more: ask again.",
        ),
        (growing, "You put heads in from none. Begin with all, and take out."),
        (with_ties(last=True), "Where several cost equally little, the first of them in the list goes."),
        (with_ties(strict=True), "A score equal to `level` will do."),
        (with_ties(reverse=True), "The heads that stay keep their order."),
        (with_ties(least=True), "You take out the head that costs most."),
        (by_own_score, "A head's score by itself is another thing than what its loss costs the others."),
        (one_too_many, "You took one out too many: look at the score before it goes."),
        (
            only_if_all_will_do,
            "Even where all heads together miss the level, a first loss may reach it: some heads harm.",
        ),
        (level_of_all, "The level stays what it is, even where all heads together miss it."),
        (to_the_end, "You went on below the level. The first loss that misses it ends the search."),
        (best_from(0), "A score may be below 0, and still the best of its round."),
        (best_from(-1), "A score may be far below 0, and still the best of its round."),
        (none_is_zero, "The score of no head at all need not be 0: ask for it, too."),
        (one_stays, "The last head may go, too, where the score of `[]` is at least `level`."),
        (lost, "Those are the heads that can be spared. The ones that stay are wanted."),
        (
            lambda score, heads, level: len(circuit(score, heads, level)),
            "The heads are wanted, not their number.",
        ),
        (
            lambda score, heads, level: score(circuit(score, heads, level)),
            "The heads are wanted, not their score.",
        ),
    ],
    right="No head of what is left can be spared alone. Whether fewer others would do, this does not tell.",
)
