"""Data sets as their authors ship them: lists, files, what is wrong with them, and their pixels."""
