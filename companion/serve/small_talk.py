"""Small talk: what people say to a chat besides asking, and what the course's chat answers to it.

A model of the village answers "thank you" with a sentence about a ring. So messages of a few kinds, its intents,
get a fixed answer before the model is asked. Each intent is a list of patterns for a whole clause of a message,
in small letters and without marks, and one answer.
"""

# ruff: noqa: E501 (a pattern is easier to read in one line)

import re
import unicodedata
from difflib import get_close_matches
from typing import NamedTuple

EXAMPLE = "Tell a story about the baker Mara and a red kite."
"""An order that the answerer follows."""
ENGLISH_ONLY = f"I only understand English. I tell stories of one village. For example: {EXAMPLE}"


class Intent(NamedTuple):
    """A kind of message.

    Args:
        name: What the kind is called.
        patterns: Regular expressions. One of them must match a whole clause.
        answer: What the chat says.
    """

    name: str
    patterns: tuple[str, ...]
    answer: str


BOT = r"(you|bot|robot|ai|computer|program|machine|model|chat|friend|buddy|man|dude|all|everyone|there|again)"
GOOD = r"(good|great|nice|cool|super|awesome|amazing|lovely|sweet|wonderful|fantastic|excellent|perfect|brilliant|funny|hilarious|cute|beautiful|impressive|interesting|smart|clever|fun|better|neat|the best|pretty)"
BAD = r"(stupid|dumb|idiots?|useless|boring|bad|terrible|awful|horrible|lame|garbage|trash|rubbish|crap|shit|sucks?|ugly|slow|annoying|pathetic|worst|worse|dull|silly|fool|moron|loser|worthless|idiotic|ridiculous|weird|broken)"
THING = r"(your|it|this|that|you|he|she|story|stories|one|answer|chat|bot|model|thing|joke)"
VERY = (
    r"(a|an|the|is|are|was|were|so|very|really|too|such|just|quite|pretty|all|completely|totally|absolutely)"
)
ASKS = r"(can|could|would|will|do|are|what|who|how|please|i want to|i would like to)"

