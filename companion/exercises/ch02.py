"""The checks of chapter 2, Datasets."""

import math
import random

import torch

from companion.exercises.exercise import Problem
from companion.exercises.notation import Chapter
from companion.exercises.settle import as_list, tensor_of

chapter = Chapter()


def named(found, names, wanted):
    """An answer's several tensors by name, each in whatever it is given, and their types.

    Arrays and nested lists count as tensors; those of bool have no type to tell, others must be int64.
    """
    parts = as_list(found)
    if parts is None or len(parts) != len(names):
        raise Problem(wanted)
    table = dict(zip(names, parts, strict=True))
    for name, part in list(table.items()):
        tensor = tensor_of(part)
        if tensor is not None:
            table[name] = tensor
            if tensor.dtype != torch.bool:
                table[f"type of {name}"] = str(tensor.dtype)
    return table


# -- 2.1 ------------------------------------------------------------------


def windows(seed):
    rng = random.Random(seed)
    for context_length, stride in [(5, 2), (4, 4), (3, 7), (6, 1)]:
        yield context_length + rng.randint(7, 15), context_length, stride


@chapter.function(
    "2.1 Asked how often? ★",
    inputs="""
        8, 3, 3 || 8, 3, 1 || 7, 3, 3 || 4, 3, 2 || 12, 2, 5 || 9, 4, 3 || 2, 1, 1 || 4, 3, 9
        # many windows; more than 255 of them over one token
        90, 2, 2 || 611, 300, 1
    """,
    cases=windows,
    mistakes="""
        = [n % 256 for n in it]
            It counts in one byte, which goes back to 0 after 255.
        = it[1:] + [0]
            You counted how often a token is looked at, in `x`. It is asked where it is a target, in `y`.
        range(start + 1, => range(start,
            You counted all of a window. It holds one token more than it asks for: its first one has nothing
            before it, so it is no target.
        range(0, n_tokens - context_length, stride) => range(0, n_tokens - context_length, stride)[:-1]
        n_tokens - context_length => n_tokens - context_length - 1
            The last window is missing. One that ends with the very last token of the text is a whole one.
        n_tokens - context_length => n_tokens ; start + context_length + 1 => min(start + context_length + 1, n_tokens)
            At the end you count windows that are not full. Tokens that fill no window are left out.
        = times_asked(n_tokens, context_length, context_length)
            Each window begins where the one before it ended, whatever the stride is.
        = times_asked(n_tokens, context_length, 1)
            Your windows begin at every token. The stride says how far apart they begin.
        = times_asked(n_tokens, context_length, stride + 1)
            Your windows begin one token too far apart. With stride 3 they begin at 0, 3, 6: the token that
            ends one window opens the next.
    """,
    right="A stride below the context asks most tokens several times, and both ends of the text less often.",
)
def times_asked(n_tokens, context_length, stride):
    asked = [0] * n_tokens
    for start in range(0, n_tokens - context_length, stride):
        for place in range(start + 1, start + context_length + 1):
            asked[place] += 1
    return asked


# -- 2.2 ------------------------------------------------------------------


def documents_of_words(seed):
    rng = random.Random(seed)
    words = ["key", "naïve", "hat", "Łódź", "pan", "lantern", "…"]
    for n_documents in (2, 3, 5):
        documents = [" ".join(rng.choices(words, k=rng.randint(1, 6))) for _ in range(n_documents)]
        yield documents, [[rng.uniform(0.01, 1) for _ in range(rng.randint(2, 9))] for _ in documents]
    yield ["key " * 150, "hat"], [[rng.uniform(0.001, 0.1) for _ in range(301)], [0.5, 0.25]]


