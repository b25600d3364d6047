"""Byte-pair encoding: training and encoding against the textbook loop, Hugging Face's trainer and tiktoken.

    python benchmarks/bpe.py              # about half a minute
    python benchmarks/bpe.py --textbook   # the textbook loop over all 4,096 tokens as well: minutes

Everything runs in one process on one thread; each figure is the median of five runs. The text is 1 MB of
English from inside Python: the manual's topics and the docstrings of the standard library.
"""

import ast
import os
import resource
import statistics
import sys
import time
from collections import Counter
from pathlib import Path

os.environ.update(RAYON_NUM_THREADS="1", TOKENIZERS_PARALLELISM="false")

import warnings  # noqa: E402
from pydoc_data.topics import topics  # noqa: E402

import tokenizers  # noqa: E402

from companion.tokenization import GPT2_PATTERN, BPETokenizer, count_pieces, learn_merges  # noqa: E402

VOCAB_SIZE = 4096
SIZE = 1_000_000


def english(size: int) -> str:
    """That many bytes of English: topics first, then docstrings, each once, in sorted order."""
    warnings.simplefilter("ignore", SyntaxWarning)
    texts = dict.fromkeys(topics[name] for name in sorted(topics))
    folder = Path(os.__file__).parent
    for path in sorted([*folder.glob("*.py"), *folder.glob("*/*.py")]):
        if sum(map(len, texts)) > size:
            break
        if "test" in path.parts or "site-packages" in path.parts:
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8", errors="replace"))):
            if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef)) and (
                doc := ast.get_docstring(node)
            ):
                texts[doc] = None
    return "\n".join(texts).encode()[:size].decode(errors="ignore")


def median(call, runs: int = 5) -> float:
    """Median seconds of a call."""
    seconds = []
    for _ in range(runs):
        begin = time.perf_counter()
        call()
        seconds.append(time.perf_counter() - begin)
    return statistics.median(seconds)


def textbook(pieces: dict[str, int], n_merges: int) -> list[tuple[bytes, bytes]]:
    """Count every pair again for each merge, over lists of bytes."""
    words = [([bytes([b]) for b in piece.encode()], often) for piece, often in pieces.items()]
    merges = []
    while len(merges) < n_merges:
        counts = Counter()
        for word, often in words:
            for pair in zip(word, word[1:], strict=False):
                counts[pair] += often
        best = max(counts, key=lambda pair: (counts[pair], pair))
        merges.append(best)
        for word, _ in words:
            i = 0
            while i < len(word) - 1:
                if (word[i], word[i + 1]) == best:
                    word[i : i + 2] = [word[i] + word[i + 1]]
                i += 1
    return merges


def train_rust(text: str) -> tokenizers.Tokenizer:
    """The same vocabulary from Hugging Face's trainer, which breaks ties otherwise."""
    byte_level = tokenizers.pre_tokenizers.ByteLevel
    tokenizer = tokenizers.Tokenizer(tokenizers.models.BPE())
    tokenizer.pre_tokenizer = byte_level(add_prefix_space=False)
    trainer = tokenizers.trainers.BpeTrainer(
        vocab_size=VOCAB_SIZE,
        special_tokens=["<|endoftext|>"],
        initial_alphabet=byte_level.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator([text], trainer)
    return tokenizer


def main() -> None:
    """Measure and print."""
    text = english(SIZE)
    megabytes = len(text.encode()) / 1e6
    pieces = count_pieces(text, GPT2_PATTERN)
    print(f"{megabytes:.2f} MB of English, {pieces.total():,} pieces, {len(pieces):,} different")

    ours = median(lambda: BPETokenizer.train(text, VOCAB_SIZE))
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1e6 if sys.platform == "darwin" else 1e3)
    rust = median(lambda: train_rust(text))
    print(f"training: ours {ours:.2f} s, Rust {rust:.2f} s: {ours / rust:.2f} times as long; {memory:.0f} MB")

    n_merges = VOCAB_SIZE - 257 if "--textbook" in sys.argv else 20
    begin = time.perf_counter()
    expected = textbook(pieces, n_merges)
    slow = time.perf_counter() - begin
    fast = median(lambda: learn_merges(pieces, VOCAB_SIZE - 257))
    assert learn_merges(pieces, n_merges) == expected
    each = slow / n_merges * (VOCAB_SIZE - 257)  # later merges are a little cheaper
    note = "" if "--textbook" in sys.argv else f", from its first {n_merges} merges"
    print(
        f"textbook loop: {each:.0f} s{note}: {each / fast:.0f} times learn_merges ({fast:.2f} s); same merges"
    )

    tokenizer = BPETokenizer.train(text, VOCAB_SIZE)
    encoding = tokenizer.to_tiktoken()
    cold = median(lambda: BPETokenizer(tokenizer.merges).encode(text))
    warm = median(lambda: tokenizer.encode(text))
    theirs = median(lambda: encoding.encode_ordinary(text))
    assert tokenizer.encode(text) == encoding.encode_ordinary(text)
    print(
        f"encoding: ours {megabytes / cold:.1f} MB/s, {megabytes / warm:.1f} with every piece cached, "
        f"tiktoken {megabytes / theirs:.1f}; same ids"
    )
    calls = 10_000
    word = median(lambda: [tokenizer.encode(" language") for _ in range(calls)]) / calls
    print(f"encoding one word that is cached: {word * 1e6:.1f} µs")


if __name__ == "__main__":
    main()
