"""The two programs that make the mixed sessions. They run in containers and import nothing of the lab."""
