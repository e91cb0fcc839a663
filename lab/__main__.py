"""``python3 -m lab``: the command echolab without installing anything."""

import sys

from lab.cli import main

if __name__ == "__main__":
    sys.exit(main())
