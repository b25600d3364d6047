"""What a run needs and no chapter teaches: whole files, downloads, checkpoints, devices."""
