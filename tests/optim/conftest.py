"""Lets the tests of this folder import `optim_cases`, which the recording scripts share."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
