"""Which frames need no analysis, because nothing has moved since the last one that had it."""
