"""The fixtures of browser tests."""

from __future__ import annotations

from support.browser import browser as browser
