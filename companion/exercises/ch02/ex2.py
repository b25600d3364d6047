"""The check of exercise 2.2: Two tokenizers, one text."""

import math
import random

from companion.exercises.exercise import Function


def text_bits(documents, probabilities):
    bits = -sum(math.log2(p) for of_document in probabilities for p in of_document)
    return bits / sum(len(document.encode()) + 1 for document in documents)


def text_bits_cases(seed):
    rng = random.Random(seed)
    cases = [
        (["no"], [[0.5, 0.25, 0.125]]),
        (["lantern"], [[1 / 32, 1 / 2]]),
        (["lantern"], [[1 / 2] * 8]),
        (["é"], [[0.25, 0.5]]),
        ([""], [[0.5]]),
        (["", "no"], [[0.25], [0.5, 1.0]]),
        (["no", "no"], [[0.5, 0.25], [0.125, 0.5]]),
        (["e\u0301 "], [[0.25, 0.5]]),
        (["a\r\n b"], [[0.25, 0.5]]),
        (["key"], [[1e-9, 0.5]]),
        (["lantern"], [[1e-15, 0.5]]),
        (["lanterns"], [[1e-60, 0.5]]),
        (["key " * 400, "é" * 400], [[0.25, 0.5], [0.125, 0.5]]),
        (["a", "a red hat"], [[0.5, 0.5], [0.125, 0.25, 0.125, 0.5]]),
    ]
    words = ["key", "naïve", "hat", "Łódź", "pan", "lantern", "…"]
    for n_documents in (2, 3, 5):
        documents = [" ".join(rng.choices(words, k=rng.randint(1, 6))) for _ in range(n_documents)]
        cases.append(
            (documents, [[rng.uniform(0.01, 1) for _ in range(rng.randint(2, 9))] for _ in documents])
        )
    return cases + [(["key " * 150, "hat"], [[rng.uniform(0.001, 0.1) for _ in range(301)], [0.5, 0.25]])]


def bits_per_token(documents, probabilities):
    return -sum(math.log2(p) for ps in probabilities for p in ps) / sum(map(len, probabilities))


def mean_over_documents(documents, probabilities):
    found = [text_bits([d], [ps]) for d, ps in zip(documents, probabilities, strict=True)]
    return sum(found) / len(found)


def per_character(documents, probabilities):
    bits = -sum(math.log2(p) for ps in probabilities for p in ps)
    return bits / sum(len(document) + 1 for document in documents)


def ends_not_counted(documents, probabilities):
    bits = -sum(math.log2(p) for ps in probabilities for p in ps)
    return bits / sum(len(document.encode()) for document in documents)


def one_end_for_all(documents, probabilities):
    bits = -sum(math.log2(p) for ps in probabilities for p in ps)
    return bits / (sum(len(document.encode()) for document in documents) + 1)


def ends_not_asked(documents, probabilities):
    return text_bits(documents, [ps[:-1] for ps in probabilities])


def surprise_of_the_mean(documents, probabilities):
    every = [p for ps in probabilities for p in ps]
    return -math.log2(sum(every) / len(every)) * len(every) / sum(len(d.encode()) + 1 for d in documents)


def logarithm_of_the_product(documents, probabilities):
    product = math.prod(math.prod(ps) for ps in probabilities)
    return -math.log2(product) / sum(len(document.encode()) + 1 for document in documents)


def in_float32(documents, probabilities):
    bits = -sum(math.log2(p) if p > 1e-45 else -math.inf for ps in probabilities for p in ps)
    return bits / sum(len(document.encode()) + 1 for document in documents)


def without_empty_ones(documents, probabilities):
    kept = [(d, ps) for d, ps in zip(documents, probabilities, strict=True) if d]
    return text_bits([d for d, _ in kept], [ps for _, ps in kept]) if kept else 0.0


def different_ones(documents, probabilities):
    kept = dict(zip(documents, probabilities, strict=True))
    return text_bits(list(kept), kept.values())


def never_below_a_millionth(documents, probabilities):
    return text_bits(documents, [[max(p, 1e-6) for p in ps] for ps in probabilities])


EXERCISE = Function(
    number="2.2",
    title="Two tokenizers, one text",
    stars=1,
    wants="text_bits(documents, probabilities)",
    cases=text_bits_cases,
    oracle=text_bits,
    mistakes=[
        (
            in_float32,
            "A probability of 1e-60 is 0 to float32, and its surprise infinite. Python's own numbers, and "
            "`torch.float64`, hold it.",
        ),
        (
            without_empty_ones,
            "An empty document is left out. It, too, has a closing `<|endoftext|>`, which was asked for.",
        ),
        (
            different_ones,
            "A document that comes twice counts once. Both were read, and both were asked.",
        ),
        (
            never_below_a_millionth,
            "A tiny probability was replaced by a larger one. To be sure and wrong is expensive: let it pay.",
        ),
        (
            bits_per_token,
            "You divided by the number of tokens. Another tokenizer would have cut the same text into "
            "another number of them; what all tokenizers share are its bytes.",
        ),
        (
            mean_over_documents,
            "A mean of the documents' own figures lets a short document count as much as a long one. Add "
            "up all bits and all bytes first, and divide once.",
        ),
        (
            per_character,
            "You counted characters. One such as é takes two bytes in UTF-8; what does `.encode()` give?",
        ),
        (
            ends_not_counted,
            "Each document was also asked whether it is over, and its closing `<|endoftext|>` counts as "
            "one byte.",
        ),
        (
            one_end_for_all,
            "You counted one closing `<|endoftext|>` for all; every document has its own.",
        ),
        (
            ends_not_asked,
            "You left out each document's last probability. It is that of its closing `<|endoftext|>`, a "
            "question like all the others.",
        ),
        (
            lambda documents, probabilities: text_bits(documents, probabilities) * math.log(2),
            "These are nats. A logarithm to the base e has to be divided by ln 2 to give bits.",
        ),
        (
            surprise_of_the_mean,
            "You took the surprise of the mean probability. Surprises add up, probabilities do not: take the "
            "logarithm of each, and add these. It is what punishes a model that is sure and wrong.",
        ),
        (
            logarithm_of_the_product,
            "The product of hundreds of probabilities is too small for a floating point number and becomes"
            " 0. Take the logarithm of each first; their sum stays of a reasonable size.",
        ),
        (
            lambda documents, probabilities: -text_bits(documents, probabilities),
            "The sign: a probability below 1 has a negative logarithm, and a surprise is positive.",
        ),
    ],
    right=("Per token, the model that knows the word looks worse; per byte it wins, on the same text."),
)
