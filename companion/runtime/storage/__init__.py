"""Models on the disk: checkpoints, adapters, classifiers; and what others made public."""
