"""Key frames of main streams: kept by reference, and found again for an analysed frame that they show from nearer.

They are never analysed as frames, and no coverage counts them.
"""
