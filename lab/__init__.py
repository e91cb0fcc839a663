"""Echo Lab: a lab in which to see TCP/IP happen."""

__version__ = "0.1.0"
