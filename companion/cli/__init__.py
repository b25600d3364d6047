"""The commands: a file each, named as it is typed; a folder holds subcommands, and `_` begins what is none.

A command's file has a dataclass Options, which is also its help, and a function run(options): everything that
can be wrong is found, the work is done, it is reported. See companion/cli/_parsing.py.
"""

COMMANDS = ("prepare", "train", "course", "generate", "eval", "finetune", "classify", "chat", "serve", "app")
COMMANDS += ("quantize", "info", "export", "verify", "demo")
"""In the order of the help."""
