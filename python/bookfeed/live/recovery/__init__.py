"""How a whole book is fetched anew: which books and when (``plan``), and by which means.

``base`` has what every means has in common; there is one file for each of the others.
"""
