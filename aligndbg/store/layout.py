"""The names inside a session folder. `<UTC time>-<pair>-<4 hex>/` holds:"""

from __future__ import annotations

SNAPSHOT = "session.json"
"""What was asked, from which sources, and how it ended."""

RESULTS = "results.db"
"""SQLite: the rows, as they were found."""

REPORT = "report.json"
"""The report, schema 1, once the run came to its end."""

TENSORS = "tensors"
"""One safetensors file per kept name."""

LOGS = "logs"
"""What the children wrote to their standard output and error."""
