"""Ideal outputs of networks that see one crop a person, made from known joints."""

import numpy as np

from refine.geometry import Crop, Grid

SIZE, CELLS = (192, 256), (48, 64)
BOX = np.array([[30.0, 40, 130, 190], [10, 10, 90, 250], [200, 100, 260, 130]])


def crops(size, alignment="stride"):
    """Crops of three boxes, one of them turned by 20 degrees."""
    crop = Crop.from_box(BOX, size, alignment=alignment)
    middle = np.array(size) / 2
    turn = np.deg2rad(20.0)
    linear = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    about = np.column_stack([linear, middle - linear @ middle])
    turned = Crop.from_matrix(about, size) @ Crop.from_matrix(crop.matrix[1], size)
    matrix = crop.matrix.copy()
    matrix[1] = turned.matrix[0]
    return Crop.from_matrix(matrix, size)


def places(grid, joints, margin=6.0, seed=4):
    """Input px (3, K, 2) that lie at least `margin` cells inside the map."""
    rng = np.random.default_rng(seed)
    high = np.array(grid.size) - 1 - margin
    return grid.to_input(rng.uniform(margin, high, (3, joints, 2)))


def gaussians(cells, size, sigma=2.0):
    """Maps (N, K, H, W) with a peak of 1 at the cells (N, K, 2)."""
    dx, dy = away(cells, size)
    return np.exp(-(dx**2 + dy**2) / (2 * sigma**2))


def away(cells, size):
    """x and y from every cell of maps (N, K, H, W) to the cells (N, K, 2)."""
    x, y = np.arange(size[0]), np.arange(size[1])[:, None]
    dx, dy = cells[..., 0, None, None] - x, cells[..., 1, None, None] - y
    return np.broadcast_arrays(dx, dy)


def discs(cells, size, radius, everywhere=False):
    """Disc maps (N, K, H, W), and offsets (N, K, 2, H, W) in cells in the discs or everywhere."""
    dx, dy = away(cells, size)
    disc = (dx**2 + dy**2 <= radius**2).astype(float)
    offsets = np.stack([dx, dy], 2)
    return disc, offsets if everywhere else offsets * disc[:, :, None]


def mirrored(xy, mirror, width):
    """Return input px (N, K, 2) of the mirrored input: left joints are right ones there."""
    return xy[:, mirror] * (-1, 1) + (width - 1, 0)


def heatmaps(preset, flip=False):
    """Return the arrays of a file of one heatmap per joint, their grid, crop and joints in px."""
    options = preset.options
    joints = options.skeleton
    grid = Grid(CELLS, SIZE, options.alignment, options.offset)
    crop, xy = crops(SIZE), places(grid, len(joints), margin=9.0)
    full = 255 if options.score_scale != 1 else 1
    fields = {"heatmaps": full * gaussians(grid.to_cells(xy), CELLS), "affine": crop.matrix}
    if flip:
        back = grid.to_cells(mirrored(xy, joints.mirror, SIZE[0]))
        fields["heatmaps_flipped_input"] = full * gaussians(back, CELLS)
    return fields, grid, crop, xy
