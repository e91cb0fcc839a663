"""Golden traces: small captures of real kernels that the lab recorded, each with the analysis and the ladder that
belong to it.

``python -m tests.golden`` writes both anew from the captures; look at the difference before you commit it.
"""
