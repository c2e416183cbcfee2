"""Pages: one self-contained file each, made from tables and figures."""
