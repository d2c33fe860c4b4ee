"""Opening the page in the user's browser."""

import os
import sys
import threading
import webbrowser
from collections.abc import Mapping


def has_display(environment: Mapping[str, str] | None = None, platform: str = sys.platform) -> bool:
    """Return whether a browser that is opened here would be seen by whoever started the program.

    It would not under continuous integration, over SSH, or on a Linux without a display.

    Args:
        environment: Variables of the environment. Default: those of the process.
        platform: As `sys.platform`.
    """
    environment = os.environ if environment is None else environment
    if environment.get("CI", "").lower() not in ("", "0", "false"):
        return False
    if environment.get("SSH_CONNECTION") or environment.get("SSH_TTY"):
        return False
    if platform in ("win32", "cygwin", "darwin"):
        return True
    return bool(environment.get("DISPLAY") or environment.get("WAYLAND_DISPLAY"))


def open_page(address: str) -> bool:
    """Open a page in the user's browser, unless nobody would see it; never wait for the browser.

    Args:
        address: Its URL.

    Returns:
        Whether that was tried.
    """
    if not has_display():
        return False
    # A browser that runs in the foreground must not hold up the server.
    threading.Thread(target=webbrowser.open, args=(address,), daemon=True).start()
    return True
