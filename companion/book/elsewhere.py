"""Where the course opens without an installation: the badges of README, from book.toml's repository."""

from companion.book.manifest import Book

START = "chapters/00_start.ipynb"


def badges(book: Book) -> str:
    """README's lines with a badge for each place, in Markdown.

    The repository is an address at GitHub, as https://github.com/owner/name.
    """
    name = book.repository.removeprefix("https://github.com/")
    places = {
        "Codespaces": ("github.com/codespaces/badge.svg", f"codespaces.new/{name}"),
        "Binder": ("mybinder.org/badge_logo.svg", f"mybinder.org/v2/gh/{name}/main?urlpath=lab/tree/{START}"),
        "Colab": (
            "colab.research.google.com/assets/colab-badge.svg",
            f"colab.research.google.com/github/{name}/blob/main/{START}",
        ),
    }
    lines = [
        f"[![Open in {place}](https://{image})](https://{link})" for place, (image, link) in places.items()
    ]
    return "\n".join(lines)
