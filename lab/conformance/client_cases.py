"""(being written)"""
CASES: list = []
