"""Counters of processes that are killed and start again from 0, added up over all of their starts. Pure but for text.

The only file of the workbench that imports prometheus_client, which parses what /metrics says.
"""

from __future__ import annotations

from collections import Counter

from prometheus_client.parser import text_string_to_metric_families

_COMMON = {"iothub", "edge_device", "module_name"}
_START = "instance_number"
Key = tuple[str, tuple[tuple[str, str], ...]]


class Totals:
    """Fed with the text of /metrics, again and again; knows each counter's sum over all starts of all modules."""

    def __init__(self) -> None:
        self._latest: dict[tuple[str, Key], float] = {}

    def scraped(self, text: str) -> None:
        """Take in what a module says now. Raises ValueError for text that is not in Prometheus' format."""
        for family in text_string_to_metric_families(text):
            if family.type != "counter":
                continue
            for sample in family.samples:
                if sample.name.endswith("_total"):
                    start = f"{sample.labels.get('module_name')} {sample.labels.get(_START)}"
                    labels = {k: v for k, v in sample.labels.items() if k not in _COMMON and k != _START}
                    self._latest[(start, (sample.name, tuple(sorted(labels.items()))))] = sample.value

    def sum(self, name: str) -> int:
        """Over all labels."""
        return round(sum(value for (_, (found, _)), value in self._latest.items() if found == name))

    def by(self, name: str, label: str) -> Counter[str]:
        """Sums by one label's value, without zeros."""
        counts: Counter[str] = Counter()
        for (_, (found, labels)), value in self._latest.items():
            if found == name and value:
                counts[dict(labels).get(label, "")] += round(value)
        return counts
