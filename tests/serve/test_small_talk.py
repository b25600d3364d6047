"""Small talk of strangers, and what is left to the model."""

from pathlib import Path
from random import Random

import pytest

from companion.instructions import Chat
from companion.runtime.terminal import Styled
from companion.serve.deed_questions import NO_REASONS
from companion.serve.kinds import ANSWERS as SMALL_TALK
from companion.serve.kinds import EXAMPLE, SAID, UNCLEAR, Kind, kind_of, reworded
from companion.serve.lists import Lists
from companion.serve.message import Question, read_message, without_lead
from companion.serve.orders import (
    BARE_ORDER,
    BEGUN,
    absent_from,
    as_order,
    normalized_order,
    note_on_absent,
    note_on_order,
    ordered_phrases,
    with_kept,
)
from companion.serve.story_chat import NO_STORY, READ_NOTE, Reply, StoryChat, as_learned, story_verdicts
from companion.serve.story_facts import contents_of
from companion.serve.village_words import from_question_word, spelled
from companion.village.dialogues import DECLINE, beginning_with, talk

COURSE = Lists()
ONLY = SAID["only"]
UNSAID = SAID["unsaid"]
NOBODY_FOUND = SAID["nobody_found"]
ANSWERS = SMALL_TALK | {"foreign": SMALL_TALK["language"], "decline": DECLINE}
FILE = Path(__file__).parents[1] / "support" / "strangers_messages.txt"
SECOND_FILE = FILE.with_name("strangers_second.txt")
APPLES = "apples have no color, and there are always several."
STORY_FILE = SECOND_FILE.with_name("story_questions.txt")
SECOND_MESSAGES = [line.split(" | ") for line in SECOND_FILE.read_text("utf-8").splitlines()]
MESSAGES = [line.split(" | ") for line in FILE.read_text("utf-8").splitlines()]
STORY = (
    "Once the baker Mara sat at the mill and admired the red key Mara had found. "
    "One day Mara met the fox Bram at the mill."
)


def story_chat(*contents):
    """A chat in which these messages were said. It has no model, so that a test fails that would ask one."""
    chat = StoryChat.__new__(StoryChat)
    chat.messages = talk(*contents)
    chat.options = {}
    chat.dropped = 0
    return chat


LAST = "One day Mara met the fox Bram at the mill."
WITH_CAST = f"The story has the baker Mara, the fox Bram and the red key. It ends so: “{LAST}”"
PLACES = "the baker Mara is at the mill with the red key, and the fox Bram is at the mill"
NO_FISHERMAN = "The story has no fisherman. It has the baker Mara, the fox Bram and the red key."
NOTHING = "Bram has nothing at the end of the story. Bram came to the mill and met Mara."
MET = "Bram came to the mill and met Mara."
INSTEAD = f"{UNSAID} In short: Mara found the key, and then Bram came to the mill and met Mara."
BRAM_AT_END = "At the end of the story, the fox Bram is at the mill."
MARA_AT_END = "At the end of the story, the baker Mara is at the mill with the red key."
AT_END = f"{MARA_AT_END[:-1]}, and the fox Bram is at the mill."
CONTENTS = "It has the baker Mara, the fox Bram and the red key."


def ordered(message):
    """The order that the model gets for a message."""
    return as_order(normalized_order(message))


def program_says(chat, message):
    """What a program or a rule of a chat answers; "" for what a model must answer."""
    read = read_message(message, spelled)
    question = Question(from_question_word(read.question.text), read.question.kind)
    reply = chat.without_model(read.story, question)
    return reply.text if reply else ""


def answer(message, *contents):
    """What is answered without a model, after these messages; None for what a model must answer."""
    found = COURSE.find(message)
    return found.answer if found else program_says(story_chat(*contents), message) or None


@pytest.mark.parametrize("contents", [(), ("Tell me a story.", STORY)], ids=["before a story", "after one"])
def test_sixty_messages_of_strangers_get_a_sensible_answer(contents):
    assert len(MESSAGES) == 60
    wrong = []
    for kind, message in MESSAGES:
        said = answer(message, *contents)
        right = ": " in (said or "") if kind == "course" else said == ANSWERS[kind]
        if not right:
            wrong.append((kind, message, said))
    assert len(wrong) <= 3, wrong


