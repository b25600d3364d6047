"""The check of exercise 7.3: Up, along, down."""

import math
import random

from companion.exercises.exercise import Function


def wsd_schedule(step, steps, lr, warmup_steps, decay_steps):
    up = (step + 1) / max(1, warmup_steps)
    down = (steps - step) / max(1, decay_steps)
    return lr * min(1.0, up, down)


def wsd_call(answer, *settings):
    return [answer(step, *settings) for step in range(settings[0])]


def wsd_cases(seed):
    rng = random.Random(seed)
    cases = [(5, 2.0, 1, 1), (7, 1.0, 2, 3), (10, 1.0, 2, 4), (6, 0.5, 0, 3), (6, 0.5, 3, 0), (6, 1.0, 5, 4)]
    cases += [(4, 1.0, 8, 0), (4, 1.0, 0, 8), (3, 2.0, 5, 4)]  # longer than the run
    for steps in (9, 12, 17):
        warmup_steps = rng.randint(2, steps // 3)
        cases.append((steps, rng.uniform(0.1, 3), warmup_steps, rng.randint(2, steps - warmup_steps - 1)))
    return cases


def wsd_from_zero(step, steps, lr, warmup_steps, decay_steps):
    up, down = step / max(1, warmup_steps), (steps - step) / max(1, decay_steps)
    return lr * min(1.0, up if warmup_steps else 1.0, down)


def wsd_to_zero(step, steps, lr, warmup_steps, decay_steps):
    down = (steps - 1 - step) / max(1, decay_steps)
    return lr * min(1.0, (step + 1) / max(1, warmup_steps), down if decay_steps else 1.0)


def wsd_from_zero_to_zero(step, steps, lr, warmup_steps, decay_steps):
    up, down = step / max(1, warmup_steps), (steps - 1 - step) / max(1, decay_steps)
    return lr * min(1.0, up if warmup_steps else 1.0, down if decay_steps else 1.0)


def wsd_last_is_zero(step, steps, lr, warmup_steps, decay_steps):
    """From lr in the first step of the decay to 0 in the last."""
    if step < warmup_steps:
        return lr * (step + 1) / warmup_steps
    if step >= steps - decay_steps > 0:
        return lr * (steps - 1 - step) / max(1, decay_steps - 1)
    return lr


def wsd_from_zero_first(step, steps, lr, warmup_steps, decay_steps):
    """From zero, and the warm-up wins where the two overlap."""
    if step < warmup_steps:
        return lr * step / warmup_steps
    return wsd_schedule(step, steps, lr, 0, decay_steps)


def wsd_to_zero_last(step, steps, lr, warmup_steps, decay_steps):
    """To zero, and the way down wins where the two overlap."""
    if step >= steps - decay_steps:
        return lr * (steps - 1 - step) / decay_steps
    return wsd_schedule(step, steps, lr, warmup_steps, 0)


FROM_ZERO = (
    "Step 0 has the rate 0: it computes a gradient and moves nothing. The first step is one rung up "
    "the ladder already, as in `cosine_schedule`."
)
TO_ZERO = (
    "The last step has the rate 0: it computes a gradient and moves nothing. The way down is the "
    "way up in a mirror, so its last step stands on the lowest rung, not on the ground."
)


def wsd_squeezed(step, steps, lr, warmup_steps, decay_steps):
    return wsd_schedule(step, steps, lr, min(warmup_steps, steps), min(decay_steps, steps))


def wsd_warmup_squeezed(step, steps, lr, warmup_steps, decay_steps):
    return wsd_schedule(step, steps, lr, min(warmup_steps, steps), decay_steps)


SQUEEZED = (
    "A warm-up that is longer than the run is cut off where the run ends, not squeezed into it: step 0 has "
    "`lr / warmup_steps`, however many steps there are. The same holds for the way down."
)


def wsd_no_plateau(step, steps, lr, warmup_steps, decay_steps):
    return lr * min(1.0, (step + 1) / max(1, warmup_steps), (steps - step) / max(1, steps - warmup_steps))


def wsd_cosine(step, steps, lr, warmup_steps, decay_steps):
    down = (steps - step) / max(1, decay_steps)
    down = (1 - math.cos(math.pi * min(1.0, down))) / 2
    return lr * min(1.0, (step + 1) / max(1, warmup_steps), down)


def wsd_first_branch_wins(step, steps, lr, warmup_steps, decay_steps):
    if step < warmup_steps:
        return lr * (step + 1) / warmup_steps
    return lr * min(1.0, (steps - step) / max(1, decay_steps))


def wsd_product(step, steps, lr, warmup_steps, decay_steps):
    up, down = (step + 1) / max(1, warmup_steps), (steps - step) / max(1, decay_steps)
    return lr * min(1.0, up) * min(1.0, down)


def wsd_divides_by_zero(step, steps, lr, warmup_steps, decay_steps):
    return lr * min(1.0, (step + 1) / warmup_steps, (steps - step) / decay_steps)


def wsd_share_of_lr(step, steps, lr, warmup_steps, decay_steps):
    return wsd_schedule(step, steps, 1.0, warmup_steps, decay_steps)


EXERCISE = Function(
    number="7.3",
    title="Up, along, down",
    stars=2,
    wants="wsd_schedule(step, steps, lr, warmup_steps, decay_steps)",
    cases=wsd_cases,
    oracle=wsd_schedule,
    call=wsd_call,
    shown="[{f}(step, {0}, {1}, {2}, {3}) for step in range({0})]",
    mistakes=[
        (wsd_squeezed, SQUEEZED),
        (wsd_warmup_squeezed, SQUEEZED),
        (wsd_from_zero, FROM_ZERO),
        (wsd_from_zero_first, FROM_ZERO),
        (wsd_to_zero, TO_ZERO),
        (wsd_to_zero_last, TO_ZERO),
        (
            wsd_from_zero_to_zero,
            "Both ends have the rate 0: these steps compute a gradient and move nothing. They stand on the "
            "lowest rung, not on the ground.",
        ),
        (
            wsd_last_is_zero,
            "You go from `lr` to 0 within the decay. Mirror the way up instead: how many rungs has it, and "
            "on which does it begin?",
        ),
        (
            wsd_no_plateau,
            "The fall begins right behind the warm-up, so nothing is left of the way along. Only the last "
            "`decay_steps` steps fall.",
        ),
        (wsd_cosine, "You fall along a cosine. Here the way down is a straight line."),
        (
            wsd_first_branch_wins,
            "Where the run is too short for both, your warm-up climbs on although the end is near. The "
            "lower of the two lines holds.",
        ),
        (
            wsd_product,
            "Where the run is too short for both, you multiplied the two lines. The lower of the two holds.",
        ),
        (
            wsd_divides_by_zero,
            "`warmup_steps` and `decay_steps` may be 0: then there is no way up, or none down, and nothing "
            "to divide by.",
        ),
        (wsd_share_of_lr, "That is the share of the learning rate. Where does `lr` itself come in?"),
    ],
    right="Up to the fall, runs of all lengths are the same run: one can serve them all, and go on later.",
)
