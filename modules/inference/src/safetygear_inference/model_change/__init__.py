"""Changing the model while cameras are watched: fetch, check, compare, switch, and back where it was a mistake.

`change` is the way one change takes; what it decides with is pure: `addresses`, `download_plan`, `comparison`,
`trial`, `refusals`. `download`, `package_store`, `shadow` move the bytes and the frames.
"""
