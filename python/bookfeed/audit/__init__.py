"""The auditor of signals: a second, independent reading of a journal, in plain Python.

It reads the frames with the standard library, keeps its own books in decimals, has its own fee
arithmetic, its own walk and its own gates, and compares what comes out with what the engine said
of the same journal. It shares no code with the core and is never on the live path.

What it takes from the engine as given, and nothing else:

* the *standing* of books: their state records, whether a book may be believed after a journal
  record, whether a hash vouches for it, and when its newest evidence was received;
* the order of events: which books were published when, and which journal records were refused;
* where a venue has only times, for a change that is not newer than its book, whether hashes made
  it history: the engine's level at that price tells (each is counted, and the whole book must
  still agree).

Where the venue gives numbers or checksums the standing is recomputed as well: what breaks a book
must take it out of live in that very record, and none may be live without a whole book since.

What is known of a venue is in ``readings/<venue>.py`` and ``fees/<venue>.py``, what a rule does in
``rules/<rule>.py``; each is found by its name, and the files beside them name none.
"""

from bookfeed.audit.auditor import Auditor
from bookfeed.audit.report import AuditReport, Finding

__all__ = ["AuditReport", "Auditor", "Finding"]
