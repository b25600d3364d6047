"""The words of the village: the lists that a slot of a sentence is filled from."""

from __future__ import annotations

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
