"""Train GhostFace on small faces: `examples/train.py` with the recipe that fits.

    python examples/train_ghostface.py --data synthetic --output runs/synthetic
    python examples/train_ghostface.py --config examples/fer2013.json --path FOLDER

Everything after the name goes to `train.py`, which explains it (`--help`).
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
import train

if __name__ == "__main__":
    sys.exit(train.main(script=Path(__file__).name))
