"""What a model is trained on: prepared folders, shards, labelled texts, conversations, preference pairs."""
