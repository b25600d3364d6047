"""companion finetune classify, which makes a classifier of labelled texts."""

import math
import sys
from collections import Counter
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated, ClassVar, Literal

import torch

from companion import load
from companion.classification import (
    Classifier,
    TextClassifier,
    class_batches,
    class_loss,
    class_weights,
    confusion_matrix,
    depth_groups,
    fit_head,
    freeze,
    read_states,
    word_counts,
)
from companion.cli._learning import (
    AdapterOptions,
    add_adapter,
    measuring,
    output_of,
    save_report,
    take_all_steps,
)
from companion.cli._parsing import Range
from companion.cli._shared import refuse, take
from companion.evaluation import bootstrap_interval, calibration, wilson_interval
from companion.lora import save_adapter
from companion.models.names import origin_of, trainable_folder
from companion.runtime.data.labelled_texts import check_rows_fit, distinct, hold_out_by_class, read_labelled
from companion.runtime.files.atomic import claim
from companion.runtime.models.devices import pick_device
from companion.runtime.storage.classifier_files import ADAPTER_FILES, HEAD, MODEL_FILES, write_classifier
from companion.runtime.storage.hub import is_installable
from companion.runtime.terminal import as_typed
from companion.runtime.text.documents import words_of
from companion.show import plots
from companion.training import TrainConfig, Trainer

WORDS = 5000  # the most frequent ones, which word counts use: 10,000 texts take 200 MB
REPORT = ("report.json", "confusion.png", "calibration.png")  # 0.2.0 drew the last one
OURS = {*MODEL_FILES, *ADAPTER_FILES, HEAD, *REPORT}


@dataclass(kw_only=True)
class Options(AdapterOptions):
    """Train a classifier on a file with a column of texts and a column of labels.

    Args:
        data: Labelled texts: a CSV file with a header, JSON Lines or Parquet.
        column: Name of the column with the texts.
        label: Name of the column with the labels.
        output: Folder to write to. Default: runs/classifiers/<name of the data>.
        overwrite: Replace the classifier, if there is one in that folder.
        learn: Which weights are trained. head: only the new classification head; last: the head and the last
            block; all: all weights. Default: head.
        read: What the head reads: the state of the last token, or the mean over all.
        passes: Passes over the texts. Default: 10.
        batch_size: Texts in a batch. Default: 16.
        lr: Learning rate of the head. Default: 0.001; with lora 0.002.
        decay: Factor of the learning rate from each block to the one below it. Default: 0.5.
        balanced: Give all classes the same weight, however rare they are.
        cut: Cut texts that are longer than the model's context.
        held_out: Share of each class that is held out to measure the classifier.
    """

    MOST_USED: ClassVar = "data column label model output method learn passes lr"
    data: Path
    column: str = "text"
    label: str = "label"
    learn: Literal["head", "last", "all"] | None = None
    read: Literal["last", "mean"] = "last"
    passes: Annotated[int | None, Range(1, 1000)] = None
    batch_size: Annotated[int | None, Range(1, 4096)] = None
    lr: Annotated[float | None, Range(1e-09, 1)] = None
    decay: Annotated[float | None, Range(1e-06, 1)] = None
    balanced: bool = False
    cut: bool = False
    held_out: Annotated[float, Range(0.0001, 0.9999)] = 0.2


