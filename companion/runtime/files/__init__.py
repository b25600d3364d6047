"""Atomic writes, and checks of arguments."""
