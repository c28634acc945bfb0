"""The colours of all pictures and charts, as hex strings.

They are Okabe & Ito's, which the colour-blind tell apart (jfly.uni-koeln.de/color, 2008).
"""

BLUE, SKY, GREEN, YELLOW = "#0072B2", "#56B4E9", "#009E73", "#F0E442"
ORANGE, VERMILION, PURPLE = "#E69F00", "#D55E00", "#CC79A7"
PAPER, INK, GRID, QUIET = "#FFFFFF", "#222222", "#C8C8C8", "#666666"
"""Ground, text, lines of charts and frames, and text that matters less."""

LEFT, RIGHT, CENTRE, SIDELESS = BLUE, VERMILION, "#444444", SKY
"""By side of the body; the last where no joint has one, as of a hand."""
BEFORE, AFTER, TRUTH = VERMILION, BLUE, GREEN
"""Before and after something was done, and what annotators say."""
TRAIL, CASING = "#000000", "#FFFFFF"
"""Of the arrow that a moved joint leaves; rim of all that lies on pictures, dark or light."""

KINDS = {
    "good": "#D7E8DF",
    "jitter": YELLOW,
    "inversion": ORANGE,
    "swap": PURPLE,
    "miss": VERMILION,
    "absent": "#56606B",
}
"""By kind of error; pale for what is good, grey for what is not there."""
