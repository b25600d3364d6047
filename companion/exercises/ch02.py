"""The checks of chapter 2, Datasets."""

import math
import random

import torch

from companion.exercises.normalize import as_list, to_tensor
from companion.exercises.notation import Chapter, Problem
from companion.tokenization import END_OF_TEXT

chapter = Chapter()


def named(found, names, wanted):
    """Return the parts of an answer by name, and the types of its tensors.

    Arrays and nested lists count as tensors. The types of bool tensors are not compared.
    """
    parts = as_list(found)
    if parts is None or len(parts) != len(names):
        raise Problem(wanted)
    table = dict(zip(names, parts, strict=True))
    for name, part in list(table.items()):
        tensor = to_tensor(part)
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
    "2.1 How often is a token a target? ★",
    inputs="""
        8, 3, 3 || 8, 3, 1 || 7, 3, 3 || 4, 3, 2 || 12, 2, 5 || 9, 4, 3 || 2, 1, 1 || 4, 3, 9
        # many windows; more than 255 of them over one token
        90, 2, 2 || 611, 300, 1
    """,
    cases=windows,
    mistakes="""
        = it[1:] + [0]
            You counted how often a token is an input, in `x`. Count how often it is a target, in `y`.
        range(start + 1, => range(start,
            You counted all tokens of a window as targets. The first token of a window has nothing before it
            in the window, so it is not a target.
        n_tokens - context_length => n_tokens - context_length - 1
            The last window is missing. A window that ends with the very last token of the text is complete.
        n_tokens - context_length => n_tokens ; start + context_length + 1 => min(start + context_length + 1, n_tokens)
            You also counted incomplete windows at the end. Tokens that do not fill a window are left out.
        = times_asked(n_tokens, context_length, context_length)
            Each of your windows begins where the window before it ended. Use the stride instead.
        = times_asked(n_tokens, context_length, 1)
            Your windows begin at every token. The stride says how far apart they begin.
    """,
    right="With a stride below the context length, most tokens are targets several times, those near the ends less often.",
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
        / n_bytes => / len(every)
            You divided by the number of tokens. Another tokenizer would split the same text into a different
            number of tokens. Only the number of bytes is the same for all tokenizers.
        = sum(text_bits([d], [ps]) for d, ps in zip(documents, probabilities)) / len(documents)
            You averaged the results of the documents, so a short document counts as much as a long one. Add
            up all bits and all bytes first, and divide once.
        len(document.encode()) => len(document)
            You counted characters. One such as é takes two bytes in UTF-8; what does `.encode()` give?
        len(document.encode()) + 1 => len(document.encode())
            The closing `<|endoftext|>` of each document was predicted, too. Count it as one byte.
        + 1 for document in documents) => for document in documents) + 1
            You counted one closing `<|endoftext|>` for all documents. Every document has its own.
        for p in of_document => for p in of_document[:-1]
            You left out the last probability of each document. It belongs to the closing `<|endoftext|>`,
            which is a prediction like all the others.
        math.log2(p) => math.log(p)
            Your result is in nats. Divide a natural logarithm by ln 2 to get bits.
        sum(math.log2(p) for p in every) => len(every) * math.log2(sum(every) / len(every))
            You took the surprise of the mean probability. Surprises add up, probabilities do not. Take the
            logarithm of each probability, and add the logarithms.
        sum(math.log2(p) for p in every) => math.log2(math.prod(every))
            The product of hundreds of probabilities is too small for a floating-point number and becomes 0.
            Take the logarithm of each probability first. The sum of the logarithms has a reasonable size.
    """,
    right="Per token, the model that has the whole word looks worse. Per byte of the same text it is better.",
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
            Your padding is on the right, so a new token would come after the padding.
        prompt[-length:] => prompt[:length]
            You kept the beginning of a prompt that is too long. A continuation needs its end most.
        return tokens, mask => return tokens, tokens != pad_id
            Your mask hides a real token that happens to equal `pad_id`. Whether a place is padding depends on
            the length of the prompt, not on the token there. Our padding is `<|endoftext|>`, and every story
            begins with it.
        = pad_left(prompts, pad_id, min(length, max(map(len, prompts))))
            Your rows are as long as the longest prompt. They should have the given `length`, even if all
            prompts are shorter.
        mask[row, places] => mask[row, -len(prompt):]
            For an empty prompt, `[-0:]` is `[0:]`, which is the whole row. Count from the left: where do the
            real tokens begin?
    """,
    right="All rows end with a real token, so one step can append a token to each of them.",
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
            A quarter of a window overlaps with the window before it. What about the window after it?
        0.5
            Half of the targets of a window are also in a neighbor. But is every neighbor a training window?
        0.225
            You counted one neighbor. A window overlaps with the window before it and with the window after it.
        0.9
            That is how often a neighbor is a training window. But only some targets of a window are also in a
            neighbor. Draw three windows below each other.
        45
            Give the share as a number between 0 and 1.
    """,
    right=(
        "Nearly half of the held-out targets are also training targets, though neighboring windows overlap "
        "only by a quarter."
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
    "2.5 Absolute discounting ★★",
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
            Your shorter context drops the newest token. Drop the oldest, which says least about what comes next.
        n = len(followers) => n = len(followers) + (context != [] and tokens[-k:] == context)
            You counted the context also at the end of the text, where nothing follows it. Divide by the
            number of followers. Otherwise the probabilities sum to less than 1.
        (kept + freed * shorter) / n => (count + d * shorter) / (n + d)
            That is equation (2), which adds `d` imagined followers. Here each different follower gives up
            3/4 of a count, and you divide by the number of followers.
        0.75 * d => 0.75 * n
            You gave the shorter context 3/4 for every follower. Only each different follower gives up 3/4,
            so the shorter context gets `d` times 3/4.
        max(count - 0.75, 0) => count
            Your followers kept their full counts. Take 3/4 from each different follower. Otherwise the
            probabilities sum to more than 1.
        max(count - 0.75, 0) => count - 0.75
            A token that never followed has nothing to give up. Its count must not fall below 0.
        kept + freed * shorter => kept if count else freed * shorter
            You use the shorter context only for tokens that never followed. Use it for all tokens. Otherwise
            the probabilities sum to less than 1.
        return (kept + freed * shorter) / n => return count / n if count else shorter
            You use the shorter context only for tokens that never followed, and the others keep their full
            counts. Use it for all tokens. Otherwise the probabilities sum to more than 1.
        1 / vocab_size => 0.0
            A token that never occurred gets the probability 0, and its surprise is infinite. Below the empty
            context, every token has the probability 1/V.
        return shorter => return 1 / vocab_size
            After a context that never occurred, you use 1/V. Use the shorter context, which may have occurred.
        probability(tokens, context[1:], token, vocab_size) if context else =>
            You distribute the freed counts equally. Distribute them as the context without its oldest token
            predicts, and let that context use a shorter one in the same way.
        = probability(tokens, context, token, len(set(tokens)))
            The vocabulary has `vocab_size` tokens. Some of them may never occur in the text.
    """,
    right="Taking from the counts makes room just as adding to them does, and the probabilities still sum to 1.",
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
    """How many places the stories of a row take."""
    return sum(len(story) + 1 for story in row)


