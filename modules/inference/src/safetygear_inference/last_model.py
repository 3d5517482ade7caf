"""Remembers over restarts which models worked and which did not: a rebooted box comes up with one that did."""

from __future__ import annotations

import logging
from pathlib import Path

import msgspec

from safetygear.errors import ModelError
from safetygear.synced_files import replace_synced
from safetygear_inference.model_change.config import ModelConfig
from safetygear_inference.publishing.budget_file import write_error

FILE_NAME = "last-model.json"

log = logging.getLogger(__name__)


class OnTrial(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A package that was being opened, compared or watched when this was written."""

    sha256: str
    ends: int = 0
    """How often the process has ended meanwhile: a model that takes it along looks like this."""


class Rejected(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A package that was refused or given back, with the twin's section that asked for it."""

    config: ModelConfig
    code: str
    message: str
    rolled_back: bool = False


class ModelMemory(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """What outlives a restart."""

    good: ModelConfig | None = None
    """The model that worked last, with its thresholds."""
    before: ModelConfig | None = None
    """The one that worked before it."""
    on_trial: OnTrial | None = None
    rejected: Rejected | None = None

    def packages(self) -> set[str]:
        """Digests of the packages that worked: the last two."""
        return {config.package for config in (self.good, self.before) if config is not None and config.package}

    def now_good(self, config: ModelConfig) -> ModelMemory:
        """`config` works. With other thresholds only, the model before stays the one before."""
        same = self.good is not None and same_model(self.good, config)
        before = self.before if same or self.good is None else self.good
        return ModelMemory(good=config, before=before, rejected=self.rejected)


class LastModelFile:
    """`<folder>/last-model.json`."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / FILE_NAME

    def load(self) -> ModelMemory:
        """What was remembered; nothing where there is no file, or none that can be read (logged)."""
        try:
            return msgspec.json.decode(self._path.read_bytes(), type=ModelMemory)
        except FileNotFoundError:
            pass
        except (OSError, msgspec.MsgspecError, UnicodeDecodeError) as exc:
            log.warning("%s can't be read (%s): no model to fall back to after a restart", self._path, exc)
        return ModelMemory()

    def save(self, memory: ModelMemory) -> None:
        """Replace it; on the disk when this returns. Raises ModelError (data-…); the old one then still stands."""
        try:
            replace_synced(self._path, msgspec.json.encode(memory))
        except OSError as exc:
            error = write_error(exc, self._path)
            raise ModelError(f"{error}; no model to fall back to after a restart", code=error.code) from exc


def same_model(one: ModelConfig, other: ModelConfig) -> bool:
    """Whether both mean the same detector; thresholds and the like aside."""
    if one.package is not None or other.package is not None:
        return one.package == other.package
    return one.name == other.name
