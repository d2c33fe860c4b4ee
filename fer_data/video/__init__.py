"""Videos and folders of pictures, frame by frame: numbers that hold, memory that does not grow."""

from fer_data.video.reader import Frame, Video, VideoInfo
from fer_data.video.sampling import interpolate, sample_positions
from fer_data.video.writer import VideoWriter

__all__ = ["Frame", "Video", "VideoInfo", "VideoWriter", "interpolate", "sample_positions"]
