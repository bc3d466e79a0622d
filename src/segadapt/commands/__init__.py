"""One file a command of the console script; the file's name, with ``-`` for ``_``, is the command's.

A command module defines ``HELP`` (one line), ``add_arguments(parser)`` and ``run(given)``, which returns the
exit status or None for 0. It imports heavy modules inside ``run``, so that help is instant.
"""
