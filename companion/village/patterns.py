"""Every sentence that can be said in the village, and what each does to the state.

A slot is {letter:rule}, {letter:rule(earlier letters)}, or {earlier letter}, the same word again.
Most letters mean the same everywhere: A, B who · n thing · c color · p, q place · r role · g goods ·
k, m numbers · f mood · d day · w weather.
"""

from __future__ import annotations

from typing import NamedTuple

from companion.village.words import lines


class Sentence(NamedTuple):
    """One line of the table of sentences."""

    part: str  # opening, arrival, event, scene or closing
    weight: int
    effects: tuple[str, ...]
    text: str


PATTERNS: list[Sentence] = []


def say(part: str, weight: int, effects: str, text: str) -> None:
    """Add a block of sentences, one a line, of the same part, weight and effects."""
    PATTERNS.extend(Sentence(part, weight, tuple(effects.split()), line) for line in lines(text))


# the first sentence ----------------------------------------------------------------------------------------

say(
    "opening",
    9,
    "opens",
    """
    By the {p:any_place}, in a small house, lived the {r:any_role} {A:any_name}.
    Once upon a time, the {r:any_role} {A:any_name} lived by the {p:any_place}.
""",
)
say(
    "opening",
    1,
    "opens",
    """
    The {j:any_adjective} {r:any_role} {A:any_name} lived by the {p:any_place}.
    Nobody near the {p:any_place} was as {j:any_adjective} as the {r:any_role} {A:any_name}.
    The {r:any_role} {A:any_name} stood at the {p:any_place}, {x:any_doing}.
""",
)
say(
    "opening",
    3,
    "opens day_is",
    """
    Once, on a {d:any_day}, the {r:any_role} {A:any_name} went out to the {p:any_place}.
    It was {d:any_day}, and the {r:any_role} {A:any_name} was at the {p:any_place}.
""",
)
say(
    "opening",
    20,
    "opens finds",
    """
    Once the {r:any_role} {A:any_name} sat at the {p:any_place} and admired the {c:any_color} {n:new_noun} {A} had found.
    This is the story of the {r:any_role} {A:any_name}, the {p:any_place} and the {c:any_color} {n:new_noun} {A} found there.
""",
)
say(
    "opening",
    12,
    "opens_with_two",
    """
    Once the {r:any_role} {A:any_name} and the {q:other_role(r)} {B:other_name(A)} met at the {p:any_place}.
    The {r:any_role} {A:any_name} and the {q:other_role(r)} {B:other_name(A)} lived near the {p:any_place}.
""",
)

# somebody new ----------------------------------------------------------------------------------------------

say(
    "arrival",
    6,
    "arrives",
    """
    One day {A:anyone} met the {r:new_role} {B:new_name} at the {p:place(A)}.
    "Hello, {A:anyone}!" It was the {r:new_role} {B:new_name}, coming to the {p:place(A)}.
""",
)
say(
    "arrival",
    1,
    "arrives",
    """
    The {r:new_role} {B:new_name} came to the {p:occupied} to {e:any_errand}.
    At the {p:occupied} there was also the {j:any_adjective} {r:new_role} {B:new_name}.
""",
)
say(
    "arrival",
    20,
    "arrives brings_thing",
    """
    Then the {r:new_role} {B:new_name} came to the {p:occupied}, and everybody saw the {c:any_color} {n:new_noun} {B} brought.
    {A:anyone} waved to the {r:new_role} {B:new_name} and liked the {c:any_color} {n:new_noun} {B} brought to the {p:place(A)}.
""",
)
say(
    "arrival",
    10,
    "arrives brings_goods",
    """
    The {r:new_role} {B:new_name} stopped at the {p:occupied} with {k:any_several} {g:new_goods}.
""",
)
say(
    "arrival",
    5,
    "arrives looks",
    """
    The {r:new_role} {B:new_name} came to the {p:occupied}, looking rather {f:any_mood}.
""",
)

# things come -----------------------------------------------------------------------------------------------