def is_sensible(kind, message, *contents):
    """Whether the answer to a message is of the kind that a stranger can use."""
    found = COURSE.find(message)
    if kind == "story":
        return not found and kind_of(message) in (Kind.ORDER, Kind.MORE)
    said = found.answer if found else program_says(story_chat(*contents), message)
    if kind == "has":
        return said.startswith("The story has no ") and said.endswith(contents_of(STORY))
    if kind == "again":
        return said == STORY
    if kind == "no story":
        return said == NO_STORY
    if kind == "gpu":
        return "No. " in said and "laptop" in said
    if kind == "first":
        return "chapters/00_start.ipynb" in said
    if kind.startswith("course"):
        chapter = kind.replace("course", "chapter")
        return found is not None and (f"{chapter}:" in found.source or f"{chapter} " in said.lower())
    return said == ANSWERS[kind] and "the story," not in said


def test_more_messages_get_a_sensible_answer():
    """Of the first 40, 14 did before this file was written, and of the others none."""
    assert len(SECOND_MESSAGES) == 55
    after = ("Tell me a story.", STORY)
    moments = {"before": [()], "after": [after], "both": [(), after]}
    wrong = [
        message
        for when, kind, message in SECOND_MESSAGES
        if not all(is_sensible(kind, message, *contents) for contents in moments[when])
    ]
    assert wrong == []


@pytest.mark.parametrize(
    "order, nearest, note",
    [
        (
            "tell a story about mara and a green dragon",
            "Tell me a story about the baker Mara.",
            "I do not know “green dragon”, so the story leaves that out.",
        ),
        (
            "tell me a story with a happy ending about a key",
            "Tell me a story about a key.",
            "I cannot choose how a story ends.",
        ),
        (
            "something sad",
            BARE_ORDER,
            f"I do not know “sad”, so the story leaves that out. {SAID['subjects']}",
        ),
        (
            "Now a short story about Mara and three keys.",
            "Tell me a story about the baker Mara and a key.",
            "You ordered three keys; the story has the red key.",
        ),
        (
            "once upon a time there was a boy called Bram",
            "Tell me a story about Bram.",
            "I do not know “boy”, so the story leaves that out."
            " You ordered a person; that is not in the story.",
        ),
        ("another one", BARE_ORDER, ""),
        (
            "same again but with a goose",
            "Tell me a story about a goose.",
            "You ordered a goose; that is not in the story.",
        ),
    ],
)
def test_an_order_with_unknown_words_gets_the_nearest_story_and_a_note(order, nearest, note):
    assert kind_of(order) == "order" and ordered(order) == nearest
    assert note_on_order(normalized_order(order), STORY) == note
    assert kind_of("Tell me about Berlin.") == "world"


def test_a_story_does_not_go_on(monkeypatch):
    monkeypatch.setattr(StoryChat, "continued", lambda self, *given, **options: STORY)
    said = "".join(story_chat("Tell me a story.", STORY).stream("and then?"))
    assert said.startswith(f"The story ends so: “{LAST}” I cannot continue it")
    assert "".join(story_chat().stream("and then?")) == STORY


@pytest.mark.parametrize("order", ["a story about a king", "once upon a time there was a king", "a king one"])
def test_an_order_of_which_nothing_is_known_gets_a_story_and_what_can_be_ordered(order):
    note = note_on_order(order, STORY)
    assert note.startswith("I do not know “king”") and "such as a kite" in note


@pytest.mark.parametrize(
    "message, order",
    [
        ("another one but with a green boat", "Tell me a story about the baker Mara and a blue kite."),
        ("same but with a red hat", "Tell me a story about a red hat and the baker Mara."),
        ("another one, but with a dog and not with mara", "Tell me a story about a dog and a blue kite."),
        ("another one with the same blue kites", "Tell me a story about a blue kite."),
        ("tell me a story without animals", BARE_ORDER),
    ],
)
def test_another_one_but_keeps_the_rest_of_the_last_order(message, order):
    last = "Tell me a story about the baker Mara and a blue kite."
    assert ordered(with_kept(message, last)) == order


