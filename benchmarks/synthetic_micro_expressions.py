"""How long a frame of the synthetic micro-expressions takes to draw.

python benchmarks/synthetic_micro_expressions.py --size 128
"""

import argparse
import time

from fer_data.synthetic.synthetic_micro_expressions import synthetic_clips


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--size", type=int, default=128, help="side of a face in pixels")
    parser.add_argument("--subjects", type=int, default=10, help="people, with three clips each")
    parser.add_argument("--rounds", type=int, default=3, help="the fastest counts")
    args = parser.parse_args(argv)
    list(synthetic_clips(1, 1, size=args.size))
    times = []
    for _ in range(args.rounds):
        begin = time.perf_counter()
        frames = sum(
            len(clip.frames) for _, clip in synthetic_clips(args.subjects, 1, size=args.size)
        )
        times.append((time.perf_counter() - begin) / frames * 1000)
    print(
        f"{args.size}x{args.size}, {frames} frames, rendering and alignment of each clip included"
    )
    print(f"{min(times):.2f} ms a frame (rounds: {', '.join(f'{t:.2f}' for t in times)})")


if __name__ == "__main__":
    main()
