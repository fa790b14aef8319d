"""What all Python tests share: where the repository is."""

import pathlib
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "tests" / "mesh"), str(ROOT / "tests" / "ledger")]
