"""Optimised Programs and their schedules as plain data, so that other processes can take them up.

Plain data is tuples of numbers, texts, bytes and None. `attributes` turns what nodes carry into it
and back, `programs` Programs, `kernels` loop IR, `schedules` what is to run. `record` puts the
parts together, with the name under which they are kept.
"""
