"""The seam to IoT Edge's hub: `port` is the interface, `azure` the real adapter, `fake` the one for unit tests."""
