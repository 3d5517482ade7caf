"""How right a detector is on pictures whose boxes are known."""
