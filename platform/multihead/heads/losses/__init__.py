"""Criteria of heads.

A criterion is a module, `criterion(outputs [B, K], labels [B]) -> []`. Its constructor takes the
head, because the formula may need the head's range and unit. Like torch's losses, each has
`reduction`: `mean`, or `none` for one number per sample, [B].
"""
