"""Rebuilds the default detector. Never imported by the product."""
