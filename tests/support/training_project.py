"""A project of a training service in memory, as strict as Custom Vision's documentation is.

Limits: "Limits and quotas" of the service and the training API's reference (v3.3, v3.4-preview). That a picture which
is there already gets the regions that come with it is what the service's makers say in
github.com/Azure-Samples/cognitive-services-python-sdk-samples/issues/56. The codes are the API's; which of them answers
which mistake is our reading where no page says it.
"""

from __future__ import annotations

import hashlib
import math
import uuid
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import cv2
import numpy as np

CREATED = "2026-11-29T12:00:00.000Z"
COMPACT_S1 = {
    "id": "7ec2ac80-887b-48a6-8df9-8b1357765430", "name": "General (compact) [S1]", "type": "ObjectDetection",
    "exportable": True, "enabled": True, "exportablePlatforms": ["CoreML", "TensorFlow", "ONNX", "VAIDK"],
}  # fmt: skip
GENERAL = {
    "id": "da2e3a8a-40a5-4171-82f4-58522f70fbc1", "name": "General", "type": "ObjectDetection",
    "exportable": False, "enabled": True, "exportablePlatforms": [],
}  # fmt: skip
CLASSIFYING = {
    "id": "0732100f-1a38-4e49-a514-c9b44c697ab5", "name": "General (compact)", "type": "Classification",
    "exportable": True, "enabled": True, "exportablePlatforms": ["ONNX"],
}  # fmt: skip
DOMAINS = {str(domain["id"]): domain for domain in (COMPACT_S1, GENERAL, CLASSIFYING)}


class RefusalError(Exception):
    """What the service answers with an error."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(code)
        self.status, self.code, self.message = status, code, message


@dataclass
class StoredImage:
    """A picture of the project."""

    id: str
    name: str
    sha256: str
    width: int
    height: int
    metadata: dict[str, str]
    regions: list[dict[str, Any]] = field(default_factory=list)


@dataclass
class Limits:
    """The standard tier's; a test makes them smaller."""

    images: int = 100_000
    tags: int = 500
    regions_an_image: int = 300
    exports: int = 1
    """How many the month has left: the free tier has one."""
    iterations: int = 20
    images_a_tag: int = 15


