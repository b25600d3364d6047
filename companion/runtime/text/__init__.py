"""Documents, tokenizers, chat templates, and the tokens that end a text."""
