"""Distillation without a link: sifted keys and recorded runs in, keys out."""
