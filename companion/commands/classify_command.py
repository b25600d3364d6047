"""companion finetune classify, which makes a classifier of labelled texts; companion classify asks it.

As every command: *plan* finds whatever can be wrong before any work is begun; *do* works; *report* prints.
"""

import json
import sys
from contextlib import ExitStack
from functools import partial
from types import SimpleNamespace

from companion.commands.learned import measuring
from companion.commands.naming import RUNS, add_device, add_model
from companion.runtime.command_line.options import integer, number, path_of, refuse
from companion.runtime.command_line.terminal import as_typed
from companion.runtime.data.labelled_texts import check_rows_fit, distinct, hold_out_by_class, read_labelled
from companion.runtime.files.whole_files import claim, write_whole

LEARNS = {"head": "the head alone", "last": "the last block and the head", "all": "all weights"}
REPORT = ("report.json", "confusion.png", "calibration.png")
OURS = {"config.json", "tokenizer.json", "model.safetensors", "head.safetensors", *REPORT}
OURS |= {"adapter_config.json", "adapter_model.safetensors"}


def add_finetune(kinds) -> None:
    about = "a classifier, from a file with a column of texts and one of labels"
    form = kinds.add_parser("classify", help=about, description=about)
    data = "CSV, JSON Lines or Parquet, with a header or names: --column and --label"
    form.add_argument("--data", type=path_of("--data"), required=True, help=data)
    form.add_argument("--column", default="text", help="the column of the texts (default: text)")
    form.add_argument("--label", default="label", help="the column of the labels (default: label)")
    add_model(form)
    form.add_argument(
        "--output", type=path_of("--output"), help="folder to write (default: runs/classifiers/<data's name>)"
    )
    form.add_argument("--overwrite", action="store_true", help="also over a classifier that is there")
    learns = "; ".join(f"{name}: {what}" for name, what in LEARNS.items())
    form.add_argument("--learn", choices=LEARNS, help=f"{learns} (default: head)")
    form.add_argument(
        "--read", choices=("last", "mean"), default="last", help="state to read (default: last)"
    )
    add_method(form)
    steps = form.add_argument_group("for --learn last and all and --method lora, which go in steps")
    steps.add_argument("--passes", type=integer("--passes", 1, 1000), help="over the texts (default: 10)")
    steps.add_argument("--batch-size", type=integer("--batch-size", 1, 4096), help="rows (default: 16)")
    steps.add_argument(
        "--lr", type=number("--lr", 1e-9, 1), help="learning rate of the head (default: 0.001; lora: 0.002)"
    )
    steps.add_argument(
        "--decay", type=number("--decay", 1e-6, 1), help="of the rate from depth to depth (default: 0.5)"
    )
    form.add_argument("--balanced", action="store_true", help="let each class count alike, however rare")
    form.add_argument("--cut", action="store_true", help="cut texts that are longer than the model reads")
    form.add_argument("--held-out", type=float, default=0.2, help="share of each class (default: 0.2)")
    form.add_argument("--seed", type=integer("--seed", 0, 10**6), default=0, help="(default: 0)")
    add_device(form)


def plan_finetune(args, held: ExitStack) -> SimpleNamespace:
    from companion import load
    from companion.classification import Classifier, TextClassifier
    from companion.runtime.models.devices import pick_device
    from companion.runtime.storage.model_names import folder_of, origin_of
    from companion.runtime.training.run_folders import check_empty, holds_only

    check_method(args)
    if args.method == "lora":
        refuse(args, ["learn", "decay"], "is for --method full; of lora the adapter and the head learn")
    args.learn = args.learn or "head"
    if args.learn == "head" and args.method == "full":
        refuse(
            args,
            ["passes", "batch_size", "lr", "decay"],
            "is for --learn last and all, which go in steps",
        )
    pick_device(args.device)
    found = read_labelled(args.data, args.column, args.label)
    texts = distinct(found)
    if len(texts) < len(found):
        print(f"Left out: {len(found) - len(texts):,} texts that are there twice", file=sys.stderr)
    labels = [row.label for row in texts]
    learned, held_out = hold_out_by_class(labels, args.held_out, args.seed)
    classes = sorted(set(labels))
    output = args.output or RUNS / "classifiers" / args.data.resolve().name.split(".")[0]
    check_empty("--output", output, partial(holds_only, mark="head.safetensors", names=OURS), args.overwrite)
    folder = folder_of(args.model)
    if args.method == "lora" and output.resolve() == folder.resolve():
        raise ValueError(f"--output={output} is the model's own, which an adapter needs; name another folder")
    teller = load(folder, device="cpu")
    if args.method == "lora":
        hang_on(teller.model, args)
    reader = TextClassifier(Classifier(teller.model, len(classes), args.read), teller.tokenizer, classes)
    rows, longest = reader.rows([row.text for row in texts]), teller.model.config.context_length
    if args.cut:
        rows = [row[:longest] for row in rows]
    check_rows_fit(rows, [row.place for row in texts], longest)
    held.enter_context(claim(output))
    return SimpleNamespace(
        **{"args": args, "reader": reader, "rows": rows, "texts": [row.text for row in texts]},
        **{"labels": [classes.index(label) for label in labels], "classes": classes, "output": output},
        **{"learned": learned, "held_out": held_out, "origin": origin_of(args.model, folder)},
        folder=folder,
    )


