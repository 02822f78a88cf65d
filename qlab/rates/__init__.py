"""Key rates of described links: what `qlab key rate` computes and draws."""
