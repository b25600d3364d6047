"""Mutants that behave like the right answer, and why: a check cannot refuse them.

The lines of EQUIVALENT have the form of a check's mistakes: changes, each after the number of its exercise,
and below them the reason.
"""

from companion.exercises.notation import blocks

EQUIVALENT = r"""
1.5 longest = max(fitting, key=len) => longest = max(fitting)
    All of them begin the same text, so the longest is also the last in the order of strings.
2.7 weights[word] = weights.get(word, 0) + weight => weights[word] = weights.get(word, 0) - weight
    All weights and their sum are negative, so the quotients are the same.
4.4 found |= {i for i in range(j) if moved[i] > 1e-06} => found |= {i for i in range(j) if moved[i] >= 1e-06}
    No output moves by exactly a millionth.
5.5 folded = nn.Linear(weight.shape[1], weight.shape[0]) => folded = nn.Linear(weight.shape[0], weight.shape[1])
5.5 folded = nn.Linear(weight.shape[1], weight.shape[0]) => folded = nn.Linear(weight.shape[1], weight.shape[1])
    Weight and bias are replaced afterwards, so the layer computes the same.
7.4 generator = torch.Generator().manual_seed(seed * 10 ** 6 + this_pass) => generator = torch.Generator().manual_seed(seed * 10 ** 6 - this_pass)
7.4 generator = torch.Generator().manual_seed(seed * 10 ** 6 + this_pass) => generator = torch.Generator().manual_seed(seed * 11 ** 6 + this_pass)
7.4 generator = torch.Generator().manual_seed(seed * 10 ** 6 + this_pass) => generator = torch.Generator().manual_seed(seed * 10 ** 7 + this_pass)
    These, too, keep the passes of two seeds apart for thousands of passes.
8.3 low, high = (0.001, 1000.0) => low, high = (0.0111, 1000.0)
8.3 low, high = (0.001, 1000.0) => low, high = (0.001, 1100.01)
    All answers lie inside the interval.
8.3 for _ in range(60): => for _ in range(61):
    Far fewer halvings are enough for three digits.
8.3 if entropy < bits: => if entropy <= bits:
    Where the two are the same, the middle is the answer, and both halves reach to it.
9.4 same = agreeing(held, text) => same = agreeing(text, held)
    How many tokens agree does not depend on which list comes first.
10.6 for _ in range(60): => for _ in range(61):
    Two dozen steps are enough; further ones change nothing.
12.5 return math.exp(bottom) if p > 0 and seen else None => return math.exp(bottom) if p >= 0 and seen else None
    Where p is 0, the bottom is infinite or no number, and so it was not seen.
12.6 parts[here] = plus(parts[here], received) => parts[here] = plus(received, parts[here])
    A sum is the same in either order.
13.3 pairs = list(zip(first, second)) => pairs = list(zip(second, first))
    The test is the same when the two change places.
13.5 return sum(nats) / len(nats) => return sum(nats) * len(nats)
    The number of questions is the same for all temperatures, so the same one is best.
15.6 scores = scores.double() => pass
    For a thousandth, single precision is enough.
15.6 low, high = (0.01, 100) => low, high = (0.01, 101)
15.6 for _ in range(50): => for _ in range(51):
    The search is wide and long enough.
15.6 if weighed < wanted: => if weighed <= wanted:
    Where the two are equal, T is found.
17.4 U, S, V = torch.linalg.svd(change, full_matrices=False) => U, S, V = torch.linalg.svd(change)
17.4 U, S, V = torch.linalg.svd(change, full_matrices=False) => U, S, V = torch.linalg.svd(change, full_matrices=True)
    What the full matrices have more stands behind the first `rank` rows and columns.
18.3 too_high = (A > 0) & (ratio > 1 + clip) => too_high = (A >= 0) & (ratio > 1 + clip)
18.3 too_low = (A < 0) & (ratio < 1 - clip) => too_low = (A <= 0) & (ratio < 1 - clip)
    An advantage of 0 is idle anyway.
18.3 too_high = (A > 0) & (ratio > 1 + clip) => too_high = (A > 0) & (ratio >= 1 + clip)
18.3 too_low = (A < 0) & (ratio < 1 - clip) => too_low = (A < 0) & (ratio <= 1 - clip)
    The exercise says that no ratio is exactly at a bound.
20.6 fallen = 0 if last is None else (now - last) * rate => fallen = 1 if last is None else (now - last) * rate
    The bucket is full at first: what falls then runs over.
21.1 for m, n in itertools.zip_longest(reversed(a), reversed(b), fillvalue=1): => for m, n in itertools.zip_longest(reversed(b), reversed(a), fillvalue=1):
    The rules treat both shapes alike.
23.4 if not open_: / break => pass
23.4 break => pass
    Where all texts have ended, a further round keeps them as they are.
23.4 kept, closed = ([(0.0, [])], []) => kept, closed = ([(0.01, [])], [])
    All sums are larger by the same.
24.5 weights = share * taken => weights = share / taken
    A weight is only looked at where `taken` is 1.
"""  # noqa: E501


def equivalent_mutants() -> set[tuple[str, str]]:
    """The number and the change of each of them."""
    found = set()
    for lines, _ in blocks("equivalent.py", EQUIVALENT):
        for line in lines:
            number, _, change = line.partition(" ")
            found.add((number, change))
    return found
