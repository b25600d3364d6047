"""The village's world: its words, its facts, and every sentence that can be said in it.

Read it from top to bottom, and it is four tables:

- `KINDS`: lists of words. A slot of a sentence is filled from one of them.
- `State`: what is true at one moment of a story. Everything in it was said in the text.
- rules: which words of a kind the state allows in a slot. A rule that allows exactly one word is a *recall*:
  whoever remembers the story knows the word, whoever forgot it has to guess.
- effects and `PATTERNS`: the sentences, and what each does to the state.

`companion.village` is the machine that tells, reads and judges stories with these tables.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

# ---- words -------------------------------------------------------------------------------------------------

SHE = "Mara Tilda Nell Ivy Wren Hazel Dora Fern Greta Lotte Rosa Juno Anna Elsa Clara Vera".split()
HE = "Bram Otto Pip Finn Jasper Milo Hugo Olaf Tom Rufus Gus Kit Emil Ned Leo Sam".split()
NUMBERS = (
    "one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen "
    "seventeen eighteen nineteen twenty"
).split()


def lines(text: str) -> list[str]:
    """The lines of a block of text, without its indentation."""
    return [line.strip() for line in text.strip().splitlines()]


KINDS: dict[str, list[str]] = {
    "name": [name for pair in zip(SHE, HE, strict=True) for name in pair],
    "pronoun": ["she", "he"],
    "role": (
        "baker miller blacksmith shepherd weaver fiddler beekeeper clockmaker teacher sailor tailor gardener "
        "painter potter carpenter doctor goat fox donkey goose badger cat dog crow hedgehog rabbit mouse duck"
    ).split(),
    "thing": (
        "key lantern kite drum spoon boot hat teapot whistle ribbon bell book basket bucket candle flute "
        "ladder map mirror pillow rope scarf wheel button comb cup fan jar mask pot ring saw"
    ).split(),
    "color": "red blue green yellow white black brown purple silver pink gray golden".split(),
    "place": (
        "mill well bridge market orchard barn school bakery pond inn tower forge gate harbor station chapel "
        "fountain stable library lighthouse theater castle quarry mine"
    ).split(),
    "goods": "plums pears nuts buns eggs cherries apples turnips cookies figs".split(),
    "number": NUMBERS,
    "several": NUMBERS[3:9],  # how many somebody gathers: four to nine
    "few": NUMBERS[1:5],  # how many come or go at a time: two to five
    "mood": "happy sad cross sleepy proud shy hungry brave lonely curious nervous grumpy".split(),
    "weather": "rain snow fog wind sunshine thunder hail frost drizzle mist".split(),
    "day": "Monday Tuesday Wednesday Thursday Friday Saturday Sunday".split(),
    "adjective": (
        "tall small quiet noisy clever careful careless gentle stubborn patient polite famous forgetful "
        "jolly thoughtful freckled dusty tidy nimble lanky modest daring faithful cautious friendly ticklish "
        "witty sensible fearless restless shaggy barefoot whiskery peaceful solemn scruffy plump bashful "
        "generous hopeful lucky merry mysterious punctual respectable round sturdy talkative weary "
        "bouncy broad chatty chubby clumsy crooked dainty dapper dashing dizzy drowsy fidgety fluffy fussy "
        "giddy gloomy graceful grand handsome hardy helpful homely humble jaunty keen limber lively loyal "
        "mellow mossy muddy musical neat plucky practical pudgy quick rosy rugged rumpled silvery "
        "slender slow snug spotless spry stately stout sunburned thrifty toothless trusty valiant vast"
    ).split(),
    "doing": lines("""
        humming a tune about soup
        polishing a potato
        looking for a lost sock
        practicing a bow in front of a puddle
        counting clouds
        teaching a snail to race
        writing a letter to the moon
        waiting for nothing in particular
        balancing on one leg
        arguing with a wasp
        knitting something very long
        chewing a piece of straw
        drawing a whale in the dust
        trying to remember a dream
        whispering to a cabbage
        measuring a shadow
        mending a sleeve
        eating porridge with great care
        sweeping the same step twice
        reading yesterday's newspaper
        watching two ants move house
        inventing a new kind of sandwich
        tuning a banjo with three strings
        folding a paper boat
        airing a blanket
        sorting pebbles by size
    """),
    "errand": lines("""
        borrow a cup of sugar
        see what the shouting was about
        mail a postcard
        return an umbrella
        hear the news
        ask for directions
        feed the swans
        listen to the choir
        look for mushrooms
        complain about the prices
        smell the fresh bread
        fetch a jug of milk
        get some fresh air
        thank an old friend
        settle a bet
        sharpen a pencil
        learn a dance
        apologize to a cow
        deliver a parcel
        buy a stamp
        weigh a pumpkin
        practice yodeling
        sit in the shade
        find out the time
        paint a fence
        rest both feet
    """),
    "reason": lines("""
        of a dream about flying
        the soup had been too salty
        a stranger had smiled
        the bread had come out square
        of an itchy sweater
        nobody had noticed the new haircut
        a letter had arrived at last
        the neighbors had sung all night
        there was no more jam
        a butterfly had landed on one ear
        of a very long sermon
        somebody had said thank you
        a shoelace had snapped
        spring was in the air
        of a pebble in one shoe
        breakfast had been so small
        the roof leaked again
        of a compliment from the mayor
        a tooth had come loose
        the cheese was gone
        of a promise made long ago
        the geraniums had bloomed
        grandmother was coming to visit
        the riddle had no answer
    """),
    "kindness": lines("""
        sang all nine verses of the onion song
        did a somersault
        shared a secret about the mayor
        made a face like a surprised trout
        danced a slow waltz with a broom
        offered a sip of warm cocoa
        told the one about the haunted turnip
        lent an ear for a while
        juggled two acorns and dropped both
        gave a hug
        pretended to be a steam engine
        said something kind
        blew a bubble as big as a melon
        played a tune on a comb
        bowed like a duke
        drew a mustache on a pumpkin
        yawned in three languages
        recited a poem about mud
    """),
    "scene": lines("""
        A beetle crossed the road without looking.
        Far away, somebody was chopping wood.
        An owl asked a question, and no one replied.
        The church clock was late again and did not seem sorry.
        A cow sneezed, and a hundred sparrows left in a hurry.
        Smoke rose from the chimneys like slow handwriting.
        The grass smelled of rain and peppermint.
        Two snails began a race that is still going on.
        A dandelion gave up its last seed.
        Laundry waved from a line as if it knew everybody.
        Someone behind a window practiced the trombone, and improved a little.
        A cloud shaped like a turtle stayed for lunch.
        The ferns uncurled one inch and rested.
        A bee inspected a daisy and found no fault with it.
        On the roof, three pigeons discussed politics.
        A squirrel buried an acorn and at once forgot where.
        Dust danced in a beam of light.
        A frog jumped in with a splash that was much too big for it.
        The shadows grew long and thin.
        A gate squeaked a low note and a high one.
        Somewhere a kettle began to sing.
        A spider mended her web and admired the view.
        The mayor's wig blew by, closely followed by the mayor.
        Swallows stitched the sky together.
        A pumpkin grew a little when nobody was looking.
        The first star came out and looked around.
        An old stone warmed itself and thought of nothing.
        A ladybird counted her spots and was satisfied.
        Crickets tuned their violins under the hedge.
        A leaf took the long way down.
        The brook told a pebble the same riddle again.
        A moth knocked politely at a lamp.
        In the hayloft, kittens were learning to tumble.
        A snowman's carrot turned up in the strangest spot.
        Nobody noticed the worm, and the worm liked it that way.
        A sheep looked up, chewed, and looked down.
        The weathercock turned round to see better.
        Toadstools had sprung up in a perfect circle.
        A scarecrow lost a glove and kept on smiling.
        The moon was up early, pale as a radish.
        A wheelbarrow stood in the sun and did nothing at all.
        Acorns drummed upon a tin shed.
        An ant carried a crumb the size of a sofa.
        A trout leaped, just to check that the world was still there.
        From an attic came the sound of marbles.
        The cobbler's shop smelled of leather and glue.
        A caterpillar ate one more page of the cabbage.
        Bats practiced their turns above the roofs.
        The ivy had climbed another brick.
        A nightingale forgot the words and whistled instead.
        Sawdust lay about like yellowish snow.
        A puddle held the whole sky and spilled none of it.
        The twins from the dairy ran past with a stolen pie.
        Lavender hung drying from every beam.
        A tired coachman watered his horses.
        The village band played something that might have been a march.
        A hammock swung gently with nobody inside.
        Thistledown sailed over the wall.
        An early firefly switched itself on and off again.
        A tabby yawned so widely that you could see what it was thinking.
    """),
    "saying": lines("""
        A watched kettle gets shy
        Never argue with a wasp
        Soup first, sorrow later
        The shortest path has the most brambles
        Even a clock without hands is right in spirit
        You cannot hurry a snail, but you can cheer it on
        Two blankets are better than one opinion
        Whoever digs finds worms
        An umbrella is a roof with manners
        Every puddle wants to be a lake
        What the moth knows, the lamp knows better
        It takes all kinds of cheese
        Mud remembers everyone
        Kind words weigh nothing, so carry plenty
        Old bread makes good ducks
        Do not count your pancakes before breakfast
        A borrowed shovel digs slowly
        Nobody ever regretted a nap
        Big ears need small secrets
        When in doubt, have a second helping
        The wise onion keeps its coat on
        A song is lighter than a trunk
        Half a truth is still hungry
        Even giants have to tie their shoes
    """),
    "joke": lines("""
        "Why did the turnip go to bed early?" "It was beet!"
        "What does a snail call a tortoise?" "Wait for me!"
        "Who boils the best egg?" "Nobody, it does all the work itself!"
        "What did the puddle tell the storm?" "You fill me with joy!"
        "Why do clouds never hurry?" "They get the drift!"
        "What did the left shoe tell the right one?" "After you!"
        "What do you call a cow on a roof?" "A mistake!"
        "How does an onion win a fight?" "It makes everybody cry!"
        "What does a pumpkin fear most?" "Soup!"
        "Which cheese is the quietest?" "The one that nobody has cut!"
        "How do worms wave goodbye?" "At both ends!"
        "What does a pancake do on its birthday?" "It flips!"
        "Why does the brook never forget?" "It goes over everything twice!"
        "Who is never late for dinner?" "Dinner!"
        "What do moths read at night?" "Anything light!"
        "Why did the ghost buy a broom?" "To sweep us off our feet!"
    """),
    "laugh": lines("""
        laughed until the windows rattled
        did not get it
        giggled
        groaned
        laughed so hard that a button popped
        said that it was an old one
        smiled, but only with one side
        fell over backwards
        wrote it down
        asked to hear it again
        snorted like a pony
        laughed a week later
    """),
    "dream": lines("""
        a staircase made of toast
        a whale in a bow tie
        flying over the fields in a bathtub
        an enormous strawberry with a door
        a choir of frogs in evening dress
        a mountain that could whisper
        a train that ran on honey
        a tiny elephant in a matchbox
        dancing turnips
        an island made of blankets
        a parliament of owls
        a violin that played by itself
        a feather as long as a street
        a polite dragon who knitted socks
        swimming in warm custard
        a castle with only one wall
        a letter that wrote itself
        a garden where spoons grew on trees
    """),
}

# ---- facts -------------------------------------------------------------------------------------------------


class Thing(NamedTuple):
    """One thing of a story. No story has two of the same noun, so "the key" is clear."""

    color: str
    noun: str


class State:
    """What is true at one moment of a story: who is in it, who is where, who holds what, how many.

    The dictionaries are keyed by name, or by noun for things; an absent key means "not so".
    """

    def __init__(self) -> None:
        self.role: dict[str, str] = {}  # the cast, in order of appearance: Mara -> baker
        self.place: dict[str, str] = {}  # Mara -> mill
        self.thing: dict[str, Thing] = {}  # Mara -> red lantern; nobody holds two
        self.goods: dict[str, tuple[int, str]] = {}  # Mara -> (5, plums)
        self.mood: dict[str, str] = {}  # Mara -> happy
        self.wish: list[tuple[str, str]] = []  # (Mara, kite)
        self.owner: dict[str, str] = {}  # key -> Mara, who lent it
        self.hider: dict[str, str] = {}  # key -> Mara, who hid it
        self.lying: dict[str, tuple[str, str]] = {}  # key -> (blue, mill): nobody holds it
        self.broken: dict[str, str] = {}  # key -> the name of who broke it
        self.nouns: list[str] = []  # every noun that was mentioned
        self.weather: str | None = None
        self.day: str | None = None
        self.words = 0  # told so far
        self.last: object = None  # the pattern told last
        self.over = False

    def copy(self) -> State:
        other = State.__new__(State)
        for key, value in self.__dict__.items():
            other.__dict__[key] = value.copy() if isinstance(value, (dict, list)) else value
        return other

    def enter(self, name: str, role: str, place: str) -> None:
        self.role[name] = role
        self.place[name] = place

    def move(self, name: str, place: str) -> None:
        self.place[name] = place

    def take(self, name: str, thing: Thing) -> None:
        """Now `name` holds `thing`, and nobody else does."""
        for other in [who for who, held in self.thing.items() if held.noun == thing.noun]:
            del self.thing[other]
        self.lying.pop(thing.noun, None)
        self.hider.pop(thing.noun, None)
        if self.owner.get(thing.noun) == name:
            del self.owner[thing.noun]
        self.thing[name] = thing
        self.mention(thing.noun)

    def drop(self, name: str, thing: Thing, place: str | None) -> None:
        """Nobody holds `thing` any more: it lies at `place`, or is gone."""
        self.thing.pop(name, None)
        self.mention(thing.noun)
        if place is not None:
            self.lying[thing.noun] = (thing.color, place)

    def mention(self, noun: str) -> None:
        if noun not in self.nouns:
            self.nouns.append(noun)


# ---- rules -------------------------------------------------------------------------------------------------


class Rule(NamedTuple):
    """Which words may fill a slot."""

    kind: str  # the list that they come from
    phrase: str  # the rule in words
    allowed: Callable[..., list[str]]  # (state, words of the kind, *words of earlier slots) -> words


RULES: dict[str, Rule] = {}


def rule(kind: str, phrase: str):
    """Register the decorated function as the rule of its name."""

    def register(allowed):
        RULES[allowed.__name__] = Rule(kind, phrase, allowed)
        return allowed

    return register


def free(name: str, kind: str) -> None:
    """Register a rule that allows the whole kind."""
    RULES[name] = Rule(kind, f"a {kind}", lambda s, kind: kind)


for _kind in KINDS:
    free(f"any_{_kind}", _kind)


def one(value) -> list:
    """The list of options of a slot that the state determines (none, if the state does not know)."""
    return [] if value is None else [value]


# who: rules that name somebody -----------------------------------------------------------------------------


@rule("name", "somebody of this story")
def anyone(s, kind):
    return list(s.role)


@rule("name", "somebody new")
def new_name(s, kind):
    return [name for name in kind if name not in s.role]


@rule("name", "another name")
def other_name(s, kind, a):
    return [name for name in kind if name != a]


@rule("name", "somebody else of this story")
def other(s, kind, a):
    return [name for name in s.role if name != a]


def beside(s, a):
    """Everybody at the place of `a`, `a` aside."""
    here = s.place.get(a)
    return [name for name in s.role if name != a and s.place[name] == here]


@rule("name", "somebody at the same place")
def near(s, kind, a):
    return beside(s, a)


@rule("name", "somebody who is not alone")
def with_company(s, kind):
    return [name for name in s.role if beside(s, name)]


@rule("name", "somebody at another place")
def far(s, kind, a):
    here = s.place.get(a)
    return [name for name in s.role if s.place[name] != here and name != a]


@rule("name", "somebody away from another")
def apart(s, kind):
    return list(s.role) if len(set(s.place.values())) > 1 else []


@rule("name", "somebody at that place")
def at(s, kind, place):
    return [name for name in s.role if s.place[name] == place]


@rule("name", "the one who has that role")
def who_is(s, kind, role):
    return [name for name in s.role if s.role[name] == role]


@rule("name", "somebody with empty hands")
def empty(s, kind):
    return [name for name in s.role if name not in s.thing]


@rule("name", "somebody at that place with empty hands")
def empty_at(s, kind, place):
    return [name for name in s.role if name not in s.thing and s.place[name] == place]


@rule("name", "somebody at the same place with empty hands")
def empty_near(s, kind, a):
    return [name for name in beside(s, a) if name not in s.thing]


def to_give(s):
    """The things whose holder may give them away and stands beside somebody with empty hands."""
    return [
        held
        for name, held in s.thing.items()
        if held.noun not in s.owner and any(b not in s.thing for b in beside(s, name))
    ]


@rule("name", "somebody with empty hands beside somebody with a thing to give")
def empty_by_giver(s, kind):
    return [name for name in s.role if name not in s.thing and givable_to(s, None, name)]


def holding(s, noun):
    """The name of whoever holds the thing called `noun`, or None."""
    return next((name for name, held in s.thing.items() if held.noun == noun), None)


def exists(s, noun):
    """Whether somebody holds the thing called `noun`, or it lies somewhere."""
    return holding(s, noun) is not None or noun in s.lying


@rule("name", "the one who holds it")
def holder_of(s, kind, noun):
    return one(holding(s, noun))


@rule("name", "the one to whom it belongs")
def owner(s, kind, noun):
    return one(s.owner.get(noun))


@rule("name", "somebody with empty hands where it lies")
def empty_by(s, kind, noun):
    return empty_at(s, kind, s.lying.get(noun, (None, None))[1])


@rule("name", "somebody with empty hands, away from where something lies")
def fetcher(s, kind):
    if not s.lying:
        return []
    return [name for name in s.role if name not in s.thing and place_of_lying(s, None, name)]


@rule("name", "the one who hid it")
def hider(s, kind, noun):
    return one(s.hider.get(noun))


@rule("name", "the one who broke it")
def breaker(s, kind, noun):
    return one(s.broken.get(noun))


@rule("name", "somebody with nothing to eat")
def gatherer(s, kind):
    return [name for name in s.role if name not in s.goods]


@rule("name", "somebody at that place with nothing to eat")
def gatherer_at(s, kind, place):
    return [name for name in s.role if name not in s.goods and s.place[name] == place]


@rule("name", "somebody with something to eat")
def eater(s, kind):
    return list(s.goods)


@rule("name", "somebody with something to eat and room for more")
def adder(s, kind):
    return [name for name, (n, _) in s.goods.items() if n <= 15]


@rule("name", "somebody with at least four things to eat")
def nibbler(s, kind):
    return [name for name, (n, _) in s.goods.items() if n >= 4]


@rule("name", "somebody with empty hands and at least four things to eat")
def buyer(s, kind):
    return [name for name, (n, _) in s.goods.items() if n >= 4 and name not in s.thing]


@rule("name", "somebody at the same place with nothing to eat")
def foodless_near(s, kind, a):
    return [name for name in beside(s, a) if name not in s.goods]


@rule("name", "somebody with enough to share, beside somebody with nothing")
def sharer(s, kind):
    return [
        name for name, (n, _) in s.goods.items() if n >= 4 and any(b not in s.goods for b in beside(s, name))
    ]


@rule("name", "somebody whose things to eat can be added to another's")
def totaler(s, kind):
    return [name for name in s.goods if addable(s, None, name)] if len(s.goods) > 1 else []


@rule("name", "somebody else with things to eat, twenty together at most")
def addable(s, kind, a):
    mine = s.goods.get(a, (20,))[0]
    return [name for name, (n, _) in s.goods.items() if name != a and n + mine <= 20]


@rule("name", "somebody who has those")
def who_has_goods(s, kind, goods):
    return [name for name, (_, what) in s.goods.items() if what == goods]


@rule("name", "somebody whose mood was told")
def moody(s, kind):
    return list(s.mood)


@rule("name", "somebody whose mood was told, and who is not alone")
def moody_in_company(s, kind):
    return [name for name in s.mood if beside(s, name)]


@rule("name", "somebody who feels so")
def who_feels(s, kind, mood):
    return [name for name, felt in s.mood.items() if felt == mood]


@rule("name", "somebody without a wish")
def wishless(s, kind):
    wishing = [name for name, _ in s.wish]
    return [name for name in s.role if name not in wishing]


@rule("name", "the one who wished for it")
def wisher_of(s, kind, noun):
    return [name for name, wish in s.wish if wish == noun]


@rule("pronoun", "the word for this name")
def pronoun(s, kind, a):
    return ["she" if a in SHE else "he"]


# what: things and their colors -----------------------------------------------------------------------------


@rule("thing", "a thing not mentioned before")
def new_noun(s, kind):
    return [noun for noun in kind if noun not in s.nouns]


@rule("thing", "a thing that somebody holds")
def held(s, kind):
    return [held.noun for held in s.thing.values()]


@rule("thing", "a thing that can be given to a neighbor")
def givable(s, kind):
    return [held.noun for held in to_give(s)]


@rule("thing", "a thing that a neighbor can give")
def givable_to(s, kind, b):
    return [s.thing[a].noun for a in beside(s, b) if a in s.thing and s.thing[a].noun not in s.owner]


@rule("thing", "a thing whose holder stands beside another who holds something")
def swappable(s, kind):
    return [held.noun for name, held in s.thing.items() if held_near(s, None, name)]


@rule("thing", "a thing that somebody at the same place holds")
def held_near(s, kind, a):
    return [s.thing[b].noun for b in beside(s, a) if b in s.thing]


@rule("thing", "a thing that is held or lies somewhere")
def known(s, kind):
    return [held.noun for held in s.thing.values()] + list(s.lying)


@rule("thing", "a thing that lies beside somebody with empty hands")
def pickable(s, kind):
    return [noun for noun in s.lying if empty_by(s, None, noun)]


@rule("place", "a place where something lies")
def place_of_lying(s, kind, a):
    here = s.place.get(a)
    return list(dict.fromkeys(there for _, there in s.lying.values() if there != here))


@rule("thing", "a thing that lies there")
def lying_there(s, kind, place):
    return [noun for noun, (_, there) in s.lying.items() if there == place]


def colors(things) -> list[str]:
    """The different colors of (color, noun) pairs."""
    return list(dict.fromkeys(color for color, _ in things))


@rule("color", "the color of a thing that can be given to a neighbor")
def givable_color(s, kind):
    return colors(to_give(s))


@rule("thing", "a thing of that color that can be given to a neighbor")
def givable_noun(s, kind, c):
    return [held.noun for held in to_give(s) if held.color == c]


@rule("color", "the color of something whole that somebody holds")
def whole_color(s, kind):
    return colors(held for held in s.thing.values() if held.noun not in s.broken)


@rule("thing", "a whole thing of that color")
def whole_noun(s, kind, c):
    return [held.noun for held in s.thing.values() if held.color == c and held.noun not in s.broken]


@rule("color", "the color of something that somebody holds")
def held_color(s, kind):
    return colors(s.thing.values())


@rule("thing", "a thing of that color that somebody holds")
def held_noun(s, kind, c):
    return [held.noun for held in s.thing.values() if held.color == c]


@rule("color", "the color of something that lies somewhere")
def lying_color(s, kind):
    return list(dict.fromkeys(color for color, _ in s.lying.values()))


@rule("thing", "a thing of that color that lies somewhere")
def lying_noun(s, kind, c):
    return [noun for noun, (color, _) in s.lying.items() if color == c]


@rule("thing", "a hidden thing")
def hidden(s, kind):
    return list(s.hider)


@rule("thing", "a broken thing")
def broken(s, kind):
    return list(s.broken)


@rule("thing", "a broken thing that somebody holds")
def mendable(s, kind):
    return [held.noun for held in s.thing.values() if held.noun in s.broken]


@rule("thing", "a borrowed thing, whose owner has empty hands")
def borrowed(s, kind):
    return [held.noun for name, held in s.thing.items() if s.owner.get(held.noun, name) not in s.thing]


@rule("thing", "a borrowed thing")
def owed(s, kind):
    return [held.noun for held in s.thing.values() if held.noun in s.owner]


@rule("thing", "what somebody with empty hands wished for")
def wanted(s, kind):
    return [noun for name, noun in s.wish if name not in s.thing and not exists(s, noun)]


@rule("thing", "what somebody wished for")
def wished(s, kind):
    return [noun for _, noun in s.wish if not exists(s, noun)]


# where -----------------------------------------------------------------------------------------------------


@rule("place", "where this one is")
def place(s, kind, a):
    return one(s.place.get(a))


@rule("place", "a place where somebody is")
def occupied(s, kind):
    return list(dict.fromkeys(s.place.values()))


@rule("place", "a place where two or more are")
def crowded(s, kind):
    places = list(s.place.values())
    return [place for place in dict.fromkeys(places) if places.count(place) > 1]


@rule("place", "a place where somebody with empty hands is")
def occupied_empty(s, kind):
    return list(dict.fromkeys(s.place[name] for name in s.role if name not in s.thing))


@rule("place", "a place where somebody with nothing to eat is")
def occupied_foodless(s, kind):
    return list(dict.fromkeys(s.place[name] for name in s.role if name not in s.goods))


@rule("place", "another place")
def elsewhere(s, kind, a):
    here = s.place.get(a)
    return [place for place in kind if place != here]


@rule("place", "a place where nobody is")
def deserted(s, kind):
    taken = s.place.values()
    return [place for place in kind if place not in taken]


@rule("place", "where it is")
def where(s, kind, noun):
    who = holding(s, noun)
    return one(s.place.get(who) if who else s.lying.get(noun, (None, None))[1])


# how many --------------------------------------------------------------------------------------------------


def number(word: str) -> int:
    """The value of a number word: "five" -> 5."""
    return NUMBERS.index(word) + 1


def word(n: int) -> list[str]:
    """The option for a slot that must be the number `n`."""
    return [NUMBERS[n - 1]] if 1 <= n <= 20 else []


@rule("number", "how many there are")
def count(s, kind, a):
    return word(s.goods[a][0]) if a in s.goods else []


@rule("goods", "what this one has to eat")
def goods(s, kind, a):
    return [s.goods[a][1]] if a in s.goods else []


@rule("goods", "something that nobody has yet")
def new_goods(s, kind):
    taken = [what for _, what in s.goods.values()]
    return [what for what in kind if what not in taken]


@rule("goods", "something that somebody has")
def had_goods(s, kind):
    return list(dict.fromkeys(what for _, what in s.goods.values()))


@rule("few", "so many more, twenty at most")
def more(s, kind, a):
    return [k for k in kind if number(k) + s.goods[a][0] <= 20] if a in s.goods else []


@rule("few", "so many that at least two are left")
def some(s, kind, a):
    return [k for k in kind if number(k) <= s.goods[a][0] - 2] if a in s.goods else []


@rule("number", "the sum")
def added(s, kind, a, k):
    return word(s.goods[a][0] + number(k)) if a in s.goods else []


@rule("number", "what is left")
def less(s, kind, a, k):
    return word(s.goods[a][0] - number(k)) if a in s.goods else []


@rule("number", "the sum")
def total(s, kind, n, k):
    return word(number(n) + number(k))


@rule("number", "the difference")
def minus(s, kind, n, k):
    return word(number(n) - number(k))


# and the rest ----------------------------------------------------------------------------------------------


@rule("role", "a role that nobody has yet")
def new_role(s, kind):
    taken = s.role.values()
    return [role for role in kind if role not in taken]


@rule("role", "another role")
def other_role(s, kind, r):
    return [role for role in kind if role != r]


@rule("role", "what somebody of this story is")
def some_role(s, kind):
    return list(s.role.values())


@rule("mood", "another mood")
def new_mood(s, kind, a):
    return [mood for mood in kind if mood != s.mood.get(a)]


@rule("mood", "the mood of this one")
def mood(s, kind, a):
    return one(s.mood.get(a))


@rule("mood", "the mood of somebody")
def some_mood(s, kind):
    return list(dict.fromkeys(s.mood.values()))


@rule("weather", "another weather")
def new_weather(s, kind):
    return [weather for weather in kind if weather != s.weather]


@rule("weather", "the weather")
def weather(s, kind):
    return one(s.weather)


@rule("day", "a day, the first that is told")
def first_day(s, kind):
    return kind if s.day is None else []


@rule("day", "this day")
def today(s, kind):
    return one(s.day)


@rule("day", "the day after")
def next_day(s, kind):
    return [kind[(kind.index(s.day) + 1) % len(kind)]] if s.day else []


# ---- effects -----------------------------------------------------------------------------------------------
# An effect takes the state and the words `v` of a sentence's slots, and believes what the sentence says.

EFFECTS: dict[str, object] = {}


def effect(change):
    """Register the decorated function as the effect of its name."""
    EFFECTS[change.__name__] = change
    return change


@effect
def opens(s, v):
    s.enter(v["A"], v["r"], v["p"])


@effect
def opens_with_two(s, v):
    s.enter(v["A"], v["r"], v["p"])
    s.enter(v["B"], v["q"], v["p"])


@effect
def arrives(s, v):
    s.enter(v["B"], v["r"], v["p"])


@effect
def brings_thing(s, v):
    s.take(v["B"], Thing(v["c"], v["n"]))


@effect
def brings_goods(s, v):
    s.goods[v["B"]] = (number(v["k"]), v["g"])


@effect
def looks(s, v):
    s.mood[v["B"]] = v["f"]


@effect
def finds(s, v):
    s.take(v["A"], Thing(v["c"], v["n"]))


@effect
def buys(s, v):
    s.take(v["A"], Thing(v["c"], v["n"]))
    s.goods[v["A"]] = (number(v["m"]), v["g"])


@effect
def gets_wish(s, v):
    s.take(v["A"], Thing(v["c"], v["n"]))
    if (v["A"], v["n"]) in s.wish:
        s.wish.remove((v["A"], v["n"]))


def known_color(s, v):
    """The color of the thing that the sentence names, said or remembered."""
    if "c" in v:
        return v["c"]
    who = holding(s, v["n"])
    return s.thing[who].color if who else s.lying.get(v["n"], ("colorless",))[0]


@effect
def gives(s, v):
    s.take(v["B"], Thing(known_color(s, v), v["n"]))


@effect
def lends(s, v):
    gives(s, v)
    s.owner[v["n"]] = v["A"]


@effect
def returns(s, v):
    s.take(v["A"], Thing(known_color(s, v), v["n"]))
    s.owner.pop(v["n"], None)
    s.move(v["B"], v["p"])


@effect
def swaps(s, v):
    mine, yours = s.thing.get(v["A"]), s.thing.get(v["B"])
    if yours:
        s.take(v["A"], yours)
    if mine:
        s.take(v["B"], mine)


@effect
def puts_down(s, v):
    s.drop(v["A"], Thing(known_color(s, v), v["n"]), v["p"])


@effect
def hides(s, v):
    puts_down(s, v)
    s.hider[v["n"]] = v["A"]


@effect
def picks_up(s, v):
    s.take(v["A"], Thing(known_color(s, v), v["n"]))


@effect
def fetches(s, v):
    s.move(v["A"], v["p"])
    picks_up(s, v)


@effect
def vanishes(s, v):
    s.drop(v["A"], Thing(known_color(s, v), v["n"]), None)
    for memory in (s.owner, s.broken):
        memory.pop(v["n"], None)


@effect
def breaks(s, v):
    s.broken[v["n"]] = v["A"]


@effect
def mends(s, v):
    s.broken.pop(v["n"], None)


@effect
def goes(s, v):
    s.move(v["A"], v["q"])


@effect
def go_together(s, v):
    s.move(v["A"], v["q"])
    s.move(v["B"], v["q"])


@effect
def all_go(s, v):
    for name in s.role:
        s.move(name, v["q"])


@effect
def follows(s, v):
    s.move(v["A"], v["p"])


@effect
def comes(s, v):
    s.move(v["B"], v["q"])


@effect
def gathers(s, v):
    s.goods[v["A"]] = (number(v["k"]), v["g"])


@effect
def counts(s, v):
    """Somebody has more or fewer now: `m` is what the sentence says there are."""
    s.goods[v["A"]] = (number(v["m"]), v["g"])


@effect
def shares(s, v):
    counts(s, v)
    s.goods[v["B"]] = (number(v["k"]), v["g"])


@effect
def eats_all(s, v):
    s.goods.pop(v["A"], None)


@effect
def feels(s, v):
    s.mood[v["A"]] = v["f"]


@effect
def comforts(s, v):
    s.mood[v["B"]] = v["j"]


@effect
def weather_comes(s, v):
    s.weather = v["w"]


@effect
def weather_goes(s, v):
    s.weather = None


@effect
def day_is(s, v):
    s.day = v["d"]


@effect
def wishes(s, v):
    if (v["A"], v["n"]) not in s.wish:
        s.wish.append((v["A"], v["n"]))
    s.mention(v["n"])


@effect
def ends(s, v):
    s.over = True


# ---- patterns ----------------------------------------------------------------------------------------------
# A slot is {letter:rule}, {letter:rule(earlier letters)}, or {earlier letter}, the same word again.
# Most letters mean the same everywhere: A, B who · n thing · c color · p, q place · r role · g goods ·
# k, m numbers · f mood · d day · w weather.


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
