"""SafetyGear."""
