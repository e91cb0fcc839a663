"""Exercises that grade themselves: read an exercise's folder, play it, and mark the answers by the student's own
capture.

An exercise is data (``lab/exercises``); what it may ask is the vocabulary of ``lab.grade.vocabulary``. The expected
answer is always computed from the capture at hand, never written down.
"""
