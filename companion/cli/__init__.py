"""Train, measure, use and share small language models: the commands of the course.

To read the course, open chapters/00_start.ipynb in JupyterLab; the chapters follow in the order of their
numbers. Each chapter from 1 on ends with exercises: you write a function, and check says what is wrong.
"""

COMMANDS: tuple[str, ...] = ("prepare", "train", "course", "generate", "eval", "finetune", "classify", "chat")
COMMANDS += ("serve", "app", "quantize", "info", "export", "verify", "demo", "progress")
"""In the order of the help.

Each is a file here, named as it is typed; a folder holds subcommands. The file has a dataclass Options, which
is also its help, and a function run(options), which finds everything that can be wrong, works, and reports.
What the files share begins with `_`. See companion/cli/_parsing.py.
"""
