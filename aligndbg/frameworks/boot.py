"""Start a child in any interpreter that has numpy and a framework: `python boot.py SIDE SOCKET OUTBOUND INBOUND`.

Runs as a plain file, because aligndbg need not be installed there. Nothing but this package's own folder is made importable: the
app's site-packages belong to another interpreter, and perhaps to another version of Python.
"""

import importlib.util
import os
import sys


def bootstrap() -> None:
    if sys.version_info < (3, 10):  # noqa: UP036
        sys.exit("aligndbg needs Python 3.10 or later for a framework child, this is " + sys.version.split()[0])
    here = os.path.dirname(os.path.abspath(__file__))  # noqa: PTH100, PTH120
    sys.path[:] = [folder for folder in sys.path if os.path.abspath(folder or ".") != here]  # noqa: PTH100
    if "aligndbg" not in sys.modules:
        package = os.path.dirname(here)  # noqa: PTH120
        spec = importlib.util.spec_from_file_location(
            "aligndbg",
            os.path.join(package, "__init__.py"),  # noqa: PTH118
            submodule_search_locations=[package],
        )
        if spec is None or spec.loader is None:
            sys.exit("aligndbg is damaged: no " + package)
        module = importlib.util.module_from_spec(spec)
        sys.modules["aligndbg"] = module
        spec.loader.exec_module(module)


if __name__ == "__main__":
    bootstrap()
    from aligndbg.frameworks.host import main

    main(sys.argv[1:])
