"""What all tests share: the browser, and `require` for what a machine may lack."""

import sys
from pathlib import Path

# Tests are imported one by one (importmode=importlib); what they share is imported by its name.
sys.path.insert(0, str(Path(__file__).parent))

from browser import chromium, jupyterlab, notebook_page  # noqa: E402
from required import require  # noqa: E402

__all__ = ["chromium", "jupyterlab", "notebook_page", "require"]
