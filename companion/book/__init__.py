"""The machinery that turns a chapter's text into a notebook and a module, and checks that they agree.

``README.md`` in this folder is the guide for authors; "Where things stand" in it says what each module does.
"""


class BookError(Exception):
    """Something that an author has to mend; the message says where it is and what to do."""
