"""Pure maths: no I/O, no clock; what time it is comes in as an argument."""
