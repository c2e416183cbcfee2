"""What goes wrong in the same way wherever files of a set lie."""

from multihead.errors import DataError


def cut_short(place: str, name: str, end: int) -> DataError:
    """Make the error for a file that ends before it should."""
    return DataError(
        f"{place}/{name} was cut to {end:,} bytes while it was read. Fetch or write it again, "
        f"and start anew."
    )
