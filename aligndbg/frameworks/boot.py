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


def refuse(error: ImportError, side: str, socket: int) -> None:
    """Tell the app what the interpreter lacks. The wire itself needs nothing but Python."""
    from multiprocessing.connection import Connection

    from aligndbg.frameworks import wire

    words = f"{error.name or 'a module'} cannot be imported in {sys.executable}: {type(error).__name__}: {error}"
    hint = f"{sys.executable} -m pip install numpy, and {side} with it"
    Connection(socket).send_bytes(wire.encode(wire.Failed("EnvironmentFault", words, hint)))


if __name__ == "__main__":
    bootstrap()
    try:
        from aligndbg.frameworks.host import main
    except ImportError as error:
        refuse(error, sys.argv[1], int(sys.argv[2]))
    else:
        main(sys.argv[1:])