@chapter.function(
    "2.2 Two tokenizers, one text ★",
    inputs=r"""
        ["no"], [[0.5, 0.25, 0.125]] || ["lantern"], [[1 / 32, 1 / 2]] || ["lantern"], [[1 / 2] * 8]
        ["é"], [[0.25, 0.5]] || [""], [[0.5]]
        ["", "no"], [[0.25], [0.5, 1.0]]
        ["no", "no"], [[0.5, 0.25], [0.125, 0.5]]
        ["e\u0301 "], [[0.25, 0.5]] || ["a\r\n b"], [[0.25, 0.5]] || ["key"], [[1e-9, 0.5]]
        ["lantern"], [[1e-15, 0.5]] || ["lanterns"], [[1e-60, 0.5]]
        ["key " * 400, "é" * 400], [[0.25, 0.5], [0.125, 0.5]]
        ["a", "a red hat"], [[0.5, 0.5], [0.125, 0.25, 0.125, 0.5]]
    """,
    cases=documents_of_words,
    mistakes="""
        math.log2(p) => (math.log2(p) if p > 1e-45 else -math.inf)
            A probability of 1e-60 is 0 to float32, and its surprise infinite. Python's own numbers, and
            `torch.float64`, hold it.
        = text_bits([d for d in documents if d], [ps for d, ps in zip(documents, probabilities) if d]) if any(documents) else 0.0
            An empty document is left out. It, too, has a closing `<|endoftext|>`, which was asked for.
        = text_bits(set(documents), dict(zip(documents, probabilities)).values())
            A document that comes twice counts once. Both were read, and both were asked.
        math.log2(p) => math.log2(max(p, 1e-6))
            A tiny probability was replaced by a larger one. To be sure and wrong is expensive: let it pay.
        / n_bytes => / len(every)
            You divided by the number of tokens. Another tokenizer would have cut the same text into another
            number of them; what all tokenizers share are its bytes.
        = sum(text_bits([d], [ps]) for d, ps in zip(documents, probabilities)) / len(documents)
            A mean of the documents' own figures lets a short document count as much as a long one. Add up
            all bits and all bytes first, and divide once.
        len(document.encode()) => len(document)
            You counted characters. One such as é takes two bytes in UTF-8; what does `.encode()` give?
        len(document.encode()) + 1 => len(document.encode())
            Each document was also asked whether it is over, and its closing `<|endoftext|>` counts as one
            byte.
        + 1 for document in documents) => for document in documents) + 1
            You counted one closing `<|endoftext|>` for all; every document has its own.
        for p in of_document => for p in of_document[:-1]
            You left out each document's last probability. It is that of its closing `<|endoftext|>`, a
            question like all the others.
        math.log2(p) => math.log(p)
            These are nats. A logarithm to the base e has to be divided by ln 2 to give bits.
        sum(math.log2(p) for p in every) => len(every) * math.log2(sum(every) / len(every))
            You took the surprise of the mean probability. Surprises add up, probabilities do not: take the
            logarithm of each, and add these. It is what punishes a model that is sure and wrong.
        sum(math.log2(p) for p in every) => math.log2(math.prod(every))
            The product of hundreds of probabilities is too small for a floating point number and becomes 0.
            Take the logarithm of each first; their sum stays of a reasonable size.
        -sum => sum
            The sign: a probability below 1 has a negative logarithm, and a surprise is positive.
    """,
    right="Per token, the model that knows the word looks worse; per byte it wins, on the same text.",
)
def text_bits(documents, probabilities):
    every = [p for of_document in probabilities for p in of_document]
    bits = -sum(math.log2(p) for p in every)
    n_bytes = sum(len(document.encode()) + 1 for document in documents)
    return bits / n_bytes


# -- 2.3 ------------------------------------------------------------------


def prompts_to_pad(seed):
    rng = random.Random(seed)
    for n_prompts, length in [(3, 4), (4, 5), (5, 7)]:
        prompts = [[rng.randrange(50) for _ in range(rng.randint(1, 9))] for _ in range(n_prompts)]
        yield prompts, rng.choice(prompts[0]), length


def try_pad_left(answer, prompts, pad_id, length):
    return named(answer(prompts, pad_id, length), ("tokens", "mask"), "Return two: the tokens and the mask.")


