"""How large a request may be: no service takes more than a small form or a JSON object."""

MAX_BODY_BYTES = 16 * 1024
# All of a request's headers together, cookies included.
MAX_HEADER_BYTES = 16 * 1024
# What is said of one that is larger, by the status that it is answered with.
TOO_LARGE = {
    413: f"The body is longer than {MAX_BODY_BYTES} bytes, the most that a request may send.",
    431: f"The headers, cookies included, are longer than {MAX_HEADER_BYTES} bytes: send fewer cookies.",
}
