"""Pictures of violations: which frame is kept, whose face is blurred in it, where it is stored, how it is uploaded."""
