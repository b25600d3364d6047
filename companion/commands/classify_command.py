"""companion finetune classify, which makes a classifier of labelled texts."""

import json
import math
import sys
from argparse import Namespace
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

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
from companion.commands.learned import measuring, output_of, take_all_steps
from companion.evaluation import bootstrap_interval, calibration, wilson_interval
from companion.gpt import GPT
from companion.lora import add_lora, save_adapter
from companion.runtime.command_line.options import refuse, take
from companion.runtime.command_line.terminal import as_typed
from companion.runtime.data.labelled_texts import (
    check_rows_fit,
    distinct,
    hold_out_by_class,
    read_labelled,
)
from companion.runtime.files.atomic import claim, write_atomic
from companion.runtime.files.output_folders import holds_only
from companion.runtime.models.devices import pick_device
from companion.runtime.storage.classifier_files import ADAPTER, WHOLE, write_adapted, write_classifier
from companion.runtime.storage.model_names import folder_of, lasting_name, origin_of
from companion.show import classes as pictures
from companion.show import plots
from companion.training import TrainConfig, Trainer

REPORT = ("report.json", "confusion.png", "calibration.png")
OURS = {"config.json", "tokenizer.json", "model.safetensors", "head.safetensors", *REPORT}
OURS |= {"adapter_config.json", "adapter_model.safetensors"}


@dataclass
class ClassifierPlan:
    """Labelled texts that were checked, and the model that is to become their classifier."""

    args: Namespace  # the options, with their defaults
    reader: TextClassifier  # with --method lora, the adapter is on its model already
    texts: list[str]
    rows: list[list[int]]  # each text's tokens
    labels: list[int]  # each text's class, as its number in classes
    classes: list[str]
    learned: list[int]  # numbers of the texts to learn from
    held_out: list[int]  # numbers of the texts to measure with
    folder: Path  # where the model is from
    origin: dict  # the model, as origin_of describes it
    output: Path


@dataclass
class ClassifierResult:
    """What the texts that were held out say of a classifier: report.json, with _ for each space."""

    accuracy: float
    interval: list[float]  # of the accuracy, 95 %
    majority: float  # accuracy of always naming the commonest class
    words: float  # accuracy of a head on counts of words
    gain_over_words: list[float]  # interval of (right - right by words), 95 %
    learned_from: int
    held_out: int
    classes: list[str]
    confusion: list[list[int]]  # a row for each true class, a column for each class that was said
    calibration_error: float


def plan_finetune(args: Namespace, held: ExitStack) -> ClassifierPlan:
    lora = args.method == "lora"
    check_options(args)
    pick_device(args.device)
    found = read_labelled(args.data, args.column, args.label)
    labelled = distinct(found)
    if len(labelled) < len(found):
        print(f"Left out: {len(found) - len(labelled):,} texts that are there twice", file=sys.stderr)
    texts = [row.text for row in labelled]
    labels = [row.label for row in labelled]
    learned, held_out = hold_out_by_class(labels, args.held_out, args.seed)
    classes = sorted(set(labels))
    output = output_of(args, "classifiers", partial(holds_only, mark="head.safetensors", names=OURS))
    folder = folder_of(args.model)
    if lora and output.resolve() == folder.resolve():
        raise ValueError(f"--output={output} is the model's own, which an adapter needs; name another folder")

    teller = load(folder, device="cpu")
    if lora:
        hang_on(teller.model, args)
    reader = TextClassifier(Classifier(teller.model, len(classes), args.read), teller.tokenizer, classes)
    rows = reader.rows(texts)
    longest = teller.model.config.context_length
    if args.cut:
        rows = [row[:longest] for row in rows]
    remedy = "shorten it, or cut such texts with --cut"
    check_rows_fit(rows, [row.place for row in labelled], longest, remedy)
    held.enter_context(claim(output))
    usual = {"learn": "head", "passes": 10, "batch_size": 16}
    take(args, usual | ({"lr": 2e-3, "decay": 1.0} if lora else {"lr": 1e-3, "decay": 0.5}))
    return ClassifierPlan(
        args=args,
        reader=reader,
        texts=texts,
        rows=rows,
        labels=[classes.index(label) for label in labels],
        classes=classes,
        learned=learned,
        held_out=held_out,
        folder=folder,
        origin=origin_of(args.model, folder),
        output=output,
    )


def check_options(args: Namespace) -> None:
    """ValueError for options that do not go together."""
    check_method(args)
    if args.method == "lora":
        refuse(
            args,
            ["learn", "decay"],
            "works with --method full only; with lora, the adapter and the head are trained",
        )
    elif args.learn in (None, "head"):
        of_steps = ["passes", "batch_size", "lr", "decay"]
        refuse(args, of_steps, "works with --learn last and --learn all only, which train in steps")