def test_a_question_about_who_is_in_the_story_gets_its_people_and_things():
    after = story_chat("Tell me a story.", STORY)
    answers = {
        "Who is the hero of the story?": "Mostly the baker Mara, who comes first.",
        "who was in it": "The story has the baker Mara and the fox Bram.",
        "who else is in it besides mara": "The story has the fox Bram.",
        "what is it about?": "In short: Mara found the key, and then Bram came to the mill and met Mara.",
        "which things are in the story": "The story has the red key.",
        "are there any animals": "The story has the fox Bram.",
    }
    for question, people in answers.items():
        assert program_says(after, question) == people, question
    reply = after.without_model("", Question.of("who was in it"))
    assert (reply.by, reply.note) == ("program", READ_NOTE)
    assert contents_of(STORY) == "It has the baker Mara, the fox Bram and the red key."


@pytest.mark.parametrize(
    "question, read",
    [
        ("does it end well?", f"The story does not say whether its end is good. It ends so: “{LAST}”"),
        ("how does Bram feel", "The story names no mood of Bram."),
        ("Which words in the story are hard for a beginner?", "The story says nothing of “beginner”."),
        ("what did mara want", f"The story does not say what Mara wanted. Mara found the key. {MET}"),
        ("what happened?", "Mara found the key. Bram came to the mill and met Mara."),
        ("what did the fox do?", "Bram came to the mill and met Mara."),
        ("did the baker meet anybody?", "Yes: Bram came to the mill and met Mara."),
        ("does bram love the key", f"{ONLY} At the end of the story, {PLACES}."),
        ("did Bram steal the key", f"Nobody stole the key in the story. At the end of the story, {PLACES}."),
        ("where did mara find the key", "At the mill: Mara found the key."),
        ("is there a moral in it?", f"The story has no moral: it only says what happens. {WITH_CAST}"),
        ("How did it end, if I may ask? I lost my glasses.", f"The story ends so: “{LAST}”"),
        ("who found the key?", "Mara found the key."),
        ("is there a cat in it?", f"No. The story has no cat. {CONTENTS}"),
        ("was there a fox?", f"Yes: “{LAST}”"),
        ("My son asks where the pie was", f"The story has no pie. {CONTENTS}"),
        ("tell it again please", STORY),
        ("where did it happen?", "The story happens at the mill."),
        ("what day was it", "The story names no day and no hour."),
        ("is the key orange?", "No, the key is red."),
        ("who rings the key", f"{NOBODY_FOUND} Mara found the key."),
        ("what does the fox have", NOTHING),
        ("is bram no fox", f"{ONLY} {BRAM_AT_END}"),
        ("is it true that Mara is a miller?", "No, Mara is the baker."),
        ("so Mara is a miller, right?", "No, Mara is the baker."),
        ("does the fox have the key", "No, Mara has the key."),
        ("is the key with Bram", "No, Mara has the key."),
        ("was bram at the mill", "Yes, Bram is at the mill."),
        ("whats the name of the baker", "Mara is the baker."),
        ("who had the key before", "Mara found the key."),
        ("what is the title", f"The story has no title. {WITH_CAST.partition(' It ends')[0]}"),
        ("why'd Bram cry?", f"{NO_REASONS} {BRAM_AT_END}"),
        ("who was with Mara?", "At the end of the story, the fox Bram is with Mara at the mill."),
        ("what did Mara do before Bram came?", INSTEAD),
        ("did they find it again", f"Nobody lost or lent anything in the story. {AT_END}"),
        ("did she meet him", f"{ONLY} Bram came to the mill and met Mara."),
        ("how many things were found", f"{ONLY} Mara found the key."),
        ("who was the happiest person in it", "The story says nothing of “happiest”."),
        ("what colour was it", "The story has the red key."),
        ("did anybody get lost", INSTEAD),
        ("Did the fisherman keep it for himself?", NO_FISHERMAN),
    ],
)
def test_a_program_reads_the_answer_in_the_story(question, read):
    assert answer(question, "Tell me a story.", STORY) == read
    assert answer(question) in (NO_STORY, DECLINE)  # before a story


