"""Criteria; each is called with the head and returns one number per batch.

A criterion is a module, `criterion(outputs [B, K], labels [B]) -> []`. Those for parameters are
made for a head, because its range and unit are in their formulas. Like torch's own, each has
`reduction`: `mean`, or `none` for a number per sample, [B].
"""
