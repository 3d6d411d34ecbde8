"""The laboratory of Emojifier Bot: it trains, exports and evaluates the models."""

from collections.abc import Callable

#: Called with how many of how many are done.
Progress = Callable[[int, int], None]

#: The log of a model's runs, in the model's folder.
MODEL_LOG_FILE = "training.log.jsonl"