def test_a_number_of_goods_and_the_weather_are_read_in_the_state():
    goods = "The goose Nell stopped at the mill with five plums. Nell ate two of the plums. That left three."
    after = story_chat("A story.", f"{STORY} {goods}")
    place = "At the end of the story, the goose Nell is at the mill with three plums."
    assert program_says(after, "Where are the plums now?") == place
    assert program_says(after, "how many plums?").startswith("Three plums at the end. Nell brought five")
    assert program_says(after, "how many plums did Mara have left?").startswith("No plums. At the end")
    assert program_says(after, "how many keys does Bram have left?").startswith("No keys.")
    eaten = program_says(after, "how many plums did the goose eat?")
    assert eaten == f"{ONLY} Nell ate two plums and had three left."


def test_deeds_their_reasons_and_those_who_have_nothing_are_read_in_the_story():
    story, *rows = STORY_FILE.read_text("utf-8").splitlines()
    for question, read in [row.split(" | ") for row in rows]:
        assert answer(question, "A story.", story).startswith(read), question


def test_what_happens_next_is_nothing_and_the_last_story_is_the_one_that_is_read():
    newer = STORY.replace("Bram", "Finn")
    after = story_chat("Tell me a story.", STORY, "another one", newer)
    said = program_says(after, "what happens next?")
    assert said.startswith(f"The story ends so: “{LAST.replace('Bram', 'Finn')}” I cannot continue it")
    assert program_says(after, "tell it again") == newer


def test_a_question_is_left_to_the_model_in_the_words_that_it_learned():
    known = {
        "where was Mara?": "where is Mara?",
        "What did Mara have?": "What does Mara have?",
        "what's the color of the key": "what is the color of the key",
        "Tell it in one sentence": "How does it end, in one sentence?",
    }
    for typed, learned in known.items():
        assert answer(typed, "Tell me a story.", STORY) is None
        assert as_learned(from_question_word(typed)) == learned


def test_a_sum_is_sent_to_the_chapter_on_sums():
    for message in ("what is 12 + 7", "12*14=?", "five plus six", "whats the square root of 9"):
        assert answer(message) == ANSWERS["sum"] and "chapter 25" in ANSWERS["sum"]
    assert answer("1 2 3") == ANSWERS["greeting"]


def test_whether_the_chat_is_right_gets_a_true_answer_with_the_judge_and_a_chapter():
    for message in ("did you make that up?", "are all your stories true?", "do you lie?"):
        assert answer(message, "Tell me a story.", STORY) == ANSWERS["honesty"]
    assert "judge" in ANSWERS["honesty"] and "chapter 0" in ANSWERS["honesty"].lower()


def test_a_question_about_what_is_not_in_the_story_is_not_left_to_the_model():
    after = story_chat("Tell a story about nine buns.", STORY)
    assert program_says(after, "How many buns has Mara?") == f"The story has no buns. {contents_of(STORY)}"
    assert program_says(after, "who is otto?") == f"The story has no Otto. {contents_of(STORY)}"
    assert program_says(after, "Who has the key?") == program_says(after, "tell it in one sentence") == ""
    assert program_says(after, "who has it") == f"At the end of the story, {PLACES}."
    assert program_says(after, "why?") == NO_REASONS
    before = story_chat()
    assert program_says(before, "Who has the key?") == program_says(before, "why?") == NO_STORY
    assert program_says(before, f"{STORY} Who has the key?") == ""


@pytest.mark.parametrize(
    "order, note",
    [
        ("Tell a story about nine buns.", "You ordered nine buns; the story has none."),
        ("a story about mara and a blue kite", "You ordered a blue kite; the story has none."),
        ("a story about the goat Otto", "You ordered the goat Otto; that is not in the story."),
        ("one story about the fox Bram and the red key", ""),
        ("a story about a red apple", f"You ordered red apples; the story has none. In my stories, {APPLES}"),
        ("a story about foxes, a key and geese", "You ordered a goose; that is not in the story."),
    ],
)
def test_what_was_ordered_and_is_not_in_the_story_is_said(order, note):
    assert note_on_absent(order, STORY) == note


def test_an_order_may_be_short_and_have_figures():
    for order in ("and another", "again please", "story"):
        assert kind_of(order) == "order" and ordered(order) == BARE_ORDER
    assert ordered("Tell a story about 9 buns.") == "Tell me a story about nine buns."


