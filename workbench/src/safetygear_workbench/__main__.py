"""`python -m safetygear_workbench`: the command line, as the workbench image's entry point runs it."""

from __future__ import annotations

import sys

from safetygear_workbench.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
