"""What surrounds generation: checks of arguments, cache buffers, a public model's settings."""