def do_finetune(plan: SimpleNamespace) -> SimpleNamespace:
    """Learn, ask about what was held out, and write the folder; return the report's figures."""
    import torch

    from companion.classification import confusion_matrix, fit_head, read_states, word_counts
    from companion.evaluation import bootstrap_interval, calibration, wilson_interval
    from companion.runtime.models.devices import pick_device
    from companion.show import classes as pictures

    torch.manual_seed(plan.args.seed)
    labels, n = torch.tensor(plan.labels), len(plan.classes)
    classifier, known, asked = plan.reader.classifier, plan.learned, plan.held_out
    classifier.to(pick_device(plan.args.device))
    learn(plan, labels)
    states = read_states(classifier, [plan.rows[i] for i in asked])
    with torch.no_grad():
        shares = classifier.head.cpu()(states).softmax(-1)
    said, truth = shares.argmax(-1), labels[asked]
    counts, words = word_counts([plan.texts[i] for i in known])
    by_words = fit_head(counts, labels[known], n)(word_counts([plan.texts[i] for i in asked], words)[0])
    right, right_by_words = (said == truth).double(), (by_words.argmax(-1) == truth).double()
    found = calibration(shares.max(-1).values.double().clamp(max=1), right)
    matrix = confusion_matrix(truth, said, n)
    report = {
        "accuracy": right.mean().item(),
        "interval": list(wilson_interval(int(right.sum()), len(asked))),
        "majority": (truth == labels[known].mode().values).double().mean().item(),
        "words": right_by_words.mean().item(),
        "gain over words": list(bootstrap_interval(right - right_by_words)),
        "learned from": len(known),
        "held out": len(asked),
        "classes": plan.classes,
        "confusion": matrix.tolist(),
        "calibration error": found.error,
    }
    about = {"init": plan.origin, "classes": plan.classes, "accuracy": report["accuracy"]}
    save(plan, about | {"data": plan.args.data.name, "learn": plan.args.learn})
    with measuring(plan.output):
        pictures.save(plan.output / "confusion.png", pictures.confusion, matrix, plan.classes)
        points = (found.confidence, found.accuracy, found.count)
        pictures.save(plan.output / "calibration.png", pictures.reliability, *points)
        write_whole(plan.output / "report.json", json.dumps(report, indent=1, ensure_ascii=False) + "\n")
    return SimpleNamespace(matrix=matrix, **{name.replace(" ", "_"): value for name, value in report.items()})


def save(plan: SimpleNamespace, about: dict) -> None:
    """Write the classifier, whole or as an adapter; what another left in the folder goes."""
    from companion.lora import save_adapter
    from companion.runtime.storage.classifier_files import ADAPTER, WHOLE, write_adapted, write_classifier

    classifier = plan.reader.classifier
    if plan.args.method == "lora":
        adapter = partial(save_adapter, classifier.model, base=plan.folder.resolve())
        write_adapted(plan.output, classifier, plan.classes, adapter, gone=WHOLE + REPORT)
    else:
        write_classifier(
            plan.output, classifier, plan.reader.tokenizer, plan.classes, about, gone=ADAPTER + REPORT
        )


