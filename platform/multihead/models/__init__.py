"""Networks: a backbone with one head per prediction."""
