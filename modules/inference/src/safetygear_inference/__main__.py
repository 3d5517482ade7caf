"""`python -m safetygear_inference`: the module as edgeAgent starts it."""

from __future__ import annotations

import logging
import os
import random
import sys

from safetygear.backoff import Backoff
from safetygear.clock import SystemClock
from safetygear.errors import TwinError
from safetygear.hub import liveness
from safetygear.hub.azure import AzureHub
from safetygear.hub.connect import open_with_retry
from safetygear.lifecycle import Lifecycle, run_module
from safetygear.logs import configure
from safetygear.redact import Redactor
from safetygear.secret_references import Secret, SecretResolver
from safetygear_inference import __version__
from safetygear_inference.app import InferenceApp
from safetygear_inference.environment import Environment, read_environment
from safetygear_inference.live import LiveState
from safetygear_inference.metrics import InferenceMetrics

log = logging.getLogger("safetygear_inference")
