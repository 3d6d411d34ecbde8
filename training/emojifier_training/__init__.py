"""The laboratory of Emojifier Bot: it trains, exports and evaluates the models."""

#: The log of a model's runs, in the model's folder.
MODEL_LOG_FILE = "training.log.jsonl"