INTENTS = (
    Intent(
        "greeting",
        (
            rf"(hi|hello|hey|heya|hiya|yo|howdy|greetings|welcome|salut|hola|bonjour|hallo|ciao|moin|ola)( {BOT})*",
            rf"good (morning|afternoon|evening|day)( {BOT})*",
            r"(guten (tag|morgen|abend)|buenos dias|namaste|konnichiwa|nice to meet you)( too)?",
            r"(anybody|anyone|someone|is anyone|are you) (here|there|home|awake)",
            rf"{BOT}|please",
            r"(test|testing|test test|1 2 3|ping|knock knock)",
        ),
        f"Hello! I tell stories of one small village and answer questions about them. For example: {EXAMPLE}",
    ),
    Intent(
        "name",
        (r"(i am|my name is|this is|call me) [a-z]+( here)?",),
        f"Nice to meet you! I tell stories of one small village. For example: {EXAMPLE}",
    ),
    Intent(
        "how are you",
        (
            r"(how|hows) (are|is|do) (you|it|things|life|everything|your day)( (doing|going|today|feeling|do))*",
            r"(what is|whats|wassup|sup|what) (up|new|happening|going on)|sup|wassup|how do you do",
            r"(are|do) you (ok|okay|fine|well|good|tired|happy|sad|feel (ok|good|well|sad|happy))( today)?",
        ),
        f"I am a program, so I have no good or bad days. I can tell you a story. For example: {EXAMPLE}",
    ),
    Intent(
        "thanks",
        (
            r"(many |big |ok |okay |great |no |and )*(thanks|thank you|thank|thx|ty|tysm|cheers|merci|danke|gracias|"
            r"grazie|much appreciated|i appreciate (it|that))"
            r"( (a lot|so|very|much|again|bot|man|you|for .*|mate|buddy|friend|anyway))*",
        ),
        "You are welcome. I am here whenever you want a story.",
    ),
    Intent(
        "goodbye",
        (
            r"(good ?bye|bye|bye bye|see (you|ya)|cya|farewell|good ?night|so long|take care|adios|tschuss|au revoir|"
            r"have a (good|nice|great) .*|i (have to|must|need to|got to|gotta) (go|leave|sleep)( now)?|gotta go)"
            rf"( (later|soon|tomorrow|now|for now|then|{BOT}))*",
            r"(quit|exit|stop|end|close|leave|enough|cancel)( (it|this|chat|now|please))*",
        ),
        "Goodbye! I am here when you want another story.",
    ),
    Intent(
        "acknowledgement",
        (
            r"(ok|okay|k|kk|yes|yeah|yep|yup|no|nope|nah|sure|fine|right|alright|all right|i see|got it|i (understand|know)|"
            r"hm|hmm|mhm|oh|ah|aha|uh|um|well|so|and|maybe|whatever|never ?mind|anyway|agreed|true|correct|indeed|exactly)"
            r"( (then|please|sure|ok|i see|yes|no|that is right|true|right))*",
            r"(sorry|i am sorry|my bad|excuse me|pardon|oops|my mistake|sorry about that)( .*)?",
            r"(just )?(kidding|joking|i am (just )?(kidding|joking)|nothing|no idea|i do not know)",
        ),
        "All right. I am here whenever you want a story.",
    ),
    Intent(
        "praise",
        (
            rf"(({THING}|{VERY}|that story|this story|your story|what|wow|oh|how) )*{GOOD}"
            rf"( ({THING}|{GOOD}|job|work|try|one|stuff|indeed|and|to (know|hear)|little|tale|ending|end|at this))*",
            r"(wow|omg|yay|woo|whoa|haha|hahaha|ha|lol|lmao|rofl|hehe|bravo|well done|good (job|bot|work))( .{0,12})?",
            rf"i (really )?(like|love|enjoy|liked|loved|enjoyed|adore) ({THING}|your|the|my)( (story|stories|so much))*",
            rf"you are ({VERY} )*{GOOD}( .{{0,20}})?",
            rf"(i am )?impressed|{GOOD}",
        ),
        "I am glad that you like it. I am here whenever you want a story.",
    ),
    Intent(
        "insult",
        (
            rf"(what|i think|why|({THING}|{VERY}|your [a-z]+|the [a-z]+)|not| )*({THING}|{VERY}) {BAD}"
            rf"( ({THING}|{VERY}|{BOT}|{BAD}|and|as|hell|chatbot|at this))*",
            rf"({THING} |the [a-z]+ )*{BAD}( ({THING}|{BOT}|{BAD}|chatbot))*",
            r"(.* )?(fuck|fucking|fck|wtf|damn|shut up|stfu|bullshit|bitch|asshole|go away|get lost|screw you)( .*)?",
            r"i (really )?(hate|dislike|do not like) (it|this|that|you|your .*|the story)( .*)?",
            r"you (are|know|understand|can do) (nothing|not (very )?(smart|good|clever|helpful)|no good)( .*)?",
            r"(this|that|it) (is|was) (not (good|funny|interesting|helpful|great)|no good|a waste of .*)",
        ),
        "I am sorry that this was no better. I am a very small model: I tell stories of one village and answer"
        " questions about them.",
    ),
    Intent(
        "doubt",
        (
            r"(no )?(that|this|it|you|story|the (story|answer)) (is|are|was|were) (wrong|false|not (right|true|correct)|"
            r"incorrect|nonsense|lying|a lie|mistaken|made up)( .*)?",
            r"(wrong|false|nonsense|incorrect|not true|liar|you (lie|lied)|really|are you sure|seriously|(is|was) (that|it|this) (really )?(true|right|correct))",
            r"(.* )?(makes?|made|making) no sense( .*)?|(.* )?(does|did) not make (any )?sense( .*)?",
            r"(what|huh|eh|pardon|sorry what|excuse me what|what do you mean( .*)?|i (do not|did not) (get|understand)( (it|this|that|you|anything))?)",
            r"how do you know( (that|this|it))?|(that|this) is not what i (asked|wanted|meant|said)( .*)?",
        ),
        "I may be wrong: I am a very small model. The judge, a program that knows what is true in the story, marks"
        " what is false. Ask once more with a name or a thing of the story, or order another story.",
    ),
    Intent(
        "language",
        (
            r"(can|do|could) (you|i|we) (speak|understand|talk|write|know|answer|use|chat)( (in|to you in))?"
            r" (german|french|spanish|chinese|deutsch|italian|russian|japanese|arabic|hindi|other languages|another language|english)",
        ),
        ENGLISH_ONLY,
    ),
    Intent(
        "identity",
        (
            r"(and |so |but )?(who|what|how old|where) (are|is) (you|this|your (name|age|purpose|job|version|model))"
            r"( (exactly|really|anyway|called|from|made of|again|bot|actually|supposed to be|thing|chat|chatbot))*",
            r"(what|how) (is|should|do|can|may|are) (i call|your name|you called|call you|i name you)( .*)?",
            rf"(are|r) you ({VERY} )*(human|person|real|robot|bot|chatbot|ai|machine|computer|alive|conscious|sentient|"
            r"chat ?gpt|gpt.*|claude|llama|gemini|siri|alexa|language model|llm|man|woman|boy|girl|program|intelligent|married)"
            r"( .*)?",
            r"(who|what company) (made|created|built|wrote|trained|programmed|owns|developed|invented) (you|this)( .*)?",
            r"(what|which) (model|ai|llm|version|language model|kind of .*|type of .*) (are|is|do) (you|this|behind)( .*)?",
            r"(tell me|say|talk) (something |more )?about (yourself|you)|introduce yourself|your name( please)?",
            r"how (big|large|smart|small|many parameters) (are|do) you( have)?|what are you made of",
            r"(do|can|does) you (think|feel|sleep|eat|dream|love .*|like .*|have .*|know me|remember .*|exist|get .*|want .*)",
            r"(how|when|where) (were|was|did) you (born|made|trained|built|created|learn)( .*)?",
            r"where do you (live|come from)",
        ),
        "I am a small language model, a program with about a million parameters, made in this course. I learned"
        " stories of one made-up village, and I know nothing else.",
    ),
    Intent(
        "joke",
        (
            rf"({ASKS} )*(you )*(please )*(tell|say|make|know|sing|write|rap|give|draw|paint|dance|compose|play)"
            r"( (me|us|a|an|any|some|the|another|good|funny|short))*"
            r" (joke|jokes|song|poem|rap|riddle|picture|haiku|email|essay|letter|rhyme|game|games|music|fact|chess)( .*)?",
            rf"({ASKS} )*(you )*(sing|dance|rap|draw)",
            rf"({ASKS} )*(you )*make (it|them|the story) [a-z ]+",
        ),
        f"I cannot do that. I only tell stories of one village. For example: {EXAMPLE}",
    ),
    Intent(
        "longer",
        (
            rf"({ASKS} )*(you )*(make|tell|say|repeat)( me)? (it|this|that|the story)"
            r"( (a|bit|little|much|longer|shorter|again|once more|please))*",
            r"(a (bit|little) |much )?(longer|shorter|repeat)( please)?",
        ),
        "I cannot change a story or tell it twice, but I can tell a new one. Type: another one",
    ),
    Intent(
        "bored",
        (
            r"i (am|feel) (so |very |really )*(bored|sad|happy|tired|lonely|hungry|fine|good|ok|great|well|sick|depressed|angry|lost)"
            r"( .*)?",
            r"(i do not|do not) (feel good|feel well|want to live( .*)?|like it|care)|i (am|was) having a bad day|cheer me up",
            r"i (hate|miss|love) my .*|my (day|life) (is|was) .*",
        ),
        f"I am only a small program and cannot help with that, but I can tell you a story. For example: {EXAMPLE}",
    ),
    Intent(
        "capability",
        (
            r"(and |so |ok |but )*(what|which things) (else )?(can|could|do|should|must|may|will) (you|i|we|it|this)"
            r"( (do|ask|say|type|write|know|understand|answer|talk about|try|ask you|tell|be|help with|help me with|know about))*"
            r"( (here|now|next|then|you|for me|this|with this|about|exactly|else))*",
            r"(please |i need |can you |could you |will you |i want )*(help|help me|some help|assist( me)?)( (me|please|out|with this|!|now))*",
            r"how (do|does|can|should) (i|you|this|it|we|that) (work|use|play|chat|talk|use (this|it|you)|ask|"
            r"use (this|the) chat|talk to you|do this|function)( .{0,14})?",
            r"(what|how) (now|next|about)|(what|which) (is|are) (this|it|here|the (commands|options|rules|point|topics))( (for|about|all about))?",
            r"(show|list|give)( me)? (the |some |all )*(commands|options|examples|example|menu|features|help)|(commands|menu|options|usage|examples?|start|begin|info|about|man|instructions)",
            r"what (are|is) (your|the) (capabilities|abilities|skills|functions|features|topics?)",
            r"what stories( (do you (know|have)|are there|can you tell))?|what do you know( about)?|what are you (good|able) .*|what is (in|about) (the|this) (village|chat)",
            r"(do|can|could) you (speak|understand|talk|know|do|help|answer)"
            r"( (something|anything|else|more|other|my|me|questions?|things?|code|math))*",
            r"i (do not know|have no idea) what to (do|ask|say|write|type)|i have a question|(can|may|could) i ask (you )?(something|a question|you something)",
        ),
        f"I can do three things. I tell a story when you order one, such as: {EXAMPLE} I answer questions about that"
        " story, such as: Who has the kite? And I explain this course's terms: What is attention?",
    ),
)
"""The kinds of small talk. Where clauses of several kinds stand together, the last of these kinds answers."""

