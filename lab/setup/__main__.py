"""``python3 -m lab.setup COMMAND``: what the Makefile calls.

This file is read by whatever Python the machine has, so that an old one gets a sentence and not a syntax error:
nothing is imported from the lab before the version has been looked at.
"""

import sys

if sys.version_info < (3, 10):  # noqa: UP036 (the sentence for those who have an older one)
    sys.stderr.write(
        "   no  Python %d.%d is too old; the lab needs 3.10 or newer.\n" % sys.version_info[:2]  # noqa: UP031
        + " next  make PYTHON=python3.12 up   (the name of a newer one)\n"
    )
    sys.exit(1)

from lab.setup.main import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
