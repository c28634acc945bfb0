"""Instance scores become the OKS to be expected, or what a published recipe makes of the joints."""

from typing import TYPE_CHECKING

from refine.pipeline.step import PipelineStep

if TYPE_CHECKING:
    from refine.pipeline.context import Context
    from refine.poses import Poses


def _apply(poses: "Poses", context: "Context") -> "Poses":
    import numpy as np

    from refine.refiner.apply import expected_similarity
    from refine.rescore import RECIPES, blend, expected_oks, instance_scores, own_scores, rescore

    scores = context.config.scores
    if scores == "own":
        return poses
    if scores in RECIPES:
        source = context.before(poses)
        score = instance_scores(source.score, source.instance_score, scores)
        return rescore(poses, score, recipe=scores)
    poses, belief = context.believe(poses)
    source, weights = context.before(poses), context.refiner.weights
    if context.calibration and scores == "blend":
        score = context.calibration.instance_score(source, poses, belief)
        return rescore(poses, score, weights, "calibrated")
    score = expected_oks(expected_similarity(source, poses, belief), belief.annotated)
    if scores == "blend":
        score = blend(score, own_scores(source))
    unscored = int(np.isnan(source.instance_score).sum())
    facts = {"without_own_score": unscored} if unscored else {}
    return rescore(poses, score, weights, scores, **facts)


STEP = PipelineStep("rescore", "Replace instance scores, as --scores says.", _apply, learned=True)
