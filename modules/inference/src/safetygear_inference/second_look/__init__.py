"""The second look: a small network on crops of heads and torsos, for people of whom the votes are not sure.

Asked for by the judging of the frame before, answered in the worker thread from the frame's own pixels, part of the
frame's record like its boxes (docs/adr/0014).
"""