def do_finetune(plan: ClassifierPlan) -> ClassifierResult:
    """Learn, ask about what was held out, and write the folder; return the report's figures."""
    torch.manual_seed(plan.args.seed)
    n_classes = len(plan.classes)
    labels = torch.tensor(plan.labels)
    known = labels[plan.learned]
    truth = labels[plan.held_out]
    classifier = plan.reader.classifier
    classifier.to(pick_device(plan.args.device))
    learn(plan, labels)

    states = read_states(classifier, [plan.rows[i] for i in plan.held_out])
    with torch.no_grad():
        shares = classifier.head.cpu()(states).softmax(-1)
    said = shares.argmax(-1)
    right = (said == truth).double()
    counts, words = word_counts([plan.texts[i] for i in plan.learned])
    head_on_words = fit_head(counts, known, n_classes)
    counts, _ = word_counts([plan.texts[i] for i in plan.held_out], words)
    right_by_words = (head_on_words(counts).argmax(-1) == truth).double()
    found = calibration(shares.max(-1).values.double().clamp(max=1), right)
    matrix = confusion_matrix(truth, said, n_classes)
    result = ClassifierResult(
        accuracy=right.mean().item(),
        interval=list(wilson_interval(int(right.sum()), len(plan.held_out))),
        majority=(truth == known.mode().values).double().mean().item(),
        words=right_by_words.mean().item(),
        gain_over_words=list(bootstrap_interval(right - right_by_words)),
        learned_from=len(plan.learned),
        held_out=len(plan.held_out),
        classes=plan.classes,
        confusion=matrix.tolist(),
        calibration_error=found.error,
    )

    about = {
        "init": plan.origin,
        "classes": plan.classes,
        "accuracy": result.accuracy,
        "data": plan.args.data.name,
        "learn": plan.args.learn,
    }
    save(plan, about)
    with measuring(plan.output):
        plots.save(plan.output / "confusion.png", pictures.confusion, matrix, plan.classes)
        points = (found.confidence, found.accuracy, found.count)
        plots.save(plan.output / "calibration.png", pictures.reliability, *points)
        report = {name.replace("_", " "): value for name, value in asdict(result).items()}
        write_atomic(plan.output / "report.json", json.dumps(report, indent=1, ensure_ascii=False) + "\n")
    return result


def save(plan: ClassifierPlan, about: dict) -> None:
    """Write the classifier, whole or as an adapter; what another left in the folder goes."""
    classifier = plan.reader.classifier
    if plan.args.method == "lora":
        base = lasting_name(plan.args.model, plan.folder)
        adapter = partial(save_adapter, classifier.model, base=base)
        write_adapted(plan.output, classifier, plan.classes, adapter, gone=WHOLE + REPORT)
    else:
        write_classifier(
            plan.output, classifier, plan.reader.tokenizer, plan.classes, about, gone=ADAPTER + REPORT
        )


def learn(plan: ClassifierPlan, labels: torch.Tensor) -> None:
    """Let the head, and what of the model is to learn with it, learn from the texts that are not held out."""
    classifier = plan.reader.classifier
    rows = [plan.rows[i] for i in plan.learned]
    known = labels[plan.learned]
    lora = plan.args.method == "lora"
    if not lora:
        n_blocks = len(classifier.model.blocks)
        n_frozen = {"head": n_blocks, "last": n_blocks - 1, "all": 0}[plan.args.learn]
        freeze(classifier.model, n_frozen)
    if plan.args.learn == "head" and not lora:
        weights = class_weights(known, len(plan.classes)) if plan.args.balanced else None
        head = fit_head(read_states(classifier, rows), known, len(plan.classes), weights)
        classifier.head.load_state_dict(head.state_dict())
        return
    steps = math.ceil(len(rows) / plan.args.batch_size) * plan.args.passes
    config = TrainConfig(
        steps=steps,
        batch_size=plan.args.batch_size,
        lr=plan.args.lr,
        min_lr=0.0,
        warmup_steps=steps // 10,
        seed=plan.args.seed,
        device=plan.args.device,
    )
    groups = depth_groups(classifier, plan.args.lr, plan.args.decay)
    optimizer = torch.optim.AdamW(groups, betas=config.betas, weight_decay=0.01)
    batches = partial(class_batches, rows, known, plan.args.batch_size, plan.args.seed, plan.args.balanced)
    trainer = Trainer(classifier, batches, config, class_loss, [optimizer])
    take_all_steps(trainer, steps)


def report_finetune(plan: ClassifierPlan, found: ClassifierResult) -> None:
    low, high = found.interval
    print(f"Trained on {found.learned_from:,} texts, measured on {found.held_out:,} others.")
    print(f"Accuracy: {found.accuracy:.3f} ({low:.3f} to {high:.3f}, 95 %)")
    print(f"  Baselines: always the most frequent class {found.majority:.3f}, word counts {found.words:.3f}")
    print(f"  {verdict(*found.gain_over_words, found.held_out)}")
    width = max(5, *map(len, plan.classes))
    print(f"{'class':{width}}  texts  recall (95 %)        precision (95 %)")
    for k, name in enumerate(plan.classes):
        row, column = found.confusion[k], [row[k] for row in found.confusion]
        print(f"{name:{width}}  {sum(row):5,}  {share(row[k], sum(row)):19}  {share(column[k], sum(column))}")
    error = found.calibration_error
    print(
        f"Calibration error: {error:.3f}, the average difference between confidence and accuracy (0 is best)"
    )
    print(f"In {plan.output}: the classifier, report.json, confusion.png, calibration.png.")
    print("To classify a text, here one that was held out:\n")
    print(f"  {as_typed('companion', 'classify', '--model', plan.output, plan.texts[plan.held_out[0]][:60])}")


def check_method(args: Namespace) -> None:
    """ValueError for what is lora's, without it."""
    if args.method == "full":
        refuse(args, ["rank", "alpha"], "works with --method lora only")


def hang_on(model: GPT, args: Namespace) -> None:
    """Put a new adapter onto a model, a seed's own; what is wrong with the rank is said of the option."""
    torch.manual_seed(args.seed)
    try:
        add_lora(model, None, args.rank or 8, args.alpha or 8.0)
    except ValueError as error:
        raise ValueError(f"--{error}") from None


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
