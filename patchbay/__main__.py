"""``python -m patchbay`` is the same as ``patchbay``."""

from patchbay.cli.main import main

if __name__ == "__main__":
    main()
