"""The machinery that turns a chapter's text into a notebook and a module, and checks that they agree.

``README.md`` in this folder is the guide for authors. In the order of the work: ``manifest`` reads book.toml,
``text`` reads a chapter, ``execute`` runs it, ``export`` makes its module, ``overviews`` what follows from
all chapters, ``sync`` writes all of it, ``check`` names what differs, and ``site`` makes the web book.
"""


class BookError(Exception):
    """Something that an author has to mend; the message says where it is and what to do."""