def run(options: Options) -> None:
    add_defaults(options)
    found = read_labelled(options.data, options.column, options.label)
    labelled = distinct(found)
    if len(labelled) < len(found):
        print(f"Left out: {len(found) - len(labelled):,} texts that are there twice", file=sys.stderr)
    texts = [row.text for row in labelled]
    labels = [row.label for row in labelled]
    learned, held_out = hold_out_by_class(labels, options.held_out, options.seed)
    classes = sorted(set(labels))
    output = output_of(options, "classifiers", HEAD, OURS)
    folder = trainable_folder("--model", options.model)
    if options.method == "lora" and output.resolve() == folder.resolve():
        raise ValueError(f"--output={output} is the model's own, which an adapter needs; name another folder")
    teller = load(folder, device="cpu", fast=True)
    if options.method == "lora":
        add_adapter(teller.model, options)
    classifier = Classifier(teller.model, len(classes), options.read)
    rows = TextClassifier(classifier, teller.tokenizer, classes).rows(texts)
    longest = teller.model.config.context_length
    if options.cut:
        rows = [row[:longest] for row in rows]
    remedy = "shorten it, or cut such texts with --cut"
    check_rows_fit(rows, [row.place for row in labelled], longest, remedy)

    with claim(output):
        torch.manual_seed(options.seed)
        classifier.to(pick_device(options.device))
        truth = torch.tensor([classes.index(label) for label in labels])
        learn(options, classifier, [rows[i] for i in learned], truth[learned])
        states = read_states(classifier, [rows[i] for i in held_out])
        with torch.no_grad():
            shares = classifier.head.cpu()(states).softmax(-1)
        accuracy = (shares.argmax(-1) == truth[held_out]).double().mean().item()
        about = {"init": origin_of(options.model, folder), "classes": classes, "accuracy": accuracy}
        about |= {"data": options.data.name, "learn": options.learn}
        tokenizer = teller.tokenizer
        if options.method == "lora":
            base = options.model if is_installable(options.model) else folder.resolve()
            adapter = partial(save_adapter, classifier.model, base=base)
            write_classifier(output, classifier, tokenizer, classes, about, MODEL_FILES + REPORT, adapter)
        else:
            write_classifier(output, classifier, tokenizer, classes, about, ADAPTER_FILES + REPORT)
        with measuring(output):
            others = [texts[i] for i in held_out]
            by_words = classes_by_words([texts[i] for i in learned], truth[learned], others)
            report = measured(shares, truth[held_out], truth[learned], by_words, classes)
            save_report(output, report)
            plots.save(output / "confusion.png", plots.confusion, report["confusion"], classes)
    print_report(report)
    print(f"In {output}: the classifier, report.json, confusion.png.")
    print("To classify a text, here one that was held out:\n")
    print(f"  {as_typed('companion', 'classify', '--model', output, texts[held_out[0]][:60])}")


def add_defaults(options: Options) -> None:
    """Add the options that were not given.

    Raises:
        ValueError: If options do not go together.
    """
    if options.method == "full":
        refuse(options, ["rank", "alpha"], "works with --method lora only")
    of_steps = ["passes", "batch_size", "lr", "decay"]
    if options.method == "lora":
        why = "works with --method full only; with lora, the adapter and the head are trained"
        refuse(options, ["learn", "decay"], why)
        rates = {"lr": 2e-3, "decay": 1.0}
    else:
        if options.learn in (None, "head"):
            why = "works with --learn last and --learn all only, which train in steps"
            refuse(options, of_steps, why)
        rates = {"lr": 1e-3, "decay": 0.5}
    take(options, {"learn": "head", "passes": 10, "batch_size": 16} | rates)


def learn(options: Options, classifier: Classifier, rows: list, labels: torch.Tensor) -> None:
    """Let the head, and what of the model is to learn with it, learn from rows of tokens."""
    if options.method == "full":
        n_blocks = len(classifier.model.blocks)
        freeze(classifier.model, {"head": n_blocks, "last": n_blocks - 1, "all": 0}[options.learn])
        if options.learn == "head":
            n_classes = classifier.head.out_features
            weights = class_weights(labels, n_classes) if options.balanced else None
            head = fit_head(read_states(classifier, rows), labels, n_classes, weights)
            classifier.head.load_state_dict(head.state_dict())
            return
    steps = math.ceil(len(rows) / options.batch_size) * options.passes
    config = TrainConfig(
        steps=steps,
        batch_size=options.batch_size,
        lr=options.lr,
        min_lr=0.0,
        warmup_steps=steps // 10,
        seed=options.seed,
        device=options.device,
    )
    groups = depth_groups(classifier, options.lr, options.decay)
    optimizer = torch.optim.AdamW(groups, betas=config.betas, weight_decay=0.01)
    batches = partial(class_batches, rows, labels, options.batch_size, options.seed, options.balanced)
    take_all_steps(Trainer(classifier, batches, config, class_loss, [optimizer]))


