"""`refine draw` of what moves: a video of the poses, and the paths of joints over time."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from refine.cli._output import say
from refine.cli._progress import count_poses
from refine.exceptions import FormatError

if TYPE_CHECKING:
    from PIL import Image

    from refine.drawing.files import Pictures
    from refine.drawing.footage import Film
    from refine.drawing.stages import Stages
    from refine.motion.frames import Timeline
    from refine.poses import Poses


_MEANT = {
    "frames": ("video",),
    "trails": ("video",),
    "fps": ("video", "trajectories"),
    "joints": ("video", "trajectories"),
    "track": ("trajectories",),
}
"""Options, and what they are for."""


@dataclass(frozen=True, slots=True)
class Moving:
    """What is drawn of a video, as `moving_options` tell.

    Attributes:
        video: file of moving pictures to write, or None.
        frames: video file whose pictures lie under the poses.
        fps: frames per second, where the file does not tell.
        trails: seconds that trails reach back, or None.
        trajectories: file of joints over time to write, or None.
        joints: names, with commas between; "" for the usual ones.
        track: number of the track whose joints are drawn over time; None for the longest.
        before: file of the poses before something was done to them.
    """

    video: str | None
    frames: str | None
    fps: float | None
    trails: float | None
    trajectories: str | None
    joints: str
    track: int | None
    before: str | None

    def __post_init__(self) -> None:
        for name, ways in _MEANT.items():
            unasked = getattr(self, name) in (None, "")
            if not unasked and not any(getattr(self, way) for way in ways):
                raise click.UsageError(f"--{name} is for --{' and --'.join(ways)}")

    @property
    def targets(self) -> list[str]:
        """What is to be written."""
        return [target for target in (self.video, self.trajectories) if target is not None]

    def joint_names(self) -> tuple[str, ...]:
        """Return the names of the joints that were asked for."""
        return tuple(name for part in self.joints.split(",") if (name := part.strip()))


_OPTIONS = (
    click.option(
        "--video",
        metavar="OUT.mp4",
        is_eager=True,
        help="Write the frames as a video, files side by side: .mp4 (H.264) or .gif.",
    ),
    click.option(
        "--frames",
        metavar="VIDEO",
        help="The video that was predicted on, whose frames lie under the poses of --video.",
    ),
    click.option(
        "--fps",
        type=float,
        help="Frames per second, where neither the file nor --frames tells.",
    ),
    click.option(
        "--trails",
        type=click.FloatRange(0, 3600),
        metavar="SECONDS",
        help="How far trails behind joints reach back in --video.  [0]",
    ),
    click.option(
        "--trajectories",
        metavar="OUT.svg",
        is_eager=True,
        help="Write x, y and speed of joints over time, of the first file and the last.",
    ),
    click.option(
        "--joints",
        default="",
        metavar="NAME,...",
        help="Joints of --trajectories and --trails.  [those that changed most; ends of limbs]",
    ),
    click.option("--track", type=int, metavar="N", help="Track of --trajectories.  [the longest]"),
    click.option("--before", metavar="OTHER", help="The same as OTHER in front of PRED."),
)


def moving_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Give a verb the options of `Moving`, as the argument named `moving`."""

    @wraps(function)
    def gather(*arguments: Any, **options: Any) -> Any:
        own = {name: options.pop(name) for name in Moving.__dataclass_fields__}
        return function(*arguments, moving=Moving(**own), **options)

    verb: Callable[..., Any] = gather
    for option in reversed(_OPTIONS):
        verb = option(verb)
    return verb


