"""One module per format: what speaks for it, how pictures go in, and the decoding of its outputs. Pure numpy."""
