"""Pictures of violations on the data volume, by episode."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from safetygear_inference.evidence.picture_id import PictureId, picture_id
from safetygear_inference.picture_folder import PictureFolder

QUOTA_SETTING: Final = "evidence.quotaBytes"


class EvidenceStore(PictureFolder[PictureId]):
    """`<folder>/<picture id>.jpg`."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, name_of=picture_id, quota_setting=QUOTA_SETTING)

    def newest_of(self, episode: str) -> PictureId | None:
        """The last picture that was stored of the episode."""
        return max((picture for picture in self.names() if picture.episode == episode), default=None)
