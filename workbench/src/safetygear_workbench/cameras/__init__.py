"""RTSP cameras for the demo and for tests, with faults on request."""
