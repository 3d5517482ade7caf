"""What runs a network: one file per runtime."""
