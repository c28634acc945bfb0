"""Mean 2-D error in cells of every decoder on synthetic Gaussians, as a Markdown table.

python tests/benchmarks/decode_error.py
"""

import numpy as np

from refine.decoding import decode_heatmaps

DECODERS = {
    "argmax": ("argmax", None, None),
    "quarter": ("quarter", None, None),
    "DARK 3": ("dark", 3, None),
    "DARK 11": ("dark", 11, None),
    "DARK 17": ("dark", 17, None),
    "UDP-DARK 11": ("dark-udp", 11, None),
    "UDP 7, reflect": ("dark-udp", 7, "udp"),
    "fit (ours)": ("fit", None, None),
}
NOISE = (0.0, 0.02, 0.05)


def gaussians(centres, sigma, noise, shape, rng):
    y, x = np.mgrid[: shape[0], : shape[1]]
    d2 = (x - centres[:, 0, None, None]) ** 2 + (y - centres[:, 1, None, None]) ** 2
    maps = np.exp(-d2 / 2 / sigma**2) + noise * rng.standard_normal((len(centres), *shape))
    return maps[:, None].astype(np.float32)


def main(count: int = 2000) -> None:
    for sigma, shape in ((1.0, (32, 24)), (2.0, (64, 48)), (3.0, (96, 72))):
        height, width = shape
        edge = 3.5 * sigma
        zones = {"inside": (edge, width - 1 - edge), "strip": (0, 2.5), "outside": (-1, 0)}
        print(f"\nsigma {sigma:g}, map {width} x {height}; noise {' / '.join(map(str, NOISE))}\n")
        print("| decoder | " + " | ".join(zones) + " |")
        print("|---" * (1 + len(zones)) + "|")
        sets = {}
        for zone, (low, high) in zones.items():
            for noise in NOISE:
                rng = np.random.default_rng(0)
                x = rng.uniform(low, high, count)
                centres = np.stack([x, rng.uniform(edge, height - 1 - edge, count)], 1)
                sets[zone, noise] = centres, gaussians(centres, sigma, noise, shape, rng)
        for name, (method, kernel, compat) in DECODERS.items():
            cells = []
            for zone in zones:
                errors = []
                for noise in NOISE:
                    centres, maps = sets[zone, noise]
                    xy, _ = decode_heatmaps(maps, method, kernel, compat=compat)
                    errors.append(np.linalg.norm(xy[:, 0] - centres, axis=1).mean())
                cells.append(" / ".join(f"{e:.4f}" for e in errors))
            print(f"| {name} | " + " | ".join(cells) + " |")


if __name__ == "__main__":
    main()
