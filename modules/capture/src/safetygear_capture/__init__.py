"""The capture module: RTSP cameras in, frames in shared memory and their references out."""

__version__ = "0.1.0"
