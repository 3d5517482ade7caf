"""Events on the data volume until the hub has taken them, and for some days after that."""
