"""Custom Vision's prediction API over HTTP, without IoT Edge around it."""
