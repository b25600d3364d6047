"""Public benchmarks, n-gram baselines, and the course's models in EleutherAI's lm-evaluation-harness."""