@dataclass
class TrainingProject:
    """Its state, for tests to look at. Trainings and exports take `looks` looks until they are done."""

    domain: dict[str, Any] = field(default_factory=lambda: COMPACT_S1)
    limits: Limits = field(default_factory=Limits)
    looks: int = 2
    id: str = field(default_factory=lambda: str(uuid.uuid4()))
    tags: dict[str, str] = field(default_factory=dict)
    """Id to name."""
    images: dict[str, StoredImage] = field(default_factory=dict)
    iterations: list[dict[str, Any]] = field(default_factory=list)
    exports: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    trained_on: dict[str, str] = field(default_factory=dict)
    """Iteration id to a digest of what it was trained on."""
    trained_tags: dict[str, list[str]] = field(default_factory=dict)
    fails: str | None = None
    """What the next training fails with."""
    _looks_left: Counter[str] = field(default_factory=Counter)

    def as_json(self) -> dict[str, Any]:
        settings = {"domainId": self.domain["id"], "classificationType": None, "targetExportPlatforms": []}
        return {
            "id": self.id, "name": "site gear", "description": "", "settings": settings, "created": CREATED,
            "lastModified": CREATED, "thumbnailUri": None, "drModeEnabled": False, "status": "Succeeded",
        }  # fmt: skip

    def names_of_regions(self) -> Counter[str]:
        """How many regions each tag has, by its name."""
        return Counter(self.tags[one["tagId"]] for image in self.images.values() for one in image.regions)

    # Tags

    def tag_list(self) -> list[dict[str, Any]]:
        return [self._tag(tag_id) for tag_id in self.tags]

    def create_tag(self, name: str) -> dict[str, Any]:
        if not name.strip() or len(name) > 128:
            raise RefusalError(400, "BadRequestTagName", "Invalid tag name")
        if name in self.tags.values():
            raise RefusalError(400, "BadRequestTagNameNotUnique", "Name not unique")
        if len(self.tags) >= self.limits.tags:
            raise RefusalError(400, "BadRequestExceedTagPerProjectLimit", "Project has too many tags")
        tag_id = str(uuid.uuid4())
        self.tags[tag_id] = name
        return self._tag(tag_id)

    def _tag(self, tag_id: str) -> dict[str, Any]:
        count = sum(any(one["tagId"] == tag_id for one in image.regions) for image in self.images.values())
        return {
            "id": tag_id, "name": self.tags[tag_id], "description": None, "type": "Regular", "imageCount": count,
        }  # fmt: skip

    # Pictures

    def add_images(self, entries: list[dict[str, Any]], tag_ids: list[str], metadata: dict[str, str]) -> dict[str, Any]:
        """`entries`: {name, contents (bytes), regions}."""
        if not entries:
            raise RefusalError(400, "BadRequestImageBatch", "No valid image files")
        if len(entries) > 64:
            raise RefusalError(400, "BadRequestExceededBatchSize", "Batch size limit exceeded")
        used = {*tag_ids, *(region["tagId"] for entry in entries for region in entry["regions"])}
        if len(used) > 20:
            raise RefusalError(400, "BadRequestExceedTagPerImageLimit", "Too many tags in the batch")
        if len(metadata) > 10 or any(len(k) > 128 or len(v) > 256 for k, v in metadata.items()):
            raise RefusalError(400, "BadRequestImageMetadataKey", "Metadata is too long")
        results = [self._add_image(entry, metadata) for entry in entries]
        # The order is not documented: whoever counts on it is found out.
        results.reverse()
        good = all(result["status"] in ("OK", "OKDuplicate") for result in results)
        return {"isBatchSuccessful": good, "images": results}

    def _add_image(self, entry: dict[str, Any], metadata: dict[str, str]) -> dict[str, Any]:
        data = entry["contents"]
        digest = hashlib.sha256(data).hexdigest()
        there = next((image for image in self.images.values() if image.sha256 == digest), None)
        status, image = "OK", there
        picture = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR) if data else None
        if len(data) > 6 * 2**20:
            status = "ErrorImageSize"
        elif picture is None:
            status = "ErrorImageFormat"
        elif max(picture.shape[:2]) > 10240 or max(picture.shape[:2]) > 25 * min(picture.shape[:2]):
            status = "ErrorImageDimensions"
        elif any(region["tagId"] not in self.tags for region in entry["regions"]):
            status = "ErrorInvalidTag"
        elif len(entry["regions"]) > self.limits.regions_an_image:
            status = "ErrorRegionLimitExceed"
        elif there is not None:
            status = "OKDuplicate"
        elif len(self.images) >= self.limits.images:
            status = "ErrorLimitExceed"
        else:
            height, width = picture.shape[:2]
            image = StoredImage(str(uuid.uuid4()), entry["name"], digest, width, height, dict(metadata))
            self.images[image.id] = image
        if not status.startswith("OK"):
            return {"sourceUrl": entry["name"], "status": status, "image": None}
        assert image is not None
        image.regions += [self._region(region) for region in entry["regions"]]
        return {"sourceUrl": entry["name"], "status": status, "image": image_json(image, self.tags)}

    def add_regions(self, entries: list[dict[str, Any]]) -> dict[str, Any]:
        if len(entries) > 64:
            raise RefusalError(400, "BadRequestExceededBatchSize", "Batch size limit exceeded")
        unknown = [entry for entry in entries if entry["imageId"] not in self.images]
        if unknown or any(entry["tagId"] not in self.tags for entry in entries):
            raise RefusalError(400, "BadRequestInvalidIds", "Invalid image or tag id")
        created, duplicated, exceeded = [], [], []
        for entry in entries:
            image = self.images[entry["imageId"]]
            if any(_edges(one) == _edges(entry) for one in image.regions):
                duplicated.append(entry)
            elif len(image.regions) >= self.limits.regions_an_image:
                exceeded.append(entry)
            else:
                image.regions.append(self._region(entry))
                created.append({"imageId": image.id, **image.regions[-1]})
        return {"created": created, "duplicated": duplicated, "exceeded": exceeded}

    def _region(self, entry: dict[str, Any]) -> dict[str, Any]:
        sides = {name: entry[name] for name in ("left", "top", "width", "height")}
        inside = sides["left"] + sides["width"] <= 1 + 1e-6 and sides["top"] + sides["height"] <= 1 + 1e-6
        positive = min(sides["width"], sides["height"]) > 0 and min(sides["left"], sides["top"]) >= 0
        if not (inside and positive and all(math.isfinite(side) for side in sides.values())):
            raise RefusalError(400, "BadRequestImageRegions", "Invalid image regions")
        name = self.tags[entry["tagId"]]
        return {"regionId": str(uuid.uuid4()), "tagName": name, "created": CREATED, "tagId": entry["tagId"], **sides}

    # Trainings and exports

    def train(self, kind: str, budget_hours: int, force: bool) -> dict[str, Any]:
        if any(one["status"] == "Training" for one in self.iterations):
            raise RefusalError(400, "BadRequestTrainingAlreadyInProgress", "Training already in progress")
        if len(self.iterations) >= self.limits.iterations:
            raise RefusalError(400, "BadRequestExceedIterationPerProjectLimit", "Too many iterations")
        counts = {tag["name"]: tag["imageCount"] for tag in self.tag_list()}
        few = [name for name, count in counts.items() if count < self.limits.images_a_tag]
        if few or not counts:
            raise RefusalError(
                400, "BadRequestDetectionTrainingValidationFailed", "Not enough images per tag for training"
            )
        state = repr(sorted((image.sha256, sorted(map(_edges, image.regions))) for image in self.images.values()))
        state += repr((self.domain["id"], kind))
        if not force and state in self.trained_on.values():
            raise RefusalError(400, "BadRequestTrainingNotNeeded", "Nothing changed since last training")
        iteration = {
            "id": str(uuid.uuid4()), "name": f"Iteration {len(self.iterations) + 1}", "status": "Training",
            "created": f"2026-11-29T12:{len(self.iterations):02}:00.000Z", "lastModified": CREATED, "trainedAt": None,
            "projectId": self.id, "exportable": self.domain["exportable"],
            "exportableTo": self.domain["exportablePlatforms"], "domainId": self.domain["id"],
            "classificationType": None, "trainingType": kind, "reservedBudgetInHours": budget_hours,
            "trainingTimeInMinutes": 0, "publishName": None, "originalPublishResourceId": None,
            "customBaseModelInfo": None, "trainingErrorDetails": None,
        }  # fmt: skip
        self.iterations.append(iteration)
        self.trained_on[iteration["id"]] = state
        self.trained_tags[iteration["id"]] = sorted(counts)
        self._looks_left[iteration["id"]] = self.looks
        return dict(iteration)

    def look_at_iteration(self, iteration_id: str) -> dict[str, Any]:
        iteration = next((one for one in self.iterations if one["id"] == iteration_id), None)
        if iteration is None:
            raise RefusalError(404, "NotFoundIteration", "Iteration not found")
        if iteration["status"] == "Training" and self._looked(iteration_id):
            if self.fails is not None:
                iteration |= {"status": "Failed", "trainingErrorDetails": self.fails}
                del self.trained_on[iteration_id]
            else:
                iteration |= {"status": "Completed", "trainedAt": CREATED, "trainingTimeInMinutes": 7}
        return dict(iteration)

    def performance(self, iteration_id: str) -> dict[str, Any]:
        if self.look_at_iteration(iteration_id)["status"] != "Completed":
            raise RefusalError(404, "NotFoundIterationPerformance", "Not trained")
        figures = {
            "precision": 0.9, "precisionStdDeviation": 0.0, "recall": 0.8, "recallStdDeviation": 0.0,
            "averagePrecision": 0.85,
        }  # fmt: skip
        ids = {name: tag_id for tag_id, name in self.tags.items()}
        each = [{"id": ids[name], "name": name, **figures} for name in self.trained_tags[iteration_id]]
        return {"perTagPerformance": each, **figures}

    def order_export(self, iteration_id: str, platform: str, flavor: str | None) -> dict[str, Any]:
        iteration = self.look_at_iteration(iteration_id)
        if iteration["status"] != "Completed":
            raise RefusalError(400, "BadRequestIterationIsNotTrained", "Iteration is not trained")
        if not iteration["exportable"] or platform not in iteration["exportableTo"]:
            raise RefusalError(400, "BadRequestProjectUnsupportedExportPlatform", "Unsupported export platform")
        there = self.exports.setdefault(iteration_id, [])
        if any((one["platform"], one["flavor"]) == (platform, flavor) and one["status"] != "Failed" for one in there):
            raise RefusalError(400, "BadRequestExportAlreadyInProgress", f"{iteration_id} is already queued for export")
        if self.limits.exports < 1:
            raise RefusalError(400, "BadRequestExceededQuota", "The number of exports of this month is exceeded")
        self.limits.exports -= 1
        export = {
            "platform": platform, "status": "Exporting", "downloadUri": None, "flavor": flavor,
            "newerVersionAvailable": False,
        }  # fmt: skip
        there.append(export)
        self._looks_left[f"export {iteration_id}"] = self.looks
        return dict(export)

    def look_at_exports(self, iteration_id: str, address: str) -> list[dict[str, Any]]:
        """`address`: where a finished one is downloaded."""
        self.look_at_iteration(iteration_id)
        for export in self.exports.get(iteration_id, []):
            if export["status"] == "Exporting" and self._looked(f"export {iteration_id}"):
                export |= {"status": "Done", "downloadUri": address}
        return [dict(one) for one in self.exports.get(iteration_id, [])]

    def _looked(self, what: str) -> bool:
        self._looks_left[what] -= 1
        return self._looks_left[what] <= 0


def image_json(image: StoredImage, tags: dict[str, str]) -> dict[str, Any]:
    """As the service describes a picture."""
    used = sorted({one["tagId"] for one in image.regions})
    return {
        "id": image.id, "created": CREATED, "width": image.width, "height": image.height,
        "resizedImageUri": "", "thumbnailUri": "", "originalImageUri": "",
        "tags": [{"tagId": tag_id, "tagName": tags[tag_id], "created": CREATED} for tag_id in used],
        "regions": list(image.regions), "metadata": dict(image.metadata),
    }  # fmt: skip


def _edges(region: dict[str, Any]) -> tuple[Any, ...]:
    return tuple(region[name] for name in ("tagId", "left", "top", "width", "height"))