@chapter.function(
    "2.3 Padding on the left ★★",
    inputs="""
        [[5]], 0, 2 || [[5, 6]], 0, 2 || [[5, 6, 7]], 0, 2 || [[9, 5]], 9, 3 || [[], [5]], 0, 2
        [[5, 6, 7], [8]], 0, 4
        [[9, 5, 6, 9, 7], [9, 8]], 9, 3
        [[9, 9, 5], [6]], 9, 5 || [[5, 6], [], [7]], 9, 1 || [[], [], []], 9, 3 || [[5], [6, 7]], -100, 2
        [[5, 6, 7], [8, 9, 4]], 0, 3
        [[70_000, 5], [16_777_217]], 50_256, 3
    """,
    cases=prompts_to_pad,
    call=try_pad_left,
    shown="{f}({0}, {1}, {2})",
    mistakes="""
        prompt[-length:] => prompt[:length] ; slice(length - len(kept), length) => slice(len(kept))
            The padding stands on the right, so a new token would come after it.
        prompt[-length:] => prompt[:length]
            Of a prompt that is too long you kept the beginning. What a continuation needs most is its end.
        return tokens, mask => return tokens, tokens != pad_id
            The mask hides a real token that happens to be `pad_id`. Whether a place is padding depends on
            how long the prompt is, not on what stands there; our padding is `<|endoftext|>`, which also
            begins every story.
        prompt[-length:] => prompt[::-1][:length]
            The tokens are in the reverse order. If you turned them round, turn them back.
        return tokens, mask => return tokens, mask.flip(1)
            The tokens are right, and the mask is that of padding on the right.
        return tokens, mask => return tokens, ~mask
            The mask is turned round: True stands for a real token.
        = pad_left(prompts, pad_id, min(length, max(map(len, prompts))))
            The rows are as long as the longest prompt; they should be `length` long, also where all are
            shorter.
        = pad_left(prompts, pad_id, max(length, *map(len, prompts)))
            A prompt longer than `length` is not cut.
        mask[row, places] => mask[row, -len(prompt):]
            For an empty prompt, `[-0:]` is `[0:]`, the whole row. Count from the left: where do real tokens
            begin?
        return tokens, mask => return tokens.float().long(), mask
            A large id has changed on the way: float32 holds whole numbers to 16,777,216 only. Tokens are
            int64 from the beginning.
        = pad_left([prompt for prompt in prompts if prompt], pad_id, length)
            An empty prompt has no row. It has one, all padding.
        return tokens, mask => return tokens, mask.long()
            The mask holds whole numbers. A mask is bool: True and False.
    """,
    right="All rows end with a real token, so one step can add a token to each of them.",
)
def pad_left(prompts, pad_id, length):
    tokens = torch.full((len(prompts), length), pad_id)
    mask = torch.zeros(len(prompts), length, dtype=torch.bool)
    for row, prompt in enumerate(prompts):
        kept = prompt[-length:]
        places = slice(length - len(kept), length)
        tokens[row, places] = torch.tensor(kept)
        mask[row, places] = True
    return tokens, mask


chapter.number(
    "2.4 Only a quarter overlaps ★★",
    wants="leaked_share()",
    answer=0.5 * 0.9,
    tolerance=0.022,
    mistakes="""
        0.25
            A quarter of a window lies in the window before it. And in the one after it?
        0.5
            Half of a window's questions stand in a neighbor, yes. But is every neighbor among the counted
            ones?
        0.225
            You counted one neighbor. A window overlaps with the one before it and with the one after it.
        0.9
            That is how often a neighbor is counted. But only some of a window's questions have one: draw
            three windows below each other.
        0.75
            Three quarters are the way from one window's start to the next. How much of a window is in no
            other?
        0.675
            Three quarters are the stride's share. What is shared with a neighbor is the rest.
        1 / 3
            Is it 16 of 48? 48 is the way to the next window. One asks 64 questions; it has two neighbors.
        0.55
            That is the share that did not leak.
        0.05
            That is how often a shared question's neighbor is held out as well, so that nothing leaks.
        0.1
            That is the share of windows held out. How many of their questions were also counted?
        45
            As a share, please: a number between 0 and 1.
    """,
    right=(
        "Nearly half of the held-out questions were counted, answers and all, though windows overlap by a "
        "quarter."
    ),
)

# -- 2.5 ------------------------------------------------------------------


def texts_and_contexts(seed):
    rng = random.Random(seed)
    for k in (4, 5, 9):  # contexts that the text holds twice, and followers that the shorter ones do not have
        context = [*"abcdefghi"[:k]]
        yield [*context, "x", *context[1:], "y", *context, "z"], context, "x", 9
    for length, k, words in [(17, 1, "abcd"), (23, 2, "abc"), (31, 3, "ab"), (150, 2, "abcde")]:
        text = rng.choices(words, k=length)
        yield text, rng.choices(words, k=k), rng.choice(words), len(words) + 2


