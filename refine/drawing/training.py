"""The picture of `refine train --images`: losses and keypoint similarities, epoch by epoch."""

import csv
import io

from refine.drawing.palette import BLUE, VERMILION

COLOURS = {"learned from": BLUE, "held out": VERMILION}
PREFIX = {"learned from": "", "held out": "held_"}
PALE = 0.45
"""Opacity of the similarity of joints as they came."""


def draw_curve(table: str) -> bytes:
    """Draw the curve of a training as a PNG.

    Args:
        table: CSV, one row per epoch: epoch, total, before, after; and held_total, ... if persons
            were held out.

    Raises:
        ImportError: matplotlib is not installed.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    rows = list(csv.DictReader(io.StringIO(table)))
    epochs = [int(row["epoch"]) + 1 for row in rows]
    figure = Figure((9, 3.6), dpi=120, layout="constrained")
    FigureCanvasAgg(figure)
    loss, similarity = figure.subplots(1, 2)
    for name, colour in COLOURS.items():
        if f"{PREFIX[name]}total" not in rows[0]:
            continue

        def column(figure: str, prefix: str = PREFIX[name]) -> list[float]:
            return [float(row[prefix + figure]) for row in rows]

        style = {"color": colour, "marker": "o", "markersize": 3}
        loss.plot(epochs, column("total"), label=name, **style)
        similarity.plot(epochs, column("after"), label=f"{name}: refined", **style)
        similarity.plot(
            epochs, column("before"), label=f"{name}: as they came", alpha=PALE, **style
        )
    loss.set_title("loss")
    similarity.set_title("mean keypoint similarity")
    for axes in (loss, similarity):
        axes.set_xlabel("epoch")
        axes.xaxis.get_major_locator().set_params(integer=True)
        axes.grid(alpha=0.3)
        axes.legend(frameon=False, fontsize="small")
    out = io.BytesIO()
    figure.savefig(out, format="png")
    return out.getvalue()
