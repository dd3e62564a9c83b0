"""What all tests share: the browser, and `require` for what a machine may lack."""

import sys
from pathlib import Path

import hypothesis

# Tests are imported one by one (importmode=importlib); what they share is imported by its name.
sys.path.insert(0, str(Path(__file__).parent))

from browser import chromium, jupyterlab, notebook_page  # noqa: E402
from memory_table import pytest_terminal_summary  # noqa: E402
from required import require  # noqa: E402

# A busy machine is slow, not wrong.
hypothesis.settings.register_profile("course", deadline=None)
hypothesis.settings.load_profile("course")

__all__ = ["chromium", "jupyterlab", "notebook_page", "pytest_terminal_summary", "require"]