@chapter.function(
    "2.5 Another way to make room ★★",
    inputs="""
        ["red"], [], "red", 4 || ["red"], [], "key", 4 || [], [], "key", 4 || [], ["red"], "key", 3
        ["red"], ["key", "red"], "key", 4
        [1, 12, 5, 11, 2, 6], [1, 12], 6, 20
        ["a", "and", "b", "and", "c"], ["b", "and"], "c", 7
        ["key", "red"], ["red"], "key", 3
        ["a", "a", "b", "a"], ["a"], "a", 3
        ["a", "a", "a"], ["a", "a"], "b", 3
        ["a", "b", "c"], ["a", "c"], "b", 5
        ["a", "b", "c"], ["c", "a"], "b", 5
        ["a", "b", "a", "c", "b", "c"], ["a", "b"], "c", 7
        "red key red hat red key red pan".split(), [], "key", 5
        "red key red hat red key red pan".split(), ["red"], "key", 5
        "red key red hat red key red pan".split(), ["red"], "pot", 5
        "red key red hat red key red pan".split(), ["key", "red"], "hat", 5
    """,
    cases=texts_and_contexts,
    mistakes="""
        context[1:] => context[:-1]
            The shorter context drops the newest token. The oldest tells least of what comes next: drop that.
        n = len(followers) => n = len(followers) + (context != [] and tokens[-k:] == context)
            You counted the context also where the text ends with it, and nothing follows. `n` counts what
            followed, so there it must not grow; else the probabilities sum to less than 1.
        n = len(followers) => n = len(followers) + (tokens[len(tokens) - k :] == context)
            You counted the context also where the text ends with it, and nothing follows; `[]` stands there,
            too. `n` counts what followed, so there it must not grow.
        (kept + freed * shorter) / n => (count + d * shorter) / (n + d)
            That is equation (2), which adds `d` imagined followers. Here each different follower gives up
            3/4 of a count, and `n` stays.
        0.75 * d => 0.75 * n
            The shorter context got 3/4 for everything that followed. Only each different token gives up 3/4:
            `d` times, not `n` times.
        0.75 * d => 0.75
            The shorter context got 3/4 in all. Each different token that followed gives up 3/4: `d` times.
        max(count - 0.75, 0) => count
            The followers kept their counts. What the shorter context shares out must be taken from them, 3/4
            from each; else the probabilities sum to more than 1.
        max(count - 0.75, 0) => count - 0.75
            A token that never followed has nothing to give up: its count must not fall below 0.
        kept + freed * shorter => kept if count else freed * shorter
            You ask the shorter context only where the longer has not seen the token. It shares out among all
            tokens, also those that followed; else the probabilities sum to less than 1.
        return (kept + freed * shorter) / n => return count / n if count else shorter
            You ask the shorter context only where the longer has not seen the token. It has its share
            always; else the probabilities sum to more than 1.
        1 / vocab_size => 0.0
            A token that was never seen gets 0, and would surprise infinitely. Below the counts without a
            context there is one more: it knows nothing, and gives every token the same.
        = probability(tokens, context[-2:], token, vocab_size)
            A context of more than two tokens counts as its last two. It may be of any length.
        = probability(tokens, context[-4:], token, vocab_size)
            A context of more than four tokens counts as its last four. It may be of any length.
        return shorter => return 1 / vocab_size
            After a context that was never seen, you guess blindly. A shorter one may have been seen: ask it.
        probability(tokens, context[1:], token, vocab_size) if context else =>
            What your context frees goes to a blind guess. It goes to the context without its oldest token,
            and what that one frees to a shorter one again.
        = probability(tokens, context, token, len(set(tokens)))
            The blind guess knows `vocab_size` tokens, also those that never came in the text.
    """,
    right="Taking from what was seen makes room as adding does; the probabilities still sum to 1.",
)
def probability(tokens, context, token, vocab_size):
    shorter = probability(tokens, context[1:], token, vocab_size) if context else 1 / vocab_size
    k = len(context)
    followers = [tokens[i + k] for i in range(len(tokens) - k) if tokens[i : i + k] == context]
    n = len(followers)
    if n == 0:
        return shorter
    d = len(set(followers))
    count = followers.count(token)
    kept = max(count - 0.75, 0)
    freed = 0.75 * d
    return (kept + freed * shorter) / n


# -- 2.6 ------------------------------------------------------------------


def stories_to_pack(seed):
    rng = random.Random(seed)
    for n_stories, context_length in [(6, 11), (9, 14), (15, 19)]:
        stories = [[rng.randrange(40) for _ in range(rng.randint(1, 10))] for _ in range(n_stories)]
        yield stories, context_length, 41


def try_pack(answer, stories, context_length, end):
    packed = answer(stories, context_length, end)
    return named(packed, ("x", "y", "story_number"), "Return three tensors: `x`, `y` and `story_number`.")


def used(row):
    """The places that the stories of a row take."""
    return sum(len(story) + 1 for story in row)


def first_fit(stories, context_length):
    """Rows of stories, the longest first, each in the first row that has room for it."""
    rows = []
    for story in sorted(stories, key=len, reverse=True):
        if used([story]) > context_length:
            raise ValueError(f"a story of {len(story)} tokens does not fit")
        for row in rows:
            if used([*row, story]) <= context_length:
                row.append(story)
                break
        else:
            rows.append([story])
    return rows


