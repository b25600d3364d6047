"""What surrounds a training: validation, sessions, resuming, optimizers, several processes."""
