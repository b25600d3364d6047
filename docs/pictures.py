"""Draw docs/story.gif, README's moving picture: the shipped model tells a story, word by word.

Run it from the repository's root: python docs/pictures.py

Each frame shows the story so far, the words that the model attends to before it writes the next one, the five
most probable next words, and a line under each finished sentence in the color of the judge's verdict. One
sentence of this story is false, and the judge's reason stands below the legend. Of this model's stories, 15 %
hold such a sentence (data/README.md).
"""

from pathlib import Path

import matplotlib.font_manager
import torch
from PIL import Image, ImageDraw, ImageFont

import companion
from companion.show.plots import CARD, GRAY, GREEN, INK, RULE, SKY, VERMILLION, legible
from companion.show.widgets import attention_weights
from companion.village import judge

OUTPUT = Path("docs/story.gif")
PROMPT = "Once the baker Mara"
SEED = 14
"""Its story is short, and one of its sentences contradicts the others."""
WIDTH, HEIGHT, MARGIN = 1000, 440, 28
TEXT_WIDTH = 600  # pixels of the column with the story
LINE = 44  # pixels from line to line


def font(size, bold=False):
    """matplotlib's own font, which every installation has."""
    weight = "bold" if bold else "normal"
    path = matplotlib.font_manager.findfont(
        matplotlib.font_manager.FontProperties(family="DejaVu Sans", weight=weight)
    )
    return ImageFont.truetype(path, size)


COLORS = {"ok": GREEN, "contradiction": VERMILLION}  # the other verdicts do not occur in this story
BODY, NOTE, HEADING = font(21), font(16), font(16, bold=True)


def blend(color, share):
    """A color between the card (share 0) and the given one (share 1)."""
    light = ImageDraw.ImageColor.getrgb(CARD)
    dark = ImageDraw.ImageColor.getrgb(color)
    return tuple(round(a + (b - a) * share) for a, b in zip(light, dark, strict=True))


def lay_out(tokens):
    """The place of each token: (x, y) of its upper left corner. Words are not broken."""
    places = []
    x, y = MARGIN, MARGIN
    for i, token in enumerate(tokens):
        if token.startswith(" "):
            word = token
            for more in tokens[i + 1 :]:
                if more.startswith(" "):
                    break
                word += more
            if x + BODY.getlength(word) > MARGIN + TEXT_WIDTH:
                x, y = MARGIN - BODY.getlength(" "), y + LINE
        places.append((x, y))
        x += BODY.getlength(token)
    return places


def draw(tokens, places, verdicts, weights, probabilities):
    """One frame. weights: one a token; verdicts: (first token, last token, verdict) of each sentence."""
    image = Image.new("RGB", (WIDTH, HEIGHT), CARD)
    canvas = ImageDraw.Draw(image)
    for token, (x, y), weight in zip(tokens, places, weights, strict=False):
        left = x + (BODY.getlength(" ") if token.startswith(" ") else 0)
        canvas.rectangle((left, y - 3, x + BODY.getlength(token), y + 27), fill=blend(SKY, min(weight, 1)))
    for token, (x, y) in zip(tokens, places, strict=False):
        canvas.text((x, y), token, font=BODY, fill=INK)
    for first, last, verdict in verdicts:
        color = COLORS[verdict.kind]
        for i in range(first, last + 1):
            x, y = places[i]
            starts_line = i == first or places[i - 1][1] != y
            left = x + (BODY.getlength(" ") if starts_line and tokens[i].startswith(" ") else 0)
            thickness = 3 if verdict.kind == "ok" else 6
            canvas.rectangle((left, y + 30, x + BODY.getlength(tokens[i]), y + 30 + thickness), fill=color)

    left = MARGIN + TEXT_WIDTH + 40
    canvas.line((left - 20, MARGIN, left - 20, HEIGHT - MARGIN), fill=RULE, width=2)
    canvas.text((left, MARGIN), "the next word", font=HEADING, fill=INK)
    for i, (word, p) in enumerate(probabilities):
        y = MARGIN + 36 + 38 * i
        canvas.rectangle((left + 110, y, left + 110 + 150 * p, y + 22), fill=SKY)
        canvas.text((left, y), word, font=NOTE, fill=INK)
        canvas.text((left + 118 + 150 * p, y), f"{100 * p:.0f} %", font=NOTE, fill=GRAY)
    canvas.rectangle((left, 268, left + 22, 290), fill=blend(SKY, 0.8))
    canvas.text((left + 32, 269), "attended to", font=NOTE, fill=INK)
    canvas.rectangle((left, 310, left + 22, 313), fill=GREEN)
    canvas.text((left + 32, 301), "true in this story", font=NOTE, fill=INK)
    canvas.rectangle((left, 338, left + 22, 344), fill=VERMILLION)
    canvas.text((left + 32, 333), "false in this story", font=NOTE, fill=INK)
    false = [verdict for _, _, verdict in verdicts if verdict.kind == "contradiction"]
    if false:
        canvas.text((left + 32, 357), false[-1].reason, font=NOTE, fill=legible(VERMILLION))
    return image