@chapter.function(
    "2.6 No room wasted ★★★",
    inputs="""
        [[5]], 2, 9 || [[5]], 4, 9 || [[5, 6, 7]], 3, 9 || [[5], [6]], 4, 9 || [[5], [6, 7]], 4, 9
        [[5], [6, 7]], 6, 9 || [[5, 6], [7], [8, 4, 3]], 7, 9
        [[5, 6], [7], [8, 4, 3], [2]], 6, 9
        [[1] * 5, [2] * 4, [3] * 3, [4] * 2], 9, 8
        [[1] * 6, [2] * 5, [3], [4] * 2], 9, 8
        [[1] * 6, [2] * 3, [3] * 3, [4]], 10, 8
        [[], [5]], 5, 9 || [[5], [], [6, 7], []], 5, 9 || [[]], 1, 9 || [[], []], 3, 9 || [[5], [6, 7]], 6, 0
        [[5], [6, 7, 8]], 3, 9 || [[5], [6, 7, 8, 4]], 3, 9
        [[3, 2], [2, 7], [2, 7], [1, 4]], 6, 9
        [[40_000, 16_777_217], [70_000]], 6, 50_256
        # more than 255 in a row
        [[5]] * 300, 600, 9 || [[5, 6]] * 40, 4, 9
    """,
    cases=stories_to_pack,
    call=try_pack,
    exact_dtype=True,  # ids are looked up in a table, and that takes integers only
    shown="{f}({0}, {1}, {2})",
    helpers=(used, first_fit),
    mistakes="""
        for row in rows: => for row in []:
            One story a row, as in the chapter. Before you open a new row, see whether an earlier one has
            room.
        sorted(stories, key=len, reverse=True) => stories
            You took the stories in the order in which they come. Take the longest first: the short ones then
            fill the gaps that are left.
        , reverse=True =>
            You took the shortest story first; take the longest first.
        for row in rows: => for row in rows[-1:]:
            You looked only at the row that was opened last. An earlier one may still have room for a short
            story.
        for row in rows: => for row in sorted(rows, key=used, reverse=True):
            You took the row with the least room that suffices. That wastes about as little; the rule asked
            for here is the first row with room.
        in first_fit(stories, context_length) => in first_fit(stories, context_length - 1)
            A row was not filled although the story would have fitted exactly. A story of `n` tokens takes
            `n + 1` places in `x`, not `n + 2`: the `end` before it is the one that opens it, and the one
            that closes it stands in `y`.
        <= context_length => < context_length
            A row was not filled although the story would have fitted exactly: room for it is room enough. Is
            your comparison `<` where it should be `<=`?
        [-100] * padding => [end] * padding
            In `y`, padding is a target that counts. It must be −100, so that losses leave it out.
        [end] * padding => [0] * padding
            The padding of `x` is 0, which is a real token's id. Pad `x` with `end`.
        targets + [-100] * padding => targets[:-1] + [-100] * (padding + 1)
            The last story of a row has no closing `end` in `y`: shifting the whole row by one has no token
            left for that place. Build `y` story by story.
        [*story, end] => [*story, -100]
            The model is never asked where a story ends, so it would never learn to stop: each story's last
            target is `end`.
        start=1 => start=0
            The stories of a row are numbered from 1, and padding is 0.
        start=1 => start=max(map(max, story_number), default=0) + 1
            The numbers of the stories go on from row to row. In each row they begin at 1 again.
        = [part.float().long() for part in it]
            A large id has changed on the way: float32 holds whole numbers to 16,777,216 only. Tokens are
            int64 from the beginning.
        = pack([story for story in stories if story], context_length, end)
            An empty story is left out. It takes one place: `end` in `x`, and `end` as its target.
        sorted(stories, key=len, reverse=True) => sorted(stories, key=len)[::-1]
            Of equally long stories the last came first. `sorted(…, reverse=True)` keeps the order given.
        = pack([story[: context_length - 1] for story in stories], context_length, end)
            A story that is too long for a row was cut. Here it should raise a ValueError that says so: the
            caller must know.
        = pack([story for story in stories if len(story) < context_length], context_length, end)
            A story that is too long for a row was left out without a word. Raise a ValueError: the caller
            must know.
    """,
    right="Whole stories, fixed shapes, and hardly a place wasted.",
)
def pack(stories, context_length, end):
    x, y, story_number = [], [], []
    for row in first_fit(stories, context_length):
        padding = context_length - used(row)
        inputs = [token for story in row for token in [end, *story]]
        targets = [token for story in row for token in [*story, end]]
        numbers = [i for i, story in enumerate(row, start=1) for _ in [end, *story]]
        x.append(inputs + [end] * padding)
        y.append(targets + [-100] * padding)
        story_number.append(numbers + [0] * padding)
    return torch.tensor(x), torch.tensor(y), torch.tensor(story_number)