say(
    "event",
    8,
    "finds",
    """
    The {c:any_color} {n:new_noun} {A:empty} found at the {p:place(A)} was as good as new.
    Something lay in the grass at the {p:occupied_empty}. It was a {c:any_color} {n:new_noun} {A:empty_at(p)} could use.
    "Look at the {c:any_color} {n:new_noun} {A:empty} has found!" cried {B:other(A)}.
    At the {p:occupied_empty} lay a {c:any_color} {n:new_noun} {A:empty_at(p)} tripped over and kept.
    The {c:any_color} {n:new_noun} {A:empty} bought at the {p:place(A)} cost only a song.
    First prize in the raffle at the {p:occupied_empty} was a {c:any_color} {n:new_noun} {A:empty_at(p)} won.
""",
)
say(
    "event",
    6,
    "buys",
    """
    {A:buyer} paid {k:some(A)} {g:goods(A)} for a {c:any_color} {n:new_noun} {A} liked and had {m:less(A,k)} left.
""",
)
say(
    "event",
    3,
    "wishes",
    """
    {A:wishless} stood at the {p:place(A)} and thought of a {n:new_noun} {A} would love to have.
    "Is there a {n:new_noun} {A:wishless} could have?" asked {B:other(A)}. There was none.
""",
)
say(
    "event",
    8,
    "gets_wish",
    """
    And there it lay, the {c:any_color} {n:wanted} {A:wisher_of(n)} wanted, right at the {p:place(A)}.
    A kind aunt sent the {c:any_color} {n:wanted} {A:wisher_of(n)} had asked for.
""",
)

# things change hands ---------------------------------------------------------------------------------------

say(
    "event",
    5,
    "gives",
    """
    The {c:givable_color} {n:givable_noun(c)} {A:holder_of(n)} gave away was now the {n} {B:empty_near(A)} had.
    The {n:givable} {A:holder_of(n)} wrapped in paper was a present: soon it was the {n} {B:empty_near(A)} had.
    "Take it!" So the {n:givable} {A:holder_of(n)} had was now the {n} {B:empty_near(A)} had.
    "Is the {n:givable} {A:holder_of(n)} has for me?" "It is now!" So it was the {n} {B:empty_near(A)} had.
    {B:empty_by_giver} admired the {n:givable_to(B)} {A:holder_of(n)} had at the {p:place(B)}, and soon it was the {n} {B} had.
""",
)
say(
    "event",
    4,
    "swaps",
    """
    They traded the {n:swappable} {A:holder_of(n)} had for the {o:held_near(A)} {B:holder_of(o)} had. Now it was the {o} {A} had and the {n} {B} had.
    The {n:swappable} {A:holder_of(n)} had and the {o:held_near(A)} {B:holder_of(o)} had changed hands: now it was the {n} {B} had and the {o} {A} had.
""",
)
say(
    "event",
    3,
    "lends",
    """
    The {n:givable} {A:holder_of(n)} lent at the {p:place(A)} was now the {n} {B:empty_near(A)} had to bring back.
    "May I borrow the {n:givable} {A:holder_of(n)} has?" "Bring it back!" So it was the {n} {B:empty_near(A)} borrowed.
""",
)
say(
    "event",
    9,
    "returns",
    """
    Back came the {n:borrowed} {B:holder_of(n)} borrowed: it was once more the {n} {A:owner(n)} had, at the {p:place(A)}.
    "Here is the {n:borrowed} {B:holder_of(n)} borrowed." It was again the {n} {A:owner(n)} had, back at the {p:place(A)}.
""",
)
say(
    "event",
    4,
    "puts_down",
    """
    The {c:held_color} {n:held_noun(c)} {A:holder_of(n)} put down stayed at the {p:place(A)}.
    "This is heavy!" So the {n:held} {A:holder_of(n)} carried was left at the {p:place(A)}.
""",
)
say(
    "event",
    4,
    "hides",
    """
    The {n:held} {A:holder_of(n)} hid at the {p:place(A)} was hard to find.
    When nobody looked, the {n:held} {A:holder_of(n)} had was hidden at the {p:place(A)}.
""",
)
say(
    "event",
    9,
    "picks_up",
    """
    The {n:pickable} {A:empty_by(n)} picked up had lain at the {p:place(A)} for a while.
""",
)
say(
    "event",
    9,
    "fetches",
    """
    {A:fetcher} ran to the {p:place_of_lying(A)} to get the {n:lying_there(p)} {A} needed.
""",
)
say(
    "event",
    2,
    "vanishes",
    """
    A magpie stole the {n:held} {A:holder_of(n)} had and never gave it back.
    Splash! The {n:held} {A:holder_of(n)} had fell into the river and was gone.
""",
)
say(
    "event",
    4,
    "breaks",
    """
    Crack! The {c:whole_color} {n:whole_noun(c)} {A:holder_of(n)} had broke, and somebody said a very short word.
""",
)
say(
    "event",
    12,
    "mends",
    """
    With a bit of string, the {n:mendable} {A:holder_of(n)} had was whole again.
""",
)

# people come and go ----------------------------------------------------------------------------------------

