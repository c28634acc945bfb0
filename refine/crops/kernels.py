"""The compiled loops of cutting crops."""

import numpy as np

from refine._kernel import kernel


@kernel(fastmath=True)
def crop_image(picture, linear, shift, width, height, taps):
    rows, columns = picture.shape[0], picture.shape[1]
    out = np.zeros((height, width, 3), np.uint8)
    share = 1.0 / (taps * taps)
    for v in range(height):
        for u in range(width):
            r, g, b = 0.0, 0.0, 0.0
            for i in range(taps):
                dv = v + (i + 0.5) / taps - 0.5
                for j in range(taps):
                    du = u + (j + 0.5) / taps - 0.5
                    x = linear[0, 0] * du + linear[0, 1] * dv + shift[0]
                    y = linear[1, 0] * du + linear[1, 1] * dv + shift[1]
                    x0, y0 = int(np.floor(x)), int(np.floor(y))
                    fx, fy = x - x0, y - y0
                    for t in range(4):
                        xt, yt = x0 + (t & 1), y0 + (t >> 1)
                        if 0 <= xt < columns and 0 <= yt < rows:
                            wx = fx if t & 1 else 1 - fx
                            wy = fy if t >> 1 else 1 - fy
                            weight = wx * wy * share
                            r += weight * picture[yt, xt, 0]
                            g += weight * picture[yt, xt, 1]
                            b += weight * picture[yt, xt, 2]
            out[v, u, 0] = np.uint8(r + 0.5)
            out[v, u, 1] = np.uint8(g + 0.5)
            out[v, u, 2] = np.uint8(b + 0.5)
    return out