@torch.no_grad()
def next_words(told, row, n_words=5, smallest=0.005):
    """The most probable next words and their probabilities, largest first; row: the ids so far, (1, T).

    A word begins with a token that begins with a space; its most probable end follows.
    """
    tokenizer, model = told.tokenizer, told.model
    found = []
    values, indices = model(row)[0, -1].softmax(dim=-1).topk(2 * n_words)
    for p, first in zip(values.tolist(), indices.tolist(), strict=True):
        word = "(end)" if first == tokenizer.end else tokenizer.decode([first])
        if not word.startswith((" ", "(")):
            continue
        longer = torch.cat([row, torch.tensor([[first]])], dim=1)
        while word != "(end)":
            q, token = model(longer)[0, -1].softmax(dim=-1).max(dim=-1)
            piece = tokenizer.decode([token.item()])
            if token == tokenizer.end or not piece.isalpha():
                break
            word, p = word + piece, p * q.item()
            longer = torch.cat([longer, token.view(1, 1)], dim=1)
        if p >= smallest:
            found.append((word.strip(), p))
    return sorted(found, key=lambda each: -each[1])[:n_words]


def main():
    told = companion.load("data/models/village")
    tokenizer, model = told.tokenizer, told.model
    story = told.tell(PROMPT, seed=SEED)
    ids = tokenizer.encode(story)
    tokens = [tokenizer.decode([i]) for i in ids]
    places = lay_out(tokens)
    row = torch.tensor([[tokenizer.end, *ids]])  # (1, T + 1)
    layers = torch.stack(attention_weights(model, row))  # (L, H, T + 1, T + 1)
    strongest = layers[1:].amax(dim=(0, 1))  # of all heads but the first layer's: (T + 1, T + 1)

    sentences = []  # (first token, last token, verdict)
    spoken = 0
    for verdict in judge(story):
        end = story.index(verdict.sentence, spoken) + len(verdict.sentence)
        covered = [i for i in range(len(tokens)) if spoken < len("".join(tokens[: i + 1])) <= end]
        sentences.append((covered[0], covered[-1], verdict))
        spoken = end

    frames, durations = [], []
    begin = len(tokenizer.encode(PROMPT))
    for n in range(begin, len(tokens) + 1):
        starts_word = n == len(tokens) or tokens[n].startswith(" ")
        if not starts_word:
            continue
        odds = next_words(told, row[:, : n + 1])
        weights = strongest[n, 1 : n + 1].tolist()
        finished = [sentence for sentence in sentences if sentence[1] < n]
        frames.append(draw(tokens[:n], places, finished, weights, odds))
        ends_false = any(last == n - 1 and verdict.kind == "contradiction" for _, last, verdict in sentences)
        durations.append(2500 if ends_false else 280)
    durations[-1] = 4000
    palette = frames[-2].quantize(32, kmeans=4)  # one palette for all frames, so that only changes are stored
    frames = [frame.quantize(palette=palette, dither=Image.Dither.NONE) for frame in frames]
    frames[0].save(OUTPUT, save_all=True, append_images=frames[1:], duration=durations, loop=0, optimize=True)
    print(f"{OUTPUT}: {len(frames)} frames, {OUTPUT.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main()
