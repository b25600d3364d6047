"""What surrounds generation: checks of arguments, seeds, and buffers of caches."""
