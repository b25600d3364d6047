"""Fit the classifiers of the chat to the files of messages and listed questions, and write them.

    python -m companion.serve.fit_classifiers

takes about four minutes. It must run after each change of messages.csv, faq.csv, questions.csv or
wordings.csv.
"""

import torch
from torch.nn import functional as F

from companion.serve import kinds
from companion.serve.classifier import SHARPNESS, SIZE, Classifier, features, plain
from companion.serve.course_lists import FAQ, LISTED, NOT_LISTED, QUESTIONS, in_words, read_questions
from companion.serve.village_words import content_words

N_STEPS = 60
LEARNING_RATE = 0.05
WEIGHT_DECAY = 3e-5
POWER_OF_KINDS = 0.7
"""The power for the kinds of messages, of which questions about the course have by far the most."""
KEPT = 0.05
"""The share of the weights that stay: the largest. The others hardly change an answer."""


def as_matrix(messages: list[str]) -> torch.Tensor:
    """Messages -> their features, (messages, SIZE), sparse."""
    rows = [dict(sorted(features(message).items())) for message in messages]
    starts = torch.tensor([0, *map(len, rows)]).cumsum(0)
    places = torch.tensor([place for row in rows for place in row])
    values = torch.tensor([value for row in rows for value in row.values()])
    return torch.sparse_csr_tensor(starts, places, values, (len(rows), SIZE), check_invariants=True)


def fit(rows: list[tuple[str, str]], power: float = 0.5) -> Classifier:
    """Messages with their labels -> a classifier, by the descent of the cross-entropy with weight decay.

    Args:
        rows: (message, label) pairs.
        power: A message counts the less, the more there are with its label: n ** -power. So rare labels are
            learned, too.
    """
    labels = sorted({label for _, label in rows})
    x = as_matrix([message for message, _ in rows])
    y = torch.tensor([labels.index(label) for _, label in rows])
    counts = y.bincount()[y].float()  # how many messages have the label of each
    balance = counts**-power / (counts**-power).mean()
    weights = torch.zeros(SIZE, len(labels), requires_grad=True)
    optimizer = torch.optim.Adam([weights], lr=LEARNING_RATE)
    for _ in range(N_STEPS):
        losses = F.cross_entropy(SHARPNESS * (x @ weights), y, reduction="none")
        loss = (balance * losses).mean() + WEIGHT_DECAY * weights.square().sum()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    found = weights.detach()
    n_kept = int(KEPT * found.numel())
    smallest = found.abs().flatten().kthvalue(found.numel() - n_kept).values
    scale = float(found.abs().max()) / 127
    stored = torch.where(found.abs() > smallest, found / scale, 0.0).round().to(torch.int8)
    return Classifier(labels, stored.numpy(), scale)


def stub(wording: str) -> str:
    """A wording without the words that say nothing of what it is about, as a search has it."""
    return " ".join(word for word in plain(wording).split() if content_words(word)) or wording


def listed_rows() -> list[tuple[str, str]]:
    """The wordings of the listed questions with the first of each, and the messages of other kinds."""
    rows = []
    for question in [*read_questions(FAQ), *read_questions(QUESTIONS)]:
        wordings = [*question.wordings, *question.more]
        wordings += [stub(wording) for wording in question.wordings]
        rows += [(in_words(wording.lower()), question.question) for wording in wordings]
    others = [message for message, kind in kinds.read_messages() if kind not in kinds.OF_COURSE]
    return rows + [(in_words(message.lower()), NOT_LISTED) for message in others]


if __name__ == "__main__":
    fit(kinds.read_messages(), POWER_OF_KINDS).save(kinds.WEIGHTS)
    fit(listed_rows()).save(LISTED)
