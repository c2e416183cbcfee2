"""Charts of a page as inline SVG: light, in the page's colours, and answering to its script."""
