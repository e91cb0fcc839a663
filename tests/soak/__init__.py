"""The long repeats that ``make test`` has no time for: see ``__main__``."""
