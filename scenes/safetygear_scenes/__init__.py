"""Renders scenes of a site with exact truth, from stories that are small text files.

Tools for tests and benchmarks. Runs in an environment of its own (`make scene`): bpy is GPL, and the product never
imports this package. `story`, `truth`, `events`, `clothes` and the like need numpy alone; `blender/` needs bpy.
"""
