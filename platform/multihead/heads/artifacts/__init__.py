"""Tables and pictures that a test leaves of a head, a file each."""
