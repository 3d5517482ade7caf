"""What leaves the module: which frames are sent, within which budget, and in what order."""
