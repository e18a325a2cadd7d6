"""Episodes to look at: a self-contained web page with a player, or a GIF or MP4 film."""

from swarmfield.replay_page.film import write_gif, write_mp4
from swarmfield.replay_page.legend import ColourBy
from swarmfield.replay_page.page import TooLargeError, read_page, write_page
from swarmfield.replay_page.recording import Recording

__all__ = [
    "ColourBy",
    "Recording",
    "TooLargeError",
    "read_page",
    "write_gif",
    "write_mp4",
    "write_page",
]
