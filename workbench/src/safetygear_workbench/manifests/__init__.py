"""Deployment templates made of other ones."""
