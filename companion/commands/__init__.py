"""Commands of the command line that are too long to stand in cli.py: each file adds, plans, does, reports."""
