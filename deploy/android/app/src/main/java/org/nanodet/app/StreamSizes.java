package org.nanodet.app;

import java.util.List;

/** Chooses the sizes of the two streams of a camera. Knows nothing of Android. */
public final class StreamSizes {
    // what every camera can show beside a stream of frames, says camera2
    private static final int PREVIEW_LONG = 1920;
    private static final int PREVIEW_SHORT = 1080;

    /** {width, height} of the frames that are looked at. */
    public final int[] frame;
    /** {width, height} of what the screen shows; of the frames' aspect, thus of the same view. */
    public final int[] preview;

    private StreamSizes(int[] frame, int[] preview) {
        this.frame = frame;
        this.preview = preview;
    }

    /**
     * Takes the smallest frames that fill the network's input, and the largest preview of their
     * aspect that the screen can show.
     *
     * @param frames {width, height} that the camera offers for frames, at least one
     * @param previews {width, height} that it offers for previews, at least one
     */
    public static StreamSizes choose(
            List<int[]> frames, List<int[]> previews, int inputWidth, int inputHeight,
            int viewWidth, int viewHeight) {
        int[] frame = null;
        for (int[] size : frames) {
            boolean fills = holds(size, inputWidth, inputHeight);
            boolean filled = frame != null && holds(frame, inputWidth, inputHeight);
            if (frame == null || (fills
                    ? !filled || area(size) < area(frame)
                    : !filled && area(size) > area(frame))) {
                frame = size;
            }
        }
        int[] preview = null;
        for (int[] size : previews) {
            if (preview == null || better(size, preview, frame, viewWidth, viewHeight)) {
                preview = size;
            }
        }
        return new StreamSizes(frame, preview);
    }

    private static boolean better(
            int[] one, int[] other, int[] frame, int viewWidth, int viewHeight) {
        double difference = strangeness(one, frame) - strangeness(other, frame);
        if (difference != 0) {
            return difference < 0;
        }
        boolean fits = shows(one, viewWidth, viewHeight);
        boolean otherFits = shows(other, viewWidth, viewHeight);
        if (fits != otherFits) {
            return fits;
        }
        return fits ? area(one) > area(other) : area(one) < area(other);
    }

    private static boolean shows(int[] size, int viewWidth, int viewHeight) {
        return holds(new int[] {PREVIEW_LONG, PREVIEW_SHORT}, size[0], size[1])
                && holds(new int[] {viewWidth, viewHeight}, size[0], size[1]);
    }

    /** Whether something fits in, lying or standing. */
    private static boolean holds(int[] size, int width, int height) {
        return Math.max(size[0], size[1]) >= Math.max(width, height)
                && Math.min(size[0], size[1]) >= Math.min(width, height);
    }

    /** How far aspects differ, 0 for the same. */
    private static double strangeness(int[] one, int[] other) {
        long crossed = Math.abs((long) one[0] * other[1] - (long) other[0] * one[1]);
        return (double) crossed / ((long) one[1] * other[1]);
    }

    private static long area(int[] size) {
        return (long) size[0] * size[1];
    }
}
