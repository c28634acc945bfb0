"""Networks that look at crops and say where joints are, whoever trained them."""