def first_fit(stories, context_length):
    """Put the stories into rows: the longest first, each into the first row that has room for it."""
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
    "2.6 Packing documents into rows ★★★",
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
            You put one story into each row, as the chapter does. Before you begin a new row, check whether an
            earlier row has room.
        sorted(stories, key=len, reverse=True) => stories
            You took the stories in the given order. Take the longest first, so that the short ones can fill
            the gaps that are left.
        for row in rows: => for row in rows[-1:]:
            You looked only at the last row. An earlier row may still have room for a short story.
        for row in rows: => for row in sorted(rows, key=used, reverse=True):
            You took the row with the least room that is enough. That wastes about as little, but the rule of
            this exercise is the first row with room.
        in first_fit(stories, context_length) => in first_fit(stories, context_length - 1)
            You began a new row although the story would have fitted exactly. A story of `n` tokens takes
            `n + 1` places, not `n + 2`: `x` holds the `end` before the story, and `y` the `end` after it.
        [-100] * padding => [end] * padding
            You padded `y` with `end`, so the padding would count in the loss. Pad `y` with −100.
        targets + [-100] * padding => targets[:-1] + [-100] * (padding + 1)
            The last story of a row has no closing `end` in your `y`. If you shift the whole row by one token,
            no token is left for that place. Build `y` story by story.
        [*story, end] => [*story, -100]
            With your `y`, the model never has to predict the end of a story, so it would never learn to stop.
            The last target of each story is `end`.
        = pack([story[: context_length - 1] for story in stories], context_length, end)
            You cut or left out a story that is too long for a row. Raise a ValueError, so that the caller knows.
    """,
    right="Every story is complete, all batches have the same shape, and hardly any place is wasted.",
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


# -- 2.7 ------------------------------------------------------------------
RED = "Mara found a red key."
BRAM = "Mara met Bram."


def small_worlds(seed):
    rng = random.Random(seed)
    for n_sentences, length in [(4, 2), (9, 3), (16, 4)]:
        words = ["the", "fox", "fo", "sat", "ran", "down"][: length + 2]
        sentences = [" ".join(rng.choices(words, k=rng.randint(1, length))) for _ in range(n_sentences)]
        world = [(sentence, rng.randint(1, 9)) for sentence in sentences]
        for n in range(length):
            yield world, " ".join(rng.choice(sentences).split()[:n])


def try_next_word(answer, sentences, beginning):
    parts = as_list(answer(sentences, beginning))
    if parts is None or len(parts) != 2:
        raise Problem("Return two: the distribution, a dict from words to probabilities, and its entropy.")
    return {"distribution": parts[0], "entropy": parts[1]}


@chapter.function(
    "2.7 A village of two sentences ★",
    inputs="""
        [(RED, 1)], "" || [(RED, 1)], "Mara found" || [(BRAM, 5)], "Mara met Bram."
        [(RED, 3), (BRAM, 1)], "" || [(RED, 3), (BRAM, 1)], "Mara" || [(RED, 3), (BRAM, 1)], "Mara found"
        [("the fox sat", 1), ("the foxes ran", 1)], "the fox"
        [("the fox sat", 1), ("the fox sat down", 3)], "the fox sat"
        [("the fox sat", 1), ("a fox ran", 1)], "the fox"
        [("sat", 1), ("ran", 1), ("lay", 2)], ""
        [("a red key", 1), ("a red hat", 2), ("a blue key", 5)], "a"
        [("the red key", 1), ("a red hat", 2), ("a red key", 5)], "a red"
    """,
    cases=small_worlds,
    call=try_next_word,
    mistakes="""
        words[: len(begun)] == begun => sentence.startswith(beginning)
            You compared letters: "the foxes" begins with the letters of "the fox". Split both texts into
            words, and compare whole words.
        words[: len(begun)] == begun => sentence.startswith(beginning) ; words[len(begun)] => [*sentence[len(beginning):].split(), END_OF_TEXT][0]
            You compared letters: "the foxes" begins with the letters of "the fox". Split both texts into
            words, and compare whole words.
        words[: len(begun)] == begun => words[: len(begun)][-1:] == begun[-1:]
            You compared only the last word of the beginning, as a bigram model does. The perfect reader
            forgets nothing: all words of the beginning must be equal.
        words[: len(begun)] == begun => True ; words[len(begun)] => [*words, *([END_OF_TEXT] * 9)][len(begun)]
            You kept all sentences. A sentence that does not begin like this is ruled out.
        + weight => + 1
            You counted sentences. A sentence with the weight 3 is told three times as often as one with the
            weight 1, so add up the weights.
        weights.get(word, 0) + weight => weight
            Two of the sentences go on with the same word. Your dict keeps only one of them. Add up their
            weights.
        total = sum(weights.values()) => total = sum(weight for _, weight in sentences)
            Your probabilities sum to less than 1, because you divided by the weights of all sentences. Divide
            by the weights of those that are left.
        weight / total for => weight for ; p * math.log2(1 / p) => p / total * math.log2(total / p)
            Your dict holds weights. Divide them by their sum to get probabilities.
        words[: len(begun)] == begun: => words[: len(begun)] == begun and words[len(begun)] != END_OF_TEXT:
            A sentence that is told whole can still be meant. The next word is then `END_OF_TEXT`.
        math.log2(1 / p) => math.log2(p)
            Your entropy is negative. A surprise is the logarithm of 1 / p, or minus the logarithm of p.
        math.log2(1 / p) => math.log(1 / p)
            Your entropy is in nats. Use `math.log2` to get bits.
        p * math.log2(1 / p) => math.log2(1 / p)
            You added up the surprises. Entropy is their mean: each counts by its probability.
        p * math.log2(1 / p) => math.log2(1 / p) / len(distribution)
            In your mean, each word counts alike. A word that comes in three of four cases must count three
            times as much as one that comes in one of four.
    """,
    right="You have built a perfect reader. All that the village adds is a rule that lists its sentences.",
)
def next_word(sentences, beginning):
    begun = beginning.split()
    weights = {}
    for sentence, weight in sentences:
        words = [*sentence.split(), END_OF_TEXT]
        if words[: len(begun)] == begun:
            word = words[len(begun)]
            weights[word] = weights.get(word, 0) + weight
    total = sum(weights.values())
    distribution = {word: weight / total for word, weight in weights.items()}
    entropy = sum(p * math.log2(1 / p) for p in distribution.values())
    return distribution, entropy
