"""The check of exercise 21.4: Where training begins."""

import torch

from companion.exercises.exercise import Function


def logit_gradient(logits, targets):
    found = logits.softmax(dim=1)
    found[torch.arange(len(logits)), targets] -= 1
    return found / len(logits)


def logit_cases(seed):
    generator = torch.Generator().manual_seed(seed)
    cases = [
        (torch.tensor([[1.0, 3.0]]).log(), torch.tensor([1])),
        (torch.tensor([[0.0, 0.0], [0.0, 1.0]]), torch.tensor([0, 1])),
        (torch.tensor([[2.0, 0.0, 0.0]]), torch.tensor([2])),
        (torch.tensor([[1000.0, 999.0, 0.0]]), torch.tensor([1])),
        (torch.tensor([[-1000.0, 1000.0]]), torch.tensor([0])),
        (torch.tensor([[1000.0, 999.0], [1.0, 2.0]]), torch.tensor([0, 0])),
        (torch.tensor([[-1000.0, -1000.0]]), torch.tensor([1])),
        (torch.tensor([[0.0, 1.0, 2.0], [2.0, 1.0, 0.0], [0.0, 0.0, 3.0]]), torch.tensor([2, 2, 0])),
    ]
    for n, v in ((5, 3), (3, 7), (4, 4)):
        logits = 2 * torch.randn(n, v, generator=generator)
        cases.append((logits, torch.randint(v, (n,), generator=generator)))
    return cases


def not_averaged(logits, targets):
    return logit_gradient(logits, targets) * len(logits)


def said_alone(logits, targets):
    return logits.softmax(dim=1) / len(logits)


def turned_round(logits, targets):
    return -logit_gradient(logits, targets)


def along_the_batch(logits, targets):
    right = torch.nn.functional.one_hot(targets, logits.shape[1])
    return (logits.softmax(dim=0) - right) / len(logits)


def by_exp(logits, targets):
    right = torch.nn.functional.one_hot(targets, logits.shape[1])
    return (logits.exp() / logits.exp().sum(dim=1, keepdim=True) - right) / len(logits)


def by_exp_without_nan(logits, targets):
    right = torch.nn.functional.one_hot(targets, logits.shape[1])
    return ((logits.exp() / logits.exp().sum(dim=1, keepdim=True)).nan_to_num(0) - right) / len(logits)


def below_the_largest(largest):
    def wrong(logits, targets):
        right = torch.nn.functional.one_hot(targets, logits.shape[1])
        e = (logits - largest(logits)).exp()
        return (e / e.sum(dim=1, keepdim=True) - right) / len(logits)

    return wrong


def cut_scores(most):
    return lambda logits, targets: logit_gradient(logits.clamp(-most, most), targets)


def by_sigmoid(logits, targets):
    right = torch.nn.functional.one_hot(targets, logits.shape[1])
    return (logits.sigmoid() - right) / len(logits)


def of_the_largest(logits, targets):
    return logit_gradient(logits, logits.argmax(dim=1))


def over_classes(logits, targets):
    return not_averaged(logits, targets) / logits.shape[1]


def right_alone_averaged(logits, targets):
    right = torch.nn.functional.one_hot(targets, logits.shape[1])
    return logits.softmax(dim=1) - right / len(logits)


def over_all_numbers(logits, targets):
    return not_averaged(logits, targets) / logits.numel()


def by_log(logits, targets):
    right = torch.nn.functional.one_hot(targets, logits.shape[1])
    return (logits.log_softmax(dim=1) - right) / len(logits)


def scores_alone(logits, targets):
    right = torch.nn.functional.one_hot(targets, logits.shape[1])
    return (logits - right) / len(logits)


def at_the_target_alone(logits, targets):
    right = torch.nn.functional.one_hot(targets, logits.shape[1])
    return logit_gradient(logits, targets) * right


def all_columns(logits, targets):
    found = logits.softmax(dim=1)
    found[:, targets] -= 1
    return found / len(logits)


EXERCISE = Function(
    number="21.4",
    title="Where training begins",
    stars=2,
    wants="logit_gradient(logits, targets)",
    cases=logit_cases,
    oracle=logit_gradient,
    tolerance=5e-5,  # z less its logsumexp is right, too, and float32 knows 1,000 to a few 1e-5
    mistakes=[
        (not_averaged, "The loss is a mean over the rows, so each row's gradient is divided by N."),
        (said_alone, "That is the slope of the first part, $p$. The right class's own score counts too."),
        (turned_round, "The sign is turned round: a higher score at the right class lowers the loss."),
        (along_the_batch, "Your softmax runs along the batch. Each row has probabilities of its own."),
        (
            by_exp,
            "Right for small scores. The exponential of 1,000 is `inf`, and `inf / inf` is `nan`: take the "
            "largest score away first, as `softmax` does.",
        ),
        (
            by_exp_without_nan,
            "The exponential of 1,000 is `inf`, and `nan_to_num` hides it: the probabilities are lost. "
            "Take the largest score away first, as `softmax` does.",
        ),
        (
            below_the_largest(lambda logits: logits.max()),
            "You took the largest score of the batch away from all. In a row far below it every "
            "exponential is 0, and 0 / 0 is `nan`: each row has a largest one of its own.",
        ),
        (
            below_the_largest(lambda logits: logits[:, :1]),
            "You took the first score of each row away. Another may be far above it: take the largest.",
        ),
        *[
            (
                cut_scores(most),
                "You cut large scores off, which makes them equal: take the largest away instead.",
            )
            for most in (20, 50, 80, 88, 100)
        ],
        (by_sigmoid, "A sigmoid looks at one score. The probabilities of a row have one sum: `softmax`."),
        (of_the_largest, "The 1 is taken away at the right class, not at that with the largest score."),
        (over_classes, "You divide by the number of classes. The mean is over the N rows."),
        (right_alone_averaged, "The mean divides both parts by N, the probabilities as well."),
        (over_all_numbers, "You divide by all numbers of the logits. The mean is over the N rows."),
        (by_log, "You have the logarithm of the probabilities. What is the slope of the logarithm of a sum?"),
        (scores_alone, "You have the scores themselves. What is the slope of the logarithm of a sum?"),
        (at_the_target_alone, "The other classes have gradients too: their scores are in the sum."),
        (
            all_columns,
            "`found[:, targets] -= 1` takes 1 away in every row at each of these columns. Row i has one: "
            "pair the rows' numbers with the targets.",
        ),
    ],
    right="What the model said, minus what was right: most trainings of the course begin with this.",
)
