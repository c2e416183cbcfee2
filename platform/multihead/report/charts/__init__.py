"""Charts of a page as inline SVG: small, in the page's colours, and usable by its script."""
