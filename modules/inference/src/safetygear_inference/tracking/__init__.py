"""From the boxes of people in each frame to people who keep an id from frame to frame. Pure.

`motion` says where a person is expected and how sure that is, `assignment` which box is whose, `tracker` who is new and
who is gone, `ids` how they are called.
"""

from safetygear_inference.tracking.config import TrackingConfig
from safetygear_inference.tracking.ids import TrackIds
from safetygear_inference.tracking.tracker import PersonTracker, Tracked

__all__ = ["PersonTracker", "TrackIds", "Tracked", "TrackingConfig"]
