"""What listed markets about a price are worth, live and in recordings, and how good that was.

``question.py`` says of which markets it can be said, ``estimates.py`` says it, ``recorded.py`` asks
for it in a recording, and ``scores.py`` holds what was said against what came true.
"""
