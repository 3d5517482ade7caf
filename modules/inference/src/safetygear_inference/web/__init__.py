"""The live page: who may see it, what it shows, and how it travels."""
