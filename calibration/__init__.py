"""Calibration procedures: a run context and roles in, a calibration record out."""