def draw_video(
    files: "Mapping[str, Poses]",
    moving: Moving,
    folder: str | None,
    *,
    exif: bool,
    size_px: int | None,
    progress: bool | None,
) -> dict[str, Any]:
    """Write the video of poses and return the facts of the summary.

    Args:
        files: title -> poses, on the same images.
        moving: the options.
        folder: of pictures, or None.
        exif: whether EXIF orientation is applied to them.
        size_px: longer side of a panel, or None.
        progress: of `progress_option`.
    """
    from refine.drawing.files import counted, find_all
    from refine.drawing.movie import write_movie
    from refine.drawing.video import Screen, film_poses, frame_size
    from refine.motion.frames import rate_of, timeline_of, told_rate
    from refine.refiner.image.pictures import tell

    if folder is not None and moving.frames is not None:
        raise click.UsageError("expected pictures once, --images or --frames")
    *_, last = files.values()
    timeline = timeline_of(last)
    told = _telling(files.values())
    pictures, film, given = None, None, moving.fps
    if moving.frames is not None:
        film = _fitting_film(moving.frames, last)
        if given is None and told_rate(told) is None:
            given = film.fps
    fps = rate_of(told, given)
    if folder is not None:
        pictures = find_all(last, folder, exif=exif)
        assert pictures.sight is not None
        sized = pictures.sight.poses.images
        files = {name: poses.replace(images=sized) for name, poses in files.items()}
    size = film.size if film else frame_size(list(files.values()))
    screen = Screen(size, fps, size_px, moving.trails or 0.0, moving.joint_names())
    under = _under(timeline, pictures, film)
    movie = str(moving.video)

    def show(bar: Callable[[int], None] | None) -> None:
        drawn = film_poses(files, timeline, under, screen)
        write_movie(movie, counted(drawn, bar), fps / timeline.step)

    frames = len(timeline.number)
    count_poses(frames, show, progress, "frames")
    say(f"{frames} frames, {frames * timeline.step / fps:.1f} s, drawn to {movie}")
    unread, unfit = {}, {}
    if pictures is not None and pictures.sight is not None:
        tell(pictures.sight, exif=exif, done="drawn")
        unread, unfit = pictures.sight.unread, pictures.sight.unfit
    return {
        "video": movie,
        "frames": frames,
        "fps": fps / timeline.step,
        "pictures_unread": len(unread),
        "pictures_unfit": len(unfit),
    }


def draw_trajectories(stages: "Stages", moving: Moving) -> dict[str, Any]:
    """Write joints of a track over time and return the facts of the summary.

    Args:
        stages: poses in one stage or several.
        moving: the options.
    """
    from refine.drawing.files import ENDINGS, encode
    from refine.drawing.trajectories import JOINTS, draw_course, find_course, usual_joints
    from refine.files import write_bytes
    from refine.motion.frames import rate_of

    target = Path(str(moving.trajectories))
    if target.suffix.lower() not in ENDINGS:
        raise FormatError(
            f"expected a file that ends in {', '.join(ENDINGS)}", where=str(target), hint="another"
        )
    course = find_course(stages, rate_of(_telling(stages.poses), moving.fps), moving.track)
    joints = [course.skeleton.index(name) for name in moving.joint_names()]
    joints = joints or usual_joints(course, JOINTS)
    if not joints:
        raise FormatError(f"expected joints that are there in two frames, got none: {course.title}")
    names = list(dict.fromkeys((stages.names[0], stages.names[-1])))
    canvas = draw_course(course, joints, names)
    write_bytes(target, encode(canvas, ENDINGS[target.suffix.lower()], target.name))
    rest = f" of {course.of} tracks" if course.of > 1 else ""
    say(f"{course.title}{rest}: {len(joints)} joint{'s' * (len(joints) != 1)} drawn to {target}")
    return {
        "trajectories": str(target),
        "track": course.track,
        "tracks": course.of,
        "joints": [course.skeleton.joints[j] for j in joints],
        "frames": len(course.time),
        "pictures_unread": 0,
        "pictures_unfit": 0,
    }


def _telling(files: "Iterable[Poses]") -> "Poses":
    """Return the first poses that tell their frames per second, else the first."""
    from refine.motion.frames import told_rate

    every = list(files)
    return next((poses for poses in every if told_rate(poses)), every[0])


def _fitting_film(path: str, poses: "Poses") -> "Film":
    """Read what a video tells of itself, and refuse one that poses were not predicted on."""
    from refine.drawing.footage import look_into
    from refine.drawing.poses import told_size
    from refine.refiner.image.pictures import belongs

    film = look_into(path)
    told = {size for ref in poses.images if (size := told_size(ref))} - {film.size}
    wide, high = film.size
    if told:
        width, height = told.pop()
        raise FormatError(
            f"expected a video of {width} x {height} px, as the poses tell, got {wide} x {high}",
            where=path,
            hint="the video that was predicted on",
        )
    if not belongs(poses.xy, film.size):
        raise FormatError(
            f"expected joints inside of the {wide} x {high} px of the video, got most outside",
            where=path,
            hint="the video that was predicted on",
        )
    return film


def _under(
    timeline: "Timeline", pictures: "Pictures | None", film: "Film | None"
) -> "Iterator[Image.Image | None]":
    """Yield the picture of every frame, and say of how many a video has none."""
    from refine.drawing.footage import first_number, pictures_of

    if film is not None:
        start = first_number(film, timeline.number)
        say(f"{film.path}: its first frame is number {start}")
        numbers, lacking = timeline.number - start, 0
        for picture in pictures_of(film, iter(numbers.tolist())):
            lacking += picture is None
            yield picture
        if lacking:
            say(f"{film.path}: ends before the last {lacking} of {len(numbers)} frames", -1)
        return
    for image in timeline.image.tolist():
        yield pictures.read(image) if pictures is not None and image >= 0 else None
