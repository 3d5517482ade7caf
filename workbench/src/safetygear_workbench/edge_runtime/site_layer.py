"""What a site has of its own above the deployment, as a layered deployment gives it: kept through redeployments."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from safetygear_workbench.edge_runtime.store import Store
from safetygear_workbench.edge_runtime.twins import Properties, merged

_NAME = "site-layer"


class SiteLayer:
    """Desired properties by module, merged over those of every deployment."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._layer: dict[str, Properties] = store.load(_NAME) or {}

    def change(self, module_id: str, patch: Mapping[str, Any]) -> None:
        """Take a merge patch over. What it removes is the layer's own only: a deployment's stays."""
        self._layer[module_id] = merged(self._layer.get(module_id, {}), patch)
        self._store.save(_NAME, self._layer)

    def over(self, module_id: str, desired: Mapping[str, Any]) -> Properties:
        """A deployment's desired properties with the layer's above them."""
        return merged(desired, self._layer.get(module_id, {}))
