"""How a whole book is fetched anew: which books and when (``plan``), and by which means."""
