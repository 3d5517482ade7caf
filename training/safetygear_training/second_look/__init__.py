"""The second look: a small network that answers, of one head's or torso's crop, whether helmet or vest is worn."""
