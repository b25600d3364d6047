"""The course's models in lm-eval, EleutherAI's lm-evaluation-harness, and so in each of its tasks.

    import lm_eval
    from companion import load
    from companion.models.lm_eval_models import for_lm_eval

    found = lm_eval.simple_evaluate(for_lm_eval(load("gpt2")), tasks=["lambada_openai"], limit=200)
    print(lm_eval.utils.make_table(found))

lm-eval fetches the tasks' texts from the hub; a task on your own file needs no network.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch.nn.utils.rnn import pad_sequence

from companion.runtime.files.arguments import finite
from companion.runtime.models.modules import eval_mode

INSTALL = "pip install 'lm_eval==0.4.13'"


def for_lm_eval(teller: Any, batch_size: int = 32) -> Any:
    """Return a LanguageModel as an lm_eval.api.model.LM, which lm_eval.simple_evaluate takes as its model.

    A text that is too long for the model's context loses its beginning, as is usual in lm-eval. Conversations
    (lm-eval's apply_chat_template) are not implemented.

    Args:
        teller: The LanguageModel.
        batch_size: Number of rows that are scored at a time.

    Raises:
        ImportError: In one line, if lm_eval is not installed.
    """
    try:
        from lm_eval.api.model import TemplateLM
        from lm_eval.models.utils import normalize_gen_kwargs, postprocess_generated_text
        from lm_eval.utils import get_rolling_token_windows, make_disjoint_window
    except ImportError as error:
        raise ImportError(f"lm-eval cannot be imported ({error!s:.60}); {INSTALL}") from None
    limit = teller.model.config.context_length

    class CompanionLM(TemplateLM):
        """Tokens and scores of the teller; lm-eval's own TemplateLM cuts context and continuation apart."""

        eot_token_id = teller.end
        prefix_token_id = [*teller.begin, teller.end][0]

        def tok_encode(self, string: str, add_special_tokens: bool | None = None, **kwargs) -> list[int]:
            ids = teller.tokenizer.encode(string)
            return ids if add_special_tokens is False else [*teller.begin, *ids]

        def _loglikelihood_tokens(self, requests, disable_tqdm: bool = False, **kwargs):
            for (prompt, continuation), _, after in requests:
                if not after:
                    why = "is empty, or merges with its prompt's last token"
                    raise ValueError(f"the continuation {continuation!r:.40} of {prompt!r:.40} {why}")
            found = scores_of([(before, after) for _, before, after in requests], teller.model, batch_size)
            for (texts, _, _), answer in zip(requests, found, strict=True):
                self.cache_hook.add_partial("loglikelihood", texts, answer)
            return found

        def loglikelihood_rolling(self, requests, disable_tqdm: bool = False) -> list[float]:
            sums = []
            for (text,) in (request.args for request in requests):
                ids = self.tok_encode(text, add_special_tokens=False)
                windows = get_rolling_token_windows(ids, self.prefix_token_id, limit, context_len=1)
                pairs = [make_disjoint_window(window) for window in windows]
                sums.append(sum(score for score, _ in scores_of(pairs, teller.model, batch_size)))
                self.cache_hook.add_partial("loglikelihood_rolling", (text,), sums[-1])
            return sums

        def generate_until(self, requests, disable_tqdm: bool = False) -> list[str]:
            answers = []
            for prompt, asked in (request.args for request in requests):
                how = normalize_gen_kwargs(asked)
                until, n = how["until"], how["max_gen_toks"]
                sampling = {name: how[name] for name in ("top_k", "top_p") if how.get(name)}
                text = ""
                for piece in teller.stream(
                    last_of(prompt, teller, n),
                    max_new_tokens=n,
                    temperature=how.get("temperature", 0.0),
                    **sampling,
                ):
                    text += piece
                    if any(stop in text for stop in until):
                        break
                answers.append(postprocess_generated_text(text, until, None))
                self.cache_hook.add_partial("generate_until", (prompt, asked), answers[-1])
            return answers

    return CompanionLM()


def scores_of(
    pairs: Sequence[tuple[list[int], list[int]]], model: Any, batch_size: int
) -> list[tuple[float, bool]]:
    """Score the tokens after each prompt.

    If a pair is longer than the model's context, its beginning is cut off.

    Args:
        pairs: For each text, the tokens before and the tokens after, which are scored.
        model: The model.
        batch_size: Number of rows that are scored at a time.

    Returns:
        For each pair, the log-probability in nats of the tokens after, and whether each of them was the
        likeliest.
    """
    device, limit = next(model.parameters()).device, model.config.context_length
    found: list[tuple[float, bool]] = [(0.0, True)] * len(pairs)
    order = sorted(range(len(pairs)), key=lambda i: len(pairs[i][0]) + len(pairs[i][1]))
    for first in range(0, len(order), batch_size):
        some = order[first : first + batch_size]
        rows = [torch.tensor([*pairs[i][0], *pairs[i][1]][-limit - 1 :]) for i in some]
        read = pad_sequence([row[:-1] for row in rows], batch_first=True).to(device)  # (B, T)
        with torch.no_grad(), eval_mode(model):
            hidden = model.hidden(read)  # (B, T, C)
            for i, row, states in zip(some, rows, hidden, strict=True):
                end, n = len(row) - 1, min(len(pairs[i][1]), len(row) - 1)
                after = row[len(row) - n :]  # (n,)
                scores = model.logits(states[end - n : end]).float().log_softmax(-1).cpu()  # (n, V)
                total = scores.gather(-1, after[:, None]).sum().item()
                found[i] = finite("scores", total), bool((scores.argmax(-1) == after).all())
    return found


def last_of(prompt: str, teller: Any, new: int) -> str:
    """The end of a prompt that leaves room for new tokens in the context, or half of it."""
    limit = teller.model.config.context_length
    room = max(limit - new, limit // 2) - len(teller.begin)
    ids, cut = teller.tokenizer.encode(prompt), room
    while len(ids) > room:  # the end of a text, cut by itself, can have a token more
        prompt = teller.tokenizer.decode(ids[len(ids) - cut :])
        ids, cut = teller.tokenizer.encode(prompt), cut - 1
    return prompt
