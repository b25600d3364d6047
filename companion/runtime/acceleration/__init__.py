"""Code that only makes things faster. Nothing here is used unless it is asked for by name."""
