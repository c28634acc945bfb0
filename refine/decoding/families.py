"""All families of outputs, one line each."""

from refine.decoding.centre import outputs as centre
from refine.decoding.family import Family
from refine.decoding.heatmap import efficientpose, fused_outputs, outputs as heatmap, roi_outputs
from refine.decoding.offsets import outputs as offsets
from refine.decoding.one_stage import outputs as one_stage
from refine.decoding.paf import outputs as paf
from refine.decoding.partition import outputs as partition
from refine.decoding.personlab import outputs as personlab
from refine.decoding.regression import outputs as regression
from refine.decoding.simcc import outputs as simcc
from refine.decoding.tags import outputs as tags

FAMILIES: dict[str, Family] = {
    family.name: family
    for family in (
        heatmap.FAMILY,
        efficientpose.FAMILY,
        paf.FAMILY,
        tags.FAMILY,
        partition.FAMILY,
        personlab.FAMILY,
        centre.CENTERNET,
        centre.MULTIPOSE,
        centre.SINGLEPOSE,
        fused_outputs.FAMILY,
        offsets.COMBINED,
        offsets.GRMI,
        simcc.FAMILY,
        regression.EXPECTATION,
        regression.COORDINATES,
        regression.BLAZEPOSE,
        roi_outputs.FAMILY,
        one_stage.YOLO,
        one_stage.YOLOX,
        one_stage.RTMO,
        one_stage.DEKR,
        one_stage.DIRECT_POSE,
    )
}
"""By the `family` of a preset."""
