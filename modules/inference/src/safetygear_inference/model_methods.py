"""The direct method `reloadModel`: looks at the wanted model again now."""

from __future__ import annotations

import msgspec

from safetygear.hub.methods import Methods, read_arguments
from safetygear.hub.port import Json
from safetygear_inference.model_keeper import ModelKeeper


class ReloadModel(msgspec.Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True):
    """It takes no arguments."""


class ModelMethods:
    """Answers them out of the keeper."""

    def __init__(self, models: ModelKeeper) -> None:
        self._models = models

    def add_to(self, methods: Methods) -> None:
        methods.add("reloadModel", self.reload)

    async def reload(self, payload: Json) -> Json:
        """How the model stands at the moment; what comes of the new look is reported. Raises MethodError."""
        read_arguments(ReloadModel, payload)
        self._models.reload()
        return {"model": self._models.state.as_document()}
