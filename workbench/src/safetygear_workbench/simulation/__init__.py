"""`safetygear simulate`: the whole solution on this machine, and what IoT Hub would receive."""
