"""A load of requests with faults, and what it does to the bot's processes."""
