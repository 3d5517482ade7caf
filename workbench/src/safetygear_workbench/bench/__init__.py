"""What the solution costs: measured on this machine, beside the floor it can't go below, in one run."""
