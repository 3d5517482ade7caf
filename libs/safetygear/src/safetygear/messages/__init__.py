"""Everything that travels between modules or to IoT Hub: frozen, versioned, camelCase on the wire."""