def classes_by_words(texts: list[str], labels: torch.Tensor, others: list[str]) -> torch.Tensor:
    """The classes of other texts by a head on counts of the most frequent words, which learned from texts."""
    total: Counter = Counter()
    for text in texts:
        total.update(words_of(text))
    words = [word for word, _ in total.most_common(WORDS)]
    counts = counts_of(texts, words)
    head = fit_head(counts, labels, int(labels.max()) + 1)
    return head(counts_of(others, words)).argmax(-1)


def counts_of(texts: list[str], words: list[str]) -> torch.Tensor:
    """The counts of words, (N, W) float32, some texts at a time, because word_counts makes lists first."""
    parts = [word_counts(texts[i : i + 500], words)[0] for i in range(0, len(texts), 500)]
    return torch.cat(parts)


def measured(shares, truth, learned, by_words, classes: list[str]) -> dict:
    """What the held-out texts say of a classifier: report.json.

    Args:
        shares: (N, K), the probability of each class.
        truth: (N,), the classes.
        learned: The classes of the texts that were learned from.
        by_words: (N,), the classes as counts of words have them.
        classes: K names.
    """
    predicted = shares.argmax(-1)
    right = (predicted == truth).double()
    confidence = shares.max(-1).values.double().clamp(max=1)
    right_by_words = (by_words == truth).double()
    return {
        "accuracy": right.mean().item(),
        "interval": list(wilson_interval(int(right.sum()), len(truth))),  # 95 %
        "majority": (truth == learned.mode().values).double().mean().item(),
        "words": right_by_words.mean().item(),
        "gain over words": list(bootstrap_interval(right - right_by_words)),
        "learned from": len(learned),
        "held out": len(truth),
        "classes": classes,
        "confusion": confusion_matrix(truth, predicted, len(classes)).tolist(),  # a row for each true class
        "calibration error": calibration(confidence, right).error,
    }


def print_report(report: dict) -> None:
    """Print what was measured."""
    low, high = report["interval"]
    print(f"Trained on {report['learned from']:,} texts, measured on {report['held out']:,} others.")
    print(f"Accuracy: {report['accuracy']:.3f} ({low:.3f} to {high:.3f}, 95 %)")
    always = f"always the most frequent class {report['majority']:.3f}"
    print(f"  Baselines: {always}, word counts {report['words']:.3f}")
    least, most = report["gain over words"]
    print(f"  {verdict(least, most, report['held out'])}")
    width = max(5, *map(len, report["classes"]))
    print(f"{'class':{width}}  texts  recall (95 %)        precision (95 %)")
    columns = zip(*report["confusion"], strict=True)
    for k, (name, row, column) in enumerate(
        zip(report["classes"], report["confusion"], columns, strict=True)
    ):
        print(f"{name:{width}}  {sum(row):5,}  {share(row[k], sum(row)):19}  {share(column[k], sum(column))}")
    error = report["calibration error"]
    difference = "the average difference between confidence and accuracy (0 is best)"
    print(f"Calibration error: {error:.3f}, {difference}")


def verdict(low: float, high: float, n: int) -> str:
    """What the interval of (model right - words right), on the same n texts, says of the model."""
    if low > 0:
        return f"The model is right more often than word counts, by {low:.3f} to {high:.3f} (95 %)."
    if high < 0:
        return f"Word counts are right more often than the model, by {-high:.3f} to {-low:.3f} (95 %)."
    return (
        f"Model minus word counts: {low:+.3f} to {high:+.3f} (95 %). {n:,} texts are too few to show a"
        " difference."
    )


def share(part: int, n: int) -> str:
    """A share with its interval; "none" where there is nothing to have a share of."""
    if not n:
        return "none was called so"
    return "{:.2f} ({:.2f} to {:.2f})".format(part / n, *wilson_interval(part, n))