def learn(plan: SimpleNamespace, labels) -> None:
    """Let the head, and what of the model is to learn with it, learn from the texts that are not held out."""
    import torch
    from tqdm import tqdm

    from companion.classification import (
        class_batches,
        class_loss,
        class_weights,
        depth_groups,
        fit_head,
        freeze,
        read_states,
    )
    from companion.training import TrainConfig, Trainer

    args, classifier, n_blocks = plan.args, plan.reader.classifier, len(plan.reader.classifier.model.blocks)
    rows, known = [plan.rows[i] for i in plan.learned], labels[plan.learned]
    lora = args.method == "lora"
    if not lora:
        freeze(classifier.model, {"head": n_blocks, "last": n_blocks - 1, "all": 0}[args.learn])
    if args.learn == "head" and not lora:
        weights = class_weights(known, len(plan.classes)) if args.balanced else None
        head = fit_head(read_states(classifier, rows), known, len(plan.classes), weights)
        classifier.head.load_state_dict(head.state_dict())
        return
    size, lr = args.batch_size or 16, args.lr or (2e-3 if lora else 1e-3)
    steps = -(-len(rows) // size) * (args.passes or 10)
    config = TrainConfig(
        steps=steps, batch_size=size, lr=lr, min_lr=0.0, warmup_steps=steps // 10, seed=args.seed,
        device=args.device,
    )  # fmt: skip
    groups = depth_groups(classifier, lr, 1.0 if lora else args.decay or 0.5)
    optimizer = torch.optim.AdamW(groups, betas=config.betas, weight_decay=0.01)
    batches = partial(class_batches, rows, known, size, args.seed, args.balanced)
    trainer = Trainer(classifier, batches, config, class_loss, [optimizer])
    try:
        for _ in (bar := tqdm(range(steps), unit="step", leave=False, disable=None)):
            bar.set_postfix_str(f"loss {trainer.step():.3f}")
    except KeyboardInterrupt:
        raise KeyboardInterrupt(
            f"stopped after {trainer.steps} of {steps} steps; nothing was saved"
        ) from None


def report_finetune(plan: SimpleNamespace, found: SimpleNamespace) -> None:
    low, high = found.interval
    print(f"learned from {found.learned_from:,} texts, asked about {found.held_out:,} others")
    print(f"right: {found.accuracy:.3f} ({low:.3f} to {high:.3f}, 95 %)")
    print(f"  baselines: majority {found.majority:.3f}, counting words {found.words:.3f}")
    print(f"  {verdict(*found.gain_over_words, found.held_out)}")
    width = max(5, *map(len, plan.classes))
    print(f"{'class':{width}}  texts  recall (95 %)        precision (95 %)")
    for k, name in enumerate(plan.classes):
        row, column = found.confusion[k], [row[k] for row in found.confusion]
        print(f"{name:{width}}  {sum(row):5,}  {share(row[k], sum(row)):19}  {share(column[k], sum(column))}")
    error = found.calibration_error
    print(
        f"calibration error {error:.3f}: confidence and share right differ by so much on average (0 is best)"
    )
    print(f"In {plan.output}: the classifier, report.json, confusion.png, calibration.png.")
    print("To ask it, here about a text that was held out:\n")
    print(f"  {as_typed('companion', 'classify', '--model', plan.output, plan.texts[plan.held_out[0]][:60])}")


def add_method(form) -> None:
    """--method, --rank and --alpha, for every kind of finetune."""
    about = "move the weights, or an adapter beside them (chapter 17) (default: full)"
    form.add_argument("--method", choices=("full", "lora"), default="full", help=about)
    form.add_argument("--rank", type=integer("--rank", 1, 10**5), help="of the adapter (default: 8)")
    form.add_argument("--alpha", type=number("--alpha", 1e-6, 1e6), help="(default: 8)")


def check_method(args) -> None:
    """ValueError for what is lora's, without it."""
    if args.method == "full":
        refuse(args, ["rank", "alpha"], "is for --method lora")


def hang_on(model, args) -> None:
    """Put a new adapter onto a model, a seed's own; what is wrong with the rank is said of the option."""
    import torch

    from companion.lora import add_lora

    torch.manual_seed(args.seed)
    try:
        add_lora(model, None, args.rank or 8, args.alpha or 8.0)
    except ValueError as error:
        raise ValueError(f"--{error}") from None


def verdict(low: float, high: float, n: int) -> str:
    """What the interval of (model right - words right), on the same n texts, says of the model."""
    if low > 0:
        return f"the model is needed: right more often than counting words, by {low:.3f} to {high:.3f} (95 %)"
    if high < 0:
        return f"counting words is better, by {-high:.3f} to {-low:.3f} (95 %): the model is not needed"
    return f"model minus words {low:+.3f} to {high:+.3f} (95 %): it adds nothing that {n:,} texts can show"


def share(part: int, n: int) -> str:
    """A share with its interval; "none" where there is nothing to have a share of."""
    from companion.evaluation import wilson_interval

    return (
        "{:.2f} ({:.2f} to {:.2f})".format(part / n, *wilson_interval(part, n)) if n else "none was called so"
    )


def add_classify(parser) -> None:
    parser.add_argument(
        "--model", type=path_of("--model"), required=True, help="folder that finetune classify wrote"
    )
    parser.add_argument("text", nargs="+", metavar="TEXT", help="a text, in quotes; or several")
    add_device(parser)


def plan_classify(args, held: ExitStack) -> SimpleNamespace:
    from companion.runtime.models.devices import pick_device
    from companion.serve.classifying import check_texts, load_classifier

    device = pick_device(args.device)
    reader = load_classifier(args.model)
    for text in args.text:
        if not text.strip():
            raise ValueError("TEXT is empty; type what is to be classified, in quotes")
    check_texts(reader, args.text, [f"TEXT {i + 1}" for i in range(len(args.text))])
    reader.classifier.to(device)
    return SimpleNamespace(reader=reader, texts=args.text)


def do_classify(plan: SimpleNamespace) -> list[dict[str, float]]:
    return plan.reader.classify(plan.texts)


def report_classify(plan: SimpleNamespace, found: list[dict[str, float]]) -> None:
    for text, shares in zip(plan.texts, found, strict=True):
        name = max(shares, key=shares.get)
        print(f"{name}  {shares[name]:.2f}  {text if len(text) < 60 else text[:57] + '…'}")
