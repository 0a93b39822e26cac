"""The ground: records, the store, reviewed facts, the corpus, the model and the demonstration web."""
