"""Atomic writes, downloads, limits of time, and checks of arguments."""
