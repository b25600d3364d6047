"""Public benchmarks, and the course's models in EleutherAI's lm-evaluation-harness."""
