"""The commands of the command line: each file adds options, plans, does, reports."""
