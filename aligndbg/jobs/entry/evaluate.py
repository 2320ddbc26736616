"""Judge a share of an evaluation's batches on this rank: `python evaluate.py REQUEST.json torch|paddle`.

Runs as a plain file, alone or under a launcher, in an interpreter with the side's framework, numpy, Pillow and what its
preprocessing asks for.
"""

import runpy
import sys
from pathlib import Path

if __name__ == "__main__":
    if sys.version_info < (3, 11):  # noqa: UP036
        sys.exit(f"aligndbg evaluates with Python 3.11 or later, {sys.executable} is {sys.version.split()[0]}")
    here = Path(__file__).resolve().parent
    # The folder of a file that is run comes first there, and holds nothing for others to import.
    sys.path[:] = [folder for folder in sys.path if Path(folder or ".").resolve() != here]
    runpy.run_path(str(here.parents[1] / "frameworks" / "boot.py"))["bootstrap"]()

    from aligndbg.jobs.entry.shard_rank import main

    sys.exit(main(sys.argv[1:]))
