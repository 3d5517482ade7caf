"""Which frames are worth labelling, and how they get onto the disk: decisions pure, one shell around them."""
