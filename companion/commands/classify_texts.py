"""companion classify: the class of texts, by a classifier that companion finetune classify made."""

from argparse import Namespace
from contextlib import ExitStack
from dataclasses import dataclass

from companion.classification import TextClassifier
from companion.runtime.models.devices import pick_device
from companion.serve.classifying import check_texts, load_classifier


@dataclass
class ClassifyPlan:
    """Texts that were checked, and the classifier to ask about them."""

    reader: TextClassifier
    texts: list[str]


def plan(args: Namespace, held: ExitStack) -> ClassifyPlan:
    device = pick_device(args.device)
    reader = load_classifier(args.model)
    for text in args.text:
        if not text.strip():
            raise ValueError("TEXT is empty; type what is to be classified, in quotes")
    check_texts(reader, args.text, [f"TEXT {i + 1}" for i in range(len(args.text))])
    reader.classifier.to(device)
    return ClassifyPlan(reader, args.text)


def do(plan: ClassifyPlan) -> list[dict[str, float]]:
    return plan.reader.classify(plan.texts)


def report(plan: ClassifyPlan, found: list[dict[str, float]]) -> None:
    for text, shares in zip(plan.texts, found, strict=True):
        name = max(shares, key=shares.get)
        print(f"{name}  {shares[name]:.2f}  {text if len(text) < 60 else text[:57] + '…'}")
