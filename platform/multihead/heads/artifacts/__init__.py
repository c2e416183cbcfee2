"""Tables and figures that a test writes for a head."""
