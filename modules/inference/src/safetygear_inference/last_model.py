"""Remembers which model worked last, so that a restart under a refused one does not leave the cameras unwatched."""

from __future__ import annotations

import logging
import os
from pathlib import Path

import msgspec

from safetygear_inference.config import ModelConfig
from safetygear_inference.publishing.budget_file import write_error

FILE_NAME = "last-model.json"

log = logging.getLogger(__name__)


class LastModelFile:
    """`<folder>/last-model.json`. What goes wrong is logged and changes nothing: it is a convenience after a fault."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / FILE_NAME

    def load(self) -> ModelConfig | None:
        """The configuration of the model that was in use last; None where there is none that can be read."""
        try:
            return msgspec.json.decode(self._path.read_bytes(), type=ModelConfig)
        except FileNotFoundError:
            return None
        except (OSError, msgspec.MsgspecError, UnicodeDecodeError) as exc:
            log.warning("%s can't be read (%s): no model to fall back to after a restart", self._path, exc)
            return None

    def save(self, config: ModelConfig) -> None:
        """Replace it."""
        scratch = self._path.with_suffix(".tmp")
        try:
            with scratch.open("wb") as file:
                file.write(msgspec.json.encode(config))
                file.flush()
                os.fsync(file.fileno())
            scratch.replace(self._path)
        except OSError as exc:
            log.warning("%s; no model to fall back to after a restart", write_error(exc, self._path))
