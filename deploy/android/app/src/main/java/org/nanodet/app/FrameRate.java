package org.nanodet.app;

/** Frames per second over the last second or so. */
public final class FrameRate {
    private static final double WINDOW_S = 1;

    private long start;
    private int frames;
    private float rate;

    /**
     * Counts a frame.
     *
     * @param nanoseconds when it was, on a clock that never goes back
     * @return frames per second; 0 before it is known
     */
    public float count(long nanoseconds) {
        if (frames == 0 && rate == 0) {
            start = nanoseconds;
        }
        double seconds = (nanoseconds - start) / 1e9;
        if (seconds >= WINDOW_S) {
            rate = (float) (frames / seconds);
            start = nanoseconds;
            frames = 0;
        }
        frames++;
        return rate;
    }

    public void reset() {
        frames = 0;
        rate = 0;
    }
}
