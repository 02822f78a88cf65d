"""Links of published simulations."""
