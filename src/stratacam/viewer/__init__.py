"""A finished study in a web browser: a server that only reads, and one scan as a single file to send.

`content` is what can be asked for, `answers` the form of the answers, `application` the addresses, and `gate` who may
ask. The page itself, in TypeScript, is `page/`; `make viewer` builds it.
"""

from stratacam.viewer.content import Viewed
from stratacam.viewer.opening import open_viewed
from stratacam.viewer.serve import serve
from stratacam.viewer.single_file import write_page

__all__ = ["Viewed", "open_viewed", "serve", "write_page"]
