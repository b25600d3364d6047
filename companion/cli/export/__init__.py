"""Convert a model for transformers, llama.cpp or onnxruntime.

By default it is the storyteller that comes with the course.

Example:
    companion export gguf --output village.gguf
"""
