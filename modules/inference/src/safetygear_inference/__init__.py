"""SafetyGear's inference module: frame references in; detections, events and health out."""

__version__ = "0.1.0"