say(
    "event",
    2,
    "goes",
    """
    The {r:some_role} {A:who_is(r)} walked from the {p:place(A)} to the {q:elsewhere(A)}.
    The {n:held} {A:holder_of(n)} carried from the {p:place(A)} to the {q:elsewhere(A)} did not get lighter.
""",
)
say(
    "event",
    1,
    "goes",
    """
    The {r:some_role} {A:who_is(r)} went to the {q:elsewhere(A)} to {e:any_errand}.
""",
)
say(
    "event",
    4,
    "go_together",
    """
    {A:with_company} and {B:near(A)} went from the {p:place(A)} to the {q:elsewhere(A)} together.
""",
)
say(
    "event",
    3,
    "all_go",
    """
    "To the {q:deserted}!" cried {A:anyone}. "To the {q}!" cried {B:other(A)}, and off they all went.
    There was a fair at the {q:deserted}. So they all went to the {q}, {A:anyone} first.
""",
)
say(
    "event",
    10,
    "follows",
    """
    {A:apart} missed {B:far(A)} and went over to the {p:place(B)}.
    "Where can {B:apart} be?" asked {A:far(B)}, went to the {p:place(B)}, and there {h:pronoun(B)} was.
""",
)
say(
    "event",
    8,
    "comes",
    """
    {A:apart} called for {B:far(A)}, who came from the {p:place(B)} to the {q:place(A)}.
""",
)

# things to eat ---------------------------------------------------------------------------------------------

say(
    "event",
    3,
    "gathers",
    """
    {A:gatherer} bought {k:any_several} {g:new_goods} near the {p:place(A)}.
    An old woman gave {A:gatherer} {k:any_several} {g:new_goods} and a wink.
    A box came to the {p:occupied_foodless} for {A:gatherer_at(p)}. In it were {k:any_several} {g:new_goods}.
""",
)
say(
    "event",
    8,
    "counts",
    """
    {A:adder} had {n:count(A)} {g:goods(A)} and got {k:more(A)} more. That made {m:total(n,k)}.
    {A:adder} found {k:more(A)} more {g:goods(A)}. "Now I have {m:added(A,k)}," {h:pronoun(A)} said.
    {A:nibbler} ate {k:some(A)} of the {g:goods(A)}. That left {m:less(A,k)}.
    {A:nibbler} had {n:count(A)} {g:goods(A)}, but some ducklings ate {k:some(A)}. That left {m:minus(n,k)}.
""",
)
say(
    "event",
    8,
    "shares",
    """
    {A:sharer} gave {k:some(A)} {g:goods(A)} to {B:foodless_near(A)} and kept {m:less(A,k)}.
    "Fair is fair," said {A:sharer}. {B:foodless_near(A)} got {k:some(A)} {g:goods(A)}, leaving {m:less(A,k)}.
""",
)
say(
    "event",
    2,
    "eats_all",
    """
    {A:eater} tripped, and all {n:count(A)} {g:goods(A)} rolled into the ditch.
    {A:eater} ate all {n:count(A)} {g:goods(A)} at once and had to lie down.
""",
)

# feelings, weather, days -----------------------------------------------------------------------------------

say(
    "event",
    1,
    "feels",
    """
    {A:anyone} felt {f:new_mood(A)} because {z:any_reason}.
""",
)
say(
    "event",
    3,
    "feels",
    """
    {A:anyone} said, "I feel {f:new_mood(A)}." "Why {f}?" asked {B:other(A)}.
""",
)
say(
    "event",
    2,
    "comforts",
    """
    {B:moody_in_company} was {f:mood(B)}, so {A:near(B)} {y:any_kindness}. Then {B} was {j:new_mood(B)}.
""",
)
say(
    "event",
    2,
    "weather_comes",
    """
    There was {w:new_weather} at the {p:occupied} now.
    "It smells like {w:new_weather}," said {A:anyone} at the {p:place(A)}, and so it was.
""",
)
say(
    "event",
    3,
    "weather_goes",
    """
    At last the {w:weather} was over.
""",
)
say(
    "event",
    3,
    "day_is",
    """
    It was {d:first_day}, as everybody could tell from the soup.
    They slept well, and when they woke up it was {d:next_day}.
""",
)

# questions, and other sentences that ask for what was told -------------------------------------------------