@pytest.mark.parametrize(
    "question", ["is that true?", "was there a mistake?", "Is it correct?", "what is wrong with it?"]
)
def test_whether_the_story_is_true_is_answered_by_the_judge(question):
    false = f'{STORY} "Where is the key?" asked Bram. It was at the pond.'
    finds = "The judge, a program that follows the story, finds"
    nothing = f"It is made up, word by word. {finds} nothing false in it."
    assert (
        answer(question, "Tell me a story.", STORY)
        == f"It is made up, word by word. {finds} nothing false in it."
    )
    assert "It was at the pond." in answer(question, "Tell me a story.", false)
    asked = ("Tell me a story.", STORY, "Who has the key?", "Bram has the key.")
    assert answer("is that story true?", *asked) == nothing
    assert answer(question) == NO_STORY
    after = ("Tell me a story.", STORY, "Who has the key?")
    assert answer(question, *after, "Mara has the key.") == f"{finds} this true: “Mara has the key.”"
    assert "“Mara has the key.”" in answer(question, *after, "Bram has the key.")


def test_an_answer_is_worded_anew_the_second_time():
    for first in (UNCLEAR, ANSWERS["greeting"], ANSWERS["capability"]):
        assert reworded(first, ["All right."]) == first
        second = reworded(first, ["All right.", first])
        assert second != first and reworded(first, [first, second]) != second
    assert reworded(NO_STORY, []) == NO_STORY and EXAMPLE not in reworded(NO_STORY, [NO_STORY])
    assert type(reworded(Styled(STORY), [])) is Styled  # else a terminal would not show its colors


def test_what_was_ordered_and_left_out_is_not_in_the_story(monkeypatch):
    monkeypatch.setattr(StoryChat, "continued", lambda self, *given, **options: STORY)
    chat = story_chat()
    assert "".join(chat.stream("a story about a dragon")) == STORY
    assert "".join(chat.stream("what is the dragon called?")).startswith("The story has no dragon.")


def test_courtesies_and_doubts_beside_one_question_do_not_count():
    alone = read_message("I do not believe that. Is that true?", spelled)
    assert alone.question.text == "Is that true?" and len(alone.parts) == 1
    both = "who has the key? where is Mara?"
    two = read_message(both, spelled)
    assert two.question.text == both and len(two.parts) == 2


def test_a_stopped_answer_leaves_what_was_said_and_dropped(monkeypatch):
    chat = story_chat("Tell me a story.", STORY)
    before = chat.messages

    def stopped(self, *given):
        self.messages = []
        self.dropped = 1
        raise KeyboardInterrupt

    monkeypatch.setattr(StoryChat, "make_room", stopped)
    with pytest.raises(KeyboardInterrupt):
        list(chat.stream("Who has the key?"))
    assert (chat.messages, chat.dropped) == (before, 0)


def test_she_is_whom_the_last_question_named_or_the_first():
    after = story_chat("Tell me a story.", STORY)
    assert after.with_person("did she give him a key") == "did Mara give him a key"
    assert after.with_person("does he like the fox") == "does he like the fox"
    assert after.with_same_people("with the same people") == "with the baker Mara and the fox Bram"
    two = story_chat("Tell me a story.", STORY.replace("fox Bram", "fox Tilda"))
    assert two.with_person("did she take her key") == "did Mara take Mara's key"
    assert two.with_person("who gave her the key") == "who gave Mara the key"
    assert two.with_person("what did the other guy do") == "what did Tilda do"
    two.messages += talk("who has the key", "Tilda has it.")
    assert two.with_person("where is she") == "where is Tilda"


def test_a_denial_is_no_question():
    for denial in ("the answer is not right", "that is not correct", "that is all right"):
        assert without_lead(denial) == denial


def test_of_several_stories_the_one_with_all_people_is_told(monkeypatch):
    drawn = iter([STORY.replace("Bram", "Finn"), STORY, "never drawn"])
    monkeypatch.setattr(StoryChat, "continued", lambda self, *given, **options: next(drawn))
    assert "".join(story_chat().stream("a story about Mara and Bram")) == STORY
    assert next(drawn) == "never drawn"


