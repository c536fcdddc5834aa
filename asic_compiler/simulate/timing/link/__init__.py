"""From programs of the ``tcc`` dialect to a timing program."""
