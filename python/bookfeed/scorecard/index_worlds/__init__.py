"""Simulated worlds in which the true index of spot books is known: how near an estimate comes when
venues freeze, lag and spike, beside the short cuts that others take.

``python -m bookfeed.scorecard.index_worlds.windows`` prints the table; ``docs/index.md`` explains
it. Nothing here is an administrator's value: what is called true is the published method, read
independently, over the books that nothing happened to.
"""
