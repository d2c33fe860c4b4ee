"""`python -m fer_models` is the command `fer`."""

import sys

from fer_models.cli import main

if __name__ == "__main__":
    sys.exit(main())
