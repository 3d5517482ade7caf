"""A folder that is there whole or not at all."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from safetygear.errors import UserError


@contextmanager
def new_folder(path: Path, option: str) -> Iterator[Path]:
    """A folder to fill, which becomes `path` where nothing fails, and is removed otherwise.

    Raises UserError: `path` is there and not empty, it can't be made, the disk is full. `option`: what named it.
    """
    scratch: Path | None = None
    try:
        if path.exists() and (not path.is_dir() or any(path.iterdir())):
            raise UserError(f"{option} {path} is there already:", hint="name a folder that is new or empty")
        path.parent.mkdir(parents=True, exist_ok=True)
        # Beside its place, so that it can be renamed; mkdtemp's 0700 would keep a labelling server out.
        scratch = Path(tempfile.mkdtemp(prefix=f".{path.name}-", dir=path.parent))
        scratch.chmod(0o755)
        yield scratch
        if path.exists():
            path.rmdir()
        scratch.rename(path)
        scratch = None
    except OSError as exc:
        raise UserError(f"{option} {path} can't be written ({exc.strerror}).") from exc
    finally:
        if scratch is not None:
            shutil.rmtree(scratch, ignore_errors=True)
