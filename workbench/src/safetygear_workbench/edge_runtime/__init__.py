"""A stand-in for the IoT Edge runtime that unmodified azure-iot-device clients connect to. It is not IoT Edge."""