FOREIGN = frozenset(
    """
    bist bitte danke das der die du ein eine erzahl erzahle es geht gibt guten heisst ich ist kannst mir nicht und
    von warum was wer wie wo avec bonjour comment dans des est et histoire je les moi oui pas pour pourquoi quel
    quelle qui raconte suis tu une vous como con cual cuentame donde el en eres es esta gracias hola historia la las
    los por que quien soy una usted ciao che chi come cosa dove il mi non per perche racconta sei sono storia
    uno voce obrigado nao onde quem jak jest kto nie to hvad hvem ik jij wat waar wie vertel merhaba nasilsin
    """.split()
)
"""Frequent words of other languages, without accents."""
SHORT_FORMS = {
    "u": "you",
    "ur": "your",
    "r": "are",
    "ya": "you",
    "wat": "what",
    "wut": "what",
    "waht": "what",
    "hii": "hi",
    "heyy": "hey",
    "byee": "bye",
    "whats": "what is",
    "whos": "who is",
    "hows": "how is",
    "thats": "that is",
    "im": "i am",
    "youre": "you are",
    "dont": "do not",
    "doesnt": "does not",
    "didnt": "did not",
    "isnt": "is not",
    "cant": "can not",
    "plz": "please",
    "pls": "please",
    "thanx": "thanks",
    "thnx": "thanks",
    "tnx": "thanks",
    "hai": "hi",
    "goodmorning": "good morning",
    "gimme": "give me",
    "wanna": "want to",
}
"""How people shorten words when they type."""
INTERJECTIONS = frozenset(
    "ah aha and but ha haha hahaha hehe hey hi hello hm lol no oh ok okay omg so thanks well wow yes".split()
)
"""Words that may stand before a clause without a comma."""
WORDS = {
    word for intent in INTENTS for pattern in intent.patterns for word in re.findall("[a-z]{4,}", pattern)
}
WORDS -= {"bitch", "damn", "screw", "worst"}
"""The words of the patterns, to which a misspelled word is compared."""


