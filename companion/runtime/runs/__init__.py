"""What surrounds a training: validation, sessions, resuming, presets, reports, several processes."""