def test_where_the_stories_lack_what_was_ordered_the_next_one_begins_with_it(monkeypatch):
    monkeypatch.setattr(
        StoryChat, "continued", lambda self, begun, *given, **options: f"{begun} {LAST}" if begun else STORY
    )
    chat = story_chat()
    story = "".join(chat.stream("a story about Tom and five plums"))
    assert "Tom" in story and "with five plums." in story
    assert chat.note == BEGUN
    monkeypatch.setattr(StoryChat, "continued", lambda self, *given, **options: STORY)
    story = "".join(chat.stream("a story about Tom and five plums"))
    assert chat.note == "You ordered Tom and five plums; that is not in the story."


def test_a_beginning_has_all_that_was_ordered_and_is_the_villages():
    for subjects in ("plums", "Mara, Tom and a red key", "a dog, a cat and a goat at the mill"):
        begun = beginning_with(ordered_phrases(subjects), Random(1))
        assert absent_from(begun, subjects) == []
        assert {verdict.kind for verdict in story_verdicts(begun)} == {"ok"}


def test_a_false_story_is_drawn_again(monkeypatch):
    false = f'{STORY} "Where is the key?" asked Bram. It was at the pond.'
    drawn = iter([false, STORY])
    monkeypatch.setattr(StoryChat, "continued", lambda self, *given, **options: next(drawn))
    assert "".join(story_chat().stream("a story about Mara")) == STORY


@pytest.mark.parametrize(
    "message, kind",
    [
        ("Translate this letter into French.", "joke"),
        ("are you a neural network that runs in the cloud", "inside"),
        ("could the next one be in verse", "longer"),
        ("do you think a real baker would fly a kite?", "person"),
        ("sorry, i am new to all of this", "newcomer"),
        ("wer ist Mara", "language"),
        ("honestly a mid chatbot you dumb machine", "insult"),
        ("who is the president of Peru?", "decline"),
    ],
)
def test_what_no_list_and_no_model_answers_gets_the_answer_of_its_kind(message, kind):
    chat = story_chat("Tell me a story.", STORY)
    found = COURSE.find(message)
    assert (found.answer if found else "".join(chat.stream(message))) == ANSWERS[kind]


def test_typing_errors_in_frequent_words_are_mended():
    mended = "tell me a story about baker Mara and two kites"
    assert normalized_order("tel me a stroy abuot Mara adn 2 kites") == mended
    assert normalized_order("the goat Mara") == "the goat Mara"
    assert COURSE.find("k whatever bye").answer == ANSWERS["goodbye"]
    assert ordered("a story about my dog Tim, who died") == "Tell me a story about a dog."


def let_the_model_say(answer, monkeypatch):
    """Let each answer of a model be this."""

    def stream(self, text, *given, **options):
        self.messages = [*self.messages, *talk(text, answer)]
        yield answer

    monkeypatch.setattr(Chat, "stream", stream)
    monkeypatch.setattr(StoryChat, "make_room", lambda *given: None)


def test_where_the_model_declines_a_program_reads_the_story_that_the_message_tells(monkeypatch):
    let_the_model_say("Nobody said.", monkeypatch)
    chat = story_chat()
    assert "".join(chat.stream(f"{STORY} Who has the key?")).startswith("At the end of the story, the baker")
    assert len(chat.stories()) == 1


def test_of_a_false_answer_the_story_is_said_first(monkeypatch):
    let_the_model_say("Bram has the key.", monkeypatch)
    chat = story_chat("Tell me a story.", STORY)
    said = "".join(chat.stream("Who has the key?"))
    assert said.startswith("At the end of the story: “Mara has the key.” (The model said “Bram has the key.”")
    assert chat.replies == (Reply(said, "model"),)


@pytest.mark.parametrize(
    "question", ["is the moon made of cheese?", "when was Napoleon born", "who won the war"]
)
@pytest.mark.parametrize("contents", [(), ("Tell me a story.", STORY)], ids=["before a story", "after one"])
def test_a_question_about_the_world_is_declined_after_a_story_as_before_one(question, contents):
    assert answer(question, *contents) == DECLINE