def small_talk(message: str) -> str | None:
    """Return the answer to small talk, or None for a message of which any clause is something else."""
    found = [intent_of(clause) for clause in clauses(message)]
    if not found or None in found:
        return None
    return max(found, key=INTENTS.index).answer


def intent_of(clause: str) -> Intent | None:
    """Return the last intent that has the whole clause among its patterns, also without an interjection around it."""
    first, _, rest = clause.partition(" ")
    if first in INTERJECTIONS and rest:
        return intent_of(rest) or intent_of(first)
    before, _, last = clause.rpartition(" ")
    if last in INTERJECTIONS and before:
        return intent_of(before)
    for intent in reversed(INTENTS):
        if any(re.fullmatch(pattern, clause) for pattern in intent.patterns):
            return intent
    return None


def is_foreign(message: str) -> bool:
    """Whether a message is in another script, or has two or more frequent words of another language."""
    letters = [letter for letter in message if letter.isalpha()]
    if sum(letter > "\u024f" for letter in letters) > len(letters) / 2:
        return True
    words = plain(message).split()
    n_foreign = sum(word in FOREIGN for word in words)
    return n_foreign >= 2 and n_foreign >= len(words) / 4


def clauses(message: str) -> list[str]:
    """Return the clauses of a message in plain words."""
    parts = [plain(part) for part in re.split(r"[.,;:!?\n…-]+", message)]
    return [part for part in parts if part]


def plain(text: str) -> str:
    """Return a text in small letters, without marks and accents, and with short forms in full.

    A letter that is repeated three times or more is one: "hiiii" is "hi". A word that is nearly one of `WORDS`
    becomes that word.
    """
    letters = unicodedata.normalize("NFKD", text.lower().replace("’", "'").replace("'", ""))
    letters = re.sub(r"(\w)\1{2,}", r"\1", letters)
    found = []
    for word in re.findall(r"[a-z0-9]+", "".join(one for one in letters if not unicodedata.combining(one))):
        if word in SHORT_FORMS:
            found.append(SHORT_FORMS[word])
        elif len(word) < 4 or word in WORDS or word in FOREIGN:
            found.append(word)
        else:
            found.append((get_close_matches(word, WORDS, 1, 0.8) or [word])[0])
    return " ".join(found)
