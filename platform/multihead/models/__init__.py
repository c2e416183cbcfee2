"""Networks: backbones with one head per prediction."""