say(
    "event",
    12,
    "",
    """
    "Good morning, {A:with_company}," said {B:near(A)}. "Good morning, {B}," said {A}.
    "Is this the {p:crowded}?" asked {A:at(p)}. "Yes, this is the {p}," said {B:near(A)}.
    "Is this the {c:held_color} {n:held_noun(c)} {A:holder_of(n)} likes so much?" asked {B:other(A)}. "Yes, this {n}," said {A}.
""",
)
say(
    "event",
    9,
    "",
    """
    "Who has the {n:held}?" "{A:holder_of(n)}," said {B:other(A)}.
    "Where is the {n:known}?" asked {B:anyone}. It was at the {p:where(n)}.
    "What a lovely {n:held} {A:holder_of(n)} has!" said {B:other(A)}, and {A} blushed.
    "May I see the {n:held} {A:holder_of(n)} has?" asked {B:other(A)}. "Yes, but do not drop it."
    The {c:held_color} {n:held_noun(c)} {A:holder_of(n)} polished shone until {B:other(A)} clapped.
    The {c:lying_color} {n:lying_noun(c)} still lay at the {p:where(n)}.
""",
)
say(
    "event",
    7,
    "",
    """
    "Where is {A:anyone}?" asked {B:other(A)}. It was easy: at the {p:place(A)}.
    "The {c:held_color} {n:held_noun(c)} {A:holder_of(n)} has is a good one," said {B:other(A)}. "I know," said {A}.
    "How many {g:had_goods} do you have, {A:who_has_goods(g)}?" There were {n:count(A)}.
    {A:eater} counted the {g:goods(A)} again. There were still {n:count(A)}.
    "Who hid the {n:hidden}?" Of course, it was {A:hider(n)}.
    "Who broke the {n:broken}?" It was {A:breaker(n)}, but nobody was angry.
    There was still no sign of the {n:wished} {A:wisher_of(n)} wanted.
    The {n:owed} {A:holder_of(n)} borrowed still belonged to {B:owner(n)}.
    {A:totaler} had {n:count(A)} {g:goods(A)}, {B:addable(A)} {k:count(B)} {i:goods(B)}, both {m:total(n,k)}.
""",
)
say(
    "event",
    5,
    "",
    """
    {A:moody} was still {f:mood(A)}.
    "Why so {f:some_mood}, {A:who_feels(f)}?" asked {B:other(A)}.
    {A:anyone} did not mind the {w:weather} at the {p:place(A)}.
    "Is it really {d:today}?" asked the {r:some_role} {A:who_is(r)}.
    "Do you know the {r:some_role} {A:who_is(r)}?" asked {B:other(A)}. "{A}? The best {r} of all," they said.
    "I like you, {r:some_role} {A:who_is(r)}," said {B:other(A)}. "Every {r} needs a friend," {h:pronoun(A)} said.
    The {r:some_role} {A:who_is(r)} winked. You could never tell with {A}.
    {A:with_company} and {B:near(A)} had a chat at the {p:place(A)}: {B} talked, {A} nodded.
""",
)

# a pause ---------------------------------------------------------------------------------------------------

say(
    "scene",
    1,
    "",
    """
    At the {p:occupied}, {A:at(p)} was {x:any_doing}.
""",
)
say(
    "scene",
    4,
    "",
    """
    {s:any_scene}
""",
)
say(
    "scene",
    2,
    "",
    """
    The {r:some_role} {A:who_is(r)} told a joke. {j:any_joke} {B:other(A)} {l:any_laugh}.
    "{y:any_saying}," said the {r:some_role} {A:who_is(r)} to {B:other(A)}.
    "Last night I dreamed of {t:any_dream}," said {A:anyone} to {B:other(A)}.
    {A:anyone} {y:any_kindness}, and {B:other(A)} {l:any_laugh}.
""",
)
say(
    "scene",
    1,
    "",
    """
    A {j:any_adjective} stranger asked for the {r:some_role} {A:who_is(r)}. "Never heard of {A}," said {B:other(A)}.
    Nobody was as {j:any_adjective} as {A:anyone} that day.
""",
)

# the last sentence -----------------------------------------------------------------------------------------

say(
    "closing",
    4,
    "ends",
    """
    That night the {c:held_color} {n:held_noun(c)} {A:holder_of(n)} had lay beside the bed.
    They all went home, and only the {c:lying_color} {n:lying_noun(c)} stayed at the {p:where(n)}.
    Then the moon rose over the {p:occupied}, and {A:at(p)} fell asleep.
    {A:moody} went to bed early, still {f:mood(A)}.
    And that was the end of {d:today}.
    At last the {r:some_role} {A:who_is(r)} said good night to {B:other(A)}.
    When the {w:weather} was over, they all had soup with {A:anyone} at the {p:place(A)}.
    {A:eater} put all {n:count(A)} {g:goods(A)} on the table, and that was supper.
    And if you ever need the {c:held_color} {n:held_noun(c)} {A:holder_of(n)} has, just ask.
    They all lived happily ever after, the {r:some_role} {A:who_is(r)} most of all.
    And that is how the {r:some_role} {A:who_is(r)} came to love the {p:place(A)}.
""",
)
