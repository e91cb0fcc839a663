"""The command ``echolab``: what the lab has recorded, looked at from a terminal. ``echolab --help`` lists what it can
do.

Standard library only, so that ``python3 -m lab`` works from a clone with nothing installed.
"""

from lab.cli.command import main

__all__ = ["main"]
