"""Programs that nobody here wrote, asked about every session: do tshark, capinfos and tcptrace say what our JSON says?

``python -m tests.oracle --sessions 1000`` plays mixed sessions in the composed lab, makes damaged ones that no kernel
sends, compares all of them and writes docs/oracle.md. tests/live/test_oracle_agreement.py does the same with few.
"""
