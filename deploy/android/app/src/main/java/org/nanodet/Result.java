package org.nanodet;

import java.util.ArrayList;
import java.util.Collections;
import java.util.List;

/** What was found in one image, and how long it took. */
public final class Result {
    private static final int TIMES = 3;
    private static final int PER_DETECTION = 10;

    /** Size of the image in pixels; of a camera frame, after it was turned upright. */
    public final int width;
    public final int height;
    /** Best first. */
    public final List<Detection> detections;
    /** Milliseconds; preprocessing includes the conversion of a camera frame. */
    public final float preprocessMs;
    public final float networkMs;
    public final float decodeMs;

    /** @param values what the native methods return: three times, then ten values per detection */
    Result(int width, int height, float[] values) {
        this.width = width;
        this.height = height;
        preprocessMs = values[0];
        networkMs = values[1];
        decodeMs = values[2];
        List<Detection> found = new ArrayList<>((values.length - TIMES) / PER_DETECTION);
        for (int i = TIMES; i < values.length; i += PER_DETECTION) {
            found.add(new Detection(values[i], values[i + 1], values[i + 2], values[i + 3],
                    values[i + 4], (int) values[i + 5], values[i + 6], values[i + 7],
                    values[i + 8], values[i + 9]));
        }
        detections = Collections.unmodifiableList(found);
    }

    public float totalMs() {
        return preprocessMs + networkMs + decodeMs;
    }
}
