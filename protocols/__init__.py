"""Pure computation: no I/O, no instruments, no wall clock, no global randomness."""
