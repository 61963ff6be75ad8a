"""Videos in every container that OpenCV writes, whole and cut off, with counts that mislead."""

import struct

import cv2
from moving_pictures import grey, truncate, write_uneven_video

FRAMES = 40
CODECS = {
    "mp4": "mp4v", "mov": "MJPG", "3gp": "mp4v", "ismv": "mp4v", "avi": "MJPG", "mkv": "MJPG",
    "webm": "VP80", "ts": "mp4v", "m2ts": "mp4v", "flv": "FLV1", "mpg": "PIM1", "vob": "mpg2",
    "wmv": "WMV2",
}  # fmt: skip
INDEX_BEHIND = ("mp4", "mov", "3gp")  # without it nothing can be read


def write_container(path, frames=FRAMES, fps=25):
    """Write a video of 64 x 48 by the suffix of its name."""
    codec = cv2.VideoWriter_fourcc(*CODECS[path.suffix[1:]])
    writer = cv2.VideoWriter(str(path), cv2.CAP_FFMPEG, codec, fps, (64, 48))
    assert writer.isOpened(), path
    for n in range(frames):
        picture = grey(40 + n, (64, 48))
        cv2.circle(picture, (n % 64, 24), 10, (0, 0, 255), -1)
        writer.write(picture)
    writer.release()
    return path


def put_index_in_front(path):
    """Move an MP4's index in front of its frames, as for files that are watched while they come."""
    data = path.read_bytes()
    at = data.index(b"mdat") - 4
    index = data.index(b"moov") - 4
    moov = bytearray(data[index:])
    table = moov.index(b"stco") + 8
    for n in range(struct.unpack_from(">I", moov, table)[0]):
        (place,) = struct.unpack_from(">I", moov, table + 4 + 4 * n)
        struct.pack_into(">I", moov, table + 4 + 4 * n, place + len(moov))
    path.write_bytes(data[:at] + moov + data[at:index])
    return path


def show_second_half(path):
    """Let the edit list of an MP4 begin in the middle."""
    data = bytearray(path.read_bytes())
    edits, media = data.index(b"elst") + 12, data.index(b"mdhd") + 4
    (film,) = struct.unpack_from(">I", data, edits)
    _, ticks = struct.unpack_from(">II", data, media + 12)
    struct.pack_into(">Ii", data, edits, film // 2, ticks // 2)
    path.write_bytes(data)
    return path


def misleading_videos(folder):
    """Write whole videos whose frames OpenCV counts wrongly; returns {name: frames}."""
    write_uneven_video(folder / "last-frame-lasts.mkv", range(0, 1000, 40), 4000)
    write_uneven_video(folder / "uneven.webm", [*range(0, 800, 40), *range(860, 4700, 120)], 4700)
    write_container(folder / "stream.ts")
    show_second_half(write_container(folder / "edited.mp4"))
    start, more = (write_container(folder / name).read_bytes() for name in ("a.ts", "b.ts"))
    (folder / "joined.ts").write_bytes(start + more)
    return {"last-frame-lasts.mkv": 25, "uneven.webm": 52, "stream.ts": FRAMES,
            "edited.mp4": FRAMES // 2, "joined.ts": 2 * FRAMES}  # fmt: skip


def cut_videos(folder):
    """Write videos of which the end is missing; returns {name: what is said of them}."""
    for name in ("cut.ts", "cut.mkv", "cut.avi", "cut.ismv", "cut.flv", "cut.mpg"):
        data = write_container(folder / name).read_bytes()
        # an odd size, because a packet that is whole does not tell that others are missing
        (folder / name).write_bytes(data[: len(data) * 6 // 10 | 1])
    truncate(put_index_in_front(write_container(folder / "front.mp4")), 0.6)
    truncate(write_container(folder / "behind.mp4"), 0.6)
    stops = r": the video stops at frame \d+ \(\d\.\d s\); the rest cannot be read"
    of_all = stops.replace(r"\d+", rf"\d+ of {FRAMES}", 1)
    return {
        **dict.fromkeys(("cut.ts", "cut.mkv", "cut.ismv", "cut.flv", "cut.mpg"), stops),
        "cut.avi": of_all,
        "front.mp4": of_all,
        "behind.mp4": r": neither an image nor a video that can be read \(its end is missing\)",
    }
