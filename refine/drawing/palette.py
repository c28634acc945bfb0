"""The colours of all pictures and charts, as hex strings.

They are Okabe & Ito's, which the colour-blind tell apart (jfly.uni-koeln.de/color, 2008).
"""

from refine.sketch import CENTRE as CENTRE, LEFT as LEFT, RIGHT as RIGHT, SIDELESS as SIDELESS

BLUE, VERMILION, SKY = LEFT, RIGHT, SIDELESS
GREEN, YELLOW, ORANGE, PURPLE = "#009E73", "#F0E442", "#E69F00", "#CC79A7"
PAPER, INK, GRID, QUIET = "#FFFFFF", "#222222", "#C8C8C8", "#666666"
"""Ground, text, lines of charts and frames, and text that matters less."""

BEFORE, AFTER, TRUTH = VERMILION, BLUE, GREEN
"""Before and after something was done, and what annotators say."""
TRACKS = (BLUE, VERMILION, GREEN, PURPLE, ORANGE, SKY, "#8A5A2B", "#882255")
"""Of tracks, by their numbers, over and over: Okabe & Ito's but yellow, which fades on white, then
brown and Tol's wine (sronpersonalpages.nl/~pault)."""
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
