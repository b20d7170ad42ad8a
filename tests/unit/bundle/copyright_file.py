"""Copyright files of Debian's packages."""

# How one begins that a program can read (copyright-format 1.0).
READABLE = "Format: https://example.org/copyright-format/1.0/\n\nFiles: *\n"
