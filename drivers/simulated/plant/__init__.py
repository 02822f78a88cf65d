"""The physics of the simulated bench: light, fibres, detectors and oscillators.

It knows no commands and no wire. Devices are built with its terminals.
"""
