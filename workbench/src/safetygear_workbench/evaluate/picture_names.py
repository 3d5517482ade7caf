"""Names of pictures in a data file, which may come from a stranger. Pure."""

from __future__ import annotations

from pathlib import PurePosixPath

from safetygear.errors import UserError

MOST_CHARACTERS = 1024


def checked_name(name: str, field: str) -> str:
    """A path below the pictures' folder, with `/`. Raises UserError for one that points out of it."""
    plain = name.replace("\\", "/")
    path = PurePosixPath(plain)
    if not 0 < len(plain) <= MOST_CHARACTERS or not plain.isprintable():
        raise UserError(f"{field} is no file name.", hint="Write the picture's path below the folder of --images.")
    if path.is_absolute() or ".." in path.parts or plain[1:2] == ":":
        raise UserError(f"{field} is {name!r}.", hint="Write the picture's path below the folder of --images.")
    return str(path)
