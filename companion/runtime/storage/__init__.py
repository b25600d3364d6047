"""Models on the disk: checkpoints, adapters, classifiers, public models and the hub."""
