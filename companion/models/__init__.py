"""Find and load any model (ours, the hub's, GGUF, adapters), save it for other programs, compare it."""
