"""Chooses what runs a model on this machine, by trying it: which runtime, and whether in int8.

What may be chosen and how is pure (`detectors/runtimes/choice.py`); here are the trying, the timing, and the memory.
"""
