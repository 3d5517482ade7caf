"""What SafetyGear's modules speak to each other and to IoT Edge."""

__version__ = "0.1.0"
