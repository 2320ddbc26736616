from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
from small_training import SmallTraining


@pytest.fixture
def small(tmp_path: Path) -> SmallTraining:
    return SmallTraining(tmp_path)
